//! Workers on the in-process chain, which talk to each other and to devices over HTTP.

mod altered;
mod challenges;
mod claims;
mod clock;
mod crowds;
mod epochs;

use ai_feed::state::{Attestation, AttesterBonds, Feed, BY_TIME};
use ai_feed::{CreateFeedArgs, SubmitAttestationArgs};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_spl::token::TokenAccount;
use axum::routing::get;
use commitment::{sum, BatchLeaf, CommitmentLeaf, MmrBuilder, Tree};
use data_commitment::instructions::CommitRootArgs;
use data_commitment::state::Stream;
use device_protocol::{
    feed_id, Curve, InputSpec, Reading, SessionGrant, SignedGrant, SignedReading,
    Status as Standing, Values,
};
use feed_reader::Mask;
use fieldproof_client::chain::{self, Cursor, LocalChain};
use fieldproof_client::device_registry::RegistryEvent;
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::{
    ai_feed as feeds, data_commitment as streams, device_registry as registry,
    reward_emission as emissions,
};
use fieldproof_client::{security_pool as pools, token, transaction, ClientError};
use fieldproof_worker::committee::{MemberSignature, Refused, SignRequest};
use fieldproof_worker::payload::{Payload, Reward, Rewards};
use fieldproof_worker::reward::{ClaimProof, EpochRecord};
use fieldproof_worker::round::Commitment;
use fieldproof_worker::score;
use fieldproof_worker::server::{self, Accepted, Status};
use fieldproof_worker::window::{self, Batch, BatchError, Window};
use fieldproof_worker::{Event, Part, Reject, Worker};
use inference::ModelRef;
use reqwest::blocking::{Client, Response};
use reward_emission::error::EmissionError;
use reward_emission::instructions::{CreateEmissionArgs, ProposeRootArgs, ScoringArgs};
use reward_emission::state::{
    Budget, Emission, PayeeKind, Proposal, Schedule, FINAL, OPEN, REJECTED,
};
use security_pool::state::{Committee, Pool};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use tests::fixture::{Device, Network, Operator, EPOCH, EVEN_SCORING, EVIDENCE_WINDOW, TOKEN};
use tests::{assert_refused, Harness, START};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

mod proofs;
mod refutations;
mod requests;
mod strangers;
mod tracing;
mod votes;

/// The model that comes with the project.
pub const MODEL: &[u8] = include_bytes!("../../../app/trainer/models/temperature.model");
/// The feed's cell, an H3 index of resolution 5.
const CELL: u64 = 0x0852_a100_7fff_ffff;
/// A neighbouring cell.
const OTHER_CELL: u64 = 0x0852_a104_7fff_ffff;
/// Seconds of a round, and between readings.
const HOUR: i64 = 3_600;
/// Seconds of a ballot.
const BALLOT: i64 = 6 * HOUR;
/// Seconds from passing rewards to their being final.
const CHALLENGE: i64 = HOUR;
/// Reward tokens of epoch 0, base units.
const INITIAL: u64 = 1_000_000_007;
/// Operators' share, basis points.
const OPERATORS_BPS: u16 = 3_000;
/// Bond of a device with its tier's discount, base units of the stake mint.
const DEVICE_BOND: u64 = 5 * TOKEN;
/// More steps than anything here takes.
const STEPS: usize = 40;

/// A network of three operators in epoch 2, 20 hours in, and their workers.
///
/// The device of each number sends to the operator of that number. The first owner has the devices 0 and 1, the second
/// device 2; a fourth device of the first owner stands outside the feed's cell.
struct World {
    // Dropped first: it serves the workers.
    runtime: Runtime,
    chain: Arc<LocalChain>,
    payer: Keypair,
    network: Network,
    feed: Pubkey,
    operators: [Operator; 3],
    owners: [Keypair; 2],
    devices: [Device; 4],
    workers: Vec<Served>,
    http: Client,
}

/// A worker and its address.
struct Served {
    worker: Arc<Worker>,
    url: String,
    data: TempDir,
}

impl World {
    fn new() -> Self {
        Self::emitting(EVEN_SCORING, 10_000)
    }

    /// With an emission of these terms of scores, which grants `floor_bps` of its schedule whatever is burned.
    fn emitting(scoring: ScoringArgs, floor_bps: u16) -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let operators = [30, 31, 32].map(|tokens| network.operator(&harness, tokens));
        let owners = [harness.key(), harness.key()];
        let maker = network.maker(&harness);
        let devices = [
            (0, Curve::Ed25519, CELL),
            (0, Curve::P256, CELL),
            (1, Curve::Ed25519, CELL),
            (0, Curve::Ed25519, OTHER_CELL),
        ]
        .map(|(owner, curve, cell)| network.device(&harness, &maker, &owners[owner], curve, cell));
        let feed = create_feed(&harness, &network);
        create_emission(&harness, &network, scoring, floor_bps);
        let payer = harness.payer.pubkey();
        for owner in &owners {
            let key = owner.pubkey();
            let destination = harness.fund(&key, &network.reward_mint, 0);
            let register = emissions::register_owner(&payer, &network.key, &key, &destination);
            harness.send(&[register], &[owner]).expect("owner");
            // For all four devices, whoever has them.
            harness.fund(&key, &network.stake_mint, 4 * DEVICE_BOND);
            let post = pools::post_bond(
                &payer,
                &key,
                &network.key,
                &network.stake_mint,
                4 * DEVICE_BOND,
            );
            harness.send(&[post], &[owner]).expect("bond");
        }
        for operator in &operators {
            let key = operator.key.pubkey();
            let destination = harness.fund(&key, &network.reward_mint, 0);
            let register = emissions::register_operator(
                &payer,
                &network.key,
                &key,
                &operator.pool,
                &destination,
            );
            harness
                .send(&[register], &[&operator.key])
                .expect("operator");
        }
        harness.advance(2 * EPOCH + 20 * HOUR);
        let Harness { chain, payer } = harness;
        let chain = Arc::new(chain);
        let runtime = Runtime::new().expect("runtime");
        let workers = serve_all(&runtime, &chain, &network, &operators);
        let world = Self {
            runtime,
            chain,
            payer,
            network,
            feed,
            operators,
            owners,
            devices,
            workers,
            http: Client::new(),
        };
        // They learn of the devices.
        world.settle();
        world
    }

    fn now(&self) -> i64 {
        use fieldproof_client::chain::Chain;
        self.chain.clock().expect("clock").unix_timestamp
    }

    /// A consecutive window's readings of a device, the newest one `before` seconds before now, all of `value`
    /// hundredths of a degree and rising by one.
    fn readings(&self, device: usize, before: i64, value: i32) -> [SignedReading; 16] {
        let newest = (self.now() - before) * 1_000;
        std::array::from_fn(|number| {
            let captured_at = newest - (15 - number as i64) * HOUR * 1_000;
            self.reading(device, captured_at, value + number as i32)
        })
    }

    fn reading(&self, device: usize, captured_at: i64, value: i32) -> SignedReading {
        reading(
            &self.network.id,
            &self.devices[device].signer,
            captured_at,
            value,
        )
    }

    fn post(&self, worker: usize, body: Vec<u8>) -> Accepted {
        self.post_to(worker, "readings", body)
    }

    fn post_to(&self, worker: usize, what: &str, body: Vec<u8>) -> Accepted {
        let url = format!("{}/v1/{what}", self.workers[worker].url);
        self.http
            .post(url)
            .body(body)
            .send()
            .and_then(Response::error_for_status)
            .and_then(Response::json)
            .expect("answer")
    }

    fn status(&self, worker: usize) -> Status {
        let url = format!("{}/v1/status", self.workers[worker].url);
        self.http
            .get(url)
            .send()
            .and_then(Response::json)
            .expect("status")
    }

    /// Sends a device's readings to the worker of its number, which takes all of them.
    fn deliver(&self, device: usize, readings: &[SignedReading]) {
        let body = readings.iter().flat_map(SignedReading::to_bytes).collect();
        assert_eq!(self.post(device, body).accepted, readings.len());
    }

    /// Has an operator commit to a payload that nobody has. Returns the commitment's number.
    fn commit_hidden(&self, operator: usize, payload_hash: [u8; 32]) -> u64 {
        let Operator {
            pool,
            stream,
            signer,
            ..
        } = &self.operators[operator];
        let stream: Stream = chain::read(self.chain.as_ref(), stream).expect("stream");
        let args = CommitRootArgs {
            sequence: stream.count,
            root: payload_hash,
            batches: 1,
            payload_hash,
            payload_len: 100,
        };
        let commit = streams::commit_root(&signer.pubkey(), &self.network.key, pool, args);
        let author = self.workers[operator].worker.operator();
        author.land(&[commit], |_| Ok(())).expect("commitment");
        stream.count
    }

    /// What a worker has seen that the operators committed to.
    fn seen(&self, worker: &Worker) -> Vec<CommitmentLeaf> {
        let store = &worker.operator().store;
        let streams = self.operators.iter().map(|operator| operator.stream);
        let seen = streams.map(|stream| store.seen_commitments(&stream.to_bytes()));
        seen.flat_map(|seen| seen.expect("store")).collect()
    }

    /// Steps every worker until none has anything to do, and returns what they did. Nothing may fail.
    fn settle(&self) -> Vec<Event> {
        let mut all = Vec::new();
        let mut quiet = 0;
        for _ in 0..STEPS {
            let before = all.len();
            for served in &self.workers {
                all.extend(served.worker.step().expect("step"));
            }
            quiet = if all.len() == before { quiet + 1 } else { 0 };
            // To decide on a commitment is no event yet: it is one when it lands.
            if quiet == 2 {
                let failed = all
                    .iter()
                    .find(|event| matches!(event, Event::Failed { .. } | Event::Refused { .. }));
                assert!(failed.is_none(), "{failed:?}");
                return all;
            }
        }
        panic!("the workers never rest: {all:?}");
    }

    fn set_time(&self, time: i64) {
        self.chain.set_time(time);
    }

    fn feed(&self) -> Feed {
        chain::read(self.chain.as_ref(), &self.feed).expect("feed")
    }

    /// A feed that takes attestations by time, each with a bond of 5 tokens. Returns its address.
    fn create_feed_by_time(&self) -> Pubkey {
        let payer = self.payer.pubkey();
        let args = CreateFeedArgs {
            required_mask: BY_TIME,
            min_streams: 1,
            grace: 2 * HOUR,
            bond: 5 * TOKEN,
            ..feed_args(&self.network, &payer, HOUR as u32 + 1)
        };
        let feed = feeds::feed(&args.id);
        let hash = inference::model_hash(&model(), poseidon).expect("hash");
        let create = feeds::create_feed(&payer, &payer, &self.network.key, &hash, args);
        self.send(&[create]).expect("feed");
        feed
    }

    /// What the attestations of each operator have reserved, base units.
    fn bonded(&self) -> [u64; 3] {
        self.operators.each_ref().map(|operator| {
            let bonds = feeds::bonds(&self.network.key, &operator.pool);
            let bonds: AttesterBonds = chain::read(self.chain.as_ref(), &bonds).expect("bonds");
            bonds.bonded
        })
    }

    fn emission(&self) -> Emission {
        chain::read(self.chain.as_ref(), &emissions::emission(&self.network.key)).expect("emission")
    }

    /// What each operator's pool holds, base units.
    fn staked(&self) -> [u64; 3] {
        self.operators.each_ref().map(|operator| {
            let pool: Pool = chain::read(self.chain.as_ref(), &operator.pool).expect("pool");
            pool.staked
        })
    }

    fn balance(&self, owner: &Pubkey) -> u64 {
        let account = token::associated(owner, &self.network.reward_mint);
        chain::read_borsh::<TokenAccount>(self.chain.as_ref(), &account)
            .expect("token account")
            .amount
    }

    fn proof(&self, worker: usize, payee: &Pubkey) -> Option<ClaimProof> {
        self.proof_of(&self.workers[worker], payee)
    }

    fn proof_of(&self, served: &Served, payee: &Pubkey) -> Option<ClaimProof> {
        let url = format!("{}/v1/rewards/{payee}", served.url);
        let response = self.http.get(url).send().expect("answer");
        response
            .status()
            .is_success()
            .then(|| response.json().expect("proof"))
    }

    fn claim(
        &self,
        kind: PayeeKind,
        payee: &Pubkey,
        owner: &Pubkey,
        proof: &ClaimProof,
    ) -> Result<chain::Execution, ClientError> {
        let place = emissions::ClaimAccounts {
            network: self.network.key,
            payee: emissions::payee(&self.network.key, kind, payee),
            reward_mint: self.network.reward_mint,
            destination: token::associated(owner, &self.network.reward_mint),
        };
        let path = hex::decode(&proof.path).expect("hexadecimal");
        self.send(&[emissions::claim(place, proof.cumulative, path)])
    }

    fn send(&self, instructions: &[Instruction]) -> Result<chain::Execution, ClientError> {
        transaction::send(self.chain.as_ref(), instructions, &self.payer, &[])
    }

    /// What worker number `worker` says when it is asked to sign the attestation at `key`.
    fn ask(&self, worker: usize, key: &Pubkey) -> Result<MemberSignature, Refused> {
        let response = self
            .http
            .post(format!("{}/v1/attestations", self.workers[worker].url))
            .json(&SignRequest {
                attestation: key.to_string(),
            })
            .send()
            .expect("answer");
        if response.status().is_success() {
            return Ok(response.json().expect("signature"));
        }
        assert!(response.status().is_client_error());
        Err(response.json().expect("refusal"))
    }

    #[track_caller]
    fn assert_refused(&self, lie: &Lie, refused: &str, detail: &str) {
        let key = self.attest(lie);
        let refusal = self.ask(1, &key).expect_err("signed a lie");
        assert_eq!(refusal.refused, refused, "{}", refusal.detail);
        assert!(refusal.detail.contains(detail), "{}", refusal.detail);
    }

    /// A window of device `device`.
    fn window(&self, device: usize, readings: [SignedReading; 16]) -> Window {
        let registered = &self.devices[device].registered;
        Window {
            tree: registered.tree_index,
            index: registered.index,
            readings: Box::new(readings),
            grants: Vec::new(),
        }
    }

    /// A batch for the round of the hour before this one.
    fn batch(&self, windows: Vec<Window>) -> Batch {
        let feed = self.feed();
        Batch {
            feed: feed.id,
            model: feed.model,
            round: self.now() as u64 / HOUR as u64 - 1,
            windows,
        }
    }

    /// Commits to what the lie says, as operator 0, and serves its payload at worker 0. Returns all that the stream has
    /// committed to.
    fn commit(&self, lie: &Lie) -> Vec<CommitmentLeaf> {
        let operator = self.workers[0].worker.operator();
        let committer = &self.operators[0];
        let stream: Stream = chain::read(self.chain.as_ref(), &committer.stream).expect("stream");
        let mut leaves = operator
            .store
            .seen_commitments(&committer.stream.to_bytes())
            .expect("store");
        assert_eq!(leaves.len() as u64, stream.count);
        if lie.is_served {
            operator.store.put_payload(&lie.payload).expect("store");
        }
        let leaf = CommitmentLeaf {
            sequence: stream.count,
            posted_at: self.now(),
            root: lie.tree().root(),
            batches: lie.leaves.len() as u32,
            payload_hash: fieldproof_worker::payload::hash(&lie.payload),
            payload_len: lie.payload.len() as u64,
        };
        let commit = streams::commit_root(
            &committer.signer.pubkey(),
            &self.network.key,
            &committer.pool,
            CommitRootArgs {
                sequence: leaf.sequence,
                root: leaf.root,
                batches: leaf.batches,
                payload_hash: leaf.payload_hash,
                payload_len: leaf.payload_len,
            },
        );
        operator.land(&[commit], |_| Ok(())).expect("commit");
        fieldproof_worker::follow::follow(operator).expect("follow");
        leaves.push(leaf);
        leaves
    }

    /// Commits as [`World::commit`] does, and attests to it. Returns the attestation's address.
    fn attest(&self, lie: &Lie) -> Pubkey {
        let operator = self.workers[0].worker.operator();
        let committer = &self.operators[0];
        let leaves = self.commit(lie);
        let leaf = *leaves.last().expect("a commitment");
        let mut mmr = MmrBuilder::new();
        for leaf in &leaves {
            mmr.append(leaf.hash()).expect("append");
        }
        let epoch = operator.epoch().expect("epoch");
        operator.snapshot(epoch).expect("committee");
        let feed = self.feed();
        let index = lie.leaves.len() - 1;
        let round = self.now() as u64 / HOUR as u64 - 1;
        let submit = feeds::submit_attestation(
            &feeds::Attesting {
                payer: committer.signer.pubkey(),
                attester: committer.signer.pubkey(),
                network: self.network.key,
                feed: self.feed,
                model: feeds::model(&feed.model),
                stream: committer.stream,
                pool: committer.pool,
                committee: pools::committee(&self.network.key, epoch),
                bonds: None,
            },
            SubmitAttestationArgs {
                round,
                outputs: lie.outputs,
                commitment: leaf.into(),
                mmr_path: mmr.path(leaf.sequence).expect("path"),
                batch_index: index as u32,
                batch: lie.leaves[index].into(),
                batch_path: lie.tree().path(index as u64).expect("path"),
            },
        );
        operator.land(&[submit], |_| Ok(())).expect("submit");
        feeds::attestation(
            &self.feed,
            &committer.stream,
            round,
            leaf.sequence,
            index as u32,
        )
    }

    /// The honest commitment to a batch, to be made a lie.
    fn honest(&self, batch: Batch) -> Lie {
        let computed = window::compute(&batch, &model()).expect("batch");
        Lie {
            payload: self.payload(vec![batch]),
            is_served: true,
            leaves: vec![computed.leaf],
            outputs: computed.outputs,
        }
    }

    /// The payload of these batches in the first operator's stream, of the network that the readings are of.
    fn payload(&self, batches: Vec<Batch>) -> Vec<u8> {
        Payload::Readings {
            network: batches[0].windows[0].newest().reading.network,
            stream: self.operators[0].stream.to_bytes(),
            batches,
        }
        .encode()
        .expect("payload")
    }
}

/// What an operator commits to and claims of the last batch of the commitment.
#[derive(Clone)]
struct Lie {
    payload: Vec<u8>,
    is_served: bool,
    leaves: Vec<BatchLeaf>,
    outputs: [u8; 32],
}

impl Lie {
    fn tree(&self) -> Tree {
        let leaves: Vec<_> = self.leaves.iter().map(BatchLeaf::hash).collect();
        Tree::of_batches(&leaves).expect("tree")
    }
}

fn model() -> ModelRef<'static> {
    ModelRef::parse(MODEL).expect("model")
}

/// A reading of one value, numbered by its time.
pub fn reading(
    network: &[u8; 32],
    signer: &DeviceSigner,
    captured_at: i64,
    value: i32,
) -> SignedReading {
    sign(
        signer,
        Reading {
            network: *network,
            device: signer.device_key().id(),
            leaf_nonce: 0,
            session: 0,
            sequence: captured_at as u64,
            captured_at,
            latitude: 406_925_000,
            longitude: -741_687_000,
            accuracy: 20,
            schema: 1,
            values: Values::new(&[value]).expect("value"),
        },
    )
}

fn sign(signer: &DeviceSigner, reading: Reading) -> SignedReading {
    SignedReading {
        signature: signer.sign(&reading.digest()),
        reading,
    }
}

/// A feed of hourly rounds that all three streams must reach.
fn create_feed(harness: &Harness, network: &Network) -> Pubkey {
    let payer = harness.payer.pubkey();
    let hash = inference::model_hash(&model(), poseidon).expect("hash");
    harness
        .send(&[feeds::register_model(&payer, hash, MODEL.to_vec())], &[])
        .expect("model");
    let args = feed_args(network, &payer, HOUR as u32);
    let create = feeds::create_feed(&payer, &payer, &network.key, &hash, args.clone());
    harness.send(&[create], &[]).expect("feed");
    feeds::feed(&args.id)
}

/// What it is created with; the largest gap tells feeds apart.
fn feed_args(network: &Network, creator: &Pubkey, max_gap: u32) -> CreateFeedArgs {
    let hash = inference::model_hash(&model(), poseidon).expect("hash");
    feed_args_of(network, creator, &hash, max_gap)
}

/// As [`feed_args`], of another model.
fn feed_args_of(
    network: &Network,
    creator: &Pubkey,
    model: &[u8; 32],
    max_gap: u32,
) -> CreateFeedArgs {
    let cells = vec![CELL];
    let input = InputSpec {
        schema: 1,
        max_gap_s: max_gap,
        cells: &cells,
    };
    let id = feed_id(&network.id, &creator.to_bytes(), model, &input, 0, HOUR).expect("id");
    CreateFeedArgs {
        id,
        schema: 1,
        max_gap,
        cells,
        aggregation: 0,
        round_length: HOUR,
        required_mask: Mask::COMMITTEE | Mask::SOURCED,
        min_signers: 2,
        min_streams: 3,
        grace: HOUR,
        challenge_window: HOUR,
        bond: 0,
        slash_bps: 1_000,
    }
}

fn create_emission(harness: &Harness, network: &Network, scoring: ScoringArgs, floor_bps: u16) {
    let payer = harness.payer.pubkey();
    let args = CreateEmissionArgs {
        operators_bps: OPERATORS_BPS,
        root_slash_bps: 1_000,
        floor_bps,
        schedule: Schedule::new(INITIAL, 1_000, (1 << 32) / 10 * 9, 1_000).expect("schedule"),
        challenge_window: CHALLENGE,
        ballot_length: BALLOT,
        breaker_window: EPOCH,
        breaker_limit: u64::MAX,
        scoring,
    };
    let create = emissions::create_emission(
        &payer,
        &network.key,
        &payer,
        &network.reward_mint,
        &payer,
        args,
    );
    harness.send(&[create], &[]).expect("emission");
}

fn listen(runtime: &Runtime) -> (TcpListener, String) {
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("port");
    let address = listener.local_addr().expect("address");
    (listener, format!("http://{address}"))
}

/// A worker of each operator, that knows the others' addresses.
fn serve_all(
    runtime: &Runtime,
    chain: &Arc<LocalChain>,
    network: &Network,
    operators: &[Operator],
) -> Vec<Served> {
    let listeners: Vec<_> = operators.iter().map(|_| listen(runtime)).collect();
    let urls: BTreeMap<Pubkey, String> = operators
        .iter()
        .zip(&listeners)
        .map(|(operator, (_, url))| (operator.pool, url.clone()))
        .collect();
    operators
        .iter()
        .zip(listeners)
        .map(|(operator, (listener, url))| {
            let mut peers = urls.clone();
            peers.remove(&operator.pool);
            serve(runtime, chain, network, operator, peers, (listener, url))
        })
        .collect()
}

fn serve(
    runtime: &Runtime,
    chain: &Arc<LocalChain>,
    network: &Network,
    operator: &Operator,
    peers: BTreeMap<Pubkey, String>,
    (listener, url): (TcpListener, String),
) -> Served {
    let data = TempDir::new().expect("directory");
    let worker = Worker::open(
        chain.clone(),
        network.key,
        operator.pool,
        operator.signer.insecure_clone(),
        peers,
        data.path(),
    )
    .expect("worker");
    let worker = Arc::new(worker);
    let served = worker.clone();
    runtime.spawn(async move { server::serve(&served, listener, std::future::pending()).await });
    Served { worker, url, data }
}

/// A session of a device from a day before 100 s after now on.
fn session_grant(
    world: &World,
    device: &DeviceSigner,
    session: &DeviceSigner,
    counter: u32,
) -> SessionGrant {
    SessionGrant {
        network: world.network.id,
        device: device.device_key().id(),
        leaf_nonce: 0,
        session_key: session.device_key().as_bytes().try_into().expect("key"),
        counter,
        not_before: world.now() + 100 - SessionGrant::MAX_SECONDS,
        expires: world.now() + 100,
    }
}

fn signed_grant(signer: &DeviceSigner, grant: &SessionGrant) -> Vec<u8> {
    let signature = signer.sign(&grant.digest());
    let grant = *grant;
    SignedGrant { grant, signature }.to_array().to_vec()
}

fn grant(world: &World, device: &DeviceSigner, session: &DeviceSigner, counter: u32) -> Vec<u8> {
    signed_grant(device, &session_grant(world, device, session, counter))
}

mod readings {
    use super::*;

    #[test]
    fn each_is_taken_or_rejected_for_its_reason_and_counted() {
        let world = World::new();
        let now = world.now() * 1_000;
        let signer = &world.devices[0].signer;
        let good = world.reading(0, now, 500);
        let altered = |alter: &dyn Fn(&mut Reading)| {
            let mut reading = good.reading;
            alter(&mut reading);
            sign(signer, reading)
        };
        let mut forged = altered(&|reading| reading.sequence += 1);
        forged.reading.values = Values::new(&[501]).expect("value");
        // A device that a newer leaf has banned.
        let banned = DeviceSigner::generate(Curve::Ed25519);
        let registered = &world.devices[0].registered;
        let mut leaf = event_of(&banned, registered);
        leaf.status = Standing::Banned as u8;
        let registry = &world.workers[0].worker.operator().registry;
        let told = [RegistryEvent::Registered(Box::new(leaf))];
        for record in registry.records(&told).expect("records") {
            registry.insert(record).expect("device");
        }

        let session = DeviceSigner::generate(Curve::Ed25519);
        let other = DeviceSigner::generate(Curve::Ed25519);
        let grants = [&session, &session, &other].map(|session| grant(&world, signer, session, 2));
        let granted = world.post_to(0, "grants", grants.concat());
        let grants_expected = ["accepted", "replay", "stale_grant"];
        assert_eq!(granted.results, grants_expected);
        let in_session = |captured_at| {
            let mut reading = world.reading(0, captured_at, 500).reading;
            reading.session = 2;
            sign(&session, reading)
        };

        let hour = HOUR * 1_000;
        let day = 24 * hour;
        let cases = [
            ("accepted", good),
            ("replay", good),
            (
                "equivocation",
                altered(&|reading| reading.values = Values::new(&[501]).expect("value")),
            ),
            (
                "wrong_network",
                altered(&|reading| reading.network = [9; 32]),
            ),
            ("wrong_nonce", altered(&|reading| reading.leaf_nonce = 1)),
            ("unknown_session", altered(&|reading| reading.session = 1)),
            ("accepted", in_session(now)),
            ("outside_session", in_session(now + 100_000 - day - 1)),
            ("bad_signature", altered(&|reading| reading.session = 2)),
            ("bad_signature", forged),
            // However much time has passed since the worker read the clock.
            ("clock_in_future", world.reading(0, now + 600_000, 500)),
            ("accepted", world.reading(0, now + 30_000, 500)),
            ("too_old", world.reading(0, now - day - 1, 500)),
            ("accepted", world.reading(0, now - day, 500)),
            (
                "unknown_device",
                reading(
                    &world.network.id,
                    &DeviceSigner::generate(Curve::P256),
                    now,
                    500,
                ),
            ),
            (
                "inactive_device",
                reading(&world.network.id, &banned, now, 500),
            ),
            ("accepted", world.reading(1, now, 500)),
        ];
        let mut body: Vec<u8> = cases
            .iter()
            .flat_map(|(_, signed)| signed.to_bytes())
            .collect();
        body.extend_from_slice(b"no reading");
        let answer = world.post(0, body);
        let expected: Vec<&str> = cases
            .iter()
            .map(|(name, _)| *name)
            .chain(["malformed"])
            .collect();
        assert_eq!(answer.results, expected);
        assert_eq!(answer.accepted, 5);
        let mut counted = BTreeMap::new();
        for name in expected.into_iter().chain(["replay", "stale_grant"]) {
            *counted.entry(name.to_owned()).or_insert(0) += 1;
        }
        // Rules of plausibility are the operator's: without any, nothing is refused for them.
        let by_rule = [
            Reject::OutOfRange,
            Reject::RateOfChange,
            Reject::Stuck,
            Reject::ApartFromNeighbours,
        ];
        assert!(Reject::ALL
            .iter()
            .all(|reject| counted.contains_key(reject.name()) != by_rule.contains(reject)));
        let status = world.status(0);
        assert_eq!(status.counters, counted);
        assert_eq!(status.readings, 5);
    }

    #[test]
    fn of_a_session_need_a_grant_by_the_hardware_key_of_the_present_owners_time() {
        let world = World::new();
        let signer = &world.devices[1].signer;
        let session = DeviceSigner::generate(Curve::Ed25519);
        let now = world.now();
        let altered = |alter: &dyn Fn(&mut SessionGrant), by: &DeviceSigner| {
            let mut altered = session_grant(&world, signer, &session, 1);
            alter(&mut altered);
            signed_grant(by, &altered)
        };
        let day = 24 * HOUR;
        let cases = [
            ("bad_signature", altered(&|_| (), &session)),
            (
                "wrong_network",
                altered(&|grant| grant.network = [9; 32], signer),
            ),
            (
                "wrong_nonce",
                altered(&|grant| grant.leaf_nonce = 1, signer),
            ),
            (
                "unknown_device",
                altered(&|grant| grant.device = [9; 32], signer),
            ),
            ("malformed", altered(&|grant| grant.counter = 0, signer)),
            (
                "too_old",
                altered(
                    &|grant| (grant.not_before, grant.expires) = (now - 2 * day, now - day),
                    signer,
                ),
            ),
            (
                "clock_in_future",
                altered(
                    &|grant| (grant.not_before, grant.expires) = (now + 2 * day, now + 2 * day + 1),
                    signer,
                ),
            ),
            ("accepted", altered(&|_| (), signer)),
            ("malformed", b"no grant".to_vec()),
        ];
        let mut reading = world.reading(1, now * 1_000, 500).reading;
        reading.session = 1;
        let signed = sign(&session, reading);
        let answer = world.post(0, signed.to_bytes());
        assert_eq!(answer.results, ["unknown_session"]);
        let body = cases.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let answer = world.post_to(0, "grants", body);
        assert_eq!(answer.results, cases.map(|(name, _)| name));
        let answer = world.post(0, signed.to_bytes());
        assert_eq!(answer.results, ["accepted"]);
    }

    #[test]
    fn p256_with_a_high_s_is_rejected_and_another_signature_of_the_same_reading_is_a_replay() {
        let world = World::new();
        let good = world.reading(1, world.now() * 1_000, 500);
        let mut high = good;
        let s: [u8; 32] = good.signature[32..].try_into().expect("half");
        high.signature[32..].copy_from_slice(&order_minus(s));
        assert_eq!(world.post(0, high.to_bytes()).results, ["bad_signature"]);
        assert_eq!(world.post(0, good.to_bytes()).results, ["accepted"]);
        assert_eq!(world.post(0, good.to_bytes()).results, ["replay"]);
    }

    #[test]
    fn a_body_over_the_limit_is_refused_whole() {
        let world = World::new();
        let url = format!("{}/v1/readings", world.workers[0].url);
        // The worker closes this connection.
        let response = Client::new().post(url).body(vec![0; 2 << 20]).send();
        let response = response.expect("answer");
        assert_eq!(response.status().as_u16(), 413);
        assert_eq!(world.status(0).readings, 0);
    }

    /// What the registry would say of a device like `like`.
    fn event_of(
        signer: &DeviceSigner,
        like: &device_registry::events::DeviceRegistered,
    ) -> device_registry::events::DeviceRegistered {
        let key = signer.device_key();
        let mut event = like.clone();
        event.curve = key.curve as u8;
        event.key = key.bytes;
        event.device = key.id();
        event.index += 100;
        event
    }

    /// P-256's order less `s`, both big-endian.
    fn order_minus(s: [u8; 32]) -> [u8; 32] {
        const ORDER: [u8; 32] = [
            0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
            0x25, 0x51,
        ];
        let mut out = [0; 32];
        let mut borrow = 0;
        for place in (0..32).rev() {
            let digit = i32::from(ORDER[place]) - i32::from(s[place]) - borrow;
            borrow = i32::from(digit < 0);
            out[place] = digit.rem_euclid(256) as u8;
        }
        out
    }
}

mod limits {
    use super::*;
    use fieldproof_client::chain::Chain;
    use fieldproof_worker::config::Limits;
    use fieldproof_worker::plausibility::Rules;
    use flate2::{write::GzEncoder, Compression};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    /// How long a body may take to arrive.
    const BODY_TIMEOUT: Duration = Duration::from_secs(10);

    /// Another worker of the first operator, with limits of its own.
    pub fn limited(world: &World, limits: Limits) -> Served {
        another(world, |worker| worker.with_limits(limits))
    }

    /// Another worker of the first operator, set up by `change`.
    fn another(world: &World, change: impl FnOnce(Worker) -> Worker) -> Served {
        another_on(world, world.chain.clone(), change)
    }

    /// Another worker of the first operator, that sees `chain`.
    pub fn another_on(
        world: &World,
        chain: Arc<dyn Chain>,
        change: impl FnOnce(Worker) -> Worker,
    ) -> Served {
        let data = TempDir::new().expect("directory");
        let operator = &world.operators[0];
        let worker = Worker::open(
            chain,
            world.network.key,
            operator.pool,
            operator.signer.insecure_clone(),
            BTreeMap::new(),
            data.path(),
        );
        let worker = Arc::new(change(worker.expect("worker")));
        // It learns of the devices.
        worker.step().expect("step");
        let listener = world.runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("listener");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let served = worker.clone();
        world
            .runtime
            .spawn(async move { server::serve(&served, listener, std::future::pending()).await });
        Served { worker, url, data }
    }

    #[test]
    fn on_what_is_plausible_refuse_the_rest_and_count_it() {
        let world = World::new();
        let rules = toml::from_str(
            "[[values]]\nschema = 1\nvalue = 0\nrange = [-900, 600]\nchange_per_hour = 100",
        );
        let rules: Rules = rules.expect("rules");
        let served = another(&world, |worker| worker.with_rules(rules));
        let at = |hours: i64, value| {
            world
                .reading(0, (world.now() - hours * HOUR) * 1_000, value)
                .to_bytes()
        };
        let body = [at(3, 500), at(2, 601), at(1, 400), at(0, 100)].concat();
        let answer: Accepted = post(&world, &served.url, None, body)
            .json()
            .expect("answer");
        assert_eq!(
            answer.results,
            ["accepted", "out_of_range", "accepted", "rate_of_change"]
        );
        let page = world.http.get(format!("{}/metrics", served.url)).send();
        let page = page.and_then(Response::text).expect("metrics");
        for reason in ["out_of_range", "rate_of_change"] {
            let line = format!("fieldproof_readings_rejected_total{{reason=\"{reason}\"}} 1\n");
            assert!(page.contains(&line), "{page}");
        }
    }

    /// The figure `name` of a worker.
    pub fn figure(world: &World, served: &Served, name: &str) -> f64 {
        let page = world.http.get(format!("{}/metrics", served.url)).send();
        let page = page.and_then(Response::text).expect("metrics");
        let line = page.lines().find(|line| line.starts_with(name));
        let (_, value) = line.expect("figure").rsplit_once(' ').expect("value");
        value.parse().expect("number")
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("gzip");
        encoder.finish().expect("gzip")
    }

    fn post(world: &World, url: &str, encoding: Option<&str>, body: Vec<u8>) -> Response {
        let mut request = world.http.post(format!("{url}/v1/readings")).body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        request.send().expect("answer")
    }

    #[track_caller]
    fn assert_refused(response: Response, status: u16, name: &str) {
        assert_eq!(response.status().as_u16(), status);
        let retry = response.headers().get("retry-after").cloned();
        assert_eq!(retry.is_some(), status == 429);
        let refused: Refused = response.json().expect("refusal");
        assert_eq!(refused.refused, name);
    }

    #[test]
    fn on_what_bodies_decompress_to_are_kept() {
        let world = World::new();
        let url = &world.workers[0].url;
        let readings = world.readings(0, HOUR, 500);
        let body: Vec<u8> = readings.iter().flat_map(SignedReading::to_bytes).collect();
        let answer = post(&world, url, Some("gzip"), gzip(&body));
        let answer: Accepted = answer.json().expect("answer");
        assert_eq!(answer.accepted, 16);
        // Two members one after the other are one body.
        let halves = body.split_at(body.len() / 2);
        let members = [gzip(halves.0), gzip(halves.1)].concat();
        let answer = post(&world, url, Some("gzip"), members);
        let answer: Accepted = answer.json().expect("answer");
        assert_eq!(answer.results, ["replay"; 16]);
        let answer = post(&world, url, Some("identity"), body.clone());
        assert_eq!(answer.status().as_u16(), 200);

        // No body of readings shrinks to an eighth.
        let bomb = gzip(&vec![0; 100_000]);
        assert_refused(post(&world, url, Some("gzip"), bomb), 413, "length");
        let cut = gzip(&body)[..100].to_vec();
        assert_refused(post(&world, url, Some("gzip"), cut), 415, "encoding");
        assert_refused(post(&world, url, Some("br"), body.clone()), 415, "encoding");
        let again = [gzip(&body), b"more".to_vec()].concat();
        assert_refused(post(&world, url, Some("gzip"), again), 415, "encoding");
    }

    #[test]
    fn on_what_is_in_flight_put_off_what_goes_beyond() {
        let world = World::new();
        let most = Limits::default();
        let served = limited(
            &world,
            Limits {
                in_flight_bytes: 4 << 20,
                ..most
            },
        );
        let figure = |name: &str| figure(&world, &served, name);
        let until = |what: &str, is: &dyn Fn(f64) -> bool| {
            super::super::live::wait(what, || {
                is(figure("fieldproof_in_flight_bytes")).then_some(())
            });
        };
        let whole = || post(&world, &served.url, None, vec![0; 1_000_000]);
        // Three clients announce a body of 1.2 MB and don't send it.
        let head = "POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-length: 1200000\r\n\r\n";
        let (idle, beyond) = super::super::live::wait("an answer before bodies time out", || {
            until("nothing in flight", &|bytes| bytes == 0.0);
            let start = Instant::now();
            let idle = [2, 3, 4].map(|host| crowds::connect(host, &served.url, head));
            until("three bodies in flight, or given up", &|bytes| {
                bytes >= 3_600_000.0 || start.elapsed() >= BODY_TIMEOUT
            });
            let beyond = whole();
            // On a machine that is overrun it may come late.
            (start.elapsed() < BODY_TIMEOUT).then_some((idle, beyond))
        });
        assert_refused(beyond, 429, "busy");
        drop(idle);
        until("nothing in flight", &|bytes| bytes == 0.0);
        let before = figure("fieldproof_readings_rejected_total{reason=\"malformed\"}");
        assert_eq!(whole().status().as_u16(), 200);
        // What fits is taken.
        let reading = world.reading(0, world.now() * 1_000, 500).to_bytes();
        let answer = post(&world, &served.url, None, reading);
        assert_eq!(answer.status().as_u16(), 200);
        assert!(figure("fieldproof_requests_refused_total{reason=\"busy\"}") >= 1.0);
        let never_came = "fieldproof_requests_refused_total{reason=\"timeout\"}";
        assert!(figure(never_came) >= 3.0);
        assert_eq!(figure("fieldproof_readings_accepted_total"), 1.0);
        let malformed = "fieldproof_readings_rejected_total{reason=\"malformed\"}";
        assert_eq!(figure(malformed), before + 1.0);
        assert_eq!(figure("fieldproof_devices"), 4.0);
    }

    #[test]
    fn on_requests_a_second_put_off_an_address_and_not_its_monitor() {
        let world = World::new();
        let served = limited(
            &world,
            Limits {
                requests_per_second: 1,
                ..Limits::default()
            },
        );
        let start = Instant::now();
        let answers: Vec<Response> = (0..20)
            .map(|_| post(&world, &served.url, None, Vec::new()))
            .collect();
        let (taken, put_off): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|answer| answer.status().is_success());
        // One at once, and one each second.
        assert!(!taken.is_empty());
        assert!(taken.len() as f64 <= 1.0 + start.elapsed().as_secs_f64());
        for answer in put_off {
            assert_refused(answer, 429, "rate");
        }
        for path in ["health", "ready", "metrics"] {
            let answer = world.http.get(format!("{}/{path}", served.url)).send();
            assert_eq!(answer.expect("answer").status().as_u16(), 200);
        }
    }

    #[test]
    fn on_connections_let_others_wait_until_one_ends() {
        let world = World::new();
        let served = limited(
            &world,
            Limits {
                connections: 1,
                ..Limits::default()
            },
        );
        let ask = || {
            let address = served.url.trim_start_matches("http://");
            let mut stream = TcpStream::connect(address).expect("connection");
            let head = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
            stream.write_all(head.as_bytes()).expect("request");
            stream
        };
        let mut byte = [0];
        let mut first = ask();
        first.read_exact(&mut byte).expect("answer");
        let mut second = ask();
        let patience = |stream: &TcpStream, time| stream.set_read_timeout(time).expect("timeout");
        patience(&second, Some(Duration::from_millis(300)));
        let waits = second
            .read_exact(&mut byte)
            .expect_err("the place is taken");
        assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
        drop(first);
        patience(&second, None);
        second.read_exact(&mut byte).expect("answer");
    }
}

mod round {
    use super::*;

    #[test]
    fn of_readings_of_two_sessions_is_checked_by_their_grants() {
        let world = World::new();
        for device in 0..3 {
            let signer = &world.devices[device].signer;
            let sessions = [1, 2].map(|_| DeviceSigner::generate(Curve::Ed25519));
            let granted: Vec<u8> = [1, 2]
                .into_iter()
                .zip(&sessions)
                .flat_map(|(counter, key)| grant(&world, signer, key, counter))
                .collect();
            assert_eq!(world.post_to(device, "grants", granted).accepted, 2);
            let mut readings = world.readings(device, HOUR, 500);
            // The first four are the hardware key's.
            for (place, signed) in readings.iter_mut().enumerate().skip(4) {
                let session = place / 10;
                let mut reading = signed.reading;
                reading.session = session as u32 + 1;
                *signed = sign(&sessions[session], reading);
            }
            world.deliver(device, &readings);
        }
        world.settle();
        let feed = world.feed();
        let entry = feed.ring[feed.head as usize];
        assert_eq!((feed.entries, entry.streams, entry.attesters), (1, 3, 3));

        // Without a grant, with one more, or with one of another key, it is nothing.
        let operator = world.workers[0].worker.operator();
        let leaf = world.seen(&world.workers[0].worker)[0];
        let payload = operator.store.payload(&leaf.payload_hash).expect("store");
        let Ok(Payload::Readings { batches, .. }) = Payload::decode(&payload.expect("payload"))
        else {
            panic!("a payload of readings");
        };
        let good = &batches[0];
        let registry = operator.registry.at(i64::MAX);
        let check = |batch: &Batch| {
            window::check_batch(batch, &feed, good.round, &world.network.id, registry)
        };
        assert_eq!(check(good), Ok(()));
        let altered = |alter: fn(&mut Window)| {
            let mut batch = good.clone();
            alter(&mut batch.windows[0]);
            check(&batch)
        };
        let unknown = Err(BatchError::Reading(Reject::UnknownSession));
        assert_eq!(altered(|window| window.grants.truncate(1)), unknown);
        assert_eq!(
            altered(|window| window.grants.push(window.grants[1])),
            unknown
        );
        let forged = Err(BatchError::Reading(Reject::BadSignature));
        assert_eq!(
            altered(|window| window.grants[0].grant.session_key = [9; 32]),
            forged
        );
        assert_eq!(
            altered(|window| window.readings[4].signature = window.readings[5].signature),
            forged
        );
        assert_eq!(
            altered(|window| window.grants[0].grant.expires -= 1),
            forged
        );
    }

    /// A model may look at a value that only some devices of its schema measure.
    #[test]
    fn go_on_though_a_device_measures_too_little() {
        let world = World::new();
        let mut second = MODEL.to_vec();
        second[7] = 1; // value_index
        let parsed = ModelRef::parse(&second).expect("model");
        assert_eq!(parsed.header().value_index, 1);
        let hash = inference::model_hash(&parsed, poseidon).expect("hash");
        let payer = world.payer.pubkey();
        let args = feed_args_of(&world.network, &payer, &hash, HOUR as u32);
        let feed = feeds::feed(&args.id);
        world
            .send(&[feeds::register_model(&payer, hash, second)])
            .expect("model");
        let create = feeds::create_feed(&payer, &payer, &world.network.key, &hash, args);
        world.send(&[create]).expect("feed");
        // Of three devices one measures two values.
        for device in 0..3 {
            let readings = world.readings(device, HOUR, 800).map(|signed| {
                let values = [signed.reading.values[0], 900];
                let reading = Reading {
                    values: Values::new(&values[..=usize::from(device == 2)]).expect("values"),
                    ..signed.reading
                };
                sign(&world.devices[device].signer, reading)
            });
            world.deliver(device, &readings);
        }
        world.settle();
        assert_eq!(world.feed().entries, 1);
        let feed: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
        assert_eq!(feed.entries, 0);
        let commitments: Vec<Commitment> = world.workers[2]
            .worker
            .operator()
            .store
            .commitments()
            .expect("store");
        assert_eq!(commitments[0].batches.len(), 2);
    }

    #[test]
    fn of_three_operators_ends_in_a_final_value() {
        let world = World::new();
        // The hour before this one; values are the model's own, run here.
        let temperatures = [500, 1_200, -300];
        let mut expected = Vec::new();
        for (device, value) in temperatures.into_iter().enumerate() {
            let readings = world.readings(device, HOUR, value);
            let values = readings.map(|signed| signed.reading.values[0]);
            let header = *model().header();
            let output = inference::infer(&model(), &inference::features(&header, &values));
            expected.push(header.value(output));
            world.deliver(device, &readings);
        }
        let round = world.now() as u64 / HOUR as u64 - 1;
        let events = world.settle();
        let feed = world.feed();
        let entry = feed.ring[feed.head as usize];
        assert_eq!((feed.last_round, feed.entries), (round, 1));
        expected.sort_unstable();
        // Weights 30, 31, 32: the median is the middle one.
        assert_eq!(entry.value, expected[1]);
        assert_eq!(entry.confidence, expected[2].abs_diff(expected[0]));
        assert_eq!(entry.mask, Mask::COMMITTEE | Mask::SOURCED);
        assert_eq!((entry.streams, entry.attesters), (3, 3));
        assert_eq!(entry.newest_capture, (world.now() - HOUR) * 1_000);
        assert_eq!(entry.oldest_capture, (world.now() - 16 * HOUR) * 1_000);

        let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
        assert_eq!(count(|event| matches!(event, Event::Committed { .. })), 3);
        assert_eq!(count(|event| matches!(event, Event::Submitted { .. })), 3);
        assert_eq!(count(|event| matches!(event, Event::Finalized { .. })), 1);
        for operator in &world.operators {
            let stream: Stream =
                chain::read(world.chain.as_ref(), &operator.stream).expect("stream");
            assert_eq!(stream.count, 1);
            let key = feeds::attestation(&world.feed, &operator.stream, round, 0, 0);
            let attestation: Attestation =
                chain::read(world.chain.as_ref(), &key).expect("attestation");
            // Every operator signed, though two thirds would have done.
            assert_eq!(attestation.signers.count_ones(), 3);
        }
        // Nothing is done twice.
        assert!(world.settle().is_empty());
    }

    #[test]
    fn passes_by_time_when_the_feed_says_so_and_gives_its_bonds_back() {
        let world = World::new();
        let feed = world.create_feed_by_time();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 700));
        }
        let bonded = || world.bonded();
        let newest = || {
            let feed: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
            feed.newest().copied()
        };
        world.settle();
        assert_eq!(bonded(), [5 * TOKEN; 3]);
        assert!(newest().is_none());
        world.set_time(world.now() + HOUR - 1);
        world.settle();
        assert!(newest().is_none());
        world.set_time(world.now() + 1);
        world.settle();
        let entry = newest().expect("value");
        assert_eq!((entry.mask, entry.streams), (BY_TIME, 3));
        // Its attestations are closed by now, and give the value all the same.
        assert_eq!(world.trace_other(&feed).expect("true"), entry);
        assert_eq!(bonded(), [0; 3]);
        assert!(world.settle().is_empty());
    }

    #[test]
    fn waits_for_a_stream_that_is_missing_and_goes_on_when_it_comes() {
        let world = World::new();
        for device in 0..2 {
            world.deliver(device, &world.readings(device, HOUR, 700));
        }
        world.settle();
        assert_eq!(world.feed().entries, 0);
        world.deliver(2, &world.readings(2, HOUR, 700));
        world.settle();
        assert_eq!(world.feed().entries, 1);
    }
}

mod committee {
    use super::*;

    #[test]
    fn signs_what_is_true() {
        let world = World::new();
        let honest = world.honest(world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]));
        let key = world.attest(&honest);
        let signature = world.ask(1, &key).expect("signature");
        let attestation: Attestation =
            chain::read(world.chain.as_ref(), &key).expect("attestation");
        let committee: Committee =
            chain::read(world.chain.as_ref(), &attestation.committee).expect("committee");
        let entry = committee.entries[usize::from(signature.member)];
        assert_eq!(entry.pool, world.operators[1].pool);
        assert!(signature
            .signature
            .verify(entry.signer.as_ref(), &attestation.message));
    }

    #[test]
    fn refuses_outputs_that_the_model_does_not_give() {
        let world = World::new();
        let mut lie =
            world.honest(world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]));
        lie.outputs[0] = lie.outputs[0].wrapping_add(1);
        world.assert_refused(&lie, "wrong_outputs", "other outputs");
    }

    #[test]
    fn refuses_readings_that_break_a_rule() {
        let world = World::new();
        let good = world.readings(0, HOUR, 500);
        let refused = |windows: Vec<Window>, detail: &str| {
            world.assert_refused(&world.honest(world.batch(windows)), "batch", detail);
        };

        let mut gap = good;
        let mut late = gap[8].reading;
        late.captured_at += 1_000;
        gap[8] = sign(&world.devices[0].signer, late);
        refused(vec![world.window(0, gap)], "not consecutive");

        let mut swapped = good;
        swapped.swap(3, 4);
        refused(vec![world.window(0, swapped)], "not consecutive");

        let mut forged = good;
        forged[5].reading.values = Values::new(&[9_999]).expect("value");
        refused(
            vec![world.window(0, forged)],
            "the signature does not verify",
        );

        let mut mixed = good;
        mixed[2] = world.readings(1, HOUR, 500)[2];
        refused(vec![world.window(0, mixed)], "not all of the device");

        let stranger = DeviceSigner::generate(Curve::Ed25519);
        let unregistered = good.map(|signed| {
            reading(
                &world.network.id,
                &stranger,
                signed.reading.captured_at,
                500,
            )
        });
        refused(vec![world.window(0, unregistered)], "not all of the device");

        // Another device's place in the registry.
        refused(vec![world.window(1, good)], "not all of the device");

        let outside = world.readings(3, HOUR, 500);
        refused(vec![world.window(3, outside)], "outside the feed's cells");

        let schema = good.map(|signed| {
            let mut reading = signed.reading;
            reading.schema = 2;
            sign(&world.devices[0].signer, reading)
        });
        refused(vec![world.window(0, schema)], "schema");

        let mut earlier = world.readings(1, HOUR, 500);
        let mut newest = earlier[15].reading;
        newest.captured_at -= 1;
        earlier[15] = sign(&world.devices[1].signer, newest);
        refused(
            vec![world.window(0, good), world.window(1, earlier)],
            "does not end in the round",
        );

        refused(
            vec![world.window(0, good), world.window(0, good)],
            "two windows",
        );

        let network = good.map(|signed| {
            let mut reading = signed.reading;
            reading.network = [3; 32];
            sign(&world.devices[0].signer, reading)
        });
        refused(vec![world.window(0, network)], "another network");
    }

    #[test]
    fn refuses_a_payload_that_does_not_hold_what_is_attested() {
        let world = World::new();
        let batch = world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]);
        let honest = world.honest(batch.clone());

        let mut other = honest.clone();
        let warmer = world.batch(vec![world.window(0, world.readings(0, HOUR, 600))]);
        other.payload = world.payload(vec![warmer]);
        world.assert_refused(&other, "wrong_leaf", "committed leaf");

        let mut foreign = honest.clone();
        let mut of_another_model = batch.clone();
        of_another_model.model = [5; 32];
        foreign.payload = world.payload(vec![of_another_model]);
        world.assert_refused(&foreign, "batch", "another feed, model or round");

        let mut fewer = honest.clone();
        fewer.leaves.push(fewer.leaves[0]);
        world.assert_refused(&fewer, "no_batch", "does not hold the batch");

        let mut rewards = honest.clone();
        rewards.payload = Payload::Rewards {
            network: world.network.id,
            rewards: Rewards {
                epoch: 2,
                depth: 1,
                entries: Vec::new(),
            },
        }
        .encode()
        .expect("payload");
        world.assert_refused(&rewards, "no_batch", "does not hold the batch");

        let mut garbage = honest.clone();
        garbage.payload = b"nothing of the kind".to_vec();
        world.assert_refused(&garbage, "payload", "no payload");

        let mut withheld = honest;
        withheld.payload.push(0);
        withheld.is_served = false;
        world.assert_refused(&withheld, "unavailable", "404");
    }

    #[test]
    fn refuses_a_payload_that_was_tampered_with_on_its_way() {
        let world = World::new();
        let honest = world.honest(world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]));
        let key = world.attest(&honest);
        // Operator 1 again, with a peer that serves other bytes of the same length.
        let mut tampered = honest.payload.clone();
        *tampered.last_mut().expect("bytes") ^= 1;
        let (listener, url) = listen(&world.runtime);
        let peer = axum::Router::new().route(
            "/v1/payloads/{hash}",
            get(move || async move { tampered.clone() }),
        );
        world
            .runtime
            .spawn(async move { axum::serve(listener, peer).await });
        let deceived = serve(
            &world.runtime,
            &world.chain,
            &world.network,
            &world.operators[1],
            BTreeMap::from([(world.operators[0].pool, url)]),
            listen(&world.runtime),
        );
        let response = world
            .http
            .post(format!("{}/v1/attestations", deceived.url))
            .json(&SignRequest {
                attestation: key.to_string(),
            })
            .send()
            .expect("answer");
        let refusal: Refused = response.json().expect("refusal");
        assert_eq!(refusal.refused, "tampered");
    }

    #[test]
    fn refuses_what_is_no_attestation_and_who_has_no_seat() {
        let world = World::new();
        let refusal = world.ask(1, &world.feed).expect_err("signed a feed");
        assert_eq!(refusal.refused, "chain");
        let refusal = world
            .ask(1, &Pubkey::new_unique())
            .expect_err("signed nothing");
        assert_eq!(refusal.refused, "chain");

        let honest = world.honest(world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]));
        let key = world.attest(&honest);
        let outsider = Operator {
            key: Keypair::new(),
            signer: Keypair::new(),
            pool: Pubkey::new_unique(),
            stream: Pubkey::new_unique(),
        };
        let served = serve(
            &world.runtime,
            &world.chain,
            &world.network,
            &outsider,
            BTreeMap::new(),
            listen(&world.runtime),
        );
        let refusal = fieldproof_worker::committee::sign(served.worker.operator(), &key)
            .expect_err("signed without a seat");
        assert_eq!(refusal.name(), "not_member");
    }
}

mod archive {
    use super::*;
    use serde_json::{json, Value};
    use tests::duckdb;

    #[test]
    fn of_a_commitment_opens_in_duckdb_with_the_rows_that_were_sent() {
        let world = World::new();
        let readings = world.readings(0, HOUR, -800);
        world.deliver(0, &readings);
        world.settle();
        let operator = world.workers[0].worker.operator();
        let leaf = world.seen(&world.workers[0].worker)[0];
        let url = &world.workers[0].url;
        let bytes = world
            .http
            .get(format!(
                "{url}/v1/payloads/{}",
                hex::encode(leaf.payload_hash)
            ))
            .send()
            .and_then(Response::error_for_status)
            .and_then(Response::bytes)
            .expect("payload");
        assert_eq!(bytes.len() as u64, leaf.payload_len);
        let data = TempDir::new().expect("directory");
        let file = data.path().join("payload.parquet");
        std::fs::write(&file, &bytes).expect("file");
        let file = file.display();

        let rows = duckdb::query(&format!(
            "SELECT batch, reading, lower(hex(feed)) AS feed, lower(hex(model)) AS model, round, tree, leaf,
                lower(hex(device)) AS device, leaf_nonce, session, sequence, epoch_ms(captured_at) AS captured_at,
                latitude, longitude, accuracy, schema, values, lower(hex(signature)) AS signature
            FROM '{file}' ORDER BY batch, reading"
        ));
        let feed = world.feed();
        let registered = &world.devices[0].registered;
        let expected: Vec<Value> = readings
            .iter()
            .enumerate()
            .map(|(place, signed)| {
                let reading = &signed.reading;
                json!({
                    "batch": 0,
                    "reading": place,
                    "feed": hex::encode(feed.id),
                    "model": hex::encode(feed.model),
                    "round": (world.now() / HOUR - 1).to_string(),
                    "tree": registered.tree_index,
                    "leaf": registered.index,
                    "device": hex::encode(reading.device),
                    "leaf_nonce": 0,
                    "session": 0,
                    "sequence": reading.sequence.to_string(),
                    "captured_at": reading.captured_at.to_string(),
                    "latitude": "40.6925000",
                    "longitude": "-74.1687000",
                    "accuracy": 20,
                    "schema": 1,
                    "values": [-800 + place as i32],
                    "signature": hex::encode(signed.signature),
                })
            })
            .collect();
        assert_eq!(rows, expected);

        // An analyst's question: the mean by device, in degrees.
        let mean = duckdb::query(&format!(
            "SELECT avg(values[1]) / 100 AS mean FROM '{file}' GROUP BY device"
        ));
        assert_eq!(mean, [json!({"mean": -7.925})]);
        let pairs = duckdb::query(&format!(
            "SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata('{file}') ORDER BY key"
        ));
        let pair =
            |key: &str, value: String| json!({"key": format!("fieldproof.{key}"), "value": value});
        assert_eq!(
            pairs,
            [
                pair("kind", "readings".to_owned()),
                pair("network", hex::encode(world.network.id)),
                pair("stream", hex::encode(operator.stream)),
            ]
        );
    }

    #[test]
    fn of_rewards_opens_in_duckdb() {
        let data = TempDir::new().expect("directory");
        let file = data.path().join("payload.parquet");
        let entry = |kind, index, payee: u8, score, cumulative| Reward {
            kind,
            index,
            payee: [payee; 32],
            score,
            cumulative,
        };
        let payload = Payload::Rewards {
            network: [1; 32],
            rewards: Rewards {
                epoch: 7,
                depth: 2,
                entries: vec![
                    entry(sum::OWNER, 0, 0xaa, 5, 1_000),
                    entry(sum::OPERATOR, u32::MAX, 0xbb, u64::MAX, u64::MAX),
                ],
            },
        };
        std::fs::write(&file, payload.encode().expect("payload")).expect("file");
        let rows = duckdb::query(&format!(
            "SELECT kind, index, lower(hex(payee)) AS payee, score, cumulative FROM '{}'",
            file.display()
        ));
        let most = u64::MAX.to_string();
        assert_eq!(
            rows,
            [
                json!({"kind": 0, "index": 0, "payee": "aa".repeat(32), "score": "5", "cumulative": "1000"}),
                json!({
                    "kind": 1, "index": u32::MAX, "payee": "bb".repeat(32), "score": most, "cumulative": most
                }),
            ]
        );
    }
}

mod rewards {
    use super::altered::Altered;
    use super::*;
    use data_commitment::events::RootCommitted;
    use device_protocol::VoteMessage;
    use fieldproof_client::chain::Chain;
    use fieldproof_client::event;
    use fieldproof_client::reports::Reporter;
    use reward_emission::instructions::{ReportDoubleVoteArgs, SignedVote};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn of_two_epochs_are_proposed_voted_final_and_paid() {
        let world = World::new();
        // Epoch 2: one window of each device, 32 readings of the first owner and 16 of the second.
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        reward_epoch(&world, 2);
        let emission = world.emission();
        let owners = |epoch| {
            let budget = emission
                .budget(epoch, 0)
                .expect("budget")
                .total()
                .expect("sum");
            let operators = u128::from(budget) * u128::from(OPERATORS_BPS) / 10_000;
            (budget - operators as u64, operators as u64)
        };
        let (owners_part, operators_part) = owners(2);
        let keys = world.owners.each_ref().map(Signer::pubkey);
        let due = [owners_part * 2 / 3, owners_part / 3];
        for (key, due) in keys.iter().zip(due) {
            let proof = world.proof(0, key).expect("proof");
            assert_eq!(
                (proof.epoch, proof.kind, proof.cumulative),
                (2, sum::OWNER, due)
            );
            let path = hex::decode(&proof.path).expect("hexadecimal");
            let root = emission.roots.reward_root();
            let leaf = sum::reward_leaf(&key.to_bytes(), due);
            let depth = u32::from(emission.roots.depth);
            commitment::verify_sum(root, depth, proof.kind, proof.index, leaf, &path)
                .expect("the proof leads to the final root");
            world
                .claim(PayeeKind::Owner, key, key, &proof)
                .expect("claim");
            assert_eq!(world.balance(key), due);
        }
        for operator in &world.operators {
            let key = operator.key.pubkey();
            let proof = world.proof(1, &operator.pool).expect("proof");
            assert_eq!(proof.cumulative, operators_part / 3);
            world
                .claim(PayeeKind::Operator, &operator.pool, &key, &proof)
                .expect("claim");
            assert_eq!(world.balance(&key), operators_part / 3);
        }

        // Epoch 3: only the second owner's device measures, one new reading in each of two rounds.
        world.set_time(START + 3 * EPOCH + 20 * HOUR);
        world.settle();
        world.deliver(2, &world.readings(2, HOUR, 800));
        world.settle();
        world.set_time(world.now() + HOUR);
        world.settle();
        let next = world.reading(2, (world.now() - HOUR) * 1_000, 900);
        world.deliver(2, &[next]);
        world.settle();
        reward_epoch(&world, 3);
        let (owners_part, _) = owners(3);
        let proofs = keys.map(|key| world.proof(2, &key).expect("proof"));
        assert_eq!(proofs[0].cumulative, due[0]);
        assert_eq!(proofs[1].cumulative, due[1] + owners_part);
        assert_refused(
            world.claim(PayeeKind::Owner, &keys[0], &keys[0], &proofs[0]),
            EmissionError::NothingToClaim,
        );
        world
            .claim(PayeeKind::Owner, &keys[1], &keys[1], &proofs[1])
            .expect("claim");
        assert_eq!(world.balance(&keys[1]), due[1] + owners_part);
        assert_refused(
            world.claim(PayeeKind::Owner, &keys[1], &keys[1], &proofs[1]),
            EmissionError::NothingToClaim,
        );
        // A proof of more than was granted.
        let mut more = proofs[1].clone();
        more.cumulative += 1;
        assert_refused(
            world.claim(PayeeKind::Owner, &keys[1], &keys[1], &more),
            EmissionError::NotGranted,
        );
        assert!(world.proof(0, &Pubkey::new_unique()).is_none());
    }

    #[test]
    fn go_on_at_a_worker_that_missed_a_final_epoch() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        reward_epoch(&world, 2);
        // Operator 2, which archived the trees, lost everything and starts anew after the epoch was final: it has them
        // from the others, which computed the same.
        let peers = world.workers[2].worker.operator().peers.clone();
        let fresh = serve(
            &world.runtime,
            &world.chain,
            &world.network,
            &world.operators[2],
            peers,
            listen(&world.runtime),
        );
        fieldproof_worker::follow::follow(fresh.worker.operator()).expect("follow");
        let owner = world.owners[0].pubkey();
        let proof = world.proof_of(&fresh, &owner).expect("proof");
        assert_eq!(
            Some(proof.path),
            world.proof(1, &owner).map(|proof| proof.path)
        );
    }

    /// What an operator computed for epoch 2.
    pub fn computed(operator: &fieldproof_worker::worker::Operator) -> (EpochRecord, Rewards) {
        let record: EpochRecord = operator.store.epoch(2).expect("store").expect("record");
        let payload = operator.store.payload(&record.payload_hash).expect("store");
        let Ok(Payload::Rewards { rewards, .. }) = Payload::decode(&payload.expect("trees")) else {
            panic!("no rewards");
        };
        (record, rewards)
    }

    /// How an operator with a seat in `committee` proposes what was computed for epoch 2, naming its commitment `sequence` as
    /// the archive.
    pub fn proposing(
        operator: &fieldproof_worker::worker::Operator,
        committee: &Committee,
        (record, rewards): &(EpochRecord, Rewards),
        sequence: u64,
    ) -> ProposeRootArgs {
        let (_, tree) = score::trees(rewards).expect("trees");
        let (owners, operators) = emissions::halves(&tree).expect("halves");
        ProposeRootArgs {
            epoch: 2,
            ballot: 0,
            base: record.base,
            member: committee.member(&operator.pool).expect("a seat") as u8,
            depth: record.depth,
            score_hash: record.score_hash,
            score_sum: record.score_sum,
            owners,
            operators,
            sequence,
        }
    }

    #[test]
    fn are_not_held_up_by_a_proposal_that_archives_something_else() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        // Operator 0 computes the rewards, and proposes the true roots before it is anybody's turn, but names its
        // readings as the archive of the trees.
        world.set_time(START + 3 * EPOCH + 60);
        world.workers[0].worker.step().expect("step");
        let operator = world.workers[0].worker.operator();
        operator.snapshot(3).expect("committee");
        let key = pools::committee(&world.network.key, 3);
        let committee: Committee = chain::read(world.chain.as_ref(), &key).expect("committee");
        let args = proposing(operator, &committee, &computed(operator), 0);
        let signer = operator.signer_key();
        let network = &world.network.key;
        let propose =
            emissions::propose_root(&signer, network, &key, &operator.stream, &signer, args);
        operator.land(&[propose], |_| Ok(())).expect("proposal");
        reward_epoch(&world, 2);
        let proposals = chain::read_all::<Proposal>(world.chain.as_ref()).expect("proposals");
        let mut states = proposals
            .iter()
            .map(|(_, proposal)| (proposal.sequence, proposal.status, proposal.voted))
            .collect::<Vec<_>>();
        states.sort_unstable();
        assert_eq!(states.len(), 2);
        assert_eq!(states[0], (0, OPEN, 0));
        assert_eq!((states[1].0, states[1].1), (1, FINAL));
    }

    #[test]
    fn are_voted_for_whatever_archives_others_have_looked_at() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        // A worker of operator 1, for which operator 0 is where nobody answers.
        let (url, taken) = challenges::silent();
        let mut peers = world.workers[1].worker.operator().peers.clone();
        peers.insert(world.operators[0].pool, url);
        let archive = &world.workers[1].worker.operator().store;
        let (runtime, listener) = (&world.runtime, listen(&world.runtime));
        let own = &world.operators[1];
        let served = serve(runtime, &world.chain, &world.network, own, peers, listener);
        let voter = &served.worker;
        for leaf in world.seen(&world.workers[1].worker) {
            let payload = archive.payload(&leaf.payload_hash).expect("store");
            let store = &voter.operator().store;
            store
                .put_payload(&payload.expect("payload"))
                .expect("store");
        }
        // Operator 2 proposes the true roots.
        world.set_time(START + 3 * EPOCH + 60);
        let turn = &world.workers[2].worker;
        let proposed = (0..STEPS).any(|_| {
            let events = turn.step().expect("step");
            events
                .iter()
                .any(|event| matches!(event, Event::Proposed { .. }))
        });
        assert!(proposed);
        // Operator 0 proposes others, of which nobody knows whether a leaf is wrong.
        let chain = world.chain.as_ref();
        let [(_, honest)] = chain::read_all::<Proposal>(chain).expect("proposals")[..] else {
            panic!("one proposal")
        };
        let operator = world.workers[0].worker.operator();
        let committee: Committee = chain::read(chain, &honest.committee).expect("committee");
        let hidden = world.commit_hidden(0, [7; 32]);
        let args = ProposeRootArgs {
            score_hash: [9; 32],
            ..proposing(operator, &committee, &computed(turn.operator()), hidden)
        };
        let (signer, network) = (operator.signer_key(), &world.network.key);
        let committee = &honest.committee;
        let propose =
            emissions::propose_root(&signer, network, committee, &operator.stream, &signer, args);
        operator.land(&[propose], |_| Ok(())).expect("proposal");

        voter.work(Part::Follow).expect("step");
        let done = voter.work(Part::Rewards).expect("step");
        assert!(
            done.iter()
                .any(|event| matches!(event, Event::Voted { .. })),
            "{done:?}"
        );
        assert_eq!(taken.load(Ordering::SeqCst), 0);
        // Whoever has the time looks, and does not look again at once.
        for _ in 0..2 {
            assert!(voter.work(Part::Audit).expect("step").is_empty());
            assert_eq!(taken.load(Ordering::SeqCst), 1);
        }
    }

    #[test]
    fn reject_roots_with_a_wrong_leaf_and_have_their_authors_slashed() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        // Operator 0's database grants the first owner one unit too much.
        world.set_time(START + 3 * EPOCH + 60);
        world.workers[0].worker.step().expect("step");
        let liar = world.workers[0].worker.operator();
        let (record, mut rewards) = computed(liar);
        // More than the epoch's budget can't even be proposed: one owner gets what is the other's.
        rewards.entries[0].cumulative += 1;
        rewards.entries[1].cumulative -= 1;
        let (_, tree) = score::trees(&rewards).expect("trees");
        let payload = Payload::Rewards {
            network: world.network.id,
            rewards,
        };
        let payload = payload.encode().expect("payload");
        let root = tree.root();
        let wrong = EpochRecord {
            payload_hash: liar.store.put_payload(&payload).expect("store"),
            reward_hash: root.hash,
            reward_sum: root.sum,
            ..record
        };
        let before = world.staked();
        // Ballot by ballot, until it was its turn to propose.
        let mut events = Vec::new();
        for ballot in 0..3 {
            // It would compute the true ones with each.
            let wrong = EpochRecord { ballot, ..wrong };
            liar.store.put_epoch(2, &wrong).expect("store");
            for served in &world.workers[..1] {
                for _ in 0..4 {
                    events.extend(served.worker.step().expect("step"));
                }
            }
            if events
                .iter()
                .any(|event| matches!(event, Event::Proposed { .. }))
            {
                break;
            }
            world.set_time(world.now() + BALLOT);
        }
        events.extend(world.settle());
        let challenged = events
            .iter()
            .filter(|event| matches!(event, Event::RootChallenged { index: 0, .. }));
        assert_eq!(challenged.count(), 1, "{events:?}");
        let after = world.staked();
        assert!(after[0] < before[0], "the proposer was slashed");
        assert_eq!(after[1..], before[1..], "and nobody else");
        let proposals = chain::read_all::<Proposal>(world.chain.as_ref()).expect("proposals");
        assert!(proposals
            .iter()
            .any(|(_, proposal)| proposal.status == REJECTED));
        // The others' roots become final when it is their turn.
        for _ in 0..3 {
            world.set_time(world.now() + BALLOT);
            world.settle();
        }
        assert_eq!(world.emission().final_epoch, 2);
        assert_eq!(world.emission().roots.reward_sum, record.reward_sum);
    }

    #[test]
    fn sign_one_vote_a_ballot_whatever_they_compute_later() {
        let world = World::new();
        let store = &world.workers[0].worker.operator().store;
        for (ballot, base, digest, decided) in [
            (0, 0, [1; 32], [1; 32]),
            (0, 0, [2; 32], [1; 32]),
            (1, 0, [2; 32], [2; 32]),
            (0, 1, [2; 32], [2; 32]),
            (0, 1, [1; 32], [2; 32]),
            (0, 0, [1; 32], [1; 32]),
        ] {
            assert_eq!(
                store.decide_vote(7, ballot, base, &digest).expect("store"),
                decided
            );
        }
    }

    /// Once others are final, a worker votes for the roots that add to those: two votes in one ballot, and no offence.
    #[test]
    fn are_voted_for_anew_on_another_base() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        // It is operator 0's turn, who votes alone.
        world.set_time(START + 3 * EPOCH + BALLOT + 60);
        let worker = &world.workers[0].worker;
        let vote = || {
            let events: Vec<Event> = (0..STEPS)
                .flat_map(|_| worker.step().expect("step"))
                .collect();
            let voted = events
                .iter()
                .filter(|event| matches!(event, Event::Voted { .. }));
            assert_eq!(voted.count(), 1, "{events:?}");
        };
        vote();
        // The epoch before becomes final, and grants as much.
        let (_, rewards) = computed(worker.operator());
        world.make_final(&Rewards {
            epoch: 1,
            ..rewards
        });
        vote();
        let mut proposals = chain::read_all::<Proposal>(world.chain.as_ref()).expect("proposals");
        proposals.sort_by_key(|(_, proposal)| proposal.base);
        let [(_, first), (_, second)] = proposals[..] else {
            panic!("two proposals")
        };
        assert_eq!((first.ballot, first.base), (1, 0));
        assert_eq!((second.ballot, second.base), (1, 1));
        assert_eq!(first.voted, second.voted);
        assert_ne!(first.roots, second.roots);
        let [one, other] = [first, second].map(|proposal| proposal.message(world.network.id));
        for votes in [[one, other], [other, one]] {
            assert_refused(report_votes(&world, 0, votes), EmissionError::WrongVote);
        }
    }

    #[test]
    fn go_on_without_a_payload_that_its_operator_withholds() {
        let mut world = World::new();
        attest_withheld(&world);
        let _liar = reward_without_first(&mut world);
        let emission = world.emission();
        let owners_part = emission.budget(2, 0).expect("budget").owners;
        for owner in &world.owners {
            let proof = world.proof(0, &owner.pubkey()).expect("proof");
            assert_eq!(proof.cumulative, owners_part / 2);
        }
        assert!(world.proof(0, &world.operators[0].pool).is_none());
    }

    #[test]
    fn wait_for_what_can_not_be_read_yet() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        let commits = |execution: &chain::Execution| {
            let program = &data_commitment::ID;
            !event::events::<RootCommitted>(execution, program).is_empty()
        };
        let history = world.chain.history(&world.network.key, &Cursor::START);
        let mut committed = history.expect("history");
        committed.retain(|signature| {
            let execution = world.chain.execution(signature).expect("chain");
            commits(&execution.expect("execution"))
        });
        assert_eq!(committed.len(), 3);
        // Operator 0 starts anew, on a node that can't tell of the last commitment when it is asked first.
        let (last, asked) = (committed[2], AtomicBool::new(false));
        let chain = Altered {
            chain: world.chain.clone(),
            tell: move |execution: chain::Execution| {
                let late = execution.signature == last && !asked.swap(true, Ordering::SeqCst);
                (!late).then_some(execution)
            },
        };
        let peers = world.workers[0].worker.operator().peers.clone();
        let data = TempDir::new().expect("directory");
        let behind = Worker::open(
            Arc::new(chain),
            world.network.key,
            world.operators[0].pool,
            world.operators[0].signer.insecure_clone(),
            peers,
            data.path(),
        )
        .expect("worker");
        world.set_time(START + 3 * EPOCH + 60);
        behind.work(Part::Follow).expect("step");
        behind.work(Part::Rewards).expect("step");
        let store = &behind.operator().store;
        assert_eq!(world.seen(&behind).len(), 2);
        assert_eq!(store.epoch::<EpochRecord>(2).expect("store"), None);

        // Operator 2 proposes, and operator 0 votes for the same.
        let mut events = Vec::new();
        for _ in 0..STEPS {
            events.extend(world.workers[2].worker.step().expect("step"));
            if matches!(events.last(), Some(Event::Proposed { .. })) {
                break;
            }
        }
        assert!(matches!(events.last(), Some(Event::Proposed { .. })));
        behind.work(Part::Follow).expect("step");
        let done = behind.work(Part::Rewards).expect("step");
        assert!(
            done.iter()
                .any(|event| matches!(event, Event::Voted { .. })),
            "{done:?}"
        );
        let (of_others, _) = computed(world.workers[2].worker.operator());
        assert_eq!(computed(behind.operator()).0, of_others);
    }

    #[test]
    fn are_computed_anew_for_each_ballot() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        // Two of three have computed something else, as by parameters that were applied meanwhile.
        world.set_time(START + 3 * EPOCH + 60);
        world.workers[0].worker.step().expect("step");
        let (record, mut rewards) = computed(world.workers[0].worker.operator());
        rewards.entries[0].cumulative += 1;
        rewards.entries[1].cumulative -= 1;
        let (_, tree) = score::trees(&rewards).expect("trees");
        let payload = Payload::Rewards {
            network: world.network.id,
            rewards,
        };
        let payload = payload.encode().expect("payload");
        for served in &world.workers[..2] {
            let store = &served.worker.operator().store;
            let other = EpochRecord {
                payload_hash: store.put_payload(&payload).expect("store"),
                reward_hash: tree.root().hash,
                ..record
            };
            store.put_epoch(2, &other).expect("store");
        }
        let votes = |events: &[Event]| {
            let voted = events
                .iter()
                .filter(|event| matches!(event, Event::Voted { .. }));
            voted.count()
        };
        // Operator 2 alone votes for what it proposed, and nobody twice.
        assert_eq!(votes(&world.settle()), 1);
        assert!(world.settle().is_empty());
        world.set_time(world.now() + BALLOT);
        assert!(votes(&world.settle()) >= 2);
        world.set_time(world.now() + CHALLENGE);
        world.settle();
        assert_eq!(world.emission().final_epoch, 2);
        assert!(record.reward_hash == world.emission().roots.reward_hash);
    }

    #[test]
    fn go_to_nobody_for_devices_beyond_the_bond() {
        let world = World::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        // What is left is for one of the two devices.
        let owner = &world.owners[0];
        let request = pools::request_bond(&world.network.key, &owner.pubkey(), 3 * DEVICE_BOND);
        let chain = world.chain.as_ref();
        transaction::send(chain, &[request], &world.payer, &[owner]).expect("requested");
        reward_epoch(&world, 2);

        let emission = world.emission();
        let Budget {
            owners: owners_part,
            operators: operators_part,
        } = emission.budget(2, 0).expect("budget");
        for owner in &world.owners {
            let proof = world.proof(0, &owner.pubkey()).expect("proof");
            assert_eq!(proof.cumulative, owners_part / 2);
        }
        for (device, due) in [
            (0, Some(operators_part / 2)),
            (1, None),
            (2, Some(operators_part / 2)),
        ] {
            let proof = world.proof(1, &world.operators[device].pool);
            assert_eq!(proof.map(|proof| proof.cumulative), due, "{device}");
        }
    }

    #[test]
    fn go_to_the_seller_up_to_the_sale_and_to_the_buyer_from_then_on() {
        let world = World::new();
        let [buyer, seller] = &world.owners;
        // The device counts from 0 for each of its owners.
        let counted = |leaf_nonce| {
            let mut sequences = 0..;
            world.readings(2, HOUR, 800).map(|signed| {
                let reading = Reading {
                    leaf_nonce,
                    sequence: sequences.next().expect("a number"),
                    ..signed.reading
                };
                sign(&world.devices[2].signer, reading)
            })
        };
        world.deliver(2, &counted(0));
        world.settle();

        let chain = world.chain.as_ref();
        let mut follower = Follower::new(chain, world.network.tree).expect("tree");
        let tree = follower.catch_up(chain).expect("history");
        let index = world.devices[2].registered.index;
        let place = tree.place(index).expect("place");
        let leaf = tree.leaves()[index as usize];
        world.set_time(leaf.owner_changed_at + EVIDENCE_WINDOW);
        let (network, key) = (&world.network, buyer.pubkey());
        let sale = registry::transfer_device(&network.key, &network.tree, &key, &leaf, place);
        transaction::send(chain, &[sale], &world.payer, &[seller, buyer]).expect("sold");
        reward_epoch(&world, 2);

        // What the device signed for the seller is refused from now on, and what it signs for the buyer is taken.
        let late = world.reading(2, world.now() * 1_000, 900);
        assert_eq!(world.post(2, late.to_bytes()).results, ["wrong_nonce"]);
        world.set_time(START + 3 * EPOCH + 20 * HOUR);
        world.settle();
        world.deliver(2, &counted(1));
        world.settle();
        reward_epoch(&world, 3);

        let emission = world.emission();
        let owners_part = |epoch| {
            let budget = emission
                .budget(epoch, 0)
                .expect("budget")
                .total()
                .expect("sum");
            budget - (u128::from(budget) * u128::from(OPERATORS_BPS) / 10_000) as u64
        };
        for (owner, due) in [(seller, owners_part(2)), (buyer, owners_part(3))] {
            let proof = world.proof(0, &owner.pubkey()).expect("proof");
            assert_eq!(proof.cumulative, due);
        }
    }

    /// What was committed before, and what was reported, decides what an epoch's readings count.
    #[test]
    fn remember_who_contradicted_itself_and_who_was_slashed() {
        let world = World::emitting(
            ScoringArgs {
                reputation_floor_bps: 5_000,
                reputation_step_bps: 10_000,
                ..EVEN_SCORING
            },
            10_000,
        );
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        // Device 2 tells operator 0 another story of the same hours.
        let other = world.readings(2, HOUR, 700);
        let body = other.iter().flat_map(SignedReading::to_bytes).collect();
        assert_eq!(world.post(0, body).accepted, other.len());
        world.settle();
        reward_epoch(&world, 2);
        let emission = world.emission();
        let earned = |epoch, kind: usize, score: u64, all: u64| {
            let budget = emission.budget(epoch, 0).expect("budget");
            let part = u128::from([budget.owners, budget.operators][kind]);
            (part * u128::from(score) / u128::from(all)) as u64
        };
        let owners = world.owners.each_ref().map(Signer::pubkey);
        let pools = world.operators.each_ref().map(|operator| operator.pool);
        let granted = |payee| world.proof(1, payee).map_or(0, |proof| proof.cumulative);
        // Everybody begins alike: three devices gave two thirds of what an epoch expects each.
        let owners_before = owners.each_ref().map(granted);
        assert_eq!(owners_before, [earned(2, 0, 2, 3), earned(2, 0, 1, 3)]);
        let pools_before = pools.each_ref().map(granted);

        // In epoch 3 it is shown that operator 2 voted twice.
        report_two_votes(&world, 2);
        world.set_time(START + 3 * EPOCH + 20 * HOUR);
        world.settle();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        reward_epoch(&world, 3);
        // 16 of 24 readings; the device that contradicted itself counts half, and what its operator got by it half of that.
        let full = 65_536 * 16 / 24;
        let half = full / 2;
        let scores = [2 * full, half];
        for (owner, score) in scores.into_iter().enumerate() {
            let earned = earned(3, 0, score, scores.iter().sum());
            assert_eq!(granted(&owners[owner]), owners_before[owner] + earned);
        }
        let scores = [full, full, half / 2];
        for (operator, score) in scores.into_iter().enumerate() {
            let earned = earned(3, 1, score, scores.iter().sum());
            assert_eq!(granted(&pools[operator]), pools_before[operator] + earned);
        }
    }

    /// Reports an operator for two votes in one ballot, of which it signs both.
    fn report_two_votes(world: &World, operator: usize) {
        let votes = [1, 2].map(|reward_sum| VoteMessage {
            network: world.network.id,
            epoch: 1,
            ballot: 0,
            base: 0,
            depth: 1,
            score_hash: [1; 32],
            score_sum: 1,
            reward_hash: [2; 32],
            reward_sum,
            committee_epoch: 2,
        });
        report_votes(world, operator, votes).expect("slashed");
    }

    /// Reports an operator for these votes, of which it signs both, as two of the first one's ballot and base.
    fn report_votes(
        world: &World,
        operator: usize,
        votes: [VoteMessage; 2],
    ) -> Result<chain::Execution, ClientError> {
        let VoteMessage {
            epoch,
            ballot,
            base,
            committee_epoch,
            ..
        } = votes[0];
        let liar = &world.operators[operator];
        let key = pools::committee(&world.network.key, committee_epoch);
        let committee: Committee = chain::read(world.chain.as_ref(), &key).expect("committee");
        let signed = votes.map(|vote| tests::signatures([&liar.signer], &vote.digest()));
        let payer = world.payer.pubkey();
        let mint = world.network.stake_mint;
        let reporter = Reporter {
            payer,
            bounty: token::associated(&payer, &mint),
            network: world.network.key,
            network_id: world.network.id,
            stake_mint: mint,
        };
        let args = ReportDoubleVoteArgs {
            epoch,
            ballot,
            base,
            member: committee.member(&liar.pool).expect("a seat") as u8,
            first: SignedVote::of(&votes[0], 0, 0),
            second: SignedVote::of(&votes[1], 1, 0),
        };
        let [first, second] = signed;
        let account = token::create_associated(&payer, &payer, &mint);
        let report = emissions::report_double_vote(&reporter, &key, &liar.pool, args);
        world.send(&[account]).expect("account");
        world.send(&[first, second, report])
    }

    /// Lets the workers reward `epoch`, and sees that its roots are final once.
    pub fn reward_epoch(world: &World, epoch: u64) {
        world.set_time(START + (epoch as i64 + 1) * EPOCH + 60);
        let mut events = world.settle();
        world.set_time(world.now() + CHALLENGE);
        events.extend(world.settle());
        let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
        assert_eq!(
            count(|event| matches!(event, Event::Proposed { .. })),
            1,
            "{events:?}"
        );
        // After two thirds there is nothing left to vote on.
        assert!((2..=3).contains(&count(|event| matches!(event, Event::Voted { .. }))));
        assert_eq!(
            count(|event| matches!(event, Event::RewardsFinal { .. })),
            1
        );
        let emission = world.emission();
        assert_eq!(emission.final_epoch, epoch);
    }

    /// Has operator 0 attest a window of device 0 of which it serves no payload.
    pub fn attest_withheld(world: &World) {
        let batch = world.batch(vec![world.window(0, world.readings(0, HOUR, 800))]);
        let mut withheld = world.honest(batch);
        withheld.is_served = false;
        world.attest(&withheld);
    }

    /// Lets the workers of operators 1 and 2 take readings of their devices and reward epoch 2. They have two thirds: the worker
    /// of operator 0, which is returned, still answers, but does nothing any more.
    pub fn reward_without_first(world: &mut World) -> Served {
        let first = world.workers.remove(0);
        for (worker, device) in [(0, 1), (1, 2)] {
            let readings = world.readings(device, HOUR, 800);
            let body = readings.iter().flat_map(SignedReading::to_bytes).collect();
            assert_eq!(world.post(worker, body).accepted, readings.len());
        }
        world.settle();
        reward_epoch(world, 2);
        first
    }
}
