//! The program's accounts: layouts, and the methods that change them.

pub mod cell;
pub mod issuer;
pub mod leaf;
pub mod maker;
pub mod network;
pub mod stream;
pub mod tree;
pub mod voucher_page;

pub use issuer::Issuer;
pub use leaf::{LeafArgs, LeafPlace};
pub use maker::Maker;
pub use network::{Network, Operation, Parameters, Pause};
pub use tree::Tree;
pub use voucher_page::VoucherPage;
