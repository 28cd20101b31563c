//! How a worker is set up.

use crate::mqtt::Broker;
use crate::plausibility::Rules;
use anchor_lang::prelude::Pubkey;
use fieldproof_client::chain::{PriorityFee, RpcChain};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// A worker's configuration file (TOML).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster's RPC address.
    pub rpc_url: String,
    /// The cluster's WebSocket address, by which it tells what happens; without it, it is asked again and again.
    pub websocket_url: Option<String>,
    /// What to offer for priority: micro-lamports a compute unit, as `"1000"`, or a percentile of what others paid lately
    /// and the most to offer, as `"75%:50000"`. Nothing, unless given.
    #[serde(default, deserialize_with = "priority_fee")]
    pub priority_fee: PriorityFee,
    /// The network account's address.
    #[serde(deserialize_with = "pubkey")]
    pub network: Pubkey,
    /// The operator's pool.
    #[serde(deserialize_with = "pubkey")]
    pub pool: Pubkey,
    /// File with the pool's signer: commits, attests, votes and pays fees.
    pub signer: PathBuf,
    /// Where to listen for readings and for other operators.
    pub listen: SocketAddr,
    /// Directory of the database.
    pub data: PathBuf,
    /// The other operators: pool → base URL of its worker.
    #[serde(default)]
    pub peers: BTreeMap<String, String>,
    /// What the HTTP interface takes at most.
    #[serde(default)]
    pub limits: Limits,
    /// What devices may say.
    #[serde(default)]
    pub plausibility: Rules,
    /// An MQTT broker that devices publish to, if there is one.
    pub mqtt: Option<Broker>,
    /// What to prove with, for feeds that require proofs; without it they are passed over.
    pub prover: Option<Proving>,
}

/// What to prove with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proving {
    /// The proving key; without it the insecure development key, which networks refuse unless they said otherwise.
    pub key: Option<KeyFile>,
    /// Files of private models that this operator runs.
    #[serde(default)]
    pub models: Vec<PathBuf>,
}

/// A proving key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// Its file, as `prover import` writes it.
    pub file: PathBuf,
    /// The file's SHA-256, hexadecimal.
    pub sha256: String,
}

/// What the HTTP interface takes at most, of connections and bytes no more than an eighth from one address (of IPv6, from one
/// /64). Beyond it, clients are told to come again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time; more wait in the system's own queue.
    pub connections: usize,
    /// Bytes of bodies held at a time.
    pub in_flight_bytes: usize,
    /// Requests a second from one address, as many at once.
    pub requests_per_second: u32,
    /// Reverse proxies before this worker: what they send counts for the address that they name last in `X-Forwarded-For`.
    pub proxies: Vec<IpAddr>,
}

impl Limits {
    /// Less would not hold one body.
    const MIN_IN_FLIGHT_BYTES: usize = 4 << 20;

    fn check(&self) -> Result<(), ConfigError> {
        if self.connections == 0 || self.requests_per_second == 0 {
            return Err(ConfigError::Limits(
                "connections and requests_per_second are 1 or more",
            ));
        }
        if self.in_flight_bytes < Self::MIN_IN_FLIGHT_BYTES {
            return Err(ConfigError::Limits("in_flight_bytes is 4194304 or more"));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            in_flight_bytes: 64 << 20,
            requests_per_second: 1_000,
            proxies: Vec::new(),
        }
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// It is not what a configuration looks like.
    #[error("{0}: {1}")]
    Parse(PathBuf, toml::de::Error),
    /// A limit that lets nothing through.
    #[error("limits: {0}")]
    Limits(&'static str),
    /// A rule that no reading can meet, or that means nothing.
    #[error("plausibility: {0}")]
    Plausibility(&'static str),
    /// A peer's key is no address.
    #[error("peer {0} is no pool address")]
    Peer(String),
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], with the file's name and what is wrong.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::Read(file.to_owned(), error))?;
        let config: Self =
            toml::from_str(&text).map_err(|error| ConfigError::Parse(file.to_owned(), error))?;
        config.limits.check()?;
        if let Some(fault) = config.plausibility.fault() {
            return Err(ConfigError::Plausibility(fault));
        }
        Ok(config)
    }

    /// The cluster.
    pub fn chain(&self) -> RpcChain {
        let chain = RpcChain::new(&self.rpc_url).with_priority_fee(self.priority_fee);
        match &self.websocket_url {
            Some(url) => chain.with_websocket(url),
            None => chain,
        }
    }

    /// The other operators by pool.
    ///
    /// # Errors
    /// [`ConfigError::Peer`].
    pub fn peers(&self) -> Result<BTreeMap<Pubkey, String>, ConfigError> {
        self.peers
            .iter()
            .map(|(pool, url)| {
                let key = pool.parse().map_err(|_| ConfigError::Peer(pool.clone()))?;
                Ok((key, url.trim_end_matches('/').to_owned()))
            })
            .collect()
    }
}

fn pubkey<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Pubkey, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| serde::de::Error::custom(format!("{text} is no address")))
}

fn priority_fee<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<PriorityFee, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}
