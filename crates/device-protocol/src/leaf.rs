use core::fmt;

use crate::{digest, Hash};

/// What the registry knows of a device's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Registered by its maker alone; the maker earns and is slashed for it.
    Vouched = 0,
    /// Its key has signed: the device exists and belongs to its owner.
    Proven = 1,
    /// Its ownership is an NFT's.
    Nft = 2,
    /// Slashed by evidence; it earns no more.
    Banned = 3,
    /// A duplicate of another leaf; it counts for nothing.
    Void = 4,
}

impl TryFrom<u8> for Status {
    type Error = UnknownStatus;

    fn try_from(status: u8) -> Result<Self, UnknownStatus> {
        match status {
            0 => Ok(Self::Vouched),
            1 => Ok(Self::Proven),
            2 => Ok(Self::Nft),
            3 => Ok(Self::Banned),
            4 => Ok(Self::Void),
            _ => Err(UnknownStatus),
        }
    }
}

/// A number that is no [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownStatus;

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown device status: use 0 to 4")
    }
}

impl core::error::Error for UnknownStatus {}

/// A device as a leaf of one of its network's registry trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegistryLeaf {
    /// The device's id.
    pub device: Hash,
    /// Who earns with the device and answers for it.
    pub owner: Hash,
    /// The key that vouched for the device.
    pub maker: Hash,
    /// How the device's key is known to be hardware: 0 self-signed, 1 a voucher, 2 a certificate chain.
    pub tier: u8,
    /// The device's standing.
    pub status: Status,
    /// The H3 cell where the device says it is, or 0.
    pub cell: u64,
    /// The slot of its registration; never changes.
    pub registered_slot: u64,
    /// The owner before the last change of owner, or zeros.
    pub previous_owner: Hash,
    /// When the owner last changed, in unix seconds.
    pub owner_changed_at: i64,
    /// Rises with each change of owner, and ends what the device signed for the one before.
    pub nonce: u32,
}

impl RegistryLeaf {
    /// The leaf's hash: `digest!("registry-leaf", fields in their order)`.
    pub fn hash(&self) -> Hash {
        digest!(
            "registry-leaf",
            &self.device,
            &self.owner,
            &self.maker,
            &[self.tier, self.status as u8],
            &self.cell.to_le_bytes(),
            &self.registered_slot.to_le_bytes(),
            &self.previous_owner,
            &self.owner_changed_at.to_le_bytes(),
            &self.nonce.to_le_bytes()
        )
    }
}
