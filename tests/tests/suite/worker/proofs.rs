//! Workers that prove, with real proofs which the chain verifies.

use super::*;
use aho_corasick::AhoCorasick;
use ai_feed::instructions::RegisterVerifyingKeyArgs;
use ai_feed::state::{Model, VerifyingKey, DEVELOPMENT_ALPHA, PRIVATE, REDUCTION_CIRCOM};
use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use fieldproof_client::chain::{Chain, Cursor};
use fieldproof_worker::config::Proving as Config;
use fieldproof_worker::prove::Proving;
use fieldproof_worker::trace::Stage;
use inference::Header;
use prover::Prover;
use std::path::Path;

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

/// Finds eight of a model's weights or biases in a row, in each form in which numbers are stored, sent, proven or printed.
fn traces_of(model: &inference::Model) -> AhoCorasick {
    const RUN: usize = 8;
    type Form = fn(i32) -> Vec<u8>;
    let of_any: [Form; 9] = [
        |number| number.to_le_bytes().to_vec(),
        |number| number.to_be_bytes().to_vec(),
        |number| i64::from(number).to_le_bytes().to_vec(),
        // In the elements that the model's hash is made of.
        |number| (number.cast_unsigned() ^ 1 << 31).to_be_bytes().to_vec(),
        // As a field element: as it is sent, as it is stored, and as it is computed with.
        |number| Fr::from(number).into_bigint().to_bytes_be(),
        |number| Fr::from(number).into_bigint().to_bytes_le(),
        |number| Fr::from(number).0.to_bytes_le(),
        |number| format!("{number},").into_bytes(),
        |number| format!("{number}, ").into_bytes(),
    ];
    let of_weights: [Form; 5] = [
        |weight| vec![weight as u8],
        |weight| vec![weight as u8 ^ 1 << 7],
        |weight| (weight as i16).to_le_bytes().to_vec(),
        |weight| (weight as i16).to_be_bytes().to_vec(),
        |weight| hex::encode([weight as u8]).into_bytes(),
    ];
    let weights = model.weights.map(i32::from);
    let mut patterns: Vec<Vec<u8>> = Vec::new();
    for (numbers, forms) in [
        (weights.as_slice(), of_weights.as_slice()),
        (weights.as_slice(), of_any.as_slice()),
        (model.biases.as_slice(), of_any.as_slice()),
    ] {
        for form in forms {
            let runs = numbers.windows(RUN);
            let in_form =
                |run: &[i32]| -> Vec<u8> { run.iter().flat_map(|number| form(*number)).collect() };
            patterns.extend(runs.map(in_form));
        }
    }
    AhoCorasick::new(patterns).expect("patterns")
}

/// All that can be known of workers: what they say, send and keep, and what the chain has of it. Each with where it is.
fn known_of(world: &World, attestation: &Pubkey) -> Vec<(String, Vec<u8>)> {
    let mut known: Vec<(String, Vec<u8>)> = Vec::new();
    for (program, name) in tests::programs() {
        let accounts = world.chain.program_accounts(&program, &[]).expect("chain");
        known.extend(
            accounts
                .into_iter()
                .map(|(key, account)| (format!("account {key} of {name}"), account.data)),
        );
    }
    let payers = world
        .operators
        .iter()
        .map(|operator| operator.signer.pubkey());
    for payer in payers.chain([world.payer.pubkey()]) {
        for signature in world
            .chain
            .history(&payer, &Cursor::START)
            .expect("history")
        {
            let execution = world.chain.execution(&signature).expect("chain");
            let execution = execution.expect("transaction");
            let invocations = execution.outer.into_iter().chain(execution.inner);
            let data = invocations.map(|invocation| invocation.data);
            let logs = execution.logs.into_iter().map(String::into_bytes);
            let all = data.chain(logs).chain([execution.return_data]);
            known.extend(all.map(|bytes| (format!("transaction {signature}"), bytes)));
        }
    }
    for (served, operator) in world.workers.iter().zip(&world.operators) {
        let store = &served.worker.operator().store;
        let mut paths = ["status", "events", "conflicts", "rewards"]
            .map(|what| format!("v1/{what}"))
            .to_vec();
        paths.extend(["metrics", "ready", "health"].map(str::to_owned));
        paths.push(format!("v1/rewards/{}", operator.pool));
        for commitment in world.seen(&served.worker) {
            let hash = hex::encode(commitment.payload_hash);
            if let Some(bytes) = store.payload(&commitment.payload_hash).expect("store") {
                let decoded = Payload::decode(&bytes).expect("payload");
                let decoded = format!("{decoded:?}").into_bytes();
                known.extend([bytes, decoded].map(|bytes| (format!("payload {hash}"), bytes)));
            }
            paths.push(format!("v1/payloads/{hash}"));
        }
        for path in paths {
            let url = format!("{}/{path}", served.url);
            let answer = world.http.get(url).send().and_then(Response::bytes);
            known.push((format!("answer to {path}"), answer.expect("answer").into()));
        }
        let url = format!("{}/v1/attestations", served.url);
        let request = SignRequest {
            attestation: attestation.to_string(),
        };
        let answer = world.http.post(url).json(&request).send();
        let answer = answer.and_then(Response::bytes).expect("answer");
        known.push(("answer to v1/attestations".to_owned(), answer.into()));
        files(served.data.path(), &mut known);
    }
    known
}

/// All files in a directory.
fn files(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).expect("directory") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let bytes = std::fs::read(&path).expect("file");
            found.push((format!("disk: {}", path.display()), bytes));
        }
    }
}

/// One operator has the weights; the others vouch for what it was made of, and see nothing else.
#[test]
fn of_a_private_model_end_in_a_final_value() {
    let world = World::new();
    register_key(&world);
    let directory = TempDir::new().expect("directory");
    let file = directory.path().join("private.model");
    let mut private = inference::Model::from(model());
    // Another number everywhere, or the public model would give it away.
    private.weights = private.weights.map(|weight| weight ^ 1);
    private.biases = private.biases.map(|bias| bias ^ 1);
    let traces = traces_of(&private);
    let bytes = private.to_bytes();
    std::fs::write(&file, bytes).expect("model");
    assert!(traces.is_match(&std::fs::read(&file).expect("model")));
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
    let (attestation_key, attestation) = attestations
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

    // Neither weights nor biases have gone anywhere, while whatever did go is found where it went.
    let known = known_of(&world, attestation_key);
    for (what, bytes) in &known {
        assert!(!traces.is_match(bytes), "{what} shows the private model");
    }
    let is_known = |what: &str, traces: &AhoCorasick| {
        let mut known = known.iter().filter(|(place, _)| place.starts_with(what));
        assert!(known.any(|(_, bytes)| traces.is_match(bytes)), "{what}");
    };
    let public = traces_of(&inference::Model::from(model()));
    for what in ["account", "transaction"] {
        is_known(what, &public);
    }
    let signature = world.readings(0, HOUR, 500)[7].signature;
    let reading = AhoCorasick::new([signature]).expect("pattern");
    for what in ["disk", "payload", "answer"] {
        is_known(what, &reading);
    }
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
