//! PullFeeds, by the structures of switchboard-on-demand.

use std::collections::BTreeSet;

use anyhow::{ensure, Result};
use bytemuck::{bytes_of, Zeroable};
use oracle::{Format, OracleError, Price};
use switchboard_on_demand::{
    CompactResult, CurrentResult, Discriminator, OracleSubmission, Pubkey, PullFeedAccountData,
    ON_DEMAND_MAINNET_PID,
};

use crate::{read, Account, Read, JOBS, MAX_AGE_SLOTS, MIN_ORACLES, NOW, QUEUE};

/// A dollar, at the feed's decimals.
const ONE: i128 = 1_000_000_000_000_000_000;
/// When every feed was updated.
const AT: i64 = NOW.unix_time - 20;

/// An oracle's answer: who, how many slots ago, what.
type Answer = (u8, u64, i128);

/// A feed in which every field says something else.
fn feed(answers: &[Answer]) -> PullFeedAccountData {
    let mut feed = PullFeedAccountData::zeroed();
    for (place, (oracle, age, value)) in answers.iter().enumerate() {
        let slot = NOW.slot - age;
        feed.submissions[place] = OracleSubmission {
            oracle: Pubkey::from([*oracle; 32]),
            slot,
            landed_at: slot + 3,
            value: *value,
        };
        feed.submission_timestamps[place] = NOW.unix_time - *age as i64 / 2;
    }
    feed.authority = Pubkey::from([0xa1; 32]);
    feed.queue = Pubkey::from(QUEUE);
    feed.feed_hash = JOBS;
    feed.initialized_at = 1_700_000_000;
    feed.permissions = 3;
    feed.max_variance = 2_000_000_000;
    feed.min_responses = 1;
    feed.name[..9].copy_from_slice(b"TOKEN/USD");
    feed.historical_result_idx = 7;
    feed.min_sample_size = 2;
    feed.last_update_timestamp = AT;
    feed.lut_slot = 340_000_000;
    feed.max_staleness = MAX_AGE_SLOTS;
    let oracles: BTreeSet<u8> = answers.iter().map(|(oracle, ..)| *oracle).collect();
    feed.result = CurrentResult {
        // A result that the feed's authority had made of whatever it liked: it is not read.
        value: 77 * ONE,
        std_dev: ONE / 9,
        mean: 78 * ONE,
        range: ONE,
        min_value: 76 * ONE,
        max_value: 79 * ONE,
        num_samples: oracles.len() as u8,
        submission_idx: 1,
        padding1: [0; 6],
        slot: NOW.slot - 1,
        min_slot: NOW.slot - 9,
        max_slot: NOW.slot,
    };
    for (place, result) in feed.historical_results.iter_mut().enumerate() {
        *result = CompactResult {
            std_dev: 0.25,
            mean: place as f32,
            slot: NOW.slot - 1_000 * place as u64,
        };
    }
    feed
}

fn account(file: &'static str, feed: PullFeedAccountData, reads: Vec<Read>) -> Account {
    let minimum = u32::from(MIN_ORACLES);
    let switchboard = feed.get_value(NOW.slot, u64::from(MAX_AGE_SLOTS), minimum, true);
    Account {
        file,
        owner: ON_DEMAND_MAINNET_PID.to_bytes(),
        data: [PullFeedAccountData::DISCRIMINATOR, bytes_of(&feed)].concat(),
        switchboard: switchboard.ok().map(|value| value.to_string()),
        reads,
    }
}

fn price(value: u64, deviation: u64, oracles: u8, oldest: u64) -> Result<Price, OracleError> {
    Ok(Price {
        value,
        deviation,
        oracles,
        slot: NOW.slot - oldest,
        at: AT,
    })
}

fn reads(name: &'static str, price: Result<Price, OracleError>) -> Read {
    read(name, Format::OnDemand, price)
}

fn refused(name: &'static str, error: OracleError) -> Vec<Read> {
    vec![reads(name, Err(error))]
}

pub fn accounts() -> Result<Vec<Account>> {
    use OracleError::*;

    // Two are too old, one is exactly as old as it may be, and they come in no order.
    let usual = [
        (1, 10, 2_115 * ONE / 1_000),
        (2, 151, 99 * ONE / 10),
        (3, 150, 2_095 * ONE / 1_000),
        (4, 3, 2_110_000_000_123_456_789),
        (5, 7, 2_130 * ONE / 1_000),
        (6, 100_000, ONE / 10),
        (7, 0, 2_100 * ONE / 1_000),
    ];
    let (value, deviation) = (2_110_000_000_123, 19_999_999_877);
    let three = [(1, 1, ONE), (2, 1, ONE + 1), (3, 1, ONE + 2)];
    let but = |change: fn(&mut PullFeedAccountData)| {
        let mut changed = feed(&usual);
        change(&mut changed);
        changed
    };

    let accounts = vec![
        account(
            "on-demand.bin",
            feed(&usual),
            vec![
                reads("as it is", price(value, deviation, 5, 150)),
                reads("five oracles required", price(value, deviation, 5, 150)).oracles(5),
                reads("six oracles required", Err(TooFewOracles)).oracles(6),
                reads(
                    "a slot later, four are fresh",
                    price(value, deviation, 4, 10),
                )
                .later(1, 0),
                reads("three are fresh", price(value, deviation, 3, 7)).later(143, 0),
                reads("two are fresh", Err(TooFewOracles)).later(144, 0),
                reads("one is fresh", Err(TooFewOracles)).later(150, 0),
                reads("none is fresh", Err(Stale)).later(151, 0),
                reads("the last second", price(value, deviation, 5, 150)).later(0, 100),
                reads("a second too late", Err(Stale)).later(0, 101),
                reads("the second before it landed", Err(InFuture)).later(0, -21),
                reads("the slot before an answer", Err(InFuture)).later(-1, 0),
                reads("the deviation allowed", price(value, deviation, 5, 150)).bps(95),
                reads("a deviation above that", Err(TooUncertain)).bps(94),
                reads("another queue", Err(Queue)).queue(JOBS),
                reads("other jobs", Err(Jobs)).jobs(QUEUE),
                reads("no oracle required", Err(Requirements)).oracles(0),
                reads("more than it holds", Err(Requirements)).oracles(33),
                reads("any deviation", Err(Requirements)).bps(10_000),
            ],
        ),
        account(
            "on-demand-even.bin",
            feed(&[
                (1, 5, 12_346_000_000_000),
                (2, 5, 12_340_000_000_000),
                (3, 5, 12_350_000_000_000),
                (4, 5, 12_345_678_901_234),
            ]),
            vec![reads("the lower of two", price(12_345_678, 5_679, 4, 5))],
        ),
        account(
            "on-demand-full.bin",
            feed(&core::array::from_fn::<_, 32, _>(|place| {
                let oracle = place as u8 + 1;
                // 1.032 down to 1.001
                (
                    oracle,
                    u64::from(oracle),
                    ONE + ONE / 1_000 * (32 - place as i128),
                )
            })),
            vec![reads(
                "32 oracles",
                price(1_016_000_000_000, 16_000_000_000, 32, 32),
            )
            .oracles(32)],
        ),
        account(
            "on-demand-duplicate.bin",
            {
                let mut twice = feed(&[
                    (1, 9, 5 * ONE),
                    (1, 2, 2 * ONE),
                    (1, 5, 7 * ONE),
                    (2, 4, 202 * ONE / 100),
                    (2, 4, 201 * ONE / 100),
                ]);
                twice.result.num_samples = 5;
                twice
            },
            vec![
                reads("one oracle thrice is one", Err(TooFewOracles)),
                reads(
                    "its newest counts",
                    price(2_000_000_000_000, 10_000_000_000, 2, 4),
                )
                .oracles(2),
            ],
        ),
        account(
            "on-demand-gap.bin",
            but(|feed| feed.submissions[2].slot = 0),
            refused("nothing follows an empty answer", TooFewOracles),
        ),
        account(
            "on-demand-authority.bin",
            but(|feed| feed.permit_write_by_authority = 1),
            refused("its authority may write", AuthorityWrites),
        ),
        account(
            "on-demand-count.bin",
            but(|feed| feed.result.num_samples = 2),
            refused("the program counted two", TooFewOracles),
        ),
        account(
            "on-demand-minimum.bin",
            but(|feed| feed.min_sample_size = 6),
            refused("its own minimum is six", TooFewOracles),
        ),
        account(
            "on-demand-negative.bin",
            feed(&three.map(|(oracle, age, value)| (oracle, age, -value))),
            refused("below zero", NotPositive),
        ),
        account(
            "on-demand-zero.bin",
            feed(&[(1, 1, 0), (2, 1, 0), (3, 1, 0)]),
            refused("zero", NotPositive),
        ),
        account(
            "on-demand-tiny.bin",
            feed(&[(1, 1, 999_999), (2, 1, 999_999), (3, 1, 999_999)]),
            refused("zero at 12 decimals", NotPositive),
        ),
        account(
            "on-demand-split.bin",
            feed(&[(1, 1, ONE), (2, 1, ONE), (3, 1, 3 * ONE)]),
            vec![reads("one is far off", Err(TooUncertain)).bps(9_999)],
        ),
        account(
            "on-demand-large.bin",
            feed(&three.map(|(oracle, age, _)| (oracle, age, 18_446_745 * ONE))),
            refused("more than 64 bits", TooLarge),
        ),
        account(
            "on-demand-extreme.bin",
            feed(&[(1, 1, i128::MIN), (2, 1, ONE), (3, 1, i128::MAX)]),
            vec![reads("the ends of the numbers", Err(TooUncertain)).bps(9_999)],
        ),
    ];
    for account in &accounts {
        ensure!(account.data.len() == 3_208, "{}", account.file);
    }
    Ok(accounts)
}
