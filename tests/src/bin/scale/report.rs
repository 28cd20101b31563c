//! The figures as tables, and whether they keep within the budgets.

use crate::forest::{Following, Forest};
use crate::helium;
use crate::measure::{Costs, Kind, Way, RATE};
use crate::DEVICES;
use anyhow::{ensure, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::Table;
use serde::Serialize;

/// Lamports of rent for a byte: the chain's, and the next ones that are announced (SIMD-0437).
const RATES: [u64; 4] = [RATE, 2_575, 1_322, 696];
/// Most lamports that a device may cost in a maker's batch, and proven.
const BUDGETS: [(Kind, u64); 2] = [(Kind::Batch, 300), (Kind::Proven, 16_000)];
/// Most seconds for the trees off the chain, and most bytes of memory.
const SECONDS: f64 = 300.0;
const MEMORY: u64 = 8 << 30;

/// All figures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Lamports of rent for a byte by which rents are given.
    pub rates: [u64; 4],
    /// Measured on the compiled programs.
    pub measured: Vec<Way>,
    /// By the rule that gives what was measured.
    pub extrapolated: Vec<Extrapolation>,
    /// Helium's accounts for as many devices.
    pub helium: Accounts,
    /// Built for real.
    pub off_chain: Vec<Forest>,
    /// Followed for real.
    pub worker: Vec<Following>,
}

/// What ten million devices cost on the chain by one way in.
#[derive(Debug, Serialize)]
pub struct Extrapolation {
    /// Which way.
    pub kind: Kind,
    /// The costs.
    #[serde(flatten)]
    pub costs: Costs,
    /// Lamports of rent, by rate.
    pub rents: [u64; 4],
    /// Lamports a device, fees and its share of all rents, by rate.
    pub each: [u64; 4],
}

/// Accounts and what they cost.
#[derive(Debug, Serialize)]
pub struct Accounts {
    /// How many devices.
    pub devices: u64,
    /// How many accounts.
    pub accounts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lamports of rent, by rate.
    pub rents: [u64; 4],
    /// Compute units a device.
    pub compute_units: u64,
}

impl Report {
    /// Of what was measured and built.
    pub fn new(measured: Vec<Way>, off_chain: Vec<Forest>, worker: Vec<Following>) -> Self {
        let extrapolated = measured
            .iter()
            .map(|way| {
                let costs = way.costs(DEVICES);
                Extrapolation {
                    kind: way.kind,
                    rents: RATES.map(|rate| costs.rent(rate)),
                    each: RATES.map(|rate| costs.each(rate)),
                    costs,
                }
            })
            .collect();
        let (bytes, accounts) = helium::accounts(DEVICES);
        Self {
            rates: RATES,
            measured,
            extrapolated,
            helium: Accounts {
                devices: DEVICES,
                accounts,
                bytes,
                rents: RATES.map(|rate| (bytes + 128 * accounts) * rate),
                compute_units: helium::compute_units(),
            },
            off_chain,
            worker,
        }
    }

    /// The figures for people.
    pub fn text(&self) -> String {
        let mut measured = table(&[
            "way in",
            "devices",
            "transactions",
            "fees, SOL",
            "accounts",
            "bytes",
            "rent, SOL",
        ]);
        for way in &self.measured {
            for costs in &way.measured {
                measured.add_row(row(way.kind, costs));
            }
        }
        let mut extrapolated = table(&[
            "way in",
            "devices",
            "transactions",
            "fees, SOL",
            "accounts",
            "bytes",
            "rent, SOL",
        ]);
        let mut rents = table(&["lamports", "5,080 a byte", "2,575", "1,322", "696"]);
        for way in &self.extrapolated {
            extrapolated.add_row(row(way.kind, &way.costs));
            let mut cells = vec![format!("{}: a device, fees and rent", name(way.kind))];
            cells.extend(way.each.iter().map(|each| thousands(*each)));
            rents.add_row(cells);
        }
        let mut cells = vec!["Helium's accounts: a device, rent alone".to_owned()];
        let of_helium = self.helium.rents.iter();
        cells.extend(of_helium.map(|rent| thousands(rent.div_ceil(DEVICES))));
        rents.add_row(cells);
        extrapolated.add_row(vec![
            "Helium's accounts".to_owned(),
            thousands(DEVICES),
            "-".to_owned(),
            "-".to_owned(),
            thousands(self.helium.accounts),
            thousands(self.helium.bytes),
            sol(self.helium.rents[0]),
        ]);
        let mut built = table(&[
            "way in",
            "devices",
            "proofs",
            "client, s",
            "in all, s",
            "memory, MB",
            "peak, MB",
        ]);
        for forest in &self.off_chain {
            built.add_row([
                name(forest.kind).to_owned(),
                thousands(forest.devices),
                thousands(forest.proofs),
                format!("{:.1}", forest.client_seconds),
                format!("{:.1}", forest.seconds),
                thousands(forest.resident >> 20),
                thousands(forest.peak >> 20),
            ]);
        }
        let mut followed = table(&["way in", "devices", "s", "memory, MB"]);
        for following in &self.worker {
            followed.add_row([
                name(following.kind).to_owned(),
                thousands(following.devices),
                format!("{:.1}", following.seconds),
                thousands(following.resident >> 20),
            ]);
        }
        let units: Vec<_> = self
            .measured
            .iter()
            .map(|way| {
                format!(
                    "{}: {} compute units a device, transactions of up to {} bytes",
                    name(way.kind),
                    thousands(way.compute_units),
                    thousands(way.transaction_bytes as u64)
                )
            })
            .collect();
        format!(
            "Measured on the compiled programs\n\n{measured}\n\n{}.\nHelium: {} compute units a device, by its own table.\n\n\
             Extrapolated by the rule that gives all of these figures\n\n{extrapolated}\n\n\
             By the rate of rent: the chain's, and the next ones that are announced\n\n{rents}\n\n\
             Built off the chain for real, and proven against the program's own tree\n\n{built}\n\n\
             A worker's registry of them\n\n{followed}",
            units.join("; "),
            thousands(self.helium.compute_units),
        )
    }

    /// Fails when a device costs too much, or the trees took too long or too much memory.
    pub fn require_budgets(&self) -> Result<()> {
        for (kind, budget) in BUDGETS {
            for way in self.extrapolated.iter().filter(|way| way.kind == kind) {
                let each = way.each[0];
                ensure!(each <= budget, "{}: {each} lamports a device", name(kind));
            }
        }
        let seconds: f64 = self.off_chain.iter().map(|forest| forest.seconds).sum();
        ensure!(seconds < SECONDS, "the trees took {seconds:.0} s");
        for forest in &self.off_chain {
            ensure!(forest.peak < MEMORY, "the trees took {} bytes", forest.peak);
        }
        for following in &self.worker {
            let bytes = following.resident;
            ensure!(bytes < MEMORY, "a worker's registry took {bytes} bytes");
        }
        Ok(())
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    table
}

fn row(kind: Kind, costs: &Costs) -> [String; 7] {
    [
        name(kind).to_owned(),
        thousands(costs.devices),
        thousands(costs.transactions),
        sol(costs.fees),
        thousands(costs.accounts),
        thousands(costs.bytes),
        sol(costs.rent(RATE)),
    ]
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Batch => "in a maker's batch",
        Kind::Proven => "proven",
    }
}

/// Lamports as SOL.
fn sol(lamports: u64) -> String {
    format!("{:.6}", lamports as f64 / 1e9)
}

/// With a comma after each third digit.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
