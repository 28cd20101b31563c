//! Payloads of commitments, from a worker or from files.

use anyhow::{bail, Context as _, Result};
use commitment::CommitmentLeaf;
use fieldproof_worker::payload;
use reqwest::StatusCode;
use std::path::PathBuf;

/// Where payloads are.
#[derive(clap::Args, Clone)]
#[group(multiple = true)]
pub struct Archive {
    /// A worker; may be given several times
    #[arg(long = "worker", value_name = "URL")]
    pub workers: Vec<String>,
    /// An archived payload (Parquet); may be given several times
    #[arg(long = "payload", value_name = "FILE")]
    pub payloads: Vec<PathBuf>,
}

impl Archive {
    /// The payload of a commitment, `None` if it is not there. Its hash is the commitment's.
    pub fn payload(&self, commitment: &CommitmentLeaf) -> Result<Option<Vec<u8>>> {
        let is_it = |bytes: &[u8]| {
            bytes.len() as u64 == commitment.payload_len
                && payload::hash(bytes) == commitment.payload_hash
        };
        for file in &self.payloads {
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            if is_it(&bytes) {
                return Ok(Some(bytes));
            }
        }
        let hash = hex::encode(commitment.payload_hash);
        for worker in &self.workers {
            let url = format!("{}/v1/payloads/{hash}", worker.trim_end_matches('/'));
            let answer = reqwest::blocking::get(&url)?;
            if answer.status() == StatusCode::NOT_FOUND {
                continue;
            }
            let bytes = answer.error_for_status()?.bytes()?;
            if !is_it(&bytes) {
                bail!("{url}: the worker serves other bytes than those committed to");
            }
            return Ok(Some(bytes.to_vec()));
        }
        Ok(None)
    }
}
