//! Coverage: what a device's place is worth, by who else measures there.

use super::{of_bps, ONE};
use device_protocol::Hash;
use h3o::{CellIndex, Resolution};
use reward_emission::state::Scoring;
use std::collections::{BTreeMap, BTreeSet};

/// What measures in one cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// The sum of the devices' qualities, in 2^-16: how many full devices they are.
    load: u64,
    /// Of which makers each owner has devices there that gave at least half of what is expected.
    makers: BTreeMap<Hash, BTreeSet<Hash>>,
}

/// The cell in which a device of `cell` is counted: its parent of this resolution. A coarser one is counted by itself,
/// and all that are in no cell together, in cell 0.
pub fn place(cell: u64, resolution: u8) -> u64 {
    let Ok(index) = CellIndex::try_from(cell) else {
        return 0;
    };
    let parent = Resolution::try_from(resolution)
        .ok()
        .and_then(|resolution| index.parent(resolution));
    u64::from(parent.unwrap_or(index))
}

impl Cell {
    /// Counts a device.
    pub fn add(&mut self, quality: u64, owner: Hash, maker: Hash) {
        self.load = self.load.saturating_add(quality);
        if quality >= ONE / 2 {
            self.makers.entry(owner).or_default().insert(maker);
        }
    }

    /// The coverage of each device here, in 2^-16: `⌊density × k ÷ full_owners⌋`, where k, from 1 to full_owners, is to
    /// how many owners one can assign as many makers of their devices.
    pub fn coverage(&self, scoring: &Scoring) -> u64 {
        let full = usize::from(scoring.full_owners).max(1);
        let owners = self.distinct(full).max(1);
        // The density is at most 2, and there are at most 16 owners.
        self.density(scoring) * owners as u64 / full as u64
    }

    /// What a full device here is worth by how many there are (n, in 2^-16), in 2^-16:
    /// - beyond the capacity, `⌊capacity ÷ n⌋`: the cell as a whole earns no more than its capacity;
    /// - below the target, `⌊1 + scarcity × (target − n) ÷ target⌋`;
    /// - else 1.
    fn density(&self, scoring: &Scoring) -> u64 {
        let one = u128::from(ONE);
        let [capacity, target] =
            [scoring.cell_capacity, scoring.cell_target].map(|devices| u128::from(devices) * one);
        let load = u128::from(self.load);
        let density = if load > capacity {
            capacity * one / load
        } else if load < target {
            one + u128::from(of_bps(scoring.scarcity_bps)) * (target - load) / target
        } else {
            one
        };
        u64::try_from(density).unwrap_or(ONE)
    }

    /// To how many owners one can assign as many makers of their devices; no more than `most` are looked for.
    fn distinct(&self, most: usize) -> usize {
        let mut assigned = BTreeMap::new();
        for owner in self.makers.keys() {
            if assigned.len() >= most {
                break;
            }
            self.assign(owner, &mut assigned, &mut BTreeSet::new());
        }
        assigned.len()
    }

    /// Assigns a maker to `owner`, and if need be others to those that have one, none of those `tried` before: an
    /// augmenting path of a bipartite matching. Owners that have one are fewer than those looked for, so it is short.
    fn assign<'a>(
        &'a self,
        owner: &'a Hash,
        assigned: &mut BTreeMap<&'a Hash, &'a Hash>,
        tried: &mut BTreeSet<&'a Hash>,
    ) -> bool {
        for maker in self.makers.get(owner).into_iter().flatten() {
            if !tried.insert(maker) {
                continue;
            }
            let free = match assigned.get(maker).copied() {
                None => true,
                Some(holder) => self.assign(holder, assigned, tried),
            };
            if free {
                assigned.insert(maker, owner);
                return true;
            }
        }
        false
    }
}
