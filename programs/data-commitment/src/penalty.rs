//! What an operator has to lose for a reading that it does not show.

use anchor_lang::prelude::*;
use security_pool::state::{Moment, Roster};

/// The address by which the program slashes, and its bump: the PDA `["slasher"]`.
pub const SLASHER: (Pubkey, u8) = slashing::slasher(&crate::ID_CONST);

/// Whether this program can slash the pool in the roster's network now.
pub fn is_at_stake(roster: &Roster, pool: &Pubkey, moment: Moment) -> bool {
    roster.can_slash(&SLASHER.0, pool, moment)
}
