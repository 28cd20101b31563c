//! Members whose votes for two proposals were counted, and workers that look at them.

use super::altered::Altered;
use super::strangers::fresh;
use super::*;
use fieldproof_client::chain::Execution;
use fieldproof_client::reward_emission::VoteReference;
use reward_emission::instructions::Half;
use solana_signature::Signature;
use std::sync::atomic::{AtomicBool, Ordering};

/// Has operator 0 propose roots of epoch 2 with this sum of scores, archived by a new commitment whose payload nobody has, in
/// a ballot that begins. Returns the proposal's address.
fn propose(world: &World, ballot: u32, score_sum: u64) -> Pubkey {
    world.set_time(START + 3 * EPOCH + i64::from(ballot) * BALLOT);
    let operator = world.workers[0].worker.operator();
    operator.snapshot(3).expect("committee");
    let network = &world.network.key;
    let key = pools::committee(network, 3);
    let committee: Committee = chain::read(world.chain.as_ref(), &key).expect("committee");
    let half = |sum| Half { hash: [7; 32], sum };
    let args = ProposeRootArgs {
        epoch: 2,
        ballot,
        base: world.emission().finals,
        member: committee.member(&operator.pool).expect("a seat") as u8,
        depth: 1,
        score_hash: [9; 32],
        score_sum,
        owners: half(1),
        operators: half(0),
        sequence: world.commit_hidden(0, [8; 32]),
    };
    let signer = operator.signer_key();
    let propose = emissions::propose_root(&signer, network, &key, &operator.stream, &signer, args);
    operator.land(&[propose], |_| Ok(())).expect("proposal");
    emissions::proposal(network, &operator.stream, &args)
}

/// Brings the votes of these operators for a proposal in one transaction, whose signature it returns.
fn vote(world: &World, key: &Pubkey, voters: &[usize]) -> Signature {
    let chain = world.chain.as_ref();
    let proposal: Proposal = chain::read(chain, key).expect("proposal");
    let committee: Committee = chain::read(chain, &proposal.committee).expect("committee");
    let voters = voters.iter().map(|voter| &world.operators[*voter]);
    let message = proposal.message(world.network.id).digest();
    let signers = voters.clone().map(|voter| &voter.signer);
    let mut instructions = vec![tests::signatures(signers, &message)];
    for (index, voter) in (0..).zip(voters) {
        let reference = VoteReference {
            instruction: 0,
            index,
            member: committee.member(&voter.pool).expect("a seat") as u8,
        };
        let network = &world.network.key;
        let vote = emissions::vote_root(network, &proposal.committee, key, reference);
        instructions.push(vote);
    }
    world.send(&instructions).expect("votes").signature
}

/// What a worker does when it looks at the proposals the next time.
fn look(world: &World, worker: &Worker) -> Vec<Event> {
    world.set_time(world.now() + 15);
    worker.tick().expect("time");
    worker.work(Part::Audit).expect("step")
}

/// The pools that a worker has slashed when it has looked at the proposals some times, and has done nothing else.
fn slashed(world: &World, worker: usize) -> Vec<String> {
    let worker = &world.workers[worker].worker;
    (0..4)
        .flat_map(|_| look(world, worker))
        .map(|event| match event {
            Event::DoubleVoterSlashed {
                epoch: 2,
                ballot: 0,
                pool,
                ..
            } => pool,
            event => panic!("{event:?}"),
        })
        .collect()
}

#[test]
fn for_different_roots_of_a_ballot_cost_stake() {
    let world = World::new();
    let [first, second] = [1, 2].map(|score_sum| propose(&world, 0, score_sum));
    vote(&world, &first, &[0]);
    // Beside the vote of an operator that has not voted before.
    vote(&world, &second, &[1, 0]);
    let before = world.staked();
    // Nobody reports himself.
    assert!(slashed(&world, 0).is_empty());
    assert_eq!(slashed(&world, 1), [world.operators[0].pool.to_string()]);
    let after = world.staked();
    assert!(after[0] < before[0]);
    assert_eq!(after[1..], before[1..]);
    assert_eq!(world.bounty(1), (before[0] - after[0]) * 3 / 10);
    // Once.
    for worker in [1, 2] {
        assert!(slashed(&world, worker).is_empty());
    }
    assert_eq!(world.staked(), after);
}

#[test]
fn for_the_same_roots_or_in_two_ballots_cost_nothing() {
    let world = World::new();
    let before = world.staked();
    // The first two differ in their archive.
    for (ballot, score_sum) in [(0, 1), (0, 1), (1, 2)] {
        let key = propose(&world, ballot, score_sum);
        vote(&world, &key, &[0]);
    }
    let proposals = chain::read_all::<Proposal>(world.chain.as_ref()).expect("proposals");
    let voted = proposals.iter().map(|(_, proposal)| proposal.voted);
    assert_eq!(voted.map(u64::count_ones).collect::<Vec<_>>(), [1; 3]);
    for worker in [1, 2] {
        assert!(slashed(&world, worker).is_empty());
    }
    assert_eq!(world.staked(), before);
}

#[test]
fn are_left_alone_when_the_network_takes_no_evidence_of_them_any_more() {
    let world = World::new();
    for score_sum in [1, 2] {
        let key = propose(&world, 0, score_sum);
        vote(&world, &key, &[0]);
    }
    world.set_time(START + 4 * EPOCH + EVIDENCE_WINDOW);
    assert!(slashed(&world, 1).is_empty());
}

#[test]
fn that_can_not_be_read_yet_are_looked_for_less_and_less_often() {
    let world = World::new();
    let [_, late] = [1, 2].map(|score_sum| {
        let key = propose(&world, 0, score_sum);
        vote(&world, &key, &[0])
    });
    let is_there = Arc::new(AtomicBool::new(false));
    let there = is_there.clone();
    let chain = Altered {
        chain: world.chain.clone(),
        tell: move |execution: Execution| {
            let is_told = execution.signature != late || there.load(Ordering::SeqCst);
            is_told.then_some(execution)
        },
    };
    let (worker, _data) = fresh(&world, 1, Arc::new(chain));
    let failed: Vec<bool> = (0..8)
        .map(|_| match look(&world, &worker).as_slice() {
            [] => false,
            [Event::Failed { .. }] => true,
            events => panic!("{events:?}"),
        })
        .collect();
    // After 15, 30, 60 and 120 seconds.
    assert_eq!(failed, [true, true, false, true, false, false, false, true]);
    is_there.store(true, Ordering::SeqCst);
    let events: Vec<Event> = (0..8).flat_map(|_| look(&world, &worker)).collect();
    assert!(
        matches!(events.as_slice(), [Event::DoubleVoterSlashed { .. }]),
        "{events:?}"
    );
}
