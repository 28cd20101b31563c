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
pub mod reclaim;
pub mod register;
pub mod report;
pub mod send;
pub mod status;
pub mod stream;
pub mod verify;
pub mod voucher;

use anchor_lang::prelude::Pubkey;

/// Whom an authority is offered to: nobody, which is the default key, where it is one's own, so that an offer is taken back.
fn heir(to: Pubkey, own: &Pubkey) -> Pubkey {
    Some(to).filter(|to| to != own).unwrap_or_default()
}
