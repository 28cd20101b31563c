//! A CA of a maker, whose certificates register devices at tier 2.

use crate::error::RegistryError;
use anchor_lang::prelude::*;

/// An issuer of device certificates. PDA `["issuer", maker, sha256(key)]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Issuer {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// 1 once revoked, which is for good.
    pub revoked: u8,
    /// Compressed P-256 key that signs device certificates.
    pub key: [u8; 33],
    /// Zero.
    pub _pad: [u8; 4],
    /// The maker's account.
    pub maker: Pubkey,
    /// First second at which its certificate is valid, unix.
    pub not_before: i64,
    /// Last second at which its certificate is valid, unix.
    pub not_after: i64,
    /// Zero.
    pub reserved: [u8; 64],
}

impl Issuer {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// The part of the address that tells a maker's issuers apart: a seed takes at most 32 bytes.
    pub fn seed(key: &[u8; 33]) -> [u8; 32] {
        solana_sha256_hasher::hash(key).to_bytes()
    }

    /// Fails once the issuer is revoked.
    pub fn require_active(&self) -> Result<()> {
        require!(self.revoked == 0, RegistryError::IssuerRevoked);
        Ok(())
    }

    /// Fails unless the issuer's certificates count at `now` (unix seconds).
    pub fn require_valid(&self, now: i64) -> Result<()> {
        self.require_active()?;
        require!(
            (self.not_before..=self.not_after).contains(&now),
            RegistryError::IssuerNotValid
        );
        Ok(())
    }
}
