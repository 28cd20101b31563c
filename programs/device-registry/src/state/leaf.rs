//! A device's leaf as instructions and events carry it, and where it stands in its tree.

use crate::error::RegistryError;
use crate::state::tree::MAX_DEPTH;
use anchor_lang::prelude::*;
use device_protocol::{RegistryLeaf, Status, UnknownStatus};
use std::io::{self, Read};

/// All of a leaf. The tree keeps only its hash, so whoever acts on a device brings its leaf along.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafArgs {
    /// The device's id.
    pub device: [u8; 32],
    /// Its owner.
    pub owner: Pubkey,
    /// Its maker's key.
    pub maker: Pubkey,
    /// Its tier.
    pub tier: u8,
    /// Its `device_protocol::Status`.
    pub status: u8,
    /// Its H3 cell, or 0.
    pub cell: u64,
    /// The slot of its registration.
    pub registered_slot: u64,
    /// Its previous owner, or the default key.
    pub previous_owner: Pubkey,
    /// When its owner last changed, or when it was registered; unix seconds.
    pub owner_changed_at: i64,
    /// Changes of owner so far.
    pub nonce: u32,
}

impl LeafArgs {
    /// The leaf that the tree holds the hash of.
    ///
    /// # Errors
    /// [`UnknownStatus`].
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

    /// [`LeafArgs::leaf`] for a handler: its leaf, or the error that says what to do.
    pub fn parse(&self) -> Result<RegistryLeaf> {
        self.leaf()
            .map_err(|UnknownStatus| error!(RegistryError::UnknownStatus))
    }
}

impl From<&RegistryLeaf> for LeafArgs {
    fn from(leaf: &RegistryLeaf) -> Self {
        Self {
            device: leaf.device,
            owner: Pubkey::new_from_array(leaf.owner),
            maker: Pubkey::new_from_array(leaf.maker),
            tier: leaf.tier,
            status: leaf.status as u8,
            cell: leaf.cell,
            registered_slot: leaf.registered_slot,
            previous_owner: Pubkey::new_from_array(leaf.previous_owner),
            owner_changed_at: leaf.owner_changed_at,
            nonce: leaf.nonce,
        }
    }
}

/// Where a leaf stands, and its proof as of some change of the tree.
#[derive(AnchorSerialize, Clone, Debug, PartialEq, Eq)]
pub struct LeafPlace {
    /// Index of the leaf in the tree.
    pub index: u32,
    /// The tree's sequence number when the proof was taken. The program brings it up to date.
    pub sequence: u64,
    /// Siblings from the leaf up to the levels that the account keeps: `depth - canopy` hashes.
    pub proof: Vec<[u8; 32]>,
}

/// As derived, but the proof in one piece: hash by hash it would cost a program 60 compute units each.
impl AnchorDeserialize for LeafPlace {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let index = u32::deserialize_reader(reader)?;
        let sequence = u64::deserialize_reader(reader)?;
        let hashes = u32::deserialize_reader(reader)?;
        // No tree is deeper, and what is read must not be what somebody says it is.
        if hashes > u32::from(MAX_DEPTH) {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let mut proof = vec![[0; 32]; hashes as usize];
        reader.read_exact(proof.as_flattened_mut())?;
        Ok(Self {
            index,
            sequence,
            proof,
        })
    }
}

/// Fails for a device that has lost its standing.
pub fn require_standing(leaf: &RegistryLeaf) -> Result<()> {
    match leaf.status {
        Status::Vouched | Status::Proven | Status::Nft => Ok(()),
        Status::Banned => err!(RegistryError::DeviceBanned),
        Status::Void => err!(RegistryError::DeviceVoid),
    }
}

/// Fails unless the device is this owner's.
pub fn require_owner(leaf: &RegistryLeaf, owner: &Pubkey) -> Result<()> {
    require!(leaf.owner == owner.to_bytes(), RegistryError::NotOwner);
    Ok(())
}

/// The leaf after a change of owner at `now` (unix seconds). One owner stays accountable for what was signed before, so
/// the next change has to wait until evidence against the previous owner is no longer taken. The first one waits as long after
/// the registration: whoever had the device until then could have it sign what its owner would answer for once it is sold.
pub fn change_owner(
    leaf: &RegistryLeaf,
    new_owner: &Pubkey,
    now: i64,
    evidence_window: i64,
) -> Result<RegistryLeaf> {
    require!(leaf.owner != new_owner.to_bytes(), RegistryError::SameOwner);
    let next_change = leaf
        .owner_changed_at
        .checked_add(evidence_window)
        .ok_or_else(|| error!(RegistryError::Overflow))?;
    require!(now >= next_change, RegistryError::OwnerChangedRecently);
    Ok(RegistryLeaf {
        owner: new_owner.to_bytes(),
        previous_owner: leaf.owner,
        owner_changed_at: now,
        nonce: leaf
            .nonce
            .checked_add(1)
            .ok_or_else(|| error!(RegistryError::Overflow))?,
        ..*leaf
    })
}
