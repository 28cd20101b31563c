//! What is emitted, in closed form.
//!
//! Epoch `k` before the crossover is given initial × decay^k, epochs from the crossover to the end the floor, and
//! nothing is emitted after. The schedule is defined by its cumulative sum, rounded down to base units, and an epoch's
//! budget is the difference of two of those, so that budgets sum to exactly what was emitted.
//!
//! **Rounding.** Let q = decay / 2^32. The geometric sum S(n) = (1 - q^n) / (1 - q) is computed in binary fixed point:
//! q^n with 127 fraction bits by squaring, each of whose products is rounded down, so that by induction over products
//! q^n is at most (n - 1) 2^-127 too small; then the quotient with 95 fraction bits. With n ≤ 2^20 and 1 - q ≥ 2^-32,
//! S(n) is off by less than (n + 1) 2^-95, and initial × S(n) by less than 2^-10 of a base unit before it is rounded
//! down. Three properties follow, for all parameters that [`Schedule::validate`] accepts:
//! - A budget is never over `initial`. The first is exact: 1 - q divides evenly. For k ≥ 1, S(k + 1) - S(k) exceeds
//!   q^k by less than 2^-73, and q^k ≤ 1 - 2^-32.
//! - A budget before the crossover is never under `floor`. The last of them is at least floor + 2, so what was rounded
//!   down to it was over floor + 1; exact budgets only fall with k, and two errors of 2^-10 don't make up for 1.
//! - Hence the cumulative sum never falls, and if it fits 64 bits at the end it always does.

use crate::error::EmissionError;
use anchor_lang::prelude::*;
use bytemuck::{Pod, Zeroable};

/// The crossover at most: the error bound holds up to here. At an epoch an hour, 119 years.
pub const MAX_CROSSOVER: u64 = 1 << 20;

/// 1.0 with 127 fraction bits.
const ONE: u128 = 1 << 127;
/// 1.0 as a decay.
const FULL_DECAY: u64 = 1 << 32;
/// By how much a decayed budget must exceed the floor, in base units: the margin that hides rounding.
const MARGIN: u128 = 2;

/// When how much is emitted. Amounts are in base units of the reward mint.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Schedule {
    /// Budget of epoch 0.
    pub initial: u64,
    /// Budget of each epoch from the crossover to the end.
    pub floor: u64,
    /// Factor from one epoch's budget to the next, in 2^-32; below 2^32.
    pub decay: u64,
    /// First epoch at the floor.
    pub crossover: u64,
    /// First epoch without emission.
    pub end: u64,
}

impl Schedule {
    /// The schedule with these parameters and the crossover that they imply.
    ///
    /// # Errors
    /// As [`Schedule::validate`].
    pub fn new(initial: u64, floor: u64, decay: u64, end: u64) -> Result<Self> {
        let mut schedule = Self {
            initial,
            floor,
            decay,
            crossover: 0,
            end,
        };
        schedule.validate_shape()?;
        // The epoch before `low` is above the floor, the one at `high` is not or is out of bounds.
        let (mut low, mut high) = (0, end.min(MAX_CROSSOVER));
        while low < high {
            let middle = low + (high - low) / 2;
            if schedule.is_above_floor(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        schedule.crossover = low;
        schedule.validate()?;
        Ok(schedule)
    }

    /// Refuses what would overflow, leave a gap at the crossover, or lie outside of what rounding allows.
    ///
    /// # Errors
    /// [`EmissionError::InvalidSchedule`], [`EmissionError::WrongCrossover`], [`EmissionError::ScheduleOverflow`].
    pub fn validate(&self) -> Result<()> {
        self.validate_shape()?;
        let Self { crossover, end, .. } = *self;
        require!(
            crossover <= MAX_CROSSOVER
                && (crossover == 0 || self.is_above_floor(crossover - 1))
                && (crossover == end || !self.is_above_floor(crossover)),
            EmissionError::WrongCrossover
        );
        self.cumulative(end)?;
        Ok(())
    }

    fn validate_shape(&self) -> Result<()> {
        let Self {
            initial,
            floor,
            decay,
            crossover,
            end,
        } = *self;
        require!(
            initial > 0 && floor <= initial && decay < FULL_DECAY && crossover <= end && end > 0,
            EmissionError::InvalidSchedule
        );
        Ok(())
    }

    /// Base units emitted in the first `epochs` epochs, which are those below number `epochs`.
    ///
    /// # Errors
    /// [`EmissionError::ScheduleOverflow`], never on a schedule that was validated.
    pub fn cumulative(&self, epochs: u64) -> Result<u64> {
        let epochs = epochs.min(self.end);
        let decayed = self.decayed(epochs.min(self.crossover));
        let at_floor = match epochs.checked_sub(self.crossover) {
            Some(epochs) => u128::from(epochs) * u128::from(self.floor),
            None => 0,
        };
        decayed
            .checked_add(at_floor)
            .and_then(|sum| u64::try_from(sum).ok())
            .ok_or_else(|| error!(EmissionError::ScheduleOverflow))
    }

    /// Base units emitted for one epoch.
    ///
    /// # Errors
    /// [`EmissionError::ScheduleOverflow`], never on a schedule that was validated.
    pub fn budget(&self, epoch: u64) -> Result<u64> {
        let Some(next) = epoch.checked_add(1) else {
            return Ok(0); // The last epoch of all is at or after any end.
        };
        self.cumulative(next)?
            .checked_sub(self.cumulative(epoch)?)
            .ok_or_else(|| error!(EmissionError::ScheduleOverflow))
    }

    /// Whether the decayed budget of `epoch` is still over the floor by the margin.
    fn is_above_floor(&self, epoch: u64) -> bool {
        self.decayed(epoch + 1) >= self.decayed(epoch) + u128::from(self.floor) + MARGIN
    }

    /// ⌊initial × S(epochs)⌋, below 2^96.
    fn decayed(&self, epochs: u64) -> u128 {
        let terms = (ONE - power(u128::from(self.decay) << 95, epochs))
            / u128::from(FULL_DECAY - self.decay);
        // ⌊initial × terms / 2^95⌋, where the product takes 191 bits.
        let initial = u128::from(self.initial);
        let (high, low) = (terms >> 64, terms & u128::from(u64::MAX));
        (initial * high + ((initial * low) >> 64)) >> 31
    }
}

/// base^exponent for a base of 0 to 1, all with 127 fraction bits, by squaring.
fn power(base: u128, mut exponent: u64) -> u128 {
    let (mut product, mut square) = (ONE, base);
    loop {
        if exponent & 1 == 1 {
            product = multiply(product, square);
        }
        exponent >>= 1;
        if exponent == 0 {
            return product;
        }
        square = multiply(square, square);
    }
}

/// a × b for numbers of 0 to 1 with 127 fraction bits, rounded down.
fn multiply(a: u128, b: u128) -> u128 {
    let mask = u128::from(u64::MAX);
    let (a_high, a_low, b_high, b_low) = (a >> 64, a & mask, b >> 64, b & mask);
    // Each half of the middle sum is below 2^127, as a high part is at most 2^63.
    let middle = a_high * b_low + a_low * b_high + ((a_low * b_low) >> 64);
    ((a_high * b_high) << 1) + (middle >> 63)
}
