use crate::FeedError;

pub(crate) const ENTRY_LEN: usize = 96;
pub(crate) type EntryBytes = [u8; ENTRY_LEN];

const DISPUTED: u16 = 1;

/// What a feed said in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// The value, in units of 10^`exponent`.
    pub value: i64,
    /// Largest minus smallest of the streams' values, in the same units; 0 when one stream answered.
    pub confidence: u64,
    /// Exponential moving average of the values up to this one, in the same units. Values that were refuted later stay in it:
    /// decide by [`value`](Self::value) where one false round must not count.
    pub ema: i64,
    /// The unit's power of ten.
    pub exponent: i8,
    /// The round: it covers the Unix seconds from `round` times the feed's round length, to the next one's.
    pub round: u64,
    /// When the round was finalised, in seconds of Unix time.
    pub posted_at: i64,
    /// When the oldest reading behind the value was captured, in milliseconds of Unix time.
    pub oldest_capture: i64,
    /// The least of the last captures of the batches behind the value, in milliseconds of Unix time: a value is no
    /// fresher than the stalest batch in it.
    pub newest_capture: i64,
    /// Root of the newest commitment of the stream that weighs most, that which it attested last: where tracing the
    /// value begins.
    pub data_root: [u8; 32],
    /// Bits of [`crate::Mask`] that everything behind the value has passed.
    pub mask: u16,
    /// Number of operators that attested.
    pub attesters: u16,
    /// Number of streams in the value.
    pub streams: u16,
    /// A dispute against the value succeeded, or is open.
    pub disputed: bool,
}

impl Value {
    pub(crate) fn read(entry: &EntryBytes, exponent: i8) -> Self {
        Self {
            value: i64::from_le_bytes(field(entry, 8)),
            confidence: u64::from_le_bytes(field(entry, 16)),
            ema: i64::from_le_bytes(field(entry, 24)),
            exponent,
            round: u64::from_le_bytes(field(entry, 0)),
            posted_at: i64::from_le_bytes(field(entry, 32)),
            oldest_capture: i64::from_le_bytes(field(entry, 40)),
            newest_capture: i64::from_le_bytes(field(entry, 48)),
            data_root: field(entry, 56),
            mask: mask(entry),
            attesters: u16::from_le_bytes(field(entry, 90)),
            streams: u16::from_le_bytes(field(entry, 92)),
            disputed: disputed(entry),
        }
    }

    /// Fails unless the newest capture is at most `max_age` seconds before `now`, and not after it.
    pub(crate) fn check_age(&self, now: i64, max_age: u32) -> Result<(), FeedError> {
        let captured = self.newest_capture.div_euclid(1_000);
        if captured > now {
            return Err(FeedError::InFuture);
        }
        if now.abs_diff(captured) > u64::from(max_age) {
            return Err(FeedError::TooOld);
        }
        Ok(())
    }
}

/// The entry has every bit of `min_mask`, undisputed.
pub(crate) fn verified(entry: &EntryBytes, min_mask: u16) -> bool {
    mask(entry) & min_mask == min_mask && !disputed(entry)
}

fn mask(entry: &EntryBytes) -> u16 {
    u16::from_le_bytes(field(entry, 88))
}

fn disputed(entry: &EntryBytes) -> bool {
    u16::from_le_bytes(field(entry, 94)) & DISPUTED != 0
}

/// `N` bytes at `offset`, which the callers' constants keep inside.
#[inline(always)]
pub(crate) fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[offset..offset + N]);
    field
}
