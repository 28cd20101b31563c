//! `fieldproof-worker --config FILE`: runs an operator's worker until it is stopped.

use clap::Parser;
use fieldproof_client::chain::Topic;
use fieldproof_worker::config::Limits;
use fieldproof_worker::prove::Proving;
use fieldproof_worker::{mqtt, server, Config, Event, Part, Worker};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// How often the chain is looked at.
const POLL: Duration = Duration::from_millis(500);
/// Files that a worker opens besides its clients' connections, with a margin: its log and database, and connections of its
/// own.
const OWN_FILES: usize = 128;

/// Runs an operator's worker: takes readings over HTTP, commits, attests, checks others, votes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .init();
    let mut config = Config::read(&Arguments::parse().config)?;
    fit_to_files(&mut config.limits)?;
    let signer = solana_keypair::read_keypair_file(&config.signer)?;
    let chain = Arc::new(config.chain());
    let worker = Worker::open(
        chain,
        config.network,
        config.pool,
        signer,
        config.peers()?,
        &config.data,
    )?;
    let worker = Arc::new(
        worker
            .with_limits(config.limits)
            .with_rules(config.plausibility),
    );
    if let Some(prover) = &config.prover {
        info!("reading the proving key");
        worker.operator().prove_with(Proving::open(prover)?);
    }
    for part in Part::ALL {
        let driver = worker.clone();
        std::thread::spawn(move || {
            let _end = EndProcess;
            drive(&driver, part);
        });
    }
    let clock = worker.clone();
    std::thread::spawn(move || {
        let _end = EndProcess;
        keep_time(&clock);
    });

    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(config.listen).await?;
        info!(address = %listener.local_addr()?, "listening");
        let stop = async {
            if let Err(error) = tokio::signal::ctrl_c().await {
                warn!(%error, "no signal handler: stop the process to end the worker");
                std::future::pending::<()>().await;
            }
        };
        let follow = async {
            match config.mqtt {
                Some(broker) => mqtt::follow(&worker, broker).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            served = server::serve(&worker, listener, stop) => served,
            followed = follow => followed.map(|never| match never {}),
        }
    })?;
    Ok(())
}

/// Lets the process open as many files as the system allows it, and take no more connections than that leaves room for.
fn fit_to_files(limits: &mut Limits) -> io::Result<()> {
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let most = files.saturating_sub(OWN_FILES).max(1);
    if limits.connections > most {
        warn!(
            most,
            files, "fewer connections: the system allows no more open files"
        );
        limits.connections = most;
    }
    Ok(())
}

/// Ends the process when its thread ends: a worker that takes readings and does nothing with them helps nobody.
struct EndProcess;

impl Drop for EndProcess {
    fn drop(&mut self) {
        std::process::exit(1);
    }
}

/// Keeps the time by which readings are judged right, however long a step takes.
fn keep_time(worker: &Worker) {
    loop {
        if let Err(error) = worker.tick() {
            warn!(%error, "clock");
        }
        std::thread::sleep(POLL);
    }
}

/// Works on one part for ever, at once when the network's account is named by a transaction. What fails is tried again with
/// the next step.
fn drive(worker: &Worker, part: Part) {
    let operator = worker.operator();
    let mut network = operator.chain.watch(Topic::Account(operator.network));
    loop {
        match worker.work(part) {
            Ok(events) => {
                events.iter().for_each(log);
                network.wait(POLL);
            }
            Err(error) => {
                warn!(%error, ?part, "step");
                std::thread::sleep(POLL);
            }
        }
    }
}

fn log(event: &Event) {
    match event {
        Event::Refused { .. } | Event::Doubted { .. } | Event::Failed { .. } => {
            warn!(?event, "step")
        }
        event => info!(?event, "step"),
    }
}
