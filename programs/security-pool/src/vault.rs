//! Moving tokens out of the program's vaults.

use crate::state::Split;
use anchor_lang::prelude::*;
use anchor_spl::token::{self, Burn, Mint, Token, TokenAccount, TransferChecked};

/// A vault that something is taken out of, and what that takes.
pub struct Outflow<'a, 'info> {
    /// The vault.
    pub vault: &'a mut Account<'info, TokenAccount>,
    /// Mint of what is in it.
    pub mint: &'a Account<'info, Mint>,
    /// The vault's owner.
    pub authority: AccountInfo<'info>,
    /// By which the owner signs.
    pub seeds: &'a [&'a [u8]],
    /// Moves the tokens.
    pub token_program: &'a Program<'info, Token>,
}

impl<'info> Outflow<'_, 'info> {
    /// Pays `amount` (base units), and reads the vault again.
    pub fn pay(&mut self, to: &Account<'info, TokenAccount>, amount: u64) -> Result<()> {
        self.transfer(to.as_ref(), amount)?;
        self.vault.reload()
    }

    /// Pays the bounty of something slashed, burns what is nobody's, and reads the vault again; the insurance stays in it.
    pub fn divide(&mut self, bounty: &AccountInfo<'info>, split: &Split) -> Result<()> {
        self.transfer(bounty, split.bounty)?;
        self.burn(split.burned)?;
        self.vault.reload()
    }

    fn transfer(&self, to: &AccountInfo<'info>, amount: u64) -> Result<()> {
        if amount == 0 {
            return Ok(());
        }
        token::transfer_checked(
            CpiContext::new_with_signer(
                self.token_program.key(),
                TransferChecked {
                    from: self.vault.to_account_info(),
                    mint: self.mint.to_account_info(),
                    to: to.clone(),
                    authority: self.authority.clone(),
                },
                &[self.seeds],
            ),
            amount,
            self.mint.decimals,
        )
    }

    fn burn(&self, amount: u64) -> Result<()> {
        if amount == 0 {
            return Ok(());
        }
        token::burn(
            CpiContext::new_with_signer(
                self.token_program.key(),
                Burn {
                    mint: self.mint.to_account_info(),
                    from: self.vault.to_account_info(),
                    authority: self.authority.clone(),
                },
                &[self.seeds],
            ),
            amount,
        )
    }
}

/// Takes `amount` (base units) from a signer's tokens into a vault, and reads the vault again.
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
