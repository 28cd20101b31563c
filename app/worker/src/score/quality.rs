//! Quality: how much of what its feeds expect a device gave.

use super::ONE;
use ai_feed::state::Feed;
use commitment::READINGS_PER_WINDOW;
use device_protocol::Hash;
use std::collections::BTreeMap;

/// Readings that a feed expects of a device in an epoch of `epoch_length` seconds: as many as its windows take, at the
/// slowest pace that its gap allows.
///
/// `min(16 × ⌊epoch ÷ round⌋, ⌊epoch ÷ largest gap⌋)`, and at least 1.
pub fn expected(feed: &Feed, epoch_length: i64) -> u64 {
    let times = |seconds: i64| {
        let times = epoch_length.checked_div(seconds).unwrap_or(0);
        u64::try_from(times).unwrap_or(0)
    };
    let of_rounds = times(feed.round_length).saturating_mul(READINGS_PER_WINDOW as u64);
    of_rounds.min(times(i64::from(feed.max_gap))).max(1)
}

/// The quality of a device with these readings by feed, in 2^-16: `Σ ⌊readings × 2^16 ÷ expected⌋` over its feeds, at most 1.
pub fn quality(readings: &BTreeMap<Hash, u64>, expected: &BTreeMap<Hash, u64>) -> u64 {
    let shares = readings.iter().filter_map(|(feed, readings)| {
        let expected = u128::from(*expected.get(feed)?);
        (u128::from(*readings) * u128::from(ONE)).checked_div(expected)
    });
    // No more than 2^64 feeds of 2^80 each.
    let sum: u128 = shares.sum();
    u64::try_from(sum).unwrap_or(ONE).min(ONE)
}
