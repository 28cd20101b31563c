use crate::error::RegistryError;
use crate::events::{emit_sized, DevicesRegistered};
use crate::fees::*;
use crate::instructions::register_device::{key_refusal, require_cell};
use crate::state::network::{Network, Operation, SELF_SIGNED_MAKERS};
use crate::state::{tree, Maker, Tree};
use ::credits::Purpose;
use anchor_lang::prelude::*;
use device_protocol::{Curve, DeviceKey, RegistryLeaf, Status};

/// Bytes of the event beside the keys, rounded up.
const EVENT_BYTES: usize = 320;

/// Devices that their maker registers at once.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct RegisterBatchArgs {
    /// Number of the batch, among the maker's. Each lands once; they may land in any order within 64.
    pub batch: u64,
    /// Curve of the devices' keys: 0 Ed25519, 1 P-256.
    pub curve: u8,
    /// Tier of the devices: 0 or 1.
    pub tier: u8,
    /// H3 cell where the devices stand; 0 for none.
    pub cell: u64,
    /// Hash of the maker's list of serial numbers, as the maker keeps it.
    pub manifest_hash: [u8; 32],
    /// The devices' keys, one after the other: 32 bytes each (Ed25519), or 33 compressed (P-256).
    pub keys: Vec<u8>,
}

/// Accounts of `register_batch`.
#[event_cpi]
#[derive(Accounts)]
pub struct RegisterBatch<'info> {
    /// The network.
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
    /// One of its makers.
    #[account(
        mut,
        has_one = network @ RegistryError::WrongNetwork,
        has_one = key @ RegistryError::NotMaker
    )]
    pub maker: AccountLoader<'info, Maker>,
    /// One of the network's trees, with room.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// The maker's key.
    pub key: Signer<'info>,
    /// What it costs, from the maker's credits.
    pub fees: Fees<'info>,
}

/// Registers devices on their maker's word: the maker owns them and answers for them until each is proven.
///
/// - Registering is not paused, and paid for where the network charges.
/// - The maker is not revoked; its quota leaves room; the tier is approved; the batch has not landed before.
/// - Each key has its curve's form. That nobody else has registered it is for a report to refute: a device that is
///   vouched for counts for nothing beside the same one proven.
pub fn handle_register_batch(ctx: Context<RegisterBatch>, args: RegisterBatchArgs) -> Result<()> {
    let clock = Clock::get()?;
    let curve = Curve::try_from(args.curve).map_err(key_refusal)?;
    require_cell(args.cell)?;
    require!(
        args.keys.len().is_multiple_of(curve.key_len()),
        RegistryError::InvalidDeviceKey
    );
    let count = (args.keys.len() / curve.key_len()) as u64;
    let accounts = &ctx.accounts;
    if accounts.network.load()?.charges() {
        let (network, key) = (accounts.network.as_ref(), accounts.key.as_ref());
        // A transaction holds far fewer than 32 bits count.
        accounts
            .fees
            .charge(network, key, Purpose::Registration, count as u32)?;
    }

    let mut network = ctx.accounts.network.load_mut()?;
    network.require_running(Operation::Register, clock.unix_timestamp)?;
    network.devices = network
        .devices
        .checked_add(count)
        .ok_or_else(|| error!(RegistryError::Overflow))?;

    let mut maker = ctx.accounts.maker.load_mut()?;
    let owner = maker.key;
    maker.require_active()?;
    maker.check_tier(args.tier, &owner, network.flags & SELF_SIGNED_MAKERS != 0)?;
    maker.take_batch(args.batch)?;
    maker.vouch(count)?;

    let mut leaf = RegistryLeaf {
        device: [0; 32],
        owner: owner.to_bytes(),
        maker: owner.to_bytes(),
        tier: args.tier,
        status: Status::Vouched,
        cell: args.cell,
        registered_slot: clock.slot,
        previous_owner: [0; 32],
        owner_changed_at: clock.unix_timestamp,
        nonce: 0,
    };
    let hashes = args
        .keys
        .chunks_exact(curve.key_len())
        .map(|key| {
            leaf.device = DeviceKey::from_bytes(curve, key).map_err(key_refusal)?.id();
            Ok(leaf.hash())
        })
        .collect::<Result<Vec<_>>>()?;
    let leaves: Vec<_> = hashes.iter().collect();
    let tree_index = ctx.accounts.tree.load()?.index;
    let appended = {
        let mut data = ctx.accounts.tree.as_ref().try_borrow_mut_data()?;
        tree::append(&mut data, &leaves)?
    };

    let bytes = EVENT_BYTES + args.keys.len();
    let event = DevicesRegistered {
        network: ctx.accounts.network.key(),
        tree: ctx.accounts.tree.key(),
        tree_index,
        index: appended.index,
        sequence: appended.sequence,
        maker: owner,
        tier: args.tier,
        cell: args.cell,
        registered_slot: clock.slot,
        owner_changed_at: clock.unix_timestamp,
        batch: args.batch,
        manifest_hash: args.manifest_hash,
        root: appended.root,
        curve: args.curve,
        keys: args.keys,
    };
    emit_sized(&event, bytes, ctx.accounts.event_authority.as_ref())
}
