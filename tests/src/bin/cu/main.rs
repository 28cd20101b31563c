//! Measures what every instruction of the programs costs, on their compiled binaries: the work of `cargo xtask cu`.

mod ai_feed;
mod availability;
mod bench;
mod credits;
mod data_commitment;
mod device_registry;
mod optimistic;
mod parametric_insurance;
mod report;
mod reports;
mod reward_emission;
mod roots;
mod security_pool;
mod stream;

use anyhow::{Context, Result};
use bench::Bench;
use clap::Parser;
use report::{Binary, Report};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures what the programs cost
#[derive(Parser)]
struct Args {
    /// Directory of the programs' binaries
    #[arg(long, value_name = "DIR")]
    programs: PathBuf,
    /// The Markdown file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Compare with that file instead, and fail where something costs over 5 % more or exceeds its budget
    #[arg(long)]
    check: bool,
    /// Also write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(worse) if worse.is_empty() => ExitCode::SUCCESS,
        Ok(worse) => {
            for line in worse {
                eprintln!("{line}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is worse than committed; nothing when it was not to be compared.
fn run(args: &Args) -> Result<Vec<String>> {
    let report = measure(&args.programs)?;
    println!("{}", report.tables());
    if let Some(json) = &args.json {
        write(json, &serde_json::to_string_pretty(&report)?)?;
    }
    if args.check {
        let committed = fs::read_to_string(&args.out)
            .with_context(|| format!("{} can't be read", args.out.display()))?;
        return report.compare(&committed);
    }
    write(&args.out, &report.markdown())?;
    Ok(Vec::new())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("{} can't be written", file.display()))
}

/// Measures each program on a chain of its own.
fn measure(programs: &Path) -> Result<Report> {
    type Measure = fn(&Bench) -> Result<()>;
    let measures: [(&'static str, Measure); 6] = [
        ("device-registry", device_registry::measure),
        ("data-commitment", data_commitment::measure),
        ("security-pool", security_pool::measure),
        ("ai-feed", ai_feed::measure),
        ("reward-emission", reward_emission::measure),
        ("parametric-insurance", parametric_insurance::measure),
    ];
    let mut report = Report::default();
    for (name, measure) in measures {
        let file = bench::binary(programs, name);
        let bytes = fs::metadata(&file)
            .with_context(|| format!("{} is missing", file.display()))?
            .len();
        let bench = Bench::new(programs, name)?;
        measure(&bench)?;
        let (figures, notes) = bench.finish();
        report.instructions.extend(figures);
        report.programs.push(Binary { name, bytes, notes });
    }
    report.require_budgeted()?;
    Ok(report)
}
