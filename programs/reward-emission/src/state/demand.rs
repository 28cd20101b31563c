//! What a feed was given in one epoch.

use anchor_lang::prelude::*;

/// Credits that were spent on a feed in an epoch. PDA `["demand", network, epoch u64, feed]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Demand {
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
    /// The feed's address.
    pub feed: Pubkey,
    /// Credits spent on it.
    pub credits: u64,
    /// Base units of the reward mint that had been burned for them.
    pub burned: u64,
    /// Who paid for the account.
    pub payer: Pubkey,
    /// Zero.
    pub reserved: [u8; 64],
}

impl Demand {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();
}
