//! What an operator has to lose for a reading that it does not show.

use anchor_lang::prelude::*;
use security_pool::state::{Moment, Roster};
use slashing::SLASHER_SEED;

/// The address by which the program slashes, and its bump: the PDA `["slasher"]`.
pub const SLASHER: (Pubkey, u8) = {
    let (address, bump) =
        anchor_lang::derive_program_address(&[SLASHER_SEED], &crate::ID_CONST.to_bytes());
    (Pubkey::new_from_array(address), bump)
};

/// Whether this program can slash the pool in the roster's network now.
pub fn is_at_stake(roster: &Roster, pool: &Pubkey, moment: Moment) -> bool {
    roster.is_slasher(&SLASHER.0)
        && roster
            .entry(pool)
            .is_some_and(|entry| entry.at_stake(moment) > 0)
}
