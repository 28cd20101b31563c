//! Puts a proposed policy in force: the second of two steps.

use anchor_lang::prelude::*;
use device_registry::state::Network;

use crate::{error::AiFeedError, events::PolicyApplied, state::Feed};

/// Accounts of `apply_policy`.
#[derive(Accounts)]
pub struct ApplyPolicy<'info> {
    /// The feed's network.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The feed.
    #[account(mut)]
    pub feed: AccountLoader<'info, Feed>,
}

/// Puts the proposed policy in force for the rounds that open from now on; those that are open keep theirs. It is checked
/// once more, since the network's parameters may have changed meanwhile.
pub fn handle_apply_policy(ctx: Context<ApplyPolicy>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut feed = ctx.accounts.feed.load_mut()?;
    feed.require_active()?;
    feed.apply(now)?;
    let policy = feed.policy();
    policy.validate(&feed, &*ctx.accounts.network.load()?)?;
    emit!(PolicyApplied {
        feed: ctx.accounts.feed.key(),
        policy: policy.into(),
        round: feed.policy_round,
    });
    Ok(())
}
