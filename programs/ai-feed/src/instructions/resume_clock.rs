//! Lets an attestation's clock go on when a reading of its batch is not waited for any more.

use anchor_lang::prelude::*;

use crate::{error::AiFeedError, state::Attestation};

/// Accounts of `resume_clock`.
#[derive(Accounts)]
#[instruction(reading: u16)]
pub struct ResumeClock<'info> {
    /// The attestation.
    #[account(mut)]
    pub attestation: AccountLoader<'info, Attestation>,
    /// CHECK: where the challenge of the reading was, by its address.
    #[account(
        seeds = [
            data_commitment::seeds::CHALLENGE,
            attestation.load()?.stream.as_ref(),
            &attestation.load()?.sequence.to_le_bytes(),
            &attestation.load()?.batch_index.to_le_bytes(),
            &reading.to_le_bytes(),
        ],
        seeds::program = data_commitment::ID,
        bump,
    )]
    pub challenge: UncheckedAccount<'info>,
}

/// Ends the stop for the challenge of a reading that was answered or settled: its account is data-commitment's no more.
pub fn handle_resume_clock(ctx: Context<ResumeClock>, reading: u16) -> Result<()> {
    require!(
        *ctx.accounts.challenge.owner != data_commitment::ID,
        AiFeedError::StillChallenged
    );
    let now = Clock::get()?.unix_timestamp;
    ctx.accounts.attestation.load_mut()?.resume(reading, now)
}
