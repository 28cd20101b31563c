use super::VerifyBatchArgs;
use crate::error::StreamError;
use crate::events::AvailabilityChallenged;
use crate::seeds;
use crate::state::{Challenge, Challenged, Stream};
use anchor_lang::prelude::*;
use anchor_lang::system_program::{transfer, Transfer};
use commitment::{READINGS_PER_WINDOW, WINDOWS};
use device_registry::state::Network;
use security_pool::state::Moment;

/// Accounts of `challenge_availability`.
#[derive(Accounts)]
#[instruction(proof: VerifyBatchArgs, reading_index: u16)]
pub struct ChallengeAvailability<'info> {
    /// Pays the bond and the rent.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// The stream's network.
    pub network: AccountLoader<'info, Network>,
    /// The stream.
    #[account(mut, has_one = network @ StreamError::WrongNetwork)]
    pub stream: AccountLoader<'info, Stream>,
    /// The challenge, one a reading at a time.
    #[account(
        init,
        payer = challenger,
        space = Challenge::SPACE,
        seeds = [
            seeds::CHALLENGE,
            stream.key().as_ref(),
            &proof.commitment.sequence.to_le_bytes(),
            &proof.batch_index.to_le_bytes(),
            &reading_index.to_le_bytes(),
        ],
        bump,
    )]
    pub challenge: AccountLoader<'info, Challenge>,
    /// Makes the challenge.
    pub system_program: Program<'info, System>,
}

/// Opens the challenge: the reading is one of the batch's, the operator has time to answer, and the network slashes for it. An
/// operator that has nothing at stake any more may still attest until the epoch's end, so it is asked all the same: its stream
/// is marked, and attestations wait.
pub fn handle_challenge_availability(
    ctx: Context<ChallengeAvailability>,
    proof: VerifyBatchArgs,
    reading_index: u16,
) -> Result<()> {
    let accounts = ctx.accounts;
    let (moment, parameters) = {
        let network = accounts.network.load()?;
        (Moment::of(&network)?, network.parameters)
    };
    let answer_by = moment
        .now
        .checked_add(parameters.answer_window)
        .ok_or_else(|| error!(StreamError::Overflow))?;
    let evidence_by = proof
        .commitment
        .posted_at
        .checked_add(parameters.evidence_window)
        .ok_or_else(|| error!(StreamError::Overflow))?;
    require!(answer_by <= evidence_by, StreamError::ChallengeTooLate);
    // The windows count, whatever the batch says of its readings: it is by windows that attestations are paid.
    let windows = usize::try_from(proof.batch.windows).unwrap_or(usize::MAX);
    require!(
        windows <= WINDOWS && usize::from(reading_index) < windows * READINGS_PER_WINDOW,
        StreamError::ProofIndex
    );
    {
        let mut stream = accounts.stream.load_mut()?;
        commitment::verify_batch(
            &stream.peaks,
            stream.count,
            &proof.commitment.into(),
            &proof.mmr_path,
            proof.batch_index,
            &proof.batch.into(),
            &proof.batch_path,
        )
        .map_err(|error| error!(StreamError::from(error)))?;
        require!(parameters.withheld_slash_bps > 0, StreamError::NeverSlashed);
        stream.challenge()?;
    }
    accounts.challenge.load_init()?.open(
        ctx.bumps.challenge,
        Challenged {
            stream: accounts.stream.key(),
            challenger: accounts.challenger.key(),
            sequence: proof.commitment.sequence,
            batch: proof.batch_index,
            reading: reading_index,
            readings_root: proof.batch.readings_root,
            answer_by,
            bond: parameters.challenge_bond,
            slash_bps: parameters.withheld_slash_bps,
        },
    );
    transfer(
        CpiContext::new(
            System::id(),
            Transfer {
                from: accounts.challenger.to_account_info(),
                to: accounts.challenge.to_account_info(),
            },
        ),
        parameters.challenge_bond,
    )?;
    emit!(AvailabilityChallenged {
        stream: accounts.stream.key(),
        challenge: accounts.challenge.key(),
        answer_by,
    });
    Ok(())
}
