//! `trainer`: trains, measures and checks the demo's model.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use inference::ModelRef;
use trainer::data::{load, split, windows, Split};
use trainer::report::{check, Card, Errors, Report};
use trainer::train::{train, STARTS};

/// Trains the demo's model and says how well it does on data that it has not seen.
#[derive(Parser)]
struct Options {
    /// Hourly temperatures.
    #[arg(long, default_value = "data/weather/temperature.csv")]
    data: PathBuf,
    /// The model's file; its card, with its errors, lies beside it and ends in .json.
    #[arg(long, default_value = "app/trainer/models/temperature.model")]
    out: PathBuf,
    /// Train nothing: compute the errors of the model in --out again, and fail unless they are its card's.
    #[arg(long)]
    check: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let split = split(windows(&load(&options.data)?))?;
    let report = if options.check {
        check(&options.out, &split)?
    } else {
        make(&options, &split)?
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_table(&report);
    }
    Ok(())
}

/// Trains from several starts and stores the best model and its card.
fn make(options: &Options, split: &Split) -> Result<Report> {
    eprintln!(
        "training on {} windows, choosing on {}",
        split.training.len(),
        split.validation.len()
    );
    let mut best = None;
    let mut best_error = f64::INFINITY;
    for seed in 1..=STARTS {
        let candidate = train(split, seed)?;
        eprintln!(
            "start {seed} of {STARTS}: validation error {:.4} °C in floats, {:.4} °C in integers",
            candidate.float_error, candidate.model_error
        );
        if candidate.model_error < best_error {
            best_error = candidate.model_error;
            best = Some(candidate);
        }
    }
    let best = best.context("training never converged: check the data")?;

    let bytes = best.model.to_bytes();
    let report = Report::compute(&ModelRef::parse(&bytes)?, &best.float, split)?;
    std::fs::write(&options.out, bytes)
        .with_context(|| format!("can't write {}", options.out.display()))?;
    let card = Card {
        report: report.clone(),
        float: best.float,
    };
    card.store(&options.out.with_extension("json"))?;
    Ok(report)
}

fn print_table(report: &Report) {
    println!("model {}", report.model_hash);
    println!("mean absolute error of the next hour's temperature, °C");
    println!("held out                  windows    model    float    naive");
    let row = |name: &str, errors: &Errors| {
        println!(
            "{name:<24} {:>8} {:>8.4} {:>8.4} {:>8.4}",
            errors.windows, errors.model_mae, errors.float_mae, errors.naive_mae
        );
    };
    row("LGA, whole year", &report.other_station);
    row("EWR and JFK, Oct to Dec", &report.other_season);
    row("all", &report.held_out);
}
