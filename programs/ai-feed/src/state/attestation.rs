//! An operator's claim that the feed's model gives these outputs on one batch of its stream.

use anchor_lang::prelude::*;

use crate::state::Round;
use feed_reader::Mask;

/// What a committee's signatures on an attestation say at once: it has fetched the payload and checked every reading's
/// signature before it recomputed.
pub const BY_COMMITTEE: u16 = Mask::COMMITTEE | Mask::SOURCED;
/// Verifications that an attestation can pass.
pub const PASSABLE: u16 = BY_COMMITTEE | Mask::ZK;

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
    /// Zero.
    pub _pad: u8,
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
    /// Zero.
    pub _pad2: [u8; 2],
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
    /// Stake reserved behind it: 0, until challenges take it.
    pub bond: u64,
    /// Unix seconds.
    pub posted_at: i64,
    /// Until when it takes signatures; once it has passed, until when it can be challenged. Unix seconds.
    pub deadline: i64,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// What committee members sign: the digest of `device_protocol::AttestationMessage`.
    pub message: [u8; 32],
    /// Committee members that signed for its sources alone, a bit each.
    pub source_signers: u64,
    /// Their allocations together.
    pub source_signed: u64,
    /// Zero.
    pub reserved: [u8; 112],
}

impl Attestation {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Lets verifications pass, here and in its round; what has passed before changes nothing.
    pub fn pass(&mut self, round: &mut Round, mask: u16) -> Result<()> {
        let new = mask & !self.mask;
        self.mask |= new;
        round.pass(self.slot, new)
    }
}
