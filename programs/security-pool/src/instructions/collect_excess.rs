use crate::error::PoolError;
use crate::events::ExcessCollected;
use crate::seeds;
use crate::state::{Moment, Pool, Report, Roster, Split};
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
    /// CHECK: the reporter's tokens, as the report says, or what has become of them.
    #[account(mut, address = report.load()?.destination @ PoolError::WrongDestination)]
    pub bounty: UncheckedAccount<'info>,
    /// Moves the tokens.
    pub token_program: Program<'info, Token>,
}

/// Takes what an earlier slash locked, as far as this epoch's cap goes, and divides it as that slash would have. The bounty of
/// a reporter whose token account is gone or frozen is burned: an operator could else report itself and close it, to keep the rest.
pub fn handle_collect_excess(ctx: Context<CollectExcess>) -> Result<()> {
    let accounts = ctx.accounts;
    let moment = Moment::of(&*accounts.network.load()?)?;
    let (split, creator, bump) = {
        let mut roster = accounts.roster.load_mut()?;
        let mut pool = accounts.pool.load_mut()?;
        let mut report = accounts.report.load_mut()?;
        let taken = roster.collect(&accounts.pool.key(), &mut pool, report.excess, moment)?;
        let mut split = roster.split(taken, report.bounty_bps)?;
        if !accounts.takes_bounty()? {
            split = unclaimed(&split)?;
        }
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

impl CollectExcess<'_> {
    /// Whether the bounty's account still takes tokens of the stake mint.
    fn takes_bounty(&self) -> Result<bool> {
        let data = self.bounty.try_borrow_data()?;
        let tokens = TokenAccount::try_deserialize(&mut &data[..]);
        Ok(*self.bounty.owner == self.token_program.key()
            && tokens
                .is_ok_and(|tokens| tokens.mint == self.stake_mint.key() && !tokens.is_frozen()))
    }
}

/// What is burned with the bounty.
fn unclaimed(split: &Split) -> Result<Split> {
    let burned = split.burned.checked_add(split.bounty);
    Ok(Split {
        bounty: 0,
        insurance: split.insurance,
        burned: burned.ok_or_else(|| error!(PoolError::Overflow))?,
    })
}
