use super::VERSION;
use crate::error::PoolError;
use crate::seeds;
use anchor_lang::prelude::*;
use anchor_lang::Discriminator;
use std::cell::RefMut;

/// Epochs with a change that a bond remembers.
pub const CHECKPOINTS: usize = 8;

/// What a bond held at the end of an epoch in which it changed, and until the next such epoch.
#[derive(Debug, Default, PartialEq, Eq)]
#[zero_copy]
pub struct Checkpoint {
    /// The network's epoch.
    pub epoch: u64,
    /// What backed devices, base units.
    pub amount: u64,
}

/// What an owner has put up for its devices in a network, at `["bond", network, owner]`; a maker's, for those that it
/// vouched for. Devices beyond it earn nothing, so operators need to know what it held when an epoch ended, at whatever
/// time they look: it remembers the last [`CHECKPOINTS`] epochs in which it changed. It is never closed.
#[account(zero_copy)]
#[repr(C)]
pub struct Bond {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    pub _pad: [u8; 2],
    /// Checkpoints in use, the newest last.
    pub checkpoint_count: u32,
    /// The network's address.
    pub network: Pubkey,
    /// Whose it is.
    pub owner: Pubkey,
    /// Base units that back devices.
    pub amount: u64,
    /// Base units on their way out, which can still be slashed.
    pub cooling: u64,
    /// From when these are paid, unix seconds; 0 if there are none.
    pub releases_at: i64,
    /// Base units ever slashed.
    pub slashed_total: u64,
    /// By epoch, oldest first.
    pub checkpoints: [Checkpoint; CHECKPOINTS],
    pub reserved: [u8; 64],
}

impl Bond {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// The bond of an owner in a network, which `account` must be or, if nobody has posted it, be the place of.
    ///
    /// A bond says itself whose it is, since only this program writes bonds; so its address is searched for only where
    /// there is none.
    pub fn find<'a>(
        account: &'a AccountInfo,
        network: &Pubkey,
        owner: &Pubkey,
    ) -> Result<Option<RefMut<'a, Self>>> {
        if *account.owner != crate::ID {
            let seeds = [seeds::BOND, network.as_ref(), owner.as_ref()];
            let (place, _) = Pubkey::find_program_address(&seeds, &crate::ID);
            require!(*account.key == place, PoolError::WrongBond);
            return Ok(None);
        }
        let bond: RefMut<Self> = RefMut::filter_map(account.try_borrow_mut_data()?, |data| {
            let (discriminator, bytes) = data.split_at_mut_checked(Self::DISCRIMINATOR.len())?;
            (discriminator == Self::DISCRIMINATOR)
                .then(|| bytemuck::try_from_bytes_mut(bytes).ok())
                .flatten()
        })
        .map_err(|_| error!(ErrorCode::AccountDiscriminatorMismatch))?;
        require!(
            bond.network == *network && bond.owner == *owner,
            PoolError::WrongBond
        );
        Ok(Some(bond))
    }

    /// Fills a new account.
    pub fn open(&mut self, bump: u8, network: Pubkey, owner: Pubkey) {
        self.version = VERSION;
        self.bump = bump;
        self.network = network;
        self.owner = owner;
    }

    /// Adds `amount` (base units) in `epoch`.
    pub fn post(&mut self, amount: u64, epoch: u64) -> Result<()> {
        require!(amount > 0, PoolError::ZeroAmount);
        self.amount = add(self.amount, amount)?;
        self.remember(epoch);
        Ok(())
    }

    /// Lets `amount` (base units) cool down until `releases_at` (unix seconds), and with it what already did.
    pub fn request(&mut self, amount: u64, epoch: u64, releases_at: i64) -> Result<()> {
        require!(amount > 0, PoolError::ZeroAmount);
        self.amount = self
            .amount
            .checked_sub(amount)
            .ok_or_else(|| error!(PoolError::BondTooSmall))?;
        self.cooling = add(self.cooling, amount)?;
        self.releases_at = self.releases_at.max(releases_at);
        self.remember(epoch);
        Ok(())
    }

    /// Takes out what has cooled down by `now` (unix seconds), and returns how much, base units.
    pub fn withdraw(&mut self, now: i64) -> Result<u64> {
        require!(self.cooling > 0, PoolError::NothingRequested);
        require!(now >= self.releases_at, PoolError::BondCooling);
        self.releases_at = 0;
        Ok(std::mem::take(&mut self.cooling))
    }

    /// Takes up to `amount` (base units), first of what backs devices, then of what cools down, and returns how much there
    /// was to take.
    pub fn slash(&mut self, amount: u64, epoch: u64) -> Result<u64> {
        let of_amount = amount.min(self.amount);
        let of_cooling = (amount - of_amount).min(self.cooling);
        self.amount -= of_amount;
        self.cooling -= of_cooling;
        if self.cooling == 0 {
            self.releases_at = 0;
        }
        let taken = add(of_amount, of_cooling)?;
        self.slashed_total = add(self.slashed_total, taken)?;
        self.remember(epoch);
        Ok(taken)
    }

    /// What backed devices when `epoch` ended, or now if it has not; 0 for an epoch that is older than what is remembered.
    pub fn amount_at(&self, epoch: u64) -> u64 {
        self.remembered()
            .iter()
            .rev()
            .find(|checkpoint| checkpoint.epoch <= epoch)
            .map_or(0, |checkpoint| checkpoint.amount)
    }

    /// Whether [`Bond::amount_at`] is right about `epoch`: not if newer changes may have taken the place of the one that
    /// counted then.
    pub fn remembers(&self, epoch: u64) -> bool {
        let remembered = self.remembered();
        remembered.len() < CHECKPOINTS
            || remembered
                .first()
                .is_some_and(|oldest| oldest.epoch <= epoch)
    }

    fn remembered(&self) -> &[Checkpoint] {
        self.checkpoints
            .get(..self.checkpoint_count as usize)
            .unwrap_or_default()
    }

    fn remember(&mut self, epoch: u64) {
        let now = Checkpoint {
            epoch,
            amount: self.amount,
        };
        let count = self.remembered().len();
        if let Some(newest) = self.checkpoints[..count].last_mut() {
            if newest.epoch >= epoch {
                newest.amount = self.amount;
                return;
            }
        }
        if count == CHECKPOINTS {
            self.checkpoints.rotate_left(1);
            self.checkpoints[CHECKPOINTS - 1] = now;
        } else {
            self.checkpoints[count] = now;
            self.checkpoint_count += 1; // one of at most CHECKPOINTS
        }
    }
}

fn add(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).ok_or_else(|| error!(PoolError::Overflow))
}
