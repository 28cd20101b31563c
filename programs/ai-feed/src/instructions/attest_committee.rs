//! Brings committee members' signatures on an attestation; two thirds of the allocation let it pass.

use anchor_lang::prelude::*;
use device_registry::state::{Network, Operation};
use feed_reader::Mask;
use security_pool::state::Committee;

use crate::{
    error::AiFeedError,
    events::{emit_to_self, AttestationPassed},
    signatures::Tally,
    state::{Attestation, Feed, Round, BY_COMMITTEE},
};

/// Accounts of `attest_committee` and `attest_sources`.
#[event_cpi]
#[derive(Accounts)]
pub struct AttestCommittee<'info> {
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
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
}

/// Takes every signature of the Ed25519 instruction at index `instruction`; `members` names the committee member of
/// each, in order. Signatures add up over transactions, each member's once: a further one changes nothing, so that
/// whoever brings a member's signature first can't make another's transaction fail.
///
/// Signatures are taken until the attestation's deadline; with the one that lets it pass, its challenge window starts.
pub fn handle_attest_committee(
    ctx: Context<AttestCommittee>,
    instruction: u16,
    members: Vec<u8>,
) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let feed = accounts.feed.load()?;
    let committee = accounts.committee.load()?;
    let mut round = accounts.round.load_mut()?;
    let mut attestation = accounts.attestation.load_mut()?;
    accounts.require_open(&attestation, &round, now)?;
    require!(feed.private_model == 0, AiFeedError::PrivateModel);

    let tally = Tally {
        signers: attestation.signers,
        signed: attestation.signed,
    }
    .take(
        &accounts.instructions,
        instruction,
        &members,
        &committee,
        &attestation.message,
    )?;
    attestation.signers = tally.signers;
    attestation.signed = tally.signed;
    if attestation.mask & Mask::COMMITTEE == 0
        && tally.is_enough(&committee, round.policy.min_signers)
    {
        accounts.pass(
            &mut attestation,
            &mut round,
            BY_COMMITTEE,
            tally.signers,
            now,
        )?;
    }
    Ok(())
}

impl AttestCommittee<'_> {
    /// Fails unless the attestation, of this round, takes signatures at `now` (unix seconds).
    pub fn require_open(&self, attestation: &Attestation, round: &Round, now: i64) -> Result<()> {
        self.feed.load()?.require_active()?;
        require!(
            round.feed == attestation.feed && round.round == attestation.round,
            AiFeedError::WrongRoundAccount
        );
        require!(
            !self.network.load()?.is_paused(Operation::Attest, now),
            AiFeedError::Paused
        );
        require!(!attestation.is_false(), AiFeedError::AttestationFalse);
        require!(attestation.is_open(now), AiFeedError::SignedTooLate);
        Ok(())
    }

    /// Passes `mask`, on which `signers` agree, and starts a challenge window.
    pub fn pass(
        &self,
        attestation: &mut Attestation,
        round: &mut Round,
        mask: u16,
        signers: u64,
        now: i64,
    ) -> Result<()> {
        attestation.pass(round, mask)?;
        attestation.restart(now)?;
        let event = AttestationPassed {
            feed: attestation.feed,
            attestation: self.attestation.key(),
            round: attestation.round,
            mask: attestation.mask,
            signers,
        };
        emit_to_self(&event, self.event_authority.as_ref())
    }
}
