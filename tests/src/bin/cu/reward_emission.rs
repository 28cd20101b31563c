//! reward-emission: an epoch's root, and claims from the largest reward tree.

use crate::bench::{seed, Bench, Cost};
use crate::credits;
use crate::roots;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_instruction;
use anchor_spl::token::spl_token::instruction::initialize_account3;
use anchor_spl::token::TokenAccount;
use anyhow::Result;
use bytemuck::Zeroable;
use commitment::sum::MAX_DEPTH;
use commitment::{reward_leaf, SumTree};
use data_commitment::state::Stream;
use device_registry::state::{Network, Parameters};
use fieldproof_client::chain::Chain;
use fieldproof_client::credits::set_pricing;
use fieldproof_client::reward_emission::{self as client, ClaimAccounts, VoteReference};
use fieldproof_client::security_pool as pools;
use fieldproof_client::token::{associated, create_associated, TOKEN_PROGRAM};
use reward_emission::instructions::{CreateEmissionArgs, ProposeRootArgs};
use reward_emission::state::{Payee, PayeeKind, Proposal, Schedule};
use security_pool::state::{Committee, CommitteeEntry, Pool, MAX_OPERATORS};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::fixture::EVEN_SCORING;
use tests::oracle::terms;
use tests::START;

/// Seconds of an epoch.
const EPOCH: i64 = 86_400;
/// Seconds of a ballot.
const BALLOT: i64 = 3_600;
/// Seconds of the challenge window.
const CHALLENGE: i64 = 600;
/// The epoch that ends just when the bench starts.
const ENDED: u64 = 9;
/// The network's id.
const NETWORK: [u8; 32] = [7; 32];
/// What each payee has earned.
const EARNED: u64 = 1_000;

/// Measures every instruction.
pub fn measure(bench: &Bench) -> Result<()> {
    let emission = Emission::open(bench)?;
    let payer = bench.payer();

    let owner = bench.key();
    let destination = associated(&owner.pubkey(), &emission.mint);
    let register = client::register_owner(&payer, &emission.network, &owner.pubkey(), &destination);
    let account = create_associated(&payer, &owner.pubkey(), &emission.mint);
    let entered = bench.run(&[account, register], &[&owner])?;
    let case = "an owner, with the creation of the associated token account";
    bench.record("register_payee", case, entered);
    let (third, opened) = emission.enter_with_own_account()?;
    let case = "an owner, with the creation of a token account of its own key";
    bench.record("register_payee", case, opened);

    let (second, operator) = (bench.key(), &emission.member);
    let destination = emission.destination(&second);
    let register =
        client::register_owner(&payer, &emission.network, &second.pubkey(), &destination);
    let registered = bench.run(&[register], &[&second])?;
    bench.record("register_payee", "an owner", registered);
    let destination = emission.destination(operator);
    let register = client::register_operator(
        &payer,
        &emission.network,
        &operator.pubkey(),
        &emission.pool,
        &destination,
    );
    bench.measure("register_payee", "an operator", &[register], &[operator])?;
    let elsewhere = emission.destination(&bench.key());
    let pool = Some(emission.pool);
    let set = client::set_destination(&emission.network, &operator.pubkey(), pool, &elsewhere);
    bench.measure("set_destination", "", &[set], &[operator])?;

    let payees = [
        emission.payee(PayeeKind::Owner, &owner.pubkey()),
        emission.payee(PayeeKind::Owner, &second.pubkey()),
        emission.payee(PayeeKind::Owner, &third),
        emission.payee(PayeeKind::Operator, &emission.pool),
    ];
    let leaves = payees.iter().map(|(_, payee)| {
        let leaf = reward_leaf(&payee.owner.to_bytes(), EARNED);
        (payee.kind, payee.index, leaf)
    });
    let tree = SumTree::new(MAX_DEPTH, leaves)?;
    emission.decide(&tree)?;

    let claims = payees.map(|payee| emission.claim(&tree, &payee));
    let [with_associated, with_registration, with_own, initialised] = claims;
    let case =
        "depth 21; the first, with register_payee and the creation of the associated token account";
    bench.record("claim", case, entered + with_associated?);
    let case = "depth 21; the first, with register_payee and a token account of its own key";
    bench.record("claim", case, opened + with_own?);
    let case = "depth 21; the first, with register_payee";
    bench.record("claim", case, registered + with_registration?);
    bench.record("claim", "depth 21", initialised?);
    roots::measure(bench)?;
    credits::measure(bench)
}

/// The emission of a network with a full committee, all of one operator.
struct Emission<'a> {
    bench: &'a Bench,
    network: Pubkey,
    mint: Pubkey,
    member: Keypair,
    pool: Pubkey,
    stream: Pubkey,
    committee: Pubkey,
}

impl<'a> Emission<'a> {
    fn open(bench: &'a Bench) -> Result<Self> {
        let (network, authority) = (bench.address(), bench.key());
        let emission = Self {
            bench,
            network,
            mint: bench.mint()?,
            member: bench.key(),
            pool: bench.address(),
            stream: bench.address(),
            committee: pools::committee(&network, ENDED + 1),
        };
        let Self { mint, pool, .. } = emission;
        let key = emission.member.pubkey();
        let stake_mint = bench.address();
        bench.put(
            &network,
            &Network {
                version: 1,
                id: NETWORK,
                authority: authority.pubkey(),
                reward_mint: mint,
                stake_mint,
                genesis: START - (ENDED as i64 + 1) * EPOCH,
                epoch_length: EPOCH,
                parameters: Parameters {
                    evidence_window: EPOCH,
                    ..Parameters::zeroed()
                },
                ..Network::zeroed()
            },
        )?;
        bench.put(
            &pool,
            &Pool {
                version: 1,
                operator: key,
                signer: key,
                stake_mint,
                ..Pool::zeroed()
            },
        )?;
        bench.put(
            &emission.stream,
            &Stream {
                version: 1,
                network,
                pool,
                count: 5,
                ..Stream::zeroed()
            },
        )?;
        let mut committee = Committee {
            version: 1,
            network,
            epoch: ENDED + 1,
            count: MAX_OPERATORS as u32,
            ..Committee::zeroed()
        };
        committee.entries.fill(CommitteeEntry {
            pool,
            signer: key,
            allocation: 1,
        });
        // The last member's vote decides alone.
        committee.entries[MAX_OPERATORS - 1].allocation = 1_000;
        committee.total = committee.entries.iter().map(|entry| entry.allocation).sum();
        bench.put(&emission.committee, &committee)?;

        let schedule = Schedule::new(1_000_000_000, 1_000_000, 4_200_000_000, 10_000)?;
        let args = CreateEmissionArgs {
            operators_bps: 2_000,
            root_slash_bps: 2_000,
            floor_bps: 10_000,
            schedule,
            challenge_window: CHALLENGE,
            ballot_length: BALLOT,
            breaker_window: 1_000,
            breaker_limit: 4_000_000_000,
            scoring: EVEN_SCORING,
        };
        let payer = bench.payer();
        // The worst case: a pricing was set before, so that there is one to look into.
        let by = authority.pubkey();
        let terms = terms(&Pubkey::new_from_array([1; 32]), 0, 0);
        let set = set_pricing(&payer, &by, &network, &mint, terms);
        bench.run(&[set], &[&authority])?;
        let create = client::create_emission(&payer, &network, &by, &mint, &payer, args);
        bench.measure("create_emission", "", &[create], &[&authority])?;
        Ok(emission)
    }

    /// The token account of `owner`, which exists thereafter.
    fn destination(&self, owner: &Keypair) -> Pubkey {
        self.bench.harness.fund(&owner.pubkey(), &self.mint, 0)
    }

    /// Registers an owner who is paid to a token account that is not associated: whoever makes it signs with its key, and
    /// nobody has to search its address. Returns the owner, and what both cost. Keys are of no others' numbers.
    fn enter_with_own_account(&self) -> Result<(Pubkey, Cost)> {
        let [owner, account] =
            [1 << 32, 2 << 32].map(|number| Keypair::new_from_array(seed(number)));
        let (bench, payer) = (self.bench, self.bench.payer());
        let (owner_key, key) = (owner.pubkey(), account.pubkey());
        let rent = bench.harness.chain.rent(TokenAccount::LEN)?;
        let space = TokenAccount::LEN as u64;
        let enter = [
            system_instruction::create_account(&payer, &key, rent, space, &TOKEN_PROGRAM),
            initialize_account3(&TOKEN_PROGRAM, &key, &self.mint, &owner_key)?,
            client::register_owner(&payer, &self.network, &owner_key, &key),
        ];
        Ok((owner_key, bench.run(&enter, &[&owner, &account])?))
    }

    fn payee(&self, kind: PayeeKind, owner: &Pubkey) -> (Pubkey, Payee) {
        let key = client::payee(&self.network, kind, owner);
        (key, self.bench.harness.read(&key))
    }

    /// Makes the tree's root final.
    fn decide(&self, tree: &SumTree) -> Result<()> {
        let bench = self.bench;
        let (owners, operators) = client::halves(tree)?;
        let args = ProposeRootArgs {
            epoch: ENDED,
            ballot: 0,
            base: 0,
            member: MAX_OPERATORS as u8 - 1,
            depth: MAX_DEPTH as u8,
            score_hash: [3; 32],
            score_sum: 1_000,
            owners,
            operators,
            sequence: 4,
        };
        let propose = client::propose_root(
            &bench.payer(),
            &self.network,
            &self.committee,
            &self.stream,
            &self.member.pubkey(),
            args,
        );
        bench.measure("propose_root", "", &[propose], &[&self.member])?;
        let proposal = client::proposal(&self.network, &self.stream, &args);
        for (member, case) in [
            (0, "roster of 64"),
            (MAX_OPERATORS as u8 - 1, "roster of 64; the proposal passes"),
        ] {
            let vote = self.vote(&proposal, member)?;
            bench.measure("vote_root", case, &vote, &[])?;
        }
        bench.harness.advance(CHALLENGE);
        let finalize = client::finalize_root(&self.network, &proposal);
        bench.measure("finalize_root", "", &[finalize], &[])
    }

    /// A member's signature, and its vote.
    fn vote(&self, proposal: &Pubkey, member: u8) -> Result<[Instruction; 2]> {
        let state: Proposal = self.bench.harness.read(proposal);
        let message = state.message(NETWORK).digest();
        let signature = tests::signatures([&self.member], &message);
        let reference = VoteReference {
            instruction: 0,
            index: 0,
            member,
        };
        let vote = client::vote_root(&self.network, &self.committee, proposal, reference);
        Ok([signature, vote])
    }

    fn claim(&self, tree: &SumTree, (key, payee): &(Pubkey, Payee)) -> Result<Cost> {
        let place = ClaimAccounts {
            network: self.network,
            payee: *key,
            reward_mint: self.mint,
            destination: payee.destination,
        };
        let path = tree.path(payee.kind, payee.index)?;
        self.bench.run(&[client::claim(place, EARNED, path)], &[])
    }
}
