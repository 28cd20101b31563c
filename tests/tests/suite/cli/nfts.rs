//! `fieldproof device promote`, `bind` and `demote`.

use super::*;
use anchor_spl::token_2022::spl_token_2022;
use fieldproof_client::transaction;
use solana_keypair::Keypair;

#[test]
fn a_device_becomes_an_nft_is_sold_bound_and_comes_back() {
    let mut live = Live::start(0);
    let (owner, buyer) = (live.key("owner.json"), live.key("buyer.json"));
    let device = live.device("owner.json", "one.json", 0, Curve::P256);
    // So long ago that it may change hands.
    live.cluster.set_time(live.now() + EVIDENCE_WINDOW);
    let id = hex::encode(device.device_key().id());
    let run = |keypair: &str, command: &str| live.cli(keypair, &["device", command, &id]);
    let show = || live.cli_done("owner.json", &["device", "show", &id]);
    assert_eq!(show()["nft"], Value::Null);
    for command in ["bind", "demote"] {
        assert_failed(&run("owner.json", command), "has no NFT");
    }
    assert_failed(&run("buyer.json", "promote"), "name its owner's keypair");
    let promote = |uri: &str| live.cli("owner.json", &["device", "promote", &id, "--uri", uri]);
    assert_failed(&promote(&"x".repeat(201)), "201 bytes");
    let done = |output: Output| -> Value {
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let uri = "https://example.org/device.json";
    let promoted = done(promote(uri));
    let mint: anchor_lang::prelude::Pubkey = promoted["nft"]
        .as_str()
        .expect("mint")
        .parse()
        .expect("address");
    let shown = show();
    assert_eq!(shown["status"], "nft");
    assert_eq!(
        shown["nft"],
        json!({ "mint": mint.to_string(), "with_owner": true })
    );
    let metadata = chain::Chain::account(&live.chain, &mint).expect("chain");
    let metadata = metadata.expect("mint").data;
    assert!(metadata
        .windows(uri.len())
        .any(|part| part == uri.as_bytes()));
    assert_failed(&promote(uri), "NFT");
    assert_failed(&run("buyer.json", "bind"), "does not hold the device's NFT");

    // Sold like any other.
    pass_on(&live, &mint, &owner, &buyer);
    let sold = show();
    assert_eq!(sold["owner"], owner.pubkey().to_string());
    assert_eq!(sold["nft"]["with_owner"], false);
    assert_failed(
        &run("owner.json", "demote"),
        "does not hold the device's NFT",
    );
    let bound = done(run("buyer.json", "bind"));
    assert_eq!(bound["nft"], mint.to_string());
    let shown = show();
    assert_eq!(shown["owner"], buyer.pubkey().to_string());
    assert_eq!(shown["previous_owner"], owner.pubkey().to_string());
    assert_eq!(
        (&shown["nonce"], &shown["nft"]["with_owner"]),
        (&json!(1), &json!(true))
    );
    done(run("buyer.json", "demote"));
    let shown = show();
    assert_eq!(
        (&shown["status"], &shown["nft"]),
        (&json!("proven"), &Value::Null)
    );
    let account = chain::Chain::account(&live.chain, &mint).expect("chain");
    assert!(account.is_none_or(|account| account.data.is_empty()));
    assert_failed(&run("buyer.json", "demote"), "has no NFT");
}

fn pass_on(live: &Live, mint: &anchor_lang::prelude::Pubkey, from: &Keypair, to: &Keypair) {
    let [source, destination] = [from, to].map(|key| token::associated_2022(&key.pubkey(), mint));
    let open = token::create_associated_2022(&from.pubkey(), &to.pubkey(), mint);
    let pass = spl_token_2022::instruction::transfer_checked(
        &token::TOKEN_2022_PROGRAM,
        &source,
        mint,
        &destination,
        &from.pubkey(),
        &[],
        1,
        0,
    );
    transaction::send(&live.chain, &[open, pass.expect("instruction")], from, &[]).expect("sale");
}
