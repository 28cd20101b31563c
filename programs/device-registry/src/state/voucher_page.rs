//! Which of a maker's voucher numbers are used.

use crate::error::RegistryError;
use anchor_lang::prelude::*;

/// Voucher numbers of one page.
pub const VOUCHERS_PER_PAGE: u64 = 8_192;

/// A page of used numbers. PDA `["vouchers", maker, page u32]`.
#[account(zero_copy)]
#[repr(C)]
pub struct VoucherPage {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Zero.
    pub _pad: [u8; 2],
    /// The page covers numbers from `page * 8192` on.
    pub page: u32,
    /// The maker's account.
    pub maker: Pubkey,
    /// Numbers used so far.
    pub used: u32,
    /// Zero.
    pub _pad2: [u8; 4],
    /// Bit `i % 8` of byte `i / 8` is set once number `page * 8192 + i` is used.
    pub bitmap: [u8; 1024],
    /// Zero.
    pub reserved: [u8; 64],
}

impl VoucherPage {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Uses a number of this page, once.
    pub fn take(&mut self, number: u64) -> Result<()> {
        require!(
            number / VOUCHERS_PER_PAGE == u64::from(self.page),
            RegistryError::WrongVoucherPage
        );
        let place = number % VOUCHERS_PER_PAGE;
        let byte = usize::try_from(place / 8)
            .ok()
            .and_then(|byte| self.bitmap.get_mut(byte))
            .ok_or_else(|| error!(RegistryError::WrongVoucherPage))?;
        let bit = 1 << (place % 8);
        require!(*byte & bit == 0, RegistryError::VoucherUsed);
        *byte |= bit;
        self.used = self
            .used
            .checked_add(1)
            .ok_or_else(|| error!(RegistryError::Overflow))?;
        Ok(())
    }
}
