//! The parameters at which the network is safe, by which the simulator runs and which docs/threat-model.md quotes.

use fieldproof_client::token::format_amount;
use serde::Serialize;

/// Base units of a token: both mints have six decimals.
pub const TOKEN: u64 = 1_000_000;
/// Lamports of a SOL.
pub const SOL: f64 = 1e9;
/// Seconds of a day.
pub const DAY: i64 = 86_400;
const YEAR: f64 = 365.0 * DAY as f64;

/// What a network is set up with, what things cost, and how often attackers are found out. Money off the chain is in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    // The network's own terms.
    /// Seconds of an epoch.
    pub epoch: i64,
    /// Seconds in which evidence is taken.
    pub evidence_window: i64,
    /// Seconds that stake and bonds cool down.
    pub cooldown: i64,
    /// Bond of a device before its tier's discount, base units of the stake mint.
    pub device_bond: u64,
    /// What tiers take off it, basis points.
    pub tier_discount_bps: [u16; 4],
    /// What whoever asks for a reading puts up, lamports.
    pub challenge_bond: u64,
    /// What an operator loses for a reading that it does not show, basis points of its stake.
    pub withheld_slash_bps: u16,
    /// What an operator loses for a false attestation that it made or signed, basis points.
    pub output_slash_bps: u16,
    /// What an operator loses for a wrong root that it proposed or voted for, or for two votes, basis points.
    pub root_slash_bps: u16,
    /// Of a slash, to whoever proved the offence, basis points.
    pub bounty_bps: u16,
    /// Of a slash, to those who were harmed, basis points.
    pub insurance_bps: u16,
    /// What is scheduled for an epoch, base units of the reward mint; it emits no more than was burned for credits in it.
    pub budget: u64,
    /// What it emits whatever was burned, basis points.
    pub floor_bps: u16,
    /// Operators' share of it, basis points.
    pub operators_bps: u16,
    /// What an operator stakes, base units of the stake mint.
    pub stake: u64,
    /// Rounds of the feed in an epoch: one is played, its fees are paid as often.
    pub rounds: u64,

    // Prices.
    /// A SOL.
    pub sol_usd: f64,
    /// A reward token.
    pub reward_usd: f64,
    /// A stake token.
    pub stake_usd: f64,
    /// What bonds and stakes would earn elsewhere, a year.
    pub capital_rate: f64,
    /// A device with its sensor.
    pub device_usd: f64,
    /// Epochs that a device lasts.
    pub device_epochs: f64,
    /// Power and connection of a device in an epoch.
    pub device_running_usd: f64,
    /// What registering a device costs in credits.
    pub registration_usd: f64,
    /// What customers pay for the feed in an epoch, in credits.
    pub demand_usd: f64,
    /// What whoever trades with himself pays for his own feed in an epoch, in credits.
    pub wash_usd: f64,
    /// An operator's machine in an epoch.
    pub operator_usd: f64,
    /// What an operator saves of it in an epoch that checks nothing.
    pub lazy_saves_usd: f64,

    // How often attackers are found out.
    /// The chance that somebody looks at what can be proven false, in time.
    pub watched: f64,
    /// The chance in an epoch that a farm of plausible fakes is found out and its devices refused.
    pub exclusion: f64,
    /// The chance in an epoch that somebody asks a lazy operator to sign a lie.
    pub lies: f64,
}

/// The documented parameters.
pub const DOCUMENTED: Parameters = Parameters {
    epoch: 7 * DAY,
    evidence_window: 3 * DAY,
    cooldown: 14 * DAY,
    device_bond: 2_000 * TOKEN,
    tier_discount_bps: [0, 5_000, 7_500, 7_500],
    challenge_bond: 10_000_000,
    withheld_slash_bps: 1_000,
    output_slash_bps: 6_000,
    root_slash_bps: 2_000,
    bounty_bps: 3_000,
    insurance_bps: 3_000,
    budget: 1_000 * TOKEN,
    floor_bps: 2_500,
    operators_bps: 4_500,
    stake: 5_000 * TOKEN,
    rounds: 168,
    sol_usd: 150.0,
    reward_usd: 0.1,
    stake_usd: 0.1,
    capital_rate: 0.15,
    device_usd: 150.0,
    device_epochs: 208.0,
    device_running_usd: 0.35,
    registration_usd: 30.0,
    demand_usd: 120.0,
    wash_usd: 40.0,
    operator_usd: 2.1,
    lazy_saves_usd: 1.0,
    watched: 0.5,
    exclusion: 0.2,
    lies: 0.03,
};

/// What happens to prices halfway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shock {
    /// What it is called in tables.
    pub name: &'static str,
    /// How many times as much a reward token is worth.
    pub reward: f64,
    /// How many times as much a stake token is worth, and with it each bond and slash.
    pub stake: f64,
}

impl Shock {
    /// Prices stay as they are.
    pub const NONE: Self = Self {
        name: "none",
        reward: 1.0,
        stake: 1.0,
    };

    /// The stake token loses most of what it is worth, so that slashes cost less.
    pub const CHEAP_STAKE: Self = Self {
        name: "stake token ÷ 4",
        reward: 1.0,
        stake: 0.25,
    };

    /// Those that are played.
    pub const ALL: [Self; 5] = [
        Self {
            name: "reward token ÷ 4",
            reward: 0.25,
            stake: 1.0,
        },
        Self {
            name: "reward token × 4",
            reward: 4.0,
            stake: 1.0,
        },
        Self::CHEAP_STAKE,
        Self {
            name: "stake token × 4",
            reward: 1.0,
            stake: 4.0,
        },
        Self {
            name: "both ÷ 4",
            reward: 0.25,
            stake: 0.25,
        },
    ];
}

impl Parameters {
    /// The same network when `factor` times as much is scheduled and paid for.
    pub fn scaled(&self, factor: f64) -> Self {
        Self {
            demand_usd: self.demand_usd * factor,
            wash_usd: self.wash_usd * factor,
            budget: (self.budget as f64 * factor).round() as u64,
            ..*self
        }
    }

    /// The bond of a device of a tier, base units.
    pub fn bond_of(&self, tier: u8) -> u64 {
        let discount = self.tier_discount_bps[usize::from(tier)];
        self.device_bond * u64::from(10_000 - discount) / 10_000
    }

    /// Owners' part of an epoch's budget over the bonds of `devices`, in USD by USD.
    pub fn reward_to_bond(&self, devices: usize) -> f64 {
        let owners = self.budget * u64::from(10_000 - self.operators_bps) / 10_000;
        let bonds = self.bond_of(1) * devices as u64;
        owners as f64 * self.reward_usd / (bonds as f64 * self.stake_usd)
    }

    /// What it costs to have `amount` base units of stake for some seconds.
    pub fn capital_usd(&self, amount: u64, seconds: i64) -> f64 {
        self.stake_usd(amount) * self.capital_rate * seconds as f64 / YEAR
    }

    /// What base units of the stake mint are worth.
    pub fn stake_usd(&self, amount: u64) -> f64 {
        amount as f64 / TOKEN as f64 * self.stake_usd
    }

    /// What lamports are worth.
    pub fn lamports_usd(&self, lamports: f64) -> f64 {
        lamports / SOL * self.sol_usd
    }

    /// The parameters as rows of name and value, as docs quote them.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let days = |seconds: i64| format!("{} days", seconds / DAY);
        let tokens = |amount| format!("{} tokens", format_amount(amount, 6));
        let percent = |bps: u16| format!("{} %", f64::from(bps) / 100.0);
        let chance = |chance: f64| format!("{:.0} %", chance * 100.0);
        let usd = |usd: f64| format!("{usd:.2} USD");
        let discounts = self.tier_discount_bps.map(percent);
        vec![
            ("epoch", days(self.epoch)),
            ("evidence window", days(self.evidence_window)),
            ("cool-down", days(self.cooldown)),
            ("bond of a device", tokens(self.device_bond)),
            ("less by tier 0, 1, 2, 3", discounts.join(", ")),
            ("stake of an operator", tokens(self.stake)),
            ("scheduled for an epoch", tokens(self.budget)),
            (
                "of which is emitted whatever is burned",
                percent(self.floor_bps),
            ),
            ("operators' share", percent(self.operators_bps)),
            (
                "slash for a false attestation",
                percent(self.output_slash_bps),
            ),
            (
                "slash for a wrong root, or two votes",
                percent(self.root_slash_bps),
            ),
            (
                "slash for a reading not shown",
                percent(self.withheld_slash_bps),
            ),
            (
                "bounty, insurance",
                [self.bounty_bps, self.insurance_bps]
                    .map(percent)
                    .join(", "),
            ),
            (
                "bond of a challenge",
                format!("{} SOL", self.challenge_bond as f64 / SOL),
            ),
            ("rounds in an epoch", self.rounds.to_string()),
            ("SOL", usd(self.sol_usd)),
            (
                "reward token, stake token",
                [self.reward_usd, self.stake_usd].map(usd).join(", "),
            ),
            ("capital, a year", chance(self.capital_rate)),
            ("device, which lasts four years", usd(self.device_usd)),
            (
                "its power and connection, an epoch",
                usd(self.device_running_usd),
            ),
            ("its registration, in credits", usd(self.registration_usd)),
            (
                "what customers pay for the feed, an epoch, in credits",
                usd(self.demand_usd),
            ),
            ("operator's machine, an epoch", usd(self.operator_usd)),
            ("of which not checking saves", usd(self.lazy_saves_usd)),
            (
                "a provable lie is looked at (assumed)",
                chance(self.watched),
            ),
            (
                "a farm is found out, in an epoch (assumed)",
                chance(self.exclusion),
            ),
            (
                "a lazy operator is asked to sign a lie, in an epoch (assumed)",
                chance(self.lies),
            ),
        ]
    }
}
