//! Following the chain: devices and commitments of the network, in order, from where the database stands.
//!
//! Anybody may name the network in a transaction, and each such transaction must be read to know that it says nothing. So
//! following may be behind for long, and nothing that must be done in time may wait for it.

use crate::store::Store;
use crate::worker::{Operator, WorkerError};
use data_commitment::events::RootCommitted;
use fieldproof_client::chain::{self, Chain, Cursor, Execution, AT_ONCE};
use fieldproof_client::data_commitment::leaf_of;
use fieldproof_client::device_registry::{registry_events, RegistryEvent};
use fieldproof_client::{event, ClientError};
use solana_signature::Signature;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Transactions that one step reads at most: who waits for it to end does not wait for all that there is.
pub const STEP: usize = 512;
/// Bytes of a signature.
const SIGNATURE: usize = 64;
/// In the place of one that is not there.
const NONE: [u8; SIGNATURE] = [0; SIGNATURE];

/// How far the chain was followed, beside what the database remembers.
#[derive(Debug, Default)]
pub struct Following {
    /// Whoever follows holds it, for a step, which may take long.
    ahead: Mutex<Ahead>,
    until: AtomicI64,
}

/// What the chain has told of and was not read yet.
#[derive(Debug)]
struct Ahead {
    /// Where the database stands.
    after: Cursor,
    /// From old to new.
    signatures: VecDeque<Signature>,
    /// All that landed before this time, unix seconds, is among them or was read.
    told_at: i64,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            after: Cursor::START,
            signatures: VecDeque::new(),
            told_at: 0,
        }
    }
}

impl Following {
    /// All that landed before this time, unix seconds, was read.
    pub fn until(&self) -> i64 {
        self.until.load(Ordering::SeqCst)
    }
}

/// What was read of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// New devices.
    pub devices: usize,
    /// New commitments.
    pub commitments: usize,
    /// Whether nothing was left that the chain has.
    pub caught_up: bool,
}

/// Reads what the chain tells since last time, as much as a step may.
///
/// # Errors
/// The chain's or the database's; what was read before it is kept.
pub fn follow(operator: &Operator) -> Result<Followed, WorkerError> {
    let ahead = operator.following.ahead.lock();
    step(operator, ahead.unwrap_or_else(PoisonError::into_inner))
}

/// As [`follow`], unless somebody else is at it.
///
/// # Errors
/// As those of [`follow`].
pub fn try_follow(operator: &Operator) -> Result<Option<Followed>, WorkerError> {
    match operator.following.ahead.try_lock() {
        Ok(ahead) => step(operator, ahead).map(Some),
        Err(TryLockError::Poisoned(ahead)) => step(operator, ahead.into_inner()).map(Some),
        Err(TryLockError::WouldBlock) => Ok(None),
    }
}

/// One at a time: who is behind must not move the cursor back, nor past what is not on the disk yet.
fn step(operator: &Operator, mut ahead: MutexGuard<'_, Ahead>) -> Result<Followed, WorkerError> {
    let chain = operator.chain.as_ref();
    let following = &operator.following;
    if ahead.signatures.is_empty() {
        // As it is before the chain is asked, so that what landed before is told of.
        let told_at = operator.tick()?;
        let after = cursor(chain, &operator.store)?;
        let told = chain.history(&operator.network, &after)?;
        *ahead = Ahead {
            after,
            signatures: told.into(),
            told_at,
        };
    }
    let mut followed = Followed {
        devices: 0,
        commitments: 0,
        caught_up: false,
    };
    // Those that are read at once are written in one write.
    for _ in 0..STEP / AT_ONCE {
        let next: Vec<Signature> = ahead.signatures.iter().take(AT_ONCE).copied().collect();
        let (read, end) = read(chain, &next);
        if let Err(error) = take(operator, &read, &mut ahead.after, &mut followed) {
            // Of one slot, what comes first may have been told last.
            ahead.signatures.clear();
            return Err(error);
        }
        ahead.signatures.drain(..read.len());
        // What has landed but can't be read yet may have been rolled back: the chain is asked anew.
        if !end? {
            ahead.signatures.clear();
            return Ok(followed);
        }
        if ahead.signatures.is_empty() {
            followed.caught_up = true;
            following.until.store(ahead.told_at, Ordering::SeqCst);
            break;
        }
    }
    Ok(followed)
}

/// How far the database says that the chain was followed: the slot, what was read of an earlier one, and what of this one.
fn cursor(chain: &dyn Chain, store: &Store) -> Result<Cursor, WorkerError> {
    let Some(bytes) = store.cursor()? else {
        return Ok(Cursor::START);
    };
    let damaged = || WorkerError::State("the database's place on the chain is damaged");
    if let Some(signature) = older(&bytes) {
        let execution = chain.execution(&signature)?;
        let slot = execution.ok_or(ClientError::UnknownCursor(signature))?.slot;
        return Ok(Cursor {
            slot,
            read: vec![signature],
            earlier: None,
        });
    }
    let (slot, signatures) = bytes.split_first_chunk().ok_or_else(damaged)?;
    let (signatures, []) = signatures.as_chunks::<SIGNATURE>() else {
        return Err(damaged());
    };
    let (earlier, read) = signatures.split_first().ok_or_else(damaged)?;
    Ok(Cursor {
        slot: u64::from_be_bytes(*slot),
        read: read.iter().copied().map(Signature::from).collect(),
        earlier: (*earlier != NONE).then(|| Signature::from(*earlier)),
    })
}

/// The signature that a database of before whole slots were remembered has, with its slot or without.
fn older(bytes: &[u8]) -> Option<Signature> {
    match bytes.split_first_chunk::<SIGNATURE>()? {
        (signature, [] | [_, _, _, _, _, _, _, _]) => Some(Signature::from(*signature)),
        _ => None,
    }
}

/// What [`cursor`] reads.
fn encode(cursor: &Cursor) -> Vec<u8> {
    let earlier = cursor.earlier.map_or(NONE, Signature::into);
    let mut bytes = [&cursor.slot.to_be_bytes()[..], &earlier].concat();
    bytes.extend(cursor.read.iter().flat_map(|read| read.as_ref()));
    bytes
}

/// Reads transactions. Returns those up to the first that can't be read, and whether these are all of them.
fn read(
    chain: &dyn Chain,
    signatures: &[Signature],
) -> (Vec<Execution>, Result<bool, ClientError>) {
    let mut read = Vec::with_capacity(signatures.len());
    for execution in chain::executions(chain, signatures) {
        match execution {
            Ok(Some(execution)) => read.push(execution),
            Ok(None) => return (read, Ok(false)),
            Err(error) => return (read, Err(error)),
        }
    }
    (read, Ok(true))
}

/// Writes down what transactions tell, and that they were read, and moves the cursor past them.
fn take(
    operator: &Operator,
    executions: &[Execution],
    after: &mut Cursor,
    followed: &mut Followed,
) -> Result<(), WorkerError> {
    if executions.is_empty() {
        return Ok(());
    }
    let mut leaves: Vec<RegistryEvent> = executions.iter().flat_map(registry_events).collect();
    leaves.retain(|event| event.network() == operator.network);
    leaves.sort_by_key(|event| (event.tree_index(), event.sequence()));
    let records = operator.registry.records(&leaves)?;
    let records: Vec<_> = records
        .into_iter()
        .map(|record| (record.id(), record))
        .collect();
    let changes = leaves
        .iter()
        .filter(|event| matches!(event, RegistryEvent::Changed(_)))
        .count();
    let commitments: Vec<_> = executions
        .iter()
        .flat_map(|execution| event::events::<RootCommitted>(execution, &data_commitment::ID))
        .filter(|event| event.network == operator.network)
        .map(|event| (event.stream.to_bytes(), leaf_of(&event)))
        .collect();
    let mut passed = after.clone();
    executions
        .iter()
        .for_each(|execution| passed.pass(execution));
    operator
        .store
        .follow(&records, &commitments, &encode(&passed))?;
    *after = passed;
    followed.devices += records.len() - changes;
    followed.commitments += commitments.len();
    for (_, record) in records {
        operator.registry.insert(record)?;
    }
    Ok(())
}
