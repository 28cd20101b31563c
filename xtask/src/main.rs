//! `cargo xtask`: builds the programs, and runs what needs them.

mod bench;
mod build;
mod conserve;
mod cu;
mod demo;
mod economics;
mod fuzz;
mod idl;
mod scale;
mod test;
mod workspace;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use workspace::Workspace;

/// Builds the programs, and runs what needs them
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Compile the programs to sBPF, and put them into the target directory's deploy/
    Build,
    /// Build, then run every test
    Test,
    /// Build, then run the demo
    Demo {
        /// Arguments of the demo, such as `--rpc`, `--json FILE` and `--report FILE`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then measure compute units and write docs/benchmarks.md
    Cu {
        /// Compare with docs/benchmarks.md instead, and fail when something costs over 5 % more
        #[arg(long)]
        check: bool,
        /// Also write the measurements to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Build, then run random sequences of actions and check all books after each instruction
    Conserve {
        /// Arguments, such as `--sequences N` and `--seed SEED`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then play attacks against rewards, bonds and stakes, and fail if one pays
    Economics {
        /// Arguments, such as `--json FILE`, `--seed SEED` and `--check`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run the fuzz targets, with cargo-fuzz
    Fuzz {
        /// One of fuzz/fuzz_targets [default: all of them]
        target: Option<String>,
        /// How long to run each
        #[arg(long, default_value_t = 600)]
        seconds: u32,
        /// Only see whether they all compile
        #[arg(long, conflicts_with_all = ["target", "seconds"])]
        check: bool,
    },
    /// Build, then measure and extrapolate what ten million devices cost
    Scale {
        /// Also write the figures to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Measure what happens off the chain
    #[command(subcommand)]
    Bench(Bench),
    /// Write the programs' interfaces to the target directory's idl/
    Idl,
    /// Train a model
    Train {
        /// Arguments of the trainer
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(clap::Subcommand)]
enum Bench {
    /// What taking a reading costs a worker, and what verifying it alone costs
    Ingest {
        /// Arguments of the benchmark, such as `--json FILE` and `--minutes 10`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// What proofs of 1, 8, 16 and 32 windows take: constraints, time and memory
    Prove {
        /// Arguments of the benchmark, such as `--json FILE`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Build => build::run(&workspace).map(drop),
        Task::Test => test::run(&workspace),
        Task::Demo { args } => demo::run(&workspace, &args),
        Task::Cu { check, json } => cu::run(&workspace, check, json),
        Task::Conserve { args } => conserve::run(&workspace, &args),
        Task::Economics { args } => economics::run(&workspace, &args),
        Task::Fuzz { check: true, .. } => fuzz::check(&workspace),
        Task::Fuzz {
            target, seconds, ..
        } => fuzz::run(&workspace, target.as_deref(), seconds),
        Task::Scale { json } => scale::run(&workspace, json),
        Task::Bench(Bench::Ingest { args }) => bench::ingest(&workspace, &args),
        Task::Bench(Bench::Prove { args }) => bench::prove(&workspace, &args),
        Task::Idl => idl::run(&workspace),
        Task::Train { args } => {
            let mut trainer = workspace.cargo(&["run"]);
            trainer.args(["--package", "trainer", "--"]).args(args);
            workspace::hand_over(&mut trainer)
        }
    }
}
