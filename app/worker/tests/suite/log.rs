//! The log of readings: what is taken stays, whole, once, and in bounded memory.

use axum::body::Bytes;
use device_protocol::{Curve, Reading, SignedReading, Values, SIGNATURE_LEN};
use fieldproof_client::key::DeviceSigner;
use fieldproof_worker::cache::Cache;
use fieldproof_worker::log::seen::{Known, Seen, WINDOW};
use fieldproof_worker::log::{Appender, Batch, Log, LogError, Record, Session};
use fieldproof_worker::Reject;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// So small that a few readings fill a file.
const FILE_LEN: u32 = 700;

/// A reading captured at as many seconds as its sequence says.
pub fn reading(signer: &DeviceSigner, sequence: u64, value: i32) -> SignedReading {
    let reading = Reading {
        network: [1; 32],
        device: signer.device_key().id(),
        leaf_nonce: 0,
        session: 0,
        sequence,
        captured_at: sequence as i64 * 1_000,
        latitude: 0,
        longitude: 0,
        accuracy: 1,
        schema: 1,
        values: Values::new(&[value]).expect("value"),
    };
    SignedReading {
        signature: signer.sign(&reading.digest()),
        reading,
    }
}

/// A body of readings, as it is after they were verified.
pub fn batch(items: &[Result<SignedReading, Reject>]) -> Batch {
    let mut body = Vec::new();
    let items = items.iter().map(|item| {
        item.map(|signed| {
            let start = body.len();
            body.extend(signed.to_bytes());
            Record {
                bytes: start..body.len(),
                device: signed.reading.device,
                session: Session::of(&signed.reading),
                sequence: signed.reading.sequence,
                captured_at: signed.reading.captured_at,
            }
        })
    });
    let items = items.collect();
    Batch {
        body: Bytes::from(body),
        items,
    }
}

fn open(dir: &Path) -> (Arc<Log>, Appender) {
    Log::open(dir, FILE_LEN).expect("log")
}

fn append(appender: &mut Appender, readings: &[SignedReading]) -> Vec<Result<(), Reject>> {
    let readings: Vec<_> = readings.iter().copied().map(Ok).collect();
    let mut batches = [batch(&readings)];
    appender.append(&mut batches).expect("log");
    let [batch] = batches;
    batch.items.into_iter().map(|item| item.map(drop)).collect()
}

fn signer() -> DeviceSigner {
    DeviceSigner::from_seed(Curve::Ed25519, &[7; 32]).expect("key")
}

/// An unsigned reading, for the log does not look at signatures.
fn plain(device: u8, session: u32, sequence: u64, value: i32) -> SignedReading {
    SignedReading {
        reading: Reading {
            network: [1; 32],
            device: [device; 32],
            leaf_nonce: 0,
            session,
            sequence,
            captured_at: i64::from(session) * 500 + (sequence % 1_000) as i64,
            latitude: 0,
            longitude: 0,
            accuracy: 1,
            schema: 1,
            values: Values::new(&[value]).expect("value"),
        },
        signature: [device; 64],
    }
}

fn any_reading() -> impl Strategy<Value = SignedReading> {
    let sequence = prop_oneof![4 => 0..300u64, 1 => u64::MAX - 2..=u64::MAX];
    (0..3u8, 0..2u32, 0..2u32, sequence, 0..2i32).prop_map(
        |(device, leaf_nonce, session, sequence, value)| {
            let mut signed = plain(device, session, sequence, value);
            signed.reading.leaf_nonce = leaf_nonce;
            signed
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_a_map_across_files_and_restarts(
        groups in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(prop::collection::vec(any_reading(), 0..6), 1..4)),
            1..12,
        ),
    ) {
        let dir = TempDir::new().expect("directory");
        let (mut log, mut appender) = open(dir.path());
        let mut model: BTreeMap<([u8; 32], Session, u64), SignedReading> = BTreeMap::new();
        for (again, group) in groups {
            if again {
                drop((log, appender));
                (log, appender) = open(dir.path());
            }
            let mut batches: Vec<Batch> = group
                .iter()
                .map(|readings| batch(&readings.iter().copied().map(Ok).collect::<Vec<_>>()))
                .collect();
            let equivocations = appender.append(&mut batches).expect("log");
            let mut expected_equivocations = Vec::new();
            for (readings, batch) in group.iter().zip(batches) {
                for (signed, item) in readings.iter().zip(batch.items) {
                    let reading = &signed.reading;
                    let key = (reading.device, Session::of(reading), reading.sequence);
                    let expected = match model.get(&key) {
                        None => {
                            model.insert(key, *signed);
                            Ok(())
                        }
                        Some(taken) if taken.reading == signed.reading => Err(Reject::Replay),
                        Some(_) => {
                            expected_equivocations.push(signed.to_bytes());
                            Err(Reject::Equivocation)
                        }
                    };
                    prop_assert_eq!(item.map(drop), expected);
                }
            }
            prop_assert_eq!(equivocations, expected_equivocations);
            prop_assert_eq!(log.count(), model.len() as u64);
            for device in 0..3 {
                for (from, to, most) in [(0, i64::MAX, usize::MAX), (100, 600, usize::MAX), (0, 600, 3)] {
                    let mut expected: Vec<_> = model
                        .values()
                        .filter(|signed| signed.reading.device == [device; 32])
                        .filter(|signed| (from..=to).contains(&signed.reading.captured_at))
                        .copied()
                        .collect();
                    expected.sort_by_key(|signed| {
                        let reading = &signed.reading;
                        (reading.captured_at, Session::of(reading), reading.sequence)
                    });
                    let expected = &expected[expected.len().saturating_sub(most)..];
                    let found = log.readings(&[device; 32], from, to, most);
                    prop_assert_eq!(found.expect("log"), expected);
                }
            }
        }
    }

    #[test]
    fn of_any_bytes_is_refused_or_read_and_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        index in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
        magic in any::<bool>(),
    ) {
        let dir = TempDir::new().expect("directory");
        let with = |magic: &[u8], bytes: &[u8]| [magic, bytes].concat();
        let (log, idx): (&[u8], &[u8]) = if magic { (b"FPB1", b"FPX1") } else { (b"", b"") };
        fs::write(dir.path().join("00000000.log"), with(log, &bytes)).expect("file");
        if let Some(index) = index {
            fs::write(dir.path().join("00000000.index"), with(idx, &index)).expect("file");
        }
        if let Ok((log, _)) = Log::open(dir.path(), FILE_LEN) {
            prop_assert_eq!(log.count(), 0);
        }
    }
}

fn with_values(sequence: u64, values: &[i32]) -> SignedReading {
    let mut signed = plain(7, 0, sequence, 0);
    signed.reading.values = Values::new(values).expect("values");
    signed
}

/// A block as it is on the disk, whatever is in it.
fn block(count: u32, readings: &[u8]) -> Vec<u8> {
    let (count, len) = (count.to_le_bytes(), (readings.len() as u32).to_le_bytes());
    let crc = crc32fast::hash(&[&count[..], &len, readings].concat());
    [&b"FPB1"[..], &count, &len, &crc.to_le_bytes(), readings].concat()
}

fn as_values(bytes: &[u8]) -> Vec<i32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().copied().map(i32::from_le_bytes).collect()
}

/// A reading whose values are a block without readings.
fn holding_an_empty_block() -> SignedReading {
    with_values(2, &as_values(&block(0, &[])))
}

/// Two readings that, side by side, hold a block with a reading: it begins in the values of the one and ends in those of the
/// other.
fn holding_a_block() -> [SignedReading; 2] {
    const VALUES: usize = 4 * Values::MAX;
    let inner = with_values(1, &[0; Values::MAX]).to_bytes();
    let other = with_values(3, &[0; 4]);
    let begin = &inner[..VALUES - 16];
    let signature = plain(7, 0, 2, 0).signature;
    let end = &other.to_bytes()[..inner.len() - begin.len() - signature.len()];
    let hidden = block(1, &[begin, &signature, end].concat());
    [with_values(2, &as_values(&hidden[..VALUES])), other]
}

#[test]
fn cuts_off_a_torn_write_wherever_it_ends_and_whatever_is_in_it() {
    let one = plain(7, 0, 1, 10);
    for written in [
        vec![plain(7, 0, 2, 20)],
        vec![holding_an_empty_block()],
        holding_a_block().to_vec(),
    ] {
        let dir = TempDir::new().expect("directory");
        let file = dir.path().join("00000000.log");
        let (log, mut appender) = open(dir.path());
        append(&mut appender, &[one]);
        let first = fs::metadata(&file).expect("file").len();
        append(&mut appender, &written);
        drop((log, appender));
        let whole = fs::read(&file).expect("file");
        for len in first..whole.len() as u64 {
            fs::write(&file, &whole[..len as usize]).expect("file");
            let (log, mut appender) = open(dir.path());
            let found = log.readings(&one.reading.device, 0, i64::MAX, usize::MAX);
            assert_eq!(found.expect("log"), [one]);
            assert_eq!(append(&mut appender, &[one]), [Err(Reject::Replay)]);
            let taken = append(&mut appender, &written);
            assert!(taken.iter().all(Result::is_ok));
            assert_eq!(fs::read(&file).expect("file"), whole);
        }
    }
}

#[test]
fn readings_can_hold_what_a_block_is() {
    let empty = holding_an_empty_block().to_bytes();
    assert_eq!(empty[Reading::HEADER..][..16], block(0, &[]));
    let dir = TempDir::new().expect("directory");
    let both = holding_a_block().map(|signed| signed.to_bytes()).concat();
    let hidden = &both[Reading::HEADER..][..16 + Reading::MAX_LEN + SIGNATURE_LEN];
    fs::write(dir.path().join("00000000.log"), hidden).expect("file");
    let (log, _) = open(dir.path());
    assert_eq!(log.count(), 1);
}

#[test]
fn of_a_device_that_sends_without_end_only_its_newest_readings_are_read() {
    let dir = TempDir::new().expect("directory");
    let (log, mut appender) = open(dir.path());
    let mut sent = Vec::new();
    for sequence in 0..60 {
        sent.push(plain(7, 0, sequence, 0));
        append(&mut appender, &sent[sent.len() - 1..]);
    }
    // Whoever reads one of the first fails.
    for number in 0..10 {
        let file = dir.path().join(format!("{number:08}.log"));
        let len = fs::metadata(&file).expect("file").len();
        fs::write(&file, vec![0; len as usize]).expect("file");
    }
    let readings = |most| log.readings(&[7; 32], 0, i64::MAX, most);
    assert_eq!(readings(16).expect("log"), sent[sent.len() - 16..]);
    assert!(matches!(readings(60), Err(LogError::Damaged(..))));
}

/// How often this thread has asked the system to read.
fn reads() -> u64 {
    let figures = fs::read_to_string("/proc/thread-self/io").expect("figures");
    let reads = figures
        .lines()
        .find_map(|line| line.strip_prefix("syscr: "));
    reads.expect("reads").parse().expect("number")
}

#[test]
fn is_searched_once_a_write_for_a_device_that_counts_down() {
    let dir = TempDir::new().expect("directory");
    let (_log, mut appender) = open(dir.path());
    append(&mut appender, &[plain(7, 0, u64::MAX, 0)]);
    for sequence in 1_000..1_060 {
        append(&mut appender, &[plain(7, 0, sequence, 0)]);
    }
    let mut reads_for = |sequences: Range<u64>| {
        let readings = sequences.rev().map(|sequence| plain(7, 0, sequence, 0));
        let before = reads();
        let taken = append(&mut appender, &readings.collect::<Vec<_>>());
        assert!(taken.iter().all(Result::is_ok));
        reads() - before
    };
    let (one, hundred) = (reads_for(900..901), reads_for(800..900));
    assert!(hundred < 2 * one, "{hundred} reads instead of {one}");
}

#[test]
fn finds_what_was_taken_on_every_page_of_an_index() {
    let dir = TempDir::new().expect("directory");
    let (log, mut appender) = open(dir.path());
    let numbered = |sequence| plain(7, 0, sequence, 0);
    let even: Vec<_> = (0..1_200).step_by(2).map(numbered).collect();
    append(&mut appender, &even);
    append(&mut appender, &[numbered(u64::MAX)]);
    let all: Vec<_> = (0..1_200).map(numbered).collect();
    let expected = (0..1_200).map(|sequence| match sequence % 2 {
        0 => Err(Reject::Replay),
        _ => Ok(()),
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(append(&mut appender, &all), expected);
    let found = log.readings(&[7; 32], 0, i64::MAX, usize::MAX);
    assert_eq!(found.expect("log").len(), 1_201);
}

#[test]
fn that_is_damaged_before_its_last_write_is_refused() {
    let signer = signer();
    let dir = TempDir::new().expect("directory");
    let file = dir.path().join("00000000.log");
    let (log, mut appender) = open(dir.path());
    for sequence in 1..=2 {
        append(&mut appender, &[reading(&signer, sequence, 10)]);
    }
    drop((log, appender));
    let whole = fs::read(&file).expect("file");
    for place in 0..whole.len() / 2 {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&file, bytes).expect("file");
        let opened = Log::open(dir.path(), FILE_LEN);
        assert!(
            matches!(&opened, Err(LogError::Damaged(path, 0)) if *path == file),
            "byte {place}"
        );
    }
}

#[test]
fn without_the_index_of_a_full_file_is_refused() {
    let signer = signer();
    let dir = TempDir::new().expect("directory");
    let (log, mut appender) = open(dir.path());
    for sequence in 1..=20 {
        append(&mut appender, &[reading(&signer, sequence, 10)]);
    }
    assert_eq!(log.count(), 20);
    drop((log, appender));
    let file = dir.path().join("00000000");
    fs::remove_file(file.with_extension("index")).expect("index");
    let opened = Log::open(dir.path(), FILE_LEN);
    let path = file.with_extension("log");
    assert!(matches!(opened, Err(LogError::Damaged(damaged, 0)) if damaged == path));
}

proptest! {
    #[test]
    fn seen_agrees_with_a_set_wherever_it_answers(
        sequences in prop::collection::vec(
            prop_oneof![0..400u64, u64::MAX - 300..=u64::MAX, any::<u64>()],
            0..60,
        ),
    ) {
        let (mut seen, mut all) = (Seen::default(), BTreeSet::new());
        for sequence in sequences {
            match seen.look(sequence) {
                Known::New => prop_assert!(!all.contains(&sequence)),
                Known::Taken => prop_assert!(all.contains(&sequence)),
                Known::Below => {
                    let highest = all.last().expect("one was taken");
                    prop_assert!(highest - sequence >= WINDOW);
                }
            }
            seen.take(sequence);
            all.insert(sequence);
        }
    }
}

#[test]
fn cache_keeps_what_is_used_and_forgets_the_rest() {
    let mut cache = Cache::new(4);
    for key in 0..100 {
        cache.insert(key, key * 10);
        assert_eq!(cache.get(&0), Some(&0));
    }
    assert_eq!(cache.get(&99), Some(&990));
    assert_eq!(cache.get(&50), None);
    let none = cache.get_or_try_insert_with(50, || Err("none"));
    assert_eq!(none, Err("none"));
    let made = cache.get_or_try_insert_with(50, || Ok::<_, ()>(1));
    assert_eq!(made, Ok(&mut 1));
    assert_eq!(cache.get(&50), Some(&1));
    cache.clear();
    assert_eq!(cache.get(&0), None);
}
