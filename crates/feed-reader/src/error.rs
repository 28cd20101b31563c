use core::fmt;

/// Why a feed gave no value. The codes are stable: a program returns them as its custom error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FeedError {
    /// The account's length is not that of a feed.
    Length = 20_000,
    /// The account is not a feed.
    Discriminator = 20_001,
    /// The feed's layout is of a version that this reader does not know.
    Version = 20_002,
    /// The account is not owned by the ai-feed program.
    Owner = 20_003,
    /// It is another feed.
    Id = 20_004,
    /// The history's bounds are impossible.
    Corrupt = 20_005,
    /// The feed was frozen by its authority.
    Frozen = 20_010,
    /// The reader asked for no verification at all.
    NoMask = 20_011,
    /// No round was finalised yet.
    NoEntry = 20_012,
    /// No round in the history has the verification asked for, undisputed.
    NotVerified = 20_013,
    /// The newest value is older than the reader accepts.
    TooOld = 20_014,
    /// The newest value's capture lies in the future.
    InFuture = 20_015,
}

impl FeedError {
    /// The stable code, for a program's custom error.
    pub const fn code(self) -> u32 {
        self as u32
    }
}

impl From<FeedError> for u32 {
    fn from(error: FeedError) -> Self {
        error.code()
    }
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "this account is not as long as a feed: pass the feed's account",
            Self::Discriminator => "this account is not a feed: pass the feed's account",
            Self::Version => "this feed's layout is newer than the reader: update feed-reader",
            Self::Owner => "this account is not owned by ai-feed: pass the feed's account",
            Self::Id => "this is another feed: pass the account of the feed expected",
            Self::Corrupt => "this feed's history has impossible bounds: do not use it",
            Self::Frozen => {
                "this feed is frozen: stop relying on it, or read what it had said with values"
            }
            Self::NoMask => "no verification was asked for: name the bits of Mask that you require",
            Self::NoEntry => "this feed has no value yet: wait for its first round",
            Self::NotVerified => {
                "no value has the verification asked for: wait for the next round, or require less"
            }
            Self::TooOld => {
                "the newest value is too old: wait for the next round, or accept older ones"
            }
            Self::InFuture => "the newest value was captured after now: check the clock passed",
        })
    }
}

impl core::error::Error for FeedError {}
