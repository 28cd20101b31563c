//! What a report costs whom it convicts.

use anchor_lang::prelude::*;
use slashing::SlashBondAccounts;

/// The address by which the registry slashes, and its bump: the PDA `["slasher"]`.
pub const SLASHER: (Pubkey, u8) = slashing::slasher(&crate::ID_CONST);

/// The accounts by which a report slashes a bond. The security-pool checks that they belong together, to the network and
/// to the owner whom the report names.
#[derive(Accounts)]
pub struct Penalty<'info> {
    /// CHECK: the registry's slasher, by its address.
    #[account(address = SLASHER.0)]
    pub slasher: UncheckedAccount<'info>,
    /// CHECK: the network's roster; the security-pool checks it.
    #[account(mut)]
    pub roster: UncheckedAccount<'info>,
    /// CHECK: the owner's bond; the security-pool checks it.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// CHECK: the token account of the network's bonds; the security-pool checks it.
    #[account(mut)]
    pub bond_vault: UncheckedAccount<'info>,
    /// CHECK: the network's stake mint; the security-pool checks it.
    #[account(mut)]
    pub stake_mint: UncheckedAccount<'info>,
    /// CHECK: the offence's report, not yet there; the security-pool makes it.
    #[account(mut)]
    pub report: UncheckedAccount<'info>,
    /// CHECK: the reporter's token account of the stake mint; the security-pool checks it.
    #[account(mut)]
    pub bounty: UncheckedAccount<'info>,
    /// Pays the report's rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// CHECK: the stake mint's token program; the security-pool checks it.
    pub token_program: UncheckedAccount<'info>,
    /// Makes the report.
    pub system_program: Program<'info, System>,
    /// CHECK: the security-pool, by its address.
    #[account(address = slashing::SECURITY_POOL)]
    pub security_pool: UncheckedAccount<'info>,
}

impl<'info> Penalty<'info> {
    /// Slashes the owner's bond in the network by up to `amount` (base units) for an offence, once.
    #[inline(never)]
    pub fn slash(
        &self,
        network: &AccountInfo<'info>,
        offence: &[u8; 32],
        owner: &[u8; 32],
        amount: u64,
    ) -> Result<()> {
        SlashBondAccounts {
            slasher: &self.slasher,
            network,
            roster: &self.roster,
            bond: &self.bond,
            bond_vault: &self.bond_vault,
            stake_mint: &self.stake_mint,
            report: &self.report,
            bounty: &self.bounty,
            payer: &self.payer,
            token_program: &self.token_program,
            system_program: &self.system_program,
            security_pool: &self.security_pool,
        }
        .slash(offence, owner, amount, SLASHER.1)?;
        Ok(())
    }
}
