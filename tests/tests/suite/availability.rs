//! Challenges of availability: every instruction and every attack on it.

use super::reports::signed_anew;
use super::security_pool::{swap, unsign};
use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::solana_program::{system_instruction, system_program};
use anchor_lang::{AnchorSerialize, Discriminator, Owner, ZeroCopy};
use commitment::{
    BatchLeaf, CommitmentLeaf, MmrBuilder, ReadingLeaf, Tree, READINGS_DEPTH, READINGS_PER_WINDOW,
};
use data_commitment::error::StreamError as E;
use data_commitment::instructions::{CommitRootArgs, VerifyBatchArgs};
use data_commitment::penalty::SLASHER;
use data_commitment::state::{Challenge, Stream};
use device_protocol::{Curve, Reading, SessionGrant, SignedGrant, SignedReading, Values};
use device_registry::state::{self as registry_state, LeafArgs};
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::data_commitment::{self as client, Answer, ReadingPlace, Settling};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{Evidence, ProvenLeaf};
use fieldproof_client::{device_registry as registry, security_pool as pools, token, ClientError};
use security_pool::error::PoolError;
use security_pool::state::{Pool, Report, Roster};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::fixture::{Device, Network, Operator, EPOCH, EVIDENCE_WINDOW, TOKEN};
use tests::{assert_refused, Harness};

/// Seconds in which a challenge is answered.
const ANSWER_WINDOW: i64 = EVIDENCE_WINDOW / 3;
/// Lamports of a challenge's bond.
const BOND: u64 = 10_000_000;
/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;
/// What it answers when somebody has less than he sends.
const INSUFFICIENT_LAMPORTS: u32 = 1;
/// Tokens that the operator stakes.
const STAKE: u64 = 30;
/// More than the rent of a challenge, lamports.
const LAMPORTS_SENT: u64 = 1_000_000_000;
/// Windows of the committed batches: of an Ed25519 device and a P-256 one, without and with sessions.
const WINDOWS: usize = 4;
/// Windows of a batch at most.
const WINDOWS_MAX: u32 = commitment::WINDOWS as u32;

/// A change to the proof of a batch.
type Tamper = fn(&mut VerifyBatchArgs);

/// Cells that a device moves between, from the H3 documentation.
const CELLS: [u64; 2] = [0x0892_8308_280f_ffff, 0x0852_8347_3fff_ffff];

/// An operator in epoch 2 that has committed to two batches of four windows, and somebody who doubts it.
struct World {
    harness: Harness,
    network: Network,
    operator: Operator,
    owner: Keypair,
    devices: [Device; 2],
    readings: Vec<SignedReading>,
    grants: [SignedGrant; 2],
    batches: [BatchLeaf; 2],
    commitment: CommitmentLeaf,
    mmr: MmrBuilder,
    challenger: Keypair,
}

impl World {
    fn new() -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let operator = network.operator(&harness, STAKE);
        let maker = network.maker(&harness);
        let owner = harness.key();
        let devices = [Curve::Ed25519, Curve::P256]
            .map(|curve| network.device(&harness, &maker, &owner, curve, 0));
        harness.advance(2 * EPOCH);
        let sessions = [3, 4].map(|_| DeviceSigner::generate(Curve::Ed25519));
        let now = harness.now();
        let grants = [0, 1].map(|device| {
            let signer: &DeviceSigner = &devices[device].signer;
            let [session_key @ .., _] = sessions[device].device_key().bytes;
            let grant = SessionGrant {
                network: network.id,
                device: signer.device_key().id(),
                leaf_nonce: 0,
                session_key,
                counter: 5,
                not_before: now - 3_600,
                expires: now,
            };
            granted_by(signer, grant)
        });
        let readings: Vec<SignedReading> = (0..WINDOWS * READINGS_PER_WINDOW)
            .map(|index| {
                let window = index / READINGS_PER_WINDOW;
                let device = &devices[window % 2].signer;
                let (session, signer) = match window {
                    0 | 1 => (0, device),
                    _ => (5, &sessions[window % 2]),
                };
                let reading = Reading {
                    network: network.id,
                    device: device.device_key().id(),
                    leaf_nonce: 0,
                    session,
                    sequence: index as u64,
                    captured_at: (now - 1_800 + index as i64) * 1_000,
                    latitude: 520_000_000,
                    longitude: 130_000_000,
                    accuracy: 5,
                    schema: 1,
                    values: Values::new(&[index as i32]).expect("value"),
                };
                sign(signer, reading)
            })
            .collect();
        let batch = |number: u8| BatchLeaf {
            readings_root: tree(&readings, &grants).root(),
            windows_root: [number; 32],
            windows: WINDOWS as u32,
            readings: readings.len() as u32,
            first_capture: 1_000,
            last_capture: 2_000,
        };
        let batches = [batch(0), batch(1)];
        let root = Tree::of_batches(&batches.map(|batch| batch.hash()))
            .expect("tree")
            .root();
        let challenger = harness.key();
        harness.fund(&challenger.pubkey(), &network.stake_mint, 0);
        let mut world = Self {
            harness,
            network,
            operator,
            owner,
            devices,
            readings,
            grants,
            batches,
            commitment: CommitmentLeaf {
                sequence: 0,
                posted_at: now,
                root,
                batches: 2,
                payload_hash: [4; 32],
                payload_len: 5,
            },
            mmr: MmrBuilder::new(),
            challenger,
        };
        world.commit();
        world
    }

    fn commit(&mut self) {
        let leaf = self.commitment;
        let signer = &self.operator.signer;
        let commit = client::commit_root(
            &signer.pubkey(),
            &self.network.key,
            &self.operator.pool,
            CommitRootArgs {
                sequence: leaf.sequence,
                root: leaf.root,
                batches: leaf.batches,
                payload_hash: leaf.payload_hash,
                payload_len: leaf.payload_len,
            },
        );
        self.harness.send(&[commit], &[signer]).expect("commitment");
        self.mmr.append(leaf.hash()).expect("append");
    }

    fn proof(&self, batch_index: usize) -> VerifyBatchArgs {
        let hashes = self.batches.map(|batch| batch.hash());
        let tree = Tree::of_batches(&hashes).expect("tree");
        VerifyBatchArgs {
            commitment: self.commitment.into(),
            mmr_path: self.mmr.path(0).expect("path"),
            batch_index: batch_index as u32,
            batch: self.batches[batch_index].into(),
            batch_path: tree.path(batch_index as u64).expect("path"),
        }
    }

    fn place(&self, batch: u32, reading: u16) -> ReadingPlace {
        ReadingPlace {
            stream: self.operator.stream,
            sequence: 0,
            batch,
            reading,
        }
    }

    fn challenge_with(
        &self,
        challenger: &Keypair,
        proof: VerifyBatchArgs,
        reading_index: u16,
    ) -> Result<Execution, ClientError> {
        let challenge = client::challenge_availability(
            &challenger.pubkey(),
            &self.network.key,
            &self.operator.stream,
            proof,
            reading_index,
        );
        self.harness.send(&[challenge], &[challenger])
    }

    /// Asks for a reading of the first batch.
    fn challenge(&self, reading_index: u16) -> Result<Execution, ClientError> {
        self.challenge_with(&self.challenger, self.proof(0), reading_index)
    }

    /// The answer that the operator has to a challenge of this reading.
    fn answer(&self, reading_index: u16) -> Answer {
        let index = usize::from(reading_index);
        let window = index / READINGS_PER_WINDOW;
        let device = &self.devices[window % 2];
        let mut follower =
            Follower::new(&self.harness.chain, self.network.tree).expect("registry tree");
        let registry = follower.catch_up(&self.harness.chain).expect("events");
        let leaf = device.registered.index;
        Answer {
            evidence: Evidence {
                reading: self.readings[index],
                grant: grant(index, &self.grants).copied(),
            },
            key: device.signer.device_key(),
            leaf: ProvenLeaf {
                tree: self.network.tree,
                tree_index: 0,
                leaf: registry.leaves()[leaf as usize],
                place: registry.place(leaf).expect("proof"),
            },
            path: tree(&self.readings, &self.grants)
                .path(index as u64)
                .expect("path"),
        }
    }

    fn send_answer(
        &self,
        answerer: &Keypair,
        answer: &Answer,
        place: &ReadingPlace,
    ) -> Result<Execution, ClientError> {
        let instructions = self.answer_instructions(answerer, answer, place);
        self.harness.send(&instructions, &[answerer])
    }

    fn answer_instructions(
        &self,
        answerer: &Keypair,
        answer: &Answer,
        place: &ReadingPlace,
    ) -> Vec<Instruction> {
        client::answer_availability(&answerer.pubkey(), &self.network.key, place, answer, 0)
            .expect("signatures")
    }

    fn settling(&self) -> Settling {
        let challenger = self.challenger.pubkey();
        Settling {
            payer: self.harness.payer.pubkey(),
            challenger,
            bounty: token::associated(&challenger, &self.network.stake_mint),
            network: self.network.key,
            network_id: self.network.id,
            stake_mint: self.network.stake_mint,
            pool: self.operator.pool,
        }
    }

    fn settle(&self, place: &ReadingPlace) -> Result<Execution, ClientError> {
        let settle = client::settle_challenge(&self.settling(), place);
        self.harness.send(&[settle], &[])
    }

    fn open_challenges(&self) -> u32 {
        self.harness
            .read::<Stream>(&self.operator.stream)
            .open_challenges
    }

    /// Changes an account as no instruction does.
    fn edit<T: ZeroCopy + Discriminator + Owner>(&self, key: &Pubkey, change: impl Fn(&mut T)) {
        let chain = &self.harness.chain;
        let mut account = chain.account(key).expect("chain").expect("account");
        change(bytemuck::from_bytes_mut(&mut account.data[8..]));
        chain.set_account(key, account);
    }

    fn pool(&self) -> Pool {
        self.harness.read(&self.operator.pool)
    }

    fn lamports(&self, key: &Pubkey) -> u64 {
        let account = self.harness.chain.account(key).expect("chain");
        account.map_or(0, |account| account.lamports)
    }
}

/// The tree of readings, those of the later two windows under the grants.
fn tree(readings: &[SignedReading], grants: &[SignedGrant; 2]) -> Tree {
    let leaves: Vec<_> = readings
        .iter()
        .enumerate()
        .map(|(index, signed)| ReadingLeaf::of(signed, grant(index, grants)).hash())
        .collect();
    Tree::new(&leaves, READINGS_DEPTH).expect("tree")
}

/// The grant of the reading at an index.
fn grant(index: usize, grants: &[SignedGrant; 2]) -> Option<&SignedGrant> {
    let window = index / READINGS_PER_WINDOW;
    (window >= 2).then(|| &grants[window % 2])
}

fn sign(signer: &DeviceSigner, reading: Reading) -> SignedReading {
    SignedReading {
        signature: signer.sign(&reading.digest()),
        reading,
    }
}

fn granted_by(signer: &DeviceSigner, grant: SessionGrant) -> SignedGrant {
    SignedGrant {
        grant,
        signature: signer.sign(&grant.digest()),
    }
}

fn swap_all(instruction: &Instruction, changes: &[(Pubkey, Pubkey)]) -> Instruction {
    changes
        .iter()
        .fold(instruction.clone(), |instruction, (from, to)| {
            swap(instruction, from, to)
        })
}

fn borsh_len(value: &impl AnchorSerialize) -> usize {
    let mut bytes = Vec::new();
    value.serialize(&mut bytes).expect("bytes");
    bytes.len()
}

// answer_availability

#[test]
fn whoever_answers_takes_bond_and_rent_whatever_key_signed() {
    let world = World::new();
    let rent = world.harness.chain.rent(Challenge::SPACE).expect("rent");
    // A reading of each curve, signed by the device and by a session's key.
    for reading in [0, 16, 32, 48, 63] {
        let place = world.place(0, reading);
        world.challenge(reading).expect("challenge");
        assert_eq!(world.open_challenges(), 1);
        assert_eq!(world.lamports(&place.challenge()), rent + BOND);
        let challenge: Challenge = world.harness.read(&place.challenge());
        assert_eq!(
            challenge,
            Challenge {
                version: 1,
                bump: challenge.bump,
                reading,
                batch: 0,
                sequence: 0,
                stream: world.operator.stream,
                challenger: world.challenger.pubkey(),
                readings_root: world.batches[0].readings_root,
                answer_by: world.harness.now() + ANSWER_WINDOW,
                bond: BOND,
                slash_bps: 1_000,
                _pad: [0; 6],
                reserved: [0; 64],
            }
        );
        assert_eq!(ReadingPlace::of(&challenge), place);

        let answerer = world.harness.key();
        let before = world.lamports(&answerer.pubkey());
        world
            .send_answer(&answerer, &world.answer(reading), &place)
            .expect("answer");
        // The harness pays the fees.
        assert_eq!(world.lamports(&answerer.pubkey()), before + rent + BOND);
        assert!(!world.harness.exists(&place.challenge()));
        assert_eq!(world.open_challenges(), 0);
    }
}

#[test]
fn one_key_may_challenge_answer_and_settle() {
    let world = World::new();
    let one = &world.challenger;
    let before = world.lamports(&one.pubkey());
    for reading in [3, 4] {
        world.challenge(reading).expect("challenge");
    }
    world
        .send_answer(one, &world.answer(3), &world.place(0, 3))
        .expect("answer");
    world.harness.advance(ANSWER_WINDOW + 1);
    let settling = Settling {
        payer: one.pubkey(),
        ..world.settling()
    };
    let settle = client::settle_challenge(&settling, &world.place(0, 4));
    world.harness.send(&[settle], &[one]).expect("settlement");
    // The harness pays the fees, so all that is gone is in the report.
    let report = world.harness.chain.rent(Report::SPACE).expect("rent");
    assert_eq!(world.lamports(&one.pubkey()), before - report);
    assert_eq!(world.open_challenges(), 0);
}

#[test]
fn an_answer_outlasts_changes_of_other_leaves() {
    let world = World::new();
    let answerer = world.harness.key();
    world.challenge(3).expect("challenge");
    let early = world.answer(3);
    let maker = world.network.maker(&world.harness);
    let owner = world.harness.key();
    for _ in 0..3 {
        world
            .network
            .device(&world.harness, &maker, &owner, Curve::Ed25519, 0);
    }
    world
        .send_answer(&answerer, &early, &world.place(0, 3))
        .expect("answer");
}

#[test]
fn an_answer_is_right_after_the_device_was_sold() {
    let world = World::new();
    let (answerer, buyer) = (world.harness.key(), world.harness.key());
    // So long after its registration that it may be sold.
    world.harness.advance(EVIDENCE_WINDOW - 2 * EPOCH);
    let leaf = world.answer(33).leaf;
    let transfer = registry::transfer_device(
        &world.network.key,
        &world.network.tree,
        &buyer.pubkey(),
        &leaf.leaf,
        leaf.place.clone(),
    );
    world
        .harness
        .send(&[transfer], &[&world.owner, &buyer])
        .expect("transfer");
    // By the device's own key, and by a session that it granted for its first owner; with the leaf as it was, which the tree
    // still remembers, and as it is.
    for reading in [3, 33] {
        let place = world.place(0, reading);
        let mut before = world.answer(reading);
        assert_eq!(before.leaf.leaf.nonce, 1);
        let now = before.clone();
        before.leaf = leaf.clone();
        for answer in [before, now] {
            world.challenge(reading).expect("challenge");
            world
                .send_answer(&answerer, &answer, &place)
                .expect("answer");
        }
    }
}

#[test]
fn an_answer_is_not_outrun_by_moving_the_device() {
    let world = World::new();
    let answerer = world.harness.key();
    let [early, late] = [33, 3].map(|reading| {
        world.challenge(reading).expect("challenge");
        world.answer(reading)
    });
    let ProvenLeaf {
        mut leaf,
        mut place,
        ..
    } = early.leaf.clone();
    let mut moves = |count: usize| {
        for _ in 0..count {
            let cell = CELLS[usize::from(leaf.cell == CELLS[0])];
            let moved = registry::assert_location(
                &world.harness.payer.pubkey(),
                &world.network.key,
                &world.network.tree,
                &leaf,
                place.clone(),
                cell,
            );
            world
                .harness
                .send(&[moved], &[&world.owner])
                .expect("moved");
            leaf.cell = cell;
            place.sequence += 1;
        }
    };
    // With the registration of the other device, one change less than the tree remembers.
    moves(registry_state::tree::CHANGELOG - 2);
    world
        .send_answer(&answerer, &early, &world.place(0, 33))
        .expect("answer");
    moves(1);
    assert_refused(
        world.send_answer(&answerer, &late, &world.place(0, 3)),
        E::UnregisteredAnswer,
    );
    world
        .send_answer(&answerer, &world.answer(3), &world.place(0, 3))
        .expect("answer");
    // What the tree does not remember is proven as it stands.
    moves(1);
    world.challenge(19).expect("challenge");
    let proven = world.answer(19);
    let mut wrong = proven.clone();
    wrong.leaf.place.proof[0][0] ^= 1;
    assert_refused(
        world.send_answer(&answerer, &wrong, &world.place(0, 19)),
        E::UnregisteredAnswer,
    );
    world
        .send_answer(&answerer, &proven, &world.place(0, 19))
        .expect("answer");
    // Its owner outruns who answers with it once, and not once more.
    world.challenge(20).expect("challenge");
    for (cell, is_outrun) in [(CELLS[0], true), (CELLS[1], false)] {
        let answer = world.answer(20);
        let ProvenLeaf { leaf, place, .. } = answer.leaf.clone();
        let (network, tree) = (&world.network.key, &world.network.tree);
        let payer = world.harness.payer.pubkey();
        let moved = registry::assert_location(&payer, network, tree, &leaf, place, cell);
        world
            .harness
            .send(&[moved], &[&world.owner])
            .expect("moved");
        let answered = world.send_answer(&answerer, &answer, &world.place(0, 20));
        if is_outrun {
            assert_refused(answered, E::UnregisteredAnswer);
        } else {
            answered.expect("answer");
        }
    }
}

#[test]
fn an_answer_is_the_reading_at_the_place_that_was_challenged() {
    let world = World::new();
    let answerer = world.harness.key();
    world.challenge(3).expect("challenge");
    let place = world.place(0, 3);
    let refused = |answer: &Answer, error: E| {
        assert_refused(world.send_answer(&answerer, answer, &place), error);
    };
    // Of another index: with its own path, and with the one of the index that was asked for.
    refused(&world.answer(4), E::WrongAnswer);
    let mut other = world.answer(4);
    other.path = world.answer(3).path;
    refused(&other, E::WrongAnswer);
    // What the device never measured there, though it signs it, and its reading in another session.
    let resigned = |change: fn(&mut Reading)| {
        let mut answer = world.answer(3);
        change(&mut answer.evidence.reading.reading);
        answer.evidence.reading = sign(&world.devices[0].signer, answer.evidence.reading.reading);
        answer
    };
    refused(
        &resigned(|reading| reading.values = Values::new(&[99]).expect("value")),
        E::WrongAnswer,
    );
    // The leaf's nonce is 0, and no owner is yet to come.
    refused(&resigned(|reading| reading.leaf_nonce = 1), E::NonceAhead);
    // Of another network: what is checked is the reading of this one, which nobody signed.
    refused(
        &resigned(|reading| reading.network = [9; 32]),
        E::UnsignedAnswer,
    );
    let mut short = world.answer(3);
    short.path.truncate(256);
    refused(&short, E::ProofLength);
    // The same reading in the other batch is another question, and so is that of another stream.
    assert_refused(
        world.send_answer(&answerer, &world.answer(3), &world.place(1, 3)),
        ErrorCode::AccountOwnedByWrongProgram,
    );
    let stream = world.network.operator(&world.harness, STAKE).stream;
    let elsewhere = world
        .answer_instructions(&answerer, &world.answer(3), &place)
        .into_iter()
        .map(|instruction| {
            if instruction.program_id == data_commitment::ID {
                swap(instruction, &world.operator.stream, &stream)
            } else {
                instruction
            }
        })
        .collect::<Vec<_>>();
    assert_refused(world.harness.send(&elsewhere, &[&answerer]), E::WrongStream);
    assert_eq!(world.open_challenges(), 1);
    world
        .send_answer(&answerer, &world.answer(3), &place)
        .expect("answer");
}

#[test]
fn an_answer_is_signed_by_the_device_or_its_session() {
    let world = World::new();
    let answerer = world.harness.key();
    for reading in [3, 33] {
        world.challenge(reading).expect("challenge");
    }
    let refused = |reading: u16, answer: &Answer, error: E| {
        let place = world.place(0, reading);
        assert_refused(world.send_answer(&answerer, answer, &place), error);
    };
    let stranger = DeviceSigner::generate(Curve::Ed25519);
    let by = |reading: u16, signer: &DeviceSigner| {
        let mut answer = world.answer(reading);
        answer.evidence.reading = sign(signer, answer.evidence.reading.reading);
        answer.key = signer.device_key();
        answer
    };
    // By a stranger, and by another device.
    refused(3, &by(3, &stranger), E::UnsignedAnswer);
    refused(3, &by(3, &world.devices[1].signer), E::UnsignedAnswer);

    // A reading of a session that the device itself signs, without a grant.
    let mut bare = by(33, &world.devices[0].signer);
    bare.evidence.grant = None;
    refused(33, &bare, E::UnsignedAnswer);
    // Granted by a stranger to itself.
    let mut granted = by(33, &stranger);
    let mut grant = world.grants[0].grant;
    let [session_key @ .., _] = stranger.device_key().bytes;
    grant.session_key = session_key;
    granted.evidence.grant = Some(granted_by(&stranger, grant));
    refused(33, &granted, E::UnsignedAnswer);
    // Granted by the device for another time.
    let device = &world.devices[0].signer;
    let mut late = world.answer(33);
    let mut grant = world.grants[0].grant;
    grant.expires = grant.not_before + 60;
    late.evidence.grant = Some(granted_by(device, grant));
    refused(33, &late, E::UnsignedAnswer);
    // Granted under another counter.
    let mut counter = world.answer(33);
    let mut grant = world.grants[0].grant;
    grant.counter = 6;
    counter.evidence.grant = Some(granted_by(device, grant));
    refused(33, &counter, E::UnsignedAnswer);
    // A grant too many.
    let mut granted = world.answer(3);
    granted.evidence.grant = Some(world.grants[0]);
    granted.evidence.reading = world.readings[33];
    refused(3, &granted, E::WrongAnswer);
    // No such curve.
    let mut instructions =
        world.answer_instructions(&answerer, &world.answer(3), &world.place(0, 3));
    let answer = instructions.last_mut().expect("answer");
    // The discriminator, the leaf and its place come before the curve.
    let place = world.answer(3).leaf.place;
    let before = 8 + borsh_len(&LeafArgs::from(&world.answer(3).leaf.leaf)) + borsh_len(&place);
    assert_eq!(answer.data[before], Curve::Ed25519 as u8);
    answer.data[before] = 2;
    assert_refused(
        world.harness.send(&instructions, &[&answerer]),
        E::UnsignedAnswer,
    );
    assert_eq!(world.open_challenges(), 2);
}

#[test]
fn an_answer_has_the_signatures_that_were_committed_to() {
    let world = World::new();
    let answerer = world.harness.key();
    let device = &world.devices[1].signer;
    // The device signs the reading once more, and then the grant: both hold, and neither is what the operator showed.
    let mut reading = world.answer(16);
    let digest = reading.evidence.reading.reading.digest();
    reading.evidence.reading.signature = signed_anew(device, &digest);
    let mut granted = world.answer(48);
    granted.evidence.grant = Some(SignedGrant {
        signature: signed_anew(device, &world.grants[1].grant.digest()),
        ..world.grants[1]
    });
    for (index, answer) in [(16, reading), (48, granted)] {
        let place = world.place(0, index);
        world.challenge(index).expect("challenge");
        assert_refused(
            world.send_answer(&answerer, &answer, &place),
            E::WrongAnswer,
        );
        world
            .send_answer(&answerer, &world.answer(index), &place)
            .expect("answer");
    }
}

#[test]
fn an_answers_signatures_are_introspected_in_its_own_transaction() {
    let world = World::new();
    let answerer = world.harness.key();
    world.challenge(3).expect("challenge");
    let place = world.place(0, 3);
    let [precompile, show] = world
        .answer_instructions(&answerer, &world.answer(3), &place)
        .try_into()
        .expect("two instructions");
    // Without the precompile, the reference meets the answer itself.
    assert_refused(
        world
            .harness
            .send(std::slice::from_ref(&show), &[&answerer]),
        E::UnsignedAnswer,
    );
    // The device's signature of something else.
    let signer = &world.devices[0].signer;
    let (message, key) = ([1; 32], signer.device_key());
    let other = precompile::ed25519(&[Entry {
        public_key: key.as_bytes(),
        message: &message,
        signature: &signer.sign(&message),
    }])
    .expect("signature");
    assert_refused(
        world.harness.send(&[other, show.clone()], &[&answerer]),
        E::UnsignedAnswer,
    );
    let unsigned = unsign(show.clone(), &answerer.pubkey());
    assert_refused(
        world.harness.send(&[precompile.clone(), unsigned], &[]),
        ErrorCode::AccountNotSigner,
    );
    let refused = |from: &Pubkey, to: &Pubkey, error: u32| {
        let swapped = swap(show.clone(), from, to);
        assert_refused(
            world
                .harness
                .send(&[precompile.clone(), swapped], &[&answerer]),
            error,
        );
    };
    // Not the sysvar, and not a tree of the registry's.
    refused(
        &Instructions::id(),
        &world.operator.pool,
        ErrorCode::ConstraintAddress.into(),
    );
    refused(
        &world.network.tree,
        &world.operator.pool,
        ErrorCode::AccountOwnedByWrongProgram.into(),
    );
    // Another network, and another network's tree.
    let other = Network::with_nonce(&world.harness, 1);
    refused(&world.network.key, &other.key, E::WrongNetwork.into());
    refused(&world.network.tree, &other.tree, E::WrongTree.into());
    world
        .harness
        .send(&[precompile, show], &[&answerer])
        .expect("answer");
}

#[test]
fn an_answer_proves_that_the_device_is_registered() {
    let world = World::new();
    let answerer = world.harness.key();
    world.challenge(3).expect("challenge");
    let place = world.place(0, 3);
    let refused = |answer: &Answer, error: E| {
        assert_refused(world.send_answer(&answerer, answer, &place), error);
    };
    let mut made_up = world.answer(3);
    made_up.leaf.leaf.owner = answerer.pubkey().to_bytes();
    refused(&made_up, E::UnregisteredAnswer);
    // With the leaf of another device, whose reading nobody signed.
    let mut others = world.answer(3);
    others.leaf = world.answer(19).leaf;
    refused(&others, E::UnsignedAnswer);
}

#[test]
fn an_answer_comes_in_time_and_once() {
    let world = World::new();
    let answerer = world.harness.key();
    for reading in [3, 4] {
        world.challenge(reading).expect("challenge");
    }
    world.harness.advance(ANSWER_WINDOW);
    assert_refused(world.settle(&world.place(0, 3)), E::StillOpen);
    world
        .send_answer(&answerer, &world.answer(3), &world.place(0, 3))
        .expect("answer");
    assert_refused(
        world.send_answer(&answerer, &world.answer(3), &world.place(0, 3)),
        ErrorCode::AccountOwnedByWrongProgram,
    );
    world.harness.advance(1);
    assert_refused(
        world.send_answer(&answerer, &world.answer(4), &world.place(0, 4)),
        E::AnswerTooLate,
    );
    assert_refused(
        world.settle(&world.place(0, 3)),
        ErrorCode::AccountOwnedByWrongProgram,
    );
}

// challenge_availability

#[test]
fn a_challenge_is_of_a_reading_that_was_committed_to() {
    let world = World::new();
    let count = world.readings.len() as u16;
    for index in [count, 511, 512, u16::MAX] {
        assert_refused(world.challenge(index), E::ProofIndex);
    }
    world.challenge(count - 1).expect("challenge");
    let tampers: [(Tamper, E); 6] = [
        (|proof| proof.batch.windows = 5, E::ProofMismatch),
        (|proof| proof.batch.readings_root[0] ^= 1, E::ProofMismatch),
        (|proof| proof.batch_index = 1, E::ProofMismatch),
        (|proof| proof.commitment.posted_at += 1, E::ProofMismatch),
        (|proof| proof.commitment.sequence = 1, E::ProofIndex),
        (|proof| proof.mmr_path.push(0), E::ProofLength),
    ];
    for (tamper, error) in tampers {
        let mut proof = world.proof(0);
        tamper(&mut proof);
        assert_refused(world.challenge_with(&world.challenger, proof, 0), error);
    }
    // In a stream that did not commit to it.
    let other = world.network.operator(&world.harness, STAKE);
    let challenge = client::challenge_availability(
        &world.challenger.pubkey(),
        &world.network.key,
        &other.stream,
        world.proof(0),
        0,
    );
    assert_refused(
        world.harness.send(&[challenge], &[&world.challenger]),
        E::ProofIndex,
    );
}

#[test]
fn a_batch_that_says_it_has_no_readings_does_not_escape() {
    let mut world = World::new();
    world.batches[0].readings = 0;
    world.batches[1].windows = WINDOWS_MAX + 1;
    world.commitment.sequence = 1;
    world.commitment.root = Tree::of_batches(&world.batches.map(|batch| batch.hash()))
        .expect("tree")
        .root();
    world.commit();
    let proof = |batch| VerifyBatchArgs {
        mmr_path: world.mmr.path(1).expect("path"),
        ..world.proof(batch)
    };
    world
        .challenge_with(&world.challenger, proof(0), 63)
        .expect("challenge");
    // No feed and no proof takes a batch of more windows than there can be.
    assert_refused(
        world.challenge_with(&world.challenger, proof(1), 0),
        E::ProofIndex,
    );
}

#[test]
fn a_challenge_is_made_once_at_a_time_with_a_bond() {
    let world = World::new();
    world.challenge(3).expect("challenge");
    assert_refused(world.challenge(3), ALREADY_IN_USE);
    let another = world.harness.key();
    assert_refused(
        world.challenge_with(&another, world.proof(0), 3),
        ALREADY_IN_USE,
    );
    assert_eq!(world.open_challenges(), 1);

    // Enough for the rent alone.
    let poor = Keypair::new();
    let rent = world.harness.chain.rent(Challenge::SPACE).expect("rent");
    world.harness.chain.airdrop(&poor.pubkey(), rent + BOND - 1);
    assert_refused(
        world.challenge_with(&poor, world.proof(0), 4),
        INSUFFICIENT_LAMPORTS,
    );
    world.harness.chain.airdrop(&poor.pubkey(), 1);
    world
        .challenge_with(&poor, world.proof(0), 4)
        .expect("challenge");

    let challenge = client::challenge_availability(
        &world.challenger.pubkey(),
        &world.network.key,
        &world.operator.stream,
        world.proof(0),
        5,
    );
    let unsigned = unsign(challenge.clone(), &world.challenger.pubkey());
    assert_refused(
        world.harness.send(&[unsigned], &[]),
        ErrorCode::AccountNotSigner,
    );
    // Another address, and another network.
    let other = Network::with_nonce(&world.harness, 1);
    let changes: [(&[(Pubkey, Pubkey)], u32); 2] = [
        (
            &[(world.place(0, 5).challenge(), world.place(0, 6).challenge())],
            ErrorCode::ConstraintSeeds.into(),
        ),
        (&[(world.network.key, other.key)], E::WrongNetwork.into()),
    ];
    for (changes, error) in changes {
        let swapped = swap_all(&challenge, changes);
        assert_refused(world.harness.send(&[swapped], &[&world.challenger]), error);
    }
}

#[test]
fn a_challenge_leaves_time_for_its_answer_in_the_evidence_window() {
    let world = World::new();
    world.harness.advance(EVIDENCE_WINDOW - ANSWER_WINDOW + 1);
    assert_refused(world.challenge(3), E::ChallengeTooLate);
    world.harness.advance(-1);
    world.challenge(3).expect("challenge");
}

#[test]
fn a_challenge_needs_a_network_that_slashes() {
    let world = World::new();
    let slash_bps = |bps| {
        world.edit::<registry_state::Network>(&world.network.key, |network| {
            network.parameters.withheld_slash_bps = bps;
        });
    };
    slash_bps(0);
    assert_refused(world.challenge(3), E::NeverSlashed);
    slash_bps(1);
    world.challenge(3).expect("challenge");
}

#[test]
fn who_has_nothing_at_stake_is_asked_and_its_stream_marked() {
    // Its pool was slashed of all that the network counts, has left, or the network no longer lets this program slash.
    let cases: [fn(&mut Roster); 3] = [
        |roster| roster.entries[0].counted = 0,
        |roster| roster.entries[0].pool = Pubkey::default(),
        |roster| roster.slashers = Default::default(),
    ];
    for change in cases {
        let world = World::new();
        world.edit::<Roster>(&pools::roster(&world.network.key), change);
        let place = world.place(0, 3);
        let lamports = world.lamports(&world.challenger.pubkey());
        let staked = world.pool().staked;
        world.challenge(3).expect("challenge");
        world.harness.advance(ANSWER_WINDOW + 1);
        world.settle(&place).expect("settlement");
        let stream: Stream = world.harness.read(&world.operator.stream);
        assert_eq!(
            (stream.open_challenges, stream.withheld_at),
            (0, world.harness.now())
        );
        // Without a slash, and the bond is back.
        assert_eq!(world.pool().staked, staked);
        assert!(!world.harness.exists(&place.report(&world.network.id)));
        assert_eq!(world.harness.balance(&world.settling().bounty), 0);
        assert_eq!(world.lamports(&world.challenger.pubkey()), lamports);
    }
}

#[test]
fn a_challenge_at_a_pre_funded_address_holds_its_bond_and_no_debt() {
    let world = World::new();
    let place = world.place(0, 3);
    // More than the rent was sent there before.
    world
        .harness
        .chain
        .airdrop(&place.challenge(), LAMPORTS_SENT);
    world.challenge(3).expect("challenge");
    assert_eq!(world.lamports(&place.challenge()), LAMPORTS_SENT + BOND);
    let answerer = world.harness.key();
    let before = world.lamports(&answerer.pubkey());
    world
        .send_answer(&answerer, &world.answer(3), &place)
        .expect("answer");
    assert_eq!(
        world.lamports(&answerer.pubkey()),
        before + LAMPORTS_SENT + BOND
    );
}

#[test]
fn a_closed_challenge_can_not_be_revived() {
    let world = World::new();
    world.challenge(3).expect("challenge");
    let place = world.place(0, 3);
    let answerer = world.harness.key();
    let mut instructions = world.answer_instructions(&answerer, &world.answer(3), &place);
    // Lamports in the same transaction keep the account, but nothing in it.
    instructions.push(system_instruction::transfer(
        &answerer.pubkey(),
        &place.challenge(),
        LAMPORTS_SENT,
    ));
    world
        .harness
        .send(&instructions, &[&answerer])
        .expect("answer");
    let account = world
        .harness
        .chain
        .account(&place.challenge())
        .expect("chain")
        .expect("account");
    assert!(account.data.is_empty());
    assert_eq!(account.owner, system_program::ID);
    world.harness.advance(ANSWER_WINDOW + 1);
    assert_refused(world.settle(&place), ErrorCode::AccountOwnedByWrongProgram);
    assert_eq!(world.open_challenges(), 0);
}

// settle_challenge

#[test]
fn an_operator_that_shows_nothing_is_slashed_and_the_bond_returns() {
    let world = World::new();
    let place = world.place(0, 3);
    let challenger = world.challenger.pubkey();
    let lamports = world.lamports(&challenger);
    world.challenge(3).expect("challenge");
    // What the network takes from now on is not what it took.
    world.edit::<registry_state::Network>(&world.network.key, |network| {
        network.parameters.withheld_slash_bps = 0;
    });
    world.harness.advance(ANSWER_WINDOW);
    assert_refused(world.settle(&place), E::StillOpen);
    world.harness.advance(1);
    let before = world.pool();
    world.settle(&place).expect("settlement");
    // A tenth of what the roster counts.
    let slashed = STAKE * TOKEN / 10;
    assert_eq!(before.staked - world.pool().staked, slashed);
    let report: Report = world.harness.read(&place.report(&world.network.id));
    assert_eq!(
        (report.slasher, report.source, report.amount),
        (SLASHER.0, world.operator.pool, slashed)
    );
    let bounty = world.settling().bounty;
    assert_eq!(report.destination, bounty);
    // The roster's terms: 30 % to who challenged.
    assert_eq!(world.harness.balance(&bounty), slashed * 3 / 10);
    assert_eq!(world.lamports(&challenger), lamports);
    assert!(!world.harness.exists(&place.challenge()));
    assert_eq!(world.open_challenges(), 0);
    assert_refused(world.settle(&place), ErrorCode::AccountOwnedByWrongProgram);
}

#[test]
fn a_reading_is_slashed_for_once_and_the_bond_returns_each_time() {
    let world = World::new();
    let place = world.place(0, 3);
    let challenger = world.challenger.pubkey();
    let lamports = world.lamports(&challenger);
    world.challenge(3).expect("challenge");
    world.harness.advance(ANSWER_WINDOW + 1);
    world.settle(&place).expect("settlement");
    let (pool, bounty) = (world.pool(), world.settling().bounty);
    let paid = world.harness.balance(&bounty);
    // The evidence window has room for one more answer window.
    world.challenge(3).expect("challenge");
    world.harness.advance(ANSWER_WINDOW + 1);
    world.settle(&place).expect("settlement");
    assert_eq!(world.pool().staked, pool.staked);
    assert_eq!(world.harness.balance(&bounty), paid);
    assert_eq!(world.lamports(&challenger), lamports);
    assert_eq!(world.open_challenges(), 0);
    // Other readings are other offences.
    world.harness.advance(-2 * (ANSWER_WINDOW + 1));
    world.challenge(4).expect("challenge");
    world.harness.advance(ANSWER_WINDOW + 1);
    world.settle(&world.place(0, 4)).expect("settlement");
    assert!(world.pool().staked < pool.staked);
}

#[test]
fn a_bond_returns_when_nothing_is_left_to_slash() {
    let settle = |empty: fn(&World)| {
        let world = World::new();
        let place = world.place(0, 3);
        let lamports = world.lamports(&world.challenger.pubkey());
        world.challenge(3).expect("challenge");
        empty(&world);
        let staked = world.pool().staked;
        world.harness.advance(ANSWER_WINDOW + 1);
        world.settle(&place).expect("settlement");
        assert_eq!(world.pool().staked, staked);
        assert_eq!(world.lamports(&world.challenger.pubkey()), lamports);
        assert_eq!(world.harness.balance(&world.settling().bounty), 0);
        assert_eq!(world.open_challenges(), 0);
        world.harness.exists(&place.report(&world.network.id))
    };
    // The pool left.
    assert!(!settle(|world| {
        world.edit::<Roster>(&pools::roster(&world.network.key), |roster| {
            roster.entries[0].pool = Pubkey::default();
        });
    }));
    // The network no longer lets this program slash.
    assert!(!settle(|world| {
        world.edit::<Roster>(&pools::roster(&world.network.key), |roster| {
            roster.slashers = Default::default();
        });
    }));
    // Other networks took all that the pool had, and this roster does not know yet: the report is of nothing.
    assert!(settle(|world| {
        world.edit::<Pool>(&world.operator.pool, |pool| pool.staked = 0);
    }));
}

#[test]
fn lamports_at_the_reports_address_spare_nobody() {
    let world = World::new();
    let place = world.place(0, 3);
    world.challenge(3).expect("challenge");
    world
        .harness
        .chain
        .airdrop(&place.report(&world.network.id), LAMPORTS_SENT);
    world.harness.advance(ANSWER_WINDOW + 1);
    let before = world.pool();
    world.settle(&place).expect("settlement");
    assert_eq!(before.staked - world.pool().staked, STAKE * TOKEN / 10);
}

#[test]
fn a_settlement_is_of_the_challenges_own_stream_pool_and_challenger() {
    let world = World::new();
    for reading in [3, 4] {
        world.challenge(reading).expect("challenge");
    }
    world.harness.advance(ANSWER_WINDOW + 1);
    // There is the report of another reading.
    world.settle(&world.place(0, 4)).expect("settlement");
    let place = world.place(0, 3);
    let settling = world.settling();
    let settle = client::settle_challenge(&settling, &place);
    let other = world.network.operator(&world.harness, STAKE);
    let elsewhere = Network::with_nonce(&world.harness, 1);
    let thief = world.harness.key();
    let purse = world
        .harness
        .fund(&thief.pubkey(), &world.network.stake_mint, 0);
    let foreign = world
        .harness
        .fund(&world.challenger.pubkey(), &world.harness.mint(), 0);
    let [own_roster, other_roster] =
        [world.network.key, elsewhere.key].map(|network| pools::roster(&network));
    let [own_vault, other_vault] =
        [world.operator.pool, other.pool].map(|pool| pools::vault(&pool));
    let report = place.report(&world.network.id);
    let changes: [(&[(Pubkey, Pubkey)], u32); 15] = [
        (
            &[(world.operator.stream, other.stream)],
            E::WrongPool.into(),
        ),
        (
            &[
                (world.operator.stream, other.stream),
                (world.operator.pool, other.pool),
            ],
            E::WrongStream.into(),
        ),
        (&[(world.operator.pool, other.pool)], E::WrongPool.into()),
        (
            &[(world.operator.pool, other.pool), (own_vault, other_vault)],
            E::WrongPool.into(),
        ),
        (
            &[(world.network.key, elsewhere.key)],
            E::WrongNetwork.into(),
        ),
        (&[(own_roster, other_roster)], E::WrongRoster.into()),
        (
            &[
                (world.network.key, elsewhere.key),
                (own_roster, other_roster),
            ],
            E::WrongNetwork.into(),
        ),
        (
            &[(settling.challenger, thief.pubkey())],
            E::WrongChallenger.into(),
        ),
        (&[(settling.bounty, purse)], E::WrongBounty.into()),
        (
            &[(settling.bounty, settling.stake_mint)],
            E::WrongBounty.into(),
        ),
        (&[(settling.bounty, foreign)], PoolError::WrongMint.into()),
        (
            &[(SLASHER.0, thief.pubkey())],
            ErrorCode::ConstraintAddress.into(),
        ),
        (
            &[(security_pool::ID, system_program::ID)],
            ErrorCode::ConstraintAddress.into(),
        ),
        (&[(own_vault, other_vault)], PoolError::WrongVault.into()),
        // It exists, and would spare the operator.
        (
            &[(report, world.place(0, 4).report(&world.network.id))],
            E::WrongReport.into(),
        ),
    ];
    for (changes, error) in changes {
        let swapped = swap_all(&settle, changes);
        assert_refused(world.harness.send(&[swapped], &[]), error);
    }
    world.settle(&place).expect("settlement");
}
