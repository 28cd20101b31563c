//! Conservation: random sequences of actions on the compiled programs, after each instruction of which all books must
//! agree to the unit.
//!
//! A sequence is drawn from its seed alone, as numbers that its actions interpret by what they find. So any of them can be
//! left out and the rest still means something: that is how a failing sequence is made short.

mod action;
mod book;
mod ledger;
mod world;

use action::{Action, Kind};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::{self, Display};
use std::num::NonZero;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::thread;
use world::{Base, World};

/// Actions of a sequence.
pub const ACTIONS: usize = 50;

/// What the sequences did.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Sequences that were run.
    pub sequences: u64,
    /// Instructions after which the books were checked.
    pub instructions: u64,
    /// By kind of action: how many were tried, and how many passed.
    pub actions: [(u64, u64); Kind::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sequences: 0,
            instructions: 0,
            actions: [(0, 0); Kind::ALL.len()],
        }
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.instructions += other.instructions;
        for (mine, theirs) in self.actions.iter_mut().zip(other.actions) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
    }

    /// The kinds of action that passed less often than one would want before one believes the rest: that is, in less
    /// than their floor of hundredths.
    pub fn too_rare(&self) -> Vec<Kind> {
        let passed = Kind::ALL.into_iter().zip(self.actions);
        passed
            .filter(|(kind, (tried, passed))| passed * 100 < tried * kind.floor() || *passed == 0)
            .map(|(kind, _)| kind)
            .collect()
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "{:<16} {:>8} {:>8} {:>7}  floor",
            "action", "tried", "passed", "share"
        )?;
        for (kind, (tried, passed)) in Kind::ALL.into_iter().zip(self.actions) {
            let share = passed * 100 / tried.max(1);
            let name = format!("{kind:?}");
            let floor = kind.floor();
            writeln!(f, "{name:<16} {tried:>8} {passed:>8} {share:>6}%  {floor}%")?;
        }
        let (sequences, instructions) = (self.sequences, self.instructions);
        write!(
            f,
            "{sequences} sequences, books checked after {instructions} instructions"
        )
    }
}

/// A sequence whose books went wrong.
#[derive(Debug)]
pub struct Broken {
    /// Of this sequence.
    pub seed: u64,
    /// As few of its actions as still break the books.
    pub actions: Vec<Action>,
    /// What was wrong after the last of them.
    pub why: String,
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.why)?;
        for action in &self.actions {
            writeln!(f, "  {action:?}")?;
        }
        write!(
            f,
            "again: cargo xtask conserve --sequences 1 --seed {}",
            self.seed
        )
    }
}

/// Runs the sequences of `sequences` seeds from `seed` on, on all processors; `progress` hears of each that is done.
///
/// # Errors
/// The first sequence found whose books went wrong.
pub fn run(sequences: u64, seed: u64, progress: impl Fn(u64) + Sync) -> Result<Tally, Box<Broken>> {
    let base = Base::new();
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let result = Mutex::new(Ok(Tally::default()));
    let work = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= sequences {
            break;
        }
        let outcome = sequence(&base, seed.wrapping_add(number));
        let mut result = result.lock().expect("another sequence panicked");
        match (&mut *result, outcome) {
            (Ok(tally), Ok(more)) => tally.add(&more),
            (Ok(_), Err(broken)) => {
                next.store(sequences, Ordering::Relaxed);
                *result = Err(broken);
            }
            (Err(_), _) => {}
        }
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    result.into_inner().expect("a sequence panicked")
}

fn sequence(base: &Base, seed: u64) -> Result<Tally, Box<Broken>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut actions: Vec<Action> = (0..ACTIONS).map(|_| random.gen()).collect();
    let (length, mut why) = match replay(base, &actions) {
        Ok(tally) => return Ok(tally),
        Err(broken) => broken,
    };
    actions.truncate(length);
    // Whatever can be left out, from the end: what comes later leans on what came before.
    for place in (0..length).rev() {
        let mut fewer = actions.clone();
        if place >= fewer.len() {
            continue;
        }
        fewer.remove(place);
        if let Err((length, reason)) = replay(base, &fewer) {
            fewer.truncate(length);
            (actions, why) = (fewer, reason);
        }
    }
    Err(Box::new(Broken { seed, actions, why }))
}

/// Runs the actions; what they did, or after how many the books went wrong, and how. A panic is the harness's own word that
/// something is not as it should be: it must not lose the seed.
fn replay(base: &Base, actions: &[Action]) -> Result<Tally, (usize, String)> {
    let run = AssertUnwindSafe(|| play(base, actions));
    catch_unwind(run).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
        let said = said.unwrap_or_else(|| "nothing".to_owned());
        Err((actions.len(), format!("the harness panicked: {said}")))
    })
}

fn play(base: &Base, actions: &[Action]) -> Result<Tally, (usize, String)> {
    let mut world = World::new(base);
    let mut tally = Tally {
        sequences: 1,
        ..Tally::default()
    };
    world.check().map_err(|why| (0, why))?;
    for (place, action) in actions.iter().enumerate() {
        let passed = world.act(action).map_err(|why| (place + 1, why))?;
        let (tried, successes) = &mut tally.actions[action.kind as usize];
        *tried += 1;
        *successes += u64::from(passed);
    }
    tally.instructions = world.instructions;
    Ok(tally)
}
