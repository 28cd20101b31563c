//! The accounts and the methods that change them.

mod challenge;
mod stream;

pub use challenge::{Challenge, Challenged};
pub use stream::{Stream, MAX_PAYLOAD_LEN};
