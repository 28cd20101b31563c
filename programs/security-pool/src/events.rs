//! What people follow. State is rebuilt from the accounts, so these go to the logs.

use crate::state::{Bond, RosterEntry};
use anchor_lang::prelude::*;

/// A pool was created.
#[event]
pub struct PoolCreated {
    /// The pool's address.
    pub pool: Pubkey,
    /// Who operates it.
    pub operator: Pubkey,
    /// Mint of its stake.
    pub stake_mint: Pubkey,
    /// Seconds between request and withdrawal.
    pub cooldown: i64,
    /// How often its stake may be allocated, in basis points.
    pub leverage_bps: u32,
    /// Whether others than the operator may delegate to it.
    pub takes_delegators: bool,
}

/// A pool has a new worker's key.
#[event]
pub struct SignerSet {
    /// The pool's address.
    pub pool: Pubkey,
    /// The new key.
    pub signer: Pubkey,
}

/// A pool has a new operator.
#[event]
pub struct OperatorAccepted {
    /// The pool's address.
    pub pool: Pubkey,
    /// The new operator.
    pub operator: Pubkey,
}

/// Stake came in.
#[event]
pub struct Delegated {
    /// The pool's address.
    pub pool: Pubkey,
    /// Whose delegation it is.
    pub owner: Pubkey,
    /// Base units.
    pub amount: u64,
    /// Shares for it.
    pub shares: u64,
}

/// Stake began to cool down.
#[event]
pub struct WithdrawalRequested {
    /// The pool's address.
    pub pool: Pubkey,
    /// Whose delegation it was.
    pub owner: Pubkey,
    /// The owner's numbering.
    pub number: u64,
    /// Shares given up.
    pub shares: u64,
    /// Their worth now, base units.
    pub amount: u64,
    /// From when it is paid, unix seconds.
    pub available_at: i64,
}

/// Stake went out.
#[event]
pub struct Withdrawn {
    /// The pool's address.
    pub pool: Pubkey,
    /// Who was paid.
    pub owner: Pubkey,
    /// The owner's numbering.
    pub number: u64,
    /// Base units.
    pub amount: u64,
}

/// A pool's place on a roster changed.
#[event]
pub struct AllocationChanged {
    /// The network's address.
    pub network: Pubkey,
    /// The pool's address.
    pub pool: Pubkey,
    /// Allocation before `effective_epoch`, base units.
    pub current: u64,
    /// Allocation from then on, base units.
    pub next: u64,
    /// The epoch from which `next` is the allocation.
    pub effective_epoch: u64,
    /// When the rest is released, unix seconds; 0 if nothing is.
    pub release_at: i64,
}

impl AllocationChanged {
    /// The event of an entry after its change.
    pub fn new(network: Pubkey, entry: &RosterEntry) -> Self {
        Self {
            network,
            pool: entry.pool,
            current: entry.current,
            next: entry.next,
            effective_epoch: entry.effective_epoch,
            release_at: entry.release_at,
        }
    }
}

/// A committee is complete.
#[event]
pub struct CommitteeDrawn {
    /// The network's address.
    pub network: Pubkey,
    /// The network's epoch.
    pub epoch: u64,
    /// Members.
    pub count: u32,
    /// Their allocations together, base units.
    pub total: u64,
}

/// A pool was slashed. The report says by whom and for what.
#[event]
pub struct Slashed {
    /// The network's address.
    pub network: Pubkey,
    /// The pool's address.
    pub pool: Pubkey,
    /// The report's address.
    pub report: Pubkey,
    /// What the shares lost, base units.
    pub amount: u64,
    /// How much of it is beyond the epoch's cap, locked until it is collected, base units.
    pub excess: u64,
    /// Of the rest, to the reporter, base units.
    pub bounty: u64,
    /// Set aside for those who were harmed, base units.
    pub insurance: u64,
    /// Burned, base units.
    pub burned: u64,
}

/// An owner's bond was slashed. The report says by whom and for what.
#[event]
pub struct BondSlashed {
    /// The network's address.
    pub network: Pubkey,
    /// Whose bond it is.
    pub owner: Pubkey,
    /// The report's address.
    pub report: Pubkey,
    /// What it lost, base units; 0 if there was none.
    pub amount: u64,
    /// Of that to the reporter, base units.
    pub bounty: u64,
    /// Burned, base units.
    pub burned: u64,
}

/// What a slash had locked, or a part of it, was taken and divided.
#[event]
pub struct ExcessCollected {
    /// The network's address.
    pub network: Pubkey,
    /// The report's address.
    pub report: Pubkey,
    /// To the reporter, base units.
    pub bounty: u64,
    /// Set aside for those who were harmed, base units.
    pub insurance: u64,
    /// Burned, base units.
    pub burned: u64,
}

/// The insurance of a report was paid.
#[event]
pub struct InsurancePaid {
    /// The network's address.
    pub network: Pubkey,
    /// The report's address.
    pub report: Pubkey,
    /// The token account that was paid.
    pub destination: Pubkey,
    /// Base units.
    pub amount: u64,
}

/// An owner's bond changed.
#[event]
pub struct BondChanged {
    /// The network's address.
    pub network: Pubkey,
    /// Whose bond it is.
    pub owner: Pubkey,
    /// What backs devices now, base units.
    pub amount: u64,
    /// What is on its way out, base units.
    pub cooling: u64,
    /// From when that is paid, unix seconds; 0 if nothing is on its way.
    pub releases_at: i64,
}

impl BondChanged {
    /// The event of a bond after its change.
    pub fn new(bond: &Bond) -> Self {
        Self {
            network: bond.network,
            owner: bond.owner,
            amount: bond.amount,
            cooling: bond.cooling,
            releases_at: bond.releases_at,
        }
    }
}
