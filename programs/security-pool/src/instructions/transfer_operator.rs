use crate::error::PoolError;
use crate::state::Pool;
use anchor_lang::prelude::*;

/// Accounts of `transfer_operator`.
#[derive(Accounts)]
pub struct TransferOperator<'info> {
    /// The pool's operator.
    pub operator: Signer<'info>,
    /// The pool.
    #[account(mut, has_one = operator @ PoolError::NotOperator)]
    pub pool: AccountLoader<'info, Pool>,
}

/// Offers the pool to `operator`, who has to accept.
pub fn handle_transfer_operator(ctx: Context<TransferOperator>, operator: Pubkey) -> Result<()> {
    ctx.accounts.pool.load_mut()?.offer(operator);
    Ok(())
}
