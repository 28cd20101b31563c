//! Slashes a committee member that voted for roots which were proven wrong.

use crate::error::EmissionError;
use crate::events::VoterSlashed;
use crate::instructions::wrong_root;
use crate::penalty::*;
use crate::state::{Emission, Proposal, REJECTED};
use anchor_lang::prelude::*;
use device_registry::state::Network;
use security_pool::state::Committee;

/// Accounts of `slash_voter`.
#[derive(Accounts)]
pub struct SlashVoter<'info> {
    /// Pays the report's rent.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// The network that is rewarded.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The proposal, rejected.
    #[account(
        has_one = network @ EmissionError::WrongNetwork,
        has_one = committee @ EmissionError::WrongCommittee,
    )]
    pub proposal: AccountLoader<'info, Proposal>,
    /// The proposal's committee.
    pub committee: AccountLoader<'info, Committee>,
    /// Slashes the member's pool.
    pub penalty: Penalty<'info>,
}

/// Slashes a member, once for the roots that it signed. The proposer, which may have voted too, was slashed when the proposal
/// was rejected.
pub fn handle_slash_voter(ctx: Context<SlashVoter>, member: u8) -> Result<()> {
    let accounts = ctx.accounts;
    let network = accounts.network.load()?.id;
    let (event, offence) = {
        let proposal = accounts.proposal.load()?;
        require!(proposal.status == REJECTED, EmissionError::NotRejected);
        require!(proposal.has_voted(member), EmissionError::NotVoter);
        let committee = accounts.committee.load()?;
        let entry = committee.members().get(usize::from(member));
        let event = VoterSlashed {
            network: proposal.network,
            pool: entry.ok_or_else(|| error!(EmissionError::NotMember))?.pool,
            epoch: proposal.epoch,
            ballot: proposal.ballot,
        };
        let offence = wrong_root(&proposal, &event.pool, &network);
        (event, offence)
    };
    let severity = accounts.emission.load()?.root_slash_bps;
    accounts.penalty.slash_new(
        accounts.network.as_ref(),
        accounts.challenger.as_ref(),
        &event.pool,
        &offence,
        severity,
    )?;
    emit!(event);
    Ok(())
}
