use crate::error::PoolError;
use crate::events::SignerSet;
use crate::state::Pool;
use anchor_lang::prelude::*;

/// Accounts of `set_signer`.
#[derive(Accounts)]
pub struct SetSigner<'info> {
    /// The pool's operator.
    pub operator: Signer<'info>,
    /// The pool.
    #[account(mut, has_one = operator @ PoolError::NotOperator)]
    pub pool: AccountLoader<'info, Pool>,
}

/// Names the worker's key. Committees that were drawn keep the old one.
pub fn handle_set_signer(ctx: Context<SetSigner>, signer: Pubkey) -> Result<()> {
    ctx.accounts.pool.load_mut()?.set_signer(signer)?;
    emit!(SignerSet {
        pool: ctx.accounts.pool.key(),
        signer,
    });
    Ok(())
}
