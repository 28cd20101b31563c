use super::{Moment, Pool, Roster, MAX_OPERATORS, VERSION};
use crate::error::PoolError;
use anchor_lang::prelude::*;

/// A member of a committee.
#[derive(Debug, Default, PartialEq, Eq)]
#[zero_copy]
pub struct CommitteeEntry {
    /// The pool's address.
    pub pool: Pubkey,
    /// The key that signs for it in this epoch.
    pub signer: Pubkey,
    /// Its weight, base units.
    pub allocation: u64,
}

/// The operators of one epoch, at `["committee", network, epoch u64]`.
///
/// It is drawn from the roster in one step, or in several if more pools must be read than a transaction can name: those
/// that several rosters count. Until the last step it has no members, so that nothing can be decided by a part of it.
#[account(zero_copy)]
#[repr(C)]
pub struct Committee {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    pub _pad: [u8; 2],
    /// Number of members; 0 until it is complete.
    pub count: u32,
    /// The network's address.
    pub network: Pubkey,
    /// The network's epoch.
    pub epoch: u64,
    /// The members' allocations together, base units; 0 until it is complete.
    pub total: u64,
    /// Who paid for the account.
    pub payer: Pubkey,
    /// Slots of the roster that were drawn; all of them when it is complete.
    pub drawn_slots: u32,
    /// Entries so far.
    pub drawn: u32,
    /// Their allocations together, base units.
    pub drawn_total: u64,
    /// The members, in the order of the roster's slots.
    pub entries: [CommitteeEntry; MAX_OPERATORS],
    pub reserved: [u8; 64],
}

impl Committee {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(&mut self, bump: u8, network: Pubkey, epoch: u64, payer: Pubkey) {
        self.version = VERSION;
        self.bump = bump;
        self.network = network;
        self.epoch = epoch;
        self.payer = payer;
    }

    /// Whether the whole roster was drawn.
    pub fn is_complete(&self) -> bool {
        self.drawn_slots as usize == MAX_OPERATORS
    }

    /// The members, none until the committee is complete.
    pub fn members(&self) -> &[CommitteeEntry] {
        self.entries.get(..self.count as usize).unwrap_or_default()
    }

    /// A pool's index among the members.
    pub fn member(&self, pool: &Pubkey) -> Option<usize> {
        self.members().iter().position(|entry| entry.pool == *pool)
    }

    /// Draws the roster's slots from where the last step ended. Of a pool whose home the roster is, the entry says what its
    /// allocation weighs ([`RosterEntry::weight`](super::RosterEntry::weight)). The others with an allocation in this epoch
    /// ([`Pool::weight`]) are drawn as far as `pools` go, which are their accounts in the order of the slots. The moment is in
    /// the committee's epoch.
    pub fn draw<'info>(
        &mut self,
        roster: &Roster,
        moment: Moment,
        mut pools: &'info [AccountInfo<'info>],
    ) -> Result<()> {
        let first = self.drawn_slots;
        for slot in roster.entries.iter().skip(first as usize) {
            let is_seated = !slot.is_free() && slot.allocation_at(moment.epoch) > 0;
            if is_seated && slot.is_home() {
                self.push(slot.pool, slot.signer, slot.weight(moment))?;
            } else if is_seated {
                let Some((account, rest)) = pools.split_first() else {
                    break;
                };
                require!(*account.key == slot.pool, PoolError::WrongPoolOrder);
                pools = rest;
                let loader = AccountLoader::<Pool>::try_from(account)?;
                let pool = loader.load()?;
                self.push(slot.pool, pool.signer, pool.weight(slot, moment)?)?;
            }
            self.drawn_slots += 1; // one of at most MAX_OPERATORS
        }
        require!(pools.is_empty(), PoolError::TooManyPools);
        require!(self.drawn_slots > first, PoolError::MissingPool);
        if self.is_complete() {
            self.count = self.drawn;
            self.total = self.drawn_total;
        }
        Ok(())
    }

    fn push(&mut self, pool: Pubkey, signer: Pubkey, allocation: u64) -> Result<()> {
        if allocation == 0 {
            return Ok(());
        }
        let entry = self
            .entries
            .get_mut(self.drawn as usize)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        entry.pool = pool;
        entry.signer = signer;
        entry.allocation = allocation;
        self.drawn += 1; // one of at most MAX_OPERATORS
        self.drawn_total = self
            .drawn_total
            .checked_add(allocation)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(())
    }
}

/// Whether `signed` is two thirds of `total` or more. Nothing is two thirds of nothing.
pub fn quorum(signed: u64, total: u64) -> bool {
    total > 0 && 3 * u128::from(signed) >= 2 * u128::from(total)
}
