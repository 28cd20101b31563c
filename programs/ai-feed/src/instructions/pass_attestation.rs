//! Lets an attestation pass by time: its challenge window is over, and nobody disputed it.

use anchor_lang::prelude::*;
use data_commitment::state::Stream;
use device_registry::state::{Network, Operation};
use feed_reader::Mask;

use crate::{
    error::AiFeedError,
    events::{emit_to_self, AttestationPassed},
    state::{Attestation, Feed, Round, BY_TIME, WINDOWS_SHOWN},
};

/// Accounts of `pass_attestation`.
#[event_cpi]
#[derive(Accounts)]
pub struct PassAttestation<'info> {
    /// The feed's network, for its pauses.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The attestation's feed.
    #[account(address = attestation.load()?.feed @ AiFeedError::WrongFeed)]
    pub feed: AccountLoader<'info, Feed>,
    /// The attester's stream.
    #[account(address = attestation.load()?.stream @ AiFeedError::WrongStream)]
    pub stream: AccountLoader<'info, Stream>,
    /// The attestation's round, still open.
    #[account(
        mut,
        constraint = round.load()?.feed == attestation.load()?.feed @ AiFeedError::WrongRoundAccount,
        constraint = round.load()?.round == attestation.load()?.round @ AiFeedError::WrongRoundAccount,
    )]
    pub round: AccountLoader<'info, Round>,
    /// The attestation.
    #[account(mut)]
    pub attestation: AccountLoader<'info, Attestation>,
}

/// Passes OPTIMISTIC and SOURCED, or of a private model's outputs SOURCED alone, of an attestation with a bond and known windows, whose challenge window is over with no
/// challenge left open. An operator that did not show a reading since the batch was committed has lost the benefit of the
/// doubt: only a committee can vouch for what it attested meanwhile.
pub fn handle_pass_attestation(ctx: Context<PassAttestation>) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let feed = accounts.feed.load()?;
    let mut round = accounts.round.load_mut()?;
    let mut attestation = accounts.attestation.load_mut()?;
    feed.require_active()?;
    require!(!feed.is_over(attestation.round), AiFeedError::RoundOver);
    require!(
        !accounts.network.load()?.is_paused(Operation::Attest, now),
        AiFeedError::Paused
    );
    require!(attestation.bond > 0, AiFeedError::NoBond);
    require!(
        attestation.flags & WINDOWS_SHOWN != 0,
        AiFeedError::WindowsHidden
    );
    require!(attestation.stopped_at == 0, AiFeedError::ClockStopped);
    require!(now >= attestation.deadline, AiFeedError::WindowOpen);
    require!(
        accounts.stream.load()?.withheld_at < attestation.committed_at,
        AiFeedError::Withheld
    );
    // Nobody could have challenged the outputs of a model whose weights nobody knows.
    let passes = if feed.private_model == 0 {
        BY_TIME
    } else {
        Mask::SOURCED
    };
    require!(
        attestation.mask & passes != passes,
        AiFeedError::AlreadyPassed
    );
    attestation.pass(&mut round, passes)?;
    let event = AttestationPassed {
        feed: attestation.feed,
        attestation: accounts.attestation.key(),
        round: attestation.round,
        mask: attestation.mask,
        signers: attestation.signers,
    };
    emit_to_self(&event, accounts.event_authority.as_ref())
}
