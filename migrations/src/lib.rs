//! Brings a chain to what a configuration says: mints, network, trees, makers, roster, emission, pricing, verifying keys,
//! models, feeds.
//!
//! Every address follows from the authority and the configuration, so a step that was done is seen to be done: a second
//! run changes nothing, and one that was cut off is completed by the next. What exists and differs from the configuration
//! is an error, never overwritten. Pricing alone may change: a run proposes what the configuration says, for once the
//! network's timelock has passed.

pub mod config;
pub mod deploy;

pub use config::Config;

use ai_feed::instructions::RegisterVerifyingKeyArgs;
use ai_feed::state::{Feed, Model, VerifyingKey, KEY_BYTES, REDUCTION_CIRCOM};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_instruction;
use anchor_spl::token::spl_token;
use anchor_spl::token::Mint;
use credits::Purpose;
use device_protocol::{feed_id, network_id, private_model_id, Hash, InputSpec};
use device_registry::state::{Maker, Network, Parameters, Tree};
use fieldproof_client::chain::{self, Chain, Execution};
use fieldproof_client::credits::{pricing, set_pricing, Till};
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::{ai_feed as feeds, device_registry as registry};
use fieldproof_client::{reward_emission as emissions, security_pool as pools};
use fieldproof_client::{token, transaction, ClientError};
use inference::{Header, ModelRef, WINDOWS};
use reward_emission::instructions::{CreateEmissionArgs, ScoringArgs, TermsArgs};
use reward_emission::state::{Emission, Pricing, Schedule, Terms};
use security_pool::state::{Roster, RosterTerms};
use serde::Serialize;
use sha2::{Digest, Sha256};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::path::{Path, PathBuf};

/// The programs, by the names of their binaries.
pub const PROGRAMS: [&str; 6] = [
    "device_registry",
    "data_commitment",
    "security_pool",
    "ai_feed",
    "reward_emission",
    "parametric_insurance",
];

/// Bytes of a mint's account.
const MINT_BYTES: usize = 82;
/// Domain of the message whose signature makes a tree's key.
const TREE_KEY: &[u8] = b"fieldproof:tree-key:v1";

/// Why a migration stopped. What was done stays done.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The chain, or a program that refused.
    #[error("{step}: {error}")]
    Step {
        /// What was being done.
        step: String,
        /// What it met.
        error: ClientError,
    },
    /// Something exists and is not as the configuration says.
    #[error(
        "{0} exists and differs from the configuration: change the configuration, or use another nonce"
    )]
    Differs(String),
    /// The configuration names something that is none.
    #[error("the configuration's {0}")]
    Config(String),
    /// A model's file can't be used.
    #[error("{0}: {1}")]
    Model(PathBuf, String),
}

/// What a chain holds after a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// The network's id.
    #[serde(serialize_with = "hex")]
    pub network_id: Hash,
    /// The network's address.
    #[serde(serialize_with = "text")]
    pub network: Pubkey,
    /// Mint of rewards.
    #[serde(serialize_with = "text")]
    pub reward_mint: Pubkey,
    /// Mint of stake.
    #[serde(serialize_with = "text")]
    pub stake_mint: Pubkey,
    /// Registry trees, in their order.
    #[serde(serialize_with = "texts")]
    pub trees: Vec<Pubkey>,
    /// Feeds, in the order of the configuration.
    #[serde(serialize_with = "texts")]
    pub feeds: Vec<Pubkey>,
}

/// One step, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub name: String,
    /// The transaction that did it; `None` where it had been done.
    pub signature: Option<String>,
}

struct Migration<'a> {
    chain: &'a dyn Chain,
    authority: &'a Keypair,
    report: &'a mut dyn FnMut(&Step),
}

/// Brings `chain` to what `config` says. `authority` pays, and becomes the authority of everything. Each step is told to
/// `report` when it is done.
///
/// # Errors
/// [`MigrationError`].
pub fn run(
    chain: &dyn Chain,
    authority: &Keypair,
    config: &Config,
    report: &mut dyn FnMut(&Step),
) -> Result<Deployment, MigrationError> {
    let mut migration = Migration {
        chain,
        authority,
        report,
    };
    let reward_mint = migration.mint("reward-mint", config.mints.reward_decimals, config)?;
    let stake_mint = migration.mint("stake-mint", config.mints.stake_decimals, config)?;
    let (network_id, network) = migration.network(config, &reward_mint, &stake_mint)?;
    let trees = migration.trees(config, &network)?;
    migration.makers(config, &network)?;
    migration.roster(config, &network, &stake_mint)?;
    migration.emission(config, &network, &reward_mint)?;
    migration.pricing(config, &network, &reward_mint)?;
    for key in &config.verifying_keys {
        migration.verifying_key(key, &network)?;
    }
    for model in &config.models {
        migration.model(model)?;
    }
    let mut feeds = Vec::new();
    for feed in &config.feeds {
        let model = config.models.iter().find(|model| model.file == feed.model);
        let model = ReadModel::read(&feed.model, model.is_some_and(|model| model.private))?;
        feeds.push(migration.feed(feed, &model, &network_id, &network)?);
    }
    Ok(Deployment {
        network_id,
        network,
        reward_mint,
        stake_mint,
        trees,
        feeds,
    })
}

impl Migration<'_> {
    fn key(&self) -> Pubkey {
        self.authority.pubkey()
    }

    fn send(&mut self, name: &str, instructions: &[Instruction]) -> Result<(), MigrationError> {
        self.send_signed(name, instructions, &[])
    }

    fn send_signed(
        &mut self,
        name: &str,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<(), MigrationError> {
        let done = transaction::send(self.chain, instructions, self.authority, signers)
            .map_err(at(name))?;
        self.sent(name, &done);
        Ok(())
    }

    fn sent(&mut self, name: &str, done: &Execution) {
        (self.report)(&Step {
            name: name.to_owned(),
            signature: Some(done.signature.to_string()),
        });
    }

    fn done(&mut self, name: &str) {
        (self.report)(&Step {
            name: name.to_owned(),
            signature: None,
        });
    }

    /// An address that follows from the authority, the network's nonce and `name`.
    fn derived(
        &self,
        name: &str,
        config: &Config,
        owner: &Pubkey,
    ) -> Result<(String, Pubkey), MigrationError> {
        let seed = format!("{name}-{}", config.network.nonce);
        let address = Pubkey::create_with_seed(&self.key(), &seed, owner)
            .map_err(|_| MigrationError::Config(format!("nonce makes no address for {name}")))?;
        Ok((seed, address))
    }

    fn create(
        &self,
        seed: &str,
        address: &Pubkey,
        bytes: usize,
        owner: &Pubkey,
    ) -> Result<Instruction, MigrationError> {
        let key = self.key();
        let rent = self.chain.rent(bytes).map_err(at(seed))?;
        Ok(system_instruction::create_account_with_seed(
            &key,
            address,
            &key,
            seed,
            rent,
            bytes as u64,
            owner,
        ))
    }

    fn mint(
        &mut self,
        name: &str,
        decimals: u8,
        config: &Config,
    ) -> Result<Pubkey, MigrationError> {
        let (seed, mint) = self.derived(name, config, &token::TOKEN_PROGRAM)?;
        if self.chain.account(&mint).map_err(at(name))?.is_some() {
            let known: Mint = chain::read_borsh(self.chain, &mint).map_err(at(name))?;
            same(known.decimals == decimals, name)?;
            self.done(name);
            return Ok(mint);
        }
        let create = self.create(&seed, &mint, MINT_BYTES, &token::TOKEN_PROGRAM)?;
        let initialize = spl_token::instruction::initialize_mint2(
            &token::TOKEN_PROGRAM,
            &mint,
            &self.key(),
            None,
            decimals,
        )
        .map_err(|error| MigrationError::Config(format!("decimals: {error}")))?;
        self.send(name, &[create, initialize])?;
        Ok(mint)
    }

    fn network(
        &mut self,
        config: &Config,
        reward_mint: &Pubkey,
        stake_mint: &Pubkey,
    ) -> Result<(Hash, Pubkey), MigrationError> {
        let wanted = &config.network;
        let genesis_hash = self.chain.genesis_hash().map_err(at("network"))?.to_bytes();
        let key = self.key();
        let id = network_id(
            &device_registry::ID.to_bytes(),
            &genesis_hash,
            &key.to_bytes(),
            wanted.nonce,
        );
        let address = registry::network(&id);
        let parameters = Parameters {
            device_bond: wanted.device_bond,
            evidence_window: wanted.evidence_window,
            answer_window: wanted.answer_window,
            challenge_bond: wanted.challenge_bond,
            max_speed: wanted.max_speed,
            tier_discount_bps: wanted.tier_discount_bps,
            withheld_slash_bps: wanted.withheld_slash_bps,
            _pad: 0,
        };
        let mut flags = 0;
        if wanted.self_signed_makers {
            flags |= device_registry::state::network::SELF_SIGNED_MAKERS;
        }
        if wanted.development_keys {
            flags |= device_registry::state::network::DEVELOPMENT_KEYS;
        }
        if wanted.credits {
            flags |= device_registry::state::network::CREDITS;
        }
        if let Some(known) = chain::find::<Network>(self.chain, &address).map_err(at("network"))? {
            // Parameters and authority change in a network's life; its identity, time and mints never do.
            same(
                known.genesis == wanted.genesis
                    && known.epoch_length == wanted.epoch_length
                    && known.timelock == wanted.timelock
                    && known.flags == flags
                    && known.reward_mint == *reward_mint
                    && known.stake_mint == *stake_mint,
                "network",
            )?;
            self.done("network");
            return Ok((id, address));
        }
        let args = device_registry::CreateNetworkArgs {
            id,
            nonce: wanted.nonce,
            genesis_hash,
            genesis: wanted.genesis,
            epoch_length: wanted.epoch_length,
            timelock: wanted.timelock,
            flags,
            parameters,
        };
        let create = registry::create_network(&key, &key, reward_mint, stake_mint, args);
        self.send("network", &[create])?;
        Ok((id, address))
    }

    /// The key of the network's tree `number`, which signs when it is added. It follows from the authority's signature,
    /// so that only the authority can find it, and finds it again.
    fn tree_key(&self, network: &Pubkey, number: usize) -> Keypair {
        let message = [TREE_KEY, network.as_ref(), &number.to_le_bytes()].concat();
        let signature = self.authority.sign_message(&message);
        Keypair::new_from_array(Sha256::digest(signature).into())
    }

    fn trees(&mut self, config: &Config, network: &Pubkey) -> Result<Vec<Pubkey>, MigrationError> {
        let mut trees = Vec::new();
        for (number, wanted) in config.trees.iter().enumerate() {
            let name = format!("tree-{number}");
            let key = self.tree_key(network, number);
            let address = key.pubkey();
            trees.push(address);
            let bytes = device_registry::state::tree::size(wanted.depth, wanted.canopy);
            if let Some(known) = chain::find::<Tree>(self.chain, &address).map_err(at(&name))? {
                same(
                    known.network == *network
                        && (known.depth, known.canopy) == (wanted.depth, wanted.canopy),
                    &name,
                )?;
                self.done(&name);
                continue;
            }
            let rent = self.chain.rent(bytes).map_err(at(&name))?;
            let (depth, canopy) = (wanted.depth, wanted.canopy);
            let create = registry::create_tree_account(&self.key(), &address, depth, canopy, rent);
            let add = registry::add_tree(network, &self.key(), &address, depth, canopy);
            self.send_signed(&name, &[create, add], &[&key])?;
        }
        Ok(trees)
    }

    fn makers(&mut self, config: &Config, network: &Pubkey) -> Result<(), MigrationError> {
        for wanted in &config.makers {
            let name = format!("maker {}", wanted.key);
            let key = address("maker", &wanted.key)?;
            let address = registry::maker(network, &key);
            if chain::find::<Maker>(self.chain, &address)
                .map_err(at(&name))?
                .is_some()
            {
                // Quotas are raised and makers revoked in a network's life.
                self.done(&name);
                continue;
            }
            let grant = registry::MakerGrant {
                key,
                quota: wanted.quota,
                max_tier: wanted.max_tier,
            };
            let approve = registry::approve_maker(&self.key(), network, &self.key(), grant);
            self.send(&name, &[approve])?;
        }
        Ok(())
    }

    fn roster(
        &mut self,
        config: &Config,
        network: &Pubkey,
        stake_mint: &Pubkey,
    ) -> Result<(), MigrationError> {
        let wanted = &config.roster;
        let slashers = pools::slashers();
        let address = pools::roster(network);
        if let Some(known) = chain::find::<Roster>(self.chain, &address).map_err(at("roster"))? {
            same(
                known.slashers == slashers
                    && known.slash_cap_bps == wanted.slash_cap_bps
                    && known.minimum_allocation == wanted.minimum_allocation
                    && known.bounty_bps == wanted.bounty_bps
                    && known.insurance_bps == wanted.insurance_bps
                    && known.max_leverage_bps == wanted.max_leverage_bps,
                "roster",
            )?;
            self.done("roster");
            return Ok(());
        }
        let terms = RosterTerms {
            slashers,
            slash_cap_bps: wanted.slash_cap_bps,
            minimum_allocation: wanted.minimum_allocation,
            bounty_bps: wanted.bounty_bps,
            insurance_bps: wanted.insurance_bps,
            max_leverage_bps: wanted.max_leverage_bps,
        };
        let key = self.key();
        let create = pools::create_roster(&key, &key, network, stake_mint, terms);
        self.send("roster", &[create])
    }

    fn emission(
        &mut self,
        config: &Config,
        network: &Pubkey,
        reward_mint: &Pubkey,
    ) -> Result<(), MigrationError> {
        let wanted = &config.emission;
        let schedule = Schedule::new(wanted.initial, wanted.floor, wanted.decay, wanted.end)
            .map_err(|error| MigrationError::Config(format!("emission: {error}")))?;
        let scoring = ScoringArgs::from(&wanted.scoring);
        let address = emissions::emission(network);
        if let Some(known) =
            chain::find::<Emission>(self.chain, &address).map_err(at("emission"))?
        {
            same(
                known.schedule == schedule
                    && known.operators_bps == wanted.operators_bps
                    && known.root_slash_bps == wanted.root_slash_bps
                    && known.floor_bps == wanted.floor_bps
                    && known.challenge_window == wanted.challenge_window
                    && known.ballot_length == wanted.ballot_length
                    && known.breaker.window == wanted.breaker_window
                    && known.breaker.limit == wanted.breaker_limit
                    && known.scoring == scoring.into(),
                "emission",
            )?;
            self.done("emission");
            return Ok(());
        }
        if wanted.floor_bps == 0 {
            return Err(MigrationError::Config(
                "emission would never emit anything: nothing can be burned before something was emitted; use a floor_bps of at least 1"
                    .to_owned(),
            ));
        }
        let args = CreateEmissionArgs {
            operators_bps: wanted.operators_bps,
            root_slash_bps: wanted.root_slash_bps,
            floor_bps: wanted.floor_bps,
            schedule,
            challenge_window: wanted.challenge_window,
            ballot_length: wanted.ballot_length,
            breaker_window: wanted.breaker_window,
            breaker_limit: wanted.breaker_limit,
            scoring,
        };
        let key = self.key();
        let create = emissions::create_emission(&key, network, &key, reward_mint, &key, args);
        self.send("emission", &[create])
    }

    /// Proposes what is not to hold yet. Terms that were proposed are left to their timelock.
    fn pricing(
        &mut self,
        config: &Config,
        network: &Pubkey,
        reward_mint: &Pubkey,
    ) -> Result<(), MigrationError> {
        let name = "pricing";
        let Some(wanted) = &config.pricing else {
            return if config.network.credits {
                Err(MigrationError::Config(
                    "network charges credits, and does not say for what: add [pricing]".to_owned(),
                ))
            } else {
                Ok(())
            };
        };
        let args = TermsArgs {
            format: oracle::Format::from(wanted.format) as u8,
            oracle: address("oracle", &wanted.oracle)?,
            queue: address("queue", &wanted.queue)?,
            jobs: sha256("jobs", &wanted.jobs)?,
            max_age_slots: wanted.max_age_slots,
            max_age_seconds: wanted.max_age_seconds,
            min_oracles: wanted.min_oracles,
            max_deviation_bps: wanted.max_deviation_bps,
            registration: wanted.registration,
            feed: wanted.feed,
        };
        let address = pricing(network);
        let known = chain::find::<Pricing>(self.chain, &address).map_err(at(name))?;
        let last = known.map(|known| (known.next, known.next_oracle));
        if last == Some((Terms::from(args), args.oracle)) {
            self.done(name);
            return Ok(());
        }
        let mint: Mint = chain::read_borsh(self.chain, reward_mint).map_err(at(name))?;
        let costs = wanted.registration > 0 || wanted.feed > 0;
        if config.network.credits && costs && mint.supply == 0 {
            return Err(MigrationError::Config(
                "pricing asks for credits before there is a token to buy them with: begin with registration and feed at 0, and \
                 raise them when the first rewards were paid"
                    .to_owned(),
            ));
        }
        let key = self.key();
        let set = set_pricing(&key, &key, network, reward_mint, args);
        self.send(name, &[set])
    }

    fn verifying_key(
        &mut self,
        wanted: &config::VerifyingKey,
        network: &Pubkey,
    ) -> Result<(), MigrationError> {
        let file = &wanted.file;
        let name = format!("verifying-key {}", file.display());
        let bytes = std::fs::read(file)
            .map_err(|error| MigrationError::Config(format!("{name}: {error}")))?;
        let points = bytes.as_slice().try_into().map_err(|_| {
            MigrationError::Config(format!("{name}: a verifying key has {KEY_BYTES} bytes"))
        })?;
        let hash = VerifyingKey::hash_of(points);
        let circuit = sha256(&name, &wanted.circuit)?;
        let transcript = match &wanted.transcript {
            Some(transcript) => sha256(&name, transcript)?,
            None => [0; 32],
        };
        let address = feeds::verifying_key(network, &hash);
        if let Some(known) = chain::find::<VerifyingKey>(self.chain, &address).map_err(at(&name))? {
            // Keys are revoked in a network's life.
            same(
                (known.circuit, known.transcript) == (circuit, transcript),
                &name,
            )?;
            self.done(&name);
            return Ok(());
        }
        let args = RegisterVerifyingKeyArgs {
            hash,
            shape: Header::SHAPE,
            windows: WINDOWS as u8,
            reduction: REDUCTION_CIRCOM,
            circuit,
            transcript,
            key: bytes,
        };
        let register = feeds::register_verifying_key(&self.key(), &self.key(), network, args);
        self.send(&name, &[register])
    }

    fn model(&mut self, wanted: &config::Model) -> Result<(), MigrationError> {
        let name = format!("model {}", wanted.file.display());
        let model = ReadModel::read(&wanted.file, wanted.private)?;
        if chain::find::<Model>(self.chain, &feeds::model(&model.id))
            .map_err(at(&name))?
            .is_some()
        {
            self.done(&name);
            return Ok(());
        }
        let register = if wanted.private {
            feeds::register_private_model(&self.key(), model.hash, &model.header).1
        } else {
            feeds::register_model(&self.key(), model.hash, model.bytes)
        };
        self.send(&name, &[register])
    }

    fn feed(
        &mut self,
        wanted: &config::Feed,
        model: &ReadModel,
        network_id: &Hash,
        network: &Pubkey,
    ) -> Result<Pubkey, MigrationError> {
        let schema = model.header.schema;
        let mut cells = wanted
            .cells
            .iter()
            .map(|cell| u64::from_str_radix(cell, 16))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| MigrationError::Config("cells must be in hexadecimal".to_owned()))?;
        cells.sort_unstable();
        let mut required_mask = 0;
        for name in &wanted.required {
            required_mask |= match name.as_str() {
                "committee" => feed_reader::Mask::COMMITTEE,
                "optimistic" => feed_reader::Mask::OPTIMISTIC,
                "sourced" => feed_reader::Mask::SOURCED,
                "zk" => feed_reader::Mask::ZK,
                other => {
                    return Err(MigrationError::Config(format!(
                        "required verification {other} is none: use committee, optimistic, sourced, zk"
                    )));
                }
            };
        }
        let key = self.key();
        let aggregation = 0;
        let input = InputSpec {
            schema,
            max_gap_s: wanted.max_gap,
            cells: &cells,
        };
        let id = feed_id(
            network_id,
            &key.to_bytes(),
            &model.id,
            &input,
            aggregation,
            wanted.round_length,
        )
        .map_err(|_| MigrationError::Config("feed has too many cells".to_owned()))?;
        let address = feeds::feed(&id);
        let name = format!("feed {address}");
        if let Some(known) = chain::find::<Feed>(self.chain, &address).map_err(at(&name))? {
            same(
                known.network == *network
                    && known.required_mask == required_mask
                    && known.min_signers == wanted.min_signers
                    && known.min_streams == wanted.min_streams
                    && known.grace == wanted.grace
                    && known.challenge_window == wanted.challenge_window
                    && known.bond == wanted.bond
                    && known.slash_bps == wanted.slash_bps,
                &name,
            )?;
            self.done(&name);
            return Ok(address);
        }
        let args = ai_feed::CreateFeedArgs {
            id,
            schema,
            max_gap: wanted.max_gap,
            cells,
            aggregation,
            round_length: wanted.round_length,
            required_mask,
            min_signers: wanted.min_signers,
            min_streams: wanted.min_streams,
            grace: wanted.grace,
            challenge_window: wanted.challenge_window,
            bond: wanted.bond,
            slash_bps: wanted.slash_bps,
        };
        let create = feeds::create_feed(&key, &key, network, &model.id, args);
        let till = Till {
            chain: self.chain,
            network: *network,
            payer: self.authority,
        };
        let done = till
            .send(Purpose::Feed, 1, &[], &create)
            .map_err(at(&name))?;
        self.sent(&name, &done);
        Ok(address)
    }
}

/// A model as its file says.
struct ReadModel {
    bytes: Vec<u8>,
    hash: Hash,
    header: Header,
    /// Under which the chain knows it: a public model's hash.
    id: Hash,
}

impl ReadModel {
    fn read(file: &Path, private: bool) -> Result<Self, MigrationError> {
        let failed = |error: &dyn std::fmt::Display| {
            MigrationError::Model(file.to_owned(), error.to_string())
        };
        let bytes = std::fs::read(file).map_err(|error| failed(&error))?;
        let model = ModelRef::parse(&bytes).map_err(|error| failed(&error))?;
        let hash = inference::model_hash(&model, poseidon).map_err(|error| failed(&error))?;
        let header = *model.header();
        let id = if private {
            private_model_id(&hash, &header.to_bytes())
        } else {
            hash
        };
        Ok(Self {
            bytes,
            hash,
            header,
            id,
        })
    }
}

fn address(name: &str, text: &str) -> Result<Pubkey, MigrationError> {
    text.parse()
        .map_err(|_| MigrationError::Config(format!("{name} {text} is no address")))
}

fn sha256(name: &str, text: &str) -> Result<Hash, MigrationError> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|_| {
        MigrationError::Config(format!("{name}: a SHA-256 has 64 hexadecimal digits"))
    })?;
    Ok(hash)
}

fn at(step: &str) -> impl FnOnce(ClientError) -> MigrationError + '_ {
    move |error| MigrationError::Step {
        step: step.to_owned(),
        error,
    }
}

fn same(same: bool, what: &str) -> Result<(), MigrationError> {
    if same {
        Ok(())
    } else {
        Err(MigrationError::Differs(what.to_owned()))
    }
}

fn text<S: serde::Serializer>(key: &Pubkey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

fn texts<S: serde::Serializer>(keys: &[Pubkey], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(keys.iter().map(ToString::to_string))
}

fn hex<S: serde::Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(
        &hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
}
