//! Stops an attestation's clock while somebody waits for a reading of its batch.

use anchor_lang::prelude::*;
use data_commitment::state::Challenge;
use device_registry::state::Network;

use crate::{
    error::AiFeedError,
    state::{Attestation, Feed},
};

/// Accounts of `stop_clock`.
#[derive(Accounts)]
pub struct StopClock<'info> {
    /// The feed's network.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The attestation's feed.
    #[account(address = attestation.load()?.feed @ AiFeedError::WrongFeed)]
    pub feed: AccountLoader<'info, Feed>,
    /// The attestation.
    #[account(mut)]
    pub attestation: AccountLoader<'info, Attestation>,
    /// An open challenge of a reading of the attestation's batch.
    pub challenge: AccountLoader<'info, Challenge>,
}

/// Stops the clock for a challenge of availability, until `resume_clock` shows that it is over: who asks for a reading
/// needs it before he can challenge what was made of it.
///
/// Every stop is for a challenge with a bond of its own, which ends when it is answered. It must leave a whole challenge
/// window before the network takes no evidence on the commitment any more, while the attester's stake can't leave: so
/// nobody stops a clock for longer than that, however many bonds he gives away.
pub fn handle_stop_clock(ctx: Context<StopClock>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let challenge = ctx.accounts.challenge.load()?;
    let mut attestation = ctx.accounts.attestation.load_mut()?;
    require!(
        (challenge.stream, challenge.sequence, challenge.batch)
            == (
                attestation.stream,
                attestation.sequence,
                attestation.batch_index
            ),
        AiFeedError::OtherBatch
    );
    require!(attestation.is_open(now), AiFeedError::ChallengeTooLate);
    let evidence_window = ctx.accounts.network.load()?.parameters.evidence_window;
    let overflow = || error!(AiFeedError::Overflow);
    let over_by = challenge
        .answer_by
        .checked_add(attestation.challenge_window)
        .ok_or_else(overflow)?;
    let evidence_by = attestation
        .committed_at
        .checked_add(evidence_window)
        .ok_or_else(overflow)?;
    require!(over_by <= evidence_by, AiFeedError::TooLateToStop);
    attestation.stop(challenge.reading, now)
}
