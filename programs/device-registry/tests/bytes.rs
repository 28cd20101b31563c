//! Bytes that whoever sends a transaction chooses, and those of accounts as whoever reads them gets them.

use std::sync::LazyLock;

use anchor_lang::prelude::*;
use device_protocol::{Curve, DeviceKey};
use device_registry::error::RegistryError as E;
use device_registry::events::DevicesRegistered;
use device_registry::state::{stream, tree, LeafArgs, LeafPlace};
use proptest::collection::vec;
use proptest::prelude::*;

const DEPTH: u8 = 20;
const CANOPY: u8 = 10;
/// Leaves of the tree.
const LEAVES: u32 = 5;

/// A tree's account data, aligned as they are on chain.
#[derive(Clone)]
struct Data(Vec<u64>);

impl Data {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

fn leaf(index: u32) -> [u8; 32] {
    [index as u8 + 1; 32]
}

static TREE: LazyLock<Data> = LazyLock::new(|| {
    let mut data = Data(vec![0; tree::size(DEPTH, CANOPY).div_ceil(8)]);
    let bytes = data.bytes_mut();
    (bytes[8 + 1], bytes[8 + 2]) = (DEPTH, CANOPY);
    tree::initialize(bytes).unwrap();
    for index in 0..LEAVES {
        tree::append(bytes, &[&leaf(index)]).unwrap();
    }
    data
});

/// The first leaf's place.
fn place() -> LeafPlace {
    let hash =
        |left: &[u8; 32], right: &[u8; 32]| solana_sha256_hasher::hashv(&[left, right]).to_bytes();
    let mut level: Vec<[u8; 32]> = (0..LEAVES).map(leaf).collect();
    let mut absent = [0; 32];
    let mut proof = Vec::new();
    for _ in 0..DEPTH - CANOPY {
        proof.push(*level.get(1).unwrap_or(&absent));
        level = level
            .chunks(2)
            .map(|pair| hash(&pair[0], pair.get(1).unwrap_or(&absent)))
            .collect();
        absent = hash(&absent, &absent);
    }
    LeafPlace {
        index: 0,
        sequence: LEAVES.into(),
        proof,
    }
}

fn written(value: &impl AnchorSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.serialize(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_leaf_stands_at_its_place() {
    let tree = TREE.bytes();
    assert_eq!(tree::verify(tree, &place(), &leaf(0)), Ok(()));
    assert_eq!(
        tree::verify(tree, &place(), &leaf(1)),
        Err(E::WrongProof.into())
    );
}

proptest! {
    /// A place says of itself how many hashes it has, and is not believed.
    #[test]
    fn no_bytes_in_the_place_of_a_leaf_panic(
        bytes in vec(any::<u8>(), 0..900),
        index: u32,
        sequence: u64,
        hashes in 0..30u32,
    ) {
        let head = [&index.to_le_bytes()[..], &sequence.to_le_bytes(), &hashes.to_le_bytes()].concat();
        for bytes in [bytes.clone(), [head, bytes].concat()] {
            let mut rest = bytes.as_slice();
            if let Ok(place) = LeafPlace::deserialize(&mut rest) {
                prop_assert!(place.proof.len() <= usize::from(tree::MAX_DEPTH));
                prop_assert_eq!(written(&place), &bytes[..bytes.len() - rest.len()]);
                prop_assert!(tree::verify(TREE.bytes(), &place, &leaf(0)).is_err());
            }
            if let Ok(args) = LeafArgs::try_from_slice(&bytes) {
                prop_assert_eq!(written(&args), bytes);
                let _ = args.leaf();
            }
        }
    }

    #[test]
    fn a_place_with_anything_changed_is_no_proof(
        index: Option<u32>,
        length in prop::option::of(0..30usize),
        byte in prop::option::of((any::<prop::sample::Index>(), 1..=u8::MAX)),
        sequence: u64,
    ) {
        let mut changed = place();
        changed.index = index.unwrap_or(changed.index);
        changed.proof.resize(length.unwrap_or(changed.proof.len()), [0; 32]);
        if let Some((place, change)) = byte {
            let hashes = changed.proof.as_flattened_mut();
            if !hashes.is_empty() {
                hashes[place.index(hashes.len())] ^= change;
            }
        }
        let is_other = (changed.index, &changed.proof) != (0, &place().proof);
        changed.sequence = sequence;
        let proven = tree::verify(TREE.bytes(), &changed, &leaf(0));
        if !is_other {
            // Its age is no part of what it proves, but for later changes, which are made to it.
            prop_assert!(proven.is_ok() || sequence < LEAVES.into());
        } else {
            let refusals = [E::WrongProof, E::ProofTooOld, E::LeafChanged];
            prop_assert!(
                refusals.into_iter().any(|refusal| proven == Err(Error::from(refusal)))
                    || sequence < LEAVES.into(),
                "{proven:?}"
            );
        }
    }

    #[test]
    fn no_account_in_the_place_of_a_tree_panics(
        bytes in vec(any::<u64>(), 0..400),
        depth in 0..30u8,
        length in any::<prop::sample::Index>(),
    ) {
        let mut other = Data(bytes);
        if let Some(place) = other.bytes_mut().get_mut(8 + 1) {
            *place = depth;
        }
        prop_assert!(tree::standing(other.bytes()).is_err());
        // Cut off anywhere.
        let whole = TREE.bytes();
        prop_assert!(tree::standing(&whole[..length.index(whole.len())]).is_err());
        let _ = stream::parts(other.bytes());
    }

    /// The keys of a maker's batch, back to back.
    #[test]
    fn no_bytes_in_the_place_of_keys_panic(
        keys in vec(any::<u8>(), 0..200),
        curve in 0..3u8,
    ) {
        let event = DevicesRegistered {
            network: Pubkey::default(),
            tree: Pubkey::default(),
            tree_index: 0,
            index: u32::MAX,
            sequence: u64::MAX,
            maker: Pubkey::default(),
            tier: 0,
            cell: 0,
            registered_slot: 0,
            owner_changed_at: 0,
            batch: 0,
            manifest_hash: [0; 32],
            root: [0; 32],
            curve,
            keys: keys.clone(),
        };
        let Ok(devices) = event.devices() else {
            return Ok(());
        };
        let curve = Curve::try_from(curve).unwrap();
        prop_assert_eq!(devices.len() * curve.key_len(), keys.len());
        for ((key, leaf), bytes) in devices.iter().zip(keys.chunks(curve.key_len())) {
            prop_assert_eq!(key.as_bytes(), bytes);
            prop_assert_eq!(Ok(*key), DeviceKey::from_bytes(curve, bytes));
            prop_assert_eq!(leaf.device, key.id());
        }
    }
}
