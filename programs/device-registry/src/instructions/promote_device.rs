use crate::change::{change_leaf, pay_for_change};
use crate::error::RegistryError;
use crate::nft::{self, MintAccounts};
use crate::seeds;
use crate::state::leaf::{require_owner, require_standing};
use crate::state::{LeafArgs, LeafPlace, Network, Operation, Tree};
use anchor_lang::prelude::*;
use anchor_spl::associated_token::AssociatedToken;
use anchor_spl::token_2022::Token2022;
use device_protocol::{RegistryLeaf, Status};

/// Accounts of `promote_device`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(leaf: LeafArgs, place: LeafPlace)]
pub struct PromoteDevice<'info> {
    /// The network, which is the NFT's authority.
    pub network: AccountLoader<'info, Network>,
    /// The device's tree.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// The device's owner, who gets the NFT.
    pub owner: Signer<'info>,
    /// CHECK: the mint to be, by its address.
    #[account(
        mut,
        seeds = [seeds::NFT, tree.key().as_ref(), &place.index.to_le_bytes()],
        bump
    )]
    pub mint: UncheckedAccount<'info>,
    /// CHECK: the owner's associated token account, which its program creates or checks.
    #[account(mut)]
    pub token_account: UncheckedAccount<'info>,
    /// Pays the rent and the change's price.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Holds the NFT.
    pub token_program: Program<'info, Token2022>,
    /// Creates the owner's account.
    pub associated_token_program: Program<'info, AssociatedToken>,
    /// Creates the mint.
    pub system_program: Program<'info, System>,
}

/// Makes a proven device an NFT of its owner's.
///
/// - Registering is not paused.
/// - The owner signs; the device is proven. The leaf keeps its owner and nonce.
/// - The payer pays [`CHANGE_PRICE`](crate::change::CHANGE_PRICE).
pub fn handle_promote_device(
    ctx: Context<PromoteDevice>,
    leaf: LeafArgs,
    place: LeafPlace,
    uri: String,
) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    require!(uri.len() <= nft::MAX_URI, RegistryError::UriTooLong);
    let accounts = &ctx.accounts;
    let leaf = leaf.parse()?;
    require_standing(&leaf)?;
    require_owner(&leaf, &accounts.owner.key())?;
    match leaf.status {
        Status::Proven => {}
        Status::Nft => return err!(RegistryError::OwnedByNft),
        _ => return err!(RegistryError::DeviceNotProven),
    }
    let seeds = {
        let network = accounts.network.load()?;
        network.require_running(Operation::Register, now)?;
        nft::Seeds::new(&network, accounts.tree.key(), place.index, ctx.bumps.mint)
    };
    pay_for_change(&accounts.payer, &accounts.tree)?;
    let promoted = RegistryLeaf {
        status: Status::Nft,
        ..leaf
    };
    change_leaf(
        &accounts.tree,
        &place,
        &leaf,
        &promoted,
        now,
        accounts.event_authority.as_ref(),
    )?;
    let described = nft::describe(&accounts.network.key(), accounts.mint.key, &promoted, uri)?;
    nft::mint(
        &MintAccounts {
            network: accounts.network.as_ref(),
            mint: &accounts.mint,
            token_account: &accounts.token_account,
            owner: &accounts.owner,
            payer: &accounts.payer,
            token_program: &accounts.token_program,
            system_program: &accounts.system_program,
        },
        &seeds,
        &described,
    )
}
