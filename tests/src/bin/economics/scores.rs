//! What agents say, as the worker's scores see it.

use super::world::Device;
use anchor_lang::prelude::Pubkey;
use device_protocol::Hash;
use fieldproof_worker::log::Session;
use fieldproof_worker::score::{self, Committed, Scores};
use std::collections::BTreeMap;

/// Readings of a window; a device gives one window an epoch here.
const READINGS: u64 = 16;

/// A window of a device that an operator's pool committed to.
#[derive(Debug, Clone)]
pub struct Window {
    /// The number of its commitment in the order of all commitments.
    pub commitment: u64,
    /// The epoch.
    pub epoch: u64,
    /// The device's id.
    pub device: Hash,
    /// The pool.
    pub pool: Hash,
    owner: Hash,
    first: u64,
    posted_at: i64,
    place: (u16, u32),
    bond: u64,
}

/// A window of a device that an operator's pool committed to in an epoch, as the `commitment`th.
pub fn window(
    device: &Device,
    (pool, epoch, commitment): (&Pubkey, u64, u64),
    posted_at: i64,
    bond: u64,
    first: u64,
) -> Window {
    let leaf = &device.registered;
    Window {
        commitment: (epoch << 32) + commitment,
        epoch,
        device: leaf.device,
        pool: pool.to_bytes(),
        owner: leaf.owner.to_bytes(),
        first,
        posted_at,
        place: (leaf.tree_index, leaf.index),
        bond,
    }
}

/// The scores of the epoch `[start, end)`, by the worker's own code.
pub fn scores(windows: &[Window], bonds: &BTreeMap<Hash, u64>, start: i64, end: i64) -> Scores {
    let session = Session {
        leaf_nonce: 0,
        counter: 0,
    };
    let mut windows: Vec<&Window> = windows.iter().collect();
    windows.sort_by_key(|window| window.commitment);
    let readings = windows.into_iter().flat_map(|window| {
        (window.first..window.first + READINGS).map(|sequence| Committed {
            pool: window.pool,
            owner: window.owner,
            key: (window.device, session, sequence),
            posted_at: window.posted_at,
            place: window.place,
            bond: window.bond,
        })
    });
    score::scores(readings, bonds, start, end)
}
