//! One file an instruction.

pub mod claim;
pub mod create_emission;
pub mod finalize_root;
pub mod propose_root;
pub mod register_payee;
pub mod set_destination;
pub mod vote_root;

pub use claim::*;
pub use create_emission::*;
pub use finalize_root::*;
pub use propose_root::*;
pub use register_payee::*;
pub use set_destination::*;
pub use vote_root::*;
