//! A manufacturer whose vouchers the network accepts.

use crate::error::RegistryError;
use anchor_lang::prelude::*;

/// Tier of a device whose owner is its own maker.
pub const TIER_SELF_SIGNED: u8 = 0;
/// Tier of a device with a maker's voucher.
pub const TIER_VOUCHER: u8 = 1;
/// Tier of a device with a maker's P-256 certificate chain.
pub const TIER_CERTIFICATE: u8 = 2;

/// A maker. PDA `["maker", network, key]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Maker {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// 1 once revoked, which is for good.
    pub revoked: u8,
    /// Highest tier that its vouchers may give.
    pub max_tier: u8,
    /// Zero.
    pub _pad: [u8; 4],
    /// The network's account.
    pub network: Pubkey,
    /// Ed25519 key that signs its vouchers and opens its voucher pages.
    pub key: Pubkey,
    /// How many devices it may vouch for, by voucher and by batch together; voucher numbers lie below it.
    pub quota: u64,
    /// Devices that it has vouched for so far.
    pub vouched: u64,
    /// 1 once `root_key` is set, which is for good.
    pub root_set: u8,
    /// Compressed P-256 key at the root of its certificate chains.
    pub root_key: [u8; 33],
    /// Zero.
    pub _pad2: [u8; 6],
    /// One more than the highest number of a batch so far.
    pub batches: u64,
    /// Bit i is set once batch `batches - 1 - i` has landed; one further back can't land any more.
    pub landed: u64,
    /// Zero.
    pub reserved: [u8; 112],
}

impl Maker {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Fails once the maker is revoked.
    pub fn require_active(&self) -> Result<()> {
        require!(self.revoked == 0, RegistryError::MakerRevoked);
        Ok(())
    }

    /// Sets the root of the maker's certificate chains, once.
    pub fn set_root(&mut self, key: [u8; 33]) -> Result<()> {
        self.require_active()?;
        require!(self.root_set == 0, RegistryError::RootAlreadySet);
        self.root_set = 1;
        self.root_key = key;
        Ok(())
    }

    /// The root of the maker's certificate chains.
    pub fn root(&self) -> Result<&[u8; 33]> {
        require!(self.root_set != 0, RegistryError::RootNotSet);
        Ok(&self.root_key)
    }

    /// Whether a certificate with this serial number counts.
    pub fn check_certificate(&self, number: u64) -> Result<()> {
        self.require_active()?;
        require!(number < self.quota, RegistryError::NumberBeyondQuota);
        require!(
            self.max_tier >= TIER_CERTIFICATE,
            RegistryError::TierNotApproved
        );
        Ok(())
    }

    /// Whether a voucher of this number and tier counts for this owner's device.
    pub fn check_voucher(
        &self,
        number: u64,
        tier: u8,
        owner: &Pubkey,
        self_signed_allowed: bool,
    ) -> Result<()> {
        self.require_active()?;
        require!(number < self.quota, RegistryError::NumberBeyondQuota);
        self.check_tier(tier, owner, self_signed_allowed)
    }

    /// Whether it may vouch for this owner's devices at this tier.
    pub fn check_tier(&self, tier: u8, owner: &Pubkey, self_signed_allowed: bool) -> Result<()> {
        require!(tier <= self.max_tier, RegistryError::TierNotApproved);
        match tier {
            TIER_SELF_SIGNED => require!(
                self_signed_allowed && self.key == *owner,
                RegistryError::SelfSignedNotAllowed
            ),
            TIER_VOUCHER => {}
            _ => return err!(RegistryError::CertificateNeeded),
        }
        Ok(())
    }

    /// Counts devices against the quota.
    pub fn vouch(&mut self, devices: u64) -> Result<()> {
        self.vouched = self
            .vouched
            .checked_add(devices)
            .ok_or_else(|| error!(RegistryError::Overflow))?;
        require!(self.vouched <= self.quota, RegistryError::QuotaUsedUp);
        Ok(())
    }

    /// Marks a batch as landed, once. Sending a batch again is harmless, and 64 can be under way in any order.
    pub fn take_batch(&mut self, number: u64) -> Result<()> {
        let window = u64::from(u64::BITS);
        match number.checked_sub(self.batches) {
            Some(ahead) => {
                require!(ahead < window, RegistryError::BatchOutOfTurn);
                self.batches = number
                    .checked_add(1)
                    .ok_or_else(|| error!(RegistryError::Overflow))?;
                // Shifted by 1 to 64.
                self.landed = (self.landed << ahead) << 1 | 1;
            }
            None => {
                let behind = self.batches - 1 - number;
                require!(behind < window, RegistryError::BatchOutOfTurn);
                let bit = 1 << behind;
                require!(self.landed & bit == 0, RegistryError::BatchLanded);
                self.landed |= bit;
            }
        }
        Ok(())
    }
}
