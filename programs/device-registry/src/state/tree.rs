//! A registry tree: a header, then the bytes of a concurrent Merkle tree over the devices' leaf hashes.
//!
//! The tree hashes `sha256(left | right)`, an absent leaf is 32 zeros, and a leaf is a digest of its own domain.

use crate::error::RegistryError;
use anchor_lang::prelude::*;
use light_concurrent_merkle_tree::{
    errors::ConcurrentMerkleTreeError, zero_copy::ConcurrentMerkleTreeZeroCopyMut,
    ConcurrentMerkleTree,
};
use light_hasher::Sha256;

/// Smallest depth of a tree.
pub const MIN_DEPTH: u8 = 20;
/// Largest depth of a tree.
pub const MAX_DEPTH: u8 = 24;
/// Fewest levels below the root that the account keeps, so that a change of a leaf carries at most 14 nodes.
pub const MIN_CANOPY: u8 = 10;
/// Most levels below the root that the account keeps: initialising more does not fit a transaction.
pub const MAX_CANOPY: u8 = 14;
/// Changes against which an older proof can still be brought up to date.
pub const CHANGELOG: usize = 64;
/// Roots that the account remembers.
pub const ROOTS: usize = 64;

/// Header of a registry tree. An account of its own key, of [`size`] bytes, taken over zeroed; that this program wrote
/// `network` and `index` makes it a tree of the network.
#[account(zero_copy)]
#[repr(C)]
pub struct Tree {
    /// Layout version, 1.
    pub version: u8,
    /// The tree holds `2^depth` devices.
    pub depth: u8,
    /// Levels below the root that the account keeps.
    pub canopy: u8,
    /// Zero.
    pub _pad: [u8; 5],
    /// The network's account.
    pub network: Pubkey,
    /// Which of the network's trees this is.
    pub index: u16,
    /// Zero.
    pub _pad2: [u8; 6],
    /// Zero.
    pub reserved: [u8; 64],
}

/// Where the concurrent tree's bytes start in the account: after discriminator and header, 8-aligned as they must be.
pub const NODES: usize = 8 + std::mem::size_of::<Tree>();

/// A leaf's place, and the root with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Index of the leaf in the tree.
    pub index: u32,
    /// Root after appending.
    pub root: [u8; 32],
}

/// Whether a tree may have this depth and canopy.
pub fn check_shape(depth: u8, canopy: u8) -> Result<()> {
    require!(
        (MIN_DEPTH..=MAX_DEPTH).contains(&depth),
        RegistryError::InvalidDepth
    );
    require!(
        (MIN_CANOPY..=MAX_CANOPY).contains(&canopy),
        RegistryError::InvalidCanopy
    );
    Ok(())
}

/// Bytes of a tree's account, discriminator and header included, for a shape that [`check_shape`] accepts.
pub fn size(depth: u8, canopy: u8) -> usize {
    // An entry of the changelog is a path of `Option<[u8; 32]>`, padded to 8 bytes, and the leaf's index.
    let entry = (33 * usize::from(depth)).next_multiple_of(8) + 8;
    NODES
        + ConcurrentMerkleTree::<Sha256, 24>::non_dyn_fields_size()
        + 32 * usize::from(depth)
        + entry * CHANGELOG
        + 32 * ROOTS
        + 32 * ((1 << (canopy + 1)) - 2)
}

/// Calls a function that is generic over the tree's height.
macro_rules! at_height {
    ($depth:expr, $function:ident($($argument:expr),*)) => {
        match $depth {
            20 => $function::<20>($($argument),*),
            21 => $function::<21>($($argument),*),
            22 => $function::<22>($($argument),*),
            23 => $function::<23>($($argument),*),
            24 => $function::<24>($($argument),*),
            _ => err!(RegistryError::InvalidDepth),
        }
    };
}

/// Makes an empty tree of zeroed bytes (the account's, from [`NODES`] on).
pub fn initialize(nodes: &mut [u8], depth: u8, canopy: u8) -> Result<()> {
    at_height!(depth, initialize_at(nodes, canopy))
}

/// Appends a leaf to a tree's bytes (the account's, from [`NODES`] on).
pub fn append(nodes: &mut [u8], depth: u8, leaf: &[u8; 32]) -> Result<Appended> {
    at_height!(depth, append_at(nodes, leaf))
}

#[inline(never)]
fn initialize_at<const HEIGHT: usize>(nodes: &mut [u8], canopy: u8) -> Result<()> {
    ConcurrentMerkleTreeZeroCopyMut::<Sha256, HEIGHT>::from_bytes_zero_copy_init(
        nodes,
        HEIGHT,
        usize::from(canopy),
        CHANGELOG,
        ROOTS,
    )
    .and_then(|mut tree| tree.init())
    .map_err(refusal)
}

#[inline(never)]
fn append_at<const HEIGHT: usize>(nodes: &mut [u8], leaf: &[u8; 32]) -> Result<Appended> {
    // The library would free parts of the account if it met another height, and read at odd addresses.
    let height = nodes
        .first_chunk()
        .map(|height| u64::from_le_bytes(*height));
    require!(
        height == Some(HEIGHT as u64) && nodes.as_ptr().align_offset(8) == 0,
        RegistryError::DamagedTree
    );
    let mut tree =
        ConcurrentMerkleTreeZeroCopyMut::<Sha256, HEIGHT>::from_bytes_zero_copy_mut(nodes)
            .map_err(refusal)?;
    let index = u32::try_from(tree.next_index()).map_err(|_| error!(RegistryError::TreeFull))?;
    tree.append(leaf).map_err(refusal)?;
    Ok(Appended {
        index,
        root: tree.root(),
    })
}

fn refusal(error: ConcurrentMerkleTreeError) -> Error {
    match error {
        ConcurrentMerkleTreeError::TreeIsFull => error!(RegistryError::TreeFull),
        _ => error!(RegistryError::DamagedTree),
    }
}
