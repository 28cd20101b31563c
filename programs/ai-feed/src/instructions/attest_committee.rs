//! Brings committee members' signatures on an attestation; two thirds of the allocation let it pass.

use anchor_lang::prelude::*;
use device_registry::state::{Network, Operation};
use introspection::{signatures, Precompile};
use security_pool::state::{quorum, Committee};

use crate::{
    error::AiFeedError,
    events::AttestationPassed,
    state::{Attestation, Feed, Round, PASSABLE},
};

/// Accounts of `attest_committee`.
#[derive(Accounts)]
pub struct AttestCommittee<'info> {
    /// The feed's network, for its pauses.
    pub network: AccountLoader<'info, Network>,
    /// The attestation's feed.
    pub feed: AccountLoader<'info, Feed>,
    /// The committee of the epoch in which the attestation was submitted.
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
    feed.require_active()?;
    require!(
        feed.network == accounts.network.key(),
        AiFeedError::WrongNetwork
    );
    require!(
        attestation.feed == accounts.feed.key(),
        AiFeedError::WrongFeed
    );
    require!(
        attestation.committee == accounts.committee.key(),
        AiFeedError::WrongCommittee
    );
    require!(
        round.feed == attestation.feed && round.round == attestation.round,
        AiFeedError::WrongRoundAccount
    );
    require!(
        !accounts.network.load()?.is_paused(Operation::Attest, now),
        AiFeedError::Paused
    );
    require!(now < attestation.deadline, AiFeedError::SignedTooLate);

    let sysvar = accounts.instructions.try_borrow_data()?;
    let signatures = signatures(&sysvar, Precompile::Ed25519, instruction)
        .map_err(|_| error!(AiFeedError::BadSignatureReference))?;
    require!(
        signatures.len() == members.len(),
        AiFeedError::MembersMismatch
    );
    for (index, member) in (0..).zip(&members) {
        let signature = signatures
            .get(index)
            .map_err(|_| error!(AiFeedError::BadSignatureReference))?;
        let entry = committee
            .members()
            .get(usize::from(*member))
            .ok_or_else(|| error!(AiFeedError::NotMember))?;
        require!(
            signature.public_key == entry.signer.as_array(),
            AiFeedError::WrongSigner
        );
        require!(
            signature.message == attestation.message,
            AiFeedError::WrongMessage
        );
        attestation.sign(*member, entry.allocation)?;
    }

    // A committee that signs has fetched the payload and checked every reading's signature, so it says both at once.
    if attestation.mask & PASSABLE == 0
        && quorum(attestation.signed, committee.total)
        && attestation.signers.count_ones() >= u32::from(feed.min_signers)
    {
        attestation.mask |= PASSABLE;
        attestation.deadline = feed.challenge_end(now)?;
        round.pass(attestation.slot, PASSABLE)?;
        emit!(AttestationPassed {
            feed: attestation.feed,
            attestation: accounts.attestation.key(),
            round: attestation.round,
            mask: attestation.mask,
            signers: attestation.signers,
        });
    }
    Ok(())
}
