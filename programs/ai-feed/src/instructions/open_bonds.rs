//! Opens the account in which an operator's attestations reserve their bonds.

use anchor_lang::prelude::*;
use device_registry::state::Network;
use security_pool::state::Pool;

use crate::{seeds, state::AttesterBonds};

/// Accounts of `open_bonds`.
#[derive(Accounts)]
pub struct OpenBonds<'info> {
    /// Pays the rent, for good.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The operator's pool.
    pub pool: AccountLoader<'info, Pool>,
    /// The bonds, one account a network and pool.
    #[account(
        init,
        payer = payer,
        space = AttesterBonds::SIZE,
        seeds = [seeds::BONDS, network.key().as_ref(), pool.key().as_ref()],
        bump
    )]
    pub bonds: AccountLoader<'info, AttesterBonds>,
    /// To create the account.
    pub system_program: Program<'info, System>,
}

/// Opens the account with nothing reserved.
pub fn handle_open_bonds(ctx: Context<OpenBonds>) -> Result<()> {
    let mut bonds = ctx.accounts.bonds.load_init()?;
    bonds.version = 1;
    bonds.bump = ctx.bumps.bonds;
    bonds.network = ctx.accounts.network.key();
    bonds.pool = ctx.accounts.pool.key();
    bonds.invariant()
}
