//! Layouts of the accounts, byte for byte.

use bytemuck::Zeroable;
use reward_emission::state::{Breaker, Emission, Payee, Proposal, Roots, Schedule};
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
        version: 0, bump: 1, operators_bps: 2, root_slash_bps: 4, _pad: 6, network: 8, reward_mint: 40, authority: 72, schedule: 104,
        challenge_window: 144, ballot_length: 152, claimed: 160, payees: 168, final_epoch: 184, finals: 192,
        roots: 200, breaker: 288, reserved: 320,
    } 576);
}

#[test]
fn schedule() {
    assert_layout!(Schedule { initial: 0, floor: 8, decay: 16, crossover: 24, end: 32 } 40);
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
        passed_at: 240, proposer: 248, payer: 280, base: 312, parts: 320, reserved: 336,
    } 440);
}
