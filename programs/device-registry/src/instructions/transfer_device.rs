use crate::change::change_leaf;
use crate::error::RegistryError;
use crate::state::leaf::{change_owner, require_owner, require_standing};
use crate::state::{LeafArgs, LeafPlace, Network, Operation, Tree};
use anchor_lang::prelude::*;
use device_protocol::Status;

/// Accounts of `transfer_device`.
#[event_cpi]
#[derive(Accounts)]
pub struct TransferDevice<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The device's tree.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// The device's owner.
    pub owner: Signer<'info>,
    /// Its next owner, who answers for the device from now on and so has to agree.
    pub new_owner: Signer<'info>,
}

/// Passes a proven device on.
///
/// - Registering is not paused.
/// - Both owners sign, and are two; the last change of owner, or the registration, lies an evidence window back.
/// - The device is proven, and no NFT says whose it is.
pub fn handle_transfer_device(
    ctx: Context<TransferDevice>,
    leaf: LeafArgs,
    place: LeafPlace,
) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let network = ctx.accounts.network.load()?;
    network.require_running(Operation::Register, now)?;
    let leaf = leaf.parse()?;
    require_standing(&leaf)?;
    require_owner(&leaf, &ctx.accounts.owner.key())?;
    match leaf.status {
        Status::Proven => {}
        Status::Nft => return err!(RegistryError::OwnedByNft),
        _ => return err!(RegistryError::DeviceNotProven),
    }
    let passed_on = change_owner(
        &leaf,
        &ctx.accounts.new_owner.key(),
        now,
        network.parameters.evidence_window,
    )?;
    change_leaf(
        &ctx.accounts.tree,
        &place,
        &leaf,
        &passed_on,
        now,
        ctx.accounts.event_authority.as_ref(),
    )
}
