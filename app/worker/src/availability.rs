//! Answers to challenges of availability: whoever doubts that a reading of this operator's stream can be shown is shown
//! it, and pays for it with the challenge's bond.
//!
//! What is open stands on the chain, and the answer closes it there, so nothing needs to be remembered: a worker that was
//! killed meets what is still open again. Only the own stream's challenges are answered: its operator alone loses by them.

use crate::committee;
use crate::payload::Payload;
use crate::window;
use crate::worker::{Event, Operator, WorkerError};
use anchor_lang::prelude::Pubkey;
use commitment::READINGS_PER_WINDOW;
use data_commitment::state::{Challenge, Stream};
use device_protocol::{DeviceKey, Hash};
use device_registry::state::{LeafPlace, Tree};
use fieldproof_client::chain::{self, Execution};
use fieldproof_client::data_commitment::{self as streams, Answer, ReadingPlace};
use fieldproof_client::registry_tree::proof_below_canopy;
use fieldproof_client::reports::{Evidence, ProvenLeaf};
use std::collections::BTreeMap;
use std::mem::offset_of;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Answers of one step at most: the next one looks at what is open anew, and at what has become more urgent.
const ANSWERS_PER_STEP: usize = 8;
/// Seconds from an answer that failed to the next try.
const RETRY: i64 = 30;

/// The open challenges of the own stream, and what became of those before them. Lost with the process, as all counters are.
#[derive(Debug, Default)]
pub struct Challenges(Mutex<Met>);

#[derive(Debug, Default)]
struct Met {
    open: BTreeMap<Pubkey, Open>,
    figures: Figures,
}

/// A challenge that is not answered yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    answer_by: i64,
    /// Not before this time, unix seconds, after an answer that failed.
    next_try: i64,
    missed: bool,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Challenges met.
    pub met: u64,
    /// Challenges answered.
    pub answered: u64,
    /// Answers that failed.
    pub failed: u64,
    /// Challenges that were not answered in time.
    pub missed: u64,
    /// Challenges that are not answered now.
    pub open: u64,
}

impl Challenges {
    /// What was counted since the start.
    pub fn figures(&self) -> Figures {
        let met = self.lock();
        Figures {
            open: met.open.len() as u64,
            ..met.figures
        }
    }

    fn lock(&self) -> MutexGuard<'_, Met> {
        // A counter more or less does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is open on the chain at `now`. Returns what is new or missed, and what to answer, the most urgent first.
    fn meet(
        &self,
        challenges: Vec<(Pubkey, Challenge)>,
        now: i64,
    ) -> (Vec<Event>, Vec<(Pubkey, Challenge)>) {
        let mut met = self.lock();
        let Met { open, figures } = &mut *met;
        // At the same address there may be another one by now.
        open.retain(|key, known| {
            let mut challenges = challenges.iter();
            challenges
                .any(|(other, challenge)| key == other && challenge.answer_by == known.answer_by)
        });
        let (mut events, mut due) = (Vec::new(), Vec::new());
        for (key, challenge) in challenges {
            let known = open.entry(key).or_insert_with(|| {
                figures.met += 1;
                events.push(Event::Challenged {
                    sequence: challenge.sequence,
                    batch: challenge.batch,
                    reading: challenge.reading,
                    answer_by: challenge.answer_by,
                });
                Open {
                    answer_by: challenge.answer_by,
                    next_try: now,
                    missed: false,
                }
            });
            if now > challenge.answer_by {
                if !known.missed {
                    known.missed = true;
                    figures.missed += 1;
                    events.push(failed(&challenge, "nobody showed it in time"));
                }
            } else if now >= known.next_try {
                due.push((key, challenge));
            }
        }
        due.sort_by_key(|(_, challenge)| challenge.answer_by);
        due.truncate(ANSWERS_PER_STEP);
        (events, due)
    }

    fn answered(&self, key: &Pubkey) {
        let mut met = self.lock();
        met.open.remove(key);
        met.figures.answered += 1;
    }

    fn failed(&self, key: &Pubkey, now: i64) {
        let mut met = self.lock();
        met.figures.failed += 1;
        if let Some(open) = met.open.get_mut(key) {
            open.next_try = now.saturating_add(RETRY);
        }
    }
}

/// Answers the open challenges of the own stream, as many as a step may.
///
/// # Errors
/// The chain's. What one challenge meets does not stop the others: it becomes an [`Event::Failed`], and the answer is
/// tried again.
pub fn step(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let stream: Option<Stream> = chain::find(chain, &operator.stream)?;
    let mut open = Vec::new();
    if stream.is_some_and(|stream| stream.open_challenges > 0) {
        open = chain::read_all_of(chain, offset_of!(Challenge, stream), &operator.stream)?;
    }
    let (mut events, due) = operator.challenges.meet(open, now);
    for (key, challenge) in due {
        match answer(operator, &challenge) {
            Ok(execution) => {
                operator.challenges.answered(&key);
                events.push(Event::Answered {
                    sequence: challenge.sequence,
                    batch: challenge.batch,
                    reading: challenge.reading,
                    bond: challenge.bond,
                    signature: execution.signature,
                    compute_units: execution.compute_units,
                });
            }
            Err(error) => {
                // Anyone answers: then it is no failure, and the next step no longer finds it.
                if matches!(chain::find::<Challenge>(chain, &key), Ok(None)) {
                    continue;
                }
                operator.challenges.failed(&key, now);
                events.push(failed(&challenge, &error.to_string()));
            }
        }
    }
    Ok(events)
}

fn failed(challenge: &Challenge, reason: &str) -> Event {
    let Challenge {
        sequence,
        batch,
        reading,
        answer_by,
        ..
    } = challenge;
    Event::Failed {
        what: "challenge".to_owned(),
        detail: format!(
            "reading {reading} of batch {batch} of commitment {sequence}, to be shown by {answer_by}: {reason}"
        ),
    }
}

fn answer(operator: &Operator, challenge: &Challenge) -> Result<Execution, WorkerError> {
    let commitment = committee::known(operator, &operator.stream.to_bytes(), challenge.sequence)?
        .ok_or(WorkerError::State(
        "the challenged commitment was not seen yet",
    ))?;
    // Who lost the archive asks the others for it.
    let payload = committee::fetch(operator, &operator.pool, &commitment)?;
    operator.store.put_payload(&payload)?;
    let (evidence, path) = shown(&payload, challenge)?;
    let reading = &evidence.reading.reading;
    let (key, leaf) = proven_leaf(operator, &reading.device, reading.leaf_nonce)?;
    let answer = Answer {
        evidence,
        key,
        leaf,
        path,
    };
    let instructions = streams::answer_availability(
        &operator.signer_key(),
        &operator.network,
        &ReadingPlace::of(challenge),
        &answer,
        0,
    )?;
    operator.land(&instructions, |_| Ok(()))
}

/// The reading that `challenge` asks for, from the payload of its commitment, and its path up to the batch's readings
/// root.
///
/// # Errors
/// [`WorkerError::Payload`] or [`WorkerError::Batch`] for bytes that are no payload, [`WorkerError::State`] for those of
/// another commitment.
pub fn shown(payload: &[u8], challenge: &Challenge) -> Result<(Evidence, Vec<u8>), WorkerError> {
    let missing = || WorkerError::State("the payload does not hold the challenged reading");
    let Payload::Readings { batches, .. } = Payload::decode(payload)? else {
        return Err(missing());
    };
    let batch = usize::try_from(challenge.batch)
        .ok()
        .and_then(|index| batches.get(index))
        .ok_or_else(missing)?;
    let index = usize::from(challenge.reading);
    let window = batch
        .windows
        .get(index / READINGS_PER_WINDOW)
        .ok_or_else(missing)?;
    let reading = *window
        .readings
        .get(index % READINGS_PER_WINDOW)
        .ok_or_else(missing)?;
    let tree = window::readings_tree(batch)?;
    if tree.root() != challenge.readings_root {
        return Err(WorkerError::State(
            "the payload's readings are not those that were committed to",
        ));
    }
    let evidence = Evidence {
        reading,
        grant: window.grant(reading.reading.session).copied(),
    };
    Ok((evidence, tree.path(challenge.reading.into())?))
}

/// A device's leaf as it stands, which may have any status and a later nonce than the reading's, and its proof. Where the
/// chain was not followed to its end, it still proves the leaf, as long as nothing near it has changed since.
fn proven_leaf(
    operator: &Operator,
    device: &Hash,
    leaf_nonce: u32,
) -> Result<(DeviceKey, ProvenLeaf), WorkerError> {
    let chain = operator.chain.as_ref();
    let trees: Vec<(Pubkey, Tree)> =
        chain::read_all_of(chain, offset_of!(Tree, network), &operator.network)?;
    let device = operator
        .registry
        .leaves(device)
        .into_iter()
        .find(|device| device.leaf.nonce >= leaf_nonce)
        .ok_or(WorkerError::State("the reading's device is not registered"))?;
    let (tree, header) = trees
        .into_iter()
        .find(|(_, tree)| tree.index == device.tree_index)
        .ok_or(WorkerError::State("the device's tree is not on the chain"))?;
    let levels = header.depth.saturating_sub(header.canopy);
    let first = device.index >> levels << levels;
    let (subtree, sequence) = operator.registry.range(
        device.tree_index,
        &(first..first.saturating_add(1 << levels)),
    );
    let missing = || WorkerError::State("a leaf of the device's tree is missing");
    if subtree.keys().zip(first..).any(|(at, index)| *at != index) {
        return Err(missing());
    }
    let leaf = *subtree.get(&device.index).ok_or_else(missing)?;
    let hashes: Vec<Hash> = subtree.values().map(|leaf| leaf.hash()).collect();
    let place = LeafPlace {
        index: device.index,
        sequence,
        proof: proof_below_canopy(&hashes, device.index, levels),
    };
    let leaf = ProvenLeaf {
        tree,
        tree_index: device.tree_index,
        leaf,
        place,
    };
    Ok((device.key, leaf))
}
