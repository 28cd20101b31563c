//! A program that uses ours as others do, for tests and for `cargo xtask cu`: it logs the compute units that are left
//! before and after what is measured. It is never deployed but by tests.

use anchor_lang::solana_program::account_info::AccountInfo;
use anchor_lang::solana_program::entrypoint::ProgramResult;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::log::sol_log;
use anchor_lang::solana_program::program::invoke_unchecked;
use anchor_lang::solana_program::program_error::ProgramError;
use anchor_lang::solana_program::pubkey::Pubkey;
use anchor_lang::{AnchorDeserialize, Discriminator};
use commitment::ReadingLeaf;
use data_commitment::instructions::VerifyReadingArgs;
use data_commitment::state::Stream;
use device_protocol::{Reading, ReadingHeader};
use feed_reader::{Feed, Mask};
use slashing::{SlashAccounts, SlashBondAccounts};

#[cfg(not(feature = "no-entrypoint"))]
anchor_lang::solana_program::entrypoint!(run);

/// Nothing at all: what measuring costs.
pub const NOTHING: u8 = 0;
/// Nothing at all, for the data of a signature's precompile: they begin with the number of signatures.
pub const ONE_SIGNATURE: u8 = 1;
/// A feed's newest value, through the reader. Data: feed id 32, now i64. Account: the feed.
pub const READ_FEED: u8 = 2;
/// `commitment::verify_reading` on a stream's account. Data: `VerifyReadingArgs`. Account: the stream.
pub const VERIFY_READING: u8 = 3;
/// `verify_reading` by CPI. Data: the instruction's. Accounts: network, stream, the program.
pub const CALL_VERIFY_READING: u8 = 4;
/// `slash` by CPI. Data: bump of this program's slasher, offence 32, severity u16. Accounts: those of `SlashAccounts`, the
/// security-pool.
pub const SLASH: u8 = 5;
/// `slash_bond` by CPI. Data: bump of this program's slasher, offence 32, owner 32, amount u64. Accounts: those of
/// `SlashBondAccounts`, the security-pool.
pub const SLASH_BOND: u8 = 6;
/// A feed's newest value, by a CPI of ai-feed. Data: feed id 32, oldest age u32, mask u16. Account: the feed. Returns what
/// ai-feed returned.
pub const CALL_READ_FEED: u8 = 7;

/// Logs more than the chain keeps of a transaction, so that what comes after it is not in the log.
pub const FILL_LOG: u8 = 8;
/// Bytes that the chain keeps of a transaction's log.
pub const LOG_BYTES: usize = 10_000;

/// Runs the case that the first byte names.
pub fn run(_program: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let (case, data) = data
        .split_first()
        .ok_or(ProgramError::InvalidInstructionData)?;
    match *case {
        NOTHING | ONE_SIGNATURE => measured(|| Ok(())),
        READ_FEED => read_feed(accounts, data),
        VERIFY_READING => verify_reading(accounts, data),
        CALL_VERIFY_READING => call_verify_reading(accounts, data),
        SLASH => slash(accounts, data),
        SLASH_BOND => slash_bond(accounts, data),
        CALL_READ_FEED => call_read_feed(accounts, data),
        FILL_LOG => fill_log(),
        _ => Err(ProgramError::InvalidInstructionData),
    }
}

/// Logs the compute units left, before and after.
fn measured(work: impl FnOnce() -> ProgramResult) -> ProgramResult {
    log_compute_units();
    let result = work();
    log_compute_units();
    result
}

fn log_compute_units() {
    // The chain's own call; elsewhere there is no compute to tell of.
    #[cfg(target_os = "solana")]
    unsafe {
        solana_define_syscall::definitions::sol_log_compute_units_()
    };
}

fn fill_log() -> ProgramResult {
    const LINE: &str = "................................................................";
    for _ in 0..LOG_BYTES.div_ceil(LINE.len()) {
        sol_log(LINE);
    }
    Ok(())
}

fn read_feed(accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let (id, now) = data
        .split_first_chunk::<32>()
        .ok_or(ProgramError::InvalidInstructionData)?;
    let now = now
        .try_into()
        .map(i64::from_le_bytes)
        .map_err(|_| ProgramError::InvalidInstructionData)?;
    let account = accounts.first().ok_or(ProgramError::NotEnoughAccountKeys)?;
    measured(|| {
        let data = account.try_borrow_data()?;
        let value = Feed::from_account(account.owner.as_array(), &data, id)
            .and_then(|feed| feed.value(now, u32::MAX, Mask::COMMITTEE | Mask::SOURCED));
        match value {
            Ok(value) if value.round > 0 => Ok(()),
            _ => Err(ProgramError::InvalidAccountData),
        }
    })
}

fn call_read_feed(accounts: &[AccountInfo], mut data: &[u8]) -> ProgramResult {
    let id = next(&mut data)?;
    let max_age = u32::from_le_bytes(*next(&mut data)?);
    let min_mask = u16::from_le_bytes(*next(&mut data)?);
    let feed = accounts.first().ok_or(ProgramError::NotEnoughAccountKeys)?;
    measured(|| {
        let value = feed_reader::cpi::read_feed(feed, id, max_age, min_mask)?;
        match value.mask & min_mask == min_mask && value.round > 0 {
            true => Ok(()),
            false => Err(ProgramError::InvalidAccountData),
        }
    })
}

fn verify_reading(accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let args = VerifyReadingArgs::try_from_slice(data)
        .map_err(|_| ProgramError::InvalidInstructionData)?;
    let account = accounts.first().ok_or(ProgramError::NotEnoughAccountKeys)?;
    let (commitment, batch) = (args.commitment.into(), args.batch.into());
    measured(|| {
        if *account.owner != data_commitment::ID {
            return Err(ProgramError::InvalidAccountOwner);
        }
        let data = account.try_borrow_data()?;
        let stream: &Stream = data
            .strip_prefix(Stream::DISCRIMINATOR)
            .and_then(|data| bytemuck::try_from_bytes(data).ok())
            .ok_or(ProgramError::InvalidAccountData)?;
        let (bytes, signature) = args
            .reading
            .split_last_chunk()
            .ok_or(ProgramError::InvalidInstructionData)?;
        ReadingHeader::parse(bytes).map_err(|_| ProgramError::InvalidInstructionData)?;
        commitment::verify_reading(
            &stream.peaks,
            stream.count,
            &commitment,
            &args.mmr_path,
            args.batch_index,
            &batch,
            &args.batch_path,
            args.reading_index,
            &ReadingLeaf {
                digest: Reading::digest_of(bytes),
                signature,
                grant: args.grant_signature.as_ref(),
            },
            &args.reading_path,
        )
        .map_err(|_| ProgramError::InvalidArgument)
    })
}

fn call_verify_reading(accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let [network, stream, _program] = accounts else {
        return Err(ProgramError::NotEnoughAccountKeys);
    };
    measured(|| {
        let instruction = Instruction {
            program_id: data_commitment::ID,
            accounts: vec![
                AccountMeta::new_readonly(*network.key, false),
                AccountMeta::new_readonly(*stream.key, false),
            ],
            data: data.to_vec(),
        };
        // Neither account is borrowed, which is all that the checked call would look at.
        invoke_unchecked(&instruction, &[network.clone(), stream.clone()])
    })
}

/// Takes the next `N` bytes.
fn next<'a, const N: usize>(data: &mut &'a [u8]) -> Result<&'a [u8; N], ProgramError> {
    let (bytes, rest) = data
        .split_first_chunk()
        .ok_or(ProgramError::InvalidInstructionData)?;
    *data = rest;
    Ok(bytes)
}

fn slash(accounts: &[AccountInfo], mut data: &[u8]) -> ProgramResult {
    let [slasher, network, roster, pool, vault, stake_mint, report, bounty, payer, token_program, system_program, security_pool] =
        accounts
    else {
        return Err(ProgramError::NotEnoughAccountKeys);
    };
    let [bump] = *next(&mut data)?;
    let offence = next(&mut data)?;
    let severity = u16::from_le_bytes(*next(&mut data)?);
    measured(|| {
        SlashAccounts {
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
            security_pool,
        }
        .slash(offence, severity, bump)
    })
}

fn slash_bond(accounts: &[AccountInfo], mut data: &[u8]) -> ProgramResult {
    let [slasher, network, roster, bond, bond_vault, stake_mint, report, bounty, payer, token_program, system_program, security_pool] =
        accounts
    else {
        return Err(ProgramError::NotEnoughAccountKeys);
    };
    let [bump] = *next(&mut data)?;
    let offence = next(&mut data)?;
    let owner = next(&mut data)?;
    let amount = u64::from_le_bytes(*next(&mut data)?);
    measured(|| {
        SlashBondAccounts {
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
            security_pool,
        }
        .slash(offence, owner, amount, bump)
    })
}
