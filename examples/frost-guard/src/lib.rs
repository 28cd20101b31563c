//! Guards a transaction against frost: put its instruction beside the one that ships fresh goods, and both fail unless
//! a feed says that it is warm enough.
//!
//! It reads the feed with the crate feed-reader, without Anchor. Data: feed id 32, least value i64 in the feed's units,
//! greatest age in seconds u32. Account: the feed. Errors: [`TOO_COLD`], or feed-reader's own, 20000 and up.

use feed_reader::{Feed, FeedError, Mask};
use solana_account_info::AccountInfo;
use solana_clock::Clock;
use solana_program_error::{ProgramError, ProgramResult};
use solana_pubkey::Pubkey;
use solana_sysvar::Sysvar;

/// The feed says that it is colder than asked for.
pub const TOO_COLD: u32 = 1;

solana_program_entrypoint::entrypoint!(run);

/// The one instruction.
pub fn run(_program: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let (id, data) = take::<32>(data)?;
    let (least, data) = take(data)?;
    let (max_age, _) = take(data)?;
    let account = accounts.first().ok_or(ProgramError::NotEnoughAccountKeys)?;
    let now = Clock::get()?.unix_timestamp;
    let owner = account.owner.as_array();
    let value = Feed::from_account(owner, &account.try_borrow_data()?, id)
        .and_then(|feed| {
            let mask = Mask::COMMITTEE | Mask::SOURCED;
            feed.value(now, u32::from_le_bytes(*max_age), mask)
        })
        .map_err(|error: FeedError| ProgramError::Custom(error.code()))?;
    match value.value >= i64::from_le_bytes(*least) {
        true => Ok(()),
        false => Err(ProgramError::Custom(TOO_COLD)),
    }
}

fn take<const N: usize>(data: &[u8]) -> Result<(&[u8; N], &[u8]), ProgramError> {
    data.split_first_chunk()
        .ok_or(ProgramError::InvalidInstructionData)
}
