//! What an operator loses for a false attestation.

use anchor_lang::prelude::*;

use crate::{error::AiFeedError, state::FULL_BPS};

slashing::penalty!(
    crate::ID_CONST,
    AiFeedError::WrongOffender,
    AiFeedError::AlreadySlashed
);

/// What an attester loses of what it has at stake (base units), in basis points: `slash_bps`, or its bond if that is more,
/// rounded up. Never more than all.
pub fn attester_severity(slash_bps: u16, bond: u64, at_stake: u64) -> u16 {
    let bond_bps = (u128::from(bond) * u128::from(FULL_BPS)).div_ceil(u128::from(at_stake.max(1)));
    let bond_bps = u16::try_from(bond_bps).map_or(FULL_BPS, |bps| bps.min(FULL_BPS));
    slash_bps.max(bond_bps)
}
