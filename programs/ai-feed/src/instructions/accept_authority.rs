//! Takes an offered authority over: the second of two steps.

use anchor_lang::prelude::*;

use crate::{error::AiFeedError, state::Feed};

/// Accounts of `accept_authority`.
#[derive(Accounts)]
pub struct AcceptAuthority<'info> {
    /// Whom the authority was offered to.
    #[account(address = feed.load()?.pending_authority @ AiFeedError::NotPendingAuthority)]
    pub pending_authority: Signer<'info>,
    /// The feed.
    #[account(mut)]
    pub feed: AccountLoader<'info, Feed>,
}

/// The offered key becomes the authority, and nothing is on offer any more. What the last one proposed falls with it.
pub fn handle_accept_authority(ctx: Context<AcceptAuthority>) -> Result<()> {
    let mut feed = ctx.accounts.feed.load_mut()?;
    feed.authority = feed.pending_authority;
    feed.pending_authority = Pubkey::default();
    feed.withdraw_proposal();
    Ok(())
}
