//! What was spent in one epoch.

use crate::error::EmissionError;
use crate::state::view;
use anchor_lang::prelude::*;

/// Credits that were spent in an epoch, and the tokens that had been burned for them. PDA `["epoch", network, epoch u64]`.
///
/// Only the present epoch's changes: once it is over, what it says bounds what the epoch emits.
#[account(zero_copy)]
#[repr(C)]
pub struct Epoch {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Zero.
    pub _pad: [u8; 6],
    /// The network's address.
    pub network: Pubkey,
    /// The epoch.
    pub epoch: u64,
    /// Credits spent in it.
    pub credits: u64,
    /// Base units of the reward mint that had been burned for them.
    pub burned: u64,
    /// Who paid for the account.
    pub payer: Pubkey,
    /// Of `burned`, for credits that feeds were given: the sum of the epoch's demands.
    pub given: u64,
    /// Zero.
    pub reserved: [u8; 56],
}

impl Epoch {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// What the account at an epoch's address says was burned: nothing where nobody opened it.
    pub fn burned_in(account: &AccountInfo<'_>) -> Result<u64> {
        if account.data_is_empty() {
            return Ok(0);
        }
        require_keys_eq!(*account.owner, crate::ID, EmissionError::WrongEpoch);
        let data = account.try_borrow_data()?;
        view::<Self>(&data)
            .map(|epoch| epoch.burned)
            .ok_or_else(|| error!(EmissionError::WrongEpoch))
    }

    /// Books credits that are spent, and the tokens behind them, in the present epoch of a network.
    pub fn book(&mut self, present: u64, credits: u64, burned: u64) -> Result<()> {
        require!(self.epoch == present, EmissionError::WrongEpoch);
        let overflow = || error!(EmissionError::Overflow);
        self.credits = self.credits.checked_add(credits).ok_or_else(overflow)?;
        self.burned = self.burned.checked_add(burned).ok_or_else(overflow)?;
        Ok(())
    }
}
