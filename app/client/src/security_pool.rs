//! Pools, delegations, rosters, committees, bonds and reports: addresses and instructions of the security pool.

use crate::token::{associated, TOKEN_PROGRAM};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::system_program;
use anchor_lang::{InstructionData, ToAccountMetas};
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{Committee, Roster, RosterTerms, MAX_SLASHERS};
use security_pool::{accounts, instruction, seeds, ID};

/// The pool of a stake mint that this operator created.
pub fn pool(stake_mint: &Pubkey, creator: &Pubkey) -> Pubkey {
    address(&[seeds::POOL, stake_mint.as_ref(), creator.as_ref()])
}

/// The token account of a pool.
pub fn vault(pool: &Pubkey) -> Pubkey {
    address(&[seeds::VAULT, pool.as_ref()])
}

/// An owner's shares of a pool.
pub fn delegation(pool: &Pubkey, owner: &Pubkey) -> Pubkey {
    address(&[seeds::DELEGATION, pool.as_ref(), owner.as_ref()])
}

/// An owner's withdrawal from a pool; numbered from 0, the next is `Delegation::withdrawals`.
pub fn withdrawal(pool: &Pubkey, owner: &Pubkey, number: u64) -> Pubkey {
    address(&[
        seeds::WITHDRAWAL,
        pool.as_ref(),
        owner.as_ref(),
        &number.to_le_bytes(),
    ])
}

/// The roster of a network.
pub fn roster(network: &Pubkey) -> Pubkey {
    address(&[seeds::ROSTER, network.as_ref()])
}

/// The token account of the bonds of a network's owners.
pub fn bond_vault(network: &Pubkey) -> Pubkey {
    address(&[seeds::BOND_VAULT, roster(network).as_ref()])
}

/// An owner's bond in a network.
pub fn bond(network: &Pubkey, owner: &Pubkey) -> Pubkey {
    address(&[seeds::BOND, network.as_ref(), owner.as_ref()])
}

/// The report of an offence that a program slashed.
pub fn report(slasher: &Pubkey, offence: &[u8; 32]) -> Pubkey {
    slashing::report(slasher, offence)
}

/// The addresses by which our programs slash: what a roster's terms name unless somebody knows better.
pub fn slashers() -> [Pubkey; MAX_SLASHERS] {
    [
        device_registry::ID,
        data_commitment::ID,
        ai_feed::ID,
        reward_emission::ID,
    ]
    .map(|program| slashing::slasher(&program).0)
}

/// The committee of a network's epoch.
pub fn committee(network: &Pubkey, epoch: u64) -> Pubkey {
    address(&[seeds::COMMITTEE, network.as_ref(), &epoch.to_le_bytes()])
}

/// Creates a pool; its seed comes from the operator's associated token account.
pub fn create_pool(
    payer: &Pubkey,
    operator: &Pubkey,
    stake_mint: &Pubkey,
    args: CreatePoolArgs,
) -> Instruction {
    let pool = pool(stake_mint, operator);
    build(
        accounts::CreatePool {
            operator: *operator,
            payer: *payer,
            stake_mint: *stake_mint,
            source: associated(operator, stake_mint),
            pool,
            vault: vault(&pool),
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::CreatePool { args },
    )
}

/// Names the worker's key. `home` is `Pool::home`.
pub fn set_signer(pool: &Pubkey, operator: &Pubkey, home: &Pubkey, signer: &Pubkey) -> Instruction {
    build(
        accounts::SetSigner {
            operator: *operator,
            pool: *pool,
            home: roster_of(home),
        },
        instruction::SetSigner { signer: *signer },
    )
}

/// Offers a pool to another operator.
pub fn transfer_operator(pool: &Pubkey, operator: &Pubkey, new_operator: &Pubkey) -> Instruction {
    build(
        accounts::TransferOperator {
            operator: *operator,
            pool: *pool,
        },
        instruction::TransferOperator {
            operator: *new_operator,
        },
    )
}

/// Takes a pool over.
pub fn accept_operator(pool: &Pubkey, pending_operator: &Pubkey) -> Instruction {
    build(
        accounts::AcceptOperator {
            pending_operator: *pending_operator,
            pool: *pool,
        },
        instruction::AcceptOperator {},
    )
}

/// Stakes base units in a pool from the owner's associated token account, for at least `min_shares` shares, if networks came
/// to count more of it no more than `max_raises` times.
pub fn delegate(
    payer: &Pubkey,
    owner: &Pubkey,
    pool: &Pubkey,
    stake_mint: &Pubkey,
    amount: u64,
    min_shares: u64,
    max_raises: u64,
) -> Instruction {
    build(
        accounts::Delegate {
            owner: *owner,
            payer: *payer,
            pool: *pool,
            delegation: delegation(pool, owner),
            stake_mint: *stake_mint,
            source: associated(owner, stake_mint),
            vault: vault(pool),
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::Delegate {
            amount,
            min_shares,
            max_raises,
        },
    )
}

/// Lets shares cool down as the owner's withdrawal `number`, which must be `Delegation::withdrawals`. `home` is `Pool::home`.
pub fn request_withdrawal(
    payer: &Pubkey,
    owner: &Pubkey,
    pool: &Pubkey,
    home: &Pubkey,
    number: u64,
    shares: u64,
) -> Instruction {
    build(
        accounts::RequestWithdrawal {
            owner: *owner,
            payer: *payer,
            pool: *pool,
            delegation: delegation(pool, owner),
            withdrawal: withdrawal(pool, owner, number),
            vault: vault(pool),
            system_program: system_program::ID,
            home: roster_of(home),
        },
        instruction::RequestWithdrawal { shares },
    )
}

/// Pays the owner's withdrawal `number` to its associated token account.
pub fn withdraw(owner: &Pubkey, pool: &Pubkey, stake_mint: &Pubkey, number: u64) -> Instruction {
    build(
        accounts::Withdraw {
            owner: *owner,
            pool: *pool,
            withdrawal: withdrawal(pool, owner, number),
            stake_mint: *stake_mint,
            destination: associated(owner, stake_mint),
            vault: vault(pool),
            token_program: TOKEN_PROGRAM,
        },
        instruction::Withdraw {},
    )
}

/// Opens a network's roster and its vault of bonds.
pub fn create_roster(
    payer: &Pubkey,
    authority: &Pubkey,
    network: &Pubkey,
    stake_mint: &Pubkey,
    terms: RosterTerms,
) -> Instruction {
    build(
        accounts::CreateRoster {
            authority: *authority,
            payer: *payer,
            network: *network,
            stake_mint: *stake_mint,
            roster: roster(network),
            bond_vault: bond_vault(network),
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::CreateRoster { terms },
    )
}

/// Sets what a pool allocates to a network, in base units. If the pool has a home (`Pool::home`), it is this network:
/// otherwise see [`opt_in_beside`].
pub fn opt_in(network: &Pubkey, pool: &Pubkey, operator: &Pubkey, allocation: u64) -> Instruction {
    opt_in_beside(&Pubkey::default(), network, pool, operator, allocation)
}

/// As [`opt_in`], by a pool whose home is another network, `home`.
pub fn opt_in_beside(
    home: &Pubkey,
    network: &Pubkey,
    pool: &Pubkey,
    operator: &Pubkey,
    allocation: u64,
) -> Instruction {
    build(
        accounts::OptIn {
            operator: *operator,
            network: *network,
            roster: roster(network),
            pool: *pool,
            home: roster_of(home),
        },
        instruction::OptIn { allocation },
    )
}

/// The roster of a pool's home, if it has one.
fn roster_of(home: &Pubkey) -> Option<Pubkey> {
    (*home != Pubkey::default()).then(|| roster(home))
}

/// Ends a pool's allocation to a network.
pub fn opt_out(network: &Pubkey, pool: &Pubkey, operator: &Pubkey) -> Instruction {
    build(
        accounts::OptOut {
            operator: *operator,
            network: *network,
            roster: roster(network),
            pool: *pool,
        },
        instruction::OptOut {},
    )
}

/// Brings a pool's entry on a network's roster up to date.
pub fn refresh(network: &Pubkey, pool: &Pubkey) -> Instruction {
    build(
        accounts::Refresh {
            network: *network,
            roster: roster(network),
            pool: *pool,
        },
        instruction::Refresh {},
    )
}

/// Takes what a slash of `pool` locked, as far as this epoch's cap goes; `bounty` is `Report::destination`.
pub fn collect_excess(
    network: &Pubkey,
    pool: &Pubkey,
    stake_mint: &Pubkey,
    report: &Pubkey,
    bounty: &Pubkey,
) -> Instruction {
    build(
        accounts::CollectExcess {
            network: *network,
            roster: roster(network),
            pool: *pool,
            vault: vault(pool),
            stake_mint: *stake_mint,
            report: *report,
            bounty: *bounty,
            token_program: TOKEN_PROGRAM,
        },
        instruction::CollectExcess {},
    )
}

/// Pays what a slash of `pool` set aside to a token account.
pub fn pay_insurance(
    network: &Pubkey,
    authority: &Pubkey,
    pool: &Pubkey,
    stake_mint: &Pubkey,
    report: &Pubkey,
    destination: &Pubkey,
) -> Instruction {
    build(
        accounts::PayInsurance {
            authority: *authority,
            network: *network,
            pool: *pool,
            vault: vault(pool),
            stake_mint: *stake_mint,
            report: *report,
            destination: *destination,
            token_program: TOKEN_PROGRAM,
        },
        instruction::PayInsurance {},
    )
}

/// Adds base units to an owner's bond from its associated token account.
pub fn post_bond(
    payer: &Pubkey,
    owner: &Pubkey,
    network: &Pubkey,
    stake_mint: &Pubkey,
    amount: u64,
) -> Instruction {
    build(
        accounts::PostBond {
            owner: *owner,
            payer: *payer,
            network: *network,
            roster: roster(network),
            bond: bond(network, owner),
            stake_mint: *stake_mint,
            source: associated(owner, stake_mint),
            bond_vault: bond_vault(network),
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::PostBond { amount },
    )
}

/// Lets base units of an owner's bond cool down.
pub fn request_bond(network: &Pubkey, owner: &Pubkey, amount: u64) -> Instruction {
    build(
        accounts::RequestBond {
            owner: *owner,
            network: *network,
            bond: bond(network, owner),
        },
        instruction::RequestBond { amount },
    )
}

/// Pays what has cooled down of an owner's bond to its associated token account.
pub fn withdraw_bond(network: &Pubkey, owner: &Pubkey, stake_mint: &Pubkey) -> Instruction {
    build(
        accounts::WithdrawBond {
            owner: *owner,
            roster: roster(network),
            bond: bond(network, owner),
            stake_mint: *stake_mint,
            destination: associated(owner, stake_mint),
            bond_vault: bond_vault(network),
            token_program: TOKEN_PROGRAM,
        },
        instruction::WithdrawBond {},
    )
}

/// Pools that one [`snapshot_committee`] can name, so that its transaction keeps to 64 accounts with a fee payer of its
/// own and the compute budget.
pub const POOLS_PER_SNAPSHOT: usize = 56;

/// The pools that [`snapshot_committee`] has to be given in `epoch`, in order: those whose home is another roster, or none,
/// all of them or what an incomplete committee still lacks. One call takes at most [`POOLS_PER_SNAPSHOT`] of them.
pub fn committee_pools(roster: &Roster, committee: Option<&Committee>, epoch: u64) -> Vec<Pubkey> {
    let drawn = committee.map_or(0, |committee| committee.drawn_slots as usize);
    roster
        .entries
        .iter()
        .skip(drawn)
        .filter(|entry| !entry.is_free() && !entry.is_home() && entry.allocation_at(epoch) > 0)
        .map(|entry| entry.pool)
        .collect()
}

/// Draws the committee of the current epoch, or the next part of it, from `pools` of [`committee_pools`].
pub fn snapshot_committee(
    payer: &Pubkey,
    network: &Pubkey,
    epoch: u64,
    pools: &[Pubkey],
) -> Instruction {
    let mut instruction = build(
        accounts::SnapshotCommittee {
            payer: *payer,
            network: *network,
            roster: roster(network),
            committee: committee(network, epoch),
            system_program: system_program::ID,
        },
        instruction::SnapshotCommittee { epoch },
    );
    instruction.accounts.extend(
        pools
            .iter()
            .map(|pool| AccountMeta::new_readonly(*pool, false)),
    );
    instruction
}

fn address(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
