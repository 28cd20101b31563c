//! The worker itself: one operator's keys, chain, database and peers, and the loop that drives it.

use crate::audit::{self, Audited};
use crate::availability::{self, Challenges};
use crate::challenge::{self, Checked};
use crate::committee::{Refusal, ANSWER_TIME};
use crate::config::Limits;
use crate::follow::{self, Following};
use crate::ingest::Ingest;
use crate::patience::Patience;
use crate::payload::PayloadError;
use crate::plausibility::Rules;
use crate::prove::Proving;
use crate::registry::Registry;
use crate::reward::Scored;
use crate::store::{Store, StoreError};
use crate::time::Time;
use crate::window::BatchError;
use crate::{prove, reward, round};
use ai_feed::state::Feed;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::ProofError;
use device_protocol::Hash;
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, Execution};
use fieldproof_client::precompile::PrecompileError;
use fieldproof_client::transaction::Prepared;
use fieldproof_client::{
    data_commitment as streams, device_registry as registry, security_pool as pools, transaction,
    ClientError,
};
use security_pool::state::{Committee, Roster};
use serde::{Deserialize, Serialize};
use solana_keypair::Keypair;
use solana_signature::Signature;
use solana_signer::Signer;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// Events that are kept for those who follow.
const JOURNAL: usize = 1_024;

/// Why a step stopped. The next one goes on from what is recorded.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The chain.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch that can't be made.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A payload that can't be made or read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A payload that nobody has.
    #[error(transparent)]
    Fetch(#[from] Refusal),
    /// A tree or path that can't be made.
    #[error("a proof can't be made: {0:?}")]
    Proof(ProofError),
    /// Signatures that don't fit an instruction.
    #[error(transparent)]
    Precompile(#[from] PrecompileError),
    /// A proof can't be made.
    #[error(transparent)]
    Prove(#[from] prover::ProveError),
    /// A program's own arithmetic refused.
    #[error("the network's accounts don't allow it: {0}")]
    Account(#[from] anchor_lang::error::Error),
    /// What an epoch's rewards depend on is gone.
    #[error(
        "what was paid for in the epoch is not on the chain any more: its accounts were closed"
    )]
    Closed,
    /// Chain and database disagree.
    #[error("{0}")]
    State(&'static str),
}

impl From<ProofError> for WorkerError {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}

/// Something a worker did or met.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Event {
    /// New devices were registered.
    Devices { new: usize },
    /// A commitment landed; without a signature when it had landed before a restart.
    Committed {
        sequence: u64,
        root: Hash,
        #[serde(with = "text::option")]
        signature: Option<Signature>,
        compute_units: Option<u64>,
    },
    /// An attestation was submitted.
    Submitted {
        feed: Hash,
        round: u64,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// Another operator did not sign.
    Refused {
        feed: Hash,
        round: u64,
        #[serde(with = "text")]
        pool: Pubkey,
        reason: String,
    },
    /// Members' signatures were brought to the chain, or a challenge window ended undisputed; value and mask are as they
    /// stand after.
    Attested {
        feed: Hash,
        round: u64,
        value: i64,
        mask: u16,
        signers: u32,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// The outputs of an attestation were proven, which took so long; value and mask are as they stand after.
    Proven {
        feed: Hash,
        round: u64,
        value: i64,
        mask: u16,
        milliseconds: u64,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// Another operator's attestation was proven false at a window, and the operator slashed.
    Refuted {
        feed: Hash,
        round: u64,
        pool: String,
        window: u8,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// Another operator's attestation can't be recomputed, or its readings are not good. A challenge of availability
    /// brings out whether they can be shown.
    Doubted {
        feed: Hash,
        round: u64,
        pool: String,
        reason: String,
    },
    /// A pool was slashed that had signed an attestation which was proven false.
    SignerSlashed {
        feed: Hash,
        round: u64,
        pool: String,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// A round became final.
    Finalized {
        feed: Hash,
        round: u64,
        value: i64,
        mask: u16,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// Roots of an epoch were proposed.
    Proposed {
        epoch: u64,
        ballot: u32,
        reward_sum: u64,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// This operator voted.
    Voted {
        epoch: u64,
        ballot: u32,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// Another operator's roots were proven wrong at a payee's index, and their proposer slashed.
    RootChallenged {
        epoch: u64,
        ballot: u32,
        kind: u8,
        index: u32,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// A pool was slashed for its vote for roots that were proven wrong.
    VoterSlashed {
        epoch: u64,
        ballot: u32,
        pool: String,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// A pool was slashed that had voted for different roots in one ballot.
    DoubleVoterSlashed {
        epoch: u64,
        ballot: u32,
        pool: String,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// An epoch's rewards became final.
    RewardsFinal {
        epoch: u64,
        reward_sum: u64,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// Somebody asks for a reading that this operator committed to.
    Challenged {
        sequence: u64,
        batch: u32,
        reading: u16,
        answer_by: i64,
    },
    /// The reading was shown; the bond, in lamports, is the operator's.
    Answered {
        sequence: u64,
        batch: u32,
        reading: u16,
        bond: u64,
        #[serde(with = "text")]
        signature: Signature,
        compute_units: u64,
    },
    /// Something did not work; it is tried again.
    Failed { what: String, detail: String },
}

/// What a worker did lately, for those who follow it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Journal {
    /// How often every [`Part`] of the work came to its end since the worker started: the fewest of them.
    pub steps: u64,
    /// Events since the worker started.
    pub count: u64,
    /// The newest of them, oldest first.
    pub events: VecDeque<Event>,
}

impl Journal {
    fn add(&mut self, events: &[Event]) {
        self.count += events.len() as u64;
        self.events.extend(events.iter().cloned());
        let surplus = self.events.len().saturating_sub(JOURNAL);
        self.events.drain(..surplus);
    }

    /// The journal with no more than the events after the first `after`.
    pub fn after(mut self, after: u64) -> Self {
        let new = usize::try_from(self.count.saturating_sub(after)).unwrap_or(usize::MAX);
        let known = self.events.len().saturating_sub(new);
        self.events.drain(..known);
        self
    }
}

/// A part of an operator's work, which waits for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To follow the chain, of which anybody can make any amount.
    Follow,
    /// To commit, attest and finalise. Of others it needs their signatures, for which all are asked at once.
    Rounds,
    /// To answer challenges of availability, for which stake is lost that are not answered in time. Of others it needs what the
    /// own archive has lost.
    Answers,
    /// To check the rewards that others propose, for which their archives are fetched.
    Audit,
    /// To score epochs to whose end the chain was followed, propose and vote for their rewards, for which others' payloads are
    /// fetched.
    Rewards,
    /// To prove what was attested.
    Proofs,
    /// To recompute what others attest.
    Watch,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Follow,
        Self::Rounds,
        Self::Answers,
        Self::Audit,
        Self::Rewards,
        Self::Proofs,
        Self::Watch,
    ];
}

/// One operator's means, shared by the loops and the server.
pub struct Operator {
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// The database.
    pub store: Arc<Store>,
    /// Registered devices.
    pub registry: Registry,
    /// The network's address.
    pub network: Pubkey,
    /// The network's id.
    pub network_id: Hash,
    /// The operator's pool.
    pub pool: Pubkey,
    /// Its stream in the network.
    pub stream: Pubkey,
    /// The pool's signer.
    pub signer: Keypair,
    /// The other operators' workers: pool → base URL.
    pub peers: BTreeMap<Pubkey, String>,
    /// Client for them.
    pub http: reqwest::blocking::Client,
    /// The open challenges of its stream.
    pub challenges: Challenges,
    /// The attestations of others that were found true.
    pub checked: Checked,
    /// Who did not answer, and what nobody served.
    pub patience: Patience,
    /// The epoch that was scored without payloads that nobody serves.
    pub scored: Scored,
    /// What was looked at of the rewards that others propose.
    pub audited: Audited,
    /// What it proves with, if it does.
    proving: OnceLock<Proving>,
    /// The chain's time.
    pub time: Arc<Time>,
    /// How far the chain was followed.
    pub following: Following,
    /// Held while the next commitment is decided on: rounds and rewards have numbers of one stream.
    pub(crate) deciding: Mutex<()>,
    /// What is seen through now.
    landing: Mutex<HashSet<Signature>>,
    journal: Mutex<Journal>,
    /// How often each part of the work came to its end.
    ends: [AtomicU64; Part::ALL.len()],
}

impl Operator {
    /// The signer's address.
    pub fn signer_key(&self) -> Pubkey {
        self.signer.pubkey()
    }

    /// What it proves with, if it does.
    pub fn proving(&self) -> Option<&Proving> {
        self.proving.get()
    }

    /// Has it prove with this from now on, unless it proves already.
    pub fn prove_with(&self, proving: Proving) {
        self.proving.get_or_init(|| proving);
    }

    /// The chain's time as it was read last, unix seconds.
    pub fn now(&self) -> i64 {
        self.time.now()
    }

    /// How often this part of the work came to its end.
    pub(crate) fn steps(&self, part: Part) -> u64 {
        let ends = self.ends.get(part as usize);
        ends.map_or(0, |ends| ends.load(Ordering::SeqCst))
    }

    /// Reads the chain's time. Returns it, in unix seconds.
    ///
    /// # Errors
    /// The chain's.
    pub(crate) fn tick(&self) -> Result<i64, WorkerError> {
        let asked = Instant::now();
        let now = self.chain.clock()?.unix_timestamp;
        self.time.set(now, asked);
        Ok(now)
    }

    /// What was done lately.
    pub fn journal(&self) -> Journal {
        // Counted before the events are read: what a step that has ended did is among them.
        let ends = self.ends.iter().map(|ends| ends.load(Ordering::SeqCst));
        let steps = ends.min().unwrap_or_default();
        Journal {
            steps,
            ..self.lock_journal().clone()
        }
    }

    fn lock_journal(&self) -> MutexGuard<'_, Journal> {
        // An event more or less does no harm.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network's account.
    ///
    /// # Errors
    /// The chain's.
    pub fn network(&self) -> Result<Network, WorkerError> {
        Ok(chain::read(self.chain.as_ref(), &self.network)?)
    }

    /// The network's epoch now.
    ///
    /// # Errors
    /// The chain's; [`WorkerError::Account`] before the network's genesis.
    pub fn epoch(&self) -> Result<u64, WorkerError> {
        Ok(self.network()?.epoch(self.now())?)
    }

    /// Whether the network's creator or authority made `feed`. Anybody can make a feed in a network, and each costs its
    /// operators rent and work: they serve these alone.
    ///
    /// # Errors
    /// The chain's.
    pub fn owns(&self, feed: &Feed) -> Result<bool, ClientError> {
        if feed.network != self.network {
            return Ok(false);
        }
        let network: Network = chain::read(self.chain.as_ref(), &self.network)?;
        Ok([network.creator, network.authority].contains(&feed.creator))
    }

    /// Whether `feed` is one of the network's own and goes on.
    ///
    /// # Errors
    /// The chain's.
    pub fn serves(&self, feed: &Feed) -> Result<bool, ClientError> {
        Ok(feed.state == ai_feed::state::ACTIVE && self.owns(feed)?)
    }

    /// Sees that the committee of `epoch`, the present one, is on the chain.
    ///
    /// # Errors
    /// The chain's.
    pub fn snapshot(&self, epoch: u64) -> Result<(), WorkerError> {
        let chain = self.chain.as_ref();
        let key = pools::committee(&self.network, epoch);
        let roster: Roster = chain::read(chain, &pools::roster(&self.network))?;
        loop {
            let committee: Option<Committee> = chain::find(chain, &key)?;
            if committee.is_some_and(|committee| committee.is_complete()) {
                return Ok(());
            }
            let members = pools::committee_pools(&roster, committee.as_ref(), epoch);
            let step = members
                .get(..members.len().min(pools::POOLS_PER_SNAPSHOT))
                .unwrap_or_default();
            let payer = self.signer_key();
            let draw = pools::snapshot_committee(&payer, &self.network, epoch, step);
            self.land(&[draw], |_| Ok(()))?;
        }
    }

    /// Sends instructions signed and paid by the pool's signer, and sees them land. `sent` is told the signature before
    /// anything is sent. The transaction itself is on the disk by then: a worker that is killed, or whose cluster fails,
    /// sees it through first when it goes on, so that nothing is sent twice.
    ///
    /// # Errors
    /// The transaction's, or that of `sent`.
    pub fn land(
        &self,
        instructions: &[Instruction],
        sent: impl FnOnce(Signature) -> Result<(), StoreError>,
    ) -> Result<Execution, WorkerError> {
        let chain = self.chain.as_ref();
        let prepared = transaction::prepare(chain, instructions, &self.signer, &[], &[])?;
        let signature = prepared.signature();
        let _landing = Landing::begin(&self.landing, signature);
        self.store
            .put_sent(signature.as_ref(), &prepared.to_bytes()?)?;
        sent(signature)?;
        self.see_through(&prepared)
    }

    /// Sees through what was sent and not seen to land, or not to be able to any more, but for what is seen through already.
    ///
    /// # Errors
    /// The cluster's and the database's. How a transaction ended is no error here: what it was for is still to be done,
    /// or is done already, and the chain is asked which.
    pub fn resume(&self) -> Result<(), WorkerError> {
        for bytes in self.store.sent()? {
            let prepared = Prepared::from_bytes(&bytes)?;
            let Some(_landing) = Landing::begin(&self.landing, prepared.signature()) else {
                continue;
            };
            match self.see_through(&prepared) {
                Err(WorkerError::Client(error)) if error.may_land() => return Err(error.into()),
                Err(WorkerError::Client(_)) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn see_through(&self, prepared: &Prepared) -> Result<Execution, WorkerError> {
        let landed = transaction::land(self.chain.as_ref(), prepared);
        if !landed.as_ref().is_err_and(ClientError::may_land) {
            self.store.forget_sent(prepared.signature().as_ref())?;
        }
        Ok(landed?)
    }
}

/// A transaction that a part of the work sees through, for which no other part waits, until this is dropped.
struct Landing<'a> {
    all: &'a Mutex<HashSet<Signature>>,
    signature: Signature,
}

impl<'a> Landing<'a> {
    /// `None` if another part sees it through.
    fn begin(all: &'a Mutex<HashSet<Signature>>, signature: Signature) -> Option<Self> {
        let mut landing = all.lock().unwrap_or_else(PoisonError::into_inner);
        // Made only if it is to be held: what is dropped here would wait for the lock that is held here.
        landing.insert(signature).then(|| Self { all, signature })
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut landing = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        landing.remove(&self.signature);
    }
}

/// A worker.
pub struct Worker {
    operator: Arc<Operator>,
    ingest: Arc<Ingest>,
    limits: Limits,
    mqtt: Arc<AtomicBool>,
}

impl Worker {
    /// A worker of `pool` in `network`, with its database in `data`.
    ///
    /// # Errors
    /// When the network is not on the chain or of another cluster, or the database can't be opened.
    pub fn open(
        chain: Arc<dyn Chain>,
        network: Pubkey,
        pool: Pubkey,
        signer: Keypair,
        peers: BTreeMap<Pubkey, String>,
        data: &Path,
    ) -> Result<Self, WorkerError> {
        let network_id = registry::read_network(chain.as_ref(), &network)?.id;
        let store = Arc::new(Store::open(data)?);
        let registry = Registry::load(&store)?;
        let time = Arc::new(Time::new(chain.clock()?.unix_timestamp));
        let ingest = Ingest::new(
            store.clone(),
            registry.clone(),
            network_id,
            time.clone(),
            Rules::default(),
        );
        let http = reqwest::blocking::Client::builder()
            .timeout(ANSWER_TIME)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Cluster(error.to_string()))?;
        let operator = Operator {
            chain,
            store,
            registry,
            network,
            network_id,
            pool,
            stream: streams::stream(&network, &pool),
            signer,
            peers,
            http,
            challenges: Challenges::default(),
            checked: Checked::default(),
            patience: Patience::default(),
            scored: Scored::default(),
            audited: Audited::default(),
            proving: OnceLock::new(),
            time,
            following: Following::default(),
            deciding: Mutex::new(()),
            landing: Mutex::default(),
            journal: Mutex::default(),
            ends: Default::default(),
        };
        Ok(Self {
            operator: Arc::new(operator),
            ingest: Arc::new(ingest),
            limits: Limits::default(),
            mqtt: Arc::default(),
        })
    }

    /// The same worker with other limits of its HTTP interface.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same worker with rules of what devices may say.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        let Operator {
            store,
            registry,
            network_id,
            time,
            ..
        } = self.operator.as_ref();
        let ingest = Ingest::new(
            store.clone(),
            registry.clone(),
            *network_id,
            time.clone(),
            rules,
        );
        self.ingest = Arc::new(ingest);
        self
    }

    /// The limits of its HTTP interface.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether it is connected to an MQTT broker.
    pub fn mqtt(&self) -> Arc<AtomicBool> {
        self.mqtt.clone()
    }

    /// The operator's means.
    pub fn operator(&self) -> &Arc<Operator> {
        &self.operator
    }

    /// What takes readings.
    pub fn ingest(&self) -> &Arc<Ingest> {
        &self.ingest
    }

    /// Reads the chain's time, by which readings are judged. Returns it, in unix seconds.
    ///
    /// # Errors
    /// The chain's.
    pub fn tick(&self) -> Result<i64, WorkerError> {
        self.operator.tick()
    }

    /// Does whatever can be done now, one part after the other. Where parts must not wait for each other, each has a loop
    /// of its own around [`Worker::work`].
    ///
    /// # Errors
    /// What stopped it. Everything up to there is recorded, and the next step goes on from it.
    pub fn step(&self) -> Result<Vec<Event>, WorkerError> {
        let mut events = Vec::new();
        for part in Part::ALL {
            events.extend(self.work(part)?);
        }
        Ok(events)
    }

    /// Does whatever of one part can be done now.
    ///
    /// # Errors
    /// As those of [`Worker::step`].
    pub fn work(&self, part: Part) -> Result<Vec<Event>, WorkerError> {
        let operator = self.operator.as_ref();
        let events = match part {
            Part::Follow => self.follow()?,
            Part::Rounds => self.rounds()?,
            Part::Answers => availability::step(operator, self.tick()?)?,
            Part::Audit => audit::step(operator, operator.now())?,
            Part::Rewards => reward::step(operator, operator.now())?,
            Part::Proofs => prove::step(operator, operator.now())?,
            Part::Watch => challenge::step(operator, operator.now())?,
        };
        operator.lock_journal().add(&events);
        if let Some(ends) = operator.ends.get(part as usize) {
            ends.fetch_add(1, Ordering::SeqCst);
        }
        Ok(events)
    }

    fn follow(&self) -> Result<Vec<Event>, WorkerError> {
        let new = follow::follow(&self.operator)?.devices;
        let event = (new > 0).then_some(Event::Devices { new });
        Ok(event.into_iter().collect())
    }

    fn rounds(&self) -> Result<Vec<Event>, WorkerError> {
        let now = self.tick()?;
        self.operator.resume()?;
        round::step(&self.operator, now)
    }
}

/// Keys and signatures as they are written for people.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::fmt::Display;
    use std::str::FromStr;

    pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }

    pub mod option {
        use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer};

        pub fn serialize<T: Display, S: Serializer>(
            value: &Option<T>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => to.collect_str(value),
                None => to.serialize_none(),
            }
        }

        pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            let text: Option<String> = Option::deserialize(from)?;
            text.map(|text| text.parse().map_err(D::Error::custom))
                .transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_at_a_time_sees_a_transaction_through() {
        let (all, signature) = (Mutex::default(), Signature::from([7; 64]));
        let landing = Landing::begin(&all, signature);
        assert!(landing.is_some());
        assert!(Landing::begin(&all, signature).is_none());
        // Who was not let in has taken nothing away.
        assert!(Landing::begin(&all, signature).is_none());
        assert!(Landing::begin(&all, Signature::from([8; 64])).is_some());
        drop(landing);
        assert!(Landing::begin(&all, signature).is_some());
    }
}
