//! What sequences act on: two networks on one stake mint, three pools that secure both, delegators, owners with devices and
//! bonds, and emissions. It is made once; each sequence gets a copy.

use super::ledger::Ledger;
use crate::fixture::{Device, Network, Operator, EPOCH, EVEN_SCORING, TOKEN};
use crate::{Harness, START};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::sum::score_leaf;
use commitment::{reward_leaf, BatchLeaf, CommitmentLeaf, MmrBuilder, SumNode, SumTree};
use data_commitment::state::Challenge;
use device_protocol::{Curve, SignedReading};
use fieldproof_client::chain::{Chain, LocalChain};
use fieldproof_client::transaction::{self, Limits};
use fieldproof_client::{data_commitment as streams, reward_emission as rewards};
use fieldproof_client::{security_pool as pools, ClientError};
use reward_emission::instructions::CreateEmissionArgs;
use reward_emission::state::{Payee, PayeeKind, Schedule};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// What an epoch emits, base units.
pub const BUDGET: u64 = 1_000_003;
/// Operators' share of it, basis points.
pub const OPERATORS_BPS: u16 = 2_000;
/// Insurance of a slash of the fixture's networks, basis points.
pub const INSURANCE_BPS: u16 = 3_000;
/// Seconds of a ballot.
pub const BALLOT: i64 = 3_600;
/// Seconds from passing to being final.
pub const CHALLENGE_WINDOW: i64 = 600;
/// Depth of the trees of scores and rewards.
const DEPTH: u32 = 4;
/// Tokens that an operator stakes for each network.
const STAKE: u64 = 40;
/// Tokens that each delegator and owner has.
const PURSE: u64 = 500;

/// A payee, and where it is paid.
#[derive(Clone, Copy)]
pub struct Registered {
    pub kind: u8,
    pub index: u32,
    pub account: Pubkey,
    pub key: Pubkey,
    pub destination: Pubkey,
}

/// A network with its devices and payees.
pub struct Site {
    pub network: Network,
    /// By owner: two devices.
    pub devices: Vec<(usize, Device)>,
    pub payees: Vec<Registered>,
}

/// What never changes in any sequence.
pub struct Base {
    chain: LocalChain,
    payer: Keypair,
    pub stake_mint: Pubkey,
    pub sites: Vec<Site>,
    pub operators: Vec<Operator>,
    /// Everybody who delegates: two delegators, then the operators.
    pub delegators: Vec<Keypair>,
    pub owners: Vec<Keypair>,
    /// Who reports and challenges.
    pub challenger: Keypair,
    /// Whom insurance is paid to.
    pub harmed: Pubkey,
    /// Rent of a challenge, lamports.
    pub challenge_rent: u64,
}

/// A commitment to one batch of one window.
#[derive(Clone)]
pub struct Committed {
    pub leaf: CommitmentLeaf,
    pub batch: BatchLeaf,
    pub readings: Vec<SignedReading>,
    pub device: usize,
}

/// What an operator committed to.
#[derive(Default)]
pub struct Stream {
    pub mmr: MmrBuilder,
    pub commitments: Vec<Committed>,
}

/// Both trees of an epoch.
#[derive(Clone)]
pub struct Trees {
    pub scores: SumTree,
    pub grants: SumTree,
    /// By payee of the site: score and cumulative amount.
    pub rows: Vec<(u64, u64)>,
}

impl Trees {
    pub fn new(payees: &[Registered], rows: Vec<(u64, u64)>) -> Self {
        let tree = |leaf: &dyn Fn(&Registered, &(u64, u64)) -> SumNode| {
            let leaves = payees.iter().zip(&rows);
            let leaves = leaves.map(|(payee, row)| (payee.kind, payee.index, leaf(payee, row)));
            SumTree::new(DEPTH, leaves.collect::<Vec<_>>()).expect("tree")
        };
        Self {
            scores: tree(&|payee, (score, _)| score_leaf(&payee.key.to_bytes(), *score)),
            grants: tree(&|payee, (_, amount)| reward_leaf(&payee.key.to_bytes(), *amount)),
            rows,
        }
    }
}

/// Roots that were proposed.
#[derive(Clone)]
pub struct Draft {
    pub key: Pubkey,
    pub trees: Trees,
    /// The payee whose grant is wrong.
    pub wrong: Option<usize>,
}

/// A sequence's own copy, and what it did off the chain.
pub struct World<'a> {
    pub base: &'a Base,
    pub harness: Harness,
    /// By site and operator.
    pub streams: Vec<Vec<Stream>>,
    /// By site.
    pub drafts: Vec<Vec<Draft>>,
    /// By site: the final trees.
    pub finals: Vec<Option<Trees>>,
    pub ledger: Ledger,
    /// Instructions that were sent, and after each of which the books were checked.
    pub instructions: u64,
}

impl Base {
    /// In epoch 2, when the operators have their seats.
    pub fn new() -> Self {
        let harness = Harness::new();
        let first = Network::new(&harness);
        let stake_mint = first.stake_mint;
        // A low cap, so that slashes lock something.
        let second = Network::of_mints(&harness, 1, [harness.mint(), stake_mint], 500);
        let payer = harness.payer.pubkey();
        let operators: Vec<Operator> = (0..3)
            .map(|_| {
                let operator = first.operator(&harness, STAKE);
                let owner = operator.key.pubkey();
                harness.fund(&owner, &stake_mint, (STAKE + PURSE) * TOKEN);
                let (pool, stake) = (operator.pool, STAKE * TOKEN);
                let second_stream =
                    streams::open_stream(&payer, &operator.signer.pubkey(), &second.key, &pool);
                let more = [
                    pools::delegate(&payer, &owner, &pool, &stake_mint, stake, 1),
                    pools::opt_in_beside(&first.key, &second.key, &pool, &owner, stake),
                    second_stream,
                ];
                harness
                    .send(&more, &[&operator.key, &operator.signer])
                    .expect("operator");
                operator
            })
            .collect();
        let purse = || {
            let key = harness.key();
            harness.fund(&key.pubkey(), &stake_mint, PURSE * TOKEN);
            key
        };
        let mut delegators: Vec<Keypair> = (0..2).map(|_| purse()).collect();
        delegators.extend(
            operators
                .iter()
                .map(|operator| operator.key.insecure_clone()),
        );
        let owners: Vec<Keypair> = (0..2).map(|_| purse()).collect();
        let sites = [first, second]
            .map(|network| Self::site(&harness, network, &operators, &owners))
            .into();
        let challenger = harness.key();
        harness.fund(&challenger.pubkey(), &stake_mint, 0);
        let harmed = harness.key().pubkey();
        harness.fund(&harmed, &stake_mint, 0);
        let rent = harness.chain.rent(Challenge::SPACE).expect("rent");
        harness.chain.set_time(START + 2 * EPOCH);
        Self {
            payer: harness.payer,
            chain: harness.chain,
            stake_mint,
            sites,
            operators,
            delegators,
            owners,
            challenger,
            harmed,
            challenge_rent: rent,
        }
    }

    fn site(
        harness: &Harness,
        network: Network,
        operators: &[Operator],
        owners: &[Keypair],
    ) -> Site {
        let payer = harness.payer.pubkey();
        let (key, mint) = (network.key, network.reward_mint);
        let args = CreateEmissionArgs {
            operators_bps: OPERATORS_BPS,
            root_slash_bps: 1_000,
            floor_bps: 10_000,
            schedule: Schedule::new(BUDGET, BUDGET, 0, 100_000).expect("schedule"),
            challenge_window: CHALLENGE_WINDOW,
            ballot_length: BALLOT,
            breaker_window: EPOCH,
            breaker_limit: BUDGET / 2,
            scoring: EVEN_SCORING,
        };
        let create = rewards::create_emission(&payer, &key, &payer, &mint, &payer, args);
        harness.send(&[create], &[]).expect("emission");
        let maker = network.maker(harness);
        let mut devices = Vec::new();
        let mut payees = Vec::new();
        for (number, owner) in owners.iter().enumerate() {
            let bond = 40 * TOKEN;
            let owned = owner.pubkey();
            let post = pools::post_bond(&payer, &owned, &key, &network.stake_mint, bond);
            let destination = harness.fund(&owned, &mint, 0);
            let register = rewards::register_owner(&payer, &key, &owned, &destination);
            harness.send(&[post, register], &[owner]).expect("owner");
            payees.push(registered(harness, &key, PayeeKind::Owner, owned));
            for _ in 0..2 {
                let device = network.device(harness, &maker, owner, Curve::Ed25519, 0);
                devices.push((number, device));
            }
        }
        for operator in operators {
            let owned = operator.key.pubkey();
            let destination = harness.fund(&owned, &mint, 0);
            let register =
                rewards::register_operator(&payer, &key, &owned, &operator.pool, &destination);
            harness.send(&[register], &[&operator.key]).expect("payee");
            payees.push(registered(
                harness,
                &key,
                PayeeKind::Operator,
                operator.pool,
            ));
        }
        Site {
            network,
            devices,
            payees,
        }
    }
}

fn registered(harness: &Harness, network: &Pubkey, kind: PayeeKind, key: Pubkey) -> Registered {
    let account = rewards::payee(network, kind, &key);
    let state: Payee = harness.read(&account);
    Registered {
        kind: state.kind,
        index: state.index,
        account,
        key,
        destination: state.destination,
    }
}

impl<'a> World<'a> {
    /// A copy of the base.
    pub fn new(base: &'a Base) -> Self {
        let harness = Harness {
            chain: base.chain.clone(),
            payer: base.payer.insecure_clone(),
        };
        let sites = base.sites.len();
        Self {
            base,
            harness,
            streams: (0..sites)
                .map(|_| base.operators.iter().map(|_| Stream::default()).collect())
                .collect(),
            drafts: vec![Vec::new(); sites],
            finals: vec![None; sites],
            ledger: Ledger::default(),
            instructions: 0,
        }
    }

    /// The payer of all fees and rents.
    pub fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    /// The present epoch, the same in both networks.
    pub fn epoch(&self) -> u64 {
        ((self.harness.now() - START) / EPOCH) as u64
    }

    /// Sends one instruction of ours, after those of precompiles, and checks the books. Whether it passed.
    ///
    /// # Errors
    /// What is wrong with the books.
    pub fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<bool, String> {
        let (chain, payer) = (&self.harness.chain, &self.harness.payer);
        let sent = transaction::sign(chain, instructions, payer, signers, &[], Limits::MOST)
            .and_then(|prepared| transaction::land(chain, &prepared));
        let passed = match sent {
            Ok(_) => true,
            Err(ClientError::Refused(_)) => false,
            Err(error) => return Err(format!("not an answer of a program: {error}")),
        };
        self.check()?;
        self.instructions += 1;
        Ok(passed)
    }

    /// Checks the books.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&mut self) -> Result<(), String> {
        let mut ledger = std::mem::take(&mut self.ledger);
        let checked = ledger.check(self);
        self.ledger = ledger;
        checked
    }
}
