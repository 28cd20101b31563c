use crate::change::{change_leaf, pay_for_change};
use crate::error::RegistryError;
use crate::instructions::register_device::require_cell;
use crate::state::leaf::{require_owner, require_standing};
use crate::state::{LeafArgs, LeafPlace, Network, Operation, Tree};
use anchor_lang::prelude::*;
use device_protocol::RegistryLeaf;

/// Accounts of `assert_location`.
#[event_cpi]
#[derive(Accounts)]
pub struct AssertLocation<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The device's tree.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// The device's owner.
    pub owner: Signer<'info>,
    /// Pays the change's price.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Moves the price.
    pub system_program: Program<'info, System>,
}

/// Says in which H3 cell a device stands; 0 takes the word back.
///
/// - Registering is not paused.
/// - The owner signs; the device is neither banned nor void.
/// - The payer pays [`CHANGE_PRICE`](crate::change::CHANGE_PRICE).
pub fn handle_assert_location(
    ctx: Context<AssertLocation>,
    leaf: LeafArgs,
    place: LeafPlace,
    cell: u64,
) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    ctx.accounts
        .network
        .load()?
        .require_running(Operation::Register, now)?;
    require_cell(cell)?;
    let leaf = leaf.parse()?;
    require_standing(&leaf)?;
    require_owner(&leaf, &ctx.accounts.owner.key())?;
    pay_for_change(&ctx.accounts.payer, &ctx.accounts.tree)?;
    let moved = RegistryLeaf { cell, ..leaf };
    change_leaf(
        &ctx.accounts.tree,
        &place,
        &leaf,
        &moved,
        now,
        ctx.accounts.event_authority.as_ref(),
    )
}
