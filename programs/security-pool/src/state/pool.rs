use super::{Moment, Pot, Request, RosterEntry, NOTICE, VERSION};
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
    /// 1 once somebody else than the operator has had shares: then a new network must be announced, see [`super::NOTICE`].
    pub shared: u8,
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
    /// Base units set aside for those who were harmed.
    pub insurance: u64,
    /// What the rosters count of this pool, summed over networks, base units.
    pub allocated: u64,
    /// Seconds between request and withdrawal.
    pub cooldown: i64,
    /// Base units that the shares have ever lost to slashes.
    pub slashed_total: u64,
    /// Shares that the operator bought as such and has not given up. They bound the bounties of slashes.
    pub operator_shares: u64,
    /// Shares of what cools down that the operator requested as such and has not withdrawn.
    pub operator_cooling_shares: u64,
    /// The network whose roster alone counts this pool, and has its stake and signer at hand for committees; the default
    /// key if there is none. Whatever lowers the stake or changes the signer writes it there too.
    pub home: Pubkey,
    /// How often a network has come to count more of it.
    pub raises: u64,
    /// 1 if others than the operator may delegate to it.
    pub takes_delegators: u8,
    pub reserved: [u8; 231],
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
    /// Whether others than the operator may delegate to it.
    pub takes_delegators: bool,
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
        self.takes_delegators = terms.takes_delegators.into();
        self.creator = operator;
        self.operator = operator;
        self.stake_mint = stake_mint;
        self.vault = vault;
        self.cooldown = terms.cooldown;
        self.set_signer(terms.signer)?;
        self.deposit(terms.seed).map(|_| ())
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

    /// Makes the key that was offered the pool the operator. Whatever it had delegated before counts as a delegator's.
    pub fn accept(&mut self, operator: Pubkey) -> Result<()> {
        require!(
            operator == self.pending_operator && operator != Pubkey::default(),
            PoolError::NotPendingOperator
        );
        // It would make the operator's stake a delegator's, whose slash pays no bounty.
        require!(operator != self.operator, PoolError::SameOperator);
        self.operator = operator;
        self.pending_operator = Pubkey::default();
        self.shared = 1;
        self.operator_shares = 0;
        self.operator_cooling_shares = 0;
        Ok(())
    }

    /// Takes an owner's stake in and returns its shares. Others than the operator make the pool a shared one, so only a pool
    /// that takes delegators has them: nobody delays its networks by a single base unit.
    pub fn delegate(&mut self, owner: &Pubkey, amount: u64) -> Result<u64> {
        let shares = self.deposit(amount)?;
        if *owner == self.operator {
            self.operator_shares = add(self.operator_shares, shares)?;
        } else {
            require!(self.takes_delegators == 1, PoolError::TakesNoDelegators);
            self.shared = 1;
        }
        Ok(shares)
    }

    /// How long before more of it can be slashed by a network that must be announced, seconds: long enough for its
    /// delegators to leave. 0 if all of it was ever the operator's.
    pub fn notice(&self) -> Result<i64> {
        if self.shared == 0 {
            return Ok(0);
        }
        NOTICE
            .checked_add(self.cooldown)
            .ok_or_else(|| error!(PoolError::Overflow))
    }

    /// Lets the worth of an owner's `shares` cool down from `now` (unix seconds).
    pub fn request(&mut self, owner: &Pubkey, shares: u64, now: i64) -> Result<Request> {
        let mut stake = self.stake();
        let mut cooling = self.cooling_pot();
        let amount = stake.withdraw(shares)?;
        require!(amount > 0, PoolError::WorthNothing);
        let cooling_shares = cooling.deposit(amount)?;
        if *owner == self.operator {
            // Those from before it was the operator were never counted.
            self.operator_shares -= shares.min(self.operator_shares);
            self.operator_cooling_shares = add(self.operator_cooling_shares, cooling_shares)?;
        }
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

    /// Takes an owner's cooled shares back and returns what they are worth: nothing when they were slashed away.
    pub fn pay(&mut self, owner: &Pubkey, cooling_shares: u64, generation: u64) -> Result<u64> {
        if generation != self.cooling_generation {
            return Ok(0);
        }
        let mut cooling = self.cooling_pot();
        let paid = cooling.withdraw(cooling_shares)?;
        self.set_cooling(cooling);
        if *owner == self.operator {
            self.operator_cooling_shares -= cooling_shares.min(self.operator_cooling_shares);
        }
        Ok(paid)
    }

    /// Takes `amount` (base units) from what is staked and what cools down, in proportion, and returns what was taken:
    /// no more than there is. Whatever rounds goes to what cools down, so that no cooled share is ever worth less than the
    /// stake that it came from. Cooling shares that are left without worth end with their generation.
    pub fn slash(&mut self, amount: u64) -> Result<u64> {
        let there = self.slashable();
        let lost = u64::try_from(there).map_or(amount, |there| there.min(amount));
        // Both quotients are below the pots they come from, since `lost` is no more than both together.
        let of_cooling = (u128::from(lost) * u128::from(self.cooling))
            .checked_div(there)
            .unwrap_or(0) as u64;
        self.cooling -= of_cooling;
        self.staked -= lost - of_cooling;
        if self.cooling == 0 && self.cooling_shares > 0 {
            self.cooling_shares = 0;
            self.operator_cooling_shares = 0;
            self.cooling_generation = add(self.cooling_generation, 1)?;
        }
        self.slashed_total = add(self.slashed_total, lost)?;
        Ok(lost)
    }

    /// Locks what a slash took beyond the cap (base units), until it is collected.
    pub fn lock(&mut self, excess: u64) -> Result<()> {
        self.locked_excess = add(self.locked_excess, excess)?;
        Ok(())
    }

    /// Unlocks what is collected of the excess (base units).
    pub fn unlock(&mut self, excess: u64) -> Result<()> {
        self.locked_excess = subtract(self.locked_excess, excess)?;
        Ok(())
    }

    /// Sets `amount` (base units) aside for those who were harmed.
    pub fn insure(&mut self, amount: u64) -> Result<()> {
        self.insurance = add(self.insurance, amount)?;
        Ok(())
    }

    /// Gives out what was set aside (base units).
    pub fn pay_insurance(&mut self, amount: u64) -> Result<()> {
        self.insurance = subtract(self.insurance, amount)?;
        Ok(())
    }

    /// The largest part of a slash that its reporter may get, in basis points: the part that the operator's own shares
    /// lose. Were it more, an operator could report itself at its delegators' cost.
    pub fn largest_bounty_bps(&self) -> u16 {
        let worth = |shares: u64, pot: Pot| {
            (u128::from(shares) * u128::from(pot.worth))
                .checked_div(pot.shares.into())
                .unwrap_or(0)
        };
        // Each below 2^64, and together no more than all that can be slashed.
        let own = worth(self.operator_shares, self.stake())
            + worth(self.operator_cooling_shares, self.cooling_pot());
        (own * u128::from(FULL_BPS))
            .checked_div(self.slashable())
            .unwrap_or(0) as u16
    }

    /// What can be slashed: what is staked and what cools down, base units.
    pub fn slashable(&self) -> u128 {
        u128::from(self.staked) + u128::from(self.cooling)
    }

    /// How much the rosters may allocate of this pool altogether: stake × leverage, in base units.
    pub fn backing(&self) -> u128 {
        u128::from(self.staked) * u128::from(self.leverage_bps) / u128::from(FULL_BPS)
    }

    /// How much the rosters may count of this pool altogether: as [`Self::backing`], with what cools down, since that can
    /// still be slashed.
    pub fn countable(&self) -> u128 {
        // Below 2^65 × 2^32.
        self.slashable() * u128::from(self.leverage_bps) / u128::from(FULL_BPS)
    }

    /// What `counted` (base units) of what the rosters count is worth: all of it, until they count more than
    /// [`Self::countable`]; then its part of that, rounded up.
    pub fn part_of_countable(&self, counted: u64) -> u64 {
        let (allocated, countable) = (u128::from(self.allocated), self.countable());
        if allocated <= countable {
            return counted;
        }
        // No more than `counted`, since countable is below allocated.
        (u128::from(counted) * countable).div_ceil(allocated) as u64
    }

    /// The part of [`Self::backing`] that falls to `counted` (base units) of what the rosters count of this pool: all of it,
    /// until they count more than that. `leaving` is what they soon count no more.
    pub fn share_of_backing(&self, counted: u64, leaving: u64) -> u64 {
        let (allocated, backing) = (
            u128::from(self.allocated.saturating_sub(leaving)),
            self.backing(),
        );
        if allocated <= backing {
            return counted;
        }
        // No more than `counted`, since backing is below allocated.
        (u128::from(counted) * backing / allocated) as u64
    }

    /// What a roster's allocation of this pool weighs: no more than the stake that is still there, than what can be slashed
    /// of it, and than what is left of that after the entry's release; and nothing if the stake can leave before the evidence
    /// comes in, as when a network's evidence window was raised over the pool's cool-down.
    pub fn weight(&self, entry: &RosterEntry, moment: Moment) -> Result<u64> {
        if self.cooldown <= moment.exposed {
            return Ok(0);
        }
        let (mut pool, mut entry) = (*self, *entry);
        entry.release(&mut pool, moment)?;
        let allocation = entry.allocation_at(moment.epoch);
        let at_stake = entry.at_stake(moment);
        let stays = at_stake.min(allocation.max(entry.next));
        Ok(allocation
            .min(pool.share_of_backing(stays, at_stake - stays))
            .min(pool.staked))
    }

    /// Counts that a network has come to count more of it.
    pub fn raise(&mut self) -> Result<()> {
        self.raises = add(self.raises, 1)?;
        Ok(())
    }

    /// Checks what must hold after each instruction that moves money: the vault covers what the pool owes, the seed's
    /// shares are there beside the operator's, and what cools down has shares exactly when it has worth.
    pub fn invariant(&self, vault_amount: u64) -> Result<()> {
        let owed = [
            self.staked,
            self.cooling,
            self.locked_excess,
            self.insurance,
        ]
        .into_iter()
        .map(u128::from)
        .sum::<u128>();
        require!(
            u128::from(vault_amount) >= owed
                && self
                    .operator_shares
                    .checked_add(MIN_SEED)
                    .is_some_and(|shares| self.shares >= shares)
                && self.operator_cooling_shares <= self.cooling_shares
                && (self.cooling == 0) == (self.cooling_shares == 0),
            PoolError::Insolvent
        );
        Ok(())
    }

    fn deposit(&mut self, amount: u64) -> Result<u64> {
        let mut stake = self.stake();
        let shares = stake.deposit(amount)?;
        self.set_stake(stake);
        Ok(shares)
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

fn add(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).ok_or_else(|| error!(PoolError::Overflow))
}

fn subtract(a: u64, b: u64) -> Result<u64> {
    a.checked_sub(b).ok_or_else(|| error!(PoolError::Overflow))
}
