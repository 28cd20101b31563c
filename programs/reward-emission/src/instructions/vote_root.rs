use crate::error::EmissionError;
use crate::events::RootPassed;
use crate::state::{Emission, Proposal};
use anchor_lang::prelude::*;
use device_registry::state::{Network, Operation};
use introspection::Precompile;
use security_pool::state::Committee;

/// Accounts of `vote_root`.
#[derive(Accounts)]
pub struct VoteRoot<'info> {
    /// The network that is rewarded.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The proposal's committee.
    pub committee: AccountLoader<'info, Committee>,
    /// The proposal.
    #[account(
        mut,
        has_one = network @ EmissionError::WrongNetwork,
        has_one = committee @ EmissionError::WrongCommittee,
    )]
    pub proposal: AccountLoader<'info, Proposal>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
}

/// Counts the vote that an Ed25519 instruction of this transaction verifies.
pub fn handle_vote_root(
    ctx: Context<VoteRoot>,
    instruction: u16,
    index: u8,
    member: u8,
) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let network = accounts.network.load()?;
    require!(
        !network.is_paused(Operation::Root, now),
        EmissionError::RootsPaused
    );
    let emission = accounts.emission.load()?;
    let committee = accounts.committee.load()?;
    let mut proposal = accounts.proposal.load_mut()?;
    require!(
        proposal.ballot == emission.ballot(&network, proposal.epoch, now)?,
        EmissionError::BallotOver
    );

    let signer = committee
        .members()
        .get(usize::from(member))
        .map(|entry| entry.signer)
        .ok_or_else(|| error!(EmissionError::NotMember))?;
    let sysvar = accounts.instructions.try_borrow_data()?;
    let signature = introspection::signature(&sysvar, Precompile::Ed25519, instruction, index)
        .map_err(|_| error!(EmissionError::BadSignatureReference))?;
    require!(
        signature.public_key == signer.as_ref(),
        EmissionError::WrongSigner
    );
    require!(
        signature.message == proposal.message(network.id).digest(),
        EmissionError::WrongVote
    );

    if proposal.vote(member, &committee, now)? {
        emit!(RootPassed {
            network: proposal.network,
            proposal: accounts.proposal.key(),
            epoch: proposal.epoch,
            finalizable_at: proposal.finalizable_at(emission.challenge_window)?,
        });
    }
    Ok(())
}
