//! Layouts of the accounts, byte for byte; a feed's also through the crate that consumers read it with.

use std::mem::{offset_of, size_of, size_of_val};

use ai_feed::state::{
    Attestation, AttesterBonds, BatchRecord, Entry, Feed, Model, Policy, Round, StreamSlot,
    VerifyingKey, FROZEN, RING,
};
use anchor_lang::prelude::Pubkey;
use anchor_lang::Discriminator;
use bytemuck::{bytes_of, Pod, Zeroable};
use feed_reader::{FeedError, Mask, AI_FEED_ID, FEED_DISCRIMINATOR, FEED_LEN, HISTORY, MAX_CELLS};

/// Asserts each field's offset, and that the fields fill the struct without padding.
macro_rules! assert_layout {
    ($type:ty { $($field:ident: $offset:expr),+ $(,)? } $size:expr) => {
        $(assert_eq!(offset_of!($type, $field), $offset, stringify!($field));)+
        let zeroed = <$type>::zeroed();
        let sum: usize = [$(size_of_val(&zeroed.$field)),+].iter().sum();
        assert_eq!(sum, $size, "fields");
        assert_eq!(size_of::<$type>(), $size, "size");
    };
}

#[test]
fn model() {
    assert_layout!(Model {
        version: 0, bump: 1, flags: 2, _pad: 3, hash: 8, publisher: 40, bytes: 72, _pad2: 589, id: 592,
        reserved: 624,
    } 720);
}

#[test]
fn feed() {
    assert_layout!(Feed {
        version: 0, state: 1, exponent: 2, aggregation: 3, bump: 4, cell_count: 5, schema: 6,
        id: 8, network: 40, model: 72, creator: 104, authority: 136, pending_authority: 168,
        round_length: 200, created_at: 208, max_gap: 216, min_signers: 220, min_streams: 221, required_mask: 222,
        grace: 224, challenge_window: 232, cells: 240, last_round: 304, entries: 312, head: 316, ema: 320,
        frozen_at: 328, private_model: 336, _pad: 337, slash_bps: 338, _pad2: 340, bond: 344, policy_round: 352, earlier_grace: 360,
        pending_at: 368, pending: 376, reserved: 408, ring: 576,
    } 6_720);
}

#[test]
fn entry() {
    assert_layout!(Entry {
        round: 0, value: 8, confidence: 16, ema: 24, posted_at: 32, oldest_capture: 40, newest_capture: 48,
        data_root: 56, mask: 88, attesters: 90, streams: 92, flags: 94,
    } 96);
}

#[test]
fn round() {
    assert_layout!(Round {
        version: 0, bump: 1, _pad: 2, slots: 4, feed: 8, round: 40, payer: 48, total: 80, slot: 88, policy: 9_816, reserved: 9_848,
    } 9_872);
    // What one instruction can allocate.
    const { assert!(Round::SIZE <= 10_240) };
}

#[test]
fn stream_slot() {
    assert_layout!(StreamSlot {
        stream: 0, batch_leaf: 32, allocation: 64, weighted_value: 72, windows: 80, submitted: 84, _pad: 86, passed: 88,
        oldest: 104, newest: 112, data_root: 120,
    } 152);
}

#[test]
fn attestation() {
    assert_layout!(Attestation {
        version: 0, bump: 1, windows: 2, flags: 3, batch_index: 4, feed: 8, stream: 40, pool: 72, round: 104,
        sequence: 112, batch: 120, batch_leaf: 208, outputs: 240, value: 272, mask: 280, slash_bps: 282, slot: 284,
        committee: 288, committee_epoch: 320, signers: 328, signed: 336, bond: 344, posted_at: 352, deadline: 360,
        payer: 368, message: 400, source_signers: 432, source_signed: 440,
        stopped_at: 448, committed_at: 456, stops: 464, show_by: 528, challenge_window: 536, reserved: 544,
    } 560);
}

#[test]
fn verifying_key() {
    assert_layout!(VerifyingKey {
        version: 0, bump: 1, flags: 2, shape: 3, windows: 4, reduction: 5, _pad: 6, hash: 8, network: 40, circuit: 72,
        transcript: 104, registrant: 136, registered_at: 168, active_from: 176, revoked_at: 184, alpha: 192, beta: 256,
        gamma: 384, delta: 512, ic: 640, reserved: 768,
    } 896);
}

#[test]
fn attester_bonds() {
    assert_layout!(AttesterBonds {
        version: 0, bump: 1, _pad: 2, open: 4, network: 8, pool: 40, bonded: 72, reserved: 80,
    } 144);
}

#[test]
fn policy() {
    assert_layout!(Policy {
        required_mask: 0, min_signers: 2, min_streams: 3, slash_bps: 4, _pad: 6, grace: 8, challenge_window: 16, bond: 24,
    } 32);
}

#[test]
fn batch_record() {
    assert_layout!(BatchRecord {
        readings_root: 0, windows_root: 32, readings: 64, _pad: 68, first_capture: 72, last_capture: 80,
    } 88);
}

#[test]
fn the_reader_knows_the_feed() {
    assert_eq!(Feed::DISCRIMINATOR, FEED_DISCRIMINATOR);
    assert_eq!(ai_feed::ID.to_bytes(), AI_FEED_ID);
    assert_eq!(Feed::SIZE, FEED_LEN);
    assert_eq!(RING, HISTORY);
    assert_eq!(ai_feed::state::CELLS, MAX_CELLS);
}

/// The account's data of a feed.
fn data(feed: &Feed) -> Vec<u8> {
    [Feed::DISCRIMINATOR, bytes_of(feed)].concat()
}

/// A key unlike every other.
fn key(number: u8) -> Pubkey {
    Pubkey::new_from_array([number; 32])
}

/// A feed whose fields all differ, without a round.
fn feed_of_distinct_fields() -> Feed {
    let mut feed = Feed {
        version: 1,
        exponent: -2,
        aggregation: 0,
        bump: 254,
        cell_count: 2,
        schema: 7,
        id: [1; 32],
        network: key(2),
        model: [3; 32],
        creator: key(4),
        authority: key(5),
        pending_authority: key(6),
        round_length: 60,
        created_at: 1_000,
        max_gap: 30,
        min_signers: 3,
        min_streams: 2,
        required_mask: Mask::COMMITTEE | Mask::SOURCED,
        grace: 20,
        challenge_window: 600,
        bond: 5_000,
        slash_bps: 250,
        ..Feed::zeroed()
    };
    feed.cells[..2].copy_from_slice(&[0x0812_3456, 0x0812_3457]);
    feed
}

/// The entry of a round; its fields follow from its number.
fn entry_of(round: u64) -> Entry {
    let second = round as i64 * 60;
    Entry {
        round,
        value: round as i64 * -100,
        confidence: round * 2,
        ema: round as i64 * -90,
        posted_at: second + 61,
        oldest_capture: second * 1_000,
        newest_capture: second * 1_000 + 59_000,
        data_root: [round as u8; 32],
        mask: Mask::COMMITTEE | Mask::SOURCED,
        attesters: 4,
        streams: 5,
        flags: 0,
    }
}

#[test]
fn the_reader_reads_what_the_program_writes() {
    let mut feed = feed_of_distinct_fields();
    assert_eq!(
        feed_reader::Feed::parse(&data(&feed))
            .unwrap()
            .value(1_000, 60, Mask::COMMITTEE),
        Err(FeedError::NoEntry)
    );

    // Around the ring and on: the newest is always found, and the history never skips.
    for round in 1..=100 {
        feed.record(entry_of(round)).unwrap();
        let data = data(&feed);
        let read =
            feed_reader::Feed::from_account(&ai_feed::ID.to_bytes(), &data, &feed.id).unwrap();
        let now = entry_of(round).posted_at;
        let value = read
            .value(now, 10, Mask::COMMITTEE | Mask::SOURCED)
            .unwrap();
        let entry = entry_of(round);
        assert_eq!(value.round, entry.round);
        assert_eq!(value.value, entry.value);
        assert_eq!(value.confidence, entry.confidence);
        assert_eq!(value.ema, entry.ema);
        assert_eq!(value.exponent, -2);
        assert_eq!(value.posted_at, entry.posted_at);
        assert_eq!(value.oldest_capture, entry.oldest_capture);
        assert_eq!(value.newest_capture, entry.newest_capture);
        assert_eq!(value.data_root, entry.data_root);
        assert_eq!(value.mask, entry.mask);
        assert_eq!(value.attesters, entry.attesters);
        assert_eq!(value.streams, entry.streams);
        assert!(!value.disputed);
        let rounds: Vec<u64> = read
            .values(now, u32::MAX, Mask::COMMITTEE)
            .unwrap()
            .map(|value| value.round)
            .collect();
        let expected: Vec<u64> = (1..=round).rev().take(RING).collect();
        assert_eq!(rounds, expected);
    }

    let data_of_feed = data(&feed);
    let read = feed_reader::Feed::parse(&data_of_feed).unwrap();
    assert_eq!(read.id(), feed.id);
    assert_eq!(read.network(), feed.network.to_bytes());
    assert_eq!(read.model(), feed.model);
    assert_eq!(read.creator(), feed.creator.to_bytes());
    assert_eq!(read.authority(), feed.authority.to_bytes());
    assert_eq!(read.aggregation(), feed.aggregation);
    assert_eq!(read.schema(), feed.schema);
    assert_eq!(read.round_length(), feed.round_length);
    assert_eq!(read.created_at(), feed.created_at);
    assert_eq!(read.max_gap(), feed.max_gap);
    assert_eq!(read.min_signers(), feed.min_signers);
    assert_eq!(read.min_streams(), feed.min_streams);
    assert_eq!(read.required_mask(), feed.required_mask);
    assert_eq!(read.grace(), feed.grace);
    assert_eq!(read.challenge_window(), feed.challenge_window);
    assert_eq!(read.bond(), feed.bond);
    assert_eq!(read.slash_bps(), feed.slash_bps);
    assert_eq!(read.cells().collect::<Vec<_>>(), &feed.cells[..2]);
    assert_eq!(read.last_round(), 100);
    assert_eq!(read.entries(), 64);
    assert_eq!(read.ema(), feed.ema);

    feed.state = FROZEN;
    feed.frozen_at = entry_of(99).posted_at;
    let data_of_feed = data(&feed);
    let read = feed_reader::Feed::parse(&data_of_feed).unwrap();
    assert_eq!(read.frozen_at(), feed.frozen_at);
    assert_eq!(
        read.value(6_061, 10, Mask::COMMITTEE),
        Err(FeedError::Frozen)
    );
    let values = read.values(6_061, u32::MAX, Mask::COMMITTEE).unwrap();
    assert_eq!(values.map(|value| value.round).next(), Some(99));
}

/// Every account can be made of bytes, so no layout hides padding from `bytemuck`.
#[test]
fn accounts_are_plain_bytes() {
    fn is_pod<T: Pod>() {}
    is_pod::<Model>();
    is_pod::<Feed>();
    is_pod::<Round>();
    is_pod::<Attestation>();
    is_pod::<VerifyingKey>();
    is_pod::<AttesterBonds>();
}
