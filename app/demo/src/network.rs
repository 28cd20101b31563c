//! The chain, in this process or on an RPC server, and the network on it.

use crate::scenario::{self, AIRPORTS, MAKERS};
use crate::show;
use crate::verification;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_instruction;
use anchor_spl::token::spl_token;
use anyhow::{ensure, Context, Result};
use fieldproof_client::chain::{self, Chain, Execution, LocalChain};
use fieldproof_client::{token, transaction, ClientError};
use migrations::Deployment;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tests::cluster::Cluster;

/// Lamports of every key.
const LAMPORTS: u64 = 100_000_000_000;
/// Bytes of a mint's account.
const MINT_BYTES: usize = 82;

/// Every program's id and name.
pub fn programs() -> [(Pubkey, &'static str); 6] {
    [
        (device_registry::ID, "device-registry"),
        (data_commitment::ID, "data-commitment"),
        (security_pool::ID, "security-pool"),
        (ai_feed::ID, "ai-feed"),
        (reward_emission::ID, "reward-emission"),
        (parametric_insurance::ID, "parametric-insurance"),
    ]
}

/// Where the programs run.
pub enum Ground {
    /// In this process.
    Embedded(Arc<LocalChain>),
    /// On an RPC server, whose clock only goes forward.
    Cluster(Mutex<Cluster>),
}

/// A chain with the programs, and a network made by the migration.
pub struct Network {
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// Where it runs.
    pub ground: Ground,
    /// Seconds from a time of the scenario to the chain's: a constant, and 0 on the embedded chain.
    pub shift: i64,
    /// Pays, and is the authority of the network and of the mints that are not the programs' own.
    pub authority: Keypair,
    /// The makers' keys.
    pub makers: Vec<Keypair>,
    /// What the migration made.
    pub deployment: Deployment,
}

impl Ground {
    fn set_time(&self, time: i64) {
        match self {
            Self::Embedded(chain) => chain.set_time(time),
            Self::Cluster(cluster) => lock(cluster).set_time(time),
        }
    }

    fn airdrop(&self, key: &Pubkey) {
        match self {
            Self::Embedded(chain) => chain.airdrop(key, LAMPORTS),
            Self::Cluster(cluster) => lock(cluster).fund(key, LAMPORTS),
        }
    }
}

/// The cluster, for as long as it takes to tell it something.
pub fn lock(cluster: &Mutex<Cluster>) -> MutexGuard<'_, Cluster> {
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// Starts the chain, on an RPC server if `rpc`, deploys the programs in `directory` and makes the network.
    pub fn start(directory: &Path, rpc: bool) -> Result<Self> {
        let (chain, ground): (Arc<dyn Chain>, Ground) = if rpc {
            let cluster = Cluster::with_programs(&directory.canonicalize()?);
            (
                Arc::new(cluster.chain()),
                Ground::Cluster(Mutex::new(cluster)),
            )
        } else {
            let chain = Arc::new(LocalChain::new());
            for (id, name) in programs() {
                let file = directory.join(format!("{}.so", name.replace('-', "_")));
                chain
                    .deploy(&id, &file)
                    .context("build the programs with `cargo xtask build`")?;
            }
            (chain.clone(), Ground::Embedded(chain))
        };
        for (id, name) in programs() {
            show::item(name, &id.to_string());
        }
        // Whole epochs, so that rounds and epochs begin when they do in the scenario.
        let shift = match ground {
            Ground::Embedded(_) => 0,
            Ground::Cluster(_) => {
                let late = chain.clock()?.unix_timestamp - scenario::SETUP;
                (late.div_euclid(scenario::EPOCH) + 1) * scenario::EPOCH
            }
        };
        ground.set_time(scenario::SETUP + shift);
        if shift != 0 {
            show::line(&format!(
                "its clock can't be set back: every time of the scenario is {shift} seconds ({} days) later on the chain",
                shift / 86_400
            ));
        }
        let authority = Keypair::new();
        ground.airdrop(&authority.pubkey());
        let makers: Vec<Keypair> = (0..MAKERS).map(|_| Keypair::new()).collect();
        let mut config = migrations::Config::read(&scenario::source("network.toml"))?;
        config.network.genesis += shift;
        config
            .makers
            .extend(makers.iter().map(|maker| migrations::config::Maker {
                key: maker.pubkey().to_string(),
                quota: 1_000,
                max_tier: 1,
            }));
        for (feed, airport) in config.feeds.iter().zip(&AIRPORTS) {
            ensure!(
                feed.cells == [format!("{:x}", airport.cell)],
                "network.toml and the scenario have different cells for {}",
                airport.code
            );
        }
        let deployment = migrations::run(chain.as_ref(), &authority, &config, &mut show::step)?;
        let mut changed = false;
        let mut again = |step: &migrations::Step| changed |= step.signature.is_some();
        migrations::run(chain.as_ref(), &authority, &config, &mut again)?;
        ensure!(!changed, "a second run of the migration did something");
        show::line("a second run of the migration changes nothing");
        let network = Self {
            chain,
            ground,
            shift,
            authority,
            makers,
            deployment,
        };
        verification::register_key(&network)?;
        Ok(network)
    }

    /// The network's address.
    pub fn key(&self) -> Pubkey {
        self.deployment.network
    }

    /// A time of the scenario on the chain, unix seconds.
    pub fn on_chain(&self, time: i64) -> i64 {
        time + self.shift
    }

    /// A time of the chain in the scenario, unix seconds.
    pub fn in_scenario(&self, time: i64) -> i64 {
        time - self.shift
    }

    /// Lets it be `time` in the scenario.
    pub fn set_time(&self, time: i64) {
        self.ground.set_time(self.on_chain(time));
    }

    /// A new key with lamports.
    pub fn new_key(&self) -> Keypair {
        let key = Keypair::new();
        self.ground.airdrop(&key.pubkey());
        key
    }

    /// Sends instructions, paid by the authority and signed by `signers` too.
    pub fn send(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        transaction::send(self.chain.as_ref(), instructions, &self.authority, signers)
    }

    /// A new mint of the authority's.
    pub fn mint(&self) -> Result<Pubkey> {
        let mint = Keypair::new();
        let create = system_instruction::create_account(
            &self.authority.pubkey(),
            &mint.pubkey(),
            self.chain.rent(MINT_BYTES)?,
            MINT_BYTES as u64,
            &token::TOKEN_PROGRAM,
        );
        let initialize = spl_token::instruction::initialize_mint2(
            &token::TOKEN_PROGRAM,
            &mint.pubkey(),
            &self.authority.pubkey(),
            None,
            scenario::DECIMALS,
        )?;
        self.send(&[create, initialize], &[&mint])?;
        Ok(mint.pubkey())
    }

    /// The associated token account of `owner`, with `amount` base units more.
    pub fn fund(&self, owner: &Pubkey, mint: &Pubkey, amount: u64) -> Result<Pubkey> {
        let payer = self.authority.pubkey();
        let account = token::associated(owner, mint);
        let mut instructions = vec![token::create_associated(&payer, owner, mint)];
        if amount > 0 {
            instructions.push(spl_token::instruction::mint_to(
                &token::TOKEN_PROGRAM,
                mint,
                &account,
                &payer,
                &[],
                amount,
            )?);
        }
        self.send(&instructions, &[])?;
        Ok(account)
    }

    /// Base units in a token account.
    pub fn balance(&self, account: &Pubkey) -> Result<u64, ClientError> {
        let account: anchor_spl::token::TokenAccount =
            chain::read_borsh(self.chain.as_ref(), account)?;
        Ok(account.amount)
    }
}
