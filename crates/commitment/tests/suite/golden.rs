use commitment::{
    reward_leaf, score_leaf, verify_batch, verify_reading, verify_sum, BatchLeaf, CommitmentLeaf,
    Hash, MmrBuilder, ReadingLeaf, SumTree, Tree, READINGS_DEPTH,
};
use serde::Deserialize;

/// The whole of golden.json, which another implementation wrote (another language, another SHA-256).
#[derive(Deserialize)]
struct Golden {
    reading_digest: String,
    signature: String,
    grant_signature: String,
    /// Of a reading that the hardware key signed.
    plain_reading_leaf: String,
    reading_leaf: String,
    readings_root: String,
    reading_index: u16,
    reading_path: String,
    batches: Vec<Batch>,
    commitments: Vec<Commitment>,
    peaks: Vec<String>,
    mmr_path_of_2: String,
    batch_path_of_2_1: String,
    sum_depth: u32,
    payees: Vec<Payee>,
    reward_root: String,
    reward_sum: u64,
    score_root: String,
    score_sum: u64,
    reward_path_of_second: String,
}

#[derive(Deserialize)]
struct Batch {
    readings_root: String,
    windows_root: String,
    windows: u32,
    readings: u32,
    first_capture: i64,
    last_capture: i64,
    hash: String,
}

#[derive(Deserialize)]
struct Commitment {
    sequence: u64,
    posted_at: i64,
    /// Indices into `batches`.
    batches: Vec<usize>,
    root: String,
    payload_hash: String,
    payload_len: u64,
    hash: String,
}

#[derive(Deserialize)]
struct Payee {
    kind: u8,
    index: u32,
    payee: String,
    score: u64,
    cumulative: u64,
    score_leaf: String,
    reward_leaf: String,
}

fn hash(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden.json")).unwrap()
}

fn batch(of: &Batch) -> BatchLeaf {
    BatchLeaf {
        readings_root: hash(&of.readings_root),
        windows_root: hash(&of.windows_root),
        windows: of.windows,
        readings: of.readings,
        first_capture: of.first_capture,
        last_capture: of.last_capture,
    }
}

fn commitment(of: &Commitment) -> CommitmentLeaf {
    CommitmentLeaf {
        sequence: of.sequence,
        posted_at: of.posted_at,
        root: hash(&of.root),
        batches: of.batches.len() as u32,
        payload_hash: hash(&of.payload_hash),
        payload_len: of.payload_len,
    }
}

#[test]
fn readings_batches_and_commitments() {
    let golden = golden();
    let digest = hash(&golden.reading_digest);
    let signature = hex::decode(&golden.signature).unwrap().try_into().unwrap();
    let grant = hex::decode(&golden.grant_signature)
        .unwrap()
        .try_into()
        .unwrap();
    let plain = ReadingLeaf {
        digest,
        signature: &signature,
        grant: None,
    };
    assert_eq!(plain.hash(), hash(&golden.plain_reading_leaf));
    let reading = ReadingLeaf {
        grant: Some(&grant),
        ..plain
    };
    assert_eq!(reading.hash(), hash(&golden.reading_leaf));
    let mut leaves = [[0; 32]; 512];
    leaves[usize::from(golden.reading_index)] = reading.hash();
    let readings = Tree::new(&leaves, READINGS_DEPTH).unwrap();
    assert_eq!(readings.root(), hash(&golden.readings_root));

    let mut range = MmrBuilder::new();
    for expected in &golden.commitments {
        let leaves: Vec<_> = expected
            .batches
            .iter()
            .map(|index| {
                let leaf = batch(&golden.batches[*index]).hash();
                assert_eq!(leaf, hash(&golden.batches[*index].hash));
                leaf
            })
            .collect();
        assert_eq!(
            Tree::of_batches(&leaves).unwrap().root(),
            hash(&expected.root)
        );
        assert_eq!(commitment(expected).hash(), hash(&expected.hash));
        range.append(hash(&expected.hash)).unwrap();
    }
    let peaks: Vec<_> = golden.peaks.iter().map(|peak| hash(peak)).collect();
    assert_eq!(range.peaks().as_slice(), peaks);

    let leaf = batch(&golden.batches[golden.commitments[2].batches[1]]);
    let commitment = commitment(&golden.commitments[2]);
    let mmr_path = hex::decode(&golden.mmr_path_of_2).unwrap();
    let batch_path = hex::decode(&golden.batch_path_of_2_1).unwrap();
    let reading_path = hex::decode(&golden.reading_path).unwrap();
    let count = range.count();
    let verified = verify_batch(
        &range.peaks(),
        count,
        &commitment,
        &mmr_path,
        1,
        &leaf,
        &batch_path,
    );
    assert_eq!(verified, Ok(()));
    let verified = verify_reading(
        &range.peaks(),
        count,
        &commitment,
        &mmr_path,
        1,
        &leaf,
        &batch_path,
        golden.reading_index,
        &reading,
        &reading_path,
    );
    assert_eq!(verified, Ok(()));
}

#[test]
fn scores_and_rewards() {
    let golden = golden();
    let mut scores = Vec::new();
    let mut rewards = Vec::new();
    for payee in &golden.payees {
        let score = score_leaf(&hash(&payee.payee), payee.score);
        let reward = reward_leaf(&hash(&payee.payee), payee.cumulative);
        assert_eq!(score.hash, hash(&payee.score_leaf));
        assert_eq!(reward.hash, hash(&payee.reward_leaf));
        scores.push((payee.kind, payee.index, score));
        rewards.push((payee.kind, payee.index, reward));
    }
    let score_root = SumTree::new(golden.sum_depth, scores).unwrap().root();
    assert_eq!(
        (score_root.hash, score_root.sum),
        (hash(&golden.score_root), golden.score_sum)
    );
    let (kind, index, leaf) = rewards[1];
    let reward_root = SumTree::new(golden.sum_depth, rewards).unwrap().root();
    assert_eq!(
        (reward_root.hash, reward_root.sum),
        (hash(&golden.reward_root), golden.reward_sum)
    );
    let path = hex::decode(&golden.reward_path_of_second).unwrap();
    assert_eq!(
        verify_sum(reward_root, golden.sum_depth, kind, index, leaf, &path),
        Ok(())
    );
}
