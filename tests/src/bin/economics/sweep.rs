//! All attacks at all ratios of rewards to bonds.

use super::attack::{play, Kind, Played, Way, EPOCHS};
use super::parameters::Parameters;
use super::world::{self, Figures};
use anyhow::{Context, Result};
use fieldproof_client::chain::LocalChain;
use serde::Serialize;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

/// Rewards over bonds, in those of the documented parameters: a hundredfold, five steps for each tenfold.
pub const FACTORS: [f64; 11] = [0.1, 0.16, 0.25, 0.4, 0.63, 1.0, 1.6, 2.5, 4.0, 6.3, 10.0];
/// Where the documented parameters are among them.
pub const DOCUMENTED_FACTOR: usize = 5;

/// What an attack is expected to bring at one ratio, USD.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Expected {
    /// What it brings, over what the same people have without it.
    pub gain: f64,
    /// What it costs.
    pub cost: f64,
    /// The chance of being found out that makes both equal, if there is one: in an epoch for a farm, else for the deed.
    pub needed: Option<f64>,
}

impl Expected {
    /// Gain less cost.
    pub fn profit(&self) -> f64 {
        self.gain - self.cost
    }
}

/// An attack at all ratios.
#[derive(Debug, Clone, Serialize)]
pub struct Swept {
    /// Which.
    pub kind: Kind,
    /// What it is called.
    pub name: &'static str,
    /// The test that performs it.
    pub test: &'static str,
    /// The chance of being found out that is documented.
    pub found_out: f64,
    /// By ratio.
    pub expected: Vec<Expected>,
    /// Where the profit crosses zero, in documented ratios; nothing within the sweep otherwise.
    pub break_even: Option<f64>,
    /// At the documented ratio, by epoch: what the attackers were paid in rewards if nobody looks, USD.
    pub earned: Vec<f64>,
    /// In the same run, by epoch: the share of cells that are measured in by three owners with devices of three makers.
    pub covered: Vec<f64>,
}

impl Swept {
    /// At the documented parameters.
    pub fn documented(&self) -> Expected {
        self.expected[DOCUMENTED_FACTOR]
    }

    /// What somebody outside would have to gain by the attack if nobody looks, so that it pays at the documented parameters,
    /// USD.
    pub fn outside_gain(&self) -> f64 {
        -self.documented().profit() / (1.0 - self.found_out)
    }
}

/// What honest people make at one ratio, USD each.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Honest {
    /// The owner who makes least.
    pub owner: f64,
    /// The operator who makes least.
    pub operator: f64,
}

/// How honest people fare when the reward token's price changes halfway.
#[derive(Debug, Clone, Serialize)]
pub struct Shock {
    /// By how much.
    pub factor: f64,
    /// What they make.
    pub honest: Honest,
    /// The attack that brings most at this ratio, and what it brings.
    pub worst: (&'static str, f64),
}

/// All that a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// Seed of all keys.
    pub seed: u64,
    /// Epochs played in each run.
    pub epochs: u64,
    /// What owners of full devices are paid in an epoch, by what their bonds are worth.
    pub reward_to_bond: f64,
    /// Ratios, in the documented one.
    pub factors: Vec<f64>,
    /// Attacks.
    pub attacks: Vec<Swept>,
    /// Honest people, by ratio.
    pub honest: Vec<Honest>,
    /// From which ratio on all owners, and all operators, profit; in the documented one.
    pub honest_from: [Option<f64>; 2],
    /// Price shocks.
    pub shocks: Vec<Shock>,
    /// The network without attacks, by epoch.
    pub figures: Vec<Figures>,
}

impl Results {
    /// What should not be at the documented parameters; nothing if they are safe.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for swept in &self.attacks {
            let profit = swept.documented().profit();
            if profit > 0.0 {
                faults.push(format!("{}: brings {profit:.2} USD", swept.name));
            }
        }
        let Honest { owner, operator } = self.honest[DOCUMENTED_FACTOR];
        for (who, profit) in [("an honest owner", owner), ("an honest operator", operator)] {
            if profit <= 0.0 {
                faults.push(format!("{who} makes {profit:.2} USD"));
            }
        }
        faults
    }
}

/// A run of one attack at one ratio.
type Job = (usize, Option<Kind>, Way, f64);

/// Plays all attacks at all ratios, on all processors; `progress` hears of how many runs are done, of how many.
///
/// # Errors
/// Whatever a program refuses that it should not.
pub fn run(
    parameters: &Parameters,
    seed: u64,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Results> {
    let mut jobs: Vec<Job> = Vec::new();
    for factor in 0..FACTORS.len() {
        jobs.push((factor, None, Way::Honest, 1.0));
        for kind in Kind::ALL {
            let ways = kind.ways().iter();
            jobs.extend(ways.map(|way| (factor, Some(kind), *way, 1.0)));
        }
    }
    for shock in [0.25, 4.0] {
        jobs.push((DOCUMENTED_FACTOR, None, Way::Honest, shock));
    }
    let played = play_all(&world::base(), parameters, &jobs, seed, progress)?;
    let find = |job: &Job| {
        let place = jobs.iter().position(|other| other == job);
        place.and_then(|place| played.get(place)).context("a run")
    };

    let mut honest = Vec::new();
    for factor in 0..FACTORS.len() {
        honest.push(least(find(&(factor, None, Way::Honest, 1.0))?));
    }
    let mut attacks = Vec::new();
    for kind in Kind::ALL {
        let at = |factor| {
            let find = |kind, way| find(&(factor, kind, way, 1.0)).cloned();
            judge(parameters, kind, find)
        };
        let expected = (0..FACTORS.len()).map(at).collect::<Result<Vec<_>>>()?;
        let profits: Vec<f64> = expected.iter().map(Expected::profit).collect();
        let seen = match kind.ways().contains(&Way::Unseen) {
            true => Way::Unseen,
            false => Way::Caught,
        };
        let played = find(&(DOCUMENTED_FACTOR, Some(kind), seen, 1.0))?;
        attacks.push(Swept {
            kind,
            name: kind.name(),
            test: kind.test(),
            found_out: found_out(parameters, kind),
            break_even: crossing(&profits),
            earned: played.earned.clone(),
            covered: played
                .figures
                .iter()
                .map(|figures| figures.covered)
                .collect(),
            expected,
        });
    }
    let mut shocks = Vec::new();
    for factor in [0.25, 4.0] {
        let place = FACTORS.iter().position(|other| *other == factor);
        let place = place.context("a ratio")?;
        let profit = |swept: &&Swept| swept.expected[place].profit();
        let worst = attacks
            .iter()
            .max_by(|a, b| profit(a).total_cmp(&profit(b)));
        let worst = worst.context("an attack")?;
        shocks.push(Shock {
            factor,
            honest: least(find(&(DOCUMENTED_FACTOR, None, Way::Honest, factor))?),
            worst: (worst.name, profit(&worst)),
        });
    }
    let owners: Vec<f64> = honest.iter().map(|honest| honest.owner).collect();
    let operators: Vec<f64> = honest.iter().map(|honest| honest.operator).collect();
    Ok(Results {
        seed,
        epochs: EPOCHS,
        reward_to_bond: parameters.reward_to_bond(18),
        factors: FACTORS.to_vec(),
        attacks,
        honest,
        honest_from: [crossing(&owners), crossing(&operators)],
        shocks,
        figures: find(&(DOCUMENTED_FACTOR, None, Way::Honest, 1.0))?
            .figures
            .clone(),
    })
}

/// What an attack is expected to bring at the documented ratio: for tests, which perform one.
///
/// # Errors
/// As [`run`].
#[cfg(test)]
pub fn expected(parameters: &Parameters, kind: Kind, seed: u64) -> Result<Expected> {
    let base = world::base();
    judge(parameters, kind, |kind, way| {
        play(&base, parameters, kind, way, seed, &|_| {
            parameters.reward_usd
        })
    })
}

/// What an attack is expected to bring, by the runs that tell.
fn judge(
    parameters: &Parameters,
    kind: Kind,
    run: impl Fn(Option<Kind>, Way) -> Result<Played>,
) -> Result<Expected> {
    if kind.is_farm() {
        return Ok(of_farm(parameters, &run(Some(kind), Way::Unseen)?));
    }
    let honest = if kind.ways().contains(&Way::Honest) {
        run(Some(kind), Way::Honest)?.profit
    } else {
        let alone = run(None, Way::Honest)?;
        kind.seats().iter().map(|seat| alone.operators[*seat]).sum()
    };
    let over = |way| -> Result<Option<f64>> {
        if !kind.ways().contains(&way) {
            return Ok(None);
        }
        Ok(Some(run(Some(kind), way)?.profit - honest))
    };
    let (unseen, caught) = (over(Way::Unseen)?, over(Way::Caught)?);
    let known = unseen.or(caught).context("a run")?;
    let (unseen, caught) = (unseen.unwrap_or(known), caught.unwrap_or(known));
    Ok(of_deed(found_out(parameters, kind), unseen, caught))
}

fn play_all(
    base: &LocalChain,
    parameters: &Parameters,
    jobs: &[Job],
    seed: u64,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Vec<Played>> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let slots: Mutex<Vec<Option<Result<Played>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    let work = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some((factor, kind, way, shock)) = jobs.get(number) else {
            break;
        };
        let scaled = parameters.scaled(FACTORS[*factor]);
        let price = |epoch: u64| match epoch * 2 < EPOCHS {
            true => scaled.reward_usd,
            false => scaled.reward_usd * shock,
        };
        let played = play(base, &scaled, *kind, *way, seed, &price)
            .with_context(|| format!("{kind:?}, {way:?}, rewards times {}", FACTORS[*factor]));
        slots.lock().expect("another run panicked")[number] = Some(played);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let slots = slots.into_inner().expect("a run panicked");
    slots
        .into_iter()
        .map(|slot| slot.context("a run")?)
        .collect()
}

fn least(played: &Played) -> Honest {
    let least = |profits: &[f64]| profits.iter().copied().fold(f64::INFINITY, f64::min);
    Honest {
        owner: least(&played.owners),
        operator: least(&played.operators),
    }
}

/// How often an attack is found out: in an epoch if it is a farm, otherwise once it is tried.
fn found_out(parameters: &Parameters, kind: Kind) -> f64 {
    match kind {
        Kind::SybilFarm | Kind::MakerFarm | Kind::SelfVouchedFarm => parameters.exclusion,
        // In all epochs that are played.
        Kind::Lazy => 1.0 - (1.0 - parameters.lies * parameters.watched).powi(EPOCHS as i32),
        Kind::Griefer => 1.0,
        Kind::WashTrader => 0.0,
        _ => parameters.watched,
    }
}

/// What a deed is expected to bring that is found out with some chance, by what it brings if it is and if it is not.
fn of_deed(chance: f64, unseen: f64, caught: f64) -> Expected {
    Expected {
        gain: (1.0 - chance) * unseen.max(0.0) + chance * caught.max(0.0),
        cost: -(1.0 - chance) * unseen.min(0.0) - chance * caught.min(0.0),
        needed: (unseen > 0.0 && caught < 0.0).then(|| unseen / (unseen - caught)),
    }
}

/// What a farm is expected to bring that is found out in each epoch with some chance, and earns nothing from then on. After
/// the epochs that were played it goes on as in the last of them. What it burned for registrations is gone; its bonds come
/// back after their cool-down.
fn of_farm(parameters: &Parameters, unseen: &Played) -> Expected {
    let once = unseen.earned.iter().sum::<f64>() - unseen.profit - unseen.capital;
    let away = parameters.cooldown as f64 / parameters.epoch as f64;
    let of = |chance: f64| {
        let mut gain = 0.0;
        let mut left = 1.0;
        for earned in &unseen.earned {
            left *= 1.0 - chance;
            gain += left * earned;
        }
        let last = unseen.earned.last().copied().unwrap_or(0.0);
        gain += left * last * (1.0 - chance) / chance;
        let cost = once + unseen.capital_epoch * (1.0 / chance + away);
        (gain, cost)
    };
    let (gain, cost) = of(parameters.exclusion);
    // The longer it lives the more it brings, if it brings anything.
    let (mut low, mut high) = (1e-4, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        let (gain, cost) = of(middle);
        if gain > cost {
            low = middle;
        } else {
            high = middle;
        }
    }
    Expected {
        gain,
        cost,
        needed: (high > 2e-4).then_some(high),
    }
}

/// Where profits cross zero, in documented ratios: between two steps of the sweep they are linear in rewards.
fn crossing(profits: &[f64]) -> Option<f64> {
    let steps = FACTORS.windows(2).zip(profits.windows(2));
    steps
        .filter_map(|(factors, profits)| match (factors, profits) {
            ([low, high], [before, after]) if *before <= 0.0 && *after > 0.0 => {
                Some(low + (high - low) * -before / (after - before))
            }
            _ => None,
        })
        .next()
}
