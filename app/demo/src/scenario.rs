//! What the demo plays: a cold day at three airports, and the people, machines and rules in it.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Seconds of an hour.
pub const HOUR: i64 = 3_600;
/// Seconds of an epoch.
pub const EPOCH: i64 = 12 * HOUR;
/// Base units of a token; all of the demo's mints have six decimals.
pub const TOKEN: u64 = 1_000_000;
/// Decimals of the demo's mints.
pub const DECIMALS: u8 = 6;

/// When everything is set up, in epoch 0: 2013-12-12 08:00:00 UTC.
pub const SETUP: i64 = 1_386_835_200;
/// First hour that the devices report: 16 readings before the first forecast is due.
pub const FIRST_READING: i64 = SETUP + HOUR;
/// First hour with a forecast: 2013-12-13 00:00:00 UTC, when epoch 2 starts and the operators have their seats.
pub const FIRST_FORECAST: i64 = 1_386_892_800;
/// Hours with a forecast: two epochs, and two hours more in which the second one's rewards are voted.
pub const FORECAST_HOURS: i64 = 26;
/// Hours with readings and rounds after the first forecast: two more, in which each way to verify is shown.
pub const HOURS: i64 = FORECAST_HOURS + 2;
/// The epochs that are rewarded.
pub const EPOCHS: [u64; 2] = [2, 3];

/// Seconds after the hour at which readings arrive.
pub const ARRIVAL: i64 = 5;
/// Seconds after the hour at which its round is over, and the workers go to work.
pub const ROUND_OVER: i64 = 600;

/// Seconds after the last hour at which everything that was voted is final.
pub const ALL_FINAL: i64 = 1_800;

/// When the input that is bad on purpose is sent: 2013-12-12 12:00:00 UTC.
pub const BAD_INPUT: i64 = SETUP + 4 * HOUR;

/// The device that loses power, Dan's at LaGuardia, by its number.
pub const OUTAGE_DEVICE: usize = 11;
/// The hours for which it does.
pub const OUTAGE: Range<i64> = FIRST_FORECAST + 6 * HOUR..FIRST_FORECAST + 9 * HOUR;

/// An airport of the data set.
pub struct Airport {
    /// IATA code, as the data set has it.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its cell of H3, resolution 7.
    pub cell: u64,
    /// Degrees north, in 1e-7.
    pub latitude: i32,
    /// Degrees east, in 1e-7.
    pub longitude: i32,
}

/// The airports, in the order of the configuration's feeds; the operator of the same number takes an airport's readings.
pub const AIRPORTS: [Airport; 3] = [
    Airport {
        code: "EWR",
        name: "Newark",
        cell: 0x0872_a107_1eff_ffff,
        latitude: 406_925_000,
        longitude: -741_687_000,
    },
    Airport {
        code: "JFK",
        name: "John F. Kennedy",
        cell: 0x0872_a103_b1ff_ffff,
        latitude: 406_413_000,
        longitude: -737_781_000,
    },
    Airport {
        code: "LGA",
        name: "LaGuardia",
        cell: 0x0872_a100_f5ff_ffff,
        latitude: 407_769_000,
        longitude: -738_740_000,
    },
];

/// Operators and what they allocate to the network, in tokens.
pub const OPERATORS: [(&str, u64); 3] = [("Alder", 100), ("Birch", 70), ("Cedar", 40)];
/// The operator that lies, and what it allocates, in tokens. It has no worker.
pub const CHEAT: (&str, u64) = ("Thorn", 5);
/// Device owners, each with one device an airport.
pub const OWNERS: [&str; 4] = ["Ann", "Bob", "Cleo", "Dan"];
/// Makers; each vouches for the devices of two owners.
pub const MAKERS: usize = 2;

/// The frost policy's airport, by its number.
pub const FROST_AIRPORT: usize = 0;
/// It pays when the forecast is below this, in hundredths of °C.
pub const FROST_BELOW: i64 = -600;
/// What it pays, in base units.
pub const FROST_PAYOUT: u64 = 500 * TOKEN;
/// What it costs, in base units.
pub const FROST_PREMIUM: u64 = 25 * TOKEN;

/// A file of the source tree, by its path from the demo's own directory.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The measured temperatures.
pub struct Weather {
    temperatures: HashMap<(String, i64), i32>,
}

impl Weather {
    /// Reads the data set.
    pub fn load() -> Result<Self> {
        let file = source("../../data/weather/temperature.csv");
        let readings = trainer::data::load(&file).context("the weather")?;
        let temperatures = readings
            .into_iter()
            .map(|reading| ((reading.station, reading.hour), reading.temperature))
            .collect();
        Ok(Self { temperatures })
    }

    /// Hundredths of °C at an airport at a full hour (unix seconds), if it was measured.
    pub fn temperature(&self, airport: usize, time: i64) -> Option<i32> {
        let station = AIRPORTS[airport].code.to_owned();
        self.temperatures
            .get(&(station, time.div_euclid(HOUR)))
            .copied()
    }
}
