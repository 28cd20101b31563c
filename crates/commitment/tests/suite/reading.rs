use crate::naive;
use commitment::{
    root, verify_reading, BatchLeaf, CommitmentLeaf, Hash, MmrBuilder, ProofError, ReadingLeaf,
    Tree, EMPTY, READINGS_DEPTH, READINGS_PER_WINDOW, WINDOWS,
};
use proptest::{collection::vec, prelude::*};

/// Windows of the sample.
const FILLED: usize = 20;

const SIGNATURE: [u8; 64] = [1; 64];
const GRANT: [u8; 64] = [2; 64];

/// The leaf of the reading with this digest.
fn leaf_of(digest: Hash) -> ReadingLeaf<'static> {
    ReadingLeaf {
        digest,
        signature: &SIGNATURE,
        grant: Some(&GRANT),
    }
}

/// One commitment of one batch of 20 windows; the places of the other 12 are empty.
struct Batch {
    digests: Vec<Option<Hash>>,
    readings: Tree,
    batch: BatchLeaf,
    commitment: CommitmentLeaf,
    range: MmrBuilder,
}

fn sample() -> Batch {
    let places = WINDOWS * READINGS_PER_WINDOW;
    let digests: Vec<_> = (0..places as u64)
        .map(|place| (place < (FILLED * READINGS_PER_WINDOW) as u64).then(|| naive::leaf(place)))
        .collect();
    let leaves: Vec<_> = digests
        .iter()
        .map(|digest| digest.map_or(EMPTY, |digest| leaf_of(digest).hash()))
        .collect();
    let readings = Tree::new(&leaves, READINGS_DEPTH).unwrap();
    assert_eq!(readings.root(), naive::perfect_root(&leaves));
    let batch = BatchLeaf {
        readings_root: readings.root(),
        windows_root: naive::leaf(1_000),
        windows: FILLED as u32,
        readings: digests.iter().flatten().count() as u32,
        first_capture: 1,
        last_capture: 2,
    };
    let commitment = CommitmentLeaf {
        sequence: 0,
        posted_at: 3,
        root: batch.hash(),
        batches: 1,
        payload_hash: naive::leaf(1_001),
        payload_len: 1,
    };
    let mut range = MmrBuilder::new();
    range.append(commitment.hash()).unwrap();
    Batch {
        digests,
        readings,
        batch,
        commitment,
        range,
    }
}

impl Batch {
    fn verify(&self, index: u16, digest: &Hash, path: &[u8]) -> Result<(), ProofError> {
        self.verify_leaf(index, &leaf_of(*digest), path)
    }

    fn verify_leaf(
        &self,
        index: u16,
        reading: &ReadingLeaf,
        path: &[u8],
    ) -> Result<(), ProofError> {
        let peaks = self.range.peaks();
        verify_reading(
            &peaks,
            1,
            &self.commitment,
            &[],
            0,
            &self.batch,
            &[],
            index,
            reading,
            path,
        )
    }
}

#[test]
fn every_reading_verifies_at_its_place_only() {
    let sample = sample();
    for (index, digest) in sample.digests.iter().enumerate() {
        let path = sample.readings.path(index as u64).unwrap();
        let Some(digest) = digest else { continue };
        let index = index as u16;
        assert_eq!(sample.verify(index, digest, &path), Ok(()));
        assert_eq!(
            sample.verify(index ^ 1, digest, &path),
            Err(ProofError::Mismatch)
        );
        assert_eq!(
            sample.verify(index + 512, digest, &path),
            Err(ProofError::Index)
        );
        assert_eq!(
            sample.verify(index, digest, &path[32..]),
            Err(ProofError::Length)
        );
    }
}

#[test]
fn a_reading_verifies_with_its_own_signatures_only() {
    let sample = sample();
    let path = sample.readings.path(0).unwrap();
    let leaf = leaf_of(naive::leaf(0));
    assert_eq!(sample.verify_leaf(0, &leaf, &path), Ok(()));
    let altered = |byte: usize, of: [u8; 64]| {
        let mut altered = of;
        altered[byte] ^= 1;
        altered
    };
    for byte in 0..64 {
        let (signature, grant) = (altered(byte, SIGNATURE), altered(byte, GRANT));
        for leaf in [
            ReadingLeaf {
                signature: &signature,
                ..leaf
            },
            ReadingLeaf {
                grant: Some(&grant),
                ..leaf
            },
        ] {
            let refused = sample.verify_leaf(0, &leaf, &path);
            assert_eq!(refused, Err(ProofError::Mismatch));
        }
    }
    let swapped = ReadingLeaf {
        signature: &GRANT,
        grant: Some(&SIGNATURE),
        ..leaf
    };
    for leaf in [
        swapped,
        ReadingLeaf {
            grant: None,
            ..leaf
        },
    ] {
        let refused = sample.verify_leaf(0, &leaf, &path);
        assert_eq!(refused, Err(ProofError::Mismatch));
    }
}

#[test]
fn an_empty_place_proves_no_reading() {
    let sample = sample();
    for place in [320, 511] {
        let path = sample.readings.path(place).unwrap();
        assert_eq!(
            root(&EMPTY, place, &path, READINGS_DEPTH),
            Ok(sample.batch.readings_root)
        );
        let refused = sample.verify(place as u16, &EMPTY, &path);
        assert_eq!(refused, Err(ProofError::Index));
    }
}

#[test]
fn a_node_or_a_leaf_is_no_reading() {
    let sample = sample();
    let path = sample.readings.path(0).unwrap();
    let leaf = leaf_of(naive::leaf(0)).hash();
    assert_eq!(sample.verify(0, &leaf, &path), Err(ProofError::Mismatch));
    let node = naive::node(&leaf, &leaf_of(naive::leaf(1)).hash());
    assert_eq!(sample.verify(0, &node, &path), Err(ProofError::Mismatch));
    assert_eq!(
        sample.verify(0, &node, &path[32..]),
        Err(ProofError::Length)
    );
}

#[test]
fn a_reading_of_an_uncommitted_batch_is_refused() {
    let mut sample = sample();
    let path = sample.readings.path(0).unwrap();
    sample.batch.windows_root[0] ^= 1;
    assert_eq!(
        sample.verify(0, &naive::leaf(0), &path),
        Err(ProofError::Mismatch)
    );
}

#[test]
fn a_batch_that_is_not_whole_proves_no_reading() {
    let reading = naive::leaf(0);
    for (windows, readings) in [
        (0, 0),
        (0, 16),
        (1, 15),
        (1, 17),
        (20, 319),
        (20, 336),
        (33, 528),
        (u32::MAX, u32::MAX),
        (1 << 28, 0),
    ] {
        let mut sample = sample();
        sample.batch.windows = windows;
        sample.batch.readings = readings;
        sample.commitment.root = sample.batch.hash();
        sample.range = MmrBuilder::new();
        sample.range.append(sample.commitment.hash()).unwrap();
        let path = sample.readings.path(0).unwrap();
        let refused = sample.verify(0, &reading, &path);
        assert_eq!(refused, Err(ProofError::Index), "{windows}, {readings}");
    }
}

proptest! {
    /// Whatever is changed in the path, the reading or its place, nothing else is proven.
    #[test]
    fn an_altered_proof_is_refused(
        index in 0..(FILLED * READINGS_PER_WINDOW) as u16,
        other_index: u16,
        changes in vec((any::<prop::sample::Index>(), 1..=255u8), 0..4),
        cut in 0..40usize,
    ) {
        let sample = sample();
        let digest = naive::leaf(index.into());
        let honest = sample.readings.path(index.into()).unwrap();
        let mut path = honest.clone();
        for (place, change) in changes {
            let place = place.index(path.len());
            path[place] ^= change;
        }
        path.truncate(honest.len() - cut.saturating_sub(20));
        let proven = sample.verify(index, &digest, &path);
        prop_assert_eq!(proven.is_ok(), path == honest);
        prop_assert_eq!(sample.verify(other_index, &digest, &path).is_ok(), other_index == index && path == honest);
    }

    #[test]
    fn arbitrary_proofs_never_panic(
        (batches, batch_index, windows, readings) in any::<(u32, u32, u32, u32)>(),
        (count, sequence) in any::<(u64, u64)>(),
        index: u16,
        paths in prop::array::uniform3(vec(any::<u8>(), 0..1_100)),
    ) {
        let mut sample = sample();
        sample.commitment.batches = batches;
        sample.commitment.sequence = sequence;
        // As often as not they are plausible, so that the check goes on.
        sample.batch.windows = windows % (2 * WINDOWS as u32);
        sample.batch.readings = if readings & 1 == 0 { 16 * sample.batch.windows } else { readings };
        let proven = verify_reading(
            &sample.range.peaks(),
            count,
            &sample.commitment,
            &paths[0],
            batch_index,
            &sample.batch,
            &paths[1],
            index,
            &leaf_of(naive::leaf(0)),
            &paths[2],
        );
        prop_assert!(proven.is_err());
    }
}
