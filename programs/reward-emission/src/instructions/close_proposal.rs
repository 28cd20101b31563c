//! Gives the rent of a proposal back.

use crate::error::EmissionError;
use crate::state::{exposed_until, Emission, Proposal};
use anchor_lang::prelude::*;
use device_registry::state::Network;

/// Accounts of `close_proposal`.
#[derive(Accounts)]
pub struct CloseProposal<'info> {
    /// The network that is rewarded.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The proposal.
    #[account(
        mut,
        close = payer,
        has_one = network @ EmissionError::WrongNetwork,
        has_one = payer @ EmissionError::WrongPayer,
    )]
    pub proposal: AccountLoader<'info, Proposal>,
    /// CHECK: who paid for the proposal, by its address; gets the rent.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

/// Closes a proposal of an epoch before the last final one, when its members can no longer be slashed for it. The last final
/// epoch's stays: it says where the trees are archived.
pub fn handle_close_proposal(ctx: Context<CloseProposal>) -> Result<()> {
    let accounts = ctx.accounts;
    let proposal = accounts.proposal.load()?;
    let emission = accounts.emission.load()?;
    let kept_until = exposed_until(&*accounts.network.load()?, proposal.committee_epoch);
    require!(
        emission.is_final(proposal.epoch)
            && proposal.epoch < emission.final_epoch
            && Clock::get()?.unix_timestamp > kept_until,
        EmissionError::StillNeeded
    );
    Ok(())
}
