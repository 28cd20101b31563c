//! What credits cost, and what costs credits.

use crate::error::EmissionError;
use crate::state::credits::CREDITS_PER_DOLLAR;
use crate::state::view;
use anchor_lang::prelude::*;
use credits::Purpose;
use oracle::{Format, Now, Requirements};

/// Most decimals of a reward mint whose tokens credits are bought with.
pub const MAX_DECIMALS: u8 = 18;

/// Whose price counts, and what is paid for.
#[derive(Debug, PartialEq, Eq)]
#[zero_copy]
pub struct Terms {
    /// The queue whose oracles may answer.
    pub queue: [u8; 32],
    /// Hash of what they are asked.
    pub jobs: [u8; 32],
    /// Credits for registering a device.
    pub registration: u64,
    /// Credits for opening a feed.
    pub feed: u64,
    /// How old an answer may be, slots.
    pub max_age_slots: u32,
    /// How old the newest answer may be, seconds.
    pub max_age_seconds: u32,
    /// How far an answer may be from their median, basis points.
    pub max_deviation_bps: u16,
    /// Distinct oracles that must have answered.
    pub min_oracles: u8,
    /// Format of the oracle's account: [`Format`]'s number.
    pub format: u8,
    /// Zero.
    pub _pad: [u8; 4],
}

impl Terms {
    /// Credits for `count` things of a purpose.
    ///
    /// # Errors
    /// [`EmissionError::Overflow`].
    pub fn cost(&self, purpose: Purpose, count: u32) -> Result<u64> {
        let each = match purpose {
            Purpose::Registration => self.registration,
            Purpose::Feed => self.feed,
        };
        each.checked_mul(count.into())
            .ok_or_else(|| error!(EmissionError::Overflow))
    }

    /// What is required of the price.
    ///
    /// # Errors
    /// [`EmissionError::InvalidPricing`] when no oracle's account could meet it.
    pub fn requirements(&self) -> Result<Requirements> {
        let invalid = |_| error!(EmissionError::InvalidPricing);
        let requirements = Requirements {
            format: Format::try_from(self.format).map_err(invalid)?,
            queue: self.queue,
            jobs: self.jobs,
            max_age_slots: self.max_age_slots,
            max_age_seconds: self.max_age_seconds,
            min_oracles: self.min_oracles,
            max_deviation_bps: self.max_deviation_bps,
        };
        requirements.validate().map_err(invalid)?;
        Ok(requirements)
    }
}

/// A network's pricing. PDA `["pricing", network]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Pricing {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Decimals of the reward mint.
    pub decimals: u8,
    /// Zero.
    pub _pad: [u8; 5],
    /// The network's address.
    pub network: Pubkey,
    /// What holds until `next_from`.
    pub terms: Terms,
    /// What holds from then on.
    pub next: Terms,
    /// Unix seconds.
    pub next_from: i64,
    /// Base units of the reward mint that were burned for credits, ever.
    pub burned: u64,
    /// The oracle's account that tells the token's price until `next_from`.
    pub oracle: Pubkey,
    /// The one that tells it from then on.
    pub next_oracle: Pubkey,
}

impl Pricing {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// What was ever burned for credits, by the account at the pricing's address of a network: nothing before the first
    /// pricing.
    pub fn burned_by(account: &AccountInfo<'_>) -> Result<u64> {
        if account.data_is_empty() {
            return Ok(0);
        }
        let data = account.try_borrow_data()?;
        view::<Self>(&data)
            .map(|pricing| pricing.burned)
            .ok_or_else(|| error!(ErrorCode::AccountDiscriminatorMismatch))
    }

    /// What is to hold after what holds at `now`, unix seconds, and from when; `None` where nothing else was set.
    pub fn terms_after(&self, now: i64) -> Option<(&Terms, i64)> {
        (now < self.next_from).then_some((&self.next, self.next_from))
    }

    /// What holds at `now`, unix seconds.
    pub fn terms_at(&self, now: i64) -> &Terms {
        if now < self.next_from {
            &self.terms
        } else {
            &self.next
        }
    }

    /// The oracle's account that tells the token's price at `now`, unix seconds.
    pub fn oracle_at(&self, now: i64) -> &Pubkey {
        if now < self.next_from {
            &self.oracle
        } else {
            &self.next_oracle
        }
    }

    /// Has `terms` hold and `oracle` tell the price from `from`, unix seconds. What was to hold before, and does not at
    /// `now`, never will.
    pub fn set(&mut self, terms: Terms, oracle: Pubkey, from: i64, now: i64) {
        self.terms = *self.terms_at(now);
        self.oracle = *self.oracle_at(now);
        self.next = terms;
        self.next_oracle = oracle;
        self.next_from = from;
    }

    /// The credits that `tokens` base units buy, by what the oracle's account says at `now`: ⌊tokens × price × credits a
    /// dollar⌋, at the price's low side.
    ///
    /// # Errors
    /// [`EmissionError::WrongOracle`], [`EmissionError::Price`] with the oracle's refusal in the log,
    /// [`EmissionError::Overflow`].
    pub fn credits_for(&self, tokens: u64, oracle: &AccountInfo<'_>, now: Now) -> Result<u64> {
        // Jobs alone would not do: an account's authority can have other jobs answered, and name these ones afterwards.
        require_keys_eq!(
            *oracle.key,
            *self.oracle_at(now.unix_time),
            EmissionError::WrongOracle
        );
        let requirements = self.terms_at(now.unix_time).requirements()?;
        let data = oracle.try_borrow_data()?;
        let price = oracle::read_price(oracle.owner.as_array(), &data, now, &requirements)
            .and_then(|price| price.conservative())
            .map_err(|refusal| {
                msg!("{}", refusal);
                error!(EmissionError::Price)
            })?;
        self.credits_at(tokens, price)
    }

    /// The credits that `tokens` base units buy at `price`, in 10^-12 dollars for a whole token: rounded down.
    ///
    /// # Errors
    /// [`EmissionError::Overflow`].
    pub fn credits_at(&self, tokens: u64, price: u64) -> Result<u64> {
        (u128::from(tokens) * u128::from(price))
            .checked_div(self.units_per_credit().unwrap_or_default())
            .and_then(|credits| u64::try_from(credits).ok())
            .ok_or_else(|| error!(EmissionError::Overflow))
    }

    /// The fewest base units that buy `credits` at `price`, in 10^-12 dollars for a whole token.
    ///
    /// # Errors
    /// [`EmissionError::Overflow`], at a price of nothing too.
    pub fn tokens_for(&self, credits: u64, price: u64) -> Result<u64> {
        let tokens = || {
            let units = u128::from(credits).checked_mul(self.units_per_credit()?)?;
            if price == 0 {
                return None;
            }
            u64::try_from(units.div_ceil(price.into())).ok()
        };
        tokens().ok_or_else(|| error!(EmissionError::Overflow))
    }

    /// What tokens times price come to for a credit.
    fn units_per_credit(&self) -> Option<u128> {
        10u128
            .checked_pow(u32::from(self.decimals) + oracle::DECIMALS)
            .map(|one| one / u128::from(CREDITS_PER_DOLLAR))
    }
}
