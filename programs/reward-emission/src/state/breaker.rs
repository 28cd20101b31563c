//! The circuit breaker before the mint: at most `limit` at once, and `limit` more each window.
//!
//! A leaky bucket. Claims raise its level, which falls by limit ÷ window a second; a claim that would take the level
//! over the limit waits. Whatever the order of claims, any stretch of t seconds mints at most limit × (1 + t ÷ window).

use crate::error::EmissionError;
use anchor_lang::prelude::*;

/// How much was claimed lately. Amounts are in base units of the reward mint.
#[derive(Debug, PartialEq, Eq)]
#[zero_copy]
pub struct Breaker {
    /// Seconds in which a full bucket drains; at least 1.
    pub window: i64,
    /// The level at most; at least 1.
    pub limit: u64,
    /// What was claimed and has not drained at `updated_at`.
    pub level: u64,
    /// Unix seconds up to which draining is reckoned.
    pub updated_at: i64,
}

impl Breaker {
    /// An empty bucket.
    pub fn new(window: i64, limit: u64, now: i64) -> Self {
        Self {
            window,
            limit,
            level: 0,
            updated_at: now,
        }
    }

    /// Counts a claim of `due` > 0 at `now`, and returns how much of it is paid: all of it, or of an amount that alone
    /// exceeds the limit as much as there is room for, so that no payee is ever owed too much to be paid.
    ///
    /// # Errors
    /// [`EmissionError::BreakerOpen`], and the time to retry in the log. Nothing is counted then.
    pub fn take(&mut self, due: u64, now: i64) -> Result<u64> {
        self.drain(now)?;
        let room = self
            .limit
            .checked_sub(self.level)
            .ok_or_else(|| error!(EmissionError::InvariantBroken))?;
        let amount = if due > self.limit { room } else { due };
        if amount == 0 || amount > room {
            let least = if due > self.limit { 1 } else { due };
            msg!("retry at {}", self.passes_at(least)?);
            return err!(EmissionError::BreakerOpen);
        }
        self.level = self
            .level
            .checked_add(amount)
            .ok_or_else(|| error!(EmissionError::Overflow))?;
        Ok(amount)
    }

    /// Lets the level fall up to `now`. It falls by whole units, and the time of a unit that has not quite drained yet
    /// is kept for the next call: claims however frequent don't keep the level up.
    fn drain(&mut self, now: i64) -> Result<()> {
        let Ok(elapsed) = u128::try_from(i128::from(now) - i128::from(self.updated_at)) else {
            return Ok(()); // The clock went back.
        };
        let (limit, window) = (u128::from(self.limit), self.window_u128()?);
        // Elapsed is below 2^65; a level drains within one window, so what exceeds it may be cut.
        let drained = limit * elapsed.min(window) / window;
        match u64::try_from(drained)
            .ok()
            .and_then(|drained| self.level.checked_sub(drained))
        {
            Some(level) if level > 0 => {
                self.level = level;
                self.updated_at = self.after(drained)?;
            }
            _ => {
                self.level = 0;
                self.updated_at = now;
            }
        }
        Ok(())
    }

    /// When the last of `due` could be paid, of an amount above the limit in parts, if nobody else claims before: unix
    /// seconds.
    ///
    /// # Errors
    /// [`EmissionError::Overflow`].
    pub fn passes_at(&self, due: u64) -> Result<i64> {
        let excess = (u128::from(self.level) + u128::from(due)).saturating_sub(self.limit.into());
        self.after(excess)
    }

    /// The first second at which `amount` has drained since `updated_at`.
    fn after(&self, amount: u128) -> Result<i64> {
        let seconds = (amount * self.window_u128()?).div_ceil(u128::from(self.limit));
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| self.updated_at.checked_add(seconds))
            .ok_or_else(|| error!(EmissionError::Overflow))
    }

    fn window_u128(&self) -> Result<u128> {
        u128::try_from(self.window).map_err(|_| error!(EmissionError::InvariantBroken))
    }
}
