//! Checks other operators' proposals of reward roots leaf by leaf, and has those who proposed or voted for a wrong leaf
//! slashed, and those who voted for different roots in one ballot.
//!
//! What a leaf must be is decided by the last final trees and the proposal's own: with both archives at hand, each leaf is
//! recomputed as the program does. Scores are no part of this: who disagrees with them does not vote.
//!
//! Whoever serves an archive may take minutes for it, so nothing else waits for this, and each is looked at once.

use crate::committee;
use crate::patience::{lock, Turns, Waits, LONGEST_WAIT};
use crate::payload::{Reward, Rewards};
use crate::reward::{self, EpochRecord};
use crate::score;
use crate::slash;
use crate::worker::{Event, Operator, WorkerError};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::{ProofError, SumTree};
use fieldproof_client::chain;
use fieldproof_client::precompile::{self, Entry as SignatureEntry};
use fieldproof_client::reports::Reporter;
use fieldproof_client::reward_emission as emissions;
use reward_emission::instructions::{ChallengeRootArgs, Entry, ReportDoubleVoteArgs, SignedVote};
use reward_emission::penalty::SLASHER;
use reward_emission::state::{exposed_until, Emission, Payee, Proposal, FINAL, REJECTED};
use security_pool::state::{CommitteeEntry, MAX_OPERATORS};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::offset_of;
use std::sync::Mutex;

/// A place in the trees: kind and index.
type Place = (u8, u32);

/// A proposal and its address.
type Proposed = (Pubkey, Proposal);

/// What was looked at of the rewards that others propose. Lost with the process.
#[derive(Debug, Default)]
pub struct Audited {
    turns: Turns,
    /// Proposals that there is nothing more to find in: no leaf contradicts them, or their archive holds other trees than
    /// theirs.
    proposals: Mutex<HashSet<Pubkey>>,
    /// Reports of double votes that were tried.
    reports: Mutex<Waits<Pubkey>>,
}

impl Audited {
    /// Whether there is nothing more to find in the proposal at `key`.
    pub fn contains(&self, key: &Pubkey) -> bool {
        lock(&self.proposals).contains(key)
    }

    /// From now on there is nothing more to find in the proposal at `key`.
    pub fn insert(&self, key: &Pubkey) {
        lock(&self.proposals).insert(*key);
    }

    /// Whether it is time to try the report at `key`, at `now` (unix seconds): if so, the next time comes later and later.
    fn is_next(&self, key: &Pubkey, now: i64) -> bool {
        let mut reports = lock(&self.reports);
        let is_due = reports.is_due(key, now);
        if is_due {
            reports.put_off(*key, LONGEST_WAIT, now);
        }
        is_due
    }
}

/// Challenges every proposal since the last final roots that a leaf contradicts, unless its roots were computed here too, and
/// has those slashed that voted for rejected ones, or for different roots in one ballot. What stops one does not stop the
/// others.
///
/// # Errors
/// The chain's and the database's.
pub fn step(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    if !operator.audited.turns.is_next(now) {
        return Ok(Vec::new());
    }
    let chain = operator.chain.as_ref();
    let key = emissions::emission(&operator.network);
    let Some(emission) = chain::find::<Emission>(chain, &key)? else {
        return Ok(Vec::new());
    };
    let mut events = Vec::new();
    let mut ballots: BTreeMap<_, Vec<Proposed>> = BTreeMap::new();
    let of_network = offset_of!(Proposal, network);
    for (key, proposal) in chain::read_all_of::<Proposal>(chain, of_network, &operator.network)? {
        if proposal.epoch < emission.final_epoch {
            continue;
        }
        // Who votes anew on another base has not voted twice.
        let Proposal {
            epoch,
            ballot,
            base,
            committee,
            ..
        } = proposal;
        let ballot = (epoch, ballot, base, committee);
        ballots.entry(ballot).or_default().push((key, proposal));
        let done = match proposal.status {
            FINAL => continue,
            REJECTED => slash_voters(operator, &key, &proposal),
            _ => challenge(operator, &emission, &key, &proposal)
                .map(|event| event.into_iter().collect()),
        };
        events.extend(or_failed(done, || format!("audit of proposal {key}")));
    }
    for ((epoch, number, _, committee), ballot) in &ballots {
        let done = slash_double_voters(operator, committee, ballot, now);
        let what = || format!("audit of ballot {number} on epoch {epoch}");
        events.extend(or_failed(done, what));
    }
    Ok(events)
}

/// What was done, or what tells that it failed.
fn or_failed(done: Result<Vec<Event>, WorkerError>, what: impl FnOnce() -> String) -> Vec<Event> {
    done.unwrap_or_else(|error| {
        vec![Event::Failed {
            what: what(),
            detail: error.to_string(),
        }]
    })
}

/// Challenges a proposal that a leaf contradicts.
///
/// # Errors
/// The chain's and the database's.
pub fn challenge(
    operator: &Operator,
    emission: &Emission,
    key: &Pubkey,
    proposal: &Proposal,
) -> Result<Option<Event>, WorkerError> {
    if proposal.base != emission.finals || operator.audited.contains(key) {
        return Ok(None);
    }
    let computed = operator.store.epoch::<EpochRecord>(proposal.epoch)?;
    if computed.is_some_and(|record| record.agrees(proposal)) {
        return Ok(None);
    }
    let Some(proposed) = archive(operator, key, proposal)? else {
        return Ok(None);
    };
    let before = match emission.finals {
        0 => None,
        _ => match reward::final_rewards(operator, emission)? {
            Some(rewards) => Some(rewards),
            None => return Ok(None),
        },
    };
    let chain = operator.chain.as_ref();
    let payees: BTreeMap<Place, (Pubkey, Payee)> =
        chain::read_all_of::<Payee>(chain, offset_of!(Payee, network), &operator.network)?
            .into_iter()
            .map(|(key, payee)| ((payee.kind, payee.index), (key, payee)))
            .collect();
    let Some(place) = wrong_place(&proposed, before.as_ref(), proposal, &payees) else {
        operator.audited.insert(key);
        return Ok(None);
    };
    let args = evidence(&proposed, before.as_ref(), place)?;
    let payee = payees.get(&place).map(|(key, _)| *key);
    let (reporter, account) = reporter(operator)?;
    let instruction = emissions::challenge_root(&reporter, key, proposal, payee, args);
    let execution = operator.land(&[account, instruction], |_| Ok(()))?;
    Ok(Some(Event::RootChallenged {
        epoch: proposal.epoch,
        ballot: proposal.ballot,
        kind: place.0,
        index: place.1,
        signature: execution.signature,
        compute_units: execution.compute_units,
    }))
}

/// The trees that a proposal archives, if they can be had and are those that it proposes. Then the own archive has them too.
///
/// # Errors
/// The chain's and the database's.
pub fn archive(
    operator: &Operator,
    key: &Pubkey,
    proposal: &Proposal,
) -> Result<Option<Rewards>, WorkerError> {
    let Some(bytes) = committee::committed(operator, &proposal.stream, proposal.sequence)? else {
        return Ok(None);
    };
    let rewards = reward::leaves(&bytes).filter(|rewards| reward::make(rewards, &proposal.roots));
    if rewards.is_some() {
        operator.store.put_payload(&bytes)?;
    } else {
        operator.audited.insert(key);
    }
    Ok(rewards)
}

fn by_place(rewards: Option<&Rewards>) -> BTreeMap<Place, &Reward> {
    let entries = rewards.into_iter().flat_map(|rewards| &rewards.entries);
    entries
        .map(|entry| ((entry.kind, entry.index), entry))
        .collect()
}

/// The first place whose leaves the program would not let stand, as `challenge_root` decides it.
fn wrong_place(
    proposed: &Rewards,
    before: Option<&Rewards>,
    proposal: &Proposal,
    payees: &BTreeMap<Place, (Pubkey, Payee)>,
) -> Option<Place> {
    let (granted, before) = (by_place(Some(proposed)), by_place(before));
    let mut totals = [0u64; 2];
    for entry in &proposed.entries {
        *totals.get_mut(usize::from(entry.kind))? += entry.score; // the tree's sum fits
    }
    let places: BTreeSet<Place> = granted.keys().chain(before.keys()).copied().collect();
    places.into_iter().find(|place| {
        let entry = granted.get(place);
        let Some((_, payee)) = payees.get(place) else {
            return entry.is_some();
        };
        let owner = payee.owner.to_bytes();
        if entry.is_some_and(|entry| entry.payee != owner) {
            return true;
        }
        let before = before.get(place).filter(|entry| entry.payee == owner);
        let kind = usize::from(place.0);
        let (part, total) = (proposal.parts.get(kind), totals.get(kind));
        let score = entry.map_or(0, |entry| entry.score);
        let earned = part.zip(total).and_then(|(part, total)| {
            (u128::from(*part) * u128::from(score)).checked_div(u128::from(*total))
        });
        let expected = u128::from(before.map_or(0, |entry| entry.cumulative)) + earned.unwrap_or(0);
        u128::from(entry.map_or(0, |entry| entry.cumulative)) != expected
    })
}

/// The leaves at `place` with their paths.
fn evidence(
    proposed: &Rewards,
    before: Option<&Rewards>,
    (kind, index): Place,
) -> Result<ChallengeRootArgs, ProofError> {
    let (score_tree, reward_tree) = score::trees(proposed)?;
    let entry = |rewards: &Rewards, value: fn(&Reward) -> u64| {
        let found = rewards
            .entries
            .iter()
            .find(|entry| (entry.kind, entry.index) == (kind, index));
        found.map(|entry| Entry {
            payee: Pubkey::from(entry.payee),
            value: value(entry),
        })
    };
    let (before_entry, before_path) = match before {
        Some(rewards) => {
            let (_, tree): (_, SumTree) = score::trees(rewards)?;
            let path = match tree.path(kind, index) {
                Err(ProofError::Index) => Vec::new(), // The smaller tree has no such place.
                path => path?,
            };
            (entry(rewards, |entry| entry.cumulative), path)
        }
        None => (None, Vec::new()),
    };
    Ok(ChallengeRootArgs {
        kind,
        index,
        before: before_entry,
        before_path,
        score: entry(proposed, |entry| entry.score),
        score_path: score_tree.path(kind, index)?,
        granted: entry(proposed, |entry| entry.cumulative),
        granted_path: reward_tree.path(kind, index)?,
    })
}

/// Has those slashed that voted for a rejected proposal and still have something at stake.
fn slash_voters(
    operator: &Operator,
    key: &Pubkey,
    proposal: &Proposal,
) -> Result<Vec<Event>, WorkerError> {
    let (reporter, account) = reporter(operator)?;
    let unpaid = slash::unpaid(
        operator,
        &proposal.committee,
        &SLASHER.0,
        |member| proposal.has_voted(member),
        |pool| emissions::wrong_root_report(&operator.network_id, proposal, pool),
    )?;
    let mut events = Vec::new();
    for (member, CommitteeEntry { pool, .. }) in unpaid {
        let slash = emissions::slash_voter(&reporter, key, proposal, member, &pool);
        let execution = operator.land(&[account.clone(), slash], |_| Ok(()))?;
        events.push(Event::VoterSlashed {
            epoch: proposal.epoch,
            ballot: proposal.ballot,
            pool: pool.to_string(),
            signature: execution.signature,
            compute_units: execution.compute_units,
        });
    }
    Ok(events)
}

/// Has those of `committee` slashed that voted for different roots in a ballot, of which these are the proposals, and still
/// have something at stake.
fn slash_double_voters(
    operator: &Operator,
    committee: &Pubkey,
    ballot: &[Proposed],
    now: i64,
) -> Result<Vec<Event>, WorkerError> {
    let double_votes: BTreeMap<u8, [&Proposed; 2]> = (0..MAX_OPERATORS as u8)
        .filter_map(|member| Some((member, double_vote(ballot, member)?)))
        .collect();
    // They are all of one epoch, ballot and committee.
    let Some([(_, proposal), _]) = double_votes.values().next() else {
        return Ok(Vec::new());
    };
    if now > exposed_until(&operator.network()?, proposal.committee_epoch) {
        return Ok(Vec::new());
    }
    let report =
        |pool: &Pubkey| emissions::double_vote_report(&operator.network_id, proposal, pool);
    let unpaid = slash::unpaid(
        operator,
        committee,
        &SLASHER.0,
        |member| double_votes.contains_key(&member),
        report,
    )?;
    let mut events = Vec::new();
    for (member, voter) in unpaid {
        let Some(votes) = double_votes.get(&member) else {
            continue;
        };
        if operator.audited.is_next(&report(&voter.pool), now) {
            let done = report_double_vote(operator, committee, member, &voter, *votes);
            let what = || format!("report of two votes of {}", voter.pool);
            events.extend(or_failed(done, what));
        }
    }
    Ok(events)
}

/// Two of a ballot's proposals that a member voted for and whose roots differ: the same roots take the same vote, whatever
/// archives them.
fn double_vote(ballot: &[Proposed], member: u8) -> Option<[&Proposed; 2]> {
    let mut voted = ballot
        .iter()
        .filter(|(_, proposal)| proposal.has_voted(member));
    let first = voted.next()?;
    let second = voted.find(|(_, proposal)| proposal.roots != first.1.roots)?;
    Some([first, second])
}

/// Lands the report of a member's votes for two proposals, with the signatures that were brought for them.
fn report_double_vote(
    operator: &Operator,
    committee: &Pubkey,
    member: u8,
    voter: &CommitteeEntry,
    votes: [&Proposed; 2],
) -> Result<Vec<Event>, WorkerError> {
    let signed = |(key, proposal): &Proposed| {
        let signature = emissions::vote_signature(operator.chain.as_ref(), key, member)?;
        let signature = signature.ok_or(WorkerError::State(
            "the chain counted a vote and does not tell its signature",
        ))?;
        Ok::<_, WorkerError>((proposal.message(operator.network_id), signature))
    };
    let [first, second] = votes;
    let [(first, of_first), (second, of_second)] = [signed(first)?, signed(second)?];
    let [first_digest, second_digest] = [first.digest(), second.digest()];
    let entry = |message, signature| SignatureEntry {
        public_key: voter.signer.as_ref(),
        message,
        signature,
    };
    let signatures = precompile::ed25519(&[
        entry(&first_digest, &of_first),
        entry(&second_digest, &of_second),
    ])?;
    let args = ReportDoubleVoteArgs {
        epoch: first.epoch,
        ballot: first.ballot,
        base: first.base,
        member,
        first: SignedVote::of(&first, 0, 0),
        second: SignedVote::of(&second, 0, 1),
    };
    let (reporter, account) = reporter(operator)?;
    let report = emissions::report_double_vote(&reporter, committee, &voter.pool, args);
    let execution = operator.land(&[signatures, account, report], |_| Ok(()))?;
    Ok(vec![Event::DoubleVoterSlashed {
        epoch: first.epoch,
        ballot: first.ballot,
        pool: voter.pool.to_string(),
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

/// As whom this operator has others slashed, and what sees that there is an account for the bounty.
fn reporter(operator: &Operator) -> Result<(Reporter, Instruction), WorkerError> {
    let stake_mint = operator.network()?.stake_mint;
    let (bounty, account) = slash::bounty(operator, &stake_mint);
    let reporter = Reporter {
        payer: operator.signer_key(),
        bounty,
        network: operator.network,
        network_id: operator.network_id,
        stake_mint,
    };
    Ok((reporter, account))
}
