//! The accounts' own methods, at their bounds.

use anchor_lang::prelude::*;
use bytemuck::Zeroable;
use device_protocol::{RegistryLeaf, Status};
use device_registry::error::RegistryError;
use device_registry::state::cell::is_cell;
use device_registry::state::leaf::change_owner;
use device_registry::state::network::{APPLY_WITHIN, MAX_PAUSE};
use device_registry::state::{tree, LeafPlace, Maker, Network, Operation, Parameters, VoucherPage};
use light_bounded_vec::BoundedVec;
use light_concurrent_merkle_tree::zero_copy::{
    ConcurrentMerkleTreeZeroCopy, ConcurrentMerkleTreeZeroCopyMut,
};
use light_hasher::{Hasher, Sha256};

#[track_caller]
fn assert_error<T: std::fmt::Debug>(result: Result<T>, expected: RegistryError) {
    assert_eq!(result.unwrap_err(), Error::from(expected));
}

fn parameters() -> Parameters {
    Parameters {
        device_bond: 1,
        evidence_window: 2,
        answer_window: 1,
        challenge_bond: 0,
        max_speed: 1,
        tier_discount_bps: [0, 10_000, 10_000, 10_000],
        withheld_slash_bps: 10_000,
        _pad: 0,
    }
}

#[test]
fn epochs() {
    let mut network = Network::zeroed();
    network.genesis = 1_000;
    network.epoch_length = 10;
    assert_error(network.epoch(999), RegistryError::BeforeGenesis);
    assert_error(network.epoch(i64::MIN), RegistryError::BeforeGenesis);
    assert_eq!(network.epoch(1_000).unwrap(), 0);
    assert_eq!(network.epoch(1_009).unwrap(), 0);
    assert_eq!(network.epoch(1_010).unwrap(), 1);
    assert_eq!(network.epoch(i64::MAX).unwrap(), 922_337_203_685_477_480);
    assert_eq!(network.epoch_start(0), 1_000);
    assert_eq!(network.epoch_start(7), 1_070);
    assert_eq!(network.epoch_start(u64::MAX), i64::MAX);
    assert_eq!(network.epoch_start(i64::MAX as u64), i64::MAX);
}

#[test]
fn parameters_have_bounds() {
    parameters().validate().unwrap();
    let refused = |change: fn(&mut Parameters), error| {
        let mut changed = parameters();
        change(&mut changed);
        assert_error(changed.validate(), error);
    };
    refused(
        |p| p.evidence_window = 0,
        RegistryError::InvalidEvidenceWindow,
    );
    refused(
        |p| p.evidence_window = i64::MAX,
        RegistryError::InvalidEvidenceWindow,
    );
    refused(|p| p.answer_window = 0, RegistryError::InvalidAnswerWindow);
    refused(|p| p.answer_window = 2, RegistryError::InvalidAnswerWindow);
    refused(|p| p.max_speed = 0, RegistryError::InvalidMaxSpeed);
    refused(
        |p| p.tier_discount_bps[3] = 10_001,
        RegistryError::InvalidTierDiscount,
    );
    refused(
        |p| p.withheld_slash_bps = 10_001,
        RegistryError::InvalidWithheldSlash,
    );
    refused(|p| p._pad = 1, RegistryError::ReservedNotZero);
}

#[test]
fn a_devices_bond_is_less_by_its_tiers_discount_rounded_up() {
    let parameters = Parameters {
        device_bond: 1_001,
        tier_discount_bps: [0, 5_000, 9_999, 10_000],
        ..parameters()
    };
    let bonds = [0, 1, 2, 3].map(|tier| parameters.bond_of(tier).unwrap());
    assert_eq!(bonds, [1_001, 501, 1, 0]);
    assert_error(parameters.bond_of(4), RegistryError::InvalidTier);
    let largest = Parameters {
        device_bond: u64::MAX,
        ..parameters
    };
    assert_eq!(largest.bond_of(0).unwrap(), u64::MAX);
    assert_eq!(largest.bond_of(1).unwrap(), u64::MAX / 2 + 1);
}

#[test]
fn parameters_that_nobody_applies_fall() {
    let mut network = Network::zeroed();
    network.parameters = parameters();
    network.timelock = 100;
    network.propose(parameters(), 1_000).unwrap();
    assert_error(
        network.apply(1_100 + APPLY_WITHIN + 1),
        RegistryError::ProposalExpired,
    );
    network.apply(1_100 + APPLY_WITHIN).unwrap();

    network.propose(parameters(), 2_000).unwrap();
    network.pending_authority = Pubkey::new_unique();
    let successor = network.pending_authority;
    network.hand_over();
    assert_eq!(network.authority, successor);
    assert_eq!(network.pending_authority, Pubkey::default());
    assert_error(network.apply(2_100), RegistryError::NothingProposed);
}

#[test]
fn parameters_wait_for_the_timelock() {
    let mut network = Network::zeroed();
    network.parameters = parameters();
    network.timelock = 100;
    assert_error(network.apply(1_000), RegistryError::NothingProposed);
    network.propose(parameters(), 1_000).unwrap();
    assert_error(network.apply(1_099), RegistryError::TimelockRunning);
    // A later proposal waits its own time.
    network.propose(parameters(), 1_050).unwrap();
    assert_error(network.apply(1_100), RegistryError::TimelockRunning);
    network.apply(1_150).unwrap();
    assert_eq!(network.parameters, parameters());
    assert_error(network.apply(1_151), RegistryError::NothingProposed);
    assert_error(
        network.propose(parameters(), i64::MAX),
        RegistryError::Overflow,
    );
}

#[test]
fn pauses_end_and_rest() {
    let mut network = Network::zeroed();
    let operation = Operation::Attest;
    assert!(!network.is_paused(operation, 1_000));
    assert_error(
        network.pause(operation, 0, 1_000),
        RegistryError::PauseLength,
    );
    assert_error(
        network.pause(operation, MAX_PAUSE + 1, 1_000),
        RegistryError::PauseLength,
    );
    network.pause(operation, MAX_PAUSE, 1_000).unwrap();
    assert!(network.is_paused(operation, 1_000));
    assert!(network.is_paused(operation, 999 + MAX_PAUSE));
    assert!(!network.is_paused(operation, 1_000 + MAX_PAUSE));
    assert!(!network.is_paused(Operation::Root, 1_000));
    // Neither prolonged nor renewed before as much time has passed unpaused.
    for now in [1_001, 1_000 + MAX_PAUSE, 999 + 2 * MAX_PAUSE] {
        assert_error(
            network.pause(operation, 1, now),
            RegistryError::PauseTooSoon,
        );
    }
    let renewed = 1_000 + 2 * MAX_PAUSE;
    network.pause(operation, 100, renewed).unwrap();
    // Resumed after 10 seconds, it has to rest for 10.
    network.resume(operation, renewed + 10).unwrap();
    assert!(!network.is_paused(operation, renewed + 10));
    assert_error(
        network.resume(operation, renewed + 10),
        RegistryError::NotPaused,
    );
    assert_error(
        network.pause(operation, 1, renewed + 19),
        RegistryError::PauseTooSoon,
    );
    network.pause(operation, 1, renewed + 20).unwrap();
}

#[test]
fn voucher_numbers_are_used_once() {
    let mut page = Box::new(VoucherPage::zeroed());
    page.page = 1;
    for number in [0, 8_191, 16_384, u64::MAX] {
        assert_error(page.take(number), RegistryError::WrongVoucherPage);
    }
    for number in [8_192, 8_193, 16_383] {
        page.take(number).unwrap();
        assert_error(page.take(number), RegistryError::VoucherUsed);
    }
    assert_eq!(page.used, 3);
    assert_eq!(page.bitmap[0], 0b11);
    assert_eq!(page.bitmap[1023], 0b1000_0000);
}

#[test]
fn vouchers_have_bounds() {
    let owner = Pubkey::new_unique();
    let mut maker = Maker::zeroed();
    maker.key = Pubkey::new_unique();
    maker.quota = 10;
    maker.max_tier = 1;
    let check = |maker: &Maker, number, tier| maker.check_voucher(number, tier, &owner, true);
    check(&maker, 9, 1).unwrap();
    assert_error(check(&maker, 10, 1), RegistryError::NumberBeyondQuota);
    assert_error(check(&maker, u64::MAX, 1), RegistryError::NumberBeyondQuota);
    assert_error(check(&maker, 0, 2), RegistryError::TierNotApproved);
    maker.max_tier = 2;
    assert_error(check(&maker, 0, 2), RegistryError::CertificateNeeded);
    maker.check_certificate(9).unwrap();
    assert_error(
        maker.check_certificate(10),
        RegistryError::NumberBeyondQuota,
    );
    assert_error(check(&maker, 0, 255), RegistryError::TierNotApproved);
    assert_error(check(&maker, 0, 0), RegistryError::SelfSignedNotAllowed);
    let own = maker.key;
    maker.check_voucher(0, 0, &own, true).unwrap();
    assert_error(
        maker.check_voucher(0, 0, &own, false),
        RegistryError::SelfSignedNotAllowed,
    );
    maker.revoked = 1;
    assert_error(check(&maker, 9, 1), RegistryError::MakerRevoked);
    assert_error(maker.check_certificate(9), RegistryError::MakerRevoked);
}

#[test]
fn vouchers_and_batches_share_the_quota() {
    let mut maker = Maker::zeroed();
    maker.quota = 10;
    maker.vouch(1).unwrap();
    maker.vouch(9).unwrap();
    assert_error(maker.vouch(1), RegistryError::QuotaUsedUp);
    maker.vouched = u64::MAX;
    assert_error(maker.vouch(1), RegistryError::Overflow);
}

#[test]
fn batches_land_once_in_any_order() {
    let mut maker = Maker::zeroed();
    assert_error(maker.take_batch(64), RegistryError::BatchOutOfTurn);
    assert_error(maker.take_batch(u64::MAX), RegistryError::BatchOutOfTurn);
    for number in [0, 2, 1, 65, 5, 64, 3] {
        maker.take_batch(number).unwrap();
        assert_error(maker.take_batch(number), RegistryError::BatchLanded);
    }
    assert_eq!(maker.batches, 66);
    // Number 1 has landed and is too far back to be remembered; 2 is the last that is.
    assert_error(maker.take_batch(1), RegistryError::BatchOutOfTurn);
    assert_error(maker.take_batch(2), RegistryError::BatchLanded);
    maker.take_batch(4).unwrap();
    // The farthest step forgets all but itself.
    maker.take_batch(66 + 63).unwrap();
    assert_eq!((maker.batches, maker.landed), (130, 1));
    maker.take_batch(66).unwrap();
    assert_error(maker.take_batch(65), RegistryError::BatchOutOfTurn);
    maker.batches = u64::MAX;
    assert_error(maker.take_batch(u64::MAX), RegistryError::Overflow);
}

#[test]
fn owners_change_once_an_evidence_window() {
    let (first, second) = (Pubkey::new_unique(), Pubkey::new_unique());
    let registered = RegistryLeaf {
        device: [1; 32],
        owner: first.to_bytes(),
        maker: [2; 32],
        tier: 1,
        status: Status::Proven,
        cell: 3,
        registered_slot: 4,
        previous_owner: [0; 32],
        owner_changed_at: 1_000,
        nonce: 0,
    };
    assert_error(
        change_owner(&registered, &first, 2_000, 100),
        RegistryError::SameOwner,
    );
    assert_error(
        change_owner(&registered, &second, 1_099, 100),
        RegistryError::OwnerChangedRecently,
    );
    let sold = change_owner(&registered, &second, 1_100, 100).unwrap();
    let expected = RegistryLeaf {
        owner: second.to_bytes(),
        previous_owner: first.to_bytes(),
        owner_changed_at: 1_100,
        nonce: 1,
        ..registered
    };
    assert_eq!(sold, expected);
    assert_error(
        change_owner(&sold, &first, 1_199, 100),
        RegistryError::OwnerChangedRecently,
    );
    assert_eq!(change_owner(&sold, &first, 1_200, 100).unwrap().nonce, 2);
    let last = RegistryLeaf {
        nonce: u32::MAX,
        ..sold
    };
    assert_error(
        change_owner(&last, &first, 1_200, 100),
        RegistryError::Overflow,
    );
    let never = RegistryLeaf {
        owner_changed_at: i64::MAX,
        ..sold
    };
    assert_error(
        change_owner(&never, &first, 1_200, 100),
        RegistryError::Overflow,
    );
}

#[test]
fn cells() {
    // Examples of the H3 documentation, resolutions 9 and 5; the first and last base cell; a cell of resolution 15.
    for cell in [
        0x8928308280fffff,
        0x85283473fffffff,
        0x8001fffffffffff,
        0x80f3fffffffffff,
        0x8f2830828052d25,
    ] {
        assert!(is_cell(cell), "{cell:x}");
        assert!(!is_cell(cell | 1 << 63), "reserved top bit");
        assert!(!is_cell(cell | 1 << 56), "reserved bits");
        assert!(!is_cell(cell ^ 3 << 59), "mode 2");
    }
    for not in [
        0,
        1,
        u64::MAX,
        0x80f5fffffffffff, // base cell 122
        0x8928308281fffff, // a used digit is 7
        0x8928308280ffffe, // an unused digit is not 7
    ] {
        assert!(!is_cell(not), "{not:x}");
    }
}

/// Root over a few leaves at the left of an otherwise empty tree.
fn naive_root(leaves: &[[u8; 32]], depth: u8) -> [u8; 32] {
    let mut level = leaves.to_vec();
    let mut absent = [0; 32];
    for _ in 0..depth {
        if level.len() % 2 == 1 {
            level.push(absent);
        }
        level = level
            .chunks(2)
            .map(|pair| Sha256::hashv(&[&pair[0], &pair[1]]).unwrap())
            .collect();
        absent = Sha256::hashv(&[&absent, &absent]).unwrap();
    }
    level[0]
}

/// A tree's account data, 8-aligned as they are on chain.
#[derive(Clone)]
struct TreeData(Vec<u64>);

impl TreeData {
    fn new(depth: u8, canopy: u8) -> Self {
        let mut data = Self(vec![0; tree::size(depth, canopy).div_ceil(8)]);
        data[8 + 1] = depth;
        data[8 + 2] = canopy;
        tree::initialize(&mut data).unwrap();
        data
    }

    /// Whether `changed` is what the library makes of this tree. The proof is of the tree as it stands.
    fn is_changed_to(
        &self,
        changed: &Self,
        place: &LeafPlace,
        old: &[u8; 32],
        new: &[u8; 32],
    ) -> bool {
        fn update<const HEIGHT: usize>(
            nodes: &mut [u8],
            changed: &[u8],
            place: &LeafPlace,
            old: &[u8; 32],
            new: &[u8; 32],
        ) -> bool {
            let mut proof = BoundedVec::with_capacity(HEIGHT);
            for node in &place.proof {
                proof.push(*node).unwrap();
            }
            let mut tree =
                ConcurrentMerkleTreeZeroCopyMut::<Sha256, HEIGHT>::from_bytes_zero_copy_mut(nodes)
                    .unwrap();
            let newest = tree.changelog_index();
            tree.update(newest, old, new, place.index as usize, &mut proof)
                .unwrap();
            let changed =
                ConcurrentMerkleTreeZeroCopy::<Sha256, HEIGHT>::from_bytes_zero_copy(changed);
            *tree == *changed.unwrap()
        }
        let mut expected = self.clone();
        let nodes = &mut expected[tree::NODES..];
        let changed = &changed[tree::NODES..];
        match self[8 + 1] {
            20 => update::<20>(nodes, changed, place, old, new),
            21 => update::<21>(nodes, changed, place, old, new),
            22 => update::<22>(nodes, changed, place, old, new),
            23 => update::<23>(nodes, changed, place, old, new),
            24 => update::<24>(nodes, changed, place, old, new),
            _ => panic!("no such tree"),
        }
    }

    /// The place of a leaf by the proof of a tree of these leaves.
    fn place(leaves: &[[u8; 32]], index: usize, levels: usize, sequence: u64) -> LeafPlace {
        let mut level = leaves.to_vec();
        let mut absent = [0; 32];
        let mut proof = Vec::new();
        let mut at = index;
        for _ in 0..levels {
            proof.push(level.get(at ^ 1).copied().unwrap_or(absent));
            if level.len() % 2 == 1 {
                level.push(absent);
            }
            level = level
                .chunks(2)
                .map(|pair| Sha256::hashv(&[&pair[0], &pair[1]]).unwrap())
                .collect();
            absent = Sha256::hashv(&[&absent, &absent]).unwrap();
            at /= 2;
        }
        LeafPlace {
            index: index as u32,
            sequence,
            proof,
        }
    }
}

impl std::ops::Deref for TreeData {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl std::ops::DerefMut for TreeData {
    fn deref_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

fn some_leaf(number: u32) -> [u8; 32] {
    Sha256::hash(&number.to_le_bytes()).unwrap()
}

#[test]
fn trees_append() {
    for depth in tree::MIN_DEPTH..=tree::MAX_DEPTH {
        let mut data = TreeData::new(depth, 10);
        let mut leaves = Vec::new();
        // More than there are places in the changelog and among the roots.
        for index in 0..300u32 {
            let leaf = some_leaf(index);
            leaves.push(leaf);
            let appended = tree::append(&mut data, &[&leaf]).unwrap();
            assert_eq!(appended.index, index);
            assert_eq!(appended.sequence, u64::from(index) + 1);
            assert_eq!(appended.root, naive_root(&leaves, depth));
        }
    }
}

#[test]
fn trees_append_batches() {
    let mut data = TreeData::new(24, 10);
    let mut leaves = Vec::new();
    for size in [1, 2, 3, 110, 256, 7] {
        let (index, before) = (leaves.len(), leaves.clone());
        leaves.extend((0..size).map(|number| some_leaf((index + number) as u32)));
        let batch: Vec<_> = leaves[index..].iter().collect();
        let appended = tree::append(&mut data, &batch).unwrap();
        assert_eq!(appended.index as usize, index);
        assert_eq!(appended.sequence as usize, index + 1);
        assert_eq!(appended.root, naive_root(&leaves, 24));
        let standing = tree::standing(&data).unwrap();
        assert_eq!(standing.leaves as usize, leaves.len());
        assert_eq!(standing.sequence as usize, leaves.len());
        assert_eq!(standing.root, appended.root);
        // Proofs from before the batch and from after it.
        for at in 0..leaves.len() {
            let place = TreeData::place(&leaves, at, 14, leaves.len() as u64);
            tree::verify(&data, &place, &leaves[at]).unwrap();
        }
        for (at, leaf) in before.iter().enumerate() {
            let place = TreeData::place(&before, at, 14, before.len() as u64);
            tree::verify(&data, &place, leaf).unwrap();
        }
    }
    assert_error(tree::append(&mut data, &[]), RegistryError::EmptyBatch);
    // More than the changelog keeps.
    let batch = vec![&leaves[0]; tree::CHANGELOG + 1];
    assert_error(
        tree::append(&mut data, &batch),
        RegistryError::BatchTooLarge,
    );
}

#[test]
fn changes_of_other_leaves_do_not_matter() {
    const LEAVES: usize = 300;
    for depth in tree::MIN_DEPTH..=tree::MAX_DEPTH {
        let mut data = TreeData::new(depth, 12);
        let levels = usize::from(depth) - 12;
        let mut leaves = Vec::new();
        for number in 0..LEAVES as u32 {
            leaves.push(some_leaf(number));
            tree::append(&mut data, &[&some_leaf(number)]).unwrap();
        }
        // All from one root. The places are mixed so that near and far ones follow each other.
        let places: Vec<_> = (0..LEAVES)
            .map(|number| number * 7 % LEAVES)
            .map(|at| TreeData::place(&leaves, at, levels, LEAVES as u64))
            .collect();
        for (number, place) in places[..=tree::CHANGELOG].iter().enumerate() {
            let at = place.index as usize;
            let new = some_leaf(1_000 + at as u32);
            tree::verify(&data, place, &leaves[at]).unwrap();
            let before = data.clone();
            let now = TreeData::place(&leaves, at, levels, 0);
            let changed = tree::replace(&mut data, place, &leaves[at], &new).unwrap();
            assert_eq!(changed.index, place.index);
            assert_eq!(changed.sequence as usize, LEAVES + number + 1);
            assert!(before.is_changed_to(&data, &now, &leaves[at], &new));
            leaves[at] = new;
            assert_eq!(changed.root, naive_root(&leaves, depth));
            assert_error(tree::verify(&data, place, &new), RegistryError::LeafChanged);
        }
        // Appending goes on from changed leaves.
        leaves.push(some_leaf(9));
        let appended = tree::append(&mut data, &[&some_leaf(9)]).unwrap();
        assert_eq!(appended.root, naive_root(&leaves, depth));
    }
}

#[test]
fn a_proof_is_too_old_only_below_the_canopy() {
    let mut data = TreeData::new(20, 14);
    // The canopy of 14 leaves 6 levels: 64 leaves have nodes below it in common.
    let mut leaves: Vec<_> = (0..100).map(some_leaf).collect();
    for leaf in &leaves {
        tree::append(&mut data, &[leaf]).unwrap();
    }
    let place = |leaves: &[[u8; 32]], at, sequence| TreeData::place(leaves, at, 6, sequence);
    let old = [0, 98, 99].map(|at| (place(&leaves, at, 100), leaves[at]));
    // The neighbour of leaf 0 changes first and falls out of the changelog.
    for change in 0..=tree::CHANGELOG {
        let at = if change == 0 { 1 } else { 97 };
        let current = place(&leaves, at, 100 + change as u64);
        let new = some_leaf(1_000 + change as u32);
        tree::replace(&mut data, &current, &leaves[at], &new).unwrap();
        leaves[at] = new;
    }
    let [(first, first_leaf), (last, last_leaf), (stale, stale_leaf)] = old;
    assert_error(
        tree::verify(&data, &first, &first_leaf),
        RegistryError::ProofTooOld,
    );
    assert_error(
        tree::replace(&mut data, &first, &first_leaf, &[1; 32]),
        RegistryError::ProofTooOld,
    );
    // What changed near leaf 98 is still in the changelog, though the first change is not.
    tree::verify(&data, &last, &last_leaf).unwrap();
    tree::replace(&mut data, &last, &last_leaf, &[2; 32]).unwrap();
    // A wrong leaf with so old a proof can't be told from an old one.
    assert_error(
        tree::verify(&data, &stale, &last_leaf),
        RegistryError::ProofTooOld,
    );
    tree::verify(&data, &stale, &stale_leaf).unwrap();
}

#[test]
fn proofs_prove_one_leaf_at_one_place() {
    let mut data = TreeData::new(24, 10);
    let leaves: Vec<_> = (0..5).map(some_leaf).collect();
    for leaf in &leaves {
        tree::append(&mut data, &[leaf]).unwrap();
    }
    let right = TreeData::place(&leaves, 2, 14, 5);
    tree::verify(&data, &right, &leaves[2]).unwrap();
    let mut wrong = |change: fn(&mut LeafPlace), leaf: &[u8; 32]| {
        let mut place = right.clone();
        change(&mut place);
        assert_error(tree::verify(&data, &place, leaf), RegistryError::WrongProof);
        assert_error(
            tree::replace(&mut data, &place, leaf, &[1; 32]),
            RegistryError::WrongProof,
        );
    };
    wrong(|_| {}, &leaves[1]);
    wrong(|place| place.index = 3, &leaves[2]);
    wrong(|place| place.proof[0][0] ^= 1, &leaves[2]);
    wrong(|place| place.proof[13][31] ^= 1, &leaves[2]);
    wrong(|place| place.proof.truncate(13), &leaves[2]);
    wrong(|place| place.proof.push([0; 32]), &leaves[2]);
    // No leaf stands there yet, or ever will.
    wrong(|place| place.index = 5, &[0; 32]);
    wrong(|place| place.index = u32::MAX, &leaves[2]);
    // The sequence only says what to catch up on: the root decides.
    for sequence in [0, 3, 6, u64::MAX] {
        let place = LeafPlace {
            sequence,
            ..right.clone()
        };
        let proven = tree::verify(&data, &place, &leaves[2]);
        if sequence < 3 {
            assert_error(proven, RegistryError::LeafChanged);
        } else {
            proven.unwrap();
        }
    }
}

#[test]
fn a_place_is_read_as_it_is_written() {
    let place = |nodes: u8| LeafPlace {
        index: 7,
        sequence: 8,
        proof: (0..nodes).map(|node| [node; 32]).collect(),
    };
    let bytes = |nodes| {
        let mut bytes = Vec::new();
        place(nodes).serialize(&mut bytes).unwrap();
        bytes
    };
    for nodes in 0..=tree::MAX_DEPTH {
        let bytes = bytes(nodes);
        assert_eq!(bytes.len(), 16 + 32 * usize::from(nodes));
        assert_eq!(LeafPlace::try_from_slice(&bytes).unwrap(), place(nodes));
        for len in 0..bytes.len() {
            assert!(LeafPlace::try_from_slice(&bytes[..len]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(LeafPlace::try_from_slice(&longer).is_err());
    }
    assert!(LeafPlace::try_from_slice(&bytes(tree::MAX_DEPTH + 1)).is_err());
    // What somebody says there is takes no memory.
    let mut endless = bytes(0);
    endless[12..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(LeafPlace::try_from_slice(&endless).is_err());
}

#[test]
fn trees_fill_up() {
    let mut data = TreeData::new(20, 10);
    // The count of leaves follows height and canopy.
    let count = tree::NODES + 16..tree::NODES + 24;
    data[count].copy_from_slice(&((1u64 << 20) - 1).to_le_bytes());
    let two: [&[u8; 32]; 2] = [&[1; 32]; 2];
    assert_error(tree::append(&mut data, &two), RegistryError::TreeFull);
    let appended = tree::append(&mut data, &[&[1; 32]]).unwrap();
    assert_eq!(appended.index, (1 << 20) - 1);
    assert_error(
        tree::append(&mut data, &[&[1; 32]]),
        RegistryError::TreeFull,
    );
}

#[test]
fn trees_have_bounds() {
    assert_error(tree::check_shape(19, 10), RegistryError::InvalidDepth);
    assert_error(tree::check_shape(25, 10), RegistryError::InvalidDepth);
    assert_error(tree::check_shape(20, 9), RegistryError::InvalidCanopy);
    assert_error(tree::check_shape(20, 15), RegistryError::InvalidCanopy);
    tree::check_shape(20, 10).unwrap();
    tree::check_shape(24, 14).unwrap();
    // Bytes of another depth, or too few, are refused without a panic.
    let mut data = TreeData::new(24, 10);
    let place = TreeData::place(&[], 0, 14, 0);
    for bytes in [0, 8, 119, 120, 1_000] {
        let data = &mut data[..bytes];
        assert_error(tree::append(data, &[&[1; 32]]), RegistryError::DamagedTree);
        assert_error(tree::standing(data), RegistryError::DamagedTree);
        assert_error(
            tree::verify(data, &place, &[1; 32]),
            RegistryError::DamagedTree,
        );
    }
    data[8 + 1] = 20;
    assert_error(
        tree::append(&mut data, &[&[1; 32]]),
        RegistryError::DamagedTree,
    );
}
