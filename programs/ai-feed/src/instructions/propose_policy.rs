//! Proposes another policy for a feed: the first of two steps, with a timelock between.

use anchor_lang::prelude::*;
use device_registry::state::Network;

use crate::{
    error::AiFeedError,
    events::PolicyProposed,
    state::{Feed, Policy},
};

/// Accounts of `propose_policy`.
#[derive(Accounts)]
pub struct ProposePolicy<'info> {
    /// The feed's authority.
    #[account(address = feed.load()?.authority @ AiFeedError::NotAuthority)]
    pub authority: Signer<'info>,
    /// The feed's network, for its timelock.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The feed.
    #[account(mut)]
    pub feed: AccountLoader<'info, Feed>,
}

/// Proposes a policy, which anyone may apply after the network's timelock; replaces an earlier proposal.
pub fn handle_propose_policy(ctx: Context<ProposePolicy>, policy: Policy) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let network = ctx.accounts.network.load()?;
    let mut feed = ctx.accounts.feed.load_mut()?;
    feed.require_active()?;
    policy.validate(&feed, &network)?;
    feed.propose(policy, network.timelock, now)?;
    emit!(PolicyProposed {
        feed: ctx.accounts.feed.key(),
        policy,
        applies_from: feed.pending_at,
    });
    Ok(())
}
