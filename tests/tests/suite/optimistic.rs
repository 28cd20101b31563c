//! Attestations that pass by time, and all that stands against them: bonds, clocks, challenges, slashes, changes of policy.
//! Networks, stakes, streams and readings are real.

use ai_feed::error::AiFeedError as E;
use ai_feed::instructions::{
    ChallengeOutputArgs, ChallengeWindowArgs, CreateFeedArgs, RegisterVerifyingKeyArgs,
    SubmitAttestationArgs, WindowArgs,
};
use ai_feed::state::{
    Attestation, AttesterBonds, Feed, Policy, Round, VerifyingKey, BY_COMMITTEE, BY_TIME, DISPUTED,
    FALSE_OUTPUT, FALSE_WINDOW, REDUCTION_CIRCOM,
};
use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use commitment::{BatchLeaf, CommitmentLeaf, MmrBuilder, ReadingLeaf, Tree, READINGS_DEPTH};
use data_commitment::instructions::{CommitRootArgs, VerifyBatchArgs};
use device_protocol::{
    attestation_context, feed_id, Curve, InputSpec, Reading, ReadingHeader, SessionGrant,
    SignedGrant, SignedReading, Values,
};
use feed_reader::{FeedError, Mask};
use fieldproof_client::ai_feed::{self as client, Attested, Attesting, Challenging, Proven};
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::data_commitment::{self as streams, Answer, ReadingPlace, Settling};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{Evidence, ProvenLeaf};
use fieldproof_client::{security_pool as pools, token, ClientError};
use inference::{Header, ModelRef, BIASES, FEATURES, READINGS, SHIFTS, WEIGHTS};
use prover::Prover;
use security_pool::state::{Delegation, Pool, Report, Roster};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::cell::RefCell;
use tests::fixture::{Device, Network, Operator, EPOCH, EVIDENCE_WINDOW, TOKEN};
use tests::{assert_refused, signatures, Harness, START};

/// Seconds of a round.
const ROUND: i64 = 60;
/// Seconds in which an attestation can be challenged, and of the grace of a feed that takes them by time.
const CHALLENGE: i64 = 600;
/// Seconds of the grace of a feed that takes a committee's word.
const GRACE: i64 = 30;
/// Seconds in which an operator answers a challenge of availability.
const ANSWER_WINDOW: i64 = EVIDENCE_WINDOW / 3;
/// Seconds of the network's timelock.
const TIMELOCK: i64 = 3_600;
/// The first round whose captures are in the past.
const FIRST: u64 = ((START + 2 * EPOCH) / ROUND) as u64;
/// What an attestation reserves.
const BOND: u64 = 5 * TOKEN;
/// What a false attestation costs.
const SLASH_BPS: u16 = 1_000;
/// What each operator stakes beside its seed of one token.
const STAKES: [u64; 3] = [30, 20, 10];
/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;
/// The grant of the sessions of readings has this counter.
const SESSION: u32 = 7;

/// What an operator committed to.
#[derive(Default)]
struct Committed {
    mmr: MmrBuilder,
    leaves: Vec<(CommitmentLeaf, Vec<BatchLeaf>)>,
}

/// A batch, and whatever it is made of.
#[derive(Clone)]
struct Batch {
    readings: Vec<(SignedReading, Option<SignedGrant>)>,
    windows: Vec<WindowArgs>,
    outputs: [u8; 32],
    leaf: BatchLeaf,
}

/// A network with three operators in epoch 2's committee, a device, and a feed.
struct World {
    harness: Harness,
    network: Network,
    operators: Vec<Operator>,
    committed: RefCell<Vec<Committed>>,
    committee: Pubkey,
    device: Device,
    session: DeviceSigner,
    grant: SignedGrant,
    creator: Keypair,
    model: [u8; 32],
    feed: Pubkey,
    feed_id: [u8; 32],
}

/// A valid model of schema 3, whose outputs mean -50.0 to 205.0.
fn model() -> inference::Model {
    inference::Model {
        header: Header {
            version: Header::VERSION,
            shape: Header::SHAPE,
            shifts: SHIFTS,
            schema: 3,
            value_index: 1,
            level_offset: 0,
            level_gain: 1,
            delta_gain: 1,
            output_offset: -500,
            output_step: 10,
            exponent: -1,
        },
        weights: std::array::from_fn::<i8, WEIGHTS, _>(|place| (place % 29) as i8 - 9),
        biases: [5_000; BIASES],
    }
}

/// What a feed is created with that takes attestations by time.
fn optimistic() -> Policy {
    Policy {
        required_mask: BY_TIME,
        min_signers: 2,
        min_streams: 1,
        slash_bps: SLASH_BPS,
        _pad: 0,
        grace: CHALLENGE,
        challenge_window: CHALLENGE,
        bond: BOND,
    }
}

/// What a feed is created with that takes a committee's word.
fn by_committee() -> Policy {
    Policy {
        required_mask: BY_COMMITTEE,
        bond: 0,
        grace: GRACE,
        ..optimistic()
    }
}

impl World {
    fn new() -> Self {
        Self::with(optimistic())
    }

    /// A minute after epoch 2 began, so that the captures of its first round are in the past.
    fn with(policy: Policy) -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let operators: Vec<Operator> = STAKES
            .iter()
            .map(|stake| network.operator(&harness, *stake))
            .collect();
        let maker = network.maker(&harness);
        let owner = harness.key();
        let device = network.device(&harness, &maker, &owner, Curve::Ed25519, 0);
        harness.advance(2 * EPOCH);
        let committee = network.committee(&harness, 2);
        let session = DeviceSigner::generate(Curve::Ed25519);
        let [session_key @ .., _] = session.device_key().bytes;
        let grant = SessionGrant {
            network: network.id,
            device: device.signer.device_key().id(),
            leaf_nonce: 0,
            session_key,
            counter: SESSION,
            not_before: harness.now() - 3_600,
            expires: harness.now() + 3_600,
        };
        let grant = SignedGrant {
            signature: device.signer.sign(&grant.digest()),
            grant,
        };
        let bytes = model().to_bytes();
        let model = inference::model_hash(&ModelRef::parse(&bytes).expect("model"), poseidon)
            .expect("hash");
        let payer = harness.payer.pubkey();
        let register = client::register_model(&payer, model, bytes.to_vec());
        harness.send(&[register], &[]).expect("model");
        let mut world = Self {
            committed: RefCell::new(STAKES.iter().map(|_| Committed::default()).collect()),
            creator: harness.key(),
            harness,
            network,
            operators,
            committee,
            device,
            session,
            grant,
            model,
            feed: Pubkey::default(),
            feed_id: [0; 32],
        };
        (world.feed, world.feed_id) = world.create_feed(policy).expect("feed");
        for operator in &world.operators {
            let open = client::open_bonds(&payer, &world.network.key, &operator.pool);
            world.send(&[open], &[]).expect("bonds");
        }
        world.harness.advance(ROUND);
        world
    }

    fn create_feed(&self, policy: Policy) -> Result<(Pubkey, [u8; 32]), ClientError> {
        let creator = self.creator.pubkey();
        let input = InputSpec {
            schema: 3,
            max_gap_s: 120,
            cells: &[],
        };
        let id = feed_id(
            &self.network.id,
            &creator.to_bytes(),
            &self.model,
            &input,
            0,
            ROUND,
        )
        .expect("id");
        let args = CreateFeedArgs {
            id,
            schema: 3,
            max_gap: 120,
            cells: Vec::new(),
            aggregation: 0,
            round_length: ROUND,
            required_mask: policy.required_mask,
            min_signers: policy.min_signers,
            min_streams: policy.min_streams,
            grace: policy.grace,
            challenge_window: policy.challenge_window,
            bond: policy.bond,
            slash_bps: policy.slash_bps,
        };
        let create = client::create_feed(
            &self.payer(),
            &creator,
            &self.network.key,
            &self.model,
            args,
        );
        self.send(&[create], &[&self.creator])?;
        Ok((client::feed(&id), id))
    }

    fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    fn send(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        self.harness.send(instructions, signers)
    }

    /// An honest batch of a round, which differs from every other by `salt`.
    fn batch(&self, round: u64, windows: u8, salt: i32) -> Batch {
        self.changed_batch(round, windows, salt, |_| (), |_| ())
    }

    /// A batch of a round in which the readings, or thereafter the windows, are not what they should be. Outputs are what
    /// the model gives for the windows.
    fn changed_batch(
        &self,
        round: u64,
        windows: u8,
        salt: i32,
        change_readings: impl Fn(&mut Vec<Reading>),
        change_windows: impl Fn(&mut Vec<WindowArgs>),
    ) -> Batch {
        let count = i64::from(windows) * READINGS as i64;
        let end = (round as i64 * ROUND + 50) * 1_000;
        let mut readings: Vec<Reading> = (0..count)
            .map(|index| Reading {
                network: self.network.id,
                device: self.device.signer.device_key().id(),
                leaf_nonce: 0,
                // The hardware key signs every fourth.
                session: if index % 4 == 0 { 0 } else { SESSION },
                sequence: index as u64,
                captured_at: end - (READINGS as i64 - 1 - index % READINGS as i64) * 1_000,
                latitude: 520_000_000,
                longitude: 130_000_000,
                accuracy: 5,
                schema: 3,
                values: Values::new(&[-1, salt + 100 * index as i32, 3]).expect("values"),
            })
            .collect();
        change_readings(&mut readings);
        let bytes = model().to_bytes();
        let model = ModelRef::parse(&bytes).expect("model");
        let mut made: Vec<WindowArgs> = readings
            .chunks(READINGS)
            .map(|window| {
                let values = std::array::from_fn(|place| window[place].values[1]);
                WindowArgs {
                    features: inference::features(model.header(), &values),
                    tree: 0,
                    index: self.device.registered.index,
                    nonce: window[READINGS - 1].leaf_nonce,
                    last_capture: window[READINGS - 1].captured_at,
                }
            })
            .collect();
        change_windows(&mut made);
        let readings: Vec<(SignedReading, Option<SignedGrant>)> = readings
            .into_iter()
            .map(|reading| {
                let (signer, grant) = match reading.session {
                    0 => (&self.device.signer, None),
                    _ => (&self.session, Some(self.grant)),
                };
                let signed = SignedReading {
                    signature: signer.sign(&reading.digest()),
                    reading,
                };
                (signed, grant)
            })
            .collect();
        let mut outputs = [0; 32];
        for (output, window) in outputs.iter_mut().zip(&made) {
            *output = inference::infer(&model, &window.features);
        }
        let leaves: Vec<[u8; 32]> = made
            .iter()
            .map(|window| window.leaf().expect("leaf"))
            .collect();
        let captures = readings
            .iter()
            .map(|(signed, _)| signed.reading.captured_at);
        Batch {
            leaf: BatchLeaf {
                readings_root: tree(&readings).root(),
                windows_root: inference::windows_root(&leaves, poseidon).expect("root"),
                windows: windows.into(),
                readings: readings.len() as u32,
                first_capture: captures.min().expect("reading"),
                last_capture: end,
            },
            readings,
            windows: made,
            outputs,
        }
    }

    /// Commits to batches in an operator's stream.
    fn commit(&self, operator: usize, batches: &[&Batch]) -> u64 {
        let Operator { signer, pool, .. } = &self.operators[operator];
        let batches: Vec<BatchLeaf> = batches.iter().map(|batch| batch.leaf).collect();
        let hashes: Vec<[u8; 32]> = batches.iter().map(BatchLeaf::hash).collect();
        let committed = &mut self.committed.borrow_mut()[operator];
        let leaf = CommitmentLeaf {
            sequence: committed.mmr.count(),
            posted_at: self.harness.now(),
            root: Tree::of_batches(&hashes).expect("tree").root(),
            batches: hashes.len() as u32,
            payload_hash: [5; 32],
            payload_len: 1_000,
        };
        let args = CommitRootArgs {
            sequence: leaf.sequence,
            root: leaf.root,
            batches: leaf.batches,
            payload_hash: leaf.payload_hash,
            payload_len: leaf.payload_len,
        };
        let commit = streams::commit_root(&signer.pubkey(), &self.network.key, pool, args);
        self.send(&[commit], &[signer]).expect("commitment");
        committed.mmr.append(leaf.hash()).expect("append");
        committed.leaves.push((leaf, batches));
        leaf.sequence
    }

    fn proof(&self, operator: usize, sequence: u64, index: u32) -> VerifyBatchArgs {
        let committed = &self.committed.borrow()[operator];
        let (leaf, batches) = &committed.leaves[sequence as usize];
        let hashes: Vec<[u8; 32]> = batches.iter().map(BatchLeaf::hash).collect();
        VerifyBatchArgs {
            commitment: (*leaf).into(),
            mmr_path: committed.mmr.path(sequence).expect("path"),
            batch_index: index,
            batch: batches[index as usize].into(),
            batch_path: Tree::of_batches(&hashes)
                .expect("tree")
                .path(index.into())
                .expect("path"),
        }
    }

    fn attesting(&self, operator: usize) -> Attesting {
        let Operator {
            signer,
            pool,
            stream,
            ..
        } = &self.operators[operator];
        Attesting {
            payer: self.payer(),
            attester: signer.pubkey(),
            network: self.network.key,
            feed: self.feed,
            model: client::model(&self.model),
            stream: *stream,
            pool: *pool,
            committee: self.committee,
            bonds: Some(self.bonds(operator)),
        }
    }

    fn submit_with(
        &self,
        attesting: &Attesting,
        operator: usize,
        sequence: u64,
        index: u32,
        outputs: [u8; 32],
    ) -> Result<Execution, ClientError> {
        let proof = self.proof(operator, sequence, index);
        let args = SubmitAttestationArgs {
            round: proof.batch.last_capture as u64 / 1_000 / ROUND as u64,
            outputs,
            commitment: proof.commitment,
            mmr_path: proof.mmr_path,
            batch_index: index,
            batch: proof.batch,
            batch_path: proof.batch_path,
        };
        let submit = client::submit_attestation(attesting, args);
        self.send(&[submit], &[&self.operators[operator].signer])
    }

    /// Commits to a batch and attests these outputs.
    fn try_attest(
        &self,
        operator: usize,
        batch: &Batch,
        outputs: [u8; 32],
    ) -> Result<Pubkey, ClientError> {
        let sequence = self.commit(operator, &[batch]);
        self.submit_with(&self.attesting(operator), operator, sequence, 0, outputs)?;
        let round = batch.leaf.last_capture as u64 / 1_000 / ROUND as u64;
        let stream = &self.operators[operator].stream;
        Ok(client::attestation(&self.feed, stream, round, sequence, 0))
    }

    /// Commits to a batch and attests what the model gives.
    fn attest(&self, operator: usize, batch: &Batch) -> Pubkey {
        self.try_attest(operator, batch, batch.outputs)
            .expect("attestation")
    }

    /// Commits to a batch and attests it for operator 0 when its windows may just be shown. Returns the commitment's number and
    /// the attestation.
    fn attest_late(&mut self, batch: &Batch) -> (u64, Pubkey) {
        let sequence = self.commit(0, &[batch]);
        self.harness
            .advance(EVIDENCE_WINDOW - ANSWER_WINDOW - 2 * CHALLENGE);
        self.committee = self.network.committee(&self.harness, 3);
        self.submit_with(&self.attesting(0), 0, sequence, 0, batch.outputs)
            .expect("attestation");
        let stream = &self.operators[0].stream;
        let attestation = client::attestation(&self.feed, stream, FIRST, sequence, 0);
        (sequence, attestation)
    }

    /// As [`attest`](Self::attest), and shows the windows.
    fn attest_shown(&self, operator: usize, batch: &Batch) -> Pubkey {
        let attestation = self.attest(operator, batch);
        self.show(&attestation, batch).expect("windows");
        attestation
    }

    /// Attests one output more than the model gives for the window.
    fn attest_wrong(&self, operator: usize, batch: &Batch, window: usize) -> Pubkey {
        let mut outputs = batch.outputs;
        outputs[window] ^= 1;
        let attestation = self
            .try_attest(operator, batch, outputs)
            .expect("attestation");
        self.show(&attestation, batch).expect("windows");
        attestation
    }

    fn state(&self, attestation: &Pubkey) -> Attestation {
        self.harness.read(attestation)
    }

    fn round_of(&self, attestation: &Pubkey) -> Pubkey {
        client::round(&self.feed, self.state(attestation).round)
    }

    fn show(&self, attestation: &Pubkey, batch: &Batch) -> Result<Execution, ClientError> {
        let round = self.round_of(attestation);
        let show = client::show_windows(&round, attestation, batch.windows.clone());
        self.send(&[show], &[])
    }

    fn pass(&self, attestation: &Pubkey) -> Result<Execution, ClientError> {
        let pass = client::pass_attestation(
            &self.network.key,
            &self.feed,
            &self.state(attestation).stream,
            &self.round_of(attestation),
            attestation,
        );
        self.send(&[pass], &[])
    }

    fn finalize(&self, round: u64) -> Result<Execution, ClientError> {
        let finalize = client::finalize_round(&self.network.key, &self.feed, round, &self.payer());
        self.send(&[finalize], &[])
    }

    fn close(&self, attestation: &Pubkey, bonds: Option<Pubkey>) -> Result<Execution, ClientError> {
        let close = client::close_attestation(&self.feed, attestation, &self.payer(), bonds);
        self.send(&[close], &[])
    }

    fn attested(&self, attestation: &Pubkey) -> Attested {
        Attested {
            network: self.network.key,
            feed: self.feed,
            committee: self.committee,
            round: self.round_of(attestation),
            attestation: *attestation,
        }
    }

    /// Committee members' signatures of a message.
    fn signatures(&self, members: &[u8], message: &[u8; 32]) -> Instruction {
        let signer = |member: &u8| &self.operators[usize::from(*member)].signer;
        signatures(members.iter().map(signer), message)
    }

    /// Committee members sign the attestation.
    fn sign(&self, attestation: &Pubkey, members: &[u8]) -> Result<Execution, ClientError> {
        let message = self.state(attestation).message;
        let attest = client::attest_committee(&self.attested(attestation), 0, members.to_vec());
        self.send(&[self.signatures(members, &message), attest], &[])
    }

    /// Committee members sign for the attestation's sources.
    fn sign_sources(&self, attestation: &Pubkey, members: &[u8]) -> Result<Execution, ClientError> {
        let state = self.state(attestation);
        let message = state.sources_message(&self.network.id, &self.feed_id);
        let attest = client::attest_sources(&self.attested(attestation), 0, members.to_vec());
        self.send(&[self.signatures(members, &message), attest], &[])
    }

    /// Has the network take proofs of a prover's key, and waits for the key's timelock. Returns the key's address.
    fn register_key(&self, prover: &Prover) -> Pubkey {
        let key = prover.verifying_key().to_bytes();
        let args = RegisterVerifyingKeyArgs {
            hash: VerifyingKey::hash_of(&key),
            shape: Header::SHAPE,
            windows: inference::WINDOWS as u8,
            reduction: REDUCTION_CIRCOM,
            circuit: [8; 32],
            transcript: [0; 32],
            key: key.to_vec(),
        };
        let address = client::verifying_key(&self.network.key, &args.hash);
        let (payer, network) = (self.payer(), &self.network.key);
        let register = client::register_verifying_key(&payer, &payer, network, args);
        self.send(&[register], &[]).expect("verifying key");
        self.harness.advance(TIMELOCK);
        address
    }

    /// Proves what the attestation claims of the batch's windows.
    fn prove(
        &self,
        prover: &Prover,
        verifying_key: Pubkey,
        attestation: &Pubkey,
        batch: &Batch,
    ) -> Result<Execution, ClientError> {
        let state = self.state(attestation);
        let windows: Vec<prover::Window> = batch
            .windows
            .iter()
            .map(|window| prover::Window {
                features: window.features,
                tree: window.tree,
                index: window.index,
                nonce: window.nonce,
                last_capture: window.last_capture,
            })
            .collect();
        let bytes = model().to_bytes();
        let proof = prover
            .prove(&prover::Batch {
                windows: &windows,
                model: ModelRef::parse(&bytes).expect("model"),
                context: attestation_context(
                    &self.feed_id,
                    state.stream.as_array(),
                    state.sequence,
                    state.batch_index,
                    state.round,
                    state.pool.as_array(),
                ),
            })
            .expect("proof");
        let proven = Proven {
            network: self.network.key,
            feed: self.feed,
            model: client::model(&self.model),
            verifying_key,
            round: self.round_of(attestation),
            attestation: *attestation,
        };
        self.send(&[client::attest_zk(&proven, proof.bytes)], &[])
    }

    fn bonds(&self, operator: usize) -> Pubkey {
        client::bonds(&self.network.key, &self.operators[operator].pool)
    }

    fn bonded(&self, operator: usize) -> (u32, u64) {
        let bonds: AttesterBonds = self.harness.read(&self.bonds(operator));
        (bonds.open, bonds.bonded)
    }

    fn pool(&self, operator: usize) -> Pool {
        self.harness.read(&self.operators[operator].pool)
    }

    /// A challenge by the harness's payer, of an attestation whose round is open.
    fn challenging(&self, attestation: &Pubkey) -> Challenging {
        let state = self.state(attestation);
        let round = client::round(&self.feed, state.round);
        Challenging {
            challenger: self.payer(),
            bounty: token::associated(&self.payer(), &self.network.stake_mint),
            network: self.network.key,
            network_id: self.network.id,
            stake_mint: self.network.stake_mint,
            feed: self.feed,
            model: client::model(&self.model),
            attestation: *attestation,
            pool: state.pool,
            round: self.harness.exists(&round).then_some(round),
        }
    }

    fn bounty(&self) -> Pubkey {
        self.harness
            .fund(&self.payer(), &self.network.stake_mint, 0)
    }

    fn challenge_output(
        &self,
        attestation: &Pubkey,
        args: ChallengeOutputArgs,
    ) -> Result<Execution, ClientError> {
        self.bounty();
        let challenge = client::challenge_output(&self.challenging(attestation), args);
        self.send(&[challenge], &[])
    }

    fn challenge_window(
        &self,
        attestation: &Pubkey,
        args: ChallengeWindowArgs,
    ) -> Result<Execution, ClientError> {
        self.bounty();
        let challenge = client::challenge_window(&self.challenging(attestation), args);
        self.send(&[challenge], &[])
    }

    fn slash_signer(&self, attestation: &Pubkey, member: u8) -> Result<Execution, ClientError> {
        let pool = &self.operators[usize::from(member)].pool;
        let slash = client::slash_signer(
            &self.challenging(attestation),
            &self.committee,
            member,
            pool,
        );
        self.send(&[slash], &[])
    }

    fn place(&self, operator: usize, sequence: u64, reading: u16) -> ReadingPlace {
        ReadingPlace {
            stream: self.operators[operator].stream,
            sequence,
            batch: 0,
            reading,
        }
    }

    /// Asks for a reading of the first batch of a commitment.
    fn doubt(&self, operator: usize, sequence: u64, reading: u16) -> ReadingPlace {
        let challenge = streams::challenge_availability(
            &self.payer(),
            &self.network.key,
            &self.operators[operator].stream,
            self.proof(operator, sequence, 0),
            reading,
        );
        self.send(&[challenge], &[]).expect("challenge");
        self.place(operator, sequence, reading)
    }

    fn answer(&self, place: &ReadingPlace, batch: &Batch) {
        let mut follower =
            Follower::new(&self.harness.chain, self.network.tree).expect("registry tree");
        let registry = follower.catch_up(&self.harness.chain).expect("events");
        let index = self.device.registered.index;
        let (reading, grant) = batch.readings[usize::from(place.reading)];
        let answer = Answer {
            evidence: Evidence { reading, grant },
            key: self.device.signer.device_key(),
            leaf: ProvenLeaf {
                tree: self.network.tree,
                tree_index: 0,
                leaf: registry.leaves()[index as usize],
                place: registry.place(index).expect("proof"),
            },
            path: tree(&batch.readings)
                .path(place.reading.into())
                .expect("path"),
        };
        let instructions =
            streams::answer_availability(&self.payer(), &self.network.key, place, &answer, 0)
                .expect("signatures");
        self.send(&instructions, &[]).expect("answer");
    }

    fn settle(&self, operator: usize, place: &ReadingPlace) {
        let settling = Settling {
            payer: self.payer(),
            challenger: self.payer(),
            bounty: self.bounty(),
            network: self.network.key,
            network_id: self.network.id,
            stake_mint: self.network.stake_mint,
            pool: self.operators[operator].pool,
        };
        self.send(&[streams::settle_challenge(&settling, place)], &[])
            .expect("settlement");
    }

    fn stop(&self, attestation: &Pubkey, place: &ReadingPlace) -> Result<Execution, ClientError> {
        let stop = client::stop_clock(&self.network.key, &self.feed, attestation, place);
        self.send(&[stop], &[])
    }

    fn resume(&self, attestation: &Pubkey, place: &ReadingPlace) -> Result<Execution, ClientError> {
        self.send(&[client::resume_clock(attestation, place)], &[])
    }

    fn freeze(&self) {
        let freeze = client::freeze_feed(&self.feed, &self.creator.pubkey());
        self.send(&[freeze], &[&self.creator]).expect("freeze");
    }

    fn feed(&self) -> Feed {
        self.harness.read(&self.feed)
    }

    /// What a consumer reads.
    fn read(&self, mask: u16) -> Result<feed_reader::Value, FeedError> {
        let account = self.harness.chain.account(&self.feed).unwrap().unwrap();
        feed_reader::Feed::from_account(&account.owner.to_bytes(), &account.data, &self.feed_id)?
            .value(self.harness.now(), 86_400, mask)
    }

    /// Every account that a challenge could change.
    fn accounts(&self, attestation: &Pubkey) -> Vec<Option<Vec<u8>>> {
        let pool = self.state(attestation).pool;
        let keys = [
            self.feed,
            *attestation,
            self.round_of(attestation),
            pool,
            pools::vault(&pool),
            pools::roster(&self.network.key),
            self.challenging(attestation).report(&pool),
        ];
        let accounts = self.harness.chain.accounts(&keys).expect("accounts");
        accounts
            .into_iter()
            .map(|account| account.map(|account| account.data))
            .collect()
    }

    /// Changes an account as no instruction does.
    fn edit<T: ZeroCopy + Discriminator + Owner>(&self, key: &Pubkey, change: impl Fn(&mut T)) {
        let chain = &self.harness.chain;
        let mut account = chain.account(key).expect("chain").expect("account");
        change(bytemuck::from_bytes_mut(&mut account.data[8..]));
        chain.set_account(key, account);
    }
}

fn tree(readings: &[(SignedReading, Option<SignedGrant>)]) -> Tree {
    let leaves: Vec<_> = readings
        .iter()
        .map(|(signed, grant)| ReadingLeaf::of(signed, grant.as_ref()).hash())
        .collect();
    Tree::new(&leaves, READINGS_DEPTH).expect("tree")
}

fn output_args(batch: &Batch, number: u8) -> ChallengeOutputArgs {
    client::output_challenge(&batch.windows, number).expect("window")
}

fn window_args(batch: &Batch, number: u8) -> ChallengeWindowArgs {
    client::window_challenge(&batch.windows, &batch.readings, number).expect("window")
}

mod bonds {
    use super::*;

    #[test]
    fn one_never_backs_two() {
        let world = World::with(Policy {
            bond: 12 * TOKEN,
            ..optimistic()
        });
        // Of 30 tokens.
        let first = world.attest(0, &world.batch(FIRST, 1, 1));
        world.attest(0, &world.batch(FIRST, 1, 2));
        assert_eq!(world.bonded(0), (2, 24 * TOKEN));
        let third = world.batch(FIRST, 1, 3);
        assert_refused(
            world.try_attest(0, &third, third.outputs).map(ok),
            E::StakeReserved,
        );
        assert_eq!(world.bonded(0), (2, 24 * TOKEN));
        assert_eq!(world.state(&first).bond, 12 * TOKEN);
        // Others have their own.
        world.attest(1, &world.batch(FIRST, 1, 4));
        assert_eq!(world.bonded(1), (1, 12 * TOKEN));

        // One that is over makes room for one more.
        world.freeze();
        world.harness.advance(CHALLENGE);
        world.close(&first, Some(world.bonds(0))).expect("close");
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
    }

    /// `assert_refused` takes what a transaction did.
    fn ok(_: Pubkey) -> Execution {
        unreachable!("it passed")
    }

    #[test]
    fn are_the_attesters_own() {
        let world = World::new();
        let sequence = world.commit(0, &[&world.batch(FIRST, 1, 1)]);
        let submit = |attesting: Attesting| world.submit_with(&attesting, 0, sequence, 0, [0; 32]);
        let usual = world.attesting(0);
        let none = Attesting {
            bonds: None,
            ..usual
        };
        assert_refused(submit(none), E::BondsMissing);
        let others = Attesting {
            bonds: Some(world.bonds(1)),
            ..usual
        };
        assert_refused(submit(others), E::WrongBonds);
        // Of the same pool, in another network.
        let elsewhere = Network::with_nonce(&world.harness, 1);
        let pool = world.operators[0].pool;
        let open = client::open_bonds(&world.payer(), &elsewhere.key, &pool);
        world.send(&[open], &[]).expect("bonds");
        let foreign = Attesting {
            bonds: Some(client::bonds(&elsewhere.key, &pool)),
            ..usual
        };
        assert_refused(submit(foreign), E::WrongBonds);
        submit(usual).expect("attestation");
        assert_eq!(world.bonded(0), (1, BOND));
        let again = client::open_bonds(&world.payer(), &world.network.key, &pool);
        assert_refused(world.send(&[again], &[]), ALREADY_IN_USE);
    }

    #[test]
    fn come_back_once_even_from_a_frozen_feed() {
        let world = World::new();
        let attestation = world.attest(0, &world.batch(FIRST, 1, 1));
        let own = Some(world.bonds(0));
        assert_refused(world.close(&attestation, own), E::StillChallengeable);
        world.harness.advance(CHALLENGE);
        assert_refused(world.close(&attestation, own), E::RoundOpen);
        world.freeze();
        assert_refused(world.close(&attestation, None), E::BondsMissing);
        let others = Some(world.bonds(1));
        assert_refused(world.close(&attestation, others), E::WrongBonds);
        assert_eq!(world.bonded(0), (1, BOND));
        world.close(&attestation, own).expect("close");
        assert_eq!(world.bonded(0), (0, 0));
        assert_refused(
            world.close(&attestation, own),
            ErrorCode::AccountOwnedByWrongProgram,
        );
        assert_eq!(world.bonded(0), (0, 0));
    }

    #[test]
    fn are_not_backed_by_stake_that_was_slashed() {
        let world = World::with(Policy {
            slash_bps: 5_000,
            bond: 12 * TOKEN,
            ..optimistic()
        });
        let batch = world.batch(FIRST, 1, 1);
        let wrong = world.attest_wrong(0, &batch, 0);
        world
            .challenge_output(&wrong, output_args(&batch, 0))
            .expect("challenge");
        // Half of 30 is gone, and 12 of what is left stay reserved until the false one closes.
        assert_eq!(world.pool(0).staked, 16 * TOKEN);
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
        let next = world.batch(FIRST, 1, 2);
        assert_refused(
            world.try_attest(0, &next, next.outputs).map(ok),
            E::StakeReserved,
        );
    }

    #[test]
    fn of_two_feeds_are_reserved_of_one_stake() {
        let mut world = World::with(Policy {
            bond: 12 * TOKEN,
            ..optimistic()
        });
        let one = (world.feed, world.feed_id);
        // A feed's id is of its creator too.
        world.creator = world.harness.key();
        let other = world
            .create_feed(Policy {
                bond: 15 * TOKEN,
                ..optimistic()
            })
            .expect("feed");
        // 30 tokens weigh in the committee.
        let batch = world.batch(FIRST, 1, 1);
        let honest = world.attest_shown(0, &batch);
        (world.feed, world.feed_id) = other;
        let wrong = world.attest_wrong(0, &batch, 0);
        assert_eq!(world.bonded(0), (2, 27 * TOKEN));
        let next = world.batch(FIRST, 1, 2);
        for feed in [one, other] {
            (world.feed, world.feed_id) = feed;
            assert_refused(
                world.try_attest(0, &next, next.outputs).map(ok),
                E::StakeReserved,
            );
        }

        world
            .challenge_output(&wrong, output_args(&batch, 0))
            .expect("challenge");
        // The bond that was lost stays in the books until its attestation closes, and the other beside it.
        assert_eq!(world.pool(0).staked, 16 * TOKEN);
        assert_eq!(world.bonded(0), (2, 27 * TOKEN));
        assert_eq!(world.state(&honest).bond, 12 * TOKEN);
        world.harness.advance(CHALLENGE);
        (world.feed, world.feed_id) = one;
        world.pass(&honest).expect("pass");
        world.finalize(FIRST).expect("value");
        assert_eq!(world.read(BY_TIME).expect("value").mask, BY_TIME);

        (world.feed, world.feed_id) = other;
        world.freeze();
        let bonds = Some(world.bonds(0));
        world.close(&wrong, bonds).expect("close");
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
        // 12 of 16 are reserved: what was slashed makes no room for another 12.
        (world.feed, world.feed_id) = one;
        let next = world.batch(FIRST + 1, 1, 3);
        assert_refused(
            world.try_attest(0, &next, next.outputs).map(ok),
            E::StakeReserved,
        );
        world.close(&honest, bonds).expect("close");
        assert_eq!(world.bonded(0), (0, 0));
        world.attest(0, &next);
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
    }

    /// A second network of the first operator's pool: what a world has of its own.
    struct Elsewhere {
        network: Network,
        committee: Pubkey,
        stream: Pubkey,
        committed: Committed,
        feed: (Pubkey, [u8; 32]),
    }

    impl World {
        /// Goes over to the other network, of which it then has what it had of the first.
        fn exchange(&mut self, elsewhere: &mut Elsewhere) {
            std::mem::swap(&mut self.network, &mut elsewhere.network);
            std::mem::swap(&mut self.committee, &mut elsewhere.committee);
            std::mem::swap(&mut self.operators[0].stream, &mut elsewhere.stream);
            std::mem::swap(&mut self.committed.get_mut()[0], &mut elsewhere.committed);
            std::mem::swap(&mut self.feed, &mut elsewhere.feed.0);
            std::mem::swap(&mut self.feed_id, &mut elsewhere.feed.1);
        }

        /// In epoch 4, with both networks' committees: 30 tokens of the first operator's stake weigh in the first
        /// network, 20 in the other. An attestation reserves 12.
        fn in_two_networks() -> (Self, Elsewhere) {
            let policy = Policy {
                bond: 12 * TOKEN,
                ..optimistic()
            };
            let mut world = Self::with(policy);
            let mints = [world.harness.mint(), world.network.stake_mint];
            let network = Network::of_mints(&world.harness, 1, mints, 5_000);
            let payer = world.payer();
            let Operator {
                key, signer, pool, ..
            } = &world.operators[0];
            let owner = key.pubkey();
            world
                .harness
                .fund(&owner, &world.network.stake_mint, 20 * TOKEN);
            let stake = &world.network.stake_mint;
            let home = &world.network.key;
            let opt_in =
                |allocation| pools::opt_in_beside(home, &network.key, pool, &owner, allocation);
            let delegate = pools::delegate(&payer, &owner, pool, stake, 20 * TOKEN, 1, u64::MAX);
            world.send(&[delegate], &[key]).expect("delegation");
            // The pool has 51 tokens, of which the first network counts 30.
            assert_refused(
                world.send(&[opt_in(21 * TOKEN + 1)], &[key]),
                security_pool::error::PoolError::AllocationAboveLeverage,
            );
            let join = [
                opt_in(20 * TOKEN),
                streams::open_stream(&payer, &signer.pubkey(), &network.key, pool),
                client::open_bonds(&payer, &network.key, pool),
            ];
            world.send(&join, &[key, signer]).expect("opted in");
            let stream = streams::stream(&network.key, pool);
            world.harness.advance(2 * EPOCH);
            world.committee = world.network.committee(&world.harness, 4);
            let mut elsewhere = Elsewhere {
                committee: network.committee(&world.harness, 4),
                network,
                stream,
                committed: Committed::default(),
                feed: Default::default(),
            };
            world.exchange(&mut elsewhere);
            (world.feed, world.feed_id) = world.create_feed(policy).expect("feed");
            world.exchange(&mut elsewhere);
            (world, elsewhere)
        }
    }

    #[test]
    fn of_two_networks_stay_within_what_the_pool_allocates_to_each() {
        const ROUND_OF_EPOCH_4: u64 = FIRST + (2 * EPOCH / ROUND) as u64;
        let (mut world, mut elsewhere) = World::in_two_networks();
        let full = |world: &World, salt| {
            let batch = world.batch(ROUND_OF_EPOCH_4, 1, salt);
            assert_refused(
                world.try_attest(0, &batch, batch.outputs).map(ok),
                E::StakeReserved,
            );
        };
        let honest =
            [1, 2].map(|salt| world.attest_shown(0, &world.batch(ROUND_OF_EPOCH_4, 1, salt)));
        full(&world, 3);
        assert_eq!(world.bonded(0), (2, 24 * TOKEN));

        // Of the 27 tokens that no attestation stands on, 20 are the other network's.
        world.exchange(&mut elsewhere);
        assert_eq!(world.bonded(0), (0, 0));
        let batch = world.batch(ROUND_OF_EPOCH_4, 1, 4);
        let wrong = world.attest_wrong(0, &batch, 0);
        full(&world, 5);
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
        assert_eq!(world.pool(0).staked, 51 * TOKEN);
        world
            .challenge_output(&wrong, output_args(&batch, 0))
            .expect("challenge");
        // The bond is gone, and its attestation keeps others from standing where it stood.
        assert_eq!(world.pool(0).staked, 39 * TOKEN);
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
        full(&world, 6);

        // In the first network nothing has changed: what is reserved there is still there.
        world.exchange(&mut elsewhere);
        assert_eq!(world.bonded(0), (2, 24 * TOKEN));
        full(&world, 7);
        world.harness.advance(CHALLENGE);
        for attestation in &honest {
            assert_eq!(world.state(attestation).bond, 12 * TOKEN);
            world.pass(attestation).expect("pass");
        }
        world.finalize(ROUND_OF_EPOCH_4).expect("value");
        let bonds = Some(world.bonds(0));
        world.close(&honest[0], bonds).expect("close");
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
        // Neither network's bonds are given back by the other's attestations.
        world.exchange(&mut elsewhere);
        world.freeze();
        assert_refused(world.close(&wrong, bonds), E::WrongBonds);
        world.close(&wrong, Some(world.bonds(0))).expect("close");
        assert_eq!(world.bonded(0), (0, 0));
        world.exchange(&mut elsewhere);
        assert_eq!(world.bonded(0), (1, 12 * TOKEN));
    }

    #[test]
    fn are_taken_whole_of_stake_of_which_another_network_has_a_part() {
        const ROUND_OF_EPOCH_4: u64 = FIRST + (2 * EPOCH / ROUND) as u64;
        let (world, _) = World::in_two_networks();
        let batch = world.batch(ROUND_OF_EPOCH_4, 1, 1);
        let wrong = world.attest_wrong(0, &batch, 0);
        // Both networks count 50 tokens together, and half of them have left: 15 of the 30 here are at stake.
        world.edit::<Pool>(&world.operators[0].pool, |pool| pool.staked = 25 * TOKEN);
        world
            .challenge_output(&wrong, output_args(&batch, 0))
            .expect("challenge");
        assert_eq!(world.pool(0).staked, (25 - 12) * TOKEN);
    }
}

mod time {
    use super::*;

    #[test]
    fn passes_what_nobody_disputes() {
        let world = World::new();
        let batch = world.batch(FIRST, 2, 1);
        let attestation = world.attest(0, &batch);
        assert_refused(world.pass(&attestation), E::WindowsHidden);
        world.harness.advance(100);
        world.show(&attestation, &batch).expect("windows");
        let state = world.state(&attestation);
        assert_eq!(state.deadline, world.harness.now() + CHALLENGE);
        assert_eq!((state.bond, state.slash_bps), (BOND, SLASH_BPS));
        world.harness.advance(CHALLENGE - 1);
        assert_refused(world.pass(&attestation), E::WindowOpen);
        assert_refused(world.finalize(FIRST), E::TooFewStreams);
        world.harness.advance(1);
        world.pass(&attestation).expect("pass");
        assert_eq!(world.state(&attestation).mask, BY_TIME);
        assert_refused(world.pass(&attestation), E::AlreadyPassed);
        world.finalize(FIRST).expect("value");
        let value = world.read(BY_TIME).expect("value");
        assert_eq!((value.round, value.mask), (FIRST, BY_TIME));
        assert_eq!(world.read(Mask::COMMITTEE), Err(FeedError::NotVerified));
        assert_eq!(world.state(&attestation).value, value.value);
        world
            .close(&attestation, Some(world.bonds(0)))
            .expect("close");
        assert_eq!(world.bonded(0), (0, 0));
    }

    #[test]
    fn passes_the_sources_alone_of_outputs_that_nobody_can_challenge() {
        let world = World::new();
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_shown(0, &batch);
        world.edit::<Feed>(&world.feed, |feed| feed.private_model = 1);
        world.harness.advance(CHALLENGE);
        world.pass(&attestation).expect("pass");
        assert_eq!(world.state(&attestation).mask, Mask::SOURCED);
        assert_refused(world.pass(&attestation), E::AlreadyPassed);
    }

    #[test]
    fn does_not_pass_a_round_before_its_window_is_over() {
        let world = World::with(Policy {
            min_streams: 2,
            ..optimistic()
        });
        let shown = [0, 1]
            .map(|operator| world.attest_shown(operator, &world.batch(FIRST, 1, operator as i32)));
        let late = world.attest(2, &world.batch(FIRST, 1, 2));
        world.harness.advance(CHALLENGE);
        world.pass(&shown[0]).expect("pass");
        assert_refused(world.finalize(FIRST), E::TooFewStreams);
        world.pass(&shown[1]).expect("pass");
        world.finalize(FIRST).expect("value");
        assert_eq!(world.feed().newest().unwrap().streams, 2);
        assert_refused(world.pass(&late), ErrorCode::AccountOwnedByWrongProgram);
    }

    #[test]
    fn does_not_pass_windows_that_nobody_knows() {
        let world = World::new();
        let batch = world.batch(FIRST, 2, 1);
        let attestation = world.attest(0, &batch);
        let show = |windows: Vec<WindowArgs>| {
            let round = client::round(&world.feed, FIRST);
            world.send(&[client::show_windows(&round, &attestation, windows)], &[])
        };
        let [first, second] = [batch.windows[0], batch.windows[1]];
        let changed = WindowArgs {
            index: first.index + 1,
            ..first
        };
        for wrong in [
            vec![],
            vec![first],
            vec![second, first],
            vec![changed, second],
            vec![first, second, second],
        ] {
            assert_refused(show(wrong), E::WindowsMismatch);
        }
        world.harness.advance(CHALLENGE - 1);
        show(batch.windows.clone()).expect("windows");
        assert_refused(show(batch.windows.clone()), E::WindowsShown);
        let hidden = world.attest(1, &world.batch(FIRST, 1, 2));
        world.harness.advance(CHALLENGE);
        assert_refused(world.pass(&hidden), E::WindowsHidden);
        let other = world.batch(FIRST, 1, 2);
        assert_refused(world.show(&hidden, &other), E::TooLateToShow);
        world.pass(&attestation).expect("pass");
    }

    #[test]
    fn does_not_pass_without_a_bond() {
        let world = World::with(by_committee());
        let attestation = world.attest_shown(0, &world.batch(FIRST, 1, 1));
        world.harness.advance(CHALLENGE);
        assert_refused(world.pass(&attestation), E::NoBond);
        assert_eq!(world.bonded(0), (0, 0));
    }

    #[test]
    fn stands_still_while_a_reading_is_waited_for() {
        let world = World::new();
        let batch = world.batch(FIRST, 2, 1);
        let attestation = world.attest_shown(0, &batch);
        let deadline = world.state(&attestation).deadline;
        world.harness.advance(CHALLENGE - 100);
        let [one, other] = [world.doubt(0, 0, 17), world.doubt(0, 0, 31)];
        let stopped_at = world.harness.now();
        world.stop(&attestation, &one).expect("stop");
        assert_refused(world.stop(&attestation, &one), E::AlreadyStopped);
        world.harness.advance(50);
        world.stop(&attestation, &other).expect("stop");
        assert_eq!(world.state(&attestation).stopped_at, stopped_at);
        assert_refused(
            world.resume(&attestation, &world.place(0, 0, 3)),
            E::NotStopped,
        );
        world.harness.advance(1_000);
        assert_refused(world.pass(&attestation), E::ClockStopped);
        // It can still be challenged, and does not close.
        assert_refused(
            world.challenge_output(&attestation, output_args(&batch, 0)),
            E::OutputHolds,
        );
        assert_refused(
            world.close(&attestation, Some(world.bonds(0))),
            E::StillChallengeable,
        );
        assert_refused(world.resume(&attestation, &one), E::StillChallenged);
        world.answer(&one, &batch);
        world.resume(&attestation, &one).expect("resume");
        assert_refused(world.pass(&attestation), E::ClockStopped);
        assert_refused(world.resume(&attestation, &one), E::NotStopped);
        world.answer(&other, &batch);
        world.resume(&attestation, &other).expect("resume");
        // What was left when it stopped is left now.
        let state = world.state(&attestation);
        assert_eq!((state.stopped_at, state.stops), (0, [0; 8]));
        assert_eq!(state.deadline, deadline + 1_050);
        assert_eq!(state.deadline, world.harness.now() + 100);
        assert_refused(world.pass(&attestation), E::WindowOpen);
        world.harness.advance(100);
        world.pass(&attestation).expect("pass");
    }

    #[test]
    fn stops_for_the_attestations_own_batch_only() {
        let world = World::new();
        let [one, other] = [1, 2].map(|salt| world.attest_shown(0, &world.batch(FIRST, 1, salt)));
        let of_other_stream = world.attest_shown(1, &world.batch(FIRST, 1, 3));
        let place = world.doubt(0, 1, 0);
        assert_refused(world.stop(&one, &place), E::OtherBatch);
        assert_refused(world.stop(&of_other_stream, &place), E::OtherBatch);
        let foreign = world.doubt(1, 0, 0);
        assert_refused(world.stop(&one, &foreign), E::OtherBatch);
        world.stop(&other, &place).expect("stop");
        // A forged challenge does not stop anything.
        let forged = Pubkey::new_unique();
        let chain = &world.harness.chain;
        let mut account = chain.account(&place.challenge()).unwrap().unwrap();
        account.owner = Pubkey::new_unique();
        chain.set_account(&forged, account);
        let mut stop = client::stop_clock(&world.network.key, &world.feed, &one, &place);
        stop.accounts.last_mut().unwrap().pubkey = forged;
        assert_refused(
            world.send(&[stop], &[]),
            ErrorCode::AccountOwnedByWrongProgram,
        );
        // Nor does any challenge when the window is over.
        world.harness.advance(CHALLENGE);
        let late = world.doubt(0, 0, 0);
        assert_refused(world.stop(&one, &late), E::ChallengeTooLate);
        world.pass(&one).expect("pass");
    }

    #[test]
    fn is_not_stopped_beyond_the_evidence_window() {
        let mut world = World::new();
        let batch = world.batch(FIRST, 1, 1);
        let (sequence, attestation) = world.attest_late(&batch);
        // Time does not vouch for what is attested or shown when nobody can demand the readings any more.
        world.harness.advance(1);
        let late = world.show(&attestation, &batch);
        assert_refused(late, E::CommittedTooLongAgo);
        world.harness.advance(-1);
        world.show(&attestation, &batch).expect("windows");
        // They are demanded as long as the challenge window lasts.
        world.harness.advance(CHALLENGE - 1);
        let place = world.doubt(0, sequence, 0);
        world.stop(&attestation, &place).expect("stop");
        world.harness.advance(2);
        world.answer(&place, &batch);
        world.resume(&attestation, &place).expect("resume");
        // The next answer would come within a challenge window of the evidence window's end.
        let place = world.doubt(0, sequence, 1);
        assert_refused(world.stop(&attestation, &place), E::TooLateToStop);
    }

    #[test]
    fn does_not_pass_what_an_operator_did_not_show() {
        let world = World::new();
        let attestation = world.attest_shown(0, &world.batch(FIRST, 1, 1));
        let other = world.attest_shown(1, &world.batch(FIRST, 1, 2));
        let place = world.doubt(0, 0, 5);
        world.stop(&attestation, &place).expect("stop");
        world.harness.advance(ANSWER_WINDOW + 1);
        world.settle(0, &place);
        world.resume(&attestation, &place).expect("resume");
        world.harness.advance(CHALLENGE);
        assert_refused(world.pass(&attestation), E::Withheld);
        // The other operator's does.
        world.pass(&other).expect("pass");
    }

    #[test]
    fn passes_with_the_attestations_own_accounts_only() {
        let world = World::new();
        let attestation = world.attest_shown(0, &world.batch(FIRST, 1, 1));
        let other = world.attest_shown(1, &world.batch(FIRST, 1, 2));
        world.harness.advance(ROUND);
        let next = world.attest_shown(0, &world.batch(FIRST + 1, 1, 3));
        world.harness.advance(CHALLENGE);
        let pass = |stream: &Pubkey, round: u64| {
            let round = client::round(&world.feed, round);
            let pass = client::pass_attestation(
                &world.network.key,
                &world.feed,
                stream,
                &round,
                &attestation,
            );
            world.send(&[pass], &[])
        };
        let (own, others) = (&world.operators[0].stream, &world.operators[1].stream);
        assert_refused(pass(others, FIRST), E::WrongStream);
        assert_refused(pass(own, FIRST + 1), E::WrongRoundAccount);
        pass(own, FIRST).expect("pass");
        world.pass(&other).expect("pass");
        world.finalize(FIRST).expect("value");
        world.pass(&next).expect("pass");
        world.finalize(FIRST + 1).expect("value");
    }
}

mod outputs {
    use super::*;

    #[test]
    fn that_are_wrong_cost_the_bond_at_once() {
        let world = World::new();
        let batch = world.batch(FIRST, 32, 1);
        let attestation = world.attest_wrong(0, &batch, 31);
        let roster: Roster = world.harness.read(&pools::roster(&world.network.key));
        assert_eq!(roster.bounty_bps, 3_000);
        let execution = world
            .challenge_output(&attestation, output_args(&batch, 31))
            .expect("challenge");
        println!(
            "challenge_output with its slash: {} CU",
            execution.compute_units
        );
        let state = world.state(&attestation);
        assert_eq!((state.flags & FALSE_OUTPUT, state.mask), (FALSE_OUTPUT, 0));
        assert_eq!(state.deadline, world.harness.now() + CHALLENGE);
        let report = world
            .challenging(&attestation)
            .report(&world.operators[0].pool);
        let report: Report = world.harness.read(&report);
        // The bond is a sixth of 30 tokens: 1,667 basis points, rounded up.
        let lost = 30 * TOKEN * 1_667 / 10_000;
        assert_eq!(report.amount, lost);
        assert_eq!(world.pool(0).slashed_total, lost);
        assert_eq!(world.harness.balance(&report.destination), lost * 3 / 10);
        assert!(lost >= BOND);

        // It is out of its round, and never comes back.
        world.harness.advance(CHALLENGE);
        assert_refused(world.pass(&attestation), E::AttestationFalse);
        assert_refused(world.finalize(FIRST), E::TooFewStreams);
        let round: Round = world.harness.read(&client::round(&world.feed, FIRST));
        assert_eq!(round.slot[0].passed, [0; 8]);
    }

    #[test]
    fn that_hold_can_not_be_challenged() {
        let world = World::new();
        let batch = world.batch(FIRST, 3, 1);
        let attestation = world.attest_wrong(0, &batch, 1);
        world.bounty();
        let before = world.accounts(&attestation);
        let refused = |args: ChallengeOutputArgs, error: E| {
            assert_refused(world.challenge_output(&attestation, args), error);
        };
        refused(output_args(&batch, 0), E::OutputHolds);
        refused(output_args(&batch, 2), E::OutputHolds);
        let right = output_args(&batch, 1);
        // Another window than is there; the right one in another place; beyond the last.
        let mut features = right.clone();
        features.window.features[3] ^= 1;
        let mut origin = right.clone();
        origin.window.last_capture += 1;
        let mut path = right.clone();
        path.path[4][31] ^= 1;
        let mut elsewhere = right.clone();
        elsewhere.number = 0;
        for wrong in [features, origin, path, elsewhere] {
            refused(wrong, E::WindowNotProven);
        }
        for number in [3, 32, 33, 255] {
            let beyond = ChallengeOutputArgs {
                number,
                ..right.clone()
            };
            refused(beyond, E::NoSuchWindow);
        }
        // No field element.
        let mut unreduced = right.clone();
        unreduced.path[0] = [255; 32];
        refused(unreduced, E::WindowNotProven);
        assert_eq!(world.accounts(&attestation), before);
        world
            .challenge_output(&attestation, right)
            .expect("challenge");
    }

    #[test]
    fn can_not_be_challenged_after_the_window() {
        let world = World::new();
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        world.harness.advance(CHALLENGE);
        let late = world.challenge_output(&attestation, output_args(&batch, 0));
        assert_refused(late, E::ChallengeTooLate);
        let late = world.challenge_window(&attestation, window_args(&batch, 0));
        assert_refused(late, E::ChallengeTooLate);
    }

    #[test]
    fn are_punished_once() {
        let world = World::new();
        let batch = world.batch(FIRST, 2, 1);
        let mut outputs = batch.outputs;
        outputs[0] ^= 1;
        outputs[1] ^= 1;
        let attestation = world.try_attest(0, &batch, outputs).expect("attestation");
        world
            .challenge_output(&attestation, output_args(&batch, 0))
            .expect("challenge");
        let lost = world.pool(0).slashed_total;
        for number in [0, 1] {
            let again = world.challenge_output(&attestation, output_args(&batch, number));
            assert_refused(again, E::AttestationFalse);
        }
        assert_eq!(world.pool(0).slashed_total, lost);
    }

    #[test]
    fn can_not_change_once_they_are_attested() {
        let world = World::new();
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        let submit_right = || world.submit_with(&world.attesting(0), 0, 0, 0, batch.outputs);
        assert_refused(submit_right(), ALREADY_IN_USE);
        // Nor is the account freed for it: neither before nor after the challenge, as long as the round is open.
        let own = Some(world.bonds(0));
        assert_refused(world.close(&attestation, own), E::StillChallengeable);
        world
            .challenge_output(&attestation, output_args(&batch, 0))
            .expect("challenge");
        assert_refused(submit_right(), ALREADY_IN_USE);
        assert_refused(world.close(&attestation, own), E::StillChallengeable);
        world.harness.advance(CHALLENGE);
        assert_refused(world.close(&attestation, own), E::RoundOpen);
    }

    #[test]
    fn are_refuted_with_nothing_at_stake_too() {
        let world = World::new();
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        let pool = world.operators[0].pool;
        world.edit::<Roster>(&pools::roster(&world.network.key), |roster| {
            for entry in &mut roster.entries {
                if entry.pool == pool {
                    entry.counted = 0;
                }
            }
        });
        world
            .challenge_output(&attestation, output_args(&batch, 0))
            .expect("challenge");
        assert_eq!(world.pool(0).slashed_total, 0);
        assert_eq!(world.state(&attestation).flags & FALSE_OUTPUT, FALSE_OUTPUT);
    }

    #[test]
    fn are_challenged_with_the_right_accounts() {
        let world = World::new();
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        world.bounty();
        let usual = world.challenging(&attestation);
        let send = |challenging: &Challenging| {
            let challenge = client::challenge_output(challenging, output_args(&batch, 0));
            world.send(&[challenge], &[])
        };
        let without_round = Challenging {
            round: None,
            ..usual
        };
        assert_refused(send(&without_round), E::RoundMissing);
        let of_another_pool = Challenging {
            pool: world.operators[1].pool,
            ..usual
        };
        assert_refused(send(&of_another_pool), E::WrongOffender);
        let elsewhere = Network::with_nonce(&world.harness, 1);
        let of_another_network = Challenging {
            network: elsewhere.key,
            ..usual
        };
        assert_refused(send(&of_another_network), E::WrongNetwork);
        let mut roster = client::challenge_output(&usual, output_args(&batch, 0));
        for meta in &mut roster.accounts {
            if meta.pubkey == pools::roster(&world.network.key) {
                meta.pubkey = pools::roster(&elsewhere.key);
            }
        }
        assert_refused(world.send(&[roster], &[]), E::WrongOffender);
        let mut other = model();
        other.biases[0] += 1;
        let bytes = other.to_bytes();
        let hash = inference::model_hash(&ModelRef::parse(&bytes).unwrap(), poseidon).unwrap();
        let register = client::register_model(&world.payer(), hash, bytes.to_vec());
        world.send(&[register], &[]).expect("model");
        let of_another_model = Challenging {
            model: client::model(&hash),
            ..usual
        };
        assert_refused(send(&of_another_model), E::WrongModel);
        world.harness.advance(ROUND);
        let next = world.attest(0, &world.batch(FIRST + 1, 1, 2));
        let of_another_round = Challenging {
            round: Some(world.round_of(&next)),
            ..usual
        };
        assert_refused(send(&of_another_round), E::WrongRoundAccount);
        send(&usual).expect("challenge");
    }

    #[test]
    fn are_not_worth_reporting_oneself() {
        let world = World::new();
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        let cheat = &world.operators[0].key;
        let bounty = world
            .harness
            .fund(&cheat.pubkey(), &world.network.stake_mint, 0);
        let worth = || {
            let pool = world.pool(0);
            let delegation: Delegation = world.harness.read(&pools::delegation(
                &world.operators[0].pool,
                &cheat.pubkey(),
            ));
            let stake =
                u128::from(delegation.shares) * u128::from(pool.staked) / u128::from(pool.shares);
            stake as u64 + world.harness.balance(&bounty)
        };
        let before = worth();
        let challenging = Challenging {
            challenger: cheat.pubkey(),
            bounty,
            ..world.challenging(&attestation)
        };
        let challenge = client::challenge_output(&challenging, output_args(&batch, 0));
        world.send(&[challenge], &[cheat]).expect("challenge");
        assert!(world.harness.balance(&bounty) > 0);
        // At least a tenth of the slash is burned, and more is set aside.
        let lost = world.pool(0).slashed_total;
        assert!(worth() + lost / 10 < before, "{} of {before}", worth());
    }
}

mod signers {
    use super::*;

    #[test]
    fn answer_for_what_they_signed() {
        let world = World::with(by_committee());
        let batch = world.batch(FIRST, 2, 1);
        let attestation = world.attest_wrong(0, &batch, 1);
        world.sign(&attestation, &[0, 1]).expect("signatures");
        world.finalize(FIRST).expect("value");
        assert!(world.read(BY_COMMITTEE).is_ok());
        world.bounty();
        assert_refused(world.slash_signer(&attestation, 1), E::NotFalse);

        let execution = world
            .challenge_output(&attestation, output_args(&batch, 1))
            .expect("challenge");
        println!(
            "challenge_output of a value: {} CU",
            execution.compute_units
        );
        // The value is disputed, so readers have none.
        assert_eq!(world.feed().newest().unwrap().flags, DISPUTED);
        assert_eq!(world.read(BY_COMMITTEE), Err(FeedError::NotVerified));
        assert_eq!(world.pool(0).slashed_total, 3 * TOKEN);

        assert_refused(world.slash_signer(&attestation, 2), E::NotAccomplice);
        // The attester has paid.
        assert_refused(world.slash_signer(&attestation, 0), E::AlreadySlashed);
        let challenging = world.challenging(&attestation);
        let named = |member: u8| {
            let pool = &world.operators[2].pool;
            let slash = client::slash_signer(&challenging, &world.committee, member, pool);
            world.send(&[slash], &[])
        };
        assert_refused(named(1), E::WrongOffender);
        for beyond in [3, 63, 64, 255] {
            assert_refused(named(beyond), E::NotAccomplice);
        }
        world.slash_signer(&attestation, 1).expect("slash");
        assert_eq!(world.pool(1).slashed_total, 2 * TOKEN);
        assert_refused(world.slash_signer(&attestation, 1), E::AlreadySlashed);
        assert_refused(
            world.challenge_output(&attestation, output_args(&batch, 1)),
            E::AttestationFalse,
        );
        assert_eq!(world.pool(2).slashed_total, 0);
    }

    #[test]
    fn answer_for_invented_windows_too() {
        let world = World::with(by_committee());
        let batch = world.changed_batch(
            FIRST,
            1,
            1,
            |_| (),
            |windows| {
                windows[0].features[15] += 50;
            },
        );
        let attestation = world.attest(0, &batch);
        world.sign(&attestation, &[0, 1]).expect("signatures");
        world
            .challenge_window(&attestation, window_args(&batch, 0))
            .expect("challenge");
        world.slash_signer(&attestation, 1).expect("slash");
        assert_eq!(world.pool(1).slashed_total, 2 * TOKEN);
        assert_refused(world.sign(&attestation, &[2]), E::AttestationFalse);
        // The round is open, and the attestation is out of it.
        assert_refused(world.finalize(FIRST), E::StreamPending);
    }

    #[test]
    fn of_sources_alone_answer_though_an_output_is_false_too() {
        let world = World::with(by_committee());
        let batch = world.changed_batch(
            FIRST,
            1,
            1,
            |_| (),
            |windows| {
                windows[0].features[15] += 50;
            },
        );
        let attestation = world.attest_wrong(0, &batch, 0);
        world
            .sign_sources(&attestation, &[0, 1])
            .expect("signatures");
        // The attester has its output proven false, so that nobody asks for more.
        world
            .challenge_output(&attestation, output_args(&batch, 0))
            .expect("challenge");
        assert_refused(world.slash_signer(&attestation, 1), E::NotAccomplice);
        let paid = world.pool(0).slashed_total;
        world.harness.advance(CHALLENGE - 1);
        world
            .challenge_window(&attestation, window_args(&batch, 0))
            .expect("challenge");
        world.slash_signer(&attestation, 1).expect("slash");
        assert_eq!(world.pool(1).slashed_total, 2 * TOKEN);
        // The attester has paid, and is found false no third time.
        assert_eq!(world.pool(0).slashed_total, paid);
        assert_refused(world.slash_signer(&attestation, 0), E::AlreadySlashed);
        assert_refused(
            world.challenge_window(&attestation, window_args(&batch, 0)),
            E::AttestationFalse,
        );
    }

    #[test]
    fn can_be_slashed_for_a_challenge_window_after_the_proof() {
        let world = World::with(by_committee());
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        world.sign(&attestation, &[0, 1]).expect("signatures");
        world.finalize(FIRST).expect("value");
        // In the last second.
        world.harness.advance(CHALLENGE - 1);
        world
            .challenge_output(&attestation, output_args(&batch, 0))
            .expect("challenge");
        world.harness.advance(CHALLENGE - 1);
        assert_refused(world.close(&attestation, None), E::StillChallengeable);
        world.slash_signer(&attestation, 1).expect("slash");
        world.harness.advance(1);
        world.close(&attestation, None).expect("close");
    }
}

mod disputes {
    use super::*;

    #[test]
    fn outlast_the_rounds_of_the_window() {
        let world = World::with(by_committee());
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        world.sign(&attestation, &[0, 1]).expect("signatures");
        world.finalize(FIRST).expect("value");
        for round in FIRST + 1..FIRST + 10 {
            world.harness.advance(ROUND);
            let next = world.attest(1, &world.batch(round, 1, round as i32));
            world.sign(&next, &[0, 1]).expect("signatures");
            world.finalize(round).expect("value");
        }
        world
            .challenge_output(&attestation, output_args(&batch, 0))
            .expect("challenge");
        let feed = world.feed();
        let disputed: Vec<u64> = feed
            .ring
            .iter()
            .filter(|entry| entry.flags & DISPUTED != 0)
            .map(|entry| entry.round)
            .collect();
        assert_eq!(disputed, [FIRST]);
        // The newest value is another's, and stays.
        assert_eq!(world.read(BY_COMMITTEE).unwrap().round, FIRST + 9);
    }

    #[test]
    fn reach_a_frozen_feed() {
        let world = World::with(by_committee());
        let batch = world.batch(FIRST, 1, 1);
        let attestation = world.attest_wrong(0, &batch, 0);
        world.sign(&attestation, &[0, 1]).expect("signatures");
        world.finalize(FIRST).expect("value");
        world.freeze();
        let kept = || {
            let account = world.harness.chain.account(&world.feed).unwrap().unwrap();
            let feed = feed_reader::Feed::parse(&account.data).unwrap();
            let values = feed.values(world.harness.now(), 86_400, BY_COMMITTEE);
            values.unwrap().map(|value| value.round).collect::<Vec<_>>()
        };
        assert_eq!(kept(), [FIRST]);
        // No round overwrites the ring of a frozen feed.
        world.harness.advance(ROUND);
        let sequence = world.commit(1, &[&world.batch(FIRST + 1, 1, 2)]);
        assert_refused(
            world.submit_with(&world.attesting(1), 1, sequence, 0, [0; 32]),
            E::FeedFrozen,
        );
        world
            .challenge_output(&attestation, output_args(&batch, 0))
            .expect("challenge");
        assert!(kept().is_empty());
        assert_eq!(world.pool(0).slashed_total, 3 * TOKEN);
    }

    #[test]
    fn spare_a_value_that_the_attestation_was_no_part_of() {
        let world = World::with(Policy {
            grace: ROUND,
            ..by_committee()
        });
        let batch = world.batch(FIRST, 1, 1);
        let left_out = world.attest_wrong(0, &batch, 0);
        let counted = world.attest(1, &world.batch(FIRST, 1, 2));
        world.sign(&counted, &[0, 1]).expect("signatures");
        assert_refused(world.finalize(FIRST), E::StreamPending);
        world.harness.advance(ROUND);
        world.finalize(FIRST).expect("value");
        world
            .challenge_output(&left_out, output_args(&batch, 0))
            .expect("challenge");
        assert_eq!(world.feed().newest().unwrap().flags, 0);
        assert!(world.read(BY_COMMITTEE).is_ok());
    }
}

mod windows {
    use super::*;

    /// A change to the readings of an honest batch.
    type Change = fn(&mut Vec<Reading>);

    #[test]
    fn made_of_their_readings_hold() {
        let world = World::new();
        let batch = world.batch(FIRST, 3, 1);
        let attestation = world.attest_shown(0, &batch);
        world.bounty();
        let before = world.accounts(&attestation);
        for number in 0..3 {
            let challenge = world.challenge_window(&attestation, window_args(&batch, number));
            assert_refused(challenge, E::WindowHolds);
        }
        // Naming one owner twice does not make them two.
        let mut twice = window_args(&batch, 1);
        twice.owners.push(twice.owners[0]);
        let reading = 2 + batch.readings[16].0.reading.encoded_len() - ReadingHeader::OWNED + 64;
        twice.readings[reading] = 1;
        let challenge = world.challenge_window(&attestation, twice);
        assert_refused(challenge, E::WindowHolds);
        assert_eq!(world.accounts(&attestation), before);
    }

    #[test]
    fn that_are_invented_never_pass_as_sourced() {
        let world = World::new();
        let changes: [fn(&mut Vec<WindowArgs>); 3] = [
            |windows| windows[1].features[0] ^= 1,
            |windows| windows[1].last_capture -= 1,
            |windows| windows[1].nonce += 1,
        ];
        for (salt, change) in changes.into_iter().enumerate() {
            let batch = world.changed_batch(FIRST, 2, salt as i32, |_| (), change);
            let attestation = world.attest_shown(salt, &batch);
            // The model does give these outputs on these windows.
            let outputs = world.challenge_output(&attestation, output_args(&batch, 1));
            assert_refused(outputs, E::OutputHolds);
            let first = world.challenge_window(&attestation, window_args(&batch, 0));
            assert_refused(first, E::WindowHolds);
            let execution = world
                .challenge_window(&attestation, window_args(&batch, 1))
                .expect("challenge");
            println!(
                "challenge_window with its slash: {} CU",
                execution.compute_units
            );
            let state = world.state(&attestation);
            assert_eq!(state.flags & FALSE_WINDOW, FALSE_WINDOW);
            assert!(world.pool(salt).slashed_total >= BOND);
            let again = world.challenge_window(&attestation, window_args(&batch, 1));
            assert_refused(again, E::AttestationFalse);
            world.harness.advance(CHALLENGE);
            assert_refused(world.pass(&attestation), E::AttestationFalse);
        }
    }

    /// How old a value is, its readers know by its batches' first and last captures.
    #[test]
    fn say_how_old_their_readings_are() {
        let world = World::new();
        let honest = world.batch(FIRST, 2, 1);
        let dated = |first: i64, last: i64| {
            let mut batch = honest.clone();
            batch.leaf.first_capture += first;
            batch.leaf.last_capture += last;
            batch
        };
        let start = FIRST as i64 * ROUND * 1_000;
        // Fifteen largest gaps of two minutes before the round.
        let earliest = start - 15 * 120_000 - honest.leaf.first_capture;
        let older = dated(earliest - 1, 0);
        let sequence = world.commit(0, &[&older]);
        let attested = world.submit_with(&world.attesting(0), 0, sequence, 0, older.outputs);
        assert_refused(attested, E::InvalidCaptures);
        let attestation = world.attest(0, &dated(earliest, 0));
        world.show(&attestation, &honest).expect("windows");
        // Newer or older than the newest of the windows, or after the first of them.
        for (first, last) in [(0, 1), (0, -1), (15_000, 0)] {
            let attestation = world.attest(1, &dated(first, last));
            assert_refused(world.show(&attestation, &honest), E::InvalidCaptures);
        }
        // Windows that have a reading before the first.
        let newer = dated(1, 0);
        let attestation = world.attest_shown(2, &newer);
        world
            .challenge_window(&attestation, window_args(&newer, 1))
            .expect("challenge");
        assert_eq!(world.state(&attestation).flags & FALSE_WINDOW, FALSE_WINDOW);
    }

    /// A proof says how outputs were made of windows, and not where the windows come from: that of invented ones is as good
    /// as any, and brings no value.
    #[test]
    fn that_are_invented_pass_as_proven_and_never_as_sourced() {
        let mask = Mask::ZK | Mask::SOURCED;
        let world = World::with(Policy {
            required_mask: mask,
            ..optimistic()
        });
        let prover = Prover::development(inference::WINDOWS).expect("key");
        let key = world.register_key(&prover);
        let round = FIRST;
        let invention = |windows: &mut Vec<WindowArgs>| {
            for window in windows {
                window.features = [u16::MAX; FEATURES];
            }
        };
        let invented = world.changed_batch(round, 2, 1, |_| (), invention);
        let signed = world.batch(round, 2, 2);
        let lie = world.attest_shown(0, &invented);
        let truth = world.attest_shown(1, &signed);
        let values = [lie, truth].map(|attestation| world.state(&attestation).value);
        assert_ne!(values[0], values[1]);
        for (attestation, batch) in [(lie, &invented), (truth, &signed)] {
            world.prove(&prover, key, &attestation, batch).expect("zk");
            assert_eq!(world.state(&attestation).mask, Mask::ZK);
        }
        assert_refused(world.finalize(round), E::TooFewStreams);

        for window in 0..2 {
            let challenge = world.challenge_window(&truth, window_args(&signed, window));
            assert_refused(challenge, E::WindowHolds);
        }
        world
            .challenge_window(&lie, window_args(&invented, 1))
            .expect("challenge");
        assert_eq!(world.state(&lie).flags & FALSE_WINDOW, FALSE_WINDOW);
        // Neither a committee nor time makes their sources good any more.
        assert_refused(world.sign_sources(&lie, &[0, 1]), E::AttestationFalse);
        world.harness.advance(CHALLENGE);
        assert_refused(world.pass(&lie), E::AttestationFalse);
        assert_eq!(world.state(&lie).mask, 0);

        world.pass(&truth).expect("pass");
        world.finalize(round).expect("value");
        let feed = world.feed();
        let newest = feed.newest().expect("value");
        assert_eq!((newest.value, newest.streams), (values[1], 1));
        assert!(feed.ring.iter().all(|entry| entry.value != values[0]));
        assert_eq!(world.read(mask).expect("value").value, values[1]);
    }

    #[test]
    fn of_readings_that_the_feed_does_not_take_are_refuted() {
        let changes: [(&str, Change); 8] = [
            ("another device", |readings| readings[3].device[0] ^= 1),
            ("another owner", |readings| readings[3].leaf_nonce += 1),
            ("another schema", |readings| readings[15].schema = 4),
            ("too few values", |readings| {
                readings[7].values = Values::new(&[1]).unwrap();
            }),
            ("out of order", |readings| {
                readings[4].captured_at = readings[6].captured_at;
            }),
            ("at one time", |readings| {
                readings[4].captured_at = readings[5].captured_at;
            }),
            ("too far apart", |readings| {
                readings[0].captured_at = readings[1].captured_at - 120_001;
            }),
            ("after the round", |readings| {
                for reading in readings {
                    reading.captured_at += 10_000;
                }
            }),
        ];
        let world = World::with(Policy {
            bond: TOKEN,
            slash_bps: 1,
            ..optimistic()
        });
        for (salt, (name, change)) in changes.into_iter().enumerate() {
            println!("{name}");
            let batch = if name == "too few values" {
                // The windows are made before the reading loses its values.
                let mut batch = world.batch(FIRST, 1, salt as i32);
                let mut readings: Vec<Reading> = batch
                    .readings
                    .iter()
                    .map(|(signed, _)| signed.reading)
                    .collect();
                change(&mut readings);
                for ((signed, _), reading) in batch.readings.iter_mut().zip(readings) {
                    signed.reading = reading;
                }
                batch.leaf.readings_root = tree(&batch.readings).root();
                batch
            } else {
                world.changed_batch(FIRST, 1, salt as i32, change, |_| ())
            };
            let attestation = world.attest(salt % 3, &batch);
            world
                .challenge_window(&attestation, window_args(&batch, 0))
                .expect("challenge");
            assert_eq!(world.state(&attestation).flags & FALSE_WINDOW, FALSE_WINDOW);
        }
        // The largest gap itself is allowed.
        let batch = world.changed_batch(
            FIRST,
            1,
            100,
            |readings| readings[0].captured_at = readings[1].captured_at - 120_000,
            |_| (),
        );
        let attestation = world.attest(0, &batch);
        let challenge = world.challenge_window(&attestation, window_args(&batch, 0));
        assert_refused(challenge, E::WindowHolds);
    }

    #[test]
    fn are_not_refuted_by_other_readings() {
        let world = World::new();
        let batch = world.batch(FIRST, 3, 1);
        let attestation = world.attest_shown(0, &batch);
        world.bounty();
        let before = world.accounts(&attestation);
        let right = window_args(&batch, 1);
        let refused = |args: ChallengeWindowArgs, error: E| {
            assert_refused(world.challenge_window(&attestation, args), error);
        };
        // Another window's readings; those of the right one with one bit changed, anywhere.
        let mut others = right.clone();
        others.readings = window_args(&batch, 2).readings;
        refused(others, E::ReadingsNotProven);
        let stride = right.readings.len() / READINGS;
        for (what, place) in [
            ("session", 2),
            ("captured at", 2 + 12),
            ("value", 2 + 33 + 4),
            ("signature", stride - 1),
        ] {
            println!("{what}");
            let mut changed = right.clone();
            changed.readings[5 * stride + place] ^= 1;
            refused(changed, E::ReadingsNotProven);
        }
        let mut grant = right.clone();
        grant.grants[0][0] ^= 1;
        refused(grant, E::ReadingsNotProven);
        let mut ungranted = right.clone();
        ungranted.readings[stride + 1] = ai_feed::instructions::NO_GRANT;
        refused(ungranted, E::ReadingsNotProven);
        let mut device = right.clone();
        device.owners[0].device[0] ^= 1;
        refused(device, E::ReadingsNotProven);
        let mut path = right.clone();
        path.readings_path[0] ^= 1;
        refused(path, E::ReadingsNotProven);
        let mut long = right.clone();
        long.readings_path.extend([0; 32]);
        refused(long, E::ReadingsNotProven);
        let mut window = right.clone();
        window.window.features[0] ^= 1;
        refused(window, E::WindowNotProven);
        let mut elsewhere = right.clone();
        elsewhere.number = 2;
        refused(elsewhere, E::WindowNotProven);
        // Bytes that are not 16 readings.
        let mut short = right.clone();
        short.readings.pop();
        refused(short, E::MalformedReadings);
        let mut more = right.clone();
        more.readings.push(0);
        refused(more, E::MalformedReadings);
        let mut empty = right.clone();
        empty.readings.clear();
        refused(empty, E::MalformedReadings);
        let mut ownerless = right.clone();
        ownerless.readings[0] = 1;
        refused(ownerless, E::MalformedReadings);
        let mut no_grant = right.clone();
        no_grant.readings[stride + 1] = 1;
        refused(no_grant, E::MalformedReadings);
        assert_eq!(world.accounts(&attestation), before);
    }
}

mod policy {
    use super::*;

    impl World {
        fn propose(&self, policy: Policy) -> Result<Execution, ClientError> {
            self.propose_by(&self.creator, policy)
        }

        fn propose_by(&self, by: &Keypair, policy: Policy) -> Result<Execution, ClientError> {
            let propose =
                client::propose_policy(&self.feed, &self.network.key, &by.pubkey(), policy);
            self.send(&[propose], &[by])
        }

        fn apply(&self) -> Result<Execution, ClientError> {
            self.send(&[client::apply_policy(&self.feed, &self.network.key)], &[])
        }
    }

    #[test]
    fn changes_behind_a_timelock_and_never_for_an_open_round() {
        let world = World::with(Policy {
            min_signers: 3,
            grace: CHALLENGE,
            ..by_committee()
        });
        let weaker = Policy {
            min_signers: 1,
            min_streams: 2,
            slash_bps: 1,
            grace: 0,
            challenge_window: 1,
            ..by_committee()
        };
        world.propose(weaker).expect("proposal");
        assert_eq!(world.feed().pending, weaker);
        // A round is final a minute before the timelock is over, just as its grace is.
        world.harness.advance(TIMELOCK - ROUND);
        let last = (world.harness.now() - CHALLENGE) as u64 / ROUND as u64;
        let before = world.attest(2, &world.batch(last, 1, 0));
        world.sign(&before, &[0, 1, 2]).expect("signatures");
        world.finalize(last).expect("value");
        let round = last + 1;
        let batch = world.batch(round, 1, 1);
        let open = world.attest_wrong(0, &batch, 0);
        world.harness.advance(ROUND - 1);
        assert_refused(world.apply(), E::TimelockRunning);
        world.harness.advance(1);
        world.apply().expect("policy");
        assert_eq!(world.feed().policy(), weaker);
        assert_eq!(
            (world.feed().pending_at, world.feed().pending),
            (0, Policy::default())
        );
        assert_refused(world.apply(), E::NothingProposed);

        // The open round keeps its own: three signers, one stream, the grace, the challenge window, what falsehood costs.
        world.sign(&open, &[0, 1]).expect("signatures");
        assert_eq!(world.state(&open).mask, 0);
        world.sign(&open, &[2]).expect("signature");
        assert_eq!(world.state(&open).mask, BY_COMMITTEE);
        assert_eq!(world.state(&open).deadline, world.harness.now() + CHALLENGE);
        let pending = world.attest(1, &world.batch(round, 1, 2));
        assert_eq!(
            world.state(&pending).deadline,
            world.harness.now() + CHALLENGE
        );
        assert_refused(world.finalize(round), E::StreamPending);
        // Nor does a quick later round with no grace shut it out.
        let next = world.attest(0, &world.batch(round + 2, 1, 3));
        assert_eq!(world.state(&next).deadline, world.harness.now() + 1);
        let also = world.attest(1, &world.batch(round + 2, 1, 4));
        for attestation in [&next, &also] {
            world.sign(attestation, &[0, 1]).expect("signatures");
        }
        assert_refused(world.finalize(round + 2), E::EarlierRoundInGrace);
        world.sign(&pending, &[0, 1, 2]).expect("signatures");
        world.finalize(round).expect("value");
        world
            .challenge_output(&open, output_args(&batch, 0))
            .expect("challenge");
        assert_eq!(world.pool(0).slashed_total, 3 * TOKEN);
        assert_eq!(world.state(&open).deadline, world.harness.now() + CHALLENGE);
    }

    #[test]
    fn of_longer_windows_leaves_readings_of_an_open_round_to_be_demanded() {
        let mut world = World::new();
        let longer = Policy {
            grace: 2 * CHALLENGE,
            challenge_window: 2 * CHALLENGE,
            ..optimistic()
        };
        world.propose(longer).expect("proposal");
        let batch = world.batch(FIRST, 1, 1);
        let (sequence, attestation) = world.attest_late(&batch);
        world.show(&attestation, &batch).expect("windows");
        world.apply().expect("policy");
        world.harness.advance(CHALLENGE - 1);
        let place = world.doubt(0, sequence, 0);
        world.stop(&attestation, &place).expect("stop");
    }

    #[test]
    fn is_its_authoritys_to_propose() {
        let world = World::new();
        let thief = world.harness.key();
        assert_refused(world.propose_by(&thief, optimistic()), E::NotAuthority);
        assert_refused(world.apply(), E::NothingProposed);
        world.propose(by_committee()).expect("proposal");
        // A proposal falls with the authority that made it.
        let heir = world.harness.key();
        let creator = world.creator.pubkey();
        let offer = client::transfer_authority(&world.feed, &creator, heir.pubkey());
        let accept = client::accept_authority(&world.feed, &heir.pubkey());
        world
            .send(&[offer, accept], &[&world.creator, &heir])
            .expect("heir");
        world.harness.advance(TIMELOCK);
        assert_refused(world.apply(), E::NothingProposed);
        assert_refused(world.propose(by_committee()), E::NotAuthority);
        world.propose_by(&heir, by_committee()).expect("proposal");
        world
            .harness
            .advance(TIMELOCK + ai_feed::state::APPLY_WITHIN + 1);
        assert_refused(world.apply(), E::ProposalExpired);
        let elsewhere = Network::with_nonce(&world.harness, 1);
        let foreign = client::apply_policy(&world.feed, &elsewhere.key);
        assert_refused(world.send(&[foreign], &[]), E::WrongNetwork);
        // A later proposal starts anew.
        world.propose_by(&heir, by_committee()).expect("proposal");
        assert_refused(world.apply(), E::TimelockRunning);
        world.harness.advance(TIMELOCK);
        world.apply().expect("policy");
        assert_eq!(world.feed().policy(), by_committee());
    }

    #[test]
    fn is_checked_when_proposed_and_when_applied() {
        let world = World::new();
        let refused = |change: fn(&mut Policy), error: E| {
            let mut policy = optimistic();
            change(&mut policy);
            let code: u32 = error.into();
            println!("{code}: {policy:?}");
            assert_refused(world.propose(policy), code);
        };
        refused(|policy| policy.required_mask = 0, E::NothingRequired);
        refused(
            |policy| policy.required_mask |= Mask::TEE,
            E::UnsupportedVerification,
        );
        refused(|policy| policy.min_signers = 0, E::InvalidMinSigners);
        refused(|policy| policy.min_streams = 65, E::InvalidMinStreams);
        refused(|policy| policy.grace = -1, E::InvalidGrace);
        refused(
            |policy| policy.challenge_window = 0,
            E::InvalidChallengeWindow,
        );
        refused(
            |policy| policy.challenge_window = 64 * ROUND,
            E::InvalidChallengeWindow,
        );
        refused(|policy| policy.slash_bps = 0, E::InvalidSlash);
        refused(|policy| policy.bond = 0, E::BondRequired);
        refused(|policy| policy.grace = CHALLENGE - 1, E::GraceTooShort);

        // The network lowers its evidence window while the proposal waits.
        world.propose(optimistic()).expect("proposal");
        world.harness.advance(TIMELOCK);
        world.edit::<device_registry::state::Network>(&world.network.key, |network| {
            network.parameters.evidence_window = CHALLENGE - 1;
        });
        assert_refused(world.apply(), E::WindowOutlastsStake);
        assert_refused(world.propose(optimistic()), E::WindowOutlastsStake);
        world.edit::<device_registry::state::Network>(&world.network.key, |network| {
            network.parameters.evidence_window = ANSWER_WINDOW + 3 * CHALLENGE - 1;
        });
        assert_refused(world.apply(), E::NoTimeToDemand);
        assert_refused(world.propose(optimistic()), E::NoTimeToDemand);
        world.edit::<device_registry::state::Network>(&world.network.key, |network| {
            network.parameters.evidence_window += 1;
            network.parameters.withheld_slash_bps = 0;
        });
        assert_refused(world.propose(optimistic()), E::NoTimeToDemand);
        world.freeze();
        assert_refused(world.apply(), E::FeedFrozen);
        assert_refused(world.propose(by_committee()), E::FeedFrozen);
    }
}
