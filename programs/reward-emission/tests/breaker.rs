//! The circuit breaker: however claims come, a stretch of time mints no more than the limit and its share of windows,
//! and whoever waits is paid.

use anchor_lang::error::Error;
use proptest::prelude::*;
use reward_emission::error::EmissionError;
use reward_emission::state::{Breaker, MAX_DURATION};

/// Takes, and asserts that a refusal is the breaker's own.
fn take(breaker: &mut Breaker, due: u64, now: i64) -> Option<u64> {
    match breaker.take(due, now) {
        Ok(amount) => Some(amount),
        Err(Error::AnchorError(error)) => {
            assert_eq!(
                error.error_code_number,
                u32::from(EmissionError::BreakerOpen)
            );
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn magnitude() -> impl Strategy<Value = u64> {
    (1u32..=64, any::<u64>()).prop_map(|(bits, number)| (number >> (64 - bits)).max(1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..Default::default() })]

    #[test]
    fn never_faster_than_promised(
        window in 1..=MAX_DURATION, limit in magnitude(),
        claims in prop::collection::vec((0i64..10_000_000, magnitude()), 1..30),
    ) {
        let mut breaker = Breaker::new(window, limit, 0);
        let mut now = 0;
        let mut paid: Vec<(i64, u64)> = Vec::new();
        for (wait, due) in claims {
            now += wait;
            let before = breaker;
            if let Some(amount) = take(&mut breaker, due, now) {
                prop_assert!(amount > 0 && amount <= due);
                prop_assert!(amount == due || due > limit, "a small claim is paid whole");
                paid.push((now, amount));
            } else {
                prop_assert_eq!(before.limit, breaker.limit);
            }
            prop_assert!(breaker.level <= limit);
        }
        for start in 0..paid.len() {
            let mut sum = 0u128;
            for &(time, amount) in &paid[start..] {
                sum += u128::from(amount);
                let seconds = (time - paid[start].0) as u128;
                // sum ≤ limit × (1 + seconds ÷ window)
                prop_assert!(sum * window as u128 <= u128::from(limit) * (window as u128 + seconds));
            }
        }
    }

    #[test]
    fn whoever_waits_is_paid(
        window in 1..=MAX_DURATION, limit in magnitude(), first in magnitude(), wait in 0i64..1_000, due in magnitude(),
    ) {
        let mut breaker = Breaker::new(window, limit, 0);
        take(&mut breaker, first, 0);
        if take(&mut breaker, due, wait).is_none() {
            // Refused, then paid: the first second at which it is lies within a window.
            let (mut low, mut high) = (wait, wait + window);
            prop_assert!(take(&mut breaker.clone(), due, high).is_some());
            while low + 1 < high {
                let middle = low + (high - low) / 2;
                match take(&mut breaker.clone(), due, middle) {
                    Some(_) => high = middle,
                    None => low = middle,
                }
            }
            // Exactly when the level has fallen far enough: (level + due - limit) × window ÷ limit, rounded up.
            let least = if due > limit { 1 } else { due };
            let excess = u128::from(breaker.level) + u128::from(least) - u128::from(limit);
            let expected = (excess * window as u128).div_ceil(u128::from(limit));
            prop_assert_eq!(high, breaker.updated_at + expected as i64);
        }
    }

    /// Claims each second lose less than half of the drain to rounding.
    #[test]
    fn frequent_claims_do_not_hold_the_level(window in 1i64..3_000, limit in 1u64..5_000) {
        let mut breaker = Breaker::new(window, limit, 0);
        prop_assert_eq!(take(&mut breaker, limit, 0), Some(limit));
        let mut claimed = 0u64;
        for now in 1..=2 * window {
            claimed += take(&mut breaker, 1, now).unwrap_or(0);
        }
        // Two windows drain twice the limit; one base unit a second was all that was asked for.
        let asked = (2 * window) as u64;
        prop_assert!(claimed >= limit.min(asked) - 1, "{} of {}", claimed, limit.min(asked));
    }
}

#[test]
fn a_claim_over_the_limit_is_paid_in_parts() {
    let mut breaker = Breaker::new(100, 1_000, 0);
    assert_eq!(take(&mut breaker, u64::MAX, 0), Some(1_000));
    assert_eq!(take(&mut breaker, u64::MAX, 0), None);
    assert_eq!(take(&mut breaker, u64::MAX, 50), Some(500));
    assert_eq!(take(&mut breaker, u64::MAX, 10_000), Some(1_000));
    // What is left of an amount passes as it drains, however often it is claimed.
    let last = |breaker: &Breaker, due| breaker.passes_at(due).expect("time");
    assert_eq!(last(&breaker, 1_000), 10_100);
    assert_eq!(last(&breaker, 2_500), 10_250);
    let mut left = 2_500;
    for (now, amount) in [(10_100, 1_000), (10_200, 1_000), (10_249, 490)] {
        assert_eq!(take(&mut breaker, left.max(1_001), now), Some(amount));
        left -= amount;
    }
    assert_eq!((left, last(&breaker, left)), (10, 10_250));
    assert_eq!(take(&mut breaker, left, 10_250), Some(10));
    // What there is room for passes at once.
    assert_eq!(last(&Breaker::new(100, 1_000, 7), 1_000), 7);
}

#[test]
fn the_extremes() {
    let mut breaker = Breaker::new(MAX_DURATION, u64::MAX, i64::MIN);
    assert_eq!(take(&mut breaker, u64::MAX, i64::MIN), Some(u64::MAX));
    assert_eq!(take(&mut breaker, 1, i64::MIN), None);
    assert_eq!(take(&mut breaker, u64::MAX, i64::MAX), Some(u64::MAX));
    // A clock that goes back drains nothing.
    let mut breaker = Breaker::new(10, 10, 1_000);
    assert_eq!(take(&mut breaker, 10, 1_000), Some(10));
    assert_eq!(take(&mut breaker, 1, 0), None);
}
