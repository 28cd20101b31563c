//! Demand: feeds that somebody paid for weigh more, in that part of the budget alone that was paid for.
//!
//! Of a budget B, the floor F is emitted whatever is burned; only the rest, E = B − F, is there because of credits, and is
//! never more than what was burned beyond F. A feed whose devices have the share s of all scores before demand, and which
//! got the share w of all that was burned, earns `R × s + E × w`, where R is what the other feeds' E × w leave of B. What would
//! make more of its scores than `max` times as much is left to all. Let T be all that was burned, X of it for this feed: then
//! what the feed earns grows by no more than X grows. For E × w = (T − F) X ÷ T grows by 1 − (F ÷ T) (1 − X ÷ T), and R × s,
//! with the r that was burned for nothing in particular or beyond the maximum, by at most s r F ÷ T², where r ≤ T − X.

use super::{of_bps, ONE};
use device_protocol::Hash;
use std::collections::BTreeMap;

/// 1.0 as a share, which has 24 fraction bits.
const WHOLE: u128 = 1 << 24;

/// What was paid for in an epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// What the epoch emits, base units.
    pub budget: u64,
    /// What of it is emitted whatever is burned, base units.
    pub floor: u64,
    /// What was burned for the credits spent in it, whatever for, base units.
    pub burned: u64,
    /// What of that was for credits spent on each feed.
    pub feeds: BTreeMap<Hash, u64>,
}

/// A feed that was paid for.
struct Paid {
    feed: Hash,
    /// Its share of all that was burned.
    share: u128,
    /// Its scores before demand; at least 1.
    score: u128,
}

impl Demand {
    /// The factor of each feed's scores, in 2^-16, given what they are before it: those of the feeds in `scores`.
    ///
    /// `1 + ⌊e × w × (Σ scores + (max − 1) × Σ scores of feeds at the maximum) ÷ ((1 − e × Σ w of the others) × scores)⌋`
    /// with `e = E ÷ B` and `w` rounded down to 2^-24; at the maximum are as few feeds as can be, those with the largest
    /// `w ÷ scores`.
    ///
    /// Returns `None` when a product does not fit.
    pub fn factors(
        &self,
        scores: &BTreeMap<Hash, u64>,
        max_demand_bps: u16,
    ) -> Option<BTreeMap<Hash, u64>> {
        let one = u128::from(ONE);
        let most = u128::from(of_bps(max_demand_bps)).saturating_sub(one);
        let excess = share(self.budget.saturating_sub(self.floor), self.budget);
        let mut paid: Vec<Paid> = scores
            .iter()
            .map(|(feed, score)| Paid {
                feed: *feed,
                share: share(self.feeds.get(feed).copied().unwrap_or(0), self.burned),
                score: u128::from(*score),
            })
            .filter(|paid| paid.share > 0 && paid.score > 0)
            .collect();
        // Below 2^88 each.
        paid.sort_by_key(|paid| paid.feed);
        paid.sort_by(|a, b| (b.share * a.score).cmp(&(a.share * b.score)));

        let total: u128 = scores.values().copied().map(u128::from).sum();
        let mut weight = total.checked_mul(one)?;
        let mut shares: u128 = paid.iter().map(|paid| paid.share).sum();
        let mut factors: BTreeMap<Hash, u64> = scores.keys().map(|feed| (*feed, ONE)).collect();
        let mut at_most = true;
        for Paid { feed, share, score } in paid {
            let more = (excess * share).checked_mul(weight)?;
            let rest = (WHOLE * WHOLE).checked_sub(excess * shares)?;
            let extra = more.checked_div(rest.checked_mul(score)?);
            at_most = at_most && extra.is_none_or(|extra| extra > most);
            let extra = if at_most {
                weight = weight.checked_add(most.checked_mul(score)?)?;
                shares -= share; // it was summed
                most
            } else {
                extra?
            };
            factors.insert(feed, u64::try_from(one + extra).ok()?);
        }
        Some(factors)
    }
}

/// ⌊part ÷ of⌋ in 2^-24, at most 1; 0 of nothing.
fn share(part: u64, of: u64) -> u128 {
    (u128::from(part) * WHOLE)
        .checked_div(u128::from(of))
        .unwrap_or(0)
        .min(WHOLE)
}
