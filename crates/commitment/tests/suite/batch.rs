use crate::naive;
use commitment::mmr::Peaks;
use commitment::{
    depth, root, verify_batch, BatchLeaf, CommitmentLeaf, MmrBuilder, ProofError, Tree, EMPTY,
};
use proptest::prelude::*;

#[test]
fn depth_is_the_least_that_holds_the_leaves() {
    for leaves in 0..2_000u32 {
        let depth = depth(leaves);
        assert!(leaves <= 1 << depth);
        assert!(depth == 0 || leaves > 1 << (depth - 1));
    }
    assert_eq!(depth(u32::MAX), 32);
}

#[test]
fn trees_of_1_to_64_batches() {
    for count in 1..=64 {
        let leaves = naive::leaves(count);
        let tree = Tree::of_batches(&leaves).unwrap();
        let depth = depth(count as u32);
        assert_eq!(tree.depth(), depth);
        assert_eq!(tree.root(), naive::padded_root(&leaves, depth));
        for index in 0..1 << depth {
            let leaf = leaves.get(index as usize).unwrap_or(&EMPTY);
            let path = tree.path(index).unwrap();
            assert_eq!(root(leaf, index, &path, depth), Ok(tree.root()));
        }
        assert_eq!(tree.path(1 << depth), Err(ProofError::Index));
    }
}

#[test]
fn one_batch_is_its_own_root() {
    let leaf = naive::leaf(0);
    assert_eq!(Tree::of_batches(&[leaf]).unwrap().root(), leaf);
    assert_eq!(root(&leaf, 0, &[], 0), Ok(leaf));
    assert_eq!(root(&leaf, 1, &[], 0), Err(ProofError::Index));
}

#[test]
fn a_tree_takes_no_more_than_it_holds() {
    let leaves = naive::leaves(5);
    assert_eq!(Tree::new(&leaves, 2).unwrap_err(), ProofError::Overflow);
    assert_eq!(
        Tree::new(&leaves[..2], 0).unwrap_err(),
        ProofError::Overflow
    );
    assert!(Tree::new(&leaves[..4], 2).is_ok());
    assert!(Tree::new(&leaves, 63).is_ok());
    assert_eq!(Tree::new(&leaves, 64).unwrap_err(), ProofError::Length);
}

#[test]
fn lengths_and_indices_are_exact() {
    let leaf = naive::leaf(0);
    for depth in [1, 9, 20] {
        let path = vec![7; 32 * depth as usize];
        assert!(root(&leaf, (1 << depth) - 1, &path, depth).is_ok());
        assert_eq!(
            root(&leaf, 1 << depth, &path, depth),
            Err(ProofError::Index)
        );
        for length in [
            0,
            31,
            path.len() - 1,
            path.len() - 32,
            path.len() + 1,
            path.len() + 32,
        ] {
            let mut other = path.clone();
            other.resize(length, 7);
            if other.len() != path.len() {
                assert_eq!(root(&leaf, 0, &other, depth), Err(ProofError::Length));
            }
        }
    }
    assert_eq!(
        root(&leaf, u64::MAX, &[], u32::MAX),
        Err(ProofError::Length)
    );
}

fn batch(number: u64) -> BatchLeaf {
    BatchLeaf {
        readings_root: naive::leaf(1_000 + number),
        windows_root: naive::leaf(2_000 + number),
        windows: 32,
        readings: 512,
        first_capture: 1_700_000_000_000 + number as i64,
        last_capture: 1_700_000_060_000 + number as i64,
    }
}

/// A stream whose commitments hold 1, 2, 3 … batches.
struct Stream {
    commitments: Vec<(CommitmentLeaf, Tree)>,
    range: MmrBuilder,
}

impl Stream {
    fn new(commitments: u64) -> Self {
        let mut stream = Self {
            commitments: Vec::new(),
            range: MmrBuilder::new(),
        };
        for sequence in 0..commitments {
            let leaves: Vec<_> = (0..=sequence)
                .map(|index| batch(100 * sequence + index).hash())
                .collect();
            let tree = Tree::of_batches(&leaves).unwrap();
            let commitment = CommitmentLeaf {
                sequence,
                posted_at: 1_700_000_100 + sequence as i64,
                root: tree.root(),
                batches: leaves.len() as u32,
                payload_hash: naive::leaf(3_000 + sequence),
                payload_len: 70_000,
            };
            stream.range.append(commitment.hash()).unwrap();
            stream.commitments.push((commitment, tree));
        }
        stream
    }

    fn peaks(&self) -> Peaks {
        self.range.peaks()
    }
}

#[test]
fn every_batch_of_a_stream_verifies() {
    let stream = Stream::new(20);
    for (commitment, tree) in &stream.commitments {
        let mmr_path = stream.range.path(commitment.sequence).unwrap();
        for index in 0..commitment.batches {
            let batch = batch(100 * commitment.sequence + u64::from(index));
            let batch_path = tree.path(index.into()).unwrap();
            let verified = verify_batch(
                &stream.peaks(),
                20,
                commitment,
                &mmr_path,
                index,
                &batch,
                &batch_path,
            );
            assert_eq!(verified, Ok(()));
        }
    }
}

#[test]
fn a_batch_that_was_not_committed_is_refused() {
    let stream = Stream::new(20);
    let (commitment, tree) = &stream.commitments[4]; // five batches, three empty places
    let peaks = stream.peaks();
    let mmr_path = stream.range.path(4).unwrap();
    let batch_path = tree.path(2).unwrap();
    let honest = batch(402);
    let verify = |commitment: &CommitmentLeaf,
                  mmr_path: &[u8],
                  index,
                  batch: &BatchLeaf,
                  batch_path: &[u8]| {
        verify_batch(&peaks, 20, commitment, mmr_path, index, batch, batch_path)
    };
    assert_eq!(
        verify(commitment, &mmr_path, 2, &honest, &batch_path),
        Ok(())
    );

    let batches = [
        BatchLeaf {
            readings_root: EMPTY,
            ..honest
        },
        BatchLeaf {
            windows_root: EMPTY,
            ..honest
        },
        BatchLeaf {
            windows: 31,
            ..honest
        },
        BatchLeaf {
            readings: 511,
            ..honest
        },
        BatchLeaf {
            first_capture: 0,
            ..honest
        },
        BatchLeaf {
            last_capture: 0,
            ..honest
        },
    ];
    for batch in &batches {
        assert_eq!(
            verify(commitment, &mmr_path, 2, batch, &batch_path),
            Err(ProofError::Mismatch)
        );
    }
    let commitments = [
        CommitmentLeaf {
            posted_at: 0,
            ..*commitment
        },
        CommitmentLeaf {
            payload_hash: EMPTY,
            ..*commitment
        },
        CommitmentLeaf {
            payload_len: 0,
            ..*commitment
        },
        CommitmentLeaf {
            batches: 6,
            ..*commitment
        },
        CommitmentLeaf {
            root: EMPTY,
            ..*commitment
        },
        CommitmentLeaf {
            sequence: 5,
            ..*commitment
        },
    ];
    for commitment in &commitments {
        assert_eq!(
            verify(commitment, &mmr_path, 2, &honest, &batch_path),
            Err(ProofError::Mismatch)
        );
    }
    assert_eq!(
        verify(commitment, &mmr_path, 3, &honest, &batch_path),
        Err(ProofError::Mismatch)
    );
    assert_eq!(
        verify(commitment, &mmr_path, 5, &honest, &batch_path),
        Err(ProofError::Index)
    );
    assert_eq!(
        verify(commitment, &mmr_path, 2, &honest, &batch_path[32..]),
        Err(ProofError::Length)
    );
    assert_eq!(
        verify(commitment, &mmr_path[32..], 2, &honest, &batch_path),
        Err(ProofError::Length)
    );
    let mmr_path = stream.range.path(5).unwrap();
    assert_eq!(
        verify(commitment, &mmr_path, 2, &honest, &batch_path),
        Err(ProofError::Mismatch)
    );
    let later = CommitmentLeaf {
        sequence: 20,
        ..*commitment
    };
    assert_eq!(
        verify(&later, &mmr_path, 2, &honest, &batch_path),
        Err(ProofError::Index)
    );
    let none = CommitmentLeaf {
        batches: 0,
        ..*commitment
    };
    assert_eq!(
        verify(&none, &mmr_path, 0, &honest, &[]),
        Err(ProofError::Index)
    );
}

proptest! {
    #[test]
    fn sparse_padding_is_the_full_tree(count in 0u64..300, depth in 0u32..10) {
        let leaves = naive::leaves(count);
        match Tree::new(&leaves, depth) {
            Ok(tree) => prop_assert_eq!(tree.root(), naive::padded_root(&leaves, depth)),
            Err(error) => {
                prop_assert_eq!(error, ProofError::Overflow);
                prop_assert!(count > 1 << depth);
            }
        }
    }
}
