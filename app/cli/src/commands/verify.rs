//! `fieldproof verify`: recomputes what the chain says from what devices signed.

use crate::context::Context;
use crate::output;
use ai_feed::state::Feed;
use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, Context as _, Result};
use commitment::CommitmentLeaf;
use fieldproof_client::chain;
use fieldproof_worker::committee::{fetch_from, Refusal};
use fieldproof_worker::payload;
use fieldproof_worker::trace::{self, Stage, Step};
use reqwest::blocking::Client;
use serde::Serialize;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Trace a feed's value back to attestations, model, windows, readings and the devices' signatures
    Feed(Arguments),
}

#[derive(clap::Args)]
pub struct Arguments {
    /// The feed's address
    #[arg(value_name = "ADDRESS")]
    feed: Pubkey,
    /// Round of the value [default: the newest that the feed remembers]
    #[arg(long, value_name = "NUMBER")]
    round: Option<u64>,
    /// Address of a worker that serves archived payloads; give that of each operator
    #[arg(long, value_name = "URL")]
    worker: Vec<String>,
    /// An archived payload, from wherever you have it
    #[arg(long, value_name = "FILE")]
    payload: Vec<PathBuf>,
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
struct Failed {
    stage: Stage,
    reason: String,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let Command::Feed(arguments) = command;
    let chain = context.chain();
    let http = Client::new();
    let files = arguments
        .payload
        .iter()
        .map(|file| std::fs::read(file).with_context(|| file.display().to_string()))
        .collect::<Result<Vec<_>>>()?;
    let archive = |commitment: &CommitmentLeaf| payload_of(commitment, &files, &arguments, &http);
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
        failed: traced.as_ref().err().map(|failure| Failed {
            stage: failure.stage,
            reason: failure.reason.clone(),
        }),
    };
    context.print(&shown, || {
        let mut rows: Vec<(String, String)> = steps
            .iter()
            .map(|step| (format!("ok   {}", step.stage), step.found.clone()))
            .collect();
        match &traced {
            Ok(entry) => rows.push((
                "Verified".into(),
                format!(
                    "{} in round {}",
                    shown.value.clone().unwrap_or_default(),
                    entry.round
                ),
            )),
            Err(failure) => rows.push((format!("FAIL {}", failure.stage), failure.reason.clone())),
        }
        output::rows(
            rows.iter()
                .map(|(name, found)| (name.as_str(), found.clone())),
        )
    })?;
    traced
        .map(drop)
        .map_err(|failure| anyhow!("the value is not verified: {failure}"))
}

/// A commitment's payload from the files given, or else from the first worker that has the bytes committed to.
fn payload_of(
    commitment: &CommitmentLeaf,
    files: &[Vec<u8>],
    arguments: &Arguments,
    http: &Client,
) -> Result<Vec<u8>, Refusal> {
    let mut files = files.iter();
    if let Some(bytes) = files.find(|bytes| payload::hash(bytes) == commitment.payload_hash) {
        return Ok(bytes.clone());
    }
    let mut last = Refusal::Unavailable(format!(
        "name with --worker or --payload who has {}",
        hex::encode(commitment.payload_hash)
    ));
    for worker in &arguments.worker {
        match fetch_from(http, worker.trim_end_matches('/'), commitment) {
            Ok(bytes) => return Ok(bytes),
            Err(refusal) if !matches!(last, Refusal::Tampered) => last = refusal,
            Err(_) => {}
        }
    }
    Err(last)
}
