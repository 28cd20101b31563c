use crate::vectors::{directory, files, Expected, Read, Vectors};
use feed_reader::{Feed, FeedError, Value};
use std::fs;

#[test]
fn the_committed_vectors_are_those_written() {
    let mut written: Vec<_> = files();
    written.sort();
    let mut committed: Vec<_> = fs::read_dir(directory())
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    committed.sort();
    let names = |files: &[(String, Vec<u8>)]| -> Vec<_> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&written), names(&committed));
    for (written, committed) in written.iter().zip(&committed) {
        assert!(
            written == committed,
            "{} differs: cargo run -p feed-reader --example vectors",
            written.0
        );
    }
}

#[test]
fn this_reader_reads_them() {
    let json = fs::read(directory().join("vectors.json")).unwrap();
    let vectors: Vectors = serde_json::from_slice(&json).unwrap();
    assert!(vectors.reads.len() > 30);
    for read in &vectors.reads {
        let data = fs::read(directory().join(&read.account)).unwrap();
        let name = format!("{}: {}", read.account, read.name);
        let (got, newest) = outcome(read, &data);
        let expected = (read.value.clone(), read.error, read.rounds.clone());
        assert_eq!(got, expected, "{name}");
        if let Some(newest) = newest {
            assert_eq!(Some(newest), read.newest, "{name}");
        }
    }
}

type Outcome = (Option<Expected>, Option<u32>, Option<Vec<String>>);

fn outcome(read: &Read, data: &[u8]) -> (Outcome, Option<(String, bool)>) {
    let hash = |text: &str| -> [u8; 32] { hex::decode(text).unwrap().try_into().unwrap() };
    let refused = |error: FeedError| (None, Some(error.code()), None);
    let feed = match Feed::from_account(&hash(&read.owner), data, &hash(&read.id)) {
        Ok(feed) => feed,
        Err(error) => return (refused(error), None),
    };
    let now = read.now.parse().unwrap();
    let newest = feed
        .newest_value_unverified()
        .map(|value| (value.round.to_string(), value.disputed));
    let rounds = feed
        .values(now, read.max_age, read.min_mask)
        .map(|values| values.map(|value| value.round.to_string()).collect())
        .ok();
    let got = match feed.value(now, read.max_age, read.min_mask) {
        Ok(value) => (Some(of(&value)), None, rounds),
        Err(error) => (None, Some(error.code()), rounds),
    };
    (got, newest.ok())
}

fn of(value: &Value) -> Expected {
    assert!(!value.disputed);
    Expected {
        round: value.round.to_string(),
        value: value.value.to_string(),
        exponent: value.exponent,
        confidence: value.confidence.to_string(),
        ema: value.ema.to_string(),
        posted_at: value.posted_at.to_string(),
        oldest_capture: value.oldest_capture.to_string(),
        newest_capture: value.newest_capture.to_string(),
        data_root: hex::encode(value.data_root),
        mask: value.mask,
        attesters: value.attesters,
        streams: value.streams,
    }
}
