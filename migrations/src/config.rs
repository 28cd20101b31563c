//! What a chain shall hold, as a person writes it down.

use reward_emission::instructions::ScoringArgs;
use reward_emission::state::TIERS;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A migration's configuration file (TOML). Paths are relative to the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub network: Network,
    /// Its mints.
    pub mints: Mints,
    /// Registry trees, in their order.
    #[serde(default)]
    pub trees: Vec<Tree>,
    /// Makers.
    #[serde(default)]
    pub makers: Vec<Maker>,
    /// The roster of operators.
    pub roster: Roster,
    /// The emission of rewards.
    pub emission: Emission,
    /// What credits cost, and what costs credits.
    pub pricing: Option<Pricing>,
    /// Verifying keys whose proofs the network takes.
    #[serde(default)]
    pub verifying_keys: Vec<VerifyingKey>,
    /// Models.
    #[serde(default)]
    pub models: Vec<Model>,
    /// Feeds.
    #[serde(default)]
    pub feeds: Vec<Feed>,
}

/// A network: identity, time and parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Tells the authority's networks apart.
    pub nonce: u64,
    /// Start of epoch 0, unix seconds.
    pub genesis: i64,
    /// Seconds of an epoch.
    pub epoch_length: i64,
    /// Seconds between proposing and applying parameters.
    pub timelock: i64,
    /// Whether owners may be their own makers.
    #[serde(default)]
    pub self_signed_makers: bool,
    /// Whether keys with public secrets are accepted; never where there is value.
    #[serde(default)]
    pub development_keys: bool,
    /// Whether registering devices and opening feeds costs credits, as `pricing` says. For good: what does not charge from
    /// the start never does.
    #[serde(default)]
    pub credits: bool,
    /// Bond of a device before its tier's discount, in base units of the stake mint.
    pub device_bond: u64,
    /// Seconds for which evidence is taken.
    pub evidence_window: i64,
    /// Seconds in which an operator shows a reading that a challenge names; fewer than evidence is taken for.
    pub answer_window: i64,
    /// What a challenge of availability puts at stake, in lamports.
    pub challenge_bond: u64,
    /// Fastest that a device can travel, metres a second.
    pub max_speed: u32,
    /// Discount on the bond by tier, basis points.
    pub tier_discount_bps: [u16; 4],
    /// Share of its allocation that an operator loses for a reading that it can't show, basis points.
    pub withheld_slash_bps: u16,
}

/// Decimals of the mints that the migration makes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mints {
    /// Of rewards.
    pub reward_decimals: u8,
    /// Of stake.
    pub stake_decimals: u8,
}

/// A registry tree.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Levels, 20 to 24.
    pub depth: u8,
    /// Levels that the account keeps, at least 10.
    pub canopy: u8,
}

/// An approved maker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maker {
    /// Its key.
    pub key: String,
    /// Devices that it may vouch for.
    pub quota: u64,
    /// Highest tier that it may vouch for.
    pub max_tier: u8,
}

/// The roster's terms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// How much of a pool can be taken an epoch, basis points.
    pub slash_cap_bps: u32,
    /// Smallest allocation, base units of the stake mint.
    pub minimum_allocation: u64,
    /// What a reporter gets of what is slashed, basis points.
    pub bounty_bps: u16,
    /// What of it is set aside for those who were harmed, basis points; the rest is burned.
    pub insurance_bps: u16,
    /// Largest leverage of a pool, basis points. By default none: an operator of a pool whose stake is allocated twice can have
    /// it slashed by a network of its own before this one slashes it.
    #[serde(default = "no_leverage")]
    pub max_leverage_bps: u32,
}

fn no_leverage() -> u32 {
    security_pool::state::FULL_BPS
}

/// The emission's terms; amounts in base units of the reward mint.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emission {
    /// Tokens of epoch 0.
    pub initial: u64,
    /// Least tokens of an epoch before the end.
    pub floor: u64,
    /// What an epoch emits of the one before, in parts of 2^32.
    pub decay: u64,
    /// First epoch without emission.
    pub end: u64,
    /// Operators' share, basis points.
    pub operators_bps: u16,
    /// What an epoch emits however little was burned for credits in it, basis points of what is scheduled.
    pub floor_bps: u16,
    /// What an operator loses of its stake for wrong roots or two votes in one ballot, basis points.
    pub root_slash_bps: u16,
    /// Seconds from passing a vote to being final.
    pub challenge_window: i64,
    /// Seconds of a ballot.
    pub ballot_length: i64,
    /// Seconds in which the breaker drains.
    pub breaker_window: i64,
    /// What may be claimed at once.
    pub breaker_limit: u64,
    /// By what readings are scored.
    #[serde(default)]
    pub scoring: Scoring,
}

/// What credits cost, and what costs credits. Unlike anything else here it may be changed: a run proposes what differs, and
/// it holds once the network's timelock has passed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Whose accounts tell the reward token's price.
    pub format: OracleFormat,
    /// The account that tells the price; its authority is trusted with it.
    pub oracle: String,
    /// The queue whose oracles may answer.
    pub queue: String,
    /// Hash of what they are asked, hexadecimal: an On-Demand feed's `feed_hash`, a V2 aggregator's `jobs_checksum`.
    pub jobs: String,
    /// How old an answer may be, slots.
    pub max_age_slots: u32,
    /// How old the newest answer may be, seconds.
    pub max_age_seconds: u32,
    /// Distinct oracles that must have answered.
    pub min_oracles: u8,
    /// How far an answer may be from their median, basis points; below 10,000.
    pub max_deviation_bps: u16,
    /// Credits for registering a device, of which 100,000 are a dollar. A network that charges begins with 0, since until its
    /// first rewards there are no tokens to buy credits with.
    pub registration: u64,
    /// Credits for opening a feed.
    pub feed: u64,
}

/// A format of oracles' accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum OracleFormat {
    /// Feeds of Switchboard On-Demand.
    #[serde(rename = "switchboard-on-demand")]
    OnDemand,
    /// Aggregators of Switchboard V2.
    #[serde(rename = "switchboard-v2")]
    V2,
}

impl From<OracleFormat> for oracle::Format {
    fn from(format: OracleFormat) -> Self {
        match format {
            OracleFormat::OnDemand => Self::OnDemand,
            OracleFormat::V2 => Self::V2,
        }
    }
}

/// Terms of scores. What is not given is as here:
/// a device of a maker's voucher counts three quarters of one with a certificate chain, and one that its owner vouches for
/// a quarter; 16 devices of a cell of about 5 km² are paid in full, fewer than 4 get up to half as much again, and a cell's
/// full reward asks for 3 owners of 3 makers; everybody begins with half of a full reputation and has it after ten honest
/// epochs; demand makes a score at most three times as much.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scoring {
    /// What a device counts by its tier, basis points.
    pub tiers_bps: [u16; TIERS],
    /// Resolution of the H3 cells in which devices are counted.
    pub cell_resolution: u8,
    /// Devices of a cell that are paid in full.
    pub cell_capacity: u16,
    /// Devices from which on a cell is not under-served.
    pub cell_target: u16,
    /// What an almost empty cell adds, basis points.
    pub scarcity_bps: u16,
    /// Owners of devices of as many makers that a cell's full reward asks for.
    pub full_owners: u8,
    /// The least reputation, with which everybody begins, basis points.
    pub reputation_floor_bps: u16,
    /// What an honest epoch adds to a reputation, basis points.
    pub reputation_step_bps: u16,
    /// The most that demand makes of a score, basis points.
    pub max_demand_bps: u16,
}

impl Default for Scoring {
    fn default() -> Self {
        Self {
            tiers_bps: [2_500, 7_500, 10_000, 10_000],
            cell_resolution: 7,
            cell_capacity: 16,
            cell_target: 4,
            scarcity_bps: 5_000,
            full_owners: 3,
            reputation_floor_bps: 5_000,
            reputation_step_bps: 500,
            max_demand_bps: 30_000,
        }
    }
}

impl From<&Scoring> for ScoringArgs {
    fn from(scoring: &Scoring) -> Self {
        let Scoring {
            tiers_bps,
            cell_resolution,
            cell_capacity,
            cell_target,
            scarcity_bps,
            full_owners,
            reputation_floor_bps,
            reputation_step_bps,
            max_demand_bps,
        } = *scoring;
        Self {
            tiers_bps,
            cell_resolution,
            cell_capacity,
            cell_target,
            scarcity_bps,
            full_owners,
            reputation_floor_bps,
            reputation_step_bps,
            max_demand_bps,
        }
    }
}

/// A verifying key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyingKey {
    /// Its file: 576 bytes, as the chain takes them.
    pub file: PathBuf,
    /// SHA-256 of the circuit as an `.r1cs` file, hexadecimal.
    pub circuit: String,
    /// SHA-256 of the ceremony's transcript, hexadecimal. A key without one is a development key.
    pub transcript: Option<String>,
}

/// A model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its file: the canonical bytes.
    pub file: PathBuf,
    /// Whether it is registered by its hash and header alone. Otherwise its bytes are published, for good.
    #[serde(default)]
    pub private: bool,
}

/// A feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// The model's file; a private model is one that `models` says is private.
    pub model: PathBuf,
    /// H3 cells, in hexadecimal; none means anywhere.
    pub cells: Vec<String>,
    /// Seconds of a round.
    pub round_length: i64,
    /// Largest gap between consecutive readings, seconds.
    pub max_gap: u32,
    /// Verifications required: `committee`, `optimistic`, `sourced`, `zk`.
    pub required: Vec<String>,
    /// Committee members that must sign.
    pub min_signers: u8,
    /// Streams that a round needs.
    pub min_streams: u8,
    /// Seconds after a round's end until it goes on without late streams.
    pub grace: i64,
    /// Seconds for which an attestation can be challenged.
    pub challenge_window: i64,
    /// Stake that an attestation reserves, base units; none, unless one is to pass by time.
    #[serde(default)]
    pub bond: u64,
    /// What a false attestation costs whoever submitted or signed it, basis points of its stake.
    pub slash_bps: u16,
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("{0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// It is not what a configuration looks like.
    #[error("{0}: {1}")]
    Parse(PathBuf, toml::de::Error),
}

impl Config {
    /// Reads a configuration; its paths then count from the working directory.
    ///
    /// # Errors
    /// [`ConfigError`], with the file's name and what is wrong.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::Read(file.to_owned(), error))?;
        let mut config: Self =
            toml::from_str(&text).map_err(|error| ConfigError::Parse(file.to_owned(), error))?;
        let directory = file.parent().unwrap_or(Path::new("."));
        for model in &mut config.models {
            model.file = directory.join(&model.file);
        }
        for key in &mut config.verifying_keys {
            key.file = directory.join(&key.file);
        }
        for feed in &mut config.feeds {
            feed.model = directory.join(&feed.model);
        }
        Ok(config)
    }
}
