//! A feed's account, as a consumer's program reads it. Input: now i64, max_age u32, min_mask u16, the account's data.
#![no_main]

use feed_reader::{Feed, FeedError, AI_FEED_ID, HISTORY, MAX_CELLS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, data)) = bytes.split_first_chunk::<14>() else {
        return;
    };
    let [a, b, c, d, e, f, g, h, age @ .., low, high] = *head;
    let now = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let max_age = u32::from_le_bytes(age);
    let min_mask = u16::from_le_bytes([low, high]);

    let Ok(feed) = Feed::parse(data) else {
        return;
    };
    assert!(Feed::from_account(&AI_FEED_ID, data, &feed.id()).is_ok());
    assert_eq!(
        Feed::from_account(&[0; 32], data, &feed.id()).err(),
        Some(FeedError::Owner)
    );
    assert!(feed.cells().count() <= MAX_CELLS);
    let _ = (feed.newest_value_unverified(), feed.ema(), feed.exponent());
    let Ok(values) = feed.values(now, max_age, min_mask) else {
        assert_eq!(feed.value(now, max_age, min_mask).err(), Some(if feed.is_frozen() {
            FeedError::Frozen
        } else {
            FeedError::NoMask
        }));
        return;
    };
    let values: Vec<_> = values.collect();
    assert!(values.len() <= HISTORY);
    for value in &values {
        let age = i128::from(now) - i128::from(value.newest_capture.div_euclid(1_000));
        assert!(value.mask & min_mask == min_mask && !value.disputed);
        assert!((0..=i128::from(max_age)).contains(&age));
    }
    if let Ok(value) = feed.value(now, max_age, min_mask) {
        assert!(!feed.is_frozen());
        assert_eq!(values.first(), Some(&value));
    }
});
