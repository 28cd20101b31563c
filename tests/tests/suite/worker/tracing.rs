//! Tracing values back, true ones and every kind of untrue one.

use super::*;
use ai_feed::state::{Entry, Model};
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use bytemuck::{bytes_of, Pod};
use data_commitment::events::RootCommitted;
use fieldproof_client::chain::{Chain, Cursor, Execution};
use fieldproof_client::event;
use fieldproof_worker::committee::{fetch_from, Refusal};
use fieldproof_worker::trace::{self, Failure, Stage, Step};
use solana_account::Account;
use solana_signature::Signature;
use tests::fixture::Maker;

impl World {
    /// Traces the newest entry with what the workers have archived.
    fn trace(&self) -> Result<Entry, Failure> {
        self.trace_by(None, &|commitment| self.archived(commitment))
    }

    fn trace_by(&self, round: Option<u64>, archive: trace::Archive<'_>) -> Result<Entry, Failure> {
        self.trace_feed(&self.feed, round, archive)
    }

    /// As [`World::trace`], of another feed.
    pub fn trace_other(&self, feed: &Pubkey) -> Result<Entry, Failure> {
        self.trace_feed(feed, None, &|commitment| self.archived(commitment))
    }

    fn trace_feed(
        &self,
        feed: &Pubkey,
        round: Option<u64>,
        archive: trace::Archive<'_>,
    ) -> Result<Entry, Failure> {
        trace::trace(self.chain.as_ref(), feed, round, archive, &mut |step| {
            println!("{}: {}", step.stage, step.found)
        })
    }

    pub fn archived(&self, commitment: &CommitmentLeaf) -> Result<Vec<u8>, Refusal> {
        let mut last = Refusal::Unavailable(String::new());
        for served in &self.workers {
            match fetch_from(&self.http, &served.url, commitment) {
                Ok(bytes) => return Ok(bytes),
                Err(refusal) => last = refusal,
            }
        }
        Err(last)
    }

    /// Writes something else into an account, as the programs never would.
    pub fn edit<T: ZeroCopy + Discriminator + Owner + Pod>(
        &self,
        key: &Pubkey,
        change: impl FnOnce(&mut T),
    ) {
        let mut state: T = chain::read(self.chain.as_ref(), key).expect("account");
        change(&mut state);
        let account = self.chain.account(key).expect("chain").expect("account");
        let data = [T::DISCRIMINATOR, bytes_of(&state)].concat();
        self.chain.set_account(key, Account { data, ..account });
    }

    /// One stream is enough for a value.
    pub fn of_one_stream() -> Self {
        let world = Self::new();
        world.edit(&world.feed, |feed: &mut Feed| feed.min_streams = 1);
        world
    }

    /// An honest batch of the first device.
    fn one(&self) -> Lie {
        self.honest(self.batch(vec![self.window(0, self.readings(0, HOUR, 500))]))
    }

    /// Attests a lie, lets the whole committee sign it unseen, and makes it the feed's value.
    pub fn finalize(&self, lie: &Lie) -> Pubkey {
        self.finalize_after(lie, &[]).0
    }

    /// As [`World::finalize`], where the transaction that brings the signatures begins with something else. Returns what it
    /// did, too.
    fn finalize_after(&self, lie: &Lie, before: &[Instruction]) -> (Pubkey, Execution) {
        let key = self.attest(lie);
        let attestation: Attestation = chain::read(self.chain.as_ref(), &key).expect("attestation");
        let committee: Committee =
            chain::read(self.chain.as_ref(), &attestation.committee).expect("committee");
        let message = attestation.message;
        let signers = committee.members().iter().map(|member| {
            let mut operators = self.operators.iter();
            let operator = operators.find(|operator| operator.pool == member.pool);
            &operator.expect("operator").signer
        });
        let attested = feeds::Attested {
            network: self.network.key,
            feed: self.feed,
            committee: attestation.committee,
            round: feeds::round(&self.feed, attestation.round),
            attestation: key,
        };
        let members = (0..committee.members().len() as u8).collect();
        let payer = self.operators[0].signer.pubkey();
        let place = before.len() as u16;
        let brought = [
            tests::signatures(signers, &message),
            feeds::attest_committee(&attested, place, members),
        ];
        let attested = self.send(&[before, &brought].concat()).expect("committee");
        let finalize =
            feeds::finalize_round(&self.network.key, &self.feed, attestation.round, &payer);
        self.send(&[finalize]).expect("value");
        (key, attested)
    }

    /// Closes an attestation of the first operator.
    fn close(&self, attestation: &Pubkey) {
        let payer = self.operators[0].signer.pubkey();
        let close = feeds::close_attestation(&self.feed, attestation, &payer, None);
        self.send(&[close]).expect("closed");
        assert!(chain::read::<Attestation>(self.chain.as_ref(), attestation).is_err());
    }
}

#[track_caller]
pub fn assert_fails<T: std::fmt::Debug>(traced: Result<T, Failure>, stage: Stage, reason: &str) {
    let failure = traced.expect_err("traced a lie");
    assert_eq!(failure.stage, stage, "{failure}");
    assert!(failure.reason.contains(reason), "{failure}");
}

#[test]
fn of_three_streams_goes_down_to_every_signature() {
    let world = World::new();
    for (device, value) in [500, 1_200, -300].into_iter().enumerate() {
        world.deliver(device, &world.readings(device, HOUR, value));
    }
    world.settle();
    let feed = world.feed();
    let entry = feed.ring[feed.head as usize];
    let mut steps: Vec<Step> = Vec::new();
    let archive = |commitment: &CommitmentLeaf| world.archived(commitment);
    let chain = world.chain.as_ref();
    let traced = trace::trace(chain, &world.feed, None, &archive, &mut |step| {
        steps.push(step)
    });
    assert_eq!(traced.expect("true"), entry);
    let each = [
        Stage::Payload,
        Stage::Commitment,
        Stage::Readings,
        Stage::Leaf,
        Stage::Outputs,
        Stage::Committee,
    ];
    let before = [
        Stage::Feed,
        Stage::Entry,
        Stage::Model,
        Stage::History,
        Stage::Attestations,
    ];
    let expected = [&before[..], &each, &each, &each, &[Stage::Value]].concat();
    let stages: Vec<Stage> = steps.iter().map(|step| step.stage).collect();
    assert_eq!(stages, expected);
    assert!(steps[3]
        .found
        .contains("4 devices in 1 registry trees, 3 commitments"));

    assert_eq!(
        world.trace_by(Some(entry.round), &archive).expect("true"),
        entry
    );
    let other = world.trace_by(Some(entry.round - 1), &archive);
    assert_fails(other, Stage::Entry, "does not remember");

    // One attestation was closed, then all of them: what they claimed follows from their batches.
    world.set_time(world.now() + 2 * HOUR);
    for operator in &world.operators {
        let key = feeds::attestation(&world.feed, &operator.stream, entry.round, 0, 0);
        let payer = operator.signer.pubkey();
        let close = feeds::close_attestation(&world.feed, &key, &payer, None);
        world.send(&[close]).expect("closed");
        assert_eq!(world.trace().expect("true"), entry);
    }
    world.edit(&world.feed, |feed: &mut Feed| feed.ring[0].value += 1);
    assert_fails(world.trace(), Stage::Value, "the feed says");
}

/// Whoever brings the signatures may keep what the program does out of the log.
#[test]
fn needs_no_log_even_of_an_attestation_that_was_closed() {
    let world = World::of_one_stream();
    let before = [tests::fill_log(&world.chain)];
    let (key, attested) = world.finalize_after(&world.one(), &before);
    tests::assert_log_filled(&attested);
    let entry = world.trace().expect("true");
    world.set_time(world.now() + 2 * HOUR);
    world.close(&key);
    assert_eq!(world.trace().expect("true"), entry);
}

/// An attester may claim anything of the same batch to another feed, in the same round.
#[test]
fn takes_nothing_from_what_was_submitted_to_another_feed() {
    let world = World::of_one_stream();
    let key = world.finalize(&world.one());
    let entry = world.trace().expect("true");
    let payer = world.payer.pubkey();
    let args = feed_args(&world.network, &payer, HOUR as u32 + 1);
    let other = feeds::feed(&args.id);
    let model = world.feed().model;
    let create = feeds::create_feed(&payer, &payer, &world.network.key, &model, args);
    world.send(&[create]).expect("feed");
    let chain = world.chain.as_ref();
    let history = chain.history(&key, &Cursor::START).expect("history");
    let submitted = chain.execution(&history[0]).expect("chain");
    let own = feeds::submissions(&submitted.expect("transaction")).remove(0);
    assert_eq!((own.feed, own.attestation), (world.feed, key));
    let mut args = own.args;
    args.outputs[0] ^= 1;
    let committer = &world.operators[0];
    let signer = committer.signer.pubkey();
    let attesting = feeds::Attesting {
        payer: signer,
        attester: signer,
        network: world.network.key,
        feed: other,
        model: feeds::model(&model),
        stream: own.stream,
        pool: committer.pool,
        committee: pools::committee(&world.network.key, 2),
        bonds: None,
    };
    let submit = feeds::submit_attestation(&attesting, args);
    let operator = world.workers[0].worker.operator();
    operator.land(&[submit], |_| Ok(())).expect("submitted");
    assert_eq!(world.trace().expect("true"), entry);
}

#[test]
fn fails_where_the_chain_was_changed() {
    let world = World::of_one_stream();
    let key = world.finalize(&world.one());
    let entry = world.trace().expect("true");
    let restore = |key: &Pubkey| {
        let account = world.chain.account(key).expect("chain").expect("account");
        let (key, chain) = (*key, world.chain.clone());
        move || chain.set_account(&key, account.clone())
    };
    let fails = |back: &dyn Fn(), stage, reason: &str| {
        assert_fails(world.trace(), stage, reason);
        back();
    };

    let back = restore(&world.feed);
    let feed = |change: &dyn Fn(&mut Feed)| world.edit(&world.feed, |feed| change(feed));
    feed(&|feed| feed.creator = Pubkey::new_unique());
    fails(&back, Stage::Feed, "its id is not that of");
    feed(&|feed| feed.id[0] ^= 1);
    fails(&back, Stage::Feed, "its id is not that of");
    // The same accounts, where the programs never put them, and one of somebody else's program.
    let copy = |key: &Pubkey| {
        let account = world.chain.account(key).expect("chain").expect("account");
        let copy = Pubkey::new_unique();
        world.chain.set_account(&copy, account);
        copy
    };
    let elsewhere = "the account is not at its id's address";
    let copied = world.trace_other(&copy(&world.feed));
    assert_fails(copied, Stage::Feed, elsewhere);
    let network = copy(&world.network.key);
    feed(&|feed| feed.network = network);
    let elsewhere = "the network's account is not at its id's address";
    fails(&back, Stage::Feed, elsewhere);
    let mut forged = world
        .chain
        .account(&world.feed)
        .expect("chain")
        .expect("account");
    forged.owner = Pubkey::new_unique();
    world.chain.set_account(&world.feed, forged);
    fails(&back, Stage::Feed, "of this program and version");
    feed(&|feed| feed.ring[0].flags = 1);
    fails(&back, Stage::Entry, "dispute");
    feed(&|feed| feed.ring[0].mask = Mask::COMMITTEE);
    fails(&back, Stage::Entry, "what the feed requires");
    feed(&|feed| feed.ring[0].value += 1);
    fails(&back, Stage::Value, "the feed says");
    feed(&|feed| feed.ring[0].confidence += 1);
    fails(&back, Stage::Value, "the feed says");
    feed(&|feed| feed.ring[0].mask |= Mask::ZK);
    fails(&back, Stage::Value, "passed something else");
    feed(&|feed| feed.ring[0].attesters += 1);
    fails(&back, Stage::Value, "passed something else");
    feed(&|feed| feed.ring[0].newest_capture += 1);
    fails(&back, Stage::Value, "capture times or data root");
    feed(&|feed| feed.ring[0].data_root[0] ^= 1);
    fails(&back, Stage::Value, "capture times or data root");
    feed(&|feed| feed.ring[0].ema += 1);
    fails(&back, Stage::Value, "average");
    feed(&|feed| feed.min_signers = 4);
    fails(&back, Stage::Committee, "fewer than the feed's min_signers");

    let model = feeds::model(&world.feed().model);
    let back = restore(&model);
    world.edit(&model, |model: &mut Model| model.bytes[100] ^= 1);
    fails(&back, Stage::Model, "do not give its hash");

    let back = restore(&world.operators[0].stream);
    world.edit(&world.operators[0].stream, |stream: &mut Stream| {
        stream.peaks[0][0] ^= 1;
    });
    fails(&back, Stage::History, "not those of the stream");
    world.edit(&world.operators[0].stream, |stream: &mut Stream| {
        stream.pool = Pubkey::new_unique();
    });
    let foreign = "its stream is of another network or operator";
    fails(&back, Stage::Committee, foreign);

    // A device's leaf is another than the events tell.
    let tree = world.network.tree;
    let back = restore(&tree);
    let mut account = world.chain.account(&tree).expect("chain").expect("account");
    let root = device_registry::state::tree::standing(&account.data)
        .expect("tree")
        .root;
    let place = account.data.windows(32).position(|bytes| bytes == root);
    account.data[place.expect("the root is there")] ^= 1;
    world.chain.set_account(&tree, account);
    fails(&back, Stage::History, "not those of the registry tree");

    let back = restore(&key);
    let attestation = |change: &dyn Fn(&mut Attestation)| world.edit(&key, |state| change(state));
    attestation(&|attestation| attestation.batch_index += 1);
    fails(&back, Stage::Attestations, "not the one that was submitted");
    attestation(&|attestation| attestation.mask = Mask::COMMITTEE);
    fails(&back, Stage::Attestations, "attestations of 0 have passed");
    attestation(&|attestation| attestation.batch_leaf[0] ^= 1);
    fails(&back, Stage::Leaf, "do not give the batch leaf");
    attestation(&|attestation| attestation.batch.windows_root[0] ^= 1);
    fails(&back, Stage::Leaf, "do not give the batch leaf");
    attestation(&|attestation| attestation.outputs[0] ^= 1);
    fails(&back, Stage::Outputs, "other outputs");
    attestation(&|attestation| attestation.value += 1);
    fails(&back, Stage::Outputs, "other outputs");
    attestation(&|attestation| attestation.message[0] ^= 1);
    fails(&back, Stage::Committee, "not of what was recomputed");
    attestation(&|attestation| attestation.signers = 1);
    fails(&back, Stage::Committee, "not two thirds");
    attestation(&|attestation| attestation.committee_epoch += 1);
    let foreign = "its committee is of another network or epoch";
    fails(&back, Stage::Committee, foreign);

    let committee = chain::read::<Attestation>(world.chain.as_ref(), &key).expect("attestation");
    let back = restore(&committee.committee);
    world.edit(&committee.committee, |committee: &mut Committee| {
        committee.entries[0].allocation *= 9;
    });
    fails(&back, Stage::Committee, "not two thirds");
    assert_eq!(world.trace().expect("true"), entry);
}

#[test]
fn fails_where_the_payload_is_not_the_one_committed_to() {
    let world = World::of_one_stream();
    world.finalize(&world.one());
    let traced = |archive: trace::Archive<'_>| world.trace_by(None, archive);
    let nobody = |_: &CommitmentLeaf| Err(Refusal::Unavailable("nobody".into()));
    assert_fails(traced(&nobody), Stage::Payload, "can't be had");
    for place in [0, 700, 5_000] {
        let altered = |commitment: &CommitmentLeaf| {
            let mut bytes = world.archived(commitment)?;
            let place = place % bytes.len();
            bytes[place] ^= 1;
            Ok(bytes)
        };
        assert_fails(traced(&altered), Stage::Payload, "its hash or length");
    }
    let cut = |commitment: &CommitmentLeaf| {
        let mut bytes = world.archived(commitment)?;
        bytes.pop();
        Ok(bytes)
    };
    assert_fails(traced(&cut), Stage::Payload, "its hash or length");
}

/// A batch of the first device's in a session that `granter` has granted for it.
fn in_a_session(world: &World, granter: &DeviceSigner) -> Lie {
    let session = DeviceSigner::generate(Curve::Ed25519);
    let grant = session_grant(world, &world.devices[0].signer, &session, 1);
    let readings = world.readings(0, HOUR, 500).map(|signed| {
        let reading = Reading {
            session: 1,
            ..signed.reading
        };
        sign(&session, reading)
    });
    let mut window = world.window(0, readings);
    window.grants.push(SignedGrant {
        signature: granter.sign(&grant.digest()),
        grant,
    });
    world.honest(world.batch(vec![window]))
}

#[test]
fn fails_where_the_device_did_not_grant_the_session() {
    let world = World::of_one_stream();
    world.finalize(&in_a_session(&world, &world.devices[0].signer));
    world.trace().expect("true");
    // Signed by a device of the same curve.
    let world = World::of_one_stream();
    world.finalize(&in_a_session(&world, &world.devices[2].signer));
    assert_fails(world.trace(), Stage::Readings, "signature does not verify");
}

/// Makes a lie, says where it is found out, and by which words.
type Case<'a> = (&'a dyn Fn(&World) -> Lie, Stage, &'a str);

fn assert_found_out(lies: &[Case]) {
    for (lie, stage, reason) in lies {
        let world = World::of_one_stream();
        let lie = lie(&world);
        world.finalize(&lie);
        assert_fails(world.trace(), *stage, reason);
    }
}

/// What a committee would have to sign unseen.
#[test]
fn fails_where_a_committee_signed_a_lie() {
    assert_found_out(&[
        (
            &|world| {
                let mut readings = world.readings(0, HOUR, 500);
                readings[5].reading.values = Values::new(&[9_999]).expect("value");
                world.honest(world.batch(vec![world.window(0, readings)]))
            },
            Stage::Readings,
            "the signature does not verify",
        ),
        (
            &|world| {
                let mut readings = world.readings(0, HOUR, 500);
                readings[9].signature[40] ^= 1;
                world.honest(world.batch(vec![world.window(0, readings)]))
            },
            Stage::Readings,
            "the signature does not verify",
        ),
        (
            &|world| {
                let mut readings = world.readings(0, HOUR, 500);
                readings.swap(3, 4);
                world.honest(world.batch(vec![world.window(0, readings)]))
            },
            Stage::Readings,
            "not consecutive",
        ),
        (
            &|world| {
                let readings = world.readings(0, HOUR, 500);
                world.honest(world.batch(vec![world.window(1, readings)]))
            },
            Stage::Readings,
            "not all of the device",
        ),
        (
            &|world| {
                let mut lie = world.one();
                lie.outputs[0] ^= 1;
                lie
            },
            Stage::Outputs,
            "other outputs",
        ),
        (
            &|world| {
                let mut lie = world.one();
                lie.leaves[0].windows_root[31] ^= 1;
                lie
            },
            Stage::Commitment,
            "do not give the root",
        ),
        (
            &|world| {
                let mut lie = world.one();
                lie.leaves[0].readings_root[31] ^= 1;
                lie
            },
            Stage::Commitment,
            "do not give the root",
        ),
    ]);
}

/// Signed by whoever they say, but nothing that the feed takes.
#[test]
fn fails_where_a_committee_signed_readings_that_the_feed_does_not_take() {
    let of_one = |world: &World, number: usize, change: &dyn Fn(&mut Reading)| {
        let mut readings = world.readings(0, HOUR, 500);
        let mut reading = readings[number].reading;
        change(&mut reading);
        readings[number] = sign(&world.devices[0].signer, reading);
        world.honest(world.batch(vec![world.window(0, readings)]))
    };
    assert_found_out(&[
        (
            &|world| world.honest(world.batch(vec![world.window(3, world.readings(3, HOUR, 500))])),
            Stage::Readings,
            "a device is outside the feed's cells",
        ),
        (
            &|world| {
                let stranger = DeviceSigner::generate(Curve::Ed25519);
                world.honest(world.batch(vec![next_window(world, &stranger)]))
            },
            Stage::Readings,
            "a window's readings are not all of the device it names",
        ),
        (
            &|world| {
                let window = world.window(0, world.readings(0, HOUR, 500));
                world.honest(world.batch(vec![window.clone(), window]))
            },
            Stage::Readings,
            "a device has two windows in one batch",
        ),
        (
            &|world| of_one(world, 1, &|reading| reading.captured_at += 1),
            Stage::Readings,
            "a window's readings are not consecutive",
        ),
        (
            &|world| {
                let mut earlier = world.readings(1, HOUR, 500);
                let mut newest = earlier[15].reading;
                newest.captured_at -= 1;
                earlier[15] = sign(&world.devices[1].signer, newest);
                world.honest(world.batch(vec![
                    world.window(0, world.readings(0, HOUR, 500)),
                    world.window(1, earlier),
                ]))
            },
            Stage::Readings,
            "a window does not end in the round",
        ),
        (
            &|world| of_one(world, 7, &|reading| reading.schema += 1),
            Stage::Readings,
            "a reading does not have the feed's schema",
        ),
    ]);
}

#[test]
fn fails_where_the_payload_is_of_something_else() {
    assert_found_out(&[
        (
            &|world| {
                let readings = world.readings(0, HOUR, 500).map(|signed| {
                    let reading = Reading {
                        network: [9; 32],
                        ..signed.reading
                    };
                    sign(&world.devices[0].signer, reading)
                });
                world.honest(world.batch(vec![world.window(0, readings)]))
            },
            Stage::Payload,
            "it is of another network or stream",
        ),
        (
            &|world| {
                let batch = world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]);
                let payload = Payload::Readings {
                    network: world.network.id,
                    stream: world.operators[1].stream.to_bytes(),
                    batches: vec![batch.clone()],
                };
                Lie {
                    payload: payload.encode().expect("payload"),
                    ..world.honest(batch)
                }
            },
            Stage::Payload,
            "it is of another network or stream",
        ),
        (
            &|world| {
                let payload = Payload::Rewards {
                    network: world.network.id,
                    rewards: Rewards {
                        epoch: 1,
                        depth: 6,
                        entries: Vec::new(),
                    },
                };
                Lie {
                    payload: payload.encode().expect("payload"),
                    ..world.one()
                }
            },
            Stage::Payload,
            "it holds no readings",
        ),
        (
            &|world| Lie {
                payload: b"16 readings, trust me".to_vec(),
                ..world.one()
            },
            Stage::Payload,
            "the bytes are no payload",
        ),
    ]);
}

/// A window of a device that is registered next.
fn next_window(world: &World, signer: &DeviceSigner) -> Window {
    let newest = (world.now() - HOUR) * 1_000;
    Window {
        tree: 0,
        index: world.devices.len() as u32,
        readings: Box::new(std::array::from_fn(|number| {
            let captured_at = newest - (15 - number as i64) * HOUR * 1_000;
            reading(&world.network.id, signer, captured_at, 500)
        })),
        grants: Vec::new(),
    }
}

/// Registers a device in the feed's cell.
fn register(world: &World, signer: &DeviceSigner) {
    let maker = Maker {
        key: Keypair::new(),
        next: 0.into(),
    };
    let (payer, key) = (world.payer.pubkey(), maker.key.pubkey());
    let grant = registry::MakerGrant {
        key,
        quota: 1,
        max_tier: 1,
    };
    let maker_is_in = [
        registry::approve_maker(&payer, &world.network.key, &payer, grant),
        registry::open_voucher_page(&payer, &world.network.key, &key, 0),
    ];
    let owner = &world.owners[0];
    let registration = world
        .network
        .registration(&maker, &owner.pubkey(), signer, CELL);
    let send = |instructions: &[Instruction], signer: &Keypair| {
        transaction::send(world.chain.as_ref(), instructions, &world.payer, &[signer])
    };
    send(&maker_is_in, &maker.key).expect("maker");
    let registered = send(&registration, owner).expect("device");
    let event = registry::registrations(&registered).remove(0);
    assert_eq!(event.index as usize, world.devices.len());
}

/// It counts how the registry stood when the commitment was posted, not how it stands now.
#[test]
fn fails_where_the_device_was_registered_after_the_commitment() {
    for seconds_late in [0, 1] {
        let world = World::of_one_stream();
        let signer = DeviceSigner::generate(Curve::Ed25519);
        let lie = world.honest(world.batch(vec![next_window(&world, &signer)]));
        world.finalize(&lie);
        world.set_time(world.now() + seconds_late);
        register(&world, &signer);
        let traced = world.trace();
        if seconds_late == 0 {
            traced.expect("true");
            continue;
        }
        let reason = "a window's readings are not all of the device it names";
        assert_fails(traced, Stage::Readings, reason);
    }
}

/// A chain that leaves a transaction out of its history, or has no more of it than that it was there.
struct Forgetful<'a> {
    chain: &'a LocalChain,
    forgotten: Signature,
    is_listed: bool,
}

impl Chain for Forgetful<'_> {
    tests::within!(
        accounts,
        program_accounts,
        clock,
        lifetime,
        genesis_hash,
        block_height,
        rent,
        simulate,
        send
    );

    fn execution(&self, signature: &Signature) -> Result<Option<Execution>, ClientError> {
        let execution = self.chain.execution(signature)?;
        Ok(execution.filter(|_| *signature != self.forgotten))
    }

    fn history(&self, address: &Pubkey, after: &Cursor) -> Result<Vec<Signature>, ClientError> {
        let mut history = self.chain.history(address, after)?;
        history.retain(|signature| self.is_listed || *signature != self.forgotten);
        Ok(history)
    }
}

#[test]
fn fails_where_the_history_misses_an_event() {
    let world = World::of_one_stream();
    let attestation = world.finalize(&world.one());
    let chain = world.chain.as_ref();
    let history = chain
        .history(&world.network.key, &Cursor::START)
        .expect("history");
    let first = |is_it: &dyn Fn(&Execution) -> bool| {
        let mut all = history.iter().copied();
        all.find(|signature| {
            let execution = chain.execution(signature).expect("chain");
            is_it(&execution.expect("transaction"))
        })
        .expect("transaction")
    };
    let registration = first(&|execution| !registry::registrations(execution).is_empty());
    let commitment = first(&|execution| {
        let events = event::events::<RootCommitted>(execution, &data_commitment::ID);
        !events.is_empty()
    });
    let submission = first(&|execution| !feeds::submissions(execution).is_empty());
    let trace = |forgotten, is_listed| {
        let chain = Forgetful {
            chain,
            forgotten,
            is_listed,
        };
        let archive = |commitment: &CommitmentLeaf| world.archived(commitment);
        trace::trace(&chain, &world.feed, None, &archive, &mut |_| ())
    };
    let tree = world.network.tree;
    let reason = format!("the devices told of are not those of the registry tree {tree}");
    assert_fails(trace(registration, false), Stage::History, &reason);
    let reason = format!("the chain tells of no submission of {attestation}");
    for forgotten in [commitment, submission] {
        assert_fails(trace(forgotten, false), Stage::Attestations, &reason);
    }
    for forgotten in [registration, commitment, submission] {
        let reason = format!("the chain has no {forgotten} any more");
        assert_fails(trace(forgotten, true), Stage::History, &reason);
    }
    trace(Signature::default(), false).expect("true");
}
