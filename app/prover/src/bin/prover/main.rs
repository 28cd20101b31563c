//! `prover`: the circuit's files, keys of a ceremony, and what proving costs.

mod bench;

use std::{
    fs::{self, File},
    io::BufWriter,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;
use inference::{Header, Model, ModelRef, BIASES, FEATURES, SHIFTS, WEIGHTS};
use prover::{export_r1cs, Batch, Prover, ProvingKey, Window};

/// The circuit's files, keys of a ceremony, and what proving costs
#[derive(Parser)]
enum Task {
    /// Write the circuit for snarkjs, which sets it up in a ceremony
    R1cs {
        /// How many windows the circuit takes, at most: 1, 2, 4, 8, 16 or 32
        #[arg(long, default_value_t = 32)]
        windows: usize,
        /// The .r1cs file
        file: PathBuf,
    },
    /// Take a ceremony's key from snarkjs: check it, try it, write it, and say its SHA-256
    Import {
        /// How many windows the circuit takes, at most
        #[arg(long, default_value_t = 32)]
        windows: usize,
        /// The .zkey file
        zkey: PathBuf,
        /// The key's file
        file: PathBuf,
        /// The verifying key's file, as it is registered on chain
        verifying_key: PathBuf,
    },
    /// Write the verifying key of the insecure development key, as it is registered on chain
    InsecureVerifyingKey {
        /// How many windows the circuit takes, at most: 1, 8, 16 or 32
        #[arg(long, default_value_t = 32)]
        windows: usize,
        /// The file
        file: PathBuf,
    },
    /// Measure constraints, set-up, proving and memory for 1, 8, 16 and 32 windows
    Bench(bench::Args),
    /// One measurement of `bench`, in a process of its own
    #[command(hide = true, subcommand)]
    Measure(bench::Measure),
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
    match task {
        Task::R1cs { windows, file } => {
            let created = File::create(&file).with_context(|| file.display().to_string())?;
            export_r1cs(windows, BufWriter::new(created))?;
        }
        Task::Import {
            windows,
            zkey,
            file,
            verifying_key,
        } => {
            let bytes = fs::read(&zkey).with_context(|| zkey.display().to_string())?;
            let key = ProvingKey::from_zkey(&bytes, windows)?;
            let sha256 = key.write(&file)?;
            let bytes = key.verifying_key().to_bytes();
            // Only a key whose points belong together gives a proof that verifies.
            prove(&Prover::new(key)?)?;
            fs::write(&verifying_key, bytes)
                .with_context(|| verifying_key.display().to_string())?;
            println!("{}", hex::encode(sha256));
        }
        Task::InsecureVerifyingKey { windows, file } => {
            let key = Prover::development(windows)?.verifying_key();
            fs::write(&file, key.to_bytes()).with_context(|| file.display().to_string())?;
        }
        Task::Bench(args) => bench::run(&args)?,
        Task::Measure(measure) => bench::measure(&measure)?,
    }
    Ok(())
}

/// Proves a full batch of made-up windows with a made-up model.
fn prove(prover: &Prover) -> Result<()> {
    let header = Header {
        version: Header::VERSION,
        shape: Header::SHAPE,
        shifts: SHIFTS,
        schema: 0,
        value_index: 0,
        level_offset: 0,
        level_gain: 1,
        delta_gain: 1,
        output_offset: 0,
        output_step: 1,
        exponent: 0,
    };
    let mut model = Model {
        header,
        weights: [0; WEIGHTS],
        biases: [0; BIASES],
    };
    for (weight, value) in model.weights.iter_mut().zip((-99..=99).step_by(14).cycle()) {
        *weight = value;
    }
    let mut windows = vec![Window::default(); prover.capacity()];
    for (index, window) in (0..).zip(&mut windows) {
        window.index = index;
        for (feature, value) in (0..FEATURES as u16).zip(&mut window.features) {
            *value = 30_000 + 300 * feature + 10 * index as u16;
        }
    }
    let bytes = model.to_bytes();
    prover.prove(&Batch {
        windows: &windows,
        model: ModelRef::parse(&bytes)?,
        context: [0; 32],
    })?;
    Ok(())
}
