//! Tokens of a mint: amounts as people write them, and what somebody has.

use anchor_lang::prelude::Pubkey;
use anchor_spl::token::{Mint, TokenAccount};
use anyhow::{anyhow, ensure, Result};
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::{token, ClientError};

/// A mint.
pub struct Tokens {
    /// Its address.
    pub mint: Pubkey,
    decimals: u8,
}

impl Tokens {
    /// Reads a mint.
    pub fn of(chain: &dyn Chain, mint: &Pubkey) -> Result<Self, ClientError> {
        let account: Mint = chain::read_borsh(chain, mint)?;
        Ok(Self {
            mint: *mint,
            decimals: account.decimals,
        })
    }

    /// A decimal number of tokens in base units.
    pub fn parse(&self, text: &str) -> Result<u64> {
        token::parse_amount(text, self.decimals).ok_or_else(|| {
            anyhow!(
                "{text} is no number of tokens with at most {} decimals",
                self.decimals
            )
        })
    }

    /// Base units as a decimal number of tokens.
    pub fn format(&self, amount: u64) -> String {
        token::format_amount(amount, self.decimals)
    }

    /// Sees that `owner` has so many base units in its associated token account, before anything is sent.
    pub fn require(&self, chain: &dyn Chain, owner: &Pubkey, amount: u64) -> Result<()> {
        let account = token::associated(owner, &self.mint);
        let held = match chain.account(&account)? {
            Some(_) => chain::read_borsh::<TokenAccount>(chain, &account)?.amount,
            None => 0,
        };
        ensure!(
            held >= amount,
            "this takes {} tokens, and {account} holds {}: send tokens of mint {} there first",
            self.format(amount),
            self.format(held),
            self.mint
        );
        Ok(())
    }
}
