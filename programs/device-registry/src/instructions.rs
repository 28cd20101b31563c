//! One file an instruction: accounts, validation, handler.

pub mod accept_authority;
pub mod add_tree;
pub mod apply_parameters;
pub mod approve_maker;
pub mod assert_location;
pub mod create_network;
pub mod open_voucher_page;
pub mod pause_operation;
pub mod propose_parameters;
pub mod prove_device;
pub mod register_batch;
pub mod register_device;
pub mod resume_operation;
pub mod revoke_maker;
pub mod set_maker_quota;
pub mod transfer_authority;
pub mod transfer_device;

pub use accept_authority::*;
pub use add_tree::*;
pub use apply_parameters::*;
pub use approve_maker::*;
pub use assert_location::*;
pub use create_network::*;
pub use open_voucher_page::*;
pub use pause_operation::*;
pub use propose_parameters::*;
pub use prove_device::*;
pub use register_batch::*;
pub use register_device::*;
pub use resume_operation::*;
pub use revoke_maker::*;
pub use set_maker_quota::*;
pub use transfer_authority::*;
pub use transfer_device::*;
