use crate::naive;
use commitment::mmr::{append, verify, Peaks, PEAKS};
use commitment::{Hash, MmrBuilder, ProofError, EMPTY};
use proptest::prelude::*;

/// The account and the builder after so many appends.
fn range(count: u64) -> (Peaks, MmrBuilder) {
    let (mut peaks, mut n) = ([EMPTY; PEAKS], 0);
    let mut builder = MmrBuilder::new();
    for leaf in naive::leaves(count) {
        append(&mut peaks, &mut n, &leaf).unwrap();
        builder.append(leaf).unwrap();
    }
    assert_eq!((n, builder.count()), (count, count));
    (peaks, builder)
}

/// The peaks by hashing every mountain again.
fn naive_peaks(leaves: &[Hash]) -> Peaks {
    let mut peaks = [EMPTY; PEAKS];
    for (_, mountain) in naive::mountains(leaves) {
        peaks[mountain.len().ilog2() as usize] = naive::perfect_root(mountain);
    }
    peaks
}

#[test]
fn every_leaf_verifies_at_every_count() {
    let (mut peaks, mut count) = ([EMPTY; PEAKS], 0);
    let mut builder = MmrBuilder::new();
    let leaves = naive::leaves(200);
    for leaf in &leaves {
        append(&mut peaks, &mut count, leaf).unwrap();
        builder.append(*leaf).unwrap();
        for index in 0..count {
            let path = builder.path(index).unwrap();
            let leaf = &leaves[index as usize];
            assert_eq!(verify(&peaks, count, index, leaf, &path), Ok(()));
        }
        assert_eq!(builder.path(count), Err(ProofError::Index));
    }
}

#[test]
fn the_empty_range_proves_nothing() {
    let refused = verify(&[EMPTY; PEAKS], 0, 0, &EMPTY, &[]);
    assert_eq!(refused, Err(ProofError::Index));
}

#[test]
fn a_full_range_takes_no_leaf() {
    let mut peaks = [naive::leaf(0); PEAKS];
    let mut count = u64::from(u32::MAX) - 1;
    append(&mut peaks, &mut count, &naive::leaf(1)).unwrap();
    let before = peaks;
    let refused = append(&mut peaks, &mut count, &naive::leaf(2));
    assert_eq!(refused, Err(ProofError::Overflow));
    assert_eq!((peaks, count), (before, u64::from(u32::MAX)));
}

#[test]
fn a_count_beyond_the_peaks_proves_nothing() {
    let refused = verify(&[EMPTY; PEAKS], u64::MAX, 0, &EMPTY, &[0; 63 * 32]);
    assert_eq!(refused, Err(ProofError::Index));
}

#[test]
fn a_node_is_no_leaf() {
    let (peaks, builder) = range(8);
    let node = naive::node(&naive::leaf(4), &naive::leaf(5));
    let path = builder.path(4).unwrap();
    // the node's own siblings, at every index that the path could be meant for
    for index in 0..8 {
        let refused = verify(&peaks, 8, index, &node, &path[32..]);
        assert_eq!(refused, Err(ProofError::Length));
        let refused = verify(&peaks, 8, index, &node, &path);
        assert_eq!(refused, Err(ProofError::Mismatch));
    }
    // the peak of a mountain is no leaf of the next
    let refused = verify(&peaks, 8, 0, &peaks[3], &[]);
    assert_eq!(refused, Err(ProofError::Length));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn peaks_are_the_naive_mountains(count in 0u64..3_000) {
        let (peaks, builder) = range(count);
        prop_assert_eq!(peaks, builder.peaks());
        prop_assert_eq!(peaks, naive_peaks(&naive::leaves(count)));
    }

    #[test]
    fn every_leaf_verifies(count in 1u64..3_000) {
        let (peaks, builder) = range(count);
        for index in 0..count {
            let path = builder.path(index).unwrap();
            prop_assert_eq!(verify(&peaks, count, index, &naive::leaf(index), &path), Ok(()));
        }
    }
}

proptest! {
    #[test]
    fn anything_else_is_refused(
        count in 1u64..1_000,
        index in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        flipped in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let (peaks, builder) = range(count);
        let index = index.index(count as usize) as u64;
        let other = other.index(count as usize) as u64;
        let leaf = naive::leaf(index);
        let path = builder.path(index).unwrap();

        if other != index {
            let same_height = builder.path(other).unwrap().len() == path.len();
            let error = if same_height { ProofError::Mismatch } else { ProofError::Length };
            prop_assert_eq!(verify(&peaks, count, other, &leaf, &path), Err(error));
            prop_assert_eq!(verify(&peaks, count, index, &naive::leaf(other), &path), Err(ProofError::Mismatch));
        }
        prop_assert_eq!(verify(&peaks, count, count, &leaf, &path), Err(ProofError::Index));
        prop_assert_eq!(verify(&peaks, count, u64::MAX, &leaf, &path), Err(ProofError::Index));

        let mut longer = path.clone();
        longer.push(0);
        prop_assert_eq!(verify(&peaks, count, index, &leaf, &longer), Err(ProofError::Length));
        longer.resize(path.len() + 32, 0);
        prop_assert_eq!(verify(&peaks, count, index, &leaf, &longer), Err(ProofError::Length));
        if !path.is_empty() {
            prop_assert_eq!(verify(&peaks, count, index, &leaf, &path[32..]), Err(ProofError::Length));
            prop_assert_eq!(verify(&peaks, count, index, &leaf, &path[1..]), Err(ProofError::Length));
            let mut wrong = path.clone();
            wrong[flipped.index(path.len())] ^= 1 << bit;
            prop_assert_eq!(verify(&peaks, count, index, &leaf, &wrong), Err(ProofError::Mismatch));
        }
    }

    #[test]
    fn arbitrary_proofs_never_panic(
        count in any::<u64>(),
        index in any::<u64>(),
        path in prop::collection::vec(any::<u8>(), 0..2_100),
    ) {
        let refused = verify(&[[1; 32]; PEAKS], count, index, &EMPTY, &path);
        prop_assert!(refused.is_err());
    }
}
