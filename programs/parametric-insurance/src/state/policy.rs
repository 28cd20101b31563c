use super::VERSION;
use crate::error::InsuranceError;
use anchor_lang::prelude::*;
use feed_reader::{Mask, Value};

/// On which side of its threshold a policy pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// When the value is less.
    Below = 0,
    /// When the value is more.
    Above = 1,
}

impl TryFrom<u8> for Direction {
    type Error = InsuranceError;

    fn try_from(byte: u8) -> std::result::Result<Self, InsuranceError> {
        match byte {
            0 => Ok(Self::Below),
            1 => Ok(Self::Above),
            _ => Err(InsuranceError::InvalidDirection),
        }
    }
}

/// A promise to pay if the feed crosses a threshold, at `["policy", fund, number u64]`. Open as long as it exists: it is
/// closed by what ends it, and its number is never used again.
#[account(zero_copy)]
#[repr(C)]
pub struct Policy {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// A [`Direction`].
    pub direction: u8,
    pub _pad: [u8; 1],
    /// Verification that a round needs, bits of [`Mask`].
    pub min_mask: u16,
    pub _pad2: [u8; 2],
    /// Seconds from a round's newest capture in which it can be settled.
    pub max_age: u32,
    pub _pad3: [u8; 4],
    /// The fund that pays.
    pub fund: Pubkey,
    /// The policy's number in the fund.
    pub number: u64,
    /// Who is insured.
    pub holder: Pubkey,
    /// The token account that is paid.
    pub holder_account: Pubkey,
    /// Who paid the rent, and gets it back.
    pub payer: Pubkey,
    /// What the value must cross, in the feed's units.
    pub threshold: i64,
    /// Base units that it pays.
    pub payout: u64,
    /// Base units that it cost.
    pub premium: u64,
    /// First second that it covers, Unix time.
    pub starts: i64,
    /// Last second that it covers, Unix time.
    pub ends: i64,
    pub reserved: [u8; 64],
}

/// What underwriter and holder agree on.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyTerms {
    /// What the value must cross, in the feed's units.
    pub threshold: i64,
    /// 0: pays when a value is below the threshold; 1: above it.
    pub direction: u8,
    /// Verification that a round needs, bits of [`Mask`].
    pub min_mask: u16,
    /// Seconds from a round's newest capture in which it can be settled: long enough for the feed to finalise it.
    pub max_age: u32,
    /// Base units that it pays.
    pub payout: u64,
    /// Base units that it costs.
    pub premium: u64,
    /// First second that it covers, Unix time; not before now.
    pub starts: i64,
    /// Last second that it covers, Unix time.
    pub ends: i64,
}

/// The addresses of a new policy.
pub struct PolicyAddresses {
    /// The fund that pays.
    pub fund: Pubkey,
    /// Who is insured.
    pub holder: Pubkey,
    /// The token account that is paid.
    pub holder_account: Pubkey,
    /// Who paid the rent.
    pub payer: Pubkey,
}

impl Policy {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account, at Unix time `now`.
    pub fn open(
        &mut self,
        bump: u8,
        number: u64,
        addresses: PolicyAddresses,
        terms: PolicyTerms,
        now: i64,
    ) -> Result<()> {
        let PolicyAddresses {
            fund,
            holder,
            holder_account,
            payer,
        } = addresses;
        let PolicyTerms {
            threshold,
            direction,
            min_mask,
            max_age,
            payout,
            premium,
            starts,
            ends,
        } = terms;
        Direction::try_from(direction)?;
        require!(
            min_mask != 0 && min_mask & !Mask::ALL == 0,
            InsuranceError::InvalidMask
        );
        require!(max_age > 0, InsuranceError::InvalidMaxAge);
        require!(payout > 0 && premium > 0, InsuranceError::ZeroAmount);
        require_gte!(starts, now, InsuranceError::StartsInPast);
        require_gt!(ends, starts, InsuranceError::InvalidPeriod);
        self.version = VERSION;
        self.bump = bump;
        self.direction = direction;
        self.min_mask = min_mask;
        self.max_age = max_age;
        self.fund = fund;
        self.number = number;
        self.holder = holder;
        self.holder_account = holder_account;
        self.payer = payer;
        self.threshold = threshold;
        self.payout = payout;
        self.premium = premium;
        self.starts = starts;
        self.ends = ends;
        self.last_settlement().map(|_| ())
    }

    /// Whether a round's value, of the verification and age asked for, makes the policy pay: everything behind it was
    /// captured in the time that the policy covers, and it lies beyond the threshold.
    pub fn pays(&self, value: &Value) -> Result<bool> {
        let (starts, ends) = (milliseconds(self.starts)?, milliseconds(self.ends)?);
        let crossed = match Direction::try_from(self.direction)? {
            Direction::Below => value.value < self.threshold,
            Direction::Above => value.value > self.threshold,
        };
        Ok(crossed && starts <= value.oldest_capture && value.newest_capture <= ends)
    }

    /// The last second in which a round could still be settled: one captured at the very end, at its largest age.
    pub fn last_settlement(&self) -> Result<i64> {
        milliseconds(self.ends)?;
        Ok(self
            .ends
            .checked_add(i64::from(self.max_age))
            .ok_or(InsuranceError::InvalidPeriod)?)
    }
}

fn milliseconds(seconds: i64) -> Result<i64> {
    Ok(seconds
        .checked_mul(1_000)
        .ok_or(InsuranceError::InvalidPeriod)?)
}
