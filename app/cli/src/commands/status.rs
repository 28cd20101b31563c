//! `fieldproof status`: a network at a glance, and a worker if one is named.

use crate::context::Context;
use crate::{answer, output};
use ai_feed::state::Feed;
use anyhow::Result;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::{reward_emission as emissions, token};
use fieldproof_worker::server::Status;
use reward_emission::state::Emission;
use serde::Serialize;
use std::mem::offset_of;

#[derive(clap::Args)]
pub struct Arguments {
    /// A worker's address
    #[arg(long, value_name = "URL", env = "FIELDPROOF_WORKER")]
    worker: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    network: String,
    authority: String,
    epoch: u64,
    epoch_ends_in: i64,
    devices: u64,
    makers: u64,
    trees: u16,
    feeds: Vec<ShownFeed>,
    rewards: Option<ShownRewards>,
    worker: Option<Status>,
}

#[derive(Serialize)]
struct ShownFeed {
    address: String,
    last_round: u64,
    value: Option<String>,
}

#[derive(Serialize)]
struct ShownRewards {
    final_epoch: Option<u64>,
    granted: String,
    claimed: String,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let progress = context.progress("reading the network");
    let (key, network) = context.network(&chain)?;
    let now = chain.clock()?.unix_timestamp;
    let epoch = network.epoch(now)?;
    let feeds = chain::read_all_of::<Feed>(&chain, offset_of!(Feed, network), &key)?
        .into_iter()
        .map(|(address, feed)| ShownFeed {
            address: address.to_string(),
            last_round: feed.last_round,
            value: (feed.entries > 0)
                .then(|| feed.ring.get(feed.head as usize))
                .flatten()
                .map(|entry| output::decimal(entry.value, feed.exponent)),
        })
        .collect();
    let rewards = match chain::find::<Emission>(&chain, &emissions::emission(&key))? {
        Some(emission) => {
            let mint: anchor_spl::token::Mint = chain::read_borsh(&chain, &emission.reward_mint)?;
            Some(ShownRewards {
                final_epoch: (emission.finals > 0).then_some(emission.final_epoch),
                granted: token::format_amount(emission.roots.reward_sum, mint.decimals),
                claimed: token::format_amount(emission.claimed, mint.decimals),
            })
        }
        None => None,
    };
    let worker = match &arguments.worker {
        Some(url) => {
            let url = format!("{}/v1/status", url.trim_end_matches('/'));
            Some(answer::read(reqwest::blocking::get(url)?)?)
        }
        None => None,
    };
    drop(progress);
    let shown = Shown {
        network: key.to_string(),
        authority: network.authority.to_string(),
        epoch,
        epoch_ends_in: network.epoch_start(epoch + 1) - now,
        devices: network.devices,
        makers: network.makers,
        trees: network.trees,
        feeds,
        rewards,
        worker,
    };
    context.print(&shown, || display(&shown))
}

fn display(shown: &Shown) -> String {
    let mut text = output::fields([
        ("Network", shown.network.clone()),
        ("Authority", shown.authority.clone()),
        (
            "Epoch",
            format!(
                "{}, ends in {}",
                shown.epoch,
                output::duration(shown.epoch_ends_in)
            ),
        ),
        ("Devices", shown.devices.to_string()),
        ("Makers", shown.makers.to_string()),
        ("Registry trees", shown.trees.to_string()),
    ]);
    for feed in &shown.feeds {
        let value = feed.value.as_deref().unwrap_or("no value yet");
        text += &format!(
            "\nFeed {}: {value} (round {})",
            feed.address, feed.last_round
        );
    }
    if let Some(rewards) = &shown.rewards {
        let epoch = rewards
            .final_epoch
            .map_or("none".to_owned(), |epoch| epoch.to_string());
        text += &format!(
            "\nRewards: final epoch {epoch}, granted {}, claimed {}",
            rewards.granted, rewards.claimed
        );
    }
    if let Some(worker) = &shown.worker {
        text += &format!(
            "\nWorker of pool {}: {} devices, {} readings",
            worker.pool, worker.devices, worker.readings
        );
        for (name, count) in &worker.counters {
            text += &format!("\n  {name}: {count}");
        }
    }
    text
}
