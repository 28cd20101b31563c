use crate::error::PoolError;
use crate::events::InsurancePaid;
use crate::seeds;
use crate::state::{Pool, Report};
use crate::vault::Outflow;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use device_registry::state::Network;

/// Accounts of `pay_insurance`.
#[derive(Accounts)]
pub struct PayInsurance<'info> {
    /// The network's authority.
    pub authority: Signer<'info>,
    /// The network.
    #[account(has_one = authority @ PoolError::NotNetworkAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// The slashed pool.
    #[account(
        mut,
        has_one = stake_mint @ PoolError::WrongMint,
        has_one = vault @ PoolError::WrongVault,
    )]
    pub pool: AccountLoader<'info, Pool>,
    /// Its tokens.
    #[account(mut)]
    pub vault: Account<'info, TokenAccount>,
    /// Mint of the stake.
    pub stake_mint: Account<'info, Mint>,
    /// The slash whose insurance it is.
    #[account(
        mut,
        constraint = report.load()?.is_of_pool(&network.key(), &pool.key()) @ PoolError::WrongReport,
    )]
    pub report: AccountLoader<'info, Report>,
    /// The tokens of who was harmed.
    #[account(mut)]
    pub destination: Account<'info, TokenAccount>,
    /// Moves the tokens.
    pub token_program: Program<'info, Token>,
}

/// Pays what the report has set aside, which it has then no more.
pub fn handle_pay_insurance(ctx: Context<PayInsurance>) -> Result<()> {
    let accounts = ctx.accounts;
    let amount = accounts.report.load_mut()?.pay_insurance()?;
    let (creator, bump) = {
        let mut pool = accounts.pool.load_mut()?;
        pool.pay_insurance(amount)?;
        (pool.creator, pool.bump)
    };
    let stake_mint = accounts.stake_mint.key();
    Outflow {
        vault: &mut accounts.vault,
        mint: &accounts.stake_mint,
        authority: accounts.pool.to_account_info(),
        seeds: &[seeds::POOL, stake_mint.as_ref(), creator.as_ref(), &[bump]],
        token_program: &accounts.token_program,
    }
    .pay(&accounts.destination, amount)?;
    emit!(InsurancePaid {
        network: accounts.network.key(),
        report: accounts.report.key(),
        destination: accounts.destination.key(),
        amount,
    });
    accounts.pool.load()?.invariant(accounts.vault.amount)
}
