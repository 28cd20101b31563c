//! What an epoch's payees earned, computed from what was committed and nothing else, so that every operator gets the
//! same trees.

use crate::log::Session;
use crate::payload::{Reward, Rewards};
use commitment::{sum, SumNode, SumTree};
use device_protocol::Hash;
use std::collections::{BTreeMap, HashSet};

/// Kind of an owner in the trees.
pub const OWNER: u8 = sum::OWNER;
/// Kind of an operator.
pub const OPERATOR: u8 = sum::OPERATOR;

/// A reading that was committed and verified, as scores see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The pool of the stream's operator.
    pub pool: Hash,
    /// The device's owner.
    pub owner: Hash,
    /// What makes the reading the same one: device, session, sequence.
    pub key: (Hash, Session, u64),
    /// When its commitment was posted, unix seconds.
    pub posted_at: i64,
    /// Where the device's leaf is: tree, index.
    pub place: (u16, u32),
    /// The bond that the device asks of its owner, base units.
    pub bond: u64,
}

/// Scores by (kind, payee).
pub type Scores = BTreeMap<(u8, Hash), u64>;

/// Cumulative amounts in base units, by (kind, payee).
pub type Granted = BTreeMap<(u8, Hash), u64>;

/// The scores of the epoch `[start, end)` (unix seconds). `readings` are all that were ever committed, in the order of
/// their commitments: a reading counts once a network, where it was committed first, for its device's owner and for the
/// operator alike. It counts for nobody if the owner's bond (`bonds`, base units) does not reach as far as its device.
pub fn scores(
    readings: impl IntoIterator<Item = Committed>,
    bonds: &BTreeMap<Hash, u64>,
    start: i64,
    end: i64,
) -> Scores {
    let mut seen = HashSet::new();
    let mut counted = Vec::new();
    for reading in readings {
        if reading.posted_at < end && seen.insert(reading.key) && reading.posted_at >= start {
            counted.push(reading);
        }
    }
    let backed = backed(&counted, bonds);
    let mut scores = Scores::new();
    for reading in counted {
        if backed.contains(&(reading.owner, reading.place)) {
            for payee in [(OWNER, reading.owner), (OPERATOR, reading.pool)] {
                *scores.entry(payee).or_default() += 1;
            }
        }
    }
    scores
}

/// The devices, by owner and place, that a bond stands behind: of each owner's devices in these readings, in the order of
/// their places, those whose bond is left of the owner's.
fn backed(readings: &[Committed], bonds: &BTreeMap<Hash, u64>) -> HashSet<(Hash, (u16, u32))> {
    let devices: BTreeMap<_, _> = readings
        .iter()
        .map(|reading| ((reading.owner, reading.place), reading.bond))
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
