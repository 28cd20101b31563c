use crate::error::PoolError;
use anchor_lang::prelude::*;

/// Money that is owned in shares. A pool has two: what is staked and what cools down.
///
/// All rounding is for the pot: shares are the floor of what was paid for, payments the floor of what the shares are
/// worth. So nobody takes out more than he put in, whoever comes in between. Only what passes through `deposit` counts,
/// so that a donation to the vault moves no price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pot {
    /// Tokens in the pot, in base units.
    pub worth: u64,
    /// Shares in it, over all holders.
    pub shares: u64,
}

impl Pot {
    /// Takes `amount` in and returns its shares; one a base unit when the pot is empty.
    ///
    /// Fails when the amount is worth no share, or when the pot has shares but no worth: a newcomer's money would go to
    /// the holders of the lost shares.
    pub fn deposit(&mut self, amount: u64) -> Result<u64> {
        let minted = if self.shares == 0 {
            amount
        } else {
            require!(self.worth > 0, PoolError::DeadPool);
            proportion(amount, self.shares, self.worth)?
        };
        require!(minted > 0, PoolError::ZeroShares);
        *self = Self {
            worth: add(self.worth, amount)?,
            shares: add(self.shares, minted)?,
        };
        Ok(minted)
    }

    /// Takes `shares` back and returns what they are worth, which may be nothing.
    pub fn withdraw(&mut self, shares: u64) -> Result<u64> {
        require!(
            shares > 0 && shares <= self.shares,
            PoolError::NotEnoughShares
        );
        let paid = proportion(shares, self.worth, self.shares)?;
        // Neither underflows: the shares are some of all, and so their worth is some of it.
        self.worth -= paid;
        self.shares -= shares;
        Ok(paid)
    }
}

/// ⌊amount × numerator ÷ denominator⌋.
fn proportion(amount: u64, numerator: u64, denominator: u64) -> Result<u64> {
    (u128::from(amount) * u128::from(numerator))
        .checked_div(u128::from(denominator))
        .and_then(|quotient| u64::try_from(quotient).ok())
        .ok_or_else(|| error!(PoolError::Overflow))
}

fn add(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).ok_or_else(|| error!(PoolError::Overflow))
}
