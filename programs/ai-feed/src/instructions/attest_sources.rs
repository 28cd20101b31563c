//! Brings committee members' signatures that an attestation's windows come from signed readings, whatever its outputs.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::sysvar::SysvarId;
use device_protocol::SourcesMessage;
use device_registry::state::{Network, Operation};
use feed_reader::Mask;
use security_pool::state::Committee;

use crate::{
    error::AiFeedError,
    events::AttestationPassed,
    signatures::Tally,
    state::{Attestation, Feed, Round},
};

/// Accounts of `attest_sources`.
#[derive(Accounts)]
pub struct AttestSources<'info> {
    /// The feed's network, for its pauses.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The attestation's feed.
    #[account(address = attestation.load()?.feed @ AiFeedError::WrongFeed)]
    pub feed: AccountLoader<'info, Feed>,
    /// The committee of the epoch in which the attestation was submitted.
    #[account(address = attestation.load()?.committee @ AiFeedError::WrongCommittee)]
    pub committee: AccountLoader<'info, Committee>,
    /// The attestation's round, still open.
    #[account(mut)]
    pub round: AccountLoader<'info, Round>,
    /// The attestation.
    #[account(mut)]
    pub attestation: AccountLoader<'info, Attestation>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Instructions::id())]
    pub instructions: UncheckedAccount<'info>,
}

/// As `attest_committee`, for a batch whose model the members can't run: what they sign names the batch leaf and no output,
/// and lets SOURCED pass alone. Members have fetched the payload, verified every signature, and recomputed every window.
pub fn handle_attest_sources(
    ctx: Context<AttestSources>,
    instruction: u16,
    members: Vec<u8>,
) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let network = accounts.network.load()?;
    let feed = accounts.feed.load()?;
    let committee = accounts.committee.load()?;
    let mut round = accounts.round.load_mut()?;
    let mut attestation = accounts.attestation.load_mut()?;
    feed.require_active()?;
    require!(
        round.feed == attestation.feed && round.round == attestation.round,
        AiFeedError::WrongRoundAccount
    );
    require!(
        !network.is_paused(Operation::Attest, now),
        AiFeedError::Paused
    );
    require!(!attestation.is_false(), AiFeedError::AttestationFalse);
    require!(attestation.is_open(now), AiFeedError::SignedTooLate);

    let message = SourcesMessage {
        network: network.id,
        feed: feed.id,
        stream: attestation.stream.to_bytes(),
        round: attestation.round,
        sequence: attestation.sequence,
        batch_index: attestation.batch_index,
        batch_leaf: attestation.batch_leaf,
        epoch: attestation.committee_epoch,
    }
    .digest();
    let tally = Tally {
        signers: attestation.source_signers,
        signed: attestation.source_signed,
    }
    .take(
        &accounts.instructions,
        instruction,
        &members,
        &committee,
        &message,
    )?;
    attestation.source_signers = tally.signers;
    attestation.source_signed = tally.signed;
    if attestation.mask & Mask::SOURCED == 0
        && tally.is_enough(&committee, round.policy.min_signers)
    {
        attestation.pass(&mut round, Mask::SOURCED)?;
        attestation.restart(round.policy.challenge_window, now)?;
        emit!(AttestationPassed {
            feed: attestation.feed,
            attestation: accounts.attestation.key(),
            round: attestation.round,
            mask: attestation.mask,
            signers: attestation.source_signers,
        });
    }
    Ok(())
}
