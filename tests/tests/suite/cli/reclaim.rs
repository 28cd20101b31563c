//! `fieldproof reclaim`, for what an operator's worker paid and its round or epoch left behind.

use super::*;
use ai_feed::state::Round;
use reward_emission::state::exposed_until;

/// Who pays for what the worker of the first operator makes.
const PAYER: &str = "signer-0.json";

/// Too few sign in one round, and a later one becomes a value.
#[test]
fn a_round_that_was_passed_over_is_closed() {
    let mut live = Live::start(2);
    live.key("owner.json");
    let device = live.device("owner.json", "one.json", 0, Curve::P256);
    let now = start(&mut live);
    let alone = live.worker(0);
    live.wait_for_device(0);
    let readings = window(&live, &device, now);
    assert_eq!(post(&live, 0, &readings).accepted, 16);
    let (key, passed_over) = wait("the round", || {
        chain::read_all::<Round>(&live.chain).expect("rounds").pop()
    });
    alone.kill();

    // Nobody can sign any more, but only a later value passes the round over.
    let later = now + 20 * ROUND;
    live.cluster.set_time(later);
    let early = live.cli_done(PAYER, &["reclaim"]);
    assert_eq!(early["found"], json!([]));

    let workers = workers(&live);
    let readings = window(&live, &device, later);
    assert_eq!(post(&live, 0, &readings).accepted, 16);
    let feed = live.deployment.feeds[0];
    wait("a later value", || {
        live.find::<Feed>(&feed)
            .filter(|feed| feed.last_round > passed_over.round)
    });
    drop(workers);
    // The later attestation's challenge window is over, too.
    live.cluster.set_time(live.now() + 2 * ROUND);
    let round = listed(&live, "round", &key);
    let found = reclaim_all(&live, PAYER);
    assert_eq!(kinds(&found), ["attestation", "attestation", "round"]);
    assert_eq!(found[2], round);
    assert!(live.find::<Round>(&key).is_none());
}

/// The last final one stays: it says where the rewards are archived.
#[test]
fn a_proposal_for_which_nobody_can_be_slashed_any_more_is_closed() {
    let mut live = Live::start_with(1, |config, _| config.feeds[0].min_signers = 1);
    live.key("owner.json");
    live.device("owner.json", "one.json", 0, Curve::Ed25519);
    let worker = earn(&mut live);
    assert_eq!(kinds(&reclaim_all(&live, PAYER)), ["attestation"]);

    // Another epoch is final, and the committee can still be slashed for the one before.
    end_epoch(&mut live, 3);
    worker.kill();
    let early = live.cli_done(PAYER, &["reclaim"]);
    assert_eq!(early["found"], json!([]));

    let proposals = |live: &Live| chain::read_all::<Proposal>(&live.chain).expect("proposals");
    let mut all = proposals(&live).into_iter();
    let older = all.find(|(_, proposal)| proposal.epoch == 2);
    let (key, older) = older.expect("proposal");
    let network: Network = live.find(&live.deployment.network).expect("network");
    let kept_until = exposed_until(&network, older.committee_epoch);
    live.cluster.set_time(kept_until + 1);
    let proposal = listed(&live, "proposal", &key);
    assert_eq!(reclaim_all(&live, PAYER), [proposal]);
    let left = proposals(&live);
    let epochs: Vec<u64> = left.iter().map(|(_, proposal)| proposal.epoch).collect();
    assert_eq!(epochs, [3]);
}

/// How an account that is due is listed, with what it has.
fn listed(live: &Live, kind: &str, key: &Pubkey) -> Value {
    let account = live.chain.account(key).expect("chain").expect("account");
    let rent = token::format_amount(account.lamports, 9);
    json!({ "kind": kind, "account": key.to_string(), "rent": rent, "bounty": null })
}

fn kinds(found: &[Value]) -> Vec<&Value> {
    found.iter().map(|found| &found["kind"]).collect()
}
