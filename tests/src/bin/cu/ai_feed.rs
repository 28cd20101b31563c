//! ai-feed: a feed's life, with a committee of 64 and streams of 2^20 commitments.

use crate::bench::Bench;
use crate::credits;
use crate::optimistic;
use crate::stream::Proof;
use ai_feed::instructions::{CreateFeedArgs, RegisterVerifyingKeyArgs, SubmitAttestationArgs};
use ai_feed::state::{Attestation, VerifyingKey, BY_COMMITTEE, CELLS, REDUCTION_CIRCOM};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::Result;
use bytemuck::Zeroable;
use commitment::BatchLeaf;
use device_protocol::{attestation_context, feed_id, InputSpec, SourcesMessage};
use device_registry::state::network::CREDITS;
use device_registry::state::Network;
use fieldproof_client::ai_feed::{self as client, Attested, Attesting, Proven};
use fieldproof_client::credits::charge;
use fieldproof_client::{data_commitment as streams, poseidon::poseidon};
use inference::{Header, Model, ModelRef, BIASES, SHIFTS, WEIGHTS};
use security_pool::state::{Committee, CommitteeEntry, Pool, MAX_OPERATORS};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::groth16::Secrets;
use tests::START;

/// Seconds of a round.
const ROUND: i64 = 60;
/// Seconds of the feed's grace.
const GRACE: i64 = 30;
/// Seconds in which an attestation can be challenged.
const CHALLENGE: i64 = 600;
/// The round in which the bench starts.
const FIRST: u64 = START as u64 / ROUND as u64;
/// Committee members that sign in a transaction.
const SIGNERS: usize = 5;
/// Streams of the largest round.
const STREAMS: usize = 64;
/// Members whose allocations are two thirds of the committee's: the last, which are found last.
const HEAVY: [usize; SIGNERS] = [59, 60, 61, 62, 63];
/// Members that count for next to nothing.
const LIGHT: [usize; SIGNERS] = [0, 1, 2, 3, 4];
/// The network's id.
const NETWORK: [u8; 32] = [7; 32];

/// Measures every instruction.
pub fn measure(bench: &Bench) -> Result<()> {
    let feed = Feed::open(bench)?;
    let last = MAX_OPERATORS - 1;
    bench.harness.advance(ROUND);

    let round = FIRST;
    let case = "the round's first; 32 windows, stream of 2^20 commitments";
    let attestation = feed.attest(last, round, Some(case))?;
    let case = "5 signers, roster of 64";
    feed.sign(&attestation, &LIGHT, Some(case))?;
    let case = "5 signers, roster of 64; the attestation passes";
    feed.sign(&attestation, &HEAVY, Some(case))?;
    feed.prove(&attestation)?;
    let finalize = client::finalize_round(&feed.network, &feed.key, round, &bench.payer());
    bench.measure("finalize_round", "1 stream", &[finalize], &[])?;

    let round = round + 1;
    bench.harness.advance(ROUND);
    for member in MAX_OPERATORS - STREAMS..MAX_OPERATORS {
        let case = "the round's 64th stream; 32 windows, stream of 2^20 commitments";
        let attestation = feed.attest(member, round, (member == last).then_some(case))?;
        feed.sign(&attestation, &HEAVY, None)?;
    }
    let finalize = client::finalize_round(&feed.network, &feed.key, round, &bench.payer());
    bench.measure("finalize_round", "64 streams", &[finalize], &[])?;
    let read = client::read_feed(feed.id, u32::MAX, BY_COMMITTEE);
    bench.measure("read_feed", "the newest round", &[read], &[])?;

    let passed_over = round + 1;
    bench.harness.advance(ROUND);
    let attestation_passed_over = feed.attest(last, passed_over, None)?;
    feed.sign_sources(&attestation_passed_over)?;
    let round = passed_over + 1;
    bench.harness.advance(ROUND);
    let attestation_of_next = feed.attest(last, round, None)?;
    feed.sign(&attestation_of_next, &HEAVY, None)?;
    let finalize = client::finalize_round(&feed.network, &feed.key, round, &bench.payer());
    bench.run(&[finalize], &[])?;
    let close = client::close_round(&feed.key, passed_over, &bench.payer());
    bench.measure("close_round", "", &[close], &[])?;
    bench.harness.advance(CHALLENGE);
    let close = client::close_attestation(&feed.key, &attestation, &bench.payer(), None);
    bench.measure("close_attestation", "", &[close], &[])?;

    let authority = bench.payer();
    let hash = VerifyingKey::hash_of(&Secrets::new(1).key());
    let revoke = client::revoke_verifying_key(&authority, &feed.network, &hash);
    bench.measure("revoke_verifying_key", "", &[revoke], &[])?;

    let heir = bench.key();
    let offer = client::transfer_authority(&feed.key, &feed.creator.pubkey(), heir.pubkey());
    bench.measure("transfer_authority", "", &[offer], &[&feed.creator])?;
    let accept = client::accept_authority(&feed.key, &heir.pubkey());
    bench.measure("accept_authority", "", &[accept], &[&heir])?;
    let freeze = client::freeze_feed(&feed.key, &heir.pubkey());
    bench.measure("freeze_feed", "", &[freeze], &[&heir])?;
    optimistic::measure(bench)
}

/// A member of the committee.
struct Member {
    signer: Keypair,
    pool: Pubkey,
}

/// A feed in a network with a full committee.
struct Feed<'a> {
    bench: &'a Bench,
    network: Pubkey,
    committee: Pubkey,
    members: Vec<Member>,
    creator: Keypair,
    model: [u8; 32],
    id: [u8; 32],
    key: Pubkey,
}

impl<'a> Feed<'a> {
    fn open(bench: &'a Bench) -> Result<Self> {
        let (network, committee) = (bench.address(), bench.address());
        let (creator, payer) = (bench.key(), bench.payer());
        bench.put(
            &network,
            &Network {
                version: 1,
                id: NETWORK,
                genesis: START,
                epoch_length: 86_400,
                authority: payer,
                ..Network::zeroed()
            },
        )?;
        let mut drawn = Committee {
            version: 1,
            network,
            count: MAX_OPERATORS as u32,
            ..Committee::zeroed()
        };
        let mut members = Vec::new();
        for (number, entry) in drawn.entries.iter_mut().enumerate() {
            let member = Member {
                signer: bench.key(),
                pool: bench.address(),
            };
            *entry = CommitteeEntry {
                pool: member.pool,
                signer: member.signer.pubkey(),
                allocation: if HEAVY.contains(&number) { 1_000 } else { 1 },
            };
            drawn.total += entry.allocation;
            bench.put(
                &member.pool,
                &Pool {
                    version: 1,
                    signer: member.signer.pubkey(),
                    ..Pool::zeroed()
                },
            )?;
            members.push(member);
        }
        bench.put(&committee, &drawn)?;

        let bytes = model().to_bytes();
        let parsed = ModelRef::parse(&bytes)?;
        let model = inference::model_hash(&parsed, poseidon)?;
        let register = client::register_model(&payer, model, bytes.to_vec());
        bench.measure("register_model", "", &[register], &[])?;
        let header = self::model().header;
        let (_, register) = client::register_private_model(&payer, model, &header);
        bench.measure("register_private_model", "", &[register], &[])?;
        let key = Secrets::new(1).key();
        let args = RegisterVerifyingKeyArgs {
            hash: VerifyingKey::hash_of(&key),
            shape: Header::SHAPE,
            windows: 32,
            reduction: REDUCTION_CIRCOM,
            circuit: [8; 32],
            transcript: [9; 32],
            key: key.to_vec(),
        };
        let register = client::register_verifying_key(&payer, &payer, &network, args);
        bench.measure("register_verifying_key", "", &[register], &[])?;
        let args = feed_args(&creator.pubkey(), &model, 120)?;
        let id = args.id;
        let key = client::feed(&id);
        let by = creator.pubkey();
        let create = client::create_feed(&payer, &by, &network, &model, args);
        bench.measure("create_feed", "8 cells", &[create], &[&creator])?;
        bench.edit::<Network>(&network, |network| network.flags |= CREDITS)?;
        credits::provide(bench, &network, &by, 0)?;
        let another = feed_args(&by, &model, 60)?;
        let create = client::create_feed(&payer, &by, &network, &model, another);
        let create = charge(create, &network, 0, &by);
        let case = "8 cells, paid with credits";
        bench.measure("create_feed", case, &[create], &[&creator])?;
        bench.edit::<Network>(&network, |network| network.flags &= !CREDITS)?;
        Ok(Self {
            bench,
            network,
            committee,
            members,
            creator,
            model,
            id,
            key,
        })
    }

    /// Has a member attest a batch of a round, the first of 64 in its commitment; records the cost of a named case.
    fn attest(&self, member: usize, round: u64, case: Option<&'static str>) -> Result<Pubkey> {
        let bench = self.bench;
        let Member { signer, pool } = &self.members[member];
        let start = round as i64 * ROUND * 1_000;
        let batch = BatchLeaf {
            readings_root: [member as u8; 32],
            windows_root: [2; 32],
            windows: 32,
            readings: 32 * 16,
            first_capture: start - 20_000,
            last_capture: start + 50_000,
        };
        let proof = Proof::new(batch, 64, bench.harness.now())?;
        let stream = streams::stream(&self.network, pool);
        bench.put(&stream, &proof.stream(self.network, *pool))?;
        let attesting = Attesting {
            payer: bench.payer(),
            attester: signer.pubkey(),
            network: self.network,
            feed: self.key,
            model: client::model(&self.model),
            stream,
            pool: *pool,
            committee: self.committee,
            bonds: None,
        };
        let args = SubmitAttestationArgs {
            round,
            // All different, which sorts slowest
            outputs: std::array::from_fn(|window| (31 * (member + 7 * window)) as u8),
            commitment: proof.commitment.into(),
            mmr_path: proof.mmr_path,
            batch_index: 0,
            batch: proof.batch.into(),
            batch_path: proof.batch_path,
        };
        let submit = client::submit_attestation(&attesting, args);
        self.take("submit_attestation", case, &[submit], &[signer])?;
        Ok(client::attestation(&self.key, &stream, round, 0, 0))
    }

    /// Brings members' signatures on an attestation; records the cost of a named case.
    fn sign(
        &self,
        attestation: &Pubkey,
        members: &[usize],
        case: Option<&'static str>,
    ) -> Result<()> {
        let state: Attestation = self.bench.harness.read(attestation);
        let signatures = self.signatures(members, &state.message);
        let members = members.iter().map(|member| *member as u8).collect();
        let attest = client::attest_committee(&self.attested(attestation, &state), 0, members);
        self.take("attest_committee", case, &[signatures, attest], &[])
    }

    /// Brings the heavy members' signatures for an attestation's sources, which pass; records the cost.
    fn sign_sources(&self, attestation: &Pubkey) -> Result<()> {
        let state: Attestation = self.bench.harness.read(attestation);
        let message = SourcesMessage {
            network: NETWORK,
            feed: self.id,
            stream: state.stream.to_bytes(),
            round: state.round,
            sequence: state.sequence,
            batch_index: state.batch_index,
            batch_leaf: state.batch_leaf,
            epoch: state.committee_epoch,
        }
        .digest();
        let signatures = self.signatures(&HEAVY, &message);
        let members = HEAVY.map(|member| member as u8).to_vec();
        let attest = client::attest_sources(&self.attested(attestation, &state), 0, members);
        let case = "5 signers, roster of 64; the attestation passes";
        self.bench
            .measure("attest_sources", case, &[signatures, attest], &[])
    }

    /// Brings the proof of an attestation of 32 windows; records the cost.
    fn prove(&self, attestation: &Pubkey) -> Result<()> {
        let state: Attestation = self.bench.harness.read(attestation);
        let context = attestation_context(
            &self.id,
            state.stream.as_array(),
            state.sequence,
            state.batch_index,
            state.round,
            state.pool.as_array(),
        );
        let input = inference::public_input(
            &state.batch.windows_root,
            &self.model,
            &state.outputs,
            state.windows,
            &context,
            poseidon,
        )?;
        let secrets = Secrets::new(1);
        let proven = Proven {
            network: self.network,
            feed: self.key,
            model: client::model(&self.model),
            verifying_key: client::verifying_key(
                &self.network,
                &VerifyingKey::hash_of(&secrets.key()),
            ),
            round: client::round(&self.key, state.round),
            attestation: *attestation,
        };
        let prove = client::attest_zk(&proven, secrets.prove(&input));
        self.bench.measure("attest_zk", "32 windows", &[prove], &[])
    }

    /// The Ed25519 instruction in which members sign a message.
    fn signatures(&self, members: &[usize], message: &[u8; 32]) -> Instruction {
        let signers = members.iter().map(|member| &self.members[*member].signer);
        tests::signatures(signers, message)
    }

    fn attested(&self, attestation: &Pubkey, state: &Attestation) -> Attested {
        Attested {
            network: self.network,
            feed: self.key,
            committee: self.committee,
            round: client::round(&self.key, state.round),
            attestation: *attestation,
        }
    }

    /// Runs a transaction, and records its cost if the case has a name.
    fn take(
        &self,
        instruction: &'static str,
        case: Option<&'static str>,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<()> {
        match case {
            Some(case) => self.bench.measure(instruction, case, instructions, signers),
            None => self.bench.run(instructions, signers).map(drop),
        }
    }
}

/// The model of every feed here.
pub fn model() -> Model {
    Model {
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

/// The largest gap tells feeds apart.
fn feed_args(creator: &Pubkey, model: &[u8; 32], max_gap: u32) -> Result<CreateFeedArgs> {
    // Rising cells of resolution 7.
    let cells: Vec<u64> = (0..CELLS as u64)
        .map(|number| 0x0872_a100_c0ff_ffff + ((number / 4) << 27) + ((number % 4) << 24))
        .collect();
    let (schema, aggregation) = (3, 0);
    let input = InputSpec {
        schema,
        max_gap_s: max_gap,
        cells: &cells,
    };
    let creator = creator.to_bytes();
    let id = feed_id(&NETWORK, &creator, model, &input, aggregation, ROUND)?;
    Ok(CreateFeedArgs {
        id,
        schema,
        max_gap,
        cells,
        aggregation,
        round_length: ROUND,
        required_mask: BY_COMMITTEE,
        min_signers: SIGNERS as u8,
        min_streams: 1,
        grace: GRACE,
        challenge_window: CHALLENGE,
        bond: 0,
        slash_bps: 1_000,
    })
}
