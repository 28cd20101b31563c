//! The chain in this process, and the network on it.

use crate::scenario::{self, AIRPORTS, MAKERS};
use crate::show;
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
use std::sync::Arc;

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

/// A chain with the programs, and a network made by the migration.
pub struct Network {
    /// The chain.
    pub chain: Arc<LocalChain>,
    /// Pays, and is the authority of the network and of the mints that are not the programs' own.
    pub authority: Keypair,
    /// The makers' keys.
    pub makers: Vec<Keypair>,
    /// What the migration made.
    pub deployment: Deployment,
}

impl Network {
    /// Starts the chain, deploys the programs in `directory` and makes the network.
    pub fn start(directory: &Path) -> Result<Self> {
        let chain = Arc::new(LocalChain::new());
        chain.set_time(scenario::SETUP);
        for (id, name) in programs() {
            let file = directory.join(format!("{}.so", name.replace('-', "_")));
            chain
                .deploy(&id, &file)
                .context("build the programs with `cargo xtask build`")?;
            show::item(name, &id.to_string());
        }
        let authority = Keypair::new();
        chain.airdrop(&authority.pubkey(), LAMPORTS);
        let makers: Vec<Keypair> = (0..MAKERS).map(|_| Keypair::new()).collect();
        let mut config = migrations::Config::read(&scenario::source("network.toml"))?;
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
        Ok(Self {
            chain,
            authority,
            makers,
            deployment,
        })
    }

    /// The network's address.
    pub fn key(&self) -> Pubkey {
        self.deployment.network
    }

    /// A new key with lamports.
    pub fn new_key(&self) -> Keypair {
        let key = Keypair::new();
        self.chain.airdrop(&key.pubkey(), LAMPORTS);
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
