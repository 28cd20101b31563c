//! Turns a round that has ended into the feed's newest value.

use anchor_lang::prelude::*;
use device_registry::state::{Network, Operation};

use crate::{
    error::AiFeedError,
    events::RoundFinalized,
    state::{Entry, Feed, Round},
};

/// Accounts of `finalize_round`.
#[derive(Accounts)]
pub struct FinalizeRound<'info> {
    /// The feed's network, for its pauses.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The feed.
    #[account(mut)]
    pub feed: AccountLoader<'info, Feed>,
    /// The round; closes.
    #[account(mut, close = payer)]
    pub round: AccountLoader<'info, Round>,
    /// CHECK: gets the round's rent back; whoever paid it.
    #[account(mut, address = round.load()?.payer @ AiFeedError::WrongPayer)]
    pub payer: UncheckedAccount<'info>,
}

/// Settles the round, under the policy that it opened under, over the streams that passed what that requires. Before the round's grace is over, they must
/// be a quorum of the committee's allocation, or, in a feed that asks for one stream only, all that submitted.
pub fn handle_finalize_round(ctx: Context<FinalizeRound>) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let round = accounts.round.load()?;
    let mut feed = accounts.feed.load_mut()?;
    feed.require_active()?;
    require!(
        round.feed == accounts.feed.key(),
        AiFeedError::WrongRoundAccount
    );
    require!(
        !accounts.network.load()?.is_paused(Operation::Finalize, now),
        AiFeedError::Paused
    );
    let policy = round.policy;
    let grace_over = feed.finalizable(round.round, policy.grace, now)?;
    let outcome = round.settle(policy.required_mask, policy.min_streams, grace_over)?;
    let entry = Entry {
        round: round.round,
        value: outcome.value,
        confidence: outcome.confidence,
        ema: feed.next_ema(outcome.value)?,
        posted_at: now,
        oldest_capture: outcome.oldest,
        newest_capture: outcome.newest,
        data_root: outcome.data_root,
        mask: outcome.mask,
        attesters: outcome.streams, // a pool has one stream in a network
        streams: outcome.streams,
        flags: 0,
    };
    emit!(RoundFinalized {
        feed: round.feed,
        round: entry.round,
        value: entry.value,
        exponent: feed.exponent,
        confidence: entry.confidence,
        ema: entry.ema,
        mask: entry.mask,
        streams: entry.streams,
        attesters: entry.attesters,
        newest_capture: entry.newest_capture,
        data_root: entry.data_root,
    });
    feed.record(entry)
}
