//! Puts compiled programs on a chain, by its upgradeable loader.
//!
//! The code goes through a buffer whose address follows from the authority and the code, so that a deployment that was
//! cut off goes on with what the buffer already holds.

use crate::{at, MigrationError, Step};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::system_instruction;
use fieldproof_client::chain::Chain;
use fieldproof_client::transaction::{self, Limits};
use sha2::{Digest, Sha256};
use solana_keypair::Keypair;
use solana_loader_v3_interface::instruction as loader;
use solana_loader_v3_interface::state::UpgradeableLoaderState;
use solana_signer::Signer;
use std::time::{Duration, Instant};

/// The upgradeable loader.
const LOADER: Pubkey = anchor_lang::solana_program::bpf_loader_upgradeable::ID;
/// Bytes of code that one transaction writes.
const CHUNK: usize = 900;
/// How long written chunks are waited for before those that are missing are sent again.
const PATIENCE: Duration = Duration::from_secs(20);
/// Fewest bytes by which the loader makes room for larger code (SIMD-0431).
const LEAST_EXTENSION: usize = 10_240;
/// What a write uses at most.
const WRITE: Limits = Limits {
    compute_units: 10_000,
    loaded_data: 4 << 20,
};

/// Deploys `code` at the address of `program`, or upgrades what is there if it differs. `authority` pays and may upgrade.
///
/// # Errors
/// [`MigrationError::Step`]; what was written stays written.
pub fn deploy(
    chain: &dyn Chain,
    authority: &Keypair,
    program: &Keypair,
    name: &str,
    code: &[u8],
    report: &mut dyn FnMut(&Step),
) -> Result<(), MigrationError> {
    let failed = || at(name);
    let key = authority.pubkey();
    let id = program.pubkey();
    let (data, _) = Pubkey::find_program_address(&[id.as_ref()], &LOADER);
    let header = UpgradeableLoaderState::size_of_programdata_metadata();
    let deployed = chain.account(&data).map_err(failed())?;
    if let Some(deployed) = &deployed {
        let rest = deployed.data.get(header..).unwrap_or_default();
        let (known, padding) = rest.split_at(code.len().min(rest.len()));
        if known == code && padding.iter().all(|byte| *byte == 0) {
            report(&Step {
                name: name.to_owned(),
                signature: None,
            });
            return Ok(());
        }
    }
    let buffer = write_buffer(chain, authority, name, code)?;
    // Only a new program's key signs.
    let signers: &[&Keypair] = if deployed.is_some() { &[] } else { &[program] };
    let instructions = if let Some(deployed) = &deployed {
        let room = deployed.data.len().saturating_sub(header);
        if let Some(more) = code.len().checked_sub(room).filter(|more| *more > 0) {
            // A transaction of its own, since the loader does not upgrade what changed in the same slot.
            let more = u32::try_from(more.max(LEAST_EXTENSION))
                .map_err(|_| MigrationError::Config(format!("program {name} is too large")))?;
            let extend = loader::extend_program(&id, Some(&key), more);
            transaction::send(chain, &[extend], authority, &[]).map_err(failed())?;
        }
        vec![loader::upgrade(&id, &buffer, &key, &key)]
    } else {
        let rent = chain
            .rent(UpgradeableLoaderState::size_of_program())
            .map_err(failed())?;
        loader::deploy_with_max_program_len(&key, &id, &buffer, &key, rent, code.len())
            .map_err(|error| MigrationError::Config(format!("program {name}: {error}")))?
    };
    let done = transaction::send(chain, &instructions, authority, signers).map_err(failed())?;
    report(&Step {
        name: name.to_owned(),
        signature: Some(done.signature.to_string()),
    });
    Ok(())
}

/// Sees that a buffer holds `code`, and returns its address.
fn write_buffer(
    chain: &dyn Chain,
    authority: &Keypair,
    name: &str,
    code: &[u8],
) -> Result<Pubkey, MigrationError> {
    let failed = || at(name);
    let key = authority.pubkey();
    let digest = Sha256::digest(code);
    let seed: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let buffer = Pubkey::create_with_seed(&key, &seed, &LOADER)
        .map_err(|_| MigrationError::Config(format!("authority makes no buffer for {name}")))?;
    let bytes = UpgradeableLoaderState::size_of_buffer(code.len());
    if chain.account(&buffer).map_err(failed())?.is_none() {
        let rent = chain.rent(bytes).map_err(failed())?;
        let create = system_instruction::create_account_with_seed(
            &key,
            &buffer,
            &key,
            &seed,
            rent,
            bytes as u64,
            &LOADER,
        );
        let initialize = loader::create_buffer(&key, &buffer, &key, rent, code.len())
            .map_err(|error| MigrationError::Config(format!("program {name}: {error}")))?
            .pop();
        let instructions: Vec<_> = [create].into_iter().chain(initialize).collect();
        transaction::send(chain, &instructions, authority, &[]).map_err(failed())?;
    }
    let header = UpgradeableLoaderState::size_of_buffer_metadata();
    loop {
        let missing = missing(chain, &buffer, header, code).map_err(failed())?;
        if missing.is_empty() {
            return Ok(buffer);
        }
        for offset in missing {
            let chunk = code
                .get(offset..code.len().min(offset + CHUNK))
                .unwrap_or_default();
            let write = loader::write(&buffer, &key, offset as u32, chunk.to_vec());
            let prepared =
                transaction::sign(chain, &[write], authority, &[], &[], WRITE).map_err(failed())?;
            chain.send(&prepared.transaction).map_err(failed())?;
        }
        let sent = Instant::now();
        while sent.elapsed() < PATIENCE
            && !self::missing(chain, &buffer, header, code)
                .map_err(failed())?
                .is_empty()
        {
            std::thread::sleep(Duration::from_millis(400));
        }
    }
}

/// Offsets of the chunks that the buffer does not hold yet.
fn missing(
    chain: &dyn Chain,
    buffer: &Pubkey,
    header: usize,
    code: &[u8],
) -> Result<Vec<usize>, fieldproof_client::ClientError> {
    let account = chain.account(buffer)?.unwrap_or_default();
    let written = account.data.get(header..).unwrap_or_default();
    Ok(code
        .chunks(CHUNK)
        .enumerate()
        .map(|(number, chunk)| (number * CHUNK, chunk))
        .filter(|(offset, chunk)| written.get(*offset..offset + chunk.len()) != Some(*chunk))
        .map(|(offset, _)| offset)
        .collect())
}
