//! parametric-insurance: a fund whose policies are paid by a feed with a full history.

use crate::bench::Bench;
use ai_feed::state::{Entry, Feed, ACTIVE, RING};
use anchor_lang::prelude::Pubkey;
use anyhow::Result;
use bytemuck::Zeroable;
use feed_reader::Mask;
use fieldproof_client::ai_feed as feeds;
use fieldproof_client::parametric_insurance::{self as client, PolicyParties, Settlement};
use parametric_insurance::state::PolicyTerms;
use solana_signer::Signer;
use tests::START;

/// The feed's id.
const FEED: [u8; 32] = [5; 32];
/// Seconds of a round.
const ROUND: i64 = 60;
/// Seconds from before the oldest to after the newest round.
const HISTORY: i64 = (RING as i64 + 1) * ROUND;
/// Above it a policy pays.
const THRESHOLD: i64 = 100;
/// Base units that a policy pays.
const PAYOUT: u64 = 1_000;

/// Measures every instruction.
pub fn measure(bench: &Bench) -> Result<()> {
    let (payer, mint) = (bench.payer(), bench.mint()?);
    let (underwriter, holder) = (bench.key(), bench.key());
    let own = bench
        .harness
        .fund(&underwriter.pubkey(), &mint, 10 * PAYOUT);
    let holder_account = bench.harness.fund(&holder.pubkey(), &mint, 10 * PAYOUT);
    let feed = feeds::feed(&FEED);
    put_feed(bench, &feed, 0)?;

    let fund = client::fund(&underwriter.pubkey(), &FEED);
    let create = client::create_fund(&payer, &underwriter.pubkey(), &mint, FEED);
    bench.measure("create_fund", "", &[create], &[&underwriter])?;
    let deposit = client::deposit(&underwriter.pubkey(), &own, &fund, &mint, 5 * PAYOUT);
    bench.measure("deposit", "", &[deposit], &[&underwriter])?;
    let withdraw = client::withdraw_fund(&underwriter.pubkey(), &fund, &own, &mint, PAYOUT);
    bench.measure("withdraw_fund", "", &[withdraw], &[&underwriter])?;

    let parties = PolicyParties {
        payer,
        underwriter: underwriter.pubkey(),
        holder: holder.pubkey(),
        holder_account,
        fund,
        mint,
    };
    let terms = PolicyTerms {
        threshold: THRESHOLD,
        direction: 1,
        min_mask: Mask::COMMITTEE,
        max_age: HISTORY as u32,
        payout: PAYOUT,
        premium: 10,
        starts: START,
        ends: START + HISTORY,
    };
    let write = |number| client::write_policy(parties, number, terms);
    let signers = [&underwriter, &holder];
    bench.measure("write_policy", "", &[write(0)], &signers)?;
    bench.run(&[write(1)], &signers)?;
    bench.run(&[write(2)], &signers)?;

    bench.harness.advance(HISTORY);
    for (number, age, case) in [
        (0, 0, "the newest of 64 rounds pays"),
        (1, RING - 1, "the oldest of 64 rounds pays"),
    ] {
        put_feed(bench, &feed, age)?;
        let settle = client::settle_policy(Settlement {
            fund,
            number,
            feed,
            holder_account,
            payer,
            mint,
        });
        bench.measure("settle_policy", case, &[settle], &[])?;
    }
    bench.harness.advance(HISTORY + 1);
    let expire = client::expire_policy(&fund, 2, &payer);
    bench.measure("expire_policy", "", &[expire], &[])?;

    put_feed(bench, &feed, 0)?;
    let now = bench.harness.now();
    bench.measure_call(
        "reading a feed",
        "the newest of 64 rounds, as a library call",
        probe::READ_FEED,
        &[FEED.as_slice(), &now.to_le_bytes()].concat(),
        &[feed],
    )?;
    bench.measure_call(
        "reading a feed",
        "the newest of 64 rounds, by CPI",
        probe::CALL_READ_FEED,
        &[
            FEED.as_slice(),
            &u32::MAX.to_le_bytes(),
            &Mask::COMMITTEE.to_le_bytes(),
        ]
        .concat(),
        &[feed, ai_feed::ID],
    )
}

/// Writes the feed with a full history in which only the round of an age (0 is the newest) crosses the threshold.
fn put_feed(bench: &Bench, key: &Pubkey, age: usize) -> Result<()> {
    let mut feed = Feed {
        version: 1,
        state: ACTIVE,
        id: FEED,
        round_length: ROUND,
        ..Feed::zeroed()
    };
    let first = START / ROUND;
    for number in 0..RING {
        let round = first + number as i64;
        feed.record(Entry {
            round: round as u64,
            value: THRESHOLD + i64::from(number == RING - 1 - age),
            posted_at: (round + 1) * ROUND,
            oldest_capture: round * ROUND * 1_000,
            newest_capture: (round * ROUND + ROUND / 2) * 1_000,
            mask: Mask::COMMITTEE | Mask::SOURCED,
            attesters: 1,
            streams: 1,
            ..Entry::zeroed()
        })?;
    }
    bench.put(key, &feed)
}
