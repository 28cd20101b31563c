use crate::error::InsuranceError;
use crate::events::Deposited;
use crate::state::Fund;
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};

/// Accounts of `deposit`.
#[derive(Accounts)]
pub struct Deposit<'info> {
    /// Owns the source.
    pub depositor: Signer<'info>,
    /// Where the tokens come from.
    #[account(mut)]
    pub source: Account<'info, TokenAccount>,
    /// The fund that they are given to.
    #[account(
        has_one = mint @ InsuranceError::WrongMint,
        has_one = vault @ InsuranceError::WrongVault,
    )]
    pub fund: AccountLoader<'info, Fund>,
    /// Its tokens.
    #[account(mut)]
    pub vault: Account<'info, TokenAccount>,
    /// Their mint.
    pub mint: Account<'info, Mint>,
    /// Moves them.
    pub token_program: Program<'info, Token>,
}

/// Adds `amount` base units to the fund. Only the underwriter can take tokens out again.
pub fn handle_deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
    require!(amount > 0, InsuranceError::ZeroAmount);
    let accounts = ctx.accounts;
    vault::take(
        &mut accounts.vault,
        &accounts.source,
        &accounts.depositor,
        &accounts.mint,
        &accounts.token_program,
        amount,
    )?;
    emit!(Deposited {
        fund: accounts.fund.key(),
        amount,
    });
    accounts.fund.load()?.invariant(accounts.vault.amount)
}
