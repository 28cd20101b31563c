//! The one way in which a leaf changes.

use crate::events::{emit_to_self, LeafChanged};
use crate::state::{tree, LeafArgs, LeafPlace, Tree};
use anchor_lang::prelude::*;
use anchor_lang::system_program::{transfer, Transfer};
use device_protocol::RegistryLeaf;

/// What each change of a leaf costs that its owner may make again and again, in lamports. Whoever keeps a leaf from standing still, so
/// that no proof of it holds until it lands, pays for every time.
pub const CHANGE_PRICE: u64 = 100_000;

/// Takes [`CHANGE_PRICE`] into the tree's account for good: nobody gains by it.
pub fn pay_for_change<'info>(
    payer: &Signer<'info>,
    tree: &AccountLoader<'info, Tree>,
) -> Result<()> {
    let to_tree = Transfer {
        from: payer.to_account_info(),
        to: tree.to_account_info(),
    };
    transfer(CpiContext::new(System::id(), to_tree), CHANGE_PRICE)
}

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
