//! The demo's course, stage by stage.

use crate::actors::{self, Device, Operator, Owner, Running};
use crate::network::{Ground, Network};
use crate::policy::FrostPolicy;
use crate::proxy::Tamperer;
use crate::scenario::{self, Weather, AIRPORTS, HOUR, OPERATORS};
use crate::summary::Summary;
use crate::{rewards, show, verification};
use anyhow::{bail, ensure, Context, Result};
use feed_reader::Mask;
use fieldproof_worker::server::Status;
use fieldproof_worker::worker::Journal;
use fieldproof_worker::Event;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Most steps that a worker may take until there is nothing left to do.
const MOST_STEPS: usize = 32;
/// How long a worker in a process of its own may take for anything, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// All that takes part while hours pass.
pub struct Course<'a> {
    /// Chain and network.
    pub network: &'a Network,
    /// What was measured.
    pub weather: &'a Weather,
    /// The operators.
    pub operators: &'a [Operator],
    /// The owners.
    pub owners: &'a [Owner],
    /// The devices.
    pub devices: &'a [Device],
    tamperer: Tamperer,
    http: reqwest::blocking::Client,
    /// Events of each operator's worker that were seen.
    followed: RefCell<Vec<u64>>,
    /// Epochs whose rewards were claimed.
    claimed: BTreeSet<u64>,
    /// Attestations that an operator refused to sign, and why.
    pub refusals: Vec<String>,
}

/// Runs all of it on the programs in `directory`; if `rpc`, on an RPC server and with a process for each operator.
pub fn run(directory: &Path, rpc: bool) -> Result<Summary> {
    let start = Instant::now();
    let weather = Weather::load()?;
    let data = tempfile::tempdir().context("no directory for the databases")?;

    show::stage(if rpc {
        "Programs and network, on an RPC server"
    } else {
        "Programs and network, on an embedded chain"
    });
    let network = Network::start(directory, rpc)?;

    show::stage("Operators, each with its own worker and database");
    let runtime = Runtime::new()?;
    let tamperer = Tamperer::default();
    let cheat = actors::cheat(&network)?;
    let operators = actors::operators(&network, &runtime, &tamperer, data.path())?;

    show::stage("Owners, and devices with keys of both curves");
    let owners = actors::owners(&network)?;
    let devices = actors::devices(&network, &owners)?;

    show::stage("A frost policy, paid from the feed");
    let mut policy = FrostPolicy::write(&network)?;

    let mut course = Course {
        network: &network,
        weather: &weather,
        operators: &operators,
        owners: &owners,
        devices: &devices,
        tamperer,
        http: reqwest::blocking::Client::new(),
        followed: RefCell::new(vec![0; operators.len()]),
        claimed: BTreeSet::new(),
        refusals: Vec::new(),
    };
    show::stage("Readings before the first forecast");
    course.warm_up()?;
    show::stage("Forecasts: an hour ahead, from the last sixteen readings");
    course.forecast(&mut policy)?;
    ensure!(
        course.refusals.iter().any(|text| text.contains("tampered")),
        "nobody refused the tampered payload: it was not noticed"
    );
    show::stage("Each way to verify, and a lie that is caught");
    let verification = verification::play(&mut course, &cheat)?;
    show::stage("What the chain and the databases hold");
    Summary::read(&course, &policy, verification, start)
}

impl Course<'_> {
    /// What the worker of operator `number` answers to a GET of `path`.
    pub fn get<T: serde::de::DeserializeOwned>(&self, number: usize, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.operators[number].url);
        Ok(self.http.get(url).send()?.error_for_status()?.json()?)
    }

    fn warm_up(&self) -> Result<()> {
        // The workers start, and learn of the devices.
        for number in 0..self.operators.len() {
            self.patiently("a worker to answer", || {
                Ok(self.get::<Status>(number, "/v1/status").ok())
            })?;
        }
        self.settle_down()?;
        let mut time = scenario::FIRST_READING;
        let mut accepted = 0;
        while time < scenario::FIRST_FORECAST {
            accepted += self.measure(time)?;
            if time == scenario::BAD_INPUT {
                self.bad_input(time)?;
            }
            time += HOUR;
        }
        show::line(&format!(
            "{} to {}: {accepted} readings accepted",
            show::time(scenario::FIRST_READING),
            show::time(time - HOUR)
        ));
        Ok(())
    }

    /// Each device sends what was measured at `time` to its airport's operator. Hours without a measurement stay empty.
    /// Returns how many readings were accepted.
    fn measure(&self, time: i64) -> Result<usize> {
        self.network.set_time(time + scenario::ARRIVAL);
        self.tick(time + scenario::ARRIVAL)?;
        let mut accepted = 0;
        for (number, device) in self.devices.iter().enumerate() {
            if number == scenario::OUTAGE_DEVICE && scenario::OUTAGE.contains(&time) {
                continue;
            }
            let Some(temperature) = self.weather.temperature(device.airport, time) else {
                continue;
            };
            let signed = device.measure(temperature, time)?;
            let operator = &self.operators[device.airport];
            let result = actors::deliver(&self.http, operator, &signed)?;
            ensure!(
                result == "accepted",
                "a good reading was rejected: {result}"
            );
            accepted += 1;
        }
        Ok(accepted)
    }

    /// Sends what no worker may take, and checks that it is rejected for the right reason.
    fn bad_input(&self, time: i64) -> Result<()> {
        let (device, other) = (&self.devices[0], &self.devices[1]);
        let temperature = self
            .weather
            .temperature(device.airport, time)
            .context("bad input needs an hour with a measurement")?;
        let replay = device.measure(temperature, time)?;
        let mut forged = device.measure(temperature + 500, time + 1)?;
        forged.signature = other.measure(temperature + 500, time + 1)?.signature;
        let stranger = Device::unregistered(self.network, device.airport);
        let unregistered = stranger.measure(temperature, time)?;
        let future = device.measure(temperature, time + HOUR)?;
        let cases = [
            ("a forged signature", forged, "bad_signature"),
            ("a reading again", replay, "replay"),
            (
                "a device that nobody registered",
                unregistered,
                "unknown_device",
            ),
            ("a clock in the future", future, "clock_in_future"),
        ];
        for (what, signed, expected) in cases {
            let result = actors::deliver(&self.http, &self.operators[device.airport], &signed)?;
            ensure!(
                result == expected,
                "{what} should be rejected as {expected}, and is {result}"
            );
            show::line(&format!(
                "{}  {} gets {what:<32} rejected: {result}",
                show::time(time),
                OPERATORS[device.airport].0
            ));
        }
        Ok(())
    }

    fn forecast(&mut self, policy: &mut FrostPolicy) -> Result<()> {
        show::line("measured → forecast for the next hour; the commitment to the readings, the committee's signatures");
        show::line("of the forecast and by how many of its members, the round made final\n");
        for hour in 0..scenario::FORECAST_HOURS {
            let time = scenario::FIRST_FORECAST + hour * HOUR;
            self.measure(time)?;
            self.network.set_time(time + scenario::ROUND_OVER);
            self.tick(time + scenario::ROUND_OVER)?;
            let events = self.settle_down()?;
            self.tamperer.stop();
            self.show_hour(time, &events);
            policy.attempt(self.network)?;
            self.claim(&events)?;
        }
        // On a chain whose clock runs, what was voted in the last hour is not final within it.
        let last = scenario::FIRST_FORECAST + (scenario::FORECAST_HOURS - 1) * HOUR;
        self.network.set_time(last + scenario::ALL_FINAL);
        self.tick(last + scenario::ALL_FINAL)?;
        let events = self.settle_down()?;
        for (number, event) in &events {
            self.show_event(*number, event);
        }
        self.claim(&events)?;
        ensure!(
            scenario::EPOCHS
                .iter()
                .all(|epoch| self.claimed.contains(epoch)),
            "only the rewards of epochs {:?} became final",
            self.claimed
        );
        Ok(())
    }

    /// Has the readings of `time` taken, its rounds attested, and what passes by time pass, `later` seconds after the
    /// rounds' end.
    pub fn pass_hour(&mut self, time: i64, later: i64) -> Result<()> {
        self.measure(time)?;
        self.pass_time(time, scenario::ROUND_OVER)?;
        if later > 0 {
            self.pass_time(time, scenario::ROUND_OVER + later)?;
        }
        Ok(())
    }

    /// Lets it be `later` seconds after `time`, and the workers do what is to be done then.
    pub fn pass_time(&mut self, time: i64, later: i64) -> Result<()> {
        self.network.set_time(time + later);
        self.tick(time + later)?;
        let events = self.settle_down()?;
        for (number, event) in &events {
            self.show_event(*number, event);
        }
        self.claim(&events)
    }

    /// Has everybody claim what became final.
    fn claim(&mut self, events: &[(usize, Event)]) -> Result<()> {
        for (_, event) in events {
            if let Event::RewardsFinal { epoch, .. } = event {
                if self.claimed.insert(*epoch) {
                    rewards::claim_all(self, *epoch)?;
                }
            }
        }
        Ok(())
    }

    /// Sees that every worker knows that it is `time` in the scenario.
    fn tick(&self, time: i64) -> Result<()> {
        for (number, operator) in self.operators.iter().enumerate() {
            if let Running::Here(worker) = &operator.worker {
                worker.tick()?;
                continue;
            }
            self.patiently("a worker to read the clock", || {
                let status = self.get::<Status>(number, "/v1/status");
                let now = status.map_or(0, |status| status.now);
                Ok((now >= self.network.on_chain(time)).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Looks again and again until there is something.
    fn patiently<T>(&self, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(found) = look()? {
                return Ok(found);
            }
            std::thread::sleep(POLL);
        }
        bail!("waited in vain for {what}")
    }

    /// Has every worker work until none has anything left to do. Returns what happened, with the operator's number.
    fn settle_down(&self) -> Result<Vec<(usize, Event)>> {
        match self.network.ground {
            Ground::Embedded(_) => self.step_until_rest(),
            Ground::Cluster(_) => self.wait_for_rest(),
        }
    }

    fn step_until_rest(&self) -> Result<Vec<(usize, Event)>> {
        let mut all = Vec::new();
        for _ in 0..MOST_STEPS {
            let mut quiet = true;
            for (number, operator) in self.operators.iter().enumerate() {
                let Running::Here(worker) = &operator.worker else {
                    continue;
                };
                let events = worker
                    .step()
                    .with_context(|| format!("{}'s worker", operator.name))?;
                quiet &= events.is_empty();
                all.extend(events.into_iter().map(|event| (number, event)));
            }
            if quiet {
                return Ok(all);
            }
        }
        bail!("the workers do not come to rest: {:?}", all.last())
    }

    /// Workers in processes of their own step by themselves. They are at rest once each has begun and ended a step in
    /// which no worker did anything.
    fn wait_for_rest(&self) -> Result<Vec<(usize, Event)>> {
        let mut all = Vec::new();
        let mut quiet_since: Option<Vec<u64>> = None;
        let rested = self.patiently("the workers to come to rest", || {
            let mut news = false;
            let mut steps = Vec::new();
            for (number, after) in self.followed.borrow_mut().iter_mut().enumerate() {
                let journal: Journal = self.get(number, &format!("/v1/events?after={after}"))?;
                *after = journal.count;
                steps.push(journal.steps);
                news |= !journal.events.is_empty();
                all.extend(journal.events.into_iter().map(|event| (number, event)));
            }
            let since = match &quiet_since {
                Some(since) if !news => since,
                _ => quiet_since.insert(steps.clone()),
            };
            // One step may have begun before.
            let rested = |(now, then): (&u64, &u64)| *now >= then + 2;
            Ok(steps.iter().zip(since).all(rested).then_some(()))
        });
        rested.with_context(|| format!("the last that happened: {:?}", all.last()))?;
        Ok(all)
    }

    fn show_hour(&mut self, time: i64, events: &[(usize, Event)]) {
        for (number, airport) in AIRPORTS.iter().enumerate() {
            let Some(line) = hour_line(number, events) else {
                show::line(&format!(
                    "{}  {}  no forecast",
                    show::time(time),
                    airport.code
                ));
                continue;
            };
            let measured = self.weather.temperature(number, time);
            let measured = measured.map_or("     -".to_owned(), |t| show::degrees(t.into()));
            show::line(&format!(
                "{}  {}  {measured} °C → {line}",
                show::time(time),
                airport.code
            ));
        }
        if time == scenario::OUTAGE.start {
            show::line(
                "    a device at LGA loses power for three hours: the forecasts go on without it",
            );
        }
        for (number, event) in events {
            self.show_event(*number, event);
        }
    }

    fn show_event(&mut self, number: usize, event: &Event) {
        let name = self.operators[number].name;
        let text = match event {
            Event::Refused { pool, reason, .. } => {
                let by = self
                    .operators
                    .iter()
                    .find(|operator| operator.pool == *pool);
                let by = by.map_or("somebody", |operator| operator.name);
                let text = format!("{by} refuses to sign {name}'s attestation: {reason}");
                self.refusals.push(text.clone());
                text
            }
            Event::Failed { what, detail } => format!("{name}: {what} failed: {detail}"),
            Event::Proposed {
                epoch,
                reward_sum,
                signature,
                compute_units,
                ..
            } => format!(
                "{name} proposes the rewards of epoch {epoch}, {} tokens in all  {}",
                show::tokens(*reward_sum),
                done(signature, *compute_units)
            ),
            Event::Proven {
                milliseconds,
                signature,
                compute_units,
                ..
            } => format!(
                "{name} proves its outputs in {:.1} s  {}",
                *milliseconds as f64 / 1_000.0,
                done(signature, *compute_units)
            ),
            Event::Voted {
                epoch,
                signature,
                compute_units,
                ..
            } => format!(
                "{name} votes on epoch {epoch}  {}",
                done(signature, *compute_units)
            ),
            Event::RewardsFinal {
                epoch,
                signature,
                compute_units,
                ..
            } => format!(
                "epoch {epoch} is final  {}",
                done(signature, *compute_units)
            ),
            _ => return,
        };
        show::line(&format!("    {text}"));
    }
}

/// What operator `number` brought to the chain for its airport in this hour.
fn hour_line(number: usize, events: &[(usize, Event)]) -> Option<String> {
    let own = || {
        events
            .iter()
            .filter(|(by, _)| *by == number)
            .map(|(_, event)| event)
    };
    let (value, mask, finalized) = own().find_map(|event| match event {
        Event::Finalized {
            value,
            mask,
            signature,
            compute_units,
            ..
        } => Some((*value, *mask, done(signature, *compute_units))),
        _ => None,
    })?;
    let committed = own().find_map(|event| match event {
        Event::Committed {
            signature: Some(signature),
            compute_units: Some(units),
            ..
        } => Some(done(signature, *units)),
        _ => None,
    })?;
    let (signers, attested) = own().find_map(|event| match event {
        Event::Attested {
            signers,
            signature,
            compute_units,
            ..
        } => Some((*signers, done(signature, *compute_units))),
        _ => None,
    })?;
    let verified = if mask & Mask::COMMITTEE != 0 {
        signers
    } else {
        0
    };
    Some(format!(
        "{} °C  commit {committed}  attest {attested} by {verified}  final {finalized}",
        show::degrees(value)
    ))
}

fn done(signature: &solana_signature::Signature, compute_units: u64) -> String {
    format!(
        "{} {:>6} CU",
        show::short(signature),
        show::thousands(compute_units)
    )
}
