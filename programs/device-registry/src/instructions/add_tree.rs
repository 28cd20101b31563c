use crate::error::RegistryError;
use crate::state::tree::{self, Tree};
use crate::state::Network;
use anchor_lang::prelude::*;

/// Accounts of `add_tree`.
#[derive(Accounts)]
pub struct AddTree<'info> {
    /// The network.
    #[account(mut, has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// The new tree: zeroed, owned by this program, of `state::tree::size` bytes. It signs, so that nobody takes over
    /// an account that another network's authority has paid for.
    #[account(zero, signer)]
    pub tree: AccountLoader<'info, Tree>,
    /// The network's authority.
    pub authority: Signer<'info>,
}

/// Makes an account a tree of the network, for `2^depth` devices.
pub fn handle_add_tree(ctx: Context<AddTree>, depth: u8, canopy: u8) -> Result<()> {
    tree::check_shape(depth, canopy)?;
    let account = ctx.accounts.tree.as_ref();
    require!(
        account.data_len() == tree::size(depth, canopy),
        RegistryError::WrongTreeSize
    );
    let mut network = ctx.accounts.network.load_mut()?;
    let index = network.trees;
    network.trees = index
        .checked_add(1)
        .ok_or_else(|| error!(RegistryError::TooManyTrees))?;
    {
        let mut header = ctx.accounts.tree.load_init()?;
        header.version = 1;
        header.depth = depth;
        header.canopy = canopy;
        header.network = ctx.accounts.network.key();
        header.index = index;
    }
    tree::initialize(&mut account.try_borrow_mut_data()?)
}
