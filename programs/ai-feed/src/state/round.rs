//! A round of a feed while it is open: what each stream submitted, and what of it has passed.

use anchor_lang::prelude::*;

use security_pool::state::{quorum, MAX_OPERATORS};

use crate::{error::AiFeedError, state::Policy};

/// Streams in a round, at most: one for every seat of a committee, so that nobody's seats fill a round.
pub const STREAMS: usize = MAX_OPERATORS;
/// Bits of the verification mask that a round counts.
pub const MASK_BITS: usize = 8;

/// What one stream did in a round.
#[derive(Debug, Default, PartialEq, Eq)]
#[zero_copy]
pub struct StreamSlot {
    /// Address of the stream.
    pub stream: Pubkey,
    /// Hash of the batch leaf that it submitted last.
    pub batch_leaf: [u8; 32],
    /// Its pool's allocation in the committee of its first attestation: the stream's weight.
    pub allocation: u64,
    /// Sum of value × windows over its attestations.
    pub weighted_value: i64,
    /// Windows of its attestations.
    pub windows: u32,
    /// Its attestations.
    pub submitted: u16,
    /// Zero.
    pub _pad: u16,
    /// For each bit of the mask, how many of its attestations passed.
    pub passed: [u16; MASK_BITS],
    /// Earliest capture, unix milliseconds.
    pub oldest: i64,
    /// Least of its batches' last captures, unix milliseconds: the stream is as fresh as its stalest batch.
    pub newest: i64,
    /// Root of the commitment that it submitted from last.
    pub data_root: [u8; 32],
}

impl StreamSlot {
    /// Verifications that all of the stream's attestations have passed.
    pub fn mask(&self) -> u16 {
        if self.submitted == 0 {
            return 0;
        }
        let all = self.passed.iter().enumerate();
        all.filter(|(_, passed)| **passed == self.submitted)
            .fold(0, |mask, (bit, _)| mask | 1 << bit)
    }

    /// Whether all of the stream's attestations have passed all of `required_mask`.
    pub fn has_passed(&self, required_mask: u16) -> bool {
        self.mask() & required_mask == required_mask
    }

    /// The stream's value: the mean of its attestations' values, weighted by their windows, rounded down.
    pub fn value(&self) -> Result<i64> {
        self.weighted_value
            .checked_div_euclid(self.windows.into())
            .ok_or_else(|| error!(AiFeedError::Invariant))
    }
}

/// What a batch adds to its stream's slot.
#[derive(Clone, Copy, Debug)]
pub struct Submission {
    /// Aggregate of the batch's outputs.
    pub value: i64,
    /// Windows of the batch.
    pub windows: u8,
    /// Earliest capture, unix milliseconds.
    pub oldest: i64,
    /// Latest capture, unix milliseconds.
    pub newest: i64,
    /// Root of the batch's commitment.
    pub data_root: [u8; 32],
    /// Hash of the batch leaf.
    pub batch_leaf: [u8; 32],
}

/// What a round comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Weighted lower median of the streams' values.
    pub value: i64,
    /// Largest less smallest of the streams' values.
    pub confidence: u64,
    /// Verifications that every attestation has passed.
    pub mask: u16,
    /// Streams that count.
    pub streams: u16,
    /// Earliest capture, unix milliseconds.
    pub oldest: i64,
    /// Least of the streams' `newest`, unix milliseconds.
    pub newest: i64,
    /// Data root of the stream that weighs most.
    pub data_root: [u8; 32],
}

/// An open round. PDA `["round", feed, round]`. Opens with its first attestation, closes when it is finalised or over.
#[account(zero_copy)]
#[repr(C)]
pub struct Round {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Zero.
    pub _pad: [u8; 2],
    /// How many of `slot` are used.
    pub slots: u32,
    /// Address of the feed.
    pub feed: Pubkey,
    /// Number of the round.
    pub round: u64,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// Allocation of the whole committee of its first attestation.
    pub total: u64,
    /// One a stream, in the order of their first attestations.
    pub slot: [StreamSlot; STREAMS],
    /// The feed's policy when it opened, which is its own.
    pub policy: Policy,
    /// Zero.
    pub reserved: [u8; 24],
}

impl Round {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// The slots in use.
    pub fn streams(&self) -> &[StreamSlot] {
        self.slot.get(..self.slots as usize).unwrap_or(&self.slot)
    }

    /// The number of a stream's slot; takes the next free one at its first attestation.
    pub fn admit(&mut self, stream: Pubkey, allocation: u64) -> Result<u32> {
        if let Some(number) = self.streams().iter().position(|slot| slot.stream == stream) {
            return u32::try_from(number).map_err(|_| error!(AiFeedError::Invariant));
        }
        let number = self.slots;
        let slot = self
            .slot
            .get_mut(number as usize)
            .ok_or_else(|| error!(AiFeedError::RoundFull))?;
        *slot = StreamSlot {
            stream,
            allocation,
            oldest: i64::MAX,
            newest: i64::MAX,
            ..StreamSlot::default()
        };
        self.slots = number + 1;
        Ok(number)
    }

    /// Adds a submission to a slot; refuses the batch that another stream submitted last, or copying it would weigh
    /// its readings twice.
    pub fn submit(&mut self, slot: u32, submission: &Submission) -> Result<()> {
        let Submission {
            value,
            windows,
            oldest,
            newest,
            data_root,
            batch_leaf,
        } = *submission;
        let mut others = (0..)
            .zip(self.streams())
            .filter(|(number, _)| *number != slot);
        require!(
            others.all(|(_, other)| other.batch_leaf != batch_leaf),
            AiFeedError::BatchTaken
        );
        let overflow = || error!(AiFeedError::Overflow);
        let slot = self.slot_mut(slot)?;
        slot.submitted = slot.submitted.checked_add(1).ok_or_else(overflow)?;
        slot.windows = slot
            .windows
            .checked_add(windows.into())
            .ok_or_else(overflow)?;
        slot.weighted_value = value
            .checked_mul(windows.into())
            .and_then(|weighted| slot.weighted_value.checked_add(weighted))
            .ok_or_else(overflow)?;
        slot.oldest = slot.oldest.min(oldest);
        slot.newest = slot.newest.min(newest);
        slot.data_root = data_root;
        slot.batch_leaf = batch_leaf;
        Ok(())
    }

    /// Counts one more attestation of a slot as passed, for each bit of `mask`.
    pub fn pass(&mut self, slot: u32, mask: u16) -> Result<()> {
        let slot = self.slot_mut(slot)?;
        let submitted = slot.submitted;
        for (bit, passed) in slot.passed.iter_mut().enumerate() {
            if mask & 1 << bit != 0 {
                require!(*passed < submitted, AiFeedError::Invariant);
                *passed += 1;
            }
        }
        Ok(())
    }

    /// Takes back what an attestation of a slot had passed. What it submitted stays, so that its stream never passes again:
    /// who was wrong once in a round has no say in it.
    pub fn take_back(&mut self, slot: u32, mask: u16) -> Result<()> {
        let slot = self.slot_mut(slot)?;
        for (bit, passed) in slot.passed.iter_mut().enumerate() {
            if mask & 1 << bit != 0 {
                *passed = passed
                    .checked_sub(1)
                    .ok_or_else(|| error!(AiFeedError::Invariant))?;
            }
        }
        Ok(())
    }

    /// What the round comes to: of the streams that passed all of `required_mask`, at least `min_streams`, the lower
    /// median of their values weighted by allocation.
    ///
    /// Before `grace_over`, a feed of one stream waits for every stream that submitted, and a feed of more until those
    /// that passed are a quorum of the committee: then neither the first to pass decides alone, nor does one that never
    /// passes hold the others up.
    pub fn settle(&self, required_mask: u16, min_streams: u8, grace_over: bool) -> Result<Outcome> {
        let needs_quorum = min_streams > 1;
        let mut values = [(0i64, 0u64); STREAMS];
        let mut count = 0;
        let mut passed = 0u128;
        let mut heaviest = 0;
        let mut outcome = Outcome {
            value: 0,
            confidence: 0,
            mask: u16::MAX,
            streams: 0,
            oldest: i64::MAX,
            newest: i64::MAX,
            data_root: [0; 32],
        };
        for slot in self.streams() {
            let mask = slot.mask();
            if mask & required_mask != required_mask {
                require!(grace_over || needs_quorum, AiFeedError::StreamPending);
                continue;
            }
            let place = values
                .get_mut(count)
                .ok_or_else(|| error!(AiFeedError::Invariant))?;
            *place = (slot.value()?, slot.allocation);
            count += 1;
            passed += u128::from(slot.allocation);
            outcome.mask &= mask;
            outcome.oldest = outcome.oldest.min(slot.oldest);
            outcome.newest = outcome.newest.min(slot.newest);
            if count == 1 || slot.allocation > heaviest {
                heaviest = slot.allocation;
                outcome.data_root = slot.data_root;
            }
        }
        require!(
            count >= usize::from(min_streams.max(1)),
            AiFeedError::TooFewStreams
        );
        // Streams of an epoch's edge bring allocations of two committees, which may exceed either's total.
        let weight = u64::try_from(passed).unwrap_or(u64::MAX);
        require!(
            grace_over || !needs_quorum || quorum(weight, self.total),
            AiFeedError::NoQuorum
        );

        let values = &mut values[..count];
        values.sort_unstable();
        let mut below = 0u128;
        let median = values.iter().find(|(_, weight)| {
            below += u128::from(*weight);
            below * 2 >= passed
        });
        let (Some((value, _)), Some((least, _)), Some((most, _))) =
            (median, values.first(), values.last())
        else {
            return err!(AiFeedError::Invariant);
        };
        outcome.value = *value;
        outcome.confidence = most.abs_diff(*least);
        outcome.streams = count as u16;
        Ok(outcome)
    }

    fn slot_mut(&mut self, slot: u32) -> Result<&mut StreamSlot> {
        self.slot
            .get_mut(..self.slots as usize)
            .and_then(|slots| slots.get_mut(slot as usize))
            .ok_or_else(|| error!(AiFeedError::Invariant))
    }
}
