//! The crate `slashing` knows this program by its bytes alone. Here they are held equal.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::{InstructionData, ToAccountMetas};
use security_pool::{accounts, instruction, seeds, ID};

const OFFENCE: [u8; 32] = [7; 32];

/// As many addresses as either instruction has accounts, all different.
fn keys() -> [Pubkey; slashing::ACCOUNTS] {
    std::array::from_fn(|_| Pubkey::new_unique())
}

#[test]
fn slash() {
    let keys = keys();
    let [slasher, network, roster, pool, vault, stake_mint, report, bounty, payer, token_program, system_program] =
        keys;
    let wanted = Instruction {
        program_id: ID,
        accounts: accounts::Slash {
            slasher,
            network,
            roster,
            pool,
            vault,
            stake_mint,
            report,
            bounty,
            payer,
            token_program,
            system_program,
        }
        .to_account_metas(None),
        data: instruction::Slash {
            offence: OFFENCE,
            severity_bps: 1_234,
        }
        .data(),
    };
    assert_eq!(
        slashing::slash_instruction(keys.each_ref(), &OFFENCE, 1_234),
        wanted
    );
}

#[test]
fn slash_bond() {
    let (keys, owner) = (keys(), Pubkey::new_unique());
    let [slasher, network, roster, bond, bond_vault, stake_mint, report, bounty, payer, token_program, system_program] =
        keys;
    let wanted = Instruction {
        program_id: ID,
        accounts: accounts::SlashBond {
            slasher,
            network,
            roster,
            bond,
            bond_vault,
            stake_mint,
            report,
            bounty,
            payer,
            token_program,
            system_program,
        }
        .to_account_metas(None),
        data: instruction::SlashBond {
            offence: OFFENCE,
            owner,
            amount: u64::MAX - 1,
        }
        .data(),
    };
    assert_eq!(
        slashing::slash_bond_instruction(
            keys.each_ref(),
            &OFFENCE,
            &owner.to_bytes(),
            u64::MAX - 1
        ),
        wanted
    );
}

#[test]
fn addresses() {
    let (network, owner) = (Pubkey::new_unique(), Pubkey::new_unique());
    let address = |seeds: &[&[u8]]| Pubkey::find_program_address(seeds, &ID);
    let roster = address(&[seeds::ROSTER, network.as_ref()]);
    assert_eq!(slashing::SECURITY_POOL, ID);
    assert_eq!(slashing::roster(&network), roster);
    assert_eq!(
        slashing::bond(&network, &owner),
        address(&[seeds::BOND, network.as_ref(), owner.as_ref()])
    );
    assert_eq!(
        slashing::bond_vault(&roster.0),
        address(&[seeds::BOND_VAULT, roster.0.as_ref()])
    );
    for offence in [OFFENCE, [0; 32], [0x7f; 32], [0xff; 32]] {
        let seed = slashing::report_seed(&offence);
        let seed = std::str::from_utf8(&seed).unwrap();
        assert_eq!(
            slashing::report(&owner, &offence),
            Pubkey::create_with_seed(&owner, seed, &ID).unwrap()
        );
    }
}
