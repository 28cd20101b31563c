//! Reads a feed of ai-feed from the bytes of its account: all that a consumer program, or a client, needs.
//!
//! ```
//! use feed_reader::{Feed, FeedError, Mask};
//!
//! /// Whether it is warmer than 30 °C, by a value at most ten minutes old that two thirds of the committee recomputed.
//! fn hot(owner: &[u8; 32], data: &[u8], feed_id: &[u8; 32], now: i64) -> Result<bool, FeedError> {
//!     let value = Feed::from_account(owner, data, feed_id)?.value(now, 600, Mask::COMMITTEE)?;
//!     Ok(value.value > 30 * 10i64.pow(u32::from(value.exponent.unsigned_abs()))) // the feed's exponent is -2
//! }
//! ```
//!
//! Reading fails closed: a value is only had with the verification and the age that the reader names.
//!
//! By default the crate depends on nothing. Its features:
//! - `anchor`: `FeedAccount`, for `#[derive(Accounts)]`, and errors that Anchor's handlers return;
//! - `cpi`: the module `cpi`, reading by a call of the ai-feed program;
//! - `idl-build`: named by the `idl-build` of a program that has `FeedAccount` among its accounts.
//!
//! `vectors/` holds accounts, and what reading them gives: for a reader in any other language to test itself.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "anchor")]
mod anchor;
#[cfg(feature = "cpi")]
pub mod cpi;
mod error;
mod feed;
mod mask;
mod value;

#[cfg(feature = "anchor")]
pub use anchor::FeedAccount;
pub use error::FeedError;
pub use feed::{Feed, AI_FEED_ID, FEED_DISCRIMINATOR, FEED_LEN, HISTORY, MAX_CELLS};
pub use mask::Mask;
pub use value::Value;
