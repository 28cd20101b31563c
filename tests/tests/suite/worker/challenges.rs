//! Challenges of availability, which the challenged operator's worker answers by itself.

use super::*;
use data_commitment::state::Challenge;
use fieldproof_client::chain::Chain;
use fieldproof_client::data_commitment::{ReadingPlace, Settling, StreamHistory};
use solana_transaction::versioned::VersionedTransaction;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Seconds in which a challenge is answered.
const ANSWER_WINDOW: i64 = EVIDENCE_WINDOW / 3;
/// Seconds that a worker waits before it tries an answer again.
const RETRY: i64 = 30;
/// Of the challenges of the test's network, lamports.
const BOND: u64 = 10_000_000;

impl World {
    /// Windows of all three operators' devices, committed and attested. Those of devices 0 and 1 are half of the hardware
    /// key and half of a session.
    fn committed() -> Self {
        let world = Self::new();
        for device in 0..3 {
            let signer = &world.devices[device].signer;
            let mut readings = world.readings(device, HOUR, 500);
            if device < 2 {
                let session = DeviceSigner::generate(Curve::Ed25519);
                let granted = grant(&world, signer, &session, 7);
                assert_eq!(world.post_to(device, "grants", granted).accepted, 1);
                for signed in &mut readings[8..] {
                    let reading = Reading {
                        session: 7,
                        ..signed.reading
                    };
                    *signed = sign(&session, reading);
                }
            }
            world.deliver(device, &readings);
        }
        world.settle();
        assert_eq!(world.feed().entries, 1);
        world
    }

    fn place(&self, operator: usize, reading: u16) -> ReadingPlace {
        ReadingPlace {
            stream: self.operators[operator].stream,
            sequence: 0,
            batch: 0,
            reading,
        }
    }

    /// Asks operator number `operator` for a reading of its first batch.
    pub fn challenge(&self, operator: usize, reading: u16) -> ReadingPlace {
        self.challenge_at(self.place(operator, reading))
    }

    /// Asks for a reading, by what the chain alone tells.
    fn challenge_at(&self, place: ReadingPlace) -> ReadingPlace {
        let history = StreamHistory::read(self.chain.as_ref(), &place.stream).expect("history");
        let proof = history
            .attested_batch(place.sequence, place.batch)
            .expect("an attested batch");
        let challenge = streams::challenge_availability(
            &self.payer.pubkey(),
            &self.network.key,
            &place.stream,
            proof,
            place.reading,
        );
        self.send(&[challenge]).expect("challenge");
        place
    }

    /// An operator's only attestation for a feed.
    fn attested(&self, feed: &Pubkey, operator: usize) -> (Pubkey, Attestation) {
        let all: Vec<(Pubkey, Attestation)> =
            chain::read_all(self.chain.as_ref()).expect("attestations");
        let stream = self.operators[operator].stream;
        let mut own = all
            .into_iter()
            .filter(|(_, attestation)| (attestation.feed, attestation.stream) == (*feed, stream));
        let only = own.next().expect("attestation");
        assert!(own.next().is_none());
        only
    }

    /// All three operators' attestations for a feed that takes them by time, and ten minutes before their windows end a
    /// challenge of a reading of the first operator's, for which its clock stands still. Returns feed, attestation, challenge
    /// and the deadline before.
    fn stopped(&self) -> (Pubkey, Pubkey, ReadingPlace, i64) {
        let feed = self.create_feed_by_time();
        for device in 0..3 {
            self.deliver(device, &self.readings(device, HOUR, 700));
        }
        self.settle();
        assert_eq!(self.bonded(), [5 * TOKEN; 3]);
        let (key, attestation) = self.attested(&feed, 0);
        self.set_time(attestation.deadline - 600);
        let place = self.challenge_at(ReadingPlace {
            stream: attestation.stream,
            sequence: attestation.sequence,
            batch: attestation.batch_index,
            reading: 7,
        });
        let stop = feeds::stop_clock(&self.network.key, &feed, &key, &place);
        self.send(&[stop]).expect("stop");
        (feed, key, place, attestation.deadline)
    }

    fn open_challenges(&self, operator: usize) -> u32 {
        let stream: Stream =
            chain::read(self.chain.as_ref(), &self.operators[operator].stream).expect("stream");
        stream.open_challenges
    }

    fn signers_lamports(&self, operator: usize) -> u64 {
        self.lamports(&self.operators[operator].signer.pubkey())
    }

    pub fn lamports(&self, key: &Pubkey) -> u64 {
        let account = self.chain.account(key).expect("chain");
        account.map_or(0, |account| account.lamports)
    }

    /// What worker number `worker` counts: challenges met, answered, failed, missed, open.
    fn figures(&self, worker: usize) -> [u64; 5] {
        let url = format!("{}/metrics", self.workers[worker].url);
        let page = self.http.get(url).send().and_then(Response::text);
        let page = page.expect("metrics");
        [
            "challenges_total",
            "challenges_answered_total",
            "challenge_failures_total",
            "challenges_missed_total",
            "challenges_open",
        ]
        .map(|name| {
            let name = format!("fieldproof_{name} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&name));
            line.expect("figure").parse().expect("number")
        })
    }
}

/// What a step tells of challenges.
pub fn told(events: &[Event]) -> (usize, usize, Vec<String>) {
    let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
    let failed = events.iter().filter_map(|event| match event {
        Event::Failed { what, detail } if what == "challenge" => Some(detail.clone()),
        _ => None,
    });
    (
        count(|event| matches!(event, Event::Challenged { .. })),
        count(|event| matches!(event, Event::Answered { .. })),
        failed.collect(),
    )
}

#[test]
fn are_answered_at_once_whatever_key_signed_and_the_bonds_are_the_operators() {
    let world = World::committed();
    assert_eq!(world.figures(0), [0; 5]);
    let before = [0, 1].map(|operator| world.signers_lamports(operator));
    // The hardware key's and the session's, of each curve, all open at once.
    let places = [0, 1].map(|operator| {
        [0, 7, 8, 15].map(|reading| {
            let place = world.challenge(operator, reading);
            let key = place.challenge();
            let challenge: Challenge = chain::read(world.chain.as_ref(), &key).expect("challenge");
            assert_eq!(challenge.bond, BOND);
            (place, world.lamports(&key))
        })
    });
    let events = world.settle();
    assert_eq!(told(&events), (8, 8, Vec::new()));
    for operator in 0..2 {
        assert_eq!(world.open_challenges(operator), 0);
        let mut held = 0;
        for (place, lamports) in &places[operator] {
            assert_eq!(world.lamports(&place.challenge()), 0);
            held += lamports;
        }
        // Bonds and rents, less what four transactions cost.
        let gained = world.signers_lamports(operator) - before[operator];
        assert!(
            gained < held && gained > held - 4 * 50_000,
            "{gained} {held}"
        );
        assert_eq!(world.figures(operator), [4, 4, 0, 0, 0]);
    }
    assert_eq!(world.figures(2), [0; 5]);
    assert!(world.settle().is_empty());
    // The same reading again is another challenge.
    world.challenge(0, 7);
    assert_eq!(told(&world.settle()), (1, 1, Vec::new()));
    assert_eq!(world.figures(0), [5, 5, 0, 0, 0]);
}

#[test]
fn are_answered_by_the_leaf_as_it_stands_now() {
    let world = World::committed();
    let [buyer, seller] = &world.owners;
    let chain = world.chain.as_ref();
    let mut follower = Follower::new(chain, world.network.tree).expect("tree");
    let tree = follower.catch_up(chain).expect("history");
    let index = world.devices[2].registered.index;
    let place = tree.place(index).expect("place");
    let leaf = tree.leaves()[index as usize];
    world.set_time(leaf.owner_changed_at + EVIDENCE_WINDOW);
    let (network, key) = (&world.network, buyer.pubkey());
    let sale = registry::transfer_device(&network.key, &network.tree, &key, &leaf, place);
    transaction::send(chain, &[sale], &world.payer, &[seller, buyer]).expect("sold");
    world.challenge(2, 3);
    assert_eq!(told(&world.settle()), (1, 1, Vec::new()));
}

/// A chain that takes no transactions.
struct Deaf {
    chain: Arc<LocalChain>,
}

impl Chain for Deaf {
    tests::within!(
        accounts,
        program_accounts,
        clock,
        lifetime,
        genesis_hash,
        block_height,
        rent,
        simulate,
        execution,
        history
    );

    fn send(&self, _transaction: &VersionedTransaction) -> Result<(), ClientError> {
        Err(ClientError::Cluster("no route".to_owned()))
    }
}

#[test]
fn are_answered_once_by_a_worker_that_ended_after_it_wrote_the_answer_down() {
    let mut world = World::committed();
    // The operator's disk is lost too, so the payload comes from the others.
    let served = world.workers.remove(0);
    let peers = served.worker.operator().peers.clone();
    let data = TempDir::new().expect("directory");
    let operator = &world.operators[0];
    let open = |chain: Arc<dyn Chain>| {
        let signer = operator.signer.insecure_clone();
        let pool = operator.pool;
        Worker::open(
            chain,
            world.network.key,
            pool,
            signer,
            peers.clone(),
            data.path(),
        )
        .expect("worker")
    };
    let place = world.challenge(0, 9);
    let held = world.lamports(&place.challenge());
    let before = world.signers_lamports(0);
    {
        let worker = open(Arc::new(Deaf {
            chain: world.chain.clone(),
        }));
        let (met, answered, failed) = told(&worker.step().expect("step"));
        assert_eq!((met, answered, failed.len()), (1, 0, 1), "{failed:?}");
        assert!(failed[0].contains("no route"), "{failed:?}");
        assert_eq!(worker.operator().store.sent().expect("sent").len(), 1);
        assert_eq!(world.open_challenges(0), 1);
    }
    let worker = open(world.chain.clone());
    // What was written down lands first, so there is nothing left to answer.
    assert_eq!(told(&worker.step().expect("step")), (0, 0, Vec::new()));
    assert_eq!(world.open_challenges(0), 0);
    assert!(worker.operator().store.sent().expect("sent").is_empty());
    let gained = world.signers_lamports(0) - before;
    assert!(gained < held && gained > held - 50_000, "{gained} {held}");
}

#[test]
fn that_can_not_be_answered_are_told_tried_again_and_hold_nothing_up() {
    let world = World::new();
    let batch = world.batch(vec![world.window(0, world.readings(0, HOUR, 800))]);
    let mut withheld = world.honest(batch);
    withheld.is_served = false;
    world.attest(&withheld);
    world.challenge(0, 2);
    let step = || world.workers[0].worker.step().expect("step");
    let (met, answered, failed) = told(&step());
    assert_eq!((met, answered, failed.len()), (1, 0, 1));
    assert!(
        failed[0].contains("reading 2 of batch 0 of commitment 0") && failed[0].contains("payload"),
        "{failed:?}"
    );
    assert_eq!(world.figures(0), [1, 0, 1, 0, 1]);
    // Not with every step.
    assert_eq!(told(&step()), (0, 0, Vec::new()));
    world.set_time(world.now() + RETRY);
    let (met, answered, failed) = told(&step());
    assert_eq!((met, answered, failed.len()), (0, 0, 1));
    // The payload is found, and a second challenge goes before the retry of the first.
    let operator = world.workers[0].worker.operator();
    operator
        .store
        .put_payload(&withheld.payload)
        .expect("store");
    world.challenge(0, 15);
    assert_eq!(told(&step()), (1, 1, Vec::new()));
    world.set_time(world.now() + RETRY);
    assert_eq!(told(&step()), (0, 1, Vec::new()));
    assert_eq!(world.figures(0), [2, 2, 2, 0, 0]);
}

#[test]
fn that_were_missed_are_told_once() {
    let world = World::committed();
    world.challenge(0, 4);
    let after = world.now() + ANSWER_WINDOW + 1;
    world.set_time(after);
    let worker = &world.workers[0].worker;
    let (met, answered, failed) = told(&worker.step().expect("step"));
    assert_eq!((met, answered, failed.len()), (1, 0, 1));
    assert!(failed[0].contains("in time"), "{failed:?}");
    assert_eq!(told(&worker.step().expect("step")), (0, 0, Vec::new()));
    assert_eq!(world.figures(0), [1, 0, 0, 1, 1]);
    assert_eq!(world.open_challenges(0), 1);
}

#[test]
fn that_stop_a_clock_are_answered_and_the_clock_goes_on() {
    let world = World::new();
    let (feed, key, _, deadline) = world.stopped();
    let newest = || {
        let feed: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
        feed.newest().copied()
    };
    // The workers see it half an hour later: the others' windows are over by then.
    world.set_time(world.now() + HOUR / 2);
    assert_eq!(told(&world.settle()), (1, 1, Vec::new()));
    let state: Attestation = chain::read(world.chain.as_ref(), &key).expect("attestation");
    assert_eq!((state.stopped_at, state.stops), (0, [0; 8]));
    assert_eq!(state.deadline, deadline + HOUR / 2);
    let others = [1, 2].map(|operator| world.attested(&feed, operator).1.mask);
    assert_eq!((state.mask, others), (0, [BY_TIME; 2]));
    world.set_time(state.deadline - 1);
    world.settle();
    assert!(newest().is_none());
    world.set_time(state.deadline);
    world.settle();
    let entry = newest().expect("value");
    assert_eq!((entry.mask, entry.streams), (BY_TIME, 3));
    assert_eq!(world.bonded(), [0; 3]);
}

#[test]
fn that_stop_a_clock_beyond_its_round_keep_the_bond_until_they_are_over() {
    let world = World::new();
    let (feed, key, place, deadline) = world.stopped();
    let attestation =
        || -> Attestation { chain::read(world.chain.as_ref(), &key).expect("attestation") };
    // The others go on without the first operator's stream.
    for hours in [0, 1] {
        world.set_time(deadline + hours * HOUR);
        for served in &world.workers[1..] {
            for _ in 0..3 {
                served.worker.step().expect("step");
            }
        }
    }
    let value: Feed = chain::read(world.chain.as_ref(), &feed).expect("feed");
    assert_eq!(value.newest().expect("value").streams, 2);
    let step = || told(&world.workers[0].worker.step().expect("step"));
    let stopped_at = deadline - 600;
    world.set_time(stopped_at + ANSWER_WINDOW + 1);
    let (met, answered, failed) = step();
    assert_eq!((met, answered, failed.len()), (1, 0, 1), "{failed:?}");
    step();
    assert_eq!(attestation().stopped_at, stopped_at);
    assert_eq!(world.bonded()[0], 5 * TOKEN);

    let payer = world.payer.pubkey();
    let (network, operator) = (&world.network, &world.operators[0]);
    let settling = Settling {
        payer,
        challenger: payer,
        bounty: token::associated(&payer, &network.stake_mint),
        network: network.key,
        network_id: network.id,
        stake_mint: network.stake_mint,
        pool: operator.pool,
    };
    world
        .send(&[
            token::create_associated(&payer, &payer, &network.stake_mint),
            streams::settle_challenge(&settling, &place),
        ])
        .expect("settlement");
    world.set_time(world.now() + 100);
    step();
    let resumed = attestation();
    assert_eq!((resumed.stopped_at, resumed.mask), (0, 0));
    assert_eq!(resumed.deadline, world.now() + 600);
    assert_eq!(world.bonded()[0], 5 * TOKEN);
    world.set_time(resumed.deadline);
    step();
    assert_eq!(world.bonded(), [0; 3]);
    assert_eq!(world.lamports(&key), 0);
}

/// The address of a server that takes every connection and never answers, and how many it has taken.
pub fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for connection in listener.incoming() {
            held.push(connection);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, taken)
}

#[test]
fn are_answered_while_a_members_worker_takes_connections_and_never_answers() {
    let world = World::committed();
    let operators = &world.operators;
    // Operator 0 commits to 50 payloads that it never shows.
    for number in 0..50 {
        world.commit_hidden(0, [number; 32]);
    }
    // A worker of operator 1 with the same archive, for which operator 0 is where nobody answers.
    let (url, taken) = silent();
    let mut peers = world.workers[1].worker.operator().peers.clone();
    peers.insert(operators[0].pool, url);
    let served = serve(
        &world.runtime,
        &world.chain,
        &world.network,
        &operators[1],
        peers,
        listen(&world.runtime),
    );
    let worker = &served.worker;
    let archive = &world.workers[1].worker.operator().store;
    for leaf in world.seen(&world.workers[1].worker) {
        let payload = archive.payload(&leaf.payload_hash).expect("store");
        let store = &worker.operator().store;
        store
            .put_payload(&payload.expect("payload"))
            .expect("store");
    }

    world.set_time(START + 3 * EPOCH + 60);
    let place = world.challenge(1, 3);
    worker.work(Part::Follow).expect("step");
    let events = worker.work(Part::Answers).expect("step");
    assert_eq!(told(&events), (1, 1, Vec::new()));
    assert_eq!(world.lamports(&place.challenge()), 0);
    assert_eq!(taken.load(Ordering::SeqCst), 0);

    // Scoring asks once for all of them, and not again with every step.
    for later in [0, 0, 15, 30] {
        world.set_time(world.now() + later);
        worker.tick().expect("clock");
        worker.work(Part::Rewards).expect("step");
        assert_eq!(taken.load(Ordering::SeqCst), 1);
    }
    assert_eq!(world.seen(worker).len(), 3 + 50);
    // What can't be had does not count, and what was computed without it is computed anew.
    let kept = worker.operator().store.epoch::<EpochRecord>(2);
    assert!(kept.expect("store").expect("record").incomplete);
}
