use crate::error::RegistryError;
use crate::instructions::register_device::bad_reference;
use crate::state::{Maker, Network};
use anchor_lang::prelude::*;
use device_protocol::RootGrant;
use introspection::Precompile;

/// Accounts of `set_maker_root`.
#[derive(Accounts)]
pub struct SetMakerRoot<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// One of its makers.
    #[account(
        mut,
        has_one = network @ RegistryError::WrongNetwork,
        has_one = key @ RegistryError::NotMaker
    )]
    pub maker: AccountLoader<'info, Maker>,
    /// The maker's key.
    pub key: Signer<'info>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
}

/// Sets the root of the maker's certificate chains, for good: the key that the secp256r1 precompile's instruction names.
///
/// - The maker is not revoked and has no root.
/// - The root signed `RootGrant` for this network and maker: another maker's root, whose certificates are public, can't
///   be taken.
pub fn handle_set_maker_root(
    ctx: Context<SetMakerRoot>,
    grant_instruction: u16,
    grant_index: u8,
) -> Result<()> {
    let mut maker = ctx.accounts.maker.load_mut()?;
    let instructions = ctx.accounts.instructions.try_borrow_data()?;
    let signed = introspection::signature(
        &instructions,
        Precompile::Secp256r1,
        grant_instruction,
        grant_index,
    )
    .map_err(bad_reference)?;
    let root = signed
        .public_key
        .try_into()
        .map_err(|_| error!(RegistryError::WrongRootGrant))?;
    let grant = RootGrant {
        network: ctx.accounts.network.load()?.id,
        maker: maker.key.to_bytes(),
        root,
    };
    require!(
        signed.message == grant.digest(),
        RegistryError::WrongRootGrant
    );
    maker.set_root(root)
}
