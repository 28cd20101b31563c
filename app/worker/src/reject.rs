//! Why a reading or a grant is not taken.

/// The reasons, each with a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Reject {
    /// The bytes are no signed reading.
    #[error("the bytes are no signed reading")]
    Malformed,
    /// It was signed for another network.
    #[error("the reading was signed for another network")]
    WrongNetwork,
    /// No device with this id is registered.
    #[error("the device is not registered: register it first")]
    UnknownDevice,
    /// The device is banned or void.
    #[error("the device is banned or void")]
    InactiveDevice,
    /// It was signed for another owner's time.
    #[error("the reading names another nonce than the device's leaf: read the leaf again")]
    WrongNonce,
    /// The session was not granted.
    #[error("no grant of this session is known: send its grant first")]
    UnknownSession,
    /// It was captured before its session began or after it ended.
    #[error("the reading was captured outside its session: grant a new session")]
    OutsideSession,
    /// Another grant with this counter is known.
    #[error("another grant has this counter: count on")]
    StaleGrant,
    /// The signature is wrong, or not as strict as the chain's precompiles ask.
    #[error("the signature does not verify")]
    BadSignature,
    /// The same reading was taken before.
    #[error("the reading was taken before")]
    Replay,
    /// Another reading with this session and sequence was taken before. Both are kept if they are evidence.
    #[error("another reading with this sequence was taken before")]
    Equivocation,
    /// Captured later than now.
    #[error("the device's clock is ahead")]
    ClockInFuture,
    /// Captured too long ago.
    #[error("the reading is too old")]
    TooOld,
    /// A value is missing, or not in the range that the operator finds plausible.
    #[error("a value is missing or out of range")]
    OutOfRange,
    /// A value changed faster than the operator finds plausible.
    #[error("a value changed faster than it can")]
    RateOfChange,
    /// The device has said the same for longer than the operator finds plausible.
    #[error("the device says the same again and again: its sensor may be stuck")]
    Stuck,
    /// A value is farther from what devices nearby say than the operator finds plausible.
    #[error("a value is far from what devices nearby say")]
    ApartFromNeighbours,
}

impl Reject {
    /// Every reason, in the order of the variants.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::WrongNetwork,
        Self::UnknownDevice,
        Self::InactiveDevice,
        Self::WrongNonce,
        Self::UnknownSession,
        Self::OutsideSession,
        Self::StaleGrant,
        Self::BadSignature,
        Self::Replay,
        Self::Equivocation,
        Self::ClockInFuture,
        Self::TooOld,
        Self::OutOfRange,
        Self::RateOfChange,
        Self::Stuck,
        Self::ApartFromNeighbours,
    ];

    /// The reason's name in counters and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongNetwork => "wrong_network",
            Self::UnknownDevice => "unknown_device",
            Self::InactiveDevice => "inactive_device",
            Self::WrongNonce => "wrong_nonce",
            Self::UnknownSession => "unknown_session",
            Self::OutsideSession => "outside_session",
            Self::StaleGrant => "stale_grant",
            Self::BadSignature => "bad_signature",
            Self::Replay => "replay",
            Self::Equivocation => "equivocation",
            Self::ClockInFuture => "clock_in_future",
            Self::TooOld => "too_old",
            Self::OutOfRange => "out_of_range",
            Self::RateOfChange => "rate_of_change",
            Self::Stuck => "stuck",
            Self::ApartFromNeighbours => "apart_from_neighbours",
        }
    }
}
