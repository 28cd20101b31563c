//! The Rust client of Fieldproof: addresses, instructions, device keys, proofs, and sending transactions that land once.
//!
//! Everything that touches a chain goes through [`chain::Chain`], which has two implementations: an RPC cluster
//! ([`chain::RpcChain`]) and an in-process LiteSVM ([`chain::LocalChain`]) for tests, simulations and the demo.

pub mod ai_feed;
pub mod certificate;
pub mod chain;
pub mod credits;
pub mod data_commitment;
pub mod device_registry;
pub mod error;
pub mod event;
pub mod key;
pub mod parametric_insurance;
pub mod poseidon;
pub mod precompile;
pub mod registry_tree;
pub mod reports;
pub mod reward_emission;
pub mod security_pool;
pub mod token;
pub mod transaction;

pub use error::{ClientError, ProgramFailure};
