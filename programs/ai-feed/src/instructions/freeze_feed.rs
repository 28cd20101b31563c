//! Stops a feed for good, so that no reader trusts it any more.

use anchor_lang::prelude::*;

use crate::{
    error::AiFeedError,
    state::{Feed, FROZEN},
};

/// Accounts of `freeze_feed`.
#[derive(Accounts)]
pub struct FreezeFeed<'info> {
    /// The feed's authority.
    #[account(address = feed.load()?.authority @ AiFeedError::NotAuthority)]
    pub authority: Signer<'info>,
    /// The feed.
    #[account(mut)]
    pub feed: AccountLoader<'info, Feed>,
}

/// Freezes the feed; there is no way back, and rent of its rounds and attestations can be had back.
pub fn handle_freeze_feed(ctx: Context<FreezeFeed>) -> Result<()> {
    let mut feed = ctx.accounts.feed.load_mut()?;
    feed.require_active()?;
    feed.state = FROZEN;
    feed.frozen_at = Clock::get()?.unix_timestamp;
    Ok(())
}
