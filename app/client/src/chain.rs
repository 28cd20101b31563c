//! What the client needs of a chain, over RPC or in process.

mod fee;
mod local;
mod rpc;
mod socket;

pub use fee::PriorityFee;
pub use local::LocalChain;
pub use rpc::RpcChain;
pub use socket::{Topic, Watch};

use crate::ClientError;
use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::{AccountDeserialize, Discriminator, ZeroCopy};
use solana_account::Account;
use solana_message::Hash;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use std::thread;
use std::time::Duration;

/// Transactions that [`executions`] asks for at once.
pub const AT_ONCE: usize = 16;

/// A blockhash and how long it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// The recent blockhash to sign over.
    pub blockhash: Hash,
    /// A transaction that names it can land up to this block height.
    pub last_valid_block_height: u64,
}

/// How far a history was read: the newest slot of which anything was, and what.
///
/// A server orders a slot's transactions as it likes, and may tell of a slot before it is full. So the slot is asked for
/// again, and what was read of it is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// That slot.
    pub slot: u64,
    /// First signatures of the transactions that were read of it.
    pub read: Vec<Signature>,
    /// One that was read of an earlier slot, which keeps the server's answer short.
    pub earlier: Option<Signature>,
}

impl Cursor {
    /// Before everything.
    pub const START: Self = Self {
        slot: 0,
        read: Vec::new(),
        earlier: None,
    };

    /// Moves past a transaction that was read after all others.
    pub fn pass(&mut self, execution: &Execution) {
        if execution.slot > self.slot {
            *self = Self {
                slot: execution.slot,
                read: Vec::new(),
                earlier: self.read.pop().or(self.earlier),
            };
        }
        self.read.push(execution.signature);
    }
}

/// An instruction that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program called.
    pub program: Pubkey,
    /// The accounts that it was given, in order; the default key for one that the chain does not tell.
    pub accounts: Vec<Pubkey>,
    /// Its instruction data.
    pub data: Vec<u8>,
}

/// What a transaction did when it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// The transaction's first signature.
    pub signature: Signature,
    /// The slot it ran in.
    pub slot: u64,
    /// The error, when it failed.
    pub error: Option<TransactionError>,
    /// Log lines.
    pub logs: Vec<String>,
    /// The transaction's own instructions, in order.
    pub outer: Vec<Invocation>,
    /// Instructions that programs called, in order.
    pub inner: Vec<Invocation>,
    /// Compute units used.
    pub compute_units: u64,
    /// What it cost who paid for it, in lamports.
    pub fee: u64,
    /// What the last program returned.
    pub return_data: Vec<u8>,
}

impl Invocation {
    /// An instruction that names its program and accounts by their places among `keys`.
    fn compiled(keys: &[Pubkey], program: u8, accounts: &[u8], data: Vec<u8>) -> Self {
        let key = |place: u8| keys.get(usize::from(place)).copied().unwrap_or_default();
        Self {
            program: key(program),
            accounts: accounts.iter().copied().map(key).collect(),
            data,
        }
    }
}

/// The instructions of a transaction that names `keys`.
fn outer(transaction: &VersionedTransaction, keys: &[Pubkey]) -> Vec<Invocation> {
    let instructions = transaction.message.instructions().iter();
    instructions
        .map(|instruction| {
            Invocation::compiled(
                keys,
                instruction.program_id_index,
                &instruction.accounts,
                instruction.data.clone(),
            )
        })
        .collect()
}

impl Execution {
    /// The execution itself, or the error that a failed one stands for.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::Failed`].
    pub fn into_result(self) -> Result<Self, ClientError> {
        match self.error {
            None => Ok(self),
            Some(error) => Err(ClientError::of_transaction(error, self.logs)),
        }
    }
}

/// Bytes that an account's data must hold to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Where they begin in the data.
    pub offset: usize,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> Filter<'a> {
    /// Accounts of one type: those that begin with its discriminator.
    pub fn of_type(discriminator: &'a [u8]) -> Self {
        Self {
            offset: 0,
            bytes: discriminator,
        }
    }

    /// Whether `data` holds them.
    pub fn matches(&self, data: &[u8]) -> bool {
        data.get(self.offset..)
            .is_some_and(|rest| rest.starts_with(self.bytes))
    }
}

/// A chain. Every call returns [`ClientError::Cluster`] when the chain can't be reached.
pub trait Chain: Send + Sync {
    /// The accounts at `keys`, in order; `None` where there is none.
    fn accounts(&self, keys: &[Pubkey]) -> Result<Vec<Option<Account>>, ClientError>;

    /// All accounts of `program` that every one of `filters` matches, by key.
    fn program_accounts(
        &self,
        program: &Pubkey,
        filters: &[Filter<'_>],
    ) -> Result<Vec<(Pubkey, Account)>, ClientError>;

    /// The chain's clock.
    fn clock(&self) -> Result<Clock, ClientError>;

    /// A recent blockhash.
    fn lifetime(&self) -> Result<Lifetime, ClientError>;

    /// Hash of the chain's first block, which tells clusters apart.
    fn genesis_hash(&self) -> Result<Hash, ClientError>;

    /// The current block height.
    fn block_height(&self) -> Result<u64, ClientError>;

    /// Lamports that make an account of `bytes` rent-exempt.
    fn rent(&self, bytes: usize) -> Result<u64, ClientError>;

    /// Runs `transaction` without landing it.
    fn simulate(&self, transaction: &VersionedTransaction) -> Result<Execution, ClientError>;

    /// Hands `transaction` to the chain. Sending the same one again is harmless.
    fn send(&self, transaction: &VersionedTransaction) -> Result<(), ClientError>;

    /// What the transaction did, once it has landed.
    fn execution(&self, signature: &Signature) -> Result<Option<Execution>, ClientError>;

    /// Signatures of the successful transactions that name `address`, beyond `after`, oldest slot first. Fails with
    /// [`ClientError::UnknownCursor`] where the chain does not know what was read last: what is newer can't be told then.
    fn history(&self, address: &Pubkey, after: &Cursor) -> Result<Vec<Signature>, ClientError>;

    /// What to offer for priority to a transaction that writes `accounts`, in micro-lamports a compute unit.
    fn priority_fee(&self, _accounts: &[Pubkey]) -> Result<u64, ClientError> {
        Ok(0)
    }

    /// How long a chain that can't be reached is tried again where giving up would leave something half done.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// Has whatever happens to `topic` from now on end a wait. A chain that tells of nothing lets every wait last.
    fn watch(&self, _topic: Topic) -> Watch {
        Watch::default()
    }

    /// The account at `key`, if there is one.
    fn account(&self, key: &Pubkey) -> Result<Option<Account>, ClientError> {
        Ok(self.accounts(&[*key])?.pop().flatten())
    }
}

/// What transactions did, in their order. Several are asked for at once: anybody may name an account in any number of them,
/// and who reads its history has to read them all.
pub fn executions<'a>(
    chain: &'a dyn Chain,
    signatures: &'a [Signature],
) -> impl Iterator<Item = Result<Option<Execution>, ClientError>> + 'a {
    signatures.chunks(AT_ONCE).flat_map(move |signatures| {
        thread::scope(|scope| {
            let asked: Vec<_> = signatures
                .iter()
                .map(|signature| scope.spawn(|| chain.execution(signature)))
                .collect();
            let failed = || Err(ClientError::Cluster("asking failed".to_owned()));
            let answers = asked.into_iter().map(|asked| asked.join());
            let answers = answers.map(|answer| answer.unwrap_or_else(|_| failed()));
            answers.collect::<Vec<_>>()
        })
    })
}

/// The zero-copy account `T` at `key`.
///
/// # Errors
/// [`ClientError::NoAccount`], or [`ClientError::WrongAccount`] when it has another owner, type or length.
pub fn read<T>(chain: &dyn Chain, key: &Pubkey) -> Result<T, ClientError>
where
    T: ZeroCopy + Discriminator + anchor_lang::Owner,
{
    find(chain, key)?.ok_or(ClientError::NoAccount(*key))
}

/// Like [`read`], with `None` for an account that does not exist.
///
/// # Errors
/// [`ClientError::WrongAccount`] when it has another owner, type or length.
pub fn find<T>(chain: &dyn Chain, key: &Pubkey) -> Result<Option<T>, ClientError>
where
    T: ZeroCopy + Discriminator + anchor_lang::Owner,
{
    match chain.account(key)? {
        Some(account) if !account.data.is_empty() => decode(key, &account).map(Some),
        _ => Ok(None),
    }
}

/// The zero-copy accounts `T` at `keys`, in order, with `None` for those that do not exist.
///
/// # Errors
/// [`ClientError::WrongAccount`] when one has another owner, type or length.
pub fn find_each<T>(chain: &dyn Chain, keys: &[Pubkey]) -> Result<Vec<Option<T>>, ClientError>
where
    T: ZeroCopy + Discriminator + anchor_lang::Owner,
{
    let accounts = chain.accounts(keys)?.into_iter();
    keys.iter()
        .zip(accounts)
        .map(|(key, account)| {
            let account = account.filter(|account| !account.data.is_empty());
            account.map(|account| decode(key, &account)).transpose()
        })
        .collect()
}

/// All zero-copy accounts of type `T`: of every network on the chain, so that anybody can make them many.
///
/// # Errors
/// As [`Chain::program_accounts`]; [`ClientError::WrongAccount`] for one of another length.
pub fn read_all<T>(chain: &dyn Chain) -> Result<Vec<(Pubkey, T)>, ClientError>
where
    T: ZeroCopy + Discriminator + anchor_lang::Owner,
{
    read_matching(chain, &[Filter::of_type(T::DISCRIMINATOR)])
}

/// The zero-copy accounts of type `T` whose field at `offset` of the struct, as `offset_of!` tells it, is `key`. The chain
/// picks them out: what it holds for others is not sent.
///
/// # Errors
/// As those of [`read_all`].
pub fn read_all_of<T>(
    chain: &dyn Chain,
    offset: usize,
    key: &Pubkey,
) -> Result<Vec<(Pubkey, T)>, ClientError>
where
    T: ZeroCopy + Discriminator + anchor_lang::Owner,
{
    let field = Filter {
        offset: T::DISCRIMINATOR.len() + offset,
        bytes: key.as_ref(),
    };
    read_matching(chain, &[Filter::of_type(T::DISCRIMINATOR), field])
}

fn read_matching<T>(
    chain: &dyn Chain,
    filters: &[Filter<'_>],
) -> Result<Vec<(Pubkey, T)>, ClientError>
where
    T: ZeroCopy + Discriminator + anchor_lang::Owner,
{
    chain
        .program_accounts(&T::owner(), filters)?
        .into_iter()
        .map(|(key, account)| Ok((key, decode(&key, &account)?)))
        .collect()
}

fn decode<T>(key: &Pubkey, account: &Account) -> Result<T, ClientError>
where
    T: ZeroCopy + Discriminator + anchor_lang::Owner,
{
    let wrong = || ClientError::WrongAccount(*key, std::any::type_name::<T>());
    if account.owner != T::owner() || !account.data.starts_with(T::DISCRIMINATOR) {
        return Err(wrong());
    }
    let start = T::DISCRIMINATOR.len();
    let bytes = account
        .data
        .get(start..start + size_of::<T>())
        .ok_or_else(wrong)?;
    Ok(bytemuck::pod_read_unaligned(bytes))
}

/// The Borsh account `T` (a mint or a token account) at `key`.
///
/// # Errors
/// [`ClientError::NoAccount`] or [`ClientError::WrongAccount`].
pub fn read_borsh<T: AccountDeserialize>(
    chain: &dyn Chain,
    key: &Pubkey,
) -> Result<T, ClientError> {
    let account = chain.account(key)?.ok_or(ClientError::NoAccount(*key))?;
    T::try_deserialize(&mut account.data.as_slice())
        .map_err(|_| ClientError::WrongAccount(*key, std::any::type_name::<T>()))
}
