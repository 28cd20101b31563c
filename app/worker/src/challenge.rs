//! Recomputes what other operators attest, as long as it can be challenged, and has those slashed who attested or signed
//! what is false.
//!
//! Readings come from the payload that was committed to; outputs are recomputed on windows that were shown too, so that it
//! helps nobody to keep a payload back. What was found true is not looked at again until the worker starts anew.

use crate::committee::{self, Refusal};
use crate::patience::{lock, Turns, Waits};
use crate::payload::Payload;
use crate::slash;
use crate::window::{self, Batch, BatchError, Sources};
use crate::worker::{Event, Operator, WorkerError};
use ai_feed::penalty::SLASHER;
use ai_feed::state::{Attestation, Feed, Model, FALSE_WINDOW, WINDOWS_SHOWN};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::READINGS_PER_WINDOW;
use device_protocol::{SignedGrant, SignedReading};
use fieldproof_client::ai_feed::{self as feeds, Challenging};
use fieldproof_client::chain;
use inference::{infer, ModelRef};
use security_pool::state::CommitteeEntry;
use std::collections::{BTreeMap, HashSet};
use std::mem::offset_of;
use std::sync::Mutex;

/// Seconds from one look at a doubtful attestation to the next, at most.
const MAX_WAIT: i64 = 240;

/// The attestations that were recomputed. Lost with the process.
#[derive(Debug, Default)]
pub struct Checked {
    turns: Turns,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Those that are true.
    checked: HashSet<Pubkey>,
    /// Those of which it can't be told.
    doubted: Waits<Pubkey>,
}

impl Checked {
    /// Leaves those that are to be looked at now, and forgets those that are gone.
    fn keep_due(&self, attestations: &mut Vec<(Pubkey, Attestation)>, now: i64) {
        let mut seen = lock(&self.seen);
        let there: HashSet<Pubkey> = attestations.iter().map(|(key, _)| *key).collect();
        seen.checked.retain(|key| there.contains(key));
        seen.doubted.keep(|key| there.contains(key));
        attestations
            .retain(|(key, _)| !seen.checked.contains(key) && seen.doubted.is_due(key, now));
    }

    fn add(&self, key: Pubkey) {
        let mut seen = lock(&self.seen);
        seen.doubted.end(&key);
        seen.checked.insert(key);
    }

    /// Waits longer each time, and yet looks again some times before the `deadline`. Returns whether it is the first time.
    fn doubt(&self, key: Pubkey, deadline: i64, now: i64) -> bool {
        let mut seen = lock(&self.seen);
        let longest = (deadline.saturating_sub(now) / 4).clamp(1, MAX_WAIT);
        seen.doubted.put_off(key, longest, now)
    }
}

/// Checks what others attested since the last step.
///
/// # Errors
/// The chain's and the database's. What one challenge meets does not stop the others: it becomes an [`Event::Failed`], and
/// is tried again.
pub fn step(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    if !operator.checked.turns.is_next(now) {
        return Ok(Vec::new());
    }
    let chain = operator.chain.as_ref();
    let mut own = BTreeMap::new();
    let mut attestations: Vec<(Pubkey, Attestation)> = Vec::new();
    let of_network = offset_of!(Feed, network);
    for (key, feed) in chain::read_all_of::<Feed>(chain, of_network, &operator.network)? {
        if operator.owns(&feed)? {
            let of_feed = chain::read_all_of(chain, offset_of!(Attestation, feed), &key)?;
            attestations.extend(of_feed);
            own.insert(key, feed);
        }
    }
    attestations.retain(|(_, attestation)| {
        attestation.pool != operator.pool && (attestation.is_open(now) || attestation.is_false())
    });
    operator.checked.keep_due(&mut attestations, now);
    let mut events = Vec::new();
    for (key, attestation) in &attestations {
        let Some(feed) = own.get(&attestation.feed) else {
            continue;
        };
        let done = look(operator, key, attestation, feed, now);
        match done {
            Ok(found) => events.extend(found),
            Err(error) => events.push(Event::Failed {
                what: "challenge".to_owned(),
                detail: error.to_string(),
            }),
        }
    }
    Ok(events)
}

/// Has those slashed that signed what was proven false, and checks what was not.
fn look(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
    now: i64,
) -> Result<Vec<Event>, WorkerError> {
    let mut events = Vec::new();
    if attestation.is_false() {
        events.extend(slash_signers(operator, key, attestation, feed)?);
    }
    // Its attester may have had an output proven false, so that nobody looks at its windows.
    if attestation.flags & FALSE_WINDOW == 0 && attestation.is_open(now) {
        events.extend(check(operator, key, attestation, feed, now)?);
    } else {
        operator.checked.add(*key);
    }
    Ok(events)
}

/// Recomputes an attestation, and challenges it where it is false.
fn check(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
    now: i64,
) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let model: Model = chain::read(chain, &feeds::model(&feed.model))?;
    let header = model.header()?;
    let served = served(operator, attestation, feed)?;
    let batch = match &served {
        Some(Ok((batch, _))) => Some(batch),
        _ => None,
    };
    let readings = batch.and_then(|batch| attested_readings(batch, attestation));

    // The windows that were attested: those that follow from the readings, or others, of which nothing is known until
    // they are shown.
    let sources = batch.and_then(|batch| window::sources(batch, &header).ok());
    let captures = sources
        .as_ref()
        .map(|Sources { leaf, .. }| (leaf.first_capture, leaf.last_capture));
    let windows = match sources {
        Some(Sources { leaf, windows }) if leaf.windows_root == attestation.batch.windows_root => {
            Some(windows)
        }
        _ if attestation.flags & WINDOWS_SHOWN != 0 => feeds::shown_windows(chain, key)?,
        _ => None,
    };
    if let Some(windows) = &windows {
        // First, since whoever signed for the windows alone answers for nothing else.
        if let Some(readings) = &readings {
            for (number, window) in (0u8..).zip(windows) {
                let first = usize::from(number) * READINGS_PER_WINDOW;
                let own = readings
                    .get(first..first + READINGS_PER_WINDOW)
                    .unwrap_or_default();
                if !feeds::window_holds(
                    window,
                    own,
                    &operator.network_id,
                    feed,
                    attestation.round,
                    attestation.batch.first_capture,
                    &header,
                )? {
                    let args = feeds::window_challenge(windows, readings, number)?;
                    return refute(operator, key, attestation, feed, number, |challenging| {
                        feeds::challenge_window(challenging, args)
                    });
                }
            }
        }
        // Nobody else can run a private model: a proof speaks for its outputs.
        if !model.is_private() && !attestation.is_false() {
            let model = ModelRef::parse(&model.bytes).map_err(|_| BatchError::Model)?;
            let outputs = windows.iter().zip(&attestation.outputs);
            let wrong = (0u8..)
                .zip(outputs)
                .find(|(_, (window, output))| infer(&model, &window.features) != **output);
            if let Some((number, _)) = wrong {
                let args = feeds::output_challenge(windows, number)?;
                return refute(operator, key, attestation, feed, number, |challenging| {
                    feeds::challenge_output(challenging, args)
                });
            }
        }
    }

    // No recomputation refutes it. That its readings can't be shown, or that nobody's signature is under them, only a
    // challenge of availability brings out, which costs its bond where the operator answers.
    let doubt = match &served {
        // Until its commitment is seen, nothing is known of its readings.
        None => return Ok(Vec::new()),
        Some(Err(doubt)) => Some(doubt.clone()),
        Some(Ok(_)) if windows.is_none() => {
            Some("its windows are not those of its readings".to_owned())
        }
        Some(Ok(_))
            if captures
                != Some((
                    attestation.batch.first_capture,
                    attestation.batch.last_capture,
                )) =>
        {
            Some("its first and last capture are not those of its readings".to_owned())
        }
        Some(Ok((batch, posted_at))) => window::check_batch(
            batch,
            feed,
            attestation.round,
            &operator.network_id,
            operator.registry.at(*posted_at),
        )
        .err()
        .or_else(|| readings.is_none().then_some(BatchError::Foreign))
        .map(|error| error.to_string()),
    };
    let Some(reason) = doubt else {
        operator.checked.add(*key);
        return Ok(Vec::new());
    };
    let is_new = operator.checked.doubt(*key, attestation.deadline, now);
    Ok(is_new
        .then(|| Event::Doubted {
            feed: feed.id,
            round: attestation.round,
            pool: attestation.pool.to_string(),
            reason,
        })
        .into_iter()
        .collect())
}

/// A batch and when it was committed (unix seconds), or why it can't be had.
type Served = Result<(Batch, i64), String>;

/// The batch that an attestation is of, if somebody serves what was committed to. `None` until the commitment was seen.
fn served(
    operator: &Operator,
    attestation: &Attestation,
    feed: &Feed,
) -> Result<Option<Served>, WorkerError> {
    let stream = attestation.stream.to_bytes();
    let Some(leaf) = operator
        .store
        .seen_commitment(&stream, attestation.sequence)?
    else {
        return Ok(None);
    };
    let bytes = match committee::fetch(operator, &attestation.pool, &leaf) {
        Ok(bytes) => bytes,
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(refusal) => return Ok(Some(Err(refusal.to_string()))),
    };
    let batches = match Payload::decode(&bytes) {
        Ok(Payload::Readings { batches, .. }) => batches,
        Ok(_) => return Ok(Some(Err(Refusal::NoBatch.to_string()))),
        Err(error) => return Ok(Some(Err(error.to_string()))),
    };
    let batch = batches.into_iter().nth(attestation.batch_index as usize);
    let batch = batch.filter(|batch| batch.feed == feed.id);
    Ok(Some(
        batch
            .map(|batch| (batch, leaf.posted_at))
            .ok_or_else(|| Refusal::NoBatch.to_string()),
    ))
}

/// A batch's readings in their order, each with the grant of its session, if they are those that were attested.
fn attested_readings(
    batch: &Batch,
    attestation: &Attestation,
) -> Option<Vec<(SignedReading, Option<SignedGrant>)>> {
    let tree = window::readings_tree(batch).ok()?;
    (tree.root() == attestation.batch.readings_root).then(|| {
        let windows = batch.windows.iter();
        windows
            .flat_map(|window| {
                window.readings.iter().map(|signed| {
                    let grant = window.grant(signed.reading.session).copied();
                    (*signed, grant)
                })
            })
            .collect()
    })
}

/// Lands the challenge of an attestation at the window of a number.
fn refute(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
    window: u8,
    challenge: impl FnOnce(&Challenging) -> Instruction,
) -> Result<Vec<Event>, WorkerError> {
    let (challenging, account) = challenging(operator, key, attestation, feed)?;
    let execution = operator.land(&[account, challenge(&challenging)], |_| Ok(()))?;
    Ok(vec![Event::Refuted {
        feed: feed.id,
        round: attestation.round,
        pool: attestation.pool.to_string(),
        window,
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

/// Has those slashed that signed a false attestation and still have something at stake.
fn slash_signers(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
) -> Result<Vec<Event>, WorkerError> {
    let (challenging, account) = challenging(operator, key, attestation, feed)?;
    let accomplices = attestation.accomplices();
    let unpaid = slash::unpaid(
        operator,
        &attestation.committee,
        &SLASHER.0,
        |member| accomplices >> member & 1 == 1,
        |pool| challenging.report(pool),
    )?;
    let mut events = Vec::new();
    for (member, CommitteeEntry { pool, .. }) in unpaid {
        let slash = feeds::slash_signer(&challenging, &attestation.committee, member, &pool);
        let execution = operator.land(&[account.clone(), slash], |_| Ok(()))?;
        events.push(Event::SignerSlashed {
            feed: feed.id,
            round: attestation.round,
            pool: pool.to_string(),
            signature: execution.signature,
            compute_units: execution.compute_units,
        });
    }
    Ok(events)
}

/// As whom this operator challenges, and what sees that there is an account for the bounty.
fn challenging(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
) -> Result<(Challenging, Instruction), WorkerError> {
    let stake_mint = operator.network()?.stake_mint;
    let (bounty, account) = slash::bounty(operator, &stake_mint);
    let round = feeds::round(&attestation.feed, attestation.round);
    let challenging = Challenging {
        challenger: operator.signer_key(),
        bounty,
        network: operator.network,
        network_id: operator.network_id,
        stake_mint,
        feed: attestation.feed,
        model: feeds::model(&feed.model),
        attestation: *key,
        pool: attestation.pool,
        round: operator.chain.account(&round)?.map(|_| round),
    };
    Ok((challenging, account))
}
