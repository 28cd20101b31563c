//! An epoch's rewards: score what was committed, archive the trees, propose their roots, vote, finalise.

mod epoch;
mod granted;

use crate::audit;
use crate::committee;
use crate::patience::{lock, Wait, LONGEST_WAIT};
use crate::payload::{self, Payload, Rewards};
use crate::round::Commitment;
use crate::score;
use crate::worker::{Event, Operator, WorkerError};
use anchor_lang::prelude::Pubkey;
use commitment::{CommitmentLeaf, SumNode};
use device_protocol::Hash;
use device_registry::state::Network;
use fieldproof_client::precompile::{self, Entry as SignatureEntry};
use fieldproof_client::reward_emission::{self as emissions, VoteReference};
use fieldproof_client::{chain, security_pool as pools, ClientError};
use reward_emission::instructions::ProposeRootArgs;
use reward_emission::state::{Emission, Proposal, Roots, PASSED};
use security_pool::state::Committee;
use serde::{Deserialize, Serialize};
use solana_signer::Signer;
use std::cmp::Reverse;
use std::mem::offset_of;
use std::sync::{Mutex, PoisonError};

pub use epoch::{rewards, Commitments, Computed, Missing, Payloads, Sources};
use granted::previous;
pub use granted::{final_payload, final_rewards, leaves, make, ClaimProof, Final};

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
