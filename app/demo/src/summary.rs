//! What the demo came to: every figure is read back from the chain or from the workers' databases.

use crate::network::{self, Network};
use crate::policy::FrostPolicy;
use crate::run::Course;
use crate::scenario::{self, AIRPORTS, HOUR};
use crate::show;
use crate::verification::Verification;
use ai_feed::state::{Attestation, Feed};
use anchor_lang::prelude::Pubkey;
use anyhow::{ensure, Context, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use feed_reader::Mask;
use fieldproof_client::chain::{self, Chain, Cursor, Execution};
use fieldproof_client::{
    ai_feed as feeds, data_commitment as streams, reward_emission as emissions,
};
use fieldproof_worker::server::Status;
use fieldproof_worker::store::ACCEPTED;
use reward_emission::state::{Emission, Payee, PayeeKind};
use serde::Serialize;
use sha2::{Digest, Sha256};
use solana_signature::Signature;
use solana_signer::Signer;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use trainer::data::Window;
use trainer::report::Card;

/// Bytes before the code in an upgradeable program's data account.
const PROGRAM_DATA_HEADER: usize = 45;

/// A deployed program.
#[derive(Serialize)]
pub struct Program {
    /// Its address.
    pub id: String,
    /// Bytes of its code.
    pub bytes: usize,
}

/// What became of the readings sent to all workers.
#[derive(Serialize)]
pub struct Readings {
    /// On the workers' disks.
    pub accepted: u64,
    /// Not taken, by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// A commitment to readings or to reward trees.
#[derive(Serialize)]
pub struct Commitment {
    /// Root over its batches, hex.
    pub root: String,
    /// The transaction.
    pub signature: String,
    /// Compute units.
    pub cu: u64,
}

/// An attestation, and the transaction that brought the committee's signatures.
#[derive(Serialize)]
pub struct Attested {
    /// The feed's address.
    pub feed: String,
    /// The round.
    pub round: u64,
    /// In units of the feed's exponent.
    pub value: i64,
    /// Verifications passed.
    pub verification: Vec<&'static str>,
    /// Committee members that signed.
    pub signers: u32,
    /// The transaction.
    pub signature: String,
    /// Compute units.
    pub cu: u64,
    /// IATA code of the feed's airport.
    #[serde(skip)]
    pub airport: &'static str,
    /// When the newest reading was captured, unix seconds.
    #[serde(skip)]
    pub captured: i64,
    /// Devices behind it.
    #[serde(skip)]
    pub windows: u8,
}

/// How the frost policy ended. Amounts are in base units.
#[derive(Serialize)]
pub struct Consumer {
    /// Whether it was paid.
    pub paid: bool,
    /// What the holder got.
    pub amount: u64,
    /// The settlement.
    pub signature: Option<String>,
}

/// Rewards of the voted epochs, in base units.
#[derive(Serialize)]
pub struct Rewards {
    /// The epochs' budgets.
    pub emitted: u64,
    /// What was claimed, by owners and operators.
    pub claimed: u64,
    /// Owners that claimed.
    pub owners: usize,
}

/// Mean absolute errors of the published rounds, in °C.
#[derive(Serialize)]
pub struct Accuracy {
    /// Of the feeds.
    pub model_mae: f64,
    /// Of the float network that the model was made of.
    pub float_mae: f64,
    /// Of the last reading.
    pub naive_mae: f64,
}

/// An airport's measurements and forecasts, by hour (unix seconds), in hundredths of °C.
pub struct Series {
    /// What came.
    pub measured: Vec<(i64, i64)>,
    /// What was forecast for the hour.
    pub forecast: Vec<(i64, i64)>,
    /// Mean absolute error in °C.
    pub error: f64,
}

/// Transactions of one kind.
pub struct Kind {
    /// Its instructions.
    pub name: String,
    /// Compute units of each.
    pub compute_units: Vec<u64>,
}

/// What a payee was paid, in base units.
pub struct Paid {
    /// Its name.
    pub name: &'static str,
    /// Owner or operator.
    pub kind: &'static str,
    /// What it claimed.
    pub claimed: u64,
}

/// An operator's database.
pub struct Database {
    /// The operator's name.
    pub name: &'static str,
    /// Its share of the stake in the committee, base units.
    pub allocation: u64,
    /// Readings that it holds.
    pub readings: u64,
    /// Commitments in its stream.
    pub commitments: u64,
    /// Attestations that it signed, its own included.
    pub signed: usize,
}

/// All figures. What is not in the JSON is for the report.
#[derive(Serialize)]
pub struct Summary {
    /// By name.
    pub programs: BTreeMap<String, Program>,
    /// Registered.
    pub devices: usize,
    /// Taken and not.
    pub readings: Readings,
    /// In the order of the chain.
    pub commitments: Vec<Commitment>,
    /// By round and feed.
    pub attestations: Vec<Attested>,
    /// The frost policy.
    pub consumer: Consumer,
    /// Of both epochs.
    pub rewards: Rewards,
    /// Of the published rounds.
    pub accuracy: Accuracy,
    /// Each way to verify, and the lie.
    pub verification: Verification,
    /// Seconds from the times of the data set to those on the chain.
    pub capture_shift_s: i64,
    /// Seconds that the demo took.
    pub wall_s: f64,
    /// By airport.
    #[serde(skip)]
    pub series: Vec<Series>,
    /// By first appearance.
    #[serde(skip)]
    pub kinds: Vec<Kind>,
    /// Owners, then operators.
    #[serde(skip)]
    pub paid: Vec<Paid>,
    /// By operator.
    #[serde(skip)]
    pub databases: Vec<Database>,
    /// Settlements refused before the one that paid, and after.
    #[serde(skip)]
    pub unsettled: Vec<String>,
    /// Attestations that an operator refused to sign.
    #[serde(skip)]
    pub unsigned: Vec<String>,
    /// Tokens that exist of the reward mint, base units.
    #[serde(skip)]
    pub supply: u64,
}

impl Summary {
    /// Reads everything back.
    pub fn read(
        course: &Course<'_>,
        policy: &FrostPolicy,
        verification: Verification,
        start: Instant,
    ) -> Result<Self> {
        let network = course.network;
        let chain = network.chain.as_ref();
        let statuses = (0..course.operators.len())
            .map(|number| course.get(number, "/v1/status"))
            .collect::<Result<Vec<Status>>>()?;
        let executions = executions(network, policy)?;
        let attestations: Vec<(Pubkey, Attestation)> = chain::read_all(chain)?;
        let (accuracy, series) = accuracy(course)?;
        let emission: Emission = chain::read(chain, &emissions::emission(&network.key()))?;
        let mint: anchor_spl::token::Mint = chain::read_borsh(chain, &emission.reward_mint)?;
        let paid = paid(course)?;
        let mut emitted = 0;
        for epoch in scenario::EPOCHS {
            emitted += emission.budget(epoch, 0)?.total()?;
        }
        let amount = policy.received(network)?;
        Ok(Self {
            programs: programs(chain)?,
            devices: statuses
                .iter()
                .map(|status| status.devices)
                .min()
                .unwrap_or(0),
            readings: readings(&statuses),
            commitments: executions
                .iter()
                .flat_map(|execution| {
                    streams::commitments(execution)
                        .into_iter()
                        .map(|event| Commitment {
                            root: hex::encode(event.root),
                            signature: execution.signature.to_string(),
                            cu: execution.compute_units,
                        })
                })
                .collect(),
            databases: databases(course, &statuses, &attestations)?,
            attestations: attested(network, &attestations)?,
            consumer: Consumer {
                paid: amount > 0,
                amount,
                signature: policy.paid.map(|signature| signature.to_string()),
            },
            rewards: Rewards {
                emitted,
                claimed: emission.claimed,
                owners: paid
                    .iter()
                    .filter(|paid| paid.kind == "owner" && paid.claimed > 0)
                    .count(),
            },
            accuracy,
            verification,
            capture_shift_s: network.shift,
            wall_s: (start.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            series,
            kinds: kinds(&executions)?,
            paid,
            unsettled: policy.refusals.clone(),
            unsigned: course.refusals.clone(),
            supply: mint.supply,
        })
    }

    /// Fails when the demo did not show what it is there to show.
    pub fn check(&self) -> Result<()> {
        let expected = usize::try_from(scenario::HOURS)? * AIRPORTS.len();
        ensure!(
            self.attestations.len() == expected,
            "{} rounds were to be attested, and {} are on the chain",
            expected,
            self.attestations.len()
        );
        ensure!(
            self.attestations
                .iter()
                .all(|a| a.verification.contains(&"committee")),
            "an attestation was left without its committee"
        );
        for required in ["committee", "optimistic", "sourced", "zk"] {
            ensure!(
                self.verification
                    .ways
                    .iter()
                    .any(|way| way.required.contains(&required) && way.passed.contains(&required)),
                "no value was verified by {required}"
            );
        }
        ensure!(
            self.verification.caught.slashed > 0 && self.verification.caught.bounty > 0,
            "the lie cost nothing"
        );
        ensure!(self.consumer.paid, "the frost policy was not paid");
        ensure!(
            self.rewards.claimed == self.supply && self.rewards.claimed <= self.rewards.emitted,
            "{} was claimed, {} exists and {} was emitted",
            self.rewards.claimed,
            self.supply,
            self.rewards.emitted
        );
        ensure!(
            self.rewards.owners > 1,
            "rewards were not claimed by several owners"
        );
        Ok(())
    }

    /// The table at the end.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        let mut row = |name: &str, value: String| {
            table.add_row([
                Cell::new(name),
                Cell::new(value).set_alignment(CellAlignment::Right),
            ]);
        };
        let bytes: usize = self.programs.values().map(|program| program.bytes).sum();
        row(
            "Programs",
            format!(
                "{}, {} bytes",
                self.programs.len(),
                show::thousands(bytes as u64)
            ),
        );
        row("Devices", self.devices.to_string());
        row("Readings accepted", show::thousands(self.readings.accepted));
        for (reason, count) in &self.readings.rejected {
            row(&format!("Readings rejected: {reason}"), count.to_string());
        }
        row("Commitments", self.commitments.len().to_string());
        let signers: Vec<String> = (1..=scenario::OPERATORS.len() as u32)
            .map(|n| {
                (
                    n,
                    self.attestations.iter().filter(|a| a.signers == n).count(),
                )
            })
            .filter(|(_, count)| *count > 0)
            .map(|(n, count)| format!("{count} by {n}"))
            .collect();
        row("Rounds attested", signers.join(", "));
        row(
            "Frost policy paid",
            format!("{} tokens", show::tokens(self.consumer.amount)),
        );
        row(
            "Rewards emitted",
            format!("{} tokens", show::tokens(self.rewards.emitted)),
        );
        row(
            &format!(
                "Rewards claimed by {} owners and operators",
                self.rewards.owners
            ),
            format!("{} tokens", show::tokens(self.rewards.claimed)),
        );
        for way in &self.verification.ways {
            row(
                &format!("{} verified by", way.airport),
                way.passed.join(", "),
            );
        }
        row(
            "A false attestation cost",
            format!("{} tokens", show::tokens(self.verification.caught.slashed)),
        );
        row(
            "  of which the challenger got",
            format!("{} tokens", show::tokens(self.verification.caught.bounty)),
        );
        let Accuracy {
            model_mae,
            float_mae,
            naive_mae,
        } = self.accuracy;
        row("Mean error of the feeds", format!("{model_mae:.3} °C"));
        row("  of the float network", format!("{float_mae:.3} °C"));
        row("  of the last reading", format!("{naive_mae:.3} °C"));
        row("Time", format!("{} s", self.wall_s));
        table
    }
}

fn programs(chain: &dyn Chain) -> Result<BTreeMap<String, Program>> {
    let mut programs = BTreeMap::new();
    for (id, name) in network::programs() {
        let account = chain
            .account(&id)?
            .with_context(|| format!("{name} is not deployed"))?;
        // A program of the upgradeable loader names the account of its code behind a tag of four bytes.
        let code = match account.data.get(4..36).filter(|_| account.data.len() == 36) {
            Some(key) => chain.account(&Pubkey::try_from(key)?)?.map_or(0, |code| {
                code.data.len().saturating_sub(PROGRAM_DATA_HEADER)
            }),
            None => account.data.len(),
        };
        let program = Program {
            id: id.to_string(),
            bytes: code,
        };
        programs.insert(name.to_owned(), program);
    }
    Ok(programs)
}

fn readings(statuses: &[Status]) -> Readings {
    let mut counters: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in statuses.iter().flat_map(|status| &status.counters) {
        *counters.entry(name.clone()).or_default() += count;
    }
    Readings {
        accepted: counters.remove(ACCEPTED).unwrap_or(0),
        rejected: counters,
    }
}

/// Everything that the chain ran for the network, its rewards and the policy, in the order of the chain.
fn executions(network: &Network, policy: &FrostPolicy) -> Result<Vec<Execution>> {
    let chain = network.chain.as_ref();
    let mut seen: BTreeSet<Signature> = BTreeSet::new();
    let mut executions = Vec::new();
    let feed: Feed = chain::read(chain, policy.feed())?;
    let model = feeds::model(&feed.model);
    let emission = emissions::emission(&network.key());
    for address in [network.key(), emission, policy.fund(), model] {
        for signature in chain.history(&address, &Cursor::START)? {
            if seen.insert(signature) {
                executions.extend(chain.execution(&signature)?);
            }
        }
    }
    executions.sort_by_key(|execution| execution.slot);
    Ok(executions)
}

/// The executions by the instructions of ours that they ran.
fn kinds(executions: &[Execution]) -> Result<Vec<Kind>> {
    let names = instruction_names()?;
    let mut kinds: Vec<Kind> = Vec::new();
    for execution in executions {
        let called: Vec<&str> = execution
            .outer
            .iter()
            .filter_map(|call| {
                let discriminator: [u8; 8] = *call.data.first_chunk()?;
                names.get(&(call.program, discriminator))
            })
            .map(String::as_str)
            .collect();
        if called.is_empty() {
            continue;
        }
        let name = called.join(" + ");
        match kinds.iter_mut().find(|kind| kind.name == name) {
            Some(kind) => kind.compute_units.push(execution.compute_units),
            None => kinds.push(Kind {
                name,
                compute_units: vec![execution.compute_units],
            }),
        }
    }
    Ok(kinds)
}

/// The names of all instructions by program and discriminator, which is sha256("global:" | name), the first 8 bytes. The
/// source has a file for each.
fn instruction_names() -> Result<BTreeMap<(Pubkey, [u8; 8]), String>> {
    let mut names = BTreeMap::new();
    for (id, program) in network::programs() {
        let directory = scenario::source(&format!("../../programs/{program}/src/instructions"));
        let files = std::fs::read_dir(&directory)
            .with_context(|| format!("{} can't be read", directory.display()))?;
        for file in files {
            let path = file?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            let hash: [u8; 32] = Sha256::digest(format!("global:{name}")).into();
            let (discriminator, _) = hash.split_first_chunk().context("a hash is cut")?;
            names.insert((id, *discriminator), name.to_owned());
        }
    }
    Ok(names)
}

fn attested(network: &Network, attestations: &[(Pubkey, Attestation)]) -> Result<Vec<Attested>> {
    let chain = network.chain.as_ref();
    let mut found = Vec::new();
    for (key, attestation) in attestations {
        // Those of feeds that show other ways to verify are told of apart.
        if !network.deployment.feeds.contains(&attestation.feed) {
            continue;
        }
        // Submission and signatures are all that names an attestation: the last one completed it.
        let history = chain.history(key, &Cursor::START)?;
        let last = history.last().context("an attestation came from nowhere")?;
        let execution = chain.execution(last)?.context("a transaction is gone")?;
        let mut airports = network.deployment.feeds.iter().zip(&AIRPORTS);
        let airport = airports.find(|(feed, _)| **feed == attestation.feed);
        found.push(Attested {
            airport: airport.map_or("", |(_, airport)| airport.code),
            captured: network.in_scenario(attestation.batch.last_capture / 1_000),
            windows: attestation.windows,
            feed: attestation.feed.to_string(),
            round: attestation.round,
            value: attestation.value,
            verification: Mask::names(attestation.mask).collect(),
            signers: attestation.signers.count_ones(),
            signature: last.to_string(),
            cu: execution.compute_units,
        });
    }
    found.sort_by_key(|attested| (attested.round, attested.airport));
    Ok(found)
}

/// The feeds' rings against what was measured an hour later, on the windows that the workers hold.
fn accuracy(course: &Course<'_>) -> Result<(Accuracy, Vec<Series>)> {
    let chain = course.network.chain.as_ref();
    let card = Card::load(&scenario::source("../trainer/models/temperature.json"))?;
    let (mut model, mut float, mut naive) = (Vec::new(), Vec::new(), Vec::new());
    let mut all = Vec::new();
    for (airport, place) in AIRPORTS.iter().enumerate() {
        let feed: Feed = chain::read(chain, &course.network.deployment.feeds[airport])?;
        let device = course
            .devices
            .iter()
            .find(|device| device.airport == airport)
            .context("an airport without devices")?;
        let store = course.operators[airport].worker.store()?;
        let id = device.signer.device_key().id();
        // Times here are the scenario's.
        let network = course.network;
        let stored = |from: i64, to: i64| {
            let [from, to] = [from, to].map(|time| network.on_chain(time) * 1_000);
            store.readings(&id, from, to, usize::MAX)
        };
        let captured = |milliseconds: i64| network.in_scenario(milliseconds / 1_000);
        let mut series = Series {
            measured: Vec::new(),
            forecast: Vec::new(),
            error: 0.0,
        };
        let end = scenario::FIRST_FORECAST + scenario::HOURS * HOUR;
        for signed in stored(scenario::SETUP, end)? {
            let time = captured(signed.reading.captured_at);
            series
                .measured
                .push((time, i64::from(signed.reading.values[0])));
        }
        // What the last forecast was for has not been sent yet.
        let last = series.measured.last().map_or(0, |(time, _)| time + HOUR);
        let came = course.weather.temperature(airport, last);
        series
            .measured
            .extend(came.map(|came| (last, i64::from(came))));
        let mut errors = Vec::new();
        let mut entries = feed.ring[..feed.entries as usize].to_vec();
        entries.sort_by_key(|entry| entry.round);
        for entry in entries {
            let newest = captured(entry.newest_capture);
            series.forecast.push((newest + HOUR, entry.value));
            let Some(next) = course.weather.temperature(airport, newest + HOUR) else {
                continue;
            };
            let temperatures: Vec<i32> = stored(captured(entry.oldest_capture), newest)?
                .iter()
                .map(|signed| signed.reading.values[0])
                .collect();
            let window = Window {
                station: place.code.to_owned(),
                hour: newest / HOUR + 1,
                temperatures: temperatures
                    .try_into()
                    .map_err(|_| anyhow::anyhow!("a round's window is not in the database"))?,
                next,
            };
            let error = |forecast: f64| (forecast - f64::from(next)).abs() / 100.0;
            errors.push(error(entry.value as f64));
            float.push(error(trainer::train::float_forecast(&card.float, &window)));
            let [.., last] = window.temperatures;
            naive.push(error(f64::from(last)));
        }
        series.error = mean(&errors);
        model.extend(errors);
        all.push(series);
    }
    let accuracy = Accuracy {
        model_mae: mean(&model),
        float_mae: mean(&float),
        naive_mae: mean(&naive),
    };
    Ok((accuracy, all))
}

/// The mean to four decimals; of nothing it is not a number.
fn mean(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean * 10_000.0).round() / 10_000.0
}

fn paid(course: &Course<'_>) -> Result<Vec<Paid>> {
    let network = course.network.key();
    let owners = course
        .owners
        .iter()
        .map(|owner| (owner.name, PayeeKind::Owner, owner.key.pubkey(), "owner"));
    let operators = course.operators.iter().map(|operator| {
        (
            operator.name,
            PayeeKind::Operator,
            operator.pool,
            "operator",
        )
    });
    owners
        .chain(operators)
        .map(|(name, payee, key, kind)| {
            let key = emissions::payee(&network, payee, &key);
            let payee: Payee = chain::read(course.network.chain.as_ref(), &key)?;
            Ok(Paid {
                name,
                kind,
                claimed: payee.claimed,
            })
        })
        .collect()
}

fn databases(
    course: &Course<'_>,
    statuses: &[Status],
    attestations: &[(Pubkey, Attestation)],
) -> Result<Vec<Database>> {
    let chain = course.network.chain.as_ref();
    let mut databases = Vec::new();
    for (operator, status) in course.operators.iter().zip(statuses) {
        let stream: data_commitment::state::Stream = chain::read(
            chain,
            &streams::stream(&course.network.key(), &operator.pool),
        )?;
        let (mut allocation, mut signed) = (0, 0);
        for (_, attestation) in attestations {
            let committee: security_pool::state::Committee =
                chain::read(chain, &attestation.committee)?;
            let Some(member) = committee.member(&operator.pool) else {
                continue;
            };
            allocation = committee.members()[member].allocation;
            signed += usize::from(attestation.signers >> member & 1 == 1);
        }
        databases.push(Database {
            name: operator.name,
            allocation,
            readings: status.readings,
            commitments: stream.count,
            signed,
        });
    }
    Ok(databases)
}
