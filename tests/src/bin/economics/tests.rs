//! Attacks on rewards, bonds and stakes, performed on the compiled programs at the documented parameters: each is expected to
//! cost more than it brings. `cargo xtask economics` sweeps them.

use super::attack::{play, Kind, Way};
use super::parameters::{Parameters, Shock, DOCUMENTED};
use super::sweep::{expected, judge};
use super::world::{base, FIRST, HALFWAY};

/// The part of a documented margin that may be missing: it is of another seed, and moves with every change that costs.
const TOLERANCE: f64 = 0.25;

/// Plays it, and asserts that whoever tries is expected to lose about as much as docs/threat-model.md says, USD.
#[track_caller]
fn does_not_pay(kind: Kind, documented: f64) {
    let expected = expected(&DOCUMENTED, kind, 1).expect("the attack is played");
    let profit = expected.profit();
    assert!(
        profit <= -documented * (1.0 - TOLERANCE),
        "{kind:?} brings {profit:.2} USD, and is documented to lose {documented:.2}: {expected:?}"
    );
}

#[test]
fn honest_owners_and_operators_profit() {
    let played = play(&base(), &DOCUMENTED, None, Way::Honest, Shock::NONE, 1);
    let played = played.expect("nothing goes wrong");
    for profit in played.owners.iter().chain(&played.operators) {
        assert!(*profit > 0.0, "{played:?}");
    }
}

#[test]
fn operators_lose_while_the_schedule_bounds_what_is_emitted_at_a_lower_price() {
    let cheap = Shock::ALL
        .into_iter()
        .find(|shock| shock.reward < 1.0 && shock.stake == 1.0);
    let cheap = cheap.expect("a shock");
    let least = |parameters: &Parameters| {
        let played = play(&base(), parameters, None, Way::Honest, cheap, 1);
        let played = played.expect("nothing goes wrong");
        let profits = [played.owners, played.operators];
        profits.map(|profits| profits.into_iter().fold(f64::INFINITY, f64::min))
    };
    let [_, operator] = least(&DOCUMENTED);
    assert!(operator < 0.0, "{operator}");
    // Four times as many tokens, of which the floor is as many as before.
    let [owner, operator] = least(&Parameters {
        budget: DOCUMENTED.budget * 4,
        floor_bps: DOCUMENTED.floor_bps / 4,
        ..DOCUMENTED
    });
    assert!(owner > 0.0 && operator > 0.0, "{owner}, {operator}");
}

#[test]
fn not_to_check_does_not_pay_at_a_lower_price_of_stake() {
    let run = |kind, way| play(&base(), &DOCUMENTED, kind, way, Shock::CHEAP_STAKE, 1);
    let expected = judge(&DOCUMENTED, Kind::Lazy, run).expect("the attack is played");
    assert!(expected.profit() < 0.0, "{expected:?}");
}

#[test]
fn a_sybil_farm_does_not_pay() {
    does_not_pay(Kind::SybilFarm, 354.77);
}

#[test]
fn plausible_fakes_of_a_colluding_maker_do_not_pay() {
    does_not_pay(Kind::MakerFarm, 295.48);
}

#[test]
fn fakes_that_their_owner_vouches_for_do_not_pay() {
    does_not_pay(Kind::SelfVouchedFarm, 363.75);
}

#[test]
fn a_maker_under_three_names_does_not_pay() {
    does_not_pay(Kind::MakerRing, 294.68);
}

#[test]
fn a_maker_under_three_names_in_one_cell_does_not_pay() {
    does_not_pay(Kind::CellRing, 68.68);
}

#[test]
fn an_excluded_farm_is_paid_no_more() {
    let (shock, seed) = (Shock::NONE, 1);
    let kind = Some(Kind::MakerRing);
    let excluded = play(&base(), &DOCUMENTED, kind, Way::Caught, shock, seed);
    let excluded = excluded.expect("nothing goes wrong");
    let place = (HALFWAY - FIRST) as usize;
    let (before, after) = excluded.earned.split_at(place);
    assert!(before.iter().all(|earned| *earned > 1.0), "{before:?}");
    assert!(after.iter().all(|earned| *earned == 0.0), "{after:?}");
}

#[test]
fn one_device_in_two_leaves_does_not_pay() {
    does_not_pay(Kind::Duplicate, 80.0);
}

#[test]
fn saying_two_things_does_not_pay() {
    does_not_pay(Kind::Equivocation, 61.75);
}

#[test]
fn not_to_check_does_not_pay() {
    does_not_pay(Kind::Lazy, 39.17);
}

#[test]
fn a_false_output_does_not_pay() {
    does_not_pay(Kind::FalseOutput, 461.77);
}

#[test]
fn a_wrong_root_does_not_pay() {
    does_not_pay(Kind::WrongRoot, 134.08);
}

#[test]
fn a_wrong_root_of_a_minority_does_not_pay() {
    does_not_pay(Kind::MinorityRoot, 65.36);
}

#[test]
fn two_votes_do_not_pay() {
    does_not_pay(Kind::DoubleVote, 60.31);
}

#[test]
fn withheld_readings_do_not_pay() {
    does_not_pay(Kind::Withheld, 35.03);
}

#[test]
fn challenges_without_cause_do_not_pay() {
    does_not_pay(Kind::Griefer, 7.48);
}

#[test]
fn wash_trading_does_not_pay() {
    does_not_pay(Kind::WashTrader, 385.69);
}
