//! reward-emission, every instruction and every attack on it. What it only reads (network, pools, committees, streams)
//! is written into the chain as accounts, so that each case shows the one thing that it is about.

use super::security_pool::swap;
use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_instruction;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use anchor_spl::token::{spl_token, Mint};
use bytemuck::{bytes_of, Zeroable};
use commitment::sum::{OPERATOR, OWNER};
use commitment::{reward_leaf, SumTree};
use data_commitment::state::Stream;
use device_protocol::VoteMessage;
use device_registry::state::{Network, Operation, Parameters, Pause};
use fieldproof_client::chain::{self, Chain, Execution};
use fieldproof_client::reward_emission::{self as client, ClaimAccounts, VoteReference};
use fieldproof_client::token::{associated, TOKEN_PROGRAM};
use fieldproof_client::{credits, security_pool as pools, transaction, ClientError};
use reward_emission::error::EmissionError as E;
use reward_emission::instructions::{CreateEmissionArgs, Half, ProposeRootArgs, ScoringArgs};
use reward_emission::state::{
    Emission, Epoch, Payee, PayeeKind, Proposal, Schedule, Scoring, FINAL, MAX_DURATION,
    MAX_PAYEES, OPEN, PASSED, TIERS,
};
use security_pool::state::{Committee, CommitteeEntry, Pool};
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::{assert_refused, Harness, PROBE, START};

/// Terms of scores, each another number.
const SCORING: ScoringArgs = ScoringArgs {
    tiers_bps: [1, 2, 3, 4],
    cell_resolution: 5,
    cell_capacity: 7,
    cell_target: 6,
    scarcity_bps: 8,
    full_owners: 9,
    reputation_floor_bps: 10,
    reputation_step_bps: 11,
    max_demand_bps: 10_012,
};
/// Seconds of an epoch.
const EPOCH: i64 = 86_400;
/// Seconds of a ballot.
const BALLOT: i64 = 3_600;
/// Seconds of the challenge window.
const CHALLENGE: i64 = 600;
/// The epoch that ends just when a world starts.
const ENDED: u64 = 9;
/// Budget of epoch 0, base units.
const INITIAL: u64 = 10_000_000_000;
/// What may be claimed at once.
const LIMIT: u64 = 4_000_000_000;
/// Seconds in which the breaker drains.
const WINDOW: i64 = 1_000;
/// What a wrong root costs.
const ROOT_SLASH_BPS: u16 = 1_000;
/// Depth of the tests' reward trees.
const DEPTH: u32 = 4;
/// The committee: two thirds are 67.
const ALLOCATIONS: [u64; 5] = [30, 30, 20, 10, 10];
/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;

/// A member of the committee.
struct Member {
    signer: Keypair,
    operator: Keypair,
    pool: Pubkey,
}

/// A payee with its keys.
#[derive(Clone, Copy)]
struct Registered {
    kind: PayeeKind,
    owner: Pubkey,
    payee: Pubkey,
    destination: Pubkey,
    index: u32,
}

/// A network with a committee and, unless said, an emission.
struct World {
    harness: Harness,
    network: Pubkey,
    mint: Pubkey,
    stake_mint: Pubkey,
    authority: Keypair,
    members: Vec<Member>,
    stream: Pubkey,
}

/// Another network, to mix up with the world's.
struct Sibling {
    network: Pubkey,
    mint: Pubkey,
}

fn schedule() -> Schedule {
    Schedule::new(INITIAL, 1_000_000, 4_200_000_000, 10_000).unwrap()
}

fn emission_args() -> CreateEmissionArgs {
    CreateEmissionArgs {
        operators_bps: 2_000,
        root_slash_bps: ROOT_SLASH_BPS,
        floor_bps: 10_000,
        schedule: schedule(),
        challenge_window: CHALLENGE,
        ballot_length: BALLOT,
        breaker_window: WINDOW,
        breaker_limit: LIMIT,
        scoring: SCORING,
    }
}

/// A reward tree.
fn tree(grants: &[(Registered, u64)]) -> SumTree {
    tree_of_depth(DEPTH, grants)
}

fn tree_of_depth(depth: u32, grants: &[(Registered, u64)]) -> SumTree {
    let leaves = grants.iter().map(|(payee, amount)| {
        let leaf = reward_leaf(&payee.owner.to_bytes(), *amount);
        (payee.kind as u8, payee.index, leaf)
    });
    SumTree::new(depth, leaves).unwrap()
}

impl World {
    /// At the end of epoch [`ENDED`], with an emission.
    fn new() -> Self {
        let world = Self::without_emission();
        world.create(emission_args()).unwrap();
        world
    }

    fn without_emission() -> Self {
        let harness = Harness::new();
        let members = ALLOCATIONS.map(|_| Member {
            signer: harness.key(),
            operator: harness.key(),
            pool: Pubkey::new_unique(),
        });
        let world = Self {
            network: Pubkey::new_unique(),
            mint: harness.mint(),
            stake_mint: Pubkey::new_unique(),
            authority: harness.key(),
            members: members.into(),
            stream: Pubkey::new_unique(),
            harness,
        };
        world.put(&world.network, &world.network_state());
        for member in &world.members {
            let pool = Pool {
                version: 1,
                operator: member.operator.pubkey(),
                signer: member.signer.pubkey(),
                stake_mint: world.stake_mint,
                ..Pool::zeroed()
            };
            world.put(&member.pool, &pool);
        }
        world.put_stream(&world.stream, world.network);
        world.put_committee(ENDED + 1);
        world
    }

    fn network_state(&self) -> Network {
        Network {
            version: 1,
            id: [7; 32],
            authority: self.authority.pubkey(),
            reward_mint: self.mint,
            stake_mint: self.stake_mint,
            genesis: START - (ENDED as i64 + 1) * EPOCH,
            epoch_length: EPOCH,
            parameters: Parameters {
                evidence_window: EPOCH,
                ..Parameters::zeroed()
            },
            ..Network::zeroed()
        }
    }

    fn put_stream(&self, key: &Pubkey, network: Pubkey) {
        let stream = Stream {
            version: 1,
            network,
            pool: self.members[0].pool,
            count: 5,
            ..Stream::zeroed()
        };
        self.put(key, &stream);
    }

    /// Writes the committee of an epoch.
    fn put_committee(&self, epoch: u64) {
        let committee = self.committee_state(self.network, epoch);
        self.put(&pools::committee(&self.network, epoch), &committee);
    }

    fn committee_state(&self, network: Pubkey, epoch: u64) -> Committee {
        let mut committee = Committee {
            version: 1,
            network,
            epoch,
            count: ALLOCATIONS.len() as u32,
            total: ALLOCATIONS.iter().sum(),
            ..Committee::zeroed()
        };
        let members = self.members.iter().zip(ALLOCATIONS);
        for (entry, (member, allocation)) in committee.entries.iter_mut().zip(members) {
            *entry = CommitteeEntry {
                pool: member.pool,
                signer: member.signer.pubkey(),
                allocation,
            };
        }
        committee
    }

    /// Writes an account of any of the programs.
    fn put<T: ZeroCopy + Discriminator + Owner>(&self, key: &Pubkey, state: &T) {
        let data = [T::DISCRIMINATOR, bytes_of(state)].concat();
        self.harness.chain.set_account(
            key,
            Account {
                lamports: self.harness.chain.rent(data.len()).unwrap(),
                data,
                owner: T::owner(),
                executable: false,
                rent_epoch: u64::MAX,
            },
        );
    }

    /// Changes an account of any of the programs.
    fn change<T: ZeroCopy + Discriminator + Owner>(
        &self,
        key: &Pubkey,
        change: impl FnOnce(&mut T),
    ) {
        let mut state: T = self.harness.read(key);
        change(&mut state);
        self.put(key, &state);
    }

    fn pause(&self) {
        let now = self.harness.now();
        self.change::<Network>(&self.network, |network| {
            network.pauses[Operation::Root as usize] = Pause {
                paused_at: now,
                until: now + 100,
            };
        });
    }

    fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    fn send(
        &self,
        instruction: Instruction,
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        self.harness.send(&[instruction], signers)
    }

    fn emission(&self) -> Emission {
        self.harness.read(&client::emission(&self.network))
    }

    fn create_instruction(&self, args: CreateEmissionArgs) -> Instruction {
        client::create_emission(
            &self.payer(),
            &self.network,
            &self.authority.pubkey(),
            &self.mint,
            &self.payer(),
            args,
        )
    }

    fn create(&self, args: CreateEmissionArgs) -> Result<Execution, ClientError> {
        self.send(self.create_instruction(args), &[&self.authority])
    }

    /// The token account of `owner`, which exists thereafter.
    fn destination(&self, owner: &Pubkey) -> Pubkey {
        self.harness.fund(owner, &self.mint, 0)
    }

    /// Registers a new owner.
    fn owner(&self) -> (Keypair, Registered) {
        let owner = self.harness.key();
        let destination = self.destination(&owner.pubkey());
        self.send(
            client::register_owner(&self.payer(), &self.network, &owner.pubkey(), &destination),
            &[&owner],
        )
        .unwrap();
        let registered = self.registered(PayeeKind::Owner, owner.pubkey());
        (owner, registered)
    }

    /// Registers the pool of a member.
    fn operator(&self, member: usize) -> Registered {
        let Member { operator, pool, .. } = &self.members[member];
        let destination = self.destination(&operator.pubkey());
        self.send(
            client::register_operator(
                &self.payer(),
                &self.network,
                &operator.pubkey(),
                pool,
                &destination,
            ),
            &[operator],
        )
        .unwrap();
        self.registered(PayeeKind::Operator, *pool)
    }

    fn registered(&self, kind: PayeeKind, owner: Pubkey) -> Registered {
        let payee = client::payee(&self.network, kind, &owner);
        let state: Payee = self.harness.read(&payee);
        Registered {
            kind,
            owner,
            payee,
            destination: state.destination,
            index: state.index,
        }
    }

    fn epoch(&self) -> u64 {
        self.network_state().epoch(self.harness.now()).unwrap()
    }

    fn committee(&self) -> Pubkey {
        pools::committee(&self.network, self.epoch())
    }

    /// What member 0 proposes now for the epoch that ended last.
    fn args(&self, tree: &SumTree) -> ProposeRootArgs {
        let (owners, operators) = client::halves(tree).unwrap();
        let epoch = self.epoch() - 1;
        let since = self.harness.now() - self.network_state().epoch_start(epoch + 1);
        ProposeRootArgs {
            epoch,
            ballot: (since / BALLOT) as u32,
            base: self.emission().finals,
            member: 0,
            depth: tree.depth() as u8,
            score_hash: [3; 32],
            score_sum: 1_000,
            owners,
            operators,
            sequence: 4,
        }
    }

    fn propose_instruction(&self, args: ProposeRootArgs) -> Instruction {
        client::propose_root(
            &self.payer(),
            &self.network,
            &self.committee(),
            &self.stream,
            &self.members[0].signer.pubkey(),
            args,
        )
    }

    fn propose(&self, args: ProposeRootArgs) -> Result<Execution, ClientError> {
        self.send(self.propose_instruction(args), &[&self.members[0].signer])
    }

    fn proposed(&self, args: ProposeRootArgs) -> Pubkey {
        self.propose(args).unwrap();
        client::proposal(&self.network, &self.stream, &args)
    }

    /// What a member signs to vote for the proposal.
    fn message(&self, proposal: &Pubkey) -> VoteMessage {
        let proposal: Proposal = self.harness.read(proposal);
        proposal.message(self.network_state().id)
    }

    fn signature(&self, member: usize, message: &[u8]) -> Instruction {
        tests::signatures([&self.members[member].signer], message)
    }

    /// A vote for `proposal` whose signature is the first of the transaction's first instruction.
    fn vote_instruction(&self, proposal: &Pubkey, member: u8) -> Instruction {
        client::vote_root(
            &self.network,
            &self.committee(),
            proposal,
            VoteReference {
                instruction: 0,
                index: 0,
                member,
            },
        )
    }

    /// A vote of `member` under this message.
    fn vote_with(
        &self,
        proposal: &Pubkey,
        member: u8,
        message: &[u8],
    ) -> Result<Execution, ClientError> {
        let signature = self.signature(member.into(), message);
        let vote = self.vote_instruction(proposal, member);
        self.harness.send(&[signature, vote], &[])
    }

    fn vote(&self, proposal: &Pubkey, member: u8) -> Result<Execution, ClientError> {
        self.vote_with(proposal, member, &self.message(proposal).digest())
    }

    fn pass(&self, proposal: &Pubkey) {
        for member in 0..3 {
            self.vote(proposal, member).unwrap();
        }
    }

    fn finalize(&self, proposal: &Pubkey) -> Result<Execution, ClientError> {
        self.send(client::finalize_root(&self.network, proposal), &[])
    }

    /// Makes the tree's root final for the epoch that ended last; some time passes.
    fn decide(&self, tree: &SumTree) {
        let proposal = self.proposed(self.args(tree));
        self.pass(&proposal);
        self.harness.advance(CHALLENGE);
        self.finalize(&proposal).unwrap();
    }

    /// Waits for the next epoch, and draws its committee.
    fn next_epoch(&self) {
        let network = self.network_state();
        let next = self.epoch() + 1;
        self.harness.chain.set_time(network.epoch_start(next));
        self.put_committee(next);
    }

    fn claim_accounts(&self, payee: &Registered) -> ClaimAccounts {
        ClaimAccounts {
            network: self.network,
            payee: payee.payee,
            reward_mint: self.mint,
            destination: payee.destination,
        }
    }

    fn claim_instruction(
        &self,
        tree: &SumTree,
        payee: &Registered,
        cumulative: u64,
    ) -> Instruction {
        let path = tree.path(payee.kind as u8, payee.index).unwrap();
        client::claim(self.claim_accounts(payee), cumulative, path)
    }

    fn claim(
        &self,
        tree: &SumTree,
        payee: &Registered,
        cumulative: u64,
    ) -> Result<Execution, ClientError> {
        self.send(self.claim_instruction(tree, payee, cumulative), &[])
    }

    /// Another network with an emission of its own, under the same authority.
    fn sibling(&self) -> Sibling {
        let sibling = Sibling {
            network: Pubkey::new_unique(),
            mint: self.harness.mint(),
        };
        let network = Network {
            id: [8; 32],
            reward_mint: sibling.mint,
            ..self.network_state()
        };
        self.put(&sibling.network, &network);
        let create = client::create_emission(
            &self.payer(),
            &sibling.network,
            &self.authority.pubkey(),
            &sibling.mint,
            &self.payer(),
            emission_args(),
        );
        self.send(create, &[&self.authority]).unwrap();
        sibling
    }
}

/// The instruction without a key's signature.
fn unsigned(mut instruction: Instruction, key: &Pubkey) -> Instruction {
    for meta in &mut instruction.accounts {
        if meta.pubkey == *key {
            meta.is_signer = false;
        }
    }
    instruction
}

/// Compute units of the program's own last invocation, from the log.
fn consumed(execution: &Execution) -> u64 {
    let prefix = format!("Program {} consumed ", reward_emission::ID);
    execution
        .logs
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix(&prefix)?.split(' ').next()?.parse().ok())
        .expect("log of consumption")
}

// create_emission

#[test]
fn create_takes_the_mint_over() {
    let world = World::without_emission();
    let key = client::emission(&world.network);
    // Lamports sent ahead to the address don't get in the way.
    world.harness.chain.airdrop(&key, 1);
    world.create(emission_args()).unwrap();
    let emission = world.emission();
    assert_eq!(emission.version, 1);
    assert_eq!(emission.network, world.network);
    assert_eq!(emission.reward_mint, world.mint);
    assert_eq!(emission.authority, world.authority.pubkey());
    assert_eq!(emission.schedule, schedule());
    assert_eq!(emission.operators_bps, 2_000);
    let scoring = Scoring {
        tiers_bps: [1, 2, 3, 4],
        cell_capacity: 7,
        cell_target: 6,
        scarcity_bps: 8,
        cell_resolution: 5,
        full_owners: 9,
        reputation_floor_bps: 10,
        reputation_step_bps: 11,
        max_demand_bps: 10_012,
        _pad: [0; 2],
    };
    assert_eq!(emission.scoring, scoring);
    assert_eq!(emission.finals, 0);
    assert_eq!((emission.breaker.limit, emission.breaker.level), (LIMIT, 0));
    let mint: Mint = chain::read_borsh(&world.harness.chain, &world.mint).unwrap();
    assert_eq!(mint.mint_authority, Some(key).into());
    // The former authority mints no more.
    let destination = world.destination(&world.payer());
    let payer = world.payer();
    let mint_to =
        spl_token::instruction::mint_to(&TOKEN_PROGRAM, &world.mint, &destination, &payer, &[], 1);
    let owner_mismatch = spl_token::error::TokenError::OwnerMismatch as u32;
    assert_refused(world.send(mint_to.unwrap(), &[]), owner_mismatch);
}

#[test]
fn create_happens_once() {
    let world = World::new();
    assert_refused(world.create(emission_args()), ALREADY_IN_USE);
}

#[test]
fn create_is_for_the_networks_authority() {
    let world = World::without_emission();
    let stranger = world.harness.key();
    let create = world.create_instruction(emission_args());
    let authority = world.authority.pubkey();
    let by_stranger = swap(create.clone(), &authority, &stranger.pubkey());
    assert_refused(world.send(by_stranger, &[&stranger]), E::NotAuthority);
    let without = unsigned(create, &authority);
    assert_refused(world.send(without, &[]), ErrorCode::AccountNotSigner);
}

#[test]
fn create_refuses_other_mints() {
    let world = World::without_emission();
    let create = world.create_instruction(emission_args());
    let other = world.harness.mint();
    let with_other = swap(create.clone(), &world.mint, &other);
    assert_refused(world.send(with_other, &[&world.authority]), E::WrongMint);

    // A mint whose authority is somebody else.
    let stranger = world.harness.key();
    let by_stranger = client::create_emission(
        &world.payer(),
        &world.network,
        &world.authority.pubkey(),
        &world.mint,
        &stranger.pubkey(),
        emission_args(),
    );
    assert_refused(
        world.send(by_stranger, &[&world.authority, &stranger]),
        E::WrongMintAuthority,
    );

    // A mint that exists in somebody's account.
    world.harness.fund(&world.payer(), &world.mint, 1);
    assert_refused(world.create(emission_args()), E::MintNotEmpty);
}

#[test]
fn create_refuses_a_mint_that_can_freeze() {
    let world = World::without_emission();
    let mut account = world.harness.chain.account(&world.mint).unwrap().unwrap();
    // The freeze authority: a tag of four bytes and a key.
    account.data[46] = 1;
    account.data[50..82].copy_from_slice(&world.payer().to_bytes());
    world.harness.chain.set_account(&world.mint, account);
    assert_refused(world.create(emission_args()), E::MintCanFreeze);
}

#[test]
fn create_refuses_terms_out_of_bounds() {
    let world = World::without_emission();
    let good = emission_args();
    let with_schedule = |schedule| CreateEmissionArgs { schedule, ..good };
    let with_scoring = |scoring| CreateEmissionArgs { scoring, ..good };
    let cases = [
        (
            CreateEmissionArgs {
                operators_bps: 10_001,
                ..good
            },
            E::OperatorsShareTooLarge,
        ),
        (
            with_schedule(Schedule {
                decay: 1 << 32,
                ..good.schedule
            }),
            E::InvalidSchedule,
        ),
        (
            with_schedule(Schedule {
                crossover: good.schedule.crossover - 1,
                ..good.schedule
            }),
            E::WrongCrossover,
        ),
        (
            with_schedule(Schedule {
                crossover: u64::MAX,
                end: u64::MAX,
                ..good.schedule
            }),
            E::WrongCrossover,
        ),
        (
            with_schedule(Schedule {
                end: u64::MAX,
                ..good.schedule
            }),
            E::ScheduleOverflow,
        ),
        (
            CreateEmissionArgs {
                root_slash_bps: 0,
                ..good
            },
            E::InvalidRootSlash,
        ),
        (
            CreateEmissionArgs {
                root_slash_bps: 10_001,
                ..good
            },
            E::InvalidRootSlash,
        ),
        (
            CreateEmissionArgs {
                floor_bps: 10_001,
                ..good
            },
            E::FloorTooLarge,
        ),
        (
            CreateEmissionArgs {
                challenge_window: EPOCH + 1,
                ..good
            },
            E::ChallengeWindowTooLong,
        ),
        (
            CreateEmissionArgs {
                challenge_window: 0,
                ..good
            },
            E::InvalidDuration,
        ),
        (
            CreateEmissionArgs {
                challenge_window: i64::MAX,
                ..good
            },
            E::InvalidDuration,
        ),
        (
            CreateEmissionArgs {
                ballot_length: -BALLOT,
                ..good
            },
            E::InvalidDuration,
        ),
        (
            CreateEmissionArgs {
                breaker_window: MAX_DURATION + 1,
                ..good
            },
            E::InvalidDuration,
        ),
        (
            CreateEmissionArgs {
                ballot_length: BALLOT + 1,
                ..good
            },
            E::BallotAcrossEpochs,
        ),
        (
            CreateEmissionArgs {
                ballot_length: 2 * EPOCH,
                ..good
            },
            E::BallotAcrossEpochs,
        ),
        (
            CreateEmissionArgs {
                breaker_limit: 0,
                ..good
            },
            E::InvalidBreakerLimit,
        ),
        (
            with_scoring(ScoringArgs {
                tiers_bps: [0, 9_000, 8_999, 10_000],
                ..SCORING
            }),
            E::InvalidTiers,
        ),
        (
            with_scoring(ScoringArgs {
                tiers_bps: [0; TIERS],
                ..SCORING
            }),
            E::InvalidTiers,
        ),
        (
            with_scoring(ScoringArgs {
                tiers_bps: [0, 0, 0, 10_001],
                ..SCORING
            }),
            E::InvalidTiers,
        ),
        (
            with_scoring(ScoringArgs {
                cell_capacity: 0,
                ..SCORING
            }),
            E::InvalidCoverage,
        ),
        (
            with_scoring(ScoringArgs {
                cell_capacity: 4,
                cell_target: 5,
                ..SCORING
            }),
            E::InvalidCoverage,
        ),
        (
            with_scoring(ScoringArgs {
                scarcity_bps: 10_001,
                ..SCORING
            }),
            E::InvalidCoverage,
        ),
        (
            with_scoring(ScoringArgs {
                cell_resolution: 16,
                ..SCORING
            }),
            E::InvalidCoverage,
        ),
        (
            with_scoring(ScoringArgs {
                full_owners: 0,
                ..SCORING
            }),
            E::InvalidCoverage,
        ),
        (
            with_scoring(ScoringArgs {
                full_owners: 17,
                ..SCORING
            }),
            E::InvalidCoverage,
        ),
        (
            with_scoring(ScoringArgs {
                reputation_floor_bps: 0,
                ..SCORING
            }),
            E::InvalidReputation,
        ),
        (
            with_scoring(ScoringArgs {
                reputation_floor_bps: 10_001,
                ..SCORING
            }),
            E::InvalidReputation,
        ),
        (
            with_scoring(ScoringArgs {
                reputation_floor_bps: 9_999,
                reputation_step_bps: 0,
                ..SCORING
            }),
            E::InvalidReputation,
        ),
        (
            with_scoring(ScoringArgs {
                reputation_step_bps: 10_001,
                ..SCORING
            }),
            E::InvalidReputation,
        ),
        (
            with_scoring(ScoringArgs {
                max_demand_bps: 9_999,
                ..SCORING
            }),
            E::InvalidDemand,
        ),
    ];
    for (args, error) in cases {
        assert_refused(world.create(args), error);
    }
}

#[test]
fn create_refuses_accounts_of_another_type() {
    let world = World::without_emission();
    let create = world.create_instruction(emission_args());
    let pool = world.members[0].pool;
    let with_pool = swap(create.clone(), &world.network, &pool);
    let signers = [&world.authority];
    assert_refused(
        world.send(with_pool, &signers),
        ErrorCode::AccountOwnedByWrongProgram,
    );
    let not_the_token_program = swap(create, &TOKEN_PROGRAM, &pool);
    assert_refused(
        world.send(not_the_token_program, &signers),
        ErrorCode::InvalidProgramId,
    );
}

// register_payee, set_destination

#[test]
fn payees_get_indices_by_kind() {
    let world = World::new();
    let (_, first) = world.owner();
    let (_, second) = world.owner();
    let pool = world.operator(0);
    assert_eq!((first.index, second.index, pool.index), (0, 1, 0));
    assert_eq!(world.emission().payees, [2, 1]);
    let state: Payee = world.harness.read(&pool.payee);
    assert_eq!(state.version, 1);
    assert_eq!(state.kind, OPERATOR);
    assert_eq!(state.network, world.network);
    assert_eq!(state.owner, world.members[0].pool);
    assert_eq!(state.claimed, 0);
    let state: Payee = world.harness.read(&second.payee);
    assert_eq!(state.kind, OWNER);
    assert_eq!(state.owner, second.owner);
}

#[test]
fn a_payee_registers_once_and_by_itself() {
    let world = World::new();
    let (owner, registered) = world.owner();
    let register = client::register_owner(
        &world.payer(),
        &world.network,
        &owner.pubkey(),
        &registered.destination,
    );
    assert_refused(world.send(register, &[&owner]), ALREADY_IN_USE);
    let victim = world.harness.key();
    let register = client::register_owner(
        &world.payer(),
        &world.network,
        &victim.pubkey(),
        &registered.destination,
    );
    let without = unsigned(register, &victim.pubkey());
    assert_refused(world.send(without, &[]), ErrorCode::AccountNotSigner);
}

#[test]
fn a_pool_is_registered_by_its_operator() {
    let world = World::new();
    let stranger = world.harness.key();
    let destination = world.destination(&stranger.pubkey());
    let register = |authority: &Pubkey| {
        let pool = &world.members[0].pool;
        client::register_operator(
            &world.payer(),
            &world.network,
            authority,
            pool,
            &destination,
        )
    };
    assert_refused(
        world.send(register(&stranger.pubkey()), &[&stranger]),
        E::NotOperator,
    );
    // Nor by its hot key.
    let signer = &world.members[0].signer;
    assert_refused(
        world.send(register(&signer.pubkey()), &[signer]),
        E::NotOperator,
    );
    // A pool of other stake can't secure the network, and earns nothing here.
    let operator = &world.members[0].operator;
    world.change::<Pool>(&world.members[0].pool, |pool| {
        pool.stake_mint = Pubkey::new_unique();
    });
    assert_refused(
        world.send(register(&operator.pubkey()), &[operator]),
        E::WrongPool,
    );
}

#[test]
fn destinations_hold_the_reward_mint() {
    let world = World::new();
    let (owner, registered) = world.owner();
    let other_mint = world.harness.mint();
    let other = world.harness.fund(&owner.pubkey(), &other_mint, 0);
    let stranger = world.harness.key();
    let register = |destination: &Pubkey| {
        let owner = stranger.pubkey();
        client::register_owner(&world.payer(), &world.network, &owner, destination)
    };
    assert_refused(
        world.send(register(&other), &[&stranger]),
        E::WrongDestinationMint,
    );
    assert_refused(
        world.send(register(&world.network), &[&stranger]),
        ErrorCode::AccountOwnedByWrongProgram,
    );
    assert_refused(
        world.send(register(&Pubkey::new_unique()), &[&stranger]),
        ErrorCode::AccountNotInitialized,
    );
    let set = client::set_destination(&world.network, &owner.pubkey(), None, &other);
    assert_refused(world.send(set, &[&owner]), E::WrongDestinationMint);
    assert_eq!(
        world
            .registered(PayeeKind::Owner, owner.pubkey())
            .destination,
        registered.destination
    );
}

#[test]
fn registering_needs_the_networks_own_emission() {
    let world = World::new();
    let sibling = world.sibling();
    let owner = world.harness.key();
    let destination = world.destination(&owner.pubkey());
    let register = client::register_owner(
        &world.payer(),
        &world.network,
        &owner.pubkey(),
        &destination,
    );
    let mixed = swap(
        register,
        &client::emission(&world.network),
        &client::emission(&sibling.network),
    );
    assert_refused(world.send(mixed, &[&owner]), E::WrongNetwork);
}

#[test]
fn indices_end_with_the_tree() {
    let world = World::new();
    world.change::<Emission>(&client::emission(&world.network), |emission| {
        emission.payees = [MAX_PAYEES - 1, MAX_PAYEES];
    });
    let (_, last) = world.owner();
    assert_eq!(u64::from(last.index), MAX_PAYEES - 1);
    for pool in [None, Some(world.members[0].pool)] {
        let authority = &world.members[0].operator;
        let destination = world.destination(&authority.pubkey());
        let payer = world.payer();
        let register = match &pool {
            Some(pool) => client::register_operator(
                &payer,
                &world.network,
                &authority.pubkey(),
                pool,
                &destination,
            ),
            None => {
                client::register_owner(&payer, &world.network, &authority.pubkey(), &destination)
            }
        };
        assert_refused(world.send(register, &[authority]), E::TooManyPayees);
    }
}

#[test]
fn only_the_payee_moves_its_destination() {
    let world = World::new();
    let (owner, registered) = world.owner();
    let operator = world.operator(0);
    let stranger = world.harness.key();
    let theirs = world.destination(&stranger.pubkey());

    let set = client::set_destination(&world.network, &owner.pubkey(), None, &theirs);
    world.send(set, &[&owner]).unwrap();
    let state: Payee = world.harness.read(&registered.payee);
    assert_eq!(state.destination, theirs);
    let Member {
        operator: key,
        pool,
        ..
    } = &world.members[0];
    let set = client::set_destination(&world.network, &key.pubkey(), Some(*pool), &theirs);
    world.send(set, &[key]).unwrap();
    let state: Payee = world.harness.read(&operator.payee);
    assert_eq!(state.destination, theirs);

    // A stranger: as itself, with a pool of its own, with the victim's pool, and without the owner's signature.
    let network = &world.network;
    let as_itself = client::set_destination(network, &stranger.pubkey(), None, &theirs);
    let own = client::payee(network, PayeeKind::Owner, &stranger.pubkey());
    let attack = swap(as_itself, &own, &registered.payee);
    assert_refused(world.send(attack, &[&stranger]), E::NotPayee);
    let other = &world.members[1];
    let with_pool =
        client::set_destination(network, &other.operator.pubkey(), Some(other.pool), &theirs);
    let own = client::payee(network, PayeeKind::Operator, &other.pool);
    for victim in [registered.payee, operator.payee] {
        let attack = swap(with_pool.clone(), &own, &victim);
        assert_refused(world.send(attack, &[&other.operator]), E::NotPayee);
    }
    let attack = client::set_destination(network, &stranger.pubkey(), Some(*pool), &theirs);
    assert_refused(world.send(attack, &[&stranger]), E::NotOperator);
    let set = client::set_destination(network, &owner.pubkey(), None, &theirs);
    let attack = unsigned(set, &owner.pubkey());
    assert_refused(world.send(attack, &[]), ErrorCode::AccountNotSigner);
    // The pool's operator is not its owner's namesake: leaving the pool out acts as the key itself.
    let without = client::set_destination(network, &key.pubkey(), None, &theirs);
    let own = client::payee(network, PayeeKind::Owner, &key.pubkey());
    let attack = swap(without, &own, &operator.payee);
    assert_refused(world.send(attack, &[key]), E::NotPayee);
}

#[test]
fn destinations_belong_to_the_payees_network() {
    let world = World::new();
    let sibling = world.sibling();
    let (owner, _) = world.owner();
    let destination = world.destination(&owner.pubkey());
    let set = client::set_destination(&world.network, &owner.pubkey(), None, &destination);
    let mixed = swap(
        set,
        &client::emission(&world.network),
        &client::emission(&sibling.network),
    );
    assert_refused(world.send(mixed, &[&owner]), E::WrongNetwork);
}

// propose_root

/// Emitted by the end of the epoch that ended last.
fn emitted() -> u64 {
    schedule().budget(ENDED).unwrap()
}

#[test]
fn a_member_proposes() {
    let world = World::new();
    let (_, owner) = world.owner();
    let operator = world.operator(0);
    let tree = tree(&[(owner, 5_000), (operator, 700)]);
    world.harness.advance(BALLOT + 5);
    let args = world.args(&tree);
    assert_eq!(args.ballot, 1);
    let key = world.proposed(args);
    let proposal: Proposal = world.harness.read(&key);
    assert_eq!(proposal.version, 1);
    assert_eq!(proposal.status, OPEN);
    assert_eq!((proposal.epoch, proposal.ballot), (ENDED, 1));
    assert_eq!(proposal.network, world.network);
    assert_eq!(proposal.roots, args.roots().unwrap());
    assert_eq!(proposal.roots.reward_hash, tree.root().hash);
    assert_eq!(proposal.roots.reward_sum, 5_700);
    assert_eq!(proposal.roots.score_hash, [3; 32]);
    assert_eq!(proposal.stream, world.stream);
    assert_eq!(proposal.sequence, 4);
    assert_eq!(proposal.committee, world.committee());
    assert_eq!(proposal.committee_epoch, ENDED + 1);
    assert_eq!((proposal.voted, proposal.voted_allocation), (0, 0));
    assert_eq!(proposal.proposed_at, world.harness.now());
    assert_eq!(proposal.proposer, world.members[0].pool);
    assert_eq!(proposal.payer, world.payer());
    // The same again is there already.
    assert_refused(world.propose(args), ALREADY_IN_USE);
}

#[test]
fn roots_are_of_an_epoch_that_is_over_and_of_the_open_ballot() {
    let world = World::new();
    let good = world.args(&tree(&[]));
    for epoch in [ENDED + 1, ENDED + 2, u64::MAX] {
        let args = ProposeRootArgs { epoch, ..good };
        assert_refused(world.propose(args), E::EpochNotOver);
    }
    for ballot in [1, u32::MAX] {
        let args = ProposeRootArgs { ballot, ..good };
        assert_refused(world.propose(args), E::WrongBallot);
    }
    // An earlier epoch has other ballots.
    let earlier = ProposeRootArgs {
        epoch: ENDED - 1,
        ..good
    };
    assert_refused(world.propose(earlier), E::WrongBallot);
    let ballot = (EPOCH / BALLOT) as u32;
    world.proposed(ProposeRootArgs { ballot, ..earlier });
    world.harness.advance(BALLOT);
    assert_refused(world.propose(good), E::WrongBallot);
}

/// An epoch grants what was burned for the credits spent in it, between its floor and what is scheduled.
#[test]
fn an_epochs_budget_is_what_was_burned_in_it() {
    let world = World::without_emission();
    let args = CreateEmissionArgs {
        floor_bps: 1_000,
        ..emission_args()
    };
    world.create(args).unwrap();
    let (scheduled, floor) = (emitted(), emitted() / 10);
    let key = credits::epoch(&world.network, ENDED);
    let burned = |burned| {
        let epoch = Epoch {
            version: 1,
            network: world.network,
            epoch: ENDED,
            burned,
            ..Epoch::zeroed()
        };
        world.put(&key, &epoch);
    };
    let granting = |owners, operators| ProposeRootArgs {
        owners: Half {
            hash: [1; 32],
            sum: owners,
        },
        operators: Half {
            hash: [1; 32],
            sum: operators,
        },
        ..world.args(&tree(&[]))
    };
    let grants = |budget: u64| {
        let operators = budget / 5;
        let owners = budget - operators;
        for (more, refusal) in [((1, 0), E::MoreThanEmitted), ((0, 1), E::MoreThanEmitted)] {
            let args = granting(owners + more.0, operators + more.1);
            assert_refused(world.propose(args), refusal);
        }
        let args = granting(0, operators + 1);
        assert_refused(world.propose(args), E::MoreThanOperatorsShare);
        let proposal = world.proposed(granting(owners, operators));
        let proposal: Proposal = world.harness.read(&proposal);
        assert_eq!(proposal.parts, [owners, operators]);
        assert_eq!(proposal.operators_sum, operators);
    };
    // Nobody opened the epoch.
    grants(floor);
    burned(floor + 7);
    grants(floor + 7);
    burned(scheduled + 1);
    grants(scheduled);
}

/// That nothing was burned is not for the proposer to say.
#[test]
fn the_epochs_account_is_the_one_of_the_epoch() {
    let world = World::new();
    let good = world.propose_instruction(world.args(&tree(&[])));
    for other in [
        credits::epoch(&world.network, ENDED - 1),
        Pubkey::new_unique(),
    ] {
        let mut propose = good.clone();
        propose.accounts[4].pubkey = other;
        assert_refused(
            world.send(propose, &[&world.members[0].signer]),
            ErrorCode::ConstraintSeeds,
        );
    }
    world.send(good, &[&world.members[0].signer]).unwrap();
}

/// What an epoch without roots would have granted is granted by no later one.
#[test]
fn grants_rise_by_one_epochs_budget() {
    let world = World::new();
    world.change::<Emission>(&client::emission(&world.network), |emission| {
        emission.finals = 1;
        emission.final_epoch = ENDED - 4;
        emission.roots.depth = 1;
        emission.roots.reward_sum = 1_000;
        emission.operators_sum = 400;
    });
    let share = emitted() / 5;
    let granting = |owners, operators| {
        let half = |sum| Half { hash: [1; 32], sum };
        ProposeRootArgs {
            owners: half(owners),
            operators: half(operators),
            ..world.args(&tree(&[]))
        }
    };
    assert_refused(
        world.propose(granting(601 + emitted() - share, 400 + share)),
        E::MoreThanEmitted,
    );
    assert_refused(
        world.propose(granting(600, 401 + share)),
        E::MoreThanOperatorsShare,
    );
    world.proposed(granting(600 + emitted() - share, 400 + share));
}

#[test]
fn a_root_grants_at_most_what_was_emitted() {
    let world = World::new();
    let good = world.args(&tree(&[]));
    let half = |sum| Half { hash: [1; 32], sum };
    let with = |owners, operators| ProposeRootArgs {
        owners: half(owners),
        operators: half(operators),
        ..good
    };
    let share = emitted() / 5;
    assert_refused(world.propose(with(emitted() + 1, 0)), E::MoreThanEmitted);
    assert_refused(
        world.propose(with(emitted() - share + 1, share)),
        E::MoreThanEmitted,
    );
    assert_refused(world.propose(with(u64::MAX, 0)), E::MoreThanEmitted);
    assert_refused(world.propose(with(u64::MAX, 1)), E::MoreThanEmitted);
    assert_refused(world.propose(with(u64::MAX, u64::MAX)), E::MoreThanEmitted);
    assert_refused(world.propose(with(0, share + 1)), E::MoreThanOperatorsShare);
    world.proposed(with(emitted() - share, share));
}

#[test]
fn a_final_epoch_is_not_proposed_again_and_sums_do_not_shrink() {
    let world = World::new();
    let (_, owner) = world.owner();
    let tree_of = |amount| tree(&[(owner, amount)]);
    world.decide(&tree_of(1_000));
    let again = world.args(&tree_of(1_001));
    assert_eq!(again.epoch, ENDED);
    assert_refused(world.propose(again), E::EpochFinal);
    let before = ProposeRootArgs {
        epoch: ENDED - 1,
        ballot: (EPOCH / BALLOT) as u32,
        ..again
    };
    assert_refused(world.propose(before), E::EpochFinal);
    world.next_epoch();
    assert_refused(world.propose(world.args(&tree_of(999))), E::SumShrinks);
    world.proposed(world.args(&tree_of(1_000)));
}

#[test]
fn only_a_member_proposes() {
    let world = World::new();
    let args = world.args(&tree(&[]));
    let stranger = world.harness.key();
    let signer = world.members[0].signer.pubkey();
    let propose = world.propose_instruction(args);
    let by_stranger = swap(propose.clone(), &signer, &stranger.pubkey());
    assert_refused(world.send(by_stranger, &[&stranger]), E::NotMember);
    let without = unsigned(propose, &signer);
    assert_refused(world.send(without, &[]), ErrorCode::AccountNotSigner);
    for member in [1, 5, 63, 64, 255] {
        let args = ProposeRootArgs { member, ..args };
        assert_refused(world.propose(args), E::NotMember);
    }
    // Nobody is a member until the committee is complete.
    world.change::<Committee>(&world.committee(), |committee| {
        committee.count = 0;
        committee.total = 0;
    });
    assert_refused(world.propose(args), E::NotMember);
}

#[test]
fn the_committee_is_the_current_epochs() {
    let world = World::new();
    let args = world.args(&tree(&[]));
    world.put_committee(ENDED);
    let current = world.committee();
    let past = pools::committee(&world.network, ENDED);
    let propose = world.propose_instruction(args);
    let signers = [&world.members[0].signer];
    let with_past = swap(propose.clone(), &current, &past);
    assert_refused(world.send(with_past, &signers), E::WrongCommittee);
    let foreign = Pubkey::new_unique();
    world.put(
        &foreign,
        &world.committee_state(Pubkey::new_unique(), ENDED + 1),
    );
    let with_foreign = swap(propose.clone(), &current, &foreign);
    assert_refused(world.send(with_foreign, &signers), E::WrongNetwork);
    let with_pool = swap(propose, &current, &world.members[0].pool);
    assert_refused(
        world.send(with_pool, &signers),
        ErrorCode::AccountDiscriminatorMismatch,
    );
}

#[test]
fn the_archive_exists_in_the_network() {
    let world = World::new();
    let args = world.args(&tree(&[]));
    for sequence in [5, u64::MAX] {
        let args = ProposeRootArgs { sequence, ..args };
        assert_refused(world.propose(args), E::NoArchive);
    }
    let foreign = Pubkey::new_unique();
    world.put_stream(&foreign, Pubkey::new_unique());
    let propose = client::propose_root(
        &world.payer(),
        &world.network,
        &world.committee(),
        &foreign,
        &world.members[0].signer.pubkey(),
        args,
    );
    assert_refused(
        world.send(propose, &[&world.members[0].signer]),
        E::WrongNetwork,
    );
}

#[test]
fn proposals_have_one_address_one_network_and_can_be_paused() {
    let world = World::new();
    let args = world.args(&tree(&[]));
    let signers = [&world.members[0].signer];
    let propose = world.propose_instruction(args);
    let elsewhere = client::proposal(
        &world.network,
        &world.stream,
        &ProposeRootArgs { ballot: 1, ..args },
    );
    let own = client::proposal(&world.network, &world.stream, &args);
    let moved = swap(propose.clone(), &own, &elsewhere);
    assert_refused(world.send(moved, &signers), ErrorCode::ConstraintSeeds);
    let sibling = world.sibling();
    let mixed = swap(
        propose,
        &client::emission(&world.network),
        &client::emission(&sibling.network),
    );
    assert_refused(world.send(mixed, &signers), E::WrongNetwork);
    world.pause();
    assert_refused(world.propose(args), E::RootsPaused);
}

// vote_root

#[test]
fn two_thirds_of_the_allocation_pass() {
    let world = World::new();
    let proposal = world.proposed(world.args(&tree(&[])));
    // 10 + 10 + 30 of 100; three of five members are not enough.
    for member in [3, 4, 0] {
        world.vote(&proposal, member).unwrap();
    }
    let state: Proposal = world.harness.read(&proposal);
    assert_eq!((state.status, state.voted_allocation), (OPEN, 50));
    assert_eq!(state.voted, 0b11001);
    assert_eq!(state.passed_at, 0);
    world.harness.advance(7);
    world.vote(&proposal, 2).unwrap();
    let state: Proposal = world.harness.read(&proposal);
    assert_eq!((state.status, state.voted_allocation), (PASSED, 70));
    assert_eq!(state.passed_at, START + 7);
    assert_refused(world.vote(&proposal, 1), E::VotingClosed);
}

#[test]
fn exactly_two_thirds_pass_and_one_less_does_not() {
    let world = World::new();
    let current = world.committee();
    for (allocation, status) in [(19_999, OPEN), (20_000, PASSED)] {
        let rest = 30_000 - allocation;
        world.change::<Committee>(&current, |committee| {
            committee.total = 30_000;
            committee.entries[0].allocation = allocation;
            committee.entries[1].allocation = rest;
        });
        let mut args = world.args(&tree(&[]));
        args.score_sum = allocation;
        let proposal = world.proposed(args);
        world.vote(&proposal, 0).unwrap();
        let state: Proposal = world.harness.read(&proposal);
        assert_eq!(state.status, status, "{allocation} of 30000");
    }
}

#[test]
fn a_member_votes_once() {
    let world = World::new();
    let proposal = world.proposed(world.args(&tree(&[])));
    world.vote(&proposal, 0).unwrap();
    assert_refused(world.vote(&proposal, 0), E::AlreadyVoted);
    let state: Proposal = world.harness.read(&proposal);
    assert_eq!(state.voted_allocation, 30);
    // Nor with another's signature, nor as another with its own.
    let message = world.message(&proposal).digest();
    for member in [1, 4] {
        let signature = world.signature(0, &message);
        let vote = world.vote_instruction(&proposal, member);
        assert_refused(world.harness.send(&[signature, vote], &[]), E::WrongSigner);
    }
    for member in [5, 63, 64, 255] {
        let signature = world.signature(0, &message);
        let vote = world.vote_instruction(&proposal, member);
        assert_refused(world.harness.send(&[signature, vote], &[]), E::NotMember);
    }
}

#[test]
fn a_vote_is_for_everything_it_names() {
    let world = World::new();
    let proposal = world.proposed(world.args(&tree(&[])));
    let good = world.message(&proposal);
    let others = [
        VoteMessage {
            network: [8; 32],
            ..good
        },
        VoteMessage {
            epoch: good.epoch + 1,
            ..good
        },
        VoteMessage {
            ballot: good.ballot + 1,
            ..good
        },
        VoteMessage {
            base: good.base + 1,
            ..good
        },
        VoteMessage {
            depth: good.depth + 1,
            ..good
        },
        VoteMessage {
            score_hash: [9; 32],
            ..good
        },
        VoteMessage {
            score_sum: good.score_sum + 1,
            ..good
        },
        VoteMessage {
            reward_hash: [9; 32],
            ..good
        },
        VoteMessage {
            reward_sum: good.reward_sum + 1,
            ..good
        },
        VoteMessage {
            committee_epoch: good.committee_epoch - 1,
            ..good
        },
    ];
    for message in others {
        assert_refused(
            world.vote_with(&proposal, 0, &message.digest()),
            E::WrongVote,
        );
    }
    let mut longer = good.digest().to_vec();
    longer.push(0);
    assert_refused(world.vote_with(&proposal, 0, &longer), E::WrongVote);
    assert_refused(
        world.vote_with(&proposal, 0, &good.digest()[..31]),
        E::WrongVote,
    );
    assert_refused(world.vote_with(&proposal, 0, &[]), E::WrongVote);
    world.vote_with(&proposal, 0, &good.digest()).unwrap();
}

#[test]
fn a_vote_needs_the_precompiles_own_word() {
    let world = World::new();
    let proposal = world.proposed(world.args(&tree(&[])));
    let message = world.message(&proposal).digest();
    let refer = |instruction, index| {
        let reference = VoteReference {
            instruction,
            index,
            member: 0,
        };
        client::vote_root(&world.network, &world.committee(), &proposal, reference)
    };
    let signed = |vote| {
        world
            .harness
            .send(&[world.signature(0, &message), vote], &[])
    };
    // The vote's own instruction, none, and a second signature that is not there.
    assert_refused(signed(refer(1, 0)), E::BadSignatureReference);
    assert_refused(signed(refer(9, 0)), E::BadSignatureReference);
    assert_refused(signed(refer(0, 1)), E::BadSignatureReference);
    // No signature at all.
    assert_refused(world.send(refer(0, 0), &[]), E::BadSignatureReference);
    // The same data for another program, which takes them without a look.
    world.harness.deploy_probe(&PROBE);
    let mut forged = world.signature(0, &message);
    assert_eq!(forged.data[0], probe::ONE_SIGNATURE);
    forged.program_id = PROBE;
    assert_refused(
        world.harness.send(&[forged, refer(0, 0)], &[]),
        E::BadSignatureReference,
    );
    // Signature, key or message in another instruction than the one the vote reads, though the precompile agrees: the
    // same bytes are there.
    for place in [4, 8, 14] {
        let mut crossed = world.signature(0, &message);
        crossed.data[place..place + 2].copy_from_slice(&0u16.to_le_bytes());
        let same = world.signature(0, &message);
        assert_refused(
            world.harness.send(&[same, crossed, refer(1, 0)], &[]),
            E::BadSignatureReference,
        );
    }
    // A forged sysvar.
    let fake = Pubkey::new_unique();
    let sysvar = refer(0, 0).accounts[4].pubkey;
    let with_fake = swap(refer(0, 0), &sysvar, &fake);
    assert_refused(signed(with_fake), ErrorCode::ConstraintAddress);

    // Its own index instead of 0xFFFF is fine.
    let mut by_index = world.signature(0, &message);
    by_index.data[8..10].copy_from_slice(&1u16.to_le_bytes());
    let other = world.signature(1, &message);
    world
        .harness
        .send(&[other, by_index, refer(1, 0)], &[])
        .unwrap();
    let state: Proposal = world.harness.read(&proposal);
    assert_eq!(state.voted, 1);
}

#[test]
fn votes_count_in_their_ballot_only() {
    let world = World::new();
    let args = world.args(&tree(&[]));
    let first = world.proposed(args);
    let message = world.message(&first).digest();
    world.harness.advance(BALLOT - 1);
    world.vote(&first, 0).unwrap();
    world.harness.advance(1);
    assert_refused(world.vote(&first, 1), E::BallotOver);
    // A re-vote on the same roots is another ballot, and takes other signatures.
    let second = world.proposed(ProposeRootArgs { ballot: 1, ..args });
    assert_refused(world.vote_with(&second, 1, &message), E::WrongVote);
    world.vote(&second, 1).unwrap();
}

#[test]
fn two_proposals_of_a_ballot_both_record_who_signed() {
    let world = World::new();
    let args = world.args(&tree(&[]));
    let first = world.proposed(args);
    let second = world.proposed(ProposeRootArgs {
        score_sum: args.score_sum + 1,
        ..args
    });
    world.pass(&first);
    for member in [2, 3, 4] {
        world.vote(&second, member).unwrap();
    }
    let state: Proposal = world.harness.read(&second);
    assert_eq!(
        (state.status, state.voted, state.voted_allocation),
        (OPEN, 0b11100, 40)
    );
    // To pass as well, members with a third of the allocation have to sign twice; the bitmaps say who did.
    world.vote(&second, 1).unwrap();
    let (first, second): (Proposal, Proposal) =
        (world.harness.read(&first), world.harness.read(&second));
    assert_eq!((first.status, second.status), (PASSED, PASSED));
    let both = first.voted & second.voted;
    assert_eq!(both, 0b00110);
    let twice: u64 = (0..5)
        .filter(|member| both >> member & 1 == 1)
        .map(|member| ALLOCATIONS[member])
        .sum();
    assert!(3 * twice >= 100);
}

#[test]
fn another_archive_neither_blocks_the_roots_nor_takes_other_votes() {
    let world = World::new();
    let args = world.args(&tree(&[]));
    let wrong = world.proposed(ProposeRootArgs {
        sequence: 0,
        ..args
    });
    let right = world.proposed(args);
    let message = world.message(&right).digest();
    assert_eq!(message, world.message(&wrong).digest());
    for proposal in [wrong, right] {
        for member in 0..3 {
            world.vote_with(&proposal, member, &message).unwrap();
        }
    }
    let right: Proposal = world.harness.read(&right);
    assert_eq!((right.status, right.sequence), (PASSED, 4));
}

#[test]
fn a_vote_takes_the_proposals_own_accounts() {
    let world = World::new();
    let proposal = world.proposed(world.args(&tree(&[])));
    let message = world.message(&proposal).digest();
    let vote = world.vote_instruction(&proposal, 0);
    let signed = |vote| {
        world
            .harness
            .send(&[world.signature(0, &message), vote], &[])
    };
    // A committee with the same members, of another epoch.
    world.put_committee(ENDED + 2);
    let other = pools::committee(&world.network, ENDED + 2);
    assert_refused(
        signed(swap(vote.clone(), &world.committee(), &other)),
        E::WrongCommittee,
    );
    // Another network, with its own emission, or with this one's.
    let sibling = world.sibling();
    let emission = client::emission(&world.network);
    let foreign = client::emission(&sibling.network);
    let mixed = swap(vote.clone(), &emission, &foreign);
    assert_refused(signed(mixed.clone()), E::WrongNetwork);
    let mixed = swap(mixed, &world.network, &sibling.network);
    assert_refused(signed(mixed), E::WrongNetwork);
    // A payee is no proposal.
    let (_, owner) = world.owner();
    assert_refused(
        signed(swap(vote.clone(), &proposal, &owner.payee)),
        ErrorCode::AccountDiscriminatorMismatch,
    );
    world.pause();
    assert_refused(signed(vote), E::RootsPaused);
}

#[test]
fn a_vote_keeps_to_its_budget() {
    let world = World::new();
    let committee = world.committee();
    // The last seat of a full committee.
    world.change::<Committee>(&committee, |committee| {
        let (entries, allocation) = (committee.entries, 10);
        for entry in committee.entries.iter_mut().skip(5) {
            *entry = CommitteeEntry {
                allocation,
                ..entries[4]
            };
        }
        committee.count = 64;
        committee.total += 59 * allocation;
    });
    let proposal = world.proposed(world.args(&tree(&[])));
    let message = world.message(&proposal).digest();
    let signature = world.signature(4, &message);
    let vote = world.vote_instruction(&proposal, 63);
    let execution = world.harness.send(&[signature, vote], &[]).unwrap();
    let used = consumed(&execution);
    println!("vote: {used} CU");
    assert!(used <= 6_000, "{used}");
}

// finalize_root

#[test]
fn a_root_becomes_final_after_its_challenge_window() {
    let world = World::new();
    let (_, owner) = world.owner();
    let args = world.args(&tree(&[(owner, 1_000)]));
    let proposal = world.proposed(args);
    world.vote(&proposal, 0).unwrap();
    assert_refused(world.finalize(&proposal), E::NotPassed);
    world.vote(&proposal, 1).unwrap();
    world.vote(&proposal, 2).unwrap();
    world.harness.advance(CHALLENGE - 1);
    assert_refused(world.finalize(&proposal), E::ChallengeWindowOpen);
    world.harness.advance(1);
    world.pause();
    assert_refused(world.finalize(&proposal), E::RootsPaused);
    world.put(&world.network, &world.network_state());
    world.finalize(&proposal).unwrap();
    let state: Proposal = world.harness.read(&proposal);
    assert_eq!(state.status, FINAL);
    let emission = world.emission();
    assert_eq!((emission.finals, emission.final_epoch), (1, ENDED));
    assert_eq!(emission.roots, args.roots().unwrap());
    assert_refused(world.finalize(&proposal), E::AlreadyFinal);
}

#[test]
fn one_root_an_epoch() {
    let world = World::new();
    let (_, owner) = world.owner();
    let first = world.proposed(world.args(&tree(&[(owner, 1_000)])));
    world.pass(&first);
    world.harness.advance(BALLOT);
    let second = world.proposed(world.args(&tree(&[(owner, 1_001)])));
    world.pass(&second);
    world.harness.advance(CHALLENGE);
    world.finalize(&second).unwrap();
    assert_refused(world.finalize(&first), E::EpochFinal);
    assert_eq!(world.emission().roots.reward_sum, 1_001);
}

#[test]
fn sums_do_not_shrink_between_passing_and_final() {
    let world = World::new();
    let (_, owner) = world.owner();
    let larger = world.proposed(world.args(&tree(&[(owner, 1_000)])));
    world.pass(&larger);
    world.next_epoch();
    let smaller = world.proposed(world.args(&tree(&[(owner, 999)])));
    world.pass(&smaller);
    world.harness.advance(CHALLENGE);
    world.finalize(&larger).unwrap();
    assert_refused(world.finalize(&smaller), E::SumShrinks);
}

#[test]
fn an_epoch_may_be_skipped_and_is_gone_then() {
    let world = World::new();
    let (_, owner) = world.owner();
    let earlier = world.proposed(world.args(&tree(&[(owner, 1_000)])));
    world.pass(&earlier);
    world.next_epoch();
    world.decide(&tree(&[(owner, 1_500)]));
    assert_refused(world.finalize(&earlier), E::EpochFinal);
}

#[test]
fn finalizing_takes_the_proposals_own_network() {
    let world = World::new();
    let proposal = world.proposed(world.args(&tree(&[])));
    world.pass(&proposal);
    world.harness.advance(CHALLENGE);
    let sibling = world.sibling();
    let finalize = client::finalize_root(&world.network, &proposal);
    let emission = client::emission(&world.network);
    let mixed = swap(finalize, &emission, &client::emission(&sibling.network));
    assert_refused(world.send(mixed.clone(), &[]), E::WrongNetwork);
    let mixed = swap(mixed, &world.network, &sibling.network);
    assert_refused(world.send(mixed, &[]), E::WrongNetwork);
}

// claim

#[test]
fn everybody_is_paid_once_what_was_granted() {
    let world = World::new();
    let (_, first) = world.owner();
    let (_, second) = world.owner();
    let operator = world.operator(2);
    let grants = [(first, 1_000), (second, 2_000), (operator, 700)];
    let one = tree(&grants);
    assert_refused(world.claim(&one, &first, 1_000), E::NoFinalRoot);
    world.decide(&one);
    for (payee, amount) in grants {
        world.claim(&one, &payee, amount).unwrap();
        assert_eq!(world.harness.balance(&payee.destination), amount);
        assert_refused(world.claim(&one, &payee, amount), E::NothingToClaim);
        let state: Payee = world.harness.read(&payee.payee);
        assert_eq!(state.claimed, amount);
    }
    assert_eq!(world.emission().claimed, 3_700);

    // Later roots pay the difference, whether or not the ones between were claimed.
    world.next_epoch();
    world.decide(&tree(&[(first, 1_500), (second, 2_000), (operator, 700)]));
    world.next_epoch();
    let three = tree(&[(first, 1_800), (second, 2_000), (operator, 900)]);
    world.decide(&three);
    world.claim(&three, &first, 1_800).unwrap();
    assert_eq!(world.harness.balance(&first.destination), 1_800);
    assert_refused(world.claim(&three, &second, 2_000), E::NothingToClaim);
    // An old root's path is worth nothing, before and after.
    assert_refused(world.claim(&one, &operator, 700), E::NotGranted);
    world.claim(&three, &operator, 900).unwrap();
    let mint: Mint = chain::read_borsh(&world.harness.chain, &world.mint).unwrap();
    assert_eq!(mint.supply, 4_700);
    assert_eq!(world.emission().claimed, 4_700);
}

#[test]
fn a_claim_is_for_its_own_leaf() {
    let world = World::new();
    let (_, small) = world.owner();
    let (_, large) = world.owner();
    let operator = world.operator(0);
    let tree = tree(&[(small, 1_000), (large, 2_000), (operator, 700)]);
    world.decide(&tree);
    // Another amount, more or less or all there is.
    for amount in [0, 999, 1_001, 2_000, 3_700, u64::MAX] {
        assert_refused(world.claim(&tree, &small, amount), E::NotGranted);
    }
    // Another's path: a neighbour's, and the operator's at the same index.
    assert_eq!(small.index, operator.index);
    for other in [large, operator] {
        let path = tree.path(other.kind as u8, other.index).unwrap();
        for amount in [700, 1_000, 2_000] {
            let claim = client::claim(world.claim_accounts(&small), amount, path.clone());
            assert_refused(world.send(claim, &[]), E::NotGranted);
        }
    }
    // Paths of another length: none, not whole siblings, too short, too long, and longer than any tree.
    let path = tree.path(OWNER, small.index).unwrap();
    let with = |path: Vec<u8>| {
        let claim = client::claim(world.claim_accounts(&small), 1_000, path);
        world.send(claim, &[])
    };
    assert_refused(with(Vec::new()), E::InvalidPath);
    assert_refused(with(path[..39].to_vec()), E::InvalidPath);
    assert_refused(with([path.as_slice(), &[0]].concat()), E::InvalidPath);
    assert_refused(with(path[..120].to_vec()), E::InvalidPath);
    assert_refused(with([path.as_slice(), &[0; 40]].concat()), E::InvalidPath);
    assert_refused(with([[0; 40].as_slice(), &path].concat()), E::InvalidPath);
    assert_refused(with(vec![0; 22 * 40]), E::InvalidPath);
    // Siblings whose sums overflow.
    assert_refused(with(vec![0xff; 4 * 40]), E::NotGranted);
    world.claim(&tree, &small, 1_000).unwrap();
}

#[test]
fn a_root_with_a_wrong_sum_pays_nobody() {
    let world = World::new();
    let (_, owner) = world.owner();
    let tree = tree(&[(owner, 1_000)]);
    let mut args = world.args(&tree);
    args.owners.sum = 500;
    let proposal = world.proposed(args);
    world.pass(&proposal);
    world.harness.advance(CHALLENGE);
    world.finalize(&proposal).unwrap();
    for amount in [500, 1_000] {
        assert_refused(world.claim(&tree, &owner, amount), E::NotGranted);
    }
}

#[test]
fn claims_go_to_the_payees_destination() {
    let world = World::new();
    let (owner, registered) = world.owner();
    let tree = tree(&[(registered, 1_000)]);
    world.decide(&tree);
    let stranger = world.harness.key();
    let theirs = world.destination(&stranger.pubkey());
    let claim = world.claim_instruction(&tree, &registered, 1_000);
    let stolen = swap(claim.clone(), &registered.destination, &theirs);
    assert_refused(world.send(stolen, &[]), E::WrongDestination);

    let sibling = world.sibling();
    let emission = client::emission(&world.network);
    let foreign = client::emission(&sibling.network);
    assert_refused(
        world.send(swap(claim.clone(), &emission, &foreign), &[]),
        E::WrongMint,
    );
    assert_refused(
        world.send(swap(claim.clone(), &world.mint, &sibling.mint), &[]),
        E::WrongMint,
    );
    assert_refused(
        world.send(
            swap(claim.clone(), &TOKEN_PROGRAM, &world.members[0].pool),
            &[],
        ),
        ErrorCode::InvalidProgramId,
    );
    // Anyone may send it, and the owner may have it sent elsewhere.
    let set = client::set_destination(&world.network, &owner.pubkey(), None, &theirs);
    world.send(set, &[&owner]).unwrap();
    assert_refused(world.send(claim.clone(), &[]), E::WrongDestination);
    let moved = swap(claim, &registered.destination, &theirs);
    world.send(moved, &[]).unwrap();
    assert_eq!(world.harness.balance(&theirs), 1_000);
}

#[test]
fn a_payee_of_another_network_claims_nothing() {
    let world = World::new();
    let (_, registered) = world.owner();
    let tree = tree(&[(registered, 1_000)]);
    world.decide(&tree);
    world.change::<Payee>(&registered.payee, |payee| {
        payee.network = Pubkey::new_unique()
    });
    assert_refused(world.claim(&tree, &registered, 1_000), E::WrongNetwork);
}

#[test]
fn a_closed_destination_is_replaced_by_its_payee() {
    let world = World::new();
    let owner = world.harness.key();
    let destination = Keypair::new();
    let open = |mint: &Pubkey| {
        let rent = world.harness.chain.rent(165).unwrap();
        let key = destination.pubkey();
        [
            system_instruction::create_account(&world.payer(), &key, rent, 165, &TOKEN_PROGRAM),
            spl_token::instruction::initialize_account3(
                &TOKEN_PROGRAM,
                &key,
                mint,
                &owner.pubkey(),
            )
            .unwrap(),
        ]
    };
    world
        .harness
        .send(&open(&world.mint), &[&destination])
        .unwrap();
    let register = client::register_owner(
        &world.payer(),
        &world.network,
        &owner.pubkey(),
        &destination.pubkey(),
    );
    world.send(register, &[&owner]).unwrap();
    let registered = world.registered(PayeeKind::Owner, owner.pubkey());
    let tree = tree(&[(registered, 1_000)]);
    world.decide(&tree);

    let close = spl_token::instruction::close_account(
        &TOKEN_PROGRAM,
        &destination.pubkey(),
        &world.payer(),
        &owner.pubkey(),
        &[],
    )
    .unwrap();
    world.send(close, &[&owner]).unwrap();
    assert_refused(
        world.claim(&tree, &registered, 1_000),
        E::DestinationUnusable,
    );
    // Opened again for another mint, or allocated and never initialised.
    let other = world.harness.mint();
    world.harness.send(&open(&other), &[&destination]).unwrap();
    assert_refused(
        world.claim(&tree, &registered, 1_000),
        E::DestinationUnusable,
    );
    let mut account = world
        .harness
        .chain
        .account(&destination.pubkey())
        .unwrap()
        .unwrap();
    account.data = vec![0; 165];
    account.data[..32].copy_from_slice(&world.mint.to_bytes());
    world
        .harness
        .chain
        .set_account(&destination.pubkey(), account);
    assert_refused(
        world.claim(&tree, &registered, 1_000),
        E::DestinationUnusable,
    );

    let usable = world.destination(&owner.pubkey());
    let set = client::set_destination(&world.network, &owner.pubkey(), None, &usable);
    world.send(set, &[&owner]).unwrap();
    let registered = world.registered(PayeeKind::Owner, owner.pubkey());
    world.claim(&tree, &registered, 1_000).unwrap();
    assert_eq!(
        world
            .harness
            .balance(&associated(&owner.pubkey(), &world.mint)),
        1_000
    );
}

#[test]
fn the_breaker_slows_claims_down() {
    let world = World::new();
    let (_, first) = world.owner();
    let (_, second) = world.owner();
    let (_, third) = world.owner();
    // Limit 4000 M, a quarter of it drains in 250 s.
    let tree = tree(&[
        (first, 3_000_000_000),
        (second, 2_000_000_000),
        (third, 5_000_000),
    ]);
    world.decide(&tree);
    world.claim(&tree, &first, 3_000_000_000).unwrap();
    let start = world.harness.now();
    match world.claim(&tree, &second, 2_000_000_000) {
        Err(ClientError::Refused(failure)) => {
            assert_eq!(failure.code, u32::from(E::BreakerOpen));
            let retry = format!("retry at {}", start + 250);
            assert!(
                failure.logs.iter().any(|line| line.contains(&retry)),
                "{failure:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    // What fits is paid meanwhile, and takes its own share of the time.
    world.claim(&tree, &third, 5_000_000).unwrap();
    world.harness.advance(251);
    assert_refused(world.claim(&tree, &second, 2_000_000_000), E::BreakerOpen);
    world.harness.advance(1);
    world.claim(&tree, &second, 2_000_000_000).unwrap();
    assert_eq!(world.harness.balance(&second.destination), 2_000_000_000);
}

#[test]
fn what_exceeds_the_breaker_is_paid_in_parts() {
    let world = World::new();
    let (_, owner) = world.owner();
    let tree = tree(&[(owner, 6_000_000_000)]);
    world.decide(&tree);
    world.claim(&tree, &owner, 6_000_000_000).unwrap();
    assert_eq!(world.harness.balance(&owner.destination), LIMIT);
    assert_refused(world.claim(&tree, &owner, 6_000_000_000), E::BreakerOpen);
    world.harness.advance(WINDOW / 2);
    world.claim(&tree, &owner, 6_000_000_000).unwrap();
    assert_eq!(world.harness.balance(&owner.destination), 6_000_000_000);
    assert_refused(world.claim(&tree, &owner, 6_000_000_000), E::NothingToClaim);
}

#[test]
fn a_root_that_moves_paid_grants_mints_no_more_than_its_sum() {
    let world = World::new();
    let (_, paid) = world.owner();
    let (_, favoured) = world.owner();
    let first = tree(&[(paid, 1_000)]);
    world.decide(&first);
    world.claim(&first, &paid, 1_000).unwrap();
    // The committee takes 600 back and gives them to another: 600 were paid twice.
    world.next_epoch();
    let second = tree(&[(paid, 400), (favoured, 1_100)]);
    world.decide(&second);
    assert_refused(world.claim(&second, &paid, 400), E::NothingToClaim);
    assert_refused(world.claim(&second, &favoured, 1_100), E::GrantsExhausted);
    assert_eq!(world.emission().claimed, 1_000);
}

#[test]
fn a_pause_does_not_stop_claims() {
    let world = World::new();
    let (_, owner) = world.owner();
    let tree = tree(&[(owner, 1_000)]);
    world.decide(&tree);
    world.pause();
    let more = ProposeRootArgs {
        score_sum: 1,
        ..world.args(&tree)
    };
    assert_refused(world.propose(more), E::RootsPaused);
    world.claim(&tree, &owner, 1_000).unwrap();
    assert_eq!(world.harness.balance(&owner.destination), 1_000);
}

#[test]
fn a_claim_of_the_largest_tree_keeps_to_its_budget_and_fits_a_v0_transaction() {
    let world = World::new();
    let (_, owner) = world.owner();
    let operator = world.operator(0);
    let tree = tree_of_depth(21, &[(owner, 1_000), (operator, 1_000)]);
    world.decide(&tree);
    let table_key = Pubkey::new_unique();
    let table = client::claim_table(&table_key, &world.network, &world.mint);
    // A lookup table, in its wire form: type, never deactivated, extended in slot 0 from index 0, no authority.
    let mut data = [
        1u32.to_le_bytes().as_slice(),
        &u64::MAX.to_le_bytes(),
        &[0; 44],
    ]
    .concat();
    data.extend(
        table
            .addresses
            .iter()
            .flat_map(|address| address.to_bytes()),
    );
    world.harness.chain.set_account(
        &table_key,
        Account {
            lamports: world.harness.chain.rent(data.len()).unwrap(),
            data,
            owner: "AddressLookupTab1e1111111111111111111111111"
                .parse()
                .unwrap(),
            executable: false,
            rent_epoch: u64::MAX,
        },
    );
    for payee in [owner, operator] {
        let claim = world.claim_instruction(&tree, &payee, 1_000);
        let prepared = transaction::prepare(
            &world.harness.chain,
            &[claim],
            &world.harness.payer,
            &[],
            std::slice::from_ref(&table),
        )
        .unwrap();
        let bytes = transaction::size(&prepared.transaction).unwrap();
        // With room for a priority fee: three bytes of an instruction, and nine of data.
        println!("claim: {bytes} bytes");
        assert!(bytes + 12 <= transaction::V0_BYTES, "{bytes}");
        assert!(prepared
            .transaction
            .message
            .address_table_lookups()
            .is_some());
        let execution = transaction::land(&world.harness.chain, &prepared).unwrap();
        assert_eq!(world.harness.balance(&payee.destination), 1_000);
        let used = consumed(&execution);
        println!("claim: {used} CU");
        assert!(used <= 14_000, "{used}");
    }
}
