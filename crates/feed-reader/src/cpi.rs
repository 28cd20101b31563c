//! Reading by a call: ai-feed itself picks the entry, by its own clock, and returns it. It costs more than reading the
//! account (see docs/benchmarks.md), but the caller need not know the layout, which later versions may change.

extern crate alloc;

use alloc::vec::Vec;
use solana_account_info::AccountInfo;
use solana_cpi::{get_return_data, invoke};
use solana_instruction::{AccountMeta, Instruction};
use solana_program_error::ProgramError;
use solana_pubkey::Pubkey;

use crate::value::{field, Value};
use crate::AI_FEED_ID;

/// `sha256("global:read_feed")`, the first 8 bytes.
pub const READ_FEED: [u8; 8] = [135, 59, 222, 85, 226, 56, 184, 130];

/// Bytes that the call returns.
pub const RETURNED_LEN: usize = 96;

/// Their layout's version, the last of them.
pub const RETURNED_VERSION: u8 = 1;

/// The newest value of the feed `expected_id` that has every bit of `min_mask` and whose newest capture is at most
/// `max_age` seconds old. The transaction has to name the ai-feed program too.
///
/// # Errors
/// The call's own, a [`crate::FeedError`]'s code, which ends the transaction; [`ProgramError::InvalidAccountData`] when
/// something else answers than ai-feed does.
pub fn read_feed(
    feed: &AccountInfo,
    expected_id: &[u8; 32],
    max_age: u32,
    min_mask: u16,
) -> Result<Value, ProgramError> {
    let call = instruction(feed.key, expected_id, max_age, min_mask);
    invoke(&call, core::slice::from_ref(feed))?;
    match get_return_data() {
        Some((program, returned)) if program == call.program_id => parse(&returned),
        _ => Err(ProgramError::InvalidAccountData),
    }
}

/// The call of [`read_feed`]; a client may simulate it.
pub fn instruction(
    feed: &Pubkey,
    expected_id: &[u8; 32],
    max_age: u32,
    min_mask: u16,
) -> Instruction {
    let mut data = Vec::with_capacity(46);
    data.extend_from_slice(&READ_FEED);
    data.extend_from_slice(expected_id);
    data.extend_from_slice(&max_age.to_le_bytes());
    data.extend_from_slice(&min_mask.to_le_bytes());
    Instruction {
        program_id: Pubkey::new_from_array(AI_FEED_ID),
        accounts: [AccountMeta::new_readonly(*feed, false)].into(),
        data,
    }
}

/// A value from the bytes that the call returns.
///
/// # Errors
/// [`ProgramError::InvalidAccountData`] when they are not as many, or of another version.
pub fn parse(returned: &[u8]) -> Result<Value, ProgramError> {
    if returned.len() != RETURNED_LEN || returned.last() != Some(&RETURNED_VERSION) {
        return Err(ProgramError::InvalidAccountData);
    }
    Ok(Value {
        value: i64::from_le_bytes(field(returned, 0)),
        confidence: u64::from_le_bytes(field(returned, 8)),
        ema: i64::from_le_bytes(field(returned, 16)),
        exponent: i8::from_le_bytes(field(returned, 24)),
        round: u64::from_le_bytes(field(returned, 25)),
        posted_at: i64::from_le_bytes(field(returned, 33)),
        oldest_capture: i64::from_le_bytes(field(returned, 41)),
        newest_capture: i64::from_le_bytes(field(returned, 49)),
        data_root: field(returned, 57),
        mask: u16::from_le_bytes(field(returned, 89)),
        attesters: u16::from_le_bytes(field(returned, 91)),
        streams: u16::from_le_bytes(field(returned, 93)),
        disputed: false,
    })
}
