use crate::seeds;
use crate::state::Fund;
use anchor_lang::prelude::*;
use anchor_spl::token::{self, Mint, Token, TokenAccount, TransferChecked};

/// Pays `amount` base units out of the fund's vault, and reads the vault again.
pub fn pay<'info>(
    fund: &AccountLoader<'info, Fund>,
    vault: &mut Account<'info, TokenAccount>,
    to: &Account<'info, TokenAccount>,
    mint: &Account<'info, Mint>,
    token_program: &Program<'info, Token>,
    amount: u64,
) -> Result<()> {
    let Fund {
        underwriter,
        feed_id,
        bump,
        ..
    } = *fund.load()?;
    let signer: &[&[u8]] = &[seeds::FUND, underwriter.as_ref(), &feed_id, &[bump]];
    token::transfer_checked(
        CpiContext::new_with_signer(
            token_program.key(),
            TransferChecked {
                from: vault.to_account_info(),
                mint: mint.to_account_info(),
                to: to.to_account_info(),
                authority: fund.to_account_info(),
            },
            &[signer],
        ),
        amount,
        mint.decimals,
    )?;
    vault.reload()
}

/// Takes `amount` base units from a signer into the vault, and reads the vault again.
pub fn take<'info>(
    vault: &mut Account<'info, TokenAccount>,
    from: &Account<'info, TokenAccount>,
    authority: &Signer<'info>,
    mint: &Account<'info, Mint>,
    token_program: &Program<'info, Token>,
    amount: u64,
) -> Result<()> {
    token::transfer_checked(
        CpiContext::new(
            token_program.key(),
            TransferChecked {
                from: from.to_account_info(),
                mint: mint.to_account_info(),
                to: vault.to_account_info(),
                authority: authority.to_account_info(),
            },
        ),
        amount,
        mint.decimals,
    )?;
    vault.reload()
}
