use super::register_payee::{check_control, identity};
use crate::error::EmissionError;
use crate::state::{Emission, Payee};
use anchor_lang::prelude::*;
use anchor_spl::token::TokenAccount;
use security_pool::state::Pool;

/// Accounts of `set_destination`.
#[derive(Accounts)]
pub struct SetDestination<'info> {
    /// The emission that pays.
    pub emission: AccountLoader<'info, Emission>,
    /// The payee's owner, or with `pool` the pool's operator.
    pub authority: Signer<'info>,
    /// The pool that is the payee, for an operator; none for an owner.
    pub pool: Option<AccountLoader<'info, Pool>>,
    /// The payee.
    #[account(
        mut,
        constraint = payee.load()?.network == emission.load()?.network
            @ EmissionError::WrongNetwork
    )]
    pub payee: AccountLoader<'info, Payee>,
    /// Token account that will be paid.
    #[account(
        constraint = destination.mint == emission.load()?.reward_mint
            @ EmissionError::WrongDestinationMint
    )]
    pub destination: Account<'info, TokenAccount>,
}

/// Changes where the payee's rewards go.
pub fn handle_set_destination(ctx: Context<SetDestination>) -> Result<()> {
    let accounts = &ctx.accounts;
    check_control(&accounts.authority, &accounts.pool)?;
    let (kind, owner) = identity(&accounts.authority, &accounts.pool);
    let mut payee = accounts.payee.load_mut()?;
    require!(
        payee.kind == kind as u8 && payee.owner == owner,
        EmissionError::NotPayee
    );
    payee.destination = accounts.destination.key();
    Ok(())
}
