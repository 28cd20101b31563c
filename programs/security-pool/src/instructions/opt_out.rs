use crate::error::PoolError;
use crate::events::AllocationChanged;
use crate::state::{Moment, Pool, Roster};
use anchor_lang::prelude::*;
use device_registry::state::Network;

/// Accounts of `opt_out`.
#[derive(Accounts)]
pub struct OptOut<'info> {
    /// The pool's operator.
    pub operator: Signer<'info>,
    /// The network to leave.
    pub network: AccountLoader<'info, Network>,
    /// Its roster.
    #[account(mut, has_one = network @ PoolError::WrongRoster)]
    pub roster: AccountLoader<'info, Roster>,
    /// The pool.
    #[account(mut, has_one = operator @ PoolError::NotOperator)]
    pub pool: AccountLoader<'info, Pool>,
}

/// Ends the pool's allocation with this epoch. No pause stops it.
pub fn handle_opt_out(ctx: Context<OptOut>) -> Result<()> {
    let moment = Moment::of(&*ctx.accounts.network.load()?)?;
    let mut pool = ctx.accounts.pool.load_mut()?;
    let entry =
        ctx.accounts
            .roster
            .load_mut()?
            .opt_out(&ctx.accounts.pool.key(), &mut pool, moment)?;
    emit!(AllocationChanged::new(ctx.accounts.network.key(), &entry));
    Ok(())
}
