use crate::error::PoolError;
use crate::seeds;
use crate::state::{Roster, MAX_SLASHERS};
use anchor_lang::prelude::*;
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
    #[account(has_one = authority @ PoolError::NotNetworkAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// The new roster, one a network.
    #[account(
        init,
        payer = payer,
        space = Roster::SPACE,
        seeds = [seeds::ROSTER, network.key().as_ref()],
        bump,
    )]
    pub roster: AccountLoader<'info, Roster>,
    /// Makes the roster.
    pub system_program: Program<'info, System>,
}

/// Opens the roster. Its terms never change, since operators accept them when they opt in.
pub fn handle_create_roster(
    ctx: Context<CreateRoster>,
    slashers: [Pubkey; MAX_SLASHERS],
    slash_cap_bps: u32,
    minimum_allocation: u64,
) -> Result<()> {
    ctx.accounts.roster.load_init()?.open(
        ctx.bumps.roster,
        ctx.accounts.network.key(),
        slashers,
        slash_cap_bps,
        minimum_allocation,
    )
}
