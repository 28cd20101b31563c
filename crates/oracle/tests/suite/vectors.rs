//! The committed vectors, which `golden/` writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use oracle::{Format, Now, OracleError, Price, Requirements};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Vector {
    pub account: String,
    pub name: String,
    pub owner: String,
    pub switchboard: Option<String>,
    pub slot: String,
    pub unix_time: String,
    pub format: u8,
    pub queue: String,
    pub jobs: String,
    pub max_age_slots: u32,
    pub max_age_seconds: u32,
    pub min_oracles: u8,
    pub max_deviation_bps: u16,
    pub price: Option<Expected>,
    pub error: Option<u32>,
}

#[derive(Deserialize)]
pub struct Expected {
    pub value: String,
    pub deviation: String,
    pub oracles: u8,
    pub slot: String,
    pub at: String,
}

/// What a price is read of.
#[derive(Clone)]
pub struct Input {
    pub owner: [u8; 32],
    pub data: Vec<u8>,
    pub now: Now,
    pub requirements: Requirements,
}

impl Input {
    pub fn read(&self) -> Result<Price, OracleError> {
        oracle::read_price(&self.owner, &self.data, self.now, &self.requirements)
    }
}

impl Vector {
    pub fn input(&self) -> Input {
        Input {
            owner: key(&self.owner),
            data: fs::read(directory().join(&self.account)).unwrap(),
            now: Now {
                slot: self.slot.parse().unwrap(),
                unix_time: self.unix_time.parse().unwrap(),
            },
            requirements: Requirements {
                format: Format::try_from(self.format).unwrap(),
                queue: key(&self.queue),
                jobs: key(&self.jobs),
                max_age_slots: self.max_age_slots,
                max_age_seconds: self.max_age_seconds,
                min_oracles: self.min_oracles,
                max_deviation_bps: self.max_deviation_bps,
            },
        }
    }

    pub fn price(&self) -> Option<Price> {
        self.price.as_ref().map(|price| Price {
            value: price.value.parse().unwrap(),
            deviation: price.deviation.parse().unwrap(),
            oracles: price.oracles,
            slot: price.slot.parse().unwrap(),
            at: price.at.parse().unwrap(),
        })
    }
}

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

pub fn vectors() -> Vec<Vector> {
    let json = fs::read(directory().join("vectors.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// A price as most are, in either format.
pub fn usual(format: Format) -> Input {
    static USUAL: LazyLock<[Input; 2]> = LazyLock::new(|| {
        let vectors = vectors();
        ["on-demand.bin", "v2.bin"].map(|account| {
            let vector = vectors.iter().find(|vector| vector.account == account);
            vector.unwrap().input()
        })
    });
    let usual = USUAL
        .iter()
        .find(|input| input.requirements.format == format);
    usual.unwrap().clone()
}

fn key(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}
