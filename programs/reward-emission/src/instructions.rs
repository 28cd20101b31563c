//! One file an instruction.

pub mod challenge_root;
pub mod claim;
pub mod close_proposal;
pub mod create_emission;
pub mod finalize_root;
pub mod propose_root;
pub mod register_payee;
pub mod report_double_vote;
pub mod set_destination;
pub mod slash_voter;
pub mod vote_root;

pub use challenge_root::*;
pub use claim::*;
pub use close_proposal::*;
pub use create_emission::*;
pub use finalize_root::*;
pub use propose_root::*;
pub use register_payee::*;
pub use report_double_vote::*;
pub use set_destination::*;
pub use slash_voter::*;
pub use vote_root::*;
