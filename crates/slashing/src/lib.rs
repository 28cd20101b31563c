//! How a program takes stake from a cheat: a CPI to the security-pool, signed by the program's own address.
//!
//! A network's roster names the program addresses that may slash its operators and its owners' bonds, and they are these
//! PDAs. The crate knows the security-pool by its bytes alone, so that the device-registry, which the security-pool
//! depends on, can slash too. The security-pool's tests hold both sides equal.
#![forbid(unsafe_code)]

mod accounts;
mod penalty;

pub use accounts::{SlashAccounts, SlashBondAccounts};

use const_crypto::ed25519::derive_program_address;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;
use solana_sha256_hasher::hashv;

/// The security-pool program.
pub const SECURITY_POOL: Pubkey =
    Pubkey::from_str_const("7jcchPRfmANtrpAE4jwAC8ZmpYHfiXTtHx3VGGLWA1pM");
/// Seed of the address by which a program slashes: `["slasher"]` of that program.
pub const SLASHER_SEED: &[u8] = b"slasher";
/// Seed of an owner's bond: `["bond", network, owner]` of the security-pool.
pub const BOND_SEED: &[u8] = b"bond";
/// Seed of the token account of a network's bonds: `["bond-vault", roster]` of the security-pool.
pub const BOND_VAULT_SEED: &[u8] = b"bond-vault";
/// Seed of a network's roster: `["roster", network]` of the security-pool.
pub const ROSTER_SEED: &[u8] = b"roster";

/// How many accounts either instruction takes.
pub const ACCOUNTS: usize = 11;

/// `sha256("global:slash")`, the first 8 bytes.
pub const SLASH: [u8; 8] = [204, 141, 18, 161, 8, 177, 92, 142];
/// `sha256("global:slash_bond")`, the first 8 bytes.
pub const SLASH_BOND: [u8; 8] = [143, 246, 51, 243, 88, 198, 217, 48];

/// The address by which a program slashes, and its bump: its PDA `["slasher"]`, which programs find when they are compiled.
pub const fn slasher(program: &Pubkey) -> (Pubkey, u8) {
    let (address, bump) = derive_program_address(&[SLASHER_SEED], program.as_array());
    (Pubkey::new_from_array(address), bump)
}

/// The seed of an offence's report: the offence's id with the top bit of each byte cleared, since a seed is text. The 224
/// bits that are left tell offences apart as surely as a shorter hash would.
pub fn report_seed(offence: &[u8; 32]) -> [u8; 32] {
    offence.map(|byte| byte & 0x7f)
}

/// The report of an offence, the receipt of its slash: the account of the security-pool that the system program derives
/// from the slasher and [`report_seed`], `sha256(slasher | seed | security-pool)`. It exists once the offence was slashed,
/// and never goes.
pub fn report(slasher: &Pubkey, offence: &[u8; 32]) -> Pubkey {
    hashv(&[
        slasher.as_ref(),
        &report_seed(offence),
        SECURITY_POOL.as_ref(),
    ])
    .to_bytes()
    .into()
}

/// An owner's bond for its devices in a network.
pub fn bond(network: &Pubkey, owner: &Pubkey) -> (Pubkey, u8) {
    Pubkey::find_program_address(
        &[BOND_SEED, network.as_ref(), owner.as_ref()],
        &SECURITY_POOL,
    )
}

/// The roster of a network's operators.
pub fn roster(network: &Pubkey) -> (Pubkey, u8) {
    Pubkey::find_program_address(&[ROSTER_SEED, network.as_ref()], &SECURITY_POOL)
}

/// The token account that holds the bonds of a roster's network.
pub fn bond_vault(roster: &Pubkey) -> (Pubkey, u8) {
    Pubkey::find_program_address(&[BOND_VAULT_SEED, roster.as_ref()], &SECURITY_POOL)
}

/// `slash`: takes `severity_bps` of what the roster counts of an operator's pool, once an offence. `accounts` are the
/// keys of [`SlashAccounts`], in their order.
pub fn slash_instruction(
    accounts: [&Pubkey; ACCOUNTS],
    offence: &[u8; 32],
    severity_bps: u16,
) -> Instruction {
    let mut data = Vec::with_capacity(42);
    data.extend_from_slice(&SLASH);
    data.extend_from_slice(offence);
    data.extend_from_slice(&severity_bps.to_le_bytes());
    instruction(accounts, data)
}

/// `slash_bond`: takes up to `amount` base units of an owner's bond, once an offence. `accounts` are the keys of
/// [`SlashBondAccounts`], in their order.
pub fn slash_bond_instruction(
    accounts: [&Pubkey; ACCOUNTS],
    offence: &[u8; 32],
    owner: &[u8; 32],
    amount: u64,
) -> Instruction {
    let mut data = Vec::with_capacity(80);
    data.extend_from_slice(&SLASH_BOND);
    data.extend_from_slice(offence);
    data.extend_from_slice(owner);
    data.extend_from_slice(&amount.to_le_bytes());
    instruction(accounts, data)
}

/// Both take the same accounts in the same roles: slasher (signs), network, then what changes, payer (signs), programs.
fn instruction(accounts: [&Pubkey; ACCOUNTS], data: Vec<u8>) -> Instruction {
    let [slasher, network, a, b, c, d, e, f, payer, token_program, system_program] = accounts;
    let changing = |key: &Pubkey| AccountMeta::new(*key, false);
    Instruction {
        program_id: SECURITY_POOL,
        accounts: vec![
            AccountMeta::new_readonly(*slasher, true),
            AccountMeta::new_readonly(*network, false),
            changing(a),
            changing(b),
            changing(c),
            changing(d),
            changing(e),
            changing(f),
            AccountMeta::new(*payer, true),
            AccountMeta::new_readonly(*token_program, false),
            AccountMeta::new_readonly(*system_program, false),
        ],
        data,
    }
}
