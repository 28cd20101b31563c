//! A worker that is killed at every stage, on a real RPC server, and started again on the same data.

use super::live::{wait, Live, Process, CHALLENGE, EPOCH, ROUND};
use super::worker::reading;
use ai_feed::state::{Attestation, Feed};
use data_commitment::state::Stream;
use device_protocol::{Curve, SignedReading};
use feed_reader::Mask;
use fieldproof_client::{ai_feed as feeds, chain, reward_emission as emissions, token};
use fieldproof_worker::server::Accepted;
use reward_emission::state::{Emission, Proposal, FINAL, PASSED};

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
    wait("the worker to know the device", || {
        live.status(KILLED).filter(|status| status.devices == 1)
    });

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
    let budget = emission.schedule.budget(2).expect("budget");
    let due = budget - emission.operators_share(2).expect("share");
    assert_eq!(paid["amount"], token::format_amount(due, 6));
    assert!(!live.cli("owner.json", &claim).status.success());
    worker.kill();
    eprintln!(
        "{}",
        std::fs::read_to_string(live.dir.path().join("worker-0.log")).unwrap()
    ); // DEBUG
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
