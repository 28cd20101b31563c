use crate::error::InsuranceError;
use crate::events::Withdrawn;
use crate::state::Fund;
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};

/// Accounts of `withdraw_fund`.
#[derive(Accounts)]
pub struct WithdrawFund<'info> {
    /// The fund's underwriter.
    pub underwriter: Signer<'info>,
    /// The fund.
    #[account(
        has_one = underwriter @ InsuranceError::NotUnderwriter,
        has_one = mint @ InsuranceError::WrongMint,
        has_one = vault @ InsuranceError::WrongVault,
    )]
    pub fund: AccountLoader<'info, Fund>,
    /// Its tokens.
    #[account(mut)]
    pub vault: Account<'info, TokenAccount>,
    /// Where they go, as the underwriter says.
    #[account(mut)]
    pub destination: Account<'info, TokenAccount>,
    /// Their mint.
    pub mint: Account<'info, Mint>,
    /// Moves them.
    pub token_program: Program<'info, Token>,
}

/// Takes `amount` base units that no open policy may need.
pub fn handle_withdraw_fund(ctx: Context<WithdrawFund>, amount: u64) -> Result<()> {
    require!(amount > 0, InsuranceError::ZeroAmount);
    let accounts = ctx.accounts;
    accounts
        .fund
        .load()?
        .check_withdrawal(amount, accounts.vault.amount)?;
    vault::pay(
        &accounts.fund,
        &mut accounts.vault,
        &accounts.destination,
        &accounts.mint,
        &accounts.token_program,
        amount,
    )?;
    emit!(Withdrawn {
        fund: accounts.fund.key(),
        amount,
    });
    accounts.fund.load()?.invariant(accounts.vault.amount)
}
