use super::VERSION;
use crate::error::InsuranceError;
use anchor_lang::prelude::*;

/// Tokens behind an underwriter's policies on one feed, at `["fund", underwriter, feed id]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Fund {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    pub _pad: [u8; 6],
    /// Who writes policies and may take what they don't need.
    pub underwriter: Pubkey,
    /// The feed's account.
    pub feed: Pubkey,
    /// The feed's id.
    pub feed_id: [u8; 32],
    /// Mint of premiums and payouts.
    pub mint: Pubkey,
    /// The token account that holds them, owned by the fund.
    pub vault: Pubkey,
    /// Base units that the open policies may pay.
    pub reserved_payouts: u64,
    /// Policies ever written: the next one's number.
    pub policies: u64,
    pub reserved: [u8; 128],
}

/// The addresses of a new fund.
pub struct FundAddresses {
    /// Who writes policies.
    pub underwriter: Pubkey,
    /// The feed's account.
    pub feed: Pubkey,
    /// The feed's id.
    pub feed_id: [u8; 32],
    /// Mint of premiums and payouts.
    pub mint: Pubkey,
    /// The fund's token account.
    pub vault: Pubkey,
}

impl Fund {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(&mut self, bump: u8, addresses: FundAddresses) {
        let FundAddresses {
            underwriter,
            feed,
            feed_id,
            mint,
            vault,
        } = addresses;
        self.version = VERSION;
        self.bump = bump;
        self.underwriter = underwriter;
        self.feed = feed;
        self.feed_id = feed_id;
        self.mint = mint;
        self.vault = vault;
    }

    /// Sets a new policy's payout aside, and returns the policy's number.
    pub fn reserve(&mut self, payout: u64) -> Result<u64> {
        let number = self.policies;
        self.policies = number.checked_add(1).ok_or(InsuranceError::Overflow)?;
        self.reserved_payouts = self
            .reserved_payouts
            .checked_add(payout)
            .ok_or(InsuranceError::Overflow)?;
        Ok(number)
    }

    /// Gives a closed policy's payout back.
    pub fn release(&mut self, payout: u64) -> Result<()> {
        self.reserved_payouts = self
            .reserved_payouts
            .checked_sub(payout)
            .ok_or(InsuranceError::Overflow)?;
        Ok(())
    }

    /// Fails when the underwriter can't take `amount` from a vault of `balance` base units.
    pub fn check_withdrawal(&self, amount: u64, balance: u64) -> Result<()> {
        let free = balance
            .checked_sub(self.reserved_payouts)
            .ok_or(InsuranceError::Insolvent)?;
        require_gte!(free, amount, InsuranceError::NotEnoughFree);
        Ok(())
    }

    /// The vault covers every open policy.
    pub fn invariant(&self, balance: u64) -> Result<()> {
        require_gte!(balance, self.reserved_payouts, InsuranceError::Insolvent);
        Ok(())
    }
}
