//! Attacks, each performed by the programs' own instructions.

use super::parameters::{Parameters, Shock};
use super::world::{Figures, Trees, World, CELLS, EMPTY_CELLS, EPOCHS, FIRST, HALFWAY};
use anyhow::{ensure, Context, Result};
use commitment::{BatchLeaf, ReadingLeaf, Tree, READINGS_DEPTH, READINGS_PER_WINDOW};
use device_protocol::{Reading, SignedReading, Values, VoteMessage};
use fieldproof_client::ai_feed as feeds;
use fieldproof_client::chain::LocalChain;
use fieldproof_client::data_commitment::{self as streams, Answer, ReadingPlace, Settling};
use fieldproof_client::reports::{report_contradiction, report_duplicate, Contradiction, Evidence};
use fieldproof_client::{reward_emission as rewards, token};
use fieldproof_worker::payload::Reward;
use fieldproof_worker::score::{OPERATOR, OWNER};
use reward_emission::instructions::{ChallengeRootArgs, Entry, ReportDoubleVoteArgs, SignedVote};
use reward_emission::state::{Proposal, PASSED, REJECTED};
use serde::Serialize;
use solana_signer::Signer;

/// Of what customers pay by the documented parameters, what they pay while somebody trades with himself.
const QUIET: f64 = 0.5;
/// Devices of a farm.
const FARM: usize = 12;

/// What somebody tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Many owners, one fake each, of one colluding maker, in a cell of their own.
    SybilFarm,
    /// An owner's fakes of a colluding maker among honest devices.
    MakerFarm,
    /// Fakes that their owner vouches for.
    SelfVouchedFarm,
    /// A maker that is approved under three names, with an owner each: fakes of all three in cells of their own, so that each
    /// cell earns in full, and more for lack of devices.
    MakerRing,
    /// The least such farm: three fakes in one cell.
    CellRing,
    /// One device in two leaves, its readings in two streams.
    Duplicate,
    /// A device that says two things at once, to two operators.
    Equivocation,
    /// An operator that signs and votes for whatever it is shown.
    Lazy,
    /// Three of four operators attest what the model does not give.
    FalseOutput,
    /// Three of four operators grant everybody's rewards to themselves.
    WrongRoot,
    /// One operator proposes such roots.
    MinorityRoot,
    /// An operator votes for two roots in one ballot.
    DoubleVote,
    /// An operator commits to readings that it does not have.
    Withheld,
    /// Somebody asks for readings that are shown, and challenges what holds.
    Griefer,
    /// An owner burns tokens for a feed that only its own devices serve, so that more is emitted.
    WashTrader,
}

/// How a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The same people do nothing wrong.
    Honest,
    /// Nobody looks.
    Unseen,
    /// Somebody looks, and proves it; a farm, of which nothing can be proven, is excluded.
    Caught,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// What the attackers have over what they began with, USD.
    pub profit: f64,
    /// Rewards of the attackers by epoch, USD.
    pub earned: Vec<f64>,
    /// What their stake and bonds would have earned elsewhere, USD.
    pub capital: f64,
    /// What their bonds would earn elsewhere, by epoch, USD.
    pub bonds: Vec<f64>,
    /// What each honest owner made, USD.
    pub owners: Vec<f64>,
    /// What each operator made, USD.
    pub operators: Vec<f64>,
    /// By epoch.
    pub figures: Vec<Figures>,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SybilFarm,
        Self::MakerFarm,
        Self::SelfVouchedFarm,
        Self::MakerRing,
        Self::CellRing,
        Self::Duplicate,
        Self::Equivocation,
        Self::Lazy,
        Self::FalseOutput,
        Self::WrongRoot,
        Self::MinorityRoot,
        Self::DoubleVote,
        Self::Withheld,
        Self::Griefer,
        Self::WashTrader,
    ];

    /// What it is called in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SybilFarm => "sybil farm: 12 owners' fakes of one maker, in a cell of their own",
            Self::MakerFarm => "12 plausible fakes of a colluding maker, among honest devices",
            Self::SelfVouchedFarm => "12 plausible fakes that their owner vouches for",
            Self::MakerRing => {
                "a maker under three names: a fake of each in four cells of their own"
            }
            Self::CellRing => "a maker under three names: a fake of each in one cell of their own",
            Self::Duplicate => "one device in two leaves, its readings in two streams",
            Self::Equivocation => "a device says two things at once",
            Self::Lazy => "an operator signs and votes unseen",
            Self::FalseOutput => "3 of 4 operators attest a false output",
            Self::WrongRoot => "3 of 4 operators grant themselves everybody's rewards",
            Self::MinorityRoot => "one operator proposes such roots",
            Self::DoubleVote => "an operator votes twice in a ballot",
            Self::Withheld => "an operator commits to readings that it does not have",
            Self::Griefer => "a griefer challenges what is shown and what holds",
            Self::WashTrader => "an owner burns tokens for a feed that only its devices serve",
        }
    }

    /// The test that performs it and fails to profit.
    pub const fn test(self) -> &'static str {
        match self {
            Self::SybilFarm => "a_sybil_farm_does_not_pay",
            Self::MakerFarm => "plausible_fakes_of_a_colluding_maker_do_not_pay",
            Self::SelfVouchedFarm => "fakes_that_their_owner_vouches_for_do_not_pay",
            Self::MakerRing => "a_maker_under_three_names_does_not_pay",
            Self::CellRing => "a_maker_under_three_names_in_one_cell_does_not_pay",
            Self::Duplicate => "one_device_in_two_leaves_does_not_pay",
            Self::Equivocation => "saying_two_things_does_not_pay",
            Self::Lazy => "not_to_check_does_not_pay",
            Self::FalseOutput => "a_false_output_does_not_pay",
            Self::WrongRoot => "a_wrong_root_does_not_pay",
            Self::MinorityRoot => "a_wrong_root_of_a_minority_does_not_pay",
            Self::DoubleVote => "two_votes_do_not_pay",
            Self::Withheld => "withheld_readings_do_not_pay",
            Self::Griefer => "challenges_without_cause_do_not_pay",
            Self::WashTrader => "wash_trading_does_not_pay",
        }
    }

    /// Whether nothing that it says can be proven false.
    pub const fn is_farm(self) -> bool {
        matches!(
            self,
            Self::SybilFarm
                | Self::MakerFarm
                | Self::SelfVouchedFarm
                | Self::MakerRing
                | Self::CellRing
        )
    }

    /// The runs that tell what it brings, beside one in which nothing is wrong.
    pub const fn ways(self) -> &'static [Way] {
        match self {
            Self::Griefer => &[Way::Caught],
            Self::WashTrader => &[Way::Honest, Way::Unseen],
            Self::Duplicate | Self::Equivocation => &[Way::Honest, Way::Unseen, Way::Caught],
            _ => &[Way::Unseen, Way::Caught],
        }
    }

    /// The operators that take part, by their seats.
    pub const fn seats(self) -> &'static [usize] {
        match self {
            Self::Lazy => &[1],
            Self::FalseOutput | Self::WrongRoot => &[0, 1, 2],
            Self::MinorityRoot | Self::DoubleVote | Self::Withheld => &[0],
            _ => &[],
        }
    }
}

/// Plays all epochs.
///
/// # Errors
/// Whatever a program refuses that it should not.
pub fn play(
    base: &LocalChain,
    parameters: &Parameters,
    kind: Option<Kind>,
    way: Way,
    shock: Shock,
    seed: u64,
) -> Result<Played> {
    let mut world = World::new(base, *parameters, shock, seed)?;
    let honest: Vec<usize> = (0..6).map(|owner| world.devices[owner * 3].party).collect();
    let mut attackers = match kind {
        Some(kind) => enter(&mut world, kind, way)?,
        None => Vec::new(),
    };
    let seats = kind.map_or(&[][..], Kind::seats);
    attackers.extend(seats.iter().map(|seat| world.seats[*seat].party));
    for epoch in FIRST..FIRST + EPOCHS {
        world.shocked = epoch >= HALFWAY;
        let deed = kind.filter(|_| way != Way::Honest && epoch == HALFWAY);
        if kind == Some(Kind::Lazy) {
            world.spend(attackers[0], -world.parameters.lazy_saves_usd);
        }
        match deed {
            Some(kind) => do_it(&mut world, kind, way, epoch, &attackers)?,
            None => world.honest_epoch(epoch)?,
        }
    }
    world.leave()?;

    let mut played = Played {
        profit: world.profit_of(&attackers)?,
        figures: world.figures.clone(),
        ..Played::default()
    };
    for party in &attackers {
        let party = &world.parties[*party];
        played.capital += party.capital.get();
        played
            .earned
            .resize(party.earned.len().max(played.earned.len()), 0.0);
        for (sum, earned) in played.earned.iter_mut().zip(&party.earned) {
            *sum += earned;
        }
    }
    let bonds: u64 = world
        .devices
        .iter()
        .filter(|device| attackers.contains(&device.party))
        .map(|device| parameters.bond_of(device.registered.tier))
        .sum();
    played.bonds = (FIRST..FIRST + EPOCHS)
        .map(|epoch| match epoch >= HALFWAY {
            true => shock.stake,
            false => 1.0,
        })
        .map(|price| parameters.capital_usd(bonds, parameters.epoch) * price)
        .collect();
    for party in honest {
        played.owners.push(world.profit(party)?);
    }
    for seat in &world.seats {
        played.operators.push(world.profit(seat.party)?);
    }
    Ok(played)
}

/// Those who take part come into the network.
fn enter(world: &mut World, kind: Kind, way: Way) -> Result<Vec<usize>> {
    let mut attackers = Vec::new();
    match kind {
        Kind::SybilFarm => {
            let maker = world.maker(1)?;
            attackers.push(world.maker_parties[maker]);
            for _ in 0..FARM {
                let owner = world.owner(&[1])?;
                world.device(owner, maker, 1, EMPTY_CELLS[0], false)?;
                attackers.push(owner);
            }
        }
        Kind::MakerFarm => {
            let maker = world.maker(1)?;
            attackers.push(world.maker_parties[maker]);
            let owner = world.owner(&[1; FARM])?;
            for number in 0..FARM {
                world.device(owner, maker, 1, CELLS[number % 3], false)?;
            }
            attackers.push(owner);
        }
        Kind::SelfVouchedFarm => {
            let owner = world.owner(&[0; FARM])?;
            let maker = world.self_maker(owner)?;
            for number in 0..FARM {
                world.device(owner, maker, 0, CELLS[number % 3], false)?;
            }
            attackers.push(owner);
        }
        Kind::MakerRing | Kind::CellRing => {
            let cells = match kind {
                Kind::MakerRing => &EMPTY_CELLS[..],
                _ => &EMPTY_CELLS[..1],
            };
            for _ in 0..3 {
                let maker = world.maker(1)?;
                attackers.push(world.maker_parties[maker]);
                let owner = world.owner(&vec![1; cells.len()])?;
                for cell in cells {
                    world.device(owner, maker, 1, *cell, false)?;
                }
                attackers.push(owner);
            }
        }
        Kind::Duplicate => {
            let maker = world.maker(1)?;
            let vouches = world.maker_parties[maker];
            let bond = world.parameters.bond_of(1);
            world.post_bond(vouches, bond)?;
            let owner = world.owner(&[1, 1])?;
            let device = world.device(owner, maker, 1, CELLS[0], true)?;
            if way != Way::Honest {
                let signer = world.devices[device].signer.clone();
                let second = world.register(owner, maker, (1, CELLS[0]), signer, false)?;
                world.devices[second].on = false;
            }
            attackers.extend([vouches, owner]);
        }
        Kind::Equivocation => {
            let owner = world.owner(&[1])?;
            world.device(owner, 0, 1, CELLS[0], true)?;
            attackers.push(owner);
        }
        Kind::WrongRoot | Kind::MinorityRoot => {
            // To whom everybody's rewards are to go.
            attackers.push(world.owner(&[1])?);
        }
        Kind::Griefer => attackers.push(world.party()?),
        Kind::WashTrader => {
            let owner = world.owner(&[1; 3])?;
            for cell in &CELLS {
                let device = world.device(owner, 0, 1, *cell, true)?;
                world.devices[device].feed = 1;
            }
            // Nobody else pays so much that all that is scheduled is emitted anyway.
            world.parameters.demand_usd *= QUIET;
            if way != Way::Honest {
                world.washes = Some(owner);
            }
            attackers.push(owner);
        }
        Kind::Lazy | Kind::FalseOutput | Kind::DoubleVote | Kind::Withheld => {}
    }
    Ok(attackers)
}

/// An epoch in which it is done.
fn do_it(world: &mut World, kind: Kind, way: Way, epoch: u64, attackers: &[usize]) -> Result<()> {
    let caught = way == Way::Caught;
    match kind {
        Kind::WashTrader => world.honest_epoch(epoch),
        Kind::SybilFarm
        | Kind::MakerFarm
        | Kind::SelfVouchedFarm
        | Kind::MakerRing
        | Kind::CellRing => {
            if caught {
                world.exclude(attackers)?;
            }
            world.honest_epoch(epoch)
        }
        Kind::Duplicate => duplicate(world, epoch, caught),
        Kind::Equivocation => equivocation(world, epoch, caught),
        Kind::Lazy if !caught => world.honest_epoch(epoch),
        Kind::Lazy | Kind::FalseOutput => false_output(world, epoch, caught),
        Kind::WrongRoot | Kind::MinorityRoot => {
            wrong_root(world, kind, epoch, caught, attackers[0])
        }
        Kind::DoubleVote => double_vote(world, epoch, caught),
        Kind::Withheld => withheld(world, epoch, caught),
        Kind::Griefer => griefer(world, epoch, attackers[0]),
    }
}

/// The same readings are committed a second time, and another leaf of the same device is reported.
fn duplicate(world: &mut World, epoch: u64, caught: bool) -> Result<()> {
    world.begin(epoch)?;
    let second = world.devices.len() - 1;
    let device = world.devices[second].registered.device;
    let again = world
        .windows
        .iter()
        .rev()
        .find(|window| window.device == device);
    let mut again = again.context("a window")?.clone();
    again.commitment += 1_000;
    again.pool = world.seats[1].operator.pool.to_bytes();
    world.windows.push(again);
    if caught {
        let reporter = world.reporter(world.devices[0].party);
        let (kept, other) = (world.leaf(second - 1)?, world.leaf(second)?);
        let report = report_duplicate(&reporter, &kept, &other);
        let by = &world.parties[world.devices[0].party].key;
        world.send(by, &[report], &[]).context("report")?;
    }
    world.round(None)?;
    let trees = world.end(epoch)?;
    world.agree(trees)
}

/// A device gives one operator one reading and another one another.
fn equivocation(world: &mut World, epoch: u64, caught: bool) -> Result<()> {
    world.begin(epoch)?;
    let number = world.devices.len() - 1;
    let device = world.devices[number].registered.device;
    let other = world
        .windows
        .iter()
        .rev()
        .find(|window| window.device == device);
    let mut other = other.context("a window")?.clone();
    other.commitment += 1_000;
    other.pool = world.seats[1].operator.pool.to_bytes();
    for reading in &mut other.readings {
        reading.digest[31] ^= 1;
    }
    world.windows.push(other);
    if caught {
        let evidence = [1, 2].map(|value| signed(world, number, 0, value));
        let by = world.devices[0].party;
        let report = report_contradiction(
            &world.reporter(by),
            Contradiction::Equivocation,
            &world.devices[number].signer.device_key(),
            &world.leaf(number)?,
            [&evidence[0], &evidence[1]],
            None,
            0,
        )?;
        let by = &world.parties[by].key;
        world.send(by, &report, &[]).context("report")?;
        world.slashed.entry(device).or_default().insert(epoch);
        // Its leaf is banned: operators take nothing of it any more.
        world.devices[number].on = false;
        world
            .windows
            .retain(|window| window.device != device || window.epoch < epoch);
    }
    world.round(None)?;
    let trees = world.end(epoch)?;
    world.agree(trees)
}

/// What a device signs: with the hardware key, at the present time.
fn signed(world: &World, device: usize, sequence: u64, value: i32) -> Evidence {
    let signer = &world.devices[device].signer;
    let reading = Reading {
        network: world.network.id,
        device: signer.device_key().id(),
        leaf_nonce: 0,
        session: 0,
        sequence,
        captured_at: world.harness.now() * 1_000 - 3_000_000 + sequence as i64 * 1_000,
        latitude: 520_000_000,
        longitude: 130_000_000,
        accuracy: 5,
        schema: 3,
        values: Values::new(&[value]).expect("one value"),
    };
    Evidence {
        reading: SignedReading {
            signature: signer.sign(&reading.digest()),
            reading,
        },
        grant: None,
    }
}

/// An operator attests what the model does not give, two others sign it, and the fourth has the program run the model.
fn false_output(world: &mut World, epoch: u64, caught: bool) -> Result<()> {
    world.begin(epoch)?;
    let told = world.round(Some((0, &[0, 1, 2])))?;
    let (attestation, batch) = told.context("a lie")?;
    if caught {
        let by = world.seats[3].party;
        let challenging = world.challenging(by, &attestation);
        let args = feeds::output_challenge(&[batch.window], 0)?;
        let key = &world.parties[by].key;
        world
            .send(key, &[feeds::challenge_output(&challenging, args)], &[])
            .context("challenge")?;
        let (committee, state) = world.draw()?;
        for seat in [1, 2] {
            let (member, pool) = (world.member(&state, seat)?, world.seats[seat].operator.pool);
            let slash = feeds::slash_signer(&challenging, &committee, member, &pool);
            world.send(key, &[slash], &[]).context("slash a signer")?;
        }
        note_slashed(world, &[0, 1, 2], epoch);
    }
    let trees = world.end(epoch)?;
    world.agree(trees)
}

fn note_slashed(world: &mut World, seats: &[usize], epoch: u64) {
    for seat in seats {
        let pool = world.seats[*seat].operator.pool.to_bytes();
        world.slashed.entry(pool).or_default().insert(epoch);
    }
}

/// Operators propose roots in which what owners and the fourth operator earned is granted to them.
fn wrong_root(
    world: &mut World,
    kind: Kind,
    epoch: u64,
    caught: bool,
    accomplice: usize,
) -> Result<()> {
    world.begin(epoch)?;
    world.round(None)?;
    let right = world.end(epoch)?;
    let wrong = stolen(world, &right, accomplice)?;
    let voters = match kind {
        Kind::WrongRoot => &[0, 1, 2][..],
        _ => &[0],
    };
    let proposal = world.propose(0, &wrong)?;
    world.vote(&proposal, voters)?;
    let state: Proposal = world.harness.read(&proposal);
    ensure!(
        (state.status == PASSED) == (kind == Kind::WrongRoot),
        "a minority passed roots"
    );
    if caught {
        let by = world.seats[3].party;
        let reporter = world.reporter(by);
        let (args, payee) = evidence(world, &wrong, accomplice)?;
        let challenge = rewards::challenge_root(&reporter, &proposal, &state, payee, args);
        let key = &world.parties[by].key;
        world.send(key, &[challenge], &[]).context("challenge")?;
        let state: Proposal = world.harness.read(&proposal);
        ensure!(state.status == REJECTED, "wrong roots were not rejected");
        let (_, committee) = world.draw()?;
        for seat in voters.iter().filter(|seat| **seat != 0) {
            let (member, pool) = (
                world.member(&committee, *seat)?,
                world.seats[*seat].operator.pool,
            );
            let slash = rewards::slash_voter(&reporter, &proposal, &state, member, &pool);
            world.send(key, &[slash], &[]).context("slash a voter")?;
        }
        note_slashed(world, voters, epoch + 1);
    } else if kind == Kind::WrongRoot {
        return world.decide(&proposal, wrong);
    }
    // The next ballot.
    world.harness.advance(3_600);
    world.agree(right)
}

/// Trees in which the accomplice has what all other owners earned in the epoch, and operator 0 what operator 3 did.
fn stolen(world: &World, right: &Trees, accomplice: usize) -> Result<Trees> {
    let mut rewards = right.rewards.clone();
    let before = |entry: &Reward| {
        let last = world.last.as_ref()?;
        let same = |other: &&Reward| (other.kind, other.index) == (entry.kind, entry.index);
        last.rewards
            .entries
            .iter()
            .find(same)
            .map(|entry| entry.cumulative)
    };
    let key = world.parties[accomplice].key.pubkey().to_bytes();
    let pool = |seat: usize| world.seats[seat].operator.pool.to_bytes();
    let mut taken = [0; 2];
    for entry in &mut rewards.entries {
        if entry.kind == OWNER || entry.payee == pool(3) {
            let had = before(entry).unwrap_or(0);
            taken[usize::from(entry.kind)] += entry.cumulative - had;
            entry.cumulative = had;
        }
    }
    let liar = rewards
        .entries
        .iter_mut()
        .find(|entry| entry.payee == pool(0));
    liar.context("an operator's entry")?.cumulative += taken[usize::from(OPERATOR)];
    let index = world.payee_index(accomplice, OWNER).context("a payee")?;
    rewards.entries.push(Reward {
        kind: OWNER,
        index,
        payee: key,
        score: 0,
        cumulative: taken[usize::from(OWNER)],
    });
    rewards
        .entries
        .sort_by_key(|entry| (entry.kind, entry.index));
    Trees::new(rewards)
}

/// What shows that a payee's amount does not follow from its score.
fn evidence(
    world: &World,
    trees: &Trees,
    party: usize,
) -> Result<(ChallengeRootArgs, Option<anchor_lang::prelude::Pubkey>)> {
    let index = world.payee_index(party, OWNER).context("a payee")?;
    let of = |trees: &Trees| {
        let at = |entry: &&Reward| (entry.kind, entry.index) == (OWNER, index);
        trees.rewards.entries.iter().find(at).copied()
    };
    let entry = |entry: &Reward, value| Entry {
        payee: entry.payee.into(),
        value,
    };
    let now = of(trees).context("an entry")?;
    let last = world.last.as_ref();
    let had = last.and_then(of);
    let args = ChallengeRootArgs {
        kind: OWNER,
        index,
        before: had.as_ref().map(|had| entry(had, had.cumulative)),
        before_path: match last {
            Some(last) => last.grants.path(OWNER, index)?,
            None => Vec::new(),
        },
        score: Some(entry(&now, now.score)),
        score_path: trees.scores.path(OWNER, index)?,
        granted: Some(entry(&now, now.cumulative)),
        granted_path: trees.grants.path(OWNER, index)?,
    };
    Ok((args, world.payee_account(OWNER, index)))
}

/// An operator signs a second vote in the ballot.
fn double_vote(world: &mut World, epoch: u64, caught: bool) -> Result<()> {
    world.begin(epoch)?;
    world.round(None)?;
    let trees = world.end(epoch)?;
    let proposal = world.propose(1, &trees)?;
    world.vote(&proposal, &[0])?;
    if caught {
        let by = world.seats[3].party;
        let first = world.message(&proposal);
        let second = VoteMessage {
            score_hash: [9; 32],
            ..first
        };
        let (committee, state) = world.draw()?;
        let args = ReportDoubleVoteArgs {
            epoch: first.epoch,
            ballot: first.ballot,
            base: first.base,
            member: world.member(&state, 0)?,
            first: SignedVote::of(&first, 0, 0),
            second: SignedVote::of(&second, 0, 1),
        };
        let pool = &world.seats[0].operator.pool;
        let report = rewards::report_double_vote(&world.reporter(by), &committee, pool, args);
        let signatures = world.signature(0, &[first, second])?;
        let key = &world.parties[by].key;
        world
            .send(key, &[signatures, report], &[])
            .context("report")?;
        note_slashed(world, &[0], epoch + 1);
    }
    world.vote(&proposal, &[1, 2, 3])?;
    world.decide(&proposal, trees)
}

/// An operator commits to a batch of readings that do not exist, and saves what taking them would cost.
fn withheld(world: &mut World, epoch: u64, caught: bool) -> Result<()> {
    world.begin(epoch)?;
    world.spend(world.seats[0].party, -world.parameters.lazy_saves_usd);
    let batch = world.batch(0)?;
    let sequence = world.commit(0, batch.leaf)?;
    if caught {
        let by = world.devices[0].party;
        let place = ask(world, by, 0, sequence, 0)?;
        let payer = world.parties[by].key.pubkey();
        world
            .harness
            .advance(world.parameters.evidence_window / 3 + 1);
        let settling = Settling {
            payer,
            challenger: payer,
            bounty: token::associated(&payer, &world.network.stake_mint),
            network: world.network.key,
            network_id: world.network.id,
            stake_mint: world.network.stake_mint,
            pool: world.seats[0].operator.pool,
        };
        let settle = streams::settle_challenge(&settling, &place);
        world
            .send(&world.parties[by].key, &[settle], &[])
            .context("settle")?;
        note_slashed(world, &[0], epoch);
    }
    world.round(None)?;
    let trees = world.end(epoch)?;
    world.agree(trees)
}

/// Asks an operator for a reading of a commitment.
fn ask(world: &World, by: usize, seat: usize, sequence: u64, reading: u16) -> Result<ReadingPlace> {
    let stream = world.seats[seat].operator.stream;
    let key = &world.parties[by].key;
    let proof = world.proof(seat, sequence)?;
    let network = &world.network.key;
    let challenge =
        streams::challenge_availability(&key.pubkey(), network, &stream, proof, reading);
    world.send(key, &[challenge], &[]).context("ask")?;
    Ok(ReadingPlace {
        stream,
        sequence,
        batch: 0,
        reading,
    })
}

/// Somebody asks for every fourth reading of a batch, which the operator shows, and has the program run the model on an
/// output that holds.
fn griefer(world: &mut World, epoch: u64, by: usize) -> Result<()> {
    world.begin(epoch)?;
    let readings: Vec<Evidence> = (0..READINGS_PER_WINDOW as u64)
        .map(|sequence| signed(world, 0, sequence, sequence as i32))
        .collect();
    let leaves: Vec<_> = readings
        .iter()
        .map(|evidence| ReadingLeaf::of(&evidence.reading, None).hash())
        .collect();
    let tree = Tree::new(&leaves, READINGS_DEPTH)?;
    let batch = world.batch(0)?;
    let leaf = BatchLeaf {
        readings_root: tree.root(),
        ..batch.leaf
    };
    let sequence = world.commit(0, leaf)?;
    for index in (0..READINGS_PER_WINDOW).step_by(4) {
        let place = ask(world, by, 0, sequence, index as u16)?;
        let answer = Answer {
            evidence: readings[index],
            key: world.devices[0].signer.device_key(),
            leaf: world.leaf(0)?,
            path: tree.path(index as u64)?,
        };
        let signer = &world.seats[0].operator.signer;
        let network = &world.network.key;
        let show = streams::answer_availability(&signer.pubkey(), network, &place, &answer, 0)?;
        world.send(signer, &show, &[]).context("answer")?;
    }
    let attestation = world.attest(0, sequence, batch.output)?;
    let challenge = feeds::challenge_output(
        &world.challenging(by, &attestation),
        feeds::output_challenge(&[batch.window], 0)?,
    );
    let refused = world.send(&world.parties[by].key, &[challenge], &[]);
    ensure!(refused.is_err(), "an output that holds was slashed for");
    world.harness.advance(3_600);
    world.round(None)?;
    let trees = world.end(epoch)?;
    world.agree(trees)
}
