//! SPL token accounts: addresses, creation and amounts for people.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::system_program;
use anchor_lang::AccountDeserialize;
use anchor_spl::associated_token::get_associated_token_address_with_program_id;
use anchor_spl::token::spl_token::state::AccountState;
use anchor_spl::token::TokenAccount;
use solana_account::Account;

/// The SPL Token program.
pub const TOKEN_PROGRAM: Pubkey = anchor_spl::token::ID;

/// Bytes of a token account.
pub const ACCOUNT_LEN: usize = TokenAccount::LEN;

/// The associated token account of `owner` for `mint`.
pub fn associated(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    anchor_spl::associated_token::get_associated_token_address(owner, mint)
}

/// The Token-2022 program, which holds the NFTs of devices.
pub const TOKEN_2022_PROGRAM: Pubkey = anchor_spl::token_2022::ID;

/// The associated token account of `owner` for a mint of Token-2022.
pub fn associated_2022(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    get_associated_token_address_with_program_id(owner, mint, &TOKEN_2022_PROGRAM)
}

/// Whether the token program takes tokens of `mint` into `account`: it is a token account of this mint, and not frozen.
pub fn is_usable(account: &Account, mint: &Pubkey) -> bool {
    let state = TokenAccount::try_deserialize(&mut account.data.as_slice());
    account.owner == TOKEN_PROGRAM
        && state.is_ok_and(|state| state.mint == *mint && state.state == AccountState::Initialized)
}

/// Creates [`associated`] unless it exists.
pub fn create_associated(payer: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Instruction {
    create(payer, &associated(owner, mint), owner, mint, TOKEN_PROGRAM)
}

/// Creates [`associated_2022`] unless it exists.
pub fn create_associated_2022(payer: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Instruction {
    let account = associated_2022(owner, mint);
    create(payer, &account, owner, mint, TOKEN_2022_PROGRAM)
}

fn create(
    payer: &Pubkey,
    account: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
    token_program: Pubkey,
) -> Instruction {
    Instruction {
        program_id: anchor_spl::associated_token::ID,
        accounts: vec![
            AccountMeta::new(*payer, true),
            AccountMeta::new(*account, false),
            AccountMeta::new_readonly(*owner, false),
            AccountMeta::new_readonly(*mint, false),
            AccountMeta::new_readonly(system_program::ID, false),
            AccountMeta::new_readonly(token_program, false),
        ],
        // CreateIdempotent
        data: vec![1],
    }
}

/// `amount` base units as a decimal number of tokens.
pub fn format_amount(amount: u64, decimals: u8) -> String {
    let Some(unit) = 10u64
        .checked_pow(u32::from(decimals))
        .filter(|unit| *unit > 1)
    else {
        return amount.to_string();
    };
    let fraction = format!("{:0width$}", amount % unit, width = usize::from(decimals));
    match fraction.trim_end_matches('0') {
        "" => (amount / unit).to_string(),
        fraction => format!("{}.{fraction}", amount / unit),
    }
}

/// Reads a decimal number of tokens, as [`format_amount`] writes it. `None` when it is no number, has more
/// decimals than the mint, or does not fit.
pub fn parse_amount(text: &str, decimals: u8) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty())
        || !digits(whole)
        || !digits(fraction)
        || fraction.len() > usize::from(decimals)
    {
        return None;
    }
    let padded = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
    padded.parse().ok()
}
