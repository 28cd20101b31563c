//! The data set: hourly air temperatures at three airports in 2013, and the windows made of them.

use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use inference::READINGS;
use serde::Deserialize;

/// The air temperature at a station at an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// IATA code of the airport.
    pub station: String,
    /// Hours since 1970 began, UTC.
    pub hour: i64,
    /// Hundredths of °C.
    pub temperature: i32,
}

/// Sixteen consecutive hourly readings of one station, and the one after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// IATA code of the airport.
    pub station: String,
    /// Hour of `next`, since 1970 began, UTC.
    pub hour: i64,
    /// Hundredths of °C, oldest first.
    pub temperatures: [i32; READINGS],
    /// What is to be forecast: hundredths of °C, an hour after the newest of `temperatures`.
    pub next: i32,
}

/// The windows, by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// EWR and JFK, January to September.
    pub training: Vec<Window>,
    /// Blocks of days of the same stations and months, which no training window touches: chooses between candidates.
    pub validation: Vec<Window>,
    /// Held out: another station, the whole year.
    pub other_station: Vec<Window>,
    /// Held out: EWR and JFK, October to December.
    pub other_season: Vec<Window>,
}

#[derive(Deserialize)]
struct Row {
    origin: String,
    time: String,
    temperature: i32,
}

/// Reads `origin,time,temperature` rows: IATA code, full hour as `2013-01-01T06:00:00Z`, hundredths of °C; a station's
/// rows after one another, by time. Missing hours have no row.
pub fn load(path: &Path) -> Result<Vec<Reading>> {
    let mut file = csv::Reader::from_path(path).with_context(|| {
        format!(
            "can't read {}: run from the workspace's root",
            path.display()
        )
    })?;
    let mut readings: Vec<Reading> = Vec::new();
    for (row, record) in file.deserialize().enumerate() {
        let row_name = || format!("row {} of {}", row + 2, path.display());
        let record: Row = record.with_context(row_name)?;
        let reading = Reading {
            station: record.origin,
            hour: parse_hour(&record.time).with_context(row_name)?,
            temperature: record.temperature,
        };
        if let Some(last) = readings.last() {
            ensure!(
                (&last.station, last.hour) < (&reading.station, reading.hour),
                "{} is out of order: sort by station and time, one row each",
                row_name()
            );
        }
        readings.push(reading);
    }
    Ok(readings)
}

/// All windows without a gap, in the order of the readings.
pub fn windows(readings: &[Reading]) -> Vec<Window> {
    readings
        .windows(READINGS + 1)
        .filter_map(|run| {
            let [earlier @ .., next] = run else {
                return None;
            };
            // Readings rise strictly in time, so the ends tell whether there is a gap.
            let first = earlier.first()?;
            let whole = first.station == next.station && next.hour - first.hour == READINGS as i64;
            whole.then(|| Window {
                station: next.station.clone(),
                hour: next.hour,
                temperatures: std::array::from_fn(|i| run[i].temperature),
                next: next.temperature,
            })
        })
        .collect()
}

/// Sorts windows by what they are for. Drops those that reach from training days into validation days.
pub fn split(windows: Vec<Window>) -> Result<Split> {
    let autumn = parse_hour("2013-10-01T00:00:00Z")?;
    // Five days in a row of each 25: long enough for weather to change, spread over all seasons of training.
    let validates = |hour: i64| hour.div_euclid(24).rem_euclid(25) >= 20;
    let mut split = Split::default();
    for window in windows {
        let first_hour = window.hour - READINGS as i64;
        let set = match window.station.as_str() {
            "LGA" => &mut split.other_station,
            "EWR" | "JFK" if window.hour >= autumn => &mut split.other_season,
            "EWR" | "JFK" if validates(window.hour) => &mut split.validation,
            "EWR" | "JFK" if validates(first_hour) => continue,
            "EWR" | "JFK" => &mut split.training,
            station => bail!("station {station} is unknown: use EWR, JFK and LGA"),
        };
        set.push(window);
    }
    Ok(split)
}

/// Hours since 1970 began of a full hour written as `2013-01-01T06:00:00Z`.
fn parse_hour(time: &str) -> Result<i64> {
    let parse = || -> Option<i64> {
        let (date, clock) = time.strip_suffix(":00:00Z")?.split_once('T')?;
        let mut date = date.splitn(3, '-').map(str::parse::<i64>);
        let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
        let hour: i64 = clock.parse().ok()?;
        let valid = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour);
        valid.then(|| days(year, month, day) * 24 + hour)
    };
    parse().with_context(|| format!("{time} is not a full hour like 2013-01-01T06:00:00Z"))
}

/// Days since 1970 began, by the Gregorian calendar. Years start in March here, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days_before_month = (153 * month + 2) / 5;
    // 719,469 days lie between 0000-03-01 and 1970-01-01, counting from day 1.
    365 * year + leap_days + days_before_month + day - 719_469
}
