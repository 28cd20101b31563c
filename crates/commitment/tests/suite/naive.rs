use commitment::{Hash, SumNode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Some leaf, different for each number.
pub fn leaf(number: u64) -> Hash {
    sha256(&[b"leaf", &number.to_le_bytes()])
}

pub fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(leaf).collect()
}

pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[b"fieldproof:node:v1", left, right])
}

/// The root of a perfect tree.
pub fn perfect_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            node(&perfect_root(left), &perfect_root(right))
        }
    }
}

/// The root of a tree of this depth, filled up with zero leaves.
pub fn padded_root(leaves: &[Hash], depth: u32) -> Hash {
    let mut all = leaves.to_vec();
    all.resize(1 << depth, [0; 32]);
    perfect_root(&all)
}

/// The mountains of a list, the highest first: first leaf, leaves.
pub fn mountains(leaves: &[Hash]) -> Vec<(usize, &[Hash])> {
    let mut mountains = Vec::new();
    let mut start = 0;
    while start < leaves.len() {
        let left = leaves.len() - start;
        let size = (0..)
            .map(|bit| 1 << bit)
            .take_while(|size| *size <= left)
            .max();
        let end = start + size.unwrap();
        mountains.push((start, &leaves[start..end]));
        start = end;
    }
    mountains
}

/// The node of a sparse sum tree, re-computed from every leaf below; none when the sum overflows.
pub fn sum_node(leaves: &BTreeMap<u32, SumNode>, height: u32, position: u32) -> Option<SumNode> {
    if height == 0 {
        return Some(leaves.get(&position).copied().unwrap_or_default());
    }
    let left = sum_node(leaves, height - 1, 2 * position)?;
    let right = sum_node(leaves, height - 1, 2 * position + 1)?;
    Some(SumNode {
        hash: sum_hash(&left, &right),
        sum: left.sum.checked_add(right.sum)?,
    })
}

pub fn sum_hash(left: &SumNode, right: &SumNode) -> Hash {
    sha256(&[
        b"fieldproof:sum-node:v1",
        &left.hash,
        &left.sum.to_le_bytes(),
        &right.hash,
        &right.sum.to_le_bytes(),
    ])
}
