//! Writes `../vectors`: accounts made of Switchboard's own structures, and what is read of each. What must be read is
//! written out here by hand. What Switchboard's own reader says of the same bytes is kept beside it.

mod on_demand;
mod v2;

use std::fs;
use std::path::Path;

use anyhow::Result;
use oracle::{Format, Now, OracleError, Price, Requirements};
use serde::Serialize;

/// The clock by which all accounts are written.
pub const NOW: Now = Now {
    slot: 350_000_000,
    unix_time: 1_790_000_000,
};
/// The queue and the jobs of all accounts.
pub const QUEUE: [u8; 32] = [0x51; 32];
pub const JOBS: [u8; 32] = [0x70; 32];
/// What Switchboard's own reader is asked for, as the vectors' readers are if they don't say otherwise.
pub const MAX_AGE_SLOTS: u32 = 150;
pub const MAX_AGE_SECONDS: u32 = 120;
pub const MIN_ORACLES: u8 = 3;

/// An account to write, and how it is read.
pub struct Account {
    pub file: &'static str,
    pub owner: [u8; 32],
    pub data: Vec<u8>,
    /// What Switchboard's own reader says, if it does.
    pub switchboard: Option<String>,
    pub reads: Vec<Read>,
}

pub struct Read {
    pub name: &'static str,
    pub now: Now,
    pub requirements: Requirements,
    pub price: Result<Price, OracleError>,
}

/// A read as most are.
pub fn read(name: &'static str, format: Format, price: Result<Price, OracleError>) -> Read {
    let requirements = Requirements {
        format,
        queue: QUEUE,
        jobs: JOBS,
        max_age_slots: MAX_AGE_SLOTS,
        max_age_seconds: MAX_AGE_SECONDS,
        min_oracles: MIN_ORACLES,
        max_deviation_bps: 200,
    };
    Read {
        name,
        now: NOW,
        requirements,
        price,
    }
}

impl Read {
    pub fn later(mut self, slots: i64, seconds: i64) -> Self {
        self.now.slot = self.now.slot.wrapping_add_signed(slots);
        self.now.unix_time += seconds;
        self
    }

    pub fn oracles(mut self, min: u8) -> Self {
        self.requirements.min_oracles = min;
        self
    }

    pub fn bps(mut self, max: u16) -> Self {
        self.requirements.max_deviation_bps = max;
        self
    }

    pub fn queue(mut self, queue: [u8; 32]) -> Self {
        self.requirements.queue = queue;
        self
    }

    pub fn jobs(mut self, jobs: [u8; 32]) -> Self {
        self.requirements.jobs = jobs;
        self
    }
}

/// Numbers of more than 53 bits are text, as JSON's readers need it.
#[derive(Serialize)]
struct Vector {
    account: String,
    name: String,
    owner: String,
    switchboard: Option<String>,
    slot: String,
    unix_time: String,
    format: u8,
    queue: String,
    jobs: String,
    max_age_slots: u32,
    max_age_seconds: u32,
    min_oracles: u8,
    max_deviation_bps: u16,
    price: Option<Expected>,
    error: Option<u32>,
}

#[derive(Serialize)]
struct Expected {
    value: String,
    deviation: String,
    oracles: u8,
    slot: String,
    at: String,
}

fn main() -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let mut vectors = Vec::new();
    for account in on_demand::accounts()?.into_iter().chain(v2::accounts()?) {
        fs::write(directory.join(account.file), &account.data)?;
        for read in &account.reads {
            vectors.push(vector(&account, read));
        }
    }
    let mut json = serde_json::to_string_pretty(&vectors)?;
    json.push('\n');
    fs::write(directory.join("vectors.json"), json)?;
    println!("{} reads in {}", vectors.len(), directory.display());
    Ok(())
}

fn vector(account: &Account, read: &Read) -> Vector {
    let required = &read.requirements;
    Vector {
        account: account.file.into(),
        name: read.name.into(),
        owner: hex::encode(account.owner),
        switchboard: account.switchboard.clone(),
        slot: read.now.slot.to_string(),
        unix_time: read.now.unix_time.to_string(),
        format: required.format as u8,
        queue: hex::encode(required.queue),
        jobs: hex::encode(required.jobs),
        max_age_slots: required.max_age_slots,
        max_age_seconds: required.max_age_seconds,
        min_oracles: required.min_oracles,
        max_deviation_bps: required.max_deviation_bps,
        price: read.price.ok().map(|price| Expected {
            value: price.value.to_string(),
            deviation: price.deviation.to_string(),
            oracles: price.oracles,
            slot: price.slot.to_string(),
            at: price.at.to_string(),
        }),
        error: read.price.err().map(OracleError::code),
    }
}
