//! The archived bytes behind a commitment.
//!
//! A payload is `"FPP1"`, a kind, the network's id, and then
//! - readings (kind 0): stream 32, number of batches u32, and each batch: feed id 32, model hash 32, round u64, number of
//!   windows u8, and each window: tree u16, index u32, 16 signed readings;
//! - rewards (kind 1): epoch u64, depth u8, number of entries u32, and each entry: kind u8, index u32, payee 32, score
//!   u64, cumulative amount u64.
//!
//! Integers are little-endian. Nothing follows the last entry.

use crate::window::{Batch, Window};
use commitment::READINGS_PER_WINDOW;
use device_protocol::{Hash, SignedReading};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 4] = b"FPP1";
const READINGS: u8 = 0;
const REWARDS: u8 = 1;

/// What a commitment archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Batches of readings, in the order of the commitment's batch leaves.
    Readings {
        /// The network's id.
        network: Hash,
        /// The stream's address.
        stream: Hash,
        /// The batches.
        batches: Vec<Batch>,
    },
    /// The score and reward trees of an epoch.
    Rewards {
        /// The network's id.
        network: Hash,
        /// The trees.
        rewards: Rewards,
    },
}

/// The leaves of an epoch's score and reward trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewards {
    /// The epoch.
    pub epoch: u64,
    /// Depth of both trees.
    pub depth: u8,
    /// The leaves, by kind and index.
    pub entries: Vec<Reward>,
}

/// One payee's leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reward {
    /// 0 for an owner, 1 for an operator.
    pub kind: u8,
    /// The payee's index.
    pub index: u32,
    /// The owner, or the operator's pool.
    pub payee: Hash,
    /// What it earned in the epoch.
    pub score: u64,
    /// What it may have claimed in all, in base units.
    pub cumulative: u64,
}

/// Why bytes are no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It ends early, or something follows its end.
    #[error("the payload's length is not what its counts say")]
    Length,
    /// It starts with something else.
    #[error("the bytes are no payload of this version")]
    Magic,
    /// A reading in it does not parse.
    #[error("a reading of the payload does not parse")]
    Reading,
}

impl Payload {
    /// The payload's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        match self {
            Self::Readings {
                network,
                stream,
                batches,
            } => {
                out.push(READINGS);
                out.extend_from_slice(network);
                out.extend_from_slice(stream);
                out.extend_from_slice(&(batches.len() as u32).to_le_bytes());
                for batch in batches {
                    encode_batch(batch, &mut out);
                }
            }
            Self::Rewards { network, rewards } => {
                out.push(REWARDS);
                out.extend_from_slice(network);
                out.extend_from_slice(&rewards.epoch.to_le_bytes());
                out.push(rewards.depth);
                out.extend_from_slice(&(rewards.entries.len() as u32).to_le_bytes());
                for entry in &rewards.entries {
                    out.push(entry.kind);
                    out.extend_from_slice(&entry.index.to_le_bytes());
                    out.extend_from_slice(&entry.payee);
                    out.extend_from_slice(&entry.score.to_le_bytes());
                    out.extend_from_slice(&entry.cumulative.to_le_bytes());
                }
            }
        }
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PayloadError`], for any bytes that [`Payload::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut input = Input(bytes);
        if input.take::<4>()? != *MAGIC {
            return Err(PayloadError::Magic);
        }
        let kind = u8::from_le_bytes(input.take()?);
        let network = input.take()?;
        let payload = match kind {
            READINGS => {
                let stream = input.take()?;
                let count = u32::from_le_bytes(input.take()?);
                // Counts come from outside: nothing is allocated on their word.
                let mut batches = Vec::new();
                for _ in 0..count {
                    batches.push(decode_batch(&mut input)?);
                }
                Self::Readings {
                    network,
                    stream,
                    batches,
                }
            }
            REWARDS => {
                let epoch = u64::from_le_bytes(input.take()?);
                let depth = u8::from_le_bytes(input.take()?);
                let count = u32::from_le_bytes(input.take()?);
                let mut entries = Vec::new();
                for _ in 0..count {
                    entries.push(Reward {
                        kind: u8::from_le_bytes(input.take()?),
                        index: u32::from_le_bytes(input.take()?),
                        payee: input.take()?,
                        score: u64::from_le_bytes(input.take()?),
                        cumulative: u64::from_le_bytes(input.take()?),
                    });
                }
                Self::Rewards {
                    network,
                    rewards: Rewards {
                        epoch,
                        depth,
                        entries,
                    },
                }
            }
            _ => return Err(PayloadError::Magic),
        };
        match input.0 {
            [] => Ok(payload),
            _ => Err(PayloadError::Length),
        }
    }
}

/// SHA-256 of a payload's bytes, as its commitment names it.
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

fn encode_batch(batch: &Batch, out: &mut Vec<u8>) {
    out.extend_from_slice(&batch.feed);
    out.extend_from_slice(&batch.model);
    out.extend_from_slice(&batch.round.to_le_bytes());
    out.push(batch.windows.len() as u8);
    for window in &batch.windows {
        out.extend_from_slice(&window.tree.to_le_bytes());
        out.extend_from_slice(&window.index.to_le_bytes());
        for signed in window.readings.iter() {
            out.extend_from_slice(&signed.to_bytes());
        }
    }
}

fn decode_batch(input: &mut Input<'_>) -> Result<Batch, PayloadError> {
    let feed = input.take()?;
    let model = input.take()?;
    let round = u64::from_le_bytes(input.take()?);
    let count = u8::from_le_bytes(input.take()?);
    let mut windows = Vec::new();
    for _ in 0..count {
        let tree = u16::from_le_bytes(input.take()?);
        let index = u32::from_le_bytes(input.take()?);
        let mut readings = Vec::with_capacity(READINGS_PER_WINDOW);
        for _ in 0..READINGS_PER_WINDOW {
            let (signed, rest) =
                SignedReading::parse(input.0).map_err(|_| PayloadError::Reading)?;
            input.0 = rest;
            readings.push(signed);
        }
        let readings = readings.try_into().map_err(|_| PayloadError::Length)?;
        windows.push(Window {
            tree,
            index,
            readings,
        });
    }
    Ok(Batch {
        feed,
        model,
        round,
        windows,
    })
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(PayloadError::Length)?;
        self.0 = rest;
        Ok(*first)
    }
}
