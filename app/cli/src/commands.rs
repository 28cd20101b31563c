//! One module a command.

pub mod batch;
pub mod bond;
pub mod challenge;
pub mod claim;
pub mod credits;
pub mod device;
pub mod feed;
mod feed_authority;
pub mod keys;
pub mod load;
pub mod maker;
pub mod network;
pub mod payee;
pub mod pool;
pub mod register;
pub mod report;
pub mod send;
pub mod status;
pub mod stream;
pub mod verify;
pub mod voucher;
