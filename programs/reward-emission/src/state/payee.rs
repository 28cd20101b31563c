//! Whom the reward trees know: an owner of devices, or an operator's pool.

use crate::error::EmissionError;
use anchor_lang::prelude::*;

/// Payees of each kind at most: the leaves of half a reward tree of the largest depth.
pub const MAX_PAYEES: u64 = 1 << 20;

/// Which half of the reward tree a payee is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PayeeKind {
    /// Owns devices; known by its own key.
    Owner = commitment::sum::OWNER,
    /// Runs a pool; known by the pool's address.
    Operator = commitment::sum::OPERATOR,
}

/// A payee. PDA `["payee", network, kind u8, owner]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Payee {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// [`PayeeKind`].
    pub kind: u8,
    /// Zero.
    pub _pad: [u8; 1],
    /// Its place among its kind in every score and reward tree.
    pub index: u32,
    /// The network's address.
    pub network: Pubkey,
    /// The owner's key, or the pool.
    pub owner: Pubkey,
    /// Token account that is paid.
    pub destination: Pubkey,
    /// Base units paid so far.
    pub claimed: u64,
    /// When it registered, unix seconds: it earns in epochs that end later.
    pub registered_at: i64,
    /// Zero.
    pub reserved: [u8; 56],
}

impl Payee {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Base units that a grant of `cumulative` leaves to be paid.
    ///
    /// # Errors
    /// [`EmissionError::NothingToClaim`] if that is nothing.
    pub fn due(&self, cumulative: u64) -> Result<u64> {
        match cumulative.checked_sub(self.claimed) {
            Some(due) if due > 0 => Ok(due),
            _ => err!(EmissionError::NothingToClaim),
        }
    }

    /// Books a payment.
    pub fn pay(&mut self, amount: u64) -> Result<()> {
        self.claimed = self
            .claimed
            .checked_add(amount)
            .ok_or_else(|| error!(EmissionError::Overflow))?;
        Ok(())
    }

    /// Never paid more than it was granted.
    pub fn invariant(&self, cumulative: u64) -> Result<()> {
        require!(self.claimed <= cumulative, EmissionError::InvariantBroken);
        Ok(())
    }
}
