//! An oracle's account that says what a test wants, made of one that Switchboard's own crate wrote.

use crate::Harness;
use ::oracle::{ON_DEMAND_ID, ON_DEMAND_LEN, V2_LEN};
use anchor_lang::prelude::{Clock, Pubkey};
use fieldproof_client::chain::Chain;
use reward_emission::instructions::TermsArgs;
use solana_account::Account;

/// A PullFeed with answers of five oracles.
const FEED: &[u8; ON_DEMAND_LEN] = include_bytes!("../../crates/oracle/vectors/on-demand.bin");
/// An aggregator of Switchboard V2 with answers of five oracles, which asks for three.
const AGGREGATOR: &[u8; V2_LEN] = include_bytes!("../../crates/oracle/vectors/v2.bin");
/// The queue that both are of.
const QUEUE: [u8; 32] = [0x51; 32];
/// What their oracles were asked.
const JOBS: [u8; 32] = [0x70; 32];
/// Oracles that have answered.
pub const ANSWERS: usize = 5;
/// A dollar as oracles answer.
pub const DOLLAR: i128 = 1_000_000_000_000_000_000;

/// Terms by which an account of [`put_price`] is taken: at least three oracles, within 2%, of the last minute.
pub fn terms(oracle: &Pubkey, registration: u64, feed: u64) -> TermsArgs {
    TermsArgs {
        format: 1,
        oracle: *oracle,
        queue: QUEUE.into(),
        jobs: JOBS,
        max_age_slots: 150,
        max_age_seconds: 60,
        min_oracles: 3,
        max_deviation_bps: 200,
        registration,
        feed,
    }
}

/// As [`terms`], by which an account of [`answered_v2`] is taken.
pub fn terms_v2(oracle: &Pubkey, registration: u64, feed: u64) -> TermsArgs {
    TermsArgs {
        format: 2,
        ..terms(oracle, registration, feed)
    }
}

/// Writes the answers of five oracles, given now, to the account at `key`.
pub fn put_price(harness: &Harness, key: &Pubkey, answers: [i128; ANSWERS]) {
    let clock = harness.chain.clock().expect("clock");
    put(harness, key, answered(&clock, answers), ON_DEMAND_ID.into());
}

/// The bytes of an oracle's account with the answers of five oracles, given at `clock`.
pub fn answered(clock: &Clock, answers: [i128; ANSWERS]) -> Vec<u8> {
    let mut data = FEED.to_vec();
    for (number, answer) in answers.into_iter().enumerate() {
        let at = 8 + 64 * number;
        let slot = clock.slot.max(1).to_le_bytes();
        data[at + 32..at + 40].copy_from_slice(&slot);
        data[at + 40..at + 48].copy_from_slice(&slot);
        data[at + 48..at + 64].copy_from_slice(&answer.to_le_bytes());
    }
    // The first without a slot ends them.
    let end = 8 + 64 * ANSWERS + 32;
    data[end..end + 8].fill(0);
    data[2_216..2_224].copy_from_slice(&clock.unix_timestamp.to_le_bytes());
    data
}

/// The bytes of an aggregator whose round of five answers was opened at `clock`: their median is 2.110000000123…
/// dollars, the farthest of them 2.13.
pub fn answered_v2(clock: &Clock) -> Vec<u8> {
    let mut data = AGGREGATOR.to_vec();
    data[350..358].copy_from_slice(&clock.slot.to_le_bytes());
    data[358..366].copy_from_slice(&clock.unix_timestamp.to_le_bytes());
    data
}

/// Writes an account of the chain's.
pub fn put(harness: &Harness, key: &Pubkey, data: Vec<u8>, owner: Pubkey) {
    let account = Account {
        lamports: harness.chain.rent(data.len()).expect("rent"),
        data,
        owner,
        executable: false,
        rent_epoch: u64::MAX,
    };
    harness.chain.set_account(key, account);
}
