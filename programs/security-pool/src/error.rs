//! What can go wrong, and what the caller should do about it.

use anchor_lang::prelude::*;

/// Errors of the pools, by group: roles 0, pools and shares 100, withdrawals 200, rosters 300, committees 400, slashing
/// 500, bonds 600.
#[error_code]
pub enum PoolError {
    #[msg("Only the pool's operator may do this: sign with its key")]
    NotOperator = 0,
    #[msg("Only the key named by transfer_operator may accept: sign with it")]
    NotPendingOperator = 1,
    #[msg("Only the network's authority may do this: sign with its key")]
    NotNetworkAuthority = 2,
    #[msg("The owner's key must sign, and it must be the owner of this account")]
    NotOwner = 3,

    #[msg("The cool-down must be between 1 s and 366 days: choose one in that range")]
    InvalidCooldown = 100,
    #[msg("The leverage is in basis points and at least 10000, which is 1: raise it")]
    InvalidLeverage = 101,
    #[msg("The seed is too small to protect the first delegator: give at least MIN_SEED")]
    SeedTooSmall = 102,
    #[msg("The signer can't be the default key: give the public key that will sign")]
    InvalidSigner = 103,
    #[msg("The pool has lost its whole stake and takes no more: delegate to another")]
    DeadPool = 104,
    #[msg("The amount is zero, or worth no share: raise it")]
    ZeroShares = 105,
    #[msg("Fewer shares than min_shares: read the pool again, and accept its present price")]
    TooFewShares = 106,
    #[msg("The delegation has fewer shares than that: lower the number")]
    NotEnoughShares = 107,
    #[msg("The amounts are too large to compute with: lower them")]
    Overflow = 108,
    #[msg("The account is of another pool: pass the one of this pool")]
    WrongPool = 109,
    #[msg("The mint is not the stake mint: pass the stake mint")]
    WrongMint = 110,
    #[msg("The vault is not this pool's: pass pool.vault")]
    WrongVault = 111,
    #[msg("The vault would hold less than the pool owes: nothing was changed, report this")]
    Insolvent = 112,
    #[msg("The pool's operator is this key already: offer the pool to another, or take the offer back")]
    SameOperator = 113,

    #[msg("The shares are worth nothing: request more of them")]
    WorthNothing = 200,
    #[msg("The cool-down is not over: withdraw at available_at or later")]
    StillCooling = 201,

    #[msg("The roster is of another network: pass the one of this network")]
    WrongRoster = 300,
    #[msg(
        "The pool's stake mint is not the network's: opt in with a pool of the network's stake mint"
    )]
    WrongStakeMint = 301,
    #[msg(
        "The cool-down must be longer than an epoch and the evidence window together: use a pool with a longer one"
    )]
    CooldownTooShort = 302,
    #[msg("The allocation is below the roster's minimum: raise it")]
    AllocationTooSmall = 303,
    #[msg("The allocation exceeds the pool's stake: lower it, or stake more")]
    AllocationAboveStake = 304,
    #[msg(
        "All allocations together exceed stake times leverage: lower this one, or opt out elsewhere"
    )]
    AllocationAboveLeverage = 305,
    #[msg("The roster is full: wait until an operator has left and refresh it")]
    RosterFull = 306,
    #[msg("The pool is not on this roster: opt in first")]
    NotOnRoster = 307,
    #[msg("The pool is already leaving: wait for its release, then refresh")]
    AlreadyLeaving = 308,
    #[msg("Staking is paused on this network: wait until the pause ends")]
    Paused = 309,
    #[msg("The slashing cap is in basis points, 1 to 10000: choose one in that range")]
    InvalidSlashCap = 310,
    #[msg("The minimum allocation must be at least 1: raise it")]
    InvalidMinimum = 311,
    #[msg(
        "The bounty takes at most 5000 basis points, and the insurance with it at most 9000: lower them"
    )]
    InvalidShares = 312,
    #[msg(
        "A slasher must be the address of a program, not a key: give the PDA [\"slasher\"] of each"
    )]
    InvalidSlasher = 313,
    #[msg(
        "One roster has the pool's stake and signer at hand: pass that of the network pool.home"
    )]
    WrongHome = 314,
    #[msg("An earlier allocation has not been released yet, and a raise would be at stake with it, unannounced: raise it at release_at or later")]
    StillReleasing = 315,
    #[msg("The pool's leverage is above what this network takes: use a pool of at most roster.max_leverage_bps")]
    LeverageTooHigh = 316,
    #[msg("The pool takes stake of its operator alone: delegate to another")]
    TakesNoDelegators = 317,
    #[msg("A network has come to count more of the pool since: look at its networks, and pass pool.raises if they suit you")]
    RaisedSince = 318,

    #[msg(
        "Only the committee of the current epoch can be drawn: give the network's current epoch"
    )]
    WrongEpoch = 400,
    #[msg(
        "This is not the next pool: pass those with an allocation whose home is another roster, in the order of the slots"
    )]
    WrongPoolOrder = 401,
    #[msg(
        "The next pool is missing: pass those with an allocation whose home is another roster, in the order of the slots"
    )]
    MissingPool = 402,
    #[msg("More pools than the roster needs: pass those with an allocation whose home is another roster, once")]
    TooManyPools = 403,

    #[msg(
        "Only a program that the roster names may slash: call the one that decides on this offence"
    )]
    NotSlasher = 500,
    #[msg("The severity is in basis points, 1 to 10000: choose one in that range")]
    InvalidSeverity = 501,
    #[msg("The pool has nothing at stake in this network any more: nothing is left to slash")]
    NothingAtStake = 502,
    #[msg(
        "The report is of another network, or of somebody else: pass one of this network and pool"
    )]
    WrongReport = 503,
    #[msg("The bounty goes where the report says: pass its destination")]
    WrongDestination = 504,
    #[msg("Nothing of this report is left to collect or to pay: pass another")]
    NothingDue = 505,
    #[msg("The cap of this epoch is used up: collect in the next")]
    CapReached = 506,
    #[msg("The bounty would stay in the vault: pass the reporter's own token account")]
    BountyIsVault = 507,
    #[msg(
        "The report is not at its address: pass slashing::report of the slasher and the offence"
    )]
    MisplacedReport = 508,

    #[msg("The bond is of another network or owner: pass the one of this owner in this network")]
    WrongBond = 600,
    #[msg("The vault is not that of this network's bonds: pass roster.bond_vault")]
    WrongBondVault = 601,
    #[msg("The amount is zero: raise it")]
    ZeroAmount = 602,
    #[msg("The bond is smaller than that: lower the amount")]
    BondTooSmall = 603,
    #[msg("The bond is still cooling: withdraw at releases_at or later")]
    BondCooling = 604,
    #[msg("Nothing of the bond has cooled down: request some of it first")]
    NothingRequested = 605,
}
