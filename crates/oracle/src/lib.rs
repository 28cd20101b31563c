//! Reads a token's price from the bytes of an oracle's account: of a Switchboard On-Demand feed or a Switchboard V2
//! aggregator, by one function and one rule.
//!
//! ```
//! use oracle::{read_price, Format, Now, OracleError, Requirements};
//!
//! /// Dollars for a whole token, at 12 decimals, as the lowest side of what at least three oracles say.
//! fn low(owner: &[u8; 32], data: &[u8], now: Now) -> Result<u64, OracleError> {
//!     let requirements = Requirements {
//!         format: Format::OnDemand,
//!         queue: [1; 32],      // whose oracles may answer
//!         jobs: [2; 32],       // what they are asked
//!         max_age_slots: 150,
//!         max_age_seconds: 120,
//!         min_oracles: 3,
//!         max_deviation_bps: 200,
//!     };
//!     read_price(owner, data, now, &requirements)?.conservative()
//! }
//! ```
//!
//! The account's own result is not read. It is made of as many answers, as old, as the account's authority chose. The
//! price is made here, of the answers that the account holds, by what the reader requires:
//!
//! - only answers that are fresh count, and one an oracle, its newest;
//! - the value is their median, the lower one of two;
//! - the deviation is the greatest distance of any of them from it, which no standard deviation of them exceeds. One
//!   oracle that is far off makes a price refused, or lower, never higher by itself.
//!
//! Reading fails closed, and never panics, whatever the bytes are. The crate depends on nothing.
//!
//! Whoever calls it passes the account that it has pinned by its address. Queue and jobs do not say which account it is:
//! they are what the account names now, and its answers do not tell what was asked. Anybody can open an account on the
//! queue, have other jobs answered and name the right ones while the answers are fresh. Of the account that is pinned its
//! authority alone can, and is trusted not to.
//!
//! `vectors/` holds accounts that were written with Switchboard's own crates (`golden/`), and what reading them gives.
#![no_std]
#![forbid(unsafe_code)]

mod answers;
mod bytes;
mod error;
mod on_demand;
mod price;
mod requirements;
mod v2;

pub use error::OracleError;
pub use on_demand::{ON_DEMAND_DISCRIMINATOR, ON_DEMAND_ID, ON_DEMAND_LEN};
pub use price::{read_price, Price, DECIMALS};
pub use requirements::{Format, Now, Requirements};
pub use v2::{V2_DISCRIMINATOR, V2_ID, V2_LEN};
