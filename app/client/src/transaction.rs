//! Building transactions with tight limits, and seeing them land exactly once.

use crate::chain::{Chain, Execution};
use crate::ClientError;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_keypair::Keypair;
use solana_message::v1::TransactionConfig;
use solana_message::{v0, v1, AddressLookupTableAccount, VersionedMessage};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use std::collections::HashSet;
use std::time::Duration;

/// Largest v0 transaction, in bytes.
pub const V0_BYTES: usize = 1_232;
/// Largest v1 transaction, in bytes.
pub const V1_BYTES: usize = 4_096;

/// What the runtime counts for an account beside its data.
const ACCOUNT_OVERHEAD: usize = 64;
/// Loaded data is charged by pages of this many bytes.
const LOADED_DATA_PAGE: usize = 32 << 10;
/// How often a pending transaction is looked for, and how often it is sent again.
const POLL: Duration = Duration::from_millis(200);
const RESEND_EVERY: u32 = 10;

/// A signed transaction and the block height up to which it can land.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The transaction.
    pub transaction: VersionedTransaction,
    /// It can land up to this block height.
    pub last_valid_block_height: u64,
}

impl Prepared {
    /// The signature by which the transaction is known.
    pub fn signature(&self) -> Signature {
        self.transaction
            .signatures
            .first()
            .copied()
            .unwrap_or_default()
    }
}

/// What a transaction may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Compute units.
    pub compute_units: u32,
    /// Bytes of account data, programs included.
    pub loaded_data: u32,
}

impl Limits {
    /// As much as any transaction may use.
    pub const MOST: Self = Self {
        compute_units: 1_400_000,
        loaded_data: 64 << 20,
    };
}

/// Builds and signs a transaction of `instructions`, paid by `payer`.
///
/// It is simulated first; its compute and loaded-data limits are what the simulation used and a little more. The
/// instructions keep their indices, since the limits come after them. It is a v0 transaction if it fits one, else v1.
///
/// # Errors
/// The error that the simulation met, or [`ClientError::TooLarge`].
pub fn prepare(
    chain: &dyn Chain,
    instructions: &[Instruction],
    payer: &Keypair,
    signers: &[&Keypair],
    tables: &[AddressLookupTableAccount],
) -> Result<Prepared, ClientError> {
    let widest = sign(chain, instructions, payer, signers, tables, Limits::MOST)?.transaction;
    let simulated = chain.simulate(&widest)?.into_result()?;
    // A tenth for what changes between now and then (a PDA's bump, a longer proof).
    let compute_units = simulated.compute_units + simulated.compute_units / 10 + 1_000;
    let limits = Limits {
        compute_units: u32::try_from(compute_units).map_or(Limits::MOST.compute_units, |units| {
            units.min(Limits::MOST.compute_units)
        }),
        loaded_data: loaded_data(chain, &widest, tables)?,
    };
    sign(chain, instructions, payer, signers, tables, limits)
}

/// Like [`prepare`], with limits that are known already.
///
/// # Errors
/// [`ClientError::TooLarge`], or the chain's.
pub fn sign(
    chain: &dyn Chain,
    instructions: &[Instruction],
    payer: &Keypair,
    signers: &[&Keypair],
    tables: &[AddressLookupTableAccount],
    limits: Limits,
) -> Result<Prepared, ClientError> {
    let lifetime = chain.lifetime()?;
    let transaction = build(
        instructions,
        payer,
        signers,
        tables,
        lifetime.blockhash,
        limits,
    )?;
    Ok(Prepared {
        transaction,
        last_valid_block_height: lifetime.last_valid_block_height,
    })
}

/// Sends a prepared transaction and waits until it has landed or can't land any more.
///
/// # Errors
/// [`ClientError::Expired`] when it can't land any more, the transaction's own error when it failed.
pub fn land(chain: &dyn Chain, prepared: &Prepared) -> Result<Execution, ClientError> {
    let signature = prepared.signature();
    for round in 0u32.. {
        if round % RESEND_EVERY == 0 {
            chain.send(&prepared.transaction)?;
        }
        // The height is read before the status: whatever lands up to it is then seen.
        let height = chain.block_height()?;
        if let Some(execution) = chain.execution(&signature)? {
            return execution.into_result();
        }
        if height > prepared.last_valid_block_height {
            break;
        }
        std::thread::sleep(POLL);
    }
    Err(ClientError::Expired)
}

/// [`prepare`] and [`land`] in one.
///
/// # Errors
/// Theirs.
pub fn send(
    chain: &dyn Chain,
    instructions: &[Instruction],
    payer: &Keypair,
    signers: &[&Keypair],
) -> Result<Execution, ClientError> {
    land(chain, &prepare(chain, instructions, payer, signers, &[])?)
}

fn build(
    instructions: &[Instruction],
    payer: &Keypair,
    signers: &[&Keypair],
    tables: &[AddressLookupTableAccount],
    blockhash: solana_message::Hash,
    limits: Limits,
) -> Result<VersionedTransaction, ClientError> {
    let failed = |error: &dyn std::fmt::Display| ClientError::Build(error.to_string());
    let mut limited = instructions.to_vec();
    limited.push(ComputeBudgetInstruction::set_compute_unit_limit(
        limits.compute_units,
    ));
    limited.push(ComputeBudgetInstruction::set_loaded_accounts_data_size_limit(limits.loaded_data));
    let message = v0::Message::try_compile(&payer.pubkey(), &limited, tables, blockhash)
        .map_err(|e| failed(&e))?;
    let mut all: Vec<&Keypair> = vec![payer];
    for signer in signers {
        if all.iter().all(|known| known.pubkey() != signer.pubkey()) {
            all.push(signer);
        }
    }
    let transaction = VersionedTransaction::try_new(VersionedMessage::V0(message), &all)
        .map_err(|e| failed(&e))?;
    if size(&transaction)? <= V0_BYTES {
        return Ok(transaction);
    }
    let config = TransactionConfig::empty()
        .with_compute_unit_limit(limits.compute_units)
        .with_loaded_accounts_data_size_limit(limits.loaded_data);
    let message =
        v1::Message::try_compile_with_config(&payer.pubkey(), instructions, blockhash, config)
            .map_err(|e| failed(&e))?;
    let transaction = VersionedTransaction::try_new(VersionedMessage::V1(message), &all)
        .map_err(|e| failed(&e))?;
    let bytes = size(&transaction)?;
    if bytes > V1_BYTES {
        return Err(ClientError::TooLarge(bytes, V1_BYTES));
    }
    Ok(transaction)
}

/// Bytes of `transaction` on the wire.
///
/// # Errors
/// [`ClientError::Build`] when it can't be serialised.
pub fn size(transaction: &VersionedTransaction) -> Result<usize, ClientError> {
    wincode::serialize(transaction)
        .map(|bytes| bytes.len())
        .map_err(|e| ClientError::Build(e.to_string()))
}

/// Bytes of account data that `transaction` loads, its programs included, and one page for growth.
fn loaded_data(
    chain: &dyn Chain,
    transaction: &VersionedTransaction,
    tables: &[AddressLookupTableAccount],
) -> Result<u32, ClientError> {
    let mut keys: HashSet<Pubkey> = transaction
        .message
        .static_account_keys()
        .iter()
        .copied()
        .collect();
    for lookup in transaction
        .message
        .address_table_lookups()
        .unwrap_or_default()
    {
        keys.insert(lookup.account_key);
        let table = tables.iter().find(|table| table.key == lookup.account_key);
        let indexes = lookup
            .writable_indexes
            .iter()
            .chain(&lookup.readonly_indexes);
        keys.extend(table.into_iter().flat_map(|table| {
            indexes
                .clone()
                .filter_map(|index| table.addresses.get(usize::from(*index)).copied())
        }));
    }
    let keys: Vec<Pubkey> = keys.into_iter().collect();
    let mut bytes = 0usize;
    let mut program_data = Vec::new();
    for account in chain.accounts(&keys)?.into_iter().flatten() {
        bytes += account.data.len() + ACCOUNT_OVERHEAD;
        // A program of the upgradeable loader names the account of its code behind a tag of four bytes.
        if account.executable && account.data.len() == 36 {
            program_data.extend(
                account
                    .data
                    .get(4..)
                    .and_then(|key| Pubkey::try_from(key).ok()),
            );
        }
    }
    for account in chain.accounts(&program_data)?.into_iter().flatten() {
        bytes += account.data.len() + ACCOUNT_OVERHEAD;
    }
    let pages = bytes / LOADED_DATA_PAGE + 2;
    Ok(
        u32::try_from(pages * LOADED_DATA_PAGE).map_or(Limits::MOST.loaded_data, |bytes| {
            bytes.min(Limits::MOST.loaded_data)
        }),
    )
}
