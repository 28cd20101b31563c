use crate::answers::{Answer, Answers, ANSWER_DECIMALS};
use crate::bytes::{account, field};
use crate::{Now, OracleError, Price, Requirements};

/// The Switchboard V2 program's address, SW1TCH7qEPTdLsDHRgPuMQjbQxKdH2aBStViMFnt64f: the owner of every aggregator.
pub const V2_ID: [u8; 32] = [
    0x06, 0x88, 0x51, 0xc6, 0x8c, 0x68, 0x32, 0xf0, 0x2f, 0xa5, 0x81, 0xb1, 0xbf, 0x49, 0x1b, 0x77,
    0xca, 0x41, 0x77, 0x6b, 0xa2, 0xb9, 0x88, 0xb5, 0xa6, 0xfa, 0xba, 0x8e, 0xe3, 0xa2, 0xec, 0x90,
];

/// The first bytes of every aggregator: sha256("account:AggregatorAccountData")[..8].
pub const V2_DISCRIMINATOR: [u8; 8] = [217, 230, 65, 101, 201, 162, 27, 125];

/// Length of an aggregator's account in bytes, with the discriminator.
pub const V2_LEN: usize = 3_851;

/// Oracles that a round asks, at most.
pub(crate) const CAPACITY: usize = 16;

// Where the account's fields are. The structure is packed: no number is aligned.
const QUEUE: usize = 200;
const MIN_ORACLE_RESULTS: usize = 236;
const ROUND: usize = 341;
const JOBS_CHECKSUM: usize = 3_563;
const RESOLUTION_MODE: usize = 3_712;

// Where those of its latest confirmed round are.
const NUM_SUCCESS: usize = ROUND;
const OPEN_SLOT: usize = ROUND + 9;
const OPEN_TIMESTAMP: usize = ROUND + 17;
const ORACLES: usize = ROUND + 105;
const MEDIANS: usize = ROUND + 617;
const FULFILLED: usize = ROUND + 1_065;

// A decimal: mantissa i128, scale u32.
const DECIMAL_LEN: usize = 20;
const SCALE: usize = 16;

/// Decimals that an oracle's number has at most: what the type that they compute with can have.
const MAX_SCALE: u32 = 28;

#[inline(never)]
pub(crate) fn read(
    data: &[u8],
    now: Now,
    requirements: &Requirements,
) -> Result<Price, OracleError> {
    let aggregator: &[u8; V2_LEN] = account(data, &V2_DISCRIMINATOR)?;
    if aggregator[QUEUE..QUEUE + 32] != requirements.queue {
        return Err(OracleError::Queue);
    }
    if aggregator[JOBS_CHECKSUM..JOBS_CHECKSUM + 32] != requirements.jobs {
        return Err(OracleError::Jobs);
    }
    // By the round is 0. Over a sliding window, the round has numbers of earlier rounds and names no oracles.
    if aggregator[RESOLUTION_MODE] != 0 {
        return Err(OracleError::Sliding);
    }
    let slot = u64::from_le_bytes(field(aggregator, OPEN_SLOT));
    if !now.is_fresh_slot(slot, requirements.max_age_slots)? {
        return Err(OracleError::Stale);
    }
    let at = i64::from_le_bytes(field(aggregator, OPEN_TIMESTAMP));
    now.check_time(at, requirements.max_age_seconds)?;

    let mut answers = Answers::new();
    let (oracles, _) = aggregator[ORACLES..].as_chunks::<32>();
    let (medians, _) = aggregator[MEDIANS..].as_chunks::<DECIMAL_LEN>();
    let fulfilled = &aggregator[FULFILLED..FULFILLED + CAPACITY];
    for ((oracle, median), fulfilled) in oracles.iter().zip(medians).zip(fulfilled) {
        if *fulfilled == 1 {
            answers.add(Answer {
                oracle,
                slot,
                value: value(median)?,
            });
        }
    }
    let min = u32::from(requirements.min_oracles)
        .max(u32::from_le_bytes(field(aggregator, MIN_ORACLE_RESULTS)));
    if u32::from_le_bytes(field(aggregator, NUM_SUCCESS)) < min {
        return Err(OracleError::TooFewOracles);
    }
    answers.price(min, at, requirements)
}

/// A decimal at [`ANSWER_DECIMALS`], rounded down.
fn value(decimal: &[u8; DECIMAL_LEN]) -> Result<i128, OracleError> {
    let mantissa = i128::from_le_bytes(field(decimal, 0));
    let scale = u32::from_le_bytes(field(decimal, SCALE));
    if scale > MAX_SCALE {
        return Err(OracleError::Scale);
    }
    let factor = 10i128.pow(scale.abs_diff(ANSWER_DECIMALS));
    match scale > ANSWER_DECIMALS {
        true => Ok(mantissa.div_euclid(factor)),
        false => mantissa.checked_mul(factor).ok_or(OracleError::TooLarge),
    }
}
