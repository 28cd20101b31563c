//! Offers a feed's authority to another key: the first of two steps.

use anchor_lang::prelude::*;

use crate::{error::AiFeedError, state::Feed};

/// Accounts of `transfer_authority`.
#[derive(Accounts)]
pub struct TransferAuthority<'info> {
    /// The feed's authority.
    #[account(address = feed.load()?.authority @ AiFeedError::NotAuthority)]
    pub authority: Signer<'info>,
    /// The feed.
    #[account(mut)]
    pub feed: AccountLoader<'info, Feed>,
}

/// Names who may accept; replaces an earlier offer.
pub fn handle_transfer_authority(
    ctx: Context<TransferAuthority>,
    new_authority: Pubkey,
) -> Result<()> {
    ctx.accounts.feed.load_mut()?.pending_authority = new_authority;
    Ok(())
}
