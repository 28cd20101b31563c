use crate::change::change_leaf;
use crate::error::RegistryError;
use crate::nft;
use crate::seeds;
use crate::state::leaf::{change_owner, require_standing};
use crate::state::{LeafArgs, LeafPlace, Network, Operation, Tree};
use anchor_lang::prelude::*;
use anchor_spl::token_2022::Token2022;
use device_protocol::Status;

/// Accounts of `bind_device`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(leaf: LeafArgs, place: LeafPlace)]
pub struct BindDevice<'info> {
    /// The network, which is the NFT's authority.
    pub network: AccountLoader<'info, Network>,
    /// The device's tree.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// Who holds the NFT.
    pub holder: Signer<'info>,
    /// CHECK: the NFT's mint, by its address.
    #[account(
        mut,
        seeds = [seeds::NFT, tree.key().as_ref(), &place.index.to_le_bytes()],
        bump
    )]
    pub mint: UncheckedAccount<'info>,
    /// CHECK: the holder's account with the token, which the handler checks.
    pub token_account: UncheckedAccount<'info>,
    /// Holds the NFT.
    pub token_program: Program<'info, Token2022>,
}

/// Makes the NFT's holder the device's owner.
///
/// - Registering is not paused.
/// - The device has an NFT; whoever signs holds it, and is not the owner yet.
/// - The last change of owner, or the registration, lies an evidence window back.
pub fn handle_bind_device(
    ctx: Context<BindDevice>,
    leaf: LeafArgs,
    place: LeafPlace,
) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let accounts = &ctx.accounts;
    let holder = accounts.holder.key();
    let leaf = leaf.parse()?;
    require_standing(&leaf)?;
    require!(leaf.status == Status::Nft, RegistryError::NoNft);
    nft::require_holder(&accounts.token_account, accounts.mint.key, &holder)?;
    let (seeds, evidence_window) = {
        let network = accounts.network.load()?;
        network.require_running(Operation::Register, now)?;
        let tree = accounts.tree.key();
        (
            nft::Seeds::new(&network, tree, place.index, ctx.bumps.mint),
            network.parameters.evidence_window,
        )
    };
    let bound = change_owner(&leaf, &holder, now, evidence_window)?;
    change_leaf(
        &accounts.tree,
        &place,
        &leaf,
        &bound,
        now,
        accounts.event_authority.as_ref(),
    )?;
    nft::relocate(
        accounts.network.as_ref(),
        &accounts.mint,
        &accounts.token_program,
        &seeds,
        bound.cell,
    )
}
