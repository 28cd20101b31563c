//! `fieldproof send`: signs one reading as a device does, and hands it to a worker.

use crate::context::Context;
use crate::{answer, files};
use anyhow::{bail, Context as _, Result};
use device_protocol::{Reading, SignedReading, Values};
use fieldproof_worker::server::Accepted;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
pub struct Arguments {
    /// The device's key
    #[arg(long, value_name = "FILE")]
    device: PathBuf,
    /// The worker's address
    #[arg(long, value_name = "URL", env = "FIELDPROOF_WORKER")]
    worker: String,
    /// What was measured, in the schema's fixed point
    #[arg(long, value_name = "INTEGER", required = true, num_args = 1.., allow_negative_numbers = true)]
    values: Vec<i32>,
    /// The schema of the values: 1, air temperature in hundredths of a degree Celsius
    #[arg(long, default_value_t = 1)]
    schema: u16,
    /// Degrees north
    #[arg(long, value_name = "DEGREES", allow_negative_numbers = true)]
    latitude: f64,
    /// Degrees east
    #[arg(long, value_name = "DEGREES", allow_negative_numbers = true)]
    longitude: f64,
    /// Radius around the position in which the device is, in metres
    #[arg(long, value_name = "METRES", default_value_t = 20)]
    accuracy: u16,
    /// The reading's number, larger than all before [default: the time in milliseconds]
    #[arg(long, value_name = "NUMBER")]
    sequence: Option<u64>,
    /// When it was captured, unix milliseconds [default: now]
    #[arg(long, value_name = "MILLISECONDS")]
    captured_at: Option<i64>,
    /// The nonce of the device's leaf
    #[arg(long, default_value_t = 0)]
    nonce: u32,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let (_, network) = context.network(&chain)?;
    let signer = files::read_device_key(&arguments.device)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("this machine's clock")?;
    let captured_at = match arguments.captured_at {
        Some(captured_at) => captured_at,
        None => i64::try_from(now.as_millis()).context("this machine's clock")?,
    };
    let reading = Reading {
        network: network.id,
        device: signer.device_key().id(),
        leaf_nonce: arguments.nonce,
        session: 0,
        sequence: arguments
            .sequence
            .unwrap_or(u64::try_from(now.as_millis())?),
        captured_at,
        latitude: fixed(arguments.latitude, 90.0)?,
        longitude: fixed(arguments.longitude, 180.0)?,
        accuracy: arguments.accuracy,
        schema: arguments.schema,
        values: Values::new(&arguments.values)?,
    };
    reading.check()?;
    let signed = SignedReading {
        reading,
        signature: signer.sign(&reading.digest()),
    };
    let progress = context.progress("sending the reading");
    let answer = reqwest::blocking::Client::new()
        .post(format!(
            "{}/v1/readings",
            arguments.worker.trim_end_matches('/')
        ))
        .body(signed.to_bytes())
        .send()?;
    let answer: Accepted = answer::read(answer)?;
    drop(progress);
    if answer.accepted != 1 {
        bail!(
            "the worker rejected the reading: {}",
            answer.results.join(", ")
        );
    }
    context.print(&answer, || {
        "Accepted: the reading is on the worker's disk".to_owned()
    })
}

/// Degrees in 1e-7.
fn fixed(degrees: f64, limit: f64) -> Result<i32> {
    if !(-limit..=limit).contains(&degrees) {
        bail!("{degrees} is not within ±{limit} degrees");
    }
    Ok((degrees * 1e7).round() as i32)
}
