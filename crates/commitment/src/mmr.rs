//! A Merkle mountain range: an append-only list of constant size, whose leaves can be proven for ever.
//!
//! The list of `count` leaves is cut into perfect trees, the *mountains*, one for each bit of `count`, the highest first.
//! The account holds their roots, the *peaks*, at the place of their bit.

use crate::tree::climb;
use crate::{node, Hash, ProofError};
#[cfg(feature = "std")]
use std::vec::Vec;

/// Mountains at most, so that a list holds 2^32 - 1 leaves.
pub const PEAKS: usize = 32;

/// The mountains' roots: place `k` is that of 2^k leaves, and zero when `count` has no bit `k`.
pub type Peaks = [Hash; PEAKS];

/// Appends `leaf`; `count` is the number of leaves before, and after.
#[inline]
pub fn append(peaks: &mut Peaks, count: &mut u64, leaf: &Hash) -> Result<(), ProofError> {
    let full = count.trailing_ones() as usize;
    let (merged, free) = peaks
        .split_at_mut_checked(full)
        .ok_or(ProofError::Overflow)?;
    let free = free.first_mut().ok_or(ProofError::Overflow)?;
    let mut mountain = *leaf;
    for peak in merged {
        mountain = node(peak, &mountain);
        *peak = crate::EMPTY;
    }
    *free = mountain;
    *count += 1;
    Ok(())
}

/// Verifies that `leaf` is at `index`, by its siblings (32 bytes each, from the leaf upward) in its mountain.
#[inline]
pub fn verify(
    peaks: &Peaks,
    count: u64,
    index: u64,
    leaf: &Hash,
    path: &[u8],
) -> Result<(), ProofError> {
    let height = height(count, index).ok_or(ProofError::Index)?;
    let peak = peaks.get(height as usize).ok_or(ProofError::Index)?;
    if climb(leaf, index, path, height)? != *peak {
        return Err(ProofError::Mismatch);
    }
    Ok(())
}

/// The height of the mountain that holds `index`, the place of its peak; none when `index` is not below `count`.
///
/// Of the bits that differ, the highest is set in `count`, the larger; above it both are equal, so that the mountains
/// before hold exactly the indices below, and `index` is among the next 2^height.
#[inline(always)]
fn height(count: u64, index: u64) -> Option<u32> {
    if index < count {
        (count ^ index).checked_ilog2()
    } else {
        None
    }
}

/// The whole range, which makes paths.
#[cfg(feature = "std")]
#[derive(Clone, Debug, Default)]
pub struct MmrBuilder {
    /// By height, every node whose leaves are all there.
    levels: Vec<Vec<Hash>>,
}

#[cfg(feature = "std")]
impl MmrBuilder {
    /// A range without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of leaves.
    pub fn count(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends `leaf`; refuses it when the range is full.
    pub fn append(&mut self, leaf: Hash) -> Result<(), ProofError> {
        if self.count() + 1 >= 1 << PEAKS {
            return Err(ProofError::Overflow);
        }
        let mut node = leaf;
        for height in 0.. {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[height];
            level.push(node);
            match level.as_slice() {
                [.., left, right] if level.len().is_multiple_of(2) => {
                    node = crate::node(left, right)
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// The peaks, byte for byte as the account holds them.
    pub fn peaks(&self) -> Peaks {
        let mut peaks = [crate::EMPTY; PEAKS];
        for (peak, level) in peaks.iter_mut().zip(&self.levels) {
            if let [.., last] = level.as_slice() {
                if level.len() % 2 == 1 {
                    *peak = *last;
                }
            }
        }
        peaks
    }

    /// The siblings of the leaf at `index` at the present count, as [`verify`] takes them.
    pub fn path(&self, index: u64) -> Result<Vec<u8>, ProofError> {
        let height = height(self.count(), index).ok_or(ProofError::Index)?;
        Ok((0..height as usize)
            .flat_map(|level| self.levels[level][(index >> level) as usize ^ 1])
            .collect())
    }
}
