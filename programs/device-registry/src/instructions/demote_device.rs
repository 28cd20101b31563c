use crate::change::change_leaf;
use crate::error::RegistryError;
use crate::nft;
use crate::seeds;
use crate::state::leaf::require_owner;
use crate::state::{tree, LeafArgs, LeafPlace, Network, Tree};
use anchor_lang::prelude::*;
use anchor_spl::token_2022::Token2022;
use device_protocol::{RegistryLeaf, Status};

/// Accounts of `demote_device`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(leaf: LeafArgs, place: LeafPlace)]
pub struct DemoteDevice<'info> {
    /// The network, which is the NFT's authority.
    pub network: AccountLoader<'info, Network>,
    /// The device's tree.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// Who holds the NFT; gets the mint's rent.
    #[account(mut)]
    pub holder: Signer<'info>,
    /// CHECK: the NFT's mint, by its address.
    #[account(
        mut,
        seeds = [seeds::NFT, tree.key().as_ref(), &place.index.to_le_bytes()],
        bump
    )]
    pub mint: UncheckedAccount<'info>,
    /// CHECK: the holder's account with the token, which the handler checks; none if the token was burned before.
    #[account(mut)]
    pub token_account: Option<UncheckedAccount<'info>>,
    /// Holds the NFT.
    pub token_program: Program<'info, Token2022>,
}

/// Burns a device's NFT and closes its mint; the device is a proven leaf again.
///
/// - Whoever signs holds the token and is the device's owner: a holder who is not binds first. If the token was burned
///   already, the owner signs.
/// - The NFT of a banned or void device goes too, whoever holds it. Its leaf stays as it is.
pub fn handle_demote_device(
    ctx: Context<DemoteDevice>,
    leaf: LeafArgs,
    place: LeafPlace,
) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let accounts = &ctx.accounts;
    let holder = accounts.holder.key();
    let leaf = leaf.parse()?;
    match leaf.status {
        Status::Nft => {
            require_owner(&leaf, &holder)?;
            let demoted = RegistryLeaf {
                status: Status::Proven,
                ..leaf
            };
            change_leaf(
                &accounts.tree,
                &place,
                &leaf,
                &demoted,
                now,
                accounts.event_authority.as_ref(),
            )?;
        }
        Status::Banned | Status::Void => {
            let data = accounts.tree.as_ref().try_borrow_data()?;
            tree::verify(&data, &place, &leaf.hash())?;
        }
        Status::Vouched | Status::Proven => return err!(RegistryError::NoNft),
    }
    let seeds = nft::Seeds::new(
        &*accounts.network.load()?,
        accounts.tree.key(),
        place.index,
        ctx.bumps.mint,
    );
    let (mint, token_program) = (&accounts.mint, &accounts.token_program);
    match &accounts.token_account {
        Some(token_account) => {
            nft::require_holder(token_account, mint.key, &holder)?;
            nft::burn(mint, token_account, &accounts.holder, token_program, &seeds)?;
        }
        None => {
            // Nobody holds it any more: the mint's rent is the owner's.
            require_owner(&leaf, &holder)?;
            require!(nft::is_burned(mint)?, RegistryError::NotBurned);
        }
    }
    nft::close(
        accounts.network.as_ref(),
        mint,
        &accounts.holder,
        token_program,
        &seeds,
    )
}
