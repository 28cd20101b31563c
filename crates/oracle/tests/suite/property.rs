use std::collections::BTreeMap;

use crate::vectors::{usual, Input};
use oracle::{Format, OracleError, Price};
use proptest::prelude::*;

const ONE: i128 = 1_000_000_000_000_000_000;

/// An oracle's answer to On-Demand: who, how many slots ago, what.
type Answer = (u8, u64, i128);

/// A feed with these answers, which allows what its reader requires.
fn feed(answers: &[Answer], min_oracles: u8, max_deviation_bps: u16) -> Input {
    let mut feed = usual(Format::OnDemand);
    feed.requirements.min_oracles = min_oracles;
    feed.requirements.max_deviation_bps = max_deviation_bps;
    feed.data[8..8 + 32 * 64].fill(0);
    for (place, (oracle, age, value)) in answers.iter().enumerate() {
        let submission = &mut feed.data[8 + 64 * place..][..64];
        submission[..32].fill(*oracle);
        submission[32..40].copy_from_slice(&(feed.now.slot - age).to_le_bytes());
        submission[48..].copy_from_slice(&value.to_le_bytes());
    }
    feed.data[2_215] = 0; // its own minimum
    feed.data[2_360] = 255; // the program's own count
    feed
}

/// The rule again, as it is told: of lists, in as many steps as it has.
fn told(answers: &[Answer], input: &Input) -> Result<Price, OracleError> {
    let max_age = u64::from(input.requirements.max_age_slots);
    let mut of: BTreeMap<u8, (u64, i128)> = BTreeMap::new();
    for (oracle, age, value) in answers {
        if *age <= max_age {
            let newest = of.entry(*oracle).or_insert((*age, *value));
            *newest = (*newest).min((*age, *value));
        }
    }
    if of.is_empty() {
        return Err(OracleError::Stale);
    }
    if of.len() < usize::from(input.requirements.min_oracles) {
        return Err(OracleError::TooFewOracles);
    }
    let mut values: Vec<i128> = of.values().map(|(_, value)| *value).collect();
    values.sort_unstable();
    let median = values[(values.len() - 1) / 2];
    let spread = values
        .iter()
        .map(|value| (value - median).abs())
        .max()
        .unwrap();
    if median < ONE / 10i128.pow(12) {
        return Err(OracleError::NotPositive);
    }
    let value = (median / 1_000_000) as u64;
    let deviation = (spread + 999_999) / 1_000_000;
    if deviation * 10_000 > i128::from(value) * i128::from(input.requirements.max_deviation_bps) {
        return Err(OracleError::TooUncertain);
    }
    Ok(Price {
        value,
        deviation: deviation as u64,
        oracles: of.len() as u8,
        slot: input.now.slot - of.values().map(|(age, _)| age).max().unwrap(),
        at: input.now.unix_time - 20,
    })
}

fn answers(values: impl Strategy<Value = i128>) -> impl Strategy<Value = Vec<Answer>> {
    prop::collection::vec((1u8..12, 100u64..170, values), 0..=32)
}

/// What holds of every price, whatever the bytes are.
fn check(input: &Input) {
    let Ok(price) = input.read() else {
        return;
    };
    let required = &input.requirements;
    assert!(price.value > 0);
    assert!(price.oracles >= required.min_oracles);
    assert!(usize::from(price.oracles) <= required.format.capacity());
    assert!(price.slot <= input.now.slot && price.at <= input.now.unix_time);
    assert!(input.now.slot - price.slot <= u64::from(required.max_age_slots));
    assert!(input.now.unix_time.abs_diff(price.at) <= u64::from(required.max_age_seconds));
    let most = u128::from(price.value) * u128::from(required.max_deviation_bps);
    assert!(u128::from(price.deviation) * 10_000 <= most);
    let low = price.conservative().unwrap();
    assert_eq!(low, price.value - price.deviation);
}

/// The key at `at`, or none where the bytes end before.
fn key(data: &[u8], at: usize) -> [u8; 32] {
    let key = data.get(at..at + 32).and_then(|key| key.try_into().ok());
    key.unwrap_or_default()
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::OnDemand), Just(Format::V2)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_rule_is_as_told(
        answers in answers(prop_oneof![
            20 => (ONE - 50)..(ONE + 50),
            20 => 990_000_000_000_000_000..1_010_000_000_000_000_000i128,
            1 => -ONE..ONE,
        ]),
        min_oracles in 1u8..8,
        bps in prop_oneof![Just(9_999u16), 0u16..300],
    ) {
        let input = feed(&answers, min_oracles, bps);
        prop_assert_eq!(input.read(), told(&answers, &input));
        check(&input);
    }

    /// One liar among three or more never lifts what is paid by above what an honest one said.
    #[test]
    fn one_oracle_alone_never_raises_the_conservative_side(
        honest in prop::collection::vec(1i128..5 * ONE, 2..12),
        lie in any::<i128>(),
        place in any::<prop::sample::Index>(),
    ) {
        let highest = honest.iter().max().unwrap() / 1_000_000;
        let mut answers: Vec<Answer> = (1..).zip(&honest).map(|(oracle, v)| (oracle, 9, *v)).collect();
        answers.insert(place.index(answers.len() + 1), (200, 0, lie));
        if let Ok(price) = feed(&answers, 3, 9_999).read() {
            prop_assert!(i128::from(price.conservative().unwrap()) <= highest);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_are_as_required(
        format in format(),
        bytes in prop::collection::vec(any::<u8>(), 3_851),
        length in prop_oneof![Just(3_208usize), Just(3_851), 0usize..3_851],
        slot in any::<u64>(),
        unix_time in any::<i64>(),
    ) {
        let mut input = usual(format);
        let kept = input.data[..8].to_vec();
        input.data = bytes[..length].to_vec();
        check(&input);
        let discriminator = kept.len().min(length);
        input.data[..discriminator].copy_from_slice(&kept[..discriminator]);
        let (queue, jobs, forbidden) = match format {
            Format::OnDemand => (2_088, 2_120, 2_213),
            Format::V2 => (200, 3_563, 3_712),
        };
        // By chance no bytes are the queue and the jobs required, and one account in 256 is not forbidden.
        input.requirements.queue = key(&input.data, queue);
        input.requirements.jobs = key(&input.data, jobs);
        if let Some(forbidden) = input.data.get_mut(forbidden) {
            *forbidden = 0;
        }
        input.now.slot = slot;
        input.now.unix_time = unix_time;
        check(&input);
    }

    #[test]
    fn altered_accounts_are_refused_or_are_as_required(
        format in format(),
        edits in prop::collection::vec((8usize..3_851, any::<[u8; 8]>()), 1..8),
        later in 0u64..200,
        oracles in 1u8..6,
        bps in 0u16..9_999,
    ) {
        let mut input = usual(format);
        for (at, bytes) in edits {
            let at = at.min(input.data.len() - 8);
            input.data[at..at + 8].copy_from_slice(&bytes);
        }
        input.now.slot += later;
        input.requirements.min_oracles = oracles;
        input.requirements.max_deviation_bps = bps;
        check(&input);
    }
}
