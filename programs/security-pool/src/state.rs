//! The accounts and the methods that change them.

mod committee;
mod delegation;
mod pool;
mod pot;
mod roster;
mod withdrawal;

pub use committee::{quorum, Committee, CommitteeEntry};
pub use delegation::Delegation;
pub use pool::{Pool, PoolTerms, FULL_BPS, MAX_COOLDOWN, MIN_SEED};
pub use pot::Pot;
pub use roster::{Moment, Roster, RosterEntry, MAX_OPERATORS, MAX_SLASHERS};
pub use withdrawal::{Request, Withdrawal};

/// The layout that this version of the program writes.
pub const VERSION: u8 = 1;
