//! What an epoch's payees earned, computed from what was committed and what is on the chain and nothing else, so that
//! every operator gets the same trees.
//!
//! A device's score is `quality × coverage × tier × reputation`, each factor in 2^-16, rounded down once. Its owners and the
//! operators that committed its readings share it exactly; what an operator got so is then multiplied by the operator's own
//! reputation. What a payee so has for each feed is multiplied by the feed's demand last, among owners and among operators
//! apart: [`demand`] says why.

mod coverage;
mod demand;
mod quality;
mod reputation;

use crate::log::Session;
use crate::payload::{Reward, Rewards};
use commitment::{sum, SumNode, SumTree};
use device_protocol::Hash;
use reward_emission::state::{Scoring, FULL_BPS};
use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet, HashSet};

pub use coverage::{place, Cell};
pub use demand::Demand;
pub use quality::{expected, quality};
pub use reputation::reputation;

/// Kind of an owner in the trees.
pub const OWNER: u8 = sum::OWNER;
/// Kind of an operator.
pub const OPERATOR: u8 = sum::OPERATOR;
/// 1.0 as a factor: factors have 16 fraction bits.
pub const ONE: u64 = 1 << 16;

/// A window that was committed and verified, as scores see it. What is said of its device is as of the commitment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Committed {
    /// The number of its commitment in the order of all commitments of the network.
    pub commitment: u64,
    /// The feed's id.
    pub feed: Hash,
    /// The device's id.
    pub device: Hash,
    /// The readings.
    pub readings: Vec<Said>,
    /// The epoch in which the commitment was posted.
    pub epoch: u64,
    /// The pool of the stream's operator.
    pub pool: Hash,
    /// The device's owner.
    pub owner: Hash,
    /// Its maker.
    pub maker: Hash,
    /// Its tier.
    pub tier: u8,
    /// Its H3 cell, or 0.
    pub cell: u64,
    /// Where its leaf is: tree, index.
    pub place: (u16, u32),
    /// The bond that it asks of its owner, base units.
    pub bond: u64,
}

/// A reading of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// Its session.
    pub session: Session,
    /// Its sequence in the session: with device and session, what makes it the same reading.
    pub sequence: u64,
    /// When it was captured, unix milliseconds.
    pub captured_at: i64,
    /// Digest of what the device signed.
    pub digest: Hash,
    /// Digest of the session's grant; zero in session 0.
    pub grant: Hash,
}

impl Said {
    /// Whether a device that said this too contradicts itself, as `report_equivocation` would decide: of one session and
    /// sequence both must have one grant, or in session 0, which has none, one time.
    fn contradicts(&self, other: &Self) -> bool {
        self.digest != other.digest
            && self.grant == other.grant
            && (self.session.counter != 0 || self.captured_at == other.captured_at)
    }
}

/// By what an epoch is scored, beside what was committed.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The epoch.
    pub epoch: u64,
    /// The emission's terms.
    pub scoring: Scoring,
    /// Readings that each feed expects of a device in an epoch, by [`expected`].
    pub expected: BTreeMap<Hash, u64>,
    /// What backs each owner's devices at the epoch's end, base units.
    pub bonds: BTreeMap<Hash, u64>,
    /// Devices and pools that were slashed, and in which epochs.
    pub slashed: BTreeMap<Hash, BTreeSet<u64>>,
    /// What was paid for in the epoch.
    pub demand: Demand,
}

/// Scores by (kind, payee).
pub type Scores = BTreeMap<(u8, Hash), u64>;

/// Cumulative amounts in base units, by (kind, payee).
pub type Granted = BTreeMap<(u8, Hash), u64>;

/// A factor in 2^-16, rounded down.
fn of_bps(bps: u16) -> u64 {
    u64::from(bps) * ONE / u64::from(FULL_BPS)
}

/// Readings of a window that count: those that no earlier commitment had.
struct Counted<'a> {
    window: &'a Committed,
    readings: u64,
}

/// Readings that count, by device and pool, epoch and feed, and where devices contradicted themselves.
#[derive(Default)]
struct Record {
    devices: BTreeMap<Hash, BTreeMap<u64, BTreeMap<Hash, u64>>>,
    pools: BTreeMap<Hash, BTreeSet<u64>>,
    contradicted: BTreeMap<Hash, BTreeSet<u64>>,
}

/// What a device gave in the epoch.
struct Given<'a> {
    /// The last of its windows, which says whose and where it is.
    last: &'a Committed,
    readings: u64,
    feeds: BTreeMap<Hash, u64>,
    /// Readings by owner and feed.
    owners: BTreeMap<(Hash, Hash), u64>,
    /// Readings by pool and feed.
    pools: BTreeMap<(Hash, Hash), u64>,
}

/// The scores of an epoch's `payees`. `windows` are all that were committed up to its end, in any order.
///
/// A reading counts once a network, where it was committed first (in one commitment, for the feed with the lowest id): for
/// its device's owner and for the operator alike. It counts for nobody if the owner's bond does not reach as far as its
/// device.
///
/// Returns `None` when a sum does not fit.
pub fn scores(windows: &[Committed], terms: &Terms, payees: &[Payee]) -> Option<Scores> {
    let (counted, record) = count(windows, terms.epoch);
    let devices = device_scores(given(&counted, terms), &record, terms)?;
    let paid: HashSet<(u8, Hash)> = payees.iter().map(|payee| (payee.kind, payee.key)).collect();
    let mut scores = Scores::new();
    for kind in [OWNER, OPERATOR] {
        // Before demand, by payee and feed.
        let mut before: BTreeMap<(Hash, Hash), u64> = BTreeMap::new();
        for (score, given) in &devices {
            let readings = if kind == OWNER {
                &given.owners
            } else {
                &given.pools
            };
            for ((payee, feed), part) in split(*score, readings, given.readings) {
                if paid.contains(&(kind, payee)) {
                    let sum = before.entry((payee, feed)).or_default();
                    *sum = sum.checked_add(part)?;
                }
            }
        }
        if kind == OPERATOR {
            for ((pool, _), score) in &mut before {
                *score = times(*score, pool_reputation(pool, &record, terms))?;
            }
        }
        let mut by_feed: BTreeMap<Hash, u64> = BTreeMap::new();
        for ((_, feed), score) in &before {
            let sum = by_feed.entry(*feed).or_default();
            *sum = sum.checked_add(*score)?;
        }
        let max = terms.scoring.max_demand_bps;
        let demands = terms.demand.factors(&by_feed, max)?;
        let mut sums: BTreeMap<Hash, u128> = BTreeMap::new();
        for ((payee, feed), score) in before {
            let weighed = u128::from(score) * u128::from(*demands.get(&feed)?);
            let sum = sums.entry(payee).or_default();
            *sum = sum.checked_add(weighed)?;
        }
        for (payee, sum) in sums {
            scores.insert((kind, payee), u64::try_from(sum >> 16).ok()?);
        }
    }
    scores.retain(|_, score| *score > 0);
    Some(scores)
}

/// ⌊score × factor⌋ of a factor in 2^-16.
fn times(score: u64, factor: u64) -> Option<u64> {
    u64::try_from((u128::from(score) * u128::from(factor)) >> 16).ok()
}

/// What devices score, before demand, and what they gave.
fn device_scores<'a>(
    devices: BTreeMap<&'a Hash, Given<'a>>,
    record: &Record,
    terms: &Terms,
) -> Option<Vec<(u64, Given<'a>)>> {
    let scoring = &terms.scoring;
    let qualities: BTreeMap<&Hash, u64> = devices
        .iter()
        .map(|(device, given)| (*device, quality(&given.feeds, &terms.expected)))
        .collect();
    let mut cells: BTreeMap<u64, Cell> = BTreeMap::new();
    for (device, given) in &devices {
        let cell = place(given.last.cell, scoring.cell_resolution);
        let quality = qualities.get(device).copied().unwrap_or(0);
        let (owner, maker) = (given.last.owner, given.last.maker);
        cells.entry(cell).or_default().add(quality, owner, maker);
    }
    let coverages: BTreeMap<u64, u64> = cells
        .iter()
        .map(|(cell, devices)| (*cell, devices.coverage(scoring)))
        .collect();

    let score = |(device, given): (&'a Hash, Given<'a>)| {
        let quality = qualities.get(device).copied().unwrap_or(0);
        let cell = place(given.last.cell, scoring.cell_resolution);
        let coverage = coverages.get(&cell).copied().unwrap_or(0);
        let tier = scoring.tiers_bps.get(usize::from(given.last.tier));
        let product = [
            quality,
            coverage,
            of_bps(tier.copied().unwrap_or(0)),
            device_reputation(device, record, terms),
        ]
        .into_iter()
        .map(u128::from)
        .product::<u128>(); // each is below 2^18
        Some((u64::try_from(product >> 48).ok()?, given))
    };
    devices.into_iter().map(score).collect()
}

/// Which readings count, of windows committed up to `epoch`.
fn count(windows: &[Committed], epoch: u64) -> (Vec<Counted<'_>>, Record) {
    let mut windows: Vec<&Committed> = windows
        .iter()
        .filter(|window| window.epoch <= epoch)
        .collect();
    windows.sort();
    let mut said: HashMap<(Hash, Session, u64), &Said> = HashMap::new();
    let mut counted = Vec::new();
    let mut record = Record::default();
    for window in windows {
        let mut readings = 0;
        for reading in &window.readings {
            match said.entry((window.device, reading.session, reading.sequence)) {
                Entry::Vacant(vacant) => {
                    vacant.insert(reading);
                    readings += 1;
                }
                Entry::Occupied(first) if first.get().contradicts(reading) => {
                    let epochs = record.contradicted.entry(window.device).or_default();
                    epochs.insert(window.epoch);
                }
                Entry::Occupied(_) => {}
            }
        }
        if readings == 0 {
            continue;
        }
        let epochs = record.devices.entry(window.device).or_default();
        let feeds = epochs.entry(window.epoch).or_default();
        *feeds.entry(window.feed).or_default() += readings;
        record
            .pools
            .entry(window.pool)
            .or_default()
            .insert(window.epoch);
        if window.epoch == epoch {
            counted.push(Counted { window, readings });
        }
    }
    (counted, record)
}

/// What each device gave in the epoch, of those that a bond stands behind.
fn given<'a>(counted: &[Counted<'a>], terms: &Terms) -> BTreeMap<&'a Hash, Given<'a>> {
    let backed = backed(counted, &terms.bonds);
    let mut devices: BTreeMap<&Hash, Given> = BTreeMap::new();
    for Counted { window, readings } in counted {
        if !backed.contains(&(window.owner, window.place)) {
            continue;
        }
        let given = devices.entry(&window.device).or_insert_with(|| Given {
            last: window,
            readings: 0,
            feeds: BTreeMap::new(),
            owners: BTreeMap::new(),
            pools: BTreeMap::new(),
        });
        given.last = window;
        given.readings += readings;
        *given.feeds.entry(window.feed).or_default() += readings;
        let (owner, pool) = ((window.owner, window.feed), (window.pool, window.feed));
        *given.owners.entry(owner).or_default() += readings;
        *given.pools.entry(pool).or_default() += readings;
    }
    devices
}

/// The devices, by owner and place, that a bond stands behind: of each owner's devices in these windows, in the order of
/// their places, those whose bond is left of the owner's.
fn backed(counted: &[Counted], bonds: &BTreeMap<Hash, u64>) -> HashSet<(Hash, (u16, u32))> {
    let devices: BTreeMap<_, _> = counted
        .iter()
        .map(|Counted { window, .. }| ((window.owner, window.place), window.bond))
        .collect();
    let mut left = bonds.clone();
    let mut backed = HashSet::new();
    for ((owner, place), bond) in devices {
        let left = left.entry(owner).or_default();
        if let Some(rest) = left.checked_sub(bond) {
            *left = rest;
            backed.insert((owner, place));
        }
    }
    backed
}

fn device_reputation(device: &Hash, record: &Record, terms: &Terms) -> u64 {
    let honest: BTreeMap<u64, u64> = record
        .devices
        .get(device)
        .into_iter()
        .flatten()
        .map(|(epoch, feeds)| (*epoch, quality(feeds, &terms.expected)))
        .collect();
    let contradicted = [&record.contradicted, &terms.slashed]
        .into_iter()
        .filter_map(|epochs| epochs.get(device))
        .flatten()
        .copied()
        .collect();
    reputation(&honest, &contradicted, terms.epoch, &terms.scoring)
}

fn pool_reputation(pool: &Hash, record: &Record, terms: &Terms) -> u64 {
    let epochs = record.pools.get(pool).into_iter().flatten();
    let honest = epochs.map(|epoch| (*epoch, ONE)).collect();
    let slashed = terms.slashed.get(pool).cloned().unwrap_or_default();
    reputation(&honest, &slashed, terms.epoch, &terms.scoring)
}

/// Splits a score by readings, in the order of keys, so that the parts sum to it: each is what
/// `⌊score × readings so far ÷ all⌋` grows by.
fn split(
    score: u64,
    readings: &BTreeMap<(Hash, Hash), u64>,
    all: u64,
) -> impl Iterator<Item = ((Hash, Hash), u64)> + '_ {
    let (mut so_far, mut given) = (0u64, 0u64);
    readings.iter().map(move |(key, readings)| {
        so_far += readings; // all of them fit
        let sum = (u128::from(score) * u128::from(so_far))
            .checked_div(u128::from(all))
            .and_then(|sum| u64::try_from(sum).ok())
            .unwrap_or(score);
        let part = sum - given;
        given = sum;
        (*key, part)
    })
}

/// A payee's place in the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payee {
    /// 0 for an owner, 1 for an operator.
    pub kind: u8,
    /// Its index.
    pub index: u32,
    /// The owner, or the operator's pool.
    pub key: Hash,
}

/// An epoch's reward leaves: each payee's cumulative amount before, and ⌊part × score ÷ total score of its kind⌋ more,
/// where the operators' part of the budget and the owners' (the rest) are the chain's. What floors leave over, or a kind
/// without a score does not earn, is not emitted.
///
/// Returns `None` when an amount does not fit.
pub fn rewards(
    epoch: u64,
    scores: &Scores,
    payees: &[Payee],
    previous: &Granted,
    owners_part: u64,
    operators_part: u64,
) -> Option<Rewards> {
    let score_of = |payee: &Payee| scores.get(&(payee.kind, payee.key)).copied().unwrap_or(0);
    let mut totals = [0u64; 2];
    for payee in payees {
        let total = totals.get_mut(usize::from(payee.kind))?;
        *total = total.checked_add(score_of(payee))?;
    }
    let parts = [owners_part, operators_part];
    let mut entries = Vec::new();
    for payee in payees {
        let kind = usize::from(payee.kind);
        let score = score_of(payee);
        let earned = (u128::from(*parts.get(kind)?) * u128::from(score))
            .checked_div(u128::from(*totals.get(kind)?))
            .unwrap_or(0);
        let before = previous.get(&(payee.kind, payee.key)).copied().unwrap_or(0);
        let cumulative = before.checked_add(u64::try_from(earned).ok()?)?;
        if score > 0 || cumulative > 0 {
            entries.push(Reward {
                kind: payee.kind,
                index: payee.index,
                payee: payee.key,
                score,
                cumulative,
            });
        }
    }
    entries.sort_by_key(|entry| (entry.kind, entry.index));
    let most = payees.iter().map(|payee| payee.index).max().unwrap_or(0);
    // Each kind has half of the leaves.
    let depth = (u32::BITS - most.leading_zeros()) + 1;
    Some(Rewards {
        epoch,
        depth: u8::try_from(depth).ok()?,
        entries,
    })
}

/// The score tree and the reward tree of an epoch.
///
/// # Errors
/// [`commitment::ProofError`] when two entries share a place, or a sum does not fit.
pub fn trees(rewards: &Rewards) -> Result<(SumTree, SumTree), commitment::ProofError> {
    let tree = |leaf: fn(&Reward) -> SumNode| {
        let leaves = rewards
            .entries
            .iter()
            .map(|entry| (entry.kind, entry.index, leaf(entry)));
        SumTree::new(u32::from(rewards.depth), leaves)
    };
    Ok((
        tree(|entry| sum::score_leaf(&entry.payee, entry.score))?,
        tree(|entry| sum::reward_leaf(&entry.payee, entry.cumulative))?,
    ))
}
