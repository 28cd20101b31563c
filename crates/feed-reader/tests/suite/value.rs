use crate::account::{Account, Entry, SECOND};
use feed_reader::{Feed, FeedError, Mask, Value};

const NOW: i64 = 1_790_000_000;

fn entry(age: i64, mask: u16) -> Entry {
    Entry {
        round: 7,
        value: 2_150,
        newest_capture: (NOW - age) * SECOND,
        mask,
        flags: 0,
    }
}

fn value(account: &Account, now: i64, max_age: u32, min_mask: u16) -> Result<Value, FeedError> {
    Feed::parse(&account.bytes())
        .unwrap()
        .value(now, max_age, min_mask)
}

#[test]
fn the_newest_entry_in_full() {
    let account = Account::with([entry(100, 1), entry(40, Mask::COMMITTEE | Mask::SOURCED)]);
    let expected = Value {
        value: 2_150,
        confidence: 7,
        ema: 2_151,
        exponent: -2,
        round: 7,
        posted_at: NOW - 20,
        oldest_capture: (NOW - 70) * SECOND,
        newest_capture: (NOW - 40) * SECOND,
        data_root: [9; 32],
        mask: 5,
        attesters: 4,
        streams: 2,
        disputed: false,
    };
    assert_eq!(value(&account, NOW, 40, Mask::COMMITTEE), Ok(expected));
    let bytes = account.bytes();
    let feed = Feed::parse(&bytes).unwrap();
    assert_eq!(feed.newest_value_unverified(), Ok(expected));
}

#[test]
fn age_is_exact_to_the_second() {
    let account = Account::with([entry(40, 1)]);
    assert!(value(&account, NOW, 40, 1).is_ok());
    assert_eq!(value(&account, NOW, 39, 1), Err(FeedError::TooOld));
    assert_eq!(value(&account, NOW + 1, 40, 1), Err(FeedError::TooOld));
    assert!(value(&account, NOW - 40, 0, 1).is_ok());
    assert_eq!(
        value(&account, NOW - 41, u32::MAX, 1),
        Err(FeedError::InFuture)
    );
    assert_eq!(
        value(&account, i64::MAX, u32::MAX, 1),
        Err(FeedError::TooOld)
    );
    assert_eq!(
        value(&account, i64::MIN, u32::MAX, 1),
        Err(FeedError::InFuture)
    );

    // the clock has no milliseconds: a capture later in this very second is now
    let mut late = entry(0, 1);
    late.newest_capture += 999;
    assert!(value(&Account::with([late]), NOW, 0, 1).is_ok());
    late.newest_capture += 1;
    let refused = value(&Account::with([late]), NOW, 0, 1);
    assert_eq!(refused, Err(FeedError::InFuture));
}

#[test]
fn a_reader_must_ask_for_verification() {
    let account = Account::with([entry(0, Mask::ALL)]);
    assert_eq!(value(&account, NOW, 60, 0), Err(FeedError::NoMask));
    let bytes = account.bytes();
    let feed = Feed::parse(&bytes).unwrap();
    assert_eq!(feed.values(NOW, 60, 0).err(), Some(FeedError::NoMask));
}

#[test]
fn a_feed_without_rounds_has_no_value() {
    let account = Account::new();
    assert_eq!(value(&account, NOW, u32::MAX, 1), Err(FeedError::NoEntry));
    let bytes = account.bytes();
    let feed = Feed::parse(&bytes).unwrap();
    assert_eq!(feed.newest_value_unverified(), Err(FeedError::NoEntry));
    assert_eq!(feed.values(NOW, u32::MAX, 1).unwrap().count(), 0);
}

#[test]
fn every_bit_asked_for_is_needed() {
    for mask in 0..=Mask::ALL {
        let account = Account::with([entry(0, mask)]);
        for min_mask in 1..=Mask::ALL {
            let result = value(&account, NOW, 60, min_mask);
            if min_mask & !mask == 0 {
                assert_eq!(result.map(|value| value.mask), Ok(mask));
            } else {
                assert_eq!(result, Err(FeedError::NotVerified));
            }
        }
    }
}

#[test]
fn a_frozen_feed_has_no_value() {
    for state in 1..=255 {
        let account = Account {
            state,
            ..Account::with([entry(0, Mask::ALL)])
        };
        assert_eq!(value(&account, NOW, 60, 1), Err(FeedError::Frozen));
        let bytes = account.bytes();
        let feed = Feed::parse(&bytes).unwrap();
        assert!(feed.newest_value_unverified().is_ok());
    }
}

#[test]
fn a_frozen_feed_keeps_what_it_had_posted() {
    let entries = [40, 30, 20, 10].map(|age| Entry {
        value: age,
        ..entry(age, if age == 40 { Mask::ZK } else { Mask::COMMITTEE })
    });
    let frozen = |frozen_at| Account {
        state: 1,
        frozen_at,
        ..Account::with(entries)
    };
    let values = |frozen_at: i64, max_age: u32| -> Vec<i64> {
        let bytes = frozen(frozen_at).bytes();
        let feed = Feed::parse(&bytes).unwrap();
        assert_eq!(feed.frozen_at(), frozen_at);
        let values = feed.values(NOW, max_age, Mask::COMMITTEE).unwrap();
        values.map(|value| value.value).collect()
    };
    // Each is posted 20 seconds after its capture.
    assert_eq!(values(NOW + 10, 60), [10, 20, 30]);
    assert_eq!(values(NOW, 60), [20, 30]);
    assert_eq!(values(NOW - 1, 60), [30]);
    assert_eq!(values(NOW, 20), [20]);
    assert!(values(0, 60).is_empty());
    let refused = value(&frozen(NOW), NOW, 60, Mask::COMMITTEE);
    assert_eq!(refused, Err(FeedError::Frozen));
    let bytes = frozen(NOW).bytes();
    let feed = Feed::parse(&bytes).unwrap();
    assert_eq!(feed.values(NOW, 60, 0).err(), Some(FeedError::NoMask));
}

#[test]
fn a_disputed_entry_is_passed_over() {
    let disputed = Entry {
        flags: 1,
        value: 9,
        ..entry(0, Mask::ALL)
    };
    let alone = Account::with([disputed]);
    assert_eq!(value(&alone, NOW, 60, 1), Err(FeedError::NotVerified));
    let after = Account::with([entry(30, 1), disputed]);
    assert_eq!(value(&after, NOW, 60, 1).unwrap().value, 2_150);
    assert_eq!(value(&after, NOW, 29, 1), Err(FeedError::TooOld));
    let bytes = after.bytes();
    let newest = Feed::parse(&bytes)
        .unwrap()
        .newest_value_unverified()
        .unwrap();
    assert!(newest.disputed && newest.value == 9);
}

#[test]
fn an_older_entry_serves_when_the_newer_is_not_verified() {
    let account = Account::with([
        entry(30, Mask::ZK | Mask::SOURCED),
        entry(0, Mask::COMMITTEE),
    ]);
    let older = value(&account, NOW, 60, Mask::ZK).unwrap();
    assert_eq!(older.mask, Mask::ZK | Mask::SOURCED);
    assert_eq!(value(&account, NOW, 29, Mask::ZK), Err(FeedError::TooOld));
}
