//! What the last final roots grant: their leaves, and the proofs with which payees claim.

use super::{proposals, EpochRecord};
use crate::audit;
use crate::committee;
use crate::payload::{Payload, Rewards};
use crate::score::{self, Granted};
use crate::worker::{Operator, WorkerError};
use anchor_lang::prelude::Pubkey;
use axum::body::Bytes;
use commitment::SumTree;
use reward_emission::state::{Emission, Roots};
use serde::{Deserialize, Serialize};

/// Cumulative amounts of the last final reward root, checked against it. `None` while its archive can't be had.
pub(super) fn previous(
    operator: &Operator,
    emission: &Emission,
) -> Result<Option<Granted>, WorkerError> {
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
