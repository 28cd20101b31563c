//! The program's accounts.

pub mod fund;
pub mod policy;

pub use fund::Fund;
pub use policy::{Direction, Policy, PolicyTerms};

/// Layout of this release's accounts.
pub const VERSION: u8 = 1;
