//! Layouts of the accounts, byte for byte.

use bytemuck::Zeroable;
use reward_emission::state::{
    Breaker, Credits, Demand, Emission, Epoch, Payee, Pricing, Proposal, Roots, Schedule, Scoring,
    Terms,
};
use std::mem::{offset_of, size_of, size_of_val};

/// Asserts each field's offset, and that the fields fill the struct without padding.
macro_rules! assert_layout {
    ($type:ty { $($field:ident: $offset:expr),+ $(,)? } $size:expr) => {
        $(assert_eq!(offset_of!($type, $field), $offset, stringify!($field));)+
        let zeroed = <$type>::zeroed();
        let sum: usize = [$(size_of_val(&zeroed.$field)),+].iter().sum();
        assert_eq!(sum, $size, "fields");
        assert_eq!(size_of::<$type>(), $size, "size");
    };
}

#[test]
fn emission() {
    assert_layout!(Emission {
        version: 0, bump: 1, operators_bps: 2, root_slash_bps: 4, floor_bps: 6, network: 8, reward_mint: 40, authority: 72, schedule: 104,
        challenge_window: 144, ballot_length: 152, claimed: 160, payees: 168, final_epoch: 184, finals: 192,
        roots: 200, breaker: 288, scoring: 320, operators_sum: 344, reserved: 352,
    } 576);
}

#[test]
fn schedule() {
    assert_layout!(Schedule { initial: 0, floor: 8, decay: 16, crossover: 24, end: 32 } 40);
}

#[test]
fn scoring() {
    assert_layout!(Scoring {
        tiers_bps: 0, cell_capacity: 8, cell_target: 10, scarcity_bps: 12, cell_resolution: 14, full_owners: 15,
        reputation_floor_bps: 16, reputation_step_bps: 18, max_demand_bps: 20, _pad: 22,
    } 24);
}

#[test]
fn breaker() {
    assert_layout!(Breaker { window: 0, limit: 8, level: 16, updated_at: 24 } 32);
}

#[test]
fn roots() {
    assert_layout!(Roots { score_hash: 0, score_sum: 32, reward_hash: 40, reward_sum: 72, depth: 80, _pad: 81 } 88);
}

#[test]
fn payee() {
    assert_layout!(Payee {
        version: 0, bump: 1, kind: 2, _pad: 3, index: 4, network: 8, owner: 40, destination: 72, claimed: 104,
        registered_at: 112, reserved: 120,
    } 176);
}

#[test]
fn proposal() {
    assert_layout!(Proposal {
        version: 0, bump: 1, status: 2, _pad: 3, ballot: 4, network: 8, epoch: 40, roots: 48, stream: 136,
        sequence: 168, committee: 176, committee_epoch: 208, voted: 216, voted_allocation: 224, proposed_at: 232,
        passed_at: 240, proposer: 248, payer: 280, base: 312, parts: 320, operators_sum: 336, reserved: 344,
    } 440);
}

#[test]
fn epoch() {
    assert_layout!(Epoch {
        version: 0, bump: 1, _pad: 2, network: 8, epoch: 40, credits: 48, burned: 56, payer: 64, given: 96,
        reserved: 104,
    } 160);
}

#[test]
fn credits() {
    assert_layout!(Credits {
        version: 0, bump: 1, _pad: 2, network: 8, owner: 40, balance: 72, burned: 80, reserved: 88,
    } 152);
}

#[test]
fn demand() {
    assert_layout!(Demand {
        version: 0, bump: 1, _pad: 2, network: 8, epoch: 40, feed: 48, credits: 80, burned: 88, payer: 96, reserved: 128,
    } 192);
}

#[test]
fn terms() {
    assert_layout!(Terms {
        queue: 0, jobs: 32, registration: 64, feed: 72, max_age_slots: 80, max_age_seconds: 84, max_deviation_bps: 88,
        min_oracles: 90, format: 91, _pad: 92,
    } 96);
}

#[test]
fn pricing() {
    assert_layout!(Pricing {
        version: 0, bump: 1, decimals: 2, _pad: 3, network: 8, terms: 40, next: 136, next_from: 232, burned: 240,
        oracle: 248, next_oracle: 280,
    } 312);
}

/// The crate that programs call by knows the program by its bytes alone.
#[test]
fn a_call_by_the_credits_crate_is_the_programs_own() {
    use anchor_lang::{InstructionData, ToAccountMetas};
    let keys = std::array::from_fn(|_| anchor_lang::prelude::Pubkey::new_unique());
    let [network, pricing, epoch, credits, owner] = keys;
    let call = ::credits::spend_instruction(
        [&network, &pricing, &epoch, &credits, &owner],
        ::credits::Purpose::Feed,
        7,
    );
    let accounts = reward_emission::accounts::SpendCredits {
        network,
        pricing,
        epoch,
        credits,
        owner,
    };
    let data = reward_emission::instruction::SpendCredits {
        purpose: 1,
        count: 7,
    };
    assert_eq!(call.program_id, reward_emission::ID);
    assert_eq!(call.accounts, accounts.to_account_metas(None));
    assert_eq!(call.data, data.data());
}
