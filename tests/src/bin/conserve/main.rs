//! Random sequences of actions on the compiled programs, with all books checked after each instruction: the work of
//! `cargo xtask conserve`.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use tests::conservation;

/// Random sequences of actions, with all books checked after each instruction
#[derive(Parser)]
struct Args {
    /// How many sequences, of 50 actions each
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sequences: u64,
    /// Seed of the first; each next one has the next seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    let Args { sequences, seed } = Args::parse();
    let bar = ProgressBar::new(sequences);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} sequences, {eta} left");
    bar.set_style(style.expect("a template"));
    let outcome = conservation::run(sequences, seed, |done| bar.set_position(done));
    bar.finish_and_clear();
    match outcome {
        Ok(tally) => {
            println!("{tally}");
            println!("{sequences} sequences from seed {seed}: all books agree");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            eprintln!("{broken}");
            ExitCode::FAILURE
        }
    }
}
