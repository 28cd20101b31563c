use security_pool::state::{
    Bond, Checkpoint, Committee, CommitteeEntry, Delegation, Pool, Report, Roster, RosterEntry,
    Withdrawal,
};
use std::mem::{offset_of, size_of};

/// Asserts that a type consists of these fields of these sizes, in this order and without padding.
macro_rules! assert_layout {
    ($type:ty, $size:expr, [$($field:ident: $bytes:expr),+ $(,)?]) => {{
        let mut end = 0;
        $(
            assert_eq!(offset_of!($type, $field), end, stringify!($field));
            end += $bytes;
        )+
        assert_eq!(end, $size);
        assert_eq!(size_of::<$type>(), $size);
    }};
}

#[test]
fn pool() {
    assert_layout!(Pool, 568, [
        version: 1, bump: 1, vault_bump: 1, shared: 1, leverage_bps: 4,
        creator: 32, operator: 32, pending_operator: 32, signer: 32, stake_mint: 32, vault: 32,
        shares: 8, staked: 8, cooling: 8, cooling_shares: 8, cooling_generation: 8,
        locked_excess: 8, insurance: 8, allocated: 8, cooldown: 8, slashed_total: 8, operator_shares: 8,
        operator_cooling_shares: 8, home: 32, raises: 8, takes_delegators: 1, reserved: 231,
    ]);
}

#[test]
fn delegation() {
    assert_layout!(Delegation, 152, [
        version: 1, bump: 1, _pad: 6, pool: 32, owner: 32, shares: 8, withdrawals: 8, reserved: 64,
    ]);
}

#[test]
fn withdrawal() {
    assert_layout!(Withdrawal, 168, [
        version: 1, bump: 1, _pad: 6, pool: 32, owner: 32, number: 8, cooling_shares: 8,
        generation: 8, available_at: 8, reserved: 64,
    ]);
}

#[test]
fn roster() {
    assert_layout!(RosterEntry, 152, [
        pool: 32, current: 8, next: 8, effective_epoch: 8, counted: 8, release_at: 8, begins_at: 8,
        begun: 8, cap_left: 8, cap_renewed_at: 8, signer: 32, staked: 8, cooldown: 8,
    ]);
    assert_layout!(Roster, 10_040, [
        version: 1, bump: 1, _pad: 2, count: 4, network: 32, slashers: 128, slash_cap_bps: 4,
        bounty_bps: 2, insurance_bps: 2, minimum_allocation: 8, bond_vault: 32, bonded: 8,
        entries: 64 * 152, max_leverage_bps: 4, reserved: 84,
    ]);
}

#[test]
fn report() {
    assert_layout!(Report, 296, [
        version: 1, kind: 1, bounty_bps: 2, _pad: 4, network: 32, slasher: 32, offence: 32, source: 32,
        destination: 32, payer: 32, amount: 8, excess: 8, insurance: 8, reported_at: 8, reserved: 64,
    ]);
}

#[test]
fn bond() {
    assert_layout!(Checkpoint, 16, [epoch: 8, amount: 8]);
    assert_layout!(Bond, 296, [
        version: 1, bump: 1, _pad: 2, checkpoint_count: 4, network: 32, owner: 32, amount: 8,
        cooling: 8, releases_at: 8, slashed_total: 8, checkpoints: 8 * 16, reserved: 64,
    ]);
}

#[test]
fn committee() {
    assert_layout!(CommitteeEntry, 72, [pool: 32, signer: 32, allocation: 8]);
    assert_layout!(Committee, 4_776, [
        version: 1, bump: 1, _pad: 2, count: 4, network: 32, epoch: 8, total: 8, payer: 32,
        drawn_slots: 4, drawn: 4, drawn_total: 8, entries: 64 * 72, reserved: 64,
    ]);
}

#[test]
fn every_account_can_be_made_by_one_instruction() {
    const LARGEST: usize = 10_240;
    for space in [
        Pool::SPACE,
        Delegation::SPACE,
        Withdrawal::SPACE,
        Roster::SPACE,
        Committee::SPACE,
        Report::SPACE,
        Bond::SPACE,
    ] {
        assert!(space <= LARGEST);
    }
}
