//! Credits of one owner.

use crate::error::EmissionError;
use anchor_lang::prelude::*;

/// How many credits a dollar is.
pub const CREDITS_PER_DOLLAR: u64 = 100_000;

/// Credits, which only their owner spends and nobody transfers. PDA `["credits", network, owner]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Credits {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Zero.
    pub _pad: [u8; 6],
    /// The network's address.
    pub network: Pubkey,
    /// Whose they are.
    pub owner: Pubkey,
    /// Credits left.
    pub balance: u64,
    /// Base units of the reward mint that were burned for them.
    pub burned: u64,
    /// Zero.
    pub reserved: [u8; 64],
}

impl Credits {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Adds credits for which `burned` base units were burned.
    pub fn add(&mut self, credits: u64, burned: u64) -> Result<()> {
        let overflow = || error!(EmissionError::Overflow);
        self.balance = self.balance.checked_add(credits).ok_or_else(overflow)?;
        self.burned = self.burned.checked_add(burned).ok_or_else(overflow)?;
        Ok(())
    }

    /// Takes credits, and returns the base units that were burned for them: ⌊burned × credits ÷ balance⌋, so that the last
    /// credit takes what floors have left over.
    ///
    /// # Errors
    /// [`EmissionError::TooFewCredits`].
    pub fn spend(&mut self, credits: u64) -> Result<u64> {
        let left = self
            .balance
            .checked_sub(credits)
            .ok_or_else(|| error!(EmissionError::TooFewCredits))?;
        let burned = (u128::from(self.burned) * u128::from(credits))
            .checked_div(u128::from(self.balance))
            .unwrap_or(0); // None of none.
        let burned = u64::try_from(burned).map_err(|_| error!(EmissionError::Overflow))?;
        self.burned = self
            .burned
            .checked_sub(burned)
            .ok_or_else(|| error!(EmissionError::InvariantBroken))?;
        self.balance = left;
        Ok(burned)
    }
}
