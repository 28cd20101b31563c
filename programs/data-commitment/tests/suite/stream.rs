use bytemuck::Zeroable;
use commitment::{mmr, CommitmentLeaf, MmrBuilder, ProofError};
use data_commitment::error::StreamError;
use data_commitment::state::{Stream, MAX_PAYLOAD_LEN};
use proptest::prelude::*;

fn leaf(sequence: u64, posted_at: i64) -> CommitmentLeaf {
    CommitmentLeaf {
        sequence,
        posted_at,
        root: [1; 32],
        batches: 1,
        payload_hash: [2; 32],
        payload_len: 1,
    }
}

#[track_caller]
fn assert_refused(result: anchor_lang::Result<()>, error: StreamError) {
    match result {
        Err(anchor_lang::error::Error::AnchorError(refusal)) => {
            assert_eq!(refusal.error_code_number, u32::from(error));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commitment_must_be_the_next_whole_and_not_before_the_last() {
    let mut stream = Stream::zeroed();
    stream.commit(&leaf(0, 100)).unwrap();
    let before = stream;
    for (leaf, error) in [
        (leaf(0, 100), StreamError::WrongSequence),
        (leaf(2, 100), StreamError::WrongSequence),
        (leaf(u64::MAX, 100), StreamError::WrongSequence),
        (leaf(1, 99), StreamError::ClockBehind),
        (
            CommitmentLeaf {
                batches: 0,
                ..leaf(1, 100)
            },
            StreamError::NoBatches,
        ),
        (
            CommitmentLeaf {
                payload_len: 0,
                ..leaf(1, 100)
            },
            StreamError::EmptyPayload,
        ),
        (
            CommitmentLeaf {
                payload_len: MAX_PAYLOAD_LEN + 1,
                ..leaf(1, 100)
            },
            StreamError::PayloadTooLong,
        ),
    ] {
        assert_refused(stream.commit(&leaf), error);
        assert_eq!(bytemuck::bytes_of(&stream), bytemuck::bytes_of(&before));
    }
    stream.commit(&leaf(1, 100)).unwrap();
    assert_eq!((stream.count, stream.last_posted_at), (2, 100));
}

#[test]
fn a_full_stream_takes_no_more() {
    let mut stream = Stream::zeroed();
    stream.count = u64::from(u32::MAX);
    assert_refused(
        stream.commit(&leaf(u64::from(u32::MAX), 0)),
        StreamError::StreamFull,
    );
}

#[test]
fn every_reason_of_a_refused_proof_has_its_error() {
    let codes = [
        ProofError::Length,
        ProofError::Index,
        ProofError::Mismatch,
        ProofError::Overflow,
    ]
    .map(|error| u32::from(StreamError::from(error)));
    assert_eq!(codes, [6_200, 6_201, 6_202, 6_104]);
}

proptest! {
    /// The account's peaks are those of the list of all leaves, each of which can be proven.
    #[test]
    fn a_stream_is_the_list_of_its_commitments(count in 1..40u64, pick in any::<prop::sample::Index>()) {
        let mut stream = Stream::zeroed();
        let mut builder = MmrBuilder::new();
        for sequence in 0..count {
            let leaf = leaf(sequence, sequence as i64);
            stream.commit(&leaf).unwrap();
            builder.append(leaf.hash()).unwrap();
        }
        prop_assert_eq!(stream.count, count);
        prop_assert_eq!(stream.peaks, builder.peaks());
        let index = pick.index(count as usize) as u64;
        let path = builder.path(index).unwrap();
        prop_assert_eq!(
            mmr::verify(&stream.peaks, stream.count, index, &leaf(index, index as i64).hash(), &path),
            Ok(())
        );
        prop_assert_eq!(
            mmr::verify(&stream.peaks, stream.count, index, &leaf(index, index as i64 + 1).hash(), &path),
            Err(ProofError::Mismatch)
        );
    }
}
