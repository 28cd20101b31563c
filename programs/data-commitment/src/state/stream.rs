use crate::error::StreamError;
use anchor_lang::prelude::*;
use commitment::{mmr, CommitmentLeaf};

/// The layout that this version of the program writes.
const VERSION: u8 = 1;

/// Bytes of an archived payload at most: what everybody who recomputes is ready to read.
pub const MAX_PAYLOAD_LEN: u64 = 64 << 20;

/// The commitments of one operator in one network, at `["stream", network, pool]`: a Merkle mountain range of
/// [`CommitmentLeaf`]s, of which the account holds the peaks.
#[account(zero_copy)]
#[repr(C)]
pub struct Stream {
    /// Layout, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    pub _pad: [u8; 6],
    /// The network's address.
    pub network: Pubkey,
    /// The operator's pool.
    pub pool: Pubkey,
    /// Number of commitments; the next one's sequence.
    pub count: u64,
    /// When the newest commitment was posted, unix seconds; 0 if there is none.
    pub last_posted_at: i64,
    /// Availability challenges that wait for an answer.
    pub open_challenges: u32,
    pub _pad2: u32,
    /// Roots of the perfect trees that the commitments form: peak k is there when bit k of `count` is set.
    pub peaks: [[u8; 32]; mmr::PEAKS],
    /// When a challenge was last settled without an answer, unix seconds; 0 if none ever was.
    pub withheld_at: i64,
    pub reserved: [u8; 120],
}

impl Stream {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(&mut self, bump: u8, network: Pubkey, pool: Pubkey) {
        self.version = VERSION;
        self.bump = bump;
        self.network = network;
        self.pool = pool;
    }

    /// Appends a commitment, which must be the next.
    pub fn commit(&mut self, leaf: &CommitmentLeaf) -> Result<()> {
        require!(leaf.sequence == self.count, StreamError::WrongSequence);
        require!(leaf.batches > 0, StreamError::NoBatches);
        require!(leaf.payload_len > 0, StreamError::EmptyPayload);
        require!(
            leaf.payload_len <= MAX_PAYLOAD_LEN,
            StreamError::PayloadTooLong
        );
        require!(
            leaf.posted_at >= self.last_posted_at,
            StreamError::ClockBehind
        );
        mmr::append(&mut self.peaks, &mut self.count, &leaf.hash())
            .map_err(|error| error!(StreamError::from(error)))?;
        self.last_posted_at = leaf.posted_at;
        Ok(())
    }

    /// Counts a challenge that waits for an answer.
    pub fn challenge(&mut self) -> Result<()> {
        self.open_challenges = self
            .open_challenges
            .checked_add(1)
            .ok_or_else(|| error!(StreamError::Overflow))?;
        Ok(())
    }

    /// Notes that a reading was not shown in time, at `now` (unix seconds), and counts its challenge no longer.
    pub fn withhold(&mut self, now: i64) -> Result<()> {
        self.withheld_at = now;
        self.close_challenge()
    }

    /// Counts a challenge that waits no longer.
    pub fn close_challenge(&mut self) -> Result<()> {
        self.open_challenges = self
            .open_challenges
            .checked_sub(1)
            .ok_or_else(|| error!(StreamError::Overflow))?;
        Ok(())
    }
}
