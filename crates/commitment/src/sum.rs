//! The Merkle-sum trees of scores and rewards: a root carries the sum of all its leaves.
//!
//! A parent's hash covers both children's hashes and sums, and its sum is theirs, checked. A path that verifies has
//! therefore re-computed every sum above its leaf, so that leaves which verify at different places never sum to more
//! than the root, however the tree was made.

use crate::{Hash, ProofError};
use device_protocol::digest;
use solana_sha256_hasher::hashv;
#[cfg(feature = "std")]
use std::{vec, vec::Vec};

const SUM_NODE: &[u8] = b"fieldproof:sum-node:v1";
/// A node in a path, and in its parent's hash: hash | sum.
type NodeBytes = [u8; 40];

/// Depth of a tree at most: 2^20 payees of each kind.
pub const MAX_DEPTH: u32 = 21;

/// The payee is an owner of devices.
pub const OWNER: u8 = 0;

/// The payee is an operator's pool.
pub const OPERATOR: u8 = 1;

/// A node, or a leaf: what is below, and the sum of its leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SumNode {
    /// Hash of the leaf, or of both children's hashes and sums.
    pub hash: Hash,
    /// Sum of the leaves at or below.
    pub sum: u64,
}

impl SumNode {
    /// The leaf at an index that no payee has.
    pub const EMPTY: Self = Self {
        hash: crate::EMPTY,
        sum: 0,
    };

    #[inline(always)]
    fn to_bytes(self) -> NodeBytes {
        let mut bytes = [0; size_of::<NodeBytes>()];
        write(&mut bytes, &self.hash, self.sum);
        bytes
    }
}

#[inline(always)]
fn write(bytes: &mut NodeBytes, hash: &Hash, sum: u64) {
    let (hash_bytes, sum_bytes) = bytes.split_at_mut(size_of::<Hash>());
    hash_bytes.copy_from_slice(hash);
    sum_bytes.copy_from_slice(&sum.to_le_bytes());
}

#[inline(always)]
fn sum(bytes: &NodeBytes) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *bytes;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[inline(always)]
fn parent_hash(left: &NodeBytes, right: &NodeBytes) -> Hash {
    hashv(&[SUM_NODE, left, right]).to_bytes()
}

/// The leaf of a payee's score in one epoch. `payee` is an owner's key or a pool's address.
pub fn score_leaf(payee: &[u8; 32], score: u64) -> SumNode {
    SumNode {
        hash: digest!("score-leaf", payee, &score.to_le_bytes()),
        sum: score,
    }
}

/// The leaf of everything a payee was ever granted, in base units of the reward mint.
pub fn reward_leaf(payee: &[u8; 32], cumulative: u64) -> SumNode {
    SumNode {
        hash: digest!("reward-leaf", payee, &cumulative.to_le_bytes()),
        sum: cumulative,
    }
}

/// The parent of two nodes: sha256("fieldproof:sum-node:v1" | left hash | left sum | right hash | right sum), and the
/// sum of both sums.
pub fn parent(left: &SumNode, right: &SumNode) -> Result<SumNode, ProofError> {
    Ok(SumNode {
        hash: parent_hash(&left.to_bytes(), &right.to_bytes()),
        sum: left
            .sum
            .checked_add(right.sum)
            .ok_or(ProofError::Overflow)?,
    })
}

/// A payee's place among the leaves: owners are the left half of the tree, operators the right half.
#[inline]
pub fn position(depth: u32, kind: u8, index: u32) -> Result<u32, ProofError> {
    if !(1..=MAX_DEPTH).contains(&depth) {
        return Err(ProofError::Length);
    }
    if kind > OPERATOR || index >> (depth - 1) != 0 {
        return Err(ProofError::Index);
    }
    Ok(u32::from(kind) << (depth - 1) | index)
}

/// Verifies that `leaf` is at the place of (`kind`, `index`) in the tree of this root and depth. `path` is its siblings
/// from the leaf upward, 40 bytes each: hash | sum.
#[inline]
pub fn verify_sum(
    root: SumNode,
    depth: u32,
    kind: u8,
    index: u32,
    leaf: SumNode,
    path: &[u8],
) -> Result<(), ProofError> {
    let mut position = position(depth, kind, index)?;
    let (siblings, rest) = path.as_chunks::<{ size_of::<NodeBytes>() }>();
    if siblings.len() as u64 != u64::from(depth) || !rest.is_empty() {
        return Err(ProofError::Length);
    }
    let mut node = leaf.to_bytes();
    let mut total = leaf.sum;
    for sibling in siblings {
        let hash = if position & 1 == 0 {
            parent_hash(&node, sibling)
        } else {
            parent_hash(sibling, &node)
        };
        total = total
            .checked_add(sum(sibling))
            .ok_or(ProofError::Overflow)?;
        write(&mut node, &hash, total);
        position >>= 1;
    }
    if node != root.to_bytes() {
        return Err(ProofError::Mismatch);
    }
    Ok(())
}

/// The whole tree, which makes paths. Only the nodes above its leaves are kept.
#[cfg(feature = "std")]
#[derive(Clone, Debug)]
pub struct SumTree {
    /// By height, the nodes with a leaf below, by position, ascending.
    levels: Vec<Vec<(u32, SumNode)>>,
    /// The node of each height that has only empty leaves below.
    empty: Vec<SumNode>,
}

#[cfg(feature = "std")]
impl SumTree {
    /// The tree of this depth with leaves at the places of (kind, index), in any order; every other leaf is empty.
    /// Refuses two leaves at one place, and a sum over `u64::MAX`.
    pub fn new(
        depth: u32,
        leaves: impl IntoIterator<Item = (u8, u32, SumNode)>,
    ) -> Result<Self, ProofError> {
        if !(1..=MAX_DEPTH).contains(&depth) {
            return Err(ProofError::Length);
        }
        let mut level = leaves
            .into_iter()
            .map(|(kind, index, leaf)| Ok((position(depth, kind, index)?, leaf)))
            .collect::<Result<Vec<_>, ProofError>>()?;
        level.sort_unstable_by_key(|(position, _)| *position);
        if level.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(ProofError::Index);
        }
        let mut levels = vec![level];
        let mut empty = vec![SumNode::EMPTY];
        for height in 0..depth as usize {
            let blank = empty[height];
            let level = levels[height]
                .chunk_by(|a, b| a.0 >> 1 == b.0 >> 1)
                .map(|children| {
                    let node = match children {
                        [(_, left), (_, right)] => parent(left, right)?,
                        [(position, left)] if position & 1 == 0 => parent(left, &blank)?,
                        [(_, right), ..] => parent(&blank, right)?,
                        [] => blank,
                    };
                    Ok((children[0].0 >> 1, node))
                })
                .collect::<Result<Vec<_>, ProofError>>()?;
            levels.push(level);
            empty.push(parent(&blank, &blank)?);
        }
        Ok(Self { levels, empty })
    }

    /// Levels of nodes above the leaves.
    pub fn depth(&self) -> u32 {
        self.levels.len() as u32 - 1
    }

    /// The root, with the sum of all leaves.
    pub fn root(&self) -> SumNode {
        self.at(self.levels.len() - 1, 0)
    }

    /// The siblings of the leaf at the place of (`kind`, `index`), as [`verify_sum`] takes them.
    pub fn path(&self, kind: u8, index: u32) -> Result<Vec<u8>, ProofError> {
        let position = position(self.depth(), kind, index)?;
        Ok((0..self.depth() as usize)
            .flat_map(|height| self.at(height, position >> height ^ 1).to_bytes())
            .collect())
    }

    fn at(&self, height: usize, position: u32) -> SumNode {
        let level = &self.levels[height];
        match level.binary_search_by_key(&position, |(position, _)| *position) {
            Ok(found) => level[found].1,
            Err(_) => self.empty[height],
        }
    }
}
