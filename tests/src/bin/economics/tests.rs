//! Attacks on rewards, bonds and stakes, performed on the compiled programs at the documented parameters: each is expected to
//! cost more than it brings. `cargo xtask economics` sweeps them.

use super::attack::{play, Kind, Way};
use super::parameters::DOCUMENTED;
use super::sweep::expected;
use super::world::base;

/// Plays it, and asserts that whoever tries is expected to lose, and by at least as much as is given here, USD.
#[track_caller]
fn does_not_pay(kind: Kind, margin: f64) {
    let expected = expected(&DOCUMENTED, kind, 1).expect("the attack is played");
    let profit = expected.profit();
    assert!(
        profit <= -margin,
        "{kind:?} brings {profit:.2} USD: {expected:?}"
    );
}

#[test]
fn honest_owners_and_operators_profit() {
    let played = play(&base(), &DOCUMENTED, None, Way::Honest, 1, &|_| {
        DOCUMENTED.reward_usd
    });
    let played = played.expect("nothing goes wrong");
    for profit in played.owners.iter().chain(&played.operators) {
        assert!(*profit > 0.0, "{played:?}");
    }
}

#[test]
fn a_sybil_farm_does_not_pay() {
    does_not_pay(Kind::SybilFarm, 1.0);
}

#[test]
fn plausible_fakes_of_a_colluding_maker_do_not_pay() {
    does_not_pay(Kind::MakerFarm, 1.0);
}

#[test]
fn fakes_that_their_owner_vouches_for_do_not_pay() {
    does_not_pay(Kind::SelfVouchedFarm, 1.0);
}

#[test]
fn one_device_in_two_leaves_does_not_pay() {
    does_not_pay(Kind::Duplicate, 1.0);
}

#[test]
fn saying_two_things_does_not_pay() {
    does_not_pay(Kind::Equivocation, 1.0);
}

#[test]
fn not_to_check_does_not_pay() {
    does_not_pay(Kind::Lazy, 1.0);
}

#[test]
fn a_false_output_does_not_pay() {
    does_not_pay(Kind::FalseOutput, 1.0);
}

#[test]
fn a_wrong_root_does_not_pay() {
    does_not_pay(Kind::WrongRoot, 1.0);
}

#[test]
fn a_wrong_root_of_a_minority_does_not_pay() {
    does_not_pay(Kind::MinorityRoot, 1.0);
}

#[test]
fn two_votes_do_not_pay() {
    does_not_pay(Kind::DoubleVote, 1.0);
}

#[test]
fn withheld_readings_do_not_pay() {
    does_not_pay(Kind::Withheld, 1.0);
}

#[test]
fn challenges_without_cause_do_not_pay() {
    does_not_pay(Kind::Griefer, 1.0);
}

#[test]
fn wash_trading_does_not_pay() {
    does_not_pay(Kind::WashTrader, 1.0);
}
