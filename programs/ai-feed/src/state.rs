//! The program's accounts: layouts, and the methods that change them.

pub mod attestation;
pub mod bonds;
pub mod feed;
pub mod model;
pub mod policy;
pub mod round;
pub mod verifying_key;

pub use attestation::*;
pub use bonds::*;
pub use feed::*;
pub use model::*;
pub use policy::*;
pub use round::*;
pub use verifying_key::*;
