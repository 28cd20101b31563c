//! `fieldproof challenge`: asks an operator for a reading that it committed to, answers for it, or has it slashed.

use crate::archive::Archive;
use crate::context::Context;
use crate::{leaves, output};
use ai_feed::state::Attestation;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_spl::token::{Mint, TokenAccount};
use anyhow::{anyhow, bail, Context as _, Result};
use data_commitment::state::{Challenge, Stream};
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, Execution, RpcChain};
use fieldproof_client::data_commitment::{
    self as streams, Answer, ReadingPlace, Settling, StreamHistory,
};
use fieldproof_client::{ai_feed as feeds, token, transaction, ClientError};
use fieldproof_worker::availability;
use security_pool::state::Report;
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::mem::offset_of;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Ask an operator to show a reading that it attested; the bond is gone if it does. The clocks of the batch's
    /// attestations stand still meanwhile, unless it is too late for that
    Make {
        /// The operator's pool
        #[arg(long, value_name = "ADDRESS")]
        pool: String,
        /// The commitment's number in the operator's stream
        #[arg(long, value_name = "NUMBER")]
        sequence: u64,
        /// The batch's index in the commitment
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        batch: u32,
        /// The reading's index in the batch: window × 16 + its place in the window
        #[arg(long, value_name = "NUMBER")]
        reading: u16,
    },
    /// List the network's open challenges
    List {
        /// Of this operator's pool alone
        #[arg(long, value_name = "ADDRESS")]
        pool: Option<String>,
    },
    /// Show a challenged reading and get the bond; workers do it by themselves
    Answer {
        /// The challenge's address
        challenge: String,
        #[command(flatten)]
        archive: Archive,
    },
    /// Have the operator slashed that did not answer in time; the challenger gets bounty and bond
    Settle {
        /// The challenge's address
        challenge: String,
    },
}

/// A challenge, for scripts.
#[derive(Serialize)]
struct Shown {
    challenge: String,
    pool: String,
    sequence: u64,
    batch: u32,
    reading: u16,
    challenger: String,
    /// SOL.
    bond: String,
    /// The last second for an answer, unix seconds.
    answer_by: i64,
    /// Whether it can be settled: the time for an answer is over.
    overdue: bool,
}

#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    shown: Shown,
    /// Whether somebody has answered it already.
    answered: bool,
    #[serde(flatten)]
    clocks: Clocks,
    signatures: Vec<String>,
    compute_units: u64,
}

/// The attestations of the challenged batch that are still open, by what a challenge does to their clocks.
#[derive(Default, Serialize)]
struct Clocks {
    /// Those that stand still until the challenge is over.
    stopped: Vec<String>,
    /// Those that run on: evidence is not taken for long enough to wait for the answer.
    running: Vec<String>,
}

#[derive(Serialize)]
struct Answered {
    challenge: String,
    /// SOL.
    bond: String,
    signature: String,
    compute_units: u64,
}

#[derive(Serialize)]
struct Settled {
    challenge: String,
    pool: String,
    challenger: String,
    /// Tokens that the operator lost.
    slashed: String,
    /// Tokens that the challenger got.
    bounty: String,
    /// SOL that went back.
    bond: String,
    signature: String,
    compute_units: u64,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (key, network) = context.network(&chain)?;
    let court = Court {
        context,
        chain: &chain,
        key,
        network: &network,
    };
    match command {
        Command::Make {
            pool,
            sequence,
            batch,
            reading,
        } => court.make(&address(&pool)?, sequence, batch, reading),
        Command::List { pool } => court.list(pool.as_deref().map(address).transpose()?),
        Command::Answer { challenge, archive } => court.answer(&address(&challenge)?, &archive),
        Command::Settle { challenge } => court.settle(&address(&challenge)?),
    }
}

fn address(text: &str) -> Result<Pubkey> {
    text.parse()
        .with_context(|| format!("{text} is no address"))
}

/// Where challenges are made.
struct Court<'a> {
    context: &'a Context,
    chain: &'a RpcChain,
    key: Pubkey,
    network: &'a Network,
}

impl Court<'_> {
    fn make(&self, pool: &Pubkey, sequence: u64, batch: u32, reading: u16) -> Result<()> {
        let keypair = self.context.keypair()?;
        let stream = streams::stream(&self.key, pool);
        if chain::find::<Stream>(self.chain, &stream)?.is_none() {
            bail!("{pool} is no operator's pool of this network: it has no stream here");
        }
        let progress = self.context.progress("reading the operator's stream");
        let history = StreamHistory::read(self.chain, &stream)?;
        if sequence >= history.commitments.len() as u64 {
            bail!(
                "the stream has {} commitments, numbered from 0",
                history.commitments.len()
            );
        }
        let proof = history.attested_batch(sequence, batch).ok_or_else(|| {
            anyhow!("batch {batch} of commitment {sequence} was not attested: nothing relies on it, so there is nothing to ask for")
        })?;
        progress.say("challenging");
        let place = ReadingPlace {
            stream,
            sequence,
            batch,
            reading,
        };
        let challenge =
            streams::challenge_availability(&keypair.pubkey(), &self.key, &stream, proof, reading);
        let (clocks, done) = match self.open(&keypair, &place, &challenge) {
            // An attestation's time was over between looking and sending.
            Err(ClientError::Refused(failure)) if failure.program == Some(ai_feed::ID) => {
                self.open(&keypair, &place, &challenge)?
            }
            opened => opened?,
        };
        drop(progress);
        // A worker may have been quicker than this command.
        let open: Option<Challenge> = chain::find(self.chain, &place.challenge())?;
        let (now, parameters) = (self.now()?, &self.network.parameters);
        let answer_by = open.map_or(now.saturating_add(parameters.answer_window), |challenge| {
            challenge.answer_by
        });
        let made = Made {
            shown: Shown {
                challenge: place.challenge().to_string(),
                pool: pool.to_string(),
                sequence,
                batch,
                reading,
                challenger: keypair.pubkey().to_string(),
                bond: output::in_sol(parameters.challenge_bond),
                answer_by,
                overdue: now > answer_by,
            },
            answered: open.is_none(),
            clocks,
            signatures: done.iter().map(|done| done.signature.to_string()).collect(),
            compute_units: done.iter().map(|done| done.compute_units).sum(),
        };
        self.context.print(&made, || {
            let state = if made.answered {
                "answered already".to_owned()
            } else {
                format!("can be settled in {}", output::duration(answer_by - now))
            };
            let mut rows = vec![
                ("Challenge", made.shown.challenge.clone()),
                ("Bond, SOL", made.shown.bond.clone()),
                ("State", state),
            ];
            let stopped = made.clocks.stopped.iter();
            rows.extend(stopped.map(|attestation| ("Clock stopped", attestation.clone())));
            let running = made.clocks.running.iter();
            rows.extend(running.map(|attestation| {
                let late =
                    format!("{attestation}: too late to stop it, it ends as if nobody asked");
                ("Clock runs on", late)
            }));
            rows.push(("Compute units", made.compute_units.to_string()));
            rows.extend(output::signatures(&made.signatures));
            output::rows(rows)
        })
    }

    /// Opens a challenge and stops what clocks it can, in the same transaction. An operator may have attested a batch to more
    /// feeds than one transaction names: the rest follows.
    fn open(
        &self,
        keypair: &Keypair,
        place: &ReadingPlace,
        challenge: &Instruction,
    ) -> Result<(Clocks, Vec<Execution>), ClientError> {
        let (clocks, stops) = self.clocks(place)?;
        // It is there already where a stop alone was refused.
        let is_open = chain::find::<Challenge>(self.chain, &place.challenge())?.is_some();
        let challenge = (!is_open).then(|| challenge.clone());
        let instructions = challenge.into_iter().chain(stops);
        let mut done = Vec::new();
        for instructions in transaction::pack(instructions, keypair)? {
            done.push(transaction::send(self.chain, &instructions, keypair, &[])?);
        }
        Ok((clocks, done))
    }

    /// What a challenge of the reading at `place` does to the clocks of its batch, if it is made now, and the instructions
    /// that do it.
    fn clocks(&self, place: &ReadingPlace) -> Result<(Clocks, Vec<Instruction>), ClientError> {
        let now = self.chain.clock()?.unix_timestamp;
        let parameters = &self.network.parameters;
        let (mut clocks, mut stops) = (Clocks::default(), Vec::new());
        let of_stream = offset_of!(Attestation, stream);
        for (key, attestation) in
            chain::read_all_of::<Attestation>(self.chain, of_stream, &place.stream)?
        {
            let of = (attestation.sequence, attestation.batch_index);
            if of != (place.sequence, place.batch) || !attestation.is_open(now) {
                continue;
            }
            // The program's own rule.
            let over_by = now
                .saturating_add(parameters.answer_window)
                .saturating_add(attestation.challenge_window);
            let evidence_by = attestation
                .committed_at
                .saturating_add(parameters.evidence_window);
            // By an earlier challenge, of which nobody has shown yet that it is over.
            if feeds::stops(&attestation).any(|reading| reading == place.reading) {
                clocks.stopped.push(key.to_string());
            } else if over_by <= evidence_by {
                clocks.stopped.push(key.to_string());
                stops.push(feeds::stop_clock(&self.key, &attestation.feed, &key, place));
            } else {
                clocks.running.push(key.to_string());
            }
        }
        Ok((clocks, stops))
    }

    fn list(&self, pool: Option<Pubkey>) -> Result<()> {
        let streams: Vec<(Pubkey, Stream)> =
            chain::read_all_of(self.chain, offset_of!(Stream, network), &self.key)?;
        let pools: BTreeMap<Pubkey, Pubkey> = streams
            .into_iter()
            .filter(|(_, stream)| pool.is_none_or(|pool| stream.pool == pool))
            .map(|(key, stream)| (key, stream.pool))
            .collect();
        let now = self.now()?;
        let mut open: Vec<Shown> = chain::read_all::<Challenge>(self.chain)?
            .into_iter()
            .filter_map(|(key, challenge)| {
                let pool = pools.get(&challenge.stream)?;
                Some(shown(&key, &challenge, pool, now))
            })
            .collect();
        open.sort_by_key(|shown| shown.answer_by);
        self.context.print(&open, || {
            if open.is_empty() {
                return "no open challenges".to_owned();
            }
            let blocks: Vec<String> = open.iter().map(|shown| describe(shown, now)).collect();
            blocks.join("\n\n")
        })
    }

    fn answer(&self, key: &Pubkey, archive: &Archive) -> Result<()> {
        if archive.workers.is_empty() && archive.payloads.is_empty() {
            bail!("say where the commitment's payload is: --worker or --payload");
        }
        let keypair = self.context.keypair()?;
        let (challenge, _) = self.challenge(key)?;
        if self.now()? > challenge.answer_by {
            bail!("the time to answer is over: the challenge can only be settled");
        }
        let progress = self.context.progress("reading the operator's stream");
        let history = StreamHistory::read(self.chain, &challenge.stream)?;
        let commitment = usize::try_from(challenge.sequence)
            .ok()
            .and_then(|sequence| history.commitments.get(sequence))
            .ok_or_else(|| anyhow!("the cluster does not tell of the challenged commitment"))?;
        let payload = archive.open()?.get(commitment)?;
        drop(progress);
        let (evidence, path) = availability::shown(&payload, &challenge)?;
        let reading = &evidence.reading.reading;
        let registered = leaves::read(self.context, self.chain, &self.key, &reading.device)?;
        let leaf = registered
            .leaves
            .into_iter()
            .find(|found| found.leaf.nonce >= reading.leaf_nonce);
        let (Some(key), Some(leaf)) = (registered.key, leaf) else {
            bail!("the reading's device is not registered in this network: no answer is right");
        };
        let answer = Answer {
            evidence,
            key,
            leaf,
            path,
        };
        let place = ReadingPlace::of(&challenge);
        let instructions =
            streams::answer_availability(&keypair.pubkey(), &self.key, &place, &answer, 0)?;
        let progress = self.context.progress("answering");
        let done = transaction::send(self.chain, &instructions, &keypair, &[])?;
        drop(progress);
        let answered = Answered {
            challenge: place.challenge().to_string(),
            bond: output::in_sol(challenge.bond),
            signature: done.signature.to_string(),
            compute_units: done.compute_units,
        };
        self.context.print(&answered, || {
            output::fields([
                ("Challenge", answered.challenge.clone()),
                ("Bond, SOL", answered.bond.clone()),
                ("Compute units", answered.compute_units.to_string()),
                ("Signature", answered.signature.clone()),
            ])
        })
    }

    fn settle(&self, key: &Pubkey) -> Result<()> {
        let keypair = self.context.keypair()?;
        let (challenge, pool) = self.challenge(key)?;
        let left = challenge.answer_by.saturating_sub(self.now()?);
        if left >= 0 {
            bail!(
                "the operator may still answer for {}: settle after that",
                output::duration(left)
            );
        }
        let (payer, stake_mint) = (keypair.pubkey(), self.network.stake_mint);
        let settling = Settling {
            payer,
            challenger: challenge.challenger,
            bounty: token::associated(&challenge.challenger, &stake_mint),
            network: self.key,
            network_id: self.network.id,
            stake_mint,
            pool,
        };
        let place = ReadingPlace::of(&challenge);
        let progress = self.context.progress("settling");
        let report = place.report(&self.network.id);
        // Without one the challenger could get no bounty, and settling would fail.
        let create = token::create_associated(&payer, &challenge.challenger, &stake_mint);
        let known = chain::find::<Report>(self.chain, &report)?.is_some();
        let before = self.balance(&settling.bounty)?;
        let settle = streams::settle_challenge(&settling, &place);
        let done: Execution = transaction::send(self.chain, &[create, settle], &keypair, &[])?;
        drop(progress);
        let lost = chain::find::<Report>(self.chain, &report)?
            .filter(|_| !known)
            .map_or(0, |report| report.amount);
        let mint: Mint = chain::read_borsh(self.chain, &stake_mint)?;
        let tokens = |amount| token::format_amount(amount, mint.decimals);
        let settled = Settled {
            challenge: key.to_string(),
            pool: pool.to_string(),
            challenger: challenge.challenger.to_string(),
            slashed: tokens(lost),
            bounty: tokens(self.balance(&settling.bounty)?.saturating_sub(before)),
            bond: output::in_sol(challenge.bond),
            signature: done.signature.to_string(),
            compute_units: done.compute_units,
        };
        self.context.print(&settled, || {
            output::fields([
                ("Challenge", settled.challenge.clone()),
                ("Pool", settled.pool.clone()),
                ("Slashed, tokens", settled.slashed.clone()),
                ("Challenger", settled.challenger.clone()),
                ("Bounty, tokens", settled.bounty.clone()),
                ("Bond back, SOL", settled.bond.clone()),
                ("Compute units", settled.compute_units.to_string()),
                ("Signature", settled.signature.clone()),
            ])
        })
    }

    /// An open challenge of this network, and the pool of its stream.
    fn challenge(&self, key: &Pubkey) -> Result<(Challenge, Pubkey)> {
        let challenge: Challenge = chain::find(self.chain, key)?.ok_or_else(|| {
            anyhow!("{key} is no open challenge: it was answered or settled, or never made")
        })?;
        let stream: Stream = chain::read(self.chain, &challenge.stream)?;
        if stream.network != self.key {
            bail!(
                "the challenge is of network {}: name it with --network",
                stream.network
            );
        }
        Ok((challenge, stream.pool))
    }

    fn now(&self) -> Result<i64> {
        Ok(self.chain.clock()?.unix_timestamp)
    }

    /// What is in a token account, 0 if there is none.
    fn balance(&self, account: &Pubkey) -> Result<u64> {
        if self.chain.account(account)?.is_none() {
            return Ok(0);
        }
        Ok(chain::read_borsh::<TokenAccount>(self.chain, account)?.amount)
    }
}

fn shown(key: &Pubkey, challenge: &Challenge, pool: &Pubkey, now: i64) -> Shown {
    Shown {
        challenge: key.to_string(),
        pool: pool.to_string(),
        sequence: challenge.sequence,
        batch: challenge.batch,
        reading: challenge.reading,
        challenger: challenge.challenger.to_string(),
        bond: output::in_sol(challenge.bond),
        answer_by: challenge.answer_by,
        overdue: now > challenge.answer_by,
    }
}

fn describe(shown: &Shown, now: i64) -> String {
    let deadline = if shown.overdue {
        "over: it can be settled".to_owned()
    } else {
        format!("{} left", output::duration(shown.answer_by - now))
    };
    output::fields([
        ("Challenge", shown.challenge.clone()),
        ("Pool", shown.pool.clone()),
        (
            "Reading",
            format!(
                "{} of batch {} of commitment {}",
                shown.reading, shown.batch, shown.sequence
            ),
        ),
        ("Bond, SOL", shown.bond.clone()),
        ("Time to answer", deadline),
    ])
}
