//! Workers that prove, with real proofs which the chain verifies.

use super::*;
use ai_feed::instructions::RegisterVerifyingKeyArgs;
use ai_feed::state::{Model, VerifyingKey, DEVELOPMENT_ALPHA, PRIVATE, REDUCTION_CIRCOM};
use fieldproof_worker::config::Proving as Config;
use fieldproof_worker::prove::Proving;
use fieldproof_worker::trace::Stage;
use inference::Header;
use prover::Prover;

fn model() -> ModelRef<'static> {
    ModelRef::parse(MODEL).expect("model")
}

/// Has the network take proofs of the development key, and waits for the key's timelock.
fn register_key(world: &World) {
    let payer = world.payer.pubkey();
    let prover = Prover::development(inference::WINDOWS).expect("key");
    let key = prover.verifying_key().to_bytes();
    let args = RegisterVerifyingKeyArgs {
        hash: VerifyingKey::hash_of(&key),
        shape: Header::SHAPE,
        windows: 32,
        reduction: REDUCTION_CIRCOM,
        circuit: [8; 32],
        transcript: [0; 32],
        key: key.to_vec(),
    };
    let register = feeds::register_verifying_key(&payer, &payer, &world.network.key, args);
    world.send(&[register]).expect("verifying key");
    world.set_time(world.now() + HOUR);
}

/// A feed of a model, by its id, that requires proofs.
fn create_feed(world: &World, model: &[u8; 32], min_streams: u8) -> Pubkey {
    let (payer, network) = (world.payer.pubkey(), &world.network);
    // Another gap, and so another id than the feed's that there is.
    let args = CreateFeedArgs {
        required_mask: Mask::ZK | Mask::SOURCED,
        min_streams,
        ..feed_args_of(network, &payer, model, HOUR as u32 + 1)
    };
    let feed = feeds::feed(&args.id);
    let create = feeds::create_feed(&payer, &payer, &network.key, model, args);
    world.send(&[create]).expect("feed");
    feed
}

/// Readings for the hour that has ended, and its round.
fn deliver_an_hour(world: &World) -> u64 {
    for (device, value) in [500, 1_200, -300].into_iter().enumerate() {
        world.deliver(device, &world.readings(device, HOUR, value));
    }
    (world.now() / HOUR) as u64 - 1
}

fn proven(events: &[Event]) -> usize {
    let is = |event: &&Event| matches!(event, Event::Proven { .. });
    events.iter().filter(is).count()
}

#[test]
fn of_three_operators_end_in_a_final_value() {
    let world = World::new();
    register_key(&world);
    let hash = inference::model_hash(&model(), poseidon).expect("hash");
    let feed = create_feed(&world, &hash, 3);
    for served in &world.workers {
        let proving = Proving::open(&Config::default()).expect("prover");
        served.worker.operator().prove_with(proving);
    }
    let round = deliver_an_hour(&world);
    assert_eq!(proven(&world.settle()), 3);

    let proven_feed: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
    let entry = proven_feed.ring[proven_feed.head as usize];
    assert_eq!((proven_feed.last_round, entry.streams), (round, 3));
    assert_eq!(entry.mask, Mask::COMMITTEE | Mask::SOURCED | Mask::ZK);
    // The other feed of the same readings says the same without.
    let other = world.feed();
    let unproven = other.ring[other.head as usize];
    assert_eq!(
        (unproven.value, unproven.confidence),
        (entry.value, entry.confidence)
    );
    assert_eq!(unproven.mask, Mask::COMMITTEE | Mask::SOURCED);
    assert_eq!(world.trace_other(&feed).expect("true"), entry);
    assert!(world.settle().is_empty());
}

/// One operator has the weights; the others vouch for what it was made of, and see nothing else.
#[test]
fn of_a_private_model_end_in_a_final_value() {
    let world = World::new();
    register_key(&world);
    let directory = TempDir::new().expect("directory");
    let file = directory.path().join("private.model");
    let mut private = inference::Model::from(model());
    private.weights[0] ^= 1;
    let bytes = private.to_bytes();
    std::fs::write(&file, bytes).expect("model");
    let private = ModelRef::parse(&bytes).expect("model");
    let hash = inference::model_hash(&private, poseidon).expect("hash");
    let payer = world.payer.pubkey();
    let (id, register) = feeds::register_private_model(&payer, hash, private.header());
    world.send(&[register]).expect("model");
    let feed = create_feed(&world, &id, 1);
    let config = Config {
        models: vec![file],
        ..Config::default()
    };
    let proving = Proving::open(&config).expect("prover");
    world.workers[0].worker.operator().prove_with(proving);

    let round = deliver_an_hour(&world);
    assert_eq!(proven(&world.settle()), 1);
    let proven_feed: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
    let entry = proven_feed.ring[proven_feed.head as usize];
    assert_eq!((proven_feed.last_round, entry.streams), (round, 1));
    assert_eq!(entry.mask, Mask::SOURCED | Mask::ZK);
    let values = world
        .readings(0, HOUR, 500)
        .map(|signed| signed.reading.values[0]);
    let output = inference::infer(&private, &inference::features(private.header(), &values));
    assert_eq!(entry.value, private.header().value(output));

    let attestations = chain::read_all::<Attestation>(world.chain.as_ref()).expect("chain");
    let (_, attestation) = attestations
        .iter()
        .find(|(_, attestation)| attestation.feed == feed)
        .expect("attestation");
    assert_eq!(attestation.signers, 0);
    assert!(attestation.source_signers.count_ones() >= 2);
    let stored: Model = chain::read(world.chain.as_ref(), &feeds::model(&id)).expect("model");
    assert_eq!(stored.flags, PRIVATE);
    assert!(stored.bytes[Header::BYTES..].iter().all(|byte| *byte == 0));
    tracing::assert_fails(world.trace_other(&feed), Stage::Model, "it is private");
    assert!(world.settle().is_empty());
}

/// Nothing is lost while the network does not take the key yet: what was submitted is proven later.
#[test]
fn wait_for_the_keys_timelock() {
    let world = World::new();
    world.set_time(world.now() + HOUR / 2);
    register_key(&world);
    // Half an hour before, when a round has ended already.
    let active = world.now();
    world.set_time(active - HOUR / 2);
    let hash = inference::model_hash(&model(), poseidon).expect("hash");
    let feed = create_feed(&world, &hash, 1);
    let operator = world.workers[0].worker.operator();
    operator.prove_with(Proving::open(&Config::default()).expect("prover"));
    deliver_an_hour(&world);
    let mut events = Vec::new();
    for _ in 0..4 {
        for served in &world.workers {
            events.extend(served.worker.step().expect("step"));
        }
    }
    assert_eq!(proven(&events), 0);
    assert!(
        events.iter().any(|event| matches!(
            event,
            Event::Failed { detail, .. } if detail.contains("takes no proofs of this worker's key")
        )),
        "{events:?}"
    );
    world.set_time(active);
    assert_eq!(proven(&world.settle()), 1);
    let proven_feed: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
    assert_eq!(proven_feed.entries, 1);
}

/// A worker without a prover leaves feeds alone that it could never serve.
#[test]
fn are_no_concern_of_a_worker_without_a_prover() {
    let world = World::new();
    register_key(&world);
    let hash = inference::model_hash(&model(), poseidon).expect("hash");
    let feed = create_feed(&world, &hash, 1);
    deliver_an_hour(&world);
    world.settle();
    assert_eq!(world.feed().entries, 1);
    let unserved: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
    assert_eq!(unserved.entries, 0);
}

/// The program knows the insecure keys by their alpha, which follows from the seed that they are all made of.
#[test]
fn of_the_development_keys_are_known_for_insecure() {
    for capacity in [1, inference::WINDOWS] {
        let prover = Prover::development(capacity).expect("key");
        assert!(prover
            .verifying_key()
            .to_bytes()
            .starts_with(&DEVELOPMENT_ALPHA));
    }
}
