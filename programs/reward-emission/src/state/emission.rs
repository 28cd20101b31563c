//! A network's emission: the schedule, the final roots, and what was paid.

use crate::error::EmissionError;
use crate::state::{Breaker, Payee, PayeeKind, Proposal, Roots, Schedule, Scoring, MAX_PAYEES};
use anchor_lang::prelude::*;
use commitment::reward_leaf;
use device_registry::state::Network;

/// Hundred per cent, in basis points.
pub const FULL_BPS: u16 = 10_000;
/// Longest challenge window, ballot and breaker window, in seconds.
pub const MAX_DURATION: i64 = 366 * 86_400;

/// What an epoch grants, base units of the reward mint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// To owners, at most.
    pub owners: u64,
    /// To operators, at most.
    pub operators: u64,
}

impl Budget {
    /// To all of them.
    ///
    /// # Errors
    /// [`EmissionError::Overflow`].
    pub fn total(&self) -> Result<u64> {
        self.owners
            .checked_add(self.operators)
            .ok_or_else(|| error!(EmissionError::Overflow))
    }
}

/// ⌊amount × basis points ÷ 10,000⌋.
fn part(amount: u64, bps: u16) -> Result<u64> {
    let part = u128::from(amount) * u128::from(bps) / u128::from(FULL_BPS);
    u64::try_from(part).map_err(|_| error!(EmissionError::Overflow))
}

/// An emission. PDA `["emission", network]`, the authority of the reward mint.
#[account(zero_copy)]
#[repr(C)]
pub struct Emission {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Operators' share of each epoch's budget, in basis points.
    pub operators_bps: u16,
    /// What an operator loses of its stake in the network for wrong roots that it proposed or voted for, and for two votes
    /// in one ballot, in basis points.
    pub root_slash_bps: u16,
    /// What an epoch emits however little was burned for credits in it, in basis points of its scheduled budget.
    pub floor_bps: u16,
    /// The network's address.
    pub network: Pubkey,
    /// Mint of rewards.
    pub reward_mint: Pubkey,
    /// The network's authority that created the emission.
    pub authority: Pubkey,
    /// When how much is emitted.
    pub schedule: Schedule,
    /// Seconds from passing a vote to being final, at least.
    pub challenge_window: i64,
    /// Seconds of a ballot; divides the network's epoch.
    pub ballot_length: i64,
    /// Base units paid to all payees, which is all that was ever minted.
    pub claimed: u64,
    /// Payees so far, by kind; the next one's index.
    pub payees: [u64; 2],
    /// The newest final epoch; of no meaning while `finals` is 0.
    pub final_epoch: u64,
    /// Roots that became final.
    pub finals: u64,
    /// The final roots; zero while `finals` is 0.
    pub roots: Roots,
    /// Slows down claims.
    pub breaker: Breaker,
    /// By what readings are scored.
    pub scoring: Scoring,
    /// Of the final roots' reward sum, what operators were granted: base units since the beginning.
    pub operators_sum: u64,
    /// Zero.
    pub reserved: [u8; 224],
}

impl Emission {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// What an epoch grants, base units: as much as was burned for the credits spent in it (`burned`, base units), but no
    /// less than ⌊scheduled × `floor_bps` ÷ 10,000⌋ and no more than what is scheduled for it.
    pub fn budget(&self, epoch: u64, burned: u64) -> Result<Budget> {
        let scheduled = self.schedule.budget(epoch)?;
        let floor = part(scheduled, self.floor_bps)?;
        let total = burned.clamp(floor, scheduled);
        let operators = part(total, self.operators_bps)?;
        let owners = total
            .checked_sub(operators)
            .ok_or_else(|| error!(EmissionError::InvariantBroken))?;
        Ok(Budget { owners, operators })
    }

    /// Whether the roots of `epoch` were decided, by itself or by a later one, as grants are cumulative.
    pub fn is_final(&self, epoch: u64) -> bool {
        self.finals > 0 && epoch <= self.final_epoch
    }

    /// The ballot on `epoch`'s roots that is open at `now` (unix seconds).
    ///
    /// # Errors
    /// [`EmissionError::EpochNotOver`].
    pub fn ballot(&self, network: &Network, epoch: u64, now: i64) -> Result<u32> {
        require!(epoch < network.epoch(now)?, EmissionError::EpochNotOver);
        let end = epoch
            .checked_add(1)
            .map(|next| network.epoch_start(next))
            .ok_or_else(|| error!(EmissionError::Overflow))?;
        now.checked_sub(end)
            .and_then(|since| since.checked_div(self.ballot_length))
            .and_then(|ballot| u32::try_from(ballot).ok())
            .ok_or_else(|| error!(EmissionError::Overflow))
    }

    /// Refuses roots that can't follow the final ones: a decided epoch, grants that shrink, trees without a place for who
    /// has grants, or another `base` (number of final roots) to which they add.
    pub fn check_successor(&self, epoch: u64, base: u64, roots: &Roots) -> Result<()> {
        require!(!self.is_final(epoch), EmissionError::EpochFinal);
        require!(
            roots.reward_sum >= self.roots.reward_sum,
            EmissionError::SumShrinks
        );
        require!(roots.depth >= self.roots.depth, EmissionError::InvalidDepth);
        require!(base == self.finals, EmissionError::Superseded);
        Ok(())
    }

    /// Refuses grants that rise over the last final ones by more than an epoch's budget, to all or to operators.
    pub fn check_grants(&self, budget: Budget, reward_sum: u64, operators_sum: u64) -> Result<()> {
        let most = |granted: u64, more: u64| {
            granted
                .checked_add(more)
                .ok_or_else(|| error!(EmissionError::Overflow))
        };
        require!(
            reward_sum <= most(self.roots.reward_sum, budget.total()?)?,
            EmissionError::MoreThanEmitted
        );
        require!(
            operators_sum <= most(self.operators_sum, budget.operators)?,
            EmissionError::MoreThanOperatorsShare
        );
        Ok(())
    }

    /// Takes the next index of a kind.
    pub fn next_index(&mut self, kind: PayeeKind) -> Result<u32> {
        let count = &mut self.payees[kind as usize];
        require!(*count < MAX_PAYEES, EmissionError::TooManyPayees);
        let index = u32::try_from(*count).map_err(|_| error!(EmissionError::Overflow))?;
        *count += 1; // At most MAX_PAYEES.
        Ok(index)
    }

    /// Makes a proposal's roots the final ones, if they add to the present ones.
    pub fn finalize(&mut self, proposal: &Proposal) -> Result<()> {
        self.check_successor(proposal.epoch, proposal.base, &proposal.roots)?;
        self.final_epoch = proposal.epoch;
        self.finals = self
            .finals
            .checked_add(1)
            .ok_or_else(|| error!(EmissionError::Overflow))?;
        self.roots = proposal.roots;
        self.operators_sum = proposal.operators_sum;
        Ok(())
    }

    /// Verifies that the final root grants `cumulative` to `payee`.
    ///
    /// # Errors
    /// [`EmissionError::NoFinalRoot`], or as [`Roots::check_reward`].
    pub fn check_grant(&self, payee: &Payee, cumulative: u64, path: &[u8]) -> Result<()> {
        require!(self.finals > 0, EmissionError::NoFinalRoot);
        let leaf = reward_leaf(payee.owner.as_array(), cumulative);
        self.roots.check_reward(payee.kind, payee.index, leaf, path)
    }

    /// Books a payment to any payee.
    ///
    /// # Errors
    /// [`EmissionError::GrantsExhausted`] if more would be paid than the final root grants to all: a root that moved
    /// grants that were paid already from one payee to another.
    pub fn pay(&mut self, amount: u64) -> Result<()> {
        let claimed = self
            .claimed
            .checked_add(amount)
            .ok_or_else(|| error!(EmissionError::Overflow))?;
        require!(
            claimed <= self.roots.reward_sum,
            EmissionError::GrantsExhausted
        );
        self.claimed = claimed;
        Ok(())
    }

    /// Never more paid than granted, nor faster than the breaker lets. (That no more is granted than an
    /// epoch's budget is checked when roots are proposed, and final sums only grow.)
    pub fn invariant(&self) -> Result<()> {
        require!(
            self.claimed <= self.roots.reward_sum && self.breaker.level <= self.breaker.limit,
            EmissionError::InvariantBroken
        );
        Ok(())
    }
}
