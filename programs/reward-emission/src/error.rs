//! What the program refuses, and what to do about it.

use anchor_lang::prelude::*;
use commitment::ProofError;

/// Errors of the program: 0.. accounts, 100.. parameters, 200.. payees, 300.. roots, 400.. votes, 500.. claims,
/// 600.. credits.
#[error_code]
pub enum EmissionError {
    #[msg("The account belongs to another network: pass the one of this network")]
    WrongNetwork = 0,
    #[msg("Only the network's authority may do this: sign with it")]
    NotAuthority = 1,
    #[msg("Reward roots are paused: retry when the network's pause has ended")]
    RootsPaused = 2,
    #[msg("A number does not fit: use smaller amounts or times")]
    Overflow = 3,
    #[msg("The emission's books do not balance: nothing was changed; report this")]
    InvariantBroken = 4,

    #[msg("Operators get at most 10000 basis points")]
    OperatorsShareTooLarge = 100,
    #[msg("The schedule needs initial > 0, floor <= initial, decay < 2^32, and crossover <= end with end > 0")]
    InvalidSchedule = 101,
    #[msg("The crossover must be the first epoch whose decayed budget is less than 2 above the floor, or the end, and at most 2^20")]
    WrongCrossover = 102,
    #[msg("The schedule emits more than 2^64 - 1 base units: use smaller amounts")]
    ScheduleOverflow = 103,
    #[msg("Challenge window, ballot length and breaker window must be 1 second to 366 days")]
    InvalidDuration = 104,
    #[msg("The ballot length must divide the network's epoch length, so that each ballot has one committee")]
    BallotAcrossEpochs = 105,
    #[msg("The breaker's limit must be at least one base unit")]
    InvalidBreakerLimit = 106,
    #[msg("Pass the network's reward mint")]
    WrongMint = 107,
    #[msg("The mint's authority must sign: it is handed over to the emission")]
    WrongMintAuthority = 108,
    #[msg("Tokens of the reward mint exist already: use a mint without supply")]
    MintNotEmpty = 109,
    #[msg(
        "The reward mint has a freeze authority, which could stop claims: use a mint without one"
    )]
    MintCanFreeze = 110,
    #[msg("The slash for wrong roots must be 1 to 10000 basis points")]
    InvalidRootSlash = 111,
    #[msg("The challenge window must not be longer than the network's evidence window: by then stake may have left")]
    ChallengeWindowTooLong = 112,
    #[msg("An epoch's floor is at most 10000 basis points of what is scheduled")]
    FloorTooLarge = 113,
    #[msg("What devices count by tier must be at most 10000 basis points, no lower for a higher tier, and at least 1 for the highest")]
    InvalidTiers = 114,
    #[msg("Cells need a capacity of at least 1, a target of at most the capacity, a bonus of at most 10000 basis points, a resolution of 0 to 15, and 1 to 16 owners for the full reward")]
    InvalidCoverage = 115,
    #[msg("The least reputation must be 1 to 10000 basis points, and a step at most 10000, and at least 1 if the least is less than 10000")]
    InvalidReputation = 116,
    #[msg("The most that demand makes of a score must be at least 10000 basis points")]
    InvalidDemand = 117,
    #[msg("Credits were bought in this network while its mint's authority could mint for nothing: create another network, and its emission before anybody buys credits")]
    CreditsBeforeEmission = 118,

    #[msg("Only the pool's operator may do this: sign with it")]
    NotOperator = 200,
    #[msg("The pool's stake is of another mint than the network's: use a pool that can secure this network")]
    WrongPool = 201,
    #[msg("The payee is somebody else's: sign with its owner, or pass its pool and sign with the pool's operator")]
    NotPayee = 202,
    #[msg("All 2^20 indices of this kind are taken")]
    TooManyPayees = 203,
    #[msg("The destination must be a token account of the reward mint")]
    WrongDestinationMint = 204,

    #[msg("The epoch is not over: retry after its end")]
    EpochNotOver = 300,
    #[msg("This epoch or a later one is final already: propose a later epoch")]
    EpochFinal = 301,
    #[msg("Another ballot is open now: use ballot (now - end of the epoch) / ballot length")]
    WrongBallot = 302,
    #[msg(
        "The committee is not the current epoch's: call snapshot_committee and pass its account"
    )]
    WrongCommittee = 303,
    #[msg("The committee has no such member with this signer: pass the member's index and sign with its hot key")]
    NotMember = 304,
    #[msg("The archive's commitment does not exist: commit the trees to the stream first")]
    NoArchive = 305,
    #[msg(
        "The root grants more than the epoch's budget over the last final one: correct the rewards"
    )]
    MoreThanEmitted = 306,
    #[msg(
        "The root grants operators more than their share of the epoch's budget: correct the rewards"
    )]
    MoreThanOperatorsShare = 307,
    #[msg("The root grants less than the last final one: grants are cumulative and never shrink")]
    SumShrinks = 308,
    #[msg("Trees have a depth of 1 to 21, and no less than the last final ones")]
    InvalidDepth = 309,
    #[msg("The roots do not add to the last final ones: compute and propose those that do")]
    Superseded = 310,
    #[msg("The proposal was proven wrong: propose the right roots in the current ballot")]
    Rejected = 311,
    #[msg("The proposal may still decide, or its offenders be slashed: close it once a later epoch is final and the evidence window is over")]
    StillNeeded = 312,
    #[msg("Pass the account that paid for the proposal")]
    WrongPayer = 313,

    #[msg("The proposal no longer takes votes: it passed")]
    VotingClosed = 400,
    #[msg("The proposal's ballot is over: propose again in the current ballot")]
    BallotOver = 401,
    #[msg("This member's vote was counted before")]
    AlreadyVoted = 402,
    #[msg("The instruction named is not a well-formed Ed25519 instruction with that signature: fix the reference")]
    BadSignatureReference = 403,
    #[msg("The signature is not the member's: pass the index of the member that signed")]
    WrongSigner = 404,
    #[msg("The message signed is not a vote for this network, epoch, ballot, base, roots and committee: sign the proposal's message")]
    WrongVote = 405,
    #[msg(
        "The proposal has not passed: it needs votes of two thirds of the committee's allocation"
    )]
    NotPassed = 406,
    #[msg("The proposal is final already")]
    AlreadyFinal = 407,
    #[msg("The challenge window is open: retry once it has passed")]
    ChallengeWindowOpen = 408,
    #[msg("The proposal grants this index what its score earned, and to its payee: nothing is wrong here")]
    GrantHolds = 409,
    #[msg("The payee account is not the one of this kind and index in this network: pass it, or none for an index that nobody has")]
    WrongPayee = 410,
    #[msg("The proposal is not rejected: prove it wrong with challenge_root first")]
    NotRejected = 411,
    #[msg("The member did not vote for this proposal")]
    NotVoter = 412,
    #[msg("Pass the offender's pool and the network's roster")]
    WrongOffender = 413,
    #[msg("The pool was slashed for this before")]
    AlreadySlashed = 414,
    #[msg("Both votes are for the same roots: that is no offence")]
    SameVote = 415,
    #[msg("The votes are too old: evidence is taken within the network's evidence window")]
    EvidenceTooOld = 416,
    #[msg("The report is not the offence's: pass that of the proposal's vote and its proposer")]
    WrongReport = 417,

    #[msg("No root is final yet: claim after finalize_root")]
    NoFinalRoot = 500,
    #[msg("Nothing to claim: the payee has got everything this amount grants; retry when another root is final")]
    NothingToClaim = 501,
    #[msg("A path has a sibling of 40 bytes for each level of the trees")]
    InvalidPath = 502,
    #[msg("The final root does not grant this payee this amount: fetch the path of the latest final root")]
    NotGranted = 503,
    #[msg("Pass the payee's destination")]
    WrongDestination = 504,
    #[msg("The payee's destination is closed or not usable: name another with set_destination")]
    DestinationUnusable = 505,
    #[msg("Too much was claimed lately: retry at the unix time in the log")]
    BreakerOpen = 506,
    #[msg("Claims would exceed what the final root grants to all: this root granted again what was already paid")]
    GrantsExhausted = 507,

    #[msg("The pricing names no account that an oracle could have: correct address, format, oracles and deviation; a reward mint has at most 18 decimals")]
    InvalidPricing = 600,
    #[msg("Credits are spent in the present epoch: open it with open_epoch, and pass its account")]
    WrongEpoch = 601,
    #[msg("There are fewer credits than this costs: buy more with buy_credits")]
    TooFewCredits = 602,
    #[msg("The oracle's account gives no price that is taken; the log says why: have it freshly updated, and retry")]
    Price = 603,
    #[msg(
        "The tokens buy fewer credits than asked for: the price has moved; ask for fewer, or retry"
    )]
    PriceMoved = 604,
    #[msg("That is not a single credit: use more")]
    NoCredits = 605,
    #[msg("Only their owner spends credits: sign with it")]
    NotCreditsOwner = 606,
    #[msg("Credits are spent on registrations (0) or feeds (1)")]
    UnknownPurpose = 607,
    #[msg("Pass a feed of this network")]
    WrongFeed = 608,
    #[msg("Another oracle's account tells the token's price: pass the one that the pricing names at present")]
    WrongOracle = 609,
}

impl From<ProofError> for EmissionError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Length => Self::InvalidPath,
            ProofError::Index | ProofError::Mismatch | ProofError::Overflow => Self::NotGranted,
        }
    }
}
