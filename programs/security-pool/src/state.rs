//! The accounts and the methods that change them.

mod bond;
mod committee;
mod delegation;
mod pool;
mod pot;
mod report;
mod roster;
mod withdrawal;

pub use bond::{Bond, Checkpoint, CHECKPOINTS};
pub use committee::{quorum, Committee, CommitteeEntry};
pub use delegation::Delegation;
pub use pool::{Pool, PoolTerms, FULL_BPS, MAX_COOLDOWN, MIN_SEED};
pub use pot::Pot;
pub use report::{Report, Reported, SourceKind};
pub use roster::{
    Moment, Roster, RosterEntry, RosterTerms, Slash, Split, MAX_BOUNTY_BPS, MAX_OPERATORS,
    MAX_PAID_BPS, MAX_SLASHERS, NOTICE,
};
pub use withdrawal::{Request, Withdrawal};

/// The layout that this version of the program writes.
pub const VERSION: u8 = 1;
