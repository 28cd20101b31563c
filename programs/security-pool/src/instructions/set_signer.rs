use crate::error::PoolError;
use crate::events::SignerSet;
use crate::home::home_of;
use crate::state::{Pool, Roster};
use anchor_lang::prelude::*;

/// Accounts of `set_signer`.
#[derive(Accounts)]
pub struct SetSigner<'info> {
    /// The pool's operator.
    pub operator: Signer<'info>,
    /// The pool.
    #[account(mut, has_one = operator @ PoolError::NotOperator)]
    pub pool: AccountLoader<'info, Pool>,
    /// The pool's home, if it has one.
    #[account(mut)]
    pub home: Option<AccountLoader<'info, Roster>>,
}

/// Names the worker's key. Committees that were drawn keep the old one.
pub fn handle_set_signer(ctx: Context<SetSigner>, signer: Pubkey) -> Result<()> {
    let mut pool = ctx.accounts.pool.load_mut()?;
    pool.set_signer(signer)?;
    if let Some(mut home) = home_of(&pool, ctx.accounts.home.as_ref())? {
        home.settle(&ctx.accounts.pool.key(), &mut pool);
    }
    emit!(SignerSet {
        pool: ctx.accounts.pool.key(),
        signer,
    });
    Ok(())
}
