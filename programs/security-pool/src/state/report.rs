use super::VERSION;
use crate::error::PoolError;
use anchor_lang::prelude::*;

/// Whose money a report took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SourceKind {
    /// An operator's pool.
    Pool = 0,
    /// An owner's bond.
    Bond = 1,
}

/// The receipt of a slash, one an offence, at the address that `slashing::report` derives. That it exists is what stops the same
/// evidence from counting twice, so it is never closed.
#[account(zero_copy)]
#[repr(C)]
pub struct Report {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// A [`SourceKind`].
    pub kind: u8,
    /// The reporter's part of what was lost, in basis points: also of what is collected later.
    pub bounty_bps: u16,
    pub _pad: [u8; 4],
    /// The network's address.
    pub network: Pubkey,
    /// The program address that slashed.
    pub slasher: Pubkey,
    /// What tells the offence from every other of that program.
    pub offence: [u8; 32],
    /// The pool, or the owner whose bond it was.
    pub source: Pubkey,
    /// The token account that gets the bounty.
    pub destination: Pubkey,
    /// Who paid for the account.
    pub payer: Pubkey,
    /// What was lost, base units.
    pub amount: u64,
    /// How much of it is still locked in the pool, base units.
    pub excess: u64,
    /// How much of it is set aside and not paid yet, base units.
    pub insurance: u64,
    /// When, unix seconds.
    pub reported_at: i64,
    pub reserved: [u8; 64],
}

/// What a new report says.
pub struct Reported {
    /// Whose money it took.
    pub kind: SourceKind,
    /// The network's address.
    pub network: Pubkey,
    /// The program address that slashes.
    pub slasher: Pubkey,
    /// What tells the offence from every other of that program.
    pub offence: [u8; 32],
    /// The pool, or the owner whose bond it is.
    pub source: Pubkey,
    /// The token account that gets the bounty.
    pub destination: Pubkey,
    /// Who pays for the account.
    pub payer: Pubkey,
    /// What was lost, base units.
    pub amount: u64,
    /// How much of it is locked, base units.
    pub excess: u64,
    /// The reporter's part, in basis points.
    pub bounty_bps: u16,
    /// How much of it is set aside, base units.
    pub insurance: u64,
    /// When, unix seconds.
    pub reported_at: i64,
}

impl Report {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(&mut self, reported: Reported) {
        let Reported {
            kind,
            network,
            slasher,
            offence,
            source,
            destination,
            payer,
            amount,
            excess,
            bounty_bps,
            insurance,
            reported_at,
        } = reported;
        self.version = VERSION;
        self.kind = kind as u8;
        self.network = network;
        self.slasher = slasher;
        self.offence = offence;
        self.source = source;
        self.destination = destination;
        self.payer = payer;
        self.amount = amount;
        self.excess = excess;
        self.bounty_bps = bounty_bps;
        self.insurance = insurance;
        self.reported_at = reported_at;
    }

    /// Notes that `taken` of the excess was collected, and `insurance` of that set aside (base units).
    pub fn collected(&mut self, taken: u64, insurance: u64) -> Result<()> {
        self.excess = self
            .excess
            .checked_sub(taken)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        self.insurance = self
            .insurance
            .checked_add(insurance)
            .ok_or_else(|| error!(PoolError::Overflow))?;
        Ok(())
    }

    /// Gives out what is set aside, and returns it, base units.
    pub fn pay_insurance(&mut self) -> Result<u64> {
        require!(self.insurance > 0, PoolError::NothingDue);
        Ok(std::mem::take(&mut self.insurance))
    }

    /// Whether it took from this pool, in this network.
    pub fn is_of_pool(&self, network: &Pubkey, pool: &Pubkey) -> bool {
        self.kind == SourceKind::Pool as u8 && self.network == *network && self.source == *pool
    }
}
