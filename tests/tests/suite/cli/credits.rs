//! `fieldproof credits`, in a network that charges from its beginning.

use super::*;
use fieldproof_client::chain::Chain;
use fieldproof_client::credits as client;
use migrations::config::{OracleFormat, Pricing};
use oracle::ON_DEMAND_ID;
use solana_account::Account;
use tests::oracle::{answered, terms, DOLLAR};

/// Credits for a device, later.
const REGISTRATION: u64 = 40_000;
/// Credits for a feed, later.
const FEED: u64 = 1_000_000;

/// The oracle's account that tells the price at first, and does not exist.
const NOWHERE: Pubkey = Pubkey::new_from_array([0x0a; 32]);

/// A network whose prices are nothing at first, with an operator who alone is its committee.
fn begin() -> Live {
    Live::start_with(1, |config, _| {
        let at_first = terms(&NOWHERE, 0, 0);
        config.network.credits = true;
        config.pricing = Some(Pricing {
            format: OracleFormat::OnDemand,
            oracle: at_first.oracle.to_string(),
            queue: at_first.queue.to_string(),
            jobs: hex::encode(at_first.jobs),
            max_age_slots: at_first.max_age_slots,
            max_age_seconds: at_first.max_age_seconds,
            min_oracles: at_first.min_oracles,
            max_deviation_bps: at_first.max_deviation_bps,
            registration: 0,
            feed: 0,
        });
        config.feeds[0].min_signers = 1;
    })
}

/// Has five oracles say that a token is worth two dollars.
fn say_price(live: &mut Live, oracle: &Pubkey) {
    let clock = live.chain.clock().expect("clock");
    let account = Account {
        lamports: 1_000_000_000,
        data: answered(&clock, [2 * DOLLAR; 5]),
        owner: ON_DEMAND_ID.into(),
        ..Account::default()
    };
    live.cluster.set_account(oracle, &account);
}

/// A first device registers for nothing, earns the first tokens there are, and with them a second one is paid for.
#[test]
fn a_network_begins_for_nothing_and_is_paid_with_what_it_earned() {
    let mut live = begin();
    let owner = live.key("owner.json").pubkey();
    live.device("owner.json", "one.json", 0, Curve::Ed25519);
    let credits = |live: &Live, arguments: &[&str]| {
        live.cli("owner.json", &[&["credits"], arguments].concat())
    };
    let done = |live: &Live, arguments: &[&str]| {
        live.cli_done("owner.json", &[&["credits"], arguments].concat())
    };
    let price = done(&live, &["price"]);
    assert_eq!(price["charges"], true);
    assert_eq!(price["now"]["registration"]["credits"], 0);
    assert_eq!(price["next"], Value::Null);
    assert_eq!(price["source"]["oracle"], NOWHERE.to_string());
    let refused = format!("account {NOWHERE} does not exist");
    assert_eq!(price["price"], json!({"usd": null, "refused": refused}));
    let none = done(&live, &["balance"]);
    assert_eq!(
        (&none["credits"], &none["registrations"]),
        (&0.into(), &Value::Null)
    );
    assert_failed(&credits(&live, &["buy", "1"]), &refused);
    let oracle = Pubkey::new_unique();
    let (each, feed, told_by) = (
        REGISTRATION.to_string(),
        FEED.to_string(),
        oracle.to_string(),
    );
    let set = [
        "network",
        "set-pricing",
        "--registration",
        &each,
        "--feed",
        &feed,
        "--oracle",
        &told_by,
    ];
    assert_failed(&live.cli("authority.json", &set), "no token yet");
    let _worker = earn(&mut live);

    // The network's authority asks for something from now on, and owners see it coming.
    assert_failed(&live.cli("owner.json", &set), "authority");
    let shown = live.cli_done("authority.json", &set);
    assert_eq!(shown["pricing"]["registration"], REGISTRATION);
    assert_failed(&live.cli("authority.json", &set), "set last");
    let price = done(&live, &["price"]);
    assert_eq!(price["now"]["registration"]["credits"], 0);
    assert_eq!(
        price["next"]["registration"],
        json!({"credits": REGISTRATION, "usd": "0.4"})
    );
    let sources = [&price["source"], &price["next"]["source"]].map(|source| &source["oracle"]);
    assert_eq!(sources, [&NOWHERE.to_string(), &told_by]);
    live.cluster
        .set_time(price["next"]["from"].as_i64().expect("time"));
    let price = done(&live, &["price"]);
    assert_eq!(price["now"]["feed"], json!({"credits": FEED, "usd": "10"}));
    assert_eq!(
        (&price["next"], &price["source"]["oracle"]),
        (&Value::Null, &told_by.into())
    );

    register_second(&live, "this costs 40000 credits");
    say_price(&mut live, &oracle);
    let price = done(&live, &["price"]);
    assert_eq!(price["price"], json!({"usd": "2", "refused": null}));
    // 0.40 dollars at 1.98, rounded up.
    let planned = done(&live, &["buy", "0.40usd", "--dry-run"]);
    assert_eq!(planned["tokens"], "0.202021");
    assert_eq!(planned["bought"], Value::Null);
    let bought = done(&live, &["buy", "40000"]);
    assert_eq!(bought["oracle"], oracle.to_string());
    assert_eq!(
        (&bought["tokens"], &bought["price"]),
        (&planned["tokens"], &"2".into())
    );
    assert_eq!(bought["at_least"]["credits"], REGISTRATION);
    assert_eq!(bought["bought"]["credits"], 40_404);
    let balance = done(&live, &["balance", &owner.to_string()]);
    assert_eq!(
        (&balance["credits"], &balance["usd"]),
        (&40_404.into(), &"0.40404".into())
    );
    assert_eq!(
        (&balance["burned"], &balance["registrations"]),
        (&"0.202021".into(), &1.into())
    );

    // What can be said before anything is sent.
    for wrong in ["0", "many", "0.000001usd", "-1usd"] {
        assert_failed(&credits(&live, &["buy", "--", wrong]), "is no amount");
    }
    assert_failed(
        &credits(&live, &["buy", "1000000000000"]),
        "send tokens of mint",
    );

    // The device is paid for, and what is left is given to a feed.
    live.cli_done(
        "owner.json",
        &[
            "register",
            "--device",
            "two.json",
            "--voucher",
            "two.voucher",
        ],
    );
    assert_eq!(done(&live, &["balance"])["credits"], 404);
    let feed = live.deployment.feeds[0].to_string();
    assert_failed(&credits(&live, &["fund", &feed, "405"]), "has 404");
    done(&live, &["fund", &feed, "4"]);
    let funded = done(&live, &["fund", &feed, "0.004usd"]);
    assert_eq!(
        (
            &funded["spent"]["credits"],
            &funded["given"]["credits"],
            &funded["left"]["credits"]
        ),
        (&400.into(), &404.into(), &0.into())
    );
    // Their epoch is not decided yet.
    let reclaim = |live: &Live| live.cli_done("owner.json", &["reclaim"]);
    assert_eq!(reclaim(&live)["found"], json!([]));

    // Nor is a price that nobody has updated.
    live.cluster.set_time(live.now() + 61);
    let old = credits(&live, &["buy", "1"]);
    assert_failed(&old, &format!("the oracle's account {oracle} is not taken"));
    assert_failed(&old, "too old");

    end_epoch(&mut live, 3);
    let reclaimed = reclaim(&live);
    let kinds = [0_usize, 1].map(|number| &reclaimed["found"][number]["kind"]);
    assert_eq!(kinds, ["demand", "epoch"]);
    assert_eq!(reclaimed["found"].as_array().map(Vec::len), Some(2));
    assert_ne!(reclaimed["rent"], "0");
    assert_eq!(reclaim(&live)["found"], json!([]));
}

/// A batch is paid for by its maker, each device.
#[test]
fn a_makers_batch_is_paid_for() {
    let mut live = begin();
    let mut keys = String::new();
    for name in ["one.json", "two.json"] {
        let new = ["keys", "new", "--outfile", name];
        live.cli_done("maker.json", &new);
        let shown = live.cli_done("maker.json", &["keys", "show", name]);
        keys += shown["public_key"].as_str().expect("key");
        keys += "\n";
    }
    let batch = |live: &Live, keys: &str| {
        live.file("keys.txt", keys);
        let batch = [
            "batch",
            "--keys",
            "keys.txt",
            "--manifest",
            "keys.txt",
            "--curve",
        ];
        live.cli("maker.json", &[&batch[..], &["ed25519"]].concat())
    };
    let lines: Vec<&str> = keys.lines().collect();
    let free = batch(&live, lines[0]);
    assert!(free.status.success(), "{free:?}");
    let authority = live.authority.pubkey();
    let (network, reward_mint) = (live.deployment.network, live.deployment.reward_mint);
    let terms = terms(&NOWHERE, 1, 1);
    let set = client::set_pricing(&authority, &authority, &network, &reward_mint, terms);
    live.send(&[set], &[]);
    live.cluster.set_time(live.now() + 60);
    assert_failed(&batch(&live, lines[1]), "this costs 1 credits");
    // The whole is asked for before the first of several batches is sent.
    let keys = (0..60).map(|_| hex::encode(solana_keypair::Keypair::new().pubkey()) + "\n");
    let many: String = keys.collect();
    assert_failed(&batch(&live, &many), "this costs 60 credits");
    // What has landed is not paid for again.
    live.file("keys.txt", lines[0]);
    let again = "batch --keys keys.txt --manifest keys.txt --curve ed25519 --first 0";
    let again: Vec<_> = again.split(' ').collect();
    let again = live.cli_done("maker.json", &again);
    assert_eq!(again["signatures"], json!([]));
    // It is said that nothing was registered, which may be a wrong number's fault.
    assert_eq!(
        (&again["devices"], &again["devices_left_out"]),
        (&0.into(), &1.into())
    );
}

/// The keypair's second device, which is refused with `error`.
fn register_second(live: &Live, error: &str) {
    let made = live.cli_done("owner.json", &["keys", "new", "--outfile", "two.json"]);
    let id = made["device"].as_str().expect("id");
    let vouch = [
        "voucher",
        "--device",
        id,
        "--number",
        "1",
        "--serial",
        "two",
        "--outfile",
        "two.voucher",
    ];
    live.cli_done("maker.json", &vouch);
    let register = [
        "register",
        "--device",
        "two.json",
        "--voucher",
        "two.voucher",
    ];
    assert_failed(&live.cli("owner.json", &register), error);
}
