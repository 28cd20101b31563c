//! A network on the compiled programs, and what people do in it. Whoever acts pays its own fees, rents, bonds and stakes.

mod demand;
mod epochs;
mod operators;

use super::parameters::{Parameters, Shock, TOKEN};
use super::scores;
use ai_feed::instructions::{CreateFeedArgs, SubmitAttestationArgs, WindowArgs};
use ai_feed::state::{Attestation, BY_COMMITTEE};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{ensure, Context, Result};
use commitment::{BatchLeaf, CommitmentLeaf, MmrBuilder, SumTree, Tree};
use data_commitment::instructions::{CommitRootArgs, VerifyBatchArgs};
use device_protocol::{
    feed_id, network_id, Curve, Hash, InputSpec, Possession, VoteMessage, Voucher,
};
use device_registry::events::DeviceRegistered;
use device_registry::state::network::{CREDITS, DEVELOPMENT_KEYS, SELF_SIGNED_MAKERS};
use device_registry::state::Parameters as Terms;
use device_registry::{CreateNetworkArgs, RegisterDeviceArgs};
use fieldproof_client::ai_feed::{self as feeds, Attested, Attesting, Challenging};
use fieldproof_client::chain::{Chain, Execution, LocalChain};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{ProvenLeaf, Reporter};
use fieldproof_client::reward_emission::{self as rewards, ClaimAccounts, VoteReference};
use fieldproof_client::transaction::{self, Limits};
use fieldproof_client::{credits, data_commitment as streams, device_registry as registry};
use fieldproof_client::{precompile, security_pool as pools, token, ClientError};
use fieldproof_worker::payload::Rewards;
use fieldproof_worker::score::{self, Committed, Granted, Payee, OPERATOR, OWNER};
use inference::{Header, ModelRef, BIASES, SHIFTS, WEIGHTS};
use reward_emission::instructions::{CreateEmissionArgs, ProposeRootArgs};
use reward_emission::state::{Emission, PayeeKind, Proposal, Schedule, FINAL};
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{Bond, Committee, Delegation, Pool, Roster, RosterTerms};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use tests::fixture::{self, Network, Operator};
use tests::{Harness, START};

/// The first epoch in which operators have seats, and that is played.
pub const FIRST: u64 = 2;
/// Epochs that are played.
pub const EPOCHS: u64 = 12;
/// The epoch in which what happens once happens; if there is a price shock, prices are others from here on.
pub const HALFWAY: u64 = FIRST + EPOCHS / 2;
/// Lamports that everybody has at first.
const PURSE: u64 = 1_000_000_000_000;
/// Stake tokens that everybody has at first, base units.
const STAKES: u64 = 1_000_000 * TOKEN;
/// Reward tokens in circulation at first, base units.
const SUPPLY: u64 = 1_000_000_000 * TOKEN;
/// Seconds of a ballot.
const BALLOT: i64 = 3_600;
/// Seconds in which roots can be challenged.
const ROOT_WINDOW: i64 = 3_600;
/// Seconds of a round.
const ROUND: i64 = 3_600;
/// Seconds in which an attestation can be challenged.
const OUTPUT_WINDOW: i64 = 4 * ROUND;
/// Cells of H3, resolution 7, that are measured in from the start.
pub const CELLS: [u64; 3] = [
    0x0872_a107_1eff_ffff,
    0x0872_a103_b1ff_ffff,
    0x0872_a100_f5ff_ffff,
];
/// Cells that nobody measures in.
pub const EMPTY_CELLS: [u64; 4] = [
    0x0872_a107_1dff_ffff,
    0x0872_a107_1cff_ffff,
    0x0872_a107_1bff_ffff,
    0x0872_a107_1aff_ffff,
];

/// Somebody with a purse.
pub struct Party {
    /// Pays, owns and is paid.
    pub key: Keypair,
    /// Another key of the same party that pays too: an operator's hot key.
    pub hot: Option<Keypair>,
    /// What was spent off the chain, USD.
    pub spent: Cell<f64>,
    /// What its stake and bonds would have earned elsewhere, USD.
    pub capital: Cell<f64>,
    /// What rewards were worth when they were claimed, USD, by epoch played.
    pub earned: Vec<f64>,
    claimed: u64,
}

/// An operator in its seat.
pub struct Seat {
    /// Who runs it.
    pub party: usize,
    /// Its pool and stream.
    pub operator: Operator,
    /// What it committed to.
    pub mmr: MmrBuilder,
    /// Its commitments, each to one batch.
    pub leaves: Vec<(CommitmentLeaf, BatchLeaf)>,
}

/// A registered device.
pub struct Device {
    /// Its owner.
    pub party: usize,
    /// Its key.
    pub signer: DeviceSigner,
    /// Its leaf.
    pub registered: DeviceRegistered,
    /// Whether it measures; a fake is a key that says something all the same.
    pub real: bool,
    /// Whether it says anything.
    pub on: bool,
    /// The feed that it serves.
    pub feed: usize,
}

/// What an epoch came to.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Figures {
    /// The epoch.
    pub epoch: u64,
    /// What was granted for it, reward tokens.
    pub emitted: f64,
    /// Cells in which devices of three owners and three makers measure, of those with devices.
    pub covered: f64,
}

/// A committed batch of one window, of which the model gives `output`.
#[derive(Clone)]
pub struct Batch {
    /// Its leaf.
    pub leaf: BatchLeaf,
    /// Its window.
    pub window: WindowArgs,
    /// What the model gives.
    pub output: u8,
}

/// Both trees of an epoch, and what is in them.
#[derive(Clone)]
pub struct Trees {
    /// Entries of both.
    pub rewards: Rewards,
    /// Of scores.
    pub scores: SumTree,
    /// Of grants.
    pub grants: SumTree,
}

impl Trees {
    /// The trees of these entries.
    ///
    /// # Errors
    /// Entries that share a place.
    pub fn new(rewards: Rewards) -> Result<Self> {
        let (scores, grants) = score::trees(&rewards)?;
        Ok(Self {
            rewards,
            scores,
            grants,
        })
    }
}

/// The network and its people.
pub struct World {
    /// The chain.
    pub harness: Harness,
    /// What it costs.
    pub parameters: Parameters,
    /// The network.
    pub network: Network,
    /// Everybody.
    pub parties: Vec<Party>,
    /// Operators, in the order of the committee's seats.
    pub seats: Vec<Seat>,
    /// Makers, the honest ones first.
    pub makers: Vec<fixture::Maker>,
    /// Who runs them.
    pub maker_parties: Vec<usize>,
    /// All devices.
    pub devices: Vec<Device>,
    /// What was committed, as scores see it.
    pub windows: Vec<Committed>,
    /// Devices and pools that were slashed, and when.
    pub slashed: BTreeMap<Hash, BTreeSet<u64>>,
    /// By epoch played.
    pub figures: Vec<Figures>,
    /// The last final trees.
    pub last: Option<Trees>,
    /// What happens to prices halfway.
    pub shock: Shock,
    /// Whether it has happened.
    pub shocked: bool,
    /// Who pays for the second feed in each epoch.
    pub washes: Option<usize>,
    feeds: Vec<(Pubkey, Hash)>,
    oracle: Pubkey,
    model: Hash,
    payees: Vec<(Payee, usize)>,
    bonds: Vec<(usize, i64)>,
    returning: Vec<usize>,
    proposals: Vec<(Pubkey, Pubkey)>,
    attestations: Vec<(Pubkey, Pubkey)>,
    keys: u64,
    seed: u64,
}

/// The chain with its programs, from which worlds start.
pub fn base() -> LocalChain {
    Harness::new().chain
}

fn model() -> inference::Model {
    inference::Model {
        header: Header {
            version: Header::VERSION,
            shape: Header::SHAPE,
            shifts: SHIFTS,
            schema: 3,
            value_index: 0,
            level_offset: 0,
            level_gain: 1,
            delta_gain: 1,
            output_offset: 0,
            output_step: 10,
            exponent: -1,
        },
        weights: std::array::from_fn::<i8, WEIGHTS, _>(|place| (place % 29) as i8 - 9),
        biases: [5_000; BIASES],
    }
}

impl World {
    /// A network with four operators that have seats and, an hour before they do, six owners with a device in each of three
    /// cells, of three makers.
    ///
    /// # Errors
    /// Whatever the programs refuse.
    pub fn new(base: &LocalChain, parameters: Parameters, shock: Shock, seed: u64) -> Result<Self> {
        let mut keys = 0;
        let mut key = || {
            keys += 1;
            numbered(seed, keys)
        };
        let harness = Harness {
            chain: base.clone(),
            payer: key(),
        };
        let payer = harness.payer.pubkey();
        harness.chain.airdrop(&payer, PURSE);
        let (reward_mint, stake_mint) = (harness.mint(), harness.mint());
        let genesis_hash = harness.chain.genesis_hash()?.to_bytes();
        let id = network_id(
            &device_registry::ID.to_bytes(),
            &genesis_hash,
            &payer.to_bytes(),
            0,
        );
        let args = CreateNetworkArgs {
            id,
            nonce: 0,
            genesis_hash,
            genesis: START,
            epoch_length: parameters.epoch,
            timelock: 3_600,
            flags: DEVELOPMENT_KEYS | SELF_SIGNED_MAKERS | CREDITS,
            parameters: Terms {
                device_bond: parameters.device_bond,
                evidence_window: parameters.evidence_window,
                answer_window: parameters.evidence_window / 3,
                challenge_bond: parameters.challenge_bond,
                max_speed: 340,
                tier_discount_bps: parameters.tier_discount_bps,
                withheld_slash_bps: parameters.withheld_slash_bps,
                _pad: 0,
            },
        };
        let network = registry::network(&id);
        let terms = RosterTerms {
            slashers: pools::slashers(),
            slash_cap_bps: 5_000,
            minimum_allocation: TOKEN,
            max_leverage_bps: 10_000,
            bounty_bps: parameters.bounty_bps,
            insurance_bps: parameters.insurance_bps,
        };
        let emission = CreateEmissionArgs {
            operators_bps: parameters.operators_bps,
            root_slash_bps: parameters.root_slash_bps,
            floor_bps: parameters.floor_bps,
            schedule: Schedule::new(parameters.budget, parameters.budget, 0, 100_000)?,
            challenge_window: ROOT_WINDOW,
            ballot_length: BALLOT,
            breaker_window: parameters.epoch,
            breaker_limit: u64::MAX,
            scoring: scores::SCORING,
        };
        harness.send(
            &[
                registry::create_network(&payer, &payer, &reward_mint, &stake_mint, args),
                pools::create_roster(&payer, &payer, &network, &stake_mint, terms),
            ],
            &[],
        )?;
        let create =
            rewards::create_emission(&payer, &network, &payer, &reward_mint, &payer, emission);
        harness.send(&[create], &[])?;
        let network = Network {
            id,
            key: network,
            reward_mint,
            stake_mint,
            tree: Network::add_tree(&harness, &network, 20, 10),
        };

        let bytes = model().to_bytes();
        let parsed = ModelRef::parse(&bytes).context("the model does not parse")?;
        let model = inference::model_hash(&parsed, poseidon)
            .ok()
            .context("the model has no hash")?;
        let register = feeds::register_model(&payer, model, bytes.to_vec());
        harness.send(&[register], &[])?;
        let mut world = Self {
            harness,
            parameters,
            network,
            parties: Vec::new(),
            seats: Vec::new(),
            makers: Vec::new(),
            maker_parties: Vec::new(),
            devices: Vec::new(),
            windows: Vec::new(),
            slashed: BTreeMap::new(),
            figures: Vec::new(),
            last: None,
            feeds: Vec::new(),
            oracle: key().pubkey(),
            shock,
            shocked: false,
            washes: None,
            model,
            payees: Vec::new(),
            bonds: Vec::new(),
            returning: Vec::new(),
            proposals: Vec::new(),
            attestations: Vec::new(),
            keys,
            seed,
        };
        world.circulate();
        world.charge()?;
        for max_gap in [3_600, 3_000] {
            world.open_feed(max_gap)?;
        }
        for _ in 0..4 {
            world.seat()?;
        }
        for _ in 0..3 {
            world.maker(1)?;
        }
        world.to_epoch(FIRST, -3_600);
        for owner in 0..6 {
            let party = world.owner(&[1, 1, 1])?;
            for cell in &CELLS {
                world.device(party, owner % 3, 1, *cell, true)?;
            }
        }
        Ok(world)
    }

    fn key(&mut self) -> Keypair {
        self.keys += 1;
        numbered(self.seed, self.keys)
    }

    /// Sets the clock to some seconds after an epoch's start.
    pub fn to_epoch(&self, epoch: u64, seconds: i64) {
        let start = START + epoch as i64 * self.parameters.epoch;
        self.harness.chain.set_time(start + seconds);
    }

    /// The present epoch.
    pub fn epoch(&self) -> u64 {
        ((self.harness.now() - START) / self.parameters.epoch) as u64
    }

    /// Somebody new, with a purse.
    ///
    /// # Errors
    /// The chain's.
    pub fn party(&mut self) -> Result<usize> {
        let key = self.key();
        let owner = key.pubkey();
        self.harness.chain.airdrop(&owner, PURSE);
        let mints = [self.network.stake_mint, self.network.reward_mint];
        let create = mints.map(|mint| token::create_associated(&owner, &owner, &mint));
        self.send(&key, &create, &[])?;
        self.harness.fund(&owner, &self.network.stake_mint, STAKES);
        self.parties.push(Party {
            key,
            hot: None,
            spent: Cell::new(0.0),
            capital: Cell::new(0.0),
            earned: Vec::new(),
            claimed: 0,
        });
        Ok(self.parties.len() - 1)
    }

    /// Books what a party spends off the chain, USD.
    pub fn spend(&self, party: usize, usd: f64) {
        let spent = &self.parties[party].spent;
        spent.set(spent.get() + usd);
    }

    /// Books what `amount` base units of stake, held from one time to another (unix seconds), would have earned a party
    /// elsewhere.
    fn hold(&self, party: usize, amount: u64, from: i64, until: i64) {
        let shock = START + HALFWAY as i64 * self.parameters.epoch;
        let before = shock.clamp(from, until) - from;
        let after = until - from - before;
        let capital = &self.parties[party].capital;
        capital.set(
            capital.get()
                + self.parameters.capital_usd(amount, before)
                + self.parameters.capital_usd(amount, after) * self.shock.stake,
        );
    }

    /// What a reward token is worth now, USD.
    fn reward_usd(&self) -> f64 {
        let factor = if self.shocked { self.shock.reward } else { 1.0 };
        self.parameters.reward_usd * factor
    }

    /// Sends a transaction that `payer` pays.
    ///
    /// # Errors
    /// The program's.
    pub fn send(
        &self,
        payer: &Keypair,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        let chain = &self.harness.chain;
        let prepared = transaction::sign(chain, instructions, payer, signers, &[], Limits::MOST)?;
        transaction::land(chain, &prepared)
    }

    /// A maker, which may vouch up to `max_tier`.
    ///
    /// # Errors
    /// The programs'.
    pub fn maker(&mut self, max_tier: u8) -> Result<usize> {
        let party = self.party()?;
        let key = self.parties[party].key.insecure_clone();
        self.approve(&key, max_tier)?;
        self.makers.push(fixture::Maker {
            key,
            next: 0.into(),
        });
        self.maker_parties.push(party);
        Ok(self.makers.len() - 1)
    }

    /// Approves a key as a maker, which pays for it.
    fn approve(&self, key: &Keypair, max_tier: u8) -> Result<()> {
        let (network, authority) = (self.network.key, &self.harness.payer);
        let grant = registry::MakerGrant {
            key: key.pubkey(),
            quota: 1_000,
            max_tier,
        };
        let approve = registry::approve_maker(&key.pubkey(), &network, &authority.pubkey(), grant);
        let open = registry::open_voucher_page(&key.pubkey(), &network, &key.pubkey(), 0);
        self.send(key, &[approve, open], &[authority])
            .context("maker")?;
        Ok(())
    }

    /// An owner that vouches for its own devices.
    ///
    /// # Errors
    /// The programs'.
    pub fn self_maker(&mut self, party: usize) -> Result<usize> {
        let key = self.parties[party].key.insecure_clone();
        self.approve(&key, 0)?;
        self.makers.push(fixture::Maker {
            key,
            next: 0.into(),
        });
        self.maker_parties.push(party);
        Ok(self.makers.len() - 1)
    }

    /// An owner with bonds for devices of these tiers, who is to be paid.
    ///
    /// # Errors
    /// The programs'.
    pub fn owner(&mut self, tiers: &[u8]) -> Result<usize> {
        let party = self.party()?;
        let bond = tiers
            .iter()
            .map(|tier| self.parameters.bond_of(*tier))
            .sum();
        self.post_bond(party, bond)?;
        let key = &self.parties[party].key;
        let owner = key.pubkey();
        let destination = token::associated(&owner, &self.network.reward_mint);
        let register = rewards::register_owner(&owner, &self.network.key, &owner, &destination);
        self.send(key, &[register], &[]).context("payee")?;
        self.payee(party, OWNER, owner);
        Ok(party)
    }

    /// Puts up a bond.
    ///
    /// # Errors
    /// The program's.
    pub fn post_bond(&mut self, party: usize, amount: u64) -> Result<()> {
        let key = &self.parties[party].key;
        let owner = key.pubkey();
        let Network {
            key: network,
            stake_mint,
            ..
        } = &self.network;
        let post = pools::post_bond(&owner, &owner, network, stake_mint, amount);
        self.send(key, &[post], &[]).context("bond")?;
        self.bonds.push((party, self.harness.now()));
        Ok(())
    }

    /// A device with a new key.
    ///
    /// # Errors
    /// The program's.
    pub fn device(
        &mut self,
        party: usize,
        maker: usize,
        tier: u8,
        cell: u64,
        real: bool,
    ) -> Result<usize> {
        let seed = *self.key().secret_bytes();
        let signer = DeviceSigner::from_seed(Curve::Ed25519, &seed)
            .ok()
            .context("a device's key")?;
        self.register(party, maker, (tier, cell), signer, real)
    }

    /// Registers a device, whose key may be registered already.
    ///
    /// # Errors
    /// The program's.
    pub fn register(
        &mut self,
        party: usize,
        maker: usize,
        (tier, cell): (u8, u64),
        signer: DeviceSigner,
        real: bool,
    ) -> Result<usize> {
        let key = &self.parties[party].key;
        let owner = key.pubkey();
        let maker = &self.makers[maker];
        self.buy(&owner, self.parameters.registration_usd)?;
        let [possession, voucher, register] =
            self.registration(maker, &owner, &signer, tier, cell)?;
        let register = credits::charge(register, &self.network.key, self.epoch(), &owner);
        let registration = [possession, voucher, register];
        let done = self.send(key, &registration, &[]).context("registration")?;
        let registered = registry::registrations(&done).pop().context("an event")?;
        if !real {
            self.spend(party, self.parameters.registration_usd);
        }
        self.devices.push(Device {
            party,
            signer,
            registered,
            real,
            on: true,
            feed: 0,
        });
        Ok(self.devices.len() - 1)
    }

    /// The device's signature, the maker's, and the registration by `owner`, with the maker's next number.
    fn registration(
        &self,
        maker: &fixture::Maker,
        owner: &Pubkey,
        signer: &DeviceSigner,
        tier: u8,
        cell: u64,
    ) -> Result<[Instruction; 3]> {
        let (key, network) = (signer.device_key(), self.network.id);
        let number = maker.next.replace(maker.next.get() + 1);
        let serial_hash = [7; 32];
        let possession = Possession {
            network,
            owner: owner.to_bytes(),
            key,
            nonce: number,
        }
        .digest();
        let voucher = Voucher {
            network,
            maker: maker.key.pubkey().to_bytes(),
            number,
            device: key.id(),
            tier,
            serial_hash,
        }
        .digest();
        let possessed = precompile::ed25519(&[precompile::Entry {
            public_key: key.as_bytes(),
            message: &possession,
            signature: &signer.sign(&possession),
        }])?;
        let vouched = precompile::ed25519(&[precompile::Entry {
            public_key: maker.key.pubkey().as_ref(),
            message: &voucher,
            signature: maker.key.sign_message(&voucher).as_array(),
        }])?;
        let place = registry::Registration {
            network: self.network.key,
            maker: maker.key.pubkey(),
            tree: self.network.tree,
            owner: *owner,
        };
        let args = RegisterDeviceArgs {
            curve: key.curve as u8,
            key: key.bytes,
            number,
            tier,
            serial_hash,
            cell,
            possession_instruction: 0,
            possession_index: 0,
            voucher_instruction: 1,
            voucher_index: 0,
        };
        Ok([possessed, vouched, registry::register_device(place, args)])
    }

    /// A device's leaf, proven.
    ///
    /// # Errors
    /// The chain's.
    pub fn leaf(&self, device: usize) -> Result<ProvenLeaf> {
        let (chain, tree) = (&self.harness.chain, self.network.tree);
        let index = self.devices[device].registered.index;
        let mut follower = Follower::new(chain, tree)?;
        let registry = follower.catch_up(chain)?;
        Ok(ProvenLeaf {
            tree,
            tree_index: 0,
            leaf: registry.leaves()[index as usize],
            place: registry.place(index).context("a place")?,
        })
    }

    /// Somebody who reports, pays and is paid.
    pub fn reporter(&self, party: usize) -> Reporter {
        let payer = self.parties[party].key.pubkey();
        Reporter {
            payer,
            bounty: token::associated(&payer, &self.network.stake_mint),
            network: self.network.key,
            network_id: self.network.id,
            stake_mint: self.network.stake_mint,
        }
    }
}

/// The key with this number in a run with this seed.
fn numbered(seed: u64, number: u64) -> Keypair {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    Keypair::new_from_array(bytes)
}
