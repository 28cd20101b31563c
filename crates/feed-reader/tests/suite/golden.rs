use feed_reader::{Feed, Value, AI_FEED_ID};
use serde::Deserialize;

/// feed.json: what a reader in any language finds in feed.hex.
#[derive(Deserialize)]
struct Golden {
    id: String,
    network: String,
    model: String,
    creator: String,
    authority: String,
    exponent: i8,
    aggregation: u8,
    schema: u16,
    round_length: i64,
    created_at: i64,
    max_gap: u32,
    min_signers: u8,
    min_streams: u8,
    required_mask: u16,
    grace: i64,
    challenge_window: i64,
    cells: Vec<String>,
    last_round: u64,
    entries: u32,
    ema: i64,
    frozen_at: i64,
    newest_value_unverified: Expected,
    reads: Vec<Read>,
}

#[derive(Deserialize)]
struct Read {
    now: i64,
    max_age: u32,
    min_mask: u16,
    value: Option<Expected>,
    error: Option<u32>,
}

#[derive(Deserialize)]
struct Expected {
    round: u64,
    value: i64,
    confidence: u64,
    ema: i64,
    posted_at: i64,
    oldest_capture: i64,
    newest_capture: i64,
    data_root: String,
    mask: u16,
    attesters: u16,
    streams: u16,
    disputed: bool,
}

impl Expected {
    fn check(&self, value: &Value) {
        assert_eq!(
            (value.round, value.value, value.confidence, value.ema),
            (self.round, self.value, self.confidence, self.ema)
        );
        assert_eq!(
            (value.posted_at, value.oldest_capture, value.newest_capture),
            (self.posted_at, self.oldest_capture, self.newest_capture)
        );
        assert_eq!(hex::encode(value.data_root), self.data_root);
        assert_eq!(
            (value.mask, value.attesters, value.streams, value.disputed),
            (self.mask, self.attesters, self.streams, self.disputed)
        );
    }
}

#[test]
fn golden_account() {
    let bytes = hex::decode(include_str!("../golden/feed.hex").trim()).unwrap();
    let golden: Golden = serde_json::from_str(include_str!("../golden/feed.json")).unwrap();
    let id = hex::decode(&golden.id).unwrap().try_into().unwrap();
    let feed = Feed::from_account(&AI_FEED_ID, &bytes, &id).unwrap();
    let keys = [
        feed.network(),
        feed.model(),
        feed.creator(),
        feed.authority(),
    ]
    .map(hex::encode);
    assert_eq!(
        keys,
        [
            golden.network,
            golden.model,
            golden.creator,
            golden.authority
        ]
    );
    assert_eq!(
        (feed.exponent(), feed.aggregation(), feed.schema()),
        (golden.exponent, golden.aggregation, golden.schema)
    );
    assert_eq!(
        (feed.round_length(), feed.created_at(), feed.max_gap()),
        (golden.round_length, golden.created_at, golden.max_gap)
    );
    assert_eq!(
        (feed.min_signers(), feed.min_streams(), feed.required_mask()),
        (golden.min_signers, golden.min_streams, golden.required_mask)
    );
    assert_eq!(
        (feed.grace(), feed.challenge_window()),
        (golden.grace, golden.challenge_window)
    );
    let cells: Vec<_> = feed.cells().map(|cell| format!("{cell:x}")).collect();
    assert_eq!(cells, golden.cells);
    assert_eq!(
        (feed.last_round(), feed.entries(), feed.ema()),
        (golden.last_round, golden.entries, golden.ema)
    );
    assert_eq!(feed.frozen_at(), golden.frozen_at);
    let newest = feed.newest_value_unverified().unwrap();
    golden.newest_value_unverified.check(&newest);

    for read in &golden.reads {
        match feed.value(read.now, read.max_age, read.min_mask) {
            Ok(value) => {
                assert_eq!(value.exponent, golden.exponent);
                read.value
                    .as_ref()
                    .expect("the read should fail")
                    .check(&value);
            }
            Err(error) => assert_eq!(Some(error.code()), read.error),
        }
    }
}
