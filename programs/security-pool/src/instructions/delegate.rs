use crate::error::PoolError;
use crate::events::Delegated;
use crate::seeds;
use crate::state::{Delegation, Pool, VERSION};
use anchor_lang::prelude::*;
use anchor_spl::token::{self, Mint, Token, TokenAccount, TransferChecked};

/// Accounts of `delegate`.
#[derive(Accounts)]
pub struct Delegate<'info> {
    /// Whose stake it becomes.
    pub owner: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The pool.
    #[account(
        mut,
        has_one = stake_mint @ PoolError::WrongMint,
        has_one = vault @ PoolError::WrongVault,
    )]
    pub pool: AccountLoader<'info, Pool>,
    // May be there already: its address names pool and owner, it is never closed, and shares are only added to it.
    /// The owner's shares.
    #[account(
        init_if_needed,
        payer = payer,
        space = Delegation::SPACE,
        seeds = [seeds::DELEGATION, pool.key().as_ref(), owner.key().as_ref()],
        bump,
    )]
    pub delegation: AccountLoader<'info, Delegation>,
    /// Mint of the stake.
    pub stake_mint: Account<'info, Mint>,
    /// The owner's tokens.
    #[account(mut)]
    pub source: Account<'info, TokenAccount>,
    /// The pool's tokens.
    #[account(mut)]
    pub vault: Account<'info, TokenAccount>,
    /// Moves the stake.
    pub token_program: Program<'info, Token>,
    /// Makes the delegation.
    pub system_program: Program<'info, System>,
}

/// Takes the stake for at least `min_shares` shares, if [`Pool::raises`] is no more than `max_raises`: who delegates first
/// would be slashed at once by a network that the operator joins just before, see [`crate::state::NOTICE`].
pub fn handle_delegate(
    ctx: Context<Delegate>,
    amount: u64,
    min_shares: u64,
    max_raises: u64,
) -> Result<()> {
    let accounts = ctx.accounts;
    let owner = accounts.owner.key();
    let mut pool = accounts.pool.load_mut()?;
    require!(pool.raises <= max_raises, PoolError::RaisedSince);
    let shares = pool.delegate(&owner, amount)?;
    require!(shares >= min_shares, PoolError::TooFewShares);
    {
        // A new account has no discriminator yet, and only then it loads as new.
        let mut delegation = accounts
            .delegation
            .load_init()
            .or_else(|_| accounts.delegation.load_mut())?;
        if delegation.version != VERSION {
            delegation.open(ctx.bumps.delegation, accounts.pool.key(), owner);
        }
        delegation.add(shares)?;
    }
    token::transfer_checked(
        CpiContext::new(
            accounts.token_program.key(),
            TransferChecked {
                from: accounts.source.to_account_info(),
                mint: accounts.stake_mint.to_account_info(),
                to: accounts.vault.to_account_info(),
                authority: accounts.owner.to_account_info(),
            },
        ),
        amount,
        accounts.stake_mint.decimals,
    )?;
    accounts.vault.reload()?;
    emit!(Delegated {
        pool: accounts.pool.key(),
        owner,
        amount,
        shares,
    });
    pool.invariant(accounts.vault.amount)
}
