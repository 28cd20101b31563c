//! All attacks at all ratios of rewards to bonds, and under all price shocks.

use super::attack::{play, Kind, Played, Way};
use super::parameters::{Parameters, Shock};
use super::world::{self, Figures, EPOCHS, FIRST, HALFWAY};
use anyhow::{ensure, Context, Result};
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
/// Epochs in which a farm that nobody finds out must have earned what it cost, or is said never to.
const LIFETIME: usize = 520;
/// How far what an excluded farm made may be from what is computed for it, USD: fees of claims that it did not send.
const EXCLUSION_TOLERANCE: f64 = 0.5;

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
    /// In the same run, by epoch: what came of the network.
    pub figures: Vec<Figures>,
    /// The same when the same people do nothing wrong.
    pub without: Vec<Figures>,
    /// Of a farm.
    pub farm: Option<Lifetime>,
    /// Under each price shock, in their order.
    pub shocked: Vec<Expected>,
    /// How many times as much a stake token is worth when the attack breaks even, if it is less than documented.
    pub stake_break_even: Option<f64>,
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

/// What becomes of a farm at the documented parameters.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Lifetime {
    /// What it makes if it is found out halfway and excluded, as played, USD.
    pub excluded: f64,
    /// After how many epochs it has earned what it cost, if nobody finds it out.
    pub pays_after: Option<usize>,
}

/// What honest people make at one ratio, USD each.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Honest {
    /// The owner who makes least.
    pub owner: f64,
    /// The operator who makes least.
    pub operator: f64,
}

/// What honest people make when prices change halfway.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Shocked {
    /// How they change.
    pub shock: Shock,
    /// What they make.
    pub honest: Honest,
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
    pub shocks: Vec<Shocked>,
    /// The network without attacks, by epoch.
    pub figures: Vec<Figures>,
}

impl Results {
    /// What should not be at the documented parameters; nothing if they are safe. No attack may pay under a price shock
    /// either. What honest people make then is only told: that operators lose while a reward token is cheap is documented.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for swept in &self.attacks {
            let shocks = self.shocks.iter().map(|shocked| shocked.shock.name);
            let shocked = shocks.zip(swept.shocked.iter().copied());
            let documented = std::iter::once((Shock::NONE.name, swept.documented()));
            for (shock, expected) in documented.chain(shocked) {
                let profit = expected.profit();
                if profit > 0.0 {
                    faults.push(format!(
                        "{}: brings {profit:.2} USD (price shock: {shock})",
                        swept.name
                    ));
                }
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

/// A run: of an attack, or of none, at one ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Job {
    factor: usize,
    shock: Shock,
    kind: Option<Kind>,
    way: Way,
}

/// The runs that tell what all attacks bring at one ratio, under one shock.
fn jobs(factor: usize, shock: Shock) -> Vec<Job> {
    let job = |kind, way| Job {
        factor,
        shock,
        kind,
        way,
    };
    let attacks = Kind::ALL.into_iter().flat_map(|kind| {
        let ways = kind.ways().iter();
        ways.map(move |way| job(Some(kind), *way))
    });
    std::iter::once(job(None, Way::Honest))
        .chain(attacks)
        .collect()
}

/// All runs that were played.
struct Runs {
    jobs: Vec<Job>,
    played: Vec<Played>,
}

impl Runs {
    fn find(&self, factor: usize, shock: Shock, kind: Option<Kind>, way: Way) -> Result<&Played> {
        let job = Job {
            factor,
            shock,
            kind,
            way,
        };
        let place = self.jobs.iter().position(|other| *other == job);
        let played = place.and_then(|place| self.played.get(place));
        played.with_context(|| format!("{job:?} was not played"))
    }

    fn judge(
        &self,
        parameters: &Parameters,
        factor: usize,
        shock: Shock,
        kind: Kind,
    ) -> Result<Expected> {
        judge(parameters, kind, |kind, way| {
            self.find(factor, shock, kind, way).cloned()
        })
    }

    fn honest(&self, factor: usize, shock: Shock) -> Result<Honest> {
        Ok(least(self.find(factor, shock, None, Way::Honest)?))
    }

    fn swept(&self, parameters: &Parameters, kind: Kind) -> Result<Swept> {
        let expected = (0..FACTORS.len())
            .map(|factor| self.judge(parameters, factor, Shock::NONE, kind))
            .collect::<Result<Vec<_>>>()?;
        let shocked = Shock::ALL
            .iter()
            .map(|shock| self.judge(parameters, DOCUMENTED_FACTOR, *shock, kind))
            .collect::<Result<Vec<_>>>()?;
        let profits: Vec<f64> = expected.iter().map(Expected::profit).collect();
        let ways = kind.ways();
        let here = |kind, way| self.find(DOCUMENTED_FACTOR, Shock::NONE, kind, way);
        let seen = match ways.contains(&Way::Unseen) {
            true => Way::Unseen,
            false => Way::Caught,
        };
        let played = here(Some(kind), seen)?;
        let without = here(
            Some(kind).filter(|_| ways.contains(&Way::Honest)),
            Way::Honest,
        )?;
        let farm = match kind.is_farm() {
            true => Some(Lifetime {
                excluded: here(Some(kind), Way::Caught)?.profit,
                pays_after: Farm::new(parameters, played.clone()).pays_after(),
            }),
            false => None,
        };
        let cheap = Shock::ALL
            .iter()
            .position(|shock| *shock == Shock::CHEAP_STAKE);
        let cheap = cheap
            .and_then(|place| shocked.get(place))
            .context("a shock")?;
        Ok(Swept {
            kind,
            name: kind.name(),
            test: kind.test(),
            found_out: found_out(parameters, kind),
            break_even: crossing(&profits),
            earned: played.earned.clone(),
            figures: played.figures.clone(),
            without: without.figures.clone(),
            farm,
            stake_break_even: cheapest_stake(profits[DOCUMENTED_FACTOR], cheap.profit()),
            expected,
            shocked,
        })
    }
}

/// Plays all attacks at all ratios and under all shocks, on all processors; `progress` hears of how many runs are done, of
/// how many.
///
/// # Errors
/// Whatever a program refuses that it should not.
pub fn run(
    parameters: &Parameters,
    seed: u64,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Results> {
    let ratios = (0..FACTORS.len()).flat_map(|factor| jobs(factor, Shock::NONE));
    let shocks = Shock::ALL
        .into_iter()
        .flat_map(|shock| jobs(DOCUMENTED_FACTOR, shock));
    let jobs: Vec<Job> = ratios.chain(shocks).collect();
    let played = play_all(&world::base(), parameters, &jobs, seed, progress)?;
    let runs = Runs { jobs, played };

    let honest = (0..FACTORS.len())
        .map(|factor| runs.honest(factor, Shock::NONE))
        .collect::<Result<Vec<_>>>()?;
    let attacks = Kind::ALL
        .into_iter()
        .map(|kind| runs.swept(parameters, kind))
        .collect::<Result<Vec<_>>>()?;
    let shocks = Shock::ALL
        .into_iter()
        .map(|shock| {
            let honest = runs.honest(DOCUMENTED_FACTOR, shock)?;
            Ok(Shocked { shock, honest })
        })
        .collect::<Result<Vec<_>>>()?;
    let owners: Vec<f64> = honest.iter().map(|honest| honest.owner).collect();
    let operators: Vec<f64> = honest.iter().map(|honest| honest.operator).collect();
    let alone = runs.find(DOCUMENTED_FACTOR, Shock::NONE, None, Way::Honest)?;
    Ok(Results {
        seed,
        epochs: EPOCHS,
        reward_to_bond: parameters.reward_to_bond(18),
        factors: FACTORS.to_vec(),
        attacks,
        honest,
        honest_from: [crossing(&owners), crossing(&operators)],
        shocks,
        figures: alone.figures.clone(),
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
        play(&base, parameters, kind, way, Shock::NONE, seed)
    })
}

/// What an attack is expected to bring, by the runs that tell.
///
/// # Errors
/// A run's, or a farm that made something else until it was excluded than is computed.
pub fn judge(
    parameters: &Parameters,
    kind: Kind,
    run: impl Fn(Option<Kind>, Way) -> Result<Played>,
) -> Result<Expected> {
    if kind.is_farm() {
        let farm = Farm::new(parameters, run(Some(kind), Way::Unseen)?);
        let (gain, cost) = farm.found_out_in((HALFWAY - FIRST) as usize);
        let excluded = run(Some(kind), Way::Caught)?.profit;
        ensure!(
            (gain - cost - excluded).abs() < EXCLUSION_TOLERANCE,
            "{kind:?} made {excluded:.2} USD until it was excluded, not {gain:.2} - {cost:.2}"
        );
        return Ok(farm.expected(parameters.exclusion));
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
        let Some(job) = jobs.get(number) else {
            break;
        };
        let scaled = parameters.scaled(FACTORS[job.factor]);
        let played = play(base, &scaled, job.kind, job.way, job.shock, seed)
            .with_context(|| format!("{job:?}"));
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
        kind if kind.is_farm() => parameters.exclusion,
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

/// A farm, by how it fares while nobody finds it out. It earns nothing from the epoch on in which it is; what it burned for
/// registrations is gone then, and its bonds come back after their cool-down. After the epochs that were played it goes on
/// as in the last of them.
struct Farm {
    /// What it was paid by epoch, USD.
    earned: Vec<f64>,
    /// What its bonds would have earned elsewhere by epoch, USD.
    bonds: Vec<f64>,
    /// What it paid once, USD.
    once: f64,
    /// Epochs that bonds cool down.
    away: f64,
}

impl Farm {
    fn new(parameters: &Parameters, unseen: Played) -> Self {
        Self {
            once: unseen.earned.iter().sum::<f64>() - unseen.profit - unseen.capital,
            away: parameters.cooldown as f64 / parameters.epoch as f64,
            earned: unseen.earned,
            bonds: unseen.bonds,
        }
    }

    /// What it is paid, and what its bonds cost, in each epoch without end.
    fn epochs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let epochs = self.earned.iter().copied().zip(self.bonds.iter().copied());
        let last = epochs.clone().next_back().unwrap_or_default();
        epochs.chain(std::iter::repeat(last))
    }

    /// What it brings and costs, if it is found out in the epoch at this place.
    fn found_out_in(&self, place: usize) -> (f64, f64) {
        let (mut gain, mut cost) = (0.0, self.once);
        for (number, (earned, bonds)) in self.epochs().take(place + 1).enumerate() {
            if number < place {
                gain += earned;
                cost += bonds;
            } else {
                cost += bonds * self.away;
            }
        }
        (gain, cost)
    }

    fn pays_after(&self) -> Option<usize> {
        (1..=LIFETIME).find(|epochs| {
            let (gain, cost) = self.found_out_in(*epochs);
            gain > cost
        })
    }

    /// What it is expected to bring and cost, if it is found out in each epoch with some chance.
    fn found_out_by(&self, chance: f64) -> (f64, f64) {
        let (mut gain, mut cost) = (0.0, self.once);
        let mut left = 1.0;
        let mut live = |earned: f64, bonds: f64, epochs: f64, found: f64| {
            gain += earned * epochs;
            cost += bonds * (epochs + found * self.away);
        };
        for (earned, bonds) in self.epochs().take(self.earned.len()) {
            let found = left * chance;
            left -= found;
            live(earned, bonds, left, found);
        }
        if let Some((earned, bonds)) = self.epochs().nth(self.earned.len()) {
            live(earned, bonds, left * (1.0 - chance) / chance, left);
        }
        (gain, cost)
    }

    fn expected(&self, chance: f64) -> Expected {
        let (gain, cost) = self.found_out_by(chance);
        // The longer it lives the more it brings, if it brings anything.
        let (mut low, mut high) = (1e-4, 1.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            let (gain, cost) = self.found_out_by(middle);
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
}

/// At how many times the documented price of a stake token an attack breaks even, by what it brings at that price and at the
/// one of [`Shock::CHEAP_STAKE`]: between them, and below, profit is linear in the price.
fn cheapest_stake(documented: f64, cheap: f64) -> Option<f64> {
    let price = Shock::CHEAP_STAKE.stake;
    let by_price = (documented - cheap) / (1.0 - price);
    let crossing = 1.0 - documented / by_price;
    (by_price < 0.0 && (0.0..1.0).contains(&crossing)).then_some(crossing)
}

/// From where on profits are above zero, in documented ratios: between two steps of the sweep they are linear in rewards. The
/// least ratio of the sweep, if they are above zero already there.
fn crossing(profits: &[f64]) -> Option<f64> {
    if profits.first().is_some_and(|profit| *profit > 0.0) {
        return Some(FACTORS[0]);
    }
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
