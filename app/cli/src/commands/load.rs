//! `fieldproof load`: thousands of devices with real keys that drive a worker.

use crate::context::Context;
use crate::files::{self, CurveName};
use crate::output;
use anyhow::{bail, Context as _, Result};
use device_protocol::{Curve, Hash};
use fieldproof_client::chain::Chain;
use fieldproof_worker::load::{self, Fleet, Plan, Totals};
use rand::RngCore;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Write the devices' public keys, for `fieldproof batch` to register
    Keys {
        #[command(flatten)]
        devices: Devices,
        /// Where to write them
        #[arg(long, value_name = "FILE")]
        outfile: PathBuf,
    },
    /// Let the devices send readings as fast as the worker takes them
    Run(Run),
}

#[derive(clap::Args)]
pub struct Devices {
    /// The secret that all their keys follow from, 32 bytes in hex; made if the file is not there
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    devices: usize,
    /// The curve of their hardware keys
    #[arg(long, value_enum, default_value_t = CurveName::Ed25519)]
    curve: CurveName,
}

#[derive(clap::Args)]
pub struct Run {
    #[command(flatten)]
    devices: Devices,
    /// The worker's address
    #[arg(long, value_name = "URL", env = "FIELDPROOF_WORKER")]
    worker: String,
    /// For how long
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Readings in a request, at most 4096
    #[arg(long, value_name = "NUMBER", default_value_t = 32)]
    readings: usize,
    /// Requests at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    connections: usize,
    /// Let each device grant a session first and sign with its key, as devices do whose hardware keys are slow
    #[arg(long)]
    sessions: bool,
}

#[derive(Serialize)]
struct Written {
    devices: usize,
    outfile: String,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Keys { devices, outfile } => keys(context, &devices, &outfile),
        Command::Run(arguments) => drive(context, &arguments),
    }
}

fn keys(context: &Context, devices: &Devices, outfile: &Path) -> Result<()> {
    let (fleet, _) = devices.fleet(0)?;
    let mut lines = String::new();
    for key in fleet.keys() {
        lines += &hex::encode(key.as_bytes());
        lines.push('\n');
    }
    std::fs::write(outfile, lines).with_context(|| outfile.display().to_string())?;
    let written = Written {
        devices: devices.devices,
        outfile: outfile.display().to_string(),
    };
    context.print(&written, || {
        format!("{} keys are in {}", written.devices, written.outfile)
    })
}

fn drive(context: &Context, arguments: &Run) -> Result<()> {
    if !(1..=fieldproof_worker::ingest::MAX_READINGS).contains(&arguments.readings) {
        bail!("a request holds 1 to 4096 readings");
    }
    if arguments.connections == 0 {
        bail!("there must be a connection");
    }
    let chain = context.chain();
    let (_, network) = context.network(&chain)?;
    let now = chain.clock()?.unix_timestamp;
    let url = arguments.worker.trim_end_matches('/').to_owned();
    // Each run counts on: no device sends a reading a microsecond.
    let first = u64::try_from(now)? * 1_000_000;
    let (mut fleet, secret) = arguments.devices.fleet(first)?;
    let progress = context.progress("connecting");
    let runtime = tokio::runtime::Runtime::new()?;
    let totals = runtime.block_on(async {
        if arguments.sessions {
            progress.say("granting sessions");
            let grants = fleet.grant(&secret, &network.id, u32::try_from(now)?, now)?;
            load::send_grants(&url, &grants).await?;
        }
        let plan = Plan {
            url,
            network: network.id,
            now,
            duration: Duration::from_secs(arguments.seconds),
            body: arguments.readings,
            connections: arguments.connections,
        };
        let told = |totals: &Totals| {
            progress.say(format!(
                "{:.0} of {} s, {} readings",
                totals.seconds, arguments.seconds, totals.accepted
            ));
        };
        Ok::<_, anyhow::Error>(load::drive(Arc::new(fleet), &plan, told).await?)
    })?;
    drop(progress);
    context.print(&totals, || {
        let counts = |counts: &std::collections::BTreeMap<String, u64>| {
            let counts = counts
                .iter()
                .map(|(reason, count)| format!("{count} {reason}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        let rate = totals.accepted as f64 / totals.seconds;
        let mut rows = vec![
            (
                "Accepted",
                format!("{}, {rate:.0} a second", totals.accepted),
            ),
            (
                "On the disk after",
                format!(
                    "{:.1} ms in the middle, {:.1} ms for the slowest hundredth",
                    totals.latency_p50, totals.latency_p99
                ),
            ),
        ];
        for (name, what) in [
            ("Rejected", counts(&totals.rejected)),
            ("Failed, and sent again", counts(&totals.failed)),
        ] {
            if !what.is_empty() {
                rows.push((name, what));
            }
        }
        if totals.put_off > 0 {
            rows.push((
                "Put off, and sent again",
                format!("{} requests", totals.put_off),
            ));
        }
        output::rows(rows)
    })
}

impl Devices {
    /// The devices and their secret.
    fn fleet(&self, first_sequence: u64) -> Result<(Fleet, Hash)> {
        if self.devices == 0 {
            bail!("there must be a device");
        }
        let file = self.secret.display();
        let secret = match std::fs::read_to_string(&self.secret) {
            Ok(text) => {
                let mut secret = [0; 32];
                hex::decode_to_slice(text.trim(), &mut secret)
                    .with_context(|| format!("{file}: not 32 bytes in hex"))?;
                secret
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut secret = [0; 32];
                rand::thread_rng().fill_bytes(&mut secret);
                files::write_secret(&self.secret, &hex::encode(secret), false)?;
                secret
            }
            Err(error) => return Err(error).with_context(|| file.to_string()),
        };
        let curve = Curve::from(self.curve);
        let fleet = Fleet::new(&secret, curve, self.devices, first_sequence)?;
        Ok((fleet, secret))
    }
}
