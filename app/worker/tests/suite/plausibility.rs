//! What devices may say: each rule refuses what it is for, and nothing beside it.

use device_protocol::{Reading, Values};
use fieldproof_worker::plausibility::{Neighbours, Plausibility, Rules, ValueRule};
use fieldproof_worker::verify::verify_time;
use fieldproof_worker::Reject;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
/// Newark's airport, two cells beside it in each direction, and one far away; H3 of resolution 7.
const HERE: u64 = 0x872a1071effffff;
const FAR: u64 = 0x872a103b1ffffff;

fn beside(ring: u32) -> u64 {
    let here = h3o::CellIndex::try_from(HERE).expect("cell");
    let outer = here.grid_ring_fast(ring).next().expect("cell");
    outer.expect("no pentagon is near").into()
}

fn reading(device: u8, captured_at: i64, value: i32) -> Reading {
    Reading {
        network: [1; 32],
        device: [device; 32],
        leaf_nonce: 0,
        session: 0,
        sequence: captured_at as u64,
        captured_at,
        latitude: 0,
        longitude: 0,
        accuracy: 1,
        schema: 4,
        values: Values::new(&[7, value]).expect("values"),
    }
}

fn rule() -> ValueRule {
    ValueRule {
        schema: 4,
        value: 1,
        range: None,
        change_per_hour: None,
        repeats: None,
        neighbours: None,
    }
}

fn judge_by(rule: ValueRule) -> Plausibility {
    let rules = Rules {
        values: vec![rule],
        ..Rules::default()
    };
    assert_eq!(rules.fault(), None);
    Plausibility::new(rules)
}

/// What may arrive is bounded by the time as it is known: from the earliest that it can be to the latest.
#[test]
fn readings_are_ahead_and_late_by_so_much_and_no_more() {
    let clock = Rules::default().clock;
    let (now, ahead, age) = (1_000_000..=1_000_100, 30, i64::from(clock.age));
    assert_eq!(i64::from(clock.ahead), ahead);
    let verify = |captured_at: i64| verify_time(captured_at, &now, clock);
    let newest = (1_000_100 + ahead) * 1_000;
    assert_eq!(verify(newest), Ok(()));
    assert_eq!(verify(newest + 1), Err(Reject::ClockInFuture));
    let oldest = (1_000_000 - age) * 1_000;
    assert_eq!(verify(oldest), Ok(()));
    assert_eq!(verify(oldest - 1), Err(Reject::TooOld));
}

#[test]
fn a_value_has_its_range() {
    let judge = judge_by(ValueRule {
        range: Some((-5, 10)),
        ..rule()
    });
    for (value, expected) in [
        (-6, Err(Reject::OutOfRange)),
        (-5, Ok(())),
        (10, Ok(())),
        (11, Err(Reject::OutOfRange)),
    ] {
        assert_eq!(judge.judge(&reading(1, 0, value), HERE), expected);
    }
    let lacking = Reading {
        values: Values::new(&[7]).expect("values"),
        ..reading(1, 0, 0)
    };
    assert_eq!(judge.judge(&lacking, HERE), Err(Reject::OutOfRange));
    // Another schema's values mean something else.
    let other = Reading {
        schema: 5,
        ..reading(1, 0, 99)
    };
    assert_eq!(judge.judge(&other, HERE), Ok(()));
}

#[test]
fn a_value_changes_no_faster_than_it_can() {
    let judge = judge_by(ValueRule {
        change_per_hour: Some(60),
        ..rule()
    });
    let say = |device, at, value| judge.judge(&reading(device, at, value), 0);
    assert_eq!(say(1, 0, 100), Ok(()));
    assert_eq!(say(1, MINUTE, 102), Err(Reject::RateOfChange));
    assert_eq!(say(1, MINUTE, 98), Err(Reject::RateOfChange));
    assert_eq!(say(1, MINUTE, 101), Ok(()));
    // What was refused is not compared with, and what comes late is not the next.
    assert_eq!(say(1, 3 * MINUTE, 99), Ok(()));
    assert_eq!(say(1, 2 * MINUTE, 500), Ok(()));
    assert_eq!(say(1, 4 * MINUTE, 100), Ok(()));
    assert_eq!(say(2, 4 * MINUTE, 9_000), Ok(()));
    // One who was wrong once is right again in time.
    assert_eq!(say(2, 4 * MINUTE + 3_600_000, 8_940), Ok(()));
}

#[test]
fn a_stuck_sensor_is_noticed_and_a_repeated_reading_is_not_one() {
    let judge = judge_by(ValueRule {
        repeats: Some(3),
        ..rule()
    });
    let say = |at, value| judge.judge(&reading(1, at, value), 0);
    for at in 1..=3 {
        assert_eq!(say(at, 5), Ok(()));
        assert_eq!(say(at, 5), Ok(()), "the same reading again");
    }
    assert_eq!(say(4, 5), Err(Reject::Stuck));
    assert_eq!(say(4, 6), Ok(()));
    assert_eq!(say(5, 5), Ok(()));
}

#[test]
fn a_value_is_near_what_devices_nearby_say() {
    let judge = judge_by(ValueRule {
        neighbours: Some(Neighbours {
            ring: 1,
            within: 60,
            devices: 3,
            spread: 10,
        }),
        ..rule()
    });
    let say = |device, at, value, cell| judge.judge(&reading(device, at, value), cell);
    // Too few to compare with.
    assert_eq!(say(1, 0, 20, HERE), Ok(()));
    assert_eq!(say(2, 0, 30, beside(1)), Ok(()));
    assert_eq!(say(9, 0, 500, beside(2)), Ok(()));
    assert_eq!(say(3, 0, 25, HERE), Ok(()));
    // The median is 25, whoever stands two cells away.
    assert_eq!(say(4, 1_000, 36, HERE), Err(Reject::ApartFromNeighbours));
    assert_eq!(say(4, 1_000, 14, HERE), Err(Reject::ApartFromNeighbours));
    assert_eq!(say(4, 1_000, 35, HERE), Ok(()));
    // A device is not its own neighbour: of the other three the median is 30.
    assert_eq!(say(1, 2_000, 41, HERE), Err(Reject::ApartFromNeighbours));
    assert_eq!(say(1, 2_000, 40, HERE), Ok(()));
    // Elsewhere, at another time, or nowhere there is nobody to compare with.
    assert_eq!(say(5, 2_000, 900, FAR), Ok(()));
    assert_eq!(say(6, 90_000, 900, HERE), Ok(()));
    assert_eq!(say(7, 2_000, 900, 0), Ok(()));
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    let fault = |change: fn(&mut ValueRule)| {
        let mut changed = rule();
        change(&mut changed);
        let rules = Rules {
            values: vec![changed],
            ..Rules::default()
        };
        rules.fault().is_some()
    };
    let near = Neighbours {
        ring: 1,
        within: 1,
        devices: 1,
        spread: 1,
    };
    assert_eq!(Rules::default().fault(), None);
    assert!(fault(|rule| rule.value = 32));
    assert!(fault(|rule| rule.range = Some((1, 0))));
    assert!(fault(|rule| rule.repeats = Some(0)));
    assert!(!fault(|rule| rule.value = 31));
    for wrong in [
        Neighbours { ring: 6, ..near },
        Neighbours { devices: 0, ..near },
    ] {
        let mut changed = rule();
        changed.neighbours = Some(wrong);
        let rules = Rules {
            values: vec![changed],
            ..Rules::default()
        };
        assert!(rules.fault().is_some());
    }
}

#[test]
fn rules_are_read_as_documented() {
    let text = "
        clock = { ahead = 5, age = 3600 }

        [[values]]
        schema = 4
        value = 1
        range = [-900, 600]
        change_per_hour = 300
        repeats = 48
        neighbours = { ring = 1, within = 3600, devices = 3, spread = 150 }
    ";
    let rules: Rules = toml::from_str(text).expect("rules");
    assert_eq!((rules.clock.ahead, rules.clock.age), (5, 3_600));
    let expected = ValueRule {
        range: Some((-900, 600)),
        change_per_hour: Some(300),
        repeats: Some(48),
        neighbours: Some(Neighbours {
            ring: 1,
            within: 3_600,
            devices: 3,
            spread: 150,
        }),
        ..rule()
    };
    assert_eq!(rules.values, [expected]);
    assert!(toml::from_str::<Rules>("[[values]]\nschema = 4\nvalue = 1\nranges = [0, 1]").is_err());
}

proptest! {
    #[test]
    fn judging_never_panics(
        said in prop::collection::vec((0..4u8, any::<i64>(), any::<i32>(), any::<u64>()), 1..30),
        change_per_hour in any::<u32>(),
        spread in any::<u32>(),
        within in any::<u32>(),
    ) {
        let judge = judge_by(ValueRule {
            change_per_hour: Some(change_per_hour),
            repeats: Some(1),
            neighbours: Some(Neighbours { ring: 5, within, devices: 1, spread }),
            ..rule()
        });
        for (device, captured_at, value, cell) in said {
            for cell in [HERE, cell] {
                let _ = judge.judge(&reading(device, captured_at, value), cell);
            }
        }
    }
}
