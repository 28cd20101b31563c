//! ai-feed: attestations that pass by time, what refutes them, and changes of policy. The attester is in the last of 64 slots
//! of the roster.

use crate::ai_feed::model;
use crate::bench::Bench;
use crate::device_registry::network_args;
use crate::stream::Proof;
use ai_feed::instructions::{CreateFeedArgs, SubmitAttestationArgs, WindowArgs};
use ai_feed::state::{Entry, Feed, Policy, BY_TIME, RING};
use anchor_lang::prelude::Pubkey;
use anyhow::Result;
use bytemuck::Zeroable;
use commitment::{BatchLeaf, ReadingLeaf, Tree, READINGS_DEPTH};
use data_commitment::instructions::VerifyBatchArgs;
use data_commitment::state::Stream;
use device_protocol::{feed_id, Hash, InputSpec, Reading, SignedGrant, SignedReading, Values};
use fieldproof_client::ai_feed::{self as client, Attesting, Challenging};
use fieldproof_client::data_commitment::{self as streams, ReadingPlace};
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::{device_registry as registry, security_pool as pools};
use inference::{ModelRef, READINGS, WINDOWS};
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{
    Committee, CommitteeEntry, Roster, RosterTerms, MAX_OPERATORS, MIN_SEED,
};
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::START;

/// Seconds of a round.
const ROUND: i64 = 60;
/// Seconds in which an attestation can be challenged.
const CHALLENGE: i64 = 600;
/// Longer than an epoch and the evidence window, in seconds.
const COOLDOWN: i64 = 30 * 86_400;
/// What the operator stakes beside its seed, base units.
const STAKE: u64 = 1_000_000_000;
/// Batches of each commitment.
const BATCHES: u32 = 64;
/// The window that is challenged, the last.
const LAST: u8 = WINDOWS as u8 - 1;

/// Measures every instruction.
pub fn measure(bench: &Bench) -> Result<()> {
    let world = World::new(bench)?;
    let payer = bench.payer();

    // Passes.
    let batch = world.batch(false)?;
    let attestation = world.attest(&batch, false, true)?;
    let place = ReadingPlace {
        stream: world.stream,
        sequence: 0,
        batch: 0,
        reading: 511,
    };
    let doubt = streams::challenge_availability(
        &payer,
        &world.network,
        &world.stream,
        world.proof(&batch)?,
        place.reading,
    );
    bench.run(&[doubt], &[])?;
    let stop = client::stop_clock(&world.network, &world.feed, &attestation, &place);
    bench.measure("stop_clock", "", &[stop], &[])?;
    bench
        .harness
        .chain
        .set_account(&place.challenge(), Account::default());
    let resume = client::resume_clock(&attestation, &place);
    bench.measure("resume_clock", "", &[resume], &[])?;
    bench.harness.advance(CHALLENGE);
    let round = client::round(&world.feed, batch.round);
    let pass = client::pass_attestation(
        &world.network,
        &world.feed,
        &world.stream,
        &round,
        &attestation,
    );
    bench.measure("pass_attestation", "", &[pass], &[])?;
    let finalize = client::finalize_round(&world.network, &world.feed, batch.round, &payer);
    bench.run(&[finalize], &[])?;
    let bonds = client::bonds(&world.network, &world.pool);
    let close = client::close_attestation(&world.feed, &attestation, &payer, Some(bonds));
    bench.measure("close_attestation", "with a bond", &[close], &[])?;

    // An output is wrong, in a round that is open, and in a value.
    let batch = world.batch(false)?;
    let attestation = world.attest(&batch, true, false)?;
    let args = client::output_challenge(&batch.windows, LAST)?;
    let challenging = world.challenging(&attestation, Some(&batch));
    bench.measure_without(
        "challenge_output",
        "without its slash; the last of 32 windows, the round is open",
        &[client::challenge_output(&challenging, args)],
        &security_pool::ID,
    )?;
    let batch = world.batch(false)?;
    let attestation = world.attest(&batch, true, false)?;
    world.fill_ring(batch.round)?;
    let args = client::output_challenge(&batch.windows, LAST)?;
    let challenging = world.challenging(&attestation, None);
    bench.measure_without(
        "challenge_output",
        "without its slash; the last of 32 windows, the value is found last of 64",
        &[client::challenge_output(&challenging, args)],
        &security_pool::ID,
    )?;
    bench.edit::<ai_feed::state::Attestation>(&attestation, |state| {
        state.signers = 1;
    })?;
    let slash = client::slash_signer(&challenging, &world.committee, 0, &world.accomplice);
    bench.measure_without(
        "slash_signer",
        "without its slash",
        &[slash],
        &security_pool::ID,
    )?;

    // A window is invented.
    let batch = world.batch(true)?;
    let attestation = world.attest(&batch, false, false)?;
    let args = client::window_challenge(&batch.windows, &batch.readings, LAST)?;
    let challenging = world.challenging(&attestation, Some(&batch));
    bench.measure_without(
        "challenge_window",
        "without its slash; 16 readings of 3 values, in a session",
        &[client::challenge_window(&challenging, args)],
        &security_pool::ID,
    )?;

    let propose = client::propose_policy(
        &world.feed,
        &world.network,
        &world.creator.pubkey(),
        policy(),
    );
    bench.measure("propose_policy", "", &[propose], &[&world.creator])?;
    bench.harness.advance(world.timelock);
    let apply = client::apply_policy(&world.feed, &world.network);
    bench.measure("apply_policy", "", &[apply], &[])
}

fn policy() -> Policy {
    Policy {
        required_mask: BY_TIME,
        min_signers: 1,
        min_streams: 1,
        slash_bps: 100,
        _pad: 0,
        grace: CHALLENGE,
        challenge_window: CHALLENGE,
        bond: STAKE / 100,
    }
}

/// A batch of 32 windows, all of one reading sixteen times over but for its time.
struct Batch {
    round: u64,
    readings: Vec<(SignedReading, Option<SignedGrant>)>,
    windows: Vec<WindowArgs>,
    outputs: [u8; 32],
    leaf: BatchLeaf,
}

/// A network with an operator, and a feed that takes its attestations by time.
struct World<'a> {
    bench: &'a Bench,
    id: Hash,
    network: Pubkey,
    timelock: i64,
    stake_mint: Pubkey,
    signer: Keypair,
    pool: Pubkey,
    accomplice: Pubkey,
    stream: Pubkey,
    committee: Pubkey,
    creator: Keypair,
    model: Hash,
    feed: Pubkey,
    bounty: Pubkey,
}

impl<'a> World<'a> {
    fn new(bench: &'a Bench) -> Result<Self> {
        let payer = bench.payer();
        let authority = bench.key();
        let key = authority.pubkey();
        let (reward_mint, stake_mint) = (bench.mint()?, bench.mint()?);
        let args = network_args(&authority);
        let (id, timelock) = (args.id, args.timelock);
        let network = registry::network(&id);
        let terms = RosterTerms {
            slashers: pools::slashers(),
            slash_cap_bps: 5_000,
            minimum_allocation: 1,
            max_leverage_bps: 10_000,
            bounty_bps: 3_000,
            insurance_bps: 3_000,
        };
        bench.run(
            &[
                registry::create_network(&payer, &key, &reward_mint, &stake_mint, args),
                pools::create_roster(&payer, &key, &network, &stake_mint, terms),
            ],
            &[&authority],
        )?;
        let accomplice = Self::open_pool(bench, &network, &stake_mint, &bench.key())?;
        let pool = Self::open_pool(bench, &network, &stake_mint, &authority)?;
        bench.edit::<Roster>(&pools::roster(&network), |roster| {
            roster.entries.swap(1, MAX_OPERATORS - 1);
        })?;
        let epoch = (bench.harness.now() - START) as u64 / 86_400;
        let committee = bench.address();
        let mut drawn = Committee {
            version: 1,
            network,
            epoch,
            count: MAX_OPERATORS as u32,
            total: STAKE,
            ..Committee::zeroed()
        };
        for entry in &mut drawn.entries {
            *entry = CommitteeEntry {
                pool: bench.address(),
                signer: payer,
                allocation: STAKE,
            };
        }
        drawn.entries[0].pool = accomplice;
        drawn.entries[MAX_OPERATORS - 1].pool = pool;
        bench.put(&committee, &drawn)?;

        let bytes = model().to_bytes();
        let model = inference::model_hash(&ModelRef::parse(&bytes)?, poseidon)?;
        let creator = bench.key();
        let input = InputSpec {
            schema: 3,
            max_gap_s: 120,
            cells: &[],
        };
        let policy = policy();
        let args = CreateFeedArgs {
            id: feed_id(&id, &creator.pubkey().to_bytes(), &model, &input, 0, ROUND)?,
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
        let feed = client::feed(&args.id);
        let create = client::create_feed(&payer, &creator.pubkey(), &network, &model, args);
        bench.run(&[create], &[&creator])?;
        let open = client::open_bonds(&payer, &network, &pool);
        bench.measure("open_bonds", "", &[open], &[])?;
        Ok(Self {
            bench,
            id,
            network,
            timelock,
            stake_mint,
            signer: authority,
            pool,
            accomplice,
            stream: streams::stream(&network, &pool),
            committee,
            creator,
            model,
            feed,
            bounty: bench.harness.fund(&payer, &stake_mint, 0),
        })
    }

    /// A pool with a stream and a seat, of an operator that signs for itself.
    fn open_pool(
        bench: &Bench,
        network: &Pubkey,
        stake_mint: &Pubkey,
        operator: &Keypair,
    ) -> Result<Pubkey> {
        let (payer, key) = (bench.payer(), operator.pubkey());
        bench.harness.fund(&key, stake_mint, MIN_SEED + STAKE);
        let pool = pools::pool(stake_mint, &key);
        let terms = CreatePoolArgs {
            signer: key,
            cooldown: COOLDOWN,
            leverage_bps: 10_000,
            seed: MIN_SEED,
            takes_delegators: true,
        };
        bench.run(
            &[
                pools::create_pool(&payer, &key, stake_mint, terms),
                pools::delegate(&payer, &key, &pool, stake_mint, STAKE, 1, u64::MAX),
                pools::opt_in(network, &pool, &key, STAKE),
                streams::open_stream(&payer, &key, network, &pool),
            ],
            &[operator],
        )?;
        Ok(pool)
    }

    /// A batch of the round that has just ended; the last window is invented if told so.
    fn batch(&self, invented: bool) -> Result<Batch> {
        let bench = self.bench;
        bench.harness.advance(ROUND);
        let round = bench.harness.now() as u64 / ROUND as u64 - 1;
        let end = (round as i64 * ROUND + 50) * 1_000;
        let grant = SignedGrant {
            signature: [6; 64],
            grant: device_protocol::SessionGrant {
                network: self.id,
                device: [5; 32],
                leaf_nonce: 0,
                session_key: [4; 32],
                counter: 1,
                not_before: 0,
                expires: 1,
            },
        };
        let mut readings = Vec::new();
        for index in 0..(WINDOWS * READINGS) as i64 {
            let within = index % READINGS as i64;
            let reading = Reading {
                network: self.id,
                device: [5; 32],
                leaf_nonce: 0,
                session: 1,
                sequence: index as u64,
                captured_at: end - 1_000 * (READINGS as i64 - 1 - within),
                latitude: 520_000_000,
                longitude: 130_000_000,
                accuracy: 25,
                schema: 3,
                values: Values::new(&[round as i32, 2, 3])?,
            };
            let signature = [7; 64];
            readings.push((SignedReading { reading, signature }, Some(grant)));
        }
        let bytes = model().to_bytes();
        let model = ModelRef::parse(&bytes)?;
        let values = [round as i32; READINGS];
        let window = WindowArgs {
            features: inference::features(model.header(), &values),
            tree: 0,
            index: 0,
            nonce: 0,
            last_capture: end,
        };
        let mut windows = vec![window; WINDOWS];
        windows[usize::from(LAST)].features[0] ^= u16::from(invented);
        let leaves = windows
            .iter()
            .map(|window| window.leaf())
            .collect::<Result<Vec<_>, _>>()?;
        let reading_leaves: Vec<Hash> = readings
            .iter()
            .map(|(signed, grant)| ReadingLeaf::of(signed, grant.as_ref()).hash())
            .collect();
        let leaf = BatchLeaf {
            readings_root: Tree::new(&reading_leaves, READINGS_DEPTH)?.root(),
            windows_root: inference::windows_root(&leaves, poseidon)?,
            windows: WINDOWS as u32,
            readings: readings.len() as u32,
            first_capture: end - 15_000,
            last_capture: end,
        };
        let outputs =
            std::array::from_fn(|place| inference::infer(&model, &windows[place].features));
        Ok(Batch {
            round,
            readings,
            windows,
            outputs,
            leaf,
        })
    }

    fn proof(&self, batch: &Batch) -> Result<VerifyBatchArgs> {
        let proof = Proof::new(batch.leaf, BATCHES, self.bench.harness.now())?;
        self.bench
            .edit::<Stream>(&self.stream, |stream| proof.enter(stream))?;
        Ok(VerifyBatchArgs {
            commitment: proof.commitment.into(),
            mmr_path: proof.mmr_path,
            batch_index: 0,
            batch: proof.batch.into(),
            batch_path: proof.batch_path,
        })
    }

    /// Attests a batch and shows its windows; the last output is wrong if told so. Records the cost if told so.
    fn attest(&self, batch: &Batch, wrong: bool, measured: bool) -> Result<Pubkey> {
        let bench = self.bench;
        let proof = self.proof(batch)?;
        let mut outputs = batch.outputs;
        outputs[usize::from(LAST)] ^= u8::from(wrong);
        let attesting = Attesting {
            payer: bench.payer(),
            attester: self.signer.pubkey(),
            network: self.network,
            feed: self.feed,
            model: client::model(&self.model),
            stream: self.stream,
            pool: self.pool,
            committee: self.committee,
            bonds: Some(client::bonds(&self.network, &self.pool)),
        };
        let args = SubmitAttestationArgs {
            round: batch.round,
            outputs,
            commitment: proof.commitment,
            mmr_path: proof.mmr_path,
            batch_index: 0,
            batch: proof.batch,
            batch_path: proof.batch_path,
        };
        let submit = [client::submit_attestation(&attesting, args)];
        let attestation = client::attestation(&self.feed, &self.stream, batch.round, 0, 0);
        let round = client::round(&self.feed, batch.round);
        let show = [client::show_windows(
            &round,
            &attestation,
            batch.windows.clone(),
        )];
        if measured {
            let case = "the round's first, with a bond; 32 windows, stream of 2^20 commitments";
            bench.measure("submit_attestation", case, &submit, &[&self.signer])?;
            bench.measure("show_windows", "32 windows", &show, &[])?;
        } else {
            bench.run(&submit, &[&self.signer])?;
            bench.run(&show, &[])?;
        }
        Ok(attestation)
    }

    fn challenging(&self, attestation: &Pubkey, open: Option<&Batch>) -> Challenging {
        Challenging {
            challenger: self.bench.payer(),
            bounty: self.bounty,
            network: self.network,
            network_id: self.id,
            stake_mint: self.stake_mint,
            feed: self.feed,
            model: client::model(&self.model),
            attestation: *attestation,
            pool: self.pool,
            round: open.map(|batch| client::round(&self.feed, batch.round)),
        }
    }

    /// Makes the feed one that has 64 values, of which the round's is in the last place.
    fn fill_ring(&self, round: u64) -> Result<()> {
        self.bench.edit::<Feed>(&self.feed, |feed| {
            for (place, entry) in (1..).zip(&mut feed.ring) {
                *entry = Entry {
                    round: round - RING as u64 + place,
                    ..Entry::zeroed()
                };
            }
            feed.entries = RING as u32;
            feed.head = RING as u32 - 1;
            feed.last_round = round;
            feed.ema = 0;
        })
    }
}
