use core::fmt;

/// Why an account gave no price. The codes are stable: a program returns them as its custom error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum OracleError {
    /// The account is not owned by the program of the format required.
    Owner = 21_000,
    /// The account's length is not that of the format.
    Length = 21_001,
    /// The account is of another kind.
    Discriminator = 21_002,
    /// The account is of another queue of oracles.
    Queue = 21_003,
    /// The account's oracles are asked something else.
    Jobs = 21_004,
    /// The account's authority may write answers itself.
    AuthorityWrites = 21_010,
    /// The aggregator does not say whose answers its result is made of.
    Sliding = 21_011,
    /// The answers are older than the reader accepts.
    Stale = 21_012,
    /// An answer is of a later slot or time than now.
    InFuture = 21_013,
    /// Fewer distinct oracles answered than are required.
    TooFewOracles = 21_014,
    /// A number has more decimals than the format can have.
    Scale = 21_015,
    /// The price is not above zero.
    NotPositive = 21_016,
    /// A number is too large.
    TooLarge = 21_017,
    /// The oracles disagree by more than the reader accepts.
    TooUncertain = 21_018,
    /// Nothing is left of the price on its conservative side.
    NothingLeft = 21_019,
    /// The reader's requirements can't be met by any account.
    Requirements = 21_020,
}

impl OracleError {
    /// The stable code, for a program's custom error.
    pub const fn code(self) -> u32 {
        self as u32
    }
}

impl From<OracleError> for u32 {
    fn from(error: OracleError) -> Self {
        error.code()
    }
}

impl fmt::Display for OracleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => {
                "this account is not owned by the oracle program required: pass the price's account"
            }
            Self::Length => {
                "this account is not as long as the oracle's are: pass the price's account"
            }
            Self::Discriminator => "this account is not a price: pass the price's account",
            Self::Queue => "this price is by oracles of another queue: pass the price's account",
            Self::Jobs => {
                "this price is of something else: pass the price's account, or have the new jobs required"
            }
            Self::AuthorityWrites => {
                "the price's authority may write it without oracles: have that permission taken away"
            }
            Self::Sliding => {
                "this aggregator doesn't say whose answers it has: have it resolved by the round"
            }
            Self::Stale => "the oracles' answers are too old: update the price first",
            Self::InFuture => "the price is of later than now: check the clock passed",
            Self::TooFewOracles => {
                "too few oracles answered: update the price with answers of more oracles"
            }
            Self::Scale => "an answer has more than 28 decimals: do not use this account",
            Self::NotPositive => "the price is not above zero: wait until it is",
            Self::TooLarge => "an answer is too large: do not use this account",
            Self::TooUncertain => "the oracles disagree too much: wait until they agree",
            Self::NothingLeft => {
                "the oracles disagree by as much as the price: wait until they agree"
            }
            Self::Requirements => {
                "no price can meet these requirements: require one oracle or more, no more than an account holds, and a deviation below 10,000 bps"
            }
        })
    }
}

impl core::error::Error for OracleError {}
