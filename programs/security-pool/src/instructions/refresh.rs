use crate::error::PoolError;
use crate::events::AllocationChanged;
use crate::state::{Moment, Pool, Roster};
use anchor_lang::prelude::*;
use device_registry::state::Network;

/// Accounts of `refresh`; nobody signs.
#[derive(Accounts)]
pub struct Refresh<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// Its roster.
    #[account(mut, has_one = network @ PoolError::WrongRoster)]
    pub roster: AccountLoader<'info, Roster>,
    /// A pool on it.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
}

/// Brings the pool's entry up to date.
pub fn handle_refresh(ctx: Context<Refresh>) -> Result<()> {
    let moment = Moment::of(&*ctx.accounts.network.load()?)?;
    let mut pool = ctx.accounts.pool.load_mut()?;
    let entry =
        ctx.accounts
            .roster
            .load_mut()?
            .refresh(&ctx.accounts.pool.key(), &mut pool, moment)?;
    emit!(AllocationChanged::new(ctx.accounts.network.key(), &entry));
    Ok(())
}
