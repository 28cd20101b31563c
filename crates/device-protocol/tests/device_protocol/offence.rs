//! When two readings convict a device, and above all when they don't.

use super::{golden, h, reading, readings};
use device_protocol::*;
use proptest::prelude::*;
use rand::{rngs::StdRng, Rng, SeedableRng};

/// The radius that the bound is made with, in metres: the ellipsoid's least radius of curvature.
const LEAST_RADIUS: f64 = 6_335_439.3;
/// The earth's mean radius, in metres.
const MEAN_RADIUS: f64 = 6_371_008.8;
/// Pairs of places that the bound is compared at, of each kind.
const PAIRS: usize = 1_000_000;
/// 180 degrees in 1e-7 degrees.
const HALF_TURN: i32 = MAX_LONGITUDE;

type Place = (i32, i32);

/// The angle between two places by the haversine formula in floating point, in radians.
fn angle(from: Place, to: Place) -> f64 {
    let radians = |units: i64| (units as f64) * 1e-7_f64.to_radians();
    let latitudes = radians(i64::from(from.0) - i64::from(to.0));
    let longitudes = radians(i64::from(from.1) - i64::from(to.1));
    let cosines = radians(from.0.into()).cos() * radians(to.0.into()).cos();
    let h = (latitudes / 2.0).sin().powi(2) + cosines * (longitudes / 2.0).sin().powi(2);
    2.0 * h.min(1.0).sqrt().asin()
}

/// Holds the bound against the formula: never above it on the least sphere, and not further below it than documented.
#[track_caller]
fn compare(from: Place, to: Place) {
    let bound = distance_mm(from, to) as f64 / 1e3;
    let angle = angle(from, to);
    assert!(
        bound <= LEAST_RADIUS * angle,
        "{from:?} {to:?}: {bound} m is more than {} m",
        LEAST_RADIUS * angle
    );
    // Beyond a quarter of the circumference the series ends too early to be close.
    let allowed = if angle <= std::f64::consts::FRAC_PI_2 {
        0.007
    } else {
        0.16
    };
    let distance = MEAN_RADIUS * angle;
    assert!(
        bound >= distance * (1.0 - allowed) - 0.05,
        "{from:?} {to:?}: {bound} m is too far below {distance} m"
    );
    assert_eq!(distance_mm(to, from) as f64 / 1e3, bound);
}

fn anywhere(random: &mut StdRng) -> Place {
    (
        random.gen_range(-MAX_LATITUDE..=MAX_LATITUDE),
        random.gen_range(-MAX_LONGITUDE..=MAX_LONGITUDE),
    )
}

/// Another place at most that many units away in each direction, over the antimeridian if need be.
fn near(random: &mut StdRng, place: Place, units: i32) -> Place {
    let latitude = (place.0 + random.gen_range(-units..=units)).clamp(-MAX_LATITUDE, MAX_LATITUDE);
    let longitude = match place.1 + random.gen_range(-units..=units) {
        over if over > HALF_TURN => over - HALF_TURN - HALF_TURN,
        under if under < -HALF_TURN => under + HALF_TURN + HALF_TURN,
        longitude => longitude,
    };
    (latitude, longitude)
}

#[test]
fn the_distance_is_a_lower_bound_anywhere() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..PAIRS {
        compare(anywhere(&mut random), anywhere(&mut random));
    }
}

#[test]
fn the_distance_is_a_lower_bound_nearby() {
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..PAIRS {
        let from = anywhere(&mut random);
        // From a centimetre to about 100 km.
        let units = 1 << random.gen_range(0..24);
        compare(from, near(&mut random, from, units));
    }
}

#[test]
fn the_distance_is_a_lower_bound_at_the_poles_the_antimeridian_and_the_antipode() {
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..PAIRS / 4 {
        let units = 1 << random.gen_range(0..24);
        let (latitude, longitude) = anywhere(&mut random);
        let pole = (MAX_LATITUDE - random.gen_range(0..units), longitude);
        let across = (MAX_LATITUDE - random.gen_range(0..units), longitude / 3);
        compare(pole, across);
        compare((-pole.0, pole.1), (-across.0, across.1));
        compare(pole, (-across.0, across.1));

        let west = (latitude, HALF_TURN - random.gen_range(0..units));
        let east = (latitude / 2, random.gen_range(0..units) - HALF_TURN);
        compare(west, east);
        compare(west, near(&mut random, west, units));

        let antipode = (
            -latitude,
            if longitude > 0 {
                longitude - HALF_TURN
            } else {
                longitude + HALF_TURN
            },
        );
        let there = near(&mut random, antipode, units);
        compare((latitude, longitude), there);
    }
}

#[test]
fn distances_at_the_corners() {
    let corners = [-MAX_LATITUDE, -1, 0, 1, MAX_LATITUDE]
        .into_iter()
        .flat_map(|latitude| {
            [-HALF_TURN, -1, 0, 1, HALF_TURN].map(|longitude| (latitude, longitude))
        });
    for from in corners.clone() {
        for to in corners.clone() {
            compare(from, to);
        }
    }
    // One place has many names.
    assert_eq!(distance_mm((5, HALF_TURN), (5, -HALF_TURN)), 0);
    assert!(distance_mm((MAX_LATITUDE, 0), (MAX_LATITUDE, HALF_TURN)) < 50);
    // The sides of a quarter: within 0.7 % of 10,002 km.
    let quarter = distance_mm((0, 0), (MAX_LATITUDE, 0));
    assert!(
        (9_930_000_000..=10_002_000_000).contains(&quarter),
        "{quarter}"
    );
}

/// A reading at a place and time, with an accuracy of 25 m.
fn at(latitude: i32, longitude: i32, captured_at: i64) -> Reading {
    Reading {
        latitude,
        longitude,
        captured_at,
        ..reading()
    }
}

#[test]
fn two_readings_of_one_sequence_are_an_equivocation() {
    let first = reading();
    let values = Values::new(&[-7, 0, 5]).unwrap();
    assert_eq!(
        check_equivocation(&first, &Reading { values, ..first }),
        Ok(())
    );
    // In a session the sequence alone counts, whatever else differs.
    let later = Reading {
        captured_at: first.captured_at + 1,
        ..first
    };
    assert_eq!(check_equivocation(&first, &later), Ok(()));
}

#[test]
fn what_is_no_equivocation() {
    #[track_caller]
    fn innocent(change: impl Fn(&mut Reading), reason: NoOffence) {
        let first = reading();
        let mut second = Reading {
            values: Values::new(&[1]).unwrap(),
            ..first
        };
        change(&mut second);
        assert_eq!(check_equivocation(&first, &second), Err(reason));
        assert_eq!(check_equivocation(&second, &first), Err(reason));
    }
    innocent(|r| r.network = h(9), NoOffence::OtherNetwork);
    innocent(|r| r.device = h(9), NoOffence::OtherDevice);
    innocent(|r| r.leaf_nonce += 1, NoOffence::OtherNonce);
    innocent(|r| *r = reading(), NoOffence::SameReading);
    innocent(|r| r.session += 1, NoOffence::OtherSession);
    innocent(|r| r.session = 0, NoOffence::OtherSession);
    innocent(|r| r.sequence += 1, NoOffence::OtherSequence);
}

#[test]
fn a_reboot_that_loses_the_counter_is_no_equivocation() {
    let first = Reading {
        session: 0,
        ..reading()
    };
    let rebooted = Reading {
        captured_at: first.captured_at + 1,
        ..first
    };
    assert_eq!(
        check_equivocation(&first, &rebooted),
        Err(NoOffence::Reboot)
    );
    let contradicting = Reading {
        values: Values::new(&[1]).unwrap(),
        ..first
    };
    assert_eq!(check_equivocation(&first, &contradicting), Ok(()));
}

#[test]
fn travel_is_impossible_only_beyond_speed_and_accuracies() {
    let from = at(0, 0, 1_000_000);
    let to = |captured_at| at(0, 10_000_000, captured_at); // about 110.6 km on the bound's sphere
    let distance = distance_mm((0, 0), (0, 10_000_000));
    assert!((110_500_000..110_600_000).contains(&distance), "{distance}");
    let way = distance - 50_000; // both are accurate to 25 m
    let milliseconds = |speed: u64| (way / speed) as i64;

    // At 100 m/s the way takes so many milliseconds; in one less it can't be done.
    let enough = milliseconds(100) + 1;
    assert_eq!(
        check_travel(&from, &to(1_000_000 + enough), 100),
        Err(NoOffence::WithinReach)
    );
    assert_eq!(
        check_travel(&from, &to(1_000_000 - enough), 100),
        Err(NoOffence::WithinReach)
    );
    assert_eq!(
        check_travel(&from, &to(1_000_000 + enough - 1), 100),
        Ok(())
    );
    assert_eq!(
        check_travel(&from, &to(1_000_000 - enough + 1), 100),
        Ok(())
    );
    // In no time there is no way at any speed.
    assert_eq!(check_travel(&from, &to(1_000_000), u32::MAX), Ok(()));
    assert_eq!(
        check_travel(&from, &to(1_000_001), u32::MAX),
        Err(NoOffence::WithinReach)
    );
    // A device that can't move must stay.
    assert_eq!(check_travel(&from, &to(i64::MAX), 0), Ok(()));
}

#[test]
fn a_jump_within_the_accuracies_is_no_travel() {
    let from = at(481_234_567, 0, 0);
    let mut to = at(481_234_567 + 4_000, 0, 0); // 44.2 m north, in no time; 25 m and 25 m
    assert!(distance_mm((from.latitude, 0), (to.latitude, 0)) < 50_000);
    assert_eq!(check_travel(&from, &to, 1), Err(NoOffence::WithinReach));
    to.accuracy = 0;
    assert_eq!(check_travel(&from, &to, 1), Ok(()));
    // Exactly at the limit is within reach.
    let far = at(-MAX_LATITUDE, 0, 0);
    let distance = distance_mm((from.latitude, 0), (far.latitude, 0));
    let metre_short = Reading {
        accuracy: 0,
        ..from
    };
    let limit = |speed| {
        check_travel(
            &metre_short,
            &Reading {
                accuracy: 0,
                captured_at: 1,
                ..far
            },
            speed,
        )
    };
    let speed = u32::try_from(distance / 10).unwrap();
    assert_eq!(limit(speed), Ok(()));
    let exact = Reading {
        accuracy: 0,
        captured_at: distance as i64,
        ..far
    };
    assert_eq!(
        check_travel(&metre_short, &exact, 1),
        Err(NoOffence::WithinReach)
    );
    let faster = Reading {
        captured_at: distance as i64 - 1,
        ..exact
    };
    assert_eq!(check_travel(&metre_short, &faster, 1), Ok(()));
}

#[test]
fn what_is_no_travel() {
    #[track_caller]
    fn innocent(change: impl Fn(&mut Reading), reason: NoOffence) {
        let first = at(0, 0, 0);
        let mut second = at(0, 10_000_000, 0);
        change(&mut second);
        assert_eq!(check_travel(&first, &second, 1), Err(reason));
        assert_eq!(check_travel(&second, &first, 1), Err(reason));
    }
    innocent(|r| r.network = h(9), NoOffence::OtherNetwork);
    innocent(|r| r.device = h(9), NoOffence::OtherDevice);
    innocent(|r| r.leaf_nonce += 1, NoOffence::OtherNonce);
    innocent(|r| *r = at(0, 0, 0), NoOffence::SameReading);
    innocent(|r| r.longitude = 0, NoOffence::SameReading);
    innocent(
        |r| (r.longitude, r.values) = (0, Values::new(&[1]).unwrap()),
        NoOffence::WithinReach,
    );
    // Two sessions of one device and owner are no excuse.
    assert_eq!(
        check_travel(
            &at(0, 0, 0),
            &Reading {
                session: 9,
                ..at(0, 10_000_000, 0)
            },
            1
        ),
        Ok(())
    );
}

#[test]
fn offence_ids_are_golden() {
    let duplicate = Offence::DuplicateKey {
        device: &h(2),
        tree: 3,
        index: 4,
    };
    golden(
        duplicate.id(&h(1)),
        "9e00fc23f00c738fd3fe2f2cb2c3ed9590580dbe41e5d5e9bb11600f3fd93e72",
    );
    let contradiction = Offence::Contradiction {
        device: &h(2),
        tree: 3,
        index: 4,
        leaf_nonce: 5,
    };
    golden(
        contradiction.id(&h(1)),
        "507bfd7457f5908f7bd9ee98845ffba64e3bbf7ffa00fd22f0bc2256790edc5f",
    );
    let withheld = Offence::Withheld {
        stream: &h(2),
        sequence: 3,
        batch: 4,
        reading: 5,
    };
    golden(
        withheld.id(&h(1)),
        "382d24382490d373d764e727b5127238f9c1596522f557043f8d0f2d934d8c7a",
    );
    let wrong_root = Offence::WrongRoot {
        vote: &h(2),
        pool: &h(3),
    };
    golden(
        wrong_root.id(&h(1)),
        "2276fd8671ffa607323c994891d602508ec0a40afcd667a863a68a8603ec372d",
    );
    let double_vote = Offence::DoubleVote {
        pool: &h(2),
        epoch: 3,
        ballot: 4,
        base: 5,
    };
    golden(
        double_vote.id(&h(1)),
        "c1957cb95c3f6ce32f9ee8fc0a325b1cdfbcce9b8173cfb7d9031c678ea41f9b",
    );
}

prop_compose! {
    /// Any fields at all, also those that no parser lets through.
    fn wild_readings()(
        reading in readings(),
        captured_at: i64,
        latitude: i32,
        longitude: i32,
    ) -> Reading {
        Reading { captured_at, latitude, longitude, ..reading }
    }
}

proptest! {
    #[test]
    fn deciding_never_overflows(first in wild_readings(), other in wild_readings(), max_speed: u32) {
        // Of the same device, so that the check gets far.
        let second = Reading { network: first.network, device: first.device, leaf_nonce: first.leaf_nonce, ..other };
        prop_assert_eq!(
            check_travel(&first, &second, max_speed),
            check_travel(&second, &first, max_speed)
        );
        prop_assert_eq!(check_equivocation(&first, &second), check_equivocation(&second, &first));
        prop_assert_eq!(check_travel(&first, &first, max_speed), Err(NoOffence::SameReading));
        prop_assert_eq!(check_equivocation(&first, &first), Err(NoOffence::SameReading));
    }

    #[test]
    fn no_device_that_keeps_to_the_speed_is_convicted(
        first in readings(),
        second in readings(),
        errors in proptest::array::uniform2(-1.0..=1.0_f64),
        speed in 1..1_000_u32,
    ) {
        // Where the device truly is: off by up to the accuracy, along the meridian.
        let error = |reading: &Reading, share: f64| {
            let units = share * f64::from(reading.accuracy) / LEAST_RADIUS / 1e-7_f64.to_radians();
            (reading.latitude as f64 + units) as i32
        };
        let truly = |reading: &Reading, share| (error(reading, share).clamp(-MAX_LATITUDE, MAX_LATITUDE), reading.longitude);
        let way = LEAST_RADIUS * angle(truly(&first, errors[0]), truly(&second, errors[1]));
        let captured_at = 0;
        // The time that the true way takes at the speed, rounded up to a millisecond.
        let took = (way * 1e3 / f64::from(speed)).ceil() as i64;
        let first = Reading { captured_at, ..first };
        let second = Reading {
            network: first.network,
            device: first.device,
            leaf_nonce: first.leaf_nonce,
            captured_at: captured_at + took,
            ..second
        };
        prop_assert_ne!(check_travel(&first, &second, speed), Ok(()));
    }

    #[test]
    fn ids_tell_offences_apart(
        device: Hash, network: Hash, tree: u16, index: u32, leaf_nonce: u32, other: u32
    ) {
        prop_assume!(other != leaf_nonce && other != index);
        let id = |index, leaf_nonce| {
            Offence::Contradiction { device: &device, tree, index, leaf_nonce }.id(&network)
        };
        let duplicate = |index| Offence::DuplicateKey { device: &device, tree, index }.id(&network);
        prop_assert_ne!(id(index, leaf_nonce), id(index, other));
        prop_assert_ne!(id(index, leaf_nonce), id(other, leaf_nonce));
        prop_assert_ne!(duplicate(index), duplicate(other));
        prop_assert_ne!(duplicate(index), id(index, leaf_nonce));
        let withheld = |batch, sequence| {
            Offence::Withheld { stream: &device, sequence, batch, reading: tree }.id(&network)
        };
        prop_assert_ne!(withheld(index, 0), withheld(other, 0));
        prop_assert_ne!(withheld(index, index.into()), withheld(index, other.into()));
        let double_vote = |ballot, base| {
            Offence::DoubleVote { pool: &device, epoch: 0, ballot, base }.id(&network)
        };
        prop_assert_ne!(double_vote(index, 0), double_vote(other, 0));
        prop_assert_ne!(double_vote(index, index.into()), double_vote(index, other.into()));
    }
}
