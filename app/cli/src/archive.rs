//! Payloads of commitments, from workers or from files.

use anyhow::{Context as _, Result};
use commitment::CommitmentLeaf;
use fieldproof_worker::committee::{fetch_from, Refusal};
use fieldproof_worker::payload;
use reqwest::blocking::Client;
use std::path::PathBuf;

/// Where payloads are.
#[derive(clap::Args, Clone)]
#[group(multiple = true)]
pub struct Archive {
    /// Address of a worker that serves archived payloads; may be given several times
    #[arg(long = "worker", value_name = "URL")]
    pub workers: Vec<String>,
    /// An archived payload (Parquet), from wherever you have it; may be given several times
    #[arg(long = "payload", value_name = "FILE")]
    pub payloads: Vec<PathBuf>,
}

impl Archive {
    /// Reads the files.
    pub fn open(&self) -> Result<Payloads> {
        let files = self.payloads.iter();
        let files =
            files.map(|file| std::fs::read(file).with_context(|| file.display().to_string()));
        Ok(Payloads {
            files: files.collect::<Result<_>>()?,
            workers: self.workers.clone(),
            http: Client::new(),
        })
    }
}

/// Payloads that files hold and workers serve.
pub struct Payloads {
    files: Vec<Vec<u8>>,
    workers: Vec<String>,
    http: Client,
}

impl Payloads {
    /// A commitment's payload from the files, or else from the first worker that has the bytes committed to.
    pub fn get(&self, commitment: &CommitmentLeaf) -> Result<Vec<u8>, Refusal> {
        let mut files = self.files.iter();
        if let Some(bytes) = files.find(|bytes| payload::hash(bytes) == commitment.payload_hash) {
            return Ok(bytes.clone());
        }
        let mut last = Refusal::Unavailable(format!(
            "name with --worker or --payload who has {}",
            hex::encode(commitment.payload_hash)
        ));
        for worker in &self.workers {
            match fetch_from(&self.http, worker.trim_end_matches('/'), commitment) {
                Ok(bytes) => return Ok(bytes),
                Err(refusal) if !matches!(last, Refusal::Tampered) => last = refusal,
                Err(_) => {}
            }
        }
        Err(last)
    }
}
