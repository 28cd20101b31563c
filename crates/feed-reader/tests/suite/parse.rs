use crate::account::{Account, Entry};
use feed_reader::{Feed, FeedError, AI_FEED_ID, FEED_DISCRIMINATOR, FEED_LEN, HISTORY, MAX_CELLS};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

#[test]
fn constants() {
    assert_eq!(FEED_LEN, 6_728);
    assert_eq!(FEED_DISCRIMINATOR, Sha256::digest("account:Feed")[..8]);
    let id = bs58::encode(AI_FEED_ID).into_string();
    assert_eq!(id, "3v6zfT3VA2pHGEUBmtzBP5TwZ3coEiHrVTXGY1Mc4TvT");
}

#[test]
fn codes_are_stable() {
    let codes = [
        (FeedError::Length, 20_000),
        (FeedError::Discriminator, 20_001),
        (FeedError::Version, 20_002),
        (FeedError::Owner, 20_003),
        (FeedError::Id, 20_004),
        (FeedError::Corrupt, 20_005),
        (FeedError::Frozen, 20_010),
        (FeedError::NoMask, 20_011),
        (FeedError::NoEntry, 20_012),
        (FeedError::NotVerified, 20_013),
        (FeedError::TooOld, 20_014),
        (FeedError::InFuture, 20_015),
    ];
    for (error, code) in codes {
        assert_eq!(error.code(), code);
        assert_eq!(u32::from(error), code);
        assert!(error.to_string().contains(": ")); // what is wrong, and what to do
    }
}

#[test]
fn a_forged_account_is_refused() {
    let bytes = Account::new().bytes();
    assert!(Feed::from_account(&AI_FEED_ID, &bytes, &[1; 32]).is_ok());
    let mut owner = AI_FEED_ID;
    owner[31] ^= 1;
    for owner in [owner, [0; 32]] {
        let refused = Feed::from_account(&owner, &bytes, &[1; 32]);
        assert_eq!(refused.unwrap_err(), FeedError::Owner);
    }
    let mut id = [1; 32];
    for byte in 0..32 {
        id[byte] ^= 0x80;
        let refused = Feed::from_account(&AI_FEED_ID, &bytes, &id);
        assert_eq!(refused.unwrap_err(), FeedError::Id);
        id[byte] ^= 0x80;
    }
}

#[test]
fn only_a_feed_is_parsed() {
    let bytes = Account::new().bytes();
    for length in [0, 7, 8, 584, FEED_LEN - 1] {
        assert_eq!(
            Feed::parse(&bytes[..length]).unwrap_err(),
            FeedError::Length
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Feed::parse(&longer).unwrap_err(), FeedError::Length);
    for byte in 0..8 {
        let mut other = bytes.clone();
        other[byte] ^= 1;
        assert_eq!(Feed::parse(&other).unwrap_err(), FeedError::Discriminator);
    }
    for version in [0, 2, 255] {
        let other = Account {
            version,
            ..Account::new()
        };
        assert_eq!(Feed::parse(&other.bytes()).unwrap_err(), FeedError::Version);
    }
    let corrupt = [
        Account {
            entries: HISTORY as u32 + 1,
            ..Account::new()
        },
        Account {
            head: HISTORY as u32 - 1,
            entries: u32::MAX,
            ..Account::new()
        },
    ];
    for account in corrupt {
        assert_eq!(
            Feed::parse(&account.bytes()).unwrap_err(),
            FeedError::Corrupt
        );
    }
    let mut head = bytes;
    head[324] = HISTORY as u8;
    assert_eq!(Feed::parse(&head).unwrap_err(), FeedError::Corrupt);
}

#[test]
fn getters() {
    let account = Account::with([Entry {
        round: 28_333_333,
        value: 2_150,
        ..Entry::default()
    }]);
    let bytes = account.bytes();
    let feed = Feed::parse(&bytes).unwrap();
    let keys = [
        feed.id(),
        feed.network(),
        feed.model(),
        feed.creator(),
        feed.authority(),
    ];
    assert_eq!(keys, [[1; 32], [2; 32], [3; 32], [4; 32], [5; 32]]);
    assert!(!feed.is_frozen());
    assert_eq!(
        (feed.exponent(), feed.aggregation(), feed.schema()),
        (-2, 0, 3)
    );
    assert_eq!(
        (feed.round_length(), feed.created_at()),
        (60, 1_700_000_000)
    );
    assert_eq!(
        (feed.max_gap(), feed.min_signers(), feed.min_streams()),
        (120, 3, 1)
    );
    assert_eq!(
        (feed.required_mask(), feed.grace(), feed.challenge_window()),
        (5, 30, 3_600)
    );
    let cells: Vec<_> = feed.cells().collect();
    assert_eq!(cells, [0x088f_0000_0000_0000, 0x088f_0000_0000_0001]);
    assert_eq!(
        (feed.last_round(), feed.entries(), feed.ema()),
        (28_333_333, 1, 2_151)
    );

    let frozen = Account {
        state: 1,
        cell_count: 255,
        ..account
    }
    .bytes();
    let feed = Feed::parse(&frozen).unwrap();
    assert!(feed.is_frozen());
    assert_eq!(feed.cells().count(), MAX_CELLS);
}

fn read_everything(data: &[u8], now: i64, max_age: u32, min_mask: u16) {
    let Ok(feed) = Feed::parse(data) else { return };
    let _ = (
        feed.value(now, max_age, min_mask),
        feed.newest_value_unverified(),
    );
    if let Ok(values) = feed.values(now, max_age, min_mask) {
        assert!(values.count() <= feed.entries() as usize);
    }
    let _ = (
        feed.cells().count(),
        feed.exponent(),
        feed.ema(),
        feed.last_round(),
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        data in prop::collection::vec(any::<u8>(), 0..2 * FEED_LEN),
        now in any::<i64>(),
        max_age in any::<u32>(),
        min_mask in any::<u16>(),
    ) {
        read_everything(&data, now, max_age, min_mask);
    }

    #[test]
    fn arbitrary_feeds_never_panic(
        body in prop::collection::vec(any::<u8>(), FEED_LEN - 8),
        (entries, head) in (0u8..70, 0u8..70),
        now in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)],
        max_age in prop_oneof![any::<u32>(), Just(u32::MAX)],
        min_mask in 0u16..64,
    ) {
        let mut data = [&FEED_DISCRIMINATOR, body.as_slice()].concat();
        data[8] = 1; // version
        data[9] = 0; // active
        data[320..328].copy_from_slice(&[entries, 0, 0, 0, head, 0, 0, 0]);
        let possible = usize::from(entries) <= HISTORY && usize::from(head) < HISTORY;
        prop_assert_eq!(Feed::parse(&data).is_ok(), possible);
        read_everything(&data, now, max_age, min_mask);
    }
}
