//! data-commitment: challenges of availability, their answers and settlements.

use crate::bench::Bench;
use crate::device_registry::{leaf, network_args};
use crate::stream::{full_batch, Proof};
use anchor_lang::prelude::Pubkey;
use anyhow::Result;
use commitment::ReadingLeaf;
use data_commitment::instructions::VerifyBatchArgs;
use data_commitment::state::Stream;
use device_protocol::{Curve, Hash, Reading, SessionGrant, SignedGrant, SignedReading, Values};
use device_registry::state::tree;
use device_registry::RegisterBatchArgs;
use fieldproof_client::chain::Chain;
use fieldproof_client::data_commitment::{self as client, Answer, ReadingPlace, Settling};
use fieldproof_client::device_registry::{self as registry, MakerGrant};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{Evidence, ProvenLeaf};
use fieldproof_client::security_pool as pools;
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{Roster, RosterTerms, MAX_OPERATORS, MIN_SEED};
use solana_signer::Signer;
use tests::START;

/// Depth of the registry's tree.
const DEPTH: u8 = tree::MAX_DEPTH;
/// Canopy of the registry's tree.
const CANOPY: u8 = tree::MIN_CANOPY;
/// Longer than an epoch and the evidence window, in seconds.
const COOLDOWN: i64 = 30 * 86_400;
/// What the operator stakes beside its seed, base units.
const STAKE: u64 = 10_000_000;
/// Batches of the commitment.
const BATCHES: u32 = 64;
/// The readings that are challenged: one is shown, one is not.
const SHOWN: u16 = 0;
const WITHHELD: u16 = 1;

/// Measures every instruction: a stream of 2^20 commitments, an operator in the roster's last slot, and a P-256 device's
/// session.
pub fn measure(bench: &Bench) -> Result<()> {
    let world = World::new(bench)?;
    let payer = bench.payer();
    let evidence = world.evidence()?;
    let committed = ReadingLeaf::of(&evidence.reading, evidence.grant.as_ref()).hash();
    let (batch, readings) = full_batch(committed)?;
    let proof = Proof::new(batch, BATCHES, START)?;
    bench.edit::<Stream>(&world.stream, |stream| proof.enter(stream))?;
    let batch = VerifyBatchArgs {
        commitment: proof.commitment.into(),
        mmr_path: proof.mmr_path,
        batch_index: 0,
        batch: proof.batch.into(),
        batch_path: proof.batch_path,
    };
    let challenge = |reading| {
        client::challenge_availability(
            &payer,
            &world.network,
            &world.stream,
            batch.clone(),
            reading,
        )
    };
    bench.run(&[challenge(WITHHELD)], &[])?;
    bench.measure(
        "challenge_availability",
        "stream of 2^20 commitments, 64 batches; the last of 64 slots",
        &[challenge(SHOWN)],
        &[],
    )?;

    let place = |reading| ReadingPlace {
        stream: world.stream,
        sequence: 0,
        batch: 0,
        reading,
    };
    let mut follower = Follower::new(&bench.harness.chain, world.tree)?;
    let (leaf, leaf_place) = leaf(bench, &mut follower, 0)?;
    let answer = Answer {
        evidence,
        key: world.device.device_key(),
        leaf: ProvenLeaf {
            tree: world.tree,
            tree_index: 0,
            leaf,
            place: leaf_place,
        },
        path: readings.path(SHOWN.into())?,
    };
    let answered = client::answer_availability(&payer, &world.network, &place(SHOWN), &answer, 0)?;
    bench.measure(
        "answer_availability",
        "P-256 session, 3 values, depth 24, canopy 10",
        &answered,
        &[],
    )?;

    bench.harness.advance(world.answer_window + 1);
    let settling = Settling {
        payer,
        challenger: payer,
        bounty: bench.harness.fund(&payer, &world.stake_mint, 0),
        network: world.network,
        network_id: world.id,
        stake_mint: world.stake_mint,
        pool: world.pool,
    };
    bench.measure_without(
        "settle_challenge",
        "without its slash; the last of 64 slots",
        &[client::settle_challenge(&settling, &place(WITHHELD))],
        &security_pool::ID,
    )
}

/// A network with an operator and a device.
struct World<'a> {
    bench: &'a Bench,
    id: Hash,
    network: Pubkey,
    answer_window: i64,
    stake_mint: Pubkey,
    tree: Pubkey,
    device: DeviceSigner,
    pool: Pubkey,
    stream: Pubkey,
}

impl<'a> World<'a> {
    fn new(bench: &'a Bench) -> Result<Self> {
        let (payer, authority) = (bench.payer(), bench.key());
        let key = authority.pubkey();
        let (reward_mint, stake_mint) = (bench.mint()?, bench.mint()?);
        let args = network_args(&authority);
        let network = registry::network(&args.id);
        let terms = RosterTerms {
            slashers: pools::slashers(),
            slash_cap_bps: 5_000,
            minimum_allocation: 1,
            max_leverage_bps: 10_000,
            bounty_bps: 3_000,
            insurance_bps: 3_000,
        };
        let maker = MakerGrant {
            key: payer,
            quota: 1,
            max_tier: 1,
        };
        let tree = bench.bare_key();
        let rent = bench.harness.chain.rent(tree::size(DEPTH, CANOPY))?;
        bench.run(
            &[
                registry::create_network(&payer, &key, &reward_mint, &stake_mint, args),
                pools::create_roster(&payer, &key, &network, &stake_mint, terms),
                registry::approve_maker(&payer, &network, &key, maker),
            ],
            &[&authority],
        )?;
        bench.run(
            &[
                registry::create_tree_account(&payer, &tree.pubkey(), DEPTH, CANOPY, rent),
                registry::add_tree(&network, &key, &tree.pubkey(), DEPTH, CANOPY),
            ],
            &[&authority, &tree],
        )?;
        let device = DeviceSigner::from_seed(Curve::P256, &[9; 32])?;
        let batch = RegisterBatchArgs {
            batch: 0,
            curve: Curve::P256 as u8,
            tier: 1,
            cell: 0,
            manifest_hash: [3; 32],
            keys: device.device_key().as_bytes().to_vec(),
        };
        bench.run(
            &[registry::register_batch(
                &network,
                &payer,
                &tree.pubkey(),
                batch,
            )],
            &[],
        )?;

        bench
            .harness
            .fund(&key, &stake_mint, MIN_SEED.saturating_add(STAKE));
        let pool = pools::pool(&stake_mint, &key);
        let terms = CreatePoolArgs {
            signer: key,
            cooldown: COOLDOWN,
            leverage_bps: 10_000,
            seed: MIN_SEED,
            takes_delegators: true,
        };
        bench.run(
            &[
                pools::create_pool(&payer, &key, &stake_mint, terms),
                pools::delegate(&payer, &key, &pool, &stake_mint, STAKE, 1, u64::MAX),
                pools::opt_in(&network, &pool, &key, STAKE),
                client::open_stream(&payer, &key, &network, &pool),
            ],
            &[&authority],
        )?;
        bench.edit::<Roster>(&pools::roster(&network), |roster| {
            roster.entries.swap(0, MAX_OPERATORS - 1);
        })?;
        Ok(Self {
            bench,
            id: args.id,
            network,
            answer_window: args.parameters.answer_window,
            stake_mint,
            tree: tree.pubkey(),
            device,
            pool,
            stream: client::stream(&network, &pool),
        })
    }

    /// A reading of a session that the device granted.
    fn evidence(&self) -> Result<Evidence> {
        let session = DeviceSigner::from_seed(Curve::Ed25519, &[7; 32])?;
        let now = self.bench.harness.now();
        let [session_key @ .., _] = session.device_key().bytes;
        let device = self.device.device_key().id();
        let grant = SessionGrant {
            network: self.id,
            device,
            leaf_nonce: 0,
            session_key,
            counter: 1,
            not_before: now,
            expires: now + SessionGrant::MAX_SECONDS,
        };
        let reading = Reading {
            network: self.id,
            device,
            leaf_nonce: 0,
            session: 1,
            sequence: 1,
            captured_at: now * 1_000,
            latitude: 520_000_000,
            longitude: 130_000_000,
            accuracy: 25,
            schema: 1,
            values: Values::new(&[1, 2, 3])?,
        };
        Ok(Evidence {
            reading: SignedReading {
                reading,
                signature: session.sign(&reading.digest()),
            },
            grant: Some(SignedGrant {
                grant,
                signature: self.device.sign(&grant.digest()),
            }),
        })
    }
}
