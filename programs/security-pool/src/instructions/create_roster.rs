use crate::error::PoolError;
use crate::seeds;
use crate::state::{Roster, RosterTerms};
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use device_registry::state::Network;

/// Accounts of `create_roster`.
#[derive(Accounts)]
pub struct CreateRoster<'info> {
    /// The network's authority.
    pub authority: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The network.
    #[account(
        has_one = authority @ PoolError::NotNetworkAuthority,
        has_one = stake_mint @ PoolError::WrongMint,
    )]
    pub network: AccountLoader<'info, Network>,
    /// Mint of stake and bonds.
    pub stake_mint: Account<'info, Mint>,
    /// The new roster, one a network.
    #[account(
        init,
        payer = payer,
        space = Roster::SPACE,
        seeds = [seeds::ROSTER, network.key().as_ref()],
        bump,
    )]
    pub roster: AccountLoader<'info, Roster>,
    /// Takes the bonds of the network's owners.
    #[account(
        init,
        payer = payer,
        seeds = [seeds::BOND_VAULT, roster.key().as_ref()],
        bump,
        token::mint = stake_mint,
        token::authority = roster,
    )]
    pub bond_vault: Account<'info, TokenAccount>,
    /// Makes the vault a token account.
    pub token_program: Program<'info, Token>,
    /// Makes the accounts.
    pub system_program: Program<'info, System>,
}

/// Opens the roster. Its terms never change, since operators accept them when they opt in, and owners when they post a
/// bond.
pub fn handle_create_roster(ctx: Context<CreateRoster>, terms: RosterTerms) -> Result<()> {
    ctx.accounts.roster.load_init()?.open(
        ctx.bumps.roster,
        ctx.accounts.network.key(),
        ctx.accounts.bond_vault.key(),
        terms,
    )
}
