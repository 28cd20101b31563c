//! ai-feed, every instruction and every attack on it. What it only reads (network, pools, committees, streams) is
//! written into the chain as accounts, so that each case shows the one thing that it is about.

use ai_feed::error::AiFeedError as E;
use ai_feed::instructions::{CreateFeedArgs, SubmitAttestationArgs};
use ai_feed::state::{Attestation, Feed, Model, Round, BY_COMMITTEE, FROZEN};
use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_instruction;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use bytemuck::{bytes_of, Zeroable};
use commitment::{BatchLeaf, CommitmentLeaf, MmrBuilder, Tree};
use data_commitment::state::Stream;
use device_protocol::{feed_id, AttestationMessage, InputSpec};
use device_registry::state::{Network, Operation, Pause};
use feed_reader::{FeedError, Mask};
use fieldproof_client::ai_feed::{self as client, Attested, Attesting};
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::{poseidon::poseidon, ClientError};
use inference::{Header, ModelRef, BIASES, SHIFTS, WEIGHTS};
use security_pool::state::{Committee, CommitteeEntry, Pool};
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::{assert_refused, signatures, Harness, START};

mod reading;
mod zk;

/// Seconds of a round.
const ROUND: i64 = 60;
/// Seconds of a feed's grace.
const GRACE: i64 = 30;
/// Seconds in which an attestation can be challenged.
const CHALLENGE: i64 = 600;
/// Seconds of an epoch.
const EPOCH: i64 = 86_400;
/// The round in which the harness starts.
const FIRST: u64 = START as u64 / ROUND as u64;
/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;

/// An operator: its key, its pool, its stream and everything it committed to.
struct Operator {
    signer: Keypair,
    pool: Pubkey,
    stream: Pubkey,
    mmr: MmrBuilder,
    commitments: Vec<(CommitmentLeaf, Vec<BatchLeaf>)>,
}

/// A network with a committee, and a feed of a registered model.
struct World {
    harness: Harness,
    network: Pubkey,
    network_id: [u8; 32],
    committee: Pubkey,
    operators: Vec<Operator>,
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
            value_index: 0,
            level_offset: 0,
            level_gain: 1,
            delta_gain: 1,
            output_offset: -500,
            output_step: 10,
            exponent: -1,
        },
        weights: [1; WEIGHTS],
        biases: [5; BIASES],
    }
}

fn hash_of(model: &inference::Model) -> [u8; 32] {
    let bytes = model.to_bytes();
    inference::model_hash(&ModelRef::parse(&bytes).unwrap(), poseidon).unwrap()
}

/// What a usual feed of the network and model is created with.
fn feed_args(network_id: &[u8; 32], creator: &Pubkey, model: &[u8; 32]) -> CreateFeedArgs {
    with_id(
        CreateFeedArgs {
            id: [0; 32],
            schema: 3,
            max_gap: 120,
            cells: vec![0x0881_f1d4_885f_ffff, 0x0881_f1d4_887f_ffff],
            aggregation: 0,
            round_length: ROUND,
            required_mask: BY_COMMITTEE,
            min_signers: 2,
            min_streams: 1,
            grace: GRACE,
            challenge_window: CHALLENGE,
            bond: 0,
            slash_bps: 1_000,
        },
        network_id,
        creator,
        model,
    )
}

/// The arguments with the id that follows from them.
fn with_id(
    args: CreateFeedArgs,
    network_id: &[u8; 32],
    creator: &Pubkey,
    model: &[u8; 32],
) -> CreateFeedArgs {
    let input = InputSpec {
        schema: args.schema,
        max_gap_s: args.max_gap,
        cells: &args.cells,
    };
    let id = feed_id(
        network_id,
        &creator.to_bytes(),
        model,
        &input,
        args.aggregation,
        args.round_length,
    );
    CreateFeedArgs {
        id: id.unwrap_or_default(),
        ..args
    }
}

/// One of nine valid H3 cells of resolution 7.
fn nth_cell(number: u64) -> u64 {
    0x0872_a100_c0ff_ffff + ((number / 4) << 27) + ((number % 4) << 24)
}

/// A batch with this many windows, captured in the last seconds of a round.
fn batch_in(round: u64, windows: u32) -> BatchLeaf {
    let start = round as i64 * ROUND * 1_000;
    BatchLeaf {
        readings_root: [1; 32],
        windows_root: [2; 32],
        windows,
        readings: windows * 16,
        first_capture: start - 20_000,
        last_capture: start + 50_000,
    }
}

/// An operator's own batch of one window.
fn own_batch(operator: usize, round: u64) -> BatchLeaf {
    BatchLeaf {
        windows_root: [100 + operator as u8; 32],
        ..batch_in(round, 1)
    }
}

/// 32 outputs, these and then zeros.
fn outputs(first: &[u8]) -> [u8; 32] {
    let mut outputs = [0; 32];
    outputs[..first.len()].copy_from_slice(first);
    outputs
}

impl World {
    /// As many operators as there are allocations, all in the committee of epoch 0; a feed that needs two signers and
    /// one stream. A minute has passed since the harness's start, so captures of the first round are in the past.
    fn new(allocations: &[u64]) -> Self {
        Self::with_feed(allocations, |args| args)
    }

    /// The same with a feed of other arguments.
    fn with_feed(
        allocations: &[u64],
        change: impl FnOnce(CreateFeedArgs) -> CreateFeedArgs,
    ) -> Self {
        let harness = Harness::new();
        let creator = harness.key();
        let network = Pubkey::new_unique();
        let network_id = [7; 32];
        let operators: Vec<Operator> = allocations
            .iter()
            .map(|_| Operator {
                signer: harness.key(),
                pool: Pubkey::new_unique(),
                stream: Pubkey::new_unique(),
                mmr: MmrBuilder::new(),
                commitments: Vec::new(),
            })
            .collect();
        let model = hash_of(&self::model());
        let args = change(feed_args(&network_id, &creator.pubkey(), &model));
        let args = with_id(args, &network_id, &creator.pubkey(), &model);
        let world = Self {
            committee: Pubkey::new_unique(),
            feed: client::feed(&args.id),
            feed_id: args.id,
            harness,
            network,
            network_id,
            operators,
            creator,
            model,
        };
        world.put(&world.network, &world.network_state());
        for (number, operator) in world.operators.iter().enumerate() {
            world.put(
                &operator.pool,
                &Pool {
                    version: 1,
                    signer: operator.signer.pubkey(),
                    ..Pool::zeroed()
                },
            );
            world.put_stream(number);
        }
        world.put(&world.committee, &world.committee_state(0, allocations));
        let payer = world.harness.payer.pubkey();
        let bytes = self::model().to_bytes().to_vec();
        world
            .send(&[client::register_model(&payer, model, bytes)], &[])
            .unwrap();
        let create = client::create_feed(&payer, &world.creator.pubkey(), &network, &model, args);
        world.send(&[create], &[&world.creator]).unwrap();
        world.harness.advance(ROUND);
        world
    }

    fn network_state(&self) -> Network {
        Network {
            version: 1,
            id: self.network_id,
            genesis: START,
            epoch_length: EPOCH,
            ..Network::zeroed()
        }
    }

    fn committee_state(&self, epoch: u64, allocations: &[u64]) -> Committee {
        let mut committee = Committee {
            version: 1,
            network: self.network,
            epoch,
            count: allocations.len() as u32,
            total: allocations.iter().sum(),
            ..Committee::zeroed()
        };
        let members = self.operators.iter().zip(allocations);
        for (entry, (operator, allocation)) in committee.entries.iter_mut().zip(members) {
            *entry = CommitteeEntry {
                pool: operator.pool,
                signer: operator.signer.pubkey(),
                allocation: *allocation,
            };
        }
        committee
    }

    /// Writes an account of any of the programs.
    fn put<T: ZeroCopy + Discriminator + Owner>(&self, key: &Pubkey, state: &T) {
        let data = [T::DISCRIMINATOR, bytes_of(state)].concat();
        self.harness.chain.set_account(
            key,
            Account {
                lamports: self.harness.chain.rent(data.len()).unwrap(),
                data,
                owner: T::owner(),
                executable: false,
                rent_epoch: u64::MAX,
            },
        );
    }

    fn put_stream(&self, operator: usize) {
        let operator = &self.operators[operator];
        self.put(
            &operator.stream,
            &Stream {
                version: 1,
                network: self.network,
                pool: operator.pool,
                count: operator.mmr.count(),
                peaks: operator.mmr.peaks(),
                ..Stream::zeroed()
            },
        );
    }

    fn pause(&self, operation: Operation) {
        let mut network = self.network_state();
        network.pauses[operation as usize] = Pause {
            paused_at: self.harness.now(),
            until: self.harness.now() + 1,
        };
        self.put(&self.network, &network);
    }

    fn send(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        self.harness.send(instructions, signers)
    }

    fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    /// Commits to batches in the operator's stream; the commitment's sequence.
    fn commit(&mut self, operator: usize, batches: &[BatchLeaf]) -> u64 {
        let posted_at = self.harness.now();
        let operator_state = &mut self.operators[operator];
        let sequence = operator_state.mmr.count();
        let leaves: Vec<[u8; 32]> = batches.iter().map(BatchLeaf::hash).collect();
        let leaf = CommitmentLeaf {
            sequence,
            posted_at,
            root: Tree::of_batches(&leaves).unwrap().root(),
            batches: batches.len() as u32,
            payload_hash: [5; 32],
            payload_len: 1_000,
        };
        operator_state.mmr.append(leaf.hash()).unwrap();
        operator_state.commitments.push((leaf, batches.to_vec()));
        self.put_stream(operator);
        sequence
    }

    /// The arguments that attest these outputs on a batch, with its proof at the stream's present count.
    fn args(
        &self,
        operator: usize,
        sequence: u64,
        batch_index: u32,
        first_outputs: &[u8],
    ) -> SubmitAttestationArgs {
        let operator = &self.operators[operator];
        let (leaf, batches) = &operator.commitments[sequence as usize];
        let leaves: Vec<[u8; 32]> = batches.iter().map(BatchLeaf::hash).collect();
        let tree = Tree::of_batches(&leaves).unwrap();
        let batch = batches[batch_index as usize];
        SubmitAttestationArgs {
            round: batch.last_capture as u64 / 1_000 / ROUND as u64,
            outputs: outputs(first_outputs),
            commitment: (*leaf).into(),
            mmr_path: operator.mmr.path(sequence).unwrap(),
            batch_index,
            batch: batch.into(),
            batch_path: tree.path(batch_index.into()).unwrap(),
        }
    }

    /// The accounts with which an operator attests.
    fn attesting(&self, operator: usize) -> Attesting {
        let operator = &self.operators[operator];
        Attesting {
            payer: self.payer(),
            attester: operator.signer.pubkey(),
            network: self.network,
            feed: self.feed,
            model: client::model(&self.model),
            stream: operator.stream,
            pool: operator.pool,
            committee: self.committee,
            bonds: None,
        }
    }

    fn submit(
        &self,
        operator: usize,
        args: SubmitAttestationArgs,
    ) -> Result<Execution, ClientError> {
        self.submit_with(operator, self.attesting(operator), args)
    }

    /// Submits with these accounts, signed by the operator.
    fn submit_with(
        &self,
        operator: usize,
        attesting: Attesting,
        args: SubmitAttestationArgs,
    ) -> Result<Execution, ClientError> {
        self.send(
            &[client::submit_attestation(&attesting, args)],
            &[&self.operators[operator].signer],
        )
    }

    /// Commits to one batch of one window, the operator's own, in a round and attests its output; the attestation's address.
    fn attest(&mut self, operator: usize, round: u64, output: u8) -> Pubkey {
        let sequence = self.commit(operator, &[own_batch(operator, round)]);
        self.submit(operator, self.args(operator, sequence, 0, &[output]))
            .unwrap();
        self.attestation(operator, round, sequence, 0)
    }

    fn attestation(&self, operator: usize, round: u64, sequence: u64, batch_index: u32) -> Pubkey {
        let stream = &self.operators[operator].stream;
        client::attestation(&self.feed, stream, round, sequence, batch_index)
    }

    /// The Ed25519 instruction in which members sign a message.
    fn signatures(&self, members: &[u8], message: &[u8]) -> Instruction {
        let signer = |member: &u8| &self.operators[usize::from(*member)].signer;
        signatures(members.iter().map(signer), message)
    }

    fn attested(&self, attestation: &Pubkey) -> Attested {
        let round = self.harness.read::<Attestation>(attestation).round;
        Attested {
            network: self.network,
            feed: self.feed,
            committee: self.committee,
            round: client::round(&self.feed, round),
            attestation: *attestation,
        }
    }

    /// Members sign the attestation as it is, in one transaction.
    fn sign(&self, attestation: &Pubkey, members: &[u8]) -> Result<Execution, ClientError> {
        let message = self.harness.read::<Attestation>(attestation).message;
        self.send(
            &[
                self.signatures(members, &message),
                client::attest_committee(&self.attested(attestation), 0, members.to_vec()),
            ],
            &[],
        )
    }

    fn finalize(&self, round: u64) -> Result<Execution, ClientError> {
        self.send(
            &[client::finalize_round(
                &self.network,
                &self.feed,
                round,
                &self.payer(),
            )],
            &[],
        )
    }

    /// Attests, has members sign, and finalises a round when it has ended.
    fn run_round(&mut self, operator: usize, round: u64, output: u8, members: &[u8]) {
        let attestation = self.attest(operator, round, output);
        self.sign(&attestation, members).unwrap();
        self.finalize(round).unwrap();
    }

    fn feed(&self) -> Feed {
        self.harness.read(&self.feed)
    }

    /// What a consumer reads.
    fn read(&self, max_age: u32, mask: u16) -> Result<feed_reader::Value, FeedError> {
        let account = self.harness.chain.account(&self.feed).unwrap().unwrap();
        let owner = account.owner.to_bytes();
        feed_reader::Feed::from_account(&owner, &account.data, &self.feed_id)?.value(
            self.harness.now(),
            max_age,
            mask,
        )
    }
}

/// The instruction with one account in another's place.
fn replace(mut instruction: Instruction, old: &Pubkey, new: Pubkey) -> Instruction {
    let metas = instruction.accounts.iter_mut();
    let changed = metas
        .filter(|meta| meta.pubkey == *old)
        .map(|meta| meta.pubkey = new);
    assert!(changed.count() > 0, "no such account to replace");
    instruction
}

/// The instruction without a key's signature.
fn unsigned(mut instruction: Instruction, key: &Pubkey) -> Instruction {
    for meta in &mut instruction.accounts {
        meta.is_signer &= meta.pubkey != *key;
    }
    instruction
}

mod models {
    use super::*;

    #[test]
    fn is_stored_under_its_hash() {
        let world = World::new(&[1]);
        let stored: Model = world.harness.read(&client::model(&world.model));
        assert_eq!(stored.version, 1);
        assert_eq!(stored.hash, world.model);
        assert_eq!(stored.publisher, world.payer());
        assert_eq!(stored.bytes, model().to_bytes());
    }

    #[test]
    fn is_registered_once() {
        let world = World::new(&[1]);
        let bytes = model().to_bytes().to_vec();
        let again = client::register_model(&world.payer(), world.model, bytes);
        assert_refused(world.send(&[again], &[]), ALREADY_IN_USE);
    }

    #[test]
    fn of_another_hash_is_refused() {
        let harness = Harness::new();
        let mut other = model();
        other.weights[0] = 2;
        let bytes = other.to_bytes().to_vec();
        let instruction = client::register_model(&harness.payer.pubkey(), hash_of(&model()), bytes);
        assert_refused(harness.send(&[instruction], &[]), E::ModelHashMismatch);
    }

    #[test]
    fn unsafe_or_damaged_is_refused() {
        let harness = Harness::new();
        let valid = model().to_bytes().to_vec();
        let short = valid[1..].to_vec();
        let long = [valid.as_slice(), &[0]].concat();
        let mut overflowing = model();
        overflowing.biases[BIASES - 1] = inference::BIAS_LIMIT;
        let mut of_another_shape = model();
        of_another_shape.header.shape = 2;
        let mut shifting = model();
        shifting.header.shifts[1] -= 1;
        for bytes in [
            short,
            long,
            vec![],
            overflowing.to_bytes().to_vec(),
            of_another_shape.to_bytes().to_vec(),
            shifting.to_bytes().to_vec(),
        ] {
            let instruction =
                client::register_model(&harness.payer.pubkey(), hash_of(&model()), bytes);
            assert_refused(harness.send(&[instruction], &[]), E::InvalidModel);
        }
    }
}

mod feeds {
    use super::*;

    #[test]
    fn is_created_as_told() {
        let world = World::new(&[1]);
        let feed = world.feed();
        assert_eq!(feed.version, 1);
        assert_eq!(feed.exponent, -1);
        assert_eq!(feed.schema, 3);
        assert_eq!(feed.id, world.feed_id);
        assert_eq!(feed.network, world.network);
        assert_eq!(feed.model, world.model);
        assert_eq!(feed.creator, world.creator.pubkey());
        assert_eq!(feed.authority, world.creator.pubkey());
        assert_eq!(feed.created_at, START);
        assert_eq!(
            (feed.round_length, feed.grace, feed.challenge_window),
            (ROUND, GRACE, CHALLENGE)
        );
        assert_eq!(
            (feed.max_gap, feed.min_signers, feed.min_streams),
            (120, 2, 1)
        );
        assert_eq!(feed.required_mask, BY_COMMITTEE);
        assert_eq!((feed.cell_count, feed.cells[1]), (2, 0x0881_f1d4_887f_ffff));
        assert_eq!(world.read(60, Mask::COMMITTEE), Err(FeedError::NoEntry));
    }

    #[test]
    fn with_wrong_arguments_is_refused() {
        let world = World::new(&[1]);
        let usual = feed_args(&world.network_id, &world.creator.pubkey(), &world.model);
        let day = 86_400;
        let other = |change: &dyn Fn(&mut CreateFeedArgs)| {
            let mut args = CreateFeedArgs {
                max_gap: 121, // another id than the feed that exists
                ..usual.clone()
            };
            change(&mut args);
            with_id(
                args,
                &world.network_id,
                &world.creator.pubkey(),
                &world.model,
            )
        };
        let cases: Vec<(CreateFeedArgs, E)> = vec![
            (other(&|a| a.max_gap = 0), E::InvalidGap),
            (other(&|a| a.cells = vec![2]), E::InvalidCells),
            // Digits below the resolution, and base cell 127.
            (
                other(&|a| a.cells = vec![0x0881_2a10_0000_0001]),
                E::InvalidCells,
            ),
            (
                other(&|a| a.cells = vec![0x088f_f1d4_885f_ffff]),
                E::InvalidCells,
            ),
            (other(&|a| a.cells.reverse()), E::InvalidCells),
            (other(&|a| a.cells[1] = a.cells[0]), E::InvalidCells),
            (
                other(&|a| a.cells = (0..9).map(nth_cell).collect()),
                E::InvalidCells,
            ),
            (other(&|a| a.schema = 4), E::SchemaMismatch),
            (other(&|a| a.aggregation = 1), E::UnknownAggregation),
            (other(&|a| a.round_length = 0), E::InvalidRoundLength),
            (other(&|a| a.round_length = -60), E::InvalidRoundLength),
            (
                other(&|a| a.round_length = 30 * day + 1),
                E::InvalidRoundLength,
            ),
            (other(&|a| a.required_mask = 0), E::NothingRequired),
            (
                other(&|a| a.required_mask = Mask::ZK | Mask::COMMITTEE),
                E::SourcesNotRequired,
            ),
            (
                other(&|a| a.required_mask = Mask::OPTIMISTIC),
                E::BondRequired,
            ),
            (
                other(&|a| (a.required_mask, a.bond) = (Mask::OPTIMISTIC, 1)),
                E::GraceTooShort,
            ),
            // The network takes no evidence at all.
            (other(&|a| a.bond = 1), E::WindowOutlastsStake),
            (other(&|a| a.slash_bps = 0), E::InvalidSlash),
            (other(&|a| a.slash_bps = 10_001), E::InvalidSlash),
            (
                other(&|a| a.required_mask = Mask::ORACLE),
                E::UnsupportedVerification,
            ),
            (
                other(&|a| a.required_mask = 1 << 15),
                E::UnsupportedVerification,
            ),
            (other(&|a| a.min_signers = 0), E::InvalidMinSigners),
            (other(&|a| a.min_signers = 65), E::InvalidMinSigners),
            (other(&|a| a.min_streams = 0), E::InvalidMinStreams),
            (other(&|a| a.min_streams = 65), E::InvalidMinStreams),
            (other(&|a| a.grace = -1), E::InvalidGrace),
            (other(&|a| a.grace = i64::MAX), E::InvalidGrace),
            (
                other(&|a| a.challenge_window = 0),
                E::InvalidChallengeWindow,
            ),
            (
                other(&|a| a.challenge_window = -1),
                E::InvalidChallengeWindow,
            ),
            (
                other(&|a| a.challenge_window = i64::MAX),
                E::InvalidChallengeWindow,
            ),
            (
                other(&|a| a.challenge_window = 64 * ROUND),
                E::InvalidChallengeWindow,
            ),
            (
                CreateFeedArgs {
                    id: [8; 32],
                    ..usual.clone()
                },
                E::WrongFeedId,
            ),
            (
                CreateFeedArgs {
                    round_length: 61,
                    id: [8; 32],
                    ..usual.clone()
                },
                E::WrongFeedId,
            ),
        ];
        for (args, error) in cases {
            let create = client::create_feed(
                &world.payer(),
                &world.creator.pubkey(),
                &world.network,
                &world.model,
                args.clone(),
            );
            let code: u32 = error.into();
            println!("{code}: {args:?}");
            assert_refused(world.send(&[create], &[&world.creator]), code);
        }
    }

    #[test]
    fn of_another_creator_or_network_has_another_id() {
        let world = World::new(&[1]);
        let args = CreateFeedArgs {
            max_gap: 121,
            ..feed_args(&world.network_id, &world.creator.pubkey(), &world.model)
        };
        let args = with_id(
            args,
            &world.network_id,
            &world.creator.pubkey(),
            &world.model,
        );
        let thief = world.harness.key();
        let stolen = client::create_feed(
            &world.payer(),
            &thief.pubkey(),
            &world.network,
            &world.model,
            args.clone(),
        );
        assert_refused(world.send(&[stolen], &[&thief]), E::WrongFeedId);

        let other_network = Pubkey::new_unique();
        let state = Network {
            id: [8; 32],
            ..world.network_state()
        };
        world.put(&other_network, &state);
        let moved = client::create_feed(
            &world.payer(),
            &world.creator.pubkey(),
            &other_network,
            &world.model,
            args,
        );
        assert_refused(world.send(&[moved], &[&world.creator]), E::WrongFeedId);
    }

    #[test]
    fn needs_its_creators_signature() {
        let world = World::new(&[1]);
        let args = feed_args(&world.network_id, &world.creator.pubkey(), &world.model);
        let creator = world.creator.pubkey();
        let create =
            client::create_feed(&world.payer(), &creator, &world.network, &world.model, args);
        assert_refused(
            world.send(&[unsigned(create.clone(), &creator)], &[]),
            ErrorCode::AccountNotSigner,
        );
        assert_refused(world.send(&[create], &[&world.creator]), ALREADY_IN_USE);
    }

    #[test]
    fn a_network_of_another_program_is_refused() {
        let world = World::new(&[1]);
        let args = feed_args(&world.network_id, &world.creator.pubkey(), &world.model);
        let create = |network: &Pubkey| {
            let creator = &world.creator.pubkey();
            client::create_feed(&world.payer(), creator, network, &world.model, args.clone())
        };
        let forged = Pubkey::new_unique();
        let mut account = world
            .harness
            .chain
            .account(&world.network)
            .unwrap()
            .unwrap();
        account.owner = Pubkey::new_unique();
        world.harness.chain.set_account(&forged, account);
        assert_refused(
            world.send(&[create(&forged)], &[&world.creator]),
            ErrorCode::AccountOwnedByWrongProgram,
        );
        let pool = world.operators[0].pool;
        assert_refused(
            world.send(&[create(&pool)], &[&world.creator]),
            ErrorCode::AccountOwnedByWrongProgram,
        );
    }

    #[test]
    fn its_authority_passes_on_in_two_steps() {
        let world = World::new(&[1]);
        let heir = world.harness.key();
        let thief = world.harness.key();
        let offer = |by: &Keypair, to: &Keypair| {
            let instruction = client::transfer_authority(&world.feed, &by.pubkey(), to.pubkey());
            world.send(&[instruction], &[by])
        };
        let accept = |by: &Keypair| {
            world.send(
                &[client::accept_authority(&world.feed, &by.pubkey())],
                &[by],
            )
        };
        assert_refused(offer(&thief, &thief), E::NotAuthority);
        assert_refused(accept(&heir), E::NotPendingAuthority);
        offer(&world.creator, &heir).unwrap();
        assert_refused(accept(&thief), E::NotPendingAuthority);
        assert_eq!(world.feed().authority, world.creator.pubkey());
        accept(&heir).unwrap();
        assert_eq!(world.feed().authority, heir.pubkey());
        assert_eq!(world.feed().pending_authority, Pubkey::default());
        assert_eq!(world.feed().creator, world.creator.pubkey());
        assert_refused(accept(&heir), E::NotPendingAuthority);
        assert_refused(offer(&world.creator, &world.creator), E::NotAuthority);
        let freeze = client::freeze_feed(&world.feed, &world.creator.pubkey());
        assert_refused(world.send(&[freeze], &[&world.creator]), E::NotAuthority);
        let unsigned_freeze = unsigned(
            client::freeze_feed(&world.feed, &heir.pubkey()),
            &heir.pubkey(),
        );
        assert_refused(
            world.send(&[unsigned_freeze], &[]),
            ErrorCode::AccountNotSigner,
        );
    }

    #[test]
    fn a_frozen_feed_stops_and_gives_rent_back() {
        let mut world = World::new(&[1, 1]);
        world.run_round(0, FIRST, 100, &[0, 1]);
        world.harness.advance(ROUND);
        let round = FIRST + 1;
        let attestation = world.attest(0, round, 100);
        assert!(world.read(600, Mask::COMMITTEE).is_ok());

        let freeze = client::freeze_feed(&world.feed, &world.creator.pubkey());
        world
            .send(std::slice::from_ref(&freeze), &[&world.creator])
            .unwrap();
        assert_eq!(world.feed().state, FROZEN);
        assert_eq!(world.feed().frozen_at, world.harness.now());
        // What it had said stays, for what became due by it.
        let account = world.harness.chain.account(&world.feed).unwrap().unwrap();
        let kept = feed_reader::Feed::parse(&account.data).unwrap();
        let kept = kept.values(world.harness.now(), 600, Mask::COMMITTEE);
        let rounds: Vec<u64> = kept.unwrap().map(|value| value.round).collect();
        assert_eq!(rounds, [FIRST]);
        assert_eq!(world.read(600, Mask::COMMITTEE), Err(FeedError::Frozen));
        assert_refused(world.send(&[freeze], &[&world.creator]), E::FeedFrozen);
        assert_refused(world.sign(&attestation, &[0, 1]), E::FeedFrozen);
        assert_refused(world.finalize(round), E::FeedFrozen);
        let sequence = world.commit(1, &[batch_in(round, 1)]);
        assert_refused(
            world.submit(1, world.args(1, sequence, 0, &[100])),
            E::FeedFrozen,
        );

        world.harness.advance(CHALLENGE);
        let payer = world.payer();
        world
            .send(
                &[
                    client::close_round(&world.feed, round, &payer),
                    client::close_attestation(&world.feed, &attestation, &payer, None),
                ],
                &[],
            )
            .unwrap();
        assert!(!world.harness.exists(&attestation));
        assert!(!world.harness.exists(&client::round(&world.feed, round)));
    }
}

mod submission {
    use super::*;

    /// Three operators, of whom the first committed to a batch of three windows in the first round.
    fn committed() -> (World, SubmitAttestationArgs) {
        let mut world = World::new(&[5, 3, 2]);
        let batches = [batch_in(FIRST, 1), batch_in(FIRST, 3), batch_in(FIRST, 32)];
        world.commit(0, &[batch_in(FIRST - 1, 1)]);
        let sequence = world.commit(0, &batches);
        world.commit(0, &[batch_in(FIRST, 1)]);
        let args = world.args(0, sequence, 1, &[10, 50, 20]);
        (world, args)
    }

    /// Submits, and asserts that attestation and round hold what they must.
    fn assert_kept(world: &World, args: &SubmitAttestationArgs) {
        world.submit(0, args.clone()).unwrap();
        let attestation: Attestation = world.harness.read(&world.attestation(0, FIRST, 1, 1));
        let operator = &world.operators[0];
        let batch = batch_in(FIRST, 3);
        let now = world.harness.now();
        assert_eq!(
            (
                attestation.version,
                attestation.windows,
                attestation.batch_index
            ),
            (1, 3, 1)
        );
        assert_eq!(attestation.feed, world.feed);
        assert_eq!(attestation.stream, operator.stream);
        assert_eq!(attestation.pool, operator.pool);
        assert_eq!((attestation.round, attestation.sequence), (FIRST, 1));
        assert_eq!(attestation.batch.readings_root, batch.readings_root);
        assert_eq!(attestation.batch.windows_root, batch.windows_root);
        assert_eq!(attestation.batch.readings, 48);
        assert_eq!(attestation.batch.first_capture, batch.first_capture);
        assert_eq!(attestation.batch.last_capture, batch.last_capture);
        assert_eq!(attestation.batch_leaf, batch.hash());
        assert_eq!(attestation.outputs, args.outputs);
        assert_eq!(attestation.value, -500 + 10 * 20);
        assert_eq!((attestation.mask, attestation.slot), (0, 0));
        assert_eq!(
            (attestation.committee, attestation.committee_epoch),
            (world.committee, 0)
        );
        assert_eq!(
            (attestation.signers, attestation.signed, attestation.bond),
            (0, 0, 0)
        );
        assert_eq!(
            (attestation.posted_at, attestation.deadline),
            (now, now + CHALLENGE)
        );
        assert_eq!(attestation.payer, world.payer());
        let message = AttestationMessage {
            network: world.network_id,
            feed: world.feed_id,
            stream: operator.stream.to_bytes(),
            round: FIRST,
            sequence: 1,
            batch_index: 1,
            batch_leaf: batch.hash(),
            model: world.model,
            outputs: args.outputs,
            epoch: 0,
        };
        assert_eq!(attestation.message, message.digest());

        let round: Round = world.harness.read(&client::round(&world.feed, FIRST));
        assert_eq!((round.version, round.slots, round.round), (1, 1, FIRST));
        assert_eq!((round.feed, round.payer), (world.feed, world.payer()));
        let slot = &round.slot[0];
        assert_eq!(
            (slot.stream, slot.batch_leaf, slot.allocation),
            (operator.stream, batch.hash(), 5)
        );
        assert_eq!(round.total, 10);
        assert_eq!(
            (slot.weighted_value, slot.windows, slot.submitted),
            (-900, 3, 1)
        );
        assert_eq!(
            (slot.oldest, slot.newest),
            (batch.first_capture, batch.last_capture)
        );
        assert_eq!(slot.data_root, args.commitment.root);
        assert_eq!(slot.passed, [0; 8]);
    }

    #[test]
    fn keeps_all_that_it_claims() {
        let (world, args) = committed();
        assert_kept(&world, &args);
    }

    #[test]
    fn of_a_stream_adds_up_in_one_slot() {
        let (mut world, args) = committed();
        world.submit(0, args).unwrap();
        world.submit(0, world.args(0, 1, 0, &[60])).unwrap();
        world.submit(0, world.args(0, 2, 0, &[90])).unwrap();
        let sequence = world.commit(2, &[batch_in(FIRST, 2)]);
        world
            .submit(2, world.args(2, sequence, 0, &[1, 2]))
            .unwrap();
        let round: Round = world.harness.read(&client::round(&world.feed, FIRST));
        assert_eq!(round.slots, 2);
        assert_eq!((round.slot[0].windows, round.slot[0].submitted), (5, 3));
        assert_eq!(round.slot[0].weighted_value, -3 * 300 + 100 + 400);
        assert_eq!((round.slot[1].allocation, round.slot[1].submitted), (2, 1));
        // The outputs' median is the mean of the middle two, rounded down: -490 and -480.
        assert_eq!(round.slot[1].weighted_value, 2 * -485);
    }

    #[test]
    fn of_one_batch_is_taken_once() {
        let (world, args) = committed();
        world.submit(0, args.clone()).unwrap();
        let again = SubmitAttestationArgs {
            outputs: outputs(&[11, 51, 21]),
            ..args
        };
        assert_refused(world.submit(0, again), ALREADY_IN_USE);
    }

    #[test]
    fn of_another_streams_batch_is_refused() {
        let (mut world, args) = committed();
        world.submit(0, args).unwrap();
        let sequence = world.commit(1, &[batch_in(FIRST, 3), batch_in(FIRST, 2)]);
        let copied = world.args(1, sequence, 0, &[10, 50, 20]);
        assert_refused(world.submit(1, copied), E::BatchTaken);
        world
            .submit(1, world.args(1, sequence, 1, &[10, 50]))
            .unwrap();
    }

    #[test]
    fn into_a_round_other_than_the_captures_is_refused() {
        let (world, args) = committed();
        for round in [FIRST - 1, FIRST + 1, 0, u64::MAX] {
            let moved = SubmitAttestationArgs {
                round,
                ..args.clone()
            };
            let error = if round == 0 {
                E::RoundOver
            } else {
                E::WrongRound
            };
            assert_refused(world.submit(0, moved), error);
        }
    }

    #[test]
    fn of_captures_in_the_future_or_out_of_order_is_refused() {
        let mut world = World::new(&[1]);
        let future = batch_in(FIRST + 1, 1); // it is the round's first second
        let swapped = BatchLeaf {
            first_capture: batch_in(FIRST, 1).last_capture + 1,
            ..batch_in(FIRST, 1)
        };
        let negative = BatchLeaf {
            first_capture: -1,
            ..batch_in(FIRST, 1)
        };
        let sequence = world.commit(0, &[future, swapped, negative]);
        for batch_index in 0..3 {
            let args = world.args(0, sequence, batch_index, &[1]);
            assert_refused(world.submit(0, args), E::InvalidCaptures);
        }
    }

    #[test]
    fn of_a_batch_committed_before_its_captures_is_refused() {
        let mut world = World::new(&[1]);
        let now = world.harness.now() * 1_000;
        let ahead = |drift: i64| BatchLeaf {
            last_capture: now + drift,
            ..batch_in(FIRST + 1, 1)
        };
        let sequence = world.commit(0, &[ahead(30_000), ahead(30_001)]);
        world.harness.advance(ROUND);
        let args = world.args(0, sequence, 1, &[1]);
        assert_refused(world.submit(0, args), E::CommittedBeforeCapture);
        // A clock that is a little fast is not lied about, and a batch may be committed again.
        world.submit(0, world.args(0, sequence, 0, &[1])).unwrap();
        let sequence = world.commit(0, &[ahead(30_001)]);
        world.submit(0, world.args(0, sequence, 0, &[1])).unwrap();
    }

    #[test]
    fn of_no_or_too_many_windows_is_refused() {
        let mut world = World::new(&[1]);
        let sizes = [0, 33, 256 + 1, u32::MAX];
        let batches: Vec<BatchLeaf> = sizes
            .iter()
            .map(|windows| BatchLeaf {
                windows: *windows,
                ..batch_in(FIRST, 1)
            })
            .collect();
        let sequence = world.commit(0, &batches);
        for batch_index in 0..4 {
            let args = world.args(0, sequence, batch_index, &[1]);
            assert_refused(world.submit(0, args), E::InvalidWindows);
        }
    }

    #[test]
    fn of_outputs_beyond_the_windows_is_refused() {
        let (world, args) = committed();
        for place in [3, 31] {
            let mut more = args.clone();
            more.outputs[place] = 1;
            assert_refused(world.submit(0, more), E::OutputsBeyondWindows);
        }
        let full = world.args(0, 1, 2, &[255; 32]);
        world.submit(0, full).unwrap();
    }

    #[test]
    fn of_a_batch_that_the_stream_did_not_commit_to_is_refused() {
        let (mut world, args) = committed();
        world.commit(1, &[batch_in(FIRST, 7)]);
        let theirs = world.args(1, 0, 0, &[1]);
        let changes: [&dyn Fn(&mut SubmitAttestationArgs); 13] = [
            &|a| a.batch.readings_root[0] ^= 1,
            &|a| a.batch.windows_root[0] ^= 1,
            &|a| a.batch.windows = 2,
            &|a| a.batch.readings += 1,
            &|a| a.batch.first_capture += 1,
            &|a| a.batch.last_capture += 1,
            &|a| a.commitment.posted_at -= 1,
            &|a| a.commitment.root[0] ^= 1,
            &|a| a.commitment.sequence = 0,
            &|a| a.batch_index = 2,
            &|a| a.batch_index = 3,
            &|a| a.batch_path.truncate(a.batch_path.len() - 1),
            &|a| a.mmr_path.truncate(a.mmr_path.len() - 1),
        ];
        for change in changes {
            let mut changed = args.clone();
            changed.outputs = outputs(&[1]);
            change(&mut changed);
            assert_refused(world.submit(0, changed), E::BatchNotCommitted);
        }
        assert_refused(world.submit(0, theirs), E::BatchNotCommitted);
    }

    #[test]
    fn by_another_than_the_pools_signer_is_refused() {
        let (world, args) = committed();
        let thief = Attesting {
            attester: world.operators[1].signer.pubkey(),
            ..world.attesting(0)
        };
        assert_refused(world.submit_with(1, thief, args.clone()), E::NotAttester);
        let key = world.operators[0].signer.pubkey();
        let instruction = unsigned(client::submit_attestation(&world.attesting(0), args), &key);
        assert_refused(world.send(&[instruction], &[]), ErrorCode::AccountNotSigner);
    }

    #[test]
    fn with_another_pool_or_stream_is_refused() {
        let (mut world, args) = committed();
        let own_pool = Attesting {
            pool: world.operators[1].pool,
            attester: world.operators[1].signer.pubkey(),
            ..world.attesting(0)
        };
        assert_refused(world.submit_with(1, own_pool, args.clone()), E::WrongPool);
        world.commit(1, &[batch_in(FIRST, 1)]);
        let own_stream = Attesting {
            stream: world.operators[1].stream,
            ..world.attesting(0)
        };
        assert_refused(world.submit_with(0, own_stream, args), E::WrongPool);
    }

    #[test]
    fn with_anything_of_another_network_is_refused() {
        let (world, args) = committed();
        let other = Pubkey::new_unique();
        world.put(&other, &world.network_state());
        let network = Attesting {
            network: other,
            ..world.attesting(0)
        };
        assert_refused(world.submit_with(0, network, args.clone()), E::WrongNetwork);

        let committee = Pubkey::new_unique();
        let state = Committee {
            network: other,
            ..world.committee_state(0, &[5, 3, 2])
        };
        world.put(&committee, &state);
        let of_other = Attesting {
            committee,
            ..world.attesting(0)
        };
        assert_refused(
            world.submit_with(0, of_other, args.clone()),
            E::WrongNetwork,
        );

        let operator = &world.operators[0];
        let stream = Pubkey::new_unique();
        let state = Stream {
            network: other,
            pool: operator.pool,
            count: operator.mmr.count(),
            peaks: operator.mmr.peaks(),
            ..Stream::zeroed()
        };
        world.put(&stream, &state);
        let streaming = Attesting {
            stream,
            ..world.attesting(0)
        };
        assert_refused(world.submit_with(0, streaming, args), E::WrongNetwork);
    }

    #[test]
    fn with_a_committee_of_another_epoch_is_refused() {
        let (mut world, args) = committed();
        let committee = Pubkey::new_unique();
        world.put(&committee, &world.committee_state(1, &[5, 3, 2]));
        let next = Attesting {
            committee,
            ..world.attesting(0)
        };
        assert_refused(world.submit_with(0, next, args.clone()), E::WrongEpoch);
        world.harness.advance(EPOCH);
        assert_refused(world.submit(0, args.clone()), E::WrongEpoch);
        world.submit_with(0, next, args).unwrap();
        let attestation: Attestation = world.harness.read(&world.attestation(0, FIRST, 1, 1));
        assert_eq!(
            (attestation.committee, attestation.committee_epoch),
            (committee, 1)
        );
        world.committee = committee;
        world
            .sign(&world.attestation(0, FIRST, 1, 1), &[0, 1])
            .unwrap();
    }

    #[test]
    fn by_who_is_not_in_the_committee_is_refused() {
        let (world, args) = committed();
        let without_weight = world.committee_state(0, &[0, 3, 2]);
        world.put(&world.committee, &without_weight);
        assert_refused(world.submit(0, args.clone()), E::NotMember);
        let incomplete = Committee {
            count: 0,
            total: 0,
            ..world.committee_state(0, &[5, 3, 2])
        };
        world.put(&world.committee, &incomplete);
        assert_refused(world.submit(0, args.clone()), E::NotMember);
        let mut stranger = world.committee_state(0, &[5, 3, 2]);
        stranger.entries[0].pool = Pubkey::new_unique();
        world.put(&world.committee, &stranger);
        assert_refused(world.submit(0, args), E::NotMember);
    }

    #[test]
    fn with_a_forged_account_is_refused() {
        let (world, args) = committed();
        let forge = |key: &Pubkey| {
            let forged = Pubkey::new_unique();
            let mut account = world.harness.chain.account(key).unwrap().unwrap();
            account.owner = Pubkey::new_unique();
            world.harness.chain.set_account(&forged, account);
            forged
        };
        let attesting = world.attesting(0);
        let instruction = client::submit_attestation(&attesting, args.clone());
        let signer = &world.operators[0].signer;
        for key in [
            attesting.network,
            attesting.model,
            attesting.stream,
            attesting.pool,
            attesting.committee,
        ] {
            let forged = replace(instruction.clone(), &key, forge(&key));
            assert_refused(
                world.send(&[forged], &[signer]),
                ErrorCode::AccountOwnedByWrongProgram,
            );
        }
        // Type confusion: a pool where the committee belongs, and the other way around.
        let confused = replace(instruction.clone(), &attesting.committee, attesting.pool);
        assert_refused(
            world.send(&[confused], &[signer]),
            ErrorCode::AccountDiscriminatorMismatch,
        );
        let confused = replace(instruction, &attesting.pool, attesting.committee);
        assert_refused(
            world.send(&[confused], &[signer]),
            ErrorCode::AccountDiscriminatorMismatch,
        );
    }

    #[test]
    fn of_another_model_is_refused() {
        let (world, args) = committed();
        let mut other = model();
        other.header.output_step = 1_000;
        let hash = hash_of(&other);
        let bytes = other.to_bytes().to_vec();
        world
            .send(&[client::register_model(&world.payer(), hash, bytes)], &[])
            .unwrap();
        let with_other = Attesting {
            model: client::model(&hash),
            ..world.attesting(0)
        };
        assert_refused(world.submit_with(0, with_other, args), E::WrongModel);
    }

    #[test]
    fn into_swapped_addresses_is_refused() {
        let (world, args) = committed();
        let instruction = client::submit_attestation(&world.attesting(0), args);
        let signer = &world.operators[0].signer;
        let round = client::round(&world.feed, FIRST);
        let other_round = client::round(&world.feed, FIRST + 1);
        assert_refused(
            world.send(
                &[replace(instruction.clone(), &round, other_round)],
                &[signer],
            ),
            ErrorCode::ConstraintSeeds,
        );
        let attestation = world.attestation(0, FIRST, 1, 1);
        let other = world.attestation(0, FIRST, 1, 2);
        assert_refused(
            world.send(&[replace(instruction, &attestation, other)], &[signer]),
            ErrorCode::ConstraintSeeds,
        );
    }

    #[test]
    fn into_addresses_funded_before_works() {
        let (world, args) = committed();
        let chain = &world.harness.chain;
        let (round, attestation) = (
            client::round(&world.feed, FIRST),
            world.attestation(0, FIRST, 1, 1),
        );
        let funded = 1_000_000_000;
        chain.airdrop(&round, 1);
        chain.airdrop(&attestation, funded);
        assert_kept(&world, &args);
        let lamports = |key: &Pubkey| chain.account(key).unwrap().unwrap().lamports;
        assert_eq!(lamports(&round), chain.rent(Round::SIZE).unwrap());
        // More than the rent, which nobody has paid then.
        assert_eq!(lamports(&attestation), funded);

        world.sign(&attestation, &[0, 1]).unwrap();
        world.finalize(FIRST).unwrap();
        world.harness.advance(CHALLENGE);
        let payer = world.payer();
        let before = lamports(&payer);
        let close = client::close_attestation(&world.feed, &attestation, &payer, None);
        let closed = world.send(&[close], &[]).unwrap();
        assert_eq!(lamports(&payer), before + funded - closed.fee);
        assert!(!world.harness.exists(&attestation));
    }

    #[test]
    fn stops_in_a_pause() {
        let (world, args) = committed();
        world.pause(Operation::Attest);
        assert_refused(world.submit(0, args.clone()), E::Paused);
        world.harness.advance(1);
        world.submit(0, args).unwrap();
    }

    #[test]
    fn has_a_place_for_every_seat_of_a_committee() {
        let mut world = World::new(&[1; 65]);
        let mut committee = world.committee_state(0, &[1; 64]);
        world.put(&world.committee, &committee);
        for operator in 0..64 {
            world.attest(operator, FIRST, 1);
        }
        // Another committee's member.
        committee.entries[0].pool = world.operators[64].pool;
        world.put(&world.committee, &committee);
        let sequence = world.commit(64, &[batch_in(FIRST, 1)]);
        assert_refused(
            world.submit(64, world.args(64, sequence, 0, &[1])),
            E::RoundFull,
        );
        // The sixty-four can go on.
        world.attest(63, FIRST, 2);
    }

    #[test]
    fn by_a_stream_that_has_passed_is_refused_after_the_rounds_end() {
        let mut world = World::new(&[1, 1]);
        world.harness.advance(ROUND - 1); // the last second of the second round
        let first = world.attest(0, FIRST + 1, 100);
        world.sign(&first, &[0, 1]).unwrap();
        let second = world.attest(0, FIRST + 1, 101);
        world.harness.advance(1);
        let third = world.attest(0, FIRST + 1, 102);
        world.sign(&second, &[0, 1]).unwrap();
        world.sign(&third, &[0, 1]).unwrap();
        let sequence = world.commit(0, &[batch_in(FIRST + 1, 1)]);
        let args = world.args(0, sequence, 0, &[103]);
        assert_refused(world.submit(0, args), E::StreamPassed);
        world.attest(1, FIRST + 1, 100); // others may
    }

    #[test]
    fn after_the_round_is_over_is_refused() {
        let mut world = World::new(&[1, 1]);
        world.run_round(0, FIRST, 100, &[0, 1]);
        let sequence = world.commit(1, &[batch_in(FIRST, 1), batch_in(FIRST - 1, 1)]);
        assert_refused(
            world.submit(1, world.args(1, sequence, 0, &[1])),
            E::RoundOver,
        );
        assert_refused(
            world.submit(1, world.args(1, sequence, 1, &[1])),
            E::RoundOver,
        );
    }
}

mod committee {
    use super::*;

    #[test]
    fn passes_at_two_thirds_and_not_before() {
        let mut world = World::new(&[2, 2, 1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let state = |world: &World| {
            let state: Attestation = world.harness.read(&attestation);
            let round: Round = world.harness.read(&client::round(&world.feed, FIRST));
            (
                state.mask,
                state.signers,
                state.signed,
                round.slot[0].passed,
            )
        };
        world.sign(&attestation, &[1]).unwrap();
        assert_eq!(state(&world), (0, 0b10, 2, [0; 8]));
        world.sign(&attestation, &[3]).unwrap();
        assert_eq!(state(&world), (0, 0b1010, 3, [0; 8]));
        world.sign(&attestation, &[2]).unwrap();
        let passed = [1, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(state(&world), (BY_COMMITTEE, 0b1110, 4, passed));
        // One more signature is kept, and does not count the attestation twice.
        world.sign(&attestation, &[0]).unwrap();
        assert_eq!(state(&world), (BY_COMMITTEE, 0b1111, 6, passed));
    }

    #[test]
    fn needs_as_many_signers_as_the_feed_says() {
        let mut world = World::new(&[90, 5, 5]);
        let attestation = world.attest(0, FIRST, 100);
        world.sign(&attestation, &[0]).unwrap();
        assert_eq!(world.harness.read::<Attestation>(&attestation).mask, 0);
        world.sign(&attestation, &[2]).unwrap();
        assert_eq!(
            world.harness.read::<Attestation>(&attestation).mask,
            BY_COMMITTEE
        );
    }

    #[test]
    fn five_of_sixty_four_cost_at_most_10k() {
        let mut world = World::new(&[1; 64]);
        let attestation = world.attest(63, FIRST, 100);
        let execution = world.sign(&attestation, &[63, 1, 20, 31, 47]).unwrap();
        println!("attest_committee, 5 of 64: {} CU", execution.compute_units);
        assert!(
            execution.compute_units <= 10_000,
            "{}",
            execution.compute_units
        );
        // The transaction that lets it pass emits an event as well.
        let rest: Vec<u8> = (0..64)
            .filter(|n| ![63, 1, 20, 31, 47].contains(n))
            .collect();
        for members in rest[..35].chunks(5) {
            world.sign(&attestation, members).unwrap();
        }
        let execution = world.sign(&attestation, &rest[35..40]).unwrap();
        println!(
            "attest_committee, 5 of 64, passing: {} CU",
            execution.compute_units
        );
        assert!(
            execution.compute_units <= 10_000,
            "{}",
            execution.compute_units
        );
        assert_eq!(
            world.harness.read::<Attestation>(&attestation).mask,
            BY_COMMITTEE
        );
    }

    #[test]
    fn counts_a_member_once() {
        let mut world = World::new(&[1, 1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let state = || world.harness.read::<Attestation>(&attestation);
        world.sign(&attestation, &[1, 1]).unwrap();
        assert_eq!((state().signers, state().signed), (0b10, 1));
        world.harness.advance(1);
        world.sign(&attestation, &[1]).unwrap();
        assert_eq!(
            (state().signers, state().signed, state().mask),
            (0b10, 1, 0)
        );
        // A signature that came before does not keep the others out.
        world.sign(&attestation, &[0, 1]).unwrap();
        assert_eq!((state().signers, state().signed), (0b11, 2));
        assert_eq!(state().mask, BY_COMMITTEE);
    }

    #[test]
    fn signs_until_the_deadline_and_passing_opens_the_challenge_window() {
        let mut world = World::new(&[1, 1, 1]);
        let late = world.attest(0, FIRST, 100);
        let passing = world.attest(1, FIRST, 100);
        let deadline = |key: &Pubkey| world.harness.read::<Attestation>(key).deadline;
        let submitted = world.harness.now();
        world.sign(&passing, &[0]).unwrap();
        world.sign(&late, &[0]).unwrap();
        world.harness.advance(CHALLENGE - 1);
        assert_eq!(deadline(&passing), submitted + CHALLENGE);
        world.sign(&passing, &[1]).unwrap();
        assert_eq!(deadline(&passing), world.harness.now() + CHALLENGE);
        world.harness.advance(1);
        // Signatures after the one that let it pass don't move the deadline.
        world.sign(&passing, &[2]).unwrap();
        assert_eq!(deadline(&passing), world.harness.now() - 1 + CHALLENGE);
        assert_refused(world.sign(&late, &[1]), E::SignedTooLate);
        assert_eq!(world.harness.read::<Attestation>(&late).mask, 0);
    }

    /// Sends an Ed25519 instruction and an attestation that names it and these members.
    fn bring(
        world: &World,
        attestation: &Pubkey,
        ed25519: Instruction,
        members: &[u8],
    ) -> Result<Execution, ClientError> {
        let attested = world.attested(attestation);
        world.send(
            &[
                ed25519,
                client::attest_committee(&attested, 0, members.to_vec()),
            ],
            &[],
        )
    }

    #[test]
    fn takes_each_members_own_signature() {
        let mut world = World::new(&[1, 1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let message = world.harness.read::<Attestation>(&attestation).message;
        let by = |members: &[u8]| world.signatures(members, &message);
        assert_refused(
            bring(&world, &attestation, by(&[0, 1]), &[1, 0]),
            E::WrongSigner,
        );
        assert_refused(
            bring(&world, &attestation, by(&[0, 0]), &[0, 1]),
            E::WrongSigner,
        );
        assert_refused(bring(&world, &attestation, by(&[0]), &[3]), E::NotMember);
        assert_refused(bring(&world, &attestation, by(&[0]), &[255]), E::NotMember);
        assert_refused(
            bring(&world, &attestation, by(&[0]), &[0, 1]),
            E::MembersMismatch,
        );
        assert_refused(
            bring(&world, &attestation, by(&[0, 1]), &[0]),
            E::MembersMismatch,
        );
        assert_refused(
            bring(&world, &attestation, by(&[0]), &[]),
            E::MembersMismatch,
        );
    }

    #[test]
    fn of_an_incomplete_committee_has_no_members() {
        let mut world = World::new(&[1, 1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let incomplete = Committee {
            count: 0,
            total: 0,
            ..world.committee_state(0, &[1, 1, 1])
        };
        world.put(&world.committee, &incomplete);
        assert_refused(world.sign(&attestation, &[0]), E::NotMember);
    }

    #[test]
    fn takes_signatures_on_this_attestation_only() {
        let mut world = World::new(&[1, 1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let message = AttestationMessage {
            network: world.network_id,
            feed: world.feed_id,
            stream: world.operators[0].stream.to_bytes(),
            round: FIRST,
            sequence: 0,
            batch_index: 0,
            batch_leaf: own_batch(0, FIRST).hash(),
            model: world.model,
            outputs: outputs(&[100]),
            epoch: 0,
        };
        let other = [9; 32];
        let messages = [
            AttestationMessage {
                network: other,
                ..message
            },
            AttestationMessage {
                feed: other,
                ..message
            },
            AttestationMessage {
                stream: other,
                ..message
            },
            AttestationMessage {
                round: FIRST + 1,
                ..message
            },
            AttestationMessage {
                sequence: 1,
                ..message
            },
            AttestationMessage {
                batch_index: 1,
                ..message
            },
            AttestationMessage {
                batch_leaf: other,
                ..message
            },
            AttestationMessage {
                model: other,
                ..message
            },
            AttestationMessage {
                outputs: outputs(&[101]),
                ..message
            },
            AttestationMessage {
                epoch: 1,
                ..message
            },
        ];
        for wrong in messages {
            let signed = world.signatures(&[0, 1], &wrong.digest());
            assert_refused(
                bring(&world, &attestation, signed, &[0, 1]),
                E::WrongMessage,
            );
        }
        // Neither a part of the digest nor the digest and more.
        let digest = message.digest();
        let longer = [digest.as_slice(), &[0]].concat();
        for wrong in [&digest[..31], &longer, &[]] {
            let signed = world.signatures(&[0], wrong);
            assert_refused(bring(&world, &attestation, signed, &[0]), E::WrongMessage);
        }
        bring(
            &world,
            &attestation,
            world.signatures(&[0, 1], &digest),
            &[0, 1],
        )
        .unwrap();
    }

    #[test]
    fn takes_signatures_of_a_sound_ed25519_instruction_only() {
        let mut world = World::new(&[1, 1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let message = world.harness.read::<Attestation>(&attestation).message;
        let sound = world.signatures(&[0, 1], &message);
        let attested = world.attested(&attestation);
        let naming =
            |instruction: u16| client::attest_committee(&attested, instruction, vec![0, 1]);
        let send = |instructions: &[Instruction]| world.send(instructions, &[]);

        // No such instruction, its own, another program's.
        for index in [1, 2, u16::MAX] {
            assert_refused(
                send(&[sound.clone(), naming(index)]),
                E::BadSignatureReference,
            );
        }
        let transfer = system_instruction::transfer(&world.payer(), &world.payer(), 1);
        assert_refused(
            send(&[transfer, sound.clone(), naming(0)]),
            E::BadSignatureReference,
        );
        // The same bytes for another program, which takes them without a look.
        world.harness.deploy_probe(&tests::PROBE);
        let forged = Instruction {
            program_id: tests::PROBE,
            ..world.signatures(&[0], &message)
        };
        let attest = client::attest_committee(&attested, 0, vec![0]);
        assert_refused(send(&[forged, attest]), E::BadSignatureReference);
        // Nothing signed at all.
        let empty = Instruction {
            data: vec![0, 0],
            ..sound.clone()
        };
        assert_refused(send(&[empty, naming(0)]), E::BadSignatureReference);
        // What the precompile verifies lies in another instruction: in each place of each signature.
        for signature in 0..2 {
            for field in [1, 3, 6] {
                let mut pointing = sound.clone();
                let at = 2 + 14 * signature + 2 * field;
                pointing.data[at..at + 2].copy_from_slice(&0u16.to_le_bytes());
                assert_refused(
                    send(&[sound.clone(), pointing, naming(1)]),
                    E::BadSignatureReference,
                );
            }
        }
        send(&[sound, naming(0)]).unwrap();
    }

    #[test]
    fn reads_the_instructions_sysvar_only() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let message = world.harness.read::<Attestation>(&attestation).message;
        let instruction = client::attest_committee(&world.attested(&attestation), 0, vec![0, 1]);
        let forged = replace(instruction, &Instructions::id(), Pubkey::new_unique());
        assert_refused(
            world.send(&[world.signatures(&[0, 1], &message), forged], &[]),
            ErrorCode::ConstraintAddress,
        );
    }

    #[test]
    fn with_other_accounts_is_refused() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        world.harness.advance(ROUND);
        let later = world.attest(0, FIRST + 1, 100);
        let message = world.harness.read::<Attestation>(&attestation).message;
        let usual = world.attested(&attestation);
        let with = |attested: Attested| {
            let instruction = client::attest_committee(&attested, 0, vec![0, 1]);
            world.send(&[world.signatures(&[0, 1], &message), instruction], &[])
        };

        let committee = Pubkey::new_unique();
        world.put(&committee, &world.committee_state(0, &[1, 1]));
        assert_refused(with(Attested { committee, ..usual }), E::WrongCommittee);

        let round = world.attested(&later).round;
        assert_refused(with(Attested { round, ..usual }), E::WrongRoundAccount);

        let network = Pubkey::new_unique();
        world.put(&network, &world.network_state());
        assert_refused(with(Attested { network, ..usual }), E::WrongNetwork);

        let args = CreateFeedArgs {
            max_gap: 121,
            min_signers: 1,
            ..feed_args(&world.network_id, &world.creator.pubkey(), &world.model)
        };
        let args = with_id(
            args,
            &world.network_id,
            &world.creator.pubkey(),
            &world.model,
        );
        let feed = client::feed(&args.id);
        let creator = &world.creator.pubkey();
        let create =
            client::create_feed(&world.payer(), creator, &world.network, &world.model, args);
        world.send(&[create], &[&world.creator]).unwrap();
        assert_refused(with(Attested { feed, ..usual }), E::WrongFeed);

        let swapped = Attested {
            attestation: later,
            ..usual
        };
        assert_refused(with(swapped), E::WrongRoundAccount);
        with(usual).unwrap();
    }

    #[test]
    fn stops_in_a_pause() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        world.pause(Operation::Attest);
        assert_refused(world.sign(&attestation, &[0]), E::Paused);
        world.harness.advance(1);
        world.sign(&attestation, &[0]).unwrap();
    }

    #[test]
    fn is_late_when_the_round_is_over() {
        let mut world = World::new(&[1, 1]);
        let late = world.attest(1, FIRST, 100);
        world.harness.advance(GRACE);
        world.run_round(0, FIRST, 100, &[0, 1]);
        assert_refused(
            world.sign(&late, &[0, 1]),
            ErrorCode::AccountOwnedByWrongProgram,
        );
    }
}

mod rounds {
    use super::*;

    #[test]
    fn becomes_the_feeds_value() {
        let mut world = World::new(&[3, 3, 4]);
        for (operator, output) in [(0, 80), (1, 60), (2, 70)] {
            let attestation = world.attest(operator, FIRST, output);
            world.sign(&attestation, &[0, 2]).unwrap();
        }
        let data_root = world.args(2, 0, 0, &[]).commitment.root;
        let payer_before = world
            .harness
            .chain
            .account(&world.payer())
            .unwrap()
            .unwrap()
            .lamports;
        let execution = world.finalize(FIRST).unwrap();
        println!("finalize_round, 3 streams: {} CU", execution.compute_units);
        let payer_after = world
            .harness
            .chain
            .account(&world.payer())
            .unwrap()
            .unwrap()
            .lamports;
        assert!(payer_after > payer_before, "the round's rent comes back");
        assert!(!world.harness.exists(&client::round(&world.feed, FIRST)));

        let value = world.read(60, BY_COMMITTEE).unwrap();
        let batch = batch_in(FIRST, 1);
        assert_eq!(
            value,
            feed_reader::Value {
                value: -500 + 700,
                confidence: 200,
                ema: 200,
                exponent: -1,
                round: FIRST,
                posted_at: world.harness.now(),
                oldest_capture: batch.first_capture,
                newest_capture: batch.last_capture,
                data_root,
                mask: BY_COMMITTEE,
                attesters: 3,
                streams: 3,
                disputed: false,
            }
        );
        assert_eq!(
            world.read(60, BY_COMMITTEE | Mask::ZK),
            Err(FeedError::NotVerified)
        );
        world.harness.advance(60);
        assert_eq!(world.read(60, BY_COMMITTEE), Err(FeedError::TooOld));
    }

    #[test]
    fn moves_the_average_by_an_eighth() {
        let mut world = World::new(&[1, 1]);
        world.run_round(0, FIRST, 100, &[0, 1]);
        world.harness.advance(ROUND);
        world.run_round(0, FIRST + 1, 20, &[0, 1]);
        let value = world.read(60, BY_COMMITTEE).unwrap();
        assert_eq!(
            (value.value, value.ema, value.round),
            (-300, 500 - 100, FIRST + 1)
        );
        assert_eq!(
            (world.feed().entries, world.feed().last_round),
            (2, FIRST + 1)
        );
    }

    #[test]
    fn is_not_finalized_before_its_end() {
        let mut world = World::new(&[1, 1]);
        world.harness.advance(ROUND - 1); // the last second of the second round
        let attestation = world.attest(0, FIRST + 1, 100);
        world.sign(&attestation, &[0, 1]).unwrap();
        assert_refused(world.finalize(FIRST + 1), E::RoundNotEnded);
        world.harness.advance(1);
        world.finalize(FIRST + 1).unwrap();
    }

    #[test]
    fn leaves_a_stream_out_only_after_the_grace() {
        let mut world = World::new(&[1, 1, 1]);
        let quick = world.attest(0, FIRST, 100);
        let slow = world.attest(1, FIRST, 200);
        world.sign(&quick, &[0, 1]).unwrap();
        assert_refused(world.finalize(FIRST), E::StreamPending);
        world.harness.advance(GRACE - 1);
        assert_refused(world.finalize(FIRST), E::StreamPending);
        world.harness.advance(1);
        world.finalize(FIRST).unwrap();
        let value = world.read(600, BY_COMMITTEE).unwrap();
        assert_eq!((value.value, value.streams), (500, 1));
        assert_refused(
            world.sign(&slow, &[0, 1]),
            ErrorCode::AccountOwnedByWrongProgram,
        );
    }

    #[test]
    fn counts_a_stream_only_if_all_of_it_passed() {
        let mut world = World::new(&[1, 1, 1]);
        let first = world.attest(0, FIRST, 100);
        let _unsigned = world.attest(0, FIRST, 255);
        world.sign(&first, &[0, 1]).unwrap();
        assert_refused(world.finalize(FIRST), E::StreamPending);
        world.harness.advance(GRACE);
        assert_refused(world.finalize(FIRST), E::TooFewStreams);
    }

    #[test]
    fn needs_as_many_streams_as_the_feed_says() {
        let mut world = World::with_feed(&[1, 1, 1], |args| CreateFeedArgs {
            min_streams: 2,
            ..args
        });
        let first = world.attest(0, FIRST, 100);
        world.sign(&first, &[0, 1]).unwrap();
        assert_refused(world.finalize(FIRST), E::TooFewStreams);
        world.harness.advance(GRACE);
        assert_refused(world.finalize(FIRST), E::TooFewStreams);
        let second = world.attest(1, FIRST, 200);
        assert_refused(world.finalize(FIRST), E::TooFewStreams);
        world.sign(&second, &[0, 1]).unwrap();
        world.finalize(FIRST).unwrap();
        assert_eq!(world.feed().newest().unwrap().streams, 2);
    }

    #[test]
    fn is_finalized_once_and_never_revived() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        world.sign(&attestation, &[0, 1]).unwrap();
        let round = client::round(&world.feed, FIRST);
        let finalize = client::finalize_round(&world.network, &world.feed, FIRST, &world.payer());
        // Rent put back in the same transaction does not keep the account.
        let revive = system_instruction::transfer(&world.payer(), &round, 100_000_000);
        let again = [finalize.clone(), revive.clone(), finalize.clone()];
        assert_refused(
            world.send(&again, &[]),
            ErrorCode::AccountOwnedByWrongProgram,
        );
        world.send(&[finalize, revive], &[]).unwrap();
        assert_refused(world.finalize(FIRST), ErrorCode::AccountOwnedByWrongProgram);
        let sequence = world.commit(1, &[batch_in(FIRST, 1)]);
        assert_refused(
            world.submit(1, world.args(1, sequence, 0, &[1])),
            E::RoundOver,
        );
        assert_eq!(world.feed().entries, 1);
    }

    #[test]
    fn never_goes_back() {
        let mut world = World::new(&[1, 1]);
        let passed_over = world.attest(0, FIRST, 100);
        world.sign(&passed_over, &[0, 1]).unwrap();
        let payer = world.payer();
        let close = client::close_round(&world.feed, FIRST, &payer);
        assert_refused(world.send(std::slice::from_ref(&close), &[]), E::RoundOpen);
        world.harness.advance(ROUND);
        world.run_round(0, FIRST + 1, 50, &[0, 1]);
        assert_refused(world.finalize(FIRST), E::RoundOver);

        let thief = world.harness.key();
        let steal = client::close_round(&world.feed, FIRST, &thief.pubkey());
        assert_refused(world.send(&[steal], &[]), E::WrongPayer);
        world.send(&[close], &[]).unwrap();
        assert!(!world.harness.exists(&client::round(&world.feed, FIRST)));
        let sequence = world.commit(1, &[batch_in(FIRST, 1)]);
        assert_refused(
            world.submit(1, world.args(1, sequence, 0, &[1])),
            E::RoundOver,
        );
        assert_eq!(world.feed().last_round, FIRST + 1);
    }

    #[test]
    fn is_not_passed_over_within_twice_its_grace() {
        let mut world = World::with_feed(&[1, 1], |args| CreateFeedArgs { grace: 50, ..args });
        world.run_round(0, FIRST, 100, &[0, 1]);
        world.harness.advance(ROUND);
        let open = world.attest(0, FIRST + 1, 100);
        // The third round ends 60 seconds after the second, which may be passed over 100 seconds after.
        world.harness.advance(99);
        let next = world.attest(0, FIRST + 2, 100);
        world.sign(&next, &[0, 1]).unwrap();
        assert_refused(world.finalize(FIRST + 2), E::EarlierRoundInGrace);
        world.sign(&open, &[0, 1]).unwrap();
        world.finalize(FIRST + 1).unwrap();
        world.finalize(FIRST + 2).unwrap();
        assert_eq!(world.feed().entries, 3);
    }

    #[test]
    fn is_passed_over_after_twice_its_grace() {
        let mut world = World::with_feed(&[1, 1], |args| CreateFeedArgs { grace: 50, ..args });
        world.run_round(0, FIRST, 100, &[0, 1]);
        world.harness.advance(ROUND + 100);
        world.run_round(0, FIRST + 2, 100, &[0, 1]);
        assert_eq!(world.feed().entries, 2);
    }

    #[test]
    fn a_majority_of_weight_sets_the_value() {
        let mut world = World::new(&[1, 1, 1, 1, 5]);
        for (operator, output) in [(0, 255), (1, 255), (2, 255), (3, 255), (4, 100)] {
            let attestation = world.attest(operator, FIRST, output);
            world.sign(&attestation, &[4, 0]).unwrap();
        }
        world.finalize(FIRST).unwrap();
        let value = world.read(60, BY_COMMITTEE).unwrap();
        assert_eq!(
            (value.value, value.confidence, value.streams),
            (500, 1_550, 5)
        );
    }

    #[test]
    fn with_other_accounts_is_refused() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        world.sign(&attestation, &[0, 1]).unwrap();
        let payer = world.payer();
        let usual = client::finalize_round(&world.network, &world.feed, FIRST, &payer);

        let thief = world.harness.key().pubkey();
        assert_refused(
            world.send(&[replace_last(usual.clone(), thief)], &[]),
            E::WrongPayer,
        );
        let network = Pubkey::new_unique();
        world.put(&network, &world.network_state());
        assert_refused(
            world.send(&[replace(usual.clone(), &world.network, network)], &[]),
            E::WrongNetwork,
        );
        let args = CreateFeedArgs {
            max_gap: 121,
            ..feed_args(&world.network_id, &world.creator.pubkey(), &world.model)
        };
        let args = with_id(
            args,
            &world.network_id,
            &world.creator.pubkey(),
            &world.model,
        );
        let feed = client::feed(&args.id);
        let creator = &world.creator.pubkey();
        let create = client::create_feed(&payer, creator, &world.network, &world.model, args);
        world.send(&[create], &[&world.creator]).unwrap();
        assert_refused(
            world.send(&[replace(usual.clone(), &world.feed, feed)], &[]),
            E::WrongRoundAccount,
        );
        assert_refused(
            world.send(
                &[client::close_round(&feed, FIRST, &payer)].map(|close| {
                    replace(
                        close,
                        &client::round(&feed, FIRST),
                        client::round(&world.feed, FIRST),
                    )
                }),
                &[],
            ),
            E::WrongRoundAccount,
        );
        world.send(&[usual], &[]).unwrap();
    }

    /// The instruction with another last account.
    fn replace_last(mut instruction: Instruction, new: Pubkey) -> Instruction {
        instruction.accounts.last_mut().unwrap().pubkey = new;
        instruction
    }

    #[test]
    fn stops_in_a_pause() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        world.sign(&attestation, &[0, 1]).unwrap();
        world.pause(Operation::Finalize);
        assert_refused(world.finalize(FIRST), E::Paused);
        world.harness.advance(1);
        world.finalize(FIRST).unwrap();
    }

    #[test]
    fn waits_for_a_quorum_of_streams_and_for_no_more() {
        let mut world = World::with_feed(&[1, 1, 1, 1, 2], |args| CreateFeedArgs {
            min_streams: 2,
            ..args
        });
        let _never_signed = world.attest(2, FIRST, 255);
        for operator in [0, 1] {
            let attestation = world.attest(operator, FIRST, 100);
            world.sign(&attestation, &[0, 1, 4]).unwrap();
        }
        assert_refused(world.finalize(FIRST), E::NoQuorum);
        let third = world.attest(4, FIRST, 110);
        world.sign(&third, &[0, 1, 4]).unwrap();
        world.finalize(FIRST).unwrap();
        assert_eq!(world.feed().newest().unwrap().streams, 3);
    }

    #[test]
    fn without_a_quorum_of_streams_waits_for_its_grace() {
        let mut world = World::with_feed(&[1, 1, 1, 1], |args| CreateFeedArgs {
            min_streams: 2,
            ..args
        });
        for operator in [0, 1] {
            let attestation = world.attest(operator, FIRST, 100);
            world.sign(&attestation, &[0, 1, 2]).unwrap();
        }
        world.harness.advance(GRACE - 1);
        assert_refused(world.finalize(FIRST), E::NoQuorum);
        world.harness.advance(1);
        world.finalize(FIRST).unwrap();
    }

    #[test]
    fn of_sixty_four_streams_is_affordable() {
        let allocations = [[1; 62].as_slice(), &[1_000; 2]].concat();
        let mut world = World::with_feed(&allocations, |args| CreateFeedArgs {
            min_streams: 64,
            ..args
        });
        // Each output differs from every other, in no order.
        let output = |operator: usize| 3 * (37 * operator % 64) as u8;
        for operator in 0..64 {
            let attestation = world.attest(operator, FIRST, output(operator));
            world.sign(&attestation, &[62, 63]).unwrap();
        }
        let execution = world.finalize(FIRST).unwrap();
        println!("finalize_round, 64 streams: {} CU", execution.compute_units);
        assert!(
            execution.compute_units <= 60_000,
            "{}",
            execution.compute_units
        );
        let value = world.read(60, BY_COMMITTEE).unwrap();
        assert_eq!((value.streams, value.attesters), (64, 64));
        // Of the lower half of 2,062, the 28th weighs 1,000: four more make 1,031.
        assert_eq!((value.value, value.confidence), (-500 + 30 * 31, 1_890));
    }
}

mod closing {
    use super::*;

    #[test]
    fn waits_for_the_challenge_window_and_the_round() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        let open = world.attest(1, FIRST, 100);
        let payer = world.payer();
        let close = client::close_attestation(&world.feed, &attestation, &payer, None);
        assert_refused(
            world.send(std::slice::from_ref(&close), &[]),
            E::StillChallengeable,
        );
        world.harness.advance(10);
        world.sign(&attestation, &[0, 1]).unwrap(); // from here on it can be challenged
        world.harness.advance(CHALLENGE - 11);
        world.sign(&open, &[0, 1]).unwrap();
        world.harness.advance(10);
        assert_refused(
            world.send(std::slice::from_ref(&close), &[]),
            E::StillChallengeable,
        );
        world.harness.advance(1);
        assert_refused(world.send(std::slice::from_ref(&close), &[]), E::RoundOpen);

        world.finalize(FIRST).unwrap();
        let thief = world.harness.key().pubkey();
        let steal = client::close_attestation(&world.feed, &attestation, &thief, None);
        assert_refused(world.send(&[steal], &[]), E::WrongPayer);
        let lamports = |key: &Pubkey| world.harness.chain.account(key).unwrap().unwrap().lamports;
        let before = lamports(&payer);
        let rent = lamports(&attestation);
        world.send(std::slice::from_ref(&close), &[]).unwrap();
        assert!(!world.harness.exists(&attestation));
        assert!(
            lamports(&payer) + 20_000 > before + rent,
            "the rent comes back but for fees"
        );
        assert_refused(
            world.send(&[close], &[]),
            ErrorCode::AccountOwnedByWrongProgram,
        );
    }

    #[test]
    fn does_not_let_a_batch_count_again() {
        let mut world = World::new(&[1, 1]);
        world.run_round(0, FIRST, 100, &[0, 1]);
        let attestation = world.attestation(0, FIRST, 0, 0);
        world.harness.advance(CHALLENGE);
        let payer = world.payer();
        world
            .send(
                &[client::close_attestation(
                    &world.feed,
                    &attestation,
                    &payer,
                    None,
                )],
                &[],
            )
            .unwrap();
        assert_refused(world.submit(0, world.args(0, 0, 0, &[100])), E::RoundOver);
    }

    #[test]
    fn by_another_feed_is_refused() {
        let mut world = World::new(&[1, 1]);
        let attestation = world.attest(0, FIRST, 100);
        world.harness.advance(CHALLENGE);
        let args = CreateFeedArgs {
            max_gap: 121,
            ..feed_args(&world.network_id, &world.creator.pubkey(), &world.model)
        };
        let args = with_id(
            args,
            &world.network_id,
            &world.creator.pubkey(),
            &world.model,
        );
        let feed = client::feed(&args.id);
        let creator = &world.creator.pubkey();
        let payer = world.payer();
        let create = client::create_feed(&payer, creator, &world.network, &world.model, args);
        let freeze = client::freeze_feed(&feed, creator);
        world.send(&[create, freeze], &[&world.creator]).unwrap();
        let close = client::close_attestation(&feed, &attestation, &payer, None);
        assert_refused(world.send(&[close], &[]), E::WrongFeed);
    }
}
