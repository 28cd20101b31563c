//! Reputation: what everybody can see that a device or an operator did before.

use super::{of_bps, ONE};
use reward_emission::state::Scoring;
use std::collections::{BTreeMap, BTreeSet};

/// The reputation in `epoch` of who gave `honest` (the quality by epoch, in 2^-16) and was contradicted in some epochs, in
/// 2^-16. From the floor on, epoch by epoch:
/// - one in which it was contradicted halves it, down to the floor at least, for that epoch already;
/// - another one adds `⌊step × quality⌋`, up to 1 at most, for those that follow.
///
/// Who begins anew begins with the floor, so that nobody gains by it.
pub fn reputation(
    honest: &BTreeMap<u64, u64>,
    contradicted: &BTreeSet<u64>,
    epoch: u64,
    scoring: &Scoring,
) -> u64 {
    let (floor, step) = (
        of_bps(scoring.reputation_floor_bps),
        of_bps(scoring.reputation_step_bps),
    );
    let epochs: BTreeSet<u64> = honest
        .range(..epoch)
        .map(|(epoch, _)| *epoch)
        .chain(contradicted.range(..=epoch).copied())
        .collect();
    epochs.into_iter().fold(floor, |reputation, epoch| {
        if contradicted.contains(&epoch) {
            return (reputation / 2).max(floor);
        }
        let quality = honest.get(&epoch).copied().unwrap_or(0).min(ONE);
        (reputation + step * quality / ONE).min(ONE)
    })
}
