//! One file an instruction: its accounts, its validation, its handler.

pub mod accept_authority;
pub mod attest_committee;
pub mod close_attestation;
pub mod close_round;
pub mod create_feed;
pub mod finalize_round;
pub mod freeze_feed;
pub mod register_model;
pub mod submit_attestation;
pub mod transfer_authority;

pub use accept_authority::*;
pub use attest_committee::*;
pub use close_attestation::*;
pub use close_round::*;
pub use create_feed::*;
pub use finalize_round::*;
pub use freeze_feed::*;
pub use register_model::*;
pub use submit_attestation::*;
pub use transfer_authority::*;
