//! Demand: feeds that somebody paid for weigh more, in that part of the budget alone that was paid for.
//!
//! Of a budget B, the floor F is emitted whatever is burned; only the rest, E = B − F, is there because of credits, and is
//! never more than what was burned beyond F. Owners have the part c B, operators (1 − c) B. Each part has factors of its own,
//! by just the scores that share it: those of payees, an operator's after its reputation. By all devices' scores, a feed whose
//! payees are more of those who are paid than of all who measure would get more than was burned for it.
//!
//! Who burns X for a feed has no payees earn more than X more by it. For, let T be all that was burned, w = X ÷ T, and P what
//! was burned for the feeds that have scores in a part and are below the maximum. Of the part c B, the factors give `c E w` to
//! the payees of each of these feeds, and the rest, c R with R = B − E P ÷ T, to all by their scores, where those of feeds at
//! the maximum count `max` times. As X grows by one,
//!
//! - with T < F, E is 0, and nothing grows;
//! - from there to the schedule, B = T grows by one, and nothing that it is divided into falls: E w = X − F X ÷ T does not, nor
//!   does another feed's, (1 − F ÷ T) of what was burned for it, nor R = T − P + F P ÷ T, where either T − P or P stays;
//! - beyond the schedule, B and E ≤ T − F stay: E w grows by E (T − X) ÷ T² ≤ 1, and all else falls; or, if the feed is not of
//!   those in P, R grows by E P ÷ T² ≤ 1, and all else falls.
//!
//! Where a feed comes to the maximum, what it gets by either is the same. So no payees gain more than c X of the owners' part and
//! (1 − c) X of the operators', which is X for who is both. All this is but for the rounding of factors and scores.

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
    /// The factor of each feed's scores in one part of the budget, in 2^-16, given what the scores are that share it before
    /// demand: those of the feeds in `scores`.
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
