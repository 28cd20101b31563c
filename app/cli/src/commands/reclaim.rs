//! `fieldproof reclaim`: the rents of accounts that nothing needs any more, and what an epoch's cap has kept of bounties.

use crate::context::Context;
use crate::output;
use crate::tokens::Tokens;
use ai_feed::state::{Attestation, Feed, Round};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::AccountDeserialize;
use anchor_spl::token::TokenAccount;
use anyhow::{Context as _, Result};
use data_commitment::state::Challenge;
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, RpcChain};
use fieldproof_client::data_commitment::ReadingPlace;
use fieldproof_client::{ai_feed as feeds, credits, reward_emission as emissions};
use fieldproof_client::{security_pool as pools, token, transaction};
use reward_emission::state::{exposed_until, Demand, Emission, Epoch, Proposal};
use security_pool::state::{Moment, Pool, Report, Roster};
use serde::Serialize;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::mem::offset_of;

#[derive(clap::Args)]
pub struct Arguments {
    /// Only list what can be had now
    #[arg(long)]
    dry_run: bool,
}

/// What something to reclaim is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// An attestation that is over.
    Attestation,
    /// A round that was passed over.
    Round,
    /// A proposal of rewards for which nobody can be slashed any more.
    Proposal,
    /// What feeds were given in an epoch whose rewards are final.
    Demand,
    /// Such an epoch.
    Epoch,
    /// A bounty of a slash that went beyond its epoch's cap.
    Bounty,
    /// A stop of an attestation's clock, for a challenge that is over. The attestation closes once its clock has run down.
    Stop,
}

impl Kind {
    /// What people call several.
    fn name(self) -> &'static str {
        match self {
            Self::Attestation => "Attestations",
            Self::Round => "Rounds",
            Self::Proposal => "Proposals",
            Self::Demand => "Feeds' funds",
            Self::Epoch => "Epochs",
            Self::Bounty => "Bounties",
            Self::Stop => "Stops of clocks",
        }
    }
}

/// Something that can be had now.
struct Due {
    kind: Kind,
    /// The account that has it; of a bounty, the report.
    account: Pubkey,
    /// Lamports, or base units of the stake mint for a bounty.
    amount: u64,
    /// By which it is had.
    instruction: Instruction,
}

impl Due {
    fn new(kind: Kind, account: Pubkey, instruction: Instruction) -> Self {
        Self {
            kind,
            account,
            amount: 0,
            instruction,
        }
    }
}

/// A [`Due`], for scripts.
#[derive(Serialize)]
struct Found {
    kind: Kind,
    account: String,
    /// SOL.
    rent: Option<String>,
    /// Tokens.
    bounty: Option<String>,
}

#[derive(Serialize)]
struct Reclaimed {
    found: Vec<Found>,
    /// All rents, SOL.
    rent: String,
    /// All bounties, tokens.
    bounty: String,
    signatures: Vec<String>,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let keypair = context.keypair()?;
    let (network, terms) = context.network(&chain)?;
    let tokens = Tokens::of(&chain, &terms.stake_mint)?;
    let progress = context.progress("looking for what is over");
    let search = Search {
        chain: &chain,
        network,
        terms: &terms,
        own: keypair.pubkey(),
        now: chain.clock()?.unix_timestamp,
    };
    let due = search.all()?;
    let mut signatures = Vec::new();
    if !arguments.dry_run {
        let mut done = 0;
        let instructions = due.iter().map(|due| due.instruction.clone());
        for instructions in transaction::pack(instructions, &keypair)? {
            let far = format!("{done} of {} are done", due.len());
            progress.say(&far);
            // Anybody may close accounts, and has done so where this fails.
            let sent = transaction::send(&chain, &instructions, &keypair, &[])
                .with_context(|| format!("{far}: run this again for the rest"))?;
            done += instructions.len();
            signatures.push(sent.signature.to_string());
        }
    }
    drop(progress);
    let mut kinds: BTreeMap<Kind, (usize, u64)> = BTreeMap::new();
    for due in &due {
        let (count, amount) = kinds.entry(due.kind).or_default();
        *count += 1;
        *amount += due.amount;
    }
    let (_, bounty) = kinds.get(&Kind::Bounty).copied().unwrap_or_default();
    let all: u64 = kinds.values().map(|(_, amount)| amount).sum();
    let rent = all - bounty;
    let reclaimed = Reclaimed {
        found: due.iter().map(|due| found(due, &tokens)).collect(),
        rent: output::in_sol(rent),
        bounty: tokens.format(bounty),
        signatures,
    };
    context.print(&reclaimed, || {
        if due.is_empty() {
            return "nothing to reclaim now".to_owned();
        }
        let mut rows: Vec<(&str, String)> = kinds
            .iter()
            .map(|(kind, (count, amount))| {
                let value = match kind {
                    Kind::Stop => count.to_string(),
                    Kind::Bounty => format!("{count}, {} tokens", tokens.format(*amount)),
                    _ => format!("{count}, {}", output::sol(*amount)),
                };
                (kind.name(), value)
            })
            .collect();
        rows.push(("All rents", output::sol(rent)));
        rows.extend(output::signatures(&reclaimed.signatures));
        output::rows(rows)
    })
}

fn found(due: &Due, tokens: &Tokens) -> Found {
    let (rent, bounty) = match due.kind {
        Kind::Stop => (None, None),
        Kind::Bounty => (None, Some(tokens.format(due.amount))),
        _ => (Some(output::in_sol(due.amount)), None),
    };
    Found {
        kind: due.kind,
        account: due.account.to_string(),
        rent,
        bounty,
    }
}

/// Looks for what goes to one key in a network, by the programs' own rules.
struct Search<'a> {
    chain: &'a RpcChain,
    network: Pubkey,
    terms: &'a Network,
    own: Pubkey,
    /// Unix seconds.
    now: i64,
}

impl Search<'_> {
    /// All of it, by kind.
    fn all(&self) -> Result<Vec<Due>> {
        let of_network = offset_of!(Feed, network);
        let known: BTreeMap<Pubkey, Feed> =
            chain::read_all_of::<Feed>(self.chain, of_network, &self.network)?
                .into_iter()
                .collect();
        let (mut due, stops) = self.attestations(&known)?;
        due.extend(self.rounds(&known)?);
        due.extend(self.rewards()?);
        let keys: Vec<Pubkey> = due.iter().map(|due| due.account).collect();
        for (due, account) in due.iter_mut().zip(self.chain.accounts(&keys)?) {
            due.amount = account.map_or(0, |account| account.lamports);
        }
        // What was closed meanwhile.
        due.retain(|due| due.amount > 0);
        due.extend(self.bounties()?);
        due.extend(stops);
        due.sort_by_key(|due| (due.kind, due.account));
        Ok(due)
    }

    /// Attestations that close now, and stops of clocks that end.
    fn attestations(&self, known: &BTreeMap<Pubkey, Feed>) -> Result<(Vec<Due>, Vec<Due>)> {
        let (mut over, mut stops) = (Vec::new(), Vec::new());
        let paid = offset_of!(Attestation, payer);
        for (key, attestation) in chain::read_all_of::<Attestation>(self.chain, paid, &self.own)? {
            let Some(feed) = known.get(&attestation.feed) else {
                continue;
            };
            for reading in feeds::stops(&attestation) {
                let place = ReadingPlace {
                    stream: attestation.stream,
                    sequence: attestation.sequence,
                    batch: attestation.batch_index,
                    reading,
                };
                if chain::find::<Challenge>(self.chain, &place.challenge())?.is_none() {
                    let resume = feeds::resume_clock(&key, &place);
                    stops.push(Due::new(Kind::Stop, key, resume));
                }
            }
            if !attestation.is_open(self.now) && feed.is_over(attestation.round) {
                let bonds =
                    (attestation.bond > 0).then(|| feeds::bonds(&self.network, &attestation.pool));
                let close = feeds::close_attestation(&attestation.feed, &key, &self.own, bonds);
                over.push(Due::new(Kind::Attestation, key, close));
            }
        }
        Ok((over, stops))
    }

    fn rounds(&self, known: &BTreeMap<Pubkey, Feed>) -> Result<Vec<Due>> {
        let rounds: Vec<(Pubkey, Round)> =
            chain::read_all_of(self.chain, offset_of!(Round, payer), &self.own)?;
        let over = rounds.into_iter().filter(|(_, round)| {
            let feed = known.get(&round.feed);
            feed.is_some_and(|feed| feed.is_over(round.round))
        });
        let close = |(key, round): (Pubkey, Round)| {
            let close = feeds::close_round(&round.feed, round.round, &self.own);
            Due::new(Kind::Round, key, close)
        };
        Ok(over.map(close).collect())
    }

    /// What was for rewards that are final.
    fn rewards(&self) -> Result<Vec<Due>> {
        let emission = emissions::emission(&self.network);
        let Some(emission) = chain::find::<Emission>(self.chain, &emission)? else {
            return Ok(Vec::new());
        };
        let is_decided =
            |network: &Pubkey, epoch: u64| *network == self.network && emission.is_final(epoch);
        let paid = offset_of!(Proposal, payer);
        let proposals = chain::read_all_of::<Proposal>(self.chain, paid, &self.own)?
            .into_iter()
            .filter(|(_, proposal)| {
                is_decided(&proposal.network, proposal.epoch)
                    && proposal.epoch < emission.final_epoch
                    && self.now > exposed_until(self.terms, proposal.committee_epoch)
            })
            .map(|(key, _)| {
                let close = emissions::close_proposal(&self.network, &key, &self.own);
                Due::new(Kind::Proposal, key, close)
            });
        let paid = offset_of!(Demand, payer);
        let demands = chain::read_all_of::<Demand>(self.chain, paid, &self.own)?
            .into_iter()
            .filter(|(_, demand)| is_decided(&demand.network, demand.epoch))
            .map(|(key, demand)| {
                let (epoch, feed) = (demand.epoch, demand.feed);
                let close = credits::close_demand(&self.network, epoch, &feed, &self.own);
                Due::new(Kind::Demand, key, close)
            });
        let paid = offset_of!(Epoch, payer);
        let epochs = chain::read_all_of::<Epoch>(self.chain, paid, &self.own)?
            .into_iter()
            .filter(|(_, epoch)| is_decided(&epoch.network, epoch.epoch))
            .map(|(key, epoch)| {
                let close = credits::close_epoch(&self.network, epoch.epoch, &self.own);
                Due::new(Kind::Epoch, key, close)
            });
        Ok(proposals.chain(demands).chain(epochs).collect())
    }

    /// Bounties that go to token accounts of the key, as far as this epoch's cap lets them out.
    fn bounties(&self) -> Result<Vec<Due>> {
        let stake_mint = self.terms.stake_mint;
        let of_network = offset_of!(Report, network);
        let mut reports: Vec<(Pubkey, Report)> =
            chain::read_all_of(self.chain, of_network, &self.network)?;
        reports.retain(|(_, report)| {
            report.is_of_pool(&self.network, &report.source) && report.excess > 0
        });
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        // In the order in which they are collected: what one takes, the cap has no more for the next.
        reports.sort_by_key(|(key, _)| *key);
        let keys: Vec<Pubkey> = reports
            .iter()
            .map(|(_, report)| report.destination)
            .collect();
        let destinations = self.chain.accounts(&keys)?;
        let moment = Moment::at(self.terms, self.now)?;
        let mut roster: Roster = chain::read(self.chain, &pools::roster(&self.network))?;
        let mut slashed: BTreeMap<Pubkey, Pool> = BTreeMap::new();
        let mut due = Vec::new();
        for ((key, report), destination) in reports.into_iter().zip(destinations) {
            let is_mine = destination.is_some_and(|account| {
                let tokens = TokenAccount::try_deserialize(&mut account.data.as_slice());
                token::is_usable(&account, &stake_mint)
                    && tokens.is_ok_and(|tokens| tokens.owner == self.own)
            });
            if !is_mine {
                continue;
            }
            let source = report.source;
            let mut pool: Pool = match slashed.get(&source) {
                Some(pool) => *pool,
                None => chain::read(self.chain, &source)?,
            };
            let Ok(taken) = roster.collect(&source, &mut pool, report.excess, moment) else {
                continue;
            };
            slashed.insert(source, pool);
            let amount = roster.split(taken, report.bounty_bps)?.bounty;
            if amount > 0 {
                let to = report.destination;
                let collect = pools::collect_excess(&self.network, &source, &stake_mint, &key, &to);
                due.push(Due {
                    amount,
                    ..Due::new(Kind::Bounty, key, collect)
                });
            }
        }
        Ok(due)
    }
}
