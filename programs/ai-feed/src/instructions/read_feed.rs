//! Reads a feed for a program that does not want to know its layout.

use anchor_lang::prelude::*;

use crate::state::Feed;

/// Accounts of `read_feed`.
#[derive(Accounts)]
pub struct ReadFeed<'info> {
    /// The feed.
    pub feed: AccountLoader<'info, Feed>,
}

/// What `read_feed` returns: an undisputed entry of the feed.
#[derive(AnchorDeserialize, AnchorSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedValue {
    /// The value, in units of 10^exponent.
    pub value: i64,
    /// Largest less smallest of the streams' values, same unit.
    pub confidence: u64,
    /// Exponential moving average up to this value, same unit.
    pub ema: i64,
    /// The unit's power of ten.
    pub exponent: i8,
    /// Number of the round.
    pub round: u64,
    /// When it was finalised, unix seconds.
    pub posted_at: i64,
    /// Earliest capture of the readings behind it, unix milliseconds.
    pub oldest_capture: i64,
    /// Least of the last captures of the batches behind it, unix milliseconds.
    pub newest_capture: i64,
    /// Root of the commitment that the stream that weighs most submitted from last.
    pub data_root: [u8; 32],
    /// Verifications that every attestation behind it has passed.
    pub mask: u16,
    /// Distinct operators that attested.
    pub attesters: u16,
    /// Streams behind it.
    pub streams: u16,
    /// Layout of all this, 1. It stands last since clients are handed what is returned without its trailing zeros.
    pub version: u8,
}

/// Reads as the crate feed-reader does, by the cluster's clock.
pub fn handle_read_feed(
    ctx: Context<ReadFeed>,
    id: &[u8; 32],
    max_age: u32,
    min_mask: u16,
) -> Result<FeedValue> {
    let now = Clock::get()?.unix_timestamp;
    let account = ctx.accounts.feed.as_ref();
    let data = account.try_borrow_data()?;
    let feed = feed_reader::Feed::from_account(account.owner.as_array(), &data, id)?;
    let read = feed.value(now, max_age, min_mask)?;
    Ok(FeedValue {
        value: read.value,
        confidence: read.confidence,
        ema: read.ema,
        exponent: read.exponent,
        round: read.round,
        posted_at: read.posted_at,
        oldest_capture: read.oldest_capture,
        newest_capture: read.newest_capture,
        data_root: read.data_root,
        mask: read.mask,
        attesters: read.attesters,
        streams: read.streams,
        version: feed_reader::cpi::RETURNED_VERSION,
    })
}
