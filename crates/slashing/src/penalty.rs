/// Declares `SLASHER`, the address by which an Anchor program slashes with its bump, and `Penalty`, the accounts by which
/// it slashes an operator's pool. Takes the program's id as a constant, and its error for accounts of another pool or
/// network. A macro, since Anchor's accounts can't be shared between programs, and only programs know Anchor.
#[macro_export]
macro_rules! penalty {
    ($program:expr, $wrong_offender:expr) => {
        /// The address by which the program slashes, and its bump: the PDA `["slasher"]`.
        pub const SLASHER: (Pubkey, u8) = $crate::slasher(&$program);

        /// Accounts by which a pool is slashed.
        #[derive(Accounts)]
        pub struct Penalty<'info> {
            /// CHECK: the program's slasher, by its address.
            #[account(address = SLASHER.0)]
            pub slasher: UncheckedAccount<'info>,
            /// The network's roster.
            #[account(mut)]
            pub roster: AccountLoader<'info, security_pool::state::Roster>,
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
            #[account(address = $crate::SECURITY_POOL)]
            pub security_pool: UncheckedAccount<'info>,
        }

        impl<'info> Penalty<'info> {
            /// What the pool has at stake in the network, base units: nothing if the network's roster does not let this
            /// program slash. Fails with another network's roster, or another pool.
            pub fn at_stake(
                &self,
                network: &Pubkey,
                pool: &Pubkey,
                moment: security_pool::state::Moment,
            ) -> Result<u64> {
                let roster = self.roster.load()?;
                if roster.network != *network || self.pool.key != pool {
                    return Err(error!($wrong_offender));
                }
                Ok(roster.at_stake(&SLASHER.0, pool, moment))
            }

            /// Whether the offence was slashed before.
            pub fn is_settled(&self) -> bool {
                *self.report.owner == $crate::SECURITY_POOL
            }

            /// Slashes the pool, once an offence. None of the accounts may be borrowed.
            pub fn slash(
                &self,
                network: &AccountInfo<'info>,
                payer: &AccountInfo<'info>,
                offence: &[u8; 32],
                severity_bps: u16,
            ) -> Result<()> {
                $crate::SlashAccounts {
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
    };
}
