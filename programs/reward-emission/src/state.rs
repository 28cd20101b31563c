//! The program's accounts.

pub mod breaker;
pub mod credits;
pub mod demand;
pub mod emission;
pub mod epoch;
pub mod payee;
pub mod pricing;
pub mod proposal;
pub mod schedule;
pub mod scoring;

pub use breaker::Breaker;
pub use credits::{Credits, CREDITS_PER_DOLLAR};
pub use demand::Demand;
pub use emission::{Budget, Emission, FULL_BPS, MAX_DURATION};
pub use epoch::Epoch;
pub use payee::{Payee, PayeeKind, MAX_PAYEES};
pub use pricing::{Pricing, Terms, MAX_DECIMALS};
pub use proposal::{exposed_until, Proposal, Roots, FINAL, OPEN, PASSED, REJECTED};
pub use schedule::{Schedule, MAX_CROSSOVER};
pub use scoring::{Scoring, FINEST_RESOLUTION, MAX_FULL_OWNERS, TIERS};

use anchor_lang::{Discriminator, ZeroCopy};

/// Version of the accounts' layouts.
pub const VERSION: u8 = 1;

/// What the data of one of the program's accounts hold; `None` where that is another kind of account.
fn view<T: ZeroCopy + Discriminator>(data: &[u8]) -> Option<&T> {
    let body = data.strip_prefix(T::DISCRIMINATOR)?;
    bytemuck::try_from_bytes(body).ok()
}
