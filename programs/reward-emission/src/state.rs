//! The program's accounts.

pub mod breaker;
pub mod emission;
pub mod payee;
pub mod proposal;
pub mod schedule;

pub use breaker::Breaker;
pub use emission::{Emission, FULL_BPS, MAX_DURATION};
pub use payee::{Payee, PayeeKind, MAX_PAYEES};
pub use proposal::{exposed_until, Proposal, Roots, FINAL, OPEN, PASSED, REJECTED};
pub use schedule::{Schedule, MAX_CROSSOVER};
