use crate::error::PoolError;
use crate::events::BondSlashed;
use crate::receipt::NewReport;
use crate::seeds;
use crate::state::{Bond, Moment, Reported, Roster, SourceKind};
use crate::vault::Outflow;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use device_registry::state::Network;

/// Accounts of `slash_bond`. Their order is that of the crate `slashing`, by which programs call this.
#[derive(Accounts)]
pub struct SlashBond<'info> {
    /// Address of the program that found the offence.
    pub slasher: Signer<'info>,
    /// The network in which it happened.
    pub network: AccountLoader<'info, Network>,
    /// Its roster.
    #[account(
        mut,
        has_one = network @ PoolError::WrongRoster,
        has_one = bond_vault @ PoolError::WrongBondVault,
        constraint = roster.load()?.is_slasher(slasher.key) @ PoolError::NotSlasher,
    )]
    pub roster: AccountLoader<'info, Roster>,
    /// CHECK: the owner's bond, or the empty place of one; `Bond::find` checks which.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    // Anchor's own search for accounts that are passed twice costs a tenth of all this; only the bounty could be one.
    /// The network's bonds.
    #[account(mut, dup)]
    pub bond_vault: Account<'info, TokenAccount>,
    /// Mint of the bonds; a part is burned.
    #[account(mut, dup, address = network.load()?.stake_mint @ PoolError::WrongMint)]
    pub stake_mint: Account<'info, Mint>,
    /// CHECK: the receipt, which `NewReport` makes. An offence that has one is not slashed again.
    #[account(mut)]
    pub report: UncheckedAccount<'info>,
    /// The reporter's tokens.
    #[account(
        mut,
        dup,
        constraint = bounty.mint == stake_mint.key() @ PoolError::WrongMint,
        constraint = bounty.key() != bond_vault.key() @ PoolError::BountyIsVault,
    )]
    pub bounty: Account<'info, TokenAccount>,
    /// Pays the report's rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Moves the tokens.
    pub token_program: Program<'info, Token>,
    /// Makes the report.
    pub system_program: Program<'info, System>,
}

/// Slashes up to `amount` of the owner's bond. Who has none is reported all the same. No pause stops it.
pub fn handle_slash_bond(
    ctx: Context<SlashBond>,
    offence: [u8; 32],
    owner: Pubkey,
    amount: u64,
) -> Result<()> {
    let accounts = ctx.accounts;
    let moment = Moment::of(&*accounts.network.load()?)?;
    let network = accounts.network.key();
    let (taken, split, bounty_bps, bump) = {
        let mut roster = accounts.roster.load_mut()?;
        let taken = match Bond::find(&accounts.bond, &network, &owner)? {
            Some(mut bond) => bond.slash(amount, moment.epoch)?,
            None => 0,
        };
        roster.unbond(taken)?;
        (
            taken,
            roster.split_bond(taken)?,
            roster.bounty_bps,
            roster.bump,
        )
    };
    NewReport {
        report: &accounts.report,
        slasher: &accounts.slasher,
        payer: &accounts.payer,
    }
    .write(Reported {
        kind: SourceKind::Bond,
        network,
        slasher: accounts.slasher.key(),
        offence,
        source: owner,
        destination: accounts.bounty.key(),
        payer: accounts.payer.key(),
        amount: taken,
        excess: 0,
        bounty_bps,
        insurance: split.insurance,
        reported_at: moment.now,
    })?;
    Outflow {
        vault: &mut accounts.bond_vault,
        mint: &accounts.stake_mint,
        authority: accounts.roster.to_account_info(),
        seeds: &[seeds::ROSTER, network.as_ref(), &[bump]],
        token_program: &accounts.token_program,
    }
    .divide(accounts.bounty.as_ref(), &split)?;
    emit!(BondSlashed {
        network,
        owner,
        report: accounts.report.key(),
        amount: taken,
        bounty: split.bounty,
        burned: split.burned,
    });
    accounts
        .roster
        .load()?
        .invariant(accounts.bond_vault.amount)
}
