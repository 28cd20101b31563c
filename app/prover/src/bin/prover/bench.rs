//! What proving costs: constraints, set-up, keys, time and memory.

use std::{env, fs, path::PathBuf, process::Command, time::Instant};

use anyhow::{ensure, Context, Result};
use clap::{Parser, Subcommand};
use comfy_table::{presets::NOTHING, CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use prover::{Prover, ProvingKey};
use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};

/// For how many windows proving is measured.
const WINDOWS: [usize; 4] = [1, 8, 16, 32];
/// By how many threads.
const THREADS: [usize; 2] = [1, 2];
/// Of so many proofs the fastest counts.
const PROOFS: usize = 5;

/// Seconds in which the largest batch must be proven by two threads.
const BUDGET: f64 = 1.2;

#[derive(Parser)]
pub struct Args {
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is measured in a process of its own, so that its memory is its alone.
#[derive(Subcommand)]
pub enum Measure {
    /// The set-up, by two threads
    SetUp { windows: usize },
    /// Proving with the key from the cache
    Prove { windows: usize, threads: usize },
}

/// What a set-up took.
#[derive(Serialize, Deserialize)]
struct SetUp {
    constraints: usize,
    seconds: f64,
    key_bytes: u64,
    peak_bytes: u64,
}

/// What proofs took.
#[derive(Serialize, Deserialize)]
struct Prove {
    threads: usize,
    load_seconds: f64,
    seconds: f64,
    peak_bytes: u64,
}

/// A row of the table.
#[derive(Serialize)]
struct Row {
    windows: usize,
    set_up: SetUp,
    prove: Vec<Prove>,
}

pub fn run(args: &Args) -> Result<()> {
    let bar = ProgressBar::new((WINDOWS.len() * (1 + THREADS.len())) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let mut rows = Vec::new();
    for windows in WINDOWS {
        bar.set_message(format!("setting up {windows} windows"));
        let set_up = in_child(&["set-up", &windows.to_string()])?;
        bar.inc(1);
        // The key is in the cache from here on.
        Prover::development(windows)?;
        let mut prove = Vec::new();
        for threads in THREADS {
            bar.set_message(format!("proving {windows} windows, threads: {threads}"));
            prove.push(in_child(&[
                "prove",
                &windows.to_string(),
                &threads.to_string(),
            ])?);
            bar.inc(1);
        }
        rows.push(Row {
            windows,
            set_up,
            prove,
        });
    }
    bar.finish_and_clear();
    print(&rows);
    if let Some(file) = &args.json {
        fs::write(file, serde_json::to_vec_pretty(&rows)?)
            .with_context(|| file.display().to_string())?;
    }
    let slowest = rows
        .iter()
        .flat_map(|row| &row.prove)
        .filter(|prove| prove.threads == 2)
        .map(|prove| prove.seconds)
        .fold(0.0, f64::max);
    ensure!(
        slowest <= BUDGET,
        "a proof took two threads {slowest:.2} s; the budget is {BUDGET} s"
    );
    Ok(())
}

/// Runs `prover measure`, and reads what it says.
fn in_child<T: for<'a> Deserialize<'a>>(args: &[&str]) -> Result<T> {
    let output = Command::new(env::current_exe()?)
        .arg("measure")
        .args(args)
        .output()?;
    ensure!(
        output.status.success(),
        "measuring {} has failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub fn measure(measure: &Measure) -> Result<()> {
    let json = match *measure {
        Measure::SetUp { windows } => {
            ThreadPoolBuilder::new().num_threads(2).build_global()?;
            let start = Instant::now();
            let key = ProvingKey::insecure(windows)?;
            let seconds = start.elapsed().as_secs_f64();
            let peak_bytes = peak_bytes()?;
            let dir = tempfile::tempdir()?;
            let file = dir.path().join("key");
            key.write(&file)?;
            serde_json::to_string(&SetUp {
                seconds,
                key_bytes: fs::metadata(&file)?.len(),
                constraints: Prover::new(key)?.constraints(),
                peak_bytes,
            })?
        }
        Measure::Prove { windows, threads } => {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()?;
            let start = Instant::now();
            let prover = Prover::development(windows)?;
            let load_seconds = start.elapsed().as_secs_f64();
            let mut seconds = f64::INFINITY;
            for _ in 0..PROOFS {
                let start = Instant::now();
                super::prove(&prover)?;
                seconds = seconds.min(start.elapsed().as_secs_f64());
            }
            serde_json::to_string(&Prove {
                threads,
                load_seconds,
                seconds,
                peak_bytes: peak_bytes()?,
            })?
        }
    };
    println!("{json}");
    Ok(())
}

/// The most memory that the process has had so far.
fn peak_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
        .context("the kernel doesn't say how much memory was used")?;
    Ok(kilobytes.trim().parse::<u64>()? << 10)
}

fn print(rows: &[Row]) {
    let mut header = vec!["windows".into(), "constraints".into(), "set-up".into()];
    header.extend(["key".into(), "load".into()]);
    header.extend(THREADS.map(|threads| format!("prove, threads: {threads}")));
    header.extend(["memory, set-up".into(), "memory, prove".into()]);
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header);
    for row in rows {
        let SetUp {
            constraints,
            seconds,
            key_bytes,
            peak_bytes,
        } = &row.set_up;
        let mut cells = vec![
            row.windows.to_string(),
            constraints.to_string(),
            format!("{seconds:.2} s"),
            megabytes(*key_bytes),
        ];
        let fastest =
            |value: fn(&Prove) -> f64| row.prove.iter().map(value).fold(f64::NAN, f64::min);
        cells.push(format!("{:.2} s", fastest(|prove| prove.load_seconds)));
        cells.extend(
            row.prove
                .iter()
                .map(|prove| format!("{:.2} s", prove.seconds)),
        );
        let most = row.prove.iter().map(|prove| prove.peak_bytes).max();
        cells.extend([megabytes(*peak_bytes), megabytes(most.unwrap_or_default())]);
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
