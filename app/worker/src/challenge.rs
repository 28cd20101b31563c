//! Recomputes what other operators attest, as long as it can be challenged, and has those slashed who attested or signed
//! what is false.
//!
//! Readings come from the payload that was committed to. If the attester keeps it to itself there is nothing to compare
//! with, and to ask for it is what challenges of availability are for. What was found true is not looked at again until
//! the worker starts anew.

use crate::committee;
use crate::payload::Payload;
use crate::slash;
use crate::window::{self, Batch, Computed};
use crate::worker::{Event, Operator, WorkerError};
use ai_feed::instructions::WindowArgs;
use ai_feed::penalty::SLASHER;
use ai_feed::state::{Attestation, Feed, Model};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use device_protocol::{SignedGrant, SignedReading};
use fieldproof_client::ai_feed::{self as feeds, Challenging};
use fieldproof_client::chain;
use inference::ModelRef;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seconds from one look at all attestations to the next: much less than any challenge window.
const INTERVAL: i64 = 15;

/// The attestations that were recomputed and are true. Lost with the process.
#[derive(Debug, Default)]
pub struct Checked(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    checked: HashSet<Pubkey>,
    /// Not before this time, unix seconds.
    next_look: i64,
}

impl Checked {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        // What is checked once more does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time to look again.
    fn is_due(&self, now: i64) -> bool {
        let mut seen = self.lock();
        let due = now >= seen.next_look;
        if due {
            seen.next_look = now.saturating_add(INTERVAL);
        }
        due
    }

    /// Leaves those out that were checked, and forgets those that are gone.
    fn keep_new(&self, attestations: &mut Vec<(Pubkey, Attestation)>) {
        let mut seen = self.lock();
        let there: HashSet<Pubkey> = attestations.iter().map(|(key, _)| *key).collect();
        seen.checked.retain(|key| there.contains(key));
        attestations.retain(|(key, _)| !seen.checked.contains(key));
    }

    fn add(&self, key: Pubkey) {
        self.lock().checked.insert(key);
    }
}

/// Checks what others attested since the last step.
///
/// # Errors
/// The chain's and the database's. What one challenge meets does not stop the others: it becomes an [`Event::Failed`], and
/// is tried again.
pub fn step(operator: &Operator, now: i64) -> Result<Vec<Event>, WorkerError> {
    if !operator.checked.is_due(now) {
        return Ok(Vec::new());
    }
    let chain = operator.chain.as_ref();
    let mut attestations: Vec<(Pubkey, Attestation)> = chain::read_all(chain)?;
    attestations.retain(|(_, attestation)| {
        attestation.pool != operator.pool && (attestation.is_open(now) || attestation.is_false())
    });
    operator.checked.keep_new(&mut attestations);
    let mut events = Vec::new();
    for (key, attestation) in &attestations {
        let feed: Feed = chain::read(chain, &attestation.feed)?;
        if !operator.owns(&feed)? {
            operator.checked.add(*key);
            continue;
        }
        let done = if attestation.is_false() {
            slash_signers(operator, key, attestation, &feed)
        } else {
            check(operator, key, attestation, &feed)
        };
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

/// Recomputes an attestation, and challenges it where it is false.
fn check(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let model: Model = chain::read(chain, &feeds::model(&feed.model))?;
    if model.is_private() {
        // Nobody else can run it: a proof speaks for its outputs, and the committee for its sources.
        operator.checked.add(*key);
        return Ok(Vec::new());
    }
    let Some(batch) = batch(operator, attestation)? else {
        return Ok(Vec::new());
    };
    let model = ModelRef::parse(&model.bytes).map_err(|_| window::BatchError::Model)?;
    let Ok(computed) = window::compute(&batch, &model) else {
        operator.checked.add(*key);
        return Ok(Vec::new());
    };
    let verdict = judge(operator, key, attestation, &computed)?;
    let (window, shown) = match &verdict {
        Verdict::True => {
            operator.checked.add(*key);
            return Ok(Vec::new());
        }
        Verdict::Unshown => return Ok(Vec::new()),
        Verdict::FalseOutput(window) => (*window, None),
        Verdict::FalseWindow(window, shown) => (*window, Some(shown)),
    };
    let (challenging, account) = challenging(operator, key, attestation, feed)?;
    let challenge = match shown {
        None => {
            let args = feeds::output_challenge(&computed.windows, window)?;
            feeds::challenge_output(&challenging, args)
        }
        Some(shown) => {
            let args = feeds::window_challenge(shown, &readings(&batch), window)?;
            feeds::challenge_window(&challenging, args)
        }
    };
    let execution = operator.land(&[account, challenge], |_| Ok(()))?;
    Ok(vec![Event::Refuted {
        feed: feed.id,
        round: attestation.round,
        pool: attestation.pool.to_string(),
        window,
        signature: execution.signature,
        compute_units: execution.compute_units,
    }])
}

/// The batch that an attestation is of, if somebody serves what was committed to.
fn batch(operator: &Operator, attestation: &Attestation) -> Result<Option<Batch>, WorkerError> {
    let committed = committee::committed(operator, &attestation.stream, attestation.sequence)?;
    let Some(bytes) = committed else {
        return Ok(None);
    };
    let Ok(Payload::Readings { batches, .. }) = Payload::decode(&bytes) else {
        return Ok(None);
    };
    Ok(batches.into_iter().nth(attestation.batch_index as usize))
}

/// What there is to say of an attestation.
enum Verdict {
    /// It is what was recomputed.
    True,
    /// It is not, but nothing on the chain shows it yet.
    Unshown,
    /// The model gives another output on the window of this number.
    FalseOutput(u8),
    /// The window of this number, of those that were shown, is not made of its readings.
    FalseWindow(u8, Vec<WindowArgs>),
}

/// Whether an output is not what the model gives, or a window not made of its readings.
fn judge(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    computed: &Computed,
) -> Result<Verdict, WorkerError> {
    let number = |place: Option<usize>| place.map(|place| place as u8); // below 32
    if computed.leaf.windows_root == attestation.batch.windows_root {
        let outputs = computed.outputs.iter().zip(&attestation.outputs);
        let mut outputs = outputs.take(computed.windows.len());
        let wrong = number(outputs.position(|(right, attested)| right != attested));
        return Ok(wrong.map_or(Verdict::True, Verdict::FalseOutput));
    }
    // Windows were invented for readings that are right. Which, those say that were shown.
    if computed.leaf.readings_root != attestation.batch.readings_root {
        return Ok(Verdict::Unshown);
    }
    let Some(shown) = feeds::shown_windows(operator.chain.as_ref(), key)? else {
        return Ok(Verdict::Unshown);
    };
    let mut windows = shown.iter().zip(&computed.windows);
    let wrong = number(windows.position(|(shown, right)| shown != right));
    Ok(wrong.map_or(Verdict::Unshown, |wrong| Verdict::FalseWindow(wrong, shown)))
}

/// A batch's readings in their order, each with the grant of its session.
fn readings(batch: &Batch) -> Vec<(SignedReading, Option<SignedGrant>)> {
    batch
        .windows
        .iter()
        .flat_map(|window| {
            window.readings.iter().map(|signed| {
                let grant = window.grant(signed.reading.session).copied();
                (*signed, grant)
            })
        })
        .collect()
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
    for (member, pool) in unpaid {
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
    operator.checked.add(*key);
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
