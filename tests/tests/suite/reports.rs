//! Reports against devices and makers: what convicts, what it costs, and that nobody can be framed.

use super::security_pool::swap;
use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::{AnchorDeserialize, AnchorSerialize};
use commitment::{BatchLeaf, CommitmentLeaf, MmrBuilder, ReadingLeaf, Tree, READINGS_DEPTH};
use data_commitment::instructions::CommitRootArgs;
use data_commitment::state::Stream;
use device_protocol::{
    Curve, DeviceKey, Offence, Reading, RegistryLeaf, SessionGrant, SignedGrant, SignedReading,
    Status, Values, SIGNATURE_LEN,
};
use device_registry::error::RegistryError as E;
use device_registry::penalty::SLASHER;
use device_registry::state::stream;
use device_registry::{RegisterBatchArgs, ReportReadingsArgs};
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::device_registry as registry;
use fieldproof_client::key::{normalise_low_s, DeviceSigner};
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{
    report_contradiction, report_duplicate, report_table, Committed, Contradiction, Evidence,
    ProvenLeaf, Reporter,
};
use fieldproof_client::{data_commitment as streams, security_pool as pools, transaction};
use fieldproof_client::{precompile, ClientError};
use p256::ecdsa::signature::RandomizedSigner;
use rand::rngs::OsRng;
use security_pool::error::PoolError;
use security_pool::state::{Bond, Report};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::mem::offset_of;
use tests::fixture::{Device, Maker, Network, Operator, EVIDENCE_WINDOW, TOKEN};
use tests::{assert_refused, programs_dir, Harness};

/// The bond of a device of tier 1: ten tokens, less half.
const BOND: u64 = 5 * TOKEN;
/// The reporter's share of it: 30 %.
const BOUNTY: u64 = BOND * 3 / 10;
/// What owners and makers put up.
const POSTED: u64 = 20 * TOKEN;
/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;
/// Compute units of a report at most, without its slash.
const REPORT: u64 = 20_000;

type Outcome = Result<Execution, ClientError>;

/// A network with a bonded owner's device, and somebody who reports.
struct World {
    harness: Harness,
    network: Network,
    maker: Maker,
    owner: Keypair,
    device: Device,
    bounty: Pubkey,
}

impl World {
    fn new(curve: Curve) -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let maker = network.maker(&harness);
        let owner = harness.key();
        let device = network.device(&harness, &maker, &owner, curve, 0);
        let bounty = harness.fund(&harness.key().pubkey(), &network.stake_mint, 0);
        let world = Self {
            harness,
            network,
            maker,
            owner,
            device,
            bounty,
        };
        world.post_bond(&world.owner);
        world.harness.advance(3_600);
        world
    }

    /// Whose device is registered so long that it may be sold.
    fn sellable(curve: Curve) -> Self {
        let world = Self::new(curve);
        world.harness.advance(EVIDENCE_WINDOW);
        world
    }

    fn post_bond(&self, owner: &Keypair) {
        let mint = &self.network.stake_mint;
        self.harness.fund(&owner.pubkey(), mint, POSTED);
        let payer = self.harness.payer.pubkey();
        let post = pools::post_bond(&payer, &owner.pubkey(), &self.network.key, mint, POSTED);
        self.harness.send(&[post], &[owner]).expect("bond");
    }

    fn bonded(&self, owner: &Pubkey) -> u64 {
        let bond: Bond = self.harness.read(&pools::bond(&self.network.key, owner));
        bond.amount
    }

    fn key(&self) -> DeviceKey {
        self.device.signer.device_key()
    }

    /// A reading that the device may take now, of session 0.
    fn reading(&self) -> Reading {
        Reading {
            network: self.network.id,
            device: self.key().id(),
            leaf_nonce: 0,
            session: 0,
            sequence: 7,
            captured_at: self.harness.now() * 1_000,
            latitude: 520_000_000,
            longitude: 130_000_000,
            accuracy: 25,
            schema: 1,
            values: values(1),
        }
    }

    /// A reading that the device's hardware key signed.
    fn signed(&self, reading: Reading) -> Evidence {
        signed_by(&self.device.signer, reading)
    }

    /// Two readings of session 0 that contradict each other.
    fn equivocation(&self) -> [Evidence; 2] {
        let reading = self.reading();
        let other = Reading {
            values: values(2),
            ..reading
        };
        [self.signed(reading), self.signed(other)]
    }

    /// A session that begins now.
    fn session(&self, counter: u32) -> Session {
        Session::new(
            &self.device.signer,
            self.network.id,
            0,
            counter,
            self.harness.now(),
        )
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            network: self.network.key,
            network_id: self.network.id,
            stake_mint: self.network.stake_mint,
            payer: self.harness.payer.pubkey(),
            bounty: self.bounty,
        }
    }

    /// A leaf of one of the network's trees as it stands.
    fn leaf(&self, tree: Pubkey, index: u32) -> ProvenLeaf {
        let header: device_registry::state::Tree = self.harness.read(&tree);
        let mut follower = Follower::new(&self.harness.chain, tree).expect("tree");
        let registry = follower.catch_up(&self.harness.chain).expect("events");
        ProvenLeaf {
            tree,
            tree_index: header.index,
            leaf: registry.leaves()[index as usize],
            place: registry.place(index).expect("proof"),
        }
    }

    /// The device's leaf as it stands.
    fn accused(&self) -> ProvenLeaf {
        self.leaf(self.network.tree, self.device.registered.index)
    }

    fn instructions(
        &self,
        contradiction: Contradiction,
        accused: &ProvenLeaf,
        [first, second]: &[Evidence; 2],
        committed: Option<[Committed; 2]>,
    ) -> Vec<Instruction> {
        report_contradiction(
            &self.reporter(),
            contradiction,
            &self.key(),
            accused,
            [first, second],
            committed,
            0,
        )
        .expect("signatures")
    }

    fn report(&self, contradiction: Contradiction, evidence: &[Evidence; 2]) -> Outcome {
        let report = self.instructions(contradiction, &self.accused(), evidence, None);
        self.harness.send(&report, &[])
    }

    fn report_equivocation(&self, evidence: &[Evidence; 2]) -> Outcome {
        self.report(Contradiction::Equivocation, evidence)
    }

    fn report_travel(&self, evidence: &[Evidence; 2]) -> Outcome {
        self.report(Contradiction::Travel, evidence)
    }

    /// The report of an offence, if there is one.
    fn receipt(&self, offence: &Offence) -> Option<Report> {
        let key = pools::report(&SLASHER.0, &offence.id(&self.network.id));
        self.harness.exists(&key).then(|| self.harness.read(&key))
    }

    /// Asserts that the device is banned, its owner paid the bond, and the reporter has the bounty.
    #[track_caller]
    fn assert_convicted(&self) {
        let leaf = self.accused().leaf;
        assert_eq!(leaf.status, Status::Banned);
        let before = self.device.registered.leaf().unwrap();
        let status = Status::Banned;
        assert_eq!(leaf, RegistryLeaf { status, ..before });
        assert_eq!(self.bonded(&self.owner.pubkey()), POSTED - BOND);
        assert_eq!(self.harness.balance(&self.bounty), BOUNTY);
        let offence = Offence::Contradiction {
            device: &leaf.device,
            tree: 0,
            index: self.device.registered.index,
            leaf_nonce: 0,
        };
        let receipt = self.receipt(&offence).expect("report");
        assert_eq!(receipt.source, self.owner.pubkey());
        assert_eq!(receipt.destination, self.bounty);
        assert_eq!(receipt.amount, BOND);
    }

    /// Asserts that the device stands, nobody paid, and nobody got anything.
    #[track_caller]
    fn assert_unharmed(&self) {
        assert_eq!(self.accused().leaf, self.device.registered.leaf().unwrap());
        assert_eq!(self.bonded(&self.owner.pubkey()), POSTED);
        assert_eq!(self.harness.balance(&self.bounty), 0);
    }

    /// The device passes from its owner to another.
    fn sell(&self, buyer: &Keypair) -> Outcome {
        let accused = self.accused();
        let transfer = registry::transfer_device(
            &self.network.key,
            &self.network.tree,
            &buyer.pubkey(),
            &accused.leaf,
            accused.place,
        );
        self.harness.send(&[transfer], &[&self.owner, buyer])
    }
}

/// A session key with its grant.
struct Session {
    key: DeviceSigner,
    granted: SignedGrant,
}

impl Session {
    fn new(
        device: &DeviceSigner,
        network: [u8; 32],
        leaf_nonce: u32,
        counter: u32,
        now: i64,
    ) -> Self {
        let key = DeviceSigner::generate(Curve::Ed25519);
        let mut session_key = [0; 32];
        session_key.copy_from_slice(key.device_key().as_bytes());
        let grant = SessionGrant {
            network,
            device: device.device_key().id(),
            leaf_nonce,
            session_key,
            counter,
            not_before: now,
            expires: now + SessionGrant::MAX_SECONDS,
        };
        Self {
            key,
            granted: grant_of(device, grant),
        }
    }

    /// The reading as one of this session.
    fn signed(&self, reading: Reading) -> Evidence {
        let reading = Reading {
            session: self.granted.grant.counter,
            ..reading
        };
        Evidence {
            grant: Some(self.granted),
            ..signed_by(&self.key, reading)
        }
    }

    /// Two readings of this session that contradict each other, though not in time.
    fn equivocation(&self, reading: Reading) -> [Evidence; 2] {
        let later = Reading {
            captured_at: reading.captured_at + 1,
            ..reading
        };
        [self.signed(reading), self.signed(later)]
    }
}

fn grant_of(device: &DeviceSigner, grant: SessionGrant) -> SignedGrant {
    SignedGrant {
        grant,
        signature: device.sign(&grant.digest()),
    }
}

fn signed_by(signer: &DeviceSigner, reading: Reading) -> Evidence {
    Evidence {
        reading: SignedReading {
            reading,
            signature: signer.sign(&reading.digest()),
        },
        grant: None,
    }
}

/// Another signature of a P-256 key over the same message.
pub fn signed_anew(signer: &DeviceSigner, message: &[u8; 32]) -> [u8; SIGNATURE_LEN] {
    let DeviceSigner::P256(key) = signer else {
        panic!("Ed25519 keys always sign alike");
    };
    let signature: p256::ecdsa::Signature = key.sign_with_rng(&mut OsRng, message);
    let signature = normalise_low_s(&signature.to_bytes().into()).expect("signature");
    assert_ne!(signature, signer.sign(message));
    signature
}

fn values(value: i32) -> Values {
    Values::new(&[value]).expect("one value")
}

/// The reading, `north` (1e-7 degrees) further and `later` (ms).
fn moved(reading: Reading, north: i32, later: i64) -> Reading {
    Reading {
        latitude: reading.latitude + north,
        captured_at: reading.captured_at + later,
        sequence: reading.sequence + 1,
        ..reading
    }
}

/// A tenth of a degree, about 11 km.
const ELEVEN_KM: i32 = 1_000_000;

// What convicts

#[test]
fn an_equivocation_of_the_hardware_key_costs_the_owner_its_bond() {
    for curve in [Curve::Ed25519, Curve::P256] {
        let world = World::new(curve);
        world
            .report_equivocation(&world.equivocation())
            .expect("report");
        world.assert_convicted();
    }
}

#[test]
fn an_equivocation_in_a_session_convicts_by_its_grant() {
    for curve in [Curve::Ed25519, Curve::P256] {
        let world = World::new(curve);
        let evidence = world.session(3).equivocation(world.reading());
        world.report_equivocation(&evidence).expect("report");
        world.assert_convicted();
    }
}

#[test]
fn an_impossible_travel_convicts_within_and_between_sessions() {
    for curve in [Curve::Ed25519, Curve::P256] {
        for between in [false, true] {
            let world = World::new(curve);
            let first = world.reading();
            // About 11 km in 30 s; the network's devices reach 340 m/s.
            let second = moved(first, ELEVEN_KM, 30_000);
            world.harness.advance(60);
            let evidence = if between {
                let session = Session::new(
                    &world.device.signer,
                    world.network.id,
                    0,
                    1,
                    world.harness.now() - 60,
                );
                let other = Session::new(
                    &world.device.signer,
                    world.network.id,
                    0,
                    2,
                    world.harness.now() - 60,
                );
                [session.signed(first), other.signed(second)]
            } else {
                [world.signed(second), world.signed(first)]
            };
            world.report_travel(&evidence).expect("report");
            world.assert_convicted();
        }
    }
}

#[test]
fn two_places_at_once_convict() {
    let world = World::new(Curve::P256);
    let first = world.reading();
    // 56 m apart; the accuracies cover 50.
    let evidence = [world.signed(first), world.signed(moved(first, 5_100, 0))];
    world.report_travel(&evidence).expect("report");
    world.assert_convicted();
}

#[test]
fn the_values_of_the_largest_readings_are_evidence_too() {
    let world = World::new(Curve::P256);
    let reading = |first| Reading {
        values: Values::new(&[first; Values::MAX]).expect("values"),
        ..world.reading()
    };
    let evidence = world
        .session(1)
        .equivocation(reading(1))
        .map(|evidence| evidence);
    world.report_equivocation(&evidence).expect("report");
    world.assert_convicted();
}

#[test]
fn bytes_that_are_no_reading_are_no_evidence() {
    let world = World::new(Curve::Ed25519);
    let report = world.instructions(
        Contradiction::Equivocation,
        &world.accused(),
        &world.equivocation(),
        None,
    );
    let refused = |change: fn(&mut Vec<u8>), error: E| {
        let mut report = report.clone();
        let data = &mut report.last_mut().expect("report").data;
        let mut args = ReportReadingsArgs::try_from_slice(&data[8..]).expect("arguments");
        change(&mut args.second.reading);
        data.truncate(8);
        args.serialize(data).expect("arguments");
        assert_refused(world.harness.send(&report, &[]), error);
    };
    refused(|bytes| bytes.clear(), E::MalformedReading);
    refused(|bytes| bytes.truncate(36), E::MalformedReading);
    refused(|bytes| bytes.push(0), E::MalformedReading);
    // No values, beyond the pole, another value.
    refused(|bytes| bytes[32] = 0, E::MalformedReading);
    refused(
        |bytes| bytes[20..24].copy_from_slice(&900_000_001i32.to_le_bytes()),
        E::MalformedReading,
    );
    refused(|bytes| bytes[33] ^= 1, E::WrongReading);
    world.assert_unharmed();
}

#[test]
fn who_has_no_bond_is_banned_all_the_same() {
    let world = World::new(Curve::Ed25519);
    let owner = world.harness.key();
    let device = world
        .network
        .device(&world.harness, &world.maker, &owner, Curve::Ed25519, 0);
    let unbonded = World {
        owner,
        device,
        ..world
    };
    unbonded
        .report_equivocation(&unbonded.equivocation())
        .expect("report");
    assert_eq!(unbonded.accused().leaf.status, Status::Banned);
    assert_eq!(unbonded.harness.balance(&unbonded.bounty), 0);
}

/// Asserts what a report cost without its slash, which costs the more the longer its addresses take to find.
#[track_caller]
fn assert_budget(execution: &Execution) {
    let consumed = |program: &Pubkey| -> u64 {
        let prefix = format!("Program {program} consumed ");
        execution
            .logs
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix(&prefix)?.split(' ').next()?.parse().ok())
            .expect("log of consumption")
    };
    let slash = consumed(&security_pool::ID);
    let report = consumed(&device_registry::ID) - slash;
    println!("report: {report} CU, slash: {slash} CU");
    assert!(report <= REPORT, "{report}");
}

#[test]
fn reports_keep_to_their_budget() {
    for curve in [Curve::Ed25519, Curve::P256] {
        let world = World::new(curve);
        let execution = world.report_equivocation(&world.session(1).equivocation(world.reading()));
        assert_budget(&execution.expect("report"));

        let world = World::new(curve);
        let reading = world.reading();
        let [one, two] = [world.session(1), world.session(2)];
        let evidence = [
            one.signed(reading),
            two.signed(moved(reading, ELEVEN_KM, 0)),
        ];
        assert_budget(&world.report_travel(&evidence).expect("report"));
    }
}

#[test]
fn a_hardware_keys_equivocation_fits_a_v0_transaction() {
    for curve in [Curve::Ed25519, Curve::P256] {
        let mut world = World::new(curve);
        world.network.tree = Network::add_tree(&world.harness, &world.network.key, 24, 14);
        world.device = world
            .network
            .device(&world.harness, &world.maker, &world.owner, curve, 0);
        world.harness.advance(60);
        let report = world.instructions(
            Contradiction::Equivocation,
            &world.accused(),
            &world.equivocation(),
            None,
        );
        let table = report_table(&Pubkey::new_unique(), &report[1]);
        world.harness.put_table(&table);
        let prepared = transaction::prepare(
            &world.harness.chain,
            &report,
            &world.harness.payer,
            &[],
            &[table],
        )
        .expect("report");
        let message = &prepared.transaction.message;
        assert!(message.address_table_lookups().is_some());
        let bytes = transaction::size(&prepared.transaction).expect("size");
        println!("report_equivocation: {bytes} bytes");
        let landed = transaction::land(&world.harness.chain, &prepared).expect("report");
        assert_eq!(world.bonded(&world.owner.pubkey()), POSTED - BOND);
        assert_eq!(world.harness.balance(&world.bounty), BOUNTY);

        // What it may load counts among its costs, so it may load little more than it does.
        let loaded = largest_loaded(&world);
        let limit = loaded_data_limit(&landed);
        assert!((loaded..2 * loaded).contains(&limit), "{loaded}, {limit}");
    }
}

/// Bytes of the largest accounts that a report loads: the tree and the programs that it runs.
fn largest_loaded(world: &World) -> usize {
    let tree = world.harness.chain.account(&world.network.tree);
    let tree = tree.expect("chain").expect("tree").data.len();
    let programs = ["device_registry.so", "security_pool.so"].map(|name| {
        let file = std::fs::metadata(programs_dir().join(name)).expect("program");
        file.len() as usize
    });
    tree + programs.iter().sum::<usize>()
}

/// What a v0 transaction's compute-budget instruction lets it load, in bytes.
fn loaded_data_limit(execution: &Execution) -> usize {
    let program: Pubkey = "ComputeBudget111111111111111111111111111111"
        .parse()
        .expect("address");
    let mut limits = execution.outer.iter().filter_map(|invocation| {
        let data = invocation.data.strip_prefix(&[4u8])?;
        let limit = u32::from_le_bytes(data.try_into().ok()?);
        (invocation.program == program).then_some(limit as usize)
    });
    limits.next().expect("a limit")
}

// Duplicates

impl World {
    /// The device registered a second time, by the same owner with a voucher of that maker.
    fn registered_again(&self, maker: &Maker) -> ProvenLeaf {
        let again = self
            .network
            .register(
                &self.harness,
                maker,
                &self.owner,
                self.device.signer.clone(),
                0,
            )
            .expect("registration");
        self.leaf(again.registered.tree, again.registered.index)
    }

    /// The device in a batch of that maker.
    fn vouched(&self, maker: &Maker, batch: u64) -> ProvenLeaf {
        let key = self.key();
        let args = RegisterBatchArgs {
            batch,
            curve: key.curve as u8,
            tier: 1,
            cell: 0,
            manifest_hash: [3; 32],
            keys: key.as_bytes().to_vec(),
        };
        let register = registry::register_batch(
            &self.network.key,
            &maker.key.pubkey(),
            &self.network.tree,
            args,
        );
        let execution = self
            .harness
            .send(&[register], &[&maker.key])
            .expect("batch");
        let event = registry::registry_events(&execution).pop().expect("event");
        self.leaf(event.tree(), event.index())
    }

    fn report_duplicate(&self, kept: &ProvenLeaf, duplicate: &ProvenLeaf) -> Outcome {
        let report = report_duplicate(&self.reporter(), kept, duplicate);
        self.harness.send(&[report], &[])
    }

    #[track_caller]
    fn assert_void(&self, duplicate: &ProvenLeaf) {
        let leaf = self.leaf(duplicate.tree, duplicate.place.index).leaf;
        let status = Status::Void;
        assert_eq!(
            leaf,
            RegistryLeaf {
                status,
                ..duplicate.leaf
            }
        );
    }
}

#[test]
fn a_maker_pays_for_two_leaves_of_one_device() {
    for another_tree in [false, true] {
        let mut world = World::new(Curve::P256);
        world.post_bond(&world.maker.key);
        if another_tree {
            world.network.tree = Network::add_tree(&world.harness, &world.network.key, 20, 10);
        }
        let duplicate = world.registered_again(&world.maker);
        let device = &world.device.registered;
        let kept = world.leaf(device.tree, device.index);
        assert_refused(world.report_duplicate(&duplicate, &kept), E::LeafStays);
        assert_refused(world.report_duplicate(&kept, &kept), E::LeafStays);

        let execution = world.report_duplicate(&kept, &duplicate).expect("report");
        assert_budget(&execution);
        world.assert_void(&duplicate);
        assert_eq!(world.leaf(kept.tree, kept.place.index).leaf, kept.leaf);
        assert_eq!(world.bonded(&world.maker.key.pubkey()), POSTED - BOND);
        assert_eq!(world.bonded(&world.owner.pubkey()), POSTED);
        assert_eq!(world.harness.balance(&world.bounty), BOUNTY);

        // Once.
        let kept = world.leaf(kept.tree, kept.place.index);
        assert_refused(world.report_duplicate(&kept, &duplicate), E::LeafChanged);
        let void = world.leaf(duplicate.tree, duplicate.place.index);
        assert_refused(world.report_duplicate(&kept, &void), E::DeviceVoid);
        assert_refused(world.report_duplicate(&void, &kept), E::DeviceVoid);
    }
}

#[test]
fn a_vouched_leaf_yields_to_a_proven_one_and_its_maker_keeps_its_bond() {
    let world = World::new(Curve::P256);
    let squatter = world.network.maker(&world.harness);
    world.post_bond(&squatter.key);
    world.post_bond(&world.maker.key);
    // The squatter is first, with the ids of another maker's devices.
    let signer = DeviceSigner::generate(Curve::P256);
    let device = Device {
        signer: signer.clone(),
        registered: world.device.registered.clone(),
    };
    let world = World { device, ..world };
    let squatted = world.vouched(&squatter, 0);
    world.harness.advance(60);
    let proven = world.registered_again(&world.maker);
    assert_refused(world.report_duplicate(&squatted, &proven), E::LeafStays);
    let squatted = world.leaf(squatted.tree, squatted.place.index);
    world.report_duplicate(&proven, &squatted).expect("report");
    world.assert_void(&squatted);
    for maker in [&squatter, &world.maker] {
        assert_eq!(world.bonded(&maker.key.pubkey()), POSTED);
    }
    assert_eq!(world.harness.balance(&world.bounty), 0);
    let offence = Offence::DuplicateKey {
        device: &squatted.leaf.device,
        tree: 0,
        index: squatted.place.index,
    };
    let receipt = world.receipt(&offence).expect("report");
    assert_eq!((receipt.amount, receipt.source), (0, squatter.key.pubkey()));
}

#[test]
fn of_two_vouched_leaves_the_later_yields() {
    let world = World::new(Curve::Ed25519);
    world.post_bond(&world.maker.key);
    let signer = DeviceSigner::generate(Curve::Ed25519);
    let device = Device {
        signer,
        registered: world.device.registered.clone(),
    };
    let world = World { device, ..world };
    let (first, second) = (
        world.vouched(&world.maker, 0),
        world.vouched(&world.maker, 1),
    );
    let first = world.leaf(first.tree, first.place.index);
    assert_refused(world.report_duplicate(&second, &first), E::LeafStays);
    world.report_duplicate(&first, &second).expect("report");
    world.assert_void(&second);
    assert_eq!(world.bonded(&world.maker.key.pubkey()), POSTED - BOND);
}

#[test]
fn nobody_is_framed_by_leaves_that_are_not_two_of_one_device() {
    let world = World::new(Curve::Ed25519);
    world.post_bond(&world.maker.key);
    let own = world.accused();
    let other = world.network.device(
        &world.harness,
        &world.maker,
        &world.owner,
        Curve::Ed25519,
        0,
    );
    let other = world.leaf(other.registered.tree, other.registered.index);
    let own = world.leaf(own.tree, own.place.index);
    assert_refused(world.report_duplicate(&own, &other), E::TwoDevices);
    // A leaf that says it is the same device is in no tree.
    let forged = ProvenLeaf {
        leaf: RegistryLeaf {
            device: own.leaf.device,
            ..other.leaf
        },
        ..other.clone()
    };
    assert_refused(world.report_duplicate(&own, &forged), E::WrongProof);
    let (own_forged, other_own) = (
        ProvenLeaf {
            leaf: RegistryLeaf {
                device: other.leaf.device,
                ..own.leaf
            },
            ..own.clone()
        },
        other,
    );
    assert_refused(
        world.report_duplicate(&own_forged, &other_own),
        E::WrongProof,
    );
    assert_eq!(world.bonded(&world.maker.key.pubkey()), POSTED);
}

#[test]
fn a_replayed_registration_makes_no_second_leaf() {
    // Whoever saw a device's registration has both signatures, but the voucher counts once.
    let world = World::new(Curve::P256);
    world.maker.next.set(world.maker.next.get() - 1);
    let again = world.network.register(
        &world.harness,
        &world.maker,
        &world.owner,
        world.device.signer.clone(),
        0,
    );
    let Err(error) = again else {
        panic!("the voucher was taken twice");
    };
    assert_refused(Err(error), E::VoucherUsed);
}

// Nobody is framed by readings that are no offence

#[test]
fn the_same_reading_twice_is_no_equivocation() {
    for curve in [Curve::Ed25519, Curve::P256] {
        let world = World::new(curve);
        let evidence = world.signed(world.reading());
        assert_refused(
            world.report_equivocation(&[evidence, evidence]),
            E::SameReading,
        );
        assert_refused(world.report_travel(&[evidence, evidence]), E::SameReading);
        let session = world.session(1).signed(world.reading());
        assert_refused(
            world.report_equivocation(&[session, session]),
            E::SameReading,
        );
        world.assert_unharmed();
    }
}

#[test]
fn a_reboot_that_loses_the_counter_is_no_equivocation() {
    let world = World::new(Curve::P256);
    let [first, _] = world.equivocation();
    world.harness.advance(60);
    let rebooted = Reading {
        sequence: first.reading.reading.sequence,
        ..world.reading()
    };
    assert_refused(
        world.report_equivocation(&[first, world.signed(rebooted)]),
        E::Reboot,
    );
    world.assert_unharmed();
}

#[test]
fn a_reboot_that_loses_the_count_of_grants_is_no_equivocation() {
    for curve in [Curve::Ed25519, Curve::P256] {
        let world = World::new(curve);
        let reading = world.reading();
        let first = world.session(1).signed(reading);
        world.harness.advance(60);
        let again = world.session(1).signed(world.reading());
        assert_refused(world.report_equivocation(&[first, again]), E::TwoGrants);
        world.assert_unharmed();
    }
}

#[test]
fn readings_of_two_sessions_or_sequences_are_no_equivocation() {
    let world = World::new(Curve::Ed25519);
    let reading = world.reading();
    let (one, two) = (world.session(1), world.session(2));
    assert_refused(
        world.report_equivocation(&[one.signed(reading), two.signed(reading)]),
        E::OtherSession,
    );
    assert_refused(
        world.report_equivocation(&[world.signed(reading), two.signed(reading)]),
        E::OtherSession,
    );
    assert_refused(
        world.report_equivocation(&[one.signed(reading), one.signed(moved(reading, 0, 0))]),
        E::OtherSequence,
    );
    world.assert_unharmed();
}

#[test]
fn a_jump_within_the_accuracies_is_no_travel() {
    let world = World::new(Curve::P256);
    let first = world.reading();
    // 44 m in no time, and both are accurate to 25 m.
    let jump = moved(first, 4_000, 0);
    assert_refused(
        world.report_travel(&[world.signed(first), world.signed(jump)]),
        E::WithinReach,
    );
    // 11 km in 40 s, at less than the network's 340 m/s.
    world.harness.advance(60);
    let drive = moved(first, ELEVEN_KM, 40_000);
    assert_refused(
        world.report_travel(&[world.signed(first), world.signed(drive)]),
        E::WithinReach,
    );
    world.assert_unharmed();
}

#[test]
fn readings_outside_the_evidence_window_count_no_more() {
    let world = World::new(Curve::Ed25519);
    let evidence = world.equivocation();
    // Signed ahead of time, they have misled nobody yet.
    let early = evidence.map(|evidence| {
        let reading = evidence.reading.reading;
        world.signed(Reading {
            captured_at: reading.captured_at + 1_000,
            ..reading
        })
    });
    assert_refused(world.report_equivocation(&early), E::EvidenceFromFuture);
    world.harness.advance(EVIDENCE_WINDOW + 1);
    assert_refused(world.report_equivocation(&evidence), E::EvidenceTooOld);
    world.assert_unharmed();
    // A second earlier, which is when the later ones were captured, they do.
    world.report_equivocation(&early).expect("report");
    world.assert_convicted();
}

#[test]
fn readings_from_before_the_registration_do_not_count_against_the_owner() {
    // A maker who has had the device sign before it is sold.
    let world = World::new(Curve::P256);
    let evidence = world.equivocation().map(|evidence| {
        let reading = evidence.reading.reading;
        world.signed(Reading {
            captured_at: world.device.registered.owner_changed_at * 1_000 - 1,
            ..reading
        })
    });
    assert_refused(world.report_equivocation(&evidence), E::CapturedBeforeOwner);
    world.assert_unharmed();
}

#[test]
fn the_same_evidence_counts_once() {
    let world = World::new(Curve::P256);
    let evidence = world.equivocation();
    let stale = world.accused();
    world.report_equivocation(&evidence).expect("report");
    world.assert_convicted();
    assert_refused(world.report_equivocation(&evidence), E::DeviceBanned);
    let replayed = world.instructions(Contradiction::Equivocation, &stale, &evidence, None);
    assert_refused(world.harness.send(&replayed, &[]), E::LeafChanged);
    let more = [
        world.signed(world.reading()),
        world.signed(moved(world.reading(), ELEVEN_KM, 0)),
    ];
    assert_refused(world.report_travel(&more), E::DeviceBanned);
    world.assert_convicted();
}

// Nobody is framed by what others signed

#[test]
fn readings_of_another_network_or_device_are_not_the_devices() {
    let world = World::new(Curve::Ed25519);
    let [first, second] = world.equivocation();
    let other = Network::with_nonce(&world.harness, 1);
    let elsewhere = world.signed(Reading {
        network: other.id,
        ..second.reading.reading
    });
    assert_refused(
        world.report_equivocation(&[first, elsewhere]),
        E::WrongReading,
    );
    let neighbour = DeviceSigner::generate(Curve::Ed25519);
    let neighbours = signed_by(&neighbour, second.reading.reading);
    // Said to be signed by the device, the precompile itself refuses; said by the neighbour's key, the program.
    let report = report_contradiction(
        &world.reporter(),
        Contradiction::Equivocation,
        &neighbour.device_key(),
        &world.accused(),
        [&neighbours, &signed_by(&neighbour, first.reading.reading)],
        None,
        0,
    )
    .expect("signatures");
    assert_refused(world.harness.send(&report, &[]), E::WrongReading);
    let nonce = world.signed(Reading {
        leaf_nonce: 1,
        ..second.reading.reading
    });
    assert_refused(world.report_equivocation(&[first, nonce]), E::WrongReading);
    world.assert_unharmed();
}

#[test]
fn a_session_is_the_devices_only_by_its_own_grant() {
    let world = World::new(Curve::P256);
    let session = world.session(1);
    let evidence = session.equivocation(world.reading());
    let shown = |key: &DeviceSigner, grant: SignedGrant| {
        let evidence = evidence.map(|evidence| Evidence {
            grant: Some(grant),
            ..evidence
        });
        report_contradiction(
            &world.reporter(),
            Contradiction::Equivocation,
            &key.device_key(),
            &world.accused(),
            evidence.each_ref(),
            None,
            0,
        )
        .expect("signatures")
    };
    // Another device granted it.
    let neighbour = DeviceSigner::generate(Curve::P256);
    let foreign = grant_of(&neighbour, session.granted.grant);
    assert_refused(
        world.harness.send(&shown(&neighbour, foreign), &[]),
        E::WrongGrant,
    );
    // The device granted something else.
    for change in [
        (|grant| grant.counter += 1) as fn(&mut SessionGrant),
        |grant| grant.leaf_nonce += 1,
        |grant| grant.network = [9; 32],
        |grant| grant.device = [9; 32],
    ] {
        let mut grant = session.granted.grant;
        change(&mut grant);
        let other = grant_of(&world.device.signer, grant);
        assert_refused(
            world.harness.send(&shown(&world.device.signer, other), &[]),
            E::WrongGrant,
        );
    }
    // The device granted it to another key than the one that signed.
    let thief = DeviceSigner::generate(Curve::Ed25519);
    let key = thief.device_key();
    let stolen = evidence.map(|evidence| signed_by(&thief, evidence.reading.reading));
    let digests = stolen.map(|evidence| evidence.reading.reading.digest());
    let mut report = shown(&world.device.signer, session.granted);
    report[1] = precompile::ed25519(&[0, 1].map(|at| precompile::Entry {
        public_key: key.as_bytes(),
        message: &digests[at],
        signature: &stolen[at].reading.signature,
    }))
    .expect("signatures");
    assert_refused(world.harness.send(&report, &[]), E::WrongGrant);
    world.assert_unharmed();
}

#[test]
fn a_session_key_signs_for_nobody_outside_its_session() {
    let world = World::new(Curve::P256);
    let session = world.session(1);
    world.harness.advance(SessionGrant::MAX_SECONDS + 60);
    // A day later the key is no secret any more.
    assert_refused(
        world.report_equivocation(&session.equivocation(world.reading())),
        E::OutsideSession,
    );
    let endless = Session {
        granted: grant_of(
            &world.device.signer,
            SessionGrant {
                expires: session.granted.grant.expires + 1,
                ..session.granted.grant
            },
        ),
        key: session.key.clone(),
    };
    assert_refused(
        world.report_equivocation(&endless.equivocation(world.reading())),
        E::InvalidGrant,
    );
    // Session 0 has no grants, the others need one.
    let reading = world.reading();
    let ungranted = [1, 2].map(|value| {
        world.signed(Reading {
            session: 1,
            values: values(value),
            ..reading
        })
    });
    assert_refused(world.report_equivocation(&ungranted), E::GrantMissing);
    let session_zero = Session {
        granted: grant_of(
            &world.device.signer,
            SessionGrant {
                counter: 0,
                ..session.granted.grant
            },
        ),
        key: session.key,
    };
    assert_refused(
        world.report_equivocation(&session_zero.equivocation(reading)),
        E::InvalidGrant,
    );
    world.assert_unharmed();
}

#[test]
fn signatures_are_taken_only_where_they_are() {
    let world = World::new(Curve::P256);
    let evidence = world.session(1).equivocation(world.reading());
    let accused = world.accused();
    let report = world.instructions(Contradiction::Equivocation, &accused, &evidence, None);
    let [grants, readings, call] = report.clone().try_into().expect("three instructions");
    // In another order: the references point to the wrong curve's instruction, to the report, or beyond the last.
    for order in [
        vec![readings.clone(), grants.clone(), call.clone()],
        vec![call.clone(), grants.clone(), readings.clone()],
        vec![grants.clone(), call.clone(), readings.clone()],
        vec![readings.clone(), call.clone()],
    ] {
        assert_refused(world.harness.send(&order, &[]), E::BadSignatureReference);
    }
    // One signature of three is missing.
    let mut fewer = readings.clone();
    let first = evidence[0].reading;
    fewer.data = precompile::ed25519(&[precompile::Entry {
        public_key: &evidence[0].grant.expect("grant").grant.session_key,
        message: &first.reading.digest(),
        signature: &first.signature,
    }])
    .expect("signature")
    .data;
    assert_refused(
        world
            .harness
            .send(&[grants.clone(), fewer, call.clone()], &[]),
        E::BadSignatureReference,
    );
    // The message of the second reading's signature lies in another instruction, whose bytes the program doesn't read.
    let mut elsewhere = readings.clone();
    let message_instruction = 2 + 14 + 12;
    elsewhere.data[message_instruction..][..2].copy_from_slice(&3u16.to_le_bytes());
    let copy = Instruction {
        program_id: Pubkey::new_from_array(*introspection::Precompile::Ed25519.id()),
        ..readings.clone()
    };
    assert_refused(
        world.harness.send(&[grants, elsewhere, call, copy], &[]),
        E::BadSignatureReference,
    );
    world.assert_unharmed();
    world.harness.send(&report, &[]).expect("report");
    world.assert_convicted();
}

// Nobody is framed by other accounts

#[test]
fn a_report_takes_its_own_accounts_alone() {
    let world = World::new(Curve::Ed25519);
    let evidence = world.equivocation();
    let victim = world.harness.key();
    world.post_bond(&victim);
    let other = Network::with_nonce(&world.harness, 1);
    let accused = world.accused();
    let report = world.instructions(Contradiction::Equivocation, &accused, &evidence, None);
    let (network, own) = (world.network.key, world.owner.pubkey());
    let roster = pools::roster(&network);
    let swapped = |from: &Pubkey, to: &Pubkey| {
        let mut report = report.clone();
        report[1] = swap(report[1].clone(), from, to);
        world.harness.send(&report, &[])
    };

    assert_refused(swapped(&network, &other.key), E::WrongNetwork);
    assert_refused(swapped(&world.network.tree, &other.tree), E::WrongNetwork);
    assert_refused(
        swapped(
            &pools::bond(&network, &own),
            &pools::bond(&network, &victim.pubkey()),
        ),
        PoolError::WrongBond,
    );
    // A friend of the owner would have the offence recorded, and nothing taken.
    assert_refused(
        swapped(&pools::bond(&network, &own), &Pubkey::new_unique()),
        PoolError::WrongBond,
    );
    assert_refused(
        swapped(&roster, &pools::roster(&other.key)),
        PoolError::WrongRoster,
    );
    assert_refused(
        swapped(&pools::bond_vault(&network), &pools::bond_vault(&other.key)),
        PoolError::WrongBondVault,
    );
    let foreign = world
        .harness
        .fund(&victim.pubkey(), &world.network.reward_mint, 0);
    assert_refused(swapped(&world.bounty, &foreign), PoolError::WrongMint);
    let offence = Offence::Contradiction {
        device: &accused.leaf.device,
        tree: 0,
        index: accused.place.index,
        leaf_nonce: 1,
    };
    let receipt = |offence: &Offence| pools::report(&SLASHER.0, &offence.id(&world.network.id));
    let own_offence = Offence::Contradiction {
        device: &accused.leaf.device,
        tree: 0,
        index: accused.place.index,
        leaf_nonce: 0,
    };
    assert_refused(
        swapped(&receipt(&own_offence), &receipt(&offence)),
        PoolError::MisplacedReport,
    );
    for address in [SLASHER.0, slashing::SECURITY_POOL] {
        assert_refused(
            swapped(&address, &Pubkey::new_unique()),
            ErrorCode::ConstraintAddress,
        );
    }
    assert_refused(
        swapped(&Instructions::id(), &Pubkey::new_unique()),
        ErrorCode::ConstraintAddress,
    );
    world.assert_unharmed();
    assert_eq!(world.bonded(&victim.pubkey()), POSTED);
}

#[test]
fn a_leaf_is_taken_only_as_the_tree_has_it() {
    let world = World::new(Curve::Ed25519);
    let evidence = world.equivocation();
    let accused = world.accused();
    let victim = world.harness.key();
    world.post_bond(&victim);
    let forged = |change: fn(&mut RegistryLeaf, [u8; 32])| {
        let mut forged = accused.clone();
        change(&mut forged.leaf, victim.pubkey().to_bytes());
        let report = world.instructions(Contradiction::Equivocation, &forged, &evidence, None);
        world.harness.send(&report, &[])
    };
    assert_refused(forged(|leaf, victim| leaf.owner = victim), E::WrongProof);
    assert_refused(forged(|leaf, _| leaf.tier = 0), E::WrongProof);
    assert_refused(forged(|leaf, _| leaf.owner_changed_at -= 1), E::WrongProof);
    assert_refused(
        forged(|leaf, _| leaf.status = Status::Vouched),
        E::WrongProof,
    );
    assert_refused(forged(|leaf, victim| leaf.device = victim), E::WrongReading);
    // Another device's leaf, with this one's readings.
    let other = world
        .network
        .device(&world.harness, &world.maker, &victim, Curve::Ed25519, 0);
    let other = world.leaf(other.registered.tree, other.registered.index);
    let report = world.instructions(Contradiction::Equivocation, &other, &evidence, None);
    assert_refused(world.harness.send(&report, &[]), E::WrongReading);
    world.assert_unharmed();
    assert_eq!(world.bonded(&victim.pubkey()), POSTED);
}

// Nobody is framed by a sale

/// An operator's stream that committed to readings.
struct Committing {
    operator: Operator,
    readings: Tree,
    batch: BatchLeaf,
    commitment: CommitmentLeaf,
    mmr: MmrBuilder,
}

impl Committing {
    fn new(world: &World, operator: Operator, evidence: &[Evidence; 2]) -> Self {
        let mut leaves = vec![[0; 32]; 16];
        for (place, evidence) in leaves.iter_mut().zip(evidence) {
            *place = ReadingLeaf::of(&evidence.reading, evidence.grant.as_ref()).hash();
        }
        let readings = Tree::new(&leaves, READINGS_DEPTH).expect("tree");
        let batch = BatchLeaf {
            readings_root: readings.root(),
            windows_root: [1; 32],
            windows: 1,
            readings: 16,
            first_capture: 0,
            last_capture: 1,
        };
        let batches = Tree::of_batches(&[batch.hash()]).expect("tree");
        let commitment = CommitmentLeaf {
            sequence: 0,
            posted_at: world.harness.now(),
            root: batches.root(),
            batches: 1,
            payload_hash: [2; 32],
            payload_len: 3,
        };
        let commit = streams::commit_root(
            &operator.signer.pubkey(),
            &world.network.key,
            &operator.pool,
            CommitRootArgs {
                sequence: 0,
                root: commitment.root,
                batches: 1,
                payload_hash: commitment.payload_hash,
                payload_len: commitment.payload_len,
            },
        );
        world
            .harness
            .send(&[commit], &[&operator.signer])
            .expect("commitment");
        let mut mmr = MmrBuilder::new();
        mmr.append(commitment.hash()).expect("leaf");
        Self {
            operator,
            readings,
            batch,
            commitment,
            mmr,
        }
    }

    fn committed(&self, reading_index: u16) -> Committed {
        Committed::new(
            self.operator.stream,
            &self.commitment,
            self.mmr.path(0).expect("path"),
            (0, &self.batch, Vec::new()),
            (
                reading_index,
                self.readings.path(reading_index.into()).expect("path"),
            ),
        )
    }

    fn both(&self) -> [Committed; 2] {
        [self.committed(0), self.committed(1)]
    }
}

impl World {
    fn report_previous(
        &self,
        evidence: &[Evidence; 2],
        committed: Option<[Committed; 2]>,
    ) -> Outcome {
        let report = self.instructions(
            Contradiction::Equivocation,
            &self.accused(),
            evidence,
            committed,
        );
        self.harness.send(&report, &[])
    }
}

#[test]
fn what_a_seller_signed_before_a_sale_costs_the_seller_alone() {
    let world = World::sellable(Curve::P256);
    let operator = world.network.operator(&world.harness, 1_000);
    let evidence = world.equivocation();
    let stream = Committing::new(&world, operator, &evidence);
    let buyer = world.harness.key();
    world.post_bond(&buyer);
    world.harness.advance(60);
    world.sell(&buyer).expect("sale");
    let sold = world.accused().leaf;
    assert_eq!(sold.owner, buyer.pubkey().to_bytes());

    world
        .report_previous(&evidence, Some(stream.both()))
        .expect("report");
    assert_eq!(world.bonded(&world.owner.pubkey()), POSTED - BOND);
    assert_eq!(world.bonded(&buyer.pubkey()), POSTED);
    assert_eq!(world.harness.balance(&world.bounty), BOUNTY);
    assert_eq!(world.accused().leaf, sold);
    assert_refused(
        world.report_previous(&evidence, Some(stream.both())),
        ALREADY_IN_USE,
    );
}

#[test]
fn a_buyer_can_not_sign_for_the_seller() {
    let world = World::sellable(Curve::P256);
    let operator = world.network.operator(&world.harness, 1_000);
    let session = world.session(1);
    let before = world.reading();
    let buyer = world.harness.key();
    world.post_bond(&buyer);
    world.harness.advance(60);
    world.sell(&buyer).expect("sale");

    // Whoever has the device and its old session key now can sign what the seller never did.
    let evidence = session.equivocation(before);
    assert_refused(world.report_previous(&evidence, None), E::CommitmentMissing);
    let stream = Committing::new(&world, operator, &evidence);
    assert_refused(
        world.report_previous(&evidence, Some(stream.both())),
        E::CommittedTooLate,
    );
    let backdated = stream.both().map(|mut committed| {
        committed.proof.posted_at -= 60;
        committed
    });
    assert_refused(
        world.report_previous(&evidence, Some(backdated)),
        E::NotCommitted,
    );
    assert_eq!(world.bonded(&world.owner.pubkey()), POSTED);
}

#[test]
fn a_buyer_can_not_sign_what_was_committed_before_the_sale() {
    let world = World::sellable(Curve::P256);
    let device = &world.device.signer;
    let honest = world.session(1);
    let before = world.reading();
    // A session key of the buyer's own, which the device grants once it is the buyer's.
    let own = world.session(2);
    let by_device = world.equivocation();
    let by_own_key = own.equivocation(before);
    let by_session = honest.equivocation(before);
    let made_up = [7; SIGNATURE_LEN];
    let unsigned = |evidence: &[Evidence; 2]| {
        evidence.map(|mut evidence| {
            evidence.reading.signature = made_up;
            evidence
        })
    };
    let ungranted = |signature: Option<[u8; SIGNATURE_LEN]>| {
        by_own_key.map(|mut evidence| {
            evidence.grant = signature.and_then(|signature| {
                let grant = evidence.grant?.grant;
                Some(SignedGrant { grant, signature })
            });
            evidence
        })
    };
    // What an accomplice among the operators commits to, and what the buyer then has signed.
    let cases = [
        // Readings that nobody had signed, of the hardware key and of the seller's last session.
        (unsigned(&by_device), by_device),
        (unsigned(&by_session), by_session),
        // Readings that the buyer's session key had signed, before the device granted it.
        (ungranted(Some(made_up)), by_own_key),
        (ungranted(None), by_own_key),
        // Signatures of the device, but others.
        (
            by_device.map(|mut evidence| {
                let digest = evidence.reading.reading.digest();
                evidence.reading.signature = signed_anew(device, &digest);
                evidence
            }),
            by_device,
        ),
        (
            ungranted(Some(signed_anew(device, &own.granted.grant.digest()))),
            by_own_key,
        ),
    ];
    let streams: Vec<_> = cases
        .iter()
        .map(|(committed, _)| {
            let operator = world.network.operator(&world.harness, 1_000);
            Committing::new(&world, operator, committed)
        })
        .collect();
    let buyer = world.harness.key();
    world.post_bond(&buyer);
    world.harness.advance(60);
    world.sell(&buyer).expect("sale");
    for ((_, evidence), stream) in cases.iter().zip(&streams) {
        assert_refused(
            world.report_previous(evidence, Some(stream.both())),
            E::NotCommitted,
        );
    }
    assert_eq!(world.bonded(&world.owner.pubkey()), POSTED);
    assert_eq!(world.harness.balance(&world.bounty), 0);
}

#[test]
fn a_grant_that_was_signed_twice_convicts_by_the_signatures_committed_to() {
    let world = World::sellable(Curve::P256);
    let operator = world.network.operator(&world.harness, 1_000);
    let session = world.session(1);
    let mut evidence = session.equivocation(world.reading());
    evidence[1].grant = Some(SignedGrant {
        signature: signed_anew(&world.device.signer, &session.granted.grant.digest()),
        ..session.granted
    });
    let stream = Committing::new(&world, operator, &evidence);
    let buyer = world.harness.key();
    world.post_bond(&buyer);
    world.harness.advance(60);
    world.sell(&buyer).expect("sale");
    // Both under the first one's signature: the other reading was not committed so.
    let mut alike = evidence;
    alike[1].grant = alike[0].grant;
    assert_refused(
        world.report_previous(&alike, Some(stream.both())),
        E::NotCommitted,
    );
    world
        .report_previous(&evidence, Some(stream.both()))
        .expect("report");
    assert_eq!(world.bonded(&world.owner.pubkey()), POSTED - BOND);
    assert_eq!(world.bonded(&buyer.pubkey()), POSTED);
}

#[test]
fn a_seller_can_not_sign_for_the_buyer() {
    let world = World::sellable(Curve::P256);
    let session = world.session(1);
    let buyer = world.harness.key();
    world.post_bond(&buyer);
    world.harness.advance(60);
    world.sell(&buyer).expect("sale");
    let sold = world.accused().leaf;
    // The old session goes on: what it signs is for the seller, and was not committed in time.
    let evidence = session.equivocation(world.reading());
    assert_refused(world.report_previous(&evidence, None), E::CommitmentMissing);
    // A session of the new nonce is granted by the device, which the buyer has now.
    let relabelled = session.equivocation(Reading {
        leaf_nonce: 1,
        ..world.reading()
    });
    assert_refused(world.report_previous(&relabelled, None), E::WrongGrant);
    assert_eq!(world.accused().leaf, sold);
    for owner in [&world.owner, &buyer] {
        assert_eq!(world.bonded(&owner.pubkey()), POSTED);
    }
}

#[test]
fn a_victim_is_made_nobodys_owner_without_signing() {
    let world = World::new(Curve::P256);
    let victim = world.harness.key();
    world.post_bond(&victim);
    let accused = world.accused();
    let transfer = registry::transfer_device(
        &world.network.key,
        &world.network.tree,
        &victim.pubkey(),
        &accused.leaf,
        accused.place,
    );
    let unsigned = super::security_pool::unsign(transfer, &victim.pubkey());
    assert_refused(
        world.harness.send(&[unsigned], &[&world.owner]),
        ErrorCode::AccountNotSigner,
    );
    world
        .report_equivocation(&world.equivocation())
        .expect("report");
    world.assert_convicted();
    assert_eq!(world.bonded(&victim.pubkey()), POSTED);
}

#[test]
fn an_owner_sheds_no_evidence_by_passing_the_device_on() {
    let world = World::sellable(Curve::P256);
    let operator = world.network.operator(&world.harness, 1_000);
    let evidence = world.equivocation();
    let stream = Committing::new(&world, operator, &evidence);
    let accomplice = world.harness.key();
    world.harness.advance(60);
    world.sell(&accomplice).expect("sale");
    // Neither a second owner in a row
    let accused = world.accused();
    let third = world.harness.key();
    let onwards = registry::transfer_device(
        &world.network.key,
        &world.network.tree,
        &third.pubkey(),
        &accused.leaf,
        accused.place,
    );
    assert_refused(
        world.harness.send(&[onwards], &[&accomplice, &third]),
        E::OwnerChangedRecently,
    );
    // nor a nonce of nobody's helps.
    let nonce = evidence.map(|evidence| {
        world.signed(Reading {
            leaf_nonce: 2,
            ..evidence.reading.reading
        })
    });
    assert_refused(
        world.report_previous(&nonce, Some(stream.both())),
        E::NobodysNonce,
    );
    world
        .report_previous(&evidence, Some(stream.both()))
        .expect("report");
    assert_eq!(world.bonded(&world.owner.pubkey()), POSTED - BOND);
}

#[test]
fn only_the_networks_own_streams_prove_that_something_was_committed() {
    let world = World::sellable(Curve::Ed25519);
    let operator = world.network.operator(&world.harness, 1_000);
    let evidence = world.equivocation();
    let stream = Committing::new(&world, operator, &evidence);
    let other = Network::with_nonce(&world.harness, 1);
    let foreign = other.operator(&world.harness, 1_000);
    let buyer = world.harness.key();
    world.harness.advance(60);
    world.sell(&buyer).expect("sale");
    for wrong in [foreign.stream, world.network.key, Pubkey::new_unique()] {
        let mut committed = stream.both();
        committed[1].stream = wrong;
        assert_refused(
            world.report_previous(&evidence, Some(committed)),
            E::WrongStream,
        );
    }
    // Each reading has its own proof.
    let [first, _] = stream.both();
    assert_refused(
        world.report_previous(&evidence, Some([first.clone(), first])),
        E::NotCommitted,
    );
    // An account that is left out is no way round.
    let report = world.instructions(
        Contradiction::Equivocation,
        &world.accused(),
        &evidence,
        Some(stream.both()),
    );
    let mut left_out = report.clone();
    left_out[1] = swap(
        left_out[1].clone(),
        &stream.operator.stream,
        &device_registry::ID,
    );
    assert_refused(world.harness.send(&left_out, &[]), E::CommitmentMissing);
    assert_eq!(world.bonded(&world.owner.pubkey()), POSTED);
}

#[test]
fn the_registry_reads_streams_where_they_are() {
    // Its dependency goes the other way, so it knows their bytes alone.
    assert_eq!(stream::DATA_COMMITMENT, data_commitment::ID);
    assert_eq!(
        stream::DISCRIMINATOR,
        <Stream as anchor_lang::Discriminator>::DISCRIMINATOR
    );
    assert_eq!(stream::NETWORK, 8 + offset_of!(Stream, network));
    assert_eq!(stream::COUNT, 8 + offset_of!(Stream, count));
    assert_eq!(stream::PEAKS, 8 + offset_of!(Stream, peaks));
}
