//! device-registry: devices in batches, and what becomes of leaves. Trees are rebuilt from events alone.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use device_protocol::{Curve, Hash, Possession, RegistryLeaf, Status};
use device_registry::change::CHANGE_PRICE;
use device_registry::error::RegistryError as E;
use device_registry::events::DevicesRegistered;
use device_registry::state::{tree, LeafPlace, Maker, Operation};
use device_registry::{ProveDeviceArgs, RegisterBatchArgs};
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::device_registry::{self as client, RegistryEvent};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::registry_tree::{proof_below_canopy, Follower, RegistryTree, TreeError};
use fieldproof_client::transaction::{self, Prepared, V0_BYTES, V1_BYTES};
use fieldproof_client::{credits, ClientError};
use fieldproof_worker::registry::Registry;
use light_hasher::{Hasher, Sha256};
use solana_keypair::Keypair;
use solana_message::VersionedMessage;
use solana_signer::Signer;
use tests::fixture::{Network, EVIDENCE_WINDOW};
use tests::{assert_refused, fixture, Harness};

/// Depth and canopy of the fixture's trees.
const SHAPE: (u8, u8) = (24, 10);
/// An H3 cell of resolution 9, and a neighbour.
const CELL: u64 = 0x8928308280fffff;
const NEXT_CELL: u64 = 0x8928308280bffff;
/// What a device of a batch may cost, in compute units and in lamports.
const BATCH_COMPUTE: u64 = 1_500;
const BATCH_LAMPORTS: u64 = 300;

type Outcome = Result<Execution, ClientError>;

/// A network with a maker, and a follower of its tree.
struct World {
    harness: Harness,
    network: Network,
    maker: fixture::Maker,
    tree: RegistryTree,
    batches: u64,
}

impl World {
    fn new() -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let maker = network.maker(&harness);
        Self {
            harness,
            network,
            maker,
            tree: RegistryTree::new(SHAPE.0, SHAPE.1),
            batches: 0,
        }
    }

    fn network(&self) -> device_registry::state::Network {
        self.harness.read(&self.network.key)
    }

    fn maker_account(&self) -> Pubkey {
        client::maker(&self.network.key, &self.maker.key.pubkey())
    }

    /// Takes in what a transaction told.
    fn follow(&mut self, outcome: Outcome) -> Vec<RegistryEvent> {
        let events = client::registry_events(&outcome.expect("executed"));
        for event in &events {
            self.tree.apply(event.clone()).expect("followed");
        }
        self.assert_tree();
        events
    }

    /// The follower's tree is the chain's.
    #[track_caller]
    fn assert_tree(&mut self) {
        let standing = tree::standing(&self.tree_data()).expect("tree");
        assert_eq!(self.tree.root(), Ok(standing.root));
        assert_eq!(self.tree.sequence(), standing.sequence);
        assert_eq!(self.tree.leaves().len() as u64, standing.leaves);
    }

    /// The tree account's data, 8-aligned.
    fn tree_data(&self) -> Vec<u8> {
        let account = self.harness.chain.account(&self.network.tree);
        account.expect("chain").expect("tree").data
    }

    fn batch_args(&self, curve: Curve, keys: &[DeviceSigner]) -> RegisterBatchArgs {
        RegisterBatchArgs {
            batch: self.batches,
            curve: curve as u8,
            tier: 1,
            cell: CELL,
            manifest_hash: [5; 32],
            keys: keys
                .iter()
                .flat_map(|key| key.device_key().as_bytes().to_vec())
                .collect(),
        }
    }

    /// The maker pays and signs.
    fn batch(&self, args: RegisterBatchArgs) -> Outcome {
        let maker = &self.maker.key;
        let instruction = self.batch_instruction(args);
        transaction::send(&self.harness.chain, &[instruction], maker, &[])
    }

    fn batch_instruction(&self, args: RegisterBatchArgs) -> Instruction {
        let maker = self.maker.key.pubkey();
        client::register_batch(&self.network.key, &maker, &self.network.tree, args)
    }

    /// Vouched devices, all of one batch.
    fn vouched(&mut self, curve: Curve, count: usize) -> Vec<DeviceSigner> {
        let keys = signers(curve, count);
        let outcome = self.batch(self.batch_args(curve, &keys));
        self.batches += 1;
        self.follow(outcome);
        keys
    }

    /// A proven device of a new owner; its index.
    fn proven(&mut self) -> (u32, Keypair) {
        let key = self.vouched(Curve::P256, 1).remove(0);
        let index = self.last_index();
        let owner = self.harness.key();
        let proof = self.proof(&key, &owner, index);
        let outcome = proof.send(self);
        self.follow(outcome);
        (index, owner)
    }

    fn last_index(&self) -> u32 {
        self.tree.leaves().len() as u32 - 1
    }

    fn leaf(&self, index: u32) -> RegistryLeaf {
        self.tree.leaves()[index as usize]
    }

    fn place(&mut self, index: u32) -> LeafPlace {
        self.tree.place(index).expect("place")
    }

    /// What proves the vouched device at `index` for `owner`.
    fn proof(&mut self, key: &DeviceSigner, owner: &Keypair, index: u32) -> Proof {
        Proof {
            possession: Possession {
                network: self.network.id,
                owner: owner.pubkey().to_bytes(),
                key: key.device_key(),
                nonce: Possession::nonce_of(0, index),
            },
            signer: key.clone(),
            owner: owner.insecure_clone(),
            args: ProveDeviceArgs {
                leaf: (&self.leaf(index)).into(),
                place: self.place(index),
                curve: key.device_key().curve as u8,
                possession_instruction: 0,
                possession_index: 0,
            },
        }
    }

    fn transfer(&mut self, index: u32, owner: &Keypair, new_owner: &Keypair) -> Outcome {
        let (leaf, place) = (self.leaf(index), self.place(index));
        self.transfer_of(&leaf, place, owner, new_owner)
    }

    fn transfer_of(
        &self,
        leaf: &RegistryLeaf,
        place: LeafPlace,
        owner: &Keypair,
        new_owner: &Keypair,
    ) -> Outcome {
        let Network { key, tree, .. } = &self.network;
        let mut instruction = client::transfer_device(key, tree, &new_owner.pubkey(), leaf, place);
        instruction.accounts[2].pubkey = owner.pubkey();
        self.harness.send(&[instruction], &[owner, new_owner])
    }

    fn locate(&mut self, index: u32, owner: &Keypair, cell: u64) -> Outcome {
        let (leaf, place) = (self.leaf(index), self.place(index));
        self.locate_of(&leaf, place, owner, cell)
    }

    fn locate_of(
        &self,
        leaf: &RegistryLeaf,
        place: LeafPlace,
        owner: &Keypair,
        cell: u64,
    ) -> Outcome {
        let Network { key, tree, .. } = &self.network;
        let payer = self.harness.payer.pubkey();
        let mut instruction = client::assert_location(&payer, key, tree, leaf, place, cell);
        instruction.accounts[2].pubkey = owner.pubkey();
        self.harness.send(&[instruction], &[owner])
    }

    /// Gives a leaf a status that only other programs or evidence give, in the account itself and in the follower.
    fn set_status(&mut self, index: u32, status: Status) -> (RegistryLeaf, LeafPlace) {
        let (old, place) = (self.leaf(index), self.place(index));
        let new = RegistryLeaf { status, ..old };
        let account = self.harness.chain.account(&self.network.tree);
        let mut account = account.expect("chain").expect("tree");
        let changed = tree::replace(&mut account.data, &place, &old.hash(), &new.hash());
        let changed = changed.expect("changed");
        self.harness.chain.set_account(&self.network.tree, account);
        let event = device_registry::events::LeafChanged {
            network: self.network.key,
            tree: self.network.tree,
            tree_index: 0,
            index,
            sequence: changed.sequence,
            changed_at: self.harness.now(),
            leaf: (&new).into(),
            root: changed.root,
        };
        self.tree
            .apply(RegistryEvent::Changed(Box::new(event)))
            .expect("followed");
        self.assert_tree();
        (new, self.place(index))
    }

    fn pause(&self) {
        let payer = self.harness.payer.pubkey();
        let pause = client::pause_operation(&self.network.key, &payer, Operation::Register, 60);
        self.harness.send(&[pause], &[]).expect("paused");
    }
}

/// The parts of a `prove_device`, each to be changed on its own.
struct Proof {
    possession: Possession,
    signer: DeviceSigner,
    owner: Keypair,
    args: ProveDeviceArgs,
}

impl Clone for Proof {
    fn clone(&self) -> Self {
        Self {
            possession: self.possession,
            signer: self.signer.clone(),
            owner: self.owner.insecure_clone(),
            args: self.args.clone(),
        }
    }
}

impl Proof {
    fn instructions(&self, network: &Network) -> [Instruction; 2] {
        let message = self.possession.digest();
        let key = self.signer.device_key();
        let signed = [Entry {
            public_key: key.as_bytes(),
            message: &message,
            signature: &self.signer.sign(&message),
        }];
        let owner = self.owner.pubkey();
        [
            match key.curve {
                Curve::Ed25519 => precompile::ed25519(&signed),
                Curve::P256 => precompile::secp256r1(&signed),
            }
            .expect("possession"),
            client::prove_device(&network.key, &network.tree, &owner, self.args.clone()),
        ]
    }

    fn send(&self, world: &World) -> Outcome {
        // The owner pays, as owners do.
        let instructions = self.instructions(&world.network);
        transaction::send(&world.harness.chain, &instructions, &self.owner, &[])
    }
}

fn signers(curve: Curve, count: usize) -> Vec<DeviceSigner> {
    (0..count).map(|_| DeviceSigner::generate(curve)).collect()
}

fn is_v1(prepared: &Prepared) -> bool {
    matches!(prepared.transaction.message, VersionedMessage::V1(_))
}

#[test]
fn a_maker_registers_many_devices_with_one_signature() {
    let mut world = World::new();
    for curve in [Curve::P256, Curve::Ed25519] {
        let (before, first) = (world.network(), world.tree.leaves().len());
        let keys = signers(curve, client::largest_batch(curve));
        let args = world.batch_args(curve, &keys);
        let outcome = world.batch(args.clone());
        world.batches += 1;
        let slot = outcome.as_ref().expect("registered").slot;
        let events = world.follow(outcome);
        let [RegistryEvent::Batch(event)] = events.as_slice() else {
            panic!("{events:?}");
        };
        let expected = DevicesRegistered {
            network: world.network.key,
            tree: world.network.tree,
            tree_index: 0,
            index: first as u32,
            sequence: first as u64 + 1,
            maker: world.maker.key.pubkey(),
            tier: 1,
            cell: CELL,
            registered_slot: slot,
            owner_changed_at: world.harness.now(),
            batch: args.batch,
            manifest_hash: args.manifest_hash,
            root: world.tree.root().expect("root"),
            curve: curve as u8,
            keys: args.keys,
        };
        assert_eq!(**event, expected);
        let maker = world.maker.key.pubkey().to_bytes();
        for (key, leaf) in keys.iter().zip(&world.tree.leaves()[first..]) {
            let expected = RegistryLeaf {
                device: key.device_key().id(),
                owner: maker,
                maker,
                tier: 1,
                status: Status::Vouched,
                cell: CELL,
                registered_slot: slot,
                previous_owner: [0; 32],
                owner_changed_at: world.harness.now(),
                nonce: 0,
            };
            assert_eq!(*leaf, expected);
        }
        assert_eq!(world.network().devices, before.devices + keys.len() as u64);
        let account: Maker = world.harness.read(&world.maker_account());
        assert_eq!(account.vouched, world.tree.leaves().len() as u64);
    }
}

#[test]
fn the_largest_batches_are_the_largest() {
    let world = World::new();
    let maker = &world.maker.key;
    let send =
        |instruction| transaction::prepare(&world.harness.chain, &[instruction], maker, &[], &[]);
    let batch = |curve, count| {
        let keys = signers(curve, count);
        world.batch_instruction(world.batch_args(curve, &keys))
    };
    let prepare = |curve, count| send(batch(curve, count));
    let paid = |curve, count| {
        send(credits::charge(
            batch(curve, count),
            &world.network.key,
            0,
            &maker.pubkey(),
        ))
    };
    for curve in [Curve::P256, Curve::Ed25519] {
        let largest = prepare(curve, client::largest_batch(curve)).expect("fits v1");
        assert!(is_v1(&largest));
        assert!(matches!(
            prepare(curve, client::largest_batch(curve) + 1),
            Err(ClientError::TooLarge(bytes, V1_BYTES)) if bytes > V1_BYTES
        ));
        let largest = paid(curve, client::largest_paid_batch(curve)).expect("fits v1");
        assert!(is_v1(&largest));
        assert!(matches!(
            paid(curve, client::largest_paid_batch(curve) + 1),
            Err(ClientError::TooLarge(..))
        ));
        let largest = prepare(curve, client::largest_batch_v0(curve)).expect("fits v0");
        assert!(!is_v1(&largest));
        assert!(transaction::size(&largest.transaction).expect("size") <= V0_BYTES);
        let next = prepare(curve, client::largest_batch_v0(curve) + 1).expect("fits v1");
        assert!(is_v1(&next));
    }
}

#[test]
fn a_batch_stays_within_its_budget() {
    let mut world = World::new();
    let tree_rent = world.harness.chain.rent(tree::size(SHAPE.0, SHAPE.1));
    let tree_share = tree_rent.expect("rent") >> SHAPE.0;
    for curve in [Curve::P256, Curve::Ed25519] {
        let count = client::largest_batch(curve);
        let balance = |world: &World| {
            let account = world.harness.chain.account(&world.maker.key.pubkey());
            account.expect("chain").expect("maker").lamports
        };
        let before = balance(&world);
        let keys = signers(curve, count);
        let outcome = world.batch(world.batch_args(curve, &keys));
        let units = outcome.as_ref().expect("registered").compute_units / count as u64;
        assert!(units <= BATCH_COMPUTE, "{units} compute units a device");
        world.batches += 1;
        world.follow(outcome);
        let paid = (before - balance(&world)).div_ceil(count as u64) + tree_share;
        assert!(paid <= BATCH_LAMPORTS, "{paid} lamports a device");
    }
}

#[test]
fn a_batch_is_the_makers_and_lands_once() {
    let mut world = World::new();
    let keys = signers(Curve::P256, 2);
    let args = world.batch_args(Curve::P256, &keys);
    let stranger = world.harness.key();
    let mut foreign = world.batch_instruction(args.clone());
    foreign.accounts[3].pubkey = stranger.pubkey();
    assert_refused(world.harness.send(&[foreign], &[&stranger]), E::NotMaker);

    let outcome = world.batch(args.clone());
    world.follow(outcome);
    world.harness.advance(1);
    // The same again, as whoever retries would send it, and with others' devices under the same number.
    assert_refused(world.batch(args.clone()), E::BatchLanded);
    let mut other = args.clone();
    other.keys = world.batch_args(Curve::P256, &signers(Curve::P256, 2)).keys;
    assert_refused(world.batch(other), E::BatchLanded);
    // Numbers may be left out for a while, and come in any order.
    for (batch, outcome) in [
        (2, Ok(())),
        (1, Ok(())),
        (2, Err(E::BatchLanded)),
        (2 + 65, Err(E::BatchOutOfTurn)),
        (2 + 64, Ok(())),
        (2, Err(E::BatchOutOfTurn)),
        (3, Ok(())),
        (u64::MAX, Err(E::BatchOutOfTurn)),
    ] {
        let mut args = world.batch_args(Curve::P256, &signers(Curve::P256, 1));
        args.batch = batch;
        match outcome {
            Ok(()) => {
                let outcome = world.batch(args);
                world.follow(outcome);
            }
            Err(error) => assert_refused(world.batch(args), error),
        }
    }
}

#[test]
fn a_batch_has_a_form() {
    let world = World::new();
    let good = world.batch_args(Curve::P256, &signers(Curve::P256, 2));
    let refused = |change: &dyn Fn(&mut RegisterBatchArgs), error| {
        let mut args = good.clone();
        change(&mut args);
        assert_refused(world.batch(args), error);
    };
    refused(&|args| args.curve = 2, E::UnknownCurve);
    refused(&|args| args.keys.clear(), E::EmptyBatch);
    refused(&|args| args.keys.truncate(65), E::InvalidDeviceKey);
    refused(&|args| args.keys[33] = 4, E::InvalidDeviceKey);
    // 66 bytes are no Ed25519 keys.
    refused(&|args| args.curve = 0, E::InvalidDeviceKey);
    refused(&|args| args.cell = 1, E::InvalidCell);
    refused(&|args| args.tier = 2, E::TierNotApproved);
    refused(&|args| args.tier = 0, E::SelfSignedNotAllowed);
}

#[test]
fn tier_2_needs_more_than_a_batch() {
    let world = World::new();
    let maker = world.harness.key();
    let payer = world.harness.payer.pubkey();
    let grant = client::MakerGrant {
        key: maker.pubkey(),
        quota: 10,
        max_tier: 2,
    };
    let approve = client::approve_maker(&payer, &world.network.key, &payer, grant);
    world.harness.send(&[approve], &[]).expect("approved");
    let mut args = world.batch_args(Curve::P256, &signers(Curve::P256, 1));
    args.tier = 2;
    let Network { key, tree, .. } = &world.network;
    let register = client::register_batch(key, &maker.pubkey(), tree, args);
    assert_refused(
        world.harness.send(&[register], &[&maker]),
        E::CertificateNeeded,
    );
}

#[test]
fn a_batch_is_bound_by_the_quota_and_ends_with_the_maker() {
    let mut world = World::new();
    let payer = world.harness.payer.pubkey();
    let maker = world.maker.key.pubkey();
    let quota = client::set_maker_quota(&world.network.key, &payer, &maker, 3);
    world.harness.send(&[quota], &[]).expect("quota");
    // A voucher counts too.
    let owner = world.harness.key();
    let device = world
        .network
        .device(&world.harness, &world.maker, &owner, Curve::P256, CELL);
    let event = RegistryEvent::Registered(Box::new(device.registered));
    world.tree.apply(event).expect("followed");
    let three = world.batch_args(Curve::P256, &signers(Curve::P256, 3));
    assert_refused(world.batch(three), E::QuotaUsedUp);
    world.vouched(Curve::P256, 2);
    let one = world.batch_args(Curve::P256, &signers(Curve::P256, 1));
    assert_refused(world.batch(one.clone()), E::QuotaUsedUp);

    let quota = client::set_maker_quota(&world.network.key, &payer, &maker, 100);
    world.harness.send(&[quota], &[]).expect("quota");
    world.pause();
    assert_refused(world.batch(one.clone()), E::Paused);
    world.harness.advance(61);
    let revoke = client::revoke_maker(&world.network.key, &payer, &maker);
    world.harness.send(&[revoke], &[]).expect("revoked");
    assert_refused(world.batch(one), E::MakerRevoked);
}

#[test]
fn trees_and_makers_of_another_network_are_refused() {
    let mut world = World::new();
    let other = Network::with_nonce(&world.harness, 1);
    let stranger = other.maker(&world.harness);
    let (index, owner) = world.proven();
    let key = world.vouched(Curve::P256, 1).remove(0);
    let vouched = world.last_index();
    let args = world.batch_args(Curve::P256, &signers(Curve::P256, 1));
    let replaced = |instruction: &Instruction, meta: usize, account: Pubkey| {
        let mut instruction = instruction.clone();
        instruction.accounts[meta].pubkey = account;
        instruction
    };
    let maker = &world.maker.key;
    let batch = world.batch_instruction(args);
    for (meta, account) in [
        (0, other.key),
        (1, client::maker(&other.key, &stranger.key.pubkey())),
        (2, other.tree),
    ] {
        let swapped = replaced(&batch, meta, account);
        assert_refused(world.harness.send(&[swapped], &[maker]), E::WrongNetwork);
    }
    let (leaf, place) = (world.leaf(index), world.place(index));
    let Network {
        key: network, tree, ..
    } = &world.network;
    let heir = world.harness.key();
    let transfer = client::transfer_device(network, tree, &heir.pubkey(), &leaf, place.clone());
    let payer = world.harness.payer.pubkey();
    let locate = client::assert_location(&payer, network, tree, &leaf, place, NEXT_CELL);
    for (meta, account) in [(0, other.key), (1, other.tree)] {
        let swapped = replaced(&transfer, meta, account);
        let signers = [&owner, &heir];
        assert_refused(world.harness.send(&[swapped], &signers), E::WrongNetwork);
        let swapped = replaced(&locate, meta, account);
        assert_refused(world.harness.send(&[swapped], &[&owner]), E::WrongNetwork);
    }
    let prover = world.harness.key();
    let proof = world.proof(&key, &prover, vouched);
    let [signed, prove] = proof.instructions(&world.network);
    for (meta, account) in [(0, other.key), (1, other.tree)] {
        let swapped = [signed.clone(), replaced(&prove, meta, account)];
        assert_refused(world.harness.send(&swapped, &[&prover]), E::WrongNetwork);
    }
}

#[test]
fn a_vouched_device_is_proven_with_its_own_key() {
    let mut world = World::new();
    for curve in [Curve::P256, Curve::Ed25519] {
        let key = world.vouched(curve, 3).remove(1);
        let index = world.last_index() - 1;
        let vouched = world.leaf(index);
        world.harness.advance(5);
        let owner = world.harness.key();
        let proof = world.proof(&key, &owner, index);
        let prepared = transaction::prepare(
            &world.harness.chain,
            &proof.instructions(&world.network),
            &owner,
            &[],
            &[],
        );
        assert!(!is_v1(&prepared.expect("prepared")), "an owner's v0");
        let outcome = proof.send(&world);
        world.follow(outcome);
        let proven = RegistryLeaf {
            owner: owner.pubkey().to_bytes(),
            status: Status::Proven,
            previous_owner: vouched.owner,
            owner_changed_at: world.harness.now(),
            nonce: 1,
            ..vouched
        };
        assert_eq!(world.leaf(index), proven);
        // The same proof again, with the old leaf and with the new one.
        world.harness.advance(1);
        assert_refused(proof.send(&world), E::LeafChanged);
        let again = world.proof(&key, &owner, index);
        assert_refused(again.send(&world), E::DeviceNotVouched);
        // With the new place, the old leaf is not there any more.
        let mut old_leaf = again.clone();
        old_leaf.args.leaf = (&vouched).into();
        assert_refused(old_leaf.send(&world), E::WrongProof);
    }
}

#[test]
fn a_maker_may_prove_what_it_keeps() {
    let mut world = World::new();
    let key = world.vouched(Curve::P256, 1).remove(0);
    let maker = world.maker.key.insecure_clone();
    let proof = world.proof(&key, &maker, 0);
    let outcome = proof.send(&world);
    world.follow(outcome);
    let leaf = world.leaf(0);
    assert_eq!((leaf.status, leaf.nonce), (Status::Proven, 1));
    assert_eq!((leaf.owner, leaf.previous_owner), (leaf.maker, leaf.maker));
}

#[test]
fn proving_takes_the_devices_word_for_this_network_owner_and_leaf() {
    let mut world = World::new();
    let keys = world.vouched(Curve::P256, 2);
    let (key, other) = (keys[0].clone(), keys[1].clone());
    let owner = world.harness.key();
    let good = world.proof(&key, &owner, 0);
    let refused = |change: &dyn Fn(&mut Proof), error| {
        let mut proof = good.clone();
        change(&mut proof);
        assert_refused(proof.send(&world), error);
    };
    let thief = world.harness.key();
    refused(
        &|proof| proof.owner = thief.insecure_clone(),
        E::WrongPossession,
    );
    refused(
        &|proof| proof.possession.owner = [9; 32],
        E::WrongPossession,
    );
    refused(
        &|proof| proof.possession.network = [9; 32],
        E::WrongPossession,
    );
    // Another leaf of the tree, the same index in another tree, and what registers with voucher 0.
    for nonce in [Possession::nonce_of(0, 1), Possession::nonce_of(1, 0), 0] {
        refused(&|proof| proof.possession.nonce = nonce, E::WrongPossession);
    }
    // Another device's key, whoever it names.
    refused(&|proof| proof.signer = other.clone(), E::WrongPossession);
    refused(
        &|proof| {
            proof.signer = other.clone();
            proof.possession.key = other.device_key();
        },
        E::WrongPossession,
    );
    refused(&|proof| proof.args.curve = 2, E::UnknownCurve);
    refused(&|proof| proof.args.curve = 0, E::BadSignatureReference);
    refused(
        &|proof| proof.args.possession_instruction = 1,
        E::BadSignatureReference,
    );
    refused(
        &|proof| proof.args.possession_index = 1,
        E::BadSignatureReference,
    );
    // Another place, or another leaf than the tree's.
    refused(&|proof| proof.args.place.index = 1, E::WrongPossession);
    refused(&|proof| proof.args.place.proof[0] = [1; 32], E::WrongProof);
    refused(&|proof| proof.args.place.proof.push([0; 32]), E::WrongProof);
    refused(&|proof| proof.args.leaf.tier = 0, E::WrongProof);
    refused(
        &|proof| proof.args.leaf.maker = Pubkey::default(),
        E::WrongProof,
    );
    refused(&|proof| proof.args.leaf.status = 5, E::UnknownStatus);
    world.pause();
    assert_refused(good.send(&world), E::Paused);
    world.harness.advance(61);
    // The owner can't help it that its maker was revoked.
    let payer = world.harness.payer.pubkey();
    let maker = world.maker.key.pubkey();
    let revoke = client::revoke_maker(&world.network.key, &payer, &maker);
    world.harness.send(&[revoke], &[]).expect("revoked");
    let outcome = good.send(&world);
    world.follow(outcome);
    assert_eq!(world.leaf(0).status, Status::Proven);
}

#[test]
fn a_device_passes_on_once_an_evidence_window() {
    let mut world = World::new();
    let (index, first) = world.proven();
    let (second, third) = (world.harness.key(), world.harness.key());
    // Proven a moment ago: what the maker signed for is still open.
    assert_refused(
        world.transfer(index, &first, &second),
        E::OwnerChangedRecently,
    );
    world.harness.advance(EVIDENCE_WINDOW);
    let before = world.leaf(index);
    let outcome = world.transfer(index, &first, &second);
    world.follow(outcome);
    let expected = RegistryLeaf {
        owner: second.pubkey().to_bytes(),
        previous_owner: first.pubkey().to_bytes(),
        owner_changed_at: world.harness.now(),
        nonce: 2,
        ..before
    };
    assert_eq!(world.leaf(index), expected);
    assert_refused(world.transfer(index, &first, &third), E::NotOwner);
    world.harness.advance(EVIDENCE_WINDOW - 1);
    assert_refused(
        world.transfer(index, &second, &third),
        E::OwnerChangedRecently,
    );
    world.harness.advance(1);
    let outcome = world.transfer(index, &second, &third);
    world.follow(outcome);
    assert_eq!(world.leaf(index).nonce, 3);
}

#[test]
fn every_move_has_its_price() {
    let mut world = World::new();
    let (index, owner) = world.proven();
    let held = |world: &World| {
        let tree = world.harness.chain.account(&world.network.tree);
        tree.expect("chain").expect("tree").lamports
    };
    let before = held(&world);
    for (moves, cell) in [(1, NEXT_CELL), (2, CELL)] {
        let outcome = world.locate(index, &owner, cell);
        world.follow(outcome);
        assert_eq!(held(&world) - before, moves * CHANGE_PRICE);
    }
    let outcome = world.locate(index, &owner, 1);
    assert_refused(outcome, E::InvalidCell);
    assert_eq!(held(&world) - before, 2 * CHANGE_PRICE);
}

#[test]
fn what_owners_do_fits_a_v0_transaction() {
    let mut world = World::new();
    let (index, owner) = world.proven();
    world.harness.advance(EVIDENCE_WINDOW);
    let buyer = world.harness.key();
    let (leaf, place) = (world.leaf(index), world.place(index));
    let Network { key, tree, .. } = &world.network;
    let transfer = client::transfer_device(key, tree, &buyer.pubkey(), &leaf, place.clone());
    let locate = client::assert_location(&owner.pubkey(), key, tree, &leaf, place, NEXT_CELL);
    for (instruction, signers) in [(transfer, &[&buyer][..]), (locate, &[][..])] {
        let chain = &world.harness.chain;
        let prepared = transaction::prepare(chain, &[instruction], &owner, signers, &[]);
        assert!(!is_v1(&prepared.expect("prepared")));
    }
}

#[test]
fn a_registered_device_is_sold_an_evidence_window_later() {
    let mut world = World::new();
    let (owner, buyer) = (world.harness.key(), world.harness.key());
    let device = world
        .network
        .device(&world.harness, &world.maker, &owner, Curve::P256, CELL);
    let event = RegistryEvent::Registered(Box::new(device.registered));
    world.tree.apply(event).expect("followed");
    // Else who had it before could have its first owner answer for what it signed for nobody.
    assert_refused(world.transfer(0, &owner, &buyer), E::OwnerChangedRecently);
    world.harness.advance(EVIDENCE_WINDOW - 1);
    assert_refused(world.transfer(0, &owner, &buyer), E::OwnerChangedRecently);
    world.harness.advance(1);
    let outcome = world.transfer(0, &owner, &buyer);
    world.follow(outcome);
    assert_eq!(world.leaf(0).owner, buyer.pubkey().to_bytes());
    // And not on to a third at once.
    assert_refused(world.transfer(0, &buyer, &owner), E::OwnerChangedRecently);
}

#[test]
fn both_owners_sign_a_transfer() {
    let mut world = World::new();
    let (index, owner) = world.proven();
    world.harness.advance(EVIDENCE_WINDOW);
    let (thief, buyer) = (world.harness.key(), world.harness.key());
    assert_refused(world.transfer(index, &thief, &buyer), E::NotOwner);
    assert_refused(world.transfer(index, &owner, &owner), E::SameOwner);
    // Nobody is made an owner who does not want to be.
    let (leaf, place) = (world.leaf(index), world.place(index));
    let Network { key, tree, .. } = &world.network;
    for meta in [2, 3] {
        let mut unsigned =
            client::transfer_device(key, tree, &buyer.pubkey(), &leaf, place.clone());
        unsigned.accounts[meta].is_signer = false;
        let signer = if meta == 2 { &buyer } else { &owner };
        assert_refused(
            world.harness.send(&[unsigned], &[signer]),
            anchor_lang::error::ErrorCode::AccountNotSigner,
        );
    }
    // Whoever sheds evidence by a leaf of his own making finds it is not the tree's.
    let forged = RegistryLeaf {
        owner: thief.pubkey().to_bytes(),
        ..leaf
    };
    assert_refused(
        world.transfer_of(&forged, place.clone(), &thief, &buyer),
        E::WrongProof,
    );
    let younger = RegistryLeaf {
        owner_changed_at: leaf.owner_changed_at - 1,
        ..leaf
    };
    assert_refused(
        world.transfer_of(&younger, place, &owner, &buyer),
        E::WrongProof,
    );
    world.pause();
    assert_refused(world.transfer(index, &owner, &buyer), E::Paused);
}

#[test]
fn only_a_device_in_good_standing_passes_on() {
    let mut world = World::new();
    world.vouched(Curve::P256, 1);
    let vouched = world.last_index();
    let (proven, owner) = world.proven();
    world.harness.advance(EVIDENCE_WINDOW);
    let buyer = world.harness.key();
    let maker = world.maker.key.insecure_clone();
    assert_refused(world.transfer(vouched, &maker, &buyer), E::DeviceNotProven);
    for (status, error) in [
        (Status::Nft, E::OwnedByNft),
        (Status::Banned, E::DeviceBanned),
        (Status::Void, E::DeviceVoid),
    ] {
        world.set_status(proven, status);
        assert_refused(world.transfer(proven, &owner, &buyer), error);
    }
    for (status, error) in [
        (Status::Banned, E::DeviceBanned),
        (Status::Void, E::DeviceVoid),
    ] {
        world.set_status(proven, status);
        assert_refused(world.locate(proven, &owner, NEXT_CELL), error);
        world.set_status(vouched, status);
        let key = DeviceSigner::generate(Curve::P256);
        let proof = world.proof(&key, &buyer, vouched);
        assert_refused(proof.send(&world), error);
    }
}

#[test]
fn an_owner_says_where_its_device_stands() {
    let mut world = World::new();
    let (index, owner) = world.proven();
    let before = world.leaf(index);
    for cell in [NEXT_CELL, 0] {
        let outcome = world.locate(index, &owner, cell);
        world.follow(outcome);
        assert_eq!(world.leaf(index), RegistryLeaf { cell, ..before });
    }
    assert_refused(world.locate(index, &owner, 1), E::InvalidCell);
    let stranger = world.harness.key();
    assert_refused(world.locate(index, &stranger, CELL), E::NotOwner);
    // A vouched device is its maker's; an NFT's location its owner's word as any other's.
    world.vouched(Curve::P256, 1);
    let maker = world.maker.key.insecure_clone();
    let outcome = world.locate(world.last_index(), &maker, NEXT_CELL);
    world.follow(outcome);
    world.set_status(index, Status::Nft);
    let outcome = world.locate(index, &owner, CELL);
    world.follow(outcome);
    world.pause();
    assert_refused(world.locate(index, &owner, NEXT_CELL), E::Paused);
}

#[test]
fn writers_with_one_root_do_not_invalidate_each_other() {
    let mut world = World::new();
    let maker = world.maker.key.insecure_clone();
    for _ in 0..3 {
        world.vouched(Curve::Ed25519, 90);
    }
    // Everybody takes leaf and proof from the tree as it stands now.
    let taken: Vec<_> = (0..270)
        .map(|index| (world.leaf(index), world.place(index)))
        .collect();
    let send = |world: &World, index: usize, cell| {
        let (leaf, place) = &taken[index];
        world.locate_of(leaf, place.clone(), &maker, cell)
    };
    // As many changes as the changelog has places, near and far ones mixed, and one more after them.
    for number in 0..=tree::CHANGELOG {
        let outcome = send(&world, number * 7 % 270, NEXT_CELL);
        world.follow(outcome);
    }
    // The first of them is forgotten by now, the second is not.
    assert_refused(send(&world, 7, CELL), E::LeafChanged);
}

#[test]
fn a_proof_that_is_too_old_says_so() {
    let mut world = World::new();
    let maker = world.maker.key.insecure_clone();
    world.vouched(Curve::Ed25519, 4);
    let (leaf, place) = (world.leaf(0), world.place(0));
    for number in 0..=tree::CHANGELOG as u64 {
        // The neighbour once, then another leaf until the changelog has forgotten the neighbour.
        let index = if number == 0 { 1 } else { 3 };
        let cell = if number % 2 == 0 { NEXT_CELL } else { CELL };
        let outcome = world.locate(index, &maker, cell);
        world.follow(outcome);
        world.harness.advance(1);
    }
    assert_refused(
        world.locate_of(&leaf, place.clone(), &maker, NEXT_CELL),
        E::ProofTooOld,
    );
    let fresh = world.place(0);
    assert_ne!(fresh.proof, place.proof);
    let outcome = world.locate(0, &maker, NEXT_CELL);
    world.follow(outcome);
}

#[test]
fn batches_to_the_right_leave_old_proofs_alone() {
    let mut world = World::new();
    let (index, owner) = world.proven();
    // The part of the tree that the canopy keeps one node of is filled up.
    let levels = usize::from(SHAPE.0 - SHAPE.1);
    let mut hashes = vec![world.leaf(index).hash()];
    hashes.resize(1 << levels, [1; 32]);
    let account = world.harness.chain.account(&world.network.tree);
    let mut account = account.expect("chain").expect("tree");
    for filler in hashes[1..].chunks(200) {
        let filler: Vec<_> = filler.iter().collect();
        tree::append(&mut account.data, &filler).expect("filled");
    }
    let sequence = tree::standing(&account.data).expect("tree").sequence;
    world
        .harness
        .chain
        .set_account(&world.network.tree, account);
    let place = LeafPlace {
        index,
        sequence,
        proof: first_proof(hashes),
    };
    // More devices than the changelog has places, but none below the same node of the canopy.
    for _ in 0..3 {
        let args = world.batch_args(Curve::Ed25519, &signers(Curve::Ed25519, 100));
        world.batch(args).expect("registered");
        world.batches += 1;
    }
    let leaf = world.leaf(index);
    world
        .locate_of(&leaf, place, &owner, NEXT_CELL)
        .expect("changed");
}

/// The siblings on the way from the first leaf of a full tree to its root.
fn first_proof(mut hashes: Vec<Hash>) -> Vec<Hash> {
    let mut proof = Vec::new();
    while hashes.len() > 1 {
        proof.push(hashes[1]);
        hashes = hashes
            .chunks(2)
            .map(|pair| Sha256::hashv(&[&pair[0], &pair[1]]).expect("hash"))
            .collect();
    }
    proof
}

#[test]
fn a_squatters_leaf_counts_for_nothing_beside_a_proven_one() {
    let world = World::new();
    let registry = Registry::default();
    let follow = |outcome: Outcome| {
        let events = client::registry_events(&outcome.expect("executed"));
        for record in registry.records(&events).expect("records") {
            registry.insert(record).expect("device");
        }
        world.harness.advance(10);
    };
    // A maker that has read the key of somebody's device registers it as its own, before and after its owner does.
    let squatter = world.network.maker(&world.harness);
    let signer = DeviceSigner::generate(Curve::P256);
    let id = signer.device_key().id();
    let squat = |batch| {
        let mut args = world.batch_args(Curve::P256, std::slice::from_ref(&signer));
        args.batch = batch;
        let Network { key, tree, .. } = &world.network;
        let squat = client::register_batch(key, &squatter.key.pubkey(), tree, args);
        world.harness.send(&[squat], &[&squatter.key])
    };
    let (owner, buyer) = (world.harness.key(), world.harness.key());
    let start = world.harness.now();
    follow(squat(0));
    let registration = world
        .network
        .registration(&world.maker, &owner.pubkey(), &signer, CELL);
    let registered = world.harness.send(&registration, &[&owner]);
    let event = client::registrations(registered.as_ref().expect("registered")).remove(0);
    follow(registered);
    follow(squat(1));
    let standing = |time: i64| {
        let device = registry.device_at(&id, start + time);
        device.map(|device| (device.leaf.owner, device.leaf.nonce, device.index))
    };
    let owned = Some((owner.pubkey().to_bytes(), 0, 1));
    assert_eq!(standing(-1), None);
    assert_eq!(standing(9), Some((squatter.key.pubkey().to_bytes(), 0, 0)));
    assert_eq!(standing(10), owned);
    assert_eq!(standing(20), owned);

    // Sold, it is the seller's up to that moment.
    let network = &world.network;
    let mut follower = Follower::new(&world.harness.chain, network.tree).expect("tree");
    let tree = follower.catch_up(&world.harness.chain).expect("history");
    let leaf = tree.leaves()[1];
    assert_eq!(leaf.hash(), event.leaf().expect("leaf").hash());
    let place = tree.place(1).expect("place");
    world.harness.advance(EVIDENCE_WINDOW);
    follow(world.transfer_of(&leaf, place, &owner, &buyer));
    let sold = 30 + EVIDENCE_WINDOW;
    assert_eq!(standing(sold - 1), owned);
    assert_eq!(standing(sold), Some((buyer.pubkey().to_bytes(), 1, 1)));
    assert_eq!(registry.all().len(), 1);
}

#[test]
fn the_tree_is_rebuilt_from_the_chains_history_alone() {
    let mut world = World::new();
    let owner = world.harness.key();
    let Harness { chain, .. } = &world.harness;
    let mut follower = Follower::new(chain, world.network.tree).expect("tree");
    assert_eq!(
        follower.catch_up(chain).expect("history").place(0),
        Err(TreeError::NoLeaf(0))
    );
    world.vouched(Curve::P256, 30);
    let device = world
        .network
        .device(&world.harness, &world.maker, &owner, Curve::Ed25519, CELL);
    let event = RegistryEvent::Registered(Box::new(device.registered));
    world.tree.apply(event).expect("followed");
    let (index, owner) = world.proven();
    let outcome = world.locate(index, &owner, NEXT_CELL);
    world.follow(outcome);
    // A tree of its own has events of its own.
    let other = Network::add_tree(&world.harness, &world.network.key, 20, 14);
    let keys = signers(Curve::P256, 1);
    let args = world.batch_args(Curve::P256, &keys);
    let maker = &world.maker.key;
    let elsewhere = client::register_batch(&world.network.key, &maker.pubkey(), &other, args);
    world
        .harness
        .send(&[elsewhere], &[maker])
        .expect("registered");
    world.batches += 1;

    let Harness { chain, .. } = &world.harness;
    let rebuilt = follower.catch_up(chain).expect("history");
    assert_eq!(rebuilt.leaves(), world.tree.leaves());
    let data = world.tree_data();
    for index in 0..rebuilt.leaves().len() as u32 {
        let place = rebuilt.place(index).expect("place");
        let hash = rebuilt.leaves()[index as usize].hash();
        tree::verify(&data, &place, &hash).expect("proven");
    }
    let mut follower = Follower::new(chain, other).expect("tree");
    let small = follower.catch_up(chain).expect("history");
    assert_eq!(small.leaves().len(), 1);
    assert_eq!(small.place(0).expect("place").proof.len(), 6);
}

#[test]
fn events_may_come_in_any_order_and_twice() {
    let mut world = World::new();
    let mut events = Vec::new();
    for count in [3, 1, 7] {
        let keys = signers(Curve::P256, count);
        let outcome = world.batch(world.batch_args(Curve::P256, &keys));
        world.batches += 1;
        events.extend(world.follow(outcome));
    }
    let maker = world.maker.key.insecure_clone();
    for index in [0, 10, 0] {
        let outcome = world.locate(index, &maker, NEXT_CELL);
        events.extend(world.follow(outcome));
        world.harness.advance(1);
    }
    let root = world.tree.root().expect("root");
    // Every rotation of the events, forwards and backwards, each event twice.
    for start in 0..events.len() {
        for backwards in [false, true] {
            let mut order: Vec<_> = events
                .iter()
                .cycle()
                .skip(start)
                .take(2 * events.len())
                .collect();
            if backwards {
                order.reverse();
            }
            let mut tree = RegistryTree::new(SHAPE.0, SHAPE.1);
            for event in order {
                tree.apply(event.clone()).expect("applied");
            }
            assert!(!tree.has_gap());
            assert_eq!(tree.root(), Ok(root));
            assert_eq!(tree.leaves(), world.tree.leaves());
        }
    }
    // Without the second, what comes after it waits.
    let mut tree = RegistryTree::new(SHAPE.0, SHAPE.1);
    for (number, event) in events.iter().enumerate() {
        if number != 1 {
            tree.apply(event.clone()).expect("applied");
        }
    }
    assert!(tree.has_gap());
    assert_eq!(tree.sequence(), 3);
    assert_eq!(tree.root(), Ok(events[0].root()));
}

#[test]
fn a_proof_follows_from_the_leaves_around_it_alone() {
    let mut world = World::new();
    let keys = signers(Curve::P256, 5);
    let mut events = Vec::new();
    for keys in [&keys[..2], &keys[2..]] {
        let outcome = world.batch(world.batch_args(Curve::P256, keys));
        events.extend(world.follow(outcome));
        world.batches += 1;
    }
    let hashes: Vec<Hash> = world.tree.leaves().iter().map(RegistryLeaf::hash).collect();
    assert_eq!(hashes.len(), 5);
    // Below canopies under which lie all leaves, two, and one.
    for levels in [14, 1, 0] {
        let mut tree = RegistryTree::new(SHAPE.0, SHAPE.0 - levels);
        for event in &events {
            tree.apply(event.clone()).expect("applied");
        }
        for index in 0..5 {
            let first = index >> levels << levels;
            let subtree = &hashes[first as usize..(first as usize + (1 << levels)).min(5)];
            let place = tree.place(index).expect("place");
            assert_eq!(proof_below_canopy(subtree, index, levels), place.proof);
            assert_eq!(place.proof.len(), usize::from(levels));
        }
    }
}

#[test]
fn events_that_lie_are_found_out() {
    let mut world = World::new();
    let keys = signers(Curve::P256, 2);
    let outcome = world.batch(world.batch_args(Curve::P256, &keys));
    let events = world.follow(outcome);
    let RegistryEvent::Batch(event) = &events[0] else {
        panic!("{events:?}");
    };
    let told = |change: fn(&mut DevicesRegistered)| {
        let mut event = event.clone();
        change(&mut event);
        let mut tree = RegistryTree::new(SHAPE.0, SHAPE.1);
        tree.apply(RegistryEvent::Batch(event))?;
        tree.root()
    };
    assert_eq!(told(|_| {}), Ok(event.root));
    assert_eq!(told(|event| event.tier = 0), Err(TreeError::WrongRoot(2)));
    assert_eq!(
        told(|event| event.index = 1),
        Err(TreeError::Contradiction(1))
    );
    assert_eq!(
        told(|event| event.curve = 7),
        Err(TreeError::Contradiction(1))
    );
    assert_eq!(
        told(|event| event.keys[0] = 9),
        Err(TreeError::Contradiction(1))
    );
}
