//! Proofs of every kind: nothing but the honest proof of the honest leaf verifies. Input: kind u8, then for
//! - 0, a stream's MMR: count u8, index u64, leaf 32, path;
//! - 1, a tree of batches: count u8, index u64, leaf 32, path;
//! - 2, a sum tree: count u8, payee's kind u8, index u32, sum u64, hash 32, path;
//! - 3, a reading: batches u32, batch index u32, windows u32, readings u32, reading index u16, count u64, sequence u64,
//!   and the three paths in equal parts.
#![no_main]

use commitment::mmr::{self, PEAKS};
use commitment::{
    depth, reward_leaf, root, verify_reading, verify_sum, BatchLeaf, CommitmentLeaf, Hash,
    MmrBuilder, ReadingLeaf, SumNode, SumTree, Tree,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let _ = match input.take::<1>() {
        Some([0]) => range(&mut input),
        Some([1]) => tree(&mut input),
        Some([2]) => sums(&mut input),
        Some([3]) => reading(&mut input),
        _ => None,
    };
});

fn range(input: &mut Input) -> Option<()> {
    let [count] = input.take()?;
    let index = u64::from_le_bytes(input.take()?);
    let given = input.take()?;
    let mut builder = MmrBuilder::new();
    for number in 0..count {
        builder.append(leaf(number)).expect("room");
    }
    let peaks = builder.peaks();
    if mmr::verify(&peaks, count.into(), index, &given, input.0).is_ok() {
        assert_eq!(given, leaf(index as u8));
        assert_eq!(builder.path(index).as_deref(), Ok(input.0));
    }
    if let Ok(path) = builder.path(index) {
        let own = leaf(index as u8);
        assert!(mmr::verify(&peaks, count.into(), index, &own, &path).is_ok());
    }
    Some(())
}

fn tree(input: &mut Input) -> Option<()> {
    let [count] = input.take()?;
    let index = u64::from_le_bytes(input.take()?);
    let given = input.take()?;
    let leaves: Vec<Hash> = (0..count).map(leaf).collect();
    let tree = Tree::of_batches(&leaves).expect("room");
    if root(&given, index, input.0, depth(count.into())) == Ok(tree.root()) {
        let place = usize::try_from(index).expect("within the tree");
        let own = leaves.get(place).copied().unwrap_or_default();
        assert_eq!(given, own);
        assert_eq!(tree.path(index).as_deref(), Ok(input.0));
    }
    Some(())
}

fn sums(input: &mut Input) -> Option<()> {
    const DEPTH: u32 = 6;
    let [count, kind] = input.take()?;
    let index = u32::from_le_bytes(input.take()?);
    let sum = u64::from_le_bytes(input.take()?);
    let hash = input.take()?;
    let own = |index: u32| reward_leaf(&leaf(index as u8), u64::from(index) << 32);
    let leaves = (0..u32::from(count % 32)).flat_map(|index| [(0, index, own(index)), (1, index, own(index))]);
    let tree = SumTree::new(DEPTH, leaves).expect("room");
    let given = SumNode { hash, sum };
    if verify_sum(tree.root(), DEPTH, kind, index, given, input.0).is_ok() {
        let present = index < u32::from(count % 32);
        assert_eq!(given, if present { own(index) } else { SumNode::EMPTY });
        assert_eq!(tree.path(kind, index).as_deref(), Ok(input.0));
    }
    Some(())
}

fn reading(input: &mut Input) -> Option<()> {
    let number = u32::from_le_bytes;
    let (batches, batch_index) = (number(input.take()?), number(input.take()?));
    let (windows, readings) = (number(input.take()?), number(input.take()?));
    let reading_index = u16::from_le_bytes(input.take()?);
    let count = u64::from_le_bytes(input.take()?);
    let sequence = u64::from_le_bytes(input.take()?);
    let (first, rest) = input.0.split_at(input.0.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let commitment = CommitmentLeaf {
        sequence,
        posted_at: 0,
        root: leaf(0),
        batches,
        payload_hash: leaf(1),
        payload_len: 0,
    };
    let batch = BatchLeaf {
        readings_root: leaf(2),
        windows_root: leaf(3),
        windows,
        readings,
        first_capture: 0,
        last_capture: 0,
    };
    // Roots of nothing: no path leads there.
    let proven = verify_reading(
        &[[1; 32]; PEAKS],
        count,
        &commitment,
        first,
        batch_index,
        &batch,
        second,
        reading_index,
        &ReadingLeaf {
            digest: leaf(4),
            signature: &[5; 64],
            grant: Some(&[6; 64]),
        },
        third,
    );
    assert!(proven.is_err());
    Some(())
}

fn leaf(number: u8) -> Hash {
    [number.wrapping_add(1); 32]
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
}
