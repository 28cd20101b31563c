//! Measures what taking a reading costs a worker: the work of `cargo xtask bench ingest`.
//!
//! The worker is a process of its own, with its store on a disk, and its devices' readings come over HTTP from this one.
//! Both figures come from the same run: what `verify_strict` alone costs, on every processor at once, as the server uses
//! them; and all that the server's process used (`/proc/PID/stat`) for each reading that it put on the disk.

use anyhow::{ensure, Context, Result};
use clap::Parser;
use device_protocol::{Curve, Hash, Status};
use device_registry::events::DeviceRegistered;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use fieldproof_client::device_registry::RegistryEvent;
use fieldproof_worker::load::{self, Fleet, Plan, Totals};
use fieldproof_worker::{server, Worker};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::fixture::Network;
use tests::Harness;

/// Ticks a second in `/proc/PID/stat`, on every Linux.
const TICKS: f64 = 100.0;
/// The secret of the fleet's keys.
const SECRET: Hash = [42; 32];
/// How long bare verification is measured, before and after.
const BARE: Duration = Duration::from_secs(3);
/// What of the server's work must be verifying, at [`FULL_BODY`] readings a request.
const LEAST_RATIO: f64 = 0.8;
/// From how many readings a request on that holds.
const FULL_BODY: usize = 32;
/// What may be added to the server's memory in the second half of a run and still be called flat, in bytes.
const FLAT: u64 = 16 << 20;

/// Measures what taking a reading costs a worker
#[derive(Parser)]
struct Args {
    /// Directory for the worker's data, on a real disk
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// For how long; whether memory stays flat shows after minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Devices that send, in turn
    #[arg(long, default_value_t = 5_000)]
    devices: usize,
    /// Readings in one request
    #[arg(long, default_value_t = 32)]
    body: usize,
    /// Requests at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Also write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Be the server
    #[arg(long, hide = true)]
    serve: bool,
}

/// What the server says when it is ready.
#[derive(Serialize, Deserialize)]
struct Ready {
    url: String,
    network: Hash,
    now: i64,
}

#[derive(Serialize)]
struct Report {
    devices: usize,
    body: usize,
    connections: usize,
    processors: usize,
    readings: u64,
    seconds: f64,
    readings_per_second: f64,
    /// CPU microseconds of `verify_strict` a reading.
    verify: f64,
    /// CPU microseconds of the server's process a reading.
    server: f64,
    /// The first by the second.
    ratio: f64,
    /// Resident bytes of the server: when half of the run was over, at the end, and at most.
    memory_half: u64,
    memory_end: u64,
    memory_most: u64,
    memory_flat: bool,
    latency_p50: f64,
    latency_p99: f64,
    put_off: u64,
    rejected: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    if args.serve {
        return serve(&args, &runtime);
    }
    let report = runtime.block_on(run(&args))?;
    show(&report);
    if let Some(json) = &args.json {
        fs::write(json, serde_json::to_string_pretty(&report)?)
            .with_context(|| format!("{} can't be written", json.display()))?;
    }
    ensure!(
        report.rejected.is_empty() && report.failed.is_empty(),
        "not every reading was taken"
    );
    ensure!(
        report.ratio >= LEAST_RATIO || report.body < FULL_BODY,
        "less than {LEAST_RATIO} of the server's time is verifying"
    );
    ensure!(report.memory_flat, "the server's memory grows");
    Ok(())
}

async fn run(args: &Args) -> Result<Report> {
    let data = tempfile::TempDir::new_in(&args.data)?;
    let mut server = Server::start(args, data.path())?;
    let fleet = Fleet::new(&SECRET, Curve::Ed25519, args.devices, 1)?;
    let before = bare()?;
    let plan = Plan {
        url: server.ready.url.clone(),
        network: server.ready.network,
        now: server.ready.now,
        duration: Duration::from_secs_f64(args.minutes * 60.0),
        body: args.body,
        connections: args.connections,
    };
    let mut memory = Vec::new();
    let cpu = server.cpu()?;
    let progress = |totals: &Totals| {
        memory.extend(server.memory());
        eprint!(
            "\r{:4.0} s {:>9} readings {:>4} MB ",
            totals.seconds,
            totals.accepted,
            memory.last().copied().unwrap_or(0) >> 20
        );
    };
    let totals = load::drive(Arc::new(fleet), &plan, progress).await?;
    let cpu = server.cpu()? - cpu;
    eprintln!();
    memory.push(server.memory().context("the server has ended")?);
    server.stop()?;
    let verify = (before + bare()?) / 2.0;
    let half = memory[memory.len() / 2];
    let end = memory[memory.len() - 1];
    let per_reading = cpu / totals.accepted as f64;
    Ok(Report {
        devices: args.devices,
        body: args.body,
        connections: args.connections,
        processors: processors(),
        readings: totals.accepted,
        seconds: totals.seconds,
        readings_per_second: totals.accepted as f64 / totals.seconds,
        verify: verify * 1e6,
        server: per_reading * 1e6,
        ratio: verify / per_reading,
        memory_half: half,
        memory_end: end,
        memory_most: memory.iter().copied().max().unwrap_or(0),
        memory_flat: end <= half + FLAT,
        latency_p50: totals.latency_p50,
        latency_p99: totals.latency_p99,
        put_off: totals.put_off,
        rejected: totals.rejected,
        failed: totals.failed,
    })
}

fn show(report: &Report) {
    println!(
        "{} readings of {} devices in {:.0} s, {} a request, {} requests at a time, {} processors",
        report.readings,
        report.devices,
        report.seconds,
        report.body,
        report.connections,
        report.processors
    );
    println!(
        "{:.0} readings a second, on the disk after {:.0} ms (p50), {:.0} ms (p99)",
        report.readings_per_second, report.latency_p50, report.latency_p99
    );
    println!(
        "CPU a reading: {:.1} us verify_strict alone, {:.1} us the server's whole process: {:.3} of it is verify_strict",
        report.verify, report.server, report.ratio
    );
    println!(
        "memory: {} MB at half time, {} MB at the end, {} MB at most: {}",
        report.memory_half >> 20,
        report.memory_end >> 20,
        report.memory_most >> 20,
        if report.memory_flat {
            "flat"
        } else {
            "growing"
        }
    );
    for (reason, count) in report.rejected.iter().chain(&report.failed) {
        println!("{count} times {reason}");
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// CPU seconds of one `verify_strict`, with every processor at it: two that share a core are slower than one alone, and
/// so they are for the server.
fn bare() -> Result<f64> {
    let threads: Vec<_> = (0..processors())
        .map(|_| std::thread::spawn(bare_thread))
        .collect();
    let mut sum = 0.0;
    let count = threads.len() as f64;
    for thread in threads {
        sum += thread.join().expect("a thread that panics told why")?;
    }
    Ok(sum / count)
}

fn bare_thread() -> Result<f64> {
    let signed: Vec<([u8; 32], Signature, VerifyingKey)> = (0..2_000u32)
        .map(|number| {
            let mut seed = [1; 32];
            seed[..4].copy_from_slice(&number.to_le_bytes());
            let key = SigningKey::from_bytes(&seed);
            (seed, key.sign(&seed), key.verifying_key())
        })
        .collect();
    let start = Instant::now();
    let cpu = thread_cpu()?;
    let mut count = 0u32;
    while start.elapsed() < BARE {
        for (message, signature, key) in &signed {
            key.verify_strict(message, signature)?;
        }
        count += signed.len() as u32;
    }
    Ok((thread_cpu()? - cpu) / f64::from(count))
}

/// CPU seconds of this thread.
fn thread_cpu() -> Result<f64> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = schedstat.split(' ').next().unwrap_or_default();
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

/// The worker's process.
struct Server {
    child: Child,
    ready: Ready,
}

impl Server {
    fn start(args: &Args, data: &Path) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .arg("--data")
            .arg(data)
            .args(["--devices", &args.devices.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().context("the server's output")?)
            .read_line(&mut line)?;
        let ready = serde_json::from_str(&line).context("the server did not start")?;
        Ok(Self { child, ready })
    }

    /// CPU seconds of the process, its threads' that have ended among them.
    fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name before may hold anything.
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let ticks = |number: usize| -> Result<f64> {
            let field = fields.split_whitespace().nth(number);
            Ok(field.context("/proc/PID/stat")?.parse()?)
        };
        // utime and stime are fields 14 and 15; the state, after the name, is 3.
        Ok((ticks(11)? + ticks(12)?) / TICKS)
    }

    /// Its resident bytes.
    fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes << 10)
    }

    fn stop(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been stopped already.
        let _ = self.stop();
    }
}

/// Is the worker: its chain in the process, its devices known, until it is killed or the other process has ended.
fn serve(args: &Args, runtime: &tokio::runtime::Runtime) -> Result<()> {
    let harness = Harness::new();
    let network = Network::new(&harness);
    let operator = network.operator(&harness, 30);
    let now = harness.now();
    let chain = Arc::new(harness.chain);
    let worker = Worker::open(
        chain.clone(),
        network.key,
        operator.pool,
        operator.signer,
        BTreeMap::new(),
        &args.data,
    )?;
    let mut limits = worker.limits().clone();
    limits.requests_per_second = u32::MAX;
    let worker = Arc::new(worker.with_limits(limits));
    register(
        &worker,
        &Fleet::new(&SECRET, Curve::Ed25519, args.devices, 1)?,
    )?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let ready = Ready {
        url: format!("http://{}", listener.local_addr()?),
        network: network.id,
        now,
    };
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&ready)?)?;
    out.flush()?;
    let served = worker.clone();
    runtime.spawn(async move { server::serve(&served, listener, std::future::pending()).await });
    std::thread::spawn(move || {
        // Blocks until the other process has ended.
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    let start = Instant::now();
    loop {
        chain.set_time(now + start.elapsed().as_secs() as i64);
        worker.step()?;
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Tells the worker of devices as if the chain had.
fn register(worker: &Worker, fleet: &Fleet) -> Result<()> {
    let registry = &worker.operator().registry;
    for (index, key) in fleet.keys().enumerate() {
        let event = DeviceRegistered {
            network: worker.operator().network,
            tree: Default::default(),
            curve: key.curve as u8,
            key: key.bytes,
            device: key.id(),
            owner: Default::default(),
            maker: Default::default(),
            tier: 1,
            status: Status::Proven as u8,
            cell: 0,
            registered_slot: 0,
            previous_owner: Default::default(),
            owner_changed_at: 0,
            nonce: 0,
            tree_index: 0,
            index: index as u32,
            number: index as u64,
            serial_hash: [0; 32],
            sequence: index as u64 + 1,
            root: [0; 32],
        };
        for record in registry.records(&[RegistryEvent::Registered(Box::new(event))])? {
            registry.insert(record)?;
        }
    }
    Ok(())
}
