//! Roots of an epoch that are up for a vote.
//!
//! **Two proposals of one ballot and base can't both pass with different roots unless a third of the allocation signs
//! twice.** A ballot lies within one epoch (its length divides the epoch's), an epoch has one committee, and a vote counts
//! only during its ballot, from that committee. Each of two that pass has signatures of members with at least two thirds of
//! the same total, so that members with at least a third of it signed both; and as the signed message holds network,
//! epoch, ballot, base and roots, two such messages of one key prove the offence without these accounts.
//!
//! The base is the number of final roots that the grants add to. Once others are final, a member votes anew, for the roots
//! that add to them: that is no offence, and what passed on the earlier base never becomes final. Nor does a vote count on
//! a later base, where the same roots may be wrong.
//!
//! Proposals of the same roots that differ in the archive they name share their message, hence their votes. That way a
//! member that names a wrong archive neither blocks those roots nor gains anything: what pays is the same root.

use crate::error::EmissionError;
use anchor_lang::prelude::*;
use commitment::{verify_sum, SumNode};
use device_protocol::VoteMessage;
use device_registry::state::Network;
use security_pool::state::{quorum, Committee};

/// Status: takes votes while its ballot lasts.
pub const OPEN: u8 = 0;
/// Status: two thirds voted for it; its challenge window runs.
pub const PASSED: u8 = 1;
/// Status: became the root that claims are proven against.
pub const FINAL: u8 = 2;
/// Status: proven wrong; whoever proposed it or voted for it is slashed.
pub const REJECTED: u8 = 3;

/// Until when a member of the committee of `epoch` can be slashed for its votes in it, unix seconds.
pub fn exposed_until(network: &Network, epoch: u64) -> i64 {
    // An end beyond all time never comes.
    network
        .epoch_start(epoch.saturating_add(1))
        .saturating_add(network.parameters.evidence_window)
}

/// The roots of the score tree and of the reward tree of one epoch.
#[derive(Debug, Default, PartialEq, Eq)]
#[zero_copy]
pub struct Roots {
    /// Hash of the score tree's root.
    pub score_hash: [u8; 32],
    /// Its sum.
    pub score_sum: u64,
    /// Hash of the reward tree's root.
    pub reward_hash: [u8; 32],
    /// Its sum: base units granted since the beginning, claimed or not.
    pub reward_sum: u64,
    /// Depth of both trees, 1 to [`commitment::sum::MAX_DEPTH`].
    pub depth: u8,
    /// Zero.
    pub _pad: [u8; 7],
}

impl Roots {
    /// The score tree's root.
    pub fn score_root(&self) -> SumNode {
        SumNode {
            hash: self.score_hash,
            sum: self.score_sum,
        }
    }

    /// The reward tree's root.
    pub fn reward_root(&self) -> SumNode {
        SumNode {
            hash: self.reward_hash,
            sum: self.reward_sum,
        }
    }

    /// Verifies that the reward tree has `leaf` at this place.
    ///
    /// # Errors
    /// [`EmissionError::InvalidPath`] for a path of another length than the tree's depth, [`EmissionError::NotGranted`].
    pub fn check_reward(&self, kind: u8, index: u32, leaf: SumNode, path: &[u8]) -> Result<()> {
        verify_sum(
            self.reward_root(),
            self.depth.into(),
            kind,
            index,
            leaf,
            path,
        )
        .map_err(|error| error!(EmissionError::from(error)))
    }

    /// Verifies that the score tree has `leaf` at this place, and returns the sum of all scores of its kind.
    ///
    /// # Errors
    /// As [`Roots::check_reward`].
    pub fn check_score(&self, kind: u8, index: u32, leaf: SumNode, path: &[u8]) -> Result<u64> {
        verify_sum(
            self.score_root(),
            self.depth.into(),
            kind,
            index,
            leaf,
            path,
        )
        .map_err(|error| error!(EmissionError::from(error)))?;
        // The last sibling is the other kind's half; the path has just summed to the root.
        let others = path
            .last_chunk::<8>()
            .map(|sum| u64::from_le_bytes(*sum))
            .ok_or_else(|| error!(EmissionError::InvalidPath))?;
        self.score_sum
            .checked_sub(others)
            .ok_or_else(|| error!(EmissionError::Overflow))
    }

    /// Whether the trees have a place for this index.
    pub fn has_place(&self, index: u32) -> bool {
        commitment::sum::position(self.depth.into(), 0, index).is_ok()
    }
}

/// A proposal. PDA `["proposal", network, epoch u64, ballot u32, digest of base, roots and archive]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Proposal {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// [`OPEN`], [`PASSED`], [`FINAL`] or [`REJECTED`].
    pub status: u8,
    /// Zero.
    pub _pad: [u8; 1],
    /// The ballot in which votes count.
    pub ballot: u32,
    /// The network's address.
    pub network: Pubkey,
    /// The epoch that is over.
    pub epoch: u64,
    /// What is voted on.
    pub roots: Roots,
    /// Stream whose commitment archives both trees.
    pub stream: Pubkey,
    /// Number of that commitment.
    pub sequence: u64,
    /// The committee that votes.
    pub committee: Pubkey,
    /// Its epoch, in which the ballot lies.
    pub committee_epoch: u64,
    /// Bit `i` is set once member `i` of the committee voted.
    pub voted: u64,
    /// Allocation of the members that voted.
    pub voted_allocation: u64,
    /// Unix seconds.
    pub proposed_at: i64,
    /// When it had two thirds, unix seconds; 0 before.
    pub passed_at: i64,
    /// Pool of the member that proposed.
    pub proposer: Pubkey,
    /// Who paid for the account.
    pub payer: Pubkey,
    /// Roots that were final when it was proposed: its grants add to the last of them.
    pub base: u64,
    /// What the epoch grants by kind, base units: owners, operators.
    pub parts: [u64; 2],
    /// Of the reward sum, what operators are granted: base units since the beginning.
    pub operators_sum: u64,
    /// Zero.
    pub reserved: [u8; 96],
}

impl Proposal {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// What members sign to vote for it. `network` is the network's id.
    pub fn message(&self, network: [u8; 32]) -> VoteMessage {
        let Roots {
            score_hash,
            score_sum,
            reward_hash,
            reward_sum,
            depth,
            _pad,
        } = self.roots;
        VoteMessage {
            network,
            epoch: self.epoch,
            ballot: self.ballot,
            base: self.base,
            depth,
            score_hash,
            score_sum,
            reward_hash,
            reward_sum,
            committee_epoch: self.committee_epoch,
        }
    }

    /// Whether a member's vote was counted.
    pub fn has_voted(&self, member: u8) -> bool {
        self.voted
            .checked_shr(member.into())
            .is_some_and(|rest| rest & 1 == 1)
    }

    /// Counts the vote of a member, whose signature is checked, at `now`. Returns whether it passed thereby.
    pub fn vote(&mut self, member: u8, committee: &Committee, now: i64) -> Result<bool> {
        require!(self.status != REJECTED, EmissionError::Rejected);
        require!(self.status == OPEN, EmissionError::VotingClosed);
        let entry = committee
            .members()
            .get(usize::from(member))
            .ok_or_else(|| error!(EmissionError::NotMember))?;
        let bit = 1u64
            .checked_shl(u32::from(member))
            .ok_or_else(|| error!(EmissionError::NotMember))?;
        require!(!self.has_voted(member), EmissionError::AlreadyVoted);
        self.voted |= bit;
        self.voted_allocation = self
            .voted_allocation
            .checked_add(entry.allocation)
            .ok_or_else(|| error!(EmissionError::Overflow))?;
        let passed = quorum(self.voted_allocation, committee.total);
        if passed {
            self.status = PASSED;
            self.passed_at = now;
        }
        Ok(passed)
    }

    /// Makes it final at `now`.
    pub fn finalize(&mut self, challenge_window: i64, now: i64) -> Result<()> {
        match self.status {
            PASSED => {}
            FINAL => return err!(EmissionError::AlreadyFinal),
            REJECTED => return err!(EmissionError::Rejected),
            _ => return err!(EmissionError::NotPassed),
        }
        require!(
            now >= self.finalizable_at(challenge_window)?,
            EmissionError::ChallengeWindowOpen
        );
        self.status = FINAL;
        Ok(())
    }

    /// Marks it as proven wrong. What is final can't be.
    pub fn reject(&mut self) -> Result<()> {
        match self.status {
            OPEN | PASSED => self.status = REJECTED,
            FINAL => return err!(EmissionError::AlreadyFinal),
            _ => return err!(EmissionError::Rejected),
        }
        Ok(())
    }

    /// From when a passed proposal may be made final: unix seconds.
    pub fn finalizable_at(&self, challenge_window: i64) -> Result<i64> {
        self.passed_at
            .checked_add(challenge_window)
            .ok_or_else(|| error!(EmissionError::Overflow))
    }
}
