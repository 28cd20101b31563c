//! data-commitment, every instruction and every attack on it.

use super::security_pool::{swap, unsign, Operator, World};
use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::Pubkey;
use anchor_lang::AnchorDeserialize;
use commitment::{BatchLeaf, CommitmentLeaf, MmrBuilder, ReadingLeaf, Tree, READINGS_DEPTH};
use data_commitment::error::StreamError as E;
use data_commitment::instructions::{
    CommitRootArgs, VerifiedBatch, VerifiedReading, VerifyBatchArgs, VerifyReadingArgs,
};
use data_commitment::state::{Stream, MAX_PAYLOAD_LEN};
use device_protocol::{Reading, Values, SIGNATURE_LEN};
use device_registry::state::Operation;
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::data_commitment::{self as client, stream};
use fieldproof_client::{device_registry as registry, security_pool as pools, ClientError};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::{assert_refused, START};

/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;
/// Compute units of a commitment: half of all need no more, and none needs more.
const COMMIT_MEDIAN: u64 = 5_000;
const COMMIT_WORST: u64 = 8_000;
/// Compute units of verifying a reading by CPI in a stream of 2^20 commitments; the call itself costs a thousand.
const VERIFY_READING: u64 = 9_000 - 1_000;
/// The signatures of every reading and its grant, which nothing here verifies.
const SIGNATURE: [u8; SIGNATURE_LEN] = [5; SIGNATURE_LEN];
const GRANT_SIGNATURE: [u8; SIGNATURE_LEN] = [6; SIGNATURE_LEN];
/// Compute units of the two instructions that set a transaction's limits.
const LIMITS: u64 = 2 * 150;

/// A pool with its stream, and all that was committed to it.
struct Streamer {
    world: World,
    operator: Operator,
    stream: Pubkey,
    mmr: MmrBuilder,
    commitments: Vec<CommitmentLeaf>,
}

impl Streamer {
    fn new() -> Self {
        let world = World::new();
        let operator = world.pool(10_000);
        open(&world, &operator).unwrap();
        Self {
            stream: stream(&world.network, &operator.pool),
            world,
            operator,
            mmr: MmrBuilder::new(),
            commitments: Vec::new(),
        }
    }

    fn commit(&self, args: CommitRootArgs) -> Result<Execution, ClientError> {
        let signer = &self.operator.signer;
        let instruction = client::commit_root(
            &signer.pubkey(),
            &self.world.network,
            &self.operator.pool,
            args,
        );
        self.world.send(instruction, &[signer])
    }

    /// Commits to batches, here and on the chain.
    fn append(&mut self, batches: &[BatchLeaf]) -> Execution {
        let hashes: Vec<_> = batches.iter().map(BatchLeaf::hash).collect();
        let args = CommitRootArgs {
            root: Tree::of_batches(&hashes).unwrap().root(),
            batches: batches.len() as u32,
            ..args(self.mmr.count())
        };
        let execution = self.commit(args).unwrap();
        let leaf = CommitmentLeaf {
            sequence: args.sequence,
            posted_at: self.world.harness.now(),
            root: args.root,
            batches: args.batches,
            payload_hash: args.payload_hash,
            payload_len: args.payload_len,
        };
        self.mmr.append(leaf.hash()).unwrap();
        self.commitments.push(leaf);
        execution
    }

    fn read(&self) -> Stream {
        self.world.harness.read(&self.stream)
    }

    /// The proof of a batch among `batches` of a commitment, at the stream's present count.
    fn proof(&self, sequence: usize, batches: &[BatchLeaf], index: usize) -> VerifyBatchArgs {
        let hashes: Vec<_> = batches.iter().map(BatchLeaf::hash).collect();
        VerifyBatchArgs {
            commitment: self.commitments[sequence].into(),
            mmr_path: self.mmr.path(sequence as u64).unwrap(),
            batch_index: index as u32,
            batch: batches[index].into(),
            batch_path: Tree::of_batches(&hashes)
                .unwrap()
                .path(index as u64)
                .unwrap(),
        }
    }

    fn verify_batch(&self, args: VerifyBatchArgs) -> Result<Execution, ClientError> {
        self.world
            .send(client::verify_batch(&self.stream, args), &[])
    }

    fn verify_reading(&self, args: VerifyReadingArgs) -> Result<Execution, ClientError> {
        let instruction = client::verify_reading(&self.world.network, &self.stream, args);
        self.world.send(instruction, &[])
    }
}

fn open(world: &World, operator: &Operator) -> Result<Execution, ClientError> {
    let signer = &operator.signer;
    let instruction = client::open_stream(
        &world.harness.payer.pubkey(),
        &signer.pubkey(),
        &world.network,
        &operator.pool,
    );
    world.send(instruction, &[signer])
}

fn args(sequence: u64) -> CommitRootArgs {
    CommitRootArgs {
        sequence,
        root: [3; 32],
        batches: 1,
        payload_hash: [4; 32],
        payload_len: 5,
    }
}

fn batch(readings_root: [u8; 32], number: u8) -> BatchLeaf {
    BatchLeaf {
        readings_root,
        windows_root: [number; 32],
        windows: 1,
        readings: 16,
        first_capture: 1_000,
        last_capture: 2_000 + i64::from(number),
    }
}

fn reading(network: [u8; 32], sequence: u64) -> Reading {
    Reading {
        network,
        device: [9; 32],
        leaf_nonce: 1,
        session: 2,
        sequence,
        captured_at: 1_500,
        latitude: 520_000_000,
        longitude: 130_000_000,
        accuracy: 5,
        schema: 1,
        values: Values::new(&[1, -2, 3]).unwrap(),
    }
}

fn bytes(reading: &Reading) -> Vec<u8> {
    let mut buffer = [0; Reading::MAX_LEN];
    let len = reading.write(&mut buffer);
    [&buffer[..len], &SIGNATURE].concat()
}

/// What an instruction cost by itself.
fn cost(result: Result<Execution, ClientError>) -> u64 {
    result.unwrap().compute_units - LIMITS
}

/// What the program returned, from its log: the instructions that follow it in the transaction wipe the return data.
fn returned(execution: &Execution) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let prefix = format!("Program return: {} ", data_commitment::ID);
    let base64 = execution
        .logs
        .iter()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap();
    let (mut bits, mut held, mut bytes) = (0u32, 0, Vec::new());
    for digit in base64.trim_end_matches('=').bytes() {
        bits = bits << 6 | DIGITS.iter().position(|known| *known == digit).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

/// The tree of 16 readings of a network, from sequence 0 on.
fn readings_tree(network: [u8; 32]) -> Tree {
    let leaves: Vec<_> = (0..16)
        .map(|sequence| {
            let digest = reading(network, sequence).digest();
            let leaf = ReadingLeaf {
                digest,
                signature: &SIGNATURE,
                grant: Some(&GRANT_SIGNATURE),
            };
            leaf.hash()
        })
        .collect();
    Tree::new(&leaves, READINGS_DEPTH).unwrap()
}

// open_stream

#[test]
fn open_stream_is_the_pools_signers_and_happens_once() {
    let world = World::new();
    let operator = world.pool(10_000);
    let instruction = |signer: &Keypair| {
        client::open_stream(
            &world.harness.payer.pubkey(),
            &signer.pubkey(),
            &world.network,
            &operator.pool,
        )
    };
    let not_the_hot_key = &operator.operator;
    assert_refused(
        world.send(instruction(not_the_hot_key), &[not_the_hot_key]),
        E::NotSigner,
    );
    let unsigned = unsign(instruction(&operator.signer), &operator.signer.pubkey());
    assert_refused(world.send(unsigned, &[]), ErrorCode::AccountNotSigner);

    let key = stream(&world.network, &operator.pool);
    world.harness.chain.airdrop(&key, 1);
    open(&world, &operator).unwrap();
    let opened: Stream = world.harness.read(&key);
    assert_eq!(
        (opened.version, opened.network, opened.pool),
        (1, world.network, operator.pool)
    );
    assert_eq!((opened.count, opened.last_posted_at), (0, 0));
    assert_refused(open(&world, &operator), ALREADY_IN_USE);
}

#[test]
fn open_stream_wants_the_networks_stake_mint_and_its_own_address() {
    let mut world = World::new();
    let operator = world.pool(10_000);
    let other = world.other_network();
    let own = stream(&world.network, &operator.pool);
    let instruction = client::open_stream(
        &world.harness.payer.pubkey(),
        &operator.signer.pubkey(),
        &world.network,
        &operator.pool,
    );
    assert_refused(
        world.send(
            swap(instruction, &own, &stream(&other, &operator.pool)),
            &[&operator.signer],
        ),
        ErrorCode::ConstraintSeeds,
    );
    world.stake_mint = world.harness.mint();
    let foreign = world.pool(10_000);
    assert_refused(open(&world, &foreign), E::WrongStakeMint);
}

// commit_root

#[test]
fn a_stream_is_the_range_of_its_commitments_and_tells_of_each() {
    let mut streamer = Streamer::new();
    for number in 0..9u8 {
        streamer.world.harness.advance(i64::from(number));
        let execution = streamer.append(&[batch([1; 32], number)]);
        let posted = streamer.commitments[usize::from(number)];
        let [event] = client::commitments(&execution).try_into().ok().unwrap();
        assert_eq!(
            (event.network, event.stream),
            (streamer.world.network, streamer.stream)
        );
        let told = CommitmentLeaf {
            sequence: event.sequence,
            posted_at: event.posted_at,
            root: event.root,
            batches: event.batches,
            payload_hash: event.payload_hash,
            payload_len: event.payload_len,
        };
        assert_eq!(told, posted);
        let stream = streamer.read();
        assert_eq!(stream.count, u64::from(number) + 1);
        assert_eq!(stream.peaks, streamer.mmr.peaks());
        assert_eq!(stream.last_posted_at, posted.posted_at);
    }
}

#[test]
fn commit_root_takes_the_next_whole_commitment_only() {
    let streamer = Streamer::new();
    streamer.world.harness.advance(1);
    streamer.commit(args(0)).unwrap();
    for sequence in [0, 2, u64::MAX] {
        assert_refused(streamer.commit(args(sequence)), E::WrongSequence);
    }
    let empty = CommitRootArgs {
        batches: 0,
        ..args(1)
    };
    assert_refused(streamer.commit(empty), E::NoBatches);
    let nothing = CommitRootArgs {
        payload_len: 0,
        ..args(1)
    };
    assert_refused(streamer.commit(nothing), E::EmptyPayload);
    let too_long = CommitRootArgs {
        payload_len: MAX_PAYLOAD_LEN + 1,
        ..args(1)
    };
    assert_refused(streamer.commit(too_long), E::PayloadTooLong);
    streamer.world.harness.advance(-1);
    assert_refused(streamer.commit(args(1)), E::ClockBehind);
    streamer.world.harness.advance(1);
    streamer.commit(args(1)).unwrap();
}

#[test]
fn commit_root_is_the_pools_present_signers() {
    let streamer = Streamer::new();
    let Streamer {
        world, operator, ..
    } = &streamer;
    let commit = |signer: &Keypair| {
        client::commit_root(&signer.pubkey(), &world.network, &operator.pool, args(0))
    };
    let thief = world.harness.key();
    assert_refused(world.send(commit(&thief), &[&thief]), E::NotSigner);
    let owner = &operator.operator;
    assert_refused(world.send(commit(owner), &[owner]), E::NotSigner);
    let unsigned = unsign(commit(&operator.signer), &operator.signer.pubkey());
    assert_refused(world.send(unsigned, &[]), ErrorCode::AccountNotSigner);

    let new = Keypair::new();
    let home = world.read_pool(&operator.pool).home;
    let rotate = pools::set_signer(&operator.pool, &owner.pubkey(), &home, &new.pubkey());
    world.send(rotate, &[owner]).unwrap();
    assert_refused(streamer.commit(args(0)), E::NotSigner);
    world.send(commit(&new), &[&new]).unwrap();
}

#[test]
fn commit_root_refuses_swapped_accounts() {
    let streamer = Streamer::new();
    let world = &streamer.world;
    let thief = world.pool(10_000);
    open(world, &thief).unwrap();
    let other = world.other_network();
    let instruction =
        client::commit_root(&thief.signer.pubkey(), &world.network, &thief.pool, args(0));
    let own = stream(&world.network, &thief.pool);
    for (from, to, error) in [
        (own, streamer.stream, E::WrongPool.into()),
        (thief.pool, streamer.operator.pool, E::NotSigner.into()),
        (world.network, other, E::WrongNetwork.into()),
        (
            own,
            thief.pool,
            ErrorCode::AccountOwnedByWrongProgram.into(),
        ),
        (
            thief.pool,
            own,
            ErrorCode::AccountOwnedByWrongProgram.into(),
        ),
        (
            data_commitment::EVENT_AUTHORITY_AND_BUMP.0,
            thief.pool,
            ErrorCode::ConstraintAddress.into(),
        ),
    ] {
        let error: u32 = error;
        assert_refused(
            world.send(swap(instruction.clone(), &from, &to), &[&thief.signer]),
            error,
        );
    }
}

/// What lies in no epoch would stop whoever computes rewards from all that was committed.
#[test]
fn commit_root_waits_for_the_networks_genesis() {
    let streamer = Streamer::new();
    let chain = &streamer.world.harness.chain;
    chain.set_time(START - 1);
    assert_refused(streamer.commit(args(0)), E::BeforeGenesis);
    chain.set_time(START);
    let longest = CommitRootArgs {
        payload_len: MAX_PAYLOAD_LEN,
        ..args(0)
    };
    streamer.commit(longest).unwrap();
}

#[test]
fn a_pause_stops_commitments_until_it_ends() {
    let streamer = Streamer::new();
    let world = &streamer.world;
    let authority = &world.authority;
    let pause =
        registry::pause_operation(&world.network, &authority.pubkey(), Operation::Commit, 60);
    world.send(pause, &[authority]).unwrap();
    assert_refused(streamer.commit(args(0)), E::Paused);
    world.harness.advance(59);
    assert_refused(streamer.commit(args(0)), E::Paused);
    world.harness.advance(1);
    streamer.commit(args(0)).unwrap();
}

#[test]
fn a_full_stream_takes_no_more() {
    let streamer = Streamer::new();
    let full = u64::from(u32::MAX);
    streamer
        .world
        .edit::<Stream>(&streamer.stream, |stream| stream.count = full);
    assert_refused(streamer.commit(args(full)), E::StreamFull);
}

#[test]
fn a_commitment_keeps_to_its_budget() {
    let streamer = Streamer::new();
    let mut costs: Vec<u64> = (0..64)
        .map(|sequence| cost(streamer.commit(args(sequence))))
        .collect();
    costs.sort_unstable();
    let worst_of_2_pow_20 = (1 << 20) - 1;
    streamer
        .world
        .edit::<Stream>(&streamer.stream, |stream| stream.count = worst_of_2_pow_20);
    let worst = cost(streamer.commit(args(worst_of_2_pow_20)));
    assert!(costs[32] <= COMMIT_MEDIAN, "{}", costs[32]);
    assert!(worst <= COMMIT_WORST, "{worst}");
}

// verify_batch

#[test]
fn every_batch_of_every_commitment_can_be_verified() {
    let mut streamer = Streamer::new();
    let commitments: Vec<Vec<BatchLeaf>> = [1u8, 3, 4, 1, 8]
        .map(|count| {
            (0..count)
                .map(|number| batch([count; 32], number))
                .collect()
        })
        .into();
    for batches in &commitments {
        streamer.append(batches);
        streamer.world.harness.advance(7);
    }
    for (sequence, batches) in commitments.iter().enumerate() {
        for (index, batch) in batches.iter().enumerate() {
            let proof = streamer.proof(sequence, batches, index);
            let execution = streamer.verify_batch(proof).unwrap();
            let returned = returned(&execution);
            assert_eq!(returned.len(), 40);
            assert_eq!(
                VerifiedBatch::try_from_slice(&returned).unwrap(),
                VerifiedBatch {
                    leaf: batch.hash(),
                    posted_at: START + 7 * sequence as i64,
                }
            );
        }
    }
}

#[test]
fn verify_batch_refuses_whatever_was_not_committed() {
    let mut streamer = Streamer::new();
    let batches: Vec<_> = (0..3).map(|number| batch([1; 32], number)).collect();
    streamer.append(&batches);
    let stale = streamer.proof(0, &batches, 1);
    streamer.append(&batches[..1]);
    streamer.append(&batches[..1]);
    assert_refused(streamer.verify_batch(stale), E::ProofLength);

    type Tamper = fn(&mut VerifyBatchArgs);
    let tampers: [(Tamper, E); 17] = [
        (|proof| proof.commitment.sequence = 1, E::ProofMismatch),
        (|proof| proof.commitment.sequence = 2, E::ProofLength),
        (|proof| proof.commitment.sequence = 3, E::ProofIndex),
        (|proof| proof.commitment.sequence = u64::MAX, E::ProofIndex),
        (|proof| proof.commitment.posted_at += 1, E::ProofMismatch),
        (|proof| proof.commitment.root[0] ^= 1, E::ProofMismatch),
        (|proof| proof.commitment.batches = 4, E::ProofMismatch),
        (|proof| proof.commitment.batches = 5, E::ProofLength),
        (
            |proof| proof.commitment.payload_hash[31] ^= 1,
            E::ProofMismatch,
        ),
        (|proof| proof.commitment.payload_len += 1, E::ProofMismatch),
        (|proof| proof.batch_index = 0, E::ProofMismatch),
        (|proof| proof.batch_index = 3, E::ProofIndex),
        (|proof| proof.batch.last_capture += 1, E::ProofMismatch),
        (|proof| proof.batch_path[0] ^= 1, E::ProofMismatch),
        (|proof| proof.batch_path.truncate(63), E::ProofLength),
        (|proof| proof.mmr_path.clear(), E::ProofLength),
        (|proof| proof.mmr_path.extend([0; 32]), E::ProofLength),
    ];
    for (tamper, error) in tampers {
        let mut proof = streamer.proof(0, &batches, 1);
        tamper(&mut proof);
        assert_refused(streamer.verify_batch(proof), error);
    }
    streamer
        .verify_batch(streamer.proof(0, &batches, 1))
        .unwrap();
}

#[test]
fn a_proof_counts_in_its_own_stream_only() {
    let mut streamer = Streamer::new();
    let batches = [batch([1; 32], 0)];
    streamer.append(&batches);
    let world = &streamer.world;
    let other = world.pool(10_000);
    open(world, &other).unwrap();
    let instruction = client::verify_batch(&streamer.stream, streamer.proof(0, &batches, 0));
    let others = stream(&world.network, &other.pool);
    assert_refused(
        world.send(swap(instruction.clone(), &streamer.stream, &others), &[]),
        E::ProofIndex,
    );
    // A forged stream: the same bytes, of another program
    let forged = Pubkey::new_unique();
    let mut account = world
        .harness
        .chain
        .account(&streamer.stream)
        .unwrap()
        .unwrap();
    account.owner = Pubkey::new_unique();
    world.harness.chain.set_account(&forged, account);
    assert_refused(
        world.send(swap(instruction, &streamer.stream, &forged), &[]),
        ErrorCode::AccountOwnedByWrongProgram,
    );
}

// verify_reading

impl Streamer {
    /// The proof of a reading of the one batch of commitment 0.
    fn reading_proof(&self, index: u16) -> VerifyReadingArgs {
        let network = self.world.network_id;
        let tree = readings_tree(network);
        let batches = [batch(tree.root(), 0)];
        let VerifyBatchArgs {
            commitment,
            mmr_path,
            batch_index,
            batch,
            batch_path,
        } = self.proof(0, &batches, 0);
        VerifyReadingArgs {
            commitment,
            mmr_path,
            batch_index,
            batch,
            batch_path,
            reading_index: index,
            reading: bytes(&reading(network, u64::from(index))),
            grant_signature: Some(GRANT_SIGNATURE),
            reading_path: tree.path(u64::from(index)).unwrap(),
        }
    }

    /// A stream whose one commitment has one batch with 16 readings.
    fn with_readings() -> Self {
        let mut streamer = Self::new();
        let root = readings_tree(streamer.world.network_id).root();
        streamer.append(&[batch(root, 0)]);
        streamer
    }
}

#[test]
fn every_reading_of_a_batch_can_be_verified() {
    let streamer = Streamer::with_readings();
    for index in 0..16 {
        let execution = streamer
            .verify_reading(streamer.reading_proof(index))
            .unwrap();
        assert_eq!(
            VerifiedReading::try_from_slice(&returned(&execution)).unwrap(),
            VerifiedReading {
                device: [9; 32],
                leaf_nonce: 1,
                session: 2,
                sequence: u64::from(index),
                captured_at: 1_500,
                posted_at: START,
            }
        );
    }
}

#[test]
fn verify_reading_refuses_whatever_was_not_committed() {
    let streamer = Streamer::with_readings();
    type Tamper = fn(&mut VerifyReadingArgs);
    let tampers: [(Tamper, E); 18] = [
        // Each byte of either signature counts, and that there is a grant's.
        (|proof| proof.reading[113] ^= 1, E::ProofMismatch),
        (|proof| proof.reading[176] ^= 128, E::ProofMismatch),
        (|proof| proof.grant_signature = None, E::ProofMismatch),
        (
            |proof| proof.grant_signature = Some(SIGNATURE),
            E::ProofMismatch,
        ),
        (
            |proof| {
                // The same bytes, cut elsewhere.
                proof.reading.extend(GRANT_SIGNATURE);
                proof.grant_signature = None;
            },
            E::MalformedReading,
        ),
        (|proof| proof.reading.clear(), E::MalformedReading),
        (|proof| proof.reading.push(0), E::MalformedReading),
        (|proof| proof.reading.truncate(176), E::MalformedReading),
        (|proof| proof.reading[0] ^= 1, E::ForeignReading),
        (|proof| proof.reading[112] ^= 1, E::ProofMismatch),
        (|proof| proof.reading_index = 4, E::ProofMismatch),
        (|proof| proof.reading_index = 512, E::ProofIndex),
        (|proof| proof.reading_index = u16::MAX, E::ProofIndex),
        (|proof| proof.reading_path[0] ^= 1, E::ProofMismatch),
        (|proof| proof.reading_path.truncate(256), E::ProofLength),
        (|proof| proof.batch.readings_root[0] ^= 1, E::ProofMismatch),
        (|proof| proof.batch.windows_root[0] ^= 1, E::ProofMismatch),
        (|proof| proof.commitment.sequence = 1, E::ProofIndex),
    ];
    for (tamper, error) in tampers {
        let mut proof = streamer.reading_proof(3);
        tamper(&mut proof);
        assert_refused(streamer.verify_reading(proof), error);
    }
}

#[test]
fn an_empty_place_holds_no_reading() {
    let streamer = Streamer::with_readings();
    let tree = readings_tree(streamer.world.network_id);
    let proof = VerifyReadingArgs {
        reading_index: 16,
        reading_path: tree.path(16).unwrap(),
        ..streamer.reading_proof(3)
    };
    assert_refused(streamer.verify_reading(proof), E::ProofIndex);
}

#[test]
fn verify_reading_wants_the_streams_network() {
    let streamer = Streamer::with_readings();
    let world = &streamer.world;
    let other = world.other_network();
    let instruction =
        client::verify_reading(&world.network, &streamer.stream, streamer.reading_proof(3));
    assert_refused(
        world.send(swap(instruction.clone(), &world.network, &other), &[]),
        E::WrongNetwork,
    );
    assert_refused(
        world.send(
            swap(instruction, &world.network, &streamer.operator.pool),
            &[],
        ),
        ErrorCode::AccountOwnedByWrongProgram,
    );
}

#[test]
fn verifying_a_reading_keeps_to_its_budget() {
    const HEIGHT: usize = 20;
    let streamer = Streamer::with_readings();
    // A stream of 2^20 commitments is one mountain; any siblings lead to its peak.
    let mmr_path = vec![8; 32 * HEIGHT];
    let leaf = streamer.commitments[0];
    let peak = commitment::root(&leaf.hash(), leaf.sequence, &mmr_path, HEIGHT as u32).unwrap();
    streamer.world.edit::<Stream>(&streamer.stream, |stream| {
        stream.count = 1 << HEIGHT;
        stream.peaks[HEIGHT] = peak;
    });
    let proof = VerifyReadingArgs {
        mmr_path,
        ..streamer.reading_proof(3)
    };
    let cost = cost(streamer.verify_reading(proof));
    assert!(cost <= VERIFY_READING, "{cost}");
}
