//! Tracing values back, true ones and every kind of untrue one.

use super::*;
use ai_feed::state::{Entry, Model};
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use bytemuck::{bytes_of, Pod};
use fieldproof_client::chain::Chain;
use fieldproof_client::precompile;
use fieldproof_worker::committee::{fetch_from, Refusal};
use fieldproof_worker::trace::{self, Failure, Stage, Step};
use solana_account::Account;

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
        let key = self.attest(lie);
        let attestation: Attestation = chain::read(self.chain.as_ref(), &key).expect("attestation");
        let committee: Committee =
            chain::read(self.chain.as_ref(), &attestation.committee).expect("committee");
        let message = attestation.message;
        let signatures: Vec<(Pubkey, [u8; 64])> = committee
            .members()
            .iter()
            .map(|member| {
                let mut operators = self.operators.iter();
                let operator = operators.find(|operator| operator.pool == member.pool);
                let signer = &operator.expect("operator").signer;
                (signer.pubkey(), signer.sign_message(&message).into())
            })
            .collect();
        let entries: Vec<_> = signatures
            .iter()
            .map(|(key, signature)| precompile::Entry {
                public_key: key.as_ref(),
                message: &message,
                signature,
            })
            .collect();
        let attested = feeds::Attested {
            network: self.network.key,
            feed: self.feed,
            committee: attestation.committee,
            round: feeds::round(&self.feed, attestation.round),
            attestation: key,
        };
        let members = (0..signatures.len() as u8).collect();
        let payer = self.operators[0].signer.pubkey();
        self.send(&[
            precompile::ed25519(&entries).expect("signatures"),
            feeds::attest_committee(&attested, 0, members),
        ])
        .expect("committee");
        let finalize =
            feeds::finalize_round(&self.network.key, &self.feed, attestation.round, &payer);
        self.send(&[finalize]).expect("value");
        key
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

    let model = feeds::model(&world.feed().model);
    let back = restore(&model);
    world.edit(&model, |model: &mut Model| model.bytes[100] ^= 1);
    fails(&back, Stage::Model, "do not give its hash");

    let back = restore(&world.operators[0].stream);
    world.edit(&world.operators[0].stream, |stream: &mut Stream| {
        stream.peaks[0][0] ^= 1;
    });
    fails(&back, Stage::History, "not those of the stream");

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

/// What a committee would have to sign unseen.
#[test]
fn fails_where_a_committee_signed_a_lie() {
    let lies: [Case; 7] = [
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
    ];
    for (lie, stage, reason) in lies {
        let world = World::of_one_stream();
        let lie = lie(&world);
        world.finalize(&lie);
        assert_fails(world.trace(), stage, reason);
    }
}
