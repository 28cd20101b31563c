use crate::error::PoolError;
use crate::events::WithdrawalRequested;
use crate::home::home_of;
use crate::seeds;
use crate::state::{Delegation, Pool, Roster, Withdrawal};
use anchor_lang::prelude::*;
use anchor_spl::token::TokenAccount;

/// Accounts of `request_withdrawal`.
#[derive(Accounts)]
pub struct RequestWithdrawal<'info> {
    /// Whose stake it is.
    pub owner: Signer<'info>,
    /// Pays the rent, which the owner gets when he withdraws.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The pool.
    #[account(mut, has_one = vault @ PoolError::WrongVault)]
    pub pool: AccountLoader<'info, Pool>,
    /// The owner's shares.
    #[account(
        mut,
        has_one = pool @ PoolError::WrongPool,
        has_one = owner @ PoolError::NotOwner,
    )]
    pub delegation: AccountLoader<'info, Delegation>,
    /// The new withdrawal.
    #[account(
        init,
        payer = payer,
        space = Withdrawal::SPACE,
        seeds = [
            seeds::WITHDRAWAL,
            pool.key().as_ref(),
            owner.key().as_ref(),
            &delegation.load()?.withdrawals.to_le_bytes(),
        ],
        bump,
    )]
    pub withdrawal: AccountLoader<'info, Withdrawal>,
    /// The pool's tokens.
    pub vault: Account<'info, TokenAccount>,
    /// Makes the withdrawal.
    pub system_program: Program<'info, System>,
    /// The pool's home, if it has one.
    #[account(mut)]
    pub home: Option<AccountLoader<'info, Roster>>,
}

/// Lets the worth of `shares` cool down.
pub fn handle_request_withdrawal(ctx: Context<RequestWithdrawal>, shares: u64) -> Result<()> {
    let accounts = ctx.accounts;
    let owner = accounts.owner.key();
    let key = accounts.pool.key();
    let number = accounts.delegation.load_mut()?.give_up(shares)?;
    let mut pool = accounts.pool.load_mut()?;
    let request = pool.request(&owner, shares, Clock::get()?.unix_timestamp)?;
    if let Some(mut home) = home_of(&pool, accounts.home.as_ref())? {
        home.settle(&key, &mut pool);
    }
    accounts
        .withdrawal
        .load_init()?
        .open(ctx.bumps.withdrawal, key, owner, number, &request);
    emit!(WithdrawalRequested {
        pool: key,
        owner,
        number,
        shares,
        amount: request.amount,
        available_at: request.available_at,
    });
    pool.invariant(accounts.vault.amount)
}
