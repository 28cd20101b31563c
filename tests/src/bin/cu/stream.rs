//! Streams as large as the budgets speak of, without committing a million times.

use anchor_lang::prelude::Pubkey;
use anyhow::Result;
use commitment::{BatchLeaf, CommitmentLeaf, Tree, READINGS_DEPTH, READINGS_PER_WINDOW, WINDOWS};
use data_commitment::state::Stream;

/// Mountain of a stream of 2^20 commitments.
const HEIGHT: usize = 20;
/// What the batches beside the proven one hash to.
const OTHER_BATCH: [u8; 32] = [9; 32];

/// As large a batch as there is, each of whose readings hashes to `reading`, and the tree of its readings.
pub fn full_batch(reading: [u8; 32]) -> Result<(BatchLeaf, Tree)> {
    let leaves = vec![reading; WINDOWS * READINGS_PER_WINDOW];
    let readings = Tree::new(&leaves, READINGS_DEPTH)?;
    let batch = BatchLeaf {
        readings_root: readings.root(),
        windows_root: [1; 32],
        windows: WINDOWS as u32,
        readings: leaves.len() as u32,
        first_capture: 1_000,
        last_capture: 2_000,
    };
    Ok((batch, readings))
}

/// A commitment that is the first of 2^20 in its stream, and the proof of its first batch.
pub struct Proof {
    /// The commitment.
    pub commitment: CommitmentLeaf,
    /// From the commitment to the only peak.
    pub mmr_path: Vec<u8>,
    /// The batch.
    pub batch: BatchLeaf,
    /// From the batch to the commitment's root.
    pub batch_path: Vec<u8>,
    peak: [u8; 32],
}

impl Proof {
    /// Of `batch`, the first of `batches` in a commitment posted at `posted_at` (unix seconds).
    pub fn new(batch: BatchLeaf, batches: u32, posted_at: i64) -> Result<Self> {
        let mut leaves = vec![OTHER_BATCH; batches as usize];
        leaves[0] = batch.hash();
        let tree = Tree::of_batches(&leaves)?;
        let commitment = CommitmentLeaf {
            sequence: 0,
            posted_at,
            root: tree.root(),
            batches,
            payload_hash: [4; 32],
            payload_len: 5,
        };
        // Any siblings lead to the peak that they hash to.
        let mmr_path = vec![8; 32 * HEIGHT];
        let leaf = commitment.hash();
        let peak = commitment::root(&leaf, 0, &mmr_path, HEIGHT as u32)?;
        Ok(Self {
            commitment,
            mmr_path,
            batch,
            batch_path: tree.path(0)?,
            peak,
        })
    }

    /// Makes a stream one that starts with the commitment.
    pub fn enter(&self, stream: &mut Stream) {
        stream.count = 1 << HEIGHT;
        stream.peaks[HEIGHT] = self.peak;
    }

    /// Such a stream of a pool.
    pub fn stream(&self, network: Pubkey, pool: Pubkey) -> Stream {
        let mut stream: Stream = bytemuck::Zeroable::zeroed();
        stream.open(0, network, pool);
        self.enter(&mut stream);
        stream
    }
}
