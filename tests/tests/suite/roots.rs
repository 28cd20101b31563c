//! Reward roots that are wrong: challenges, slashes of those who proposed or voted for them, and double votes. Networks,
//! stakes, committees and emissions are real.

use super::security_pool::swap;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::sum::{score_leaf, OPERATOR, OWNER};
use commitment::{reward_leaf, SumNode, SumTree};
use data_commitment::instructions::CommitRootArgs;
use device_protocol::VoteMessage;
use device_registry::state::Operation;
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::reports::Reporter;
use fieldproof_client::reward_emission::{self as client, VoteReference};
use fieldproof_client::{
    data_commitment as streams, device_registry as registry, security_pool as pools, ClientError,
};
use reward_emission::error::EmissionError as E;
use reward_emission::instructions::{
    ChallengeRootArgs, CreateEmissionArgs, Entry, ProposeRootArgs, ReportDoubleVoteArgs, SignedVote,
};
use reward_emission::state::{
    Emission, Payee, PayeeKind, Proposal, Schedule, FINAL, PASSED, REJECTED,
};
use security_pool::error::PoolError;
use security_pool::state::{Delegation, Pool, Report};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::fixture::{Network, Operator, EPOCH, EVEN_SCORING, EVIDENCE_WINDOW, TOKEN};
use tests::{assert_refused, Harness, START};

/// What each operator stakes beside its seed of one token: the first two have two thirds.
const STAKES: [u64; 4] = [30, 30, 20, 10];
/// Seconds of a ballot.
pub(super) const BALLOT: i64 = 3_600;
/// Seconds of the challenge window.
pub(super) const CHALLENGE: i64 = 600;
/// What an epoch emits, base units.
pub(super) const BUDGET: u64 = 1_000_000;
/// Operators' share.
const OPERATORS_BPS: u16 = 2_000;
/// What a wrong root costs.
const ROOT_SLASH_BPS: u16 = 1_000;
/// Depth of the tests' trees.
const DEPTH: u32 = 4;
/// Nobody's payee.
const STRANGER: Pubkey = Pubkey::new_from_array([9; 32]);

/// A payee's place and key.
#[derive(Clone, Copy)]
pub(super) struct Registered {
    pub(super) kind: u8,
    pub(super) index: u32,
    pub(super) payee: Pubkey,
    key: Pubkey,
}

/// What the trees of an epoch hold: payee, score, cumulative amount.
pub(super) type Rows = Vec<(Registered, u64, u64)>;

/// Both trees of an epoch.
pub(super) struct Trees {
    scores: SumTree,
    pub(super) grants: SumTree,
    pub(super) rows: Rows,
}

impl Trees {
    fn new(rows: Rows) -> Self {
        Self::of_depth(DEPTH, rows)
    }

    fn of_depth(depth: u32, rows: Rows) -> Self {
        let tree = |leaf: &dyn Fn(&(Registered, u64, u64)) -> SumNode| {
            let leaves = rows
                .iter()
                .map(|row| (row.0.kind, row.0.index, leaf(row)))
                .collect::<Vec<_>>();
            SumTree::new(depth, leaves).expect("tree")
        };
        Self {
            scores: tree(&|(payee, score, _)| score_leaf(&payee.key.to_bytes(), *score)),
            grants: tree(&|(payee, _, amount)| reward_leaf(&payee.key.to_bytes(), *amount)),
            rows,
        }
    }

    fn row(&self, kind: u8, index: u32) -> Option<&(Registered, u64, u64)> {
        self.rows
            .iter()
            .find(|(payee, ..)| (payee.kind, payee.index) == (kind, index))
    }

    /// What `challenge_root` takes of these trees and the last final ones.
    fn evidence(&self, before: Option<&Self>, kind: u8, index: u32) -> ChallengeRootArgs {
        let row = self.row(kind, index);
        let entry = |payee: Registered, value| Entry {
            payee: payee.key,
            value,
        };
        ChallengeRootArgs {
            kind,
            index,
            before: before
                .and_then(|trees| trees.row(kind, index))
                .map(|(payee, _, amount)| entry(*payee, *amount)),
            before_path: before
                .and_then(|trees| trees.grants.path(kind, index).ok())
                .unwrap_or_default(),
            score: row.map(|(payee, score, _)| entry(*payee, *score)),
            score_path: self.scores.path(kind, index).expect("path"),
            granted: row.map(|(payee, _, amount)| entry(*payee, *amount)),
            granted_path: self.grants.path(kind, index).expect("path"),
        }
    }
}

/// A network whose epoch 1 has just ended, with four operators in the committee, two owners and two operators as payees.
pub(super) struct World {
    pub(super) harness: Harness,
    pub(super) network: Network,
    pub(super) operators: Vec<Operator>,
    pub(super) bounty: Pubkey,
    /// Pays for proposals.
    purse: Keypair,
    pub(super) owners: [Registered; 2],
    pub(super) pools: [Registered; 2],
}

impl World {
    pub(super) fn new() -> Self {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let operators: Vec<Operator> = STAKES
            .iter()
            .map(|stake| network.operator(&harness, *stake))
            .collect();
        let payer = harness.payer.pubkey();
        let args = CreateEmissionArgs {
            operators_bps: OPERATORS_BPS,
            root_slash_bps: ROOT_SLASH_BPS,
            floor_bps: 10_000,
            schedule: Schedule::new(BUDGET, BUDGET, 0, 1_000).expect("schedule"),
            challenge_window: CHALLENGE,
            ballot_length: BALLOT,
            breaker_window: EPOCH,
            breaker_limit: u64::MAX,
            scoring: EVEN_SCORING,
        };
        let (key, mint) = (network.key, network.reward_mint);
        let create = client::create_emission(&payer, &key, &payer, &mint, &payer, args);
        harness.send(&[create], &[]).expect("emission");
        let bounty = harness.fund(&payer, &network.stake_mint, 0);
        let owners = [(); 2].map(|()| {
            let owner = harness.key();
            let destination = harness.fund(&owner.pubkey(), &mint, 0);
            let register = client::register_owner(&payer, &key, &owner.pubkey(), &destination);
            harness.send(&[register], &[&owner]).expect("owner");
            registered(&harness, &key, PayeeKind::Owner, owner.pubkey())
        });
        let pools = [0, 1].map(|number: usize| {
            let Operator {
                key: owner, pool, ..
            } = &operators[number];
            let destination = harness.fund(&owner.pubkey(), &mint, 0);
            let register =
                client::register_operator(&payer, &key, &owner.pubkey(), pool, &destination);
            harness.send(&[register], &[owner]).expect("operator");
            registered(&harness, &key, PayeeKind::Operator, *pool)
        });
        let purse = harness.key();
        let world = Self {
            harness,
            network,
            operators,
            bounty,
            purse,
            owners,
            pools,
        };
        world.harness.advance(2 * EPOCH);
        world.network.committee(&world.harness, 2);
        world.archive(0);
        world
    }

    /// Operator 0 commits to an archive of the trees, which the program only counts.
    fn archive(&self, sequence: u64) {
        let Operator { signer, pool, .. } = &self.operators[0];
        let args = CommitRootArgs {
            sequence,
            root: [1; 32],
            batches: 1,
            payload_hash: [1; 32],
            payload_len: 1,
        };
        let commit = streams::commit_root(&signer.pubkey(), &self.network.key, pool, args);
        self.send(&[commit], &[signer]).expect("commitment");
    }

    pub(super) fn send(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        self.harness.send(instructions, signers)
    }

    fn epoch(&self) -> u64 {
        ((self.harness.now() - START) / EPOCH) as u64
    }

    pub(super) fn committee(&self) -> Pubkey {
        pools::committee(&self.network.key, self.epoch())
    }

    /// The index of an operator in the committee.
    fn member(&self, operator: usize) -> u8 {
        let committee: security_pool::state::Committee = self.harness.read(&self.committee());
        committee
            .member(&self.operators[operator].pool)
            .expect("a seat") as u8
    }

    /// What epoch grants by kind: owners, operators.
    pub(super) fn parts() -> [u64; 2] {
        let operators = BUDGET * u64::from(OPERATORS_BPS) / 10_000;
        [BUDGET - operators, operators]
    }

    /// The right rows when all four payees have the given scores and had `before`.
    fn rows(&self, scores: [u64; 4], before: [u64; 4]) -> Rows {
        let payees = [self.owners[0], self.owners[1], self.pools[0], self.pools[1]];
        let parts = Self::parts();
        let totals = [scores[0] + scores[1], scores[2] + scores[3]];
        (0..4)
            .map(|place| {
                let kind = usize::from(payees[place].kind);
                let earned = parts[kind] * scores[place] / totals[kind];
                (payees[place], scores[place], before[place] + earned)
            })
            .collect()
    }

    /// The right trees of the first epoch.
    pub(super) fn honest(&self) -> Trees {
        Trees::new(self.rows([3, 4, 5, 2], [0; 4]))
    }

    /// The first epoch's trees with one row changed.
    pub(super) fn wrong(&self, change: impl FnOnce(&mut Rows)) -> Trees {
        let mut rows = self.rows([3, 4, 5, 2], [0; 4]);
        change(&mut rows);
        Trees::new(rows)
    }

    pub(super) fn args(&self, trees: &Trees) -> ProposeRootArgs {
        let (owners, operators) = client::halves(&trees.grants).expect("halves");
        let since = (self.harness.now() - START) % EPOCH;
        let scores = trees.scores.root();
        ProposeRootArgs {
            epoch: self.epoch() - 1,
            ballot: (since / BALLOT) as u32,
            base: self.emission().finals,
            member: self.member(0),
            depth: trees.grants.depth() as u8,
            score_hash: scores.hash,
            score_sum: scores.sum,
            owners,
            operators,
            sequence: 0,
        }
    }

    pub(super) fn propose(&self, args: ProposeRootArgs) -> Result<Execution, ClientError> {
        self.propose_as(0, args)
    }

    fn propose_as(&self, operator: usize, args: ProposeRootArgs) -> Result<Execution, ClientError> {
        let signer = &self.operators[operator].signer;
        let member = self.member(operator);
        let propose = client::propose_root(
            &self.purse.pubkey(),
            &self.network.key,
            &self.committee(),
            &self.operators[0].stream,
            &signer.pubkey(),
            ProposeRootArgs { member, ..args },
        );
        self.send(&[propose], &[signer, &self.purse])
    }

    /// Proposed by operator 0.
    pub(super) fn proposed(&self, trees: &Trees) -> Pubkey {
        let args = self.args(trees);
        self.propose(args).expect("proposal");
        client::proposal(&self.network.key, &self.operators[0].stream, &args)
    }

    pub(super) fn proposal(&self, key: &Pubkey) -> Proposal {
        self.harness.read(key)
    }

    fn emission(&self) -> Emission {
        self.harness.read(&client::emission(&self.network.key))
    }

    fn signature(&self, operator: usize, message: &VoteMessage) -> Instruction {
        tests::signatures([&self.operators[operator].signer], &message.digest())
    }

    pub(super) fn vote(&self, key: &Pubkey, operator: usize) -> Result<Execution, ClientError> {
        let message = self.proposal(key).message(self.network.id);
        self.vote_with(key, operator, &message)
    }

    /// Brings an operator's signature under `message` as its vote.
    fn vote_with(
        &self,
        key: &Pubkey,
        operator: usize,
        message: &VoteMessage,
    ) -> Result<Execution, ClientError> {
        let reference = VoteReference {
            instruction: 0,
            index: 0,
            member: self.member(operator),
        };
        let vote = client::vote_root(&self.network.key, &self.committee(), key, reference);
        self.send(&[self.signature(operator, message), vote], &[])
    }

    pub(super) fn finalize(&self, key: &Pubkey) -> Result<Execution, ClientError> {
        self.send(&[client::finalize_root(&self.network.key, key)], &[])
    }

    /// Proposed and passed.
    fn passed(&self, trees: &Trees) -> Pubkey {
        let key = self.proposed(trees);
        for operator in 0..2 {
            self.vote(&key, operator).expect("vote");
        }
        assert_eq!(self.proposal(&key).status, PASSED);
        key
    }

    /// Makes the trees final, and begins the next epoch.
    pub(super) fn decide(&self, trees: &Trees) -> Pubkey {
        let key = self.passed(trees);
        self.harness.advance(CHALLENGE);
        self.finalize(&key).expect("final");
        self.next_epoch();
        key
    }

    pub(super) fn next_epoch(&self) {
        let next = self.epoch() + 1;
        self.harness.chain.set_time(START + next as i64 * EPOCH);
        self.network.committee(&self.harness, next);
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            payer: self.harness.payer.pubkey(),
            bounty: self.bounty,
            network: self.network.key,
            network_id: self.network.id,
            stake_mint: self.network.stake_mint,
        }
    }

    /// The payee account at a place.
    fn payee(&self, kind: u8, index: u32) -> Option<Pubkey> {
        [&self.owners, &self.pools]
            .into_iter()
            .flatten()
            .find(|payee| (payee.kind, payee.index) == (kind, index))
            .map(|payee| payee.payee)
    }

    fn challenge_with(
        &self,
        key: &Pubkey,
        payee: Option<Pubkey>,
        args: ChallengeRootArgs,
    ) -> Result<Execution, ClientError> {
        let proposal = self.proposal(key);
        let challenge = client::challenge_root(&self.reporter(), key, &proposal, payee, args);
        self.send(&[challenge], &[])
    }

    pub(super) fn challenge(
        &self,
        key: &Pubkey,
        trees: &Trees,
        before: Option<&Trees>,
        (kind, index): (u8, u32),
    ) -> Result<Execution, ClientError> {
        let args = trees.evidence(before, kind, index);
        self.challenge_with(key, self.payee(kind, index), args)
    }

    /// The operators' stakes, and the bounties paid.
    fn books(&self) -> ([u64; STAKES.len()], u64) {
        let stakes = std::array::from_fn(|operator| self.staked(operator));
        (stakes, self.harness.balance(&self.bounty))
    }

    /// Shows what is wrong with a proposal that operators 0 and 1 voted for: in that one transaction it is rejected, its
    /// proposer alone loses stake, and the challenger gets the bounty. In one more the other voter loses its own.
    fn convict(&self, case: &str, key: &Pubkey, args: ChallengeRootArgs) {
        let (mut stakes, mut bounty) = self.books();
        let payee = self.payee(args.kind, args.index);
        self.challenge_with(key, payee, args)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(self.proposal(key).status, REJECTED, "{case}");
        stakes[0] -= Self::penalty(0);
        bounty += Self::penalty(0) * 3 / 10;
        assert_eq!(self.books(), (stakes, bounty), "{case}");

        self.slash_voter(key, 1)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        stakes[1] -= Self::penalty(1);
        bounty += Self::penalty(1) * 3 / 10;
        assert_eq!(self.books(), (stakes, bounty), "{case}");
    }

    fn slash_voter(&self, key: &Pubkey, operator: usize) -> Result<Execution, ClientError> {
        let slash = client::slash_voter(
            &self.reporter(),
            key,
            &self.proposal(key),
            self.member(operator),
            &self.operators[operator].pool,
        );
        self.send(&[slash], &[])
    }

    fn staked(&self, operator: usize) -> u64 {
        let pool: Pool = self.harness.read(&self.operators[operator].pool);
        pool.staked
    }

    /// What an operator's allocation loses for a wrong root.
    pub(super) fn penalty(operator: usize) -> u64 {
        STAKES[operator] * TOKEN * u64::from(ROOT_SLASH_BPS) / 10_000
    }

    /// What a vote for the right roots is, and another of the same ballot.
    pub(super) fn two_votes(&self) -> [VoteMessage; 2] {
        let key = self.proposed(&self.honest());
        let first = self.proposal(&key).message(self.network.id);
        let second = VoteMessage {
            score_sum: first.score_sum + 1,
            ..first
        };
        [first, second]
    }

    pub(super) fn double_vote(&self, operator: usize, votes: [VoteMessage; 2]) -> [Instruction; 3] {
        let [first, second] = votes;
        let args = ReportDoubleVoteArgs {
            epoch: first.epoch,
            ballot: first.ballot,
            base: first.base,
            member: self.member(operator),
            first: SignedVote::of(&first, 0, 0),
            second: SignedVote::of(&second, 1, 0),
        };
        [
            self.signature(operator, &first),
            self.signature(operator, &second),
            client::report_double_vote(
                &self.reporter(),
                &self.committee(),
                &self.operators[operator].pool,
                args,
            ),
        ]
    }
}

fn registered(harness: &Harness, network: &Pubkey, kind: PayeeKind, key: Pubkey) -> Registered {
    let payee = client::payee(network, kind, &key);
    let state: Payee = harness.read(&payee);
    Registered {
        kind: kind as u8,
        index: state.index,
        payee,
        key,
    }
}

// challenge_root

#[test]
fn what_follows_from_the_scores_holds() {
    let world = World::new();
    let first = world.honest();
    let key = world.passed(&first);
    let places = [
        (OWNER, 0),
        (OWNER, 1),
        (OPERATOR, 0),
        (OPERATOR, 1),
        (OWNER, 2),
        (OPERATOR, 7),
    ];
    for place in places {
        assert_refused(world.challenge(&key, &first, None, place), E::GrantHolds);
    }
    world.harness.advance(CHALLENGE);
    world.finalize(&key).expect("final");
    world.next_epoch();
    // A deeper tree follows; one owner earned nothing, and its grant stays.
    let before = [0, 1, 2, 3].map(|place: usize| first.rows[place].2);
    let mut rows = world.rows([0, 9, 1, 0], before);
    let second = Trees::of_depth(DEPTH + 3, rows.clone());
    let key = world.passed(&second);
    for place in places.into_iter().chain([(OWNER, 60)]) {
        assert_refused(
            world.challenge(&key, &second, Some(&first), place),
            E::GrantHolds,
        );
    }
    // One unit less for it would not hold.
    world.harness.advance(BALLOT);
    rows[0].2 -= 1;
    let wrong = Trees::of_depth(DEPTH + 3, rows);
    let key = world.proposed(&wrong);
    world
        .challenge(&key, &wrong, Some(&first), (OWNER, 0))
        .expect("rejected");
}

#[test]
fn a_wrong_amount_costs_its_proposer_and_its_voters() {
    let world = World::new();
    let wrong = world.wrong(|rows| rows[0].2 += 1);
    let key = world.passed(&wrong);
    let stakes = [0, 1, 2].map(|operator| world.staked(operator));
    world
        .challenge(&key, &wrong, None, (OWNER, 0))
        .expect("rejected");
    assert_eq!(world.proposal(&key).status, REJECTED);
    assert_eq!(world.staked(0), stakes[0] - World::penalty(0));
    // The bounty is three tenths, in the same transaction.
    let bounty = World::penalty(0) * 3 / 10;
    assert_eq!(world.harness.balance(&world.bounty), bounty);

    world.harness.advance(CHALLENGE);
    assert_refused(world.finalize(&key), E::Rejected);
    assert_refused(world.vote(&key, 2), E::Rejected);
    assert_refused(world.challenge(&key, &wrong, None, (OWNER, 0)), E::Rejected);

    world.slash_voter(&key, 1).expect("slashed");
    assert_eq!(world.staked(1), stakes[1] - World::penalty(1));
    assert_eq!(world.harness.balance(&world.bounty), 2 * bounty);
    for operator in [0, 1] {
        assert_refused(world.slash_voter(&key, operator), E::AlreadySlashed);
    }
    assert_refused(world.slash_voter(&key, 2), E::NotVoter);
    assert_eq!(world.staked(2), stakes[2]);

    // The right roots pass in the next ballot.
    world.harness.advance(BALLOT);
    let right = world.passed(&world.honest());
    world.harness.advance(CHALLENGE);
    world.finalize(&right).expect("final");
    assert_eq!(world.emission().finals, 1);
    assert_eq!(world.proposal(&right).status, FINAL);
}

#[test]
fn copies_of_wrong_roots_cost_nobody_twice() {
    let world = World::new();
    let wrong = world.wrong(|rows| rows[0].2 += 1);
    let place = (OWNER, 0);
    let key = world.passed(&wrong);
    // A member with the smallest seat proposes them again with other archives, and copies the votes.
    let copies = [1, 2].map(|sequence| {
        world.archive(sequence);
        let args = ProposeRootArgs {
            sequence,
            ..world.args(&wrong)
        };
        world.propose_as(3, args).expect("copy");
        let copy = client::proposal(&world.network.key, &world.operators[0].stream, &args);
        for voter in 0..2 {
            world.vote(&copy, voter).expect("copied vote");
        }
        copy
    });
    let (mut stakes, _) = world.books();
    let mut slashed = 0;
    let mut loses = |operator: usize| {
        stakes[operator] -= World::penalty(operator);
        slashed += World::penalty(operator);
        (stakes, slashed * 3 / 10)
    };
    world.challenge(&key, &wrong, None, place).expect("shown");
    assert_eq!(world.books(), loses(0));
    world.slash_voter(&key, 1).expect("slashed");
    assert_eq!(world.books(), loses(1));
    // The first copy costs its own proposer alone, and the second nobody; both are rejected for good.
    world
        .challenge(&copies[0], &wrong, None, place)
        .expect("shown");
    let books = loses(3);
    assert_eq!(world.books(), books);
    world
        .challenge(&copies[1], &wrong, None, place)
        .expect("rejected without a slash");
    for copy in &copies {
        for voter in 0..2 {
            assert_refused(world.slash_voter(copy, voter), E::AlreadySlashed);
        }
        assert_eq!(world.proposal(copy).status, REJECTED);
        assert_refused(world.challenge(copy, &wrong, None, place), E::Rejected);
    }
    assert_eq!(world.books(), books);
    // Signed anew in the next ballot, they are another offence: a tenth of what is still counted.
    world.harness.advance(BALLOT);
    let again = world.passed(&wrong);
    world.challenge(&again, &wrong, None, place).expect("shown");
    let left = STAKES[0] * TOKEN - World::penalty(0);
    assert_eq!(world.staked(0), books.0[0] - left / 10);
}

/// Whether roots are right depends on what is final: right ones that were signed are wrong once an earlier epoch's have
/// become final, and so is a vote for them on the new base.
#[test]
fn a_vote_is_of_no_use_on_another_base() {
    let world = World::new();
    let right = world.honest();
    // Two thirds pass roots of the epoch before, which grant all to one owner, and wait.
    let [owners, _] = World::parts();
    let earlier = Trees::new(vec![(world.owners[0], 1, owners)]);
    let args = world.args(&earlier);
    let args = ProposeRootArgs {
        epoch: args.epoch - 1,
        ballot: args.ballot + (EPOCH / BALLOT) as u32,
        ..args
    };
    world.propose(args).expect("proposal");
    let stream = &world.operators[0].stream;
    let hidden = client::proposal(&world.network.key, stream, &args);
    for voter in 0..2 {
        world.vote(&hidden, voter).expect("vote");
    }
    // The others vote for the right roots of the last epoch.
    let key = world.proposed(&right);
    let late = world.args(&right);
    let first = world.proposal(&key).message(world.network.id);
    for voter in 2..4 {
        world.vote_with(&key, voter, &first).expect("vote");
    }
    // Before the two thirds vote for them too, the earlier ones become final.
    world.harness.advance(CHALLENGE);
    world.finalize(&hidden).expect("final");
    assert_eq!(world.emission().finals, 1);

    // In the same ballot they propose the same roots with another archive, and bring the others' signatures.
    world.archive(1);
    let args = ProposeRootArgs {
        sequence: 1,
        ..world.args(&right)
    };
    world.propose(args).expect("copy");
    let copy = client::proposal(&world.network.key, stream, &args);
    let books = world.books();
    for voter in 2..4 {
        assert_refused(world.vote_with(&copy, voter, &first), E::WrongVote);
    }
    let place = (OWNER, 0);
    world
        .challenge(&copy, &right, Some(&earlier), place)
        .expect("shown");
    for voter in 2..4 {
        assert_refused(world.slash_voter(&copy, voter), E::NotVoter);
        assert_eq!(world.staked(voter), books.0[voter]);
    }
    // What they voted for can't be shown to be wrong any more, and a proposal that comes too late costs nothing.
    assert_refused(
        world.challenge(&key, &right, Some(&earlier), place),
        E::Superseded,
    );
    let late = ProposeRootArgs {
        sequence: 1,
        ..late
    };
    assert_refused(world.propose(late), E::Superseded);

    // They vote for what adds to the final roots in the same ballot, which is no second vote.
    let rows = world.rows([3, 4, 5, 2], [owners, 0, 0, 0]);
    let anew = world.proposed(&Trees::new(rows));
    let second = world.proposal(&anew).message(world.network.id);
    assert_eq!(second.ballot, first.ballot);
    for voter in 2..4 {
        world.vote_with(&anew, voter, &second).expect("vote");
        for votes in [[first, second], [second, first]] {
            assert_refused(
                world.send(&world.double_vote(voter, votes), &[]),
                E::WrongVote,
            );
        }
    }
}

#[test]
fn a_challenger_can_not_spare_the_proposer_by_another_report() {
    let world = World::new();
    let wrong = world.wrong(|rows| rows[0].2 += 1);
    let place = (OWNER, 0);
    let key = world.passed(&wrong);
    let report_of = |operator: usize| {
        let pool = &world.operators[operator].pool;
        client::wrong_root_report(&world.network.id, &world.proposal(&key), pool)
    };
    // Operator 3 is slashed for a copy first, so that there is a report.
    world.archive(1);
    let args = ProposeRootArgs {
        sequence: 1,
        ..world.args(&wrong)
    };
    world.propose_as(3, args).expect("copy");
    let copy = client::proposal(&world.network.key, &world.operators[0].stream, &args);
    world.challenge(&copy, &wrong, None, place).expect("shown");
    assert!(world.harness.exists(&report_of(3)));
    let challenge = client::challenge_root(
        &world.reporter(),
        &key,
        &world.proposal(&key),
        Some(world.owners[0].payee),
        wrong.evidence(None, OWNER, 0),
    );
    let staked = world.staked(0);
    for other in [report_of(3), report_of(1)] {
        let swapped = swap(challenge.clone(), &report_of(0), &other);
        assert_refused(world.send(&[swapped], &[]), E::WrongReport);
    }
    // Nor do lamports at the report's address.
    world.harness.chain.airdrop(&report_of(0), 1_000_000_000);
    world.send(&[challenge], &[]).expect("shown");
    assert_eq!(world.staked(0), staked - World::penalty(0));
}

#[test]
fn each_wrong_leaf_costs_its_proposer_and_its_voters() {
    type Case = (&'static str, fn(&mut Rows), (u8, u32));
    fn ghost(rows: &Rows) -> Registered {
        Registered {
            index: 5,
            key: STRANGER,
            ..rows[0].0
        }
    }
    let cases: [Case; 8] = [
        ("too little", |rows| rows[1].2 -= 1, (OWNER, 1)),
        ("an operator's", |rows| rows[3].2 -= 1, (OPERATOR, 1)),
        (
            "nothing, though it scored",
            |rows| rows[1].2 = 0,
            (OWNER, 1),
        ),
        (
            "another payee, in both trees",
            |rows| rows[0].0.key = STRANGER,
            (OWNER, 0),
        ),
        (
            "another operator's pool",
            |rows| rows[2].0.key = rows[3].0.key,
            (OPERATOR, 0),
        ),
        (
            "two payees that changed places",
            |rows| {
                rows[0].0.index = 1;
                rows[1].0.index = 0;
            },
            (OWNER, 0),
        ),
        (
            "a leaf at an index that nobody has, without a score",
            |rows| rows.push((ghost(rows), 0, 0)),
            (OWNER, 5),
        ),
        (
            "a leaf at an index that nobody has, with a score",
            |rows| rows[1].0 = ghost(rows),
            (OWNER, 5),
        ),
    ];
    for (case, change, (kind, index)) in cases {
        let world = World::new();
        let wrong = world.wrong(change);
        let key = world.passed(&wrong);
        world.convict(case, &key, wrong.evidence(None, kind, index));
    }
}

#[test]
fn a_payee_changed_in_one_tree_costs_its_proposer_and_its_voters() {
    // The score is the owner's, and the grant another's.
    let world = World::new();
    let (honest, changed) = (world.honest(), world.wrong(|rows| rows[0].0.key = STRANGER));
    let owner = world.owners[0].key;
    let wrong = Trees {
        scores: honest.scores,
        ..changed
    };
    let key = world.passed(&wrong);
    let mut args = wrong.evidence(None, OWNER, 0);
    args.score.as_mut().expect("a score").payee = owner;
    world.convict("granted", &key, args);

    // The grant is the owner's, and the score another's.
    let world = World::new();
    let (honest, changed) = (world.honest(), world.wrong(|rows| rows[0].0.key = STRANGER));
    let owner = world.owners[0].key;
    let wrong = Trees {
        grants: honest.grants,
        ..changed
    };
    let key = world.passed(&wrong);
    let mut args = wrong.evidence(None, OWNER, 0);
    args.granted.as_mut().expect("a grant").payee = owner;
    world.convict("scored", &key, args);
}

#[test]
fn who_had_a_grant_can_not_be_dropped() {
    let world = World::new();
    let first = world.honest();
    world.decide(&first);
    let before = [0, 1, 2, 3].map(|place: usize| first.rows[place].2);
    let mut rows = world.rows([3, 4, 5, 2], before);
    let (_, score, grant) = rows.remove(0);
    // What it had and earned goes to the other.
    rows[0].1 += score;
    rows[0].2 += grant;
    let wrong = Trees::new(rows.clone());
    let key = world.passed(&wrong);
    world.convict("dropped", &key, wrong.evidence(Some(&first), OWNER, 0));
    // Nor by a tree that has no place for it.
    world.harness.advance(BALLOT);
    let shallow = Trees::of_depth(DEPTH - 1, rows);
    assert_refused(world.propose(world.args(&shallow)), E::InvalidDepth);
}

#[test]
fn depths_are_bounded() {
    let world = World::new();
    let args = world.args(&world.honest());
    for depth in [0, 22, 255] {
        assert_refused(
            world.propose(ProposeRootArgs { depth, ..args }),
            E::InvalidDepth,
        );
    }
}

#[test]
fn a_challenger_can_not_lie() {
    let world = World::new();
    let first = world.honest();
    world.decide(&first);
    let before = [0, 1, 2, 3].map(|place: usize| first.rows[place].2);
    let second = Trees::new(world.rows([3, 4, 5, 2], before));
    let key = world.passed(&second);
    let honest = second.evidence(Some(&first), OWNER, 0);
    let [owner, other] = world.owners.map(|payee| Some(payee.payee));
    let with = |change: &dyn Fn(&mut ChallengeRootArgs)| {
        let mut args = honest.clone();
        change(&mut args);
        args
    };
    let bump = |entry: &mut Option<Entry>| {
        if let Some(entry) = entry {
            entry.value += 1;
        }
    };
    let lies = [
        // Leaves that the trees do not have.
        (with(&|args| bump(&mut args.before)), E::NotGranted),
        (with(&|args| bump(&mut args.score)), E::NotGranted),
        (with(&|args| bump(&mut args.granted)), E::NotGranted),
        (with(&|args| args.before = None), E::NotGranted),
        (with(&|args| args.score = None), E::NotGranted),
        (with(&|args| args.granted = None), E::NotGranted),
        // Paths of other places and lengths.
        (with(&|args| args.index = 1), E::NotGranted),
        (with(&|args| args.kind = OPERATOR), E::NotGranted),
        (with(&|args| args.kind = 2), E::NotGranted),
        (with(&|args| args.index = u32::MAX), E::NotGranted),
        (with(&|args| args.before_path.clear()), E::InvalidPath),
        (with(&|args| args.score_path.clear()), E::InvalidPath),
        (with(&|args| args.score_path.push(0)), E::InvalidPath),
        (
            with(&|args| args.granted_path.truncate(120)),
            E::InvalidPath,
        ),
        // A score tree's path in the reward tree's place.
        (
            with(&|args| args.granted_path = args.score_path.clone()),
            E::NotGranted,
        ),
    ];
    for (number, (args, error)) in lies.into_iter().enumerate() {
        println!("lie {number}");
        assert_refused(world.challenge_with(&key, owner, args), error);
    }
    // The account of another payee, of none, or of another network.
    for payee in [other, None, Some(world.pools[0].payee)] {
        assert_refused(
            world.challenge_with(&key, payee, honest.clone()),
            E::WrongPayee,
        );
    }
    assert_refused(world.challenge_with(&key, owner, honest), E::GrantHolds);
}

#[test]
fn a_challenge_is_against_the_network_and_the_proposer() {
    let world = World::new();
    let wrong = world.wrong(|rows| rows[0].2 += 1);
    let key = world.passed(&wrong);
    let args = wrong.evidence(None, OWNER, 0);
    let payee = Some(world.owners[0].payee);
    let proposal = world.proposal(&key);
    let good = client::challenge_root(&world.reporter(), &key, &proposal, payee, args);
    let sibling = Network::with_nonce(&world.harness, 1);
    // Another's pool, or another network's roster, which would spare the proposer.
    let others = [
        (world.operators[0].pool, world.operators[3].pool),
        (
            pools::roster(&world.network.key),
            pools::roster(&sibling.key),
        ),
    ];
    for (from, to) in others {
        assert_refused(
            world.send(&[swap(good.clone(), &from, &to)], &[]),
            E::WrongOffender,
        );
    }
    let elsewhere = swap(good.clone(), &world.network.key, &sibling.key);
    assert_refused(world.send(&[elsewhere], &[]), E::WrongNetwork);
    // The bounty goes where the challenger says, if it is of the stake mint.
    let rewards = world
        .harness
        .fund(&world.harness.payer.pubkey(), &world.harness.mint(), 0);
    let other_mint = swap(good.clone(), &world.bounty, &rewards);
    assert_refused(world.send(&[other_mint], &[]), PoolError::WrongMint);
    // No pause stops it.
    let pause = registry::pause_operation(
        &world.network.key,
        &world.harness.payer.pubkey(),
        Operation::Root,
        3_600,
    );
    world.send(&[pause], &[]).expect("pause");
    world.send(&[good], &[]).expect("rejected");
}

#[test]
fn what_is_final_can_not_be_challenged() {
    let world = World::new();
    let wrong = world.wrong(|rows| rows[0].2 += 1);
    let key = world.passed(&wrong);
    world.harness.advance(CHALLENGE);
    world.finalize(&key).expect("final");
    assert_refused(
        world.challenge(&key, &wrong, None, (OWNER, 0)),
        E::Superseded,
    );
    assert_refused(world.slash_voter(&key, 1), E::NotRejected);
}

#[test]
fn roots_that_add_to_older_ones_do_not_become_final() {
    let world = World::new();
    let first = world.passed(&world.honest());
    world.next_epoch();
    // Of the next epoch, as if nothing had been granted before.
    let rows = world.rows([3, 4, 5, 2], [0; 4]);
    let second = world.passed(&Trees::new(rows));
    world.finalize(&first).expect("final");
    world.harness.advance(CHALLENGE);
    assert_refused(world.finalize(&second), E::Superseded);
}

#[test]
fn who_has_left_is_rejected_all_the_same() {
    let world = World::new();
    let wrong = world.wrong(|rows| rows[0].2 += 1);
    let key = world.passed(&wrong);
    // Everything the proposer had is slashed away before, for other things, but in fact by leaving.
    let Operator {
        key: owner, pool, ..
    } = &world.operators[0];
    let leave = pools::opt_out(&world.network.key, pool, &owner.pubkey());
    world.send(&[leave], &[owner]).expect("leaves");
    world.harness.advance(30 * EPOCH);
    let refresh = pools::refresh(&world.network.key, pool);
    world.send(&[refresh], &[]).expect("released");
    let staked = world.staked(0);
    let args = wrong.evidence(None, OWNER, 0);
    let payee = Some(world.owners[0].payee);
    world
        .challenge_with(&key, payee, args)
        .expect("rejected without a slash");
    assert_eq!(world.proposal(&key).status, REJECTED);
    assert_eq!(world.staked(0), staked);
}

// report_double_vote

#[test]
fn two_votes_in_one_ballot_cost_stake() {
    let world = World::new();
    let [first, second] = world.two_votes();
    let staked = world.staked(2);
    let report = world.double_vote(2, [first, second]);
    world.send(&report, &[]).expect("slashed");
    assert_eq!(world.staked(2), staked - World::penalty(2));
    assert_eq!(
        world.harness.balance(&world.bounty),
        World::penalty(2) * 3 / 10
    );
    // Once a ballot, whatever was signed.
    let third = VoteMessage {
        depth: first.depth + 1,
        ..first
    };
    for votes in [[first, second], [second, first], [first, third]] {
        assert_refused(
            world.send(&world.double_vote(2, votes), &[]),
            E::AlreadySlashed,
        );
    }
    // On another base they are another offence.
    let anew = [first, second].map(|vote| VoteMessage {
        base: vote.base + 1,
        ..vote
    });
    let report = world.double_vote(2, anew);
    world.send(&report, &[]).expect("slashed");
    // The others are untouched, and answer for themselves.
    let report = world.double_vote(3, [first, third]);
    world.send(&report, &[]).expect("slashed");
}

#[test]
fn one_vote_is_no_offence() {
    let world = World::new();
    let key = world.proposed(&world.honest());
    let vote = world.proposal(&key).message(world.network.id);
    assert_refused(
        world.send(&world.double_vote(0, [vote, vote]), &[]),
        E::SameVote,
    );
    // Votes of two ballots, bases, epochs, committees and networks, each right by itself.
    let others = [
        VoteMessage {
            ballot: vote.ballot + 1,
            score_sum: 1,
            ..vote
        },
        VoteMessage {
            base: vote.base + 1,
            score_sum: 1,
            ..vote
        },
        VoteMessage {
            epoch: vote.epoch + 1,
            score_sum: 1,
            ..vote
        },
        VoteMessage {
            committee_epoch: vote.committee_epoch + 1,
            score_sum: 1,
            ..vote
        },
        VoteMessage {
            network: [9; 32],
            score_sum: 1,
            ..vote
        },
    ];
    for other in others {
        assert_refused(
            world.send(&world.double_vote(0, [vote, other]), &[]),
            E::WrongVote,
        );
    }
}

#[test]
fn a_double_vote_takes_the_members_own_signatures() {
    let world = World::new();
    let [first, second] = world.two_votes();
    let [one, two, report] = world.double_vote(0, [first, second]);
    // Signed by another member.
    let foreign = world.signature(1, &second);
    assert_refused(
        world.send(&[one.clone(), foreign, report.clone()], &[]),
        E::WrongSigner,
    );
    // Not signed, or by no precompile.
    assert_refused(
        world.send(&[one.clone(), report.clone()], &[]),
        E::BadSignatureReference,
    );
    // Against another's pool.
    let other = swap(
        report.clone(),
        &world.operators[0].pool,
        &world.operators[1].pool,
    );
    assert_refused(
        world.send(&[one.clone(), two.clone(), other], &[]),
        E::WrongOffender,
    );
    // Too late.
    let end = START + 3 * EPOCH + EVIDENCE_WINDOW;
    world.harness.chain.set_time(end + 1);
    assert_refused(
        world.send(&[one.clone(), two.clone(), report.clone()], &[]),
        E::EvidenceTooOld,
    );
    world.harness.chain.set_time(end);
    world.send(&[one, two, report], &[]).expect("in time");
}

#[test]
fn slashing_oneself_for_a_vote_costs() {
    let world = World::new();
    let [first, second] = world.two_votes();
    let operator = &world.operators[0];
    let own = world
        .harness
        .fund(&operator.key.pubkey(), &world.network.stake_mint, 0);
    let worth = || {
        let delegation = pools::delegation(&operator.pool, &operator.key.pubkey());
        let shares: Delegation = world.harness.read(&delegation);
        let pool: Pool = world.harness.read(&operator.pool);
        u128::from(pool.staked) * u128::from(shares.shares) / u128::from(pool.shares)
            + u128::from(world.harness.balance(&own))
    };
    let before = worth();
    let [one, two, report] = world.double_vote(0, [first, second]);
    let report = swap(report, &world.bounty, &own);
    world.send(&[one, two, report], &[]).expect("slashed");
    // Its 30 of the pool's 31 shares lose their part, and three tenths come back.
    let penalty = u128::from(World::penalty(0));
    let lost = before - worth();
    assert_eq!(lost, (penalty * 30).div_ceil(31) - penalty * 3 / 10);
    let report: Report = world.harness.read(&pools::report(
        &reward_emission::penalty::SLASHER.0,
        &device_protocol::Offence::DoubleVote {
            pool: operator.pool.as_array(),
            epoch: first.epoch,
            ballot: first.ballot,
            base: first.base,
        }
        .id(&world.network.id),
    ));
    assert_eq!(report.destination, own);
}

// close_proposal

#[test]
fn a_proposal_is_closed_when_nobody_needs_it() {
    let world = World::new();
    let rejected = world.proposed(&world.wrong(|rows| rows[0].2 += 1));
    let first = world.honest();
    let older = world.decide(&first);
    let payer = world.purse.pubkey();
    let close = |key: &Pubkey| {
        let close = client::close_proposal(&world.network.key, key, &payer);
        world.send(&[close], &[])
    };
    // It says where the trees are that claims are proven with.
    world.harness.advance(EPOCH + EVIDENCE_WINDOW);
    assert_refused(close(&older), E::StillNeeded);
    world.next_epoch();
    let before = [0, 1, 2, 3].map(|place: usize| first.rows[place].2);
    let newest = world.decide(&Trees::new(world.rows([3, 4, 5, 2], before)));
    assert_refused(close(&newest), E::StillNeeded);
    let to_another = client::close_proposal(&world.network.key, &older, &world.bounty);
    assert_refused(world.send(&[to_another], &[]), E::WrongPayer);
    let lamports = |key: &Pubkey| {
        let account = world.harness.chain.account(key).expect("chain");
        account.expect("account").lamports
    };
    for key in [older, rejected] {
        let (before, rent) = (lamports(&payer), lamports(&key));
        close(&key).expect("closed");
        assert_eq!(lamports(&payer), before + rent);
        assert!(!world.harness.exists(&key));
    }
}

#[test]
fn an_open_proposal_stays_while_its_voters_can_be_slashed() {
    let world = World::new();
    let wrong = world.proposed(&world.wrong(|rows| rows[0].2 += 1));
    world.vote(&wrong, 3).expect("vote");
    world.harness.advance(BALLOT);
    let first = world.honest();
    world.decide(&first);
    let before = [0, 1, 2, 3].map(|place: usize| first.rows[place].2);
    world.decide(&Trees::new(world.rows([3, 4, 5, 2], before)));
    let payer = world.purse.pubkey();
    let close = client::close_proposal(&world.network.key, &wrong, &payer);
    assert_refused(world.send(&[close], &[]), E::StillNeeded);
}
