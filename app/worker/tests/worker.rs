//! Parts of a worker that need no chain: payloads, the database, scores and rewards.

#[path = "suite/answers.rs"]
mod answers;
#[path = "suite/log.rs"]
mod log;
#[path = "suite/plausibility.rs"]
mod plausibility;
#[path = "suite/scores.rs"]
mod scores;

use commitment::{CommitmentLeaf, READINGS_PER_WINDOW};
use device_protocol::{Curve, Hash, Reading, SessionGrant, SignedGrant, SignedReading, Values};
use fieldproof_client::key::DeviceSigner;
use fieldproof_worker::payload::{self, Payload, PayloadError, Reward, Rewards};
use fieldproof_worker::store::Store;
use fieldproof_worker::window::{Batch, Window};
use fieldproof_worker::Reject;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tempfile::TempDir;

fn any_reading() -> impl Strategy<Value = SignedReading> {
    (
        any::<(Hash, Hash, u32, u32, u64)>(),
        0..=i64::MAX,
        -900_000_000..=900_000_000i32,
        -1_800_000_000..=1_800_000_000i32,
        any::<(u16, u16)>(),
        prop::collection::vec(any::<i32>(), 1..=Values::MAX),
        any::<[u8; 32]>(),
    )
        .prop_map(
            |(ids, captured_at, latitude, longitude, (accuracy, schema), values, half)| {
                let (network, device, leaf_nonce, session, sequence) = ids;
                // Few, so that a window has several readings of one.
                let session = session % 3;
                let mut signature = [7; 64];
                signature[..32].copy_from_slice(&half);
                SignedReading {
                    reading: Reading {
                        network,
                        device,
                        leaf_nonce,
                        session,
                        sequence,
                        captured_at,
                        latitude,
                        longitude,
                        accuracy,
                        schema,
                        values: Values::new(&values).expect("1 to 32 values"),
                    },
                    signature,
                }
            },
        )
}

fn grant(counter: u32, leaf_nonce: u32, session_key: u8) -> SignedGrant {
    let grant = SessionGrant {
        network: [1; 32],
        device: [2; 32],
        leaf_nonce,
        session_key: [session_key; 32],
        counter,
        not_before: 0,
        expires: 60,
    };
    SignedGrant {
        grant,
        signature: [counter as u8; 64],
    }
}

fn any_window() -> impl Strategy<Value = Window> {
    (
        any::<(u16, u32)>(),
        prop::collection::vec(any_reading(), READINGS_PER_WINDOW),
    )
        .prop_map(|((tree, index), readings)| {
            let mut window = Window {
                tree,
                index,
                readings: Box::new(readings.try_into().expect("16 readings")),
                grants: Vec::new(),
            };
            let sessions = window.sessions().into_iter();
            window.grants = sessions.map(|counter| grant(counter, 0, 3)).collect();
            window
        })
}

fn any_batch() -> impl Strategy<Value = Batch> {
    (
        any::<(Hash, Hash, u64)>(),
        prop::collection::vec(any_window(), 1..3),
    )
        .prop_map(|((feed, model, round), windows)| Batch {
            feed,
            model,
            round,
            windows,
        })
}

fn any_payload() -> impl Strategy<Value = Payload> {
    let readings = (
        any::<(Hash, Hash)>(),
        prop::collection::vec(any_batch(), 0..3),
    )
        .prop_map(|((network, stream), mut batches)| {
            for batch in &mut batches {
                for window in &mut batch.windows {
                    for signed in window.readings.iter_mut() {
                        signed.reading.network = network;
                    }
                }
            }
            Payload::Readings {
                network,
                stream,
                batches,
            }
        });
    let entry =
        any::<(u8, u32, Hash, u64, u64)>().prop_map(|(kind, index, payee, score, cumulative)| {
            Reward {
                kind,
                index,
                payee,
                score,
                cumulative,
            }
        });
    let rewards = (any::<(Hash, u64, u8)>(), prop::collection::vec(entry, 0..8)).prop_map(
        |((network, epoch, depth), entries)| Payload::Rewards {
            network,
            rewards: Rewards {
                epoch,
                depth,
                entries,
            },
        },
    );
    prop_oneof![readings, rewards]
}

mod payloads {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Payload, PayloadError> {
        Payload::decode(bytes)
    }

    fn encode(payload: &Payload) -> Vec<u8> {
        payload.encode().expect("payload")
    }

    static TWO_WINDOWS: LazyLock<Vec<u8>> = LazyLock::new(|| encode(&two_windows()));

    /// A payload of one batch of two windows.
    fn two_windows() -> Payload {
        let signer = DeviceSigner::generate(Curve::P256);
        let windows = [0, 1].map(|window| Window {
            tree: 0,
            index: window,
            grants: Vec::new(),
            readings: Box::new(std::array::from_fn(|place| {
                let reading = Reading {
                    network: [1; 32],
                    device: signer.device_key().id(),
                    leaf_nonce: 0,
                    session: 0,
                    sequence: place as u64,
                    captured_at: 1_000 * place as i64,
                    latitude: -406_925_000,
                    longitude: 1_741_687_000,
                    accuracy: 20,
                    schema: 1,
                    values: Values::new(&[place as i32, -1]).expect("values"),
                };
                SignedReading {
                    signature: signer.sign(&reading.digest()),
                    reading,
                }
            })),
        });
        Payload::Readings {
            network: [1; 32],
            stream: [2; 32],
            batches: vec![Batch {
                feed: [3; 32],
                model: [4; 32],
                round: 5,
                windows: windows.into(),
            }],
        }
    }

    /// Where the footer starts.
    fn footer(bytes: &[u8]) -> usize {
        let length = bytes[bytes.len() - 8..].first_chunk().expect("length");
        bytes.len() - 8 - u32::from_le_bytes(*length) as usize
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn decode_to_what_was_encoded_and_always_have_the_same_bytes(payload in any_payload()) {
            let bytes = encode(&payload);
            prop_assert_eq!(encode(&payload), bytes.clone());
            prop_assert_eq!(decode(&bytes), Ok(payload));
        }

        #[test]
        fn are_refused_when_cut_or_followed_by_anything(
            payload in any_payload(),
            cut in any::<prop::sample::Index>(),
            more in 1..9usize,
        ) {
            let bytes = encode(&payload);
            prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), Err(PayloadError::Schema));
            let longer = [bytes, vec![0; more]].concat();
            prop_assert_eq!(decode(&longer), Err(PayloadError::Schema));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever is read is a payload that can be written, so that nothing impossible comes of it.
        #[test]
        fn of_altered_bytes_never_panic(
            // Half of them where sizes and places are: in the footer and where a column starts.
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), any::<bool>(), any::<u8>()),
                1..6,
            ),
        ) {
            let mut bytes = TWO_WINDOWS.clone();
            prop_assert!(decode(&bytes).is_ok());
            let footer = footer(&bytes);
            for (place, in_footer, byte) in changes {
                let place = if in_footer {
                    footer + place.index(bytes.len() - footer)
                } else {
                    place.index(bytes.len())
                };
                bytes[place] = byte;
            }
            if let Ok(payload) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&payload)), Ok(payload));
            }
        }

        #[test]
        fn of_any_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            footer_length in 0..500u32,
        ) {
            prop_assert!(decode(&bytes).is_err());
            let framed = [b"PAR1", bytes.as_slice(), &footer_length.to_le_bytes(), b"PAR1"];
            prop_assert!(decode(&framed.concat()).is_err());
        }
    }

    #[test]
    fn of_every_byte_altered_never_panic() {
        let bytes: &Vec<u8> = &TWO_WINDOWS;
        for place in 0..bytes.len() {
            for byte in [0, 0x15, 0x7f, 0xff] {
                let mut altered = bytes.clone();
                altered[place] = byte;
                let _ = decode(&altered);
            }
        }
    }

    #[test]
    fn larger_than_any_that_is_read_are_refused() {
        let bytes = vec![0; payload::MAX_LEN + 1];
        assert_eq!(decode(&bytes), Err(PayloadError::Length));
    }

    #[test]
    fn of_more_batches_or_windows_than_may_be_are_not_made() {
        let Payload::Readings {
            network,
            stream,
            batches,
        } = two_windows()
        else {
            panic!("readings");
        };
        let [batch] = batches.try_into().expect("one batch");
        let with = |batches| Payload::Readings {
            network,
            stream,
            batches,
        };
        let many = with(vec![batch.clone(); payload::MAX_BATCHES + 1]);
        assert_eq!(many.encode(), Err(PayloadError::Rows));
        let mut wide = batch.clone();
        wide.windows = vec![wide.windows[0].clone(); 33];
        assert_eq!(with(vec![wide]).encode(), Err(PayloadError::Rows));
        let mut granted = batch;
        granted.windows[0].readings[3].reading.session = 1;
        assert_eq!(
            with(vec![granted.clone()]).encode(),
            Err(PayloadError::Grant)
        );
        granted.windows[0].grants = vec![grant(1, 0, 3)];
        assert!(with(vec![granted.clone()]).encode().is_ok());
        granted.windows[1].grants = vec![grant(1, 0, 3)];
        assert_eq!(with(vec![granted]).encode(), Err(PayloadError::Grant));
    }
}

mod bodies {
    use super::*;
    use fieldproof_worker::ingest::{Ingest, MAX_READINGS};
    use fieldproof_worker::plausibility::Rules;
    use fieldproof_worker::registry::Registry;
    use fieldproof_worker::time::Time;
    use std::sync::Arc;

    /// What takes readings where no device is registered, on a database in `dir`.
    fn ingest(dir: &TempDir) -> Ingest {
        let store = Arc::new(Store::open(dir.path()).expect("database"));
        let time = Arc::new(Time::new(1_386_892_800));
        Ingest::new(store, Registry::default(), [7; 32], time, Rules::default())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is sent: an answer for each reading that parses, and one for the rest, which nobody can read.
        #[test]
        fn of_any_bytes_are_answered_reading_by_reading(
            readings in prop::collection::vec(any_reading(), 0..6),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut body: Vec<u8> = readings.iter().flat_map(SignedReading::to_bytes).collect();
            body.extend_from_slice(&rest);
            for (place, byte) in changes {
                if let Some(byte_there) = (!body.is_empty()).then(|| place.index(body.len())) {
                    body[byte_there] = byte;
                }
            }
            let mut parsed = 0;
            let mut left = body.as_slice();
            while let Ok((_, after)) = SignedReading::parse(left) {
                parsed += 1;
                left = after;
            }
            let dir = TempDir::new().expect("directory");
            let results = ingest(&dir).accept(&body).expect("database");
            let malformed = usize::from(!left.is_empty());
            prop_assert_eq!(results.len(), parsed + malformed);
            prop_assert!(results[..parsed].iter().all(|result| *result == Err(Reject::UnknownDevice)));
            prop_assert!(results[parsed..].iter().all(|result| *result == Err(Reject::Malformed)));
        }
    }

    #[test]
    fn of_too_many_readings_end_with_what_fits() {
        let reading = SignedReading {
            reading: Reading {
                network: [7; 32],
                device: [8; 32],
                leaf_nonce: 0,
                session: 0,
                sequence: 0,
                captured_at: 0,
                latitude: 0,
                longitude: 0,
                accuracy: 0,
                schema: 0,
                values: Values::new(&[1]).expect("a value"),
            },
            signature: [0; 64],
        };
        let body = reading.to_bytes().repeat(MAX_READINGS + 2);
        let dir = TempDir::new().expect("directory");
        let results = ingest(&dir).accept(&body).expect("database");
        assert_eq!(results.len(), MAX_READINGS + 1);
        assert_eq!(results.last(), Some(&Err(Reject::Malformed)));
    }
}

mod store {
    use super::*;

    use super::log::{batch, reading};
    use redb::{Database, ReadableTableMetadata, TableDefinition};

    fn take(store: &Store, items: &[Result<SignedReading, Reject>]) -> Vec<Result<(), Reject>> {
        let taken = store.take_blocking(batch(items)).expect("store");
        taken.into_iter().map(|item| item.map(drop)).collect()
    }

    /// Versions before kept them by their digest alone.
    #[test]
    fn finds_equivocations_that_an_older_version_wrote_down() {
        let data = TempDir::new().expect("directory");
        let signer = DeviceSigner::generate(Curve::Ed25519);
        let device = signer.device_key().id();
        let (first, second) = (reading(&signer, 1, 10), reading(&signer, 1, 11));
        let store = Store::open(data.path()).expect("store");
        assert_eq!(
            take(&store, &[Ok(first), Ok(second)]),
            [Ok(()), Err(Reject::Equivocation)]
        );
        drop(store);
        let table: TableDefinition<&[u8], &[u8]> = TableDefinition::new("equivocations");
        let database = Database::open(data.path().join("worker.redb")).expect("database");
        let change = database.begin_write().expect("transaction");
        {
            let mut table = change.open_table(table).expect("table");
            let digest = second.reading.digest();
            table.retain(|_, _| false).expect("removed");
            table
                .insert(digest.as_slice(), second.to_bytes().as_slice())
                .expect("written");
        }
        change.commit().expect("committed");
        drop(database);
        let store = Store::open(data.path()).expect("store");
        for of in [Some(&device), None] {
            let found = store.equivocations(of, 9).expect("store");
            assert_eq!(found, [[first, second]]);
        }
    }

    #[test]
    fn knows_replays_and_equivocations_after_it_was_opened_again() {
        let data = TempDir::new().expect("directory");
        let signer = DeviceSigner::generate(Curve::P256);
        let first = reading(&signer, 1, 10);
        let (second, other) = (reading(&signer, 2, 20), reading(&signer, 2, 21));
        {
            let store = Store::open(data.path()).expect("store");
            assert_eq!(
                take(&store, &[Ok(first), Ok(second), Ok(first)]),
                [Ok(()), Ok(()), Err(Reject::Replay)]
            );
        }
        let store = Store::open(data.path()).expect("store");
        let results = take(
            &store,
            &[
                Ok(first),
                Ok(other),
                Ok(second),
                Err(Reject::Malformed),
                Ok(reading(&signer, 3, 30)),
            ],
        );
        assert_eq!(
            results,
            [
                Err(Reject::Replay),
                Err(Reject::Equivocation),
                Err(Reject::Replay),
                Err(Reject::Malformed),
                Ok(())
            ]
        );
        // Rejects are counted from the start of the process, what was accepted from the first start.
        let counters: BTreeMap<&str, u64> = store.counters().into_iter().collect();
        let expected = [
            ("accepted", 3),
            ("equivocation", 1),
            ("malformed", 1),
            ("replay", 2),
        ];
        assert_eq!(counters, expected.into());
        assert_eq!(store.reading_count(), 3);
        // The first of a sequence stands.
        let device = signer.device_key().id();
        assert_eq!(
            store.readings(&device, 2_000, 2_000, 16).expect("store"),
            [second]
        );
    }

    #[test]
    fn gives_a_devices_readings_of_a_span_oldest_first() {
        let data = TempDir::new().expect("directory");
        let store = Store::open(data.path()).expect("store");
        let (one, two) = (
            DeviceSigner::generate(Curve::Ed25519),
            DeviceSigner::generate(Curve::Ed25519),
        );
        let of_one = [4, 300, 2, 70_000].map(|sequence| reading(&one, sequence, 5));
        let of_two = reading(&two, 3, 5);
        take(&store, &of_one.map(Ok));
        take(&store, &[Ok(of_two)]);
        let [four, three_hundred, two_, _] = of_one;
        let found = store.readings(&one.device_key().id(), 2_000, 300_000, 16);
        assert_eq!(found.expect("store"), [two_, four, three_hundred]);
        let found = store.readings(&one.device_key().id(), 2_001, 299_999, 16);
        assert_eq!(found.expect("store"), [four]);
    }

    /// Grants are in payloads, where anybody finds a device's later one to send before those that it still holds.
    #[test]
    fn takes_each_counter_of_grants_once_in_any_order() {
        let data = TempDir::new().expect("directory");
        let resigned = SignedGrant {
            signature: [9; 64],
            ..grant(3, 0, 3)
        };
        let put = [
            (grant(3, 0, 3), Ok(())),
            (grant(3, 0, 4), Err(Reject::StaleGrant)),
            (grant(5, 0, 5), Ok(())),
            (grant(2, 0, 2), Ok(())),
            (resigned, Err(Reject::Replay)),
            (grant(1, 1, 1), Ok(())),
        ];
        let store = Store::open(data.path()).expect("store");
        assert_eq!(
            store
                .put_grants(&put.map(|(grant, _)| grant))
                .expect("store"),
            put.map(|(_, result)| result)
        );
        drop(store);
        let store = Store::open(data.path()).expect("store");
        let stored = |nonce, counter| store.grant(&[2; 32], nonce, counter).expect("store");
        assert_eq!(stored(0, 3), Some(grant(3, 0, 3)));
        assert_eq!(stored(0, 2), Some(grant(2, 0, 2)));
        assert_eq!(stored(0, 4), None);
        assert_eq!(stored(1, 1), Some(grant(1, 1, 1)));
        assert_eq!(
            store
                .put_grants(&[grant(2, 0, 3), grant(4, 0, 4)])
                .expect("store"),
            [Err(Reject::StaleGrant), Ok(())]
        );
    }

    /// Grants are in payloads, where anybody finds some to send again and again.
    #[test]
    fn writes_nothing_for_grants_that_are_known_or_stale() {
        let data = TempDir::new().expect("directory");
        let store = Store::open(data.path()).expect("store");
        let put = |grants: &[SignedGrant]| store.put_grants(grants).expect("store");
        let file = || std::fs::read(data.path().join("worker.redb")).expect("database");
        assert_eq!(put(&[grant(3, 0, 3)]), [Ok(())]);
        let before = file();
        assert_eq!(
            put(&[grant(3, 0, 3), grant(3, 0, 4)]),
            [Err(Reject::Replay), Err(Reject::StaleGrant)]
        );
        assert!(put(&[]).is_empty());
        assert!(file() == before);
        assert_eq!(put(&[grant(4, 0, 4)]), [Ok(())]);
        assert!(file() != before);
    }

    #[test]
    fn gives_a_devices_equivocations_apart_from_all_others() {
        let data = TempDir::new().expect("directory");
        let store = Store::open(data.path()).expect("store");
        let mut pairs = Vec::new();
        for _ in 0..8 {
            let signer = DeviceSigner::generate(Curve::Ed25519);
            let pair = [reading(&signer, 2, 20), reading(&signer, 2, 21)];
            take(&store, &pair.map(Ok));
            pairs.push(pair);
        }
        let of = |device: Option<&Hash>, most| store.equivocations(device, most).expect("store");
        for pair in &pairs {
            assert_eq!(of(Some(&pair[0].reading.device), 256), [*pair]);
        }
        assert_eq!((of(None, 256).len(), of(None, 3).len()), (8, 3));
        assert!(of(Some(&[9; 32]), 256).is_empty());
    }

    /// Of such pairs anybody can make any number, with a device whose id comes first.
    #[test]
    fn lists_no_reboots_in_the_place_of_equivocations() {
        let data = TempDir::new().expect("directory");
        let store = Store::open(data.path()).expect("store");
        let mut signers = [(); 2].map(|()| DeviceSigner::generate(Curve::Ed25519));
        signers.sort_by_key(|signer| signer.device_key().id());
        let [rebooted, accused] = signers;
        let mut seconds = Vec::new();
        for sequence in 1..=4 {
            let first = reading(&rebooted, sequence, 20);
            let mut later = first.reading;
            later.captured_at += 1;
            let second = SignedReading {
                signature: rebooted.sign(&later.digest()),
                reading: later,
            };
            assert_eq!(
                take(&store, &[Ok(first), Ok(second)]),
                [Ok(()), Err(Reject::Equivocation)]
            );
            seconds.push(second);
        }
        let pair = [reading(&accused, 2, 20), reading(&accused, 2, 21)];
        take(&store, &pair.map(Ok));
        let listed = |store: &Store| store.equivocations(None, 3).expect("store");
        assert_eq!(listed(&store), [pair]);
        drop(store);
        // Versions before kept them.
        let table: TableDefinition<&[u8], &[u8]> = TableDefinition::new("equivocations");
        let database = Database::open(data.path().join("worker.redb")).expect("database");
        let change = database.begin_write().expect("transaction");
        {
            let mut table = change.open_table(table).expect("table");
            assert_eq!(table.len().expect("table"), 1);
            for second in &seconds {
                let key = [second.reading.device, second.reading.digest()].concat();
                let bytes = second.to_bytes();
                table
                    .insert(key.as_slice(), bytes.as_slice())
                    .expect("written");
            }
        }
        change.commit().expect("committed");
        drop(database);
        assert_eq!(listed(&Store::open(data.path()).expect("store")), [pair]);
    }

    #[test]
    fn decides_each_commitment_once() {
        let data = TempDir::new().expect("directory");
        let store = Store::open(data.path()).expect("store");
        let hash = payload::hash(b"first");
        store
            .decide_commitment::<_, ()>(0, &"record", b"first", &[])
            .expect("store");
        assert!(store
            .decide_commitment::<_, ()>(0, &"another", b"second", &[])
            .is_err());
        drop(store);
        let store = Store::open(data.path()).expect("store");
        assert_eq!(store.commitments::<String>().expect("store"), ["record"]);
        assert_eq!(
            store.payload(&hash).expect("store").as_deref(),
            Some(&b"first"[..])
        );
        assert_eq!(
            store.payload(&payload::hash(b"second")).expect("store"),
            None
        );
    }

    #[test]
    fn follows_devices_commitments_and_cursor_together() {
        let data = TempDir::new().expect("directory");
        let leaf = CommitmentLeaf {
            sequence: 3,
            posted_at: 1_000,
            root: [2; 32],
            batches: 1,
            payload_hash: [3; 32],
            payload_len: 9,
        };
        let store = Store::open(data.path()).expect("store");
        assert_eq!(store.cursor().expect("store"), None);
        store
            .follow(&[([5; 10], "device")], &[([6; 32], leaf)], b"cursor")
            .expect("store");
        drop(store);
        let store = Store::open(data.path()).expect("store");
        assert_eq!(
            store.cursor().expect("store").as_deref(),
            Some(&b"cursor"[..])
        );
        let devices = store.devices::<String>().expect("store");
        let devices: Result<Vec<_>, _> = devices.collect();
        assert_eq!(devices.expect("store"), ["device"]);
        assert_eq!(
            store.seen_commitment(&[6; 32], 3).expect("store"),
            Some(leaf)
        );
        assert_eq!(store.seen_commitment(&[6; 32], 4).expect("store"), None);
    }

    /// A commitment at `posted_at`.
    fn posted(sequence: u64, posted_at: i64) -> CommitmentLeaf {
        CommitmentLeaf {
            sequence,
            posted_at,
            root: [2; 32],
            batches: 1,
            payload_hash: [3; 32],
            payload_len: 9,
        }
    }

    #[test]
    fn reads_the_commitments_of_one_stream_and_when_there_were_any() {
        let data = TempDir::new().expect("directory");
        let store = Store::open(data.path()).expect("store");
        let [first, second, other] = [posted(0, 1_000), posted(256, 3_000), posted(1, 2_000)];
        let commitments = [([6; 32], second), ([5; 32], other), ([6; 32], first)];
        store
            .follow::<()>(&[], &commitments, b"cursor")
            .expect("store");
        let of = |stream: u8| store.seen_commitments(&[stream; 32]).expect("store");
        assert_eq!(of(6), [first, second]);
        assert_eq!(of(5), [other]);
        assert_eq!(of(7), []);
        for (time, posted) in [
            (i64::MIN, Some(1_000)),
            (1_000, Some(1_000)),
            (1_001, Some(2_000)),
            (3_000, Some(3_000)),
            (3_001, None),
        ] {
            assert_eq!(store.posted_from(time).expect("store"), posted);
        }
    }

    /// What databases of before had, and what this one adds to them.
    #[test]
    fn adds_the_times_of_commitments_to_an_older_database() {
        let data = TempDir::new().expect("directory");
        let store = Store::open(data.path()).expect("store");
        store
            .follow::<()>(&[], &[([6; 32], posted(0, 1_000))], b"cursor")
            .expect("store");
        drop(store);
        let database = redb::Database::open(data.path().join("worker.redb")).expect("database");
        let transaction = database.begin_write().expect("transaction");
        let posted: redb::TableDefinition<i64, ()> = redb::TableDefinition::new("posted");
        assert!(transaction.delete_table(posted).expect("table"));
        transaction.commit().expect("commit");
        drop(database);
        let store = Store::open(data.path()).expect("store");
        assert_eq!(store.posted_from(0).expect("store"), Some(1_000));
    }
}
