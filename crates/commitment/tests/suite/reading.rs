use crate::naive;
use commitment::{
    reading_leaf, root, verify_reading, BatchLeaf, CommitmentLeaf, Hash, MmrBuilder, ProofError,
    Tree, EMPTY, READINGS_DEPTH, READINGS_PER_WINDOW, WINDOWS,
};

/// One commitment of one batch, of which every third place has no reading.
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
        .map(|place| (place % 3 != 2).then(|| naive::leaf(place)))
        .collect();
    let leaves: Vec<_> = digests
        .iter()
        .map(|digest| digest.as_ref().map_or(EMPTY, reading_leaf))
        .collect();
    let readings = Tree::new(&leaves, READINGS_DEPTH).unwrap();
    assert_eq!(readings.root(), naive::perfect_root(&leaves));
    let batch = BatchLeaf {
        readings_root: readings.root(),
        windows_root: naive::leaf(1_000),
        windows: WINDOWS as u32,
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
            digest,
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
fn an_empty_place_proves_no_reading() {
    let sample = sample();
    let path = sample.readings.path(2).unwrap();
    assert_eq!(
        root(&EMPTY, 2, &path, READINGS_DEPTH),
        Ok(sample.batch.readings_root)
    );
    assert_eq!(sample.verify(2, &EMPTY, &path), Err(ProofError::Mismatch));
}

#[test]
fn a_node_or_a_leaf_is_no_reading() {
    let sample = sample();
    let path = sample.readings.path(0).unwrap();
    let leaf = reading_leaf(&naive::leaf(0));
    assert_eq!(sample.verify(0, &leaf, &path), Err(ProofError::Mismatch));
    let node = naive::node(&leaf, &reading_leaf(&naive::leaf(1)));
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
    sample.batch.readings -= 1;
    assert_eq!(
        sample.verify(0, &naive::leaf(0), &path),
        Err(ProofError::Mismatch)
    );
}
