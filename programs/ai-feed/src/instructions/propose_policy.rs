//! Proposes another policy for a feed: the first of two steps, with a timelock between.

use anchor_lang::prelude::*;
use device_registry::state::Network;

use crate::{
    error::AiFeedError,
    events::PolicyProposed,
    state::{Feed, Policy},
};

/// A policy, as instructions and events carry it.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyArgs {
    /// Verifications that every attestation must pass.
    pub required_mask: u16,
    /// Committee members that must sign an attestation, at least.
    pub min_signers: u8,
    /// Streams that a round needs, at least.
    pub min_streams: u8,
    /// What a false attestation costs whoever submitted or signed it, in basis points of its stake in the network.
    pub slash_bps: u16,
    /// Seconds after a round's end from which it is finalised over whatever streams have passed.
    pub grace: i64,
    /// Seconds for which an attestation takes signatures, and can be challenged.
    pub challenge_window: i64,
    /// Stake that an attestation reserves, base units; a false one costs its attester at least that.
    pub bond: u64,
}

impl From<PolicyArgs> for Policy {
    fn from(args: PolicyArgs) -> Self {
        let PolicyArgs {
            required_mask,
            min_signers,
            min_streams,
            slash_bps,
            grace,
            challenge_window,
            bond,
        } = args;
        Self {
            required_mask,
            min_signers,
            min_streams,
            slash_bps,
            _pad: 0,
            grace,
            challenge_window,
            bond,
        }
    }
}

impl From<Policy> for PolicyArgs {
    fn from(policy: Policy) -> Self {
        let Policy {
            required_mask,
            min_signers,
            min_streams,
            slash_bps,
            _pad: _,
            grace,
            challenge_window,
            bond,
        } = policy;
        Self {
            required_mask,
            min_signers,
            min_streams,
            slash_bps,
            grace,
            challenge_window,
            bond,
        }
    }
}

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
pub fn handle_propose_policy(ctx: Context<ProposePolicy>, args: PolicyArgs) -> Result<()> {
    let policy = Policy::from(args);
    let now = Clock::get()?.unix_timestamp;
    let network = ctx.accounts.network.load()?;
    let mut feed = ctx.accounts.feed.load_mut()?;
    feed.require_active()?;
    policy.validate(&feed, &network)?;
    feed.propose(policy, network.timelock, now)?;
    emit!(PolicyProposed {
        feed: ctx.accounts.feed.key(),
        policy: args,
        applies_from: feed.pending_at,
    });
    Ok(())
}
