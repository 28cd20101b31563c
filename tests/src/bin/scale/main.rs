//! What devices cost by the million, both ways in: the work of `cargo xtask scale`.
//!
//! Chain costs are measured on the compiled programs up to 10,000 devices and extrapolated from there by a rule that gives
//! exactly what was measured. What is off the chain is done for real with all ten million.

mod forest;
mod helium;
mod measure;
mod report;

use anyhow::{Context, Result};
use clap::Parser;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// How many devices are extrapolated to, and really built off the chain.
const DEVICES: u64 = 10_000_000;

/// What devices cost by the million
#[derive(Parser)]
struct Args {
    /// Also write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let ways = measure::run()?;
    let forests = forest::run()?;
    let following = forest::follow()?;
    let report = report::Report::new(ways, forests, following);
    println!("{}", report.text());
    if let Some(json) = &args.json {
        fs::write(json, serde_json::to_string_pretty(&report)?)
            .with_context(|| format!("{} can't be written", json.display()))?;
    }
    report.require_budgets()
}
