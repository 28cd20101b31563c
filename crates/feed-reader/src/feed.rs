use crate::value::{field, verified, EntryBytes, Value, ENTRY_LEN};
use crate::FeedError;

/// The ai-feed program's address, 3v6zfT3VA2pHGEUBmtzBP5TwZ3coEiHrVTXGY1Mc4TvT: the owner of every feed.
pub const AI_FEED_ID: [u8; 32] = [
    0x2b, 0x51, 0xef, 0x33, 0xc7, 0xcb, 0x36, 0x32, 0x19, 0x71, 0xa9, 0x76, 0x32, 0x88, 0x70, 0x2c,
    0x33, 0x05, 0x0f, 0xc0, 0xad, 0x1e, 0x83, 0x75, 0x8b, 0xec, 0x42, 0xcb, 0x2a, 0xf8, 0x62, 0x6c,
];

/// The first bytes of every feed: sha256("account:Feed")[..8].
pub const FEED_DISCRIMINATOR: [u8; 8] = [0x45, 0xbf, 0x10, 0xe3, 0x84, 0xbb, 0x54, 0xe3];

/// Rounds that a feed remembers.
pub const HISTORY: usize = 64;

/// H3 cells in a feed's input, at most.
pub const MAX_CELLS: usize = 8;

/// Length of a feed's account in bytes, with the discriminator.
pub const FEED_LEN: usize = RING + HISTORY * ENTRY_LEN;

/// Length of what follows the discriminator.
pub(crate) const BODY_LEN: usize = FEED_LEN - FEED_DISCRIMINATOR.len();

const VERSION: u8 = 1;
const ACTIVE: u8 = 0;
const RING: usize = 584;

/// A feed's account.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    body: &'a [u8; BODY_LEN],
}

impl<'a> Feed<'a> {
    /// The feed `expected_id` from an account's owner and data: what a program calls.
    pub fn from_account(
        owner: &[u8; 32],
        data: &'a [u8],
        expected_id: &[u8; 32],
    ) -> Result<Self, FeedError> {
        if *owner != AI_FEED_ID {
            return Err(FeedError::Owner);
        }
        let feed = Self::parse(data)?;
        feed.expect(expected_id)
    }

    /// The feed, if it is the one expected.
    pub(crate) fn expect(self, id: &[u8; 32]) -> Result<Self, FeedError> {
        match self.id() == *id {
            true => Ok(self),
            false => Err(FeedError::Id),
        }
    }

    /// A feed from an account's data. Whoever calls this has checked who owns the account and which feed it is.
    pub fn parse(data: &'a [u8]) -> Result<Self, FeedError> {
        let data: &[u8; FEED_LEN] = data.try_into().map_err(|_| FeedError::Length)?;
        let Some((discriminator, body)) = data.split_first_chunk() else {
            return Err(FeedError::Length);
        };
        if *discriminator != FEED_DISCRIMINATOR {
            return Err(FeedError::Discriminator);
        }
        Self::of_body(body.try_into().map_err(|_| FeedError::Length)?)
    }

    /// A feed from what follows the discriminator.
    pub(crate) fn of_body(body: &'a [u8; BODY_LEN]) -> Result<Self, FeedError> {
        let feed = Self { body };
        if feed.byte(8) != VERSION {
            return Err(FeedError::Version);
        }
        if feed.entries() as usize > HISTORY || feed.head() as usize >= HISTORY {
            return Err(FeedError::Corrupt);
        }
        Ok(feed)
    }

    /// The newest value that has every bit of `min_mask` (see [`crate::Mask`]), undisputed, if its newest capture is at
    /// most `max_age` seconds before `now` (the clock's Unix time in seconds).
    ///
    /// Fails when the feed is frozen, when no value has the verification, when that value is too old or was captured
    /// after `now`, and when `min_mask` asks for nothing.
    pub fn value(&self, now: i64, max_age: u32, min_mask: u16) -> Result<Value, FeedError> {
        if self.is_frozen() {
            return Err(FeedError::Frozen);
        }
        let Some(newest) = self.verified(min_mask)?.next() else {
            return Err(match self.entries() {
                0 => FeedError::NoEntry,
                _ => FeedError::NotVerified,
            });
        };
        newest.check_age(now, max_age)?;
        Ok(newest)
    }

    /// Every value in the history that [`Feed::value`] would have accepted as the newest, the newest first: for a
    /// reader that must not miss a round. Of a frozen feed, those that it had posted when it was frozen, so that what
    /// was due before stays due. Fails when `min_mask` asks for nothing.
    pub fn values(
        &self,
        now: i64,
        max_age: u32,
        min_mask: u16,
    ) -> Result<impl Iterator<Item = Value> + 'a, FeedError> {
        Ok(self
            .verified(min_mask)?
            .filter(move |value| value.check_age(now, max_age).is_ok()))
    }

    /// The newest value, whatever stands behind it and however old it is. It may be disputed, and the feed frozen:
    /// for display, never for decisions.
    pub fn newest_value_unverified(&self) -> Result<Value, FeedError> {
        let newest = self.history().next().ok_or(FeedError::NoEntry)?;
        Ok(Value::read(newest, self.exponent()))
    }

    /// Identity: the hash of network, creator, model, input, aggregation and round length.
    ///
    /// It does not cover how the values are verified: required mask, signers and streams at least, grace, challenge window,
    /// bond and slash. The feed's authority may change them behind the network's timelock, for rounds that open later; what a
    /// value has passed is in the value.
    pub fn id(&self) -> [u8; 32] {
        self.field(16)
    }

    /// Address of the network whose devices and operators the feed relies on.
    pub fn network(&self) -> [u8; 32] {
        self.field(48)
    }

    /// Hash of the model.
    pub fn model(&self) -> [u8; 32] {
        self.field(80)
    }

    /// Who created the feed.
    pub fn creator(&self) -> [u8; 32] {
        self.field(112)
    }

    /// Who may freeze the feed, and propose how its values are verified.
    pub fn authority(&self) -> [u8; 32] {
        self.field(144)
    }

    /// The feed was frozen by its authority.
    pub fn is_frozen(&self) -> bool {
        self.byte(9) != ACTIVE
    }

    /// Values are in units of ten to this power.
    pub fn exponent(&self) -> i8 {
        i8::from_le_bytes(self.field(10))
    }

    /// How a stream's windows make one value: 0 is the median.
    pub fn aggregation(&self) -> u8 {
        self.byte(11)
    }

    /// Schema of the readings in the input.
    pub fn schema(&self) -> u16 {
        u16::from_le_bytes(self.field(14))
    }

    /// Length of a round in seconds.
    pub fn round_length(&self) -> i64 {
        i64::from_le_bytes(self.field(208))
    }

    /// When the feed was created, in seconds of Unix time.
    pub fn created_at(&self) -> i64 {
        i64::from_le_bytes(self.field(216))
    }

    /// Largest gap between consecutive readings of a window, in seconds.
    pub fn max_gap(&self) -> u32 {
        u32::from_le_bytes(self.field(224))
    }

    /// Operators that must sign an attestation, at least.
    pub fn min_signers(&self) -> u8 {
        self.byte(228)
    }

    /// Streams that must be in a round, at least.
    pub fn min_streams(&self) -> u8 {
        self.byte(229)
    }

    /// Bits of [`crate::Mask`] that every round has to pass.
    pub fn required_mask(&self) -> u16 {
        u16::from_le_bytes(self.field(230))
    }

    /// Seconds after a round's end in which its streams are waited for.
    pub fn grace(&self) -> i64 {
        i64::from_le_bytes(self.field(232))
    }

    /// Seconds in which an attestation can be challenged.
    pub fn challenge_window(&self) -> i64 {
        i64::from_le_bytes(self.field(240))
    }

    /// Stake that each attestation reserves until it can't be challenged any more, in base units of the network's stake mint.
    pub fn bond(&self) -> u64 {
        u64::from_le_bytes(self.field(352))
    }

    /// What a false attestation costs whoever submitted or signed it, in basis points of its stake in the network.
    pub fn slash_bps(&self) -> u16 {
        u16::from_le_bytes(self.field(346))
    }

    /// H3 cells that the readings come from.
    pub fn cells(&self) -> impl Iterator<Item = u64> + 'a {
        let feed = *self;
        let count = usize::from(feed.byte(13)).min(MAX_CELLS);
        (0..count).map(move |cell| u64::from_le_bytes(feed.field(248 + 8 * cell)))
    }

    /// The newest finalised round, 0 for none.
    pub fn last_round(&self) -> u64 {
        u64::from_le_bytes(self.field(312))
    }

    /// Exponential moving average of all values, in the values' units; see [`Value::ema`](crate::Value::ema).
    pub fn ema(&self) -> i64 {
        i64::from_le_bytes(self.field(328))
    }

    /// When the feed was frozen, in seconds of Unix time; 0 while it is active.
    pub fn frozen_at(&self) -> i64 {
        i64::from_le_bytes(self.field(336))
    }

    /// Number of rounds in the history, up to 64.
    pub fn entries(&self) -> u32 {
        u32::from_le_bytes(self.field(320))
    }

    fn head(&self) -> u32 {
        u32::from_le_bytes(self.field(324))
    }

    fn verified(&self, min_mask: u16) -> Result<impl Iterator<Item = Value> + 'a, FeedError> {
        if min_mask == 0 {
            return Err(FeedError::NoMask);
        }
        let exponent = self.exponent();
        let last_post = match self.is_frozen() {
            true => self.frozen_at(),
            false => i64::MAX,
        };
        Ok(self
            .history()
            .filter(move |entry| verified(entry, min_mask))
            .map(move |entry| Value::read(entry, exponent))
            .filter(move |value| value.posted_at <= last_post))
    }

    /// The entries of the ring, the newest first.
    fn history(&self) -> impl Iterator<Item = &'a EntryBytes> + 'a {
        let (ring, _) = self.body[at(RING)..].as_chunks::<ENTRY_LEN>();
        let (head, entries) = (self.head() as usize, self.entries() as usize);
        let (newer, older) = ring.split_at(head + 1);
        newer.iter().rev().chain(older.iter().rev()).take(entries)
    }

    /// `N` bytes at an offset in the account.
    #[inline(always)]
    fn field<const N: usize>(&self, offset: usize) -> [u8; N] {
        field(self.body, at(offset))
    }

    /// The byte at an offset in the account.
    #[inline(always)]
    fn byte(&self, offset: usize) -> u8 {
        self.body[at(offset)]
    }
}

/// Where an offset in the account is in the body.
#[inline(always)]
const fn at(offset: usize) -> usize {
    offset - FEED_DISCRIMINATOR.len()
}
