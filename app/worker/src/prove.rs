//! Proofs of this operator's attestations, and the private models that it may run.
//!
//! A proof takes a second of both processors, so that they have a thread of their own: neither readings nor rounds wait.
//! Nothing of it is kept: until the chain says that an attestation is proven, it is proven again.

use crate::config::Proving as Config;
use crate::round::{self, Job, Stage};
use crate::window::BatchError;
use crate::worker::{Event, Operator, WorkerError};
use ai_feed::state::{Attestation, Feed, Model, VerifyingKey};
use anchor_lang::prelude::Pubkey;
use device_protocol::{attestation_context, Hash};
use feed_reader::Mask;
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::{ai_feed as feeds, chain};
use inference::ModelRef;
use prover::{KeyError, Prover};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Seconds from a proof that failed to the next try.
const RETRY: i64 = 30;

/// What a worker proves with.
pub struct Proving {
    prover: Prover,
    /// Hash of the verifying key, by which networks know it.
    key: Hash,
    /// Bytes of the private models, by the models' hash.
    models: BTreeMap<Hash, Vec<u8>>,
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    /// The attestations whose proof failed: not before this time again, unix seconds.
    next: HashMap<Pubkey, i64>,
    figures: Figures,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Proofs made.
    pub made: u64,
    /// Time that they took.
    pub time: Duration,
    /// Proofs that could not be made or brought to the chain.
    pub failed: u64,
}

/// Why a worker can't prove.
#[derive(Debug, thiserror::Error)]
pub enum ProvingError {
    /// A model's file can't be read.
    #[error("{0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// The key can't be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key's hash is none.
    #[error("the SHA-256 of the proving key must have 64 hexadecimal digits")]
    Hash,
    /// A file is no model.
    #[error("{0} is no model of version 1")]
    Model(PathBuf),
    /// The key does not prove whole batches.
    #[error("the proving key is for {0} windows: networks take those for 32")]
    Capacity(usize),
}

impl Proving {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// [`ProvingError`].
    pub fn open(config: &Config) -> Result<Self, ProvingError> {
        let prover = match &config.key {
            None => Prover::development(inference::WINDOWS)?,
            Some(key) => {
                let mut sha256 = [0; 32];
                hex::decode_to_slice(&key.sha256, &mut sha256).map_err(|_| ProvingError::Hash)?;
                Prover::load(&key.file, &sha256)?
            }
        };
        if prover.capacity() != inference::WINDOWS {
            return Err(ProvingError::Capacity(prover.capacity()));
        }
        let mut models = BTreeMap::new();
        for file in &config.models {
            let bytes =
                std::fs::read(file).map_err(|error| ProvingError::Read(file.clone(), error))?;
            let invalid = || ProvingError::Model(file.clone());
            let model = ModelRef::parse(&bytes).map_err(|_| invalid())?;
            let hash = inference::model_hash(&model, poseidon).map_err(|_| invalid())?;
            models.insert(hash, bytes);
        }
        Ok(Self {
            key: VerifyingKey::hash_of(&prover.verifying_key().to_bytes()),
            prover,
            models,
            tries: Mutex::default(),
        })
    }

    /// What was counted since the start.
    pub fn figures(&self) -> Figures {
        self.lock().figures
    }

    fn lock(&self) -> MutexGuard<'_, Tries> {
        // A counter more or less does no harm.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Proves what this operator attested, where feeds require it and the chain does not have the proof yet.
///
/// # Errors
/// The chain's and the database's. What one proof meets does not stop the others: it becomes an [`Event::Failed`], and is
/// tried again.
pub fn step(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    let Some(proving) = operator.proving() else {
        return Ok(Vec::new());
    };
    let chain = operator.chain.as_ref();
    let mut events = Vec::new();
    for job in operator.store.jobs::<Job>()? {
        if job.stage != Stage::Submitted {
            continue;
        }
        let feed: Feed = chain::read(chain, &feeds::feed(&job.feed))?;
        let key = job.attestation(operator);
        let Some(attestation) = chain::find::<Attestation>(chain, &key)? else {
            continue;
        };
        let missing = feed.required_mask & !attestation.mask & Mask::ZK != 0;
        let waits = proving
            .lock()
            .next
            .get(&key)
            .is_some_and(|time| now < *time);
        if !missing || waits || attestation.is_false() || feed.is_over(job.round) {
            continue;
        }
        let proven = prove(operator, proving, &job, &feed, &key, &attestation);
        let mut tries = proving.lock();
        match proven {
            Ok(proven) => {
                tries.next.remove(&key);
                events.push(proven);
            }
            Err(error) => {
                tries.figures.failed += 1;
                tries.next.retain(|_, time| now < *time);
                tries.next.insert(key, now.saturating_add(RETRY));
                events.push(Event::Failed {
                    what: "proof".to_owned(),
                    detail: error.to_string(),
                });
            }
        }
    }
    Ok(events)
}

/// Whether this operator can serve a feed at all: prove, if the feed requires proofs, and run its model.
///
/// # Errors
/// The chain's.
pub fn can_serve(operator: &Operator, feed: &Feed) -> Result<bool, WorkerError> {
    if feed.required_mask & Mask::ZK != 0 && operator.proving().is_none() {
        return Ok(false);
    }
    Ok(feed.private_model == 0 || model_bytes(operator, feed)?.is_some())
}

/// The bytes of a feed's model: the chain's; of a private one, this operator's own, if it has them.
///
/// # Errors
/// The chain's.
pub fn model_bytes(operator: &Operator, feed: &Feed) -> Result<Option<Vec<u8>>, WorkerError> {
    let model: Model = chain::read(operator.chain.as_ref(), &feeds::model(&feed.model))?;
    if !model.is_private() {
        return Ok(Some(model.bytes.to_vec()));
    }
    let header = model.header()?.to_bytes();
    let own = operator
        .proving()
        .and_then(|proving| proving.models.get(&model.hash))
        // A private model's feeds go by the header that it was registered with.
        .filter(|bytes| bytes.starts_with(&header));
    Ok(own.cloned())
}

/// Proves the outputs of an attestation of this operator, and brings the proof to the chain.
fn prove(
    operator: &Operator,
    proving: &Proving,
    job: &Job,
    feed: &Feed,
    key: &Pubkey,
    attestation: &Attestation,
) -> Result<Event, WorkerError> {
    let chain = operator.chain.as_ref();
    let verifying_key = feeds::verifying_key(&operator.network, &proving.key);
    let taken = chain::find::<VerifyingKey>(chain, &verifying_key)?
        .is_some_and(|known| known.require_active(operator.now()).is_ok());
    if !taken {
        return Err(WorkerError::State(
            "the network takes no proofs of this worker's key: have its authority register it",
        ));
    }
    let bytes = model_bytes(operator, feed)?.ok_or(WorkerError::State(
        "this worker does not have the feed's private model",
    ))?;
    let windows: Vec<prover::Window> = round::windows(operator, job, feed)?
        .into_iter()
        .map(|window| prover::Window {
            features: window.features,
            tree: window.tree,
            index: window.index,
            nonce: window.nonce,
            last_capture: window.last_capture,
        })
        .collect();
    let started = Instant::now();
    let proof = proving.prover.prove(&prover::Batch {
        windows: &windows,
        model: ModelRef::parse(&bytes).map_err(|_| BatchError::Model)?,
        context: attestation_context(
            &feed.id,
            attestation.stream.as_array(),
            attestation.sequence,
            attestation.batch_index,
            attestation.round,
            attestation.pool.as_array(),
        ),
    })?;
    let took = started.elapsed();
    {
        let mut tries = proving.lock();
        tries.figures.made += 1;
        tries.figures.time += took;
    }
    let proven = feeds::Proven {
        network: operator.network,
        feed: attestation.feed,
        model: feeds::model(&feed.model),
        verifying_key,
        round: feeds::round(&attestation.feed, attestation.round),
        attestation: *key,
    };
    let execution = operator.land(&[feeds::attest_zk(&proven, proof.bytes)], |_| Ok(()))?;
    let after: Attestation = chain::read(chain, key)?;
    Ok(Event::Proven {
        feed: job.feed,
        round: job.round,
        value: after.value,
        mask: after.mask,
        milliseconds: took.as_millis() as u64,
        signature: execution.signature,
        compute_units: execution.compute_units,
    })
}
