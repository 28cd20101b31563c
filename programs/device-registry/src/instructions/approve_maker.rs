use crate::error::RegistryError;
use crate::seeds;
use crate::state::maker::{Maker, TIER_CERTIFICATE};
use crate::state::Network;
use anchor_lang::prelude::*;

/// Accounts of `approve_maker`.
#[derive(Accounts)]
#[instruction(key: Pubkey)]
pub struct ApproveMaker<'info> {
    /// The network.
    #[account(mut, has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// The new maker.
    #[account(
        init,
        payer = payer,
        space = Maker::SIZE,
        seeds = [seeds::MAKER, network.key().as_ref(), key.as_ref()],
        bump
    )]
    pub maker: AccountLoader<'info, Maker>,
    /// The network's authority.
    pub authority: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Lets a key vouch for devices: numbers below `quota`, tiers up to `max_tier`.
pub fn handle_approve_maker(
    ctx: Context<ApproveMaker>,
    key: Pubkey,
    quota: u64,
    max_tier: u8,
) -> Result<()> {
    require!(max_tier <= TIER_CERTIFICATE, RegistryError::InvalidTier);
    let mut maker = ctx.accounts.maker.load_init()?;
    maker.version = 1;
    maker.bump = ctx.bumps.maker;
    maker.max_tier = max_tier;
    maker.network = ctx.accounts.network.key();
    maker.key = key;
    maker.quota = quota;
    let mut network = ctx.accounts.network.load_mut()?;
    network.makers = network
        .makers
        .checked_add(1)
        .ok_or_else(|| error!(RegistryError::Overflow))?;
    Ok(())
}
