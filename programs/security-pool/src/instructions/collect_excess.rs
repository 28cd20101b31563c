use crate::error::PoolError;
use crate::events::ExcessCollected;
use crate::seeds;
use crate::state::{Moment, Pool, Report, Roster};
use crate::vault::Outflow;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use device_registry::state::Network;

/// Accounts of `collect_excess`; nobody signs.
#[derive(Accounts)]
pub struct CollectExcess<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// Its roster.
    #[account(mut, has_one = network @ PoolError::WrongRoster)]
    pub roster: AccountLoader<'info, Roster>,
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
    /// Mint of the stake; a part is burned.
    #[account(mut)]
    pub stake_mint: Account<'info, Mint>,
    /// The slash whose excess it is.
    #[account(
        mut,
        constraint = report.load()?.is_of_pool(&network.key(), &pool.key()) @ PoolError::WrongReport,
    )]
    pub report: AccountLoader<'info, Report>,
    /// The reporter's tokens, as the report says.
    #[account(mut, address = report.load()?.destination @ PoolError::WrongDestination)]
    pub bounty: Account<'info, TokenAccount>,
    /// Moves the tokens.
    pub token_program: Program<'info, Token>,
}

/// Takes what an earlier slash locked, as far as this epoch's cap goes, and divides it as that slash would have.
pub fn handle_collect_excess(ctx: Context<CollectExcess>) -> Result<()> {
    let accounts = ctx.accounts;
    let moment = Moment::of(&*accounts.network.load()?)?;
    let (split, creator, bump) = {
        let mut roster = accounts.roster.load_mut()?;
        let mut pool = accounts.pool.load_mut()?;
        let mut report = accounts.report.load_mut()?;
        let taken = roster.collect(&accounts.pool.key(), &mut pool, report.excess, moment)?;
        let split = roster.split(taken, report.bounty_bps)?;
        pool.insure(split.insurance)?;
        report.collected(taken, split.insurance)?;
        (split, pool.creator, pool.bump)
    };
    let stake_mint = accounts.stake_mint.key();
    Outflow {
        vault: &mut accounts.vault,
        mint: &accounts.stake_mint,
        authority: accounts.pool.to_account_info(),
        seeds: &[seeds::POOL, stake_mint.as_ref(), creator.as_ref(), &[bump]],
        token_program: &accounts.token_program,
    }
    .divide(&accounts.bounty, &split)?;
    emit!(ExcessCollected {
        network: accounts.network.key(),
        report: accounts.report.key(),
        bounty: split.bounty,
        insurance: split.insurance,
        burned: split.burned,
    });
    accounts.pool.load()?.invariant(accounts.vault.amount)
}
