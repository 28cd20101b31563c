//! What somebody who is no operator says, to keep operators from their work.

use super::rewards::reward_epoch;
use super::*;
use anchor_lang::solana_program::system_instruction;
use fieldproof_client::chain::{Chain, Cursor};
use fieldproof_worker::follow::{self, STEP};
use fieldproof_worker::registry::{Record, Registry};
use fieldproof_worker::round::Commitment;
use solana_signature::Signature;
use std::sync::atomic::{AtomicBool, Ordering};

impl World {
    /// Has every worker read that `stream` posted a commitment at `posted_at` (unix seconds).
    fn tell_of(&self, stream: [u8; 32], posted_at: i64) {
        let leaf = CommitmentLeaf {
            sequence: 0,
            posted_at,
            root: [1; 32],
            batches: 1,
            payload_hash: [2; 32],
            payload_len: 1,
        };
        for served in &self.workers {
            let store = &served.worker.operator().store;
            let cursor = store.cursor().expect("store").expect("a cursor");
            store
                .follow::<()>(&[], &[(stream, leaf)], &cursor)
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
    world.tell_of([9; 32], START - 1);
    reward_epoch(&world, 2);
    let owner = world.owners[1].pubkey();
    assert!(world.proof(0, &owner).expect("proof").cumulative > 0);
}

#[test]
fn end_no_worker_by_readings_from_both_ends_of_time() {
    let world = World::new();
    let mut window = world.window(0, world.readings(0, HOUR, 800));
    window.readings[0].reading.captured_at = i64::MIN;
    window.readings[1].reading.captured_at = i64::MAX;
    let batch = world.batch(vec![window]);
    let registry = &world.workers[0].worker.operator().registry;
    let checked = window::check_batch(
        &batch,
        &world.feed(),
        batch.round,
        &world.network.id,
        registry.at(world.now()),
    );
    assert_eq!(checked, Err(BatchError::Gap));
}

/// A chain whose history can't be read any more once it is `lost`.
struct Forgetful {
    chain: Arc<LocalChain>,
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

    fn history(
        &self,
        address: &Pubkey,
        after: Option<&Cursor>,
    ) -> Result<Vec<Signature>, ClientError> {
        if self.lost.load(Ordering::SeqCst) {
            return Err(ClientError::Cluster("no history".to_owned()));
        }
        self.chain.history(address, after)
    }
}

/// A worker of the first operator with a new database.
fn fresh(world: &World, chain: Arc<dyn Chain>) -> (Worker, TempDir) {
    let data = TempDir::new().expect("directory");
    let worker = Worker::open(
        chain,
        world.network.key,
        world.operators[0].pool,
        world.operators[0].signer.insecure_clone(),
        BTreeMap::new(),
        data.path(),
    );
    (worker.expect("worker"), data)
}

#[test]
fn hold_up_no_answer_to_a_challenge_by_what_must_be_followed() {
    let world = World::new();
    let lost = Arc::new(AtomicBool::new(false));
    let (worker, _data) = fresh(
        &world,
        Arc::new(Forgetful {
            chain: world.chain.clone(),
            lost: lost.clone(),
        }),
    );
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
    let (worker, _data) = fresh(&world, world.chain.clone());
    let operator = worker.operator();
    let unknown = [&[7; 64][..], &1u64.to_be_bytes()].concat();
    // Of before slots were remembered, too.
    for cursor in [&unknown[..64], &unknown[..]] {
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
    let cursor = operator.store.cursor().expect("store").expect("a cursor");
    let signature = &cursor[..64];
    operator
        .store
        .follow::<()>(&[], &[], signature)
        .expect("store");
    let payer = world.payer.pubkey();
    let name = system_instruction::transfer(&payer, &world.network.key, 1);
    let named = world.send(&[name]).expect("transfer");
    let followed = follow::follow(operator).expect("followed");
    assert_eq!((followed.devices, followed.caught_up), (0, true));
    let cursor = [named.signature.as_ref(), &named.slot.to_be_bytes()].concat();
    assert_eq!(operator.store.cursor().expect("store"), Some(cursor));
}

#[test]
fn a_change_that_is_told_once_more_is_not_the_newest_again() {
    let world = World::new();
    let operator = world.workers[0].worker.operator();
    let records: Vec<serde_json::Value> = operator.store.devices().expect("store");
    let first = records[0].clone();
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
