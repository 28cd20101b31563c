//! An epoch's rewards: score what was committed, archive the trees, propose their roots, vote, finalise.

use crate::audit;
use crate::committee::{self, Refusal};
use crate::log::Session;
use crate::patience::{lock, Wait, LONGEST_WAIT};
use crate::payload::{self, Payload, Rewards};
use crate::registry::Registry;
use crate::round::{Commitment, LOOKBACK};
use crate::score::{self, Committed, Demand, Granted, Payee, Said, Terms};
use crate::store::{Store, StoreError};
use crate::window::{self, Window};
use crate::worker::{Event, Operator, WorkerError};
use ai_feed::state::{Feed, Model};
use anchor_lang::prelude::Pubkey;
use axum::body::Bytes;
use commitment::{CommitmentLeaf, SumNode, SumTree, Tree};
use device_protocol::{Hash, Offence, SignedReading};
use device_registry::penalty::SLASHER;
use device_registry::state::Network;
use fieldproof_client::chain::Chain;
use fieldproof_client::precompile::{self, Entry as SignatureEntry};
use fieldproof_client::reward_emission::{self as emissions, VoteReference};
use fieldproof_client::{
    ai_feed as feeds, chain, credits, data_commitment as streams, security_pool as pools,
    ClientError,
};
use inference::Header;
use reward_emission::instructions::ProposeRootArgs;
use reward_emission::state::{self, Budget, Emission, Epoch, Proposal, Roots, PASSED};
use security_pool::state::{Bond, Committee, Report};
use serde::{Deserialize, Serialize};
use solana_signer::Signer;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;
use std::sync::{Mutex, PoisonError};

/// What this operator computed for an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: u64,
    /// The ballot for which it was computed: for the next one, should none of this have a majority, it is computed anew.
    #[serde(default)] // records of before there were ballots in them
    pub ballot: u32,
    /// The number of final roots that the amounts add to: once there are more, it is computed anew.
    #[serde(default)] // 0 is right while nothing is final
    pub base: u64,
    /// Whether payloads could not be had, so that it is computed anew once they may be.
    #[serde(default)] // only whole ones were written down before
    pub incomplete: bool,
    /// Hash of the archived trees, which the own archive holds.
    pub payload_hash: Hash,
    /// Depth of both trees.
    pub depth: u8,
    /// Score tree's root.
    pub score_hash: Hash,
    /// Its sum.
    pub score_sum: u64,
    /// Reward tree's root.
    pub reward_hash: Hash,
    /// Its sum.
    pub reward_sum: u64,
}

impl EpochRecord {
    /// Whether what is proposed is what was computed here.
    pub fn agrees(&self, proposal: &Proposal) -> bool {
        proposal.base == self.base && self.has_roots(&proposal.roots)
    }

    /// Whether `roots` are those computed here.
    pub fn has_roots(&self, roots: &Roots) -> bool {
        let Roots {
            score_hash,
            score_sum,
            reward_hash,
            reward_sum,
            depth,
            _pad,
        } = *roots;
        depth == self.depth
            && (score_hash, score_sum) == (self.score_hash, self.score_sum)
            && (reward_hash, reward_sum) == (self.reward_hash, self.reward_sum)
    }
}

/// The epoch and ballot scored last without payloads that nobody served, and how long to wait until they are looked for again.
/// Lost with the process.
#[derive(Debug, Default)]
pub struct Scored(Mutex<Option<(u64, u32, Wait)>>);

impl Scored {
    /// The wait of this ballot, if it is what was scored.
    fn of(&self, epoch: u64, ballot: u32) -> Option<Wait> {
        let scored = *lock(&self.0);
        let (.., wait) = scored.filter(|scored| (scored.0, scored.1) == (epoch, ballot))?;
        Some(wait)
    }
}

/// Does what can be done now for the oldest epoch that is over and not final.
///
/// # Errors
/// The chain's and the database's.
pub fn step(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let emission_key = emissions::emission(&operator.network);
    let Some(emission) = chain::find::<Emission>(chain, &emission_key)? else {
        return Ok(Vec::new());
    };
    let Some(record) = compute(operator, &emission, now)? else {
        return Ok(Vec::new());
    };
    let mut proposals = proposals(operator)?;
    // What passed on an earlier base never becomes final.
    proposals
        .retain(|(_, proposal)| proposal.epoch == record.epoch && proposal.base == record.base);
    if let Some((key, proposal)) = proposals
        .iter()
        .find(|(_, proposal)| proposal.status == PASSED)
    {
        return finalize(operator, &emission, key, proposal, now);
    }
    let mut same = Vec::new();
    for (key, proposal) in &proposals {
        if proposal.ballot == record.ballot
            && record.agrees(proposal)
            && is_archived(operator, &record, proposal)?
        {
            same.push((key, proposal));
        }
    }
    // Whoever proposes the same once more does not scatter the votes.
    let most = same.into_iter().max_by_key(|(key, proposal)| {
        let Proposal {
            voted_allocation,
            proposed_at,
            ..
        } = proposal;
        (*voted_allocation, Reverse((*proposed_at, *key)))
    });
    match most {
        Some((key, proposal)) => vote(operator, &record, key, proposal),
        None => propose(operator, &emission, &record),
    }
}

/// The epoch to reward next: after the last final one, or the first in which anything was committed; `None` until it is
/// over, and the chain was followed to its end: an epoch is scored by all that was committed in it.
fn next_epoch(
    operator: &Operator,
    network: &Network,
    emission: &Emission,
    now: i64,
) -> Result<Option<u64>, WorkerError> {
    let Ok(current) = network.epoch(now.min(operator.following.until())) else {
        return Ok(None);
    };
    let first = if emission.finals == 0 {
        0
    } else {
        emission.final_epoch + 1
    };
    let posted = operator.store.posted_from(network.epoch_start(first))?;
    let epoch = posted.map(|time| network.epoch(time)).transpose()?;
    Ok(epoch.filter(|epoch| *epoch < current))
}

/// The epoch's trees, computed once a ballot and base, and again as long as there are payloads that nobody served. What
/// operators read of the chain may have differed, by what had reached them or by what was changed meanwhile: once it is the
/// same, they agree in the next ballot.
fn compute(
    operator: &Operator,
    emission: &Emission,
    now: i64,
) -> Result<Option<EpochRecord>, WorkerError> {
    let network = operator.network()?;
    let Some(epoch) = next_epoch(operator, &network, emission, now)? else {
        return Ok(None);
    };
    let ballot = emission.ballot(&network, epoch, now)?;
    let known = operator.store.epoch::<EpochRecord>(epoch)?;
    let before = operator.scored.of(epoch, ballot);
    let waits = before.is_some_and(|wait| !wait.is_over(now));
    let stands = |record: &EpochRecord| {
        (record.ballot, record.base) == (ballot, emission.finals) && (!record.incomplete || waits)
    };
    if let Some(record) = known.filter(stands) {
        return Ok(Some(record));
    }
    let Some(previous) = previous(operator, emission)? else {
        return Ok(None);
    };
    let payload = |pool: &Pubkey, leaf: &CommitmentLeaf| {
        if let Some(bytes) = operator.store.payload(&leaf.payload_hash)? {
            return Ok(bytes);
        }
        let bytes = committee::fetch(operator, pool, leaf)?;
        operator.store.put_payload(&bytes)?;
        Ok(bytes)
    };
    let sources = Sources {
        chain: operator.chain.as_ref(),
        network: operator.network,
        registry: &operator.registry,
        commitments: operator.store.as_ref(),
        payload: &payload,
    };
    let computed = rewards(sources, emission, epoch, &previous)?;
    let rewards = computed.rewards;
    let (score_tree, reward_tree) = score::trees(&rewards)?;
    let (score_root, reward_root): (SumNode, SumNode) = (score_tree.root(), reward_tree.root());
    let payload = Payload::Rewards {
        network: operator.network_id,
        rewards: rewards.clone(),
    }
    .encode()?;
    let incomplete = !computed.missing.is_empty();
    let record = EpochRecord {
        epoch,
        ballot,
        base: emission.finals,
        incomplete,
        payload_hash: operator.store.put_payload(&payload)?,
        depth: rewards.depth,
        score_hash: score_root.hash,
        score_sum: score_root.sum,
        reward_hash: reward_root.hash,
        reward_sum: reward_root.sum,
    };
    operator.store.put_epoch(epoch, &record)?;
    // What nobody serves now may be served later.
    *lock(&operator.scored.0) =
        incomplete.then(|| (epoch, ballot, Wait::after(before, LONGEST_WAIT, now)));
    Ok(Some(record))
}

/// All proposals of the network.
fn proposals(operator: &Operator) -> Result<Vec<(Pubkey, Proposal)>, ClientError> {
    let chain = operator.chain.as_ref();
    chain::read_all_of(chain, offset_of!(Proposal, network), &operator.network)
}

/// What was burned for the credits that each feed was given in an epoch, by the feed's id, base units.
fn demand(
    chain: &dyn Chain,
    network: &Pubkey,
    epoch: u64,
) -> Result<BTreeMap<Hash, u64>, WorkerError> {
    chain::read_all_of::<state::Demand>(chain, offset_of!(state::Demand, network), network)?
        .into_iter()
        .filter(|(_, demand)| demand.epoch == epoch)
        .map(|(_, demand)| {
            let feed: Feed = chain::read(chain, &demand.feed)?;
            Ok((feed.id, demand.burned))
        })
        .collect()
}

/// Where the payload of a commitment of a pool comes from.
pub type Payloads<'a> = &'a dyn Fn(&Pubkey, &CommitmentLeaf) -> Result<Vec<u8>, Refusal>;

/// The commitments of a network. Anybody makes any number of them, so that only those are asked for which may count.
pub trait Commitments {
    /// When anything was committed to first from `time` on, in any stream, unix seconds.
    ///
    /// # Errors
    /// The database's.
    fn posted_from(&self, time: i64) -> Result<Option<i64>, StoreError>;

    /// What was committed to in a stream, in order.
    ///
    /// # Errors
    /// The database's.
    fn of(&self, stream: &Hash) -> Result<Vec<CommitmentLeaf>, StoreError>;
}

impl Commitments for Store {
    fn posted_from(&self, time: i64) -> Result<Option<i64>, StoreError> {
        Store::posted_from(self, time)
    }

    fn of(&self, stream: &Hash) -> Result<Vec<CommitmentLeaf>, StoreError> {
        self.seen_commitments(stream)
    }
}

/// What an epoch's rewards are computed from. With the same, everybody computes the same.
pub struct Sources<'a> {
    /// The chain, for what is on it now.
    pub chain: &'a dyn Chain,
    /// The network's address.
    pub network: Pubkey,
    /// The registered devices over time.
    pub registry: &'a Registry,
    /// The commitments of the network.
    pub commitments: &'a dyn Commitments,
    /// What was committed to.
    pub payload: Payloads<'a>,
}

/// A payload that could not be had, so that what it holds does not count.
pub struct Missing {
    /// The stream.
    pub stream: Pubkey,
    /// Number of the commitment.
    pub sequence: u64,
    /// Why.
    pub refusal: Refusal,
}

/// An epoch's rewards, as computed.
pub struct Computed {
    /// The leaves.
    pub rewards: Rewards,
    /// What the epoch grants at most, by what the chain says was burned in it.
    pub budget: Budget,
    /// What did not count.
    pub missing: Vec<Missing>,
    /// Owners of devices whose bond does not remember what it held when the epoch ended: taken as nothing.
    pub forgotten: Vec<Pubkey>,
}

/// Computes the rewards of `epoch` by the emission's terms, from what was committed up to its end and what is on the chain. `previous` are the amounts
/// that the epoch's adds to.
///
/// # Errors
/// [`WorkerError::Closed`], the chain's and the database's.
pub fn rewards(
    sources: Sources<'_>,
    emission: &Emission,
    epoch: u64,
    previous: &Granted,
) -> Result<Computed, WorkerError> {
    let Sources { chain, network, .. } = sources;
    let spent = chain::find::<Epoch>(chain, &credits::epoch(&network, epoch))?;
    let (burned, given) = spent.map_or((0, 0), |spent| (spent.burned, spent.given));
    let budget = emission.budget(epoch, burned)?;
    let feeds = demand(chain, &network, epoch)?;
    if given != feeds.values().sum::<u64>() {
        return Err(WorkerError::Closed);
    }
    let state: Network = chain::read(chain, &network)?;
    let end = state.epoch_start(epoch + 1);
    let History {
        windows,
        expected,
        missing,
    } = history(sources, &state, end)?;
    let bonds: Vec<(Pubkey, Bond)> =
        chain::read_all_of(chain, offset_of!(Bond, network), &network)?;
    let bonds: Vec<Bond> = bonds.into_iter().map(|(_, bond)| bond).collect();
    let owners: BTreeSet<Hash> = windows
        .iter()
        .filter(|window| window.epoch == epoch)
        .map(|window| window.owner)
        .collect();
    let forgotten = bonds
        .iter()
        .filter(|bond| !bond.remembers(epoch) && owners.contains(bond.owner.as_array()))
        .map(|bond| bond.owner)
        .collect();
    let bonds = bonds
        .iter()
        .map(|bond| (bond.owner.to_bytes(), bond.amount_at(epoch)))
        .collect();
    let terms = Terms {
        epoch,
        scoring: emission.scoring,
        expected,
        bonds,
        slashed: slashed(chain, &network, &state, &windows, end)?,
        demand: Demand {
            budget: budget.total()?,
            floor: emission.budget(epoch, 0)?.total()?,
            burned,
            feeds,
        },
    };
    let payees: Vec<(Pubkey, state::Payee)> =
        chain::read_all_of(chain, offset_of!(state::Payee, network), &network)?;
    let payees: Vec<Payee> = payees
        .into_iter()
        .filter(|(_, payee)| payee.registered_at < end)
        .map(|(_, payee)| Payee {
            kind: payee.kind,
            index: payee.index,
            key: payee.owner.to_bytes(),
        })
        .collect();
    let scores =
        score::scores(&windows, &terms, &payees).ok_or(WorkerError::State("scores do not fit"))?;
    let rewards = score::rewards(
        epoch,
        &scores,
        &payees,
        previous,
        budget.owners,
        budget.operators,
    )
    .ok_or(WorkerError::State("rewards do not fit"))?;
    Ok(Computed {
        rewards,
        budget,
        missing,
        forgotten,
    })
}

/// What the streams committed, as scores see it.
struct History {
    /// Every window.
    windows: Vec<Committed>,
    /// Readings that each feed expects of a device in an epoch.
    expected: BTreeMap<Hash, u64>,
    /// Payloads that could not be had.
    missing: Vec<Missing>,
}

/// The windows of all batches that were committed before `end` (unix seconds) and hold what the committee would sign:
/// by members of the committee of their epoch, with the committed root, for rounds that had just ended, one batch a
/// stream, feed and round, of devices that were registered by then. Every operator that has the payloads gets the same.
fn history(sources: Sources<'_>, network: &Network, end: i64) -> Result<History, WorkerError> {
    let Sources {
        chain,
        network: key,
        registry,
        commitments,
        payload,
    } = sources;
    // Frozen ones too: what was committed for them before counts at whatever time it is scored.
    let mut feeds_by_id: BTreeMap<Hash, (Feed, Header)> = BTreeMap::new();
    for (_, feed) in chain::read_all_of::<Feed>(chain, offset_of!(Feed, network), &key)? {
        if [network.creator, network.authority].contains(&feed.creator) {
            let model: Model = chain::read(chain, &feeds::model(&feed.model))?;
            feeds_by_id.insert(feed.id, (feed, model.header()?));
        }
    }
    let mut batches_seen = BTreeSet::new();
    let expected = feeds_by_id
        .iter()
        .map(|(id, (feed, _))| (*id, score::expected(feed, network.epoch_length)))
        .collect();
    let mut history = History {
        windows: Vec::new(),
        expected,
        missing: Vec::new(),
    };
    let seated = seated(chain, &key, network, commitments, end)?;
    for (commitment, seated) in (0..).zip(seated) {
        let Seated {
            leaf,
            stream,
            pool,
            epoch,
        } = seated;
        let bytes = match payload(&pool, &leaf) {
            Ok(bytes) => bytes,
            Err(Refusal::Store(error)) => return Err(error.into()),
            Err(refusal) => {
                history.missing.push(Missing {
                    stream: stream.into(),
                    sequence: leaf.sequence,
                    refusal,
                });
                continue;
            }
        };
        let batches = match Payload::decode(&bytes) {
            Ok(Payload::Readings {
                network: of,
                stream: author,
                batches,
            }) if of == network.id && author == stream => batches,
            _ => continue,
        };
        // What was committed before a device changed hands earns for who had it then.
        let registry = registry.at(leaf.posted_at);
        let mut leaves = Vec::with_capacity(batches.len());
        let mut counted = Vec::new();
        for batch in &batches {
            let Some((feed, header)) = feeds_by_id.get(&batch.feed) else {
                break;
            };
            let Ok(sources) = window::sources(batch, header) else {
                break;
            };
            leaves.push(sources.leaf.hash());
            let current = window::round_of(leaf.posted_at.saturating_mul(1_000), feed);
            let timely = current.is_some_and(|current| {
                (current.saturating_sub(LOOKBACK)..=current).contains(&batch.round)
            });
            let good = window::check_batch(batch, feed, batch.round, &network.id, registry).is_ok();
            if timely && good && batches_seen.insert((stream, batch.feed, batch.round)) {
                counted.push(batch);
            }
        }
        // A payload that is not all of what was committed counts for nothing.
        let whole = leaves.len() == batches.len()
            && Tree::of_batches(&leaves).is_ok_and(|tree| tree.root() == leaf.root);
        if !whole {
            continue;
        }
        for batch in counted {
            for window in &batch.windows {
                let Some(device) = registry.device(&window.newest().reading.device) else {
                    continue;
                };
                history.windows.push(Committed {
                    commitment,
                    feed: batch.feed,
                    device: device.leaf.device,
                    readings: said(window),
                    epoch,
                    pool: pool.to_bytes(),
                    owner: device.leaf.owner,
                    maker: device.leaf.maker,
                    tier: device.leaf.tier,
                    cell: device.leaf.cell,
                    place: (device.tree_index, device.index),
                    bond: network.parameters.bond_of(device.leaf.tier)?,
                });
            }
        }
    }
    Ok(history)
}

/// A commitment of a member of the committee of its epoch.
struct Seated {
    leaf: CommitmentLeaf,
    stream: Hash,
    pool: Pubkey,
    epoch: u64,
}

/// The commitments before `end` (unix seconds) of those who had a seat in the epoch in which they were posted, in the order in
/// which they count. Of anybody else's, from whatever time, nothing is read.
fn seated(
    chain: &dyn Chain,
    key: &Pubkey,
    network: &Network,
    commitments: &dyn Commitments,
    end: i64,
) -> Result<Vec<Seated>, WorkerError> {
    let mut epochs = Vec::new();
    let mut from = network.genesis;
    while let Some(time) = commitments.posted_from(from)?.filter(|time| *time < end) {
        let epoch = network.epoch(time)?;
        epochs.push(epoch);
        from = network.epoch_start(epoch + 1);
    }
    let keys: Vec<Pubkey> = epochs
        .iter()
        .map(|epoch| pools::committee(key, *epoch))
        .collect();
    let committees = chain::find_each::<Committee>(chain, &keys)?.into_iter();
    let mut seats: BTreeMap<Pubkey, BTreeSet<u64>> = BTreeMap::new();
    for (epoch, committee) in epochs.into_iter().zip(committees) {
        for member in committee.iter().flat_map(Committee::members) {
            seats.entry(member.pool).or_default().insert(epoch);
        }
    }
    let mut seated = Vec::new();
    for (pool, epochs) in seats {
        let stream = streams::stream(key, &pool).to_bytes();
        for leaf in commitments.of(&stream)? {
            let epoch = network.epoch(leaf.posted_at).ok();
            let epoch = epoch.filter(|epoch| leaf.posted_at < end && epochs.contains(epoch));
            if let Some(epoch) = epoch {
                seated.push(Seated {
                    leaf,
                    stream,
                    pool,
                    epoch,
                });
            }
        }
    }
    seated.sort_by_key(|Seated { leaf, stream, .. }| (leaf.posted_at, *stream, leaf.sequence));
    Ok(seated)
}

/// A window's readings, as scores see them.
fn said(window: &Window) -> Vec<Said> {
    let grants: BTreeMap<u32, Hash> = window
        .grants
        .iter()
        .map(|signed| (signed.grant.counter, signed.grant.digest()))
        .collect();
    window
        .readings
        .iter()
        .map(|SignedReading { reading, .. }| Said {
            session: Session::of(reading),
            sequence: reading.sequence,
            captured_at: reading.captured_at,
            digest: reading.digest(),
            grant: grants.get(&reading.session).copied().unwrap_or_default(),
        })
        .collect()
}

/// The pools that were slashed in the network before `end` (unix seconds), and those devices of `windows` for whose
/// contradiction a bond was, by epoch: what the security-pool's reports say, which are never closed.
fn slashed(
    chain: &dyn Chain,
    key: &Pubkey,
    network: &Network,
    windows: &[Committed],
    end: i64,
) -> Result<BTreeMap<Hash, BTreeSet<u64>>, WorkerError> {
    let mut slashed: BTreeMap<Hash, BTreeSet<u64>> = BTreeMap::new();
    let mut offences: BTreeMap<Hash, u64> = BTreeMap::new();
    for (_, report) in chain::read_all_of::<Report>(chain, offset_of!(Report, network), key)? {
        if report.reported_at >= end {
            continue;
        }
        let epoch = network.epoch(report.reported_at)?;
        if report.is_of_pool(key, &report.source) {
            slashed
                .entry(report.source.to_bytes())
                .or_default()
                .insert(epoch);
        } else if report.slasher == SLASHER.0 {
            offences.insert(report.offence, epoch);
        }
    }
    let owned: BTreeSet<_> = windows
        .iter()
        .flat_map(|window| {
            let nonces = window.readings.iter().map(|said| said.session.leaf_nonce);
            nonces.map(|nonce| (&window.device, window.place, nonce))
        })
        .collect();
    for (device, (tree, index), leaf_nonce) in owned {
        let offence = Offence::Contradiction {
            device,
            tree,
            index,
            leaf_nonce,
        };
        if let Some(epoch) = offences.get(&offence.id(&network.id)) {
            slashed.entry(*device).or_default().insert(*epoch);
        }
    }
    Ok(slashed)
}

/// Cumulative amounts of the last final reward root, checked against it. `None` while its archive can't be had.
fn previous(operator: &Operator, emission: &Emission) -> Result<Option<Granted>, WorkerError> {
    if emission.finals == 0 {
        return Ok(Some(Granted::new()));
    }
    let Some(rewards) = final_rewards(operator, emission)? else {
        return Ok(None);
    };
    Ok(Some(
        rewards
            .entries
            .into_iter()
            .map(|entry| ((entry.kind, entry.payee), entry.cumulative))
            .collect(),
    ))
}

/// The leaves behind the last final roots. `None` while they can't be had.
///
/// # Errors
/// The chain's and the database's.
pub fn final_rewards(
    operator: &Operator,
    emission: &Emission,
) -> Result<Option<Rewards>, WorkerError> {
    Ok(final_payload(operator, emission)?.and_then(|bytes| leaves(&bytes)))
}

/// The payload with the leaves behind the last final roots: that computed here, or else one that a proposal of these roots
/// archives. The final one itself may archive something else. `None` while none is final, or it can't be had.
///
/// # Errors
/// The chain's and the database's.
pub fn final_payload(
    operator: &Operator,
    emission: &Emission,
) -> Result<Option<Vec<u8>>, WorkerError> {
    if emission.finals == 0 {
        return Ok(None);
    }
    let roots = &emission.roots;
    let record = operator.store.epoch::<EpochRecord>(emission.final_epoch)?;
    if let Some(record) = record.filter(|record| record.has_roots(roots)) {
        return Ok(operator.store.payload(&record.payload_hash)?);
    }
    let mut proposals = proposals(operator)?;
    proposals
        .retain(|(_, proposal)| proposal.epoch == emission.final_epoch && proposal.roots == *roots);
    // What is here is no reason to wait for anybody.
    for (_, proposal) in &proposals {
        let held = committee::held(operator, &proposal.stream, proposal.sequence)?;
        let is_it = |bytes: &Vec<u8>| leaves(bytes).is_some_and(|rewards| make(&rewards, roots));
        if let Some(bytes) = held.filter(is_it) {
            return Ok(Some(bytes));
        }
    }
    for (key, proposal) in &proposals {
        if !operator.audited.contains(key) && audit::archive(operator, key, proposal)?.is_some() {
            return Ok(committee::held(
                operator,
                &proposal.stream,
                proposal.sequence,
            )?);
        }
    }
    Ok(None)
}

/// Whether leaves make these roots.
pub fn make(rewards: &Rewards, roots: &Roots) -> bool {
    score::trees(rewards).is_ok_and(|(scores, amounts)| {
        scores.root() == roots.score_root()
            && amounts.root() == roots.reward_root()
            && rewards.depth == roots.depth
    })
}

/// The leaves that a payload holds, if it is one of rewards.
pub fn leaves(payload: &[u8]) -> Option<Rewards> {
    match Payload::decode(payload) {
        Ok(Payload::Rewards { rewards, .. }) => Some(rewards),
        _ => None,
    }
}

/// The leaves behind an epoch's record, if the own archive holds them.
fn archived(operator: &Operator, record: &EpochRecord) -> Result<Option<Rewards>, WorkerError> {
    let bytes = operator.store.payload(&record.payload_hash)?;
    Ok(bytes.and_then(|bytes| leaves(&bytes)))
}

/// Archives the trees in this operator's stream, unless done.
fn archive(operator: &Operator, record: &EpochRecord) -> Result<Option<u64>, WorkerError> {
    let _deciding = operator
        .deciding
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let commitments: Vec<Commitment> = operator.store.commitments()?;
    if let Some(known) = commitments
        .iter()
        .find(|known| known.payload_hash == record.payload_hash)
    {
        return Ok(known.posted_at.map(|_| known.sequence));
    }
    let payload = operator
        .store
        .payload(&record.payload_hash)?
        .ok_or(WorkerError::State("an epoch's trees are not archived"))?;
    let sequence = commitments.len() as u64;
    let decided = Commitment {
        sequence,
        // It has no batches: its one leaf is the payload itself.
        root: payload::hash(&payload),
        batches: vec![payload::hash(&payload)],
        payload_hash: record.payload_hash,
        payload_len: payload.len() as u64,
        posted_at: None,
        signature: None,
    };
    operator
        .store
        .decide_commitment::<_, ()>(sequence, &decided, &payload, &[])?;
    // It lands with the next step of the rounds.
    Ok(None)
}

fn propose(
    operator: &Operator,
    emission: &Emission,
    record: &EpochRecord,
) -> Result<Vec<Event>, WorkerError> {
    let (chain, ballot) = (operator.chain.as_ref(), record.ballot);
    let epoch = operator.epoch()?;
    operator.snapshot(epoch)?;
    let committee_key = pools::committee(&operator.network, epoch);
    let committee: Committee = chain::read(chain, &committee_key)?;
    let Some(member) = committee.member(&operator.pool) else {
        return Ok(Vec::new());
    };
    // Members take turns, so that they do not all pay for the same proposal.
    let turn = (u64::from(ballot) + record.epoch).checked_rem(committee.members().len() as u64);
    if turn != Some(member as u64) {
        return Ok(Vec::new());
    }
    if record.reward_sum < emission.roots.reward_sum {
        return Err(WorkerError::State(
            "the computed rewards are below the last final ones",
        ));
    }
    let Some(sequence) = archive(operator, record)? else {
        return Ok(Vec::new());
    };
    let rewards = archived(operator, record)?
        .ok_or(WorkerError::State("an epoch's trees are not archived"))?;
    let (_, tree) = score::trees(&rewards)?;
    let (owners, operators) = emissions::halves(&tree)?;
    let args = ProposeRootArgs {
        epoch: record.epoch,
        ballot,
        base: record.base,
        member: member as u8,
        depth: record.depth,
        score_hash: record.score_hash,
        score_sum: record.score_sum,
        owners,
        operators,
        sequence,
    };
    let signer = operator.signer_key();
    let instruction = emissions::propose_root(
        &signer,
        &operator.network,
        &committee_key,
        &operator.stream,
        &signer,
        args,
    );
    let execution = operator.land(&[instruction], |_| Ok(()))?;
    Ok(vec![Event::Proposed {
        epoch: record.epoch,
        ballot,
        reward_sum: record.reward_sum,
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

/// Whether a proposal archives the trees that were computed here.
fn is_archived(
    operator: &Operator,
    record: &EpochRecord,
    proposal: &Proposal,
) -> Result<bool, WorkerError> {
    let stream = proposal.stream.to_bytes();
    let archived = committee::known(operator, &stream, proposal.sequence)?;
    Ok(archived.is_some_and(|leaf| leaf.payload_hash == record.payload_hash))
}

/// Votes, once, for a proposal with the roots computed here.
fn vote(
    operator: &Operator,
    record: &EpochRecord,
    key: &Pubkey,
    proposal: &Proposal,
) -> Result<Vec<Event>, WorkerError> {
    let committee: Committee = chain::read(operator.chain.as_ref(), &proposal.committee)?;
    let Some(member) = committee.member(&operator.pool) else {
        return Ok(Vec::new());
    };
    if proposal.has_voted(member as u8) {
        return Ok(Vec::new());
    }
    let message = proposal.message(operator.network_id).digest();
    let decided =
        operator
            .store
            .decide_vote(proposal.epoch, proposal.ballot, proposal.base, &message)?;
    // Payloads that turned up since may have changed the roots computed here: then the vote waits for the next ballot.
    if decided != message {
        return Ok(Vec::new());
    }
    let signature = operator.signer.sign_message(&message);
    let precompile = precompile::ed25519(&[SignatureEntry {
        public_key: operator.signer_key().as_ref(),
        message: &message,
        signature: signature.as_array(),
    }])?;
    let reference = VoteReference {
        instruction: 0,
        index: 0,
        member: member as u8,
    };
    let instruction = emissions::vote_root(&operator.network, &proposal.committee, key, reference);
    let execution = operator.land(&[precompile, instruction], |_| Ok(()))?;
    Ok(vec![Event::Voted {
        epoch: record.epoch,
        ballot: proposal.ballot,
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

fn finalize(
    operator: &Operator,
    emission: &Emission,
    key: &Pubkey,
    proposal: &Proposal,
    now: i64,
) -> Result<Vec<Event>, WorkerError> {
    if now < proposal.finalizable_at(emission.challenge_window)? {
        return Ok(Vec::new());
    }
    // The time to challenge is over once they are final.
    if let Some(challenged) = audit::challenge(operator, emission, key, proposal)? {
        return Ok(vec![challenged]);
    }
    let instruction = emissions::finalize_root(&operator.network, key);
    let execution = operator.land(&[instruction], |_| Ok(()))?;
    Ok(vec![Event::RewardsFinal {
        epoch: proposal.epoch,
        reward_sum: proposal.roots.reward_sum,
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

/// What an owner needs to claim.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimProof {
    /// The final epoch that the proof is for.
    pub epoch: u64,
    /// 0 for an owner, 1 for an operator.
    pub kind: u8,
    /// The payee's index.
    pub index: u32,
    /// What may have been claimed in all, in base units.
    pub cumulative: u64,
    /// The reward tree's siblings, 40 bytes each, in hex.
    pub path: String,
}

/// The rewards behind the last final roots, ready to prove what each payee may claim.
pub struct Final {
    epoch: u64,
    roots: Roots,
    /// The archived payload.
    pub payload: Bytes,
    rewards: Rewards,
    tree: SumTree,
}

impl Final {
    /// Those of `emission`. `None` while none are final, or they can't be had.
    ///
    /// # Errors
    /// The chain's and the database's.
    pub fn find(operator: &Operator, emission: &Emission) -> Result<Option<Self>, WorkerError> {
        let Some(payload) = final_payload(operator, emission)? else {
            return Ok(None);
        };
        let Some(rewards) = leaves(&payload) else {
            return Ok(None);
        };
        let (_, tree) = score::trees(&rewards)?;
        Ok(Some(Self {
            epoch: emission.final_epoch,
            roots: emission.roots,
            payload: payload.into(),
            rewards,
            tree,
        }))
    }

    /// Whether these are still the last of `emission`.
    pub fn is_of(&self, emission: &Emission) -> bool {
        (self.epoch, self.roots) == (emission.final_epoch, emission.roots)
    }

    /// The proof of `payee`'s leaf under the reward root, if it has one.
    ///
    /// # Errors
    /// When the trees have no such place.
    pub fn proof(&self, payee: &Pubkey) -> Result<Option<ClaimProof>, WorkerError> {
        let payee = payee.to_bytes();
        let mut entries = self.rewards.entries.iter();
        let Some(entry) = entries.find(|entry| entry.payee == payee) else {
            return Ok(None);
        };
        Ok(Some(ClaimProof {
            epoch: self.rewards.epoch,
            kind: entry.kind,
            index: entry.index,
            cumulative: entry.cumulative,
            path: hex::encode(self.tree.path(entry.kind, entry.index)?),
        }))
    }
}
