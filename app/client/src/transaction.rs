//! Building transactions with tight limits, and seeing them land exactly once.

use crate::chain::{Chain, Execution, Topic};
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
use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

/// Largest v0 transaction, in bytes.
pub const V0_BYTES: usize = 1_232;
/// Largest v1 transaction, in bytes.
pub const V1_BYTES: usize = 4_096;

/// What the runtime counts for an account beside its data.
const ACCOUNT_OVERHEAD: usize = 64;
/// Loaded data is charged by pages of this many bytes.
const LOADED_DATA_PAGE: usize = 32 << 10;
/// How often a pending transaction is looked for where nothing tells of it, and how often it is sent again.
const POLL: Duration = Duration::from_millis(200);
const RESEND: Duration = Duration::from_secs(2);

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

    /// Its bytes, for whoever writes it down before sending it: the block height u64, then the transaction as it is sent.
    ///
    /// # Errors
    /// [`ClientError::Build`] when it can't be serialised.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ClientError> {
        let mut bytes = self.last_valid_block_height.to_le_bytes().to_vec();
        bytes.extend(serialize(&self.transaction)?);
        Ok(bytes)
    }

    /// The transaction in bytes that [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`ClientError::Build`] for any others.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ClientError> {
        let none = || ClientError::Build("the bytes hold no transaction".to_owned());
        let (height, transaction) = bytes.split_first_chunk().ok_or_else(none)?;
        Ok(Self {
            transaction: wincode::deserialize(transaction).map_err(|_| none())?,
            last_valid_block_height: u64::from_le_bytes(*height),
        })
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
/// instructions keep their indices, since the limits come after them. It is a v0 transaction if it fits one, else v1. It
/// offers the priority fee that the chain was set up with.
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
    let blockhash = chain.lifetime()?.blockhash;
    let widest = build(
        instructions,
        payer,
        signers,
        tables,
        blockhash,
        Limits::MOST,
        0,
    )?;
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
    let price = chain.priority_fee(&writable(instructions, payer))?;
    let lifetime = chain.lifetime()?;
    let transaction = build(
        instructions,
        payer,
        signers,
        tables,
        lifetime.blockhash,
        limits,
        price,
    )?;
    Ok(Prepared {
        transaction,
        last_valid_block_height: lifetime.last_valid_block_height,
    })
}

/// Whether one transaction has room for `instructions`.
///
/// # Errors
/// [`ClientError::Build`] when they make no transaction at all.
pub fn fits(
    instructions: &[Instruction],
    payer: &Keypair,
    signers: &[&Keypair],
) -> Result<bool, ClientError> {
    let blockhash = solana_message::Hash::default();
    match build(
        instructions,
        payer,
        signers,
        &[],
        blockhash,
        Limits::MOST,
        1,
    ) {
        // Of small accounts a v1 transaction has room for more than the runtime takes.
        Ok(transaction) => Ok(transaction.message.static_account_keys().len()
            <= usize::from(v1::MAX_ADDRESSES)
            && transaction.message.instructions().len() <= usize::from(v1::MAX_INSTRUCTIONS)),
        Err(ClientError::TooLarge(..)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Instructions in their order, as many together as one transaction paid by `payer` has room for.
///
/// # Errors
/// [`ClientError::Build`] when they make no transaction at all.
pub fn pack(
    instructions: impl IntoIterator<Item = Instruction>,
    payer: &Keypair,
) -> Result<Vec<Vec<Instruction>>, ClientError> {
    let (mut packed, mut last) = (Vec::new(), Vec::new());
    for instruction in instructions {
        let before = last.len();
        last.push(instruction);
        if before > 0 && !fits(&last, payer, &[])? {
            let next = last.split_off(before);
            packed.push(std::mem::replace(&mut last, next));
        }
    }
    if !last.is_empty() {
        packed.push(last);
    }
    Ok(packed)
}

/// Sends a prepared transaction and waits until it has landed or can't land any more. Until then it is sent again and
/// again, which is harmless: it lands once.
///
/// A cluster that fails is asked again as long as it is worth it ([`Chain::patience`]), since what it was given may land
/// all the same. May be called anew for the same
/// transaction, by another process too.
///
/// # Errors
/// [`ClientError::Expired`] when it can't land any more, the transaction's own error when it failed,
/// [`ClientError::Rejected`] when no cluster would take it. After [`ClientError::Unsettled`] it may have landed or still land.
pub fn land(chain: &dyn Chain, prepared: &Prepared) -> Result<Execution, ClientError> {
    let signature = prepared.signature();
    let mut watch = chain.watch(Topic::Signature(signature));
    let mut sent: Option<Instant> = None;
    let mut answered = Instant::now();
    loop {
        let mut delivery = Ok(());
        if sent.is_none_or(|sent| sent.elapsed() >= RESEND) {
            delivery = chain.send(&prepared.transaction);
            sent = Some(Instant::now());
        }
        let answer = match look(chain, prepared, &signature) {
            Ok(Some(execution)) => return execution.into_result(),
            Ok(None) => delivery,
            Err(error) => Err(error),
        };
        match answer {
            Ok(()) => answered = Instant::now(),
            Err(ClientError::Cluster(_)) if answered.elapsed() < chain.patience() => sent = None,
            Err(ClientError::Cluster(reason)) => {
                return Err(ClientError::Unsettled {
                    signature,
                    last_valid_block_height: prepared.last_valid_block_height,
                    reason,
                })
            }
            Err(error) => return Err(error),
        }
        watch.wait(POLL);
    }
}

/// What the transaction did, once it has landed; [`ClientError::Expired`] when it can't land any more.
fn look(
    chain: &dyn Chain,
    prepared: &Prepared,
    signature: &Signature,
) -> Result<Option<Execution>, ClientError> {
    // The height is read before the status: whatever lands up to it is then seen.
    let height = chain.block_height()?;
    match chain.execution(signature)? {
        None if height > prepared.last_valid_block_height => Err(ClientError::Expired(*signature)),
        landed => Ok(landed),
    }
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
    price: u64,
) -> Result<VersionedTransaction, ClientError> {
    let failed = |error: &dyn std::fmt::Display| ClientError::Build(error.to_string());
    let mut limited = instructions.to_vec();
    limited.push(ComputeBudgetInstruction::set_compute_unit_limit(
        limits.compute_units,
    ));
    limited.push(ComputeBudgetInstruction::set_loaded_accounts_data_size_limit(limits.loaded_data));
    if price > 0 {
        limited.push(ComputeBudgetInstruction::set_compute_unit_price(price));
    }
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
    let mut config = TransactionConfig::empty()
        .with_compute_unit_limit(limits.compute_units)
        .with_loaded_accounts_data_size_limit(limits.loaded_data);
    if price > 0 {
        // A v1 transaction names the fee itself, in lamports, where a v0 transaction names its price.
        config = config.with_priority_fee(fee(price, limits.compute_units));
    }
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

/// What a price of `price` micro-lamports comes to for `compute_units`, in lamports, rounded up as the runtime does.
pub fn fee(price: u64, compute_units: u32) -> u64 {
    let micro_lamports = u128::from(price) * u128::from(compute_units);
    u64::try_from(micro_lamports.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The accounts that the instructions write: what a transaction competes for.
fn writable(instructions: &[Instruction], payer: &Keypair) -> Vec<Pubkey> {
    let accounts = instructions
        .iter()
        .flat_map(|instruction| &instruction.accounts);
    let written = accounts
        .filter(|account| account.is_writable)
        .map(|account| account.pubkey);
    let all: BTreeSet<Pubkey> = written.chain([payer.pubkey()]).collect();
    all.into_iter().collect()
}

/// Bytes of `transaction` on the wire.
///
/// # Errors
/// [`ClientError::Build`] when it can't be serialised.
pub fn size(transaction: &VersionedTransaction) -> Result<usize, ClientError> {
    serialize(transaction).map(|bytes| bytes.len())
}

fn serialize(transaction: &VersionedTransaction) -> Result<Vec<u8>, ClientError> {
    wincode::serialize(transaction).map_err(|e| ClientError::Build(e.to_string()))
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
