//! `fieldproof pool`, `stream` and `payee`: an operator from nothing to a worker that earns, and out again.

use super::*;
use ai_feed::state::Attestation;

/// What the operator has, base units.
const TOKENS: u64 = 101_000_000;

/// A network without operators, in which one is enough.
fn empty() -> Live {
    Live::start_with(0, |config, _| config.feeds[0].min_signers = 1)
}

#[test]
fn an_operator_begins_with_stake_and_is_paid_for_its_work() {
    let mut live = empty();
    let operator = live.key("operator.json").pubkey();
    let signer = live.key("signer-0.json").pubkey().to_string();
    let run = |live: &Live, arguments: &[&str]| live.cli("operator.json", arguments);
    let done = |live: &Live, arguments: &[&str]| live.cli_done("operator.json", arguments);

    let create = ["pool", "create", "--signer", &signer];
    assert_failed(&run(&live, &create), "send tokens of mint");
    let account = stake(&live, &operator, TOKENS);
    assert_failed(&run(&live, &["pool", "show"]), "fieldproof pool create");
    // An epoch and the evidence window are an hour each.
    let short = [&create[..], &["--cooldown", "7200"]].concat();
    assert_failed(&run(&live, &short), "more than 7200 seconds");
    let bold = [&create[..], &["--leverage-bps", "10001"]].concat();
    assert_failed(&run(&live, &bold), "at most 10000 basis points");
    let made = done(&live, &create);
    assert_failed(&run(&live, &create), "fieldproof pool set-signer");
    let pool = made["pool"].as_str().expect("address").to_owned();
    assert_eq!(made["operator"], operator.to_string());
    assert_eq!(
        (&made["staked"], &made["cooldown"]),
        (&"1".into(), &14_400.into())
    );
    assert_eq!(
        (&made["seat"], &made["delegation"]),
        (&Value::Null, &Value::Null)
    );

    // The operator stakes, and what it allocates has a seat after a full epoch.
    let opt_in = ["pool", "opt-in", "100"];
    assert_failed(&run(&live, &opt_in), "stake");
    let staked = done(&live, &["pool", "delegate", "100"]);
    assert_eq!(
        (&staked["staked"], &staked["delegation"]["worth"]),
        (&"101".into(), &"100".into())
    );
    assert_failed(
        &run(&live, &["pool", "delegate", "0.5"]),
        "send tokens of mint",
    );
    let foreign = ["pool", "delegate", "1", "--pool", &pool];
    assert_failed(
        &live.cli("maker.json", &foreign),
        "stake of its operator alone",
    );
    let seated = done(&live, &opt_in);
    assert_eq!(
        seated["seat"],
        json!({
            "pool": pool, "allocation": "0", "next_allocation": "100", "next_epoch": 2, "releases_at": null
        })
    );
    let listed = live.cli_done("maker.json", &["pool", "list"]);
    assert_eq!(listed, json!([seated["seat"]]));

    let stream = ["stream", "show", "--pool", &pool];
    assert_failed(&run(&live, &stream), "fieldproof stream open");
    // Only the worker's key opens it.
    let open = ["stream", "open", "--signer"];
    let wrong = [&open[..], &["operator.json"]].concat();
    assert_failed(&run(&live, &wrong), "signer");
    let opened = done(&live, &[&open[..], &["signer-0.json"]].concat());
    assert_eq!(
        (&opened["pool"], &opened["commitments"]),
        (&pool.as_str().into(), &0.into())
    );
    let again = [&open[..], &["signer-0.json"]].concat();
    assert_failed(&run(&live, &again), "fieldproof stream show");

    let payee = ["payee", "show", "--pool", &pool];
    assert_failed(&run(&live, &payee), "fieldproof payee register");
    let registered = done(&live, &["payee", "register", "--pool", &pool]);
    assert_eq!(
        (&registered["kind"], &registered["claimed"]),
        (&"operator".into(), &"0".into())
    );

    live.key("owner.json");
    live.device("owner.json", "one.json", 0, Curve::Ed25519);
    live.adopt(pool.parse().expect("address"));
    live.configure(0, &live.cluster.rpc_url);
    let _worker = earn(&mut live);
    let url = live.operators[0].url.clone();
    live.cli_done("owner.json", &["claim", "--worker", &url, "--all"]);
    let paid = done(&live, &payee);
    let share: f64 = paid["claimed"]
        .as_str()
        .and_then(|paid| paid.parse().ok())
        .expect("tokens");
    assert!(share > 0.0);
    let commitments = done(&live, &stream)["commitments"].as_u64();
    assert!(commitments.is_some_and(|count| count > 0));

    // What its worker paid rent for and nothing needs any more is paid back, once.
    let reclaim =
        |live: &Live, also: &[&str]| live.cli_done("signer-0.json", &[&["reclaim"], also].concat());
    let dry = reclaim(&live, &["--dry-run"]);
    assert_eq!(dry["found"][0]["kind"], "attestation");
    assert_eq!(dry["signatures"], json!([]));
    let key = dry["found"][0]["account"].as_str().expect("address");
    let key: Pubkey = key.parse().expect("address");
    let rent = live.chain.account(&key).expect("chain").expect("account");
    let rent = token::format_amount(rent.lamports, 9);
    assert_eq!(dry["found"][0]["rent"], rent);
    let reclaimed = reclaim(&live, &[]);
    assert_eq!(reclaimed["found"], dry["found"]);
    assert_eq!(reclaimed["signatures"].as_array().map(Vec::len), Some(1));
    assert!(live.find::<Attestation>(&key).is_none());
    assert_eq!(reclaim(&live, &[])["found"], json!([]));

    // Others go on with it, and the operator leaves with its stake.
    let successor = live.key("successor.json").pubkey().to_string();
    let other = ["pool", "set-signer", &successor];
    assert_eq!(done(&live, &other)["signer"], successor);
    assert_failed(
        &live.cli("successor.json", &["pool", "accept", "--pool", &pool]),
        "may accept",
    );
    let offered = done(&live, &["pool", "offer", &successor]);
    assert_eq!(offered["offered_to"], successor);
    let back = done(&live, &["pool", "offer", &operator.to_string()]);
    assert_eq!(back["offered_to"], Value::Null);

    let left = done(&live, &["pool", "opt-out"]);
    assert_eq!(left["seat"]["next_allocation"], "0");
    assert_failed(&run(&live, &["pool", "request", "100.5"]), "is worth 100");
    assert_failed(
        &run(&live, &["pool", "withdraw"]),
        "fieldproof pool request",
    );
    let part = done(&live, &["pool", "request", "40.25"]);
    assert_eq!(part["delegation"]["worth"], "59.75");
    assert_eq!(part["delegation"]["withdrawals"][0]["worth"], "40.25");
    let all = done(&live, &["pool", "request", "all"]);
    assert_eq!(
        (&all["delegation"]["worth"], &all["cooling"]),
        (&"0".into(), &"100".into())
    );
    assert_failed(&run(&live, &["pool", "withdraw"]), "still cooling");
    let releases_at = left["seat"]["releases_at"].as_i64().expect("time");
    live.cluster.set_time(releases_at);
    let out = done(&live, &["pool", "withdraw"]);
    assert_eq!(out["signatures"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&out["staked"], &out["cooling"]),
        (&"1".into(), &"0".into())
    );
    let account: TokenAccount = chain::read_borsh(&live.chain, &account).expect("tokens");
    assert_eq!(account.amount, 100_000_000);
    // Anyone frees its place.
    let freed = live.cli_done("maker.json", &["pool", "refresh", "--pool", &pool]);
    assert_eq!(
        (&freed["seat"], &freed["allocated"]),
        (&Value::Null, &"0".into())
    );
}

/// What is done to a pool is told before the network's first epoch, too.
#[test]
fn a_pool_is_made_before_the_network_begins() {
    let mut live = Live::start_with(0, |config, _| config.network.genesis += 10_000);
    let operator = live.key("operator.json").pubkey();
    stake(&live, &operator, TOKENS);
    let done = |arguments: &[&str]| live.cli_done("operator.json", arguments);
    let made = done(&["pool", "create", "--signer", &operator.to_string()]);
    assert_eq!(
        (&made["staked"], &made["seat"]),
        (&"1".into(), &Value::Null)
    );
    let staked = done(&["pool", "delegate", "5"]);
    assert_eq!(staked["delegation"]["worth"], "5");
    assert_eq!(staked["signatures"].as_array().map(Vec::len), Some(1));
    let list = live.cli("operator.json", &["pool", "list"]);
    assert_failed(&list, "the network begins");
}

/// Somebody else's stake in a pool, and a pool that changes hands.
#[test]
fn others_delegate_to_a_pool_and_take_one_over() {
    let mut live = empty();
    let operator = live.key("operator.json").pubkey();
    let delegator = live.key("delegator.json").pubkey();
    stake(&live, &operator, TOKENS);
    stake(&live, &delegator, TOKENS);
    let create = [
        "pool",
        "create",
        "--signer",
        &operator.to_string(),
        "--seed",
        "2",
        "--takes-delegators",
    ];
    let made = live.cli_done("operator.json", &create);
    let pool = made["pool"].as_str().expect("address");
    assert_eq!(made["staked"], "2");
    let delegate = ["pool", "delegate", "50", "--pool", pool];
    let staked = live.cli_done("delegator.json", &delegate);
    assert_eq!(staked["delegation"]["owner"], delegator.to_string());
    assert_eq!(
        (&staked["staked"], &staked["delegation"]["worth"]),
        (&"52".into(), &"50".into())
    );
    // Anyone looks, with or without a stake.
    let owner = delegator.to_string();
    let show = ["pool", "show", "--pool", pool, "--owner", &owner];
    assert_eq!(
        live.cli_done("maker.json", &show)["delegation"]["worth"],
        "50"
    );
    assert_eq!(
        live.cli_done("maker.json", &show[..4])["delegation"],
        Value::Null
    );
    // The keypair tells the pool, whosever stake is looked at.
    let mine = ["pool", "show", "--owner", &owner];
    assert_eq!(
        live.cli_done("operator.json", &mine)["delegation"]["worth"],
        "50"
    );
    // Nor is there a keypair needed to look.
    live.sh(&format!("HOME=$PWD fieldproof pool show --pool {pool}\n"));
    // A delegator has no say in what the pool does.
    let opt_in = ["pool", "opt-in", "50", "--pool", pool];
    assert_failed(&live.cli("delegator.json", &opt_in), "operator");
    live.cli_done("operator.json", &["pool", "offer", &owner]);
    let taken = live.cli_done("delegator.json", &["pool", "accept", "--pool", pool]);
    assert_eq!(taken["operator"], owner);
    assert_eq!(taken["offered_to"], Value::Null);
    assert_failed(
        &live.cli("operator.json", &["pool", "opt-in", "50"]),
        "operator",
    );
    live.cli_done("delegator.json", &opt_in);
}

/// An owner names where it is paid.
#[test]
fn an_owner_names_another_destination() {
    let mut live = Live::start(0);
    let owner = live.key("owner.json").pubkey();
    let other = live.key("other.json").pubkey();
    let mint = live.deployment.reward_mint;
    let destination = token::associated(&other, &mint);
    let payer = live.authority.pubkey();
    live.send(&[token::create_associated(&payer, &other, &mint)], &[]);
    let registered = live.cli_done("owner.json", &["payee", "register"]);
    assert_eq!(
        registered["destination"],
        token::associated(&owner, &mint).to_string()
    );
    let again = live.cli("owner.json", &["payee", "register"]);
    assert_failed(&again, "is a payee already");
    assert_failed(&again, "payee set-destination");
    let set = ["payee", "set-destination", &destination.to_string()];
    assert_eq!(
        live.cli_done("owner.json", &set)["destination"],
        destination.to_string()
    );
    let show = ["payee", "show", &owner.to_string()];
    assert_eq!(
        live.cli_done("other.json", &show)["destination"],
        destination.to_string()
    );
    assert_failed(&live.cli("other.json", &["payee", "show"]), "is no payee");
    let wrong = [
        "payee",
        "set-destination",
        &live.deployment.network.to_string(),
    ];
    assert!(!live.cli("owner.json", &wrong).status.success());
}
