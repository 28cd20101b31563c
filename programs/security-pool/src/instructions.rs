//! One file an instruction: who may call, what is checked, what changes.

mod accept_operator;
mod create_pool;
mod create_roster;
mod delegate;
mod opt_in;
mod opt_out;
mod refresh;
mod request_withdrawal;
mod set_signer;
mod snapshot_committee;
mod transfer_operator;
mod withdraw;

pub use accept_operator::*;
pub use create_pool::*;
pub use create_roster::*;
pub use delegate::*;
pub use opt_in::*;
pub use opt_out::*;
pub use refresh::*;
pub use request_withdrawal::*;
pub use set_signer::*;
pub use snapshot_committee::*;
pub use transfer_operator::*;
pub use withdraw::*;
