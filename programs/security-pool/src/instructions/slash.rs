use crate::error::PoolError;
use crate::events::Slashed;
use crate::receipt::NewReport;
use crate::seeds;
use crate::state::{Moment, Pool, Reported, Roster, SourceKind};
use crate::vault::Outflow;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use device_registry::state::Network;

/// Accounts of `slash`. Their order is that of the crate `slashing`, by which programs call this.
#[derive(Accounts)]
pub struct Slash<'info> {
    /// Address of the program that found the offence.
    pub slasher: Signer<'info>,
    /// The network in which it happened.
    pub network: AccountLoader<'info, Network>,
    /// Its roster.
    #[account(
        mut,
        has_one = network @ PoolError::WrongRoster,
        constraint = roster.load()?.is_slasher(slasher.key) @ PoolError::NotSlasher,
    )]
    pub roster: AccountLoader<'info, Roster>,
    /// The offender's pool.
    #[account(
        mut,
        has_one = stake_mint @ PoolError::WrongMint,
        has_one = vault @ PoolError::WrongVault,
    )]
    pub pool: AccountLoader<'info, Pool>,
    // Anchor's own search for accounts that are passed twice costs a tenth of all this; only the bounty could be one.
    /// The pool's tokens.
    #[account(mut, dup)]
    pub vault: Account<'info, TokenAccount>,
    /// Mint of the stake; a part is burned.
    #[account(mut, dup)]
    pub stake_mint: Account<'info, Mint>,
    /// CHECK: the receipt, which `NewReport` makes. An offence that has one is not slashed again.
    #[account(mut)]
    pub report: UncheckedAccount<'info>,
    /// The reporter's tokens.
    #[account(
        mut,
        dup,
        constraint = bounty.mint == stake_mint.key() @ PoolError::WrongMint,
        constraint = bounty.key() != vault.key() @ PoolError::BountyIsVault,
    )]
    pub bounty: Account<'info, TokenAccount>,
    /// Pays the report's rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Moves the tokens.
    pub token_program: Program<'info, Token>,
    /// Makes the report.
    pub system_program: Program<'info, System>,
}

/// Slashes `severity_bps` of what the pool has at stake in the network. No pause stops it.
pub fn handle_slash(ctx: Context<Slash>, offence: [u8; 32], severity_bps: u16) -> Result<()> {
    let accounts = ctx.accounts;
    let moment = Moment::of(&*accounts.network.load()?)?;
    let (network, key) = (accounts.network.key(), accounts.pool.key());
    let (split, slash, creator, bump) = {
        let mut roster = accounts.roster.load_mut()?;
        let mut pool = accounts.pool.load_mut()?;
        let slash = roster.slash(&key, &mut pool, severity_bps, moment)?;
        // No underflow: the excess is a part of the amount.
        let split = roster.split(slash.amount - slash.excess, slash.bounty_bps)?;
        pool.insure(split.insurance)?;
        (split, slash, pool.creator, pool.bump)
    };
    NewReport {
        report: &accounts.report,
        slasher: &accounts.slasher,
        payer: &accounts.payer,
    }
    .write(Reported {
        kind: SourceKind::Pool,
        network,
        slasher: accounts.slasher.key(),
        offence,
        source: key,
        destination: accounts.bounty.key(),
        payer: accounts.payer.key(),
        amount: slash.amount,
        excess: slash.excess,
        bounty_bps: slash.bounty_bps,
        insurance: split.insurance,
        reported_at: moment.now,
    })?;
    let stake_mint = accounts.stake_mint.key();
    Outflow {
        vault: &mut accounts.vault,
        mint: &accounts.stake_mint,
        authority: accounts.pool.to_account_info(),
        seeds: &[seeds::POOL, stake_mint.as_ref(), creator.as_ref(), &[bump]],
        token_program: &accounts.token_program,
    }
    .divide(accounts.bounty.as_ref(), &split)?;
    emit!(Slashed {
        network,
        pool: key,
        report: accounts.report.key(),
        amount: slash.amount,
        excess: slash.excess,
        bounty: split.bounty,
        insurance: split.insurance,
        burned: split.burned,
    });
    accounts.pool.load()?.invariant(accounts.vault.amount)
}
