//! How a round settles, against a naive reference, and at the edges of the integers.

use ai_feed::error::AiFeedError;
use ai_feed::state::{
    Entry, Feed, Outcome, Policy, Round, Submission, BY_COMMITTEE, MAX_DURATION, STREAMS,
};
use anchor_lang::error::Error;
use anchor_lang::prelude::Pubkey;
use bytemuck::Zeroable;
use feed_reader::Mask;
use proptest::prelude::*;

/// A key unlike every other.
fn key(number: usize) -> Pubkey {
    Pubkey::new_from_array([number as u8 + 1; 32])
}

fn submission(value: i64, windows: u8) -> Submission {
    Submission {
        value,
        windows,
        oldest: 10,
        newest: 20,
        data_root: [9; 32],
        batch_leaf: [8; 32],
    }
}

/// A stream's own batch of one window.
fn of_slot(slot: u32, value: i64) -> Submission {
    Submission {
        batch_leaf: [100 + slot as u8; 32],
        ..submission(value, 1)
    }
}

/// A round of one passed attestation a stream, of these values and allocations, which are the whole committee's.
fn round_of(streams: &[(i64, u64)]) -> Round {
    let mut round = Round::zeroed();
    for (number, (value, allocation)) in streams.iter().enumerate() {
        let slot = round.admit(key(number), *allocation).unwrap();
        round.total = round.total.saturating_add(*allocation);
        round.submit(slot, &of_slot(slot, *value)).unwrap();
        round.pass(slot, BY_COMMITTEE).unwrap();
    }
    round
}

#[track_caller]
fn assert_error<T: std::fmt::Debug>(result: Result<T, Error>, expected: AiFeedError) {
    assert_eq!(result.unwrap_err(), Error::from(expected));
}

/// The lower weighted median by its definition: the least value such that those up to it weigh half of all or more.
fn naive_median(streams: &[(i64, u64)]) -> i64 {
    let total: u128 = streams.iter().map(|(_, weight)| u128::from(*weight)).sum();
    let weight_up_to = |limit: i64| -> u128 {
        let below = streams.iter().filter(|(value, _)| *value <= limit);
        below.map(|(_, weight)| u128::from(*weight)).sum()
    };
    let candidates = streams.iter().map(|(value, _)| *value);
    candidates
        .filter(|value| weight_up_to(*value) * 2 >= total)
        .min()
        .unwrap()
}

proptest! {
    #[test]
    fn settles_as_the_definition_says(
        streams in prop::collection::vec((any::<i64>(), 1..=u64::MAX), 1..=STREAMS),
    ) {
        let outcome = round_of(&streams).settle(BY_COMMITTEE, 1, false).unwrap();
        let values: Vec<i64> = streams.iter().map(|(value, _)| *value).collect();
        let spread = values.iter().max().unwrap().abs_diff(*values.iter().min().unwrap());
        prop_assert_eq!(outcome.value, naive_median(&streams));
        prop_assert_eq!(outcome.confidence, spread);
        prop_assert_eq!(outcome.mask, BY_COMMITTEE);
        prop_assert_eq!(outcome.streams as usize, streams.len());
    }

    /// Whoever holds less than half of the weight can't move the value beyond what the others say.
    #[test]
    fn a_minority_stays_within_the_majority(
        honest in prop::collection::vec((-1_000i64..1_000, 10u64..20), 8),
        liars in prop::collection::vec((any::<i64>(), 1u64..10), 8),
    ) {
        let all: Vec<_> = honest.iter().chain(&liars).copied().collect();
        let value = round_of(&all).settle(BY_COMMITTEE, 1, false).unwrap().value;
        let values = honest.iter().map(|(value, _)| *value);
        prop_assert!(value >= values.clone().min().unwrap() && value <= values.max().unwrap());
    }

    #[test]
    fn the_ema_is_a_floor_and_between(ema in any::<i64>(), value in any::<i64>()) {
        let mut feed = Feed::zeroed();
        feed.entries = 1;
        feed.ema = ema;
        let next = feed.next_ema(value).unwrap();
        prop_assert_eq!(i128::from(next), (i128::from(value) + 7 * i128::from(ema)).div_euclid(8));
        prop_assert!(next >= ema.min(value) && next <= ema.max(value));
    }
}

#[test]
fn the_first_value_is_the_ema() {
    assert_eq!(Feed::zeroed().next_ema(i64::MIN).unwrap(), i64::MIN);
}

#[test]
fn an_even_split_takes_the_lower() {
    let outcome = round_of(&[(7, 5), (3, 5)])
        .settle(BY_COMMITTEE, 1, false)
        .unwrap();
    assert_eq!(outcome.value, 3);
    assert_eq!(outcome.confidence, 4);
}

#[test]
fn extremes_do_not_overflow() {
    let streams: Vec<_> = (0..STREAMS)
        .map(|number| (if number % 2 == 0 { i64::MIN } else { i64::MAX }, u64::MAX))
        .collect();
    let outcome = round_of(&streams)
        .settle(BY_COMMITTEE, STREAMS as u8, false)
        .unwrap();
    assert_eq!(outcome.value, i64::MIN);
    assert_eq!(outcome.confidence, u64::MAX);
}

#[test]
fn a_submission_that_overflows_is_refused() {
    let mut round = round_of(&[(i64::MAX, 1)]);
    assert_error(round.submit(0, &submission(1, 1)), AiFeedError::Overflow);
    assert_error(
        round_of(&[(1, 1)]).submit(0, &submission(i64::MIN, 2)),
        AiFeedError::Overflow,
    );
    let mut round = round_of(&[(0, 1)]);
    for _ in 1..u16::MAX {
        round.submit(0, &submission(0, 1)).unwrap();
    }
    assert_error(round.submit(0, &submission(0, 1)), AiFeedError::Overflow);
}

#[test]
fn a_stream_weighs_its_batches_by_windows_and_rounds_down() {
    let mut round = Round::zeroed();
    let slot = round.admit(key(0), 5).unwrap();
    round.submit(slot, &submission(-10, 2)).unwrap();
    round
        .submit(
            slot,
            &Submission {
                value: 9,
                windows: 1,
                oldest: 5,
                newest: 15,
                data_root: [1; 32],
                batch_leaf: [2; 32],
            },
        )
        .unwrap();
    round.pass(slot, BY_COMMITTEE).unwrap();
    round.pass(slot, Mask::COMMITTEE).unwrap();
    let outcome = round.settle(Mask::COMMITTEE, 1, false).unwrap();
    assert_eq!(
        outcome,
        Outcome {
            value: -4, // -11 / 3
            confidence: 0,
            mask: Mask::COMMITTEE, // one of two is not SOURCED
            streams: 1,
            oldest: 5,
            newest: 15, // no fresher than its stalest batch
            data_root: [1; 32],
        }
    );
    assert_error(
        round.settle(BY_COMMITTEE, 1, false),
        AiFeedError::StreamPending,
    );
    assert_error(
        round.settle(BY_COMMITTEE, 1, true),
        AiFeedError::TooFewStreams,
    );
}

#[test]
fn who_has_not_passed_is_left_out_only_after_the_grace() {
    let mut round = round_of(&[(1, 1), (2, 1), (3, 1)]);
    round.submit(1, &submission(2, 1)).unwrap(); // a second attestation, which nobody has signed
    assert_error(
        round.settle(BY_COMMITTEE, 1, false),
        AiFeedError::StreamPending,
    );
    let outcome = round.settle(BY_COMMITTEE, 2, true).unwrap();
    assert_eq!(outcome.streams, 2);
    assert_eq!(outcome.value, 1);
    assert_error(
        round.settle(BY_COMMITTEE, 3, true),
        AiFeedError::TooFewStreams,
    );
}

#[test]
fn a_batch_is_of_one_stream() {
    let mut round = Round::zeroed();
    for number in 0..2 {
        round.admit(key(number), 1).unwrap();
    }
    round.submit(0, &submission(1, 1)).unwrap();
    assert_error(round.submit(1, &submission(1, 1)), AiFeedError::BatchTaken);
    let other = Submission {
        batch_leaf: [7; 32],
        ..submission(1, 1)
    };
    round.submit(1, &other).unwrap();
    round.submit(0, &submission(1, 1)).unwrap();
}

#[test]
fn nothing_passes_an_empty_round() {
    assert_error(
        Round::zeroed().settle(BY_COMMITTEE, 0, true),
        AiFeedError::TooFewStreams,
    );
}

#[test]
fn the_heaviest_stream_gives_the_data_root() {
    let mut round = round_of(&[(1, 3), (2, 4), (3, 4)]);
    for (number, slot) in round.slot.iter_mut().enumerate() {
        slot.data_root = [number as u8; 32];
    }
    assert_eq!(
        round.settle(BY_COMMITTEE, 1, false).unwrap().data_root,
        [1; 32]
    );
}

#[test]
fn a_round_is_as_fresh_as_its_stalest_stream() {
    let mut round = round_of(&[(1, 9), (2, 1), (3, 1)]);
    round.slot[0].newest = 7;
    round.slot[1].newest = 5;
    round.submit(2, &submission(3, 1)).unwrap(); // stays pending, and does not count
    round.slot[2].newest = 1;
    assert_eq!(round.settle(BY_COMMITTEE, 1, true).unwrap().newest, 5);
}

/// Three streams of which those named have passed, in a committee of their allocations and `others`.
fn partly_passed(allocations: [u64; 3], passed: &[u32], others: u64) -> Round {
    let mut round = Round::zeroed();
    round.total = allocations.iter().sum::<u64>() + others;
    for (number, allocation) in allocations.into_iter().enumerate() {
        let slot = round.admit(key(number), allocation).unwrap();
        round.submit(slot, &of_slot(slot, number as i64)).unwrap();
    }
    for slot in passed {
        round.pass(*slot, BY_COMMITTEE).unwrap();
    }
    round
}

#[test]
fn the_first_to_pass_do_not_decide_alone() {
    let of_few = partly_passed([3, 2, 1], &[1, 2], 0);
    assert_error(of_few.settle(BY_COMMITTEE, 2, false), AiFeedError::NoQuorum);
    assert_eq!(of_few.settle(BY_COMMITTEE, 2, true).unwrap().streams, 2);
    // Who did not submit at all weighs as well.
    let with_absent = partly_passed([3, 2, 1], &[0, 1, 2], 4);
    assert_error(
        with_absent.settle(BY_COMMITTEE, 2, false),
        AiFeedError::NoQuorum,
    );
    let just = partly_passed([3, 2, 1], &[0, 1, 2], 3);
    assert_eq!(just.settle(BY_COMMITTEE, 2, false).unwrap().streams, 3);
}

#[test]
fn one_that_never_passes_does_not_hold_up_a_quorum() {
    let round = partly_passed([3, 2, 1], &[0, 1], 0);
    assert_eq!(round.settle(BY_COMMITTEE, 2, false).unwrap().streams, 2);
    assert_error(
        round.settle(BY_COMMITTEE, 1, false),
        AiFeedError::StreamPending,
    );
    assert_error(
        round.settle(BY_COMMITTEE, 3, true),
        AiFeedError::TooFewStreams,
    );
}

#[test]
fn allocations_of_two_committees_do_not_overflow_a_quorum() {
    let mut round = round_of(&[(1, u64::MAX), (2, u64::MAX)]);
    round.total = u64::MAX;
    assert_eq!(round.settle(BY_COMMITTEE, 2, false).unwrap().streams, 2);
}

#[test]
fn a_round_takes_sixty_four_streams() {
    let mut round = round_of(&[(1, 1); STREAMS]);
    assert_error(round.admit(key(70), 1), AiFeedError::RoundFull);
    assert_eq!(round.admit(key(3), 1).unwrap(), 3);
    assert_eq!(round.slots, 64);
}

#[test]
fn more_can_not_pass_than_was_submitted() {
    let mut round = round_of(&[(1, 1)]);
    assert_error(round.pass(0, Mask::COMMITTEE), AiFeedError::Invariant);
    assert_error(round.pass(1, Mask::COMMITTEE), AiFeedError::Invariant);
}

/// A feed of minute rounds with half a minute of grace.
fn feed() -> Feed {
    Feed {
        round_length: 60,
        grace: 30,
        ..Feed::zeroed()
    }
}

#[test]
fn a_capture_lies_in_one_round() {
    let feed = feed();
    assert_eq!(feed.round_of(-1), None);
    assert_eq!(feed.round_of(0), Some(0));
    assert_eq!(feed.round_of(59_999), Some(0));
    assert_eq!(feed.round_of(60_000), Some(1));
    assert_eq!(feed.round_of(i64::MAX), Some(i64::MAX as u64 / 60_000));
    assert_eq!(Feed::zeroed().round_of(1), None);
}

#[test]
fn a_round_is_finalized_after_its_end_and_never_back() {
    let mut feed = feed();
    feed.last_round = 10;
    assert_error(
        feed.finalizable(10, feed.grace, 10_000),
        AiFeedError::RoundOver,
    );
    assert_error(
        feed.finalizable(11, feed.grace, 719),
        AiFeedError::RoundNotEnded,
    );
    assert!(!feed.finalizable(11, feed.grace, 720).unwrap());
    assert!(!feed.finalizable(11, feed.grace, 749).unwrap());
    assert!(feed.finalizable(11, feed.grace, 750).unwrap());
    assert_error(
        feed.finalizable(u64::MAX, feed.grace, i64::MAX),
        AiFeedError::Overflow,
    );
}

#[test]
fn a_round_is_passed_over_only_after_its_grace() {
    let mut feed = feed();
    feed.grace = 50;
    feed.last_round = 10;
    feed.entries = 1;
    // Round 11 ends at 720 and has until 820; round 12 ends at 780, and its own grace at 830.
    assert_error(
        feed.finalizable(12, feed.grace, 780),
        AiFeedError::EarlierRoundInGrace,
    );
    assert_error(
        feed.finalizable(12, feed.grace, 819),
        AiFeedError::EarlierRoundInGrace,
    );
    assert!(!feed.finalizable(12, feed.grace, 820).unwrap());
    feed.last_round = 11;
    assert!(!feed.finalizable(12, feed.grace, 780).unwrap());
    // Before the first of all, one grace.
    feed.last_round = 0;
    feed.entries = 0;
    feed.grace = 90;
    assert_error(
        feed.finalizable(12, feed.grace, 809),
        AiFeedError::EarlierRoundInGrace,
    );
    assert!(!feed.finalizable(12, feed.grace, 810).unwrap());
}

#[test]
fn durations_within_their_bounds_do_not_overflow() {
    let feed = Feed {
        round_length: MAX_DURATION,
        grace: MAX_DURATION,
        ..Feed::zeroed()
    };
    let century = 100 * 366 * 86_400 * 1_000;
    let round = feed.round_of(century).unwrap();
    assert!(feed.finalizable(round, feed.grace, i64::MAX).unwrap());
}

#[test]
fn a_round_is_recorded_once() {
    let mut feed = feed();
    let entry = Entry {
        round: 3,
        ..Entry::zeroed()
    };
    feed.record(entry).unwrap();
    assert_error(feed.record(entry), AiFeedError::RoundOver);
    assert!(feed.is_over(3) && feed.is_over(2) && !feed.is_over(4));
}

/// A policy that waits for `grace` seconds.
fn waiting(grace: i64) -> Policy {
    Policy {
        required_mask: BY_COMMITTEE,
        min_signers: 1,
        min_streams: 1,
        slash_bps: 1,
        grace,
        challenge_window: 60,
        ..Policy::default()
    }
}

#[test]
fn a_shorter_grace_does_not_shut_out_rounds_that_opened_under_a_longer_one() {
    let mut feed = feed();
    feed.grace = 50;
    feed.last_round = 10;
    feed.entries = 1;
    feed.propose(waiting(0), 10, 600).unwrap();
    assert_error(feed.apply(609), AiFeedError::TimelockRunning);
    // Round 11 is from 660 to 720; it may have opened.
    feed.apply(700).unwrap();
    assert_error(feed.apply(701), AiFeedError::NothingProposed);
    assert_eq!((feed.grace, feed.policy_round), (0, 11));
    // Round 12 opens under the new policy, and passes over round 11 only when twice that one's grace is over.
    let refused = feed.finalizable(12, 0, 819);
    assert_error(refused, AiFeedError::EarlierRoundInGrace);
    assert!(feed.finalizable(12, 0, 820).unwrap());
    // A round that opened before keeps its own grace.
    assert!(!feed.finalizable(11, 50, 769).unwrap());
    assert!(feed.finalizable(11, 50, 770).unwrap());
    // Once round 11 is over, no grace of before counts.
    feed.last_round = 11;
    assert!(feed.finalizable(13, 0, 840).unwrap());
}

#[test]
fn graces_of_two_changes_in_a_row_are_remembered() {
    let mut feed = feed();
    feed.grace = 50;
    feed.last_round = 10;
    feed.entries = 1;
    for _ in 0..2 {
        feed.propose(waiting(0), 0, 700).unwrap();
        feed.apply(700).unwrap();
    }
    let refused = feed.finalizable(12, 0, 819);
    assert_error(refused, AiFeedError::EarlierRoundInGrace);
}

#[test]
fn a_proposal_is_applied_within_a_week_of_its_timelock() {
    let mut feed = feed();
    feed.propose(waiting(0), 10, 600).unwrap();
    let late = 610 + ai_feed::state::APPLY_WITHIN + 1;
    assert_error(feed.apply(late), AiFeedError::ProposalExpired);
    feed.apply(late - 1).unwrap();
}

#[test]
fn a_dispute_marks_what_it_may_be_part_of() {
    let mut feed = feed();
    for round in 1..=3 {
        let entry = Entry {
            round,
            mask: BY_COMMITTEE,
            ..Entry::zeroed()
        };
        feed.record(entry).unwrap();
    }
    let flags = |feed: &Feed| [0, 1, 2].map(|place| feed.ring[place].flags);
    // Neither a round that is not there, nor one without a verification that the value has.
    assert!(!feed.dispute(4, BY_COMMITTEE));
    assert!(!feed.dispute(0, BY_COMMITTEE));
    assert!(!feed.dispute(2, Mask::SOURCED));
    assert_eq!(flags(&feed), [0; 3]);
    assert!(feed.dispute(2, BY_COMMITTEE | Mask::OPTIMISTIC));
    assert_eq!(flags(&feed), [0, 1, 0]);
}

#[test]
fn what_is_taken_back_never_passes_again() {
    let mut round = Round::zeroed();
    let slot = round.admit(key(1), 1).unwrap();
    round.submit(slot, &of_slot(slot, 1)).unwrap();
    round.pass(slot, BY_COMMITTEE).unwrap();
    assert!(round.slot[0].has_passed(BY_COMMITTEE));
    round.take_back(slot, BY_COMMITTEE).unwrap();
    assert_eq!(round.slot[0].passed, [0; 8]);
    assert!(!round.slot[0].has_passed(BY_COMMITTEE));
    assert_error(round.take_back(slot, BY_COMMITTEE), AiFeedError::Invariant);
}
