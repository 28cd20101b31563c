//! A cluster that stalls, errs, forgets transactions and answers twice; and one whose WebSocket drops.

use super::live::{wait, Live, EPOCH, ROUND};
use super::proxy::{Fault, Rpc, Wire};
use super::worker::reading;
use ai_feed::state::{Attestation, Feed};
use anchor_lang::solana_program::system_instruction;
use data_commitment::state::Stream;
use device_protocol::{Curve, SignedReading};
use fieldproof_client::chain::{self, Chain, PriorityFee, RpcChain, Topic, Watch};
use fieldproof_client::{transaction, ClientError};
use fieldproof_worker::server::Accepted;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tests::cluster::Cluster;
use tests::LAMPORTS;

/// So long that no wait which ends was ended by it.
const LONG: Duration = Duration::from_secs(120);
/// What is told is told within this time.
const SOON: Duration = Duration::from_secs(90);

/// Every kind of fault, each where it hurts: the answers that a landing depends on most of all. No period is that of the
/// worker's own steps, which would stop it for ever.
fn bad_day(method: &str, number: usize) -> Option<Fault> {
    match (method, number) {
        ("sendTransaction", 0 | 7) => Some(Fault::Forgotten),
        ("sendTransaction", 1 | 8) => Some(Fault::Twice),
        ("sendTransaction", 3 | 9) => Some(Fault::LostAnswer),
        ("sendTransaction", 5) => Some(Fault::Error),
        ("getSignatureStatuses", 2) => Some(Fault::Malformed),
        ("getSignatureStatuses", 5) => Some(Fault::Twice),
        ("getTransaction", 1) => Some(Fault::Busy),
        ("getTransaction", 3) => Some(Fault::Error),
        ("getLatestBlockhash", 4) => Some(Fault::Malformed),
        ("getMultipleAccounts", 3 | 17 | 40) => Some(Fault::Error),
        ("getBlockHeight", 3) => Some(Fault::Stall),
        _ => None,
    }
}

#[test]
fn of_the_cluster_lose_nothing_and_land_nothing_twice() {
    let mut live = Live::start(2);
    live.key("owner.json");
    let signer = live.device("owner.json", "device.json", 0, Curve::Ed25519);
    let start = ((live.genesis + 2 * EPOCH + 1_200) / ROUND + 1) * ROUND + 1;
    live.cluster.set_time(start);
    let rpc = Rpc::start(&live.cluster.rpc_url, bad_day);
    live.configure(0, &rpc.url);
    let _other = live.worker(1);
    let worker = live.worker(0);
    live.wait_for_device(0);

    rpc.fail(true);
    let newest = start - 30;
    let readings: Vec<SignedReading> = (0..16)
        .map(|number| {
            let captured_at = (newest - (15 - number) * ROUND) * 1_000;
            reading(&live.deployment.network_id, &signer, captured_at, 700)
        })
        .collect();
    assert_eq!(post(&live, &readings), ["accepted"; 16]);
    let feed_key = live.deployment.feeds[0];
    let feed = |live: &Live| live.find::<Feed>(&feed_key).expect("feed");
    wait("the value", || (feed(&live).entries > 0).then_some(()));
    // Killed in the midst of it, with whatever it has sent: it goes on where it was.
    worker.kill();
    let _worker = live.worker(0);
    rpc.fail(false);
    let before = live.status(0).expect("status").now;
    live.cluster.set_time(live.now() + 2);
    wait("more steps", || {
        live.status(0).filter(|status| status.now > before)
    });

    let faults = rpc.faults();
    for fault in [
        Fault::Stall,
        Fault::Busy,
        Fault::Error,
        Fault::LostAnswer,
        Fault::Malformed,
        Fault::Forgotten,
        Fault::Twice,
    ] {
        assert!(
            faults.contains_key(&fault),
            "{fault:?} never happened: {faults:?}"
        );
    }
    assert_eq!(post(&live, &readings), ["replay"; 16]);
    let stream = live.find::<Stream>(&live.operators[0].stream);
    assert_eq!(stream.expect("stream").count, 1);
    let attestations = chain::read_all::<Attestation>(&live.chain).expect("attestations");
    assert_eq!(attestations.len(), 1);
    assert_eq!(attestations[0].1.signers, 0b11);
    assert_eq!(feed(&live).entries, 1);
}

#[test]
fn of_one_transfer_each_still_move_the_money_once() {
    let mut cluster = Cluster::start();
    let payer = Keypair::new();
    cluster.fund(&payer.pubkey(), LAMPORTS);
    let plans: [(&str, super::proxy::Plan); 4] = [
        ("forgotten", |method, number| {
            (method == "sendTransaction" && number == 0).then_some(Fault::Forgotten)
        }),
        ("twice", |method, _| {
            (method == "sendTransaction").then_some(Fault::Twice)
        }),
        ("lost", |method, number| {
            (method == "sendTransaction" && number < 3).then_some(Fault::LostAnswer)
        }),
        ("malformed", |method, number| {
            (method == "getSignatureStatuses" && number < 3).then_some(Fault::Malformed)
        }),
    ];
    let amount = 1_000_000;
    for (name, plan) in plans {
        let rpc = Rpc::start(&cluster.rpc_url, plan);
        let chain = RpcChain::new(&rpc.url);
        let to = Keypair::new().pubkey();
        let transfer = system_instruction::transfer(&payer.pubkey(), &to, amount);
        let prepared =
            transaction::prepare(&chain, &[transfer], &payer, &[], &[]).expect("transaction");
        rpc.fail(true);
        let landed = transaction::land(&chain, &prepared).expect(name);
        assert_eq!(landed.signature, prepared.signature());
        // Whoever does not know that it landed, and sends it again, learns it.
        let again = transaction::land(&chain, &prepared).expect(name);
        assert_eq!(again.slot, landed.slot, "{name}");
        let account = cluster.chain().account(&to).expect("account");
        assert_eq!(account.expect("the money").lamports, amount, "{name}");
        assert!(!rpc.faults().is_empty(), "{name}");
    }
}

#[test]
fn of_a_transaction_that_no_longer_counts_are_told_as_such() {
    let mut cluster = Cluster::start();
    let payer = Keypair::new();
    cluster.fund(&payer.pubkey(), LAMPORTS);
    let rpc = Rpc::start(&cluster.rpc_url, |method, _| {
        (method == "sendTransaction").then_some(Fault::Forgotten)
    });
    let chain = RpcChain::new(&rpc.url);
    let to = Keypair::new().pubkey();
    let transfer = system_instruction::transfer(&payer.pubkey(), &to, 1_000_000);
    let mut prepared =
        transaction::prepare(&chain, &[transfer], &payer, &[], &[]).expect("transaction");
    // It counts for two blocks more.
    prepared.last_valid_block_height = chain.block_height().expect("height") + 2;
    rpc.fail(true);
    let ended = AtomicBool::new(false);
    let other = cluster.chain();
    let expired = std::thread::scope(|scope| {
        // This server makes a block only where there is a transaction for it.
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let transfer = system_instruction::transfer(&payer.pubkey(), &payer.pubkey(), 1);
                // One that fails is followed by another.
                let _ = transaction::send(&other, &[transfer], &payer, &[]);
            }
        });
        let landed = transaction::land(&chain, &prepared);
        ended.store(true, Ordering::Relaxed);
        landed.expect_err("forgotten")
    });
    assert!(matches!(expired, ClientError::Expired(_)), "{expired}");
    assert_eq!(chain.account(&to).expect("account"), None);
}

#[test]
fn of_the_websocket_only_cost_time() {
    let mut cluster = Cluster::start();
    let payer = Keypair::new();
    cluster.fund(&payer.pubkey(), LAMPORTS);
    let upstream = cluster.websocket_url.trim_start_matches("ws://");
    let wire = Wire::to(upstream.parse().expect("address"));
    let chain = RpcChain::new(&cluster.rpc_url).with_websocket(&format!("ws://{}", wire.address));
    let watched = Keypair::new().pubkey();
    let transfer = || {
        let transfer = system_instruction::transfer(&payer.pubkey(), &watched, 1_000_000);
        transaction::send(&chain, &[transfer], &payer, &[]).expect("transaction");
    };
    let mut watch = chain.watch(Topic::Account(watched));
    // Once it is there, the cluster tells of every transaction, and of nothing else.
    soon(&mut watch, "the subscription");
    transfer();
    soon(&mut watch, "a transaction");
    // The end of the connection ends a wait, since what happens then is not told.
    wire.cut();
    soon(&mut watch, "the end of the connection");
    // Transactions land without it.
    transfer();
    wire.mend();
    soon(&mut watch, "the new subscription");
    transfer();
    soon(&mut watch, "a transaction after it");
    let account = chain.account(&watched).expect("account");
    assert_eq!(account.expect("the money").lamports, 3_000_000);
}

/// Waits until the cluster tells something.
#[track_caller]
fn soon(watch: &mut Watch, what: &str) {
    let start = Instant::now();
    watch.wait(LONG);
    assert!(start.elapsed() < SOON, "waited in vain for {what}");
}

#[test]
fn of_a_priority_fee_are_none() {
    let mut cluster = Cluster::start();
    let payer = Keypair::new();
    cluster.fund(&payer.pubkey(), LAMPORTS);
    let spent = |fee: PriorityFee| {
        let chain = RpcChain::new(&cluster.rpc_url).with_priority_fee(fee);
        let lamports = || chain.account(&payer.pubkey()).unwrap().unwrap().lamports;
        let before = lamports();
        let transfer = system_instruction::transfer(&payer.pubkey(), &payer.pubkey(), 1);
        let prepared =
            transaction::prepare(&chain, &[transfer], &payer, &[], &[]).expect("transaction");
        let landed = transaction::land(&chain, &prepared).expect("landed");
        (before - lamports(), landed)
    };
    let (base, _) = spent(PriorityFee::Fixed(0));
    assert_eq!(base, 5_000);
    let (fixed, _) = spent(PriorityFee::Fixed(1_000_000));
    // One lamport a compute unit of the limit, which is what was used and a little more.
    assert!(fixed > base + 450 && fixed < base + 3_000, "{fixed}");
    let cap = PriorityFee::Recent {
        percentile: 100,
        cap: 0,
    };
    assert_eq!(spent(cap).0, base);
}

/// Sends readings to the first operator's worker, and returns what became of each.
fn post(live: &Live, readings: &[SignedReading]) -> Vec<String> {
    let body: Vec<u8> = readings.iter().flat_map(SignedReading::to_bytes).collect();
    let answer: Accepted = reqwest::blocking::Client::new()
        .post(format!("{}/v1/readings", live.operators[0].url))
        .body(body)
        .send()
        .and_then(reqwest::blocking::Response::json)
        .expect("answer");
    answer.results
}
