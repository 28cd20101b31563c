//! One file an instruction: its accounts, its checks, its handler.

mod create_fund;
mod deposit;
mod expire_policy;
mod settle_policy;
mod withdraw_fund;
mod write_policy;

pub use create_fund::*;
pub use deposit::*;
pub use expire_policy::*;
pub use settle_policy::*;
pub use withdraw_fund::*;
pub use write_policy::*;
