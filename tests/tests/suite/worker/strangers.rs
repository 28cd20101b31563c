//! What somebody who is no operator says, to keep operators from their work.

use super::rewards::{computed, reward_epoch, reward_without_first};
use super::*;
use anchor_lang::solana_program::system_instruction;
use fieldproof_client::chain::{Chain, Cursor, Filter};
use fieldproof_worker::follow::{self, STEP};
use fieldproof_worker::payload::PayloadError;
use fieldproof_worker::registry::{Record, Registry};
use fieldproof_worker::reward::{self, Commitments, Sources};
use fieldproof_worker::score::Granted;
use fieldproof_worker::store::{Store, StoreError};
use solana_account::Account;
use solana_signature::Signature;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Mutex;

impl World {
    /// Has every worker read that `stream` posted a commitment at each of these times (unix seconds).
    fn tell_of(&self, stream: [u8; 32], times: impl Iterator<Item = i64>) {
        let commitments: Vec<_> = (0..)
            .zip(times)
            .map(|(sequence, posted_at)| {
                let leaf = CommitmentLeaf {
                    sequence,
                    posted_at,
                    root: [1; 32],
                    batches: 1,
                    payload_hash: [2; 32],
                    payload_len: 1,
                };
                (stream, leaf)
            })
            .collect();
        for served in &self.workers {
            let store = &served.worker.operator().store;
            let cursor = store.cursor().expect("store").expect("a cursor");
            store
                .follow::<()>(&[], &commitments, &cursor)
                .expect("store");
        }
    }
}

#[test]
fn have_no_epoch_fail_by_what_they_commit_before_the_networks_genesis() {
    let world = World::new();
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    world.tell_of([9; 32], std::iter::once(START - 1));
    reward_epoch(&world, 2);
    let owner = world.owners[1].pubkey();
    assert!(world.proof(0, &owner).expect("proof").cumulative > 0);
}

/// The commitments of a network, of which a test counts what is read.
struct Counted<'a> {
    store: &'a Store,
    read: AtomicUsize,
    asked: AtomicUsize,
}

impl Commitments for Counted<'_> {
    fn posted_from(&self, time: i64) -> Result<Option<i64>, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.store.posted_from(time)
    }

    fn of(&self, stream: &[u8; 32]) -> Result<Vec<CommitmentLeaf>, StoreError> {
        let leaves = self.store.seen_commitments(stream)?;
        self.read.fetch_add(leaves.len(), Ordering::SeqCst);
        Ok(leaves)
    }
}

#[test]
fn cost_nobody_anything_by_any_number_of_commitments() {
    let world = World::new();
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    let start = START + 2 * EPOCH;
    world.tell_of([9; 32], start..start + 10_000);
    world.set_time(START + 3 * EPOCH + 60);
    world.workers[0].worker.step().expect("step");
    let operator = world.workers[0].worker.operator();
    let (record, rewards) = computed(operator);
    let commitments = Counted {
        store: &operator.store,
        read: AtomicUsize::new(0),
        asked: AtomicUsize::new(0),
    };
    let sources = Sources {
        chain: world.chain.as_ref(),
        network: world.network.key,
        registry: &operator.registry,
        commitments: &commitments,
        payload: &|_, leaf| {
            Ok(operator
                .store
                .payload(&leaf.payload_hash)?
                .expect("payload"))
        },
    };
    let again = reward::rewards(sources, &world.emission(), record.epoch, &Granted::new());
    assert_eq!(again.expect("rewards").rewards, rewards);
    // One commitment of each of the operators, and one epoch in which there were any.
    assert_eq!(commitments.read.into_inner(), 3);
    assert_eq!(commitments.asked.into_inner(), 2);
}

#[test]
fn end_no_worker_by_readings_from_both_ends_of_time() {
    let mut world = World::new();
    let registry = &world.workers[0].worker.operator().registry;
    // An operator with a seat commits to them, and serves them.
    let committed = [[i64::MIN, i64::MAX], [0, i64::MAX]].map(|ends| {
        let mut window = world.window(0, world.readings(0, HOUR, 800));
        for (signed, captured_at) in window.readings.iter_mut().zip(ends) {
            signed.reading.captured_at = captured_at;
        }
        let batch = world.batch(vec![window]);
        let checked = window::check_batch(
            &batch,
            &world.feed(),
            batch.round,
            &world.network.id,
            registry.at(world.now()),
        );
        assert_eq!(checked, Err(BatchError::Gap));
        let lie = world.honest(batch);
        world.commit(&lie);
        lie.payload
    });
    // Bytes of before 1970 are no reading: only the other payload is looked into.
    let [before, since] = committed.each_ref().map(|bytes| Payload::decode(bytes));
    assert_eq!(before, Err(PayloadError::Reading));
    assert!(since.is_ok());

    let _liar = reward_without_first(&mut world);
    for served in &world.workers {
        let store = &served.worker.operator().store;
        for bytes in &committed {
            let hash = fieldproof_worker::payload::hash(bytes);
            let read = store.payload(&hash).expect("store");
            assert!(read.is_some_and(|read| read == *bytes));
        }
    }
    let owners_part = world.emission().budget(2, 0).expect("budget").owners;
    for owner in &world.owners {
        let proof = world.proof(0, &owner.pubkey()).expect("proof");
        assert_eq!(proof.cumulative, owners_part / 2);
    }
    assert!(world.proof(0, &world.operators[0].pool).is_none());
}

/// A chain on which a network can't be followed any more once that is `lost`.
struct Forgetful {
    chain: Arc<LocalChain>,
    network: Pubkey,
    lost: Arc<AtomicBool>,
}

impl Chain for Forgetful {
    tests::within!(
        accounts,
        program_accounts,
        clock,
        lifetime,
        genesis_hash,
        block_height,
        rent,
        simulate,
        send,
        execution
    );

    fn history(&self, address: &Pubkey, after: &Cursor) -> Result<Vec<Signature>, ClientError> {
        if *address == self.network && self.lost.load(Ordering::SeqCst) {
            return Err(ClientError::Cluster("no history".to_owned()));
        }
        self.chain.history(address, after)
    }
}

/// The world's chain, and what has its network lost.
fn forgetful(world: &World) -> (Arc<dyn Chain>, Arc<AtomicBool>) {
    let lost = Arc::new(AtomicBool::new(false));
    let chain = Forgetful {
        chain: world.chain.clone(),
        network: world.network.key,
        lost: lost.clone(),
    };
    (Arc::new(chain), lost)
}

/// A worker of operator number `operator` with a new database.
pub fn fresh(world: &World, operator: usize, chain: Arc<dyn Chain>) -> (Worker, TempDir) {
    let data = TempDir::new().expect("directory");
    let operator = &world.operators[operator];
    let worker = Worker::open(
        chain,
        world.network.key,
        operator.pool,
        operator.signer.insecure_clone(),
        BTreeMap::new(),
        data.path(),
    );
    (worker.expect("worker"), data)
}

#[test]
fn hold_up_no_answer_to_a_challenge_by_what_must_be_followed() {
    let world = World::new();
    let (chain, lost) = forgetful(&world);
    let (worker, _data) = fresh(&world, 0, chain);
    // It has learned of the devices, and can follow the chain no further: of its own commitment, which is made now, it has
    // what it decided on and its payload.
    worker.work(Part::Follow).expect("step");
    lost.store(true, Ordering::SeqCst);
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    let decided = &world.workers[0].worker.operator().store;
    let store = &worker.operator().store;
    for own in decided.commitments::<Commitment>().expect("store") {
        let payload = decided.payload(&own.payload_hash).expect("store");
        store
            .put_payload(&payload.expect("payload"))
            .expect("store");
        store.put_commitment(own.sequence, &own).expect("store");
    }
    let place = world.challenge(0, 3);
    assert!(worker.work(Part::Follow).is_err());
    let stream = place.stream.to_bytes();
    assert_eq!(store.seen_commitment(&stream, 0).expect("store"), None);
    let events = worker.work(Part::Answers).expect("step");
    assert_eq!(challenges::told(&events), (1, 1, Vec::new()));
    assert_eq!(world.lamports(&place.challenge()), 0);
}

#[test]
fn hide_no_false_output_by_what_must_be_followed() {
    let world = World::new();
    let (chain, lost) = forgetful(&world);
    let (worker, _data) = fresh(&world, 1, chain);
    worker.work(Part::Follow).expect("step");
    lost.store(true, Ordering::SeqCst);
    let batch = world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]);
    let windows = window::compute(&batch, &model()).expect("batch").windows;
    let round = feeds::round(&world.feed, batch.round);
    let mut lie = world.honest(batch);
    lie.outputs[0] ^= 1;
    let key = world.attest(&lie);
    // Nothing is known of an attestation whose commitment was not seen, until its windows are shown.
    assert!(worker.work(Part::Watch).expect("step").is_empty());
    let show = feeds::show_windows(&round, &key, windows);
    world.send(&[show]).expect("shown");
    world.set_time(world.now() + 15);
    worker.tick().expect("clock");
    let events = worker.work(Part::Watch).expect("step");
    assert!(
        matches!(events[..], [Event::Refuted { window: 0, .. }]),
        "{events:?}"
    );
}

/// A chain that remembers which accounts it listed.
struct Listing {
    chain: Arc<LocalChain>,
    listed: Mutex<BTreeSet<Pubkey>>,
}

impl Chain for Listing {
    tests::within!(
        accounts,
        clock,
        lifetime,
        genesis_hash,
        block_height,
        rent,
        simulate,
        send,
        execution,
        history
    );

    fn program_accounts(
        &self,
        program: &Pubkey,
        filters: &[Filter<'_>],
    ) -> Result<Vec<(Pubkey, Account)>, ClientError> {
        let accounts = self.chain.program_accounts(program, filters)?;
        let mut listed = self.listed.lock().expect("lock");
        listed.extend(accounts.iter().map(|(key, _)| *key));
        Ok(accounts)
    }
}

impl World {
    /// Another network with everything that this one has. Returns its accounts.
    fn add_twin(&self) -> BTreeSet<Pubkey> {
        let operators = self.operators.iter();
        let mut names: BTreeSet<[u8; 32]> = operators
            .flat_map(|operator| [operator.pool, operator.stream])
            .map(|key| key.to_bytes())
            .collect();
        names.extend([self.network.key, self.feed].map(|key| key.to_bytes()));
        let programs = [
            ai_feed::ID,
            data_commitment::ID,
            device_registry::ID,
            reward_emission::ID,
            security_pool::ID,
        ];
        let mut twins = BTreeSet::new();
        for program in programs {
            let accounts = self.chain.program_accounts(&program, &[]);
            for (_, mut account) in accounts.expect("accounts") {
                for start in 0..account.data.len() {
                    if let Some(name) = account.data[start..].first_chunk_mut::<32>() {
                        if names.contains(name) {
                            name[31] ^= 1;
                        }
                    }
                }
                let key = Pubkey::new_unique();
                self.chain.set_account(&key, account);
                twins.insert(key);
            }
        }
        twins
    }
}

#[test]
fn have_no_worker_read_the_accounts_of_another_network() {
    let world = World::new();
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    let chain = Arc::new(Listing {
        chain: world.chain.clone(),
        listed: Mutex::default(),
    });
    let (worker, _data) = fresh(&world, 0, chain.clone());
    let work = || {
        for part in Part::ALL {
            // Without what the other worker of its operator has, it can't do everything.
            let _ = worker.work(part);
        }
    };
    world.challenge(0, 3);
    let mut twins = world.add_twin();
    work();
    world.settle();
    reward_epoch(&world, 2);
    twins.extend(world.add_twin());
    world.set_time(START + 4 * EPOCH + 60);
    work();
    let listed = chain.listed.lock().expect("lock");
    assert!(listed.contains(&world.feed));
    assert!(listed.is_disjoint(&twins));
}

#[test]
fn who_name_the_network_all_the_time_are_read_step_by_step_and_hold_up_no_other_part() {
    let world = World::new();
    let payer = world.payer.pubkey();
    for lamports in 1..=STEP as u64 + 1 {
        let name = system_instruction::transfer(&payer, &world.network.key, lamports);
        world.send(&[name]).expect("transfer");
    }
    world.set_time(world.now() + 60);
    let worker = &world.workers[0].worker;
    let following = &worker.operator().following;
    let before = following.until();
    worker.work(Part::Follow).expect("step");
    assert_eq!(following.until(), before);
    worker.work(Part::Follow).expect("step");
    assert_eq!(following.until(), world.now());
}

#[test]
fn a_place_on_the_chain_that_nobody_knows_applies_nothing() {
    let world = World::new();
    let (worker, _data) = fresh(&world, 0, world.chain.clone());
    let operator = worker.operator();
    let slot = 1u64.to_be_bytes();
    let unknown = [&slot[..], &[0; 64], &[7; 64]].concat();
    // Of before whole slots were remembered, too.
    let older = [&[7; 64][..], &slot].concat();
    for cursor in [&older[..64], &older, &unknown] {
        operator
            .store
            .follow::<()>(&[], &[], cursor)
            .expect("store");
        let refused = follow::follow(operator).expect_err("followed").to_string();
        assert!(refused.contains("lags behind"), "{refused}");
        assert_eq!(
            operator.store.cursor().expect("store").as_deref(),
            Some(cursor)
        );
        assert_eq!(operator.registry.count(), 0);
        assert_eq!(operator.following.until(), 0);
    }
}

#[test]
fn a_place_on_the_chain_of_before_slots_were_remembered_is_gone_on_from() {
    let world = World::new();
    let operator = world.workers[0].worker.operator();
    let place = || operator.store.cursor().expect("store").expect("a place");
    let payer = world.payer.pubkey();
    for length in [64, 72] {
        // The last of its slot, then the slot.
        let last = &place()[72..];
        let (signature, slot) = (&last[last.len() - 64..], &place()[..8]);
        let older = [signature, slot].concat();
        operator
            .store
            .follow::<()>(&[], &[], &older[..length])
            .expect("store");
        let name = system_instruction::transfer(&payer, &world.network.key, length as u64);
        let named = world.send(&[name]).expect("transfer");
        let followed = follow::follow(operator).expect("followed");
        assert_eq!((followed.devices, followed.caught_up), (0, true));
        let expected = [
            &named.slot.to_be_bytes(),
            signature,
            named.signature.as_ref(),
        ]
        .concat();
        assert_eq!(place(), expected);
    }
}

#[test]
fn a_change_that_is_told_once_more_is_not_the_newest_again() {
    let world = World::new();
    let operator = world.workers[0].worker.operator();
    let mut records = operator
        .store
        .devices::<serde_json::Value>()
        .expect("store");
    let first = records.next().expect("a record").expect("store");
    let mut second = first.clone();
    second["nonce"] = 1.into();
    second["sequence"] = 1_000.into();
    let [first, second] =
        [first, second].map(|record| serde_json::from_value::<Record>(record).expect("record"));
    let registry = Registry::default();
    for record in [&first, &second, &first] {
        registry.insert(record.clone()).expect("record");
    }
    let [device] = registry.all().try_into().expect("one device");
    assert_eq!(device.leaf.nonce, 1);
}
