//! A feed: what it computes, how it must be verified, and its newest values. The layout is the one that the crate
//! `feed-reader` reads.

use anchor_lang::prelude::*;
use feed_reader::Mask;

use crate::{
    error::AiFeedError,
    state::{Policy, APPLY_WITHIN, PASSABLE},
};

/// Attestations and rounds go on.
pub const ACTIVE: u8 = 0;
/// Stopped for good: it has no value any more, nothing is attested or finalised, rent comes back. What it said before
/// stays in its history.
pub const FROZEN: u8 = 1;
/// A batch's value is the median of its outputs' values.
pub const AGGREGATION_MEDIAN: u8 = 0;
/// Finalised rounds that a feed remembers.
pub const RING: usize = 64;
/// H3 cells that a feed's input spec names, at most.
pub const CELLS: usize = 8;
/// Longest round, grace and challenge window, in seconds.
pub const MAX_DURATION: i64 = 30 * 86_400;
/// The EMA moves by one part in this many towards each new value.
pub const EMA_DIVISOR: i128 = 8;
/// Flag of an entry: an attestation behind it was proven false.
pub const DISPUTED: u16 = 1;

/// A finalised round.
#[derive(Debug, PartialEq, Eq)]
#[zero_copy]
pub struct Entry {
    /// Number of the round.
    pub round: u64,
    /// Weighted lower median of the streams' values, in units of 10^exponent.
    pub value: i64,
    /// Largest less smallest of the streams' values, same unit.
    pub confidence: u64,
    /// Exponential moving average up to this round, same unit.
    pub ema: i64,
    /// When it was finalised, unix seconds.
    pub posted_at: i64,
    /// Earliest capture of the readings behind it, unix milliseconds.
    pub oldest_capture: i64,
    /// Least of the last captures of the batches behind it, unix milliseconds.
    pub newest_capture: i64,
    /// Root of the commitment that the stream that weighs most submitted from last.
    pub data_root: [u8; 32],
    /// Verifications that every attestation behind it has passed.
    pub mask: u16,
    /// Distinct operators that attested.
    pub attesters: u16,
    /// Streams behind it.
    pub streams: u16,
    /// [`DISPUTED`].
    pub flags: u16,
}

/// A feed. PDA `["feed", id]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Feed {
    /// Layout version, 1.
    pub version: u8,
    /// [`ACTIVE`] or [`FROZEN`].
    pub state: u8,
    /// Values are in units of 10^exponent.
    pub exponent: i8,
    /// [`AGGREGATION_MEDIAN`].
    pub aggregation: u8,
    /// Bump of the address.
    pub bump: u8,
    /// How many of `cells` are used.
    pub cell_count: u8,
    /// Schema of the readings.
    pub schema: u16,
    /// `device_protocol::feed_id` of network, creator, model, input spec, aggregation and round length.
    pub id: [u8; 32],
    /// Address of the network's account.
    pub network: Pubkey,
    /// Id of the model: its hash, unless it is private.
    pub model: [u8; 32],
    /// Who created it.
    pub creator: Pubkey,
    /// Who may freeze it and propose its policy.
    pub authority: Pubkey,
    /// Who may accept the authority; the default key is nobody.
    pub pending_authority: Pubkey,
    /// Seconds of a round: round r is `r * round_length <= t < (r + 1) * round_length` in unix seconds.
    pub round_length: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Largest gap between consecutive readings of a window, in seconds.
    pub max_gap: u32,
    /// Committee members that must sign an attestation, at least.
    pub min_signers: u8,
    /// Streams that a round needs, at least.
    pub min_streams: u8,
    /// Verifications that every attestation must pass.
    pub required_mask: u16,
    /// Seconds after a round's end from which it is finalised over whatever streams have passed.
    pub grace: i64,
    /// Seconds for which an attestation takes signatures, and can be challenged.
    pub challenge_window: i64,
    /// H3 cells that devices must be in, rising; none means anywhere.
    pub cells: [u64; CELLS],
    /// Newest finalised round; 0 if none.
    pub last_round: u64,
    /// Places of the ring ever written.
    pub entries: u32,
    /// Place of the newest entry.
    pub head: u32,
    /// EMA of the newest entry.
    pub ema: i64,
    /// When it was frozen, unix seconds; 0 while it is active.
    pub frozen_at: i64,
    /// 1 if the model is private: what a committee says of outputs counts for nothing.
    pub private_model: u8,
    /// Zero.
    pub _pad: u8,
    /// What a false attestation costs whoever submitted or signed it, in basis points of its stake in the network.
    pub slash_bps: u16,
    /// Zero.
    pub _pad2: [u8; 4],
    /// Stake that an attestation reserves, base units.
    pub bond: u64,
    /// The round in which the policy came into force; later ones all open under it.
    pub policy_round: u64,
    /// The longest grace that rounds up to `policy_round` may have opened under.
    pub earlier_grace: i64,
    /// From when the proposed policy may be applied, unix seconds; 0 if none is proposed.
    pub pending_at: i64,
    /// The proposed policy; zero if none is.
    pub pending: Policy,
    /// Zero.
    pub reserved: [u8; 168],
    /// Finalised rounds, each a place after the one before, around.
    pub ring: [Entry; RING],
}

impl Feed {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Fails unless attestations of a feed with or without a private model can pass all of a mask, and the mask says
    /// something.
    pub fn require_policy(required_mask: u16, private_model: bool) -> Result<()> {
        require!(required_mask != 0, AiFeedError::NothingRequired);
        require!(
            required_mask & !PASSABLE == 0,
            AiFeedError::UnsupportedVerification
        );
        // A proof says how outputs were made, and nothing of where the windows come from.
        require!(
            required_mask & Mask::ZK == 0 || required_mask & Mask::SOURCED != 0,
            AiFeedError::SourcesNotRequired
        );
        require!(
            !private_model || required_mask == Mask::ZK | Mask::SOURCED,
            AiFeedError::PrivateModelPolicy
        );
        Ok(())
    }

    /// Fails on a feed that is frozen.
    pub fn require_active(&self) -> Result<()> {
        require!(self.state == ACTIVE, AiFeedError::FeedFrozen);
        Ok(())
    }

    /// Whether the round can no longer be finalised: it was, or a later one was, or the feed is frozen.
    pub fn is_over(&self, round: u64) -> bool {
        round <= self.last_round || self.state != ACTIVE
    }

    /// The round in which a capture time (unix milliseconds) lies; none before 1970.
    pub fn round_of(&self, capture: i64) -> Option<u64> {
        let seconds = u64::try_from(capture).ok()? / 1_000;
        seconds.checked_div(u64::try_from(self.round_length).ok()?)
    }

    /// When a round starts, unix seconds.
    pub fn round_start(&self, round: u64) -> Result<i64> {
        i64::try_from(round)
            .ok()
            .and_then(|round| round.checked_mul(self.round_length))
            .ok_or_else(|| error!(AiFeedError::Overflow))
    }

    /// When a round ends and the next starts, unix seconds.
    pub fn round_end(&self, round: u64) -> Result<i64> {
        self.round_start(round)?
            .checked_add(self.round_length)
            .ok_or_else(|| error!(AiFeedError::Overflow))
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        Policy {
            required_mask: self.required_mask,
            min_signers: self.min_signers,
            min_streams: self.min_streams,
            slash_bps: self.slash_bps,
            _pad: 0,
            grace: self.grace,
            challenge_window: self.challenge_window,
            bond: self.bond,
        }
    }

    /// Puts a policy in force.
    pub fn set_policy(&mut self, policy: Policy) {
        let Policy {
            required_mask,
            min_signers,
            min_streams,
            slash_bps,
            _pad: _,
            grace,
            challenge_window,
            bond,
        } = policy;
        self.required_mask = required_mask;
        self.min_signers = min_signers;
        self.min_streams = min_streams;
        self.slash_bps = slash_bps;
        self.grace = grace;
        self.challenge_window = challenge_window;
        self.bond = bond;
    }

    /// Proposes a policy that may be applied after `timelock` seconds; it replaces an earlier proposal.
    pub fn propose(&mut self, policy: Policy, timelock: i64, now: i64) -> Result<()> {
        self.pending_at = now
            .checked_add(timelock)
            .ok_or_else(|| error!(AiFeedError::Overflow))?;
        self.pending = policy;
        Ok(())
    }

    /// Puts the proposed policy in force for the rounds that open from `now` on (unix seconds).
    pub fn apply(&mut self, now: i64) -> Result<()> {
        require!(self.pending_at != 0, AiFeedError::NothingProposed);
        require!(now >= self.pending_at, AiFeedError::TimelockRunning);
        require!(
            now - self.pending_at <= APPLY_WITHIN,
            AiFeedError::ProposalExpired
        );
        self.earlier_grace = self.longest_grace();
        self.policy_round = now
            .checked_mul(1_000)
            .and_then(|now| self.round_of(now))
            .ok_or_else(|| error!(AiFeedError::Overflow))?;
        self.set_policy(self.pending);
        self.withdraw_proposal();
        Ok(())
    }

    /// Drops the proposed policy.
    pub fn withdraw_proposal(&mut self) {
        self.pending = Policy::default();
        self.pending_at = 0;
    }

    /// The longest grace of a round that may still be open.
    fn longest_grace(&self) -> i64 {
        if self.last_round < self.policy_round {
            self.grace.max(self.earlier_grace)
        } else {
            self.grace
        }
    }

    /// Marks a round's value in the history as disputed, if an attestation that had passed `mask` may have been part of it:
    /// one that lacks a verification of the value was not. Whether there was something to mark.
    pub fn dispute(&mut self, round: u64, mask: u16) -> bool {
        let entries = (self.entries as usize).min(RING);
        let mut entries = self.ring.iter_mut().take(entries);
        let Some(entry) = entries.find(|entry| entry.round == round) else {
            return false;
        };
        let counted = mask & entry.mask == entry.mask;
        if counted {
            entry.flags |= DISPUTED;
        }
        counted
    }

    /// Whether a round of this grace may be finalised now, and whether its grace is over.
    ///
    /// It must have ended and be newer than the last. A round may be passed over only when twice its grace is over: its
    /// grace could keep it from being finalised, and as much again is left to do so, or a quick next round could shut
    /// out one that was late. What was before the feed's first round has no streams to shut out but within its grace.
    pub fn finalizable(&self, round: u64, grace: i64, now: i64) -> Result<bool> {
        require!(round > self.last_round, AiFeedError::RoundOver);
        require!(now >= self.round_end(round)?, AiFeedError::RoundNotEnded);
        let graces_after = |end: i64, graces: i64, grace: i64| -> Result<bool> {
            let over = graces
                .checked_mul(grace)
                .and_then(|wait| end.checked_add(wait))
                .ok_or_else(|| error!(AiFeedError::Overflow))?;
            Ok(now >= over)
        };
        if round - self.last_round > 1 {
            let graces = if self.entries == 0 { 1 } else { 2 };
            require!(
                graces_after(self.round_start(round)?, graces, self.longest_grace())?,
                AiFeedError::EarlierRoundInGrace
            );
        }
        graces_after(self.round_end(round)?, 1, grace)
    }

    /// The newest entry.
    pub fn newest(&self) -> Option<&Entry> {
        if self.entries == 0 {
            return None;
        }
        self.ring.get(self.head as usize)
    }

    /// The EMA after `value`: the first value itself, then an eighth of the way towards each, rounded down.
    pub fn next_ema(&self, value: i64) -> Result<i64> {
        if self.entries == 0 {
            return Ok(value);
        }
        let ema = i128::from(self.ema);
        let step = (i128::from(value) - ema).div_euclid(EMA_DIVISOR);
        i64::try_from(ema + step).map_err(|_| error!(AiFeedError::Overflow))
    }

    /// Puts a finalised round at the head of the ring.
    pub fn record(&mut self, entry: Entry) -> Result<()> {
        require!(entry.round > self.last_round, AiFeedError::RoundOver);
        let head = match self.entries {
            0 => 0,
            _ => (self.head as usize + 1) % RING,
        };
        let place = self
            .ring
            .get_mut(head)
            .ok_or_else(|| error!(AiFeedError::Invariant))?;
        *place = entry;
        self.head = head as u32;
        self.entries = (self.entries + 1).min(RING as u32);
        self.last_round = entry.round;
        self.ema = entry.ema;
        self.invariant()
    }

    /// What holds after every change of the ring.
    pub fn invariant(&self) -> Result<()> {
        let last = self
            .newest()
            .map_or((0, 0), |entry| (entry.round, entry.ema));
        require!(
            self.entries as usize <= RING && last == (self.last_round, self.ema),
            AiFeedError::Invariant
        );
        Ok(())
    }
}
