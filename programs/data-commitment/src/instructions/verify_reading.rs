use super::{BatchArgs, CommitmentArgs};
use crate::error::StreamError;
use crate::state::Stream;
use anchor_lang::prelude::*;
use commitment::ReadingLeaf;
use device_protocol::{Reading, ReadingHeader, SIGNATURE_LEN};
use device_registry::state::Network;

/// The proof of a reading in a stream. Paths are siblings of 32 bytes each, from the leaf upward.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct VerifyReadingArgs {
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
    /// The reading's place in the batch: window × 16 + its place in the window.
    pub reading_index: u16,
    /// The reading, encoded, and its signature: as the device sent it.
    pub reading: Vec<u8>,
    /// The signature of its session's grant; none in session 0.
    pub grant_signature: Option<[u8; SIGNATURE_LEN]>,
    /// From the reading to the batch's readings root.
    pub reading_path: Vec<u8>,
}

/// What a proven reading says of itself, as return data, in this order.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedReading {
    /// The device's id.
    pub device: [u8; 32],
    /// The nonce of the device's registry leaf.
    pub leaf_nonce: u32,
    /// The session's counter.
    pub session: u32,
    /// Its number within the session.
    pub sequence: u64,
    /// When it was captured, unix milliseconds.
    pub captured_at: i64,
    /// When its commitment was posted, unix seconds.
    pub posted_at: i64,
}

/// Accounts of `verify_reading`; nobody signs.
#[derive(Accounts)]
pub struct VerifyReading<'info> {
    /// The stream's network.
    pub network: AccountLoader<'info, Network>,
    /// The stream.
    #[account(has_one = network @ StreamError::WrongNetwork)]
    pub stream: AccountLoader<'info, Stream>,
}

/// Verifies that the stream committed to the reading with these signatures. Whether they hold is not looked at: a caller
/// that needs it introspects the same bytes.
pub fn handle_verify_reading(
    ctx: Context<VerifyReading>,
    args: VerifyReadingArgs,
) -> Result<VerifiedReading> {
    let (bytes, signature) = args
        .reading
        .split_last_chunk()
        .ok_or_else(|| error!(StreamError::MalformedReading))?;
    let reading = ReadingHeader::parse(bytes).map_err(|_| error!(StreamError::MalformedReading))?;
    require!(
        reading.network == ctx.accounts.network.load()?.id,
        StreamError::ForeignReading
    );
    let stream = ctx.accounts.stream.load()?;
    commitment::verify_reading(
        &stream.peaks,
        stream.count,
        &args.commitment.into(),
        &args.mmr_path,
        args.batch_index,
        &args.batch.into(),
        &args.batch_path,
        args.reading_index,
        &ReadingLeaf {
            digest: Reading::digest_of(bytes),
            signature,
            grant: args.grant_signature.as_ref(),
        },
        &args.reading_path,
    )
    .map_err(|error| error!(StreamError::from(error)))?;
    Ok(VerifiedReading {
        device: reading.device,
        leaf_nonce: reading.leaf_nonce,
        session: reading.session,
        sequence: reading.sequence,
        captured_at: reading.captured_at,
        posted_at: args.commitment.posted_at,
    })
}
