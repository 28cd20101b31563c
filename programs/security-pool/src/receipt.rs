//! Making the receipt of a slash.

use crate::error::PoolError;
use crate::state::{Report, Reported};
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::program::invoke;
use anchor_lang::system_program;

/// The system program's `CreateAccountWithSeed`.
const CREATE_WITH_SEED: u32 = 3;
/// The system program's `AllocateWithSeed`, which assigns the account too.
const ALLOCATE_WITH_SEED: u32 = 9;

/// A report that is not there yet, and what it takes to make it.
///
/// Its address is derived from the slasher and a seed, as the system program does it, rather than a PDA: there is no bump
/// to search for, which would cost 1,500 compute units each, and no second address that a caller could choose. Only the
/// slasher, which signs here, can have an account made there.
pub struct NewReport<'a, 'info> {
    /// Where it is to be.
    pub report: &'a AccountInfo<'info>,
    /// Who found the offence; signs.
    pub slasher: &'a AccountInfo<'info>,
    /// Pays the rent; signs.
    pub payer: &'a AccountInfo<'info>,
}

impl NewReport<'_, '_> {
    /// Makes the report and writes into it what was reported.
    ///
    /// # Errors
    /// [`PoolError::MisplacedReport`], or the system program's if the offence has a report.
    pub fn write(&self, reported: Reported) -> Result<()> {
        let Self {
            report,
            slasher,
            payer,
        } = self;
        require_keys_eq!(
            *report.key,
            slashing::report(slasher.key, &reported.offence),
            PoolError::MisplacedReport
        );
        let rent = Rent::get()?.minimum_balance(Report::SPACE);
        let seed = slashing::report_seed(&reported.offence);
        let (report_meta, slasher_meta) = (
            AccountMeta::new(*report.key, false),
            AccountMeta::new_readonly(*slasher.key, true),
        );
        if report.lamports() == 0 {
            let create = Instruction {
                program_id: system_program::ID,
                accounts: vec![
                    AccountMeta::new(*payer.key, true),
                    report_meta,
                    slasher_meta,
                ],
                data: with_seed(
                    CREATE_WITH_SEED,
                    slasher.key,
                    &seed,
                    &[rent, Report::SPACE as u64],
                ),
            };
            let infos = [(*payer).clone(), (*report).clone(), (*slasher).clone()];
            invoke(&create, &infos)?;
        } else {
            // Lamports that somebody sent ahead stop nothing.
            let missing = rent.saturating_sub(report.lamports());
            if missing > 0 {
                let accounts = system_program::Transfer {
                    from: (*payer).clone(),
                    to: (*report).clone(),
                };
                system_program::transfer(CpiContext::new(system_program::ID, accounts), missing)?;
            }
            let allocate = Instruction {
                program_id: system_program::ID,
                accounts: vec![report_meta, slasher_meta],
                data: with_seed(
                    ALLOCATE_WITH_SEED,
                    slasher.key,
                    &seed,
                    &[Report::SPACE as u64],
                ),
            };
            invoke(&allocate, &[(*report).clone(), (*slasher).clone()])?;
        }
        let mut data = report.try_borrow_mut_data()?;
        let (discriminator, bytes) = data.split_at_mut(Report::DISCRIMINATOR.len());
        discriminator.copy_from_slice(Report::DISCRIMINATOR);
        bytemuck::from_bytes_mut::<Report>(bytes).open(reported);
        Ok(())
    }
}

/// An instruction of the system program for an address with a seed and this program's account: number, base, the seed
/// with its length, sizes, owner.
fn with_seed(number: u32, base: &Pubkey, seed: &[u8; 32], sizes: &[u64]) -> Vec<u8> {
    let mut data = Vec::with_capacity(4 + 32 + 8 + 32 + 16 + 32);
    data.extend_from_slice(&number.to_le_bytes());
    data.extend_from_slice(base.as_ref());
    data.extend_from_slice(&(seed.len() as u64).to_le_bytes());
    data.extend_from_slice(seed);
    for size in sizes {
        data.extend_from_slice(&size.to_le_bytes());
    }
    data.extend_from_slice(crate::ID.as_ref());
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_lang::solana_program::system_instruction;

    #[test]
    fn instructions_are_the_system_programs() {
        let base = Pubkey::new_unique();
        let seed = slashing::report_seed(&[0xa5; 32]);
        let text = std::str::from_utf8(&seed).unwrap();
        let address = Pubkey::new_unique();
        assert_eq!(
            with_seed(CREATE_WITH_SEED, &base, &seed, &[7, 9]),
            system_instruction::create_account_with_seed(
                &base,
                &address,
                &base,
                text,
                7,
                9,
                &crate::ID
            )
            .data
        );
        assert_eq!(
            with_seed(ALLOCATE_WITH_SEED, &base, &seed, &[9]),
            system_instruction::allocate_with_seed(&address, &base, text, 9, &crate::ID).data
        );
    }
}
