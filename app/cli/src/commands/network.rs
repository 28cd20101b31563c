//! `fieldproof network`: what a network's authority does, and what anyone sees of it.

use crate::commands::heir;
use crate::context::Context;
use crate::output;
use crate::tokens::Tokens;
use ai_feed::state::VerifyingKey;
use anchor_lang::prelude::Pubkey;
use anchor_spl::token::Mint;
use anyhow::{ensure, Context as _, Result};
use clap::ValueEnum;
use device_registry::state::network::APPLY_WITHIN;
use device_registry::state::{Maker, Network, Operation, Parameters};
use fieldproof_client::chain::{self, Chain, RpcChain};
use fieldproof_client::{ai_feed as feeds, credits, device_registry as registry};
use fieldproof_client::{security_pool as pools, token, transaction};
use reward_emission::instructions::TermsArgs;
use reward_emission::state::{Pricing, Terms};
use security_pool::state::Report;
use serde::Serialize;
use solana_signer::Signer;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show the parameters, in force and proposed, and what is paused
    Show,
    #[command(flatten)]
    Act(Action),
}

/// What is sent.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Let a maker vouch for devices
    ApproveMaker {
        /// The maker's key
        #[arg(value_name = "ADDRESS")]
        maker: Pubkey,
        /// Devices that it may vouch for
        #[arg(long, value_name = "DEVICES")]
        quota: u64,
        /// Highest tier that it may vouch for: 1 by vouchers, 2 by certificates
        #[arg(long, default_value_t = 1)]
        max_tier: u8,
    },
    /// Change for how many devices a maker may vouch
    SetQuota {
        /// The maker's key
        #[arg(value_name = "ADDRESS")]
        maker: Pubkey,
        /// Devices that it may vouch for, those that it has vouched for included
        #[arg(value_name = "DEVICES")]
        quota: u64,
    },
    /// End a maker's right to vouch, for good; its devices stay registered
    RevokeMaker {
        /// The maker's key
        #[arg(value_name = "ADDRESS")]
        maker: Pubkey,
    },
    /// Propose parameters; what is not said stays as it is. Anyone applies them once the timelock has passed. Another proposal
    /// takes their place, and one that changes nothing withdraws them
    Propose(Propose),
    /// Put the proposed parameters in force; anyone may
    Apply,
    /// Say what credits cost, and what costs credits: at once the first time, then once the timelock has passed; what is not
    /// said stays as it was set last
    SetPricing(Box<SetPricing>),
    /// Pause an operation, at most for three days, and then not again for as long as it was paused
    Pause {
        /// What to pause
        #[arg(value_enum, value_name = "OPERATION")]
        operation: Paused,
        /// For how long
        #[arg(long, value_name = "SECONDS")]
        seconds: i64,
    },
    /// End a pause
    Resume {
        /// What goes on
        #[arg(value_enum, value_name = "OPERATION")]
        operation: Paused,
    },
    /// Revoke a verifying key, for good
    RevokeKey {
        /// The key's hash, in hex
        #[arg(value_name = "HASH")]
        hash: String,
    },
    /// Pay what the slash of a pool set aside for those who were harmed
    PayInsurance {
        /// The report of the slash
        #[arg(value_name = "ADDRESS")]
        report: Pubkey,
        /// Whom to pay; their associated token account is made if need be
        #[arg(long, value_name = "ADDRESS")]
        to: Pubkey,
    },
    /// Offer the authority to another key, who accepts
    Offer {
        /// Who may accept; yourself to take an offer back
        #[arg(value_name = "ADDRESS")]
        to: Pubkey,
    },
    /// Take over the authority that you were offered
    Accept,
}

/// Parameters, as options.
#[derive(clap::Args)]
pub struct Propose {
    /// Bond of a device before its tier's discount, in tokens
    #[arg(long, value_name = "TOKENS")]
    device_bond: Option<String>,
    /// Seconds for which evidence is taken
    #[arg(long, value_name = "SECONDS")]
    evidence_window: Option<i64>,
    /// Seconds in which an operator shows a reading that a challenge names
    #[arg(long, value_name = "SECONDS")]
    answer_window: Option<i64>,
    /// What a challenge of availability puts at stake, in SOL, as a decimal number
    #[arg(long, value_name = "SOL")]
    challenge_bond: Option<String>,
    /// Fastest that a device can travel, metres a second
    #[arg(long, value_name = "SPEED")]
    max_speed: Option<u32>,
    /// Discounts on the bond of tiers 0 to 3, basis points
    #[arg(long, value_name = "BPS,BPS,BPS,BPS", value_delimiter = ',')]
    tier_discount_bps: Option<Vec<u16>>,
    /// Share of its allocation that an operator loses for a reading that it can't show, basis points
    #[arg(long, value_name = "BPS")]
    withheld_slash_bps: Option<u16>,
}

/// Whose price counts, and what is paid for, as options.
#[derive(clap::Args)]
pub struct SetPricing {
    /// Whose accounts tell the reward token's price
    #[arg(long, value_enum)]
    format: Option<OracleFormat>,
    /// The account that tells the reward token's price; its authority is trusted with it
    #[arg(long, value_name = "ADDRESS")]
    oracle: Option<Pubkey>,
    /// The queue whose oracles may answer
    #[arg(long, value_name = "ADDRESS")]
    queue: Option<Pubkey>,
    /// Hash of what they are asked, in hex: an On-Demand feed's `feed_hash`, a V2 aggregator's `jobs_checksum`
    #[arg(long, value_name = "HASH")]
    jobs: Option<String>,
    /// How old an answer may be
    #[arg(long, value_name = "SLOTS")]
    max_age_slots: Option<u32>,
    /// How old the newest answer may be
    #[arg(long, value_name = "SECONDS")]
    max_age_seconds: Option<u32>,
    /// Distinct oracles that must have answered
    #[arg(long, value_name = "ORACLES")]
    min_oracles: Option<u8>,
    /// How far an answer may be from their median, basis points
    #[arg(long, value_name = "BPS")]
    max_deviation_bps: Option<u16>,
    /// Credits for registering a device, of which 100000 are a dollar
    #[arg(long, value_name = "CREDITS")]
    registration: Option<u64>,
    /// Credits for opening a feed
    #[arg(long, value_name = "CREDITS")]
    feed: Option<u64>,
}

/// A format of oracles' accounts.
#[derive(Clone, Copy, ValueEnum)]
pub enum OracleFormat {
    #[value(name = "switchboard-on-demand")]
    OnDemand,
    #[value(name = "switchboard-v2")]
    V2,
}

impl From<OracleFormat> for oracle::Format {
    fn from(format: OracleFormat) -> Self {
        match format {
            OracleFormat::OnDemand => Self::OnDemand,
            OracleFormat::V2 => Self::V2,
        }
    }
}

/// What can be paused.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Paused {
    Register,
    Commit,
    Attest,
    Finalize,
    Root,
    Stake,
}

impl From<Paused> for Operation {
    fn from(paused: Paused) -> Self {
        match paused {
            Paused::Register => Self::Register,
            Paused::Commit => Self::Commit,
            Paused::Attest => Self::Attest,
            Paused::Finalize => Self::Finalize,
            Paused::Root => Self::Root,
            Paused::Stake => Self::Stake,
        }
    }
}

#[derive(Serialize)]
struct Shown {
    network: String,
    authority: String,
    offered_to: Option<String>,
    /// Seconds.
    timelock: i64,
    parameters: Values,
    proposed: Option<Proposed>,
    paused: Vec<Pause>,
    makers: u64,
    /// The maker that the command was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    maker: Option<ShownMaker>,
    /// What registrations and feeds cost by the terms that were set last.
    pricing: Option<ShownPricing>,
    /// What the command paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid: Option<Paid>,
    signature: Option<String>,
}

/// Credits.
#[derive(Serialize)]
struct ShownPricing {
    registration: u64,
    feed: u64,
    /// From when they hold, unix seconds.
    from: i64,
}

#[derive(Serialize)]
struct Paid {
    tokens: String,
    to: String,
    /// Its token account.
    account: String,
}

#[derive(Serialize)]
struct Values {
    /// Tokens.
    device_bond: String,
    evidence_window: i64,
    answer_window: i64,
    /// Lamports.
    challenge_bond: u64,
    max_speed: u32,
    tier_discount_bps: [u16; 4],
    withheld_slash_bps: u16,
}

#[derive(Serialize)]
struct Proposed {
    #[serde(flatten)]
    values: Values,
    /// From when they may be applied, unix seconds.
    from: i64,
    /// Until when.
    until: i64,
}

#[derive(Serialize)]
struct Pause {
    operation: Paused,
    /// Unix seconds.
    until: i64,
}

#[derive(Serialize)]
struct ShownMaker {
    key: String,
    quota: u64,
    vouched: u64,
    max_tier: u8,
    revoked: bool,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (network, terms) = context.network(&chain)?;
    let place = Place {
        tokens: Tokens::of(&chain, &terms.stake_mint)?,
        chain,
        network,
        terms,
    };
    let action = match command {
        Command::Show => return place.show(context, Subject::default(), None),
        Command::Act(action) => action,
    };
    let authority = context.keypair()?;
    let own = authority.pubkey();
    let mut subject = Subject::default();
    let instructions = match action {
        Action::ApproveMaker {
            maker: key,
            quota,
            max_tier,
        } => {
            subject.maker = Some(key);
            let known: Option<Maker> = chain::find(&place.chain, &registry::maker(&network, &key))?;
            ensure!(
                known.is_none(),
                "{key} is a maker of this network already: change for how many devices by `fieldproof network set-quota`"
            );
            let grant = registry::MakerGrant {
                key,
                quota,
                max_tier,
            };
            vec![registry::approve_maker(&own, &network, &own, grant)]
        }
        Action::SetQuota { maker: key, quota } => {
            subject.maker = Some(key);
            vec![registry::set_maker_quota(&network, &own, &key, quota)]
        }
        Action::RevokeMaker { maker: key } => {
            subject.maker = Some(key);
            vec![registry::revoke_maker(&network, &own, &key)]
        }
        Action::Propose(wanted) => {
            let parameters = place.parameters(wanted)?;
            vec![registry::propose_parameters(&network, &own, parameters)]
        }
        Action::SetPricing(wanted) => {
            let args = place.pricing(*wanted)?;
            vec![credits::set_pricing(
                &own,
                &own,
                &network,
                &place.terms.reward_mint,
                args,
            )]
        }
        Action::Apply => vec![registry::apply_parameters(&network)],
        Action::Pause { operation, seconds } => {
            let operation = operation.into();
            vec![registry::pause_operation(
                &network, &own, operation, seconds,
            )]
        }
        Action::Resume { operation } => {
            vec![registry::resume_operation(&network, &own, operation.into())]
        }
        Action::RevokeKey { hash } => {
            let hash = crate::files::hash(&hash)?;
            let key = feeds::verifying_key(&network, &hash);
            let known: Option<VerifyingKey> = chain::find(&place.chain, &key)?;
            known.context("the network has no verifying key of this hash")?;
            vec![feeds::revoke_verifying_key(&own, &network, &hash)]
        }
        Action::PayInsurance { report, to } => {
            let mint = &place.terms.stake_mint;
            let found: Option<Report> = chain::find(&place.chain, &report)?;
            let found = found.with_context(|| format!("there is no report at {report}"))?;
            let pool = found.source;
            ensure!(
                found.is_of_pool(&network, &pool),
                "{report} is not of the slash of a pool in this network"
            );
            ensure!(
                found.insurance > 0,
                "what was set aside by {report} is paid already, or was nothing"
            );
            subject.paid = Some(Paid {
                tokens: place.tokens.format(found.insurance),
                to: to.to_string(),
                account: token::associated(&to, mint).to_string(),
            });
            let destination = token::associated(&to, mint);
            vec![
                token::create_associated(&own, &to, mint),
                pools::pay_insurance(&network, &own, &pool, mint, &report, &destination),
            ]
        }
        Action::Offer { to } => {
            let to = heir(to, &own);
            vec![registry::transfer_authority(&network, &own, &to)]
        }
        Action::Accept => vec![registry::accept_authority(&network, &own)],
    };
    let done = {
        let _progress = context.progress("sending");
        transaction::send(&place.chain, &instructions, &authority, &[])?
    };
    let place = Place {
        terms: chain::read(&place.chain, &network)?,
        ..place
    };
    place.show(context, subject, Some(done.signature.to_string()))
}

/// What a command was about.
#[derive(Default)]
struct Subject {
    maker: Option<Pubkey>,
    paid: Option<Paid>,
}

struct Place {
    chain: RpcChain,
    network: Pubkey,
    terms: Network,
    tokens: Tokens,
}

impl Place {
    fn parameters(&self, wanted: Propose) -> Result<Parameters> {
        let Propose {
            device_bond,
            evidence_window,
            answer_window,
            challenge_bond,
            max_speed,
            tier_discount_bps,
            withheld_slash_bps,
        } = wanted;
        let now = self.terms.parameters;
        let proposed = Parameters {
            device_bond: match device_bond {
                Some(bond) => self.tokens.parse(&bond)?,
                None => now.device_bond,
            },
            evidence_window: evidence_window.unwrap_or(now.evidence_window),
            answer_window: answer_window.unwrap_or(now.answer_window),
            challenge_bond: match challenge_bond {
                Some(bond) => output::parse_sol(&bond)?,
                None => now.challenge_bond,
            },
            max_speed: max_speed.unwrap_or(now.max_speed),
            tier_discount_bps: match tier_discount_bps {
                Some(discounts) => discounts
                    .try_into()
                    .ok()
                    .context("there are four tiers, 0 to 3")?,
                None => now.tier_discount_bps,
            },
            withheld_slash_bps: withheld_slash_bps.unwrap_or(now.withheld_slash_bps),
            _pad: 0,
        };
        ensure!(
            proposed != now || self.terms.pending_at != 0,
            "these are the parameters in force"
        );
        Ok(proposed)
    }

    /// What was set last, changed as wanted.
    fn pricing(&self, wanted: SetPricing) -> Result<TermsArgs> {
        let SetPricing {
            format,
            oracle,
            queue,
            jobs,
            max_age_slots,
            max_age_seconds,
            min_oracles,
            max_deviation_bps,
            registration,
            feed,
        } = wanted;
        let address = credits::pricing(&self.network);
        let known: Option<Pricing> = chain::find(&self.chain, &address)?;
        let (last, last_oracle) = known
            .map(|pricing| (pricing.next, pricing.next_oracle))
            .unzip();
        let missing = |what: &str| format!("the network has no pricing yet: say --{what} too");
        let args = TermsArgs {
            format: format
                .map(|format| oracle::Format::from(format) as u8)
                .or(last.map(|last| last.format))
                .with_context(|| missing("format"))?,
            oracle: oracle.or(last_oracle).with_context(|| missing("oracle"))?,
            queue: queue
                .or(last.map(|last| last.queue.into()))
                .with_context(|| missing("queue"))?,
            jobs: match jobs {
                Some(jobs) => crate::files::hash(&jobs)?,
                None => last
                    .map(|last| last.jobs)
                    .with_context(|| missing("jobs"))?,
            },
            max_age_slots: max_age_slots
                .or(last.map(|last| last.max_age_slots))
                .with_context(|| missing("max-age-slots"))?,
            max_age_seconds: max_age_seconds
                .or(last.map(|last| last.max_age_seconds))
                .with_context(|| missing("max-age-seconds"))?,
            min_oracles: min_oracles
                .or(last.map(|last| last.min_oracles))
                .with_context(|| missing("min-oracles"))?,
            max_deviation_bps: max_deviation_bps
                .or(last.map(|last| last.max_deviation_bps))
                .with_context(|| missing("max-deviation-bps"))?,
            registration: registration
                .or(last.map(|last| last.registration))
                .with_context(|| missing("registration"))?,
            feed: feed
                .or(last.map(|last| last.feed))
                .with_context(|| missing("feed"))?,
        };
        ensure!(
            (last, last_oracle) != (Some(Terms::from(args)), Some(args.oracle)),
            "this is the pricing that was set last"
        );
        let mint: Mint = chain::read_borsh(&self.chain, &self.terms.reward_mint)?;
        ensure!(
            mint.supply > 0 || !self.terms.charges() || (args.registration, args.feed) == (0, 0),
            "there is no token yet to buy credits with: keep --registration and --feed at 0 until the first rewards were paid"
        );
        Ok(args)
    }

    fn values(&self, parameters: &Parameters) -> Values {
        Values {
            device_bond: self.tokens.format(parameters.device_bond),
            evidence_window: parameters.evidence_window,
            answer_window: parameters.answer_window,
            challenge_bond: parameters.challenge_bond,
            max_speed: parameters.max_speed,
            tier_discount_bps: parameters.tier_discount_bps,
            withheld_slash_bps: parameters.withheld_slash_bps,
        }
    }

    fn show(&self, context: &Context, subject: Subject, signature: Option<String>) -> Result<()> {
        let terms = &self.terms;
        let now = self.chain.clock()?.unix_timestamp;
        let maker = match subject.maker {
            Some(key) => {
                let address = registry::maker(&self.network, &key);
                let maker: Maker = chain::read(&self.chain, &address)?;
                Some(ShownMaker {
                    key: key.to_string(),
                    quota: maker.quota,
                    vouched: maker.vouched,
                    max_tier: maker.max_tier,
                    revoked: maker.revoked != 0,
                })
            }
            None => None,
        };
        let address = credits::pricing(&self.network);
        let pricing: Option<Pricing> = chain::find(&self.chain, &address)?;
        let paused = Paused::value_variants().iter().copied();
        let shown = Shown {
            network: self.network.to_string(),
            authority: terms.authority.to_string(),
            offered_to: output::somebody(&terms.pending_authority),
            timelock: terms.timelock,
            parameters: self.values(&terms.parameters),
            proposed: (terms.pending_at != 0).then(|| Proposed {
                values: self.values(&terms.pending),
                from: terms.pending_at,
                until: terms.pending_at.saturating_add(APPLY_WITHIN),
            }),
            paused: paused
                .filter(|operation| terms.is_paused((*operation).into(), now))
                .map(|operation| Pause {
                    operation,
                    until: terms.pauses[Operation::from(operation) as usize].until,
                })
                .collect(),
            makers: terms.makers,
            maker,
            pricing: pricing.map(|pricing| ShownPricing {
                registration: pricing.next.registration,
                feed: pricing.next.feed,
                from: pricing.next_from,
            }),
            paid: subject.paid,
            signature,
        };
        context.print(&shown, || shown.text(now))
    }
}

impl Values {
    fn rows(&self) -> [(&'static str, String); 7] {
        let discounts = self.tier_discount_bps.map(|bps| bps.to_string());
        [
            ("Bond of a device", format!("{} tokens", self.device_bond)),
            (
                "Discount by tier",
                format!("{} basis points", discounts.join(", ")),
            ),
            ("Evidence is taken", output::duration(self.evidence_window)),
            ("Answers are due in", output::duration(self.answer_window)),
            ("Bond of a challenge", output::sol(self.challenge_bond)),
            ("Fastest device", format!("{} m/s", self.max_speed)),
            (
                "Slash for no answer",
                format!("{} basis points", self.withheld_slash_bps),
            ),
        ]
    }
}

impl Shown {
    fn text(&self, now: i64) -> String {
        let mut rows = vec![
            ("Network", self.network.clone()),
            ("Authority", self.authority.clone()),
        ];
        if let Some(to) = &self.offered_to {
            rows.push(("Offered to", to.clone()));
        }
        rows.push(("Timelock", output::duration(self.timelock)));
        rows.extend(self.parameters.rows());
        if let Some(proposed) = &self.proposed {
            let command = "fieldproof network apply";
            let when = output::proposal(proposed.from, APPLY_WITHIN, now, command);
            rows.push(("Proposed", when));
            // Only what would change.
            let present = self.parameters.rows();
            let changes = proposed.values.rows().into_iter();
            rows.extend(changes.filter(|change| !present.contains(change)));
        }
        for pause in &self.paused {
            let operation = pause.operation.to_possible_value();
            let operation = operation.map_or_else(String::new, |name| name.get_name().to_owned());
            let left = output::duration(pause.until - now);
            rows.push(("Paused", format!("{operation}, for {left} more")));
        }
        if let Some(maker) = &self.maker {
            let state = match maker.revoked {
                true => "revoked".to_owned(),
                false => format!(
                    "{} of {} devices, up to tier {}",
                    maker.vouched, maker.quota, maker.max_tier
                ),
            };
            rows.push(("Maker", format!("{}: {state}", maker.key)));
        }
        if let Some(pricing) = &self.pricing {
            let when = match pricing.from - now {
                left @ 1.. => format!(", in {}", output::duration(left)),
                _ => String::new(),
            };
            rows.push((
                "Prices",
                format!(
                    "{} credits a device, {} a feed{when}",
                    pricing.registration, pricing.feed
                ),
            ));
        }
        if let Some(paid) = &self.paid {
            rows.push((
                "Paid",
                format!("{} tokens to {}, in {}", paid.tokens, paid.to, paid.account),
            ));
        }
        rows.extend(output::signatures(&self.signature));
        output::rows(rows)
    }
}
