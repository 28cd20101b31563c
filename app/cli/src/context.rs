//! What every command works with: the cluster, the keypair, the network, and where output goes.

use crate::{Format, Global};
use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, bail, Context as _, Result};
use device_registry::state::Network;
use fieldproof_client::chain::RpcChain;
use fieldproof_client::device_registry as registry;
use indicatif::ProgressBar;
use serde::Serialize;
use solana_keypair::Keypair;
use std::path::PathBuf;
use std::time::Duration;

/// The options, resolved when a command asks for them.
pub struct Context {
    global: Global,
}

impl Context {
    pub fn new(global: Global) -> Self {
        Self { global }
    }

    /// The cluster.
    pub fn chain(&self) -> RpcChain {
        let url = match self.global.url.as_str() {
            "m" | "mainnet-beta" => "https://api.mainnet-beta.solana.com",
            "t" | "testnet" => "https://api.testnet.solana.com",
            "d" | "devnet" => "https://api.devnet.solana.com",
            "l" | "localhost" => "http://127.0.0.1:8899",
            url => url,
        };
        RpcChain::new(url).with_priority_fee(self.global.priority_fee)
    }

    /// The keypair: the one named, or the Solana CLI's.
    pub fn keypair(&self) -> Result<Keypair> {
        let file = match &self.global.keypair {
            Some(file) => file.clone(),
            None => usual_keypair()
                .ok_or_else(|| anyhow!("no home directory: name a keypair with --keypair"))?,
        };
        solana_keypair::read_keypair_file(&file)
            .map_err(|error| anyhow!("{}: {error}: name a keypair with --keypair", file.display()))
    }

    /// As [`Context::keypair`]; `None` where none is named and the Solana CLI has none.
    pub fn keypair_if_any(&self) -> Result<Option<Keypair>> {
        let is_there = || usual_keypair().is_some_and(|file| file.exists());
        if self.global.keypair.is_some() || is_there() {
            return self.keypair().map(Some);
        }
        Ok(None)
    }

    /// The network's address and account, if it is of the cluster.
    pub fn network(&self, chain: &RpcChain) -> Result<(Pubkey, Network)> {
        let Some(address) = &self.global.network else {
            bail!("name the network with --network, or FIELDPROOF_NETWORK");
        };
        let key = address
            .parse()
            .with_context(|| format!("{address} is no address"))?;
        Ok((key, registry::read_network(chain, &key)?))
    }

    /// Prints `value` for scripts, or what `display` says for people.
    pub fn print<T: Serialize>(&self, value: &T, display: impl FnOnce() -> String) -> Result<()> {
        match self.global.output {
            Format::Json => println!("{}", serde_json::to_string_pretty(value)?),
            Format::Display => println!("{}", display()),
        }
        Ok(())
    }

    /// Shows on standard error that something takes its time, until it is dropped.
    pub fn progress(&self, message: impl Into<String>) -> Progress {
        let bar = match self.global.output {
            Format::Display => ProgressBar::new_spinner(),
            Format::Json => ProgressBar::hidden(),
        };
        bar.set_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// Tells of a failure on standard error.
    pub fn fail(&self, error: &anyhow::Error) {
        match self.global.output {
            Format::Json => eprintln!("{}", serde_json::json!({ "error": format!("{error:#}") })),
            Format::Display => eprintln!("error: {error:#}"),
        }
    }
}

/// Where the Solana CLI has its keypair.
fn usual_keypair() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".config/solana/id.json"))
}

/// A running progress display.
pub struct Progress(ProgressBar);

impl Progress {
    /// Says what is done now.
    pub fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
