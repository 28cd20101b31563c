//! What a network's credits, budgets and payments must be, by arithmetic of its own: nothing here asks the programs.

use super::world::{BUDGET, OPERATORS_BPS};
use anchor_lang::prelude::Pubkey;
use std::collections::HashMap;

/// Base units of a reward token.
const TOKEN: u128 = 1_000_000;
/// Credits that a cent buys.
const CREDITS_PER_CENT: u128 = 1_000;

/// Credits, and the tokens that were burned for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    pub credits: u64,
    /// Base units.
    pub burned: u64,
}

impl Paid {
    fn add(&mut self, other: Self) {
        self.credits += other.credits;
        self.burned += other.burned;
    }
}

/// What was spent in an epoch, or on a feed in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub paid: Paid,
    /// Of the tokens, those behind credits that feeds were given.
    pub given: u64,
    /// Whether its account is there.
    pub open: bool,
}

/// The books of one network.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The least that an epoch emits, base units.
    floor: u64,
    /// Reward tokens that were in circulation from the start.
    pub endowed: u64,
    /// All that was ever bought.
    pub bought: Paid,
    /// By owner.
    pub held: HashMap<Pubkey, Paid>,
    /// By epoch; what closed stays here.
    pub epochs: HashMap<u64, Spent>,
    /// By epoch and feed; what closed stays here.
    pub demands: HashMap<(u64, Pubkey), Spent>,
    /// What the epochs emit whose roots became final: owners, operators.
    pub emitted: [u64; 2],
    /// What payees had of their grants when last looked at.
    pub claimed: HashMap<Pubkey, u64>,
    /// What is on each account that was ever paid to.
    pub purses: HashMap<Pubkey, u64>,
    /// Credits for a device: now, then, and from when on.
    fees: (u64, u64, i64),
}

impl Book {
    /// Empty ones of a network whose epochs emit at least `floor`, base units.
    pub fn new(floor: u64) -> Self {
        Self {
            floor,
            ..Self::default()
        }
    }

    /// Opens the present or the next epoch.
    pub fn open(&mut self, epoch: u64) {
        self.epochs.entry(epoch).or_default().open = true;
    }

    /// Sets what a device costs from `from` on, unix seconds, at `now`.
    pub fn set_fee(&mut self, fee: u64, from: i64, now: i64) {
        self.fees = (self.fee(now), fee, from);
    }

    /// Credits that a device costs at `now`.
    pub fn fee(&self, now: i64) -> u64 {
        let (before, after, from) = self.fees;
        if now < from {
            before
        } else {
            after
        }
    }

    /// Burns `tokens` at a price in cents for credits of `owner`; how many.
    pub fn buy(&mut self, owner: Pubkey, tokens: u64, cents: u64) -> u64 {
        let credits = u128::from(tokens) * u128::from(cents) * CREDITS_PER_CENT / TOKEN;
        let paid = Paid {
            credits: credits as u64,
            burned: tokens,
        };
        self.held.entry(owner).or_default().add(paid);
        self.bought.add(paid);
        paid.credits
    }

    /// Takes credits of `owner` for `epoch`, with their part of what was burned for all that it holds.
    ///
    /// # Panics
    /// If it holds less, or the epoch is not open.
    pub fn spend(&mut self, owner: &Pubkey, epoch: u64, credits: u64) -> Paid {
        let held = self.held.get_mut(owner).expect("an owner with credits");
        let left = held.credits.checked_sub(credits).expect("enough credits");
        let part = u128::from(held.burned) * u128::from(credits);
        let paid = Paid {
            credits,
            burned: part.checked_div(held.credits.into()).unwrap_or(0) as u64,
        };
        held.credits = left;
        held.burned -= paid.burned;
        let spent = self.epochs.get_mut(&epoch).expect("an epoch");
        assert!(spent.open, "credits were spent in an epoch that is closed");
        spent.paid.add(paid);
        paid
    }

    /// As [`Book::spend`], on a feed.
    pub fn give(&mut self, owner: &Pubkey, epoch: u64, feed: Pubkey, credits: u64) {
        let paid = self.spend(owner, epoch, credits);
        let spent = self.epochs.get_mut(&epoch).expect("an epoch");
        spent.given += paid.burned;
        let demand = self.demands.entry((epoch, feed)).or_default();
        demand.paid.add(paid);
        demand.open = true;
    }

    /// What an epoch that is over grants: owners, operators.
    pub fn budget(&self, epoch: u64) -> [u64; 2] {
        let burned = self.epochs.get(&epoch).map_or(0, |spent| spent.paid.burned);
        let total = burned.clamp(self.floor, BUDGET);
        let operators = total * u64::from(OPERATORS_BPS) / 10_000;
        [total - operators, operators]
    }

    /// The roots of `epoch` became final.
    pub fn finalize(&mut self, epoch: u64) {
        let budget = self.budget(epoch);
        for (emitted, part) in self.emitted.iter_mut().zip(budget) {
            *emitted += part;
        }
    }
}
