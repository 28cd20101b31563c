//! Recomputing epochs, true ones and every kind of untrue one.

use super::rewards::{attest_withheld, computed, proposing, reward_epoch, reward_without_first};
use super::tracing::assert_fails;
use super::*;
use ::oracle::ON_DEMAND_ID;
use anchor_lang::solana_program::instruction::AccountMeta;
use device_protocol::network_id;
use device_registry::CreateNetworkArgs;
use fieldproof_client::chain::Chain;
use fieldproof_client::credits::{self, Purchase};
use fieldproof_worker::committee::Refusal;
use fieldproof_worker::reward;
use fieldproof_worker::trace::{self, Failure, Stage, Step};
use reward_emission::state::{Credits, Payee, Roots, PASSED};
use security_pool::state::{Bond, Checkpoint, CHECKPOINTS};
use solana_account::Account;
use tests::oracle;

/// All that is checked, in order.
const STAGES: [Stage; 7] = [
    Stage::History,
    Stage::Final,
    Stage::Archive,
    Stage::Present,
    Stage::Scores,
    Stage::Rewards,
    Stage::Roots,
];

impl World {
    /// Operators that have rewarded epoch 2, with a window of each of three devices.
    fn rewarded() -> Self {
        let world = Self::new();
        for device in 0..3 {
            world.deliver(device, &world.readings(device, HOUR, 800));
        }
        world.settle();
        reward_epoch(&world, 2);
        world
    }

    fn recompute_by(&self, epoch: u64, archive: trace::Archive<'_>) -> Result<Roots, Failure> {
        let key = &self.network.key;
        trace::epoch(self.chain.as_ref(), key, epoch, archive, &mut |step| {
            println!("{}: {}", step.stage, step.found)
        })
    }

    fn recompute(&self, epoch: u64) -> Result<Roots, Failure> {
        self.recompute_by(epoch, &|commitment| self.archived(commitment))
    }

    /// Has every payee claim what epoch 2 granted, and burn it for credits of the payer, by what the account at `price` says.
    /// Returns what was burned, base units.
    fn claim_and_burn(&self, price: &Pubkey) -> u64 {
        let payer = self.payer.pubkey();
        let owners = self.owners.iter().map(|owner| {
            let key = owner.pubkey();
            (PayeeKind::Owner, key, owner)
        });
        let operators = self
            .operators
            .iter()
            .map(|operator| (PayeeKind::Operator, operator.pool, &operator.key));
        let mut burned = 0;
        for (kind, payee, owner) in owners.chain(operators) {
            let key = owner.pubkey();
            let proof = self.proof(0, &payee).expect("proof");
            self.claim(kind, &payee, &key, &proof).expect("claim");
            let clock = self.chain.clock().expect("clock");
            let data = oracle::answered(&clock, [oracle::DOLLAR; oracle::ANSWERS]);
            let account = Account {
                lamports: self.chain.rent(data.len()).expect("rent"),
                data,
                owner: ON_DEMAND_ID.into(),
                ..Account::default()
            };
            self.chain.set_account(price, account);
            let purchase = Purchase {
                payer,
                network: self.network.key,
                reward_mint: self.network.reward_mint,
                oracle: *price,
                owner: payer,
                source: token::associated(&key, &self.network.reward_mint),
                buyer: key,
            };
            let buy = credits::buy_credits(&purchase, proof.cumulative, 1);
            transaction::send(self.chain.as_ref(), &[buy], &self.payer, &[owner]).expect("bought");
            burned += proof.cumulative;
        }
        burned
    }

    /// The payload hash of the leaves of the final epoch.
    fn leaves(&self) -> device_protocol::Hash {
        let operator = self.workers[0].worker.operator();
        let (record, _) = computed(operator);
        record.payload_hash
    }
}

#[test]
fn are_recomputed_bit_for_bit_from_what_devices_signed() {
    let world = World::rewarded();
    let second = world.emission().roots;
    world.set_time(START + 3 * EPOCH + 20 * HOUR);
    world.settle();
    world.deliver(2, &world.readings(2, HOUR, 800));
    world.settle();
    assert_fails(world.recompute(3), Stage::Final, "not final yet");
    reward_epoch(&world, 3);

    let mut steps: Vec<Step> = Vec::new();
    let archive = |commitment: &CommitmentLeaf| world.archived(commitment);
    let (chain, key) = (world.chain.as_ref(), &world.network.key);
    let third = trace::epoch(chain, key, 3, &archive, &mut |step| steps.push(step));
    assert_eq!(third.expect("true"), world.emission().roots);
    let stages: Vec<Stage> = steps.iter().map(|step| step.stage).collect();
    assert_eq!(stages, STAGES);
    // Epochs before the last one, too.
    assert_eq!(world.recompute(2).expect("true"), second);
    assert_fails(world.recompute(1), Stage::Final, "no roots of its own");
    assert_fails(world.recompute(4), Stage::Final, "not final yet");

    // Final roots are those of a proposal, whether it still stands or not.
    let proposals = chain::read_all::<Proposal>(chain).expect("proposals");
    let (first, proposal) = proposals
        .iter()
        .find(|(_, proposal)| proposal.epoch == 2)
        .expect("proposal");
    world.set_time(world.now() + 40 * EPOCH);
    let close = emissions::close_proposal(key, first, &proposal.payer);
    world.send(&[close]).expect("closed");
    assert_eq!(world.recompute(2).expect("true"), second);
}

#[test]
fn fail_where_a_payload_is_altered_or_missing() {
    let world = World::rewarded();
    world.recompute(2).expect("true");
    let leaves = world.leaves();
    let altered = |is: fn(bool) -> bool| {
        world.recompute_by(2, &|commitment| {
            let mut bytes = world.archived(commitment)?;
            if is(commitment.payload_hash == leaves) {
                bytes[700] ^= 1;
            }
            Ok(bytes)
        })
    };
    assert_fails(
        altered(|of_leaves| of_leaves),
        Stage::Archive,
        "its hash or length",
    );
    assert_fails(
        altered(|of_leaves| !of_leaves),
        Stage::Payload,
        "its hash or length",
    );
    let missing = |is: fn(bool) -> bool| {
        world.recompute_by(2, &|commitment| {
            if is(commitment.payload_hash == leaves) {
                return Err(Refusal::Unavailable("nobody".into()));
            }
            world.archived(commitment)
        })
    };
    assert_fails(
        missing(|of_leaves| of_leaves),
        Stage::Archive,
        "can't be had",
    );
    let failure = missing(|of_leaves| !of_leaves).expect_err("recomputed without readings");
    assert_eq!(failure.stage, Stage::Payload);
    for says in ["can't be had", "without it", "has a score of"] {
        assert!(failure.reason.contains(says), "{failure}");
    }
}

#[test]
fn fail_where_the_chain_was_changed() {
    let world = World::rewarded();
    let restore = |key: &Pubkey| {
        let account = world.chain.account(key).expect("chain").expect("account");
        let (key, chain) = (*key, world.chain.clone());
        move || chain.set_account(&key, account.clone())
    };
    let fails = |back: &dyn Fn(), stage, reason: &str| {
        assert_fails(world.recompute(2), stage, reason);
        back();
    };
    let key = emissions::emission(&world.network.key);
    let back = restore(&key);
    let emission = |change: &dyn Fn(&mut Emission)| world.edit(&key, |state| change(state));
    for change in [
        &(|emission: &mut Emission| emission.roots.score_hash[0] ^= 1) as &dyn Fn(&mut Emission),
        &|emission| emission.roots.score_sum += 1,
        &|emission| emission.roots.reward_hash[0] ^= 1,
        &|emission| emission.roots.reward_sum += 1,
        &|emission| emission.roots.depth += 1,
        &|emission| emission.final_epoch += 1,
        &|emission| emission.finals += 1,
    ] {
        emission(change);
        fails(&back, Stage::Final, "not those of the emission");
    }

    // A payee is another, and another's place.
    let key = emissions::payee(
        &world.network.key,
        PayeeKind::Owner,
        &world.owners[0].pubkey(),
    );
    let back = restore(&key);
    world.edit(&key, |payee: &mut Payee| payee.owner = Pubkey::new_unique());
    fails(&back, Stage::Scores, "has a score of");
    world.edit(&key, |payee: &mut Payee| payee.index = 2);
    fails(&back, Stage::Scores, "has a score of");

    let key = world.operators[1].stream;
    let back = restore(&key);
    world.edit(&key, |stream: &mut Stream| stream.peaks[0][0] ^= 1);
    fails(&back, Stage::History, "not those of the stream");
    world.recompute(2).expect("true");
}

/// A world whose operators all vote for what `change` makes of the rewards of epoch 2.
fn colluding(change: &dyn Fn(&mut Rewards)) -> World {
    let world = World::new();
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    world.set_time(START + 3 * EPOCH + 60);
    world.workers[0].worker.step().expect("step");
    let (record, mut rewards) = computed(world.workers[0].worker.operator());
    change(&mut rewards);
    let (scores, tree) = score::trees(&rewards).expect("trees");
    let payload = Payload::Rewards {
        network: world.network.id,
        rewards: rewards.clone(),
    };
    let payload = payload.encode().expect("payload");
    let (score, root) = (scores.root(), tree.root());
    for served in &world.workers {
        let store = &served.worker.operator().store;
        let lie = EpochRecord {
            payload_hash: store.put_payload(&payload).expect("store"),
            depth: rewards.depth,
            score_hash: score.hash,
            score_sum: score.sum,
            reward_hash: root.hash,
            reward_sum: root.sum,
            ..record
        };
        store.put_epoch(2, &lie).expect("store");
    }
    world.settle();
    world.set_time(world.now() + CHALLENGE);
    world.settle();
    assert_eq!(world.emission().final_epoch, 2);
    world
}

#[test]
fn fail_where_the_whole_committee_voted_for_a_lie() {
    type Lie<'a> = (&'a dyn Fn(&mut Rewards), Stage, &'a str);
    let lies: [Lie; 7] = [
        (
            &|rewards| {
                rewards.entries[0].cumulative += 1;
                rewards.entries[1].cumulative -= 1;
            },
            Stage::Rewards,
            "has an amount of",
        ),
        (
            &|rewards| rewards.entries[1].cumulative -= 1,
            Stage::Rewards,
            "has an amount of",
        ),
        (
            &|rewards| rewards.entries[0].score += 1,
            Stage::Scores,
            "has a score of",
        ),
        (
            &|rewards| rewards.entries[1].payee = [9; 32],
            Stage::Scores,
            "is not whom the network registered there",
        ),
        (
            &|rewards| {
                rewards.entries.remove(1);
            },
            Stage::Scores,
            "has a score of 0 in the final tree",
        ),
        (
            &|rewards| {
                let mut invented = rewards.entries[0];
                (invented.index, invented.payee, invented.cumulative) = (3, [9; 32], 0);
                rewards.depth = 3;
                rewards.entries.insert(2, invented);
            },
            Stage::Scores,
            "and 0 recomputed",
        ),
        (
            &|rewards| rewards.depth += 1,
            Stage::Roots,
            "other roots than the final ones",
        ),
    ];
    for (change, stage, reason) in lies {
        assert_fails(colluding(change).recompute(2), stage, reason);
    }
    // Nothing but the lie makes the difference.
    colluding(&|_| ()).recompute(2).expect("true");
}

#[test]
fn say_so_where_the_past_can_not_be_read_any_more() {
    let world = World::rewarded();
    let owner = world.owners[0].pubkey();
    let key = pools::bond(&world.network.key, &owner);
    let account = world.chain.account(&key).expect("chain").expect("bond");
    world.edit(&key, |bond: &mut Bond| {
        let amount = bond.amount;
        bond.checkpoint_count = CHECKPOINTS as u32;
        for (checkpoint, epoch) in bond.checkpoints.iter_mut().zip(3..) {
            *checkpoint = Checkpoint { epoch, amount };
        }
    });
    assert_fails(world.recompute(2), Stage::Present, "does not remember");
    world.chain.set_account(&key, account);
    world.recompute(2).expect("true");

    // A change of parameters after the vote.
    let network: device_registry::state::Network =
        chain::read(world.chain.as_ref(), &world.network.key).expect("network");
    let mut parameters = network.parameters;
    parameters.device_bond *= 9;
    let payer = world.payer.pubkey();
    let propose = registry::propose_parameters(&world.network.key, &payer, parameters);
    world.send(&[propose]).expect("proposed");
    world.set_time(world.now() + network.timelock);
    world
        .send(&[registry::apply_parameters(&world.network.key)])
        .expect("applied");
    assert_fails(
        world.recompute(2),
        Stage::Present,
        "has changed its parameters",
    );
}

/// Votes are for roots, so whoever copies them can have a proposal pass whose archive nobody voted for, and one payload that is
/// never shown keeps every worker from scoring an epoch in whole.
#[test]
fn go_on_and_are_recomputed_though_what_is_final_archives_something_else() {
    let mut world = World::new();
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    let hidden = world.commit_hidden(0, [7; 32]);
    let liar = world.workers.remove(0);
    world.set_time(START + 3 * EPOCH + 60);
    world.settle();
    // Two thirds have voted; operator 0 proposes the same, and names what it does not show as the archive.
    let (chain, network) = (world.chain.as_ref(), &world.network.key);
    let proposals = || chain::read_all::<Proposal>(chain).expect("proposals");
    let [(honest, passed)] = proposals()[..] else {
        panic!("one proposal")
    };
    assert_eq!(passed.status, PASSED);
    let found = computed(world.workers[0].worker.operator());
    assert!(found.0.incomplete);
    let operator = liar.worker.operator();
    let committee: Committee = chain::read(chain, &passed.committee).expect("committee");
    let args = proposing(operator, &committee, &found, hidden);
    let (_, rewards) = found;
    let (signer, stream) = (operator.signer_key(), &operator.stream);
    let propose =
        emissions::propose_root(&signer, network, &passed.committee, stream, &signer, args);
    operator.land(&[propose], |_| Ok(())).expect("proposal");
    let copy = emissions::proposal(network, stream, &args);
    assert_ne!(copy, honest);
    for voter in &world.operators[1..] {
        let digest = passed.message(world.network.id).digest();
        let vote = tests::signatures([&voter.signer], &digest);
        let reference = emissions::VoteReference {
            instruction: 0,
            index: 0,
            member: committee.member(&voter.pool).expect("a seat") as u8,
        };
        let count = emissions::vote_root(network, &passed.committee, &copy, reference);
        world.send(&[vote, count]).expect("vote");
    }
    world.set_time(world.now() + CHALLENGE);
    world
        .send(&[emissions::finalize_root(network, &copy)])
        .expect("final");
    let second = world.emission().roots;

    // A worker with nothing but the chain finds the leaves, and so does whoever recomputes.
    let peers = world.workers[0].worker.operator().peers.clone();
    let fresh = serve(
        &world.runtime,
        &world.chain,
        &world.network,
        &world.operators[1],
        peers,
        listen(&world.runtime),
    );
    fresh.worker.step().expect("step");
    let found = reward::final_rewards(fresh.worker.operator(), &world.emission());
    assert_eq!(found.expect("chain"), Some(rewards));
    assert_eq!(world.recompute(2).expect("true"), second);
    // Owners have their proofs, and the next epoch adds to these.
    for worker in 0..2 {
        let proof = world.proof(worker, &world.owners[0].pubkey());
        assert_eq!(proof.expect("proof").epoch, 2);
    }
    world.set_time(START + 3 * EPOCH + 20 * HOUR);
    world.settle();
    world.deliver(1, &world.readings(1, HOUR, 800));
    world.settle();
    world.set_time(START + 4 * EPOCH + 60);
    for _ in 0..2 {
        world.settle();
        world.set_time(world.now() + BALLOT);
    }
    world.set_time(world.now() + CHALLENGE);
    world.settle();
    assert_eq!(world.emission().final_epoch, 3);
    let both = world.recompute(3);
    assert_eq!(both.expect("true"), world.emission().roots);
}

/// Whoever proposes roots or makes them final may keep what the program does out of the log.
#[test]
fn are_recomputed_without_logs() {
    let world = World::new();
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    let before = tests::fill_log(&world.chain);
    // The operator whose turn it is archives the trees and proposes, but nobody votes in this ballot.
    world.set_time(START + 3 * EPOCH + 60);
    let turn = world.workers[2].worker.as_ref();
    let proposed = (0..STEPS)
        .flat_map(|_| turn.step().expect("step"))
        .find_map(|event| match event {
            Event::Proposed { signature, .. } => Some(signature),
            _ => None,
        });
    let proposed = world
        .chain
        .execution(&proposed.expect("proposed"))
        .expect("chain");
    let network = &world.network.key;
    let (_, args) = emissions::proposals(&proposed.expect("transaction"), network).remove(0);

    // In the next one another member is the first to propose the same, with a log that is filled before.
    world.set_time(world.now() + BALLOT);
    let operator = world.workers[0].worker.operator();
    let committee_key = pools::committee(network, 3);
    let committee: Committee =
        chain::read(world.chain.as_ref(), &committee_key).expect("committee");
    let args = ProposeRootArgs {
        ballot: 1,
        member: committee.member(&operator.pool).expect("a seat") as u8,
        ..args
    };
    let (signer, stream) = (operator.signer_key(), &world.operators[2].stream);
    let propose = emissions::propose_root(&signer, network, &committee_key, stream, &signer, args);
    let propose = operator.land(&[before.clone(), propose], |_| Ok(()));
    tests::assert_log_filled(&propose.expect("proposed"));
    world.settle();
    world.set_time(world.now() + CHALLENGE);
    let finalize = emissions::finalize_root(network, &emissions::proposal(network, stream, &args));
    let finalized = world.send(&[before, finalize]).expect("final");
    tests::assert_log_filled(&finalized);
    assert_eq!(world.emission().final_epoch, 2);
    assert_eq!(world.recompute(2).expect("true"), world.emission().roots);
}

/// Anybody may name this network in a transaction about one of his own.
#[test]
fn are_recomputed_whatever_becomes_of_another_network() {
    let world = World::rewarded();
    let (chain, payer) = (world.chain.as_ref(), world.payer.pubkey());
    let own: device_registry::state::Network =
        chain::read(chain, &world.network.key).expect("network");
    let genesis_hash = chain.genesis_hash().expect("genesis").to_bytes();
    let nonce = 77;
    let id = network_id(
        &device_registry::ID.to_bytes(),
        &genesis_hash,
        &payer.to_bytes(),
        nonce,
    );
    let mints = (&world.network.reward_mint, &world.network.stake_mint);
    let args = CreateNetworkArgs {
        id,
        nonce,
        genesis_hash,
        genesis: START,
        epoch_length: EPOCH,
        timelock: own.timelock,
        flags: own.flags,
        parameters: own.parameters,
    };
    let create = registry::create_network(&payer, &payer, mints.0, mints.1, args);
    let other = registry::network(&id);
    let mut parameters = own.parameters;
    parameters.device_bond *= 9;
    let propose = registry::propose_parameters(&other, &payer, parameters);
    world.send(&[create, propose]).expect("proposed");
    world.set_time(world.now() + own.timelock);
    let mut apply = registry::apply_parameters(&other);
    let beside = AccountMeta::new_readonly(world.network.key, false);
    apply.accounts.push(beside.clone());
    let mut hand_over = registry::transfer_authority(&other, &payer, &payer);
    hand_over.accounts.push(beside.clone());
    let mut accept = registry::accept_authority(&other, &payer);
    accept.accounts.push(beside);
    world.send(&[apply, hand_over, accept]).expect("applied");
    assert_eq!(world.recompute(2).expect("true"), world.emission().roots);
}

#[test]
fn are_recomputed_without_what_nobody_could_have() {
    let mut world = World::new();
    attest_withheld(&world);
    let _liar = reward_without_first(&mut world);
    let mut told = String::new();
    let archive = |commitment: &CommitmentLeaf| world.archived(commitment);
    let (chain, key) = (world.chain.as_ref(), &world.network.key);
    let roots = trace::epoch(chain, key, 2, &archive, &mut |step| {
        if step.stage == Stage::Scores {
            told = step.found;
        }
    });
    assert_eq!(roots.expect("true"), world.emission().roots);
    assert!(told.contains("1 payloads can't be had"), "{told}");
}

#[test]
fn with_a_feed_that_was_paid_for_are_recomputed_until_its_accounts_are_closed() {
    // Half of the schedule is granted whatever is burned, and a feed may count for three times as much.
    let scoring = ScoringArgs {
        max_demand_bps: 30_000,
        ..EVEN_SCORING
    };
    let world = World::emitting(scoring, 5_000);
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    reward_epoch(&world, 2);

    // Epoch 3: a feed over the cell of device 3, for which all that was ever granted is burned.
    world.set_time(START + 3 * EPOCH + 20 * HOUR);
    let payer = world.payer.pubkey();
    let network = &world.network;
    let mut feed = feed_args(network, &payer, HOUR as u32);
    feed.cells = vec![OTHER_CELL];
    let hash = inference::model_hash(&model(), poseidon).expect("hash");
    let input = InputSpec {
        schema: feed.schema,
        max_gap_s: feed.max_gap,
        cells: &feed.cells,
    };
    feed.id = feed_id(&network.id, &payer.to_bytes(), &hash, &input, 0, HOUR).expect("id");
    let paid_for = feeds::feed(&feed.id);
    let create = feeds::create_feed(&payer, &payer, &network.key, &hash, feed);
    let price = Pubkey::new_unique();
    let set = credits::set_pricing(
        &payer,
        &payer,
        &network.key,
        &network.reward_mint,
        oracle::terms(&price, 0, 0),
    );
    let open = credits::open_epoch(&payer, &network.key, 3);
    world.send(&[create, set, open]).expect("made");
    world.settle();
    let owner = world.owners[1].pubkey();
    let before = world.proof(0, &owner).expect("proof").cumulative;
    let burned = world.claim_and_burn(&price);
    let key = credits::credits(&network.key, &payer);
    let bought: Credits = chain::read(world.chain.as_ref(), &key).expect("credits");
    let fund = credits::fund_feed(&payer, &payer, &network.key, 3, &paid_for, bought.balance);
    world.send(&[fund]).expect("funded");

    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    let readings = world.readings(3, HOUR, 800);
    let body = readings.iter().flat_map(SignedReading::to_bytes).collect();
    assert_eq!(world.post(0, body).accepted, readings.len());
    world.settle();
    reward_epoch(&world, 3);

    // The four devices did the same. What was burned beyond the floor is the paid feed's alone, so that device 2 has a fourth
    // of the floor's part.
    let emission = world.emission();
    let budget = emission.budget(3, burned).expect("budget");
    let floor = emission.budget(3, 0).expect("budget");
    let [total, least] = [budget, floor].map(|budget| budget.total().expect("total"));
    assert_eq!(total, burned);
    assert!(least < total && total < 2 * least);
    let proof = world.proof(0, &owner).expect("proof");
    let earned = u128::from(proof.cumulative - before);
    let expected = u128::from(budget.owners) * u128::from(least) / u128::from(4 * total);
    assert!(
        earned.abs_diff(expected) <= expected / 10_000,
        "{earned} instead of {expected}"
    );
    world.recompute(2).expect("true");
    assert_eq!(world.recompute(3).expect("true"), emission.roots);

    let gone = "its accounts were closed";
    let demand = credits::close_demand(&network.key, 3, &paid_for, &payer);
    world.send(&[demand]).expect("closed");
    assert_fails(world.recompute(3), Stage::Present, gone);
    let epoch = credits::close_epoch(&network.key, 3, &payer);
    world.send(&[epoch]).expect("closed");
    assert_fails(world.recompute(3), Stage::Present, gone);
    world.recompute(2).expect("true");
}
