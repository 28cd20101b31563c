//! A chain in this process: LiteSVM with mainnet's feature set and the real SPL programs.

use super::{Chain, Cursor, Execution, Filter, Invocation, Lifetime};
use crate::ClientError;
use anchor_lang::prelude::{Clock, Pubkey};
use litesvm::types::TransactionMetadata;
use litesvm::LiteSVM;
use solana_account::Account;
use solana_message::Hash;
use solana_rent::Rent;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Mainnet's rent in autumn 2026, in lamports for each byte.
const LAMPORTS_PER_BYTE: u64 = 5_080;

/// LiteSVM behind a lock, with a history of what it ran. Each transaction gets a slot of its own.
pub struct LocalChain {
    state: Mutex<State>,
    genesis_hash: Hash,
}

#[derive(Clone)]
struct State {
    svm: LiteSVM,
    executions: HashMap<Signature, Execution>,
    /// Successful transactions in order: slot, first signature and the accounts they name.
    history: Vec<(u64, Signature, Vec<Pubkey>)>,
}

/// A chain of its own that starts where this one stands.
impl Clone for LocalChain {
    fn clone(&self) -> Self {
        Self {
            state: Mutex::new(self.lock().clone()),
            genesis_hash: self.genesis_hash,
        }
    }
}

impl Default for LocalChain {
    fn default() -> Self {
        Self::new()
    }
}

impl LocalChain {
    /// An empty chain with mainnet's features, built-in programs, precompiles and SPL programs.
    pub fn new() -> Self {
        let mut svm = LiteSVM::new();
        svm.set_sysvar(&Rent {
            lamports_per_byte: LAMPORTS_PER_BYTE,
            ..svm.get_sysvar()
        });
        let genesis_hash = svm.latest_blockhash();
        let state = State {
            svm,
            executions: HashMap::new(),
            history: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            genesis_hash,
        }
    }

    /// Puts the compiled program in `file` at `id`.
    ///
    /// # Errors
    /// [`ClientError::Cluster`] when the file can't be read or isn't a valid program.
    pub fn deploy(&self, id: &Pubkey, file: &Path) -> Result<(), ClientError> {
        self.lock()
            .svm
            .add_program_from_file(*id, file)
            .map_err(|e| ClientError::Cluster(format!("{}: {e}", file.display())))
    }

    /// Gives `lamports` to `address`.
    pub fn airdrop(&self, address: &Pubkey, lamports: u64) {
        let mut account = self.lock().svm.get_account(address).unwrap_or_default();
        account.lamports = account.lamports.saturating_add(lamports);
        self.set_account(address, account);
    }

    /// Writes `account` at `key`, whatever a program would say.
    ///
    /// # Panics
    /// When it is to be a program or a sysvar and its data is none.
    pub fn set_account(&self, key: &Pubkey, account: Account) {
        self.lock()
            .svm
            .set_account(*key, account)
            .expect("a program or sysvar account holds a program or sysvar");
    }

    /// Sets the clock to `unix_timestamp` seconds.
    pub fn set_time(&self, unix_timestamp: i64) {
        let mut state = self.lock();
        let mut clock: Clock = state.svm.get_sysvar();
        clock.unix_timestamp = unix_timestamp;
        state.svm.set_sysvar(&clock);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the VM between transactions, never inside one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain for LocalChain {
    fn accounts(&self, keys: &[Pubkey]) -> Result<Vec<Option<Account>>, ClientError> {
        let state = self.lock();
        Ok(keys.iter().map(|key| state.svm.get_account(key)).collect())
    }

    fn program_accounts(
        &self,
        program: &Pubkey,
        filters: &[Filter<'_>],
    ) -> Result<Vec<(Pubkey, Account)>, ClientError> {
        let mut accounts = self.lock().svm.get_program_accounts(program);
        accounts.retain(|(_, account)| {
            let mut filters = filters.iter();
            filters.all(|filter| filter.matches(&account.data))
        });
        accounts.sort_by_key(|(key, _)| *key);
        Ok(accounts)
    }

    fn clock(&self) -> Result<Clock, ClientError> {
        Ok(self.lock().svm.get_sysvar())
    }

    fn lifetime(&self) -> Result<Lifetime, ClientError> {
        let blockhash = self.lock().svm.latest_blockhash();
        Ok(Lifetime {
            blockhash,
            last_valid_block_height: u64::MAX,
        })
    }

    fn genesis_hash(&self) -> Result<Hash, ClientError> {
        Ok(self.genesis_hash)
    }

    fn block_height(&self) -> Result<u64, ClientError> {
        Ok(self.clock()?.slot)
    }

    fn rent(&self, bytes: usize) -> Result<u64, ClientError> {
        Ok(self.lock().svm.minimum_balance_for_rent_exemption(bytes))
    }

    fn simulate(&self, transaction: &VersionedTransaction) -> Result<Execution, ClientError> {
        let state = self.lock();
        let slot = state.svm.get_sysvar::<Clock>().slot;
        Ok(match state.svm.simulate_transaction(transaction.clone()) {
            Ok(info) => execution(transaction, slot, None, info.meta),
            Err(failed) => execution(transaction, slot, Some(failed.err), failed.meta),
        })
    }

    fn send(&self, transaction: &VersionedTransaction) -> Result<(), ClientError> {
        let mut state = self.lock();
        let signature = transaction.signatures.first().copied().unwrap_or_default();
        if state.executions.contains_key(&signature) {
            return Ok(());
        }
        let slot = state.svm.get_sysvar::<Clock>().slot;
        let done = match state.svm.send_transaction(transaction.clone()) {
            Ok(meta) => execution(transaction, slot, None, meta),
            Err(failed) => execution(transaction, slot, Some(failed.err), failed.meta),
        };
        if done.error.is_none() {
            let keys = transaction.message.static_account_keys().to_vec();
            state.history.push((slot, signature, keys));
        }
        state.executions.insert(signature, done);
        state.svm.warp_to_slot(slot + 1);
        state.svm.expire_blockhash();
        Ok(())
    }

    fn execution(&self, signature: &Signature) -> Result<Option<Execution>, ClientError> {
        Ok(self.lock().executions.get(signature).cloned())
    }

    fn history(&self, address: &Pubkey, after: &Cursor) -> Result<Vec<Signature>, ClientError> {
        let state = self.lock();
        let mut read = after.read.iter();
        if let Some(unknown) = read.find(|read| !state.executions.contains_key(read)) {
            return Err(ClientError::UnknownCursor(*unknown));
        }
        let start = state
            .history
            .partition_point(|(slot, ..)| *slot < after.slot);
        let later = state.history[start..].iter();
        Ok(later
            .filter(|(_, signature, keys)| {
                keys.contains(address) && !after.read.contains(signature)
            })
            .map(|(_, signature, _)| *signature)
            .collect())
    }
}

fn execution(
    transaction: &VersionedTransaction,
    slot: u64,
    error: Option<TransactionError>,
    meta: TransactionMetadata,
) -> Execution {
    let keys = transaction.message.static_account_keys();
    let inner = meta
        .inner_instructions
        .into_iter()
        .flatten()
        .map(|inner| {
            let called = inner.instruction;
            Invocation::compiled(keys, called.program_id_index, &called.accounts, called.data)
        })
        .collect();
    Execution {
        signature: transaction.signatures.first().copied().unwrap_or_default(),
        slot,
        error,
        logs: meta.logs,
        outer: super::outer(transaction, keys),
        inner,
        compute_units: meta.compute_units_consumed,
        fee: meta.fee,
        return_data: meta.return_data.data,
    }
}
