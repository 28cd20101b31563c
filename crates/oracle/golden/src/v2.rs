//! Aggregators, by the structures of switchboard-solana.
//!
//! On the chain their fields lie in the order of the declaration. In memory they don't: the structures are packed but not
//! `repr(C)`, and compilers of today put flags first. So they are written field by field, and not as they lie, which is
//! how the crate's own reader would take an account.

use anyhow::{ensure, Result};
use bytemuck::bytes_of;
use oracle::{Format, OracleError, Price};
use rust_decimal::Decimal;
use switchboard_solana::prelude::{Discriminator, Pubkey};
use switchboard_solana::{
    AggregatorAccountData, AggregatorResolutionMode, AggregatorRound, Hash, SwitchboardDecimal,
    SWITCHBOARD_PROGRAM_ID,
};

use crate::{read, Account, Read, JOBS, MAX_AGE_SECONDS, NOW, QUEUE};

/// The bytes of these fields, in this order.
macro_rules! fields {
    ($structure:expr, $($field:ident)+) => {
        [$(bytes_of(&{ $structure.$field })),+].concat()
    };
}

/// How many slots before now every round was opened, and when.
const AGE: u64 = 100;
const AT: i64 = NOW.unix_time - 40;

/// An oracle's answer: who, mantissa, scale.
type Answer = (u8, i128, u32);

/// A round in which every third oracle did not answer.
fn round(answers: &[Answer]) -> AggregatorRound {
    let mut round = AggregatorRound {
        num_success: answers.len() as u32,
        num_error: 1,
        round_open_slot: NOW.slot - AGE,
        round_open_timestamp: AT,
        std_deviation: SwitchboardDecimal::new(12_345, 7),
        min_response: SwitchboardDecimal::new(1, 3),
        max_response: SwitchboardDecimal::new(9, 0),
        oracle_pubkeys_data: core::array::from_fn(|place| Pubkey::from([0xd0 | place as u8; 32])),
        current_payout: [4_000; 16],
        ..AggregatorRound::default()
    };
    round.errors_fulfilled[2] = true;
    for (number, (oracle, mantissa, scale)) in answers.iter().enumerate() {
        let place = number + number / 2;
        round.oracle_pubkeys_data[place] = Pubkey::from([*oracle; 32]);
        round.medians_data[place] = SwitchboardDecimal::new(*mantissa, *scale);
        round.medians_fulfilled[place] = true;
    }
    // As Switchboard's program would: the median, the upper one of two.
    let mut medians: Vec<_> = answers
        .iter()
        .filter_map(|(_, mantissa, scale)| {
            Decimal::try_from_i128_with_scale(*mantissa, *scale).ok()
        })
        .collect();
    medians.sort();
    if let Some(median) = medians.get(medians.len() / 2) {
        round.result = SwitchboardDecimal::from_rust_decimal(*median);
    }
    round
}

/// An aggregator in which every field says something else.
fn aggregator(answers: &[Answer]) -> AggregatorAccountData {
    let mut current = round(&[(0xe1, 88, 0), (0xe2, 89, 0), (0xe3, 90, 0), (0xe4, 91, 0)]);
    current.round_open_slot = NOW.slot;
    current.round_open_timestamp = NOW.unix_time;
    let mut aggregator = AggregatorAccountData {
        metadata: [0x6d; 128],
        queue_pubkey: Pubkey::from(QUEUE),
        oracle_request_batch_size: 8,
        min_oracle_results: 3,
        min_job_results: 2,
        min_update_delay_seconds: 30,
        start_after: 1_700_000_000,
        variance_threshold: SwitchboardDecimal::new(5, 1),
        force_report_period: 300,
        next_allowed_update_time: NOW.unix_time,
        crank_pubkey: Pubkey::from([0xc1; 32]),
        latest_confirmed_round: round(answers),
        current_round: current,
        job_pubkeys_data: [Pubkey::from([0xc2; 32]); 16],
        job_hashes: [Hash { data: [0xc3; 32] }; 16],
        job_pubkeys_size: 4,
        jobs_checksum: JOBS,
        authority: Pubkey::from([0xa1; 32]),
        history_buffer: Pubkey::from([0xc4; 32]),
        previous_confirmed_round_result: SwitchboardDecimal::new(66, 0),
        previous_confirmed_round_slot: NOW.slot - 200,
        disable_crank: true,
        job_weights: [1; 16],
        creation_timestamp: 1_690_000_000,
        resolution_mode: AggregatorResolutionMode::ModeRoundResolution,
        base_priority_fee: 100,
        priority_fee_bump: 1_000,
        priority_fee_bump_period: 70,
        max_priority_fee_multiplier: 5,
        parent_function: Pubkey::from([0xc5; 32]),
        ..AggregatorAccountData::default()
    };
    aggregator.name[..9].copy_from_slice(b"TOKEN/USD");
    aggregator
}

fn decimals(decimals: &[SwitchboardDecimal]) -> Vec<u8> {
    let bytes = |decimal: &SwitchboardDecimal| fields!(decimal, mantissa scale);
    decimals.iter().flat_map(bytes).collect()
}

fn round_bytes(round: &AggregatorRound) -> Vec<u8> {
    let results = [
        round.result,
        round.std_deviation,
        round.min_response,
        round.max_response,
    ];
    [
        fields!(round, num_success num_error is_closed round_open_slot round_open_timestamp),
        decimals(&results),
        fields!(round, oracle_pubkeys_data),
        decimals(&{ round.medians_data }),
        fields!(round, current_payout medians_fulfilled errors_fulfilled),
    ]
    .concat()
}

fn bytes(aggregator: &AggregatorAccountData) -> Vec<u8> {
    let hashes = { aggregator.job_hashes };
    [
        AggregatorAccountData::DISCRIMINATOR.to_vec(),
        fields!(aggregator, name metadata _reserved1 queue_pubkey oracle_request_batch_size
            min_oracle_results min_job_results min_update_delay_seconds start_after),
        decimals(&[aggregator.variance_threshold]),
        fields!(aggregator, force_report_period expiration consecutive_failure_count
            next_allowed_update_time is_locked crank_pubkey),
        round_bytes(&{ aggregator.latest_confirmed_round }),
        round_bytes(&{ aggregator.current_round }),
        fields!(aggregator, job_pubkeys_data),
        hashes.iter().flat_map(|hash| hash.data).collect(),
        fields!(aggregator, job_pubkeys_size jobs_checksum authority history_buffer),
        decimals(&[aggregator.previous_confirmed_round_result]),
        fields!(aggregator, previous_confirmed_round_slot disable_crank job_weights
            creation_timestamp),
        vec![aggregator.resolution_mode as u8],
        fields!(aggregator, base_priority_fee priority_fee_bump priority_fee_bump_period
            max_priority_fee_multiplier parent_function _ebuf),
    ]
    .concat()
}

fn account(file: &'static str, aggregator: AggregatorAccountData, reads: Vec<Read>) -> Account {
    Account {
        file,
        owner: SWITCHBOARD_PROGRAM_ID.to_bytes(),
        data: bytes(&aggregator),
        switchboard: switchboard(&aggregator),
        reads,
    }
}

/// What Switchboard's own reader says.
fn switchboard(aggregator: &AggregatorAccountData) -> Option<String> {
    let stale = aggregator.check_staleness(NOW.unix_time, i64::from(MAX_AGE_SECONDS));
    stale.ok()?;
    let result: Decimal = aggregator.get_result().ok()?.try_into().ok()?;
    Some(result.to_string())
}

fn price(value: u64, deviation: u64, oracles: u8) -> Result<Price, OracleError> {
    Ok(Price {
        value,
        deviation,
        oracles,
        slot: NOW.slot - AGE,
        at: AT,
    })
}

fn reads(name: &'static str, price: Result<Price, OracleError>) -> Read {
    read(name, Format::V2, price)
}

fn refused(name: &'static str, error: OracleError) -> Vec<Read> {
    vec![reads(name, Err(error))]
}

pub fn accounts() -> Result<Vec<Account>> {
    use OracleError::*;

    // They have different scales, and come in no order.
    let usual = [
        (1, 2_115, 3),
        (2, 2_095_000_000_000_000_000, 18),
        (3, 2_110_000_000_123_456_789_012_345_678, 27),
        (4, 213, 2),
        (5, 21, 1),
    ];
    let (value, deviation) = (2_110_000_000_123, 19_999_999_877);
    let three = |mantissa, scale| [1, 2, 3].map(|oracle| (oracle, mantissa, scale));
    let but = |change: fn(&mut AggregatorAccountData)| {
        let mut changed = aggregator(&usual);
        change(&mut changed);
        changed
    };

    let accounts = vec![
        account(
            "v2.bin",
            aggregator(&usual),
            vec![
                reads("as it is", price(value, deviation, 5)),
                reads("five oracles required", price(value, deviation, 5)).oracles(5),
                reads("six oracles required", Err(TooFewOracles)).oracles(6),
                reads("the last slot", price(value, deviation, 5)).later(50, 0),
                reads("a slot too late", Err(Stale)).later(51, 0),
                reads("the last second", price(value, deviation, 5)).later(0, 80),
                reads("a second too late", Err(Stale)).later(0, 81),
                reads("the slot before it opened", Err(InFuture)).later(-101, 0),
                reads("the second before it opened", Err(InFuture)).later(0, -41),
                reads("the deviation allowed", price(value, deviation, 5)).bps(95),
                reads("a deviation above that", Err(TooUncertain)).bps(94),
                reads("another queue", Err(Queue)).queue(JOBS),
                reads("other jobs", Err(Jobs)).jobs(QUEUE),
                reads("no oracle required", Err(Requirements)).oracles(0),
                reads("more than it holds", Err(Requirements)).oracles(17),
                reads("any deviation", Err(Requirements)).bps(10_000),
            ],
        ),
        account(
            "v2-even.bin",
            aggregator(&[
                (1, 12_346, 9),
                (2, 1_234_000, 11),
                (3, 1_235, 8),
                (4, 123_456_789_012_345_678_901_234, 28),
            ]),
            vec![reads("the lower of two", price(12_345_678, 5_679, 4))],
        ),
        account(
            "v2-full.bin",
            {
                let mut full = aggregator(&[]);
                full.latest_confirmed_round.num_success = 16;
                full.latest_confirmed_round.medians_fulfilled = [true; 16];
                // 1.016 down to 1.001
                full.latest_confirmed_round.medians_data =
                    core::array::from_fn(|place| SwitchboardDecimal::new(1_016 - place as i128, 3));
                full.latest_confirmed_round.result = SwitchboardDecimal::new(1_009, 3);
                full
            },
            vec![reads("16 oracles", price(1_008_000_000_000, 8_000_000_000, 16)).oracles(16)],
        ),
        account(
            "v2-duplicate.bin",
            {
                let mut twice = aggregator(&[(1, 5, 0), (1, 2, 0), (1, 7, 0), (2, 202, 2)]);
                twice.min_oracle_results = 2;
                twice
            },
            vec![
                reads("one oracle thrice is one", Err(TooFewOracles)),
                reads(
                    "its lowest counts",
                    price(2_000_000_000_000, 20_000_000_000, 2),
                )
                .oracles(2),
            ],
        ),
        account(
            "v2-unfulfilled.bin",
            but(|aggregator| {
                let fulfilled = [true, true, false, false, false, false, false, false];
                aggregator.latest_confirmed_round.medians_fulfilled[..8]
                    .copy_from_slice(&fulfilled);
            }),
            refused("five are said, two are there", TooFewOracles),
        ),
        account(
            "v2-count.bin",
            but(|aggregator| aggregator.latest_confirmed_round.num_success = 2),
            refused("the program counted two", TooFewOracles),
        ),
        account(
            "v2-minimum.bin",
            but(|aggregator| aggregator.min_oracle_results = 6),
            refused("its own minimum is six", TooFewOracles),
        ),
        account(
            "v2-sliding.bin",
            but(|aggregator| {
                aggregator.resolution_mode = AggregatorResolutionMode::ModeSlidingResolution;
            }),
            refused("over a sliding window", Sliding),
        ),
        account(
            "v2-negative.bin",
            aggregator(&three(-1, 0)),
            refused("below zero", NotPositive),
        ),
        account(
            "v2-zero.bin",
            aggregator(&three(0, 28)),
            refused("zero", NotPositive),
        ),
        account(
            "v2-tiny.bin",
            aggregator(&three(9_999_999_999_999_999, 28)),
            refused("zero at 12 decimals", NotPositive),
        ),
        account(
            "v2-scale.bin",
            aggregator(&three(1, 29)),
            refused("29 decimals", Scale),
        ),
        account(
            "v2-absurd-scale.bin",
            aggregator(&three(1, u32::MAX)),
            refused("4,294,967,295 decimals", Scale),
        ),
        account(
            "v2-split.bin",
            aggregator(&[(1, 1, 0), (2, 1, 0), (3, 3, 0)]),
            vec![reads("one is far off", Err(TooUncertain)).bps(9_999)],
        ),
        account(
            "v2-large.bin",
            aggregator(&three(18_446_745, 0)),
            refused("more than 64 bits", TooLarge),
        ),
        account(
            "v2-extreme.bin",
            aggregator(&three(i128::MAX, 0)),
            refused("the end of the numbers", TooLarge),
        ),
    ];
    for account in &accounts {
        ensure!(account.data.len() == 3_851, "{}", account.file);
    }
    Ok(accounts)
}
