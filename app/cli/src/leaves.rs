//! A device's leaves in a network's trees, as the chain's own events tell them.

use crate::context::Context;
use anchor_lang::prelude::Pubkey;
use anyhow::Result;
use device_protocol::{DeviceKey, Hash};
use device_registry::state::Tree;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::registry_tree::{precedence, Follower};
use fieldproof_client::reports::ProvenLeaf;
use std::mem::offset_of;

/// What a network knows of a device.
pub struct Registered {
    /// Its key; none when it has no leaf.
    pub key: Option<DeviceKey>,
    /// Its leaves with their proofs, that which counts first.
    pub leaves: Vec<ProvenLeaf>,
}

/// Reads every tree of the network.
pub fn read(
    context: &Context,
    chain: &dyn Chain,
    network: &Pubkey,
    device: &Hash,
) -> Result<Registered> {
    let _progress = context.progress("reading the registry's history");
    let mut key = None;
    let mut found = Vec::new();
    for (tree, header) in chain::read_all_of::<Tree>(chain, offset_of!(Tree, network), network)? {
        let mut follower = Follower::new(chain, tree)?;
        let registry = follower.catch_up_with(chain, |event| {
            key = key.or_else(|| event.key(device));
        })?;
        let leaves = registry.leaves().iter().zip(0..);
        let own: Vec<_> = leaves
            .filter(|(leaf, _)| leaf.device == *device)
            .map(|(leaf, index)| (*leaf, index))
            .collect();
        for (leaf, index) in own {
            found.push(ProvenLeaf {
                tree,
                tree_index: header.index,
                leaf,
                place: registry.place(index)?,
            });
        }
    }
    found.sort_by_key(|found| precedence(&found.leaf, found.tree_index, found.place.index));
    Ok(Registered { key, leaves: found })
}
