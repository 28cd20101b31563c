use crate::error::EmissionError;
use crate::events::{emit_to_self, RootFinalized};
use crate::state::{Emission, Proposal};
use anchor_lang::prelude::*;
use device_registry::state::{Network, Operation};

/// Accounts of `finalize_root`.
#[event_cpi]
#[derive(Accounts)]
pub struct FinalizeRoot<'info> {
    /// The network that is rewarded.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(mut, has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The proposal that passed.
    #[account(mut, has_one = network @ EmissionError::WrongNetwork)]
    pub proposal: AccountLoader<'info, Proposal>,
}

/// Makes the proposal's roots those that claims are proven against.
pub fn handle_finalize_root(ctx: Context<FinalizeRoot>) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    require!(
        !accounts.network.load()?.is_paused(Operation::Root, now),
        EmissionError::RootsPaused
    );
    let mut emission = accounts.emission.load_mut()?;
    let mut proposal = accounts.proposal.load_mut()?;
    proposal.finalize(emission.challenge_window, now)?;
    emission.finalize(&proposal)?;

    let event = RootFinalized {
        network: proposal.network,
        proposal: accounts.proposal.key(),
        epoch: proposal.epoch,
        reward_hash: proposal.roots.reward_hash,
        reward_sum: proposal.roots.reward_sum,
        stream: proposal.stream,
        sequence: proposal.sequence,
    };
    emit_to_self(&event, accounts.event_authority.as_ref())?;
    emission.invariant()
}
