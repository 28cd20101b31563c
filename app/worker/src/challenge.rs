//! Recomputes what other operators attest, as long as it can be challenged, and has those slashed who attested or signed
//! what is false.
//!
//! Readings come from the payload that was committed to. If the attester keeps it to itself there is nothing to compare
//! with, and to ask for it is what challenges of availability are for. What was found true is not looked at again until
//! the worker starts anew.

use crate::committee::{self, Refusal};
use crate::payload::Payload;
use crate::window::{self, Batch, Computed};
use crate::worker::{Event, Operator, WorkerError};
use ai_feed::instruction::ShowWindows;
use ai_feed::instructions::WindowArgs;
use ai_feed::penalty::SLASHER;
use ai_feed::state::{Attestation, Feed, Model};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::{AnchorDeserialize, Discriminator};
use device_protocol::{SignedGrant, SignedReading};
use fieldproof_client::ai_feed::{self as feeds, Challenging};
use fieldproof_client::chain::{self, Execution};
use fieldproof_client::{security_pool as pools, token};
use inference::ModelRef;
use security_pool::state::{Committee, Moment, Report, Roster};
use solana_signer::Signer;
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
    let (instruction, window) = match judge(operator, key, attestation, feed, &batch, &computed)? {
        Verdict::True => {
            operator.checked.add(*key);
            return Ok(Vec::new());
        }
        Verdict::Unshown => return Ok(Vec::new()),
        Verdict::False(instruction, window) => (*instruction, window),
    };
    let execution = operator.land(&[bounty(operator)?, instruction], |_| Ok(()))?;
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
        Err(_) => return Ok(None),
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
    /// It is not, as this instruction shows at this window.
    False(Box<Instruction>, u8),
}

/// Whether an output is not what the model gives, or a window not made of its readings.
fn judge(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
    batch: &Batch,
    computed: &Computed,
) -> Result<Verdict, WorkerError> {
    let challenging = challenging(operator, key, attestation, feed)?;
    if computed.leaf.windows_root == attestation.batch.windows_root {
        let outputs = computed.outputs.iter().zip(&attestation.outputs);
        let wrong = outputs
            .take(computed.windows.len())
            .position(|(right, attested)| right != attested);
        let Some(number) = wrong else {
            return Ok(Verdict::True);
        };
        let number = number as u8; // below 32
        let args = feeds::output_challenge(&computed.windows, number)?;
        let challenge = feeds::challenge_output(&challenging, args);
        return Ok(Verdict::False(Box::new(challenge), number));
    }
    // Windows were invented for readings that are right. Which, those say that were shown.
    let same_readings = computed.leaf.readings_root == attestation.batch.readings_root;
    let Some(shown) = shown_windows(operator, key)?.filter(|_| same_readings) else {
        return Ok(Verdict::Unshown);
    };
    let wrong = shown
        .iter()
        .zip(&computed.windows)
        .position(|(shown, right)| shown != right);
    let Some(number) = wrong else {
        return Ok(Verdict::Unshown);
    };
    let number = number as u8; // below 32
    let args = feeds::window_challenge(&shown, &readings(batch), number)?;
    let challenge = feeds::challenge_window(&challenging, args);
    Ok(Verdict::False(Box::new(challenge), number))
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

/// The windows that were shown for an attestation, from the transaction that did.
fn shown_windows(
    operator: &Operator,
    attestation: &Pubkey,
) -> Result<Option<Vec<WindowArgs>>, WorkerError> {
    let chain = operator.chain.as_ref();
    for signature in chain.history(attestation, None)? {
        let shown = chain
            .execution(&signature)?
            .as_ref()
            .and_then(feeds_windows);
        if shown.is_some() {
            return Ok(shown);
        }
    }
    Ok(None)
}

fn feeds_windows(execution: &Execution) -> Option<Vec<WindowArgs>> {
    let mut arguments = execution
        .outer
        .iter()
        .filter(|call| call.program == ai_feed::ID)
        .find_map(|call| call.data.strip_prefix(ShowWindows::DISCRIMINATOR))?;
    Some(ShowWindows::deserialize(&mut arguments).ok()?.windows)
}

/// Has those slashed that signed a false attestation and still have something at stake.
fn slash_signers(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
) -> Result<Vec<Event>, WorkerError> {
    let chain = operator.chain.as_ref();
    let committee: Committee = chain::read(chain, &attestation.committee)?;
    let roster: Roster = chain::read(chain, &pools::roster(&operator.network))?;
    let moment = Moment::at(&operator.network()?, operator.now())?;
    let challenging = challenging(operator, key, attestation, feed)?;
    let accomplices = attestation.accomplices();
    let mut events = Vec::new();
    for (member, entry) in (0u8..).zip(committee.members()) {
        let slashed = chain::find::<Report>(chain, &challenging.report(&entry.pool))?;
        if entry.pool == operator.pool
            || accomplices >> member & 1 == 0
            || slashed.is_some()
            || roster.at_stake(&SLASHER.0, &entry.pool, moment) == 0
        {
            continue;
        }
        let slash = feeds::slash_signer(&challenging, &attestation.committee, member, &entry.pool);
        let execution = operator.land(&[bounty(operator)?, slash], |_| Ok(()))?;
        events.push(Event::SignerSlashed {
            feed: feed.id,
            round: attestation.round,
            pool: entry.pool.to_string(),
            signature: execution.signature,
            compute_units: execution.compute_units,
        });
    }
    operator.checked.add(*key);
    Ok(events)
}

/// As whom this operator challenges: the bounty goes to its signer's token account.
fn challenging(
    operator: &Operator,
    key: &Pubkey,
    attestation: &Attestation,
    feed: &Feed,
) -> Result<Challenging, WorkerError> {
    let challenger = operator.signer.pubkey();
    let stake_mint = operator.network()?.stake_mint;
    let round = feeds::round(&attestation.feed, attestation.round);
    Ok(Challenging {
        challenger,
        bounty: token::associated(&challenger, &stake_mint),
        network: operator.network,
        network_id: operator.network_id,
        stake_mint,
        feed: attestation.feed,
        model: feeds::model(&feed.model),
        attestation: *key,
        pool: attestation.pool,
        round: operator.chain.account(&round)?.map(|_| round),
    })
}

/// Sees that there is an account for the bounty.
fn bounty(operator: &Operator) -> Result<Instruction, WorkerError> {
    let challenger = operator.signer.pubkey();
    let stake_mint = operator.network()?.stake_mint;
    Ok(token::create_associated(
        &challenger,
        &challenger,
        &stake_mint,
    ))
}
