use crate::events::OperatorAccepted;
use crate::state::Pool;
use anchor_lang::prelude::*;

/// Accounts of `accept_operator`.
#[derive(Accounts)]
pub struct AcceptOperator<'info> {
    /// Whom the pool was offered to.
    pub pending_operator: Signer<'info>,
    /// The pool.
    #[account(mut)]
    pub pool: AccountLoader<'info, Pool>,
}

/// Makes the key that was offered the pool its operator.
pub fn handle_accept_operator(ctx: Context<AcceptOperator>) -> Result<()> {
    let operator = ctx.accounts.pending_operator.key();
    ctx.accounts.pool.load_mut()?.accept(operator)?;
    emit!(OperatorAccepted {
        pool: ctx.accounts.pool.key(),
        operator,
    });
    Ok(())
}
