use crate::error::{feed_error, InsuranceError};
use crate::events::PolicySettled;
use crate::state::{Fund, Policy};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use feed_reader::{Feed, Value};

/// Accounts of `settle_policy`.
#[derive(Accounts)]
pub struct SettlePolicy<'info> {
    /// The fund that pays.
    #[account(
        mut,
        has_one = feed @ InsuranceError::WrongFeed,
        has_one = mint @ InsuranceError::WrongMint,
        has_one = vault @ InsuranceError::WrongVault,
    )]
    pub fund: AccountLoader<'info, Fund>,
    /// The policy, which ends here.
    #[account(
        mut,
        close = payer,
        has_one = fund @ InsuranceError::WrongFund,
        has_one = holder_account @ InsuranceError::WrongHolderAccount,
        has_one = payer @ InsuranceError::WrongPayer,
    )]
    pub policy: AccountLoader<'info, Policy>,
    /// The feed that it is about.
    /// CHECK: feed-reader checks owner, kind and id
    pub feed: UncheckedAccount<'info>,
    /// The fund's tokens.
    #[account(mut)]
    pub vault: Account<'info, TokenAccount>,
    /// The token account that is paid, if it still belongs to the holder.
    #[account(
        mut,
        constraint = holder_account.owner == policy.load()?.holder @ InsuranceError::WrongHolderAccount,
    )]
    pub holder_account: Account<'info, TokenAccount>,
    /// Whoever paid the policy's rent.
    /// CHECK: the policy names it
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
    /// Mint of the payout.
    pub mint: Account<'info, Mint>,
    /// Moves it.
    pub token_program: Program<'info, Token>,
}

/// Pays the policy if a round of the feed meets its terms. Every round that the feed remembers counts, not only the
/// newest, so that a later one can't hide it before anybody settles.
pub fn handle_settle_policy(ctx: Context<SettlePolicy>) -> Result<()> {
    let accounts = ctx.accounts;
    let policy = *accounts.policy.load()?;
    let feed_id = accounts.fund.load()?.feed_id;
    let value = due(&accounts.feed, &feed_id, &policy)?;

    vault::pay(
        &accounts.fund,
        &mut accounts.vault,
        &accounts.holder_account,
        &accounts.mint,
        &accounts.token_program,
        policy.payout,
    )?;
    let mut fund = accounts.fund.load_mut()?;
    fund.release(policy.payout)?;
    emit!(PolicySettled {
        fund: policy.fund,
        number: policy.number,
        holder: policy.holder,
        payout: policy.payout,
        round: value.round,
        value: value.value,
        mask: value.mask,
    });
    fund.invariant(accounts.vault.amount)
}

/// The newest round that makes the policy pay.
fn due(account: &UncheckedAccount, feed_id: &[u8; 32], policy: &Policy) -> Result<Value> {
    let now = Clock::get()?.unix_timestamp;
    let owner = account.owner.to_bytes();
    let data = account.try_borrow_data()?;
    let feed = Feed::from_account(&owner, &data, feed_id).map_err(feed_error)?;
    let values = feed
        .values(now, policy.max_age, policy.min_mask)
        .map_err(feed_error)?;
    for value in values {
        if policy.pays(&value)? {
            return Ok(value);
        }
    }
    // Nothing pays: because nothing can be relied on, or because nothing has happened
    feed.value(now, policy.max_age, policy.min_mask)
        .map_err(feed_error)?;
    err!(InsuranceError::NotDue)
}
