//! Whether what a device says can be true, by rules that an operator sets: what is signed right may still be wrong.
//!
//! A reading is compared with what was taken since the worker started, in bounded memory, and with nothing when there is
//! no rule for its schema. It is judged before its sequence is looked up, so that an implausible one is not kept.

use crate::cache::Cache;
use crate::Reject;
use device_protocol::{Hash, Reading, Values};
use h3o::CellIndex;
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};

/// Devices, and cells for each rule, that are remembered at least.
const REMEMBERED: usize = 1 << 17;
/// Devices of one cell that are compared with others.
const CELL_DEVICES: usize = 32;
/// Rings of cells around a device's own, at most: 91 cells.
const MAX_RING: u32 = 5;
const HOUR_MS: u128 = 3_600_000;

/// What an operator finds plausible.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How far a device's clock may be off.
    pub clock: Clock,
    /// What values may be.
    pub values: Vec<ValueRule>,
}

/// How far a device's clock may be from the chain's, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Ahead.
    pub ahead: u32,
    /// Behind: how old a reading may be when it arrives.
    pub age: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            ahead: 30,
            age: 24 * 3_600,
        }
    }
}

/// What one value of a schema's readings may be. What is not given is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// The readings' schema.
    pub schema: u16,
    /// Which of the reading's values, from 0.
    pub value: usize,
    /// The least and the most, in the schema's fixed point.
    pub range: Option<(i32, i32)>,
    /// The most by which it changes in an hour, in the schema's fixed point; in proportion in another time.
    pub change_per_hour: Option<u32>,
    /// How many readings in a row may say all the same values: a sensor that is stuck says no others.
    pub repeats: Option<u32>,
    /// How it compares with what devices nearby say.
    pub neighbours: Option<Neighbours>,
}

/// How a value compares with the median of what devices nearby said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbours {
    /// Which cells are near: as many rings around the device's own H3 cell, at that cell's resolution; 0 for its own alone.
    pub ring: u32,
    /// How long before or after this reading theirs was captured, seconds.
    pub within: u32,
    /// How many other devices there must be for a comparison.
    pub devices: usize,
    /// The most that it is off, in the schema's fixed point.
    pub spread: u32,
}

impl Rules {
    /// What is wrong with these rules, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        self.values.iter().find_map(|rule| {
            if rule.value >= Values::MAX {
                return Some("a reading has no more than 32 values");
            }
            if rule.range.is_some_and(|(least, most)| least > most) {
                return Some("the least of a range is above the most");
            }
            if rule.repeats == Some(0) {
                return Some("repeats is 1 or more");
            }
            match rule.neighbours {
                Some(near) if near.ring > MAX_RING => Some("ring is 5 or less"),
                Some(near) if near.devices == 0 => Some("devices is 1 or more"),
                _ => None,
            }
        })
    }
}

/// The rules, and what they compare with.
pub struct Plausibility {
    rules: Rules,
    seen: Mutex<Seen>,
}

struct Seen {
    /// By device and schema.
    devices: Cache<(Hash, u16), Last>,
    /// By rule and cell.
    cells: Cache<(usize, CellIndex), Vec<Said>>,
}

/// A device's newest reading.
struct Last {
    captured_at: i64,
    values: Values,
    /// How many in a row said these values.
    repeats: u32,
}

/// What a device of a cell said last.
struct Said {
    device: Hash,
    captured_at: i64,
    value: i32,
}

impl Plausibility {
    /// Judges by these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            seen: Mutex::new(Seen {
                devices: Cache::new(REMEMBERED),
                cells: Cache::new(REMEMBERED),
            }),
        }
    }

    /// How far clocks may be off.
    pub fn clock(&self) -> Clock {
        self.rules.clock
    }

    /// Judges a verified reading of a device in `cell` (H3; 0 if its owner named none), and remembers it if it is plausible.
    ///
    /// # Errors
    /// [`Reject::OutOfRange`], [`Reject::RateOfChange`], [`Reject::Stuck`] or [`Reject::ApartFromNeighbours`].
    pub fn judge(&self, reading: &Reading, cell: u64) -> Result<(), Reject> {
        let rules = self.rules.values.iter().enumerate();
        let mut rules = rules
            .filter(|(_, rule)| rule.schema == reading.schema)
            .peekable();
        if rules.peek().is_none() {
            return Ok(());
        }
        let cell = CellIndex::try_from(cell).ok();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = Vec::new();
        for (number, rule) in rules {
            let value = rule.judge(reading, &mut seen)?;
            if let (Some(near), Some(cell)) = (&rule.neighbours, cell) {
                near.judge(reading, value, |cell| (number, cell), cell, &mut seen)?;
                said.push(((number, cell), value));
            }
        }
        seen.remember(reading, said);
        Ok(())
    }
}

impl ValueRule {
    /// The value, if nothing but neighbours speaks against it.
    fn judge(&self, reading: &Reading, seen: &mut Seen) -> Result<i32, Reject> {
        let value = *reading.values.get(self.value).ok_or(Reject::OutOfRange)?;
        if self
            .range
            .is_some_and(|(least, most)| !(least..=most).contains(&value))
        {
            return Err(Reject::OutOfRange);
        }
        let Some(last) = seen.devices.get(&(reading.device, reading.schema)) else {
            return Ok(value);
        };
        // What comes late, or again, is not the next thing that the device says.
        let Ok(passed) =
            u64::try_from(i128::from(reading.captured_at) - i128::from(last.captured_at))
        else {
            return Ok(value);
        };
        if passed == 0 {
            return Ok(value);
        }
        if let (Some(most), Some(before)) = (self.change_per_hour, last.values.get(self.value)) {
            let change = u128::from(value.abs_diff(*before));
            if change * HOUR_MS > u128::from(most) * u128::from(passed) {
                return Err(Reject::RateOfChange);
            }
        }
        if self
            .repeats
            .is_some_and(|most| last.values == reading.values && last.repeats >= most)
        {
            return Err(Reject::Stuck);
        }
        Ok(value)
    }
}

impl Neighbours {
    fn judge(
        &self,
        reading: &Reading,
        value: i32,
        place: impl Fn(CellIndex) -> (usize, CellIndex),
        cell: CellIndex,
        seen: &mut Seen,
    ) -> Result<(), Reject> {
        let mut values = Vec::new();
        for near in cell.grid_disk::<Vec<_>>(self.ring) {
            let said = seen.cells.get(&place(near)).map_or(&[][..], Vec::as_slice);
            let others = said.iter().filter(|said| {
                said.device != reading.device
                    && said.captured_at.abs_diff(reading.captured_at)
                        <= u64::from(self.within) * 1_000
            });
            values.extend(others.map(|said| said.value));
        }
        if values.len() < self.devices {
            return Ok(());
        }
        // The lower median, as everywhere here.
        let middle = (values.len() - 1) / 2;
        let (_, median, _) = values.select_nth_unstable(middle);
        if value.abs_diff(*median) > self.spread {
            return Err(Reject::ApartFromNeighbours);
        }
        Ok(())
    }
}

impl Seen {
    fn remember(&mut self, reading: &Reading, said: Vec<((usize, CellIndex), i32)>) {
        let key = (reading.device, reading.schema);
        let repeats = match self.devices.get(&key) {
            Some(last) if last.captured_at >= reading.captured_at => return,
            Some(last) if last.values == reading.values => last.repeats.saturating_add(1),
            _ => 1,
        };
        self.devices.insert(
            key,
            Last {
                captured_at: reading.captured_at,
                values: reading.values,
                repeats,
            },
        );
        for (place, value) in said {
            let mut devices = self.cells.remove(&place).unwrap_or_default();
            devices.retain(|said| said.device != reading.device);
            if devices.len() == CELL_DEVICES {
                devices.remove(0);
            }
            devices.push(Said {
                device: reading.device,
                captured_at: reading.captured_at,
                value,
            });
            self.cells.insert(place, devices);
        }
    }
}
