//! Following the chain: devices and commitments of the network, in order, from where the database stands.

use crate::worker::{Operator, WorkerError};
use data_commitment::events::RootCommitted;
use fieldproof_client::data_commitment::leaf_of;
use fieldproof_client::device_registry::{registry_events, RegistryEvent};
use fieldproof_client::event;
use solana_signature::Signature;
use std::sync::PoisonError;

/// What was read of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// New devices.
    pub devices: usize,
    /// New commitments.
    pub commitments: usize,
    /// Whether nothing was left that the chain has but can't be read yet.
    pub caught_up: bool,
}

/// Reads what the chain tells since last time.
///
/// # Errors
/// The chain's or the database's; what was read before it is kept.
pub fn follow(operator: &Operator) -> Result<Followed, WorkerError> {
    // One at a time: who is behind must not move the cursor back, nor past what is not on the disk yet.
    let _following = operator
        .following
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let after = operator.store.cursor()?;
    let after = after.and_then(|bytes| Signature::try_from(bytes).ok());
    let mut followed = Followed {
        devices: 0,
        commitments: 0,
        caught_up: true,
    };
    for signature in operator.chain.history(&operator.network, after.as_ref())? {
        // What has landed but can't be read yet comes with the next call.
        let Some(execution) = operator.chain.execution(&signature)? else {
            followed.caught_up = false;
            break;
        };
        let mut leaves = registry_events(&execution);
        leaves.retain(|event| event.network() == operator.network);
        let records = operator.registry.records(&leaves)?;
        let records: Vec<_> = records
            .into_iter()
            .map(|record| (record.id(), record))
            .collect();
        let changes = leaves
            .iter()
            .filter(|event| matches!(event, RegistryEvent::Changed(_)))
            .count();
        let commitments: Vec<_> = event::events::<RootCommitted>(&execution, &data_commitment::ID)
            .into_iter()
            .filter(|event| event.network == operator.network)
            .map(|event| (event.stream.to_bytes(), leaf_of(&event)))
            .collect();
        operator
            .store
            .follow(&records, &commitments, signature.as_ref())?;
        followed.devices += records.len() - changes;
        followed.commitments += commitments.len();
        for (_, record) in records {
            operator.registry.insert(record)?;
        }
    }
    Ok(followed)
}
