use crate::error::PoolError;
use crate::events::BondChanged;
use crate::seeds;
use crate::state::{Bond, Roster, VERSION};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use device_registry::state::Network;

/// Accounts of `post_bond`.
#[derive(Accounts)]
pub struct PostBond<'info> {
    /// Whose bond it becomes.
    pub owner: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The network.
    #[account(has_one = stake_mint @ PoolError::WrongMint)]
    pub network: AccountLoader<'info, Network>,
    /// Its roster, whose slashers the owner accepts with this.
    #[account(
        mut,
        has_one = network @ PoolError::WrongRoster,
        has_one = bond_vault @ PoolError::WrongBondVault,
    )]
    pub roster: AccountLoader<'info, Roster>,
    // May be there already: its address names network and owner, it is never closed, and this only adds to it.
    /// The owner's bond.
    #[account(
        init_if_needed,
        payer = payer,
        space = Bond::SPACE,
        seeds = [seeds::BOND, network.key().as_ref(), owner.key().as_ref()],
        bump,
    )]
    pub bond: AccountLoader<'info, Bond>,
    /// Mint of the stake.
    pub stake_mint: Account<'info, Mint>,
    /// The owner's tokens.
    #[account(mut)]
    pub source: Account<'info, TokenAccount>,
    /// The network's bonds.
    #[account(mut)]
    pub bond_vault: Account<'info, TokenAccount>,
    /// Moves the tokens.
    pub token_program: Program<'info, Token>,
    /// Makes the bond.
    pub system_program: Program<'info, System>,
}

/// Adds `amount` to the owner's bond.
pub fn handle_post_bond(ctx: Context<PostBond>, amount: u64) -> Result<()> {
    let accounts = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let epoch = {
        let network = accounts.network.load()?;
        // Before the network begins, bonds are posted for its first epoch.
        if now < network.genesis {
            0
        } else {
            network.epoch(now)?
        }
    };
    {
        // A new account has no discriminator yet, and only then it loads as new.
        let mut bond = accounts
            .bond
            .load_init()
            .or_else(|_| accounts.bond.load_mut())?;
        if bond.version != VERSION {
            let (network, owner) = (accounts.network.key(), accounts.owner.key());
            bond.open(ctx.bumps.bond, network, owner);
        }
        bond.post(amount, epoch)?;
        emit!(BondChanged::new(&bond));
    }
    vault::take(
        &mut accounts.bond_vault,
        &accounts.source,
        &accounts.owner,
        &accounts.stake_mint,
        &accounts.token_program,
        amount,
    )?;
    let mut roster = accounts.roster.load_mut()?;
    roster.bond(amount)?;
    roster.invariant(accounts.bond_vault.amount)
}
