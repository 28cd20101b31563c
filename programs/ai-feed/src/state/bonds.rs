//! What an operator's open attestations in a network have reserved of its stake.

use anchor_lang::prelude::*;

use crate::error::AiFeedError;

/// The bonds of one operator's attestations in one network. PDA `["bonds", network, pool]`. Never closes.
///
/// Each attestation that stands on a bond reserves it here when it is submitted, and gives it back when it closes, so that
/// no base unit of stake ever stands behind two.
#[account(zero_copy)]
#[repr(C)]
pub struct AttesterBonds {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Zero.
    pub _pad: [u8; 2],
    /// Attestations that have a bond reserved.
    pub open: u32,
    /// The network's address.
    pub network: Pubkey,
    /// The operator's pool.
    pub pool: Pubkey,
    /// Their bonds together, base units of the stake mint.
    pub bonded: u64,
    /// Zero.
    pub reserved: [u8; 64],
}

impl AttesterBonds {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Reserves one more bond out of `backing` (base units), which all that are reserved must stay within.
    pub fn reserve(&mut self, bond: u64, backing: u64) -> Result<()> {
        let bonded = self
            .bonded
            .checked_add(bond)
            .filter(|bonded| *bonded <= backing)
            .ok_or_else(|| error!(AiFeedError::StakeReserved))?;
        self.open = self
            .open
            .checked_add(1)
            .ok_or_else(|| error!(AiFeedError::Overflow))?;
        self.bonded = bonded;
        self.invariant()
    }

    /// Gives a bond back.
    pub fn release(&mut self, bond: u64) -> Result<()> {
        let invariant = || error!(AiFeedError::Invariant);
        self.open = self.open.checked_sub(1).ok_or_else(invariant)?;
        self.bonded = self.bonded.checked_sub(bond).ok_or_else(invariant)?;
        self.invariant()
    }

    /// What holds after every change: without an open attestation nothing is reserved.
    pub fn invariant(&self) -> Result<()> {
        require!(
            (self.open == 0) == (self.bonded == 0),
            AiFeedError::Invariant
        );
        Ok(())
    }
}
