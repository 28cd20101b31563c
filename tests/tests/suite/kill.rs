//! A worker that is killed at every stage, on a real RPC server, and started again on the same data.

use super::live::{wait, Live, Process, CHALLENGE, EPOCH, ROUND};
use super::worker::reading;
use ai_feed::state::{Attestation, Feed};
use data_commitment::state::Stream;
use device_protocol::{Curve, Hash, SessionGrant, SignedGrant, SignedReading};
use feed_reader::Mask;
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::{ai_feed as feeds, chain, reward_emission as emissions, token};
use fieldproof_worker::committee::Refused;
use fieldproof_worker::server::Accepted;
use migrations::config;
use prover::{Prover, ProvingKey};
use reward_emission::state::{Emission, Proposal, FINAL, PASSED};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

/// The operator whose worker is killed. The other's signs and votes, and takes no readings.
const KILLED: usize = 0;
const OTHER: usize = 1;

/// Each stage is seen on the chain by the test before the worker's own call returns, since the worker looks for its
/// transactions less often: most kills come after something landed and before the worker wrote down that it did.
#[test]
fn at_every_stage_loses_nothing_and_does_nothing_twice() {
    let mut live = Live::start(2);
    live.key("owner.json");
    let signer = live.device("owner.json", "device.json", 0, Curve::P256);
    live.cli_done(
        "owner.json",
        &["claim", "--worker", "http://127.0.0.1:1", "--register-only"],
    );
    let network = live.deployment.network_id;
    let feed_key = live.deployment.feeds[0];
    // Epoch 2, in the last round of the first of its ballots.
    let start = ((live.genesis + 2 * EPOCH + 1_200) / ROUND + 1) * ROUND + 1;
    live.cluster.set_time(start);
    let _other = live.worker(OTHER);
    let mut worker = live.worker(KILLED);
    live.wait_for_device(KILLED);

    // Readings, one every minute, each acknowledged.
    let newest = start - 30;
    let readings: Vec<SignedReading> = (0..16)
        .map(|number| {
            let captured_at = (newest - (15 - number) * ROUND) * 1_000;
            reading(&network, &signer, captured_at, 700 + number as i32)
        })
        .collect();
    let round = (newest / ROUND) as u64;
    for (number, half) in readings.chunks(8).enumerate() {
        assert_eq!(post(&live, half), ["accepted"; 8]);
        worker = again(&live, worker);
        let status = wait("status", || live.status(KILLED));
        assert_eq!(status.readings, 8 * (number as u64 + 1));
    }

    // The round: committed, submitted, attested, final.
    let stream_key = live.operators[KILLED].stream;
    let attestation_key = feeds::attestation(&feed_key, &stream_key, round, 0, 0);
    let feed = || live.find::<Feed>(&feed_key).expect("feed");
    wait("the commitment", || {
        live.find::<Stream>(&stream_key)
            .filter(|stream| stream.count > 0)
    });
    worker = again(&live, worker);
    wait("the attestation", || {
        live.find::<Attestation>(&attestation_key)
    });
    worker = again(&live, worker);
    wait("the signatures", || {
        live.find::<Attestation>(&attestation_key)
            .filter(|attestation| attestation.mask > 0)
    });
    worker = again(&live, worker);
    wait("the value", || (feed().entries > 0).then_some(()));
    worker = again(&live, worker);

    // The rewards: archived, proposed, voted, final. The killed worker's turn is the first ballot of epoch 3.
    live.cluster.set_time(live.genesis + 3 * EPOCH + 1);
    let stream_key = live.operators[KILLED].stream;
    wait("the archive", || {
        live.find::<Stream>(&stream_key)
            .filter(|stream| stream.count > 1)
    });
    worker = again(&live, worker);
    let proposals = || chain::read_all::<Proposal>(&live.chain).expect("proposals");
    wait("the proposal", || proposals().pop());
    worker = again(&live, worker);
    wait("a vote", || {
        proposals()
            .pop()
            .filter(|(_, proposal)| proposal.voted & 1 != 0)
    });
    worker = again(&live, worker);
    let (_, passed) = wait("the votes", || {
        proposals()
            .pop()
            .filter(|(_, proposal)| proposal.status == PASSED)
    });
    live.cluster.set_time(passed.passed_at + CHALLENGE);
    let emission_key = emissions::emission(&live.deployment.network);
    let emission = || live.find::<Emission>(&emission_key).expect("emission");
    wait("the rewards", || (emission().finals > 0).then_some(()));
    worker = again(&live, worker);

    // Some more of the worker's steps, on everything that is there.
    let before = live.status(KILLED).expect("status").now;
    live.cluster.set_time(live.now() + 2);
    wait("more steps", || {
        live.status(KILLED).filter(|status| status.now > before)
    });

    // Nothing acknowledged is lost.
    let results = post(&live, &readings);
    assert!(
        results.iter().all(|result| result == "replay"),
        "{results:?}"
    );
    let status = live.status(KILLED).expect("status");
    assert_eq!((status.readings, status.counters["accepted"]), (16, 16));
    // Nothing is committed twice: one payload of readings, one of rewards.
    let count = |number: usize| {
        live.find::<Stream>(&live.operators[number].stream)
            .expect("stream")
            .count
    };
    assert_eq!((count(KILLED), count(OTHER)), (2, 0));
    // Nothing is attested or signed twice.
    let attestations = chain::read_all::<Attestation>(&live.chain).expect("attestations");
    assert_eq!(attestations.len(), 1);
    let (key, attestation) = &attestations[0];
    assert_eq!((*key, attestation.signers), (attestation_key, 0b11));
    let feed = live.find::<Feed>(&feed_key).expect("feed");
    assert_eq!((feed.entries, feed.last_round), (1, round));
    assert_eq!(feed.ring[0].mask, Mask::COMMITTEE | Mask::SOURCED);
    // Rewards are proposed and voted once, and final.
    let proposals = chain::read_all::<Proposal>(&live.chain).expect("proposals");
    assert_eq!(proposals.len(), 1);
    assert_eq!((proposals[0].1.status, proposals[0].1.voted), (FINAL, 0b11));
    let emission = live.find::<Emission>(&emission_key).expect("emission");
    assert_eq!((emission.finals, emission.final_epoch), (1, 2));
    // And paid once.
    let claim = ["claim", "--worker", &live.operators[KILLED].url];
    let paid = live.cli_done("owner.json", &claim);
    let due = emission.budget(2, 0).expect("budget").owners;
    assert_eq!(paid["amount"], token::format_amount(due, 6));
    assert!(!live.cli("owner.json", &claim).status.success());
    worker.kill();
}

/// A proof is kept nowhere until the chain has it: a worker that is killed at it makes it again. The key comes from a file
/// that the configuration names, as one of a ceremony does.
#[test]
fn while_it_proves_proves_again() {
    let key = Prover::development(inference::WINDOWS).expect("key");
    let verifying_key = key.verifying_key().to_bytes();
    let mut live = Live::start_with(1, |config, dir| {
        let file = dir.join("proofs.key");
        std::fs::write(&file, verifying_key).expect("verifying key");
        config.verifying_keys = vec![config::VerifyingKey {
            file,
            circuit: "08".repeat(32),
            transcript: None,
        }];
        for feed in &mut config.feeds {
            feed.min_signers = 1;
            feed.required = ["committee", "sourced", "zk"].map(str::to_owned).to_vec();
        }
    });
    let file = live.dir.path().join("proving.key");
    let sha256 = ProvingKey::insecure(inference::WINDOWS)
        .and_then(|key| key.write(&file))
        .expect("proving key");
    let section = |sha256: &[u8; 32]| {
        let (file, sha256) = (file.display(), hex::encode(sha256));
        format!("[prover.key]\nfile = \"{file}\"\nsha256 = \"{sha256}\"\n")
    };
    live.key("owner.json");
    let signer = live.device("owner.json", "device.json", 0, Curve::Ed25519);
    let network = live.deployment.network_id;
    let feed_key = live.deployment.feeds[0];
    let start = ((live.genesis + 2 * EPOCH + 1_200) / ROUND + 1) * ROUND + 1;
    live.cluster.set_time(start);

    // Another file than the one that was meant is not proven with.
    let wrong = live.worker_that_ends(KILLED, &section(&[7; 32]));
    assert!(wrong.contains("SHA-256"), "{wrong}");

    live.configure_also(KILLED, &section(&sha256));
    let mut worker = live.worker(KILLED);
    live.wait_for_device(KILLED);
    let newest = start - 30;
    let readings: Vec<SignedReading> = (0..16)
        .map(|number| {
            let captured_at = (newest - (15 - number) * ROUND) * 1_000;
            reading(&network, &signer, captured_at, 700 + number as i32)
        })
        .collect();
    assert_eq!(post(&live, &readings), ["accepted"; 16]);
    let round = (newest / ROUND) as u64;
    let stream_key = live.operators[KILLED].stream;
    let attestation_key = feeds::attestation(&feed_key, &stream_key, round, 0, 0);
    let attestation = || live.find::<Attestation>(&attestation_key);
    wait("the attestation", &attestation);
    worker.kill();
    assert_eq!(attestation().expect("attestation").mask & Mask::ZK, 0);
    worker = live.worker(KILLED);
    wait("the proof", || {
        attestation().filter(|attestation| attestation.mask & Mask::ZK != 0)
    });
    worker = again(&live, worker);
    let feed = wait("the value", || {
        live.find::<Feed>(&feed_key).filter(|feed| feed.entries > 0)
    });
    assert_eq!((feed.entries, feed.last_round), (1, round));
    assert_eq!(
        feed.ring[0].mask,
        Mask::COMMITTEE | Mask::SOURCED | Mask::ZK
    );
    worker.kill();
}

/// Workers that are killed while readings come in as fast as they go, at no chosen point.
#[test]
fn under_load_loses_no_acknowledged_reading_and_stores_none_twice() {
    const KILLS: u64 = 8;
    const SENDERS: usize = 4;
    const BODY: usize = 32;
    let mut live = Live::start(1);
    live.key("owner.json");
    let signer = live.device("owner.json", "device.json", 0, Curve::Ed25519);
    let network = live.deployment.network_id;
    let now = live.now();
    let url = format!("{}/v1/readings", live.operators[KILLED].url);
    // What was sent, and of it what was acknowledged.
    let (sent, acknowledged) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let next = AtomicU64::new(1);
    let mut worker = live.worker(KILLED);
    for kill in 0..KILLS {
        live.wait_for_device(KILLED);
        let goal = acknowledged.lock().unwrap().len() + BODY * (1 + kill as usize * 5);
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| {
                    let client = reqwest::blocking::Client::new();
                    loop {
                        let readings: Vec<SignedReading> = (0..BODY)
                            .map(|_| {
                                let sequence = next.fetch_add(1, Ordering::Relaxed);
                                numbered(&network, &signer, sequence, now * 1_000)
                            })
                            .collect();
                        let body: Vec<u8> =
                            readings.iter().flat_map(SignedReading::to_bytes).collect();
                        sent.lock().unwrap().extend_from_slice(&readings);
                        let answer = client.post(&url).body(body).send();
                        let Ok(answer) = answer.and_then(|answer| answer.json::<Accepted>()) else {
                            // Killed.
                            return;
                        };
                        assert_eq!(answer.accepted, BODY);
                        acknowledged.lock().unwrap().extend_from_slice(&readings);
                    }
                });
            }
            wait("some readings to be acknowledged", || {
                (acknowledged.lock().unwrap().len() >= goal).then_some(())
            });
            worker.kill();
        });
        worker = live.worker(KILLED);
    }
    live.wait_for_device(KILLED);
    let (sent, acknowledged) = (
        sent.into_inner().unwrap(),
        acknowledged.into_inner().unwrap(),
    );
    for readings in acknowledged.chunks(1_024) {
        let results = post(&live, readings);
        assert!(results.iter().all(|result| result == "replay"));
    }
    // Of what was not acknowledged, some was on the disk and some not; now all of it is, once.
    for readings in sent.chunks(1_024) {
        let results = post(&live, readings);
        assert!(results
            .iter()
            .all(|result| ["replay", "accepted"].contains(&result.as_str())));
    }
    let status = live.status(KILLED).expect("status");
    assert_eq!(status.readings, sent.len() as u64);
    worker.kill();
    let worker = live.worker(KILLED);
    let status = live.status(KILLED).expect("status");
    assert_eq!(status.readings, sent.len() as u64);
    worker.kill();
}

#[test]
fn with_a_full_disk_says_so_and_loses_nothing() {
    /// Files of 6 MiB at most.
    const BLOCKS: u64 = 12 << 10;
    const BODY: usize = 4_096;
    let mut live = Live::start(1);
    live.key("owner.json");
    let signer = live.device("owner.json", "device.json", 0, Curve::Ed25519);
    let network = live.deployment.network_id;
    let now = live.now();
    let base = live.operators[KILLED].url.clone();
    let client = reqwest::blocking::Client::new();
    let send = |readings: &[SignedReading]| {
        let body: Vec<u8> = readings.iter().flat_map(SignedReading::to_bytes).collect();
        let url = format!("{base}/v1/readings");
        client.post(url).body(body).send().expect("answer")
    };
    let ready = || {
        let response = client.get(format!("{base}/ready")).send().expect("answer");
        response.status().as_u16()
    };
    let worker = live.worker_on_a_full_disk(KILLED, BLOCKS);
    live.wait_for_device(KILLED);
    assert_eq!(ready(), 200);
    let body = |number: usize| -> Vec<SignedReading> {
        let first = (number * BODY + 1) as u64;
        (first..first + BODY as u64)
            .map(|sequence| numbered(&network, &signer, sequence, now * 1_000))
            .collect()
    };
    let mut taken = 0;
    let refused = loop {
        let readings = body(taken);
        let answer = send(&readings);
        if !answer.status().is_success() {
            break answer;
        }
        taken += 1;
    };
    assert_eq!(refused.status().as_u16(), 507);
    let refused: Refused = refused.json().expect("refusal");
    assert_eq!(refused.refused, "full");
    assert_eq!(ready(), 503);
    // It goes on with what it has, and takes what there is room for.
    let held = (taken * BODY) as u64;
    assert_eq!(live.status(KILLED).expect("status").readings, held);
    let small = numbered(&network, &signer, u64::MAX, now * 1_000);
    assert_eq!(post(&live, &[small]), ["accepted"]);
    assert_eq!(ready(), 200);
    assert!(post(&live, &body(taken - 1))
        .iter()
        .all(|result| result == "replay"));

    worker.kill();
    let worker = live.worker(KILLED);
    live.wait_for_device(KILLED);
    assert_eq!(live.status(KILLED).expect("status").readings, held + 1);
    assert_eq!(post(&live, &[small]), ["replay"]);
    for number in 0..taken {
        assert!(post(&live, &body(number))
            .iter()
            .all(|result| result == "replay"));
    }
    assert!(post(&live, &body(taken))
        .iter()
        .all(|result| result == "accepted"));
    worker.kill();
}

/// A reading with a sequence of its own.
fn numbered(
    network: &Hash,
    signer: &DeviceSigner,
    sequence: u64,
    captured_at: i64,
) -> SignedReading {
    let mut signed = reading(network, signer, captured_at, 700);
    signed.reading.sequence = sequence;
    signed.signature = signer.sign(&signed.reading.digest());
    signed
}

/// The database refuses everything after a write that failed: such a worker would go on and do nothing, and be slashed for it.
#[test]
fn with_no_room_for_its_database_ends_and_loses_nothing() {
    /// Files of 4 MiB at most.
    const BLOCKS: u64 = 8 << 10;
    const BODY: u32 = 1_024;
    let mut live = Live::start(1);
    live.key("owner.json");
    let signer = live.device("owner.json", "device.json", 0, Curve::Ed25519);
    let key = signer.device_key();
    let mut session_key = [0; 32];
    session_key.copy_from_slice(key.as_bytes());
    let (network, now) = (live.deployment.network_id, live.now());
    let client = reqwest::blocking::Client::new();
    let url = format!("{}/v1/grants", live.operators[KILLED].url);
    let send = |number: u32| {
        let grants = (number * BODY + 1..).take(BODY as usize).map(|counter| {
            let grant = SessionGrant {
                network,
                device: key.id(),
                leaf_nonce: 0,
                session_key,
                counter,
                not_before: now,
                expires: now + SessionGrant::MAX_SECONDS,
            };
            let signature = signer.sign(&grant.digest());
            SignedGrant { grant, signature }.to_array()
        });
        let body: Vec<u8> = grants.flatten().collect();
        client.post(&url).body(body).send().expect("answer")
    };
    let results = |number: u32| {
        let answer: Accepted = send(number).json().expect("results");
        answer.results
    };
    let worker = live.worker_on_a_full_disk(KILLED, BLOCKS);
    live.wait_for_device(KILLED);
    let mut taken = 0;
    let refused = loop {
        let answer = send(taken);
        if !answer.status().is_success() {
            break answer;
        }
        let answer: Accepted = answer.json().expect("results");
        assert_eq!(answer.accepted, BODY as usize);
        taken += 1;
    };
    // 503 if the worker's own write was the one that failed.
    assert!([507, 503].contains(&refused.status().as_u16()));
    assert!(taken > 0 && !worker.end());

    let worker = live.worker(KILLED);
    live.wait_for_device(KILLED);
    for number in 0..taken {
        assert!(results(number).iter().all(|result| result == "replay"));
    }
    assert!(results(taken).iter().all(|result| result == "accepted"));
    worker.kill();
}

/// Sends readings to the killed operator's worker, and returns what became of each.
fn post(live: &Live, readings: &[SignedReading]) -> Vec<String> {
    let body: Vec<u8> = readings.iter().flat_map(SignedReading::to_bytes).collect();
    let answer: Accepted = reqwest::blocking::Client::new()
        .post(format!("{}/v1/readings", live.operators[KILLED].url))
        .body(body)
        .send()
        .and_then(reqwest::blocking::Response::json)
        .expect("answer");
    answer.results
}

/// Kills the worker and starts it on the same data.
fn again(live: &Live, worker: Process) -> Process {
    worker.kill();
    live.worker(KILLED)
}
