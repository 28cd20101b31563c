//! `fieldproof feed`: reads a feed as a consumer program does, and fails as one does; and what its authority does.

use super::feed_authority;
use crate::context::Context;
use crate::output;
use anyhow::{anyhow, ensure, Context as _, Result};
use clap::ValueEnum;
use feed_reader::{Feed, Mask};
use fieldproof_client::chain::Chain;
use serde::Serialize;

#[derive(clap::Args)]
#[command(subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    authority: Option<feed_authority::Command>,
    /// The feed's address
    #[arg(value_name = "ADDRESS", required = true)]
    feed: Option<String>,
    /// Oldest newest capture to accept, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 7_200)]
    max_age: u32,
    /// Verifications that the value must have passed
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "committee,sourced"
    )]
    require: Vec<Verification>,
}

/// A verification, as an option.
#[derive(Clone, Copy, ValueEnum)]
pub enum Verification {
    Committee,
    Optimistic,
    Sourced,
    Zk,
}

impl Verification {
    /// The mask of them all.
    pub fn mask(all: &[Self]) -> u16 {
        all.iter().fold(0, |mask, verification| {
            mask | match verification {
                Self::Committee => Mask::COMMITTEE,
                Self::Optimistic => Mask::OPTIMISTIC,
                Self::Sourced => Mask::SOURCED,
                Self::Zk => Mask::ZK,
            }
        })
    }
}

#[derive(Serialize)]
struct Shown {
    feed: String,
    value: String,
    confidence: String,
    ema: String,
    round: u64,
    age: i64,
    verification: Vec<&'static str>,
    attesters: u16,
    streams: u16,
    data_root: String,
    model: String,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    if let Some(command) = arguments.authority {
        // The parser could only refuse it together with options of every command that come before the subcommand.
        ensure!(
            arguments.feed.is_none(),
            "nothing was done: name the feed after what is to be done with it"
        );
        return feed_authority::run(context, command);
    }
    let chain = context.chain();
    let feed = arguments.feed.unwrap_or_default();
    let key = feed
        .parse()
        .with_context(|| format!("{feed} is no address"))?;
    let account = chain
        .account(&key)?
        .ok_or_else(|| anyhow!("there is no account at {key}"))?;
    let feed = Feed::parse(&account.data).map_err(|error| anyhow!("{key}: {error}"))?;
    // The address follows from the id, so the account is the feed it says it is if the owner is right.
    Feed::from_account(&account.owner.to_bytes(), &account.data, &feed.id())
        .map_err(|error| anyhow!("{key}: {error}"))?;
    let mask = Verification::mask(&arguments.require);
    let now = chain.clock()?.unix_timestamp;
    let value = feed
        .value(now, arguments.max_age, mask)
        .map_err(|error| anyhow!("no value to rely on: {error}"))?;
    let shown = Shown {
        feed: key.to_string(),
        value: output::decimal(value.value, value.exponent),
        confidence: output::decimal(i64::try_from(value.confidence)?, value.exponent),
        ema: output::decimal(value.ema, value.exponent),
        round: value.round,
        age: now - value.newest_capture / 1_000,
        verification: Mask::names(value.mask).collect(),
        attesters: value.attesters,
        streams: value.streams,
        data_root: hex::encode(value.data_root),
        model: hex::encode(feed.model()),
    };
    context.print(&shown, || {
        output::fields([
            ("Value", format!("{} ± {}", shown.value, shown.confidence)),
            ("Average (EMA)", shown.ema.clone()),
            ("Round", shown.round.to_string()),
            (
                "Newest capture",
                format!("{} ago", output::duration(shown.age)),
            ),
            ("Verification", shown.verification.join(", ")),
            (
                "Attesters",
                format!("{} of {} streams", shown.attesters, shown.streams),
            ),
            ("Data root", shown.data_root.clone()),
            ("Model", shown.model.clone()),
        ])
    })
}
