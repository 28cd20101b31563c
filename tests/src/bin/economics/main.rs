//! Whether it pays to attack a network: agents on the compiled programs, who pay real bonds, rents and fees. The work of
//! `cargo xtask economics`.
//!
//! Each attack is played on a chain of its own, once found out and once not, beside the same people doing nothing wrong;
//! what it is expected to bring follows from how often it is found out. A sweep of rewards over bonds finds where it breaks
//! even.

mod attack;
mod parameters;
mod report;
mod scores;
mod sweep;
#[cfg(test)]
mod tests;
mod world;

use anyhow::{bail, Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use parameters::DOCUMENTED;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Plays attacks against rewards, bonds and stakes, and fails if one pays
#[derive(Parser)]
struct Args {
    /// The Markdown file that quotes parameters and results, which is brought up to date
    #[arg(long, value_name = "FILE")]
    docs: PathBuf,
    /// Compare with that file instead, and fail if it says something else
    #[arg(long)]
    check: bool,
    /// Where the HTML report goes
    #[arg(long, value_name = "FILE", overrides_with = "report")]
    report: PathBuf,
    /// Also write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Seed of all keys
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
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
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left");
    bar.set_style(style?);
    let results = sweep::run(&DOCUMENTED, args.seed, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    println!("{}", report::text(&results, &DOCUMENTED));
    if let Some(json) = &args.json {
        write(json, &serde_json::to_string_pretty(&results)?)?;
    }
    write(&args.report, &report::html(&results, &DOCUMENTED))?;
    println!("report: {}", args.report.display());

    let committed = fs::read_to_string(&args.docs)
        .with_context(|| format!("{} can't be read", args.docs.display()))?;
    let current = report::into_docs(&committed, &results, &DOCUMENTED)?;
    if args.check && current != committed {
        bail!(
            "{} says something else; run without --check",
            args.docs.display()
        );
    }
    if !args.check && args.seed == 0 {
        write(&args.docs, &current)?;
    }
    let faults = results.faults();
    if !faults.is_empty() {
        bail!("at the documented parameters:\n{}", faults.join("\n"));
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("{} can't be written", file.display()))
}
