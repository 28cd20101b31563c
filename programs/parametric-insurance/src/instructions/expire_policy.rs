use crate::error::InsuranceError;
use crate::events::PolicyExpired;
use crate::state::{Fund, Policy};
use anchor_lang::prelude::*;
use anchor_spl::token::TokenAccount;

/// Accounts of `expire_policy`.
#[derive(Accounts)]
pub struct ExpirePolicy<'info> {
    /// The fund whose payout is freed.
    #[account(mut, has_one = vault @ InsuranceError::WrongVault)]
    pub fund: AccountLoader<'info, Fund>,
    /// The policy, which ends here.
    #[account(
        mut,
        close = payer,
        has_one = fund @ InsuranceError::WrongFund,
        has_one = payer @ InsuranceError::WrongPayer,
    )]
    pub policy: AccountLoader<'info, Policy>,
    /// The fund's tokens.
    pub vault: Account<'info, TokenAccount>,
    /// Whoever paid the policy's rent.
    /// CHECK: the policy names it
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

/// Frees the payout of a policy that no round can meet any more: the latest that it covers would be too old.
pub fn handle_expire_policy(ctx: Context<ExpirePolicy>) -> Result<()> {
    let accounts = ctx.accounts;
    let policy = *accounts.policy.load()?;
    require_gt!(
        Clock::get()?.unix_timestamp,
        policy.last_settlement()?,
        InsuranceError::NotExpired
    );
    let mut fund = accounts.fund.load_mut()?;
    fund.release(policy.payout)?;
    emit!(PolicyExpired {
        fund: policy.fund,
        number: policy.number,
    });
    fund.invariant(accounts.vault.amount)
}
