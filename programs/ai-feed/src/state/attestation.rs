//! An operator's claim that the feed's model gives these outputs on one batch of its stream.

use anchor_lang::prelude::*;
use device_protocol::SourcesMessage;

use crate::{error::AiFeedError, state::Round};
use feed_reader::Mask;

/// What a committee's signatures on an attestation say at once: it has fetched the payload and checked every reading's
/// signature before it recomputed.
pub const BY_COMMITTEE: u16 = Mask::COMMITTEE | Mask::SOURCED;
/// Verifications that an attestation can pass.
pub const PASSABLE: u16 = BY_COMMITTEE | BY_TIME | Mask::ZK;
/// What an undisputed challenge window says, with a bond behind it: nobody could show that an output is not the model's,
/// or that a window is not made of its readings, while every reading that was asked for was shown.
pub const BY_TIME: u16 = Mask::OPTIMISTIC | Mask::SOURCED;

/// Flag: the windows are on the ledger, for whoever wants to challenge them.
pub const WINDOWS_SHOWN: u8 = 1;
/// Flag: an output is not the model's.
pub const FALSE_OUTPUT: u8 = 2;
/// Flag: a window is not made of its readings.
pub const FALSE_WINDOW: u8 = 4;
/// Flags of an attestation that was proven false.
pub const FALSE: u8 = FALSE_OUTPUT | FALSE_WINDOW;
/// Words of the bits of a batch's readings.
const STOPS: usize = 512 / 64;

/// What an attestation keeps of its batch leaf.
#[derive(Debug, PartialEq, Eq)]
#[zero_copy]
pub struct BatchRecord {
    /// Root of the readings.
    pub readings_root: [u8; 32],
    /// Root of the windows.
    pub windows_root: [u8; 32],
    /// Number of readings.
    pub readings: u32,
    /// Zero.
    pub _pad: u32,
    /// Earliest capture, unix milliseconds.
    pub first_capture: i64,
    /// Latest capture, unix milliseconds.
    pub last_capture: i64,
}

/// An attestation. PDA `["attestation", feed, stream, round, sequence, batch index]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Attestation {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Windows of the batch, 1 to 32.
    pub windows: u8,
    /// [`WINDOWS_SHOWN`] | [`FALSE_OUTPUT`] | [`FALSE_WINDOW`].
    pub flags: u8,
    /// The batch in its commitment.
    pub batch_index: u32,
    /// Address of the feed.
    pub feed: Pubkey,
    /// Address of the stream.
    pub stream: Pubkey,
    /// Address of the attester's pool.
    pub pool: Pubkey,
    /// Number of the round.
    pub round: u64,
    /// The commitment in its stream.
    pub sequence: u64,
    /// From the batch leaf.
    pub batch: BatchRecord,
    /// Hash of the batch leaf.
    pub batch_leaf: [u8; 32],
    /// The model's output for each window; beyond them, 0.
    pub outputs: [u8; 32],
    /// Aggregate of the outputs, in units of 10^exponent.
    pub value: i64,
    /// Verifications passed.
    pub mask: u16,
    /// What it costs whoever submitted or signed it if it is false, in basis points of its stake.
    pub slash_bps: u16,
    /// Its stream's slot in the round.
    pub slot: u32,
    /// Address of the committee that may sign: that of the epoch in which it was submitted.
    pub committee: Pubkey,
    /// The committee's epoch.
    pub committee_epoch: u64,
    /// Committee members that signed, a bit each.
    pub signers: u64,
    /// Their allocations together.
    pub signed: u64,
    /// Stake reserved behind it until it closes, base units.
    pub bond: u64,
    /// Unix seconds.
    pub posted_at: i64,
    /// Until when it takes signatures and challenges; moves on when a committee signs, its windows are shown, or its clock
    /// was stopped. Unix seconds.
    pub deadline: i64,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// What committee members sign: the digest of `device_protocol::AttestationMessage`.
    pub message: [u8; 32],
    /// Committee members that signed for its sources alone, a bit each.
    pub source_signers: u64,
    /// Their allocations together.
    pub source_signed: u64,
    /// When its clock was stopped, unix seconds; 0 while it runs.
    pub stopped_at: i64,
    /// When its commitment was posted, unix seconds.
    pub committed_at: i64,
    /// The batch's readings whose availability challenges stop its clock, a bit each.
    pub stops: [u64; STOPS],
    /// Until when its windows may be shown if it has a bond, unix seconds: later, readings could not be demanded until the
    /// challenge window is over.
    pub show_by: i64,
    /// Its round's challenge window, seconds: how long it takes signatures and challenges each time that the clock starts.
    pub challenge_window: i64,
    /// Zero.
    pub reserved: [u8; 16],
}

impl Attestation {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Lets verifications pass, here and in its round; what has passed before changes nothing.
    pub fn pass(&mut self, round: &mut Round, mask: u16) -> Result<()> {
        require!(!self.is_false(), AiFeedError::AttestationFalse);
        let new = mask & !self.mask;
        self.mask |= new;
        round.pass(self.slot, new)
    }

    /// What committee members sign for its sources: the digest of [`SourcesMessage`] for the network and feed of these ids.
    pub fn sources_message(&self, network: &[u8; 32], feed: &[u8; 32]) -> [u8; 32] {
        SourcesMessage {
            network: *network,
            feed: *feed,
            stream: self.stream.to_bytes(),
            round: self.round,
            sequence: self.sequence,
            batch_index: self.batch_index,
            batch_leaf: self.batch_leaf,
            epoch: self.committee_epoch,
        }
        .digest()
    }

    /// Whether it was proven false.
    pub fn is_false(&self) -> bool {
        self.flags & FALSE != 0
    }

    /// Whether it takes signatures and challenges at `now` (unix seconds).
    pub fn is_open(&self, now: i64) -> bool {
        self.stopped_at != 0 || now < self.deadline
    }

    /// Gives it a whole challenge window from `now` (unix seconds); a stopped clock stays stopped.
    pub fn restart(&mut self, now: i64) -> Result<()> {
        self.deadline = now
            .checked_add(self.challenge_window)
            .ok_or_else(|| error!(AiFeedError::Overflow))?;
        if self.stopped_at != 0 {
            self.stopped_at = now;
        }
        Ok(())
    }

    /// Stops the clock at `now` (unix seconds) for the challenge of a reading.
    pub fn stop(&mut self, reading: u16, now: i64) -> Result<()> {
        let (word, bit) = self.stop_of(reading)?;
        require!(*word & bit == 0, AiFeedError::AlreadyStopped);
        *word |= bit;
        if self.stopped_at == 0 {
            self.stopped_at = now;
        }
        Ok(())
    }

    /// Ends the stop for the challenge of a reading; with the last one the clock goes on with what was left.
    pub fn resume(&mut self, reading: u16, now: i64) -> Result<()> {
        let (word, bit) = self.stop_of(reading)?;
        require!(*word & bit != 0, AiFeedError::NotStopped);
        *word &= !bit;
        if self.stops == [0; STOPS] {
            self.deadline = now
                .checked_sub(self.stopped_at)
                .and_then(|stopped| self.deadline.checked_add(stopped))
                .ok_or_else(|| error!(AiFeedError::Overflow))?;
            self.stopped_at = 0;
        }
        Ok(())
    }

    /// Takes back all that it passed, because of what `flag` says: [`FALSE_OUTPUT`] or [`FALSE_WINDOW`]. It stays open for
    /// a challenge window more, in which its signers answer for it.
    pub fn refute(&mut self, flag: u8, now: i64) -> Result<()> {
        self.flags |= flag;
        self.mask = 0;
        self.restart(now)
    }

    /// Committee members that vouched for what was proven false, a bit each. Whoever signed the outputs has checked the
    /// windows too.
    pub fn accomplices(&self) -> u64 {
        let mut accomplices = 0;
        if self.is_false() {
            accomplices |= self.signers;
        }
        if self.flags & FALSE_WINDOW != 0 {
            accomplices |= self.source_signers;
        }
        accomplices
    }

    fn stop_of(&mut self, reading: u16) -> Result<(&mut u64, u64)> {
        let word = self
            .stops
            .get_mut(usize::from(reading / 64))
            .ok_or_else(|| error!(AiFeedError::OtherBatch))?;
        Ok((word, 1 << (reading % 64)))
    }
}
