//! What agents say, as the worker's scores see it.

use super::world::Device;
use anchor_lang::prelude::Pubkey;
use device_protocol::Hash;
use fieldproof_worker::log::Session;
use fieldproof_worker::score::{self, Committed, Demand, Payee, Said, Scores, Terms};
use reward_emission::instructions::ScoringArgs;
use std::collections::{BTreeMap, BTreeSet};

/// Readings of a window; one window an epoch is all that is expected of a device here.
const READINGS: u64 = 16;

/// By what readings are scored: what `migrate` takes by default.
pub const SCORING: ScoringArgs = ScoringArgs {
    tiers_bps: [2_500, 7_500, 10_000, 10_000],
    cell_resolution: 7,
    cell_capacity: 16,
    cell_target: 4,
    scarcity_bps: 5_000,
    full_owners: 3,
    reputation_floor_bps: 5_000,
    reputation_step_bps: 500,
    max_demand_bps: 30_000,
};

/// A window of a device that an operator's pool committed to in an epoch, as the `commitment`th.
pub fn window(
    feed: Hash,
    device: &Device,
    (pool, epoch, commitment): (&Pubkey, u64, u64),
    bond: u64,
    first: u64,
) -> Committed {
    let leaf = &device.registered;
    Committed {
        commitment: (epoch << 32) + commitment,
        feed,
        device: leaf.device,
        readings: (first..first + READINGS)
            .map(|sequence| Said {
                session: Session {
                    leaf_nonce: 0,
                    counter: 0,
                },
                sequence,
                captured_at: sequence as i64,
                digest: [sequence as u8; 32],
                grant: [0; 32],
            })
            .collect(),
        epoch,
        pool: pool.to_bytes(),
        owner: leaf.owner.to_bytes(),
        maker: leaf.maker.to_bytes(),
        tier: leaf.tier,
        cell: leaf.cell,
        place: (leaf.tree_index, leaf.index),
        bond,
    }
}

/// The scores of an epoch, by the worker's own code.
pub fn scores(
    windows: &[Committed],
    feeds: [Hash; 2],
    epoch: u64,
    bonds: BTreeMap<Hash, u64>,
    slashed: &BTreeMap<Hash, BTreeSet<u64>>,
    demand: Demand,
    payees: &[Payee],
) -> Option<Scores> {
    let terms = Terms {
        epoch,
        scoring: SCORING.into(),
        expected: feeds.map(|feed| (feed, READINGS)).into(),
        bonds,
        slashed: slashed.clone(),
        demand,
    };
    score::scores(windows, &terms, payees)
}
