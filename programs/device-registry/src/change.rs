//! The one way in which a leaf changes.

use crate::events::{emit_to_self, LeafChanged};
use crate::state::{tree, LeafArgs, LeafPlace, Tree};
use anchor_lang::prelude::*;
use device_protocol::RegistryLeaf;

/// Exchanges a leaf of a tree for another at `now` (unix seconds) and tells followers. The caller has checked that the tree is the network's,
/// and who may do this.
pub fn change_leaf(
    account: &AccountLoader<Tree>,
    place: &LeafPlace,
    old: &RegistryLeaf,
    new: &RegistryLeaf,
    now: i64,
    event_authority: &AccountInfo,
) -> Result<()> {
    let (changed, network, tree_index) = {
        let mut data = account.as_ref().try_borrow_mut_data()?;
        let changed = tree::replace(&mut data, place, &old.hash(), &new.hash())?;
        let header = tree::header(&data)?;
        (changed, header.network, header.index)
    };
    let event = LeafChanged {
        network,
        tree: account.key(),
        tree_index,
        index: changed.index,
        sequence: changed.sequence,
        changed_at: now,
        leaf: LeafArgs::from(new),
        root: changed.root,
    };
    emit_to_self(&event, event_authority)
}
