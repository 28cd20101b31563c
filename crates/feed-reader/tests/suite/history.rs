use crate::account::{Account, Entry, SECOND};
use feed_reader::{Feed, FeedError, HISTORY};
use proptest::prelude::*;

const NOW: i64 = 1_790_000_000;

/// A feed's life: each round's value, mask, flags and time since the round before.
fn rounds() -> impl Strategy<Value = Vec<Entry>> {
    let round = (-5i64..5, 1u16..8, 0u16..2, 1i64..100);
    prop::collection::vec(round, 0..200).prop_map(|rounds| {
        let mut captured = NOW - 2_000;
        (1..)
            .zip(rounds)
            .map(|(round, (value, mask, flags, after))| {
                captured += after;
                Entry {
                    round,
                    value,
                    mask,
                    flags,
                    newest_capture: captured * SECOND,
                }
            })
            .collect()
    })
}

proptest! {
    /// The ring against a plain list of all rounds ever.
    #[test]
    fn the_ring_is_the_last_rounds(
        rounds in rounds(),
        min_mask in 1u16..8,
        max_age in 0u32..3_000,
        now in NOW - 2_500..NOW + 12_000,
    ) {
        let bytes = Account::with(rounds.clone()).bytes();
        let feed = Feed::parse(&bytes).unwrap();
        prop_assert_eq!(feed.entries() as usize, rounds.len().min(HISTORY));

        let verified: Vec<_> = rounds
            .iter()
            .rev()
            .take(HISTORY)
            .filter(|entry| entry.mask & min_mask == min_mask && entry.flags == 0)
            .collect();
        let age = |entry: &Entry| now - entry.newest_capture / SECOND;
        let fits = |entry: &Entry| (0..=i64::from(max_age)).contains(&age(entry));

        let expected: Vec<_> = verified
            .iter()
            .filter(|entry| fits(entry))
            .map(|entry| entry.round)
            .collect();
        let values = feed.values(now, max_age, min_mask).unwrap();
        prop_assert_eq!(values.map(|value| value.round).collect::<Vec<_>>(), expected);

        let expected = match verified.first() {
            None if rounds.is_empty() => Err(FeedError::NoEntry),
            None => Err(FeedError::NotVerified),
            Some(newest) if age(newest) < 0 => Err(FeedError::InFuture),
            Some(newest) if !fits(newest) => Err(FeedError::TooOld),
            Some(newest) => Ok((newest.round, newest.value)),
        };
        let value = feed.value(now, max_age, min_mask);
        prop_assert_eq!(value.map(|value| (value.round, value.value)), expected);
    }
}
