//! The roster that has a pool's stake and signer at hand.

use crate::error::PoolError;
use crate::state::{Pool, Roster};
use anchor_lang::prelude::*;
use std::cell::RefMut;

/// The pool's home, if it has one, which is then to be passed.
///
/// # Errors
/// [`PoolError::WrongHome`] if it is left out, or another roster is passed.
pub fn home_of<'a>(
    pool: &Pool,
    passed: Option<&'a AccountLoader<Roster>>,
) -> Result<Option<RefMut<'a, Roster>>> {
    if pool.home == Pubkey::default() {
        return Ok(None);
    }
    let home = passed
        .ok_or_else(|| error!(PoolError::WrongHome))?
        .load_mut()?;
    require_keys_eq!(home.network, pool.home, PoolError::WrongHome);
    Ok(Some(home))
}
