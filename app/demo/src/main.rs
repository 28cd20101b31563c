//! `demo`: the whole of Fieldproof on one machine, with real measurements: programs, devices, operators, a feed, a
//! consumer that is paid from it, and rewards.

mod actors;
mod chart;
mod network;
mod policy;
mod proxy;
mod report;
mod rewards;
mod run;
mod scenario;
mod show;
mod summary;
mod verification;

use anyhow::{Context, Result};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs a network on the temperatures measured at three airports, and reports what the chain holds after it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Directory of the compiled programs
    #[arg(long, value_name = "DIR")]
    programs: PathBuf,
    /// Run on an RPC server, with a process for each operator, instead of all in this process
    #[arg(long)]
    rpc: bool,
    /// Where to write the figures, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write the report, as HTML [default: demo/report.html beside the programs' directory]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    match demo(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo stopped: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(arguments: &Arguments) -> Result<()> {
    let summary = run::run(&arguments.programs, arguments.rpc)?;
    if let Some(file) = &arguments.json {
        write(file, &(serde_json::to_string_pretty(&summary)? + "\n"))?;
    }
    let file = match &arguments.report {
        Some(file) => file.clone(),
        None => {
            let programs = arguments.programs.canonicalize()?;
            programs.with_file_name("demo").join("report.html")
        }
    };
    write(&file, &report::html(&summary))?;
    println!("{}", summary.table());
    show::item("Report", &file.display().to_string());
    summary.check()
}

fn write(file: &std::path::Path, text: &str) -> Result<()> {
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("can't make {}", directory.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("can't write {}", file.display()))
}
