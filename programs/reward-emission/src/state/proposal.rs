//! Roots of an epoch that are up for a vote.
//!
//! **Two proposals of one ballot can't both pass with different roots unless a third of the allocation signs twice.** A
//! ballot lies within one epoch (its length divides the epoch's), an epoch has one committee, and a vote counts only
//! during its ballot, from that committee. Each of two that pass has signatures of members with at least two thirds of
//! the same total, so that members with at least a third of it signed both; and as the signed message holds network,
//! epoch, ballot and roots, two such messages of one key prove the offence without these accounts.
//!
//! Proposals of the same roots that differ in the archive they name share their message, hence their votes. That way a
//! member that names a wrong archive neither blocks those roots nor gains anything: what pays is the same root.

use crate::error::EmissionError;
use anchor_lang::prelude::*;
use device_protocol::VoteMessage;
use security_pool::state::{quorum, Committee};

/// Status: takes votes while its ballot lasts.
pub const OPEN: u8 = 0;
/// Status: two thirds voted for it; its challenge window runs.
pub const PASSED: u8 = 1;
/// Status: became the root that claims are proven against.
pub const FINAL: u8 = 2;

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
}

/// A proposal. PDA `["proposal", network, epoch u64, ballot u32, digest of roots and archive]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Proposal {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// [`OPEN`], [`PASSED`] or [`FINAL`].
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
    /// Zero.
    pub reserved: [u8; 128],
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
        } = self.roots;
        VoteMessage {
            network,
            epoch: self.epoch,
            ballot: self.ballot,
            score_hash,
            score_sum,
            reward_hash,
            reward_sum,
            committee_epoch: self.committee_epoch,
        }
    }

    /// Counts the vote of a member, whose signature is checked, at `now`. Returns whether it passed thereby.
    pub fn vote(&mut self, member: u8, committee: &Committee, now: i64) -> Result<bool> {
        require!(self.status == OPEN, EmissionError::VotingClosed);
        let entry = committee
            .members()
            .get(usize::from(member))
            .ok_or_else(|| error!(EmissionError::NotMember))?;
        let bit = 1u64
            .checked_shl(u32::from(member))
            .ok_or_else(|| error!(EmissionError::NotMember))?;
        require!(self.voted & bit == 0, EmissionError::AlreadyVoted);
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
            _ => return err!(EmissionError::NotPassed),
        }
        require!(
            now >= self.finalizable_at(challenge_window)?,
            EmissionError::ChallengeWindowOpen
        );
        self.status = FINAL;
        Ok(())
    }

    /// From when a passed proposal may be made final: unix seconds.
    pub fn finalizable_at(&self, challenge_window: i64) -> Result<i64> {
        self.passed_at
            .checked_add(challenge_window)
            .ok_or_else(|| error!(EmissionError::Overflow))
    }
}
