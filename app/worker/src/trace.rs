//! Tracing a feed's value back to the devices that signed the readings behind it: everything is recomputed, and the chain
//! is only believed for what its programs have decided.
//!
//! It needs a chain with its history, and the archived payloads; no operator, database or key.

mod epoch;

use crate::committee::{self, Refusal};
use crate::payload::{self, Payload};
use crate::registry::Registry;
use crate::window::{self, Batch, Computed};
use ai_feed::events::AttestationPassed;
use ai_feed::instructions::SubmitAttestationArgs;
use ai_feed::state::{Attestation, BatchRecord, Entry, Feed, Model, Round, Submission};
use anchor_lang::prelude::Pubkey;
use bytemuck::Zeroable;
use commitment::{BatchLeaf, CommitmentLeaf, MmrBuilder, Tree as BatchTree};
use data_commitment::events::RootCommitted;
use data_commitment::state::Stream;
use device_protocol::{feed_id, Hash, InputSpec};
use device_registry::state::{tree, Network, Tree};
use feed_reader::Mask;
use fieldproof_client::ai_feed::{self as feeds, Submitted};
use fieldproof_client::chain::{self, Chain, Cursor, Execution};
use fieldproof_client::device_registry::{self as networks, registry_events};
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::registry_tree::RegistryTree;
use fieldproof_client::{data_commitment as streams, event, security_pool as pools};
use inference::ModelRef;
use security_pool::state::{quorum, Committee};
use serde::Serialize;
use std::collections::{btree_map, BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::mem::offset_of;

pub use epoch::epoch;

/// What is checked, of a value in this order up to [`Stage::Value`], from [`Stage::Payload`] to [`Stage::Committee`] for
/// each attestation; of an epoch [`Stage::History`], then from [`Stage::Final`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The feed's account, and its id of network, creator, model and input.
    Feed,
    /// The entry asked for.
    Entry,
    /// The model's bytes.
    Model,
    /// Devices and commitments as the chain's events tell, against the trees and streams on the chain.
    History,
    /// The attestations behind the entry.
    Attestations,
    /// The payload's bytes.
    Payload,
    /// The commitment's root over all of the payload's batches.
    Commitment,
    /// Devices, windows, and every signature.
    Readings,
    /// The batch leaf: roots of the readings and of the windows, counts and times.
    Leaf,
    /// What the model makes of the windows.
    Outputs,
    /// What the committee signed, and who.
    Committee,
    /// The entry, of all attestations.
    Value,
    /// The epoch's final roots, as the chain's history tells, against those on the chain.
    Final,
    /// The archived leaves, which make these roots; and those of the final epoch before, which the epoch's amounts add to.
    Archive,
    /// What is only known as it is now, and was the same then.
    Present,
    /// Each payee's score, recomputed from all readings.
    Scores,
    /// Each payee's amount, recomputed from scores, the epoch's budget and the amounts before.
    Rewards,
    /// Both roots, of what was recomputed: hashes, sums and depth, bit for bit.
    Roots,
}

impl Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Feed => "feed",
            Self::Entry => "entry",
            Self::Model => "model",
            Self::History => "history",
            Self::Attestations => "attestations",
            Self::Committee => "committee",
            Self::Payload => "payload",
            Self::Commitment => "commitment",
            Self::Readings => "readings",
            Self::Leaf => "leaf",
            Self::Outputs => "outputs",
            Self::Value => "value",
            Self::Final => "final",
            Self::Archive => "archive",
            Self::Present => "present",
            Self::Scores => "scores",
            Self::Rewards => "rewards",
            Self::Roots => "roots",
        })
    }
}

/// A check that passed.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What was checked.
    pub stage: Stage,
    /// What it found.
    pub found: String,
}

/// The check that did not pass.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{stage}: {reason}")]
pub struct Failure {
    /// What was checked.
    pub stage: Stage,
    /// What is wrong.
    pub reason: String,
}

/// Where payloads come from.
pub type Archive<'a> = &'a dyn Fn(&CommitmentLeaf) -> Result<Vec<u8>, Refusal>;

/// Traces the entry of `round`, or else the newest one, of the feed at `key`. Tells `say` of every check that passed,
/// and returns the entry.
///
/// # Errors
/// The first check that did not pass.
pub fn trace(
    chain: &dyn Chain,
    key: &Pubkey,
    round: Option<u64>,
    archive: Archive<'_>,
    say: &mut dyn FnMut(Step),
) -> Result<Entry, Failure> {
    let (feed, network) = feed(chain, key)?;
    say(Stage::Feed.found(format!("{key} is the feed {}", hex::encode(feed.id))));
    let (entry, before) = entry(&feed, round)?;
    say(Stage::Entry.found(format!(
        "round {}, {} in units of 10^{}, of {} streams",
        entry.round, entry.value, feed.exponent, entry.streams
    )));
    let models = Models { chain };
    let model = models.of(&feed.model).map_err(at(Stage::Model))?;
    let model = model.parse().map_err(at(Stage::Model))?;
    say(Stage::Model.found(hex::encode(feed.model)));
    let history = History::read(chain, &feed.network, entry.round, &mut |_| ())?;
    say(Stage::History.found(history.to_string()));
    let attestations = attestations(chain, key, &entry, &feed, &history)?;
    let closed = attestations.iter().filter(|found| found.is_closed).count();
    say(Stage::Attestations.found(format!(
        "{} of the round, {closed} of them closed by now and known by what they submitted and passed",
        attestations.len()
    )));

    let mut opened = BTreeMap::new();
    let mut sums = Round::zeroed();
    for found in &attestations {
        let attestation = &found.attestation;
        let place = (attestation.stream, attestation.sequence);
        let commitment = history.commitment(&place)?;
        if let std::collections::btree_map::Entry::Vacant(vacant) = opened.entry(place) {
            let batches = open(&commitment, &place.0, &network.id, archive, &models, say)?;
            vacant.insert(batches);
        }
        let batches = opened.get(&place).map(Vec::as_slice).unwrap_or_default();
        let computed = recompute(found, &feed, &network.id, &history, batches, &model)?;
        say_of(attestation, batches, &computed, say);
        let committee = committee(chain, &feed, &network, found, &computed, &entry)?;
        say(Stage::Committee.found(format!(
            "{} operators of {} signed {}",
            attestation.signers.count_ones(),
            committee.count,
            found.address
        )));
        count(&mut sums, attestation, &committee, &commitment, &computed)
            .map_err(at(Stage::Value))?;
    }
    value(&sums, &feed, &entry, before.as_ref())?;
    say(Stage::Value.found(format!(
        "the weighted median of the streams is {}, their spread {}",
        entry.value, entry.confidence
    )));
    Ok(entry)
}

impl Stage {
    fn found(self, found: impl Into<String>) -> Step {
        Step {
            stage: self,
            found: found.into(),
        }
    }

    fn fails<T>(self, reason: impl Into<String>) -> Result<T, Failure> {
        Err(Failure {
            stage: self,
            reason: reason.into(),
        })
    }

    fn require(self, holds: bool, reason: &str) -> Result<(), Failure> {
        match holds {
            true => Ok(()),
            false => self.fails(reason),
        }
    }
}

fn at<E: Display>(stage: Stage) -> impl Fn(E) -> Failure {
    move |error| Failure {
        stage,
        reason: error.to_string(),
    }
}

/// The feed, and its network.
fn feed(chain: &dyn Chain, key: &Pubkey) -> Result<(Feed, Network), Failure> {
    let stage = Stage::Feed;
    let feed: Feed = chain::read(chain, key).map_err(at(stage))?;
    let network = networks::read_network(chain, &feed.network).map_err(at(stage))?;
    stage.require(
        networks::network(&network.id) == feed.network,
        "the network's account is not at its id's address",
    )?;
    let cells = feed.cells.get(..usize::from(feed.cell_count));
    let input = InputSpec {
        schema: feed.schema,
        max_gap_s: feed.max_gap,
        cells: cells.unwrap_or_default(),
    };
    let id = feed_id(
        &network.id,
        &feed.creator.to_bytes(),
        &feed.model,
        &input,
        feed.aggregation,
        feed.round_length,
    );
    stage.require(
        id == Ok(feed.id),
        "its id is not that of its network, creator, model, input, aggregation and round length",
    )?;
    stage.require(
        feeds::feed(&feed.id) == *key,
        "the account is not at its id's address",
    )?;
    Ok((feed, network))
}

/// The entry of a round, or the newest, and the one before it where the ring still has it.
fn entry(feed: &Feed, round: Option<u64>) -> Result<(Entry, Option<Entry>), Failure> {
    let stage = Stage::Entry;
    let (places, entries) = (feed.ring.len(), feed.entries as usize);
    let ring = (0..entries).map(|age| (feed.head as usize + places - age) % places);
    let mut ring = ring.filter_map(|place| feed.ring.get(place));
    let found = match round {
        None => ring.next(),
        Some(round) => ring.find(|entry| entry.round == round),
    };
    let Some(entry) = found else {
        return stage.fails("the feed does not remember a value of this round");
    };
    stage.require(
        entry.flags == 0,
        "a dispute against it succeeded, or is open",
    )?;
    stage.require(
        entry.mask & feed.required_mask == feed.required_mask,
        "it has not passed what the feed requires",
    )?;
    Ok((*entry, ring.next().copied()))
}

/// Models on the chain.
struct Models<'a> {
    chain: &'a dyn Chain,
}

impl Models<'_> {
    /// The model of this hash.
    fn read(&self, hash: &Hash) -> Result<Model, String> {
        chain::read(self.chain, &feeds::model(hash))
            .map_err(|error| format!("the model {}: {error}", hex::encode(hash)))
    }

    /// The model of this hash, recomputed from its bytes.
    fn of(&self, hash: &Hash) -> Result<Model, String> {
        let model = self.read(hash)?;
        if model.is_private() {
            return Err(
                "it is private: nobody but its publisher can recompute what it says".into(),
            );
        }
        let parsed = ModelRef::parse(&model.bytes).map_err(|_| "its bytes are no model")?;
        match inference::model_hash(&parsed, poseidon) {
            Ok(computed) if computed == *hash => Ok(model),
            _ => Err("its bytes do not give its hash".to_owned()),
        }
    }
}

/// What the chain's events tell of a network.
struct History {
    registry: Registry,
    trees: usize,
    commitments: BTreeMap<Pubkey, Vec<CommitmentLeaf>>,
    /// What was submitted to the round, of all feeds, from old to new.
    submitted: Vec<Submitted>,
    /// What attestations of the round have passed, from old to new.
    passed: Vec<AttestationPassed>,
}

impl History {
    /// Reads all of it, and holds the result against the accounts. Shows `each` every transaction, from old to new.
    fn read(
        chain: &dyn Chain,
        network: &Pubkey,
        round: u64,
        each: &mut dyn FnMut(&Execution),
    ) -> Result<Self, Failure> {
        let stage = Stage::History;
        let mut events = Vec::new();
        let mut commitments: BTreeMap<Pubkey, Vec<CommitmentLeaf>> = BTreeMap::new();
        let mut submitted = Vec::new();
        let mut passed: Vec<AttestationPassed> = Vec::new();
        let told = chain.history(network, &Cursor::START).map_err(at(stage))?;
        for (signature, execution) in told.iter().zip(chain::executions(chain, &told)) {
            let Some(execution) = execution.map_err(at(stage))? else {
                return stage.fails(format!("the chain has no {signature} any more"));
            };
            each(&execution);
            events.extend(registry_events(&execution));
            events.retain(|event| event.network() == *network);
            submitted.extend(feeds::submissions(&execution));
            passed.extend(event::events(&execution, &ai_feed::ID));
            submitted.retain(|submitted: &Submitted| submitted.args.round == round);
            passed.retain(|event| event.round == round);
            for event in event::events::<RootCommitted>(&execution, &data_commitment::ID) {
                if event.network == *network {
                    let stream = commitments.entry(event.stream).or_default();
                    stream.push(streams::leaf_of(&event));
                }
            }
        }
        // A server may tell of one slot's in another order.
        events.sort_by_key(|event| (event.tree_index(), event.sequence()));
        for leaves in commitments.values_mut() {
            leaves.sort_by_key(|leaf| leaf.sequence);
        }
        let registry = Registry::default();
        let mut trees: BTreeMap<Pubkey, RegistryTree> = BTreeMap::new();
        for event in events {
            let records = registry.records(std::slice::from_ref(&event));
            for record in records.map_err(at(stage))? {
                registry.insert(record).map_err(at(stage))?;
            }
            let key = event.tree();
            if let btree_map::Entry::Vacant(vacant) = trees.entry(key) {
                let header: Tree = chain::read(chain, &key).map_err(at(stage))?;
                vacant.insert(RegistryTree::new(header.depth, header.canopy));
            }
            if let Some(tree) = trees.get_mut(&key) {
                tree.apply(event).map_err(at(stage))?;
            }
        }
        for (key, tree) in &mut trees {
            let account = chain.account(key).map_err(at(stage))?.unwrap_or_default();
            let standing = tree::standing(&account.data).map_err(at(stage))?;
            // What changed meanwhile is no contradiction: it was not there at any time that counts here.
            let is_it = standing.sequence != tree.sequence()
                || tree.root().map_err(at(stage))? == standing.root;
            stage.require(
                is_it && standing.sequence >= tree.sequence() && !tree.has_gap(),
                &format!("the devices told of are not those of the registry tree {key}"),
            )?;
        }
        for (key, leaves) in &commitments {
            let stream: Stream = chain::read(chain, key).map_err(at(stage))?;
            let told = usize::try_from(stream.count).ok();
            let mut mmr = MmrBuilder::new();
            for leaf in leaves {
                mmr.append(leaf.hash()).map_err(at(stage))?;
            }
            let is_it = match told {
                Some(count) if count == leaves.len() => mmr.peaks() == stream.peaks,
                count => count > Some(leaves.len()),
            };
            stage.require(
                is_it,
                &format!("the commitments told of are not those of the stream {key}"),
            )?;
        }
        Ok(Self {
            registry,
            trees: trees.len(),
            commitments,
            submitted,
            passed,
        })
    }

    fn commitment(&self, (stream, sequence): &(Pubkey, u64)) -> Result<CommitmentLeaf, Failure> {
        let leaves = self.commitments.get(stream);
        leaves
            .and_then(|leaves| leaves.get(usize::try_from(*sequence).ok()?))
            .filter(|leaf| leaf.sequence == *sequence)
            .copied()
            .ok_or(Failure {
                stage: Stage::Commitment,
                reason: format!("the chain tells of no commitment {sequence} in {stream}"),
            })
    }
}

impl Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commitments: usize = self.commitments.values().map(Vec::len).sum();
        write!(
            f,
            "{} devices in {} registry trees, {commitments} commitments in {} streams",
            self.registry.count(),
            self.trees,
            self.commitments.len()
        )
    }
}

/// An attestation behind the entry.
struct Found {
    address: Pubkey,
    /// Of a closed one, what its submission and its last event tell.
    attestation: Attestation,
    is_closed: bool,
}

/// The round's attestations of streams that passed what the feed requires, in the order in which they were submitted.
fn attestations(
    chain: &dyn Chain,
    feed_key: &Pubkey,
    entry: &Entry,
    feed: &Feed,
    history: &History,
) -> Result<Vec<Found>, Failure> {
    let stage = Stage::Attestations;
    let open: Vec<(Pubkey, Attestation)> =
        chain::read_all_of(chain, offset_of!(Attestation, feed), feed_key).map_err(at(stage))?;
    let mut open: BTreeMap<Pubkey, Attestation> = open
        .into_iter()
        .filter(|(_, attestation)| attestation.round == entry.round)
        .collect();
    let mut all = Vec::new();
    let submitted = history.submitted.iter();
    for submitted in submitted.filter(|submitted| submitted.feed == *feed_key) {
        let Submitted {
            stream,
            attestation: address,
            args,
            ..
        } = submitted;
        let leaves = history.commitments.get(stream);
        let leaf = CommitmentLeaf::from(args.commitment);
        if !leaves.is_some_and(|leaves| leaves.contains(&leaf)) {
            continue;
        }
        if let Some(attestation) = open.remove(address) {
            let place = (
                attestation.stream,
                attestation.sequence,
                attestation.batch_index,
            );
            stage.require(
                place == (*stream, args.commitment.sequence, args.batch_index),
                &format!("{address} is not the one that was submitted"),
            )?;
            all.push(Found {
                address: *address,
                attestation,
                is_closed: false,
            });
            continue;
        }
        // The last event tells all that the earlier did.
        let mut passed = history.passed.iter().rev();
        if let Some(event) = passed.find(|event| event.attestation == *address) {
            all.push(Found {
                address: *address,
                attestation: closed(chain, stream, args, event)?,
                is_closed: true,
            });
        }
    }
    if let Some(address) = open.keys().next() {
        return stage.fails(format!("the chain tells of no submission of {address}"));
    }
    let failed: BTreeSet<Pubkey> = all
        .iter()
        .filter(|found| found.attestation.mask & feed.required_mask != feed.required_mask)
        .map(|found| found.attestation.stream)
        .collect();
    all.retain(|found| !failed.contains(&found.attestation.stream));
    let streams: BTreeSet<Pubkey> = all.iter().map(|found| found.attestation.stream).collect();
    stage.require(
        streams.len() == usize::from(entry.streams),
        &format!(
            "the value counts {} streams, and attestations of {} have passed",
            entry.streams,
            streams.len()
        ),
    )?;
    Ok(all)
}

/// What is known of an attestation that was closed: what was submitted, and what it passed.
fn closed(
    chain: &dyn Chain,
    stream: &Pubkey,
    args: &SubmitAttestationArgs,
    event: &AttestationPassed,
) -> Result<Attestation, Failure> {
    let state: Stream = chain::read(chain, stream).map_err(at(Stage::Attestations))?;
    let batch = BatchLeaf::from(args.batch);
    Ok(Attestation {
        windows: u8::try_from(batch.windows).unwrap_or(u8::MAX),
        batch_index: args.batch_index,
        feed: event.feed,
        stream: *stream,
        pool: state.pool,
        round: args.round,
        sequence: args.commitment.sequence,
        batch: BatchRecord {
            readings_root: batch.readings_root,
            windows_root: batch.windows_root,
            readings: batch.readings,
            _pad: 0,
            first_capture: batch.first_capture,
            last_capture: batch.last_capture,
        },
        batch_leaf: batch.hash(),
        outputs: args.outputs,
        mask: event.mask,
        signers: event.signers,
        posted_at: args.commitment.posted_at,
        ..Attestation::zeroed()
    })
}

/// The attestation's committee, whose signatures are what its mask says.
fn committee(
    chain: &dyn Chain,
    feed: &Feed,
    network: &Network,
    found: &Found,
    computed: &Computed,
    entry: &Entry,
) -> Result<Committee, Failure> {
    let stage = Stage::Committee;
    let attestation = &found.attestation;
    let stream: Stream = chain::read(chain, &attestation.stream).map_err(at(stage))?;
    stage.require(
        (stream.network, stream.pool) == (feed.network, attestation.pool),
        "its stream is of another network or operator",
    )?;
    let signed = |committee: &Committee| -> u128 {
        (0..64u32)
            .zip(committee.members())
            .filter(|(member, _)| attestation.signers >> member & 1 == 1)
            .map(|(_, member)| u128::from(member.allocation))
            .sum()
    };
    let has_passed = |committee: &Committee| {
        let signed = u64::try_from(signed(committee)).unwrap_or(u64::MAX);
        attestation.signers.count_ones() >= u32::from(feed.min_signers)
            && quorum(signed, committee.total)
    };
    if found.is_closed {
        // Whose message is gone with it. Of the epoch in which it was submitted: after its commitment, which may be older than
        // the network's genesis, and before the round was over.
        let first = network.epoch(attestation.posted_at).unwrap_or(0);
        let last = network.epoch(entry.posted_at).map_err(at(stage))?;
        for epoch in first..=last {
            let key = pools::committee(&feed.network, epoch);
            let committee: Option<Committee> = chain::find(chain, &key).map_err(at(stage))?;
            let Some(committee) = committee else {
                continue;
            };
            let is_member = committee.member(&attestation.pool).is_some();
            let is_signed = attestation.mask & Mask::COMMITTEE == 0 || has_passed(&committee);
            if is_member && is_signed {
                return Ok(committee);
            }
        }
        return stage.fails("those who signed it are not two thirds of any committee of its time");
    }
    let committee: Committee = chain::read(chain, &attestation.committee).map_err(at(stage))?;
    stage.require(
        committee.network == feed.network && committee.epoch == attestation.committee_epoch,
        "its committee is of another network or epoch",
    )?;
    let message = committee::message(&network.id, feed, attestation, &committee, computed);
    stage.require(
        message == attestation.message,
        "the message that its committee signs is not of what was recomputed",
    )?;
    stage.require(
        attestation.mask & Mask::COMMITTEE == 0
            || has_passed(&committee) && signed(&committee) == u128::from(attestation.signed),
        "those who signed it are not two thirds of its committee, or fewer than the feed's min_signers",
    )?;
    Ok(committee)
}

/// The payload of a commitment, with the hash and length committed to.
fn fetch(commitment: &CommitmentLeaf, archive: Archive<'_>) -> Result<Vec<u8>, Refusal> {
    let bytes = archive(commitment)?;
    let is_it = payload::hash(&bytes) == commitment.payload_hash
        && bytes.len() as u64 == commitment.payload_len;
    is_it.then_some(bytes).ok_or(Refusal::Tampered)
}

/// Every batch of a commitment, from its payload.
fn open(
    commitment: &CommitmentLeaf,
    stream: &Pubkey,
    network: &Hash,
    archive: Archive<'_>,
    models: &Models<'_>,
    say: &mut dyn FnMut(Step),
) -> Result<Vec<Batch>, Failure> {
    let stage = Stage::Payload;
    let bytes = fetch(commitment, archive).map_err(at(stage))?;
    let Payload::Readings {
        network: of,
        stream: author,
        batches,
    } = Payload::decode(&bytes).map_err(at(stage))?
    else {
        return stage.fails("it holds no readings");
    };
    stage.require(
        (of, author) == (*network, stream.to_bytes()),
        "it is of another network or stream",
    )?;
    say(stage.found(format!(
        "{} bytes with hash {}",
        bytes.len(),
        hex::encode(commitment.payload_hash)
    )));

    let stage = Stage::Commitment;
    let mut leaves = Vec::with_capacity(batches.len());
    for batch in &batches {
        // A leaf takes no more of a model than what it says of its features, private or not.
        let model = models.read(&batch.model).map_err(at(stage))?;
        let header = model.header().map_err(at(stage))?;
        let sources = window::sources(batch, &header).map_err(at(stage))?;
        leaves.push(sources.leaf.hash());
    }
    let root = BatchTree::of_batches(&leaves).map_err(at(stage))?.root();
    stage.require(
        root == commitment.root && leaves.len() as u64 == u64::from(commitment.batches),
        "its batches do not give the root committed to",
    )?;
    say(stage.found(format!(
        "{} batches give the root {} of commitment {}",
        leaves.len(),
        hex::encode(root),
        commitment.sequence
    )));
    Ok(batches)
}

/// What follows from the attested batch, after all checks of it.
fn recompute(
    found: &Found,
    feed: &Feed,
    network: &Hash,
    history: &History,
    batches: &[Batch],
    model: &ModelRef<'_>,
) -> Result<Computed, Failure> {
    let attestation = &found.attestation;
    let commitment = history.commitment(&(attestation.stream, attestation.sequence))?;
    let attested = usize::try_from(attestation.batch_index)
        .ok()
        .and_then(|index| batches.get(index));
    let Some(batch) = attested else {
        return Stage::Readings.fails("the payload does not hold the batch that is attested");
    };
    let registry = history.registry.at(commitment.posted_at);
    window::check_batch(batch, feed, attestation.round, network, registry)
        .map_err(at(Stage::Readings))?;
    let computed = window::compute(batch, model).map_err(at(Stage::Leaf))?;
    let leaf = &computed.leaf;
    let record = &attestation.batch;
    Stage::Leaf.require(
        leaf.hash() == attestation.batch_leaf
            && leaf.windows == u32::from(attestation.windows)
            && (leaf.readings_root, leaf.windows_root)
                == (record.readings_root, record.windows_root)
            && (leaf.first_capture, leaf.last_capture)
                == (record.first_capture, record.last_capture),
        "the readings do not give the batch leaf that is attested",
    )?;
    Stage::Outputs.require(
        computed.outputs == attestation.outputs
            && (found.is_closed || computed.value == attestation.value),
        "the model gives other outputs on this batch",
    )?;
    Ok(computed)
}

/// Tells of an attestation that was recomputed.
fn say_of(
    attestation: &Attestation,
    batches: &[Batch],
    computed: &Computed,
    say: &mut dyn FnMut(Step),
) {
    let index = usize::try_from(attestation.batch_index).unwrap_or(usize::MAX);
    let Some(batch) = batches.get(index) else {
        return;
    };
    let grants: usize = batch.windows.iter().map(|window| window.grants.len()).sum();
    say(Stage::Readings.found(format!(
        "{} readings of {} devices and {grants} session grants, each with its device's signature",
        computed.leaf.readings,
        batch.windows.len(),
    )));
    say(Stage::Leaf.found(hex::encode(computed.leaf.hash())));
    say(Stage::Outputs.found(format!(
        "the model's outputs on {} windows come to {}",
        computed.leaf.windows, computed.value
    )));
}

/// Adds an attestation to its round as ai-feed did.
fn count(
    round: &mut Round,
    attestation: &Attestation,
    committee: &Committee,
    commitment: &CommitmentLeaf,
    computed: &Computed,
) -> Result<(), anchor_lang::error::Error> {
    let member = committee.member(&attestation.pool);
    let allocation = member
        .and_then(|member| committee.members().get(member))
        .map_or(0, |member| member.allocation);
    let slot = round.admit(attestation.stream, allocation)?;
    round.submit(
        slot,
        &Submission {
            value: computed.value,
            windows: attestation.windows,
            oldest: computed.leaf.first_capture,
            newest: computed.leaf.last_capture,
            data_root: commitment.root,
            batch_leaf: computed.leaf.hash(),
        },
    )?;
    round.pass(slot, attestation.mask)
}

/// Holds the round's outcome, by ai-feed's own code, against the entry.
fn value(round: &Round, feed: &Feed, entry: &Entry, before: Option<&Entry>) -> Result<(), Failure> {
    let stage = Stage::Value;
    let outcome = round
        .settle(feed.required_mask, feed.min_streams, true)
        .map_err(at(stage))?;
    stage.require(
        (outcome.value, outcome.confidence) == (entry.value, entry.confidence),
        &format!(
            "the attestations give {} with a spread of {}, and the feed says {} and {}",
            outcome.value, outcome.confidence, entry.value, entry.confidence
        ),
    )?;
    stage.require(
        (outcome.mask, outcome.streams, outcome.streams)
            == (entry.mask, entry.streams, entry.attesters),
        "the entry says that it passed something else than its attestations did, or of how many",
    )?;
    stage.require(
        (outcome.oldest, outcome.newest, outcome.data_root)
            == (entry.oldest_capture, entry.newest_capture, entry.data_root),
        "the entry's capture times or data root are not those of its attestations",
    )?;
    let ema = match before {
        // The ring does not remember what the average moved from.
        None if feed.entries as usize == feed.ring.len() => return Ok(()),
        None => entry.value,
        Some(before) => {
            let ema = i128::from(before.ema);
            let step = (i128::from(entry.value) - ema).div_euclid(ai_feed::state::EMA_DIVISOR);
            i64::try_from(ema + step).map_err(at(stage))?
        }
    };
    stage.require(
        ema == entry.ema,
        "the entry's average does not follow from its value and the one before",
    )
}
