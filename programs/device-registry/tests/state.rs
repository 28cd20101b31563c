//! The accounts' own methods, at their bounds.

use anchor_lang::prelude::*;
use bytemuck::Zeroable;
use device_registry::error::RegistryError;
use device_registry::state::cell::is_cell;
use device_registry::state::network::{APPLY_WITHIN, MAX_PAUSE};
use device_registry::state::{tree, Maker, Network, Operation, Parameters, VoucherPage};
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
fn parameters_that_nobody_applies_fall() {
    let mut network = Network::zeroed();
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
    assert_error(check(&maker, 0, 2), RegistryError::UnsupportedTier);
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

#[test]
fn trees_append() {
    for depth in tree::MIN_DEPTH..=tree::MAX_DEPTH {
        // Account data are 8-aligned.
        let mut words = vec![0u64; (tree::size(depth, 10) - tree::NODES).div_ceil(8)];
        let nodes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        tree::initialize(nodes, depth, 10).unwrap();
        let mut leaves = Vec::new();
        // More than there are places in the changelog and among the roots.
        for index in 0..150u32 {
            let leaf = Sha256::hash(&index.to_le_bytes()).unwrap();
            leaves.push(leaf);
            let appended = tree::append(nodes, depth, &leaf).unwrap();
            assert_eq!(appended.index, index);
            assert_eq!(appended.root, naive_root(&leaves, depth));
        }
    }
}

#[test]
fn trees_fill_up() {
    let mut words = vec![0u64; (tree::size(20, 10) - tree::NODES).div_ceil(8)];
    let nodes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    tree::initialize(nodes, 20, 10).unwrap();
    // The count of leaves follows height and canopy.
    nodes[16..24].copy_from_slice(&((1u64 << 20) - 1).to_le_bytes());
    let appended = tree::append(nodes, 20, &[1; 32]).unwrap();
    assert_eq!(appended.index, (1 << 20) - 1);
    assert_error(tree::append(nodes, 20, &[1; 32]), RegistryError::TreeFull);
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
    let mut words = vec![0u64; (tree::size(24, 10) - tree::NODES).div_ceil(8)];
    let nodes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    tree::initialize(nodes, 24, 10).unwrap();
    assert_error(
        tree::append(nodes, 20, &[1; 32]),
        RegistryError::DamagedTree,
    );
    assert_error(
        tree::append(&mut nodes[..1_000], 24, &[1; 32]),
        RegistryError::DamagedTree,
    );
}
