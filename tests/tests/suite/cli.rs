//! `fieldproof`, the tool of owners, makers and consumers, against a real RPC server and a running worker.

mod authorities;
mod challenges;
mod credits;
mod nfts;
mod operators;
mod reclaim;

use super::live::{wait, Live, Process, CHALLENGE, EPOCH, EVIDENCE_WINDOW, ROUND};
use super::worker::reading;
use ai_feed::state::Feed;
use anchor_lang::prelude::Pubkey;
use anchor_spl::token::{spl_token, TokenAccount};
use axum::routing::get;
use axum::{Json, Router};
use device_protocol::{Curve, DeviceKey, SignedReading};
use device_registry::state::Network;
use fieldproof_client::certificate::CertificateFile;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::{reward_emission as emissions, token};
use fieldproof_worker::payload::{Payload, Rewards};
use fieldproof_worker::server::Accepted;
use reward_emission::state::{Emission, Proposal, PASSED};
use serde_json::{json, Value};
use solana_signer::Signer;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tests::pki::{self, Pki};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// From a device key to paid rewards, by the commands that a person gives.
#[test]
fn leads_from_a_device_key_to_a_feed_and_paid_rewards() {
    let mut live = Live::start(2);
    let owner = live.key("owner.json");
    live.device("owner.json", "one.json", 0, Curve::Ed25519);
    live.device("owner.json", "two.json", 1, Curve::P256);
    assert_keys(&live);
    assert_registration_errors(&live);

    let register = ["claim", "--worker", "http://127.0.0.1:1", "--register-only"];
    let registered = live.cli_done("owner.json", &register);
    assert_eq!(registered["payee"], owner.pubkey().to_string());
    assert_eq!(registered["amount"], "0");

    let start = start(&mut live);
    let feed_key = live.deployment.feeds[0];
    let feed = feed_key.to_string();
    assert_failed(
        &live.cli("owner.json", &["feed", &feed]),
        "no value to rely on",
    );
    let _workers = [live.worker(0), live.worker(1)];
    wait("the worker to know the devices", || {
        live.status(0).filter(|status| status.devices == 2)
    });
    let url = live.operators[0].url.clone();

    // A window of the first device, one reading a minute.
    let newest = start - 30;
    for number in 0..16 {
        let captured_at = ((newest - (15 - number) * ROUND) * 1_000).to_string();
        let answer = live.cli_done("owner.json", &send(&url, "one.json", &captured_at, "-125"));
        assert_eq!(answer["results"][0], "accepted");
    }
    let captured_at = (newest * 1_000).to_string();
    let again = live.cli("owner.json", &send(&url, "one.json", &captured_at, "-125"));
    assert_failed(&again, "the worker rejected the reading: replay");
    let future = ((start + 3_600) * 1_000).to_string();
    let early = live.cli("owner.json", &send(&url, "two.json", &future, "10"));
    assert_failed(&early, "clock_in_future");

    // The network and the feed, as consumers see them.
    let status = live.cli_done("owner.json", &["status", "--worker", &url]);
    assert_eq!(status["epoch"], 2);
    assert_eq!(status["devices"], 2);
    assert_eq!(status["trees"], 1);
    assert_eq!(status["feeds"][0]["address"], feed);
    assert_eq!(status["worker"]["readings"], 16);
    assert_eq!(status["worker"]["counters"]["replay"], 1);
    let posted = wait("the value", || {
        live.find::<Feed>(&feed_key).filter(|feed| feed.entries > 0)
    });
    let value = live.cli_done("owner.json", &["feed", &feed]);
    assert_eq!(value["round"], newest / ROUND);
    assert_eq!(
        value["verification"],
        serde_json::json!(["committee", "sourced"])
    );
    let exact = posted.ring[0].value as f64 * 10f64.powi(posted.exponent.into());
    let shown: f64 = value["value"]
        .as_str()
        .expect("value")
        .parse()
        .expect("a number");
    assert!((shown - exact).abs() < 1e-9, "{shown} is not {exact}");
    let proven = live.cli("owner.json", &["feed", &feed, "--require", "zk"]);
    assert_failed(&proven, "no value to rely on");
    let fresh = live.cli("owner.json", &["feed", &feed, "--max-age", "1"]);
    assert_failed(&fresh, "no value to rely on");
    let network = live.deployment.network.to_string();
    assert_failed(&live.cli("owner.json", &["feed", &network]), &network);
    assert_traced(&live, &feed, &value);

    // The rewards.
    let claim = ["claim", "--worker", &url];
    assert_failed(&live.cli("owner.json", &claim), "nothing to claim");
    live.cluster.set_time(live.genesis + 3 * EPOCH + 1);
    let (_, passed) = wait("the vote", || {
        let proposals = chain::read_all::<Proposal>(&live.chain).expect("proposals");
        proposals
            .into_iter()
            .find(|(_, proposal)| proposal.status == PASSED)
    });
    live.cluster.set_time(passed.passed_at + CHALLENGE);
    let emission_key = emissions::emission(&live.deployment.network);
    let emission: Emission = wait("the rewards", || {
        live.find::<Emission>(&emission_key)
            .filter(|emission| emission.finals > 0)
    });
    let due = emission.budget(2, 0).expect("budget").owners;
    // A worker that grants more than the chain is found out before anything is sent.
    let honest = format!("{url}/v1/rewards/{}", owner.pubkey());
    let mut proof: Value = reqwest::blocking::get(honest)
        .and_then(reqwest::blocking::Response::json)
        .expect("proof");
    proof["cumulative"] = (due + 1).into();
    let runtime = Runtime::new().expect("runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("port");
    let liar = format!("http://{}", listener.local_addr().expect("address"));
    let answer = get(move || async move { Json(proof) });
    let payload = Payload::Rewards {
        network: [1; 32],
        rewards: Rewards {
            epoch: 2,
            depth: 1,
            entries: Vec::new(),
        },
    }
    .encode()
    .expect("payload");
    let router = Router::new()
        .route("/v1/rewards/{payee}", answer)
        .route("/v1/rewards", get(move || async move { payload }));
    runtime.spawn(async move { axum::serve(listener, router).await });
    assert_failed(
        &live.cli("owner.json", &["claim", "--worker", &liar]),
        "does not lead to the chain's final root",
    );
    assert_failed(
        &live.cli("owner.json", &["claim", "--worker", &liar, "--all"]),
        "is no payload of this network's rewards",
    );
    let paid = live.cli_done("owner.json", &claim);
    assert_eq!(paid["amount"], token::format_amount(due, 6));
    assert_eq!(paid["epoch"], 2);
    let account = token::associated(&owner.pubkey(), &live.deployment.reward_mint);
    let account: TokenAccount = chain::read_borsh(&live.chain, &account).expect("tokens");
    assert_eq!(account.amount, due);
    assert_failed(&live.cli("owner.json", &claim), "nothing to claim");

    // Somebody pays the fees of all that is left: the operator's that took the readings.
    live.key("sponsor.json");
    let all = ["claim", "--worker", &url, "--all"];
    let paid = live.cli_done("sponsor.json", &all);
    let share = emission.budget(2, 0).expect("budget").operators;
    assert_eq!(
        (&paid["payees"], &paid["paid_before"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        (&paid["paid"], &paid["transactions"]),
        (&1.into(), &1.into())
    );
    assert_eq!(paid["amount"], token::format_amount(share, 6));
    assert_eq!((&paid["epoch"], &paid["fees"]), (&2.into(), &5_000.into()));
    let again = live.cli_done("sponsor.json", &all);
    assert_eq!(
        (&again["paid_before"], &again["paid"]),
        (&2.into(), &0.into())
    );

    // Anyone recomputes all of it.
    let verify = |epoch: &str| {
        let verify = ["verify", "epoch", epoch, "--worker", &url];
        live.cli("sponsor.json", &verify)
    };
    let verified = verify("2");
    let verified: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
    assert_eq!(verified["verified"], true, "{verified}");
    assert_eq!(verified["reward_sum"], emission.roots.reward_sum);
    assert_eq!(verified["steps"].as_array().map(Vec::len), Some(7));
    let failed = verify("1");
    assert!(!failed.status.success());
    let failed: Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    assert_eq!(
        (&failed["verified"], &failed["failed"]["stage"]),
        (&false.into(), &"final".into())
    );
}

/// A network's genesis hash is its creator's word.
#[test]
fn a_network_of_another_cluster_is_refused_by_tool_and_worker() {
    let mut live = Live::start(1);
    let (network, chain) = (live.deployment.network, &live.chain);
    let cluster = chain.genesis_hash().expect("genesis").to_string();
    let mut account = chain.account(&network).expect("chain").expect("network");
    live.cli_done("authority.json", &["network", "show"]);
    // Where the account has it.
    account.data[48..80].fill(0);
    live.cluster.set_account(&network, &account);
    for said in [cluster.as_str(), &Pubkey::default().to_string(), "rpc_url"] {
        assert_failed(&live.cli("authority.json", &["network", "show"]), said);
        let worker = live.worker_that_ends(0, "");
        assert!(worker.contains(said), "{worker}");
    }
}

/// A maker follows docs/makers.md line by line, and an owner registers the device.
#[test]
fn registers_by_the_makers_guide() {
    let mut live = Live::start(0);
    live.key("owner.json");
    live.cli_done(
        "owner.json",
        &["keys", "new", "--outfile", "device.json", "--curve", "p256"],
    );
    live.cli_done(
        "owner.json",
        &["keys", "new", "--outfile", "other.json", "--curve", "p256"],
    );
    // Certificates are valid from the system's present on, which the cluster's clock may be behind.
    let present = SystemTime::now().duration_since(UNIX_EPOCH).expect("time");
    live.cluster.set_time(present.as_secs() as i64 + 60);
    live.sh(&["Root", "Issuers"]
        .map(|part| pki::commands(part, false))
        .concat());
    let dir = live.dir.path().to_owned();
    // The guide's commands for a device, up to its owner's.
    let devices = pki::commands("Devices", false);
    let (makers, owners) = devices
        .split_once("fieldproof --keypair owner.json")
        .expect("the owner's command");
    live.sh(makers);
    let register = |device: &str, certificate: &str| {
        live.cli(
            "owner.json",
            &["register", "--device", device, "--certificate", certificate],
        )
    };
    assert_failed(&register("other.json", "device.pem"), "for another key");
    assert_failed(
        &register("device.json", "device.pub"),
        "not one certificate",
    );
    assert_failed(&register("device.json", "root.pem"), "for another key");
    let foreign = Pki::new();
    let key = CertificateFile::read(&std::fs::read(dir.join("device.pem")).expect("file"));
    let key = DeviceKey::p256(key.expect("certificate").key).expect("key");
    foreign.issue(&key, 7, |script| script);
    std::fs::copy(foreign.path().join("device.pem"), dir.join("foreign.pem")).expect("copy");
    assert_failed(&register("device.json", "foreign.pem"), "no issuer");
    live.sh(&format!("fieldproof --keypair owner.json{owners}"));

    // What can be said before anything is sent.
    let set_root = |signature: &str| {
        live.cli(
            "maker.json",
            &[
                "maker",
                "set-root",
                "--certificate",
                "root.pem",
                "--signature",
                signature,
            ],
        )
    };
    assert_failed(&set_root("root.pem"), "root.pem");
    assert_failed(&set_root("root.signature"), "set for good");
    assert_failed(
        &live.cli(
            "maker.json",
            &["maker", "add-issuer", "--certificate", "foreign.pem"],
        ),
        "not signed by the maker's root",
    );
    // The registry has the device at tier 2, and the certificate's number is used.
    assert_failed(&register("device.json", "device.pem"), "used");
    let revoke = ["maker", "revoke-issuer", "--certificate", "issuer.pem"];
    live.cli_done("maker.json", &revoke);
    assert_failed(&live.cli("maker.json", &revoke), "revoked");
}

/// A maker's batch, and what becomes of one of its devices.
#[test]
fn makers_register_batches_and_owners_prove_and_pass_on() {
    let mut live = Live::start(0);
    let (owner, buyer) = (live.key("owner.json"), live.key("buyer.json"));
    let files = TempDir::new().expect("directory");
    let file = |name: &str, content: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, content).expect("written");
        path.to_str().expect("path").to_owned()
    };
    let mut keys = String::new();
    let mut ids = Vec::new();
    for name in ["one.json", "two.json", "three.json"] {
        let new = ["keys", "new", "--curve", "p256", "--outfile", name];
        live.cli_done("owner.json", &new);
        let shown = live.cli_done("owner.json", &["keys", "show", name]);
        keys += shown["public_key"].as_str().expect("key");
        keys += "\n";
        ids.push(shown["device"].as_str().expect("id").to_owned());
    }
    let (list, serials) = (
        file("keys.txt", &keys),
        file("serials.csv", "SN-1\nSN-2\nSN-3\n"),
    );
    let batch = |list: &str| {
        let arguments = [
            "batch",
            "--curve",
            "p256",
            "--keys",
            list,
            "--manifest",
            &serials,
        ];
        arguments.map(str::to_owned)
    };
    let run = |keypair: &str, arguments: &[String]| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        live.cli(keypair, &arguments)
    };
    let twice = file("twice.txt", &format!("{keys}{keys}"));
    assert_failed(
        &run("maker.json", &batch(&twice)),
        "line 4: this key has been there before",
    );
    let wrong = file("wrong.txt", "04");
    assert_failed(&run("maker.json", &batch(&wrong)), "line 1: no public key");
    assert_failed(&run("owner.json", &batch(&list)), "does not exist");
    let done = run("maker.json", &batch(&list));
    let done: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&done["devices"], &done["first"]), (&3.into(), &0.into()));
    assert_eq!(done["signatures"].as_array().map(Vec::len), Some(1));
    // Whoever is not sure whether it landed goes on from the same number, and nothing lands twice.
    let again = [&batch(&list)[..], &["--first".to_owned(), "0".to_owned()]].concat();
    let again: Value = serde_json::from_slice(&run("maker.json", &again).stdout).expect("JSON");
    assert_eq!(again["signatures"].as_array().map(Vec::len), Some(0));

    let show = |live: &Live| live.cli_done("owner.json", &["device", "show", &ids[1]]);
    let vouched = show(&live);
    assert_eq!(vouched["status"], "vouched");
    assert_eq!(vouched["owner"], vouched["maker"]);
    assert_eq!(vouched["index"], 1);
    live.cli_done("owner.json", &["device", "prove", "--device", "two.json"]);
    let proven = show(&live);
    assert_eq!(proven["status"], "proven");
    assert_eq!(proven["owner"], owner.pubkey().to_string());
    assert_eq!(proven["previous_owner"], vouched["maker"]);
    let locate = ["device", "locate", &ids[1], "--cell", "8928308280fffff"];
    live.cli_done("owner.json", &locate);
    assert_eq!(show(&live)["cell"], "8928308280fffff");
    let transfer = ["device", "transfer", &ids[1], "--to", "buyer.json"];
    assert_failed(&live.cli("owner.json", &transfer), "evidence window");
    live.cluster.set_time(live.now() + 3_600);
    live.cli_done("owner.json", &transfer);
    let sold = show(&live);
    assert_eq!(sold["owner"], buyer.pubkey().to_string());
    assert_eq!(sold["previous_owner"], owner.pubkey().to_string());
    assert_eq!(sold["nonce"], 2);
    assert_failed(&live.cli("owner.json", &locate), "name its owner's keypair");
    let none = "00".repeat(32);
    assert_failed(
        &live.cli("owner.json", &["device", "show", &none]),
        "the network has no device",
    );
}

/// An owner's bond, from the tokens in its account and back.
#[test]
fn a_bond_is_posted_requested_and_withdrawn() {
    let mut live = Live::start(0);
    let owner = live.key("owner.json").pubkey();
    let tokens = stake(&live, &owner, 20_000_000);
    assert_failed(&live.cli("owner.json", &["bond", "show"]), "no bond");
    for wrong in ["1.0000001", "-1", "many"] {
        let post = ["bond", "post", "--", wrong];
        assert_failed(&live.cli("owner.json", &post), "no number of tokens");
    }
    let posted = live.cli_done("owner.json", &["bond", "post", "12.5"]);
    assert_eq!(posted["amount"], "12.5");
    let requested = live.cli_done("owner.json", &["bond", "request", "2.25"]);
    assert_eq!(
        (&requested["amount"], &requested["cooling"]),
        (&"10.25".into(), &"2.25".into())
    );
    let withdraw = ["bond", "withdraw"];
    assert_failed(&live.cli("owner.json", &withdraw), "still cooling");
    let releases_at = requested["releases_at"].as_i64().expect("time");
    live.cluster.set_time(releases_at);
    let withdrawn = live.cli_done("owner.json", &withdraw);
    assert_eq!(withdrawn["cooling"], "0");
    let account: TokenAccount = chain::read_borsh(&live.chain, &tokens).expect("tokens");
    assert_eq!(account.amount, 20_000_000 - 12_500_000 + 2_250_000);
    // Anyone looks.
    let shown = live.cli_done("maker.json", &["bond", "show", &owner.to_string()]);
    assert_eq!(shown["amount"], "10.25");
}

/// What a worker refuses as an equivocation is evidence that anyone takes from it to the registry.
#[test]
fn equivocations_are_reported_from_the_worker_that_met_them() {
    let mut live = Live::start(1);
    let url = live.operators[0].url.clone();
    let (_owner, _reporter) = (live.key("owner.json"), live.key("reporter.json"));
    live.device("owner.json", "one.json", 0, Curve::Ed25519);
    live.device("owner.json", "two.json", 1, Curve::P256);
    let _worker = live.worker(0);
    wait("the worker to know the devices", || {
        (live.status(0)?.devices == 2).then_some(())
    });
    let report = ["report", "equivocation", "--worker", &url];
    assert_failed(&live.cli("reporter.json", &report), "no equivocation");
    let at = (live.now() * 1_000).to_string();
    for device in ["one.json", "two.json"] {
        live.cli_done("owner.json", &send(&url, device, &at, "200"));
        let other = live.cli("owner.json", &send(&url, device, &at, "201"));
        assert_failed(&other, "equivocation");
        // Sent again it is no other evidence.
        assert_failed(
            &live.cli("owner.json", &send(&url, device, &at, "201")),
            "equivocation",
        );
    }
    let mut ids: Vec<String> = (0..2)
        .map(|_| {
            let done = live.cli_done("reporter.json", &report);
            // Nobody has posted a bond, and none is asked for here.
            assert_eq!(done["bounty"], "0");
            done["device"].as_str().expect("id").to_owned()
        })
        .collect();
    for id in &ids {
        let shown = live.cli_done("owner.json", &["device", "show", id]);
        assert_eq!(shown["status"], "banned");
    }
    ids.dedup();
    assert_eq!(ids.len(), 2);
    assert_failed(&live.cli("reporter.json", &report), "no equivocation");
    // Of one device
    let get = |device: &str| {
        reqwest::blocking::get(format!("{url}/v1/conflicts?device={device}")).expect("answer")
    };
    let conflicts: Value = get(&ids[0]).json().expect("conflicts");
    assert_eq!(conflicts.as_array().map(Vec::len), Some(1));
    assert_eq!(get("00").status().as_u16(), 400);
}

/// Devices that follow from one secret, registered by their maker, drive a worker by their own keys and by sessions.
#[test]
fn a_fleet_drives_a_worker() {
    const DEVICES: usize = 2_000;
    let mut live = Live::start_with(1, |config, _| config.makers[0].quota = DEVICES as u64);
    live.key("owner.json");
    let load = |arguments: &[&str]| {
        let devices = DEVICES.to_string();
        let fleet = ["--secret", "fleet.secret", "--devices", &devices];
        live.cli("owner.json", &[&["load"], arguments, &fleet].concat())
    };
    let done = |output: Output| -> Value {
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let keys = done(load(&["keys", "--outfile", "fleet.txt"]));
    assert_eq!(keys["devices"], DEVICES);
    // The same secret, the same keys.
    done(load(&["keys", "--outfile", "again.txt"]));
    live.sh("cmp fleet.txt again.txt");
    let batch = [
        "batch",
        "--curve",
        "ed25519",
        "--keys",
        "fleet.txt",
        "--manifest",
        "fleet.txt",
    ];
    live.cli_done("maker.json", &batch);
    let _worker = live.worker(0);
    super::live::wait("the worker to know the devices", || {
        let status = live.status(0)?;
        (status.devices == DEVICES).then_some(())
    });
    let url = live.operators[0].url.clone();
    let run = [
        "run",
        "--worker",
        &url,
        "--seconds",
        "1",
        "--connections",
        "2",
    ];
    // So many that all of them have a turn in the first body of each connection, however slow the disk is.
    let large = [&run[..], &["--readings", "1024"]].concat();
    let mut before = 0;
    for arguments in [&large[..], &[&large[..], &["--sessions"]].concat()] {
        let totals = done(load(arguments));
        assert_eq!(
            (&totals["rejected"], &totals["failed"]),
            (&json!({}), &json!({}))
        );
        let accepted = totals["accepted"].as_u64().expect("number");
        // They take turns: each has sent something.
        assert!(accepted >= DEVICES as u64, "{totals}");
        before += accepted;
        // All of them are there, each once.
        assert_eq!(live.status(0).expect("status").readings, before);
    }
    let none = [&run[..], &["--readings", "0"]].concat();
    assert_failed(&load(&none), "1 to 4096");
    live.sh("echo 00 > fleet.secret");
    assert_failed(&load(&run), "not 32 bytes in hex");
}

/// The feed's value is traced back with what its worker has archived, and not without.
fn assert_traced(live: &Live, feed: &str, value: &Value) {
    let url = &live.operators[0].url;
    let verify = ["verify", "feed", feed];
    let traced = live.cli_done("owner.json", &[&verify[..], &["--worker", url]].concat());
    assert_eq!(traced["verified"], true);
    assert_eq!(
        (&traced["round"], &traced["value"]),
        (&value["round"], &value["value"])
    );
    let stages = |traced: &Value| -> Vec<String> {
        let steps = traced["steps"].as_array().expect("steps").iter();
        steps
            .map(|step| step["stage"].as_str().expect("stage").to_owned())
            .collect()
    };
    let stages_of_all = stages(&traced);
    assert_eq!(stages_of_all.last().map(String::as_str), Some("value"));

    let payload = live.dir.path().join("payload");
    std::fs::write(&payload, "of something else").expect("written");
    let payload = ["--payload", payload.to_str().expect("path")];
    let failed = live.cli("owner.json", &[&verify[..], &payload].concat());
    assert!(!failed.status.success());
    let traced: Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    assert_eq!(traced["verified"], false);
    assert_eq!(traced["failed"]["stage"], "payload");
    assert_eq!(stages(&traced), stages_of_all[..5]);
    let error: Value = serde_json::from_slice(&failed.stderr).expect("JSON");
    let error = error["error"].as_str().expect("message");
    assert!(error.contains("not verified: payload"), "{error}");
}

/// New tokens of the stake mint in an owner's account, which is returned.
fn stake(live: &Live, owner: &Pubkey, amount: u64) -> Pubkey {
    let stake_mint = live.deployment.stake_mint;
    let tokens = token::associated(owner, &stake_mint);
    let payer = live.authority.pubkey();
    let mint = spl_token::instruction::mint_to(
        &token::TOKEN_PROGRAM,
        &stake_mint,
        &tokens,
        &payer,
        &[],
        amount,
    );
    live.send(
        &[
            token::create_associated(&payer, owner, &stake_mint),
            mint.expect("mint"),
        ],
        &[],
    );
    tokens
}

/// Far enough into epoch 2 for a window of readings.
fn start(live: &mut Live) -> i64 {
    let start = ((live.genesis + 2 * EPOCH + 20 * ROUND) / ROUND + 1) * ROUND + 1;
    live.cluster.set_time(start);
    start
}

/// Two workers that know of one device.
fn workers(live: &Live) -> [Process; 2] {
    let workers = [live.worker(0), live.worker(1)];
    for number in 0..2 {
        live.wait_for_device(number);
    }
    workers
}

/// A device's readings of a window, one a minute, the newest 30 s before `now`.
fn window(live: &Live, device: &DeviceSigner, now: i64) -> Vec<SignedReading> {
    let network: Network = live.find(&live.deployment.network).expect("network");
    let captured = (0..16).map(|number| (now - 30 - (15 - number) * ROUND) * 1_000);
    captured
        .map(|at| reading(&network.id, device, at, 100))
        .collect()
}

fn post(live: &Live, worker: usize, readings: &[SignedReading]) -> Accepted {
    let body: Vec<u8> = readings.iter().flat_map(SignedReading::to_bytes).collect();
    let url = format!("{}/v1/readings", live.operators[worker].url);
    reqwest::blocking::Client::new()
        .post(url)
        .body(body)
        .send()
        .and_then(reqwest::blocking::Response::json)
        .expect("answer")
}

/// Lists what the owner of `keypair` can reclaim, reclaims it, and sees that nothing is left. Returns what it was.
#[track_caller]
fn reclaim_all(live: &Live, keypair: &str) -> Vec<Value> {
    let listed = live.cli_done(keypair, &["reclaim", "--dry-run"]);
    assert_eq!(listed["signatures"], json!([]));
    let reclaimed = live.cli_done(keypair, &["reclaim"]);
    assert_eq!(reclaimed["found"], listed["found"]);
    assert_eq!(reclaimed["signatures"].as_array().map(Vec::len), Some(1));
    assert_eq!(live.cli_done(keypair, &["reclaim"])["found"], json!([]));
    listed["found"].as_array().expect("a list").clone()
}

/// The owner's first device earns the rewards of epoch 2, and they are claimed. The worker goes on.
fn earn(live: &mut Live) -> Process {
    let url = live.operators[0].url.clone();
    let claim = ["claim", "--worker", &url];
    live.cli_done("owner.json", &[&claim[..], &["--register-only"]].concat());
    let start = start(live);
    let worker = live.worker(0);
    live.wait_for_device(0);
    for number in 0..16 {
        let captured_at = ((start - 30 - (15 - number) * ROUND) * 1_000).to_string();
        live.cli_done("owner.json", &send(&url, "one.json", &captured_at, "-125"));
    }
    let feed = live.deployment.feeds[0];
    wait("the value", || {
        live.find::<Feed>(&feed).filter(|feed| feed.entries > 0)
    });
    end_epoch(live, 2);
    assert_eq!(live.cli_done("owner.json", &claim)["epoch"], 2);
    worker
}

/// Lets an epoch end, and waits until its rewards are final.
fn end_epoch(live: &mut Live, epoch: u64) {
    let end = live.genesis + (epoch as i64 + 1) * EPOCH + 1;
    live.cluster.set_time(end);
    let passed = wait("the vote", || {
        let proposals = chain::read_all::<Proposal>(&live.chain).expect("proposals");
        let mut proposals = proposals.into_iter().map(|(_, proposal)| proposal);
        proposals.find(|proposal| proposal.status == PASSED && proposal.epoch == epoch)
    });
    live.cluster.set_time(passed.passed_at + CHALLENGE);
    let emission = emissions::emission(&live.deployment.network);
    wait("the rewards", || {
        live.find::<Emission>(&emission)
            .filter(|emission| emission.is_final(epoch))
    });
}

fn send<'a>(url: &'a str, device: &'a str, captured_at: &'a str, value: &'a str) -> [&'a str; 14] {
    [
        "send",
        "--device",
        device,
        "--worker",
        url,
        "--values",
        value,
        "--latitude",
        "40.6925",
        "--longitude=-74.1687",
        "--captured-at",
        captured_at,
        "--sequence",
        captured_at,
    ]
}

fn assert_keys(live: &Live) {
    for (file, curve, length) in [("one.json", "ed25519", 64), ("two.json", "p256", 66)] {
        let shown = live.cli_done("owner.json", &["keys", "show", file]);
        assert_eq!(shown["curve"], curve);
        assert_eq!(shown["public_key"].as_str().expect("key").len(), length);
        assert_eq!(shown["device"].as_str().expect("id").len(), 64);
    }
    let again = live.cli("owner.json", &["keys", "new", "--outfile", "one.json"]);
    assert_failed(&again, "refusing to overwrite");
    // Who could read the file before can't read the secret.
    live.sh("echo {} > loose.json && chmod 644 loose.json");
    let forced = ["keys", "new", "--outfile", "loose.json", "--force"];
    live.cli_done("owner.json", &forced);
    let loose = std::fs::metadata(live.dir.path().join("loose.json")).expect("file");
    assert_eq!(loose.permissions().mode() & 0o777, 0o600);
    let missing = live.cli("owner.json", &["keys", "show", "none.json"]);
    assert_failed(&missing, "none.json");
    let other = live.cli("owner.json", &["keys", "show", "owner.json"]);
    assert_failed(&other, "not a device key");
}

fn assert_registration_errors(live: &Live) {
    let register = |device: &str, voucher: &str| {
        live.cli(
            "owner.json",
            &["register", "--device", device, "--voucher", voucher],
        )
    };
    // A used voucher, and another device's.
    assert_failed(&register("one.json", "one.json.voucher"), "used");
    assert_failed(
        &register("two.json", "one.json.voucher"),
        "the voucher is for device",
    );
    assert_failed(&register("two.json", "one.json"), "not a voucher");
    let stranger = live.cli(
        "none.json",
        &["register", "--device", "one.json", "--voucher", "x"],
    );
    assert_failed(&stranger, "name a keypair with --keypair");
}

/// A failure tells on standard error, as JSON, what is wrong; standard output stays empty.
#[track_caller]
fn assert_failed(output: &Output, message: &str) {
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    let error = error["error"].as_str().expect("message");
    assert!(error.contains(message), "{error}");
}
