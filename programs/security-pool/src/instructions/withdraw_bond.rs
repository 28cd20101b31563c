use crate::error::PoolError;
use crate::events::BondChanged;
use crate::seeds;
use crate::state::{Bond, Roster};
use crate::vault::Outflow;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};

/// Accounts of `withdraw_bond`.
#[derive(Accounts)]
pub struct WithdrawBond<'info> {
    /// Whose bond it is.
    pub owner: Signer<'info>,
    /// The network's roster.
    #[account(mut, has_one = bond_vault @ PoolError::WrongBondVault)]
    pub roster: AccountLoader<'info, Roster>,
    /// The owner's bond in this network.
    #[account(
        mut,
        has_one = owner @ PoolError::NotOwner,
        constraint = bond.load()?.network == roster.load()?.network @ PoolError::WrongBond,
    )]
    pub bond: AccountLoader<'info, Bond>,
    /// Mint of the stake.
    #[account(address = bond_vault.mint @ PoolError::WrongMint)]
    pub stake_mint: Account<'info, Mint>,
    /// Where the owner wants it.
    #[account(mut)]
    pub destination: Account<'info, TokenAccount>,
    /// The network's bonds.
    #[account(mut)]
    pub bond_vault: Account<'info, TokenAccount>,
    /// Moves the tokens.
    pub token_program: Program<'info, Token>,
}

/// Pays what has cooled down. No pause stops it.
pub fn handle_withdraw_bond(ctx: Context<WithdrawBond>) -> Result<()> {
    let accounts = ctx.accounts;
    let amount = {
        let mut bond = accounts.bond.load_mut()?;
        let amount = bond.withdraw(Clock::get()?.unix_timestamp)?;
        emit!(BondChanged::new(&bond));
        amount
    };
    let (network, bump) = {
        let mut roster = accounts.roster.load_mut()?;
        roster.unbond(amount)?;
        (roster.network, roster.bump)
    };
    Outflow {
        vault: &mut accounts.bond_vault,
        mint: &accounts.stake_mint,
        authority: accounts.roster.to_account_info(),
        seeds: &[seeds::ROSTER, network.as_ref(), &[bump]],
        token_program: &accounts.token_program,
    }
    .pay(&accounts.destination, amount)?;
    accounts
        .roster
        .load()?
        .invariant(accounts.bond_vault.amount)
}
