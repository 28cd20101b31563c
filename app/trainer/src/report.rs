//! How well a model does on data that it has not seen, and the files that say so.

use std::path::Path;

use anyhow::{anyhow, ensure, Context, Result};
use inference::{model_hash, ModelRef};
use serde::{Deserialize, Serialize};
use solana_poseidon::{hashv, Endianness, Parameters, PoseidonSyscallError};

use crate::data::{Split, Window};
use crate::network::Network;
use crate::train::{float_forecast, model_forecast};

/// Mean absolute errors on some windows, in °C to four decimals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    pub windows: usize,
    /// Of the model, run by the engine.
    pub model_mae: f64,
    /// Of the float network that the model was made of.
    pub float_mae: f64,
    /// Of the naive forecast: the next hour is as the last.
    pub naive_mae: f64,
}

/// What is published of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Hex of the big-endian hash that names the model.
    pub model_hash: String,
    /// On everything held out.
    #[serde(flatten)]
    pub held_out: Errors,
    /// On the held-out station, the whole year.
    pub other_station: Errors,
    /// On the held-out months of the stations of training.
    pub other_season: Errors,
}

/// What lies beside the model's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    #[serde(flatten)]
    pub report: Report,
    /// The float network, to compute its error again.
    pub float: Network,
}

impl Report {
    /// Runs everything on the held-out windows.
    pub fn compute(model: &ModelRef<'_>, float: &Network, split: &Split) -> Result<Self> {
        let held_out = [split.other_station.as_slice(), &split.other_season].concat();
        Ok(Self {
            model_hash: hash(model)?,
            held_out: Errors::compute(model, float, &held_out),
            other_station: Errors::compute(model, float, &split.other_station),
            other_season: Errors::compute(model, float, &split.other_season),
        })
    }
}

impl Errors {
    fn compute(model: &ModelRef<'_>, float: &Network, windows: &[Window]) -> Self {
        let naive = |window: &Window| {
            let [.., last] = window.temperatures;
            f64::from(last)
        };
        let four_decimals = |error: f64| (error * 10_000.0).round() / 10_000.0;
        Self {
            windows: windows.len(),
            model_mae: four_decimals(mean_absolute_error(windows, |w| model_forecast(model, w))),
            float_mae: four_decimals(mean_absolute_error(windows, |w| float_forecast(float, w))),
            naive_mae: four_decimals(mean_absolute_error(windows, naive)),
        }
    }
}

impl Card {
    /// Reads the card of a model.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read {}: train the model first", path.display()))?;
        let card: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a model's card: train it again", path.display()))?;
        card.float.validate()?;
        Ok(card)
    }

    /// Writes the card of a model.
    pub fn store(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
    }
}

/// Computes a model's errors again and compares them with the card beside its file.
pub fn check(model_path: &Path, split: &Split) -> Result<Report> {
    let bytes = std::fs::read(model_path)
        .with_context(|| format!("can't read {}: train the model first", model_path.display()))?;
    let model = ModelRef::parse(&bytes)
        .with_context(|| format!("{} is not a model", model_path.display()))?;
    let card = Card::load(&model_path.with_extension("json"))?;
    let report = Report::compute(&model, &card.float, split)?;
    ensure!(
        report == card.report,
        "the model's card is wrong: it says {:?}, but the data give {report:?}; train it again",
        card.report
    );
    Ok(report)
}

/// The mean absolute error of a forecast in hundredths of °C, in °C. Not a number without windows.
pub fn mean_absolute_error(windows: &[Window], forecast: impl Fn(&Window) -> f64) -> f64 {
    let sum: f64 = windows
        .iter()
        .map(|window| (forecast(window) - f64::from(window.next)).abs())
        .sum();
    sum / windows.len() as f64 / 100.0
}

fn hash(model: &ModelRef<'_>) -> Result<String> {
    let poseidon = |inputs: &[[u8; 32]]| -> Result<[u8; 32], PoseidonSyscallError> {
        let inputs: Vec<&[u8]> = inputs.iter().map(|input| input.as_slice()).collect();
        Ok(hashv(Parameters::Bn254X5, Endianness::BigEndian, &inputs)?.to_bytes())
    };
    let hash = model_hash(model, poseidon).map_err(|error| anyhow!("can't hash: {error}"))?;
    Ok(hex::encode(hash))
}
