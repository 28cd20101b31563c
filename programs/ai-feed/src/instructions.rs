//! One file an instruction: its accounts, its validation, its handler.

pub mod accept_authority;
pub mod attest_committee;
pub mod attest_sources;
pub mod attest_zk;
pub mod close_attestation;
pub mod close_round;
pub mod create_feed;
pub mod finalize_round;
pub mod freeze_feed;
pub mod register_model;
pub mod register_private_model;
pub mod register_verifying_key;
pub mod revoke_verifying_key;
pub mod submit_attestation;
pub mod transfer_authority;

pub use accept_authority::*;
pub use attest_committee::*;
pub use attest_sources::*;
pub use attest_zk::*;
pub use close_attestation::*;
pub use close_round::*;
pub use create_feed::*;
pub use finalize_round::*;
pub use freeze_feed::*;
pub use register_model::*;
pub use register_private_model::*;
pub use register_verifying_key::*;
pub use revoke_verifying_key::*;
pub use submit_attestation::*;
pub use transfer_authority::*;
