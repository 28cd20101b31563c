//! What sequences act on: two networks on one stake mint, of which the second charges credits, three pools that secure both,
//! delegators, owners with devices, bonds and credits, feeds and emissions. It is made once; each sequence gets a copy.

use super::book::Book;
use super::ledger::Ledger;
use crate::fixture::{Maker, Network, Operator, EPOCH, EVEN_SCORING, TOKEN};
use crate::oracle::{put_price, terms, ANSWERS, DOLLAR};
use crate::{Harness, START};
use ai_feed::instructions::{CreateFeedArgs, WindowArgs};
use ai_feed::state::BY_TIME;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::sum::score_leaf;
use commitment::{reward_leaf, BatchLeaf, CommitmentLeaf, MmrBuilder, SumNode, SumTree, Tree};
use data_commitment::instructions::VerifyBatchArgs;
use data_commitment::state::Challenge;
use device_protocol::{feed_id, Curve, InputSpec, SignedReading};
use device_registry::state::network::{CREDITS, DEVELOPMENT_KEYS};
use fieldproof_client::chain::{Chain, Execution, LocalChain};
use fieldproof_client::credits::{self, Purchase};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::transaction::{self, Limits};
use fieldproof_client::{ai_feed as feeds, device_registry as registry};
use fieldproof_client::{data_commitment as streams, reward_emission as rewards};
use fieldproof_client::{security_pool as pools, ClientError};
use inference::ModelRef;
use reward_emission::instructions::CreateEmissionArgs;
use reward_emission::state::{Payee, PayeeKind, Schedule};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::cell::Cell;

/// The model of the feeds.
pub const MODEL: &[u8] = include_bytes!("../../../app/trainer/models/temperature.model");
/// What an epoch emits at most, base units.
pub const BUDGET: u64 = 1_000_003;
/// By site: what it emits at least, basis points of that.
const FLOORS_BPS: [u16; 2] = [5_000, 2_000];
/// Base units that were burned for each owner's credits in each network.
const ENDOWMENT: u64 = 5_000_001;
/// What a token costs at first, cents.
const CENTS: u64 = 200;
/// Credits that a device and a feed cost at first.
const FEES: [u64; 2] = [1_000, 3_333];
/// Devices of each owner in each network.
const DEVICES: usize = 2;
/// Seconds of a feed's round.
pub const ROUND: i64 = 60;
/// Seconds in which an attestation can be challenged.
pub const ATTESTATION_WINDOW: i64 = 600;
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

/// A payee.
#[derive(Clone, Copy)]
pub struct Registered {
    pub kind: u8,
    pub index: u32,
    pub account: Pubkey,
    pub key: Pubkey,
}

/// A token account of rewards, and who spends from it.
pub struct Purse {
    pub key: Keypair,
    pub account: Pubkey,
}

/// A device with one of its leaves.
#[derive(Clone)]
pub struct Device {
    /// The owner's number.
    pub owner: usize,
    pub signer: DeviceSigner,
    /// Of the leaf.
    pub index: u32,
}

/// A network with its devices and payees.
pub struct Site {
    pub network: Network,
    /// Whether devices cost credits.
    pub charges: bool,
    pub maker: Keypair,
    /// By owner: two devices.
    pub devices: Vec<Device>,
    pub payees: Vec<Registered>,
    /// By payee: where it may be paid, at first to the first.
    pub purses: Vec<[Purse; 2]>,
    /// What tells the reward token's price.
    pub oracle: Pubkey,
    /// A feed whose attestations pass by time.
    pub feed: Pubkey,
}

/// What never changes in any sequence.
pub struct Base {
    chain: LocalChain,
    payer: Keypair,
    pub stake_mint: Pubkey,
    pub sites: Vec<Site>,
    pub operators: Vec<Operator>,
    /// Everybody who delegates: two delegators, the operators, the owners.
    pub delegators: Vec<Keypair>,
    pub owners: Vec<Keypair>,
    /// Who reports and challenges.
    pub challenger: Keypair,
    /// Whom insurance is paid to.
    pub harmed: Pubkey,
    /// Rent of a challenge, lamports.
    pub challenge_rent: u64,
    /// By site.
    books: Vec<Book>,
    /// The model of the feeds.
    pub model: Pubkey,
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

impl Stream {
    /// That one of its commitments holds its batch.
    pub fn proof(&self, committed: &Committed) -> VerifyBatchArgs {
        let tree = Tree::of_batches(&[committed.batch.hash()]).expect("tree");
        VerifyBatchArgs {
            commitment: committed.leaf.into(),
            mmr_path: self.mmr.path(committed.leaf.sequence).expect("path"),
            batch_index: 0,
            batch: committed.batch.into(),
            batch_path: tree.path(0).expect("path"),
        }
    }
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

/// An attestation on a batch of one window.
#[derive(Clone)]
pub struct Attested {
    pub site: usize,
    pub operator: usize,
    pub key: Pubkey,
    pub round: u64,
    pub window: WindowArgs,
    /// Whether it attests what the model does not give.
    pub wrong: bool,
    /// Whether that was shown.
    pub refuted: bool,
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
    /// By site: the base's devices, and those that were registered since.
    pub devices: Vec<Vec<Device>>,
    /// By site: the next number of the maker's vouchers.
    vouchers: Vec<u64>,
    /// By operator: whoever operates its pool now.
    pub keys: Vec<Keypair>,
    /// The operators' pools, and those that were created since.
    pub pools: Vec<Pubkey>,
    /// Those that were not closed.
    pub attested: Vec<Attested>,
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
        let mints = [harness.mint(), stake_mint];
        let second = Network::of_flags(&harness, 1, mints, 500, DEVELOPMENT_KEYS | CREDITS);
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
                    pools::delegate(&payer, &owner, &pool, &stake_mint, stake, 1, u64::MAX),
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
        delegators.extend(owners.iter().map(Keypair::insecure_clone));
        let model = ModelRef::parse(MODEL).expect("model");
        let model = inference::model_hash(&model, poseidon).expect("hash");
        let register = feeds::register_model(&payer, model, MODEL.to_vec());
        harness.send(&[register], &[]).expect("model");
        let (sites, books) = [(first, false), (second, true)]
            .into_iter()
            .zip(FLOORS_BPS)
            .map(|((network, charges), floor_bps)| {
                let founding = Founding {
                    harness: &harness,
                    operators: &operators,
                    owners: &owners,
                    model,
                    charges,
                    floor_bps,
                };
                founding.site(network)
            })
            .unzip();
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
            books,
            model: feeds::model(&model),
        }
    }
}

/// What a site is made of.
struct Founding<'a> {
    harness: &'a Harness,
    operators: &'a [Operator],
    owners: &'a [Keypair],
    model: [u8; 32],
    charges: bool,
    floor_bps: u16,
}

impl Founding<'_> {
    /// Pricing, and credits for each owner, bought with tokens that are in circulation before anybody is paid; their oracle.
    fn endow(&self, network: &Network, book: &mut Book) -> Pubkey {
        let (harness, payer) = (self.harness, self.harness.payer.pubkey());
        let (key, mint) = (network.key, network.reward_mint);
        let now = harness.now();
        let [device, feed] = FEES;
        let oracle = Keypair::new().pubkey();
        put_price(harness, &oracle, price(CENTS));
        let terms = terms(&oracle, device, feed);
        let set = credits::set_pricing(&payer, &payer, &key, &mint, terms);
        let open = credits::open_epoch(&payer, &key, 0);
        harness.send(&[set, open], &[]).expect("pricing");
        book.set_fee(device, now, now);
        book.open(0);
        let buyer = harness.key();
        for owner in self.owners {
            let purchase = Purchase {
                payer,
                network: key,
                reward_mint: mint,
                oracle,
                owner: owner.pubkey(),
                source: harness.circulate(&buyer.pubkey(), &mint, ENDOWMENT),
                buyer: buyer.pubkey(),
            };
            let buy = credits::buy_credits(&purchase, ENDOWMENT, 1);
            harness.send(&[buy], &[&buyer]).expect("credits");
            book.endowed += ENDOWMENT;
            book.buy(owner.pubkey(), ENDOWMENT, CENTS);
        }
        oracle
    }

    /// A feed of the first owner.
    fn feed(&self, network: &Network, book: &mut Book) -> Pubkey {
        let creator = &self.owners[0];
        let (owner, payer) = (creator.pubkey(), self.harness.payer.pubkey());
        let input = InputSpec {
            schema: 1,
            max_gap_s: 3_600,
            cells: &[],
        };
        let bytes = owner.to_bytes();
        let id = feed_id(&network.id, &bytes, &self.model, &input, 0, ROUND).expect("id");
        let args = CreateFeedArgs {
            id,
            schema: 1,
            max_gap: 3_600,
            cells: Vec::new(),
            aggregation: 0,
            round_length: ROUND,
            required_mask: BY_TIME,
            min_signers: 1,
            min_streams: 1,
            grace: ATTESTATION_WINDOW,
            challenge_window: ATTESTATION_WINDOW,
            bond: 3 * TOKEN,
            slash_bps: 1_000,
        };
        let mut create = feeds::create_feed(&payer, &owner, &network.key, &self.model, args);
        if self.charges {
            create = credits::charge(create, &network.key, 0, &owner);
            book.spend(&owner, 0, FEES[1]);
        }
        self.harness.send(&[create], &[creator]).expect("feed");
        for operator in self.operators {
            let open = feeds::open_bonds(&payer, &network.key, &operator.pool);
            self.harness.send(&[open], &[]).expect("bonds");
        }
        feeds::feed(&id)
    }

    fn site(&self, network: Network) -> (Site, Book) {
        let Self {
            harness,
            operators,
            owners,
            charges,
            floor_bps,
            ..
        } = *self;
        let payer = harness.payer.pubkey();
        let (key, mint) = (network.key, network.reward_mint);
        let floor = u128::from(BUDGET) * u128::from(floor_bps) / 10_000;
        let mut book = Book::new(floor as u64);
        let args = CreateEmissionArgs {
            operators_bps: OPERATORS_BPS,
            root_slash_bps: 1_000,
            floor_bps,
            schedule: Schedule::new(BUDGET, BUDGET, 0, 100_000).expect("schedule"),
            challenge_window: CHALLENGE_WINDOW,
            ballot_length: BALLOT,
            breaker_window: EPOCH,
            breaker_limit: BUDGET / 2,
            scoring: EVEN_SCORING,
        };
        let create = rewards::create_emission(&payer, &key, &payer, &mint, &payer, args);
        harness.send(&[create], &[]).expect("emission");
        let oracle = self.endow(&network, &mut book);
        let feed = self.feed(&network, &mut book);
        let maker = network.maker(harness);
        let vouches = maker.key.pubkey();
        harness.fund(&vouches, &network.stake_mint, 40 * TOKEN);
        let post = pools::post_bond(&payer, &vouches, &key, &network.stake_mint, 40 * TOKEN);
        harness.send(&[post], &[&maker.key]).expect("bond");
        let mut devices = Vec::new();
        let mut payees = Vec::new();
        let mut purses = Vec::new();
        let purse = |key: &Keypair| Purse {
            key: key.insecure_clone(),
            account: harness.fund(&key.pubkey(), &mint, 0),
        };
        for (number, owner) in owners.iter().enumerate() {
            let bond = 40 * TOKEN;
            let owned = owner.pubkey();
            let post = pools::post_bond(&payer, &owned, &key, &network.stake_mint, bond);
            let own = [purse(owner), purse(&harness.key())];
            let register = rewards::register_owner(&payer, &key, &owned, &own[0].account);
            harness.send(&[post, register], &[owner]).expect("owner");
            payees.push(registered(harness, &key, PayeeKind::Owner, owned));
            purses.push(own);
            for _ in 0..DEVICES {
                let signer = DeviceSigner::generate(Curve::Ed25519);
                let mut register = network.registration(&maker, &owned, &signer, 0);
                if charges {
                    let [_, _, last] = &mut register;
                    *last = credits::charge(last.clone(), &key, 0, &owned);
                    book.spend(&owned, 0, FEES[0]);
                }
                let done = harness.send(&register, &[owner]).expect("device");
                devices.push(Device {
                    owner: number,
                    signer,
                    index: index(&done),
                });
            }
        }
        for operator in operators {
            let owned = operator.key.pubkey();
            let own = [purse(&operator.key), purse(&harness.key())];
            let destination = &own[0].account;
            let register =
                rewards::register_operator(&payer, &key, &owned, &operator.pool, destination);
            harness.send(&[register], &[&operator.key]).expect("payee");
            let kind = PayeeKind::Operator;
            payees.push(registered(harness, &key, kind, operator.pool));
            purses.push(own);
        }
        let site = Site {
            network,
            charges,
            maker: maker.key,
            devices,
            payees,
            purses,
            oracle,
            feed,
        };
        (site, book)
    }
}

/// Five oracles that agree on a price in cents.
pub fn price(cents: u64) -> [i128; ANSWERS] {
    [DOLLAR / 100 * i128::from(cents); ANSWERS]
}

/// The leaf of the device that was registered.
fn index(done: &Execution) -> u32 {
    let registered = registry::registrations(done).pop();
    registered.expect("a registration's event").index
}

fn registered(harness: &Harness, network: &Pubkey, kind: PayeeKind, key: Pubkey) -> Registered {
    let account = rewards::payee(network, kind, &key);
    let state: Payee = harness.read(&account);
    Registered {
        kind: state.kind,
        index: state.index,
        account,
        key,
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
            devices: base.sites.iter().map(|site| site.devices.clone()).collect(),
            vouchers: base
                .sites
                .iter()
                .map(|site| site.devices.len() as u64)
                .collect(),
            keys: base
                .operators
                .iter()
                .map(|operator| operator.key.insecure_clone())
                .collect(),
            pools: base
                .operators
                .iter()
                .map(|operator| operator.pool)
                .collect(),
            attested: Vec::new(),
            ledger: Ledger::new(base.books.clone()),
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
        self.book(instructions, signers, |_| ())
    }

    /// As [`World::send`]; `entry` books what it does, if it passes.
    ///
    /// # Errors
    /// As [`World::send`].
    pub fn book(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
        entry: impl FnOnce(&mut Ledger),
    ) -> Result<bool, String> {
        let answer = self.answer_to(instructions, signers, entry)?;
        Ok(answer.is_ok())
    }

    /// As [`World::book`]; what it did, or with which error a program refused.
    ///
    /// # Errors
    /// As [`World::send`].
    pub fn answer_to(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
        entry: impl FnOnce(&mut Ledger),
    ) -> Result<Result<Execution, u32>, String> {
        let (chain, payer) = (&self.harness.chain, &self.harness.payer);
        let sent = transaction::sign(chain, instructions, payer, signers, &[], Limits::MOST)
            .and_then(|prepared| transaction::land(chain, &prepared));
        let answer = match sent {
            Ok(done) => {
                entry(&mut self.ledger);
                Ok(done)
            }
            Err(ClientError::Refused(failure)) => Err(failure.code),
            Err(error) => return Err(format!("not an answer of a program: {error}")),
        };
        self.check()?;
        self.instructions += 1;
        Ok(answer)
    }

    /// Registers a device by its owner, for credits where that costs some; its leaf, if it passed.
    ///
    /// # Errors
    /// As [`World::send`].
    pub fn register(
        &mut self,
        site: usize,
        owner: usize,
        signer: &DeviceSigner,
    ) -> Result<Option<u32>, String> {
        let base = self.base;
        let at = &base.sites[site];
        let key = &base.owners[owner];
        let maker = Maker {
            key: at.maker.insecure_clone(),
            next: Cell::new(self.vouchers[site]),
        };
        let (owned, epoch) = (key.pubkey(), self.epoch());
        let mut register = at.network.registration(&maker, &owned, signer, 0);
        let [_, _, last] = &mut register;
        if at.charges {
            *last = credits::charge(last.clone(), &at.network.key, epoch, &owned);
        }
        let now = self.harness.now();
        let done = self.answer_to(&register, &[key], |ledger| {
            let book = &mut ledger.books[site];
            let fee = book.fee(now);
            // For nothing, no epoch needs to be open.
            if at.charges && fee > 0 {
                book.spend(&owned, epoch, fee);
            }
        })?;
        let Ok(done) = done else {
            return Ok(None);
        };
        self.vouchers[site] += 1;
        let device = Device {
            owner,
            signer: signer.clone(),
            index: index(&done),
        };
        let leaf = device.index;
        self.devices[site].push(device);
        Ok(Some(leaf))
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
