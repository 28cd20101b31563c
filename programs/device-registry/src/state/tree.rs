//! A registry tree: a header, then the bytes of a concurrent Merkle tree over the devices' leaf hashes.
//!
//! The tree hashes `sha256(left | right)`, an absent leaf is 32 zeros, and a leaf is a digest of its own domain.

use crate::error::RegistryError;
use crate::state::LeafPlace;
use anchor_lang::prelude::*;
use device_protocol::sha256;
use light_concurrent_merkle_tree::{
    changelog::ChangelogEntry,
    errors::ConcurrentMerkleTreeError,
    zero_copy::{ConcurrentMerkleTreeZeroCopy, ConcurrentMerkleTreeZeroCopyMut},
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
pub const CHANGELOG: usize = 256;
/// Roots that the account remembers.
pub const ROOTS: usize = 256;

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

/// Where among those bytes the library keeps the last leaf.
const LAST_LEAF: usize = 32;

/// A tree after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Index of the changed leaf, or of the first appended one.
    pub index: u32,
    /// The tree's sequence number with that leaf: changes of leaves so far, each appended leaf counted.
    pub sequence: u64,
    /// Root after all of the change.
    pub root: [u8; 32],
}

/// How a tree stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Leaves so far.
    pub leaves: u64,
    /// Changes of leaves so far, each appended leaf counted.
    pub sequence: u64,
    /// The root.
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

/// Makes an empty tree in an account's data, whose header says its shape and whose rest is zeroed.
pub fn initialize(data: &mut [u8]) -> Result<()> {
    let Tree { depth, canopy, .. } = *header(data)?;
    let nodes = nodes_mut(data)?;
    at_height!(depth, initialize_at(nodes, canopy))
}

/// Appends leaves, at least one and at most [`CHANGELOG`], to the tree in an account's data.
pub fn append(data: &mut [u8], leaves: &[&[u8; 32]]) -> Result<Changed> {
    let depth = header(data)?.depth;
    let nodes = nodes_mut(data)?;
    at_height!(depth, append_at(nodes, leaves))
}

/// Exchanges the leaf at `place` for another in the tree in an account's data.
///
/// Changes of other leaves since the proof was taken don't matter: those above the canopy never, those below it as long
/// as they are among the last [`CHANGELOG`].
pub fn replace(
    data: &mut [u8],
    place: &LeafPlace,
    old: &[u8; 32],
    new: &[u8; 32],
) -> Result<Changed> {
    let depth = header(data)?.depth;
    let nodes = nodes_mut(data)?;
    at_height!(depth, replace_at(nodes, place, old, new))
}

/// Fails unless the tree in an account's data has this leaf at `place`; proofs may be as old as for [`replace`].
pub fn verify(data: &[u8], place: &LeafPlace, leaf: &[u8; 32]) -> Result<()> {
    let depth = header(data)?.depth;
    let nodes = nodes(data)?;
    at_height!(depth, verify_at(nodes, place, leaf))
}

/// As [`verify`], but the leaf may also be one that one of the last [`CHANGELOG`] changes put at the place: an owner that goes on
/// changing his leaf outruns who proves it only once, or with as many changes each time.
pub fn verify_lately(data: &[u8], place: &LeafPlace, leaf: &[u8; 32]) -> Result<()> {
    let depth = header(data)?.depth;
    let nodes = nodes(data)?;
    at_height!(depth, verify_lately_at(nodes, place, leaf))
}

/// How the tree in an account's data stands.
pub fn standing(data: &[u8]) -> Result<Standing> {
    let depth = header(data)?.depth;
    let nodes = nodes(data)?;
    at_height!(depth, standing_at(nodes))
}

/// The header in an account's data, of which the account's loader has checked that they are a tree's.
pub(crate) fn header(data: &[u8]) -> Result<&Tree> {
    data.get(8..NODES)
        .and_then(|header| bytemuck::try_from_bytes(header).ok())
        .ok_or_else(|| error!(RegistryError::DamagedTree))
}

fn nodes(data: &[u8]) -> Result<&[u8]> {
    data.get(NODES..)
        .ok_or_else(|| error!(RegistryError::DamagedTree))
}

fn nodes_mut(data: &mut [u8]) -> Result<&mut [u8]> {
    data.get_mut(NODES..)
        .ok_or_else(|| error!(RegistryError::DamagedTree))
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
fn append_at<const HEIGHT: usize>(nodes: &mut [u8], leaves: &[&[u8; 32]]) -> Result<Changed> {
    let mut tree = open_mut::<HEIGHT>(nodes)?;
    let index = u32::try_from(tree.next_index()).map_err(|_| error!(RegistryError::TreeFull))?;
    let (_, sequence) = tree.append_batch(leaves).map_err(refusal)?;
    Ok(Changed {
        index,
        sequence: sequence as u64,
        root: tree.root(),
    })
}

/// As the library's `update`, with the same result, at two thirds of its cost: it walks up with both leaves at once, and with the
/// old one no further than to the canopy, which is the program's own.
#[inline(never)]
fn replace_at<const HEIGHT: usize>(
    nodes: &mut [u8],
    place: &LeafPlace,
    old: &[u8; 32],
    new: &[u8; 32],
) -> Result<Changed> {
    let (index, next, changed) = {
        let mut tree = open_mut::<HEIGHT>(nodes)?;
        let (siblings, complete) = renewed(&tree, place)?;
        let index = place.index as usize;
        let mut change = ChangelogEntry::<HEIGHT>::default_with_index(index);
        let (mut was, mut is) = (*old, *new);
        let mut number = leaf_number::<HEIGHT>(index);
        for (level, sibling) in siblings.iter().enumerate() {
            change.path[level] = Some(is);
            was = parent(number, &was, sibling);
            is = parent(number, &is, sibling);
            number >>= 1;
        }
        require_proven(tree.canopy[number - 2] == was, complete)?;
        for level in siblings.len()..HEIGHT {
            change.path[level] = Some(is);
            tree.canopy[number - 2] = is;
            is = parent(number, &is, &tree.canopy[(number ^ 1) - 2]);
            number >>= 1;
        }
        tree.inc_sequence_number().map_err(refusal)?;
        tree.roots.push(is);
        let next = tree.next_index();
        if next < 1 << HEIGHT {
            change
                .update_proof(next, &mut tree.filled_subtrees)
                .map_err(refusal)?;
        }
        tree.changelog.push(change);
        let changed = Changed {
            index: place.index,
            sequence: tree.sequence_number() as u64,
            root: is,
        };
        (index, next, changed)
    };
    // The library keeps the last leaf while there is room for more, and lets nobody else write it.
    if next < 1 << HEIGHT && index + 1 == next {
        nodes
            .get_mut(LAST_LEAF..LAST_LEAF + 32)
            .ok_or_else(|| error!(RegistryError::DamagedTree))?
            .copy_from_slice(new);
    }
    Ok(changed)
}

/// As the library's `validate_proof`, but no further than to the canopy.
#[inline(never)]
fn verify_at<const HEIGHT: usize>(nodes: &[u8], place: &LeafPlace, leaf: &[u8; 32]) -> Result<()> {
    let tree = open::<HEIGHT>(nodes)?;
    let (siblings, complete) = renewed(&tree, place)?;
    let mut number = leaf_number::<HEIGHT>(place.index as usize);
    let mut node = *leaf;
    for sibling in &siblings {
        node = parent(number, &node, sibling);
        number >>= 1;
    }
    require_proven(tree.canopy[number - 2] == node, complete)
}

#[inline(never)]
fn verify_lately_at<const HEIGHT: usize>(
    nodes: &[u8],
    place: &LeafPlace,
    leaf: &[u8; 32],
) -> Result<()> {
    let stood = {
        let tree = open::<HEIGHT>(nodes)?;
        let index = place.index as usize;
        let mut changes = tree.changelog.iter();
        changes.any(|change| change.index() == index && change.path.first() == Some(&Some(*leaf)))
    };
    match stood {
        true => Ok(()),
        false => verify_at::<HEIGHT>(nodes, place, leaf),
    }
}

/// A leaf's number among all nodes, the root's being 1 and the children of `n` being `2 n` and `2 n + 1`. The canopy has
/// the nodes from 2 on, in order.
fn leaf_number<const HEIGHT: usize>(index: usize) -> usize {
    1 << HEIGHT | index
}

/// The parent of the node of this number and its sibling.
#[inline(always)]
fn parent(number: usize, node: &[u8; 32], sibling: &[u8; 32]) -> [u8; 32] {
    if number & 1 == 0 {
        sha256(&[node, sibling])
    } else {
        sha256(&[sibling, node])
    }
}

/// Fails unless the leaf is proven; `complete` says whether its proof could be brought up to date.
fn require_proven(proven: bool, complete: bool) -> Result<()> {
    match (proven, complete) {
        (true, _) => Ok(()),
        (false, true) => err!(RegistryError::WrongProof),
        (false, false) => err!(RegistryError::ProofTooOld),
    }
}
#[inline(never)]
fn standing_at<const HEIGHT: usize>(nodes: &[u8]) -> Result<Standing> {
    let tree = open::<HEIGHT>(nodes)?;
    Ok(Standing {
        leaves: tree.next_index() as u64,
        sequence: tree.sequence_number() as u64,
        root: tree.root(),
    })
}

/// The place's proof, from the leaf up to the canopy, as later changes there have left it; and whether all of them were
/// still there to see. If not, the proof may be right all the same, which the canopy will tell.
fn renewed<const HEIGHT: usize>(
    tree: &ConcurrentMerkleTree<Sha256, HEIGHT>,
    place: &LeafPlace,
) -> Result<(Vec<[u8; 32]>, bool)> {
    let index = place.index as usize;
    let levels = HEIGHT
        .checked_sub(tree.canopy_depth)
        .filter(|levels| *levels < HEIGHT)
        .ok_or_else(|| error!(RegistryError::DamagedTree))?;
    require!(
        place.proof.len() == levels && index < tree.next_index(),
        RegistryError::WrongProof
    );
    let mut siblings = place.proof.clone();
    // A proof from a future that never came may still be right.
    let changes = (tree.sequence_number() as u64).saturating_sub(place.sequence);
    let kept = tree.changelog.len().min(CHANGELOG);
    // The newest change is the last of the ring; the oldest kept one comes after it.
    let seen = usize::try_from(changes).map_or(kept, |changes| changes.min(kept));
    let oldest = tree
        .changelog_index()
        .checked_add(CHANGELOG + 1)
        .and_then(|last| last.checked_sub(seen))
        .ok_or_else(|| error!(RegistryError::DamagedTree))?;
    for change in (oldest..oldest + seen).map(|place| &tree.changelog[place % CHANGELOG]) {
        let Some(level) = (change.index() ^ index).checked_ilog2() else {
            return err!(RegistryError::LeafChanged);
        };
        // The change made new the one sibling that is above its leaf. An early leaf of a batch lacks nodes that a later one
        // brings.
        let level = level as usize;
        if let (Some(sibling), Some(Some(node))) = (siblings.get_mut(level), change.path.get(level))
        {
            *sibling = *node;
        }
    }
    Ok((siblings, changes <= seen as u64))
}

fn open<const HEIGHT: usize>(
    nodes: &[u8],
) -> Result<ConcurrentMerkleTreeZeroCopy<'_, Sha256, HEIGHT>> {
    check_bytes::<HEIGHT>(nodes)?;
    ConcurrentMerkleTreeZeroCopy::from_bytes_zero_copy(nodes).map_err(refusal)
}

fn open_mut<const HEIGHT: usize>(
    nodes: &mut [u8],
) -> Result<ConcurrentMerkleTreeZeroCopyMut<'_, Sha256, HEIGHT>> {
    check_bytes::<HEIGHT>(nodes)?;
    ConcurrentMerkleTreeZeroCopyMut::from_bytes_zero_copy_mut(nodes).map_err(refusal)
}

/// The library would free parts of the account if it met another height, and read at odd addresses.
fn check_bytes<const HEIGHT: usize>(nodes: &[u8]) -> Result<()> {
    let height = nodes
        .first_chunk()
        .map(|height| u64::from_le_bytes(*height));
    require!(
        height == Some(HEIGHT as u64) && nodes.as_ptr().align_offset(8) == 0,
        RegistryError::DamagedTree
    );
    Ok(())
}

fn refusal(error: ConcurrentMerkleTreeError) -> Error {
    match error {
        ConcurrentMerkleTreeError::TreeIsFull => error!(RegistryError::TreeFull),
        ConcurrentMerkleTreeError::EmptyLeaves => error!(RegistryError::EmptyBatch),
        ConcurrentMerkleTreeError::BatchGreaterThanChangelog(..) => {
            error!(RegistryError::BatchTooLarge)
        }
        _ => error!(RegistryError::DamagedTree),
    }
}
