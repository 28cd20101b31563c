use super::{Pool, FULL_BPS, VERSION};
use crate::error::PoolError;
use anchor_lang::prelude::*;
use device_registry::state::Network;

/// Operators of a network, at most.
pub const MAX_OPERATORS: usize = 64;
/// Program authorities that may slash a network's operators, at most.
pub const MAX_SLASHERS: usize = 4;
/// Largest share of a slash that its reporter gets, basis points.
pub const MAX_BOUNTY_BPS: u16 = 5_000;
/// Largest share of a slash that is paid to anybody, basis points: the rest is burned, so that who slashes himself loses.
pub const MAX_PAID_BPS: u16 = 9_000;

/// How long the delegators of a pool can see how much of it will secure a network before they must have requested their
/// stake back to be out in time, seconds.
pub const NOTICE: i64 = 7 * 86_400;

/// An operator on a roster: its allocation now and next, and how much of its pool the roster counts. Default: free.
#[derive(Debug, Default, PartialEq, Eq)]
#[zero_copy]
pub struct RosterEntry {
    /// The pool's address; the default key marks a free slot.
    pub pool: Pubkey,
    /// Allocation before `effective_epoch`, base units.
    pub current: u64,
    /// Allocation from `effective_epoch` on, base units.
    pub next: u64,
    /// The epoch from which `next` is the allocation.
    pub effective_epoch: u64,
    /// What `Pool::allocated` contains for this entry, base units: a lowered allocation counts until its release, since
    /// what was done with it can be slashed until then. What was slashed counts no more.
    pub counted: u64,
    /// When `counted` falls to the allocation, and the entry of one who left goes, unix seconds; 0 if neither.
    pub release_at: i64,
    /// From when all that is counted can be slashed, unix seconds. What rises in a pool of its operator alone can be at once.
    /// Any other's delegators can leave first: there it is a [`NOTICE`] and a cool-down later.
    pub begins_at: i64,
    /// What can be slashed before, base units.
    pub begun: u64,
    /// Base units that the cap leaves to be taken until `cap_renewed_at`.
    pub cap_left: u64,
    /// When the epoch of the last slash ends and the cap is renewed, unix seconds; 0 if nothing was ever slashed.
    pub cap_renewed_at: i64,
    /// If this roster is the pool's home, the pool's signer; else the default key, and a committee needs the pool's account.
    pub signer: Pubkey,
    /// If it is, what the pool has staked, base units. What was delegated since the pool was here last is not in it.
    pub staked: u64,
    /// If it is, the pool's cool-down, seconds.
    pub cooldown: i64,
}

/// What a slash does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slash {
    /// What the shares lose, base units.
    pub amount: u64,
    /// How much of it is beyond the epoch's cap and stays locked, base units.
    pub excess: u64,
    /// The reporter's part, in basis points.
    pub bounty_bps: u16,
}

/// How something that was slashed is divided, base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// To who reported it.
    pub bounty: u64,
    /// For those who were harmed.
    pub insurance: u64,
    /// The rest.
    pub burned: u64,
}

impl Split {
    /// Divides `amount`: floors for the shares, the rest is burned.
    pub fn new(amount: u64, bounty_bps: u16, insurance_bps: u16) -> Result<Self> {
        let share = |bps: u16| {
            u64::try_from(u128::from(amount) * u128::from(bps) / u128::from(FULL_BPS))
                .map_err(|_| error!(PoolError::Overflow))
        };
        let (bounty, insurance) = (share(bounty_bps)?, share(insurance_bps)?);
        let burned = amount
            .checked_sub(bounty)
            .and_then(|rest| rest.checked_sub(insurance))
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(Self {
            bounty,
            insurance,
            burned,
        })
    }
}

/// The terms of a roster, which never change.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterTerms {
    /// Program authorities that may slash; the default key is none.
    pub slashers: [Pubkey; MAX_SLASHERS],
    /// How much of a pool's stake can be taken in an epoch, in basis points.
    pub slash_cap_bps: u32,
    /// Smallest allocation, base units.
    pub minimum_allocation: u64,
    /// What a reporter gets of what is slashed, in basis points.
    pub bounty_bps: u16,
    /// What of it is set aside for those who were harmed, in basis points.
    pub insurance_bps: u16,
    /// Largest leverage of a pool that may opt in, in basis points; 10,000 is none.
    pub max_leverage_bps: u32,
}

/// The present moment of a network, as a roster needs it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Unix seconds.
    pub now: i64,
    /// The network's epoch.
    pub epoch: u64,
    /// When the network's next epoch starts, unix seconds.
    pub next_epoch_start: i64,
    /// Seconds of an epoch.
    pub epoch_length: i64,
    /// How long stake that is requested back early in an epoch must stay to be there when the evidence of its end comes
    /// in, seconds.
    pub exposed: i64,
}

impl Moment {
    /// The network's present. Fails before its genesis.
    pub fn of(network: &Network) -> Result<Self> {
        Self::at(network, Clock::get()?.unix_timestamp)
    }

    /// The network at `now`, unix seconds. Fails before its genesis.
    pub fn at(network: &Network, now: i64) -> Result<Self> {
        let epoch = network.epoch(now)?;
        let next = epoch
            .checked_add(1)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(Self {
            now,
            epoch,
            next_epoch_start: network.epoch_start(next),
            epoch_length: network.epoch_length,
            exposed: network
                .epoch_length
                .checked_add(network.parameters.evidence_window)
                .ok_or_else(|| error!(PoolError::Overflow))?,
        })
    }
}

impl RosterEntry {
    /// Whether no operator has this slot.
    pub fn is_free(&self) -> bool {
        self.pool == Pubkey::default()
    }

    /// Whether this roster is the pool's home: then the entry says all that a committee needs.
    pub fn is_home(&self) -> bool {
        self.signer != Pubkey::default()
    }

    /// Copies what committees need of the pool, if this roster, of `network`, is its home. It becomes that when no other
    /// counts anything of the pool: what is counted nowhere else can't be slashed elsewhere either.
    fn settle(&mut self, network: &Pubkey, pool: &mut Pool) {
        if pool.home == Pubkey::default() && pool.allocated == self.counted {
            pool.home = *network;
        }
        if pool.home == *network {
            self.signer = pool.signer;
            self.staked = pool.staked;
            self.cooldown = pool.cooldown;
        }
    }

    /// What the allocation weighs of a pool whose home this is, as [`Pool::weight`]: since nobody else counts it, its
    /// stake is behind this roster alone.
    pub fn weight(&self, moment: Moment) -> u64 {
        if self.cooldown <= moment.exposed {
            return 0;
        }
        self.allocation_at(moment.epoch)
            .min(self.at_stake(moment))
            .min(self.staked)
    }

    /// The allocation of an epoch. The current epoch's never changes any more.
    pub fn allocation_at(&self, epoch: u64) -> u64 {
        if self.effective_epoch <= epoch {
            self.next
        } else {
            self.current
        }
    }

    /// What of the count can be slashed, base units: all but what has not begun yet, and what is past its release and only
    /// not refreshed. What it is worth is [`Pool::part_of_countable`].
    pub fn at_stake(&self, moment: Moment) -> u64 {
        if moment.now < self.begins_at {
            self.counted.min(self.begun)
        } else if self.release_at != 0 && moment.now >= self.release_at {
            self.counted
                .min(self.allocation_at(moment.epoch).max(self.next))
        } else {
            self.counted
        }
    }

    /// Takes up to `wanted` (base units) of what the cap leaves in this epoch, and returns what it took. The cap is a part
    /// of what the pool has when something is first taken in an epoch, what is locked included.
    fn take(&mut self, wanted: u64, cap_bps: u32, pool: &Pool, moment: Moment) -> Result<u64> {
        if moment.now >= self.cap_renewed_at {
            let there = pool.slashable() + u128::from(pool.locked_excess);
            self.cap_left =
                u64::try_from((there * u128::from(cap_bps)).div_ceil(u128::from(FULL_BPS)))
                    .map_err(|_| error!(PoolError::Overflow))?;
            self.cap_renewed_at = moment.next_epoch_start;
        }
        let taken = wanted.min(self.cap_left);
        self.cap_left -= taken;
        Ok(taken)
    }

    /// Changes the allocation from a coming epoch on: the next if it falls; if it rises, the one after, so that a full epoch
    /// lies between. What falls stays counted for a cool-down after the last epoch in which it had weight. What rises above
    /// what is at stake begins after the pool's notice, and has weight from the first epoch that starts then; of what was
    /// announced and is not wanted any more, nothing stays.
    fn allocate(&mut self, allocation: u64, pool: &mut Pool, moment: Moment) -> Result<()> {
        let known = self.at_stake(moment);
        self.current = self.allocation_at(moment.epoch);
        if allocation > known {
            let is_announced = moment.now < self.begins_at && allocation <= self.granted();
            if !is_announced {
                let notice = pool.notice()?;
                // Both would be at stake together, and nothing would tell them apart.
                require!(
                    notice == 0 || self.release_at == 0,
                    PoolError::StillReleasing
                );
                self.begins_at = add_seconds(moment.now, notice)?;
                self.begun = known;
                self.effective_epoch = later(moment, self.epochs_to_begin(moment)?.max(2))?;
            }
        } else {
            self.begins_at = self.begins_at.min(moment.now);
            let wait = if allocation > self.current { 2 } else { 1 };
            self.effective_epoch = later(moment, wait)?;
            // Who raises it again before then has had the weight all the same: what was done with it can be slashed until then.
            if allocation < self.current || (allocation < known && self.release_at == 0) {
                self.release_at = add_seconds(moment.next_epoch_start, pool.cooldown)?;
            }
        }
        self.next = allocation;
        self.count(known.max(allocation), pool)
    }

    /// Releases what has cooled down, and what was announced and the pool can't back any more: counted on, it would leave
    /// what has begun a smaller part.
    pub(super) fn release(&mut self, pool: &mut Pool, moment: Moment) -> Result<()> {
        if self.effective_epoch <= moment.epoch {
            self.current = self.next;
        }
        if self.release_at != 0 && moment.now >= self.release_at {
            self.release_at = 0;
            self.count(self.counted.min(self.current.max(self.next)), pool)?;
        }
        if moment.now < self.begins_at {
            let beyond = u128::from(pool.allocated).saturating_sub(pool.countable());
            let beyond = u64::try_from(beyond).unwrap_or(u64::MAX);
            let left = self.counted.saturating_sub(beyond);
            self.count(left.max(self.begun).min(self.counted), pool)?;
        }
        Ok(())
    }

    /// The allocation that was granted last, base units, without what was slashed of it since.
    fn granted(&self) -> u64 {
        self.next.min(self.counted)
    }

    /// Counts `counted` (base units) of the pool from now on.
    fn count(&mut self, counted: u64, pool: &mut Pool) -> Result<()> {
        if counted > self.counted {
            pool.raise()?;
        }
        pool.allocated = pool
            .allocated
            .checked_sub(self.counted)
            .and_then(|others| others.checked_add(counted))
            .ok_or_else(|| error!(PoolError::Overflow))?;
        self.counted = counted;
        Ok(())
    }

    /// How many epochs after the present one the first starts in which the pool has begun here; at least 1.
    fn epochs_to_begin(&self, moment: Moment) -> Result<u64> {
        let left = self
            .begins_at
            .saturating_sub(moment.next_epoch_start)
            .max(0) as u64;
        u64::try_from(moment.epoch_length)
            .ok()
            .filter(|length| *length > 0)
            .and_then(|length| left.div_ceil(length).checked_add(1))
            .ok_or_else(|| error!(PoolError::Overflow))
    }
}

/// The operators of a network, at `["roster", network]`. A slot keeps its operator until he has left.
#[account(zero_copy)]
#[repr(C)]
pub struct Roster {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    pub _pad: [u8; 2],
    /// Slots in use.
    pub count: u32,
    /// The network's address.
    pub network: Pubkey,
    /// Program authorities that may slash; who opts in accepts them. The default key is none.
    pub slashers: [Pubkey; MAX_SLASHERS],
    /// How much of a pool's stake can be taken in an epoch, in basis points.
    pub slash_cap_bps: u32,
    /// What a reporter gets of what is slashed, in basis points.
    pub bounty_bps: u16,
    /// What of it is set aside for those who were harmed, in basis points; the rest is burned.
    pub insurance_bps: u16,
    /// Smallest allocation, base units: a seat has a price, so that nobody fills the roster with empty pools.
    pub minimum_allocation: u64,
    /// The token account that holds the bonds of the network's owners, owned by the roster.
    pub bond_vault: Pubkey,
    /// All bonds together, base units.
    pub bonded: u64,
    /// The operators, by slot.
    pub entries: [RosterEntry; MAX_OPERATORS],
    /// Largest leverage of a pool that may opt in, in basis points. What other networks' programs slash of such a pool is
    /// not there any more for this one's.
    pub max_leverage_bps: u32,
    pub reserved: [u8; 84],
}

impl Roster {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(
        &mut self,
        bump: u8,
        network: Pubkey,
        bond_vault: Pubkey,
        terms: RosterTerms,
    ) -> Result<()> {
        let RosterTerms {
            slashers,
            slash_cap_bps,
            minimum_allocation,
            bounty_bps,
            insurance_bps,
            max_leverage_bps,
        } = terms;
        // A key's address lies on the curve, a program's never does.
        require!(
            slashers
                .iter()
                .all(|slasher| *slasher == Pubkey::default() || !slasher.is_on_curve()),
            PoolError::InvalidSlasher
        );
        require!(
            bounty_bps <= MAX_BOUNTY_BPS
                && bounty_bps
                    .checked_add(insurance_bps)
                    .is_some_and(|paid| paid <= MAX_PAID_BPS),
            PoolError::InvalidShares
        );
        require!(
            (1..=FULL_BPS).contains(&slash_cap_bps),
            PoolError::InvalidSlashCap
        );
        require!(minimum_allocation > 0, PoolError::InvalidMinimum);
        require!(max_leverage_bps >= FULL_BPS, PoolError::InvalidLeverage);
        self.version = VERSION;
        self.bump = bump;
        self.network = network;
        self.slashers = slashers;
        self.slash_cap_bps = slash_cap_bps;
        self.minimum_allocation = minimum_allocation;
        self.bounty_bps = bounty_bps;
        self.insurance_bps = insurance_bps;
        self.max_leverage_bps = max_leverage_bps;
        self.bond_vault = bond_vault;
        Ok(())
    }

    /// Whether a program address may slash here.
    pub fn is_slasher(&self, key: &Pubkey) -> bool {
        *key != Pubkey::default() && self.slashers.contains(key)
    }

    /// Whether a program address can slash a pool here.
    pub fn can_slash(&self, slasher: &Pubkey, pool: &Pubkey, moment: Moment) -> bool {
        let entry = self.entry(pool).filter(|_| self.is_slasher(slasher));
        entry.is_some_and(|entry| entry.at_stake(moment) > 0)
    }

    /// What [`Self::slash`] by a program address could take of a pool here, base units: nothing if it can't slash it.
    pub fn at_stake(
        &self,
        slasher: &Pubkey,
        key: &Pubkey,
        pool: &Pool,
        moment: Moment,
    ) -> Result<u64> {
        let entry = self.entry(key).filter(|_| self.is_slasher(slasher));
        let Some(mut entry) = entry.copied() else {
            return Ok(0);
        };
        let mut pool = *pool;
        entry.release(&mut pool, moment)?;
        Ok(pool.part_of_countable(entry.at_stake(moment)))
    }

    /// Slashes `severity_bps` of what a pool has at stake here, and counts that no more: however often a network slashes, it
    /// takes no more than it counts. Where the networks together count more than the pool can back, each takes its part,
    /// whoever comes first. What the epoch's cap does not let out is locked in the pool; the shares lose it at once all the
    /// same, so that nobody gets away before the next epoch.
    pub fn slash(
        &mut self,
        key: &Pubkey,
        pool: &mut Pool,
        severity_bps: u16,
        moment: Moment,
    ) -> Result<Slash> {
        let severity = u32::from(severity_bps);
        require!(
            (1..=FULL_BPS).contains(&severity),
            PoolError::InvalidSeverity
        );
        let (cap_bps, bounty_bps) = (self.slash_cap_bps, self.bounty_bps);
        let network = self.network;
        let entry = self.entry_mut(key)?;
        entry.release(pool, moment)?;
        let at_stake = entry.at_stake(moment);
        require!(at_stake > 0, PoolError::NothingAtStake);
        // No more than `at_stake`, and not nothing.
        let wanted = (u128::from(at_stake) * u128::from(severity)).div_ceil(FULL_BPS.into()) as u64;
        let part = pool.part_of_countable(wanted);
        let most = u64::try_from(pool.slashable()).map_or(part, |there| there.min(part));
        let taken = entry.take(most, cap_bps, pool, moment)?;
        let bounty_bps = bounty_bps.min(pool.largest_bounty_bps());
        let amount = pool.slash(part)?;
        entry.count(entry.counted.saturating_sub(wanted), pool)?;
        entry.begun = entry.begun.saturating_sub(wanted);
        let excess = amount
            .checked_sub(taken)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        pool.lock(excess)?;
        entry.settle(&network, pool);
        Ok(Slash {
            amount,
            excess,
            bounty_bps,
        })
    }

    /// Unlocks up to `excess` (base units) of what an earlier slash locked in a pool, as far as this epoch's cap goes, and
    /// returns how much. For a pool that has left the roster there is no cap any more.
    pub fn collect(
        &mut self,
        key: &Pubkey,
        pool: &mut Pool,
        excess: u64,
        moment: Moment,
    ) -> Result<u64> {
        require!(excess > 0, PoolError::NothingDue);
        let cap_bps = self.slash_cap_bps;
        let taken = match self.entry_mut(key) {
            Ok(entry) => entry.take(excess, cap_bps, pool, moment)?,
            Err(_) => excess,
        };
        require!(taken > 0, PoolError::CapReached);
        pool.unlock(taken)?;
        Ok(taken)
    }

    /// How `amount` of a slashed pool is divided, of which its reporter gets `bounty_bps`.
    pub fn split(&self, amount: u64, bounty_bps: u16) -> Result<Split> {
        Split::new(amount, bounty_bps, self.insurance_bps)
    }

    /// How `amount` of a slashed bond is divided. Nothing is set aside: what one device did harms nobody by a sum of money.
    pub fn split_bond(&self, amount: u64) -> Result<Split> {
        Split::new(amount, self.bounty_bps, 0)
    }

    /// Counts `amount` (base units) that came into the bonds.
    pub fn bond(&mut self, amount: u64) -> Result<()> {
        self.bonded = self
            .bonded
            .checked_add(amount)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(())
    }

    /// Counts `amount` (base units) that went out of the bonds.
    pub fn unbond(&mut self, amount: u64) -> Result<()> {
        self.bonded = self
            .bonded
            .checked_sub(amount)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(())
    }

    /// Checks what must hold after each instruction that moves bonds: their vault covers all of them.
    pub fn invariant(&self, bond_vault_amount: u64) -> Result<()> {
        require!(bond_vault_amount >= self.bonded, PoolError::Insolvent);
        Ok(())
    }

    /// The entry of a pool.
    pub fn entry(&self, pool: &Pubkey) -> Option<&RosterEntry> {
        self.entries
            .iter()
            .find(|entry| entry.pool == *pool && !entry.is_free())
    }

    fn entry_mut(&mut self, pool: &Pubkey) -> Result<&mut RosterEntry> {
        self.entries
            .iter_mut()
            .find(|entry| entry.pool == *pool && !entry.is_free())
            .ok_or_else(|| error!(PoolError::NotOnRoster))
    }

    /// Copies what committees need of a pool whose home this is, after it changed.
    pub fn settle(&mut self, key: &Pubkey, pool: &mut Pool) {
        let network = self.network;
        if let Ok(entry) = self.entry_mut(key) {
            entry.settle(&network, pool);
        }
    }

    /// Ends being the home of a pool, which another roster is about to count too: from now on committees ask the pool.
    pub fn unsettle(&mut self, key: &Pubkey, pool: &mut Pool) {
        if let Ok(entry) = self.entry_mut(key) {
            entry.signer = Pubkey::default();
            entry.staked = 0;
            entry.cooldown = 0;
        }
        pool.home = Pubkey::default();
    }

    /// Sets the allocation that a pool makes to this network, and returns its entry.
    ///
    /// No network is given more than the stake itself, whatever the leverage: leverage lets one stake secure several
    /// networks, never weigh more in one.
    pub fn opt_in(
        &mut self,
        key: Pubkey,
        pool: &mut Pool,
        allocation: u64,
        moment: Moment,
    ) -> Result<RosterEntry> {
        require!(
            allocation >= self.minimum_allocation,
            PoolError::AllocationTooSmall
        );
        let network = self.network;
        require!(
            pool.home == Pubkey::default() || pool.home == network,
            PoolError::WrongHome
        );
        require!(
            pool.leverage_bps <= self.max_leverage_bps,
            PoolError::LeverageTooHigh
        );
        if self.entry(&key).is_none() {
            let free = self
                .entries
                .iter_mut()
                .find(|entry| entry.is_free())
                .ok_or_else(|| error!(PoolError::RosterFull))?;
            *free = RosterEntry {
                pool: key,
                ..RosterEntry::default()
            };
            self.count += 1; // one of at most MAX_OPERATORS
        }
        let entry = self.entry_mut(&key)?;
        entry.release(pool, moment)?;
        let raised = allocation > entry.granted();
        entry.allocate(allocation, pool, moment)?;
        if raised {
            require!(allocation <= pool.staked, PoolError::AllocationAboveStake);
            require!(
                u128::from(pool.allocated) <= pool.backing(),
                PoolError::AllocationAboveLeverage
            );
        }
        entry.settle(&network, pool);
        Ok(*entry)
    }

    /// Ends a pool's allocation with this epoch, and returns its entry. It stays on the roster until its release.
    pub fn opt_out(
        &mut self,
        key: &Pubkey,
        pool: &mut Pool,
        moment: Moment,
    ) -> Result<RosterEntry> {
        let entry = self.entry_mut(key)?;
        require!(entry.next > 0, PoolError::AlreadyLeaving);
        entry.release(pool, moment)?;
        entry.allocate(0, pool, moment)?;
        Ok(*entry)
    }

    /// Brings a pool's entry up to date, and returns it: releases what has cooled down, frees the slot of one who left,
    /// and takes back, from the next epoch on, what the pool has no stake for any more. An allocation that falls below
    /// the minimum ends. What is taken back stays counted for a cool-down: it can be slashed for what was done with it.
    pub fn refresh(
        &mut self,
        key: &Pubkey,
        pool: &mut Pool,
        moment: Moment,
    ) -> Result<RosterEntry> {
        let (network, minimum) = (self.network, self.minimum_allocation);
        let entry = self.entry_mut(key)?;

        entry.release(pool, moment)?;
        // What is gone for good needs no count; but where others count it too, this network's part of the rest hangs on it.
        if pool.allocated == entry.counted {
            let there = u64::try_from(pool.slashable()).unwrap_or(u64::MAX);
            entry.count(entry.counted.min(there), pool)?;
        }
        let most = pool.share_of_backing(entry.counted, 0).min(pool.staked);
        if entry.next > most {
            let allocation = if most < minimum { 0 } else { most };
            entry.allocate(allocation, pool, moment)?;
        }
        entry.settle(&network, pool);

        let refreshed = *entry;
        if entry.current == 0 && entry.next == 0 && entry.release_at == 0 {
            if pool.home == network {
                pool.home = Pubkey::default();
            }
            *entry = RosterEntry::default();
            self.count -= 1; // the entry was one of them
        }
        Ok(refreshed)
    }
}

/// The epoch that comes `wait` epochs after the present one.
fn later(moment: Moment, wait: u64) -> Result<u64> {
    moment
        .epoch
        .checked_add(wait)
        .ok_or_else(|| error!(PoolError::Overflow))
}

fn add_seconds(time: i64, seconds: i64) -> Result<i64> {
    time.checked_add(seconds)
        .ok_or_else(|| error!(PoolError::Overflow))
}
