//! `fieldproof challenge`, and reports that take proofs of commitments.

use super::*;
use ai_feed::error::AiFeedError;
use ai_feed::state::{Attestation, BY_TIME, WINDOWS_SHOWN};
use data_commitment::state::{Challenge, Stream};
use device_protocol::Status;
use fieldproof_client::data_commitment::StreamHistory;
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::{ai_feed as feeds, device_registry as registry, transaction};
use solana_keypair::Keypair;

#[test]
fn challenges_are_made_listed_answered_and_settled() {
    // Less than a tenth of 50 tokens can be slashed in an epoch.
    let mut live = Live::start_with(2, |config, _| config.roster.slash_cap_bps = 600);
    live.key("owner.json");
    let auditor = live.key("auditor.json").pubkey();
    let device = live.device("owner.json", "one.json", 0, Curve::P256);
    let now = start(&mut live);
    let [challenged, _other] = workers(&live);
    let readings = window(&live, &device, now);
    assert_eq!(post(&live, 0, &readings).accepted, 16);
    let feed = live.deployment.feeds[0];
    wait("the value", || {
        live.find::<Feed>(&feed).filter(|feed| feed.entries > 0)
    });

    let pool = live.operators[0].pool.to_string();
    let make = |live: &Live, sequence, batch, reading| {
        let place = [
            "--sequence",
            sequence,
            "--batch",
            batch,
            "--reading",
            reading,
        ];
        let arguments = [&["challenge", "make", "--pool", &pool], &place[..]].concat();
        live.cli("auditor.json", &arguments)
    };
    assert_failed(&make(&live, "9", "0", "0"), "numbered from 0");
    assert_failed(&make(&live, "0", "3", "0"), "was not attested");
    assert_failed(
        &make(&live, "0", "0", "16"),
        "check the sequence and the indices",
    );
    let auditors = auditor.to_string();
    let stranger = ["challenge", "make", "--pool", &auditors];
    let stranger = [&stranger[..], &["--sequence", "0", "--reading", "0"]].concat();
    assert_failed(&live.cli("auditor.json", &stranger), "has no stream here");
    let made = |live: &Live, reading| -> Value {
        let output = make(live, "0", "0", reading);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let list = |live: &Live| live.cli_done("owner.json", &["challenge", "list"]);
    let first = made(&live, "3");
    assert_eq!(
        (&first["bond"], &first["overdue"]),
        (&json!("0.01"), &json!(false))
    );
    // The worker shows it.
    wait("the answer", || (list(&live) == json!([])).then_some(()));
    challenged.kill();

    // Without its worker it stays open, and whoever has the payload answers.
    let (second, third) = (made(&live, "4"), made(&live, "5"));
    let open = list(&live);
    assert_eq!(open.as_array().map(Vec::len), Some(2));
    assert_eq!(open[0]["pool"], pool);
    let other = live.operators[1].pool.to_string();
    let others = live.cli_done("owner.json", &["challenge", "list", "--pool", &other]);
    assert_eq!(others, json!([]));
    let [second, third] =
        [&second, &third].map(|made| made["challenge"].as_str().expect("address"));
    let answer = |live: &Live, challenge: &str, source: &[&str]| {
        live.cli(
            "owner.json",
            &[&["challenge", "answer", challenge], source].concat(),
        )
    };
    assert_failed(&answer(&live, second, &[]), "say where");
    live.file("other.parquet", "other");
    let wrong = ["--payload", "other.parquet"];
    assert_failed(
        &answer(&live, second, &wrong),
        "name with --worker or --payload who has",
    );
    let url = live.operators[1].url.clone();
    let worker = ["--worker", &url];
    let answered = answer(&live, second, &worker);
    assert!(answered.status.success(), "{answered:?}");
    assert_failed(&answer(&live, second, &worker), "no open challenge");
    let settle =
        |live: &Live, challenge: &str| live.cli("owner.json", &["challenge", "settle", challenge]);
    assert_failed(&settle(&live, third), "may still answer");
    let key = third.parse().expect("address");
    let account: Challenge = live.find(&key).expect("challenge");
    let after = account.answer_by + 1;
    live.cluster.set_time(after);
    assert_eq!(list(&live)[0]["overdue"], true);
    assert_failed(&answer(&live, third, &worker), "can only be settled");
    let settled = settle(&live, third);
    assert!(settled.status.success(), "{settled:?}");
    let settled: Value = serde_json::from_slice(&settled.stdout).expect("JSON");
    assert_eq!(
        (&settled["slashed"], &settled["bond"]),
        (&json!("5"), &json!("0.01"))
    );
    assert_eq!(settled["challenger"], auditor.to_string());
    let bounty = |live: &Live| {
        let bounty = token::associated(&auditor, &live.deployment.stake_mint);
        let bounty: TokenAccount = chain::read_borsh(&live.chain, &bounty).expect("bounty");
        bounty.amount
    };
    let first = bounty(&live);
    assert_eq!(settled["bounty"], token::format_amount(first, 6));
    assert_failed(&settle(&live, third), "no open challenge");
    assert_eq!(list(&live), json!([]));

    // What was more than the cap comes in the next epoch: of all, 30 % are the challenger's, whoever settled.
    let reclaim = |live: &Live| live.cli_done("auditor.json", &["reclaim"]);
    assert_eq!(reclaim(&live)["found"], json!([]));
    live.cluster.set_time(live.genesis + 3 * EPOCH + 1);
    let reclaimed = reclaim(&live);
    assert_eq!(reclaimed["found"][0]["kind"], "bounty");
    assert_eq!(
        reclaimed["bounty"],
        token::format_amount(1_500_000 - first, 6)
    );
    assert!(first < 1_500_000);
    assert_eq!(bounty(&live), 1_500_000);
    assert_eq!(reclaim(&live)["found"], json!([]));
}

/// What would pass by time waits for the reading. Of another feed, on whose attestations no bond stands, the challenge window
/// is too long for that.
#[test]
fn a_challenge_stops_the_clock_of_what_would_pass_by_time() {
    let mut live = Live::start_with(1, |config, _| {
        let feed = &mut config.feeds[0];
        feed.min_signers = 1;
        let mut other = feed.clone();
        (other.max_gap, other.challenge_window) = (2 * ROUND as u32, 40 * ROUND + 1);
        feed.required = ["optimistic", "sourced"].map(str::to_owned).to_vec();
        (feed.grace, feed.challenge_window) = (10 * ROUND, 10 * ROUND);
        feed.bond = 1_000_000;
        config.feeds.push(other);
    });
    live.key("owner.json");
    live.key("auditor.json");
    let device = live.device("owner.json", "one.json", 0, Curve::P256);
    let now = start(&mut live);
    let worker = live.worker(0);
    live.wait_for_device(0);
    let readings = window(&live, &device, now);
    assert_eq!(post(&live, 0, &readings).accepted, 16);
    let feed = live.deployment.feeds[0];
    let (bonded, other) = wait("the attestations", || {
        let all = chain::read_all::<Attestation>(&live.chain).expect("attestations");
        let (bonded, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, of)| of.feed == feed);
        let bonded = bonded.first().copied()?;
        let shown = bonded.1.flags & WINDOWS_SHOWN != 0;
        Some((bonded, others.first().copied()?)).filter(|_| shown)
    });
    save_payload(&live, 0);
    worker.kill();

    let pool = live.operators[0].pool.to_string();
    let make = |live: &Live, (_, attestation): &(Pubkey, Attestation), reading: &str| {
        let batch = attestation.batch_index.to_string();
        let place = ["--sequence", "0", "--batch", &batch, "--reading", reading];
        let make = [&["challenge", "make", "--pool", &pool], &place[..]].concat();
        live.cli_done("auditor.json", &make)
    };
    let (key, before) = bonded;
    let made = make(&live, &bonded, "3");
    assert_eq!(made["stopped"], json!([key.to_string()]));
    assert_eq!(made["running"], json!([]));
    assert_eq!(made["signatures"].as_array().map(Vec::len), Some(1));
    let late = make(&live, &other, "3");
    assert_eq!(late["stopped"], json!([]));
    assert_eq!(late["running"], json!([other.0.to_string()]));
    let stopped: Attestation = live.find(&key).expect("attestation");
    assert_ne!(stopped.stopped_at, 0);

    // Somebody answers for a second reading, and who paid for the attestation ends its stop; the first one's stays.
    let second = make(&live, &bonded, "4");
    let stops = |live: &Live| -> Vec<u16> {
        let attestation: Attestation = live.find(&key).expect("attestation");
        feeds::stops(&attestation).collect()
    };
    assert_eq!(stops(&live), [3, 4]);
    let early = live.cli_done("signer-0.json", &["reclaim"]);
    assert_eq!(early["found"], json!([]));
    let challenge = second["challenge"].as_str().expect("address");
    let answer = ["challenge", "answer", challenge, "--payload", "0.parquet"];
    live.cli_done("owner.json", &answer);
    let stop = json!({ "kind": "stop", "account": key.to_string(), "rent": null, "bounty": null });
    assert_eq!(reclaim_all(&live, "signer-0.json"), [stop]);
    assert_eq!(stops(&live), [3]);

    // Its time is over, and it does not pass.
    live.cluster.set_time(before.deadline + 1);
    let round = feeds::round(&feed, before.round);
    let network = live.deployment.network;
    let pass = feeds::pass_attestation(&network, &feed, &before.stream, &round, &key);
    let refused = transaction::send(&live.chain, &[pass], &live.authority, &[]);
    assert_eq!(
        refused.expect_err("a stopped clock").code(),
        Some(u32::from(AiFeedError::ClockStopped))
    );

    // It has what was left of it once its worker has shown the reading.
    let _worker = live.worker(0);
    let resumed = wait("the clock", || {
        live.find::<Attestation>(&key)
            .filter(|attestation| attestation.stopped_at == 0)
    });
    let left = before.deadline - stopped.stopped_at;
    assert!(resumed.deadline > before.deadline + left);
    assert_eq!(resumed.mask, 0);
    live.cluster.set_time(resumed.deadline);
    let passed = wait("the value", || {
        live.find::<Feed>(&feed).filter(|feed| feed.entries > 0)
    });
    assert_eq!(passed.ring[0].mask & BY_TIME, BY_TIME);
}

/// A device signs two values of one number, to two workers that commit to them; then it is sold.
#[test]
fn a_seller_is_reported_by_what_was_committed_before_the_sale() {
    let mut live = Live::start(2);
    let (seller, buyer, device) = bonded_device(&mut live);
    let id = hex::encode(device.device_key().id());

    let now = start(&mut live);
    let _workers = workers(&live);
    let readings = window(&live, &device, now);
    let mut others = readings.clone();
    let last = others.last_mut().expect("a reading");
    *last = reading(
        &last.reading.network,
        &device,
        last.reading.captured_at,
        999,
    );
    for (worker, readings) in [&readings, &others].into_iter().enumerate() {
        assert_eq!(post(&live, worker, readings).accepted, 16);
    }
    assert_eq!(post(&live, 0, &others[15..]).results, ["equivocation"]);
    let urls = [0, 1].map(|number| live.operators[number].url.clone());
    let report = ["report", "equivocation", "--worker", &urls[0]];
    sell_what_was_committed(&mut live, &id);
    let conflicts = reqwest::blocking::get(format!("{}/v1/conflicts", urls[0]));
    let conflicts: Value = conflicts
        .and_then(reqwest::blocking::Response::json)
        .expect("conflicts");
    live.file("conflict.json", &conflicts[0].to_string());
    let by_file = ["report", "equivocation", "--evidence", "conflict.json"];
    assert_failed(
        &live.cli("reporter.json", &by_file),
        "committed before, and both are not in the payloads at hand",
    );
    for number in 0..2 {
        save_payload(&live, number);
    }
    let one = [&by_file[..], &["--payload", "0.parquet"]].concat();
    assert_failed(&live.cli("reporter.json", &one), "not in the payloads");

    let both = [&report[..], &["--worker", &urls[1]]].concat();
    let done = live.cli_done("reporter.json", &both);
    assert_eq!(done["device"], id);
    // 30 % of what a device of tier 1 asks: half of four tokens.
    assert_eq!(done["bounty"], "0.6");
    let shown = live.cli_done(
        "reporter.json",
        &["bond", "show", &seller.pubkey().to_string()],
    );
    assert_eq!(
        (&shown["slashed"], &shown["amount"]),
        (&json!("2"), &json!("8"))
    );
    // The buyer has done nothing.
    let shown = live.cli_done("buyer.json", &["device", "show", &id]);
    assert_eq!(shown["status"], "proven");
    assert_eq!(shown["owner"], buyer.pubkey().to_string());
    assert_failed(&live.cli("reporter.json", &both), "no equivocation");
    let files = ["--payload", "0.parquet", "--payload", "1.parquet"];
    let again = [&by_file[..], &files[..]].concat();
    assert_failed(&live.cli("reporter.json", &again), "reported");
}

/// A device was in two places at once, as two workers committed to it; then it is sold. The evidence is a file.
#[test]
fn a_seller_is_reported_for_a_device_that_travelled_too_fast() {
    let mut live = Live::start(2);
    let (seller, _, device) = bonded_device(&mut live);
    let id = hex::encode(device.device_key().id());

    let now = start(&mut live);
    let _workers = workers(&live);
    let here = window(&live, &device, now);
    let mut there = here.clone();
    let last = there.last_mut().expect("a reading");
    // Eleven kilometres to the south.
    last.reading.latitude -= 1_000_000;
    last.signature = device.sign(&last.reading.digest());
    for (worker, readings) in [&here, &there].into_iter().enumerate() {
        assert_eq!(post(&live, worker, readings).accepted, 16);
    }
    sell_what_was_committed(&mut live, &id);
    let shown = |reading: &SignedReading| json!({ "reading": hex::encode(reading.to_bytes()) });
    let evidence = json!({
        "curve": "p256",
        "key": hex::encode(device.device_key().as_bytes()),
        "first": shown(&here[15]),
        "second": shown(&there[15]),
    });
    live.file("travel.json", &evidence.to_string());
    let urls = [0, 1].map(|number| live.operators[number].url.clone());
    let report = ["report", "travel", "--evidence", "travel.json"];
    assert_failed(
        &live.cli("reporter.json", &report),
        "committed before, and both are not in the payloads at hand",
    );
    let both = [&report[..], &["--worker", &urls[0], "--worker", &urls[1]]].concat();
    let done = live.cli_done("reporter.json", &both);
    assert_eq!(
        (&done["device"], &done["bounty"]),
        (&json!(id), &json!("0.6"))
    );
    let shown = live.cli_done(
        "reporter.json",
        &["bond", "show", &seller.pubkey().to_string()],
    );
    assert_eq!(shown["slashed"], "2");
    // The buyer has done nothing.
    let shown = live.cli_done("buyer.json", &["device", "show", &id]);
    assert_eq!(shown["status"], "proven");
    // Nor has anybody who was in one place.
    let evidence = json!({
        "curve": "p256",
        "key": hex::encode(device.device_key().as_bytes()),
        "first": evidence["first"],
        "second": evidence["first"],
    });
    live.file("nothing.json", &evidence.to_string());
    let nothing = ["report", "travel", "--evidence", "nothing.json"];
    assert_failed(
        &live.cli("reporter.json", &nothing),
        "the same reading twice",
    );
}

/// A maker vouches for one device twice, and its owner registers it with both vouchers.
#[test]
fn a_maker_is_reported_for_two_leaves_of_one_device() {
    let mut live = Live::start(0);
    live.key("owner.json");
    live.key("reporter.json");
    let device = live.device("owner.json", "one.json", 0, Curve::P256);
    let id = hex::encode(device.device_key().id());
    let show = |live: &Live| live.cli_done("owner.json", &["device", "show", &id]);
    let kept = show(&live);
    let maker = kept["maker"].as_str().expect("maker").to_owned();
    ask_for_bonds(&mut live, &maker.parse().expect("address"));
    live.cli_done("maker.json", &["bond", "post", "10"]);
    let report = ["report", "duplicate", "--device", &id];
    assert_failed(&live.cli("reporter.json", &report), "no two leaves");

    let voucher = ["voucher", "--device", &id, "--number", "1"];
    let file = ["--serial", "one.json", "--outfile", "again.voucher"];
    live.cli_done("maker.json", &[&voucher[..], &file].concat());
    let register = ["register", "--device", "one.json"];
    let again = [&register[..], &["--voucher", "again.voucher"]].concat();
    let registered = live.cli_done("owner.json", &again);
    let done = live.cli_done("reporter.json", &report);
    for field in ["device", "tree"] {
        assert_eq!(done[field], registered[field]);
    }
    assert_eq!(
        (&done["leaf"], &registered["index"]),
        (&json!(1), &json!(1))
    );
    // 30 % of what a device of tier 1 asks: half of four tokens.
    assert_eq!(done["bounty"], "0.6");
    let shown = live.cli_done("reporter.json", &["bond", "show", &maker]);
    assert_eq!(
        (&shown["slashed"], &shown["amount"]),
        (&json!("2"), &json!("8"))
    );
    let tree = done["tree"].as_str().expect("tree");
    let tree = tree.parse().expect("address");
    let mut follower = Follower::new(&live.chain, tree).expect("tree");
    let leaves = follower.catch_up(&live.chain).expect("events").leaves();
    assert_eq!(leaves[1].status, Status::Void);
    // The first counts as before.
    assert_eq!(show(&live), kept);
    assert_failed(&live.cli("reporter.json", &report), "no two leaves");
}

/// Writes the payload of an operator's first commitment to the file `<number>.parquet`.
fn save_payload(live: &Live, number: usize) {
    let operator = &live.operators[number];
    let history = StreamHistory::read(&live.chain, &operator.stream).expect("history");
    let hash = hex::encode(history.commitments[0].payload_hash);
    let payload = reqwest::blocking::get(format!("{}/v1/payloads/{hash}", operator.url));
    let payload = payload.and_then(reqwest::blocking::Response::bytes);
    let file = live.dir.path().join(format!("{number}.parquet"));
    std::fs::write(file, payload.expect("payload")).expect("written");
}

/// A seller with a device and a bond of ten tokens, a buyer, and somebody who reports.
fn bonded_device(live: &mut Live) -> (Keypair, Keypair, DeviceSigner) {
    let (seller, buyer) = (live.key("seller.json"), live.key("buyer.json"));
    live.key("reporter.json");
    let device = live.device("seller.json", "one.json", 0, Curve::P256);
    ask_for_bonds(live, &seller.pubkey());
    live.cli_done("seller.json", &["bond", "post", "10"]);
    (seller, buyer, device)
}

/// Has the buyer take the device once each worker has committed to its readings.
fn sell_what_was_committed(live: &mut Live, device: &str) {
    for operator in &live.operators {
        wait("the commitment", || {
            live.find::<Stream>(&operator.stream)
                .filter(|stream| stream.count > 0)
        });
    }
    let after = live.now() + 2;
    live.cluster.set_time(after);
    live.cli_done(
        "seller.json",
        &["device", "transfer", device, "--to", "buyer.json"],
    );
}

/// Has each device ask for a bond of four tokens less its tier's discount, and gives `owner` ten.
fn ask_for_bonds(live: &mut Live, owner: &anchor_lang::prelude::Pubkey) {
    let key = live.deployment.network;
    let network: Network = live.find(&key).expect("network");
    let parameters = device_registry::state::Parameters {
        device_bond: 4_000_000,
        ..network.parameters
    };
    let authority = live.authority.pubkey();
    live.send(
        &[registry::propose_parameters(&key, &authority, parameters)],
        &[],
    );
    let after = live.now() + network.timelock;
    live.cluster.set_time(after);
    live.send(&[registry::apply_parameters(&key)], &[]);
    let stake_mint = live.deployment.stake_mint;
    let tokens = token::associated(owner, &stake_mint);
    let mint = spl_token::instruction::mint_to(
        &token::TOKEN_PROGRAM,
        &stake_mint,
        &tokens,
        &authority,
        &[],
        10_000_000,
    );
    live.send(
        &[
            token::create_associated(&authority, owner, &stake_mint),
            mint.expect("mint"),
        ],
        &[],
    );
}
