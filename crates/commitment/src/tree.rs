use crate::{Hash, ProofError};
use solana_sha256_hasher::hashv;
#[cfg(feature = "std")]
use std::{vec, vec::Vec};

const NODE: &[u8] = b"fieldproof:node:v1";

/// The parent of two nodes: sha256("fieldproof:node:v1" | left | right).
#[inline(always)]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    hashv(&[NODE, left, right]).to_bytes()
}

/// Depth of the tree over `leaves` leaves: the least `d` with `leaves <= 2^d`, and 0 for none.
#[inline]
pub fn depth(leaves: u32) -> u32 {
    leaves
        .saturating_sub(1)
        .checked_ilog2()
        .map_or(0, |log| log + 1)
}

/// The root that `leaf` at `index` and its siblings (32 bytes each, from the leaf upward) make in a tree of this depth.
#[inline]
pub fn root(leaf: &Hash, index: u64, path: &[u8], depth: u32) -> Result<Hash, ProofError> {
    if index.checked_shr(depth).is_some_and(|above| above != 0) {
        return Err(ProofError::Index);
    }
    climb(leaf, index, path, depth)
}

/// As [`root`], of the lowest `depth` bits of `index`.
#[inline(always)]
pub(crate) fn climb(
    leaf: &Hash,
    mut index: u64,
    path: &[u8],
    depth: u32,
) -> Result<Hash, ProofError> {
    let (siblings, rest) = path.as_chunks();
    if siblings.len() as u64 != u64::from(depth) || !rest.is_empty() {
        return Err(ProofError::Length);
    }
    let mut hash = *leaf;
    for sibling in siblings {
        let (left, right) = if index & 1 == 0 {
            (&hash, sibling)
        } else {
            (sibling, &hash)
        };
        hash = node(left, right);
        index >>= 1;
    }
    Ok(hash)
}

/// A SHA-256 tree of a chosen depth, its leaves filled up with [`crate::EMPTY`].
#[cfg(feature = "std")]
#[derive(Clone, Debug)]
pub struct Tree {
    /// Nodes by height, without those that have only empty leaves below; the last level is the root.
    levels: Vec<Vec<Hash>>,
    /// The node of each height that has only empty leaves below.
    empty: Vec<Hash>,
}

#[cfg(feature = "std")]
impl Tree {
    /// The tree of this depth over `leaves`, the rest empty; refuses more leaves than 2^depth, and a depth over 63.
    pub fn new(leaves: &[Hash], depth: u32) -> Result<Self, ProofError> {
        let room = 1u64.checked_shl(depth).ok_or(ProofError::Length)?;
        if leaves.len() as u64 > room {
            return Err(ProofError::Overflow);
        }
        let mut levels = vec![leaves.to_vec()];
        let mut empty = vec![crate::EMPTY];
        for height in 0..depth as usize {
            let blank = empty[height];
            levels.push(
                levels[height]
                    .chunks(2)
                    .map(|pair| node(&pair[0], pair.get(1).unwrap_or(&blank)))
                    .collect(),
            );
            empty.push(node(&blank, &blank));
        }
        Ok(Self { levels, empty })
    }

    /// The tree of a commitment over its batches' leaves, as deep as their number needs.
    pub fn of_batches(leaves: &[Hash]) -> Result<Self, ProofError> {
        let count = u32::try_from(leaves.len()).map_err(|_| ProofError::Overflow)?;
        Self::new(leaves, crate::depth(count))
    }

    /// Levels of nodes above the leaves.
    pub fn depth(&self) -> u32 {
        self.levels.len() as u32 - 1
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.at(self.levels.len() - 1, 0)
    }

    /// The siblings of the leaf at `index` (32 bytes each, from the leaf upward), as [`root`] takes them.
    pub fn path(&self, index: u64) -> Result<Vec<u8>, ProofError> {
        if index
            .checked_shr(self.depth())
            .is_some_and(|above| above != 0)
        {
            return Err(ProofError::Index);
        }
        Ok((0..self.levels.len() - 1)
            .flat_map(|height| self.at(height, (index >> height) ^ 1))
            .collect())
    }

    fn at(&self, height: usize, index: u64) -> Hash {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.levels[height].get(index))
            .copied()
            .unwrap_or(self.empty[height])
    }
}
