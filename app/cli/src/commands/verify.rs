//! `fieldproof verify`: recomputes what the chain says from what devices signed.

use crate::archive::Archive;
use crate::context::Context;
use crate::output;
use ai_feed::state::Feed;
use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, Result};
use commitment::CommitmentLeaf;
use fieldproof_client::chain;
use fieldproof_worker::trace::{self, Failure, Stage, Step};
use serde::Serialize;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Trace a feed's value back to attestations, model, windows, readings and the devices' signatures
    Feed(FeedArguments),
    /// Recompute an epoch's scores and rewards from the devices' readings, and compare them with the final roots
    Epoch(EpochArguments),
}

#[derive(clap::Args)]
pub struct FeedArguments {
    /// The feed's address
    #[arg(value_name = "ADDRESS")]
    feed: Pubkey,
    /// Round of the value [default: the newest that the feed remembers]
    #[arg(long, value_name = "NUMBER")]
    round: Option<u64>,
    #[command(flatten)]
    archive: Archive,
}

#[derive(clap::Args)]
pub struct EpochArguments {
    /// The epoch's number
    #[arg(value_name = "NUMBER")]
    epoch: u64,
    #[command(flatten)]
    archive: Archive,
}

#[derive(Serialize)]
struct Traced<'a> {
    feed: String,
    verified: bool,
    round: Option<u64>,
    value: Option<String>,
    steps: &'a [Step],
    failed: Option<Failed>,
}

#[derive(Serialize)]
struct Recomputed<'a> {
    epoch: u64,
    verified: bool,
    score_root: Option<String>,
    score_sum: Option<u64>,
    reward_root: Option<String>,
    reward_sum: Option<u64>,
    depth: Option<u8>,
    steps: &'a [Step],
    failed: Option<Failed>,
}

#[derive(Serialize)]
struct Failed {
    stage: Stage,
    reason: String,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Feed(arguments) => feed(context, &arguments),
        Command::Epoch(arguments) => epoch(context, &arguments),
    }
}

fn feed(context: &Context, arguments: &FeedArguments) -> Result<()> {
    let chain = context.chain();
    let payloads = arguments.archive.open()?;
    let archive = |commitment: &CommitmentLeaf| payloads.get(commitment);
    let progress = context.progress("reading the network's history");
    let mut steps = Vec::new();
    let traced = trace::trace(
        &chain,
        &arguments.feed,
        arguments.round,
        &archive,
        &mut |step| {
            progress.say(step.found.clone());
            steps.push(step);
        },
    );
    drop(progress);
    let value = match &traced {
        Ok(entry) => {
            let feed: Feed = chain::read(&chain, &arguments.feed)?;
            Some(output::decimal(entry.value, feed.exponent))
        }
        Err(_) => None,
    };
    let shown = Traced {
        feed: arguments.feed.to_string(),
        verified: traced.is_ok(),
        round: traced.as_ref().ok().map(|entry| entry.round),
        value,
        steps: &steps,
        failed: failed(&traced),
    };
    context.print(&shown, || {
        table(&steps, &traced, |entry| {
            let value = shown.value.clone().unwrap_or_default();
            format!("{value} in round {}", entry.round)
        })
    })?;
    traced
        .map(drop)
        .map_err(|failure| anyhow!("the value is not verified: {failure}"))
}

fn epoch(context: &Context, arguments: &EpochArguments) -> Result<()> {
    let chain = context.chain();
    let (network, _) = context.network(&chain)?;
    let payloads = arguments.archive.open()?;
    let archive = |commitment: &CommitmentLeaf| payloads.get(commitment);
    let progress = context.progress("reading the network's history");
    let mut steps = Vec::new();
    let traced = trace::epoch(&chain, &network, arguments.epoch, &archive, &mut |step| {
        progress.say(step.found.clone());
        steps.push(step);
    });
    drop(progress);
    let roots = traced.as_ref().ok();
    let shown = Recomputed {
        epoch: arguments.epoch,
        verified: traced.is_ok(),
        score_root: roots.map(|roots| hex::encode(roots.score_hash)),
        score_sum: roots.map(|roots| roots.score_sum),
        reward_root: roots.map(|roots| hex::encode(roots.reward_hash)),
        reward_sum: roots.map(|roots| roots.reward_sum),
        depth: roots.map(|roots| roots.depth),
        steps: &steps,
        failed: failed(&traced),
    };
    context.print(&shown, || {
        table(&steps, &traced, |roots| {
            format!(
                "epoch {}: its roots grant {} base units in all",
                arguments.epoch, roots.reward_sum
            )
        })
    })?;
    traced
        .map(drop)
        .map_err(|failure| anyhow!("the epoch is not verified: {failure}"))
}

/// Where it failed, if it did.
fn failed<T>(traced: &Result<T, Failure>) -> Option<Failed> {
    traced.as_ref().err().map(|failure| Failed {
        stage: failure.stage,
        reason: failure.reason.clone(),
    })
}

/// The steps for people, and what came of them.
fn table<T>(
    steps: &[Step],
    traced: &Result<T, Failure>,
    verified: impl FnOnce(&T) -> String,
) -> String {
    let mut rows: Vec<(String, String)> = steps
        .iter()
        .map(|step| (format!("ok   {}", step.stage), step.found.clone()))
        .collect();
    match traced {
        Ok(found) => rows.push(("Verified".into(), verified(found))),
        Err(failure) => rows.push((format!("FAIL {}", failure.stage), failure.reason.clone())),
    }
    output::rows(
        rows.iter()
            .map(|(name, found)| (name.as_str(), found.clone())),
    )
}
