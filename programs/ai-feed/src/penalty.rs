//! What an operator loses for a false attestation.

use anchor_lang::prelude::*;
use security_pool::state::{Moment, Roster};
use slashing::SlashAccounts;

use crate::{error::AiFeedError, state::FULL_BPS};

/// The address by which the program slashes, and its bump: the PDA `["slasher"]`.
pub const SLASHER: (Pubkey, u8) = slashing::slasher(&crate::ID_CONST);

/// Accounts by which a pool is slashed.
#[derive(Accounts)]
pub struct Penalty<'info> {
    /// CHECK: the program's slasher, by its address.
    #[account(address = SLASHER.0)]
    pub slasher: UncheckedAccount<'info>,
    /// The network's roster.
    #[account(mut)]
    pub roster: AccountLoader<'info, Roster>,
    /// CHECK: the offender's pool; compared by the instruction.
    #[account(mut)]
    pub pool: UncheckedAccount<'info>,
    /// CHECK: the pool's vault; the security-pool checks it.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the network's stake mint; the security-pool checks it.
    #[account(mut)]
    pub stake_mint: UncheckedAccount<'info>,
    /// CHECK: the offence's report, not yet there; the security-pool makes it.
    #[account(mut)]
    pub report: UncheckedAccount<'info>,
    /// CHECK: the challenger's token account of the stake mint; the security-pool checks it.
    #[account(mut)]
    pub bounty: UncheckedAccount<'info>,
    /// CHECK: the stake mint's token program; the security-pool checks it.
    pub token_program: UncheckedAccount<'info>,
    /// Makes the report.
    pub system_program: Program<'info, System>,
    /// CHECK: the security-pool, by its address.
    #[account(address = slashing::SECURITY_POOL)]
    pub security_pool: UncheckedAccount<'info>,
}

impl<'info> Penalty<'info> {
    /// What the pool has at stake in the network, base units: nothing if the network's roster does not let this program
    /// slash. Fails with another network's roster, or another pool.
    pub fn at_stake(&self, network: &Pubkey, pool: &Pubkey, moment: Moment) -> Result<u64> {
        let roster = self.roster.load()?;
        require!(
            roster.network == *network && self.pool.key == pool,
            AiFeedError::WrongOffender
        );
        Ok(roster.at_stake(&SLASHER.0, pool, moment))
    }

    /// Slashes the pool, once an offence. None of the accounts may be borrowed.
    pub fn slash(
        &self,
        network: &AccountInfo<'info>,
        payer: &AccountInfo<'info>,
        offence: &[u8; 32],
        severity_bps: u16,
    ) -> Result<()> {
        SlashAccounts {
            slasher: &self.slasher,
            network,
            roster: self.roster.as_ref(),
            pool: &self.pool,
            vault: &self.vault,
            stake_mint: &self.stake_mint,
            report: &self.report,
            bounty: &self.bounty,
            payer,
            token_program: &self.token_program,
            system_program: &self.system_program,
            security_pool: &self.security_pool,
        }
        .slash(offence, severity_bps, SLASHER.1)?;
        Ok(())
    }
}

/// What an attester loses of what it has at stake (base units), in basis points: `slash_bps`, or its bond if that is more,
/// rounded up. Never more than all.
pub fn attester_severity(slash_bps: u16, bond: u64, at_stake: u64) -> u16 {
    let bond_bps = (u128::from(bond) * u128::from(FULL_BPS)).div_ceil(u128::from(at_stake.max(1)));
    let bond_bps = u16::try_from(bond_bps).map_or(FULL_BPS, |bps| bps.min(FULL_BPS));
    slash_bps.max(bond_bps)
}
