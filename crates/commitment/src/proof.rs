use crate::mmr::{self, Peaks};
use crate::{
    depth, root, BatchLeaf, CommitmentLeaf, ProofError, ReadingLeaf, READINGS_DEPTH,
    READINGS_PER_WINDOW, WINDOWS,
};

/// Verifies that the stream of these peaks committed to `batch`.
///
/// `mmr_path` proves `commitment` in the stream at the present `count`; `batch_path` proves `batch` in the commitment.
/// Both are siblings of 32 bytes, from the leaf upward.
#[inline]
pub fn verify_batch(
    peaks: &Peaks,
    count: u64,
    commitment: &CommitmentLeaf,
    mmr_path: &[u8],
    batch_index: u32,
    batch: &BatchLeaf,
    batch_path: &[u8],
) -> Result<(), ProofError> {
    if batch_index >= commitment.batches {
        return Err(ProofError::Index);
    }
    let depth = depth(commitment.batches);
    if root(&batch.hash(), batch_index.into(), batch_path, depth)? != commitment.root {
        return Err(ProofError::Mismatch);
    }
    mmr::verify(
        peaks,
        count,
        commitment.sequence,
        &commitment.hash(),
        mmr_path,
    )
}

/// Verifies that the stream of these peaks committed to the reading with these signatures: as [`verify_batch`], and
/// `reading_path` proves it at `reading_index` (window * 16 + place in the window) in the batch's readings tree.
///
/// The batch must be whole, 1 to 32 windows of 16 readings each, and the index be of one of them.
#[allow(clippy::too_many_arguments)] // the three levels of one proof, each with its index, leaf and path
#[inline]
pub fn verify_reading(
    peaks: &Peaks,
    count: u64,
    commitment: &CommitmentLeaf,
    mmr_path: &[u8],
    batch_index: u32,
    batch: &BatchLeaf,
    batch_path: &[u8],
    reading_index: u16,
    reading: &ReadingLeaf,
    reading_path: &[u8],
) -> Result<(), ProofError> {
    let windows = usize::try_from(batch.windows).map_err(|_| ProofError::Index)?;
    if !(1..=WINDOWS).contains(&windows) {
        return Err(ProofError::Index);
    }
    let readings = windows * READINGS_PER_WINDOW;
    if batch.readings as usize != readings || usize::from(reading_index) >= readings {
        return Err(ProofError::Index);
    }
    if root(
        &reading.hash(),
        reading_index.into(),
        reading_path,
        READINGS_DEPTH,
    )? != batch.readings_root
    {
        return Err(ProofError::Mismatch);
    }
    verify_batch(
        peaks,
        count,
        commitment,
        mmr_path,
        batch_index,
        batch,
        batch_path,
    )
}
