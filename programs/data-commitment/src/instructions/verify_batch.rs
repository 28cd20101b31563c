use crate::error::StreamError;
use crate::state::Stream;
use anchor_lang::prelude::*;
use commitment::{BatchLeaf, CommitmentLeaf};

/// A commitment's leaf in its stream.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitmentArgs {
    /// Its number in the stream, from 0.
    pub sequence: u64,
    /// When the program took it, unix seconds.
    pub posted_at: i64,
    /// Root over the batch leaves.
    pub root: [u8; 32],
    /// Number of batches.
    pub batches: u32,
    /// SHA-256 of the archived payload.
    pub payload_hash: [u8; 32],
    /// Its length in bytes.
    pub payload_len: u64,
}

impl From<CommitmentArgs> for CommitmentLeaf {
    fn from(args: CommitmentArgs) -> Self {
        let CommitmentArgs {
            sequence,
            posted_at,
            root,
            batches,
            payload_hash,
            payload_len,
        } = args;
        Self {
            sequence,
            posted_at,
            root,
            batches,
            payload_hash,
            payload_len,
        }
    }
}

impl From<CommitmentLeaf> for CommitmentArgs {
    fn from(leaf: CommitmentLeaf) -> Self {
        let CommitmentLeaf {
            sequence,
            posted_at,
            root,
            batches,
            payload_hash,
            payload_len,
        } = leaf;
        Self {
            sequence,
            posted_at,
            root,
            batches,
            payload_hash,
            payload_len,
        }
    }
}

/// A batch's leaf in its commitment.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchArgs {
    /// Root over the readings.
    pub readings_root: [u8; 32],
    /// Root over the windows.
    pub windows_root: [u8; 32],
    /// Number of windows.
    pub windows: u32,
    /// Number of readings.
    pub readings: u32,
    /// When the earliest reading was captured, unix milliseconds.
    pub first_capture: i64,
    /// When the latest was, unix milliseconds.
    pub last_capture: i64,
}

impl From<BatchArgs> for BatchLeaf {
    fn from(args: BatchArgs) -> Self {
        let BatchArgs {
            readings_root,
            windows_root,
            windows,
            readings,
            first_capture,
            last_capture,
        } = args;
        Self {
            readings_root,
            windows_root,
            windows,
            readings,
            first_capture,
            last_capture,
        }
    }
}

impl From<BatchLeaf> for BatchArgs {
    fn from(leaf: BatchLeaf) -> Self {
        let BatchLeaf {
            readings_root,
            windows_root,
            windows,
            readings,
            first_capture,
            last_capture,
        } = leaf;
        Self {
            readings_root,
            windows_root,
            windows,
            readings,
            first_capture,
            last_capture,
        }
    }
}

/// The proof of a batch in a stream. Paths are siblings of 32 bytes each, from the leaf upward.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct VerifyBatchArgs {
    /// The commitment that holds the batch.
    pub commitment: CommitmentArgs,
    /// From the commitment to its peak, at the stream's present count.
    pub mmr_path: Vec<u8>,
    /// The batch's index in the commitment.
    pub batch_index: u32,
    /// The batch.
    pub batch: BatchArgs,
    /// From the batch to the commitment's root.
    pub batch_path: Vec<u8>,
}

/// What a proven batch is, as return data: 32 bytes, then 8.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedBatch {
    /// The batch's leaf in its commitment.
    pub leaf: [u8; 32],
    /// When the commitment was posted, unix seconds.
    pub posted_at: i64,
}

/// Accounts of `verify_batch`; nobody signs.
#[derive(Accounts)]
pub struct VerifyBatch<'info> {
    /// The stream.
    pub stream: AccountLoader<'info, Stream>,
}

/// Verifies the batch.
pub fn handle_verify_batch(
    ctx: Context<VerifyBatch>,
    args: VerifyBatchArgs,
) -> Result<VerifiedBatch> {
    let batch = BatchLeaf::from(args.batch);
    let stream = ctx.accounts.stream.load()?;
    commitment::verify_batch(
        &stream.peaks,
        stream.count,
        &args.commitment.into(),
        &args.mmr_path,
        args.batch_index,
        &batch,
        &args.batch_path,
    )
    .map_err(|error| error!(StreamError::from(error)))?;
    Ok(VerifiedBatch {
        leaf: batch.hash(),
        posted_at: args.commitment.posted_at,
    })
}
