use super::{Pot, Request, VERSION};
use crate::error::PoolError;
use anchor_lang::prelude::*;

/// Smallest seed of a pool, in base units. Its shares belong to nobody, so no delegator is ever the only one, and a
/// share's price can't be raised by more than the rounding of single base units.
pub const MIN_SEED: u64 = 1_000_000;
/// Longest cool-down, seconds: beyond it stake would as good as never come back.
pub const MAX_COOLDOWN: i64 = 366 * 86_400;
/// The whole, in basis points.
pub const FULL_BPS: u32 = 10_000;

/// Stake of one mint under one operator, at `["pool", stake mint, creator]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Pool {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Bump of the vault's address.
    pub vault_bump: u8,
    pub _pad: [u8; 1],
    /// How often the stake may be allocated, in basis points: 10,000 is once.
    pub leverage_bps: u32,
    /// The first operator, part of the address.
    pub creator: Pubkey,
    /// Who allocates the stake and names the signer.
    pub operator: Pubkey,
    /// Who may become the operator; the default key for nobody.
    pub pending_operator: Pubkey,
    /// The worker's key: commits roots, attests, signs as the committee's member.
    pub signer: Pubkey,
    /// Mint of the stake.
    pub stake_mint: Pubkey,
    /// The token account that holds everything below, owned by the pool.
    pub vault: Pubkey,
    /// Shares of the stake; the seed's belong to nobody.
    pub shares: u64,
    /// Base units that work and can be allocated.
    pub staked: u64,
    /// Base units on their way out, which can still be slashed.
    pub cooling: u64,
    /// Shares of what cools down.
    pub cooling_shares: u64,
    /// Counts how often what cooled down was slashed away; shares of an earlier one are worth nothing.
    pub cooling_generation: u64,
    /// Base units slashed beyond an epoch's cap, taken in the next.
    pub locked_excess: u64,
    /// Base units that reporters have earned.
    pub bounties: u64,
    /// Base units set aside for those who were harmed.
    pub insurance: u64,
    /// Base units of the operator's device bonds.
    pub device_bonds: u64,
    /// What the rosters count of this pool, summed over networks, base units.
    pub allocated: u64,
    /// Seconds between request and withdrawal.
    pub cooldown: i64,
    /// Base units ever slashed.
    pub slashed_total: u64,
    /// The epoch that `slashed_in_epoch` is of.
    pub slash_epoch: u64,
    /// Base units slashed in that epoch.
    pub slashed_in_epoch: u64,
    pub reserved: [u8; 256],
}

/// What a new pool is made of.
pub struct PoolTerms {
    /// The worker's key.
    pub signer: Pubkey,
    /// Seconds between request and withdrawal.
    pub cooldown: i64,
    /// How often the stake may be allocated, in basis points.
    pub leverage_bps: u32,
    /// Base units whose shares belong to nobody.
    pub seed: u64,
}

impl Pool {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account with its addresses.
    pub fn open(
        &mut self,
        bump: u8,
        vault_bump: u8,
        operator: Pubkey,
        stake_mint: Pubkey,
        vault: Pubkey,
        terms: &PoolTerms,
    ) -> Result<()> {
        require!(
            (1..=MAX_COOLDOWN).contains(&terms.cooldown),
            PoolError::InvalidCooldown
        );
        require!(terms.leverage_bps >= FULL_BPS, PoolError::InvalidLeverage);
        require!(terms.seed >= MIN_SEED, PoolError::SeedTooSmall);
        self.version = VERSION;
        self.bump = bump;
        self.vault_bump = vault_bump;
        self.leverage_bps = terms.leverage_bps;
        self.creator = operator;
        self.operator = operator;
        self.stake_mint = stake_mint;
        self.vault = vault;
        self.cooldown = terms.cooldown;
        self.set_signer(terms.signer)?;
        self.delegate(terms.seed).map(|_| ())
    }

    /// Names the worker's key.
    pub fn set_signer(&mut self, signer: Pubkey) -> Result<()> {
        require!(signer != Pubkey::default(), PoolError::InvalidSigner);
        self.signer = signer;
        Ok(())
    }

    /// Names who may become the operator; the default key takes an offer back.
    pub fn offer(&mut self, operator: Pubkey) {
        self.pending_operator = operator;
    }

    /// Makes the key that was offered the pool the operator.
    pub fn accept(&mut self, operator: Pubkey) -> Result<()> {
        require!(
            operator == self.pending_operator && operator != Pubkey::default(),
            PoolError::NotPendingOperator
        );
        self.operator = operator;
        self.pending_operator = Pubkey::default();
        Ok(())
    }

    /// Takes stake in and returns its shares.
    pub fn delegate(&mut self, amount: u64) -> Result<u64> {
        let mut stake = self.stake();
        let shares = stake.deposit(amount)?;
        self.set_stake(stake);
        Ok(shares)
    }

    /// Lets the worth of `shares` cool down from `now` (unix seconds).
    pub fn request(&mut self, shares: u64, now: i64) -> Result<Request> {
        let mut stake = self.stake();
        let mut cooling = self.cooling_pot();
        let amount = stake.withdraw(shares)?;
        require!(amount > 0, PoolError::WorthNothing);
        let cooling_shares = cooling.deposit(amount)?;
        self.set_stake(stake);
        self.set_cooling(cooling);
        Ok(Request {
            amount,
            cooling_shares,
            generation: self.cooling_generation,
            available_at: now
                .checked_add(self.cooldown)
                .ok_or_else(|| error!(PoolError::Overflow))?,
        })
    }

    /// Takes cooled shares back and returns what they are worth: nothing when they were slashed away.
    pub fn pay(&mut self, cooling_shares: u64, generation: u64) -> Result<u64> {
        if generation != self.cooling_generation {
            return Ok(0);
        }
        let mut cooling = self.cooling_pot();
        let paid = cooling.withdraw(cooling_shares)?;
        self.set_cooling(cooling);
        Ok(paid)
    }

    /// How much the rosters may count of this pool altogether: stake × leverage, in base units.
    pub fn backing(&self) -> u128 {
        u128::from(self.staked) * u128::from(self.leverage_bps) / u128::from(FULL_BPS)
    }

    /// Checks what must hold after each instruction that moves money: the vault covers what the pool owes, the seed's
    /// shares are there, and what cools down has shares exactly when it has worth.
    pub fn invariant(&self, vault_amount: u64) -> Result<()> {
        let owed = [
            self.staked,
            self.cooling,
            self.locked_excess,
            self.bounties,
            self.insurance,
            self.device_bonds,
        ]
        .into_iter()
        .map(u128::from)
        .sum::<u128>();
        require!(
            u128::from(vault_amount) >= owed
                && self.shares >= MIN_SEED
                && (self.cooling == 0) == (self.cooling_shares == 0),
            PoolError::Insolvent
        );
        Ok(())
    }

    fn stake(&self) -> Pot {
        Pot {
            worth: self.staked,
            shares: self.shares,
        }
    }

    fn set_stake(&mut self, Pot { worth, shares }: Pot) {
        self.staked = worth;
        self.shares = shares;
    }

    fn cooling_pot(&self) -> Pot {
        Pot {
            worth: self.cooling,
            shares: self.cooling_shares,
        }
    }

    fn set_cooling(&mut self, Pot { worth, shares }: Pot) {
        self.cooling = worth;
        self.cooling_shares = shares;
    }
}
