//! What followers of the registry rebuild its state from.

use crate::state::LeafArgs;
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use device_protocol::{Curve, DeviceKey, KeyError, RegistryLeaf, Status, UnknownStatus};

/// A device has a leaf: all that is needed to rebuild the tree and the device's key.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRegistered {
    /// The network's account.
    pub network: Pubkey,
    /// The tree's account.
    pub tree: Pubkey,
    /// Which of the network's trees that is.
    pub tree_index: u16,
    /// Index of the leaf in the tree.
    pub index: u32,
    /// Leaf: the device's id.
    pub device: [u8; 32],
    /// Leaf: its owner.
    pub owner: Pubkey,
    /// Leaf: its maker's key.
    pub maker: Pubkey,
    /// Leaf: its tier.
    pub tier: u8,
    /// Leaf: its `device_protocol::Status`.
    pub status: u8,
    /// Leaf: its H3 cell, or 0.
    pub cell: u64,
    /// Leaf: the slot of its registration.
    pub registered_slot: u64,
    /// Leaf: its previous owner, or the default key.
    pub previous_owner: Pubkey,
    /// Leaf: when its owner last changed, unix seconds.
    pub owner_changed_at: i64,
    /// Leaf: changes of owner so far.
    pub nonce: u32,
    /// Curve of the device's key: 0 Ed25519, 1 P-256.
    pub curve: u8,
    /// The device's key: 32 bytes and a zero, or 33 bytes.
    pub key: [u8; 33],
    /// The voucher's number.
    pub number: u64,
    /// Hash of the device's serial number, as the maker signed it.
    pub serial_hash: [u8; 32],
    /// The tree's sequence number with this leaf.
    pub sequence: u64,
    /// The tree's root after this leaf.
    pub root: [u8; 32],
}

impl DeviceRegistered {
    /// The leaf as the tree holds it.
    pub fn leaf(&self) -> std::result::Result<RegistryLeaf, UnknownStatus> {
        Ok(RegistryLeaf {
            device: self.device,
            owner: self.owner.to_bytes(),
            maker: self.maker.to_bytes(),
            tier: self.tier,
            status: Status::try_from(self.status)?,
            cell: self.cell,
            registered_slot: self.registered_slot,
            previous_owner: self.previous_owner.to_bytes(),
            owner_changed_at: self.owner_changed_at,
            nonce: self.nonce,
        })
    }
}

/// A leaf has been exchanged for another.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafChanged {
    /// The network's account.
    pub network: Pubkey,
    /// The tree's account.
    pub tree: Pubkey,
    /// Which of the network's trees that is.
    pub tree_index: u16,
    /// Index of the leaf in the tree.
    pub index: u32,
    /// The tree's sequence number with this change.
    pub sequence: u64,
    /// When it changed, unix seconds.
    pub changed_at: i64,
    /// All of the new leaf.
    pub leaf: LeafArgs,
    /// The tree's root after this change.
    pub root: [u8; 32],
}

/// A maker has registered devices in a row. All are vouched, and their maker's.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesRegistered {
    /// The network's account.
    pub network: Pubkey,
    /// The tree's account.
    pub tree: Pubkey,
    /// Which of the network's trees that is.
    pub tree_index: u16,
    /// Index of the first leaf in the tree; the others follow it.
    pub index: u32,
    /// The tree's sequence number with the first leaf; each further leaf is one more.
    pub sequence: u64,
    /// Leaves: their maker's key and owner.
    pub maker: Pubkey,
    /// Leaves: their tier.
    pub tier: u8,
    /// Leaves: their H3 cell, or 0.
    pub cell: u64,
    /// Leaves: the slot of their registration.
    pub registered_slot: u64,
    /// Leaves: when they were registered, unix seconds.
    pub owner_changed_at: i64,
    /// Number of the batch, among the maker's.
    pub batch: u64,
    /// Hash of the maker's list of serial numbers.
    pub manifest_hash: [u8; 32],
    /// The tree's root after all of these leaves.
    pub root: [u8; 32],
    /// Curve of the devices' keys: 0 Ed25519, 1 P-256.
    pub curve: u8,
    /// The devices' keys, one after the other: 32 bytes each (Ed25519), or 33 (P-256).
    pub keys: Vec<u8>,
}

impl DevicesRegistered {
    /// Keys and leaves as the tree holds them, in order.
    ///
    /// # Errors
    /// [`KeyError`], which the program never emits.
    pub fn devices(&self) -> std::result::Result<Vec<(DeviceKey, RegistryLeaf)>, KeyError> {
        let curve = Curve::try_from(self.curve)?;
        let keys = self.keys.chunks(curve.key_len());
        keys.map(|key| {
            let key = DeviceKey::from_bytes(curve, key)?;
            let leaf = RegistryLeaf {
                device: key.id(),
                owner: self.maker.to_bytes(),
                maker: self.maker.to_bytes(),
                tier: self.tier,
                status: Status::Vouched,
                cell: self.cell,
                registered_slot: self.registered_slot,
                previous_owner: [0; 32],
                owner_changed_at: self.owner_changed_at,
                nonce: 0,
            };
            Ok((key, leaf))
        })
        .collect()
    }
}

/// Emits an event of this program as [`emit_by_call`] does.
pub fn emit_to_self<E: AnchorSerialize + Discriminator>(
    event: &E,
    event_authority: &AccountInfo,
) -> Result<()> {
    emit_sized(event, 512, event_authority)
}

/// As [`emit_to_self`], for an event of about `bytes`: growing its buffer would use up the heap, which frees nothing.
pub fn emit_sized<E: AnchorSerialize + Discriminator>(
    event: &E,
    bytes: usize,
    event_authority: &AccountInfo,
) -> Result<()> {
    let speaker = (&crate::ID, &crate::EVENT_AUTHORITY_AND_BUMP);
    emit_by_call(speaker, event, bytes, event_authority)
}

/// Emits an event of about `bytes` as `emit_cpi!` does, by having its program call itself, but without copying it byte by
/// byte, which would be a sixth of what registering a device costs. No log limit cuts such an event off. The program comes
/// with its event authority and bump; `event_authority` is the account that `#[event_cpi]` adds.
#[inline(always)]
pub fn emit_by_call<E: AnchorSerialize + Discriminator>(
    (program, (authority, bump)): (&Pubkey, &(Pubkey, u8)),
    event: &E,
    bytes: usize,
    event_authority: &AccountInfo,
) -> Result<()> {
    let mut data = Vec::with_capacity(bytes);
    data.extend_from_slice(EVENT_IX_TAG_LE);
    data.extend_from_slice(E::DISCRIMINATOR);
    event.serialize(&mut data)?;
    let instruction = Instruction {
        program_id: *program,
        accounts: vec![AccountMeta::new_readonly(*authority, true)],
        data,
    };
    // The checked call would look whether somebody borrows the authority, which has nothing to borrow.
    invoke_signed_unchecked(
        &instruction,
        std::slice::from_ref(event_authority),
        &[&[b"__event_authority", &[*bump]]],
    )?;
    Ok(())
}
