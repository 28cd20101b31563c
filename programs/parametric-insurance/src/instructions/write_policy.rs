use crate::error::InsuranceError;
use crate::events::PolicyWritten;
use crate::seeds;
use crate::state::policy::PolicyAddresses;
use crate::state::{Fund, Policy, PolicyTerms};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};

/// Accounts of `write_policy`.
#[derive(Accounts)]
pub struct WritePolicy<'info> {
    /// The fund's underwriter.
    pub underwriter: Signer<'info>,
    /// Who is insured, and pays the premium.
    pub holder: Signer<'info>,
    /// Pays the rent, and gets it back when the policy ends.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The fund that pays.
    #[account(
        mut,
        has_one = underwriter @ InsuranceError::NotUnderwriter,
        has_one = mint @ InsuranceError::WrongMint,
        has_one = vault @ InsuranceError::WrongVault,
    )]
    pub fund: AccountLoader<'info, Fund>,
    /// Its tokens.
    #[account(mut)]
    pub vault: Account<'info, TokenAccount>,
    /// The holder's tokens: pays the premium, and gets the payout.
    #[account(
        mut,
        constraint = holder_account.owner == holder.key() && holder_account.mint == mint.key()
            @ InsuranceError::WrongHolderAccount,
    )]
    pub holder_account: Account<'info, TokenAccount>,
    /// Mint of premium and payout.
    pub mint: Account<'info, Mint>,
    /// The new policy.
    #[account(
        init,
        payer = payer,
        space = Policy::SPACE,
        seeds = [seeds::POLICY, fund.key().as_ref(), &fund.load()?.policies.to_le_bytes()],
        bump,
    )]
    pub policy: AccountLoader<'info, Policy>,
    /// Moves the premium.
    pub token_program: Program<'info, Token>,
    /// Makes the account.
    pub system_program: Program<'info, System>,
}

/// Takes the premium and sets the payout aside, which premium and fund must cover.
pub fn handle_write_policy(ctx: Context<WritePolicy>, terms: PolicyTerms) -> Result<()> {
    let accounts = ctx.accounts;
    let fund_address = accounts.fund.key();
    let holder = accounts.holder.key();
    vault::take(
        &mut accounts.vault,
        &accounts.holder_account,
        &accounts.holder,
        &accounts.mint,
        &accounts.token_program,
        terms.premium,
    )?;

    let mut fund = accounts.fund.load_mut()?;
    let number = fund.reserve(terms.payout)?;
    accounts.policy.load_init()?.open(
        ctx.bumps.policy,
        number,
        PolicyAddresses {
            fund: fund_address,
            holder,
            holder_account: accounts.holder_account.key(),
            payer: accounts.payer.key(),
        },
        terms,
        Clock::get()?.unix_timestamp,
    )?;
    emit!(PolicyWritten {
        fund: fund_address,
        number,
        holder,
        threshold: terms.threshold,
        direction: terms.direction,
        min_mask: terms.min_mask,
        max_age: terms.max_age,
        payout: terms.payout,
        premium: terms.premium,
        starts: terms.starts,
        ends: terms.ends,
    });
    require_gte!(
        accounts.vault.amount,
        fund.reserved_payouts,
        InsuranceError::NotEnoughFree
    );
    fund.invariant(accounts.vault.amount)
}
