//! Streams: what operators commit to, and proofs that a batch or a reading is among it.

use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod instructions;
pub mod penalty;
pub mod seeds;
pub mod state;

use instructions::*;

declare_id!("HqadugMpRqUBPCFCqKjgGzDB2dkH72byyEjSmDU9oUn6");

/// Instructions of the streams.
#[program]
pub mod data_commitment {
    use super::*;

    /// A pool's signer opens the pool's stream in a network.
    pub fn open_stream(ctx: Context<OpenStream>) -> Result<()> {
        handle_open_stream(ctx)
    }

    /// The pool's signer appends a commitment, whose sequence must be the stream's next.
    pub fn commit_root(ctx: Context<CommitRoot>, args: CommitRootArgs) -> Result<()> {
        handle_commit_root(ctx, args)
    }

    /// For anyone, by CPI: fails unless the stream committed to the batch. Returns its leaf and when it was posted.
    pub fn verify_batch(ctx: Context<VerifyBatch>, args: VerifyBatchArgs) -> Result<VerifiedBatch> {
        handle_verify_batch(ctx, args)
    }

    /// For anyone, by CPI: fails unless the stream committed to the reading. Returns whose it is and when it was posted.
    pub fn verify_reading(
        ctx: Context<VerifyReading>,
        args: VerifyReadingArgs,
    ) -> Result<VerifiedReading> {
        handle_verify_reading(ctx, args)
    }

    /// For anyone: puts a bond on it that the operator can't show a reading that its stream committed to.
    pub fn challenge_availability(
        ctx: Context<ChallengeAvailability>,
        proof: VerifyBatchArgs,
        reading_index: u16,
    ) -> Result<()> {
        handle_challenge_availability(ctx, proof, reading_index)
    }

    /// For anyone: shows the challenged reading, signed, of a registered device, and takes the bond and the rent.
    pub fn answer_availability(
        ctx: Context<AnswerAvailability>,
        args: AnswerAvailabilityArgs,
    ) -> Result<()> {
        handle_answer_availability(ctx, args)
    }

    /// For anyone, once the time to answer has passed: slashes the operator and gives the challenger its bond back.
    pub fn settle_challenge(ctx: Context<SettleChallenge>) -> Result<()> {
        handle_settle_challenge(ctx)
    }
}
