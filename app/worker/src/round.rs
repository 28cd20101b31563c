//! A feed's rounds: from stored readings to a finalised value.
//!
//! What is decided on is durable before it is done: a commitment's number, payload and jobs are written in one step, so
//! a worker that is killed commits the same bytes again, and the program takes each number once. Every later stage asks
//! the chain first what is there already.

use crate::committee::{self, batch_path};
use crate::payload::{self, Payload, MAX_BATCHES};
use crate::prove;
use crate::window::{self, Batch, Computed};
use crate::worker::{Event, Operator, WorkerError};
use ai_feed::instructions::WindowArgs;
use ai_feed::state::{Attestation, AttesterBonds, Feed, BY_TIME, WINDOWS_SHOWN};
use anchor_lang::prelude::Pubkey;
use commitment::{BatchLeaf, CommitmentLeaf, MmrBuilder, Tree, READINGS_PER_WINDOW, WINDOWS};
use data_commitment::instructions::CommitRootArgs;
use data_commitment::state::{Challenge, Stream};
use device_protocol::Hash;
use feed_reader::Mask;
use fieldproof_client::data_commitment::ReadingPlace;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::{
    ai_feed as feeds, chain, data_commitment as streams, security_pool as pools,
};
use inference::ModelRef;
use security_pool::state::{quorum, Committee};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::mem::offset_of;
use std::sync::PoisonError;

/// Rounds this far back are still built when a worker comes late.
pub const LOOKBACK: u64 = 3;
/// Members' signatures that one transaction carries.
const SIGNATURES_PER_TRANSACTION: usize = 8;

/// This operator's commitment of one number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Commitment {
    /// Its number in the stream.
    pub sequence: u64,
    /// Root over the batch leaves.
    pub root: Hash,
    /// Hashes of the batch leaves, in order.
    pub batches: Vec<Hash>,
    /// SHA-256 of the payload.
    pub payload_hash: Hash,
    /// Its length.
    pub payload_len: u64,
    /// When the program took it (unix seconds); `None` until it has landed.
    pub posted_at: Option<i64>,
    /// The last transaction sent for it.
    pub signature: Option<String>,
}

impl Commitment {
    /// Its leaf in the stream's MMR, once it has landed.
    pub fn leaf(&self) -> Option<CommitmentLeaf> {
        Some(CommitmentLeaf {
            sequence: self.sequence,
            posted_at: self.posted_at?,
            root: self.root,
            batches: u32::try_from(self.batches.len()).ok()?,
            payload_hash: self.payload_hash,
            payload_len: self.payload_len,
        })
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Decided on, with its commitment.
    Built,
    /// Its attestation is on the chain.
    Submitted,
    /// It has passed what its feed requires.
    Attested,
    /// Its round is final, or was passed over.
    Finalized,
}

/// One feed's round, of this operator's stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The feed's id.
    pub feed: Hash,
    /// The round.
    pub round: u64,
    /// The commitment that holds the batch.
    pub sequence: u64,
    /// The batch's number in it.
    pub batch_index: u32,
    /// The batch.
    pub batch: BatchLeaf,
    /// The model's outputs.
    pub outputs: [u8; WINDOWS],
    /// How far it is.
    pub stage: Stage,
}

impl Job {
    /// The address of its attestation.
    pub fn attestation(&self, operator: &Operator) -> Pubkey {
        feeds::attestation(
            &feeds::feed(&self.feed),
            &operator.stream,
            self.round,
            self.sequence,
            self.batch_index,
        )
    }
}

/// Does what can be done now for every round of every feed of the network.
///
/// # Errors
/// The chain's and the database's. What one job meets does not stop the others: it becomes an [`Event::Failed`].
pub fn step(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    let mut events = Vec::new();
    events.extend(land_commitment(operator)?);
    if events.is_empty() {
        events.extend(build(operator, now)?);
        events.extend(land_commitment(operator)?);
    }
    for mut job in operator.store.jobs::<Job>()? {
        while job.stage != Stage::Finalized {
            let before = job.stage;
            match advance(operator, &mut job, now) {
                Ok(event) => events.extend(event),
                Err(error) => {
                    events.push(Event::Failed {
                        what: "round".to_owned(),
                        detail: error.to_string(),
                    });
                    break;
                }
            }
            if job.stage == before {
                break;
            }
            operator.store.put_job(&job.feed, job.round, &job)?;
        }
    }
    release_bonds(operator, now)?;
    Ok(events)
}

/// The stream's MMR, from this operator's landed commitments.
fn mmr(commitments: &[Commitment]) -> Result<MmrBuilder, WorkerError> {
    let mut mmr = MmrBuilder::new();
    for leaf in commitments.iter().filter_map(Commitment::leaf) {
        mmr.append(leaf.hash())?;
    }
    Ok(mmr)
}

/// Decides on the next commitment: the batches of every feed's ended rounds for which there are readings and no job yet. What
/// stops one feed does not stop the others.
fn build(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    let mut events = Vec::new();
    if now < operator.network()?.genesis {
        return Ok(events);
    }
    let chain = operator.chain.as_ref();
    let feeds: Vec<(Pubkey, Feed)> =
        chain::read_all_of(chain, offset_of!(Feed, network), &operator.network)?;
    let mut batches: Vec<(Batch, Computed)> = Vec::new();
    for (_, feed) in &feeds {
        if !operator.serves(feed)? || !prove::can_serve(operator, feed)? {
            continue;
        }
        let current = u64::try_from(now.div_euclid(feed.round_length)).unwrap_or(0);
        let first = (feed.last_round + 1).max(current.saturating_sub(LOOKBACK));
        for round in first..current {
            // What one payload does not take comes in the next.
            if batches.len() == MAX_BATCHES {
                break;
            }
            if operator.store.job::<Job>(&feed.id, round)?.is_some() {
                continue;
            }
            match build_batches(operator, feed, round) {
                Ok(batch) => batches.extend(batch),
                Err(error) => events.push(Event::Failed {
                    what: format!("round {round} of feed {}", hex::encode(feed.id)),
                    detail: error.to_string(),
                }),
            }
        }
    }
    if batches.is_empty() {
        return Ok(events);
    }
    let _deciding = operator
        .deciding
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let commitments: Vec<Commitment> = operator.store.commitments()?;
    let sequence = commitments.len() as u64;
    let (batches, computed): (Vec<Batch>, Vec<Computed>) = batches.into_iter().unzip();
    let jobs = batches
        .iter()
        .zip(&computed)
        .enumerate()
        .map(|(index, (batch, computed))| {
            let job = Job {
                feed: batch.feed,
                round: batch.round,
                sequence,
                batch_index: index as u32,
                batch: computed.leaf,
                outputs: computed.outputs,
                stage: Stage::Built,
            };
            (batch.feed, batch.round, job)
        })
        .collect::<Vec<_>>();
    let leaves: Vec<Hash> = computed
        .iter()
        .map(|computed| computed.leaf.hash())
        .collect();
    let payload = Payload::Readings {
        network: operator.network_id,
        stream: operator.stream.to_bytes(),
        batches,
    }
    .encode()?;
    let record = Commitment {
        sequence,
        root: Tree::of_batches(&leaves)?.root(),
        batches: leaves,
        payload_hash: payload::hash(&payload),
        payload_len: payload.len() as u64,
        posted_at: None,
        signature: None,
    };
    operator
        .store
        .decide_commitment(sequence, &record, &payload, &jobs)?;
    Ok(events)
}

fn build_batches(
    operator: &Operator,
    feed: &Feed,
    round: u64,
) -> Result<Option<(Batch, Computed)>, WorkerError> {
    let end = i64::try_from(round + 1)
        .unwrap_or(i64::MAX)
        .saturating_mul(feed.round_length);
    let span = (i64::from(feed.max_gap) * 16).saturating_add(feed.round_length);
    let mut windows = BTreeMap::new();
    for device in operator.registry.all() {
        // A window is made of these or of none, however many more the device has sent.
        let readings = operator.store.readings(
            &device.leaf.device,
            (end - span).saturating_mul(1_000),
            end.saturating_mul(1_000) - 1,
            READINGS_PER_WINDOW,
        )?;
        if let Some(mut window) = window::window_of(&device, &readings, feed, round) {
            for session in window.sessions() {
                let id = &device.leaf.device;
                let grant = operator.store.grant(id, device.leaf.nonce, session)?;
                window.grants.extend(grant);
            }
            windows.insert((device.tree_index, device.index), window);
        }
    }
    if windows.is_empty() {
        return Ok(None);
    }
    let bytes = prove::model_bytes(operator, feed)?.ok_or(window::BatchError::Model)?;
    let model = ModelRef::parse(&bytes).map_err(|_| window::BatchError::Model)?;
    // One device that measures too little would keep all others from being heard.
    windows.retain(|_, window| window.values(model.header()).is_some());
    if windows.is_empty() {
        return Ok(None);
    }
    let batch = Batch {
        feed: feed.id,
        model: feed.model,
        round,
        // One batch a round; a feed with more devices than fit takes those that registered first.
        windows: windows.into_values().take(WINDOWS).collect(),
    };
    let computed = window::compute(&batch, &model)?;
    Ok(Some((batch, computed)))
}

/// Sees the decided commitment on the chain, if there is one that has not landed.
fn land_commitment(operator: &Operator) -> Result<Option<Event>, WorkerError> {
    let commitments: Vec<Commitment> = operator.store.commitments()?;
    let Some(mut pending) = commitments
        .into_iter()
        .find(|record| record.posted_at.is_none())
    else {
        return Ok(None);
    };
    let sequence = pending.sequence;
    let stream: Stream = chain::read(operator.chain.as_ref(), &operator.stream)?;
    if stream.count < sequence {
        return Err(WorkerError::State(
            "the stream has fewer commitments than this database",
        ));
    }
    let mut event = None;
    if stream.count == sequence {
        let instruction = streams::commit_root(
            &operator.signer_key(),
            &operator.network,
            &operator.pool,
            CommitRootArgs {
                sequence,
                root: pending.root,
                batches: pending.batches.len() as u32,
                payload_hash: pending.payload_hash,
                payload_len: pending.payload_len,
            },
        );
        let execution = operator.land(&[instruction], |signature| {
            pending.signature = Some(signature.to_string());
            operator.store.put_commitment(sequence, &pending)
        })?;
        event = Some((execution.signature, execution.compute_units));
    }
    let stream: Stream = chain::read(operator.chain.as_ref(), &operator.stream)?;
    if stream.count != sequence + 1 {
        return Err(WorkerError::State(
            "the stream has commitments that this database lacks",
        ));
    }
    pending.posted_at = Some(stream.last_posted_at);
    let mut landed: Vec<Commitment> = operator.store.commitments()?;
    landed.truncate(usize::try_from(sequence).unwrap_or(usize::MAX));
    landed.push(pending.clone());
    if mmr(&landed)?.peaks() != stream.peaks {
        return Err(WorkerError::State(
            "the stream's newest commitment is not the one that this database decided on",
        ));
    }
    operator.store.put_commitment(sequence, &pending)?;
    Ok(Some(Event::Committed {
        sequence,
        root: pending.root,
        signature: event.map(|(signature, _)| signature),
        compute_units: event.map(|(_, compute_units)| compute_units),
    }))
}

/// Takes a job one stage further, if it can.
fn advance(operator: &Operator, job: &mut Job, now: i64) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let feed_key = feeds::feed(&job.feed);
    let feed: Feed = chain::read(chain, &feed_key)?;
    let attestation_key = job.attestation(operator);
    let attestation: Option<Attestation> = chain::find(chain, &attestation_key)?;
    let given_up = job
        .round
        .checked_add(LOOKBACK)
        .and_then(|round| i64::try_from(round).ok()?.checked_mul(feed.round_length))
        .is_none_or(|time| now > time.saturating_add(feed.grace));
    let required = feed.required_mask;
    let passed = attestation.is_some_and(|known| known.mask & required == required);
    let unverified = attestation.is_none_or(|known| known.mask == 0);
    // What is to pass by time takes as long as its clock.
    let waits = attestation.is_some_and(|known| {
        known.bond > 0 && known.is_open(now.saturating_sub(known.challenge_window))
    });
    let refuted = attestation.is_some_and(|known| known.is_false());
    // The feed has moved on without it: what is not verified by now counts for nothing any more.
    let late = !passed && (feed.is_over(job.round) || (unverified && given_up && !waits));
    if !operator.serves(&feed)? || refuted || late {
        job.stage = Stage::Finalized;
        return Ok(Vec::new());
    }
    match job.stage {
        Stage::Built => {
            if attestation.is_none() {
                return submit(operator, job, &feed_key, &feed);
            }
            job.stage = Stage::Submitted;
            Ok(Vec::new())
        }
        Stage::Submitted => {
            let Some(attestation) = attestation else {
                return Err(WorkerError::State(
                    "a submitted attestation is not on the chain",
                ));
            };
            if passed {
                job.stage = Stage::Attested;
                return Ok(Vec::new());
            }
            let by_time = required & Mask::OPTIMISTIC != 0;
            let by_committee =
                required & Mask::COMMITTEE != 0 || (required & Mask::SOURCED != 0 && !by_time);
            let mut events = Vec::new();
            // Of a private model's outputs a committee knows nothing: it vouches for their sources alone.
            let signed = match feed.private_model {
                0 => Mask::COMMITTEE,
                _ => Mask::SOURCED,
            };
            if by_committee && attestation.mask & signed == 0 {
                events.extend(attest(
                    operator,
                    job,
                    &feed,
                    &attestation_key,
                    &attestation,
                )?);
            }
            if by_time {
                events.extend(wait_out(
                    operator,
                    job,
                    &feed,
                    &attestation_key,
                    &attestation,
                    now,
                )?);
            }
            let after: Attestation = chain::read(chain, &attestation_key)?;
            if after.mask & required == required {
                job.stage = Stage::Attested;
            }
            Ok(events)
        }
        Stage::Attested => finalize(operator, job, &feed_key, &feed, now),
        Stage::Finalized => Ok(Vec::new()),
    }
}

fn submit(
    operator: &Operator,
    job: &mut Job,
    feed_key: &Pubkey,
    feed: &Feed,
) -> Result<Vec<Event>, WorkerError> {
    let commitments: Vec<Commitment> = operator.store.commitments()?;
    let record = commitments
        .iter()
        .find(|record| record.sequence == job.sequence)
        .ok_or(WorkerError::State("a job's commitment is missing"))?;
    let Some(leaf) = record.leaf() else {
        return Ok(Vec::new());
    };
    let epoch = operator.epoch()?;
    operator.snapshot(epoch)?;
    let args = ai_feed::SubmitAttestationArgs {
        round: job.round,
        outputs: job.outputs,
        commitment: leaf.into(),
        mmr_path: mmr(&commitments)?.path(job.sequence)?,
        batch_index: job.batch_index,
        batch: job.batch.into(),
        batch_path: batch_path(&record.batches, job.batch_index)?,
    };
    let bonds = feeds::bonds(&operator.network, &operator.pool);
    let bonds_open = chain::find::<AttesterBonds>(operator.chain.as_ref(), &bonds)?.is_some();
    let instruction = feeds::submit_attestation(
        &feeds::Attesting {
            payer: operator.signer_key(),
            attester: operator.signer_key(),
            network: operator.network,
            feed: *feed_key,
            model: feeds::model(&feed.model),
            stream: operator.stream,
            pool: operator.pool,
            committee: pools::committee(&operator.network, epoch),
            bonds: (bonds_open || feed.bond > 0).then_some(bonds),
        },
        args,
    );
    let mut instructions = vec![instruction];
    if feed.bond > 0 && !bonds_open {
        let open = feeds::open_bonds(&operator.signer_key(), &operator.network, &operator.pool);
        instructions.insert(0, open);
    }
    let execution = operator.land(&instructions, |_| Ok(()))?;
    job.stage = Stage::Submitted;
    Ok(vec![Event::Submitted {
        feed: job.feed,
        round: job.round,
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

fn attest(
    operator: &Operator,
    job: &Job,
    feed: &Feed,
    attestation_key: &Pubkey,
    attestation: &Attestation,
) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let private = feed.private_model != 0;
    let committee: Committee = chain::read(chain, &attestation.committee)?;
    let (message, signers, signed) = if private {
        let message = attestation.sources_message(&operator.network_id, &feed.id);
        (
            message,
            attestation.source_signers,
            attestation.source_signed,
        )
    } else {
        (attestation.message, attestation.signers, attestation.signed)
    };
    let (mut signatures, refusals) =
        committee::collect(operator, attestation_key, &committee, &message);
    let mut events: Vec<Event> = refusals
        .into_iter()
        .map(|(pool, reason)| Event::Refused {
            feed: job.feed,
            round: job.round,
            pool,
            reason,
        })
        .collect();
    signatures.retain(|signature| signers >> signature.member & 1 == 0);
    signatures.sort_by_key(|signature| signature.member);
    signatures.dedup_by_key(|signature| signature.member);
    // Signatures are only worth sending once they pass: until then the same ones are asked for again.
    let signed: u64 = signed
        + signatures
            .iter()
            .filter_map(|signature| committee.entries.get(usize::from(signature.member)))
            .map(|entry| entry.allocation)
            .sum::<u64>();
    if !quorum(signed, committee.total) {
        return Ok(events);
    }
    for chunk in signatures.chunks(SIGNATURES_PER_TRANSACTION) {
        let entries: Vec<Entry> = chunk
            .iter()
            .filter_map(|signature| {
                let member = committee.entries.get(usize::from(signature.member))?;
                Some(Entry {
                    public_key: member.signer.as_ref(),
                    message: &message,
                    signature: signature.signature.as_array(),
                })
            })
            .collect();
        let members: Vec<u8> = chunk.iter().map(|signature| signature.member).collect();
        let precompile = precompile::ed25519(&entries)?;
        let attested = feeds::Attested {
            network: operator.network,
            feed: attestation.feed,
            committee: attestation.committee,
            round: feeds::round(&attestation.feed, job.round),
            attestation: *attestation_key,
        };
        let instruction = if private {
            feeds::attest_sources(&attested, 0, members)
        } else {
            feeds::attest_committee(&attested, 0, members)
        };
        let execution = operator.land(&[precompile, instruction], |_| Ok(()))?;
        let now: Attestation = chain::read(chain, attestation_key)?;
        events.push(Event::Attested {
            feed: job.feed,
            round: job.round,
            value: now.value,
            mask: now.mask,
            signers: (now.signers | now.source_signers).count_ones(),
            signature: execution.signature,
            compute_units: execution.compute_units,
        });
    }
    Ok(events)
}

/// Shows the windows of an attestation that is to pass by time, and lets it pass when its challenge window is over.
fn wait_out(
    operator: &Operator,
    job: &Job,
    feed: &Feed,
    attestation_key: &Pubkey,
    attestation: &Attestation,
    now: i64,
) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let feed_key = feeds::feed(&job.feed);
    let round = feeds::round(&feed_key, job.round);
    if attestation.flags & WINDOWS_SHOWN == 0 {
        if attestation.is_open(now) {
            let windows = windows(operator, job, feed)?;
            let show = feeds::show_windows(&round, attestation_key, windows);
            operator.land(&[show], |_| Ok(()))?;
        }
        return Ok(Vec::new());
    }
    let stream: Stream = chain::read(chain, &operator.stream)?;
    if attestation.is_open(now)
        || attestation.mask & BY_TIME == BY_TIME
        || stream.withheld_at >= attestation.committed_at
    {
        return Ok(Vec::new());
    }
    let pass = feeds::pass_attestation(
        &operator.network,
        &feed_key,
        &operator.stream,
        &round,
        attestation_key,
    );
    let execution = operator.land(&[pass], |_| Ok(()))?;
    let after: Attestation = chain::read(chain, attestation_key)?;
    Ok(vec![Event::Attested {
        feed: job.feed,
        round: job.round,
        value: after.value,
        mask: after.mask,
        signers: after.signers.count_ones(),
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

/// What the windows of a job's batch are made of, from the payload that archives it.
///
/// # Errors
/// The chain's and the database's; a payload or a private model that is not here.
pub fn windows(
    operator: &Operator,
    job: &Job,
    feed: &Feed,
) -> Result<Vec<WindowArgs>, WorkerError> {
    let missing = || WorkerError::State("a job's payload is missing");
    let commitments: Vec<Commitment> = operator.store.commitments()?;
    let record = commitments
        .iter()
        .find(|record| record.sequence == job.sequence)
        .ok_or_else(missing)?;
    let bytes = operator
        .store
        .payload(&record.payload_hash)?
        .ok_or_else(missing)?;
    let Payload::Readings { batches, .. } = Payload::decode(&bytes)? else {
        return Err(missing());
    };
    let batch = batches.get(job.batch_index as usize).ok_or_else(missing)?;
    let bytes = prove::model_bytes(operator, feed)?.ok_or(window::BatchError::Model)?;
    let model = ModelRef::parse(&bytes).map_err(|_| window::BatchError::Model)?;
    Ok(window::compute(batch, &model)?.windows)
}

/// Lets the clocks of this operator's attestations that stand on a bond go on, and closes those that are over: others need
/// the bond to stand on. The round may be over long before, with the values of other streams.
fn release_bonds(operator: &Operator, now: i64) -> Result<(), WorkerError> {
    let chain = operator.chain.as_ref();
    let bonds = feeds::bonds(&operator.network, &operator.pool);
    if chain::find::<AttesterBonds>(chain, &bonds)?.is_none_or(|bonds| bonds.open == 0) {
        return Ok(());
    }
    let attestations: Vec<(Pubkey, Attestation)> =
        chain::read_all_of(chain, offset_of!(Attestation, pool), &operator.pool)?;
    let bonded = attestations
        .iter()
        .filter(|(_, attestation)| attestation.bond > 0);
    for (key, attestation) in bonded {
        let feed: Feed = chain::read(chain, &attestation.feed)?;
        if feed.network != operator.network {
            continue;
        }
        if attestation.stopped_at != 0 {
            resume_clock(operator, key, attestation)?;
        } else if !attestation.is_open(now) && feed.is_over(attestation.round) {
            let close =
                feeds::close_attestation(&attestation.feed, key, &attestation.payer, Some(bonds));
            operator.land(&[close], |_| Ok(()))?;
        }
    }
    Ok(())
}

/// Ends the stops of an attestation's clock for challenges of availability that were answered or settled.
fn resume_clock(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
) -> Result<(), WorkerError> {
    for reading in feeds::stops(attestation) {
        let place = ReadingPlace {
            stream: attestation.stream,
            sequence: attestation.sequence,
            batch: attestation.batch_index,
            reading,
        };
        if chain::find::<Challenge>(operator.chain.as_ref(), &place.challenge())?.is_none() {
            let resume = feeds::resume_clock(key, &place);
            operator.land(&[resume], |_| Ok(()))?;
        }
    }
    Ok(())
}

fn finalize(
    operator: &Operator,
    job: &mut Job,
    feed_key: &Pubkey,
    feed: &Feed,
    now: i64,
) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    if feed.last_round >= job.round {
        job.stage = Stage::Finalized;
        return Ok(Vec::new());
    }
    let round_key = feeds::round(feed_key, job.round);
    let round: ai_feed::state::Round = chain::read(chain, &round_key)?;
    // The program's own rules: what it would refuse is not sent.
    let policy = round.policy;
    let Ok(grace_over) = feed.finalizable(job.round, policy.grace, now) else {
        return Ok(Vec::new());
    };
    let streams = round.streams();
    let passed: Vec<_> = streams
        .iter()
        .filter(|slot| slot.has_passed(policy.required_mask))
        .collect();
    let ready = if policy.min_streams < 2 {
        passed.len() == streams.len()
    } else {
        let allocation: u128 = passed.iter().map(|slot| u128::from(slot.allocation)).sum();
        quorum(u64::try_from(allocation).unwrap_or(u64::MAX), round.total)
    };
    if passed.len() < usize::from(policy.min_streams.max(1)) || !(ready || grace_over) {
        return Ok(Vec::new());
    }
    let instruction = feeds::finalize_round(&operator.network, feed_key, job.round, &round.payer);
    let execution = operator.land(&[instruction], |_| Ok(()))?;
    let after: Feed = chain::read(chain, feed_key)?;
    job.stage = Stage::Finalized;
    let entry = after
        .ring
        .get(after.head as usize)
        .filter(|entry| entry.round == job.round);
    Ok(entry
        .map(|entry| Event::Finalized {
            feed: job.feed,
            round: job.round,
            value: entry.value,
            mask: entry.mask,
            signature: execution.signature,
            compute_units: execution.compute_units,
        })
        .into_iter()
        .collect())
}
