//! A cluster, over its JSON RPC.

use super::socket::Socket;
use super::{Chain, Cursor, Execution, Filter, Invocation, Lifetime, PriorityFee, Topic, Watch};
use crate::ClientError;
use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::sysvar::SysvarId;
use solana_account::Account;
use solana_commitment_config::CommitmentConfig;
use solana_message::Hash;
use solana_rpc_client::rpc_client::{GetConfirmedSignaturesForAddress2Config, RpcClient};
use solana_rpc_client_api::client_error::ErrorKind;
use solana_rpc_client_api::config::{
    RpcAccountInfoConfig, RpcProgramAccountsConfig, RpcSendTransactionConfig,
    RpcSimulateTransactionConfig, RpcTransactionConfig, UiAccountEncoding, UiTransactionEncoding,
};
use solana_rpc_client_api::custom_error::JSON_RPC_SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE;
use solana_rpc_client_api::filter::{Memcmp, RpcFilterType};
use solana_rpc_client_api::request::RpcError;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_status_client_types::{
    option_serializer::OptionSerializer, EncodedTransaction, UiInnerInstructions, UiInstruction,
    UiLoadedAddresses, UiTransactionReturnData,
};
use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// Most accounts that one `getMultipleAccounts` takes.
const ACCOUNTS_PER_CALL: usize = 100;

/// Signatures of one `getSignaturesForAddress`.
const SIGNATURES_PER_CALL: usize = 1_000;
/// Most accounts that one `getRecentPrioritizationFees` takes.
const ACCOUNTS_PER_FEE: usize = 128;
/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server that fails is tried again about a transaction that may land: as long as one counts.
const PATIENCE: Duration = Duration::from_secs(60);
/// Errors by which a server says that the transaction itself is at fault: invalid parameters, and the verification of
/// signatures.
const REJECTIONS: [i64; 2] = [
    -32_602,
    JSON_RPC_SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE,
];

/// A cluster reached by RPC, read at the commitment `confirmed`.
pub struct RpcChain {
    client: RpcClient,
    socket: Option<Arc<Socket>>,
    priority_fee: PriorityFee,
}

impl RpcChain {
    /// The cluster whose JSON RPC is at `url`. It is asked again and again for what is waited for, and no priority fee
    /// is offered.
    pub fn new(url: impl ToString) -> Self {
        Self {
            client: RpcClient::new_with_timeout_and_commitment(
                url,
                TIMEOUT,
                CommitmentConfig::confirmed(),
            ),
            socket: None,
            priority_fee: PriorityFee::default(),
        }
    }

    /// Has the cluster tell over its WebSocket at `url` when something happened. While there is no connection, it is
    /// asked as before.
    #[must_use]
    pub fn with_websocket(mut self, url: &str) -> Self {
        self.socket = Some(Socket::open(url));
        self
    }

    /// Offers this for priority with every transaction.
    #[must_use]
    pub fn with_priority_fee(mut self, fee: PriorityFee) -> Self {
        self.priority_fee = fee;
        self
    }

    /// Asks a test cluster for `lamports`.
    ///
    /// # Errors
    /// [`ClientError::Cluster`] where the cluster gives none.
    pub fn request_airdrop(
        &self,
        address: &Pubkey,
        lamports: u64,
    ) -> Result<Signature, ClientError> {
        self.client
            .request_airdrop(address, lamports)
            .map_err(cluster)
    }
}

fn cluster(error: impl Display) -> ClientError {
    ClientError::Cluster(error.to_string())
}

impl Chain for RpcChain {
    fn accounts(&self, keys: &[Pubkey]) -> Result<Vec<Option<Account>>, ClientError> {
        let mut accounts = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(ACCOUNTS_PER_CALL) {
            accounts.extend(self.client.get_multiple_accounts(chunk).map_err(cluster)?);
        }
        Ok(accounts)
    }

    fn program_accounts(
        &self,
        program: &Pubkey,
        filters: &[Filter<'_>],
    ) -> Result<Vec<(Pubkey, Account)>, ClientError> {
        let filters = filters.iter().map(|filter| {
            let bytes = filter.bytes.to_vec();
            RpcFilterType::Memcmp(Memcmp::new_raw_bytes(filter.offset, bytes))
        });
        let config = RpcProgramAccountsConfig {
            filters: Some(filters.collect()),
            account_config: RpcAccountInfoConfig {
                encoding: Some(UiAccountEncoding::Base64),
                ..RpcAccountInfoConfig::default()
            },
            ..RpcProgramAccountsConfig::default()
        };
        let mut accounts = self
            .client
            .get_program_ui_accounts_with_config(program, config)
            .map_err(cluster)?
            .into_iter()
            .map(|(key, account)| {
                let account = account
                    .to_account()
                    .ok_or_else(|| cluster("an account without data"))?;
                Ok((key, account))
            })
            .collect::<Result<Vec<_>, ClientError>>()?;
        accounts.sort_by_key(|(key, _)| *key);
        Ok(accounts)
    }

    fn clock(&self) -> Result<Clock, ClientError> {
        let key = Clock::id();
        let account = self.account(&key)?.ok_or(ClientError::NoAccount(key))?;
        bincode::deserialize(&account.data).map_err(|_| ClientError::WrongAccount(key, "clock"))
    }

    fn lifetime(&self) -> Result<Lifetime, ClientError> {
        let (blockhash, last_valid_block_height) = self
            .client
            .get_latest_blockhash_with_commitment(self.client.commitment())
            .map_err(cluster)?;
        Ok(Lifetime {
            blockhash,
            last_valid_block_height,
        })
    }

    fn genesis_hash(&self) -> Result<Hash, ClientError> {
        self.client.get_genesis_hash().map_err(cluster)
    }

    fn block_height(&self) -> Result<u64, ClientError> {
        self.client.get_block_height().map_err(cluster)
    }

    fn rent(&self, bytes: usize) -> Result<u64, ClientError> {
        self.client
            .get_minimum_balance_for_rent_exemption(bytes)
            .map_err(cluster)
    }

    fn simulate(&self, transaction: &VersionedTransaction) -> Result<Execution, ClientError> {
        let config = RpcSimulateTransactionConfig {
            commitment: Some(self.client.commitment()),
            encoding: Some(UiTransactionEncoding::Base64),
            inner_instructions: true,
            ..RpcSimulateTransactionConfig::default()
        };
        let answer = self
            .client
            .simulate_transaction_with_config(transaction, config)
            .map_err(cluster)?;
        let result = answer.value;
        let keys = keys(transaction, result.loaded_addresses)?;
        Ok(Execution {
            signature: transaction.signatures.first().copied().unwrap_or_default(),
            slot: answer.context.slot,
            error: result.err.map(Into::into),
            logs: result.logs.unwrap_or_default(),
            outer: super::outer(transaction, &keys),
            inner: inner(&keys, result.inner_instructions.unwrap_or_default())?,
            compute_units: result.units_consumed.unwrap_or_default(),
            fee: result.fee.unwrap_or_default(),
            return_data: returned(result.return_data)?,
        })
    }

    fn send(&self, transaction: &VersionedTransaction) -> Result<(), ClientError> {
        // What is sent was simulated before; a second check by the cluster would only hide expiry.
        let config = RpcSendTransactionConfig {
            skip_preflight: true,
            encoding: Some(UiTransactionEncoding::Base64),
            ..RpcSendTransactionConfig::default()
        };
        match self
            .client
            .send_transaction_with_config(transaction, config)
        {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                ErrorKind::RpcError(RpcError::RpcResponseError { code, .. })
                    if REJECTIONS.contains(code) =>
                {
                    ClientError::Rejected(error.to_string())
                }
                _ => cluster(error),
            }),
        }
    }

    fn execution(&self, signature: &Signature) -> Result<Option<Execution>, ClientError> {
        let statuses = self
            .client
            .get_signature_statuses_with_history(&[*signature])
            .map_err(cluster)?;
        let landed = statuses
            .value
            .into_iter()
            .next()
            .flatten()
            .is_some_and(|status| status.satisfies_commitment(self.client.commitment()));
        if !landed {
            return Ok(None);
        }
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(self.client.commitment()),
            max_supported_transaction_version: Some(1),
        };
        let answer = self
            .client
            .get_transaction_with_config(signature, config)
            .map_err(cluster)?;
        let transaction = decode(&answer.transaction.transaction)?;
        let meta = answer
            .transaction
            .meta
            .ok_or_else(|| cluster("a transaction without its result"))?;
        let keys = keys(&transaction, some(meta.loaded_addresses))?;
        Ok(Some(Execution {
            signature: *signature,
            slot: answer.slot,
            error: meta.err.map(Into::into),
            logs: some(meta.log_messages).unwrap_or_default(),
            outer: super::outer(&transaction, &keys),
            inner: inner(&keys, some(meta.inner_instructions).unwrap_or_default())?,
            compute_units: some(meta.compute_units_consumed).unwrap_or_default(),
            fee: meta.fee,
            return_data: returned(some(meta.return_data))?,
        }))
    }

    fn history(&self, address: &Pubkey, after: &Cursor) -> Result<Vec<Signature>, ClientError> {
        let mut newest_first = Vec::new();
        let mut unmet: HashSet<&Signature> = after.read.iter().collect();
        let mut before: Option<Signature> = None;
        loop {
            let config = GetConfirmedSignaturesForAddress2Config {
                before,
                // Further pages must lead to the cursor's slot by themselves: a server that does not know the last signature
                // of a page, as one of several behind an address may not, says that there is nothing before it.
                until: after.earlier.filter(|_| before.is_none()),
                limit: Some(SIGNATURES_PER_CALL),
                commitment: Some(self.client.commitment()),
            };
            let page = self
                .client
                .get_signatures_for_address_with_config(address, config)
                .map_err(cluster)?;
            let mut is_last = page.len() < SIGNATURES_PER_CALL;
            for entry in page {
                if entry.slot < after.slot {
                    is_last = true;
                    break;
                }
                let signature: Signature = entry.signature.parse().map_err(cluster)?;
                before = Some(signature);
                if !unmet.remove(&signature) && entry.err.is_none() {
                    newest_first.push(signature);
                }
            }
            if is_last {
                break;
            }
        }
        // The server lags, has forgotten what is so old, or lost the thread; or it was rolled back.
        if let Some(unknown) = unmet.into_iter().next() {
            return Err(ClientError::UnknownCursor(*unknown));
        }
        newest_first.reverse();
        Ok(newest_first)
    }

    fn priority_fee(&self, accounts: &[Pubkey]) -> Result<u64, ClientError> {
        let recent = match self.priority_fee {
            PriorityFee::Fixed(_) => Vec::new(),
            PriorityFee::Recent { .. } => {
                let accounts = accounts.get(..ACCOUNTS_PER_FEE).unwrap_or(accounts);
                let fees = self.client.get_recent_prioritization_fees(accounts);
                let fees = fees.map_err(cluster)?;
                fees.iter().map(|fee| fee.prioritization_fee).collect()
            }
        };
        Ok(self.priority_fee.choose(recent))
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn watch(&self, topic: Topic) -> Watch {
        self.socket
            .as_ref()
            .map_or_else(Watch::default, |socket| socket.watch(topic))
    }
}

fn some<T>(value: OptionSerializer<T>) -> Option<T> {
    value.into()
}

fn decode(transaction: &EncodedTransaction) -> Result<VersionedTransaction, ClientError> {
    transaction
        .decode()
        .ok_or_else(|| cluster("a transaction that does not decode"))
}

/// What instructions name by number: the transaction's own keys, then the addresses that came from lookup tables, where a
/// program that is called by another may be.
fn keys(
    transaction: &VersionedTransaction,
    loaded: Option<UiLoadedAddresses>,
) -> Result<Vec<Pubkey>, ClientError> {
    let mut keys = transaction.message.static_account_keys().to_vec();
    for address in loaded
        .into_iter()
        .flat_map(|loaded| loaded.writable.into_iter().chain(loaded.readonly))
    {
        keys.push(address.parse().map_err(cluster)?);
    }
    Ok(keys)
}

/// The instructions that programs called.
fn inner(
    keys: &[Pubkey],
    groups: Vec<UiInnerInstructions>,
) -> Result<Vec<Invocation>, ClientError> {
    groups
        .into_iter()
        .flat_map(|group| group.instructions)
        .filter_map(|instruction| match instruction {
            UiInstruction::Compiled(compiled) => Some(compiled),
            UiInstruction::Parsed(_) => None,
        })
        .map(|compiled| {
            let data = bs58::decode(&compiled.data).into_vec().map_err(cluster)?;
            Ok(Invocation::compiled(
                keys,
                compiled.program_id_index,
                &compiled.accounts,
                data,
            ))
        })
        .collect()
}

fn returned(data: Option<UiTransactionReturnData>) -> Result<Vec<u8>, ClientError> {
    use base64::Engine;
    match data {
        Some(data) => base64::engine::general_purpose::STANDARD
            .decode(data.data.0)
            .map_err(cluster),
        None => Ok(Vec::new()),
    }
}
