/// Declares `SLASHER`, the address by which an Anchor program slashes with its bump, and `Penalty`, the accounts by which
/// it slashes an operator's pool. Takes the program's id as a constant, and its errors for accounts of another pool or
/// network, and for a pool that was slashed for the offence before. A macro, since Anchor's accounts can't be shared between programs, and only programs know Anchor.
#[macro_export]
macro_rules! penalty {
    ($program:expr, $wrong_offender:expr, $already_slashed:expr) => {
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
            /// The offender's pool; compared by the instruction.
            #[account(mut)]
            pub pool: AccountLoader<'info, security_pool::state::Pool>,
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
            /// What a slash could take of the pool, base units: nothing if the network's roster does not let this program
            /// slash. Fails with another network's roster, or another pool.
            pub fn at_stake(
                &self,
                network: &Pubkey,
                pool: &Pubkey,
                moment: security_pool::state::Moment,
            ) -> Result<u64> {
                self.roster_of(network, pool)?.at_stake(
                    &SLASHER.0,
                    pool,
                    &*self.pool.load()?,
                    moment,
                )
            }

            /// The roster, if it is the network's and the accounts are those of this pool.
            fn roster_of(
                &self,
                network: &Pubkey,
                pool: &Pubkey,
            ) -> Result<std::cell::Ref<'_, security_pool::state::Roster>> {
                let roster = self.roster.load()?;
                if roster.network != *network || self.pool.key() != *pool {
                    return Err(error!($wrong_offender));
                }
                Ok(roster)
            }

            /// Slashes this pool, unless it was slashed for the offence before. Whether anything is left to slash is for the
            /// security-pool to say.
            pub fn slash_new(
                &self,
                network: &AccountInfo<'info>,
                payer: &AccountInfo<'info>,
                pool: &Pubkey,
                offence: &[u8; 32],
                severity_bps: u16,
            ) -> Result<()> {
                self.roster_of(network.key, pool)?;
                if *self.report.owner == $crate::SECURITY_POOL {
                    return Err(error!($already_slashed));
                }
                self.slash(network, payer, offence, severity_bps)
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
                    pool: self.pool.as_ref(),
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
