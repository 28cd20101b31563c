use crate::error::PoolError;
use crate::events::Withdrawn;
use crate::seeds;
use crate::state::{Pool, Withdrawal};
use anchor_lang::prelude::*;
use anchor_spl::token::{self, Mint, Token, TokenAccount, TransferChecked};

/// Accounts of `withdraw`.
#[derive(Accounts)]
pub struct Withdraw<'info> {
    /// Who is paid, and gets the withdrawal's rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// The pool.
    #[account(
        mut,
        has_one = stake_mint @ PoolError::WrongMint,
        has_one = vault @ PoolError::WrongVault,
    )]
    pub pool: AccountLoader<'info, Pool>,
    /// What has cooled down; closed, so that it is paid once.
    #[account(
        mut,
        close = owner,
        has_one = pool @ PoolError::WrongPool,
        has_one = owner @ PoolError::NotOwner,
    )]
    pub withdrawal: AccountLoader<'info, Withdrawal>,
    /// Mint of the stake.
    pub stake_mint: Account<'info, Mint>,
    /// Where the owner wants it.
    #[account(mut)]
    pub destination: Account<'info, TokenAccount>,
    /// The pool's tokens.
    #[account(mut)]
    pub vault: Account<'info, TokenAccount>,
    /// Moves the stake.
    pub token_program: Program<'info, Token>,
}

/// Pays what the withdrawal is worth now.
pub fn handle_withdraw(ctx: Context<Withdraw>) -> Result<()> {
    let accounts = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let (number, amount, stake_mint, creator, bump) = {
        let withdrawal = accounts.withdrawal.load()?;
        require!(now >= withdrawal.available_at, PoolError::StillCooling);
        let mut pool = accounts.pool.load_mut()?;
        let amount = pool.pay(
            &withdrawal.owner,
            withdrawal.cooling_shares,
            withdrawal.generation,
        )?;
        (
            withdrawal.number,
            amount,
            pool.stake_mint,
            pool.creator,
            pool.bump,
        )
    };
    token::transfer_checked(
        CpiContext::new_with_signer(
            accounts.token_program.key(),
            TransferChecked {
                from: accounts.vault.to_account_info(),
                mint: accounts.stake_mint.to_account_info(),
                to: accounts.destination.to_account_info(),
                authority: accounts.pool.to_account_info(),
            },
            &[&[seeds::POOL, stake_mint.as_ref(), creator.as_ref(), &[bump]]],
        ),
        amount,
        accounts.stake_mint.decimals,
    )?;
    accounts.vault.reload()?;
    emit!(Withdrawn {
        pool: accounts.pool.key(),
        owner: accounts.owner.key(),
        number,
        amount,
    });
    accounts.pool.load()?.invariant(accounts.vault.amount)
}
