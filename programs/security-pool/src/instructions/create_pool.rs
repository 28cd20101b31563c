use crate::events::PoolCreated;
use crate::seeds;
use crate::state::{Pool, PoolTerms};
use anchor_lang::prelude::*;
use anchor_spl::token::{self, Mint, Token, TokenAccount, TransferChecked};

/// The terms of a new pool, which never change but for the signer.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreatePoolArgs {
    /// The worker's key.
    pub signer: Pubkey,
    /// Seconds between request and withdrawal.
    pub cooldown: i64,
    /// How often the stake may be allocated, in basis points: 10,000 is once.
    pub leverage_bps: u32,
    /// Base units whose shares belong to nobody.
    pub seed: u64,
    /// Whether others than the operator may delegate to it.
    pub takes_delegators: bool,
}

/// Accounts of `create_pool`.
#[derive(Accounts)]
pub struct CreatePool<'info> {
    /// Becomes the operator.
    pub operator: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Mint of the stake.
    pub stake_mint: Account<'info, Mint>,
    /// The operator's tokens, for the seed.
    #[account(mut)]
    pub source: Account<'info, TokenAccount>,
    /// The new pool.
    #[account(
        init,
        payer = payer,
        space = Pool::SPACE,
        seeds = [seeds::POOL, stake_mint.key().as_ref(), operator.key().as_ref()],
        bump,
    )]
    pub pool: AccountLoader<'info, Pool>,
    /// Its tokens.
    #[account(
        init,
        payer = payer,
        seeds = [seeds::VAULT, pool.key().as_ref()],
        bump,
        token::mint = stake_mint,
        token::authority = pool,
    )]
    pub vault: Account<'info, TokenAccount>,
    /// Moves the seed.
    pub token_program: Program<'info, Token>,
    /// Makes the accounts.
    pub system_program: Program<'info, System>,
}

/// Opens the pool and takes its seed.
pub fn handle_create_pool(ctx: Context<CreatePool>, args: CreatePoolArgs) -> Result<()> {
    let CreatePoolArgs {
        signer,
        cooldown,
        leverage_bps,
        seed,
        takes_delegators,
    } = args;
    let accounts = ctx.accounts;
    let operator = accounts.operator.key();
    let stake_mint = accounts.stake_mint.key();
    let mut pool = accounts.pool.load_init()?;
    pool.open(
        ctx.bumps.pool,
        ctx.bumps.vault,
        operator,
        stake_mint,
        accounts.vault.key(),
        &PoolTerms {
            signer,
            cooldown,
            leverage_bps,
            seed,
            takes_delegators,
        },
    )?;
    token::transfer_checked(
        CpiContext::new(
            accounts.token_program.key(),
            TransferChecked {
                from: accounts.source.to_account_info(),
                mint: accounts.stake_mint.to_account_info(),
                to: accounts.vault.to_account_info(),
                authority: accounts.operator.to_account_info(),
            },
        ),
        seed,
        accounts.stake_mint.decimals,
    )?;
    accounts.vault.reload()?;
    emit!(PoolCreated {
        pool: accounts.pool.key(),
        operator,
        stake_mint,
        cooldown,
        leverage_bps,
        takes_delegators,
    });
    pool.invariant(accounts.vault.amount)
}
