//! Signing what another operator attests, after having checked all of it, and serving what others need to check ours.

use crate::follow;
use crate::payload::{self, Payload, PayloadError, MAX_LEN};
use crate::round::Commitment;
use crate::store::StoreError;
use crate::window::{self, BatchError, Computed};
use crate::worker::{Operator, WorkerError};
use ai_feed::state::{Attestation, Feed, Model};
use anchor_lang::prelude::Pubkey;
use commitment::{CommitmentLeaf, Tree};
use data_commitment::state::Stream;
use device_protocol::{AttestationMessage, Hash};
use fieldproof_client::{chain, ClientError};
use inference::ModelRef;
use reqwest::blocking::{Client, Response};
use security_pool::state::Committee;
use serde::{Deserialize, Serialize};
use solana_signature::Signature;
use solana_signer::Signer;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

/// How long another operator's worker may take to begin its answer, and to give a short one.
pub const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How long it is waited for a commitment while others follow the chain, and how often it is looked for.
const MOMENT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);
/// Bytes a second that a payload comes with at least.
const BYTES_A_SECOND: u64 = 256 << 10;
/// Largest answer of a peer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// A committee member's signature of an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSignature {
    /// The member's index in the committee.
    pub member: u8,
    /// Ed25519 signature of the attestation's message; if the model is private, of that of its sources.
    #[serde(with = "signature_hex")]
    pub signature: Signature,
}

/// Why an attestation is not signed. Nothing is signed that was not recomputed here.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// This operator has no seat in the attestation's committee.
    #[error("this operator is not in the attestation's committee")]
    NotMember,
    /// The commitment was not seen on the chain yet.
    #[error("the commitment is not known here yet: ask again")]
    UnknownCommitment,
    /// Nobody serves the payload.
    #[error("the payload can't be had: {0}")]
    Unavailable(String),
    /// Who was asked for the payload did not answer in time, now or a moment ago.
    #[error("the payload can't be had: who was asked for it did not answer in time")]
    Late,
    /// The payload is larger than any that is taken.
    #[error("the payload is larger than {MAX_LEN} bytes")]
    TooLarge,
    /// The feed is not one that this network's authority made.
    #[error("the feed was not made by the network's authority, or is frozen")]
    NotServed,
    /// The bytes served are not those committed to.
    #[error("the payload is not the one committed to: its hash or length differs")]
    Tampered,
    /// The payload does not parse.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The payload has no such batch.
    #[error("the payload does not hold the batch that is attested")]
    NoBatch,
    /// A rule is broken.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The batch does not hash to the leaf that the chain has.
    #[error("the batch does not give the committed leaf")]
    WrongLeaf,
    /// The model gives other outputs.
    #[error("the model gives other outputs on this batch")]
    WrongOutputs,
    /// The attestation's message is not what it says.
    #[error("the attestation's message is not made of its fields")]
    WrongMessage,
    /// The chain.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The reason's name in answers and counters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotMember => "not_member",
            Self::UnknownCommitment => "unknown_commitment",
            Self::Unavailable(_) | Self::Late => "unavailable",
            Self::TooLarge => "too_large",
            Self::NotServed => "not_served",
            Self::Tampered => "tampered",
            Self::Payload(_) => "payload",
            Self::NoBatch => "no_batch",
            Self::Batch(_) => "batch",
            Self::WrongLeaf => "wrong_leaf",
            Self::WrongOutputs => "wrong_outputs",
            Self::WrongMessage => "wrong_message",
            Self::Client(_) => "chain",
            Self::Store(_) => "store",
        }
    }
}

/// Checks the attestation at `key` from its payload up, and signs it.
///
/// # Errors
/// The first [`Refusal`] that applies.
pub fn sign(operator: &Operator, key: &Pubkey) -> Result<MemberSignature, Refusal> {
    let chain = operator.chain.as_ref();
    let attestation: Attestation = chain::read(chain, key)?;
    let feed: Feed = chain::read(chain, &attestation.feed)?;
    if !operator.serves(&feed)? {
        return Err(Refusal::NotServed);
    }
    let committee: Committee = chain::read(chain, &attestation.committee)?;
    let member = committee.member(&operator.pool).ok_or(Refusal::NotMember)?;
    let member = u8::try_from(member).map_err(|_| Refusal::NotMember)?;

    let stream = attestation.stream.to_bytes();
    let commitment = seen_commitment(operator, &stream, attestation.sequence)?;
    let bytes = fetch(operator, &attestation.pool, &commitment)?;
    let Payload::Readings { batches, .. } = Payload::decode(&bytes)? else {
        return Err(Refusal::NoBatch);
    };
    let index = usize::try_from(attestation.batch_index).map_err(|_| Refusal::NoBatch)?;
    let batch = batches.get(index).ok_or(Refusal::NoBatch)?;
    window::check_batch(
        batch,
        &feed,
        attestation.round,
        &operator.network_id,
        operator.registry.at(commitment.posted_at),
    )?;

    let model: Model = chain::read(chain, &fieldproof_client::ai_feed::model(&feed.model))?;
    let header = model.header().map_err(|_| BatchError::Model)?;
    let leaf = window::sources(batch, &header)?.leaf.hash();
    if leaf != attestation.batch_leaf {
        return Err(Refusal::WrongLeaf);
    }
    // A private model's outputs are for a proof to show: members say nothing of them.
    let message = if model.is_private() {
        attestation.sources_message(&operator.network_id, &feed.id)
    } else {
        let model = ModelRef::parse(&model.bytes).map_err(|_| BatchError::Model)?;
        let computed = window::compute(batch, &model)?;
        if computed.outputs != attestation.outputs {
            return Err(Refusal::WrongOutputs);
        }
        let message = message(
            &operator.network_id,
            &feed,
            &attestation,
            &committee,
            &computed,
        );
        if message != attestation.message {
            return Err(Refusal::WrongMessage);
        }
        message
    };
    // Kept, since the scores of the epoch are made of it.
    operator.store.put_payload(&bytes)?;
    Ok(MemberSignature {
        member,
        signature: operator.signer.sign_message(&message),
    })
}

/// What a committee signs of an attestation on the batch that was recomputed.
pub fn message(
    network: &Hash,
    feed: &Feed,
    attestation: &Attestation,
    committee: &Committee,
    computed: &Computed,
) -> Hash {
    AttestationMessage {
        network: *network,
        feed: feed.id,
        stream: attestation.stream.to_bytes(),
        round: attestation.round,
        sequence: attestation.sequence,
        batch_index: attestation.batch_index,
        batch_leaf: computed.leaf.hash(),
        model: feed.model,
        outputs: computed.outputs,
        epoch: committee.epoch,
    }
    .digest()
}

/// A commitment, as the chain told of it; of this operator's own stream, as it was decided on here, so that nothing waits
/// for the chain to be followed.
///
/// # Errors
/// The database's.
pub fn known(
    operator: &Operator,
    stream: &Hash,
    sequence: u64,
) -> Result<Option<CommitmentLeaf>, StoreError> {
    if *stream == operator.stream.to_bytes() {
        let own: Option<Commitment> = operator.store.commitment(sequence)?;
        // A database that is newer than the stream has only what the chain told.
        if let Some(leaf) = own.and_then(|own| own.leaf()) {
            return Ok(Some(leaf));
        }
    }
    operator.store.seen_commitment(stream, sequence)
}

/// A commitment, for which the chain is followed first where it is ahead of the database. Who asks while it is followed waits
/// for a moment: it may be behind for long.
fn seen_commitment(
    operator: &Operator,
    stream: &Hash,
    sequence: u64,
) -> Result<CommitmentLeaf, Refusal> {
    let asked = Instant::now();
    loop {
        if let Some(commitment) = known(operator, stream, sequence)? {
            return Ok(commitment);
        }
        match follow::try_follow(operator) {
            Ok(Some(_)) => {
                return known(operator, stream, sequence)?.ok_or(Refusal::UnknownCommitment)
            }
            Ok(None) if asked.elapsed() < MOMENT => std::thread::sleep(POLL),
            Ok(None) | Err(_) => return Err(Refusal::UnknownCommitment),
        }
    }
}

/// The payload of a commitment, if both are here.
///
/// # Errors
/// The database's.
pub fn held(
    operator: &Operator,
    stream: &Pubkey,
    sequence: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    match known(operator, &stream.to_bytes(), sequence)? {
        Some(leaf) => operator.store.payload(&leaf.payload_hash),
        None => Ok(None),
    }
}

/// The payload of a commitment, if the commitment is known here and somebody serves it. What nobody serves is looked for less
/// and less often.
///
/// # Errors
/// The chain's and the database's.
pub fn committed(
    operator: &Operator,
    stream: &Pubkey,
    sequence: u64,
) -> Result<Option<Vec<u8>>, WorkerError> {
    let Some(leaf) = known(operator, &stream.to_bytes(), sequence)? else {
        return Ok(None);
    };
    let hash = &leaf.payload_hash;
    if let Some(bytes) = operator.store.payload(hash)? {
        return Ok(Some(bytes));
    }
    let (patience, now) = (&operator.patience, operator.now());
    if !patience.is_due(hash, now) {
        return Ok(None);
    }
    let pool = chain::read::<Stream>(operator.chain.as_ref(), stream)?.pool;
    match fetch(operator, &pool, &leaf) {
        Ok(bytes) => {
            patience.found(hash);
            Ok(Some(bytes))
        }
        Err(Refusal::Store(error)) => Err(error.into()),
        Err(_) => {
            patience.missed(hash, now);
            Ok(None)
        }
    }
}

/// The payload of a commitment: from the own archive, or from the worker of `pool`, or another that has it. Whatever is
/// returned has the committed hash and length. A worker that did not answer in time is not asked for a while.
///
/// # Errors
/// [`Refusal::Unavailable`], [`Refusal::Late`] or [`Refusal::Tampered`].
pub fn fetch(
    operator: &Operator,
    pool: &Pubkey,
    commitment: &CommitmentLeaf,
) -> Result<Vec<u8>, Refusal> {
    if let Some(bytes) = operator.store.payload(&commitment.payload_hash)? {
        return Ok(bytes);
    }
    // The author first, then whoever else may have archived it.
    let author = operator.peers.get_key_value(pool);
    let others = operator.peers.iter().filter(|(other, _)| *other != pool);
    let mut last = Refusal::Unavailable(format!("no worker of pool {pool} is configured"));
    for (of, peer) in author.into_iter().chain(others) {
        let refusal = if operator.patience.rests(of) {
            Refusal::Late
        } else {
            match fetch_from(&operator.http, peer, commitment) {
                Ok(bytes) => return Ok(bytes),
                Err(Refusal::Late) => {
                    operator.patience.rest(of);
                    Refusal::Late
                }
                Err(refusal) => refusal,
            }
        };
        // Somebody who lies is worth telling more than somebody who is away.
        if !matches!(last, Refusal::Tampered) {
            last = refusal;
        }
    }
    Err(last)
}

/// The payload of a commitment from the worker at `peer`. Whatever is returned has the committed hash and length.
///
/// # Errors
/// [`Refusal::TooLarge`], [`Refusal::Unavailable`], [`Refusal::Late`] or [`Refusal::Tampered`].
pub fn fetch_from(
    http: &Client,
    peer: &str,
    commitment: &CommitmentLeaf,
) -> Result<Vec<u8>, Refusal> {
    if commitment.payload_len > MAX_LEN as u64 {
        return Err(Refusal::TooLarge);
    }
    let hash = hex::encode(commitment.payload_hash);
    let time = payload_time(commitment.payload_len);
    let asked = Instant::now();
    let refusal = |error: &dyn std::error::Error| {
        if asked.elapsed() >= ANSWER_TIME {
            return Refusal::Late;
        }
        Refusal::Unavailable(error.to_string())
    };
    let response = http
        .get(format!("{peer}/v1/payloads/{hash}"))
        .send()
        .and_then(Response::error_for_status)
        .map_err(|error| refusal(&error))?;
    let bytes =
        read(response, commitment.payload_len, asked + time).map_err(|error| refusal(&error))?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length != commitment.payload_len || payload::hash(&bytes) != commitment.payload_hash {
        return Err(Refusal::Tampered);
    }
    Ok(bytes)
}

/// How long a payload of `bytes` may take.
pub(crate) fn payload_time(bytes: u64) -> Duration {
    ANSWER_TIME + Duration::from_secs(bytes / BYTES_A_SECOND)
}

/// The body of a peer's answer, up to one byte more than `limit`, as long as some of it comes before `deadline`: a client's own
/// timeout begins anew with every byte.
pub(crate) fn read(response: Response, limit: u64, deadline: Instant) -> std::io::Result<Vec<u8>> {
    let mut body = response.take(limit.saturating_add(1));
    let (mut bytes, mut part) = (Vec::new(), vec![0; 64 << 10]);
    while Instant::now() < deadline {
        let length = body.read(&mut part)?;
        if length == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(part.get(..length).unwrap_or_default());
    }
    Err(ErrorKind::TimedOut.into())
}

/// Signatures of an attestation, and who refused or could not be reached, with what they said.
pub type Collected = (Vec<MemberSignature>, Vec<(Pubkey, String)>);

/// Asks every other operator at once for its signature of the attestation at `key`, and adds this one's own. A peer's
/// answer counts only if it is that peer's seat in `committee` and its signature of `message` verifies. Who did not answer in
/// time is not asked for a while.
pub fn collect(
    operator: &Operator,
    key: &Pubkey,
    committee: &Committee,
    message: &Hash,
) -> Collected {
    let answers = std::thread::scope(|scope| {
        let asked: Vec<_> = operator
            .peers
            .iter()
            .map(|(pool, peer)| (*pool, scope.spawn(move || ask(operator, pool, peer, key))))
            .collect();
        let own = sign(operator, key).map_err(|refusal| refusal.to_string());
        let mut answers = vec![(operator.pool, own)];
        answers.extend(asked.into_iter().map(|(pool, thread)| {
            let answer = thread.join();
            (
                pool,
                answer.unwrap_or_else(|_| Err("asking failed".to_owned())),
            )
        }));
        answers
    });
    let mut signatures = Vec::new();
    let mut refusals = Vec::new();
    for (pool, answer) in answers {
        match answer {
            Ok(answer) if is_of(&answer, &pool, committee, message) => signatures.push(answer),
            Ok(_) => refusals.push((pool, "its signature does not verify".to_owned())),
            Err(refusal) => refusals.push((pool, refusal)),
        }
    }
    (signatures, refusals)
}

/// Whether `answer` is the signature of `message` by the seat of `pool`.
fn is_of(answer: &MemberSignature, pool: &Pubkey, committee: &Committee, message: &Hash) -> bool {
    committee
        .members()
        .get(usize::from(answer.member))
        .is_some_and(|member| {
            member.pool == *pool && answer.signature.verify(member.signer.as_ref(), message)
        })
}

/// The request for a signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignRequest {
    /// The attestation's address.
    pub attestation: String,
}

/// The answer of an operator that refuses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refused {
    /// [`Refusal::name`].
    pub refused: String,
    /// What it says.
    pub detail: String,
}

fn ask(
    operator: &Operator,
    pool: &Pubkey,
    peer: &str,
    key: &Pubkey,
) -> Result<MemberSignature, String> {
    if operator.patience.rests(pool) {
        return Err("it did not answer in time a moment ago".to_owned());
    }
    let asked = Instant::now();
    let answer = ask_now(operator, peer, key, asked + ANSWER_TIME);
    if answer.is_err() && asked.elapsed() >= ANSWER_TIME {
        operator.patience.rest(pool);
    }
    answer
}

fn ask_now(
    operator: &Operator,
    peer: &str,
    key: &Pubkey,
    deadline: Instant,
) -> Result<MemberSignature, String> {
    let response = operator
        .http
        .post(format!("{peer}/v1/attestations"))
        .json(&SignRequest {
            attestation: key.to_string(),
        })
        .send()
        .map_err(|error| error.to_string())?;
    let accepted = response.status().is_success();
    let body = read(response, MAX_ANSWER, deadline).map_err(|error| error.to_string())?;
    read_answer(accepted, &body)
}

/// What an operator answers that was asked for its signature.
///
/// # Errors
/// What it says if it refuses, or what is wrong with its answer.
pub fn read_answer(accepted: bool, body: &[u8]) -> Result<MemberSignature, String> {
    if accepted {
        return serde_json::from_slice(body).map_err(|error| error.to_string());
    }
    let refused: Refused = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Err(format!("{}: {}", refused.refused, refused.detail))
}

/// The path of batch `index` among a commitment's batch leaves, and their root.
///
/// # Errors
/// [`WorkerError::Proof`] when there is no such batch.
pub fn batch_path(leaves: &[Hash], index: u32) -> Result<Vec<u8>, WorkerError> {
    Ok(Tree::of_batches(leaves)?.path(u64::from(index))?)
}

mod signature_hex {
    use super::Signature;
    use serde::{de::Error, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Signature, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(value))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text).map_err(D::Error::custom)?;
        Signature::try_from(bytes).map_err(|_| D::Error::custom("a signature has 64 bytes"))
    }
}
