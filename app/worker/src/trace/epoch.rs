//! Recomputing what an epoch's rewards grant, from what devices signed, and holding it against the final roots.
//!
//! What the chain's programs have decided is read from the chain, and most of it as it was then: devices and commitments
//! from events, committees, payees with the time of their registration, bonds with what they held. The rest is known only as
//! it is now; where that may have been different when the epoch was scored, nothing is said of the epoch.

use super::{at, fetch, Archive, Failure, History, Stage, Step};
use crate::payload::{Payload, Reward, Rewards};
use crate::reward::{self, Commitments, Computed, Sources};
use crate::score::{self, Granted};
use crate::store::StoreError;
use crate::worker::WorkerError;
use anchor_lang::prelude::Pubkey;
use anchor_lang::Discriminator;
use commitment::CommitmentLeaf;
use device_protocol::Hash;
use device_registry::instruction::{AcceptAuthority, ApplyParameters};
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, Execution};
use fieldproof_client::{event, reward_emission as emissions};
use reward_emission::events::{RootFinalized, RootProposed};
use reward_emission::instructions::ProposeRootArgs;
use reward_emission::state::{Budget, Emission, Roots};
use std::collections::{BTreeMap, BTreeSet};

/// Recomputes the rewards of `epoch` of the network at `key`. Tells `say` of every check that passed, and returns the final
/// roots.
///
/// # Errors
/// The first check that did not pass.
pub fn epoch(
    chain: &dyn Chain,
    key: &Pubkey,
    epoch: u64,
    archive: Archive<'_>,
    say: &mut dyn FnMut(Step),
) -> Result<Roots, Failure> {
    let mut past = Past::of(*key);
    let history = History::read(chain, key, 0, &mut |execution| past.read(execution))?;
    say(Stage::History.found(history.to_string()));

    let stage = Stage::Final;
    let network: Network = chain::read(chain, key).map_err(at(stage))?;
    let emission: Emission = chain::read(chain, &emissions::emission(key)).map_err(at(stage))?;
    let finals = past.finals(&emission)?;
    let Some(place) = finals.iter().position(|decided| decided.epoch == epoch) else {
        return stage.fails(undecided(epoch, &emission));
    };
    let (before, decided) = match (finals.get(..place), finals.get(place)) {
        (Some(before), Some(decided)) => (before.last(), decided),
        _ => return stage.fails("there is no such epoch"),
    };
    let roots = decided.roots;
    say(stage.found(format!(
        "proposal {}: scores of {}, {} base units granted in all, trees of depth {}",
        decided.proposal, roots.score_sum, roots.reward_sum, roots.depth
    )));

    let archived = leaves(&history, decided, &network.id, archive)?;
    let previous = match before {
        Some(before) => leaves(&history, before, &network.id, archive)?.entries,
        None => Vec::new(),
    };
    say(Stage::Archive.found(format!(
        "{} leaves make the final roots; {} of {} are before them",
        archived.entries.len(),
        previous.len(),
        before.map_or("no epoch".to_owned(), |before| format!(
            "epoch {}",
            before.epoch
        ))
    )));

    let known = past.changed_since(epoch);
    Stage::Present.require(
        known.is_none(),
        &format!(
            "the network has changed its {} since the epoch was scored, and what they were then can't be read any more: \
             ask a worker that was there",
            known.unwrap_or_default()
        ),
    )?;
    let previous = previous
        .iter()
        .map(|entry| ((entry.kind, entry.payee), entry.cumulative))
        .collect();
    let computed = recompute(chain, key, &history, archive, &emission, decided, &previous)?;
    // Without its accounts, nothing seems to have been burned in the epoch.
    Stage::Present.require(
        computed.budget == decided.budget,
        &WorkerError::Closed.to_string(),
    )?;
    if let Some(owner) = computed.forgotten.first() {
        return Stage::Present.fails(format!(
            "the bond of {owner} does not remember what it held when the epoch ended: it keeps the last {} epochs in which \
             it changed",
            security_pool::state::CHECKPOINTS
        ));
    }
    say(Stage::Present.found("parameters, authority and bonds are known as they were then"));

    compare(&archived, &computed)?;
    let counted = history.commitments.values().map(Vec::len).sum::<usize>();
    say(Stage::Scores.found(format!(
        "the readings of {counted} commitments give every payee's score{}",
        withheld(&computed)
    )));
    say(Stage::Rewards.found(format!(
        "scores, the epoch's budget and the amounts before give every payee's amount, in all {}",
        roots.reward_sum
    )));
    let is_it = roots_of(&computed.rewards).map_err(at(Stage::Roots))? == roots;
    Stage::Roots.require(
        is_it,
        "what was recomputed makes other roots than the final ones",
    )?;
    say(Stage::Roots.found(format!(
        "scores {} and rewards {}, bit for bit",
        hex::encode(roots.score_hash),
        hex::encode(roots.reward_hash)
    )));
    Ok(roots)
}

/// Why an epoch has no final roots.
fn undecided(epoch: u64, emission: &Emission) -> String {
    if emission.is_final(epoch) {
        format!(
            "epoch {epoch} has no roots of its own: nothing was committed in it, or its rewards were passed over for those \
             of a later one"
        )
    } else {
        format!("the roots of epoch {epoch} are not final yet")
    }
}

/// Roots that became final.
struct Final {
    epoch: u64,
    proposal: Pubkey,
    roots: Roots,
    /// Commitments that are said to archive both trees: the final proposal's and those of others of the same roots. Stream
    /// and number.
    archives: Vec<(Pubkey, u64)>,
    /// What the epoch grants owners and operators at most, base units, as the program computed when it was proposed.
    budget: Budget,
}

/// What the chain's transactions tell of a network's rewards, and of what is known only as it is now. A transaction that
/// names the network may be about others too.
struct Past {
    network: Pubkey,
    /// Transactions so far.
    transactions: usize,
    /// All proposals with the stream that archives each, and the number of the transaction of the first one of an epoch.
    proposed: Vec<(Pubkey, ProposeRootArgs)>,
    first: BTreeMap<u64, usize>,
    budgets: BTreeMap<Pubkey, Budget>,
    finalized: Vec<RootFinalized>,
    /// What changed, and the number of the transaction.
    changed: Vec<(usize, &'static str)>,
}

impl Past {
    fn of(network: Pubkey) -> Self {
        Self {
            network,
            transactions: 0,
            proposed: Vec::new(),
            first: BTreeMap::new(),
            budgets: BTreeMap::new(),
            finalized: Vec::new(),
            changed: Vec::new(),
        }
    }

    fn read(&mut self, execution: &Execution) {
        self.transactions += 1;
        for (stream, args) in emissions::proposals(execution, &self.network) {
            self.first.entry(args.epoch).or_insert(self.transactions);
            self.proposed.push((stream, args));
        }
        let program = &reward_emission::ID;
        for event in event::events::<RootProposed>(execution, program) {
            let budget = Budget {
                owners: event.budget.saturating_sub(event.operators_share),
                operators: event.operators_share,
            };
            self.budgets.insert(event.proposal, budget);
        }
        let finalized = event::events::<RootFinalized>(execution, program).into_iter();
        self.finalized
            .extend(finalized.filter(|event| event.network == self.network));
        for call in execution.outer.iter().chain(&execution.inner) {
            if call.program != device_registry::ID || call.accounts.first() != Some(&self.network) {
                continue;
            }
            if call.data.starts_with(ApplyParameters::DISCRIMINATOR) {
                self.changed.push((self.transactions, "parameters"));
            }
            if call.data.starts_with(AcceptAuthority::DISCRIMINATOR) {
                self.changed
                    .push((self.transactions, "authority, and so its feeds"));
            }
        }
    }

    /// All final roots of the network, from old to new, as the emission's account confirms.
    fn finals(&self, emission: &Emission) -> Result<Vec<Final>, Failure> {
        let stage = Stage::Final;
        let mut finals = Vec::new();
        for event in &self.finalized {
            // A proposal's address is made of its base, roots and archive, so these are the ones that were voted on.
            let found = self.proposed.iter().find(|(stream, args)| {
                args.epoch == event.epoch
                    && emissions::proposal(&self.network, stream, args) == event.proposal
            });
            let (Some((stream, args)), Some(budget)) = (found, self.budgets.get(&event.proposal))
            else {
                return stage.fails(format!(
                    "the chain has not kept how {} was proposed",
                    event.proposal
                ));
            };
            let roots = args.roots().map_err(at(stage))?;
            // Of several proposals of the same roots the final one may be that which archives something else.
            let same = self.proposed.iter().filter(|(_, other)| {
                other.epoch == event.epoch && other.roots().is_ok_and(|of| of == roots)
            });
            let same = same.map(|(stream, other)| (*stream, other.sequence));
            finals.push(Final {
                epoch: event.epoch,
                proposal: event.proposal,
                roots,
                archives: std::iter::once((*stream, args.sequence))
                    .chain(same)
                    .collect(),
                budget: *budget,
            });
        }
        let newest = finals.last().map(|newest| (newest.epoch, newest.roots));
        let standing = (emission.finals > 0).then_some((emission.final_epoch, emission.roots));
        stage.require(
            u64::try_from(finals.len()) == Ok(emission.finals) && newest == standing,
            "the final roots told of are not those of the emission",
        )?;
        Ok(finals)
    }

    /// What changed after roots of an epoch were first proposed, hence after it was scored.
    fn changed_since(&self, epoch: u64) -> Option<&'static str> {
        let first = self.first.get(&epoch)?;
        let mut changed = self.changed.iter();
        changed.find_map(|(number, what)| (number > first).then_some(*what))
    }
}

/// The leaves that make final roots, from whichever of the archives has them.
fn leaves(
    history: &History,
    decided: &Final,
    network: &Hash,
    archive: Archive<'_>,
) -> Result<Rewards, Failure> {
    let mut first = None;
    for place in &decided.archives {
        match leaves_of(history, decided, place, network, archive) {
            Ok(rewards) => return Ok(rewards),
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    Err(first.unwrap_or_else(|| at(Stage::Archive)("the final roots have no archive")))
}

/// The leaves that a commitment archives, which must make the final roots.
fn leaves_of(
    history: &History,
    decided: &Final,
    place: &(Pubkey, u64),
    network: &Hash,
    archive: Archive<'_>,
) -> Result<Rewards, Failure> {
    let stage = Stage::Archive;
    let commitment = history.commitment(place)?;
    let bytes = fetch(&commitment, archive).map_err(|refusal| Failure {
        stage,
        reason: format!(
            "the leaves of epoch {}, payload {}: {refusal}",
            decided.epoch,
            hex::encode(commitment.payload_hash)
        ),
    })?;
    let Payload::Rewards {
        network: of,
        rewards,
    } = Payload::decode(&bytes).map_err(at(stage))?
    else {
        return stage.fails("the payload holds no rewards");
    };
    stage.require(
        of == *network && rewards.epoch == decided.epoch,
        "the payload is of another network or epoch",
    )?;
    let makes = roots_of(&rewards).map_err(at(stage))?;
    stage.require(
        makes == decided.roots,
        "the archived leaves make other roots than the final ones",
    )?;
    Ok(rewards)
}

/// The roots of both trees.
fn roots_of(rewards: &Rewards) -> Result<Roots, commitment::ProofError> {
    let (scores, amounts) = score::trees(rewards)?;
    let (score, reward) = (scores.root(), amounts.root());
    Ok(Roots {
        score_hash: score.hash,
        score_sum: score.sum,
        reward_hash: reward.hash,
        reward_sum: reward.sum,
        depth: rewards.depth,
        _pad: [0; 7],
    })
}

/// The commitments that the chain's events tell of.
struct Told<'a> {
    by_stream: &'a BTreeMap<Pubkey, Vec<CommitmentLeaf>>,
    /// When they were posted, unix seconds.
    times: BTreeSet<i64>,
}

impl Commitments for Told<'_> {
    fn posted_from(&self, time: i64) -> Result<Option<i64>, StoreError> {
        Ok(self.times.range(time..).next().copied())
    }

    fn of(&self, stream: &Hash) -> Result<Vec<CommitmentLeaf>, StoreError> {
        let leaves = self.by_stream.get(&Pubkey::from(*stream));
        Ok(leaves.cloned().unwrap_or_default())
    }
}

fn recompute(
    chain: &dyn Chain,
    network: &Pubkey,
    history: &History,
    archive: Archive<'_>,
    emission: &Emission,
    decided: &Final,
    previous: &Granted,
) -> Result<Computed, Failure> {
    let payload = |_: &Pubkey, leaf: &CommitmentLeaf| fetch(leaf, archive);
    let leaves = history.commitments.values().flatten();
    let commitments = Told {
        by_stream: &history.commitments,
        times: leaves.map(|leaf| leaf.posted_at).collect(),
    };
    let sources = Sources {
        chain,
        network: *network,
        registry: &history.registry,
        commitments: &commitments,
        payload: &payload,
    };
    reward::rewards(sources, emission, decided.epoch, previous).map_err(|error| match error {
        WorkerError::Closed => at(Stage::Present)(error),
        _ => at(Stage::Scores)(error),
    })
}

/// Holds every leaf against what was recomputed.
fn compare(archived: &Rewards, computed: &Computed) -> Result<(), Failure> {
    let by_place = |rewards: &Rewards| -> BTreeMap<(u8, u32), Reward> {
        let entries = rewards.entries.iter();
        entries
            .map(|entry| ((entry.kind, entry.index), *entry))
            .collect()
    };
    let (said, found) = (by_place(archived), by_place(&computed.rewards));
    let places: BTreeSet<_> = said.keys().chain(found.keys()).copied().collect();
    for place @ (kind, index) in places {
        let (said, found) = (said.get(&place), found.get(&place));
        let who = said.or(found).map(|entry| Pubkey::from(entry.payee));
        let who = format!(
            "the {} {} at index {index}",
            if kind == score::OPERATOR {
                "operator"
            } else {
                "owner"
            },
            who.unwrap_or_default()
        );
        let (said, found) = match (said, found) {
            (Some(said), Some(found)) => (*said, *found),
            (Some(said), None) => (
                *said,
                Reward {
                    score: 0,
                    cumulative: 0,
                    ..*said
                },
            ),
            (None, Some(found)) => (
                Reward {
                    score: 0,
                    cumulative: 0,
                    ..*found
                },
                *found,
            ),
            (None, None) => continue,
        };
        Stage::Scores.require(
            said.payee == found.payee,
            &format!(
                "{who} is not whom the network registered there, {}",
                Pubkey::from(found.payee)
            ),
        )?;
        if said.score != found.score {
            return differ(
                computed,
                Stage::Scores,
                &who,
                "a score",
                said.score,
                found.score,
            );
        }
        if said.cumulative != found.cumulative {
            let (said, found) = (said.cumulative, found.cumulative);
            return differ(computed, Stage::Rewards, &who, "an amount", said, found);
        }
    }
    Ok(())
}

/// The failure of a leaf. If there are payloads that nobody has, it may be for what they hold.
fn differ(
    computed: &Computed,
    stage: Stage,
    who: &str,
    what: &str,
    said: u64,
    found: u64,
) -> Result<(), Failure> {
    let differ = format!("{who} has {what} of {said} in the final tree, and {found} recomputed");
    match computed.missing.first() {
        None => stage.fails(differ),
        Some(missing) => Stage::Payload.fails(format!(
            "commitment {} of the stream {}: {}; without it, {differ}",
            missing.sequence, missing.stream, missing.refusal
        )),
    }
}

/// What did not count, for who reads that all is well.
fn withheld(computed: &Computed) -> String {
    match computed.missing.len() {
        0 => String::new(),
        count => format!(
            "; {count} payloads can't be had, and nothing that is in them counted for the final roots either"
        ),
    }
}
