//! Brings a zero-knowledge proof that the model gives an attestation's outputs on its windows.

use anchor_lang::prelude::*;
use device_protocol::attestation_context;
use device_registry::state::{Network, Operation};
use feed_reader::Mask;
use inference::public_input;

use crate::{
    error::AiFeedError,
    events::{emit_to_self, AttestationPassed},
    poseidon::poseidon,
    state::{Attestation, Feed, Model, Round, VerifyingKey, PROOF_BYTES},
};

/// Accounts of `attest_zk`.
#[event_cpi]
#[derive(Accounts)]
pub struct AttestZk<'info> {
    /// The feed's network, for its pauses.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The attestation's feed.
    #[account(address = attestation.load()?.feed @ AiFeedError::WrongFeed)]
    pub feed: AccountLoader<'info, Feed>,
    /// The feed's model.
    pub model: AccountLoader<'info, Model>,
    /// An active key of the network.
    pub verifying_key: AccountLoader<'info, VerifyingKey>,
    /// The attestation's round, still open.
    #[account(mut)]
    pub round: AccountLoader<'info, Round>,
    /// The attestation.
    #[account(mut)]
    pub attestation: AccountLoader<'info, Attestation>,
}

/// Takes a proof of the one public input that follows from the attestation and its feed, so that a proof is of use for
/// this attestation alone, whoever brings it. What is proven stays true: a proof is taken as long as the round is open,
/// whatever the attestation's deadline.
pub fn handle_attest_zk(ctx: Context<AttestZk>, proof: [u8; PROOF_BYTES]) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let feed = accounts.feed.load()?;
    let model = accounts.model.load()?;
    let key = accounts.verifying_key.load()?;
    let mut round = accounts.round.load_mut()?;
    let mut attestation = accounts.attestation.load_mut()?;
    feed.require_active()?;
    require!(!feed.is_over(attestation.round), AiFeedError::RoundOver);
    require!(
        round.feed == attestation.feed && round.round == attestation.round,
        AiFeedError::WrongRoundAccount
    );
    require!(
        !accounts.network.load()?.is_paused(Operation::Attest, now),
        AiFeedError::Paused
    );
    require!(model.id == feed.model, AiFeedError::WrongModel);
    require!(key.network == feed.network, AiFeedError::WrongNetwork);
    key.require_active(now)?;
    require!(attestation.mask & Mask::ZK == 0, AiFeedError::AlreadyProven);

    let context = attestation_context(
        &feed.id,
        attestation.stream.as_array(),
        attestation.sequence,
        attestation.batch_index,
        attestation.round,
        attestation.pool.as_array(),
    );
    let public_input = public_input(
        &attestation.batch.windows_root,
        &model.hash,
        &attestation.outputs,
        attestation.windows,
        &context,
        poseidon,
    )
    .map_err(|_| error!(AiFeedError::NotAFieldElement))?;
    key.verify(&proof, &public_input)?;

    attestation.pass(&mut round, Mask::ZK)?;
    let event = AttestationPassed {
        feed: attestation.feed,
        attestation: accounts.attestation.key(),
        round: attestation.round,
        mask: attestation.mask,
        signers: attestation.signers,
    };
    emit_to_self(&event, accounts.event_authority.as_ref())
}
