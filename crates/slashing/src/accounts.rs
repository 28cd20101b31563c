use crate::{slash_bond_instruction, slash_instruction, ACCOUNTS, SLASHER_SEED};
use core::mem::ManuallyDrop;
use solana_account_info::AccountInfo;
use solana_invoke::invoke_signed_unchecked;
use solana_program_error::ProgramResult;
use solana_pubkey::Pubkey;

/// Declares the accounts of a CPI, which are all of its instruction's, and the program called.
macro_rules! accounts {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        pub struct $name<'a, 'info> {
            $($(#[$field_doc])* pub $field: &'a AccountInfo<'info>,)*
            /// The security-pool program: its address is [`crate::SECURITY_POOL`], whatever is passed here.
            pub security_pool: &'a AccountInfo<'info>,
        }

        impl<'info> $name<'_, 'info> {
            fn keys(&self) -> [&Pubkey; ACCOUNTS] {
                [$(self.$field.key),*]
            }

            /// Never dropped: a program's memory goes with it, and to count references down costs compute units.
            fn infos(&self) -> ManuallyDrop<[AccountInfo<'info>; ACCOUNTS + 1]> {
                ManuallyDrop::new([$(self.$field.clone(),)* self.security_pool.clone()])
            }
        }
    };
}

accounts! {
    /// Accounts of `slash`.
    SlashAccounts {
        /// PDA `["slasher"]` of the program that calls; signs.
        slasher,
        /// The network.
        network,
        /// The network's roster.
        roster,
        /// The operator's pool.
        pool,
        /// The pool's vault.
        vault,
        /// The network's stake mint: what isn't paid out is burned.
        stake_mint,
        /// The offence's report, not yet there.
        report,
        /// The reporter's token account of the stake mint.
        bounty,
        /// Pays the report's rent; signs.
        payer,
        /// The stake mint's token program.
        token_program,
        /// Makes the report.
        system_program,
    }
}

accounts! {
    /// Accounts of `slash_bond`.
    SlashBondAccounts {
        /// PDA `["slasher"]` of the program that calls; signs.
        slasher,
        /// The network.
        network,
        /// The network's roster.
        roster,
        /// The owner's bond; an empty account if it has none.
        bond,
        /// The token account of the network's bonds.
        bond_vault,
        /// The network's stake mint: what isn't paid out is burned.
        stake_mint,
        /// The offence's report, not yet there.
        report,
        /// The reporter's token account of the stake mint.
        bounty,
        /// Pays the report's rent; signs.
        payer,
        /// The stake mint's token program.
        token_program,
        /// Makes the report.
        system_program,
    }
}

// The checked call looks for each account among all others, to see that none is borrowed: a thousand compute units and
// more. A caller that still borrows one of these accounts would see it change under its hands, so none may.

impl SlashAccounts<'_, '_> {
    /// Slashes an operator. None of the accounts may be borrowed. `offence` tells this offence from every other; `bump` is of the slasher's address. Fails with
    /// the security-pool's error, and with it the transaction: the caller's change and the slash are one.
    pub fn slash(&self, offence: &[u8; 32], severity_bps: u16, bump: u8) -> ProgramResult {
        invoke_signed_unchecked(
            &slash_instruction(self.keys(), offence, severity_bps),
            self.infos().as_slice(),
            &[&[SLASHER_SEED, &[bump]]],
        )
    }
}

impl SlashBondAccounts<'_, '_> {
    /// Slashes an owner's bond by up to `amount` base units. None of the accounts may be borrowed. `offence` tells this
    /// offence from every other; `bump` is of the slasher's address. Fails with the security-pool's error, and with it the transaction.
    pub fn slash(
        &self,
        offence: &[u8; 32],
        owner: &[u8; 32],
        amount: u64,
        bump: u8,
    ) -> ProgramResult {
        invoke_signed_unchecked(
            &slash_bond_instruction(self.keys(), offence, owner, amount),
            self.infos().as_slice(),
            &[&[SLASHER_SEED, &[bump]]],
        )
    }
}
