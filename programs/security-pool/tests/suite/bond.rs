use super::roster::assert_refused;
use anchor_lang::prelude::Pubkey;
use bytemuck::Zeroable;
use proptest::prelude::*;
use security_pool::error::PoolError as E;
use security_pool::state::{Bond, CHECKPOINTS};
use std::collections::BTreeMap;

fn bond() -> Bond {
    let mut bond = Bond::zeroed();
    bond.open(255, Pubkey::new_unique(), Pubkey::new_unique());
    bond
}

#[test]
fn a_bond_is_slashed_from_what_backs_devices_first_then_from_what_cools_down() {
    let mut bond = bond();
    bond.post(100, 0).unwrap();
    bond.request(40, 0, 500).unwrap();
    assert_eq!(bond.slash(10, 1).unwrap(), 10);
    assert_eq!((bond.amount, bond.cooling), (50, 40));
    assert_eq!(bond.slash(60, 1).unwrap(), 60);
    assert_eq!((bond.amount, bond.cooling), (0, 30));
    assert_eq!(bond.slash(u64::MAX, 1).unwrap(), 30);
    assert_eq!((bond.cooling, bond.releases_at), (0, 0));
    assert_eq!(bond.slash(1, 1).unwrap(), 0);
    assert_eq!(bond.slashed_total, 100);
}

#[test]
fn a_second_request_lets_the_first_wait_too() {
    let mut bond = bond();
    bond.post(100, 0).unwrap();
    bond.request(40, 0, 500).unwrap();
    bond.request(10, 0, 600).unwrap();
    assert_refused(bond.withdraw(599), E::BondCooling);
    assert_eq!(bond.withdraw(600).unwrap(), 50);
    assert_refused(bond.withdraw(600), E::NothingRequested);
    // A network whose windows were shortened lets nobody out earlier than he was told.
    bond.request(10, 0, 900).unwrap();
    bond.request(10, 0, 700).unwrap();
    assert_eq!(bond.releases_at, 900);
}

#[test]
fn amounts_are_checked() {
    let mut bond = bond();
    assert_refused(bond.post(0, 0), E::ZeroAmount);
    assert_refused(bond.request(0, 0, 1), E::ZeroAmount);
    assert_refused(bond.request(1, 0, 1), E::BondTooSmall);
    assert_refused(bond.withdraw(i64::MAX), E::NothingRequested);
    bond.post(u64::MAX, 0).unwrap();
    assert_refused(bond.post(1, 0), E::Overflow);
}

#[test]
fn an_epoch_that_is_forgotten_counts_as_without_bond() {
    let mut bond = bond();
    assert_eq!(bond.amount_at(u64::MAX), 0);
    for epoch in 1..=CHECKPOINTS as u64 + 1 {
        bond.post(1, epoch * 10).unwrap();
    }
    assert_eq!(bond.amount_at(19), 0);
    assert_eq!(bond.amount_at(20), 2);
}

proptest! {
    /// What the last epochs ended with is what is remembered of them.
    #[test]
    fn a_bond_remembers_what_epochs_ended_with(
        steps in prop::collection::vec((0..3u8, 1..=1_000u64, 0..3u64), 1..60),
    ) {
        let mut bond = bond();
        let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut epoch, mut held, mut vault) = (0, 0u64, 0u64);
        for (step, size, wait) in steps {
            epoch += wait;
            let changed = match step {
                0 => {
                    vault += size;
                    bond.post(size, epoch).is_ok()
                }
                1 => bond.request(size, epoch, 0).is_ok(),
                _ => {
                    vault -= bond.slash(size, epoch).unwrap();
                    true
                }
            };
            if changed {
                held = bond.amount;
                ends.insert(epoch, held);
            }
            prop_assert_eq!(bond.amount, held);
            prop_assert_eq!(bond.amount + bond.cooling, vault);
            let oldest = ends.keys().rev().nth(CHECKPOINTS - 1).or(ends.keys().next());
            for asked in oldest.copied().unwrap_or(0)..=epoch + 1 {
                let wanted = ends.range(..=asked).next_back().map_or(0, |(_, held)| *held);
                prop_assert_eq!(bond.amount_at(asked), wanted);
            }
        }
    }
}
