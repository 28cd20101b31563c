use crate::change::change_leaf;
use crate::error::RegistryError;
use crate::instructions::register_device::{bad_reference, key_refusal, precompile_of};
use crate::state::leaf::require_standing;
use crate::state::{LeafArgs, LeafPlace, Network, Operation, Tree};
use anchor_lang::prelude::*;
use device_protocol::{Curve, DeviceKey, Possession, RegistryLeaf, Status};

/// A device that its maker has vouched for, and where its signature stands in the transaction.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct ProveDeviceArgs {
    /// The device's leaf.
    pub leaf: LeafArgs,
    /// Its place in the tree.
    pub place: LeafPlace,
    /// Curve of the device's key: 0 Ed25519, 1 P-256.
    pub curve: u8,
    /// Index in the transaction of the precompile's instruction with the device's signature (of its own curve).
    pub possession_instruction: u16,
    /// Which of that instruction's signatures it is.
    pub possession_index: u8,
}

/// Accounts of `prove_device`.
#[event_cpi]
#[derive(Accounts)]
pub struct ProveDevice<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The device's tree.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// The device's new owner.
    pub owner: Signer<'info>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
}

/// Makes a vouched device a proven one and its owner the one whom the device names.
///
/// - Registering is not paused.
/// - The leaf is vouched. That its maker may have been revoked since does not matter: it earned already, and its owner
///   can't help it.
/// - The device signed `Possession` for this network, owner and leaf.
pub fn handle_prove_device(ctx: Context<ProveDevice>, args: ProveDeviceArgs) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let owner = ctx.accounts.owner.key();
    let network = ctx.accounts.network.load()?;
    network.require_running(Operation::Register, now)?;
    let leaf = args.leaf.parse()?;
    require_standing(&leaf)?;
    require!(
        leaf.status == Status::Vouched,
        RegistryError::DeviceNotVouched
    );

    let curve = Curve::try_from(args.curve).map_err(key_refusal)?;
    let instructions = ctx.accounts.instructions.try_borrow_data()?;
    let signed = introspection::signature(
        &instructions,
        precompile_of(curve),
        args.possession_instruction,
        args.possession_index,
    )
    .map_err(bad_reference)?;
    let key = DeviceKey::from_bytes(curve, signed.public_key).map_err(key_refusal)?;
    let possession = Possession {
        network: network.id,
        owner: owner.to_bytes(),
        key,
        nonce: Possession::nonce_of(ctx.accounts.tree.load()?.index, args.place.index),
    };
    require!(
        key.id() == leaf.device && signed.message == possession.digest(),
        RegistryError::WrongPossession
    );

    let proven = RegistryLeaf {
        owner: owner.to_bytes(),
        status: Status::Proven,
        previous_owner: leaf.owner,
        owner_changed_at: now,
        nonce: leaf
            .nonce
            .checked_add(1)
            .ok_or_else(|| error!(RegistryError::Overflow))?,
        ..leaf
    };
    change_leaf(
        &ctx.accounts.tree,
        &args.place,
        &leaf,
        &proven,
        now,
        ctx.accounts.event_authority.as_ref(),
    )
}
