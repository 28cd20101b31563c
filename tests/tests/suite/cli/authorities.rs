//! `fieldproof network` and `feed`, as their authorities use them.

use super::*;

#[test]
fn a_networks_authority_governs_it() {
    let mut live = Live::start(0);
    let (maker, stranger) = (
        live.key("new.json").pubkey(),
        live.key("stranger.json").pubkey(),
    );
    let maker = maker.to_string();
    let done = |live: &Live, arguments: &[&str]| {
        live.cli_done("authority.json", &[&["network"], arguments].concat())
    };
    let refused = |live: &Live, arguments: &[&str], message: &str| {
        let arguments = [&["network"], arguments].concat();
        assert_failed(&live.cli("stranger.json", &arguments), message);
    };

    // Makers.
    let approve = ["approve-maker", &maker, "--quota", "5", "--max-tier", "2"];
    refused(&live, &approve, "authority");
    let approved = done(&live, &approve);
    assert_eq!(
        approved["maker"],
        json!({"key": maker, "quota": 5, "vouched": 0, "max_tier": 2, "revoked": false})
    );
    assert_failed(
        &live.cli("authority.json", &[&["network"], &approve[..]].concat()),
        "set-quota",
    );
    assert_eq!(
        done(&live, &["set-quota", &maker, "7"])["maker"]["quota"],
        7
    );
    assert_eq!(
        done(&live, &["revoke-maker", &maker])["maker"]["revoked"],
        true
    );

    // Parameters, behind the timelock.
    let propose = ["propose", "--device-bond", "2.5", "--max-speed", "400"];
    refused(&live, &propose, "authority");
    assert_failed(
        &live.cli(
            "authority.json",
            &["network", "propose", "--max-speed", "340"],
        ),
        "parameters in force",
    );
    let proposed = done(&live, &propose);
    assert_eq!(proposed["proposed"]["device_bond"], "2.5");
    assert_eq!(proposed["proposed"]["evidence_window"], 3_600);
    assert_eq!(
        (&proposed["parameters"]["max_speed"], &proposed["timelock"]),
        (&340.into(), &60.into())
    );
    refused(&live, &["apply"], "timelock");
    let from = proposed["proposed"]["from"].as_i64().expect("time");
    live.cluster.set_time(from);
    // Anyone applies them.
    let applied = live.cli_done("stranger.json", &["network", "apply"]);
    assert_eq!(
        (&applied["parameters"]["device_bond"], &applied["proposed"]),
        (&"2.5".into(), &Value::Null)
    );
    let discounts = ["propose", "--tier-discount-bps", "0,1,2,3"];
    let discounts = [&discounts[..], &["--challenge-bond", "0.25"]].concat();
    let discounts = done(&live, &discounts);
    assert_eq!(
        discounts["proposed"]["tier_discount_bps"],
        json!([0, 1, 2, 3])
    );
    assert_eq!(discounts["proposed"]["challenge_bond"], 250_000_000);
    let until = discounts["proposed"]["until"].as_i64().expect("time");
    let text = |live: &Live| {
        let shown = live.cli("stranger.json", &["network", "--output", "display", "show"]);
        String::from_utf8(shown.stdout).expect("text")
    };
    live.cluster.set_time(until - 60);
    assert!(
        text(&live).contains("fieldproof network apply"),
        "{}",
        text(&live)
    );
    live.cluster.set_time(until + 1);
    assert!(text(&live).contains("expired"), "{}", text(&live));
    // What is in force already takes its place.
    let withdrawn = done(&live, &["propose", "--max-speed", "500"]);
    assert_eq!(
        withdrawn["proposed"]["challenge_bond"],
        withdrawn["parameters"]["challenge_bond"]
    );

    // Pauses.
    let pause = ["pause", "stake", "--seconds", "600"];
    refused(&live, &pause, "authority");
    let paused = done(&live, &pause);
    assert_eq!(paused["paused"][0]["operation"], "stake");
    assert_eq!(done(&live, &["resume", "stake"])["paused"], json!([]));

    // A key that was not registered, and a slash that never was.
    let none = "00".repeat(32);
    let revoke = ["network", "revoke-key", &none];
    assert_failed(&live.cli("authority.json", &revoke), "no verifying key");
    let pay = ["network", "pay-insurance", &maker, "--to", &maker];
    assert_failed(&live.cli("authority.json", &pay), "no report");

    // The authority itself.
    let stranger = stranger.to_string();
    refused(&live, &["accept"], "authority");
    assert_eq!(done(&live, &["offer", &stranger])["offered_to"], stranger);
    let own = live.authority.pubkey().to_string();
    assert_eq!(done(&live, &["offer", &own])["offered_to"], Value::Null);
    done(&live, &["offer", &stranger]);
    let accepted = live.cli_done("stranger.json", &["network", "accept"]);
    assert_eq!(
        (&accepted["authority"], &accepted["offered_to"]),
        (&stranger.as_str().into(), &Value::Null)
    );
    // What the last one proposed falls with it.
    assert_eq!(accepted["proposed"], Value::Null);
    let shown = live.cli_done("stranger.json", &["network", "show"]);
    assert_eq!(
        (&shown["authority"], &shown["signature"]),
        (&stranger.as_str().into(), &Value::Null)
    );
}

#[test]
fn a_verifying_key_is_revoked() {
    let live = Live::start(0);
    let key = tests::groth16::Secrets::new(1).key();
    let hash = hex::encode(ai_feed::state::VerifyingKey::hash_of(&key));
    let revoke = ["network", "revoke-key", &hash];
    live.cli_done("authority.json", &revoke);
    let address = fieldproof_client::ai_feed::verifying_key(
        &live.deployment.network,
        &ai_feed::state::VerifyingKey::hash_of(&key),
    );
    let key: ai_feed::state::VerifyingKey = live.find(&address).expect("key");
    assert!(key.revoked_at > 0);
}

#[test]
fn a_feeds_authority_proposes_its_policy_passes_on_and_freezes() {
    let mut live = Live::start(0);
    let stranger = live.key("stranger.json").pubkey().to_string();
    let feed = live.deployment.feeds[0].to_string();
    let feed = feed.as_str();
    let done = |live: &Live, arguments: &[&str]| {
        live.cli_done("authority.json", &[&["feed"], arguments].concat())
    };
    let policy = live.cli_done("stranger.json", &["feed", "policy", feed]);
    assert_eq!(
        policy["policy"]["required"],
        json!(["committee", "sourced"])
    );
    assert_eq!(
        (&policy["policy"]["bond"], &policy["frozen"]),
        (&"0".into(), &false.into())
    );
    let propose = ["propose", feed, "--min-signers", "3", "--bond", "0.5"];
    let theft = [&["feed"], &propose[..]].concat();
    assert_failed(&live.cli("stranger.json", &theft), "authority");
    assert_failed(
        &live.cli(
            "authority.json",
            &["feed", "propose", feed, "--min-signers", "2"],
        ),
        "policy in force",
    );
    let proposed = done(&live, &propose);
    assert_eq!(proposed["policy"]["min_signers"], 2);
    assert_eq!(
        (
            &proposed["proposed"]["min_signers"],
            &proposed["proposed"]["bond"]
        ),
        (&3.into(), &"0.5".into())
    );
    assert_eq!(
        proposed["proposed"]["required"],
        json!(["committee", "sourced"])
    );
    // It is withdrawn by what is in force, and made again.
    let withdrawn = done(&live, &["propose", feed, "--min-signers", "2"]);
    assert_eq!(withdrawn["proposed"]["min_signers"], 2);
    let proposed = done(&live, &propose);
    let apply = ["feed", "apply", feed];
    assert_failed(&live.cli("stranger.json", &apply), "timelock");
    let from = proposed["proposed"]["from"].as_i64().expect("time");
    live.cluster.set_time(from);
    let applied = live.cli_done("stranger.json", &apply);
    assert_eq!(
        (&applied["policy"]["min_signers"], &applied["proposed"]),
        (&3.into(), &Value::Null)
    );

    // Of two feeds it can't be told which is meant.
    let other = live.deployment.network.to_string();
    assert_failed(
        &live.cli("authority.json", &["feed", &other, "freeze", feed]),
        "nothing was done",
    );
    let url = live.cluster.rpc_url.clone();
    let policy = live.cli_done("authority.json", &["feed", "--url", &url, "policy", feed]);
    assert_eq!(policy["frozen"], false);

    assert_eq!(
        done(&live, &["offer", feed, &stranger])["offered_to"],
        stranger
    );
    let accepted = live.cli_done("stranger.json", &["feed", "accept", feed]);
    assert_eq!(accepted["authority"], stranger);
    let freeze = ["feed", "freeze", feed];
    assert_failed(&live.cli("authority.json", &freeze), "authority");
    assert_eq!(live.cli_done("stranger.json", &freeze)["frozen"], true);
    assert_failed(
        &live.cli("stranger.json", &["feed", feed]),
        "no value to rely on",
    );
}
