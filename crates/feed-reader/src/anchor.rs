use anchor_lang::prelude::{ProgramError, Pubkey};
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use bytemuck::{Pod, Zeroable};

use crate::feed::BODY_LEN;
use crate::{Feed, FeedError, AI_FEED_ID, FEED_DISCRIMINATOR};

/// A feed among the accounts of an Anchor program. The loader checks that ai-feed owns the account and that it is a
/// feed; [`FeedAccount::feed`] checks which feed it is.
///
/// ```
/// use anchor_lang::prelude::*;
/// use feed_reader::{FeedAccount, Mask};
///
/// #[derive(Accounts)]
/// pub struct Decide<'info> {
///     pub feed: AccountLoader<'info, FeedAccount>,
/// }
///
/// /// The newest value, at most ten minutes old, of the feed with this id.
/// pub fn decide(accounts: &Decide, feed_id: &[u8; 32]) -> Result<i64> {
///     let now = Clock::get()?.unix_timestamp;
///     let feed = accounts.feed.load()?;
///     let value = feed.feed(feed_id)?.value(now, 600, Mask::COMMITTEE | Mask::SOURCED)?;
///     Ok(value.value)
/// }
/// ```
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct FeedAccount {
    body: [u8; BODY_LEN],
}

impl FeedAccount {
    /// The feed, if it is the one with this id.
    pub fn feed(&self, expected_id: &[u8; 32]) -> Result<Feed<'_>, FeedError> {
        Feed::of_body(&self.body)?.expect(expected_id)
    }
}

impl Owner for FeedAccount {
    fn owner() -> Pubkey {
        Pubkey::new_from_array(AI_FEED_ID)
    }
}

impl Discriminator for FeedAccount {
    const DISCRIMINATOR: &'static [u8] = &FEED_DISCRIMINATOR;
}

impl ZeroCopy for FeedAccount {}

/// A program's interface names the account and leaves its type to ai-feed's own.
#[cfg(feature = "idl-build")]
impl anchor_lang::IdlBuild for FeedAccount {}

impl From<FeedError> for anchor_lang::error::Error {
    fn from(error: FeedError) -> Self {
        ProgramError::Custom(error.code()).into()
    }
}
