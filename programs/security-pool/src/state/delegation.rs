use super::VERSION;
use crate::error::PoolError;
use anchor_lang::prelude::*;

/// An owner's shares of a pool, at `["delegation", pool, owner]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Delegation {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    pub _pad: [u8; 6],
    /// The pool's address.
    pub pool: Pubkey,
    /// Who may withdraw.
    pub owner: Pubkey,
    /// Shares of the pool's stake.
    pub shares: u64,
    /// The number of the owner's next withdrawal.
    pub withdrawals: u64,
    pub reserved: [u8; 64],
}

impl Delegation {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(&mut self, bump: u8, pool: Pubkey, owner: Pubkey) {
        self.version = VERSION;
        self.bump = bump;
        self.pool = pool;
        self.owner = owner;
    }

    /// Adds shares.
    pub fn add(&mut self, shares: u64) -> Result<()> {
        self.shares = self
            .shares
            .checked_add(shares)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(())
    }

    /// Gives shares up for a withdrawal, and returns that withdrawal's number.
    pub fn give_up(&mut self, shares: u64) -> Result<u64> {
        self.shares = self
            .shares
            .checked_sub(shares)
            .ok_or_else(|| error!(PoolError::NotEnoughShares))?;
        let number = self.withdrawals;
        self.withdrawals = number
            .checked_add(1)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(number)
    }
}
