//! The emission schedule: what creation accepts never overflows, telescopes, and stays between floor and initial.

use anchor_lang::error::Error;
use proptest::prelude::*;
use reward_emission::error::EmissionError;
use reward_emission::state::{Schedule, MAX_CROSSOVER};

/// A number of any magnitude.
fn magnitude() -> impl Strategy<Value = u64> {
    (0u32..=64, any::<u64>()).prop_map(|(bits, number)| match bits {
        0 => 0,
        bits => number >> (64 - bits),
    })
}

/// A factor anywhere below 1, often very near.
fn decay() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..1u64 << 32,
        (0u32..32, any::<u32>())
            .prop_map(|(bits, gap)| { (1 << 32) - 1 - (u64::from(gap) >> (32 - bits).min(31)) }),
    ]
}

/// Any schedule that creation accepts.
fn accepted() -> impl Strategy<Value = Schedule> {
    (magnitude(), magnitude(), decay(), magnitude()).prop_filter_map(
        "refused",
        |(initial, floor, decay, end)| {
            Schedule::new(initial, floor % initial.max(1), decay, end).ok()
        },
    )
}

fn refused(schedule: Schedule) -> u32 {
    match schedule.validate() {
        Err(Error::AnchorError(error)) => error.error_code_number,
        other => panic!("expected a refusal of {schedule:?}, got {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_global_rejects: 200_000, ..Default::default() })]

    #[test]
    fn accepted_schedules_keep_their_promises(schedule in accepted(), epoch in magnitude(), near in 0u64..40) {
        let Schedule { initial, floor, crossover, end, .. } = schedule;
        prop_assert_eq!(schedule.cumulative(0).unwrap(), 0);
        prop_assert_eq!(schedule.budget(0).unwrap(), if crossover > 0 { initial } else { floor });
        let around = [epoch, epoch % end, near, crossover, end, epoch % (crossover + 1)];
        for start in around {
            let start = start.saturating_sub(near / 2);
            let mut sum = schedule.cumulative(start).unwrap();
            for epoch in (0..near).map_while(|step| start.checked_add(step)) {
                let budget = schedule.budget(epoch).unwrap();
                prop_assert!(budget <= initial, "over initial at {}", epoch);
                if epoch < end {
                    prop_assert!(budget >= floor, "under the floor at {}", epoch);
                } else {
                    prop_assert_eq!(budget, 0, "after the end at {}", epoch);
                }
                if (crossover..end).contains(&epoch) {
                    prop_assert_eq!(budget, floor);
                }
                sum += budget;
                if let Some(next) = epoch.checked_add(1) {
                    prop_assert_eq!(sum, schedule.cumulative(next).unwrap(), "does not telescope at {}", epoch);
                }
            }
        }
    }

    #[test]
    fn cumulative_is_monotone(schedule in accepted(), a in magnitude(), b in magnitude()) {
        let (a, b) = (a.min(b), a.max(b));
        for (a, b) in [(a, b), (a % (schedule.crossover + 1), b)] {
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(schedule.cumulative(a).unwrap() <= schedule.cumulative(b).unwrap());
        }
        prop_assert_eq!(
            schedule.cumulative(u64::MAX).unwrap(),
            schedule.cumulative(schedule.end).unwrap()
        );
    }

    #[test]
    fn only_the_implied_crossover_is_accepted(schedule in accepted()) {
        let later = Schedule { crossover: schedule.crossover + 1, end: schedule.end + 1, ..schedule };
        if schedule.crossover < schedule.end {
            prop_assert_eq!(refused(later), u32::from(EmissionError::WrongCrossover));
        }
        if let Some(crossover) = schedule.crossover.checked_sub(1) {
            let earlier = Schedule { crossover, ..schedule };
            prop_assert_eq!(refused(earlier), u32::from(EmissionError::WrongCrossover));
        }
    }

    /// Whatever bytes creation is given, it refuses or what it accepts never fails later.
    #[test]
    fn arbitrary_schedules_are_refused_or_total(
        initial in magnitude(), floor in magnitude(), decay in magnitude(), crossover in magnitude(), end in magnitude(),
        epochs in magnitude(),
    ) {
        let schedule = Schedule { initial, floor, decay, crossover, end };
        if schedule.validate().is_ok() {
            prop_assert!(schedule.cumulative(epochs).is_ok());
            prop_assert!(schedule.budget(epochs).is_ok());
        }
    }

    /// Against a sum in fixed point, epoch by epoch, whose own error is below 2^-20.
    #[test]
    fn agrees_with_the_sum_of_budgets(initial in 1u64..1 << 40, decay in decay(), epochs in 1u64..2_000) {
        let Ok(schedule) = Schedule::new(initial, 0, decay, 4_000) else { return Ok(()) };
        let epochs = epochs.min(schedule.crossover);
        let (mut budget, mut sum) = (u128::from(initial) << 48, 0u128);
        for _ in 0..epochs {
            sum += budget;
            budget = (budget * u128::from(decay)) >> 32;
        }
        let sum = (sum >> 48) as u64;
        let cumulative = schedule.cumulative(epochs).unwrap();
        prop_assert!(cumulative.abs_diff(sum) <= 1, "{} against {}", cumulative, sum);
    }
}

/// Halving: the closed form is 2 × initial × (1 - 2^-n), exactly.
#[test]
fn halves_exactly() {
    let schedule = Schedule::new(1 << 40, 0, 1 << 31, 1_000).unwrap();
    for epochs in 0..=schedule.crossover {
        assert_eq!(
            schedule.cumulative(epochs).unwrap(),
            (1 << 41) - ((1 << 41) >> epochs)
        );
    }
    // The last budget with 2 base units over the floor is that of 2^40 / 2^39.
    assert_eq!(schedule.crossover, 40);
}

#[test]
fn the_extremes() {
    let all_at_once = Schedule::new(u64::MAX, 0, 0, 1).unwrap();
    assert_eq!(all_at_once.cumulative(1).unwrap(), u64::MAX);
    let constant = Schedule::new(5, 5, u64::from(u32::MAX), u64::MAX / 5).unwrap();
    assert_eq!(constant.crossover, 0);
    assert_eq!(constant.cumulative(u64::MAX).unwrap(), u64::MAX / 5 * 5);
    let slowest = Schedule::new(1 << 40, 0, u64::from(u32::MAX), MAX_CROSSOVER).unwrap();
    assert_eq!(slowest.crossover, MAX_CROSSOVER);
    for epoch in [0, 1, MAX_CROSSOVER / 2, MAX_CROSSOVER - 1] {
        // Each epoch's factor is 1 - 2^-32, so its budget is 2^40 - 2^8 × epoch and a little.
        let budget = slowest.budget(epoch).unwrap();
        let linear = (1u64 << 40) - (epoch << 8);
        assert!(budget >= linear - 1 && budget - linear <= ((epoch * epoch) >> 25) + 1);
    }
}

#[test]
fn refusals_are_typed() {
    let good = Schedule::new(1_000_000, 1_000, 4_000_000_000, 10_000).unwrap();
    let invalid = u32::from(EmissionError::InvalidSchedule);
    assert_eq!(refused(Schedule { initial: 0, ..good }), invalid);
    assert_eq!(
        refused(Schedule {
            floor: 1_000_001,
            ..good
        }),
        invalid
    );
    assert_eq!(
        refused(Schedule {
            decay: 1 << 32,
            ..good
        }),
        invalid
    );
    assert_eq!(
        refused(Schedule {
            end: good.crossover - 1,
            ..good
        }),
        invalid
    );
    assert_eq!(
        refused(Schedule {
            crossover: 0,
            end: 0,
            ..good
        }),
        invalid
    );
    let overflow = Schedule {
        end: u64::MAX,
        ..good
    };
    assert_eq!(
        refused(overflow),
        u32::from(EmissionError::ScheduleOverflow)
    );
    // Too slow to reach the floor within MAX_CROSSOVER epochs, and no end before.
    let slow = Schedule::new(1 << 20, 0, u64::from(u32::MAX), MAX_CROSSOVER + 1);
    assert!(matches!(
        slow,
        Err(Error::AnchorError(error)) if error.error_code_number == u32::from(EmissionError::WrongCrossover)
    ));
}
