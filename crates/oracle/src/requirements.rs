use crate::{on_demand, v2, OracleError, ON_DEMAND_ID, V2_ID};

/// Whose accounts are read. The numbers are stable: programs store them. 0 names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// A PullFeed of Switchboard On-Demand.
    OnDemand = 1,
    /// An aggregator of Switchboard V2.
    V2 = 2,
}

impl Format {
    /// The program that owns every account of the format.
    pub const fn program(self) -> &'static [u8; 32] {
        match self {
            Self::OnDemand => &ON_DEMAND_ID,
            Self::V2 => &V2_ID,
        }
    }

    /// How many oracles' answers an account holds, at most.
    pub const fn capacity(self) -> usize {
        match self {
            Self::OnDemand => on_demand::CAPACITY,
            Self::V2 => v2::CAPACITY,
        }
    }
}

impl TryFrom<u8> for Format {
    type Error = OracleError;

    fn try_from(number: u8) -> Result<Self, OracleError> {
        match number {
            1 => Ok(Self::OnDemand),
            2 => Ok(Self::V2),
            _ => Err(OracleError::Requirements),
        }
    }
}

/// What is required of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Whose account it is.
    pub format: Format,
    /// The queue whose oracles may answer. Anybody opens a queue of their own, so that the owner of an account alone
    /// says nothing.
    pub queue: [u8; 32],
    /// What the oracles are asked: an On-Demand feed's `feed_hash`, an aggregator's `jobs_checksum`. The account's
    /// authority may change it, and the account is then refused. Once it is changed back, answers to what was asked
    /// meanwhile count as long as they are fresh.
    pub jobs: [u8; 32],
    /// How old an answer may be, in slots: since the oracle signed it (On-Demand), since its round was opened (V2).
    pub max_age_slots: u32,
    /// How long ago, in seconds, the newest answer may have landed (On-Demand) or the round been opened (V2). Slots stand
    /// still while the chain does; prices don't.
    pub max_age_seconds: u32,
    /// How many distinct oracles' fresh answers there must be. Where the account's own minimum is higher, that counts.
    pub min_oracles: u8,
    /// How far an answer may be from their median, in 1/10,000 of it; below 10,000.
    pub max_deviation_bps: u16,
}

impl Requirements {
    /// Fails when no account can meet them. [`crate::read_price`] checks it too: this is for whoever stores them.
    pub fn validate(&self) -> Result<(), OracleError> {
        let oracles = 1..=self.format.capacity();
        match oracles.contains(&usize::from(self.min_oracles)) && self.max_deviation_bps < 10_000 {
            true => Ok(()),
            false => Err(OracleError::Requirements),
        }
    }
}

/// The chain's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub slot: u64,
    /// Unix time in seconds.
    pub unix_time: i64,
}

impl Now {
    /// Whether a slot is at most `max_age` slots ago.
    pub(crate) fn is_fresh_slot(&self, slot: u64, max_age: u32) -> Result<bool, OracleError> {
        let age = self.slot.checked_sub(slot).ok_or(OracleError::InFuture)?;
        Ok(age <= u64::from(max_age))
    }

    /// Fails unless a time is at most `max_age` seconds ago.
    pub(crate) fn check_time(&self, time: i64, max_age: u32) -> Result<(), OracleError> {
        if time > self.unix_time {
            return Err(OracleError::InFuture);
        }
        match self.unix_time.abs_diff(time) <= u64::from(max_age) {
            true => Ok(()),
            false => Err(OracleError::Stale),
        }
    }
}
