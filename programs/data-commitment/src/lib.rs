//! Streams: what operators commit to, and proofs that a batch or a reading is among it.

use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod instructions;
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
}
