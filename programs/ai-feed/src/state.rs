//! The program's accounts: layouts, and the methods that change them.

pub mod attestation;
pub mod feed;
pub mod model;
pub mod round;
pub mod verifying_key;

pub use attestation::*;
pub use feed::*;
pub use model::*;
pub use round::*;
pub use verifying_key::*;
