//! Claims for everybody: what the final rewards grant and has not been paid, to each payee's own account, by whoever pays
//! the fees.
//!
//! A payee's account says what it was paid. A run that was cut off is therefore run again, and goes on where it was.

use crate::committee;
use crate::payload::{Payload, PayloadError, Rewards, MAX_LEN};
use crate::score;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::{ProofError, SumTree};
use device_protocol::Hash;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::reward_emission::{self as emissions, ClaimAccounts};
use fieldproof_client::{token, transaction, ClientError};
use reqwest::blocking::Client;
use reqwest::StatusCode;
use reward_emission::error::EmissionError;
use reward_emission::state::{Breaker, Emission, Payee, PayeeKind};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Transactions on their way at a time. Claims of a network run one after the other, but many of them in one block.
const IN_FLIGHT: usize = 16;
/// How often a transaction may expire, or the chain not answer, while nothing else of the run lands either, before it ends.
const FAILURES: usize = 5;

/// Why a worker's leaves are not those of the final rewards.
#[derive(Debug, thiserror::Error)]
pub enum GrantsError {
    /// The worker could not be asked.
    #[error("the worker does not answer: {0}")]
    Unavailable(String),
    /// The worker has none.
    #[error("no rewards are final, or the worker has not got them: ask another worker")]
    None,
    /// They are no payload of rewards of this network.
    #[error("what the worker serves is no payload of this network's rewards: ask another worker")]
    Foreign,
    /// They are not readable.
    #[error("the worker's payload is not readable ({0}): ask another worker")]
    Unreadable(#[from] PayloadError),
    /// They make no tree.
    #[error("the worker's leaves make no tree ({0}): ask another worker")]
    NoTree(#[from] ProofError),
    /// They make another tree than the final one.
    #[error(
        "the worker's leaves do not lead to the chain's final roots of epoch {0}: ask another worker"
    )]
    WrongRoots(u64),
}

/// What the final rewards grant, and the tree that proves it.
pub struct Grants {
    rewards: Rewards,
    tree: SumTree,
}

impl Grants {
    /// The final rewards from the worker at `url`, see [`Grants::new`].
    ///
    /// # Errors
    /// [`GrantsError`].
    pub fn fetch(url: &str, network: &Hash, emission: &Emission) -> Result<Self, GrantsError> {
        let unavailable =
            |error: &dyn std::fmt::Display| GrantsError::Unavailable(error.to_string());
        let url = format!("{}/v1/rewards", url.trim_end_matches('/'));
        let response = Client::new().get(url).send().map_err(|e| unavailable(&e))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(GrantsError::None);
        }
        let response = response.error_for_status().map_err(|e| unavailable(&e))?;
        let deadline = Instant::now() + committee::payload_time(MAX_LEN as u64);
        let bytes =
            committee::read(response, MAX_LEN as u64, deadline).map_err(|e| unavailable(&e))?;
        Self::new(&bytes, network, emission)
    }

    /// The leaves in a payload of the network with this id, if they make both of the emission's final roots.
    ///
    /// # Errors
    /// [`GrantsError`].
    pub fn new(payload: &[u8], network: &Hash, emission: &Emission) -> Result<Self, GrantsError> {
        let Payload::Rewards {
            network: of,
            rewards,
        } = Payload::decode(payload)?
        else {
            return Err(GrantsError::Foreign);
        };
        if of != *network {
            return Err(GrantsError::Foreign);
        }
        let (scores, tree) = score::trees(&rewards)?;
        let (score, roots) = (scores.root(), &emission.roots);
        if emission.finals == 0
            || (rewards.epoch, rewards.depth) != (emission.final_epoch, roots.depth)
            || (score.hash, score.sum) != (roots.score_hash, roots.score_sum)
            || tree.root() != roots.reward_root()
        {
            return Err(GrantsError::WrongRoots(emission.final_epoch));
        }
        Ok(Self { rewards, tree })
    }

    /// The epoch that the final rewards go up to.
    pub fn epoch(&self) -> u64 {
        self.rewards.epoch
    }
}

/// A payee that could not be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unpaid {
    /// The owner, or the operator's pool.
    pub payee: String,
    /// Why.
    pub reason: String,
}

/// Whom the emission's circuit breaker has wait, and until when if nobody else claims before. Times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// The owner, or the operator's pool.
    pub payee: String,
    /// What is left to be paid, base units.
    pub left: u64,
    /// How much of it can be claimed at once: all, or as much as the breaker ever lets pass.
    pub next: u64,
    /// When that can be claimed.
    pub at: i64,
    /// When the last of it can be claimed, if each part was as soon as it could.
    pub last_at: i64,
}

impl Wait {
    /// Of a payee to which `left` > 0 base units are still to be paid.
    pub fn of(breaker: &Breaker, payee: &Pubkey, left: u64) -> Self {
        let next = left.min(breaker.limit);
        // A time that no number says never comes.
        let at = |amount| breaker.passes_at(amount).unwrap_or(i64::MAX);
        Self {
            payee: payee.to_string(),
            left,
            next,
            at: at(next),
            last_at: at(left),
        }
    }
}

/// Why a run ended before everybody was tried; running it again goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The circuit breaker lets no more pass now.
    Breaker(Wait),
    /// What the chain said.
    Chain(String),
}

/// What a run has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Payees that the final rewards grant anything.
    pub payees: usize,
    /// How many of them had got all of it before.
    pub paid_before: usize,
    /// How many got the rest while this ran.
    pub paid: usize,
    /// What payees got while this ran, base units.
    pub amount: u64,
    /// Transactions that paid them.
    pub transactions: usize,
    /// Fees of these, lamports.
    pub fees: u64,
    /// Rent of the token accounts that were opened anew, lamports.
    pub rent: u64,
    /// Who could not be paid.
    pub unpaid: Vec<Unpaid>,
    /// Why the run ended before everybody was tried.
    pub stopped: Option<Stop>,
}

impl Totals {
    /// Whether everybody has got everything.
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none() && self.unpaid.is_empty()
    }
}

/// Who pays for claims, and where.
pub struct Sponsor<'a> {
    /// The chain.
    pub chain: &'a dyn Chain,
    /// The network's address.
    pub network: Pubkey,
    /// Mint of its rewards.
    pub reward_mint: Pubkey,
    /// Pays fees and rent.
    pub payer: &'a Keypair,
    /// Whether to pay the rent of associated token accounts that owners have closed before they were ever paid. It is paid
    /// once a payee: who closes an account that was paid has its rent, and could do so each time.
    pub open_accounts: bool,
}

/// A payee that has something to get.
struct Claim {
    kind: PayeeKind,
    index: u32,
    owner: Pubkey,
    /// Its account.
    payee: Pubkey,
    destination: Pubkey,
    /// Whether the destination has to be opened first.
    open: bool,
    claimed: u64,
    cumulative: u64,
}

impl Claim {
    /// What is left to be paid, base units.
    fn left(&self) -> u64 {
        self.cumulative.saturating_sub(self.claimed)
    }
}

/// Pays everybody what `grants` say and was not paid before. Tells `say` how it stands before anything is sent and after
/// each transaction: from several threads, but one at a time, so that it never says less than before.
///
/// Who is owed more than the circuit breaker's limit comes last, as he takes all that it lets pass, and the run ends with
/// that part.
///
/// What stops the run or a payee is in the result.
///
/// # Errors
/// The chain's, before anything was sent.
pub fn pay(
    sponsor: &Sponsor<'_>,
    grants: &Grants,
    say: &(dyn Fn(&Totals) + Sync),
) -> Result<Totals, ClientError> {
    let mut totals = Totals::default();
    let limit = sponsor.emission()?.breaker.limit;
    let mut claims = sponsor.claims(grants, &mut totals)?;
    claims.sort_by_key(|claim| claim.left() > limit);
    let rent = sponsor.chain.rent(token::ACCOUNT_LEN)?;
    let batches = sponsor.batches(grants, claims)?;
    let run = Run {
        sponsor,
        grants,
        rent,
        limit,
        totals: Mutex::new(totals),
        say,
    };
    run.tell();
    let threads = batches.len().min(IN_FLIGHT);
    let queue = Mutex::new(batches.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                match next {
                    Some(batch) if !run.has_stopped() => run.settle(batch),
                    _ => return,
                }
            });
        }
    });
    Ok(run
        .totals
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

impl Sponsor<'_> {
    fn emission(&self) -> Result<Emission, ClientError> {
        chain::read(self.chain, &emissions::emission(&self.network))
    }

    /// Who has something to get and can get it. Counts the others.
    fn claims(&self, grants: &Grants, totals: &mut Totals) -> Result<Vec<Claim>, ClientError> {
        let granted: Vec<_> = grants
            .rewards
            .entries
            .iter()
            .filter(|entry| entry.cumulative > 0)
            .map(|entry| {
                // The tree, whose root is the chain's, has no other kinds.
                let kind = match entry.kind {
                    score::OPERATOR => PayeeKind::Operator,
                    _ => PayeeKind::Owner,
                };
                let owner = Pubkey::from(entry.payee);
                (
                    entry,
                    kind,
                    owner,
                    emissions::payee(&self.network, kind, &owner),
                )
            })
            .collect();
        totals.payees = granted.len();
        let keys: Vec<Pubkey> = granted.iter().map(|(.., key)| *key).collect();
        let mut claims = Vec::new();
        for ((entry, kind, owner, payee), account) in
            granted
                .into_iter()
                .zip(chain::find_each::<Payee>(self.chain, &keys)?)
        {
            let state = account.ok_or(ClientError::NoAccount(payee))?;
            if state.claimed >= entry.cumulative {
                totals.paid_before += 1;
                continue;
            }
            claims.push(Claim {
                kind,
                index: entry.index,
                owner,
                payee,
                destination: state.destination,
                open: false,
                claimed: state.claimed,
                cumulative: entry.cumulative,
            });
        }
        let keys: Vec<Pubkey> = claims.iter().map(|claim| claim.destination).collect();
        let destinations = self.chain.accounts(&keys)?;
        let mut payable = Vec::with_capacity(claims.len());
        for (mut claim, account) in claims.into_iter().zip(destinations) {
            let account = account.filter(|account| account.lamports > 0);
            let is_associated = claim.kind == PayeeKind::Owner
                && claim.destination == token::associated(&claim.owner, &self.reward_mint);
            let is_closed = account.is_none() && is_associated;
            claim.open = is_closed && self.open_accounts && claim.claimed == 0;
            let usable =
                account.is_some_and(|account| token::is_usable(&account, &self.reward_mint));
            if usable || claim.open {
                payable.push(claim);
            } else {
                let why = if is_closed && self.open_accounts {
                    "was closed after it was paid, and is for its owner to open again"
                } else {
                    "is closed or takes no tokens"
                };
                totals.unpaid.push(Unpaid {
                    payee: claim.owner.to_string(),
                    reason: format!("its destination {} {why}", claim.destination),
                });
            }
        }
        Ok(payable)
    }

    /// As many claims together as fit a transaction.
    fn batches(&self, grants: &Grants, claims: Vec<Claim>) -> Result<Vec<Vec<Claim>>, ClientError> {
        let mut batches = Vec::new();
        let (mut batch, mut instructions) = (Vec::new(), Vec::new());
        for claim in claims {
            let before = instructions.len();
            instructions.extend(self.instructions(grants, &claim)?);
            if before > 0 && !transaction::fits(&instructions, self.payer, &[])? {
                instructions.drain(..before);
                batches.push(std::mem::take(&mut batch));
            }
            batch.push(claim);
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        Ok(batches)
    }

    fn instructions(
        &self,
        grants: &Grants,
        claim: &Claim,
    ) -> Result<Vec<Instruction>, ClientError> {
        let path = grants.tree.path(claim.kind as u8, claim.index);
        let path = path.map_err(|error| ClientError::Build(error.to_string()))?;
        let mut instructions = Vec::with_capacity(2);
        if claim.open {
            let payer = self.payer.pubkey();
            instructions.push(token::create_associated(
                &payer,
                &claim.owner,
                &self.reward_mint,
            ));
        }
        let place = ClaimAccounts {
            network: self.network,
            payee: claim.payee,
            reward_mint: self.reward_mint,
            destination: claim.destination,
        };
        instructions.push(emissions::claim(place, claim.cumulative, path));
        Ok(instructions)
    }
}

/// A run, shared by its threads.
struct Run<'a> {
    sponsor: &'a Sponsor<'a>,
    grants: &'a Grants,
    rent: u64,
    /// The circuit breaker's.
    limit: u64,
    totals: Mutex<Totals>,
    say: &'a (dyn Fn(&Totals) + Sync),
}

/// What an error of a transaction is the fault of.
enum Fault {
    /// Of the moment: the same transaction may pass later.
    Moment,
    /// Of something in it.
    Claim,
    /// Of how much was claimed lately.
    Breaker,
    /// Of everything: none will pass.
    All(String),
}

impl Fault {
    fn of(error: &ClientError) -> Self {
        match error {
            error if error.is_of_moment() => Self::Moment,
            ClientError::Refused(failure)
                if failure.program == Some(reward_emission::ID)
                    && failure.code == u32::from(EmissionError::BreakerOpen) =>
            {
                Self::Breaker
            }
            error if error.is_of_instruction() => Self::Claim,
            error => Self::All(error.to_string()),
        }
    }
}

impl Run<'_> {
    /// Pays a batch: all together, or each alone if they can't be paid together.
    fn settle(&self, mut batch: Vec<Claim>) {
        let (mut failures, mut landed) = (0, 0);
        while !batch.is_empty() && !self.has_stopped() {
            let in_parts = batch.iter().any(|claim| claim.left() > self.limit);
            let sent = self.send(&batch);
            let before = batch.len();
            // What counts is what the chain says was paid: by this transaction, by one of an earlier run that was still on
            // its way, or by anybody else.
            if let Err(error) = self.book(&mut batch) {
                return self.stop(Stop::Chain(error.to_string()));
            }
            match sent {
                // As much was paid as passes now: more would be claimed by the crumb, and a fee for each.
                Ok(()) if in_parts && !batch.is_empty() => {
                    self.tell();
                    return self.wait(&batch);
                }
                Ok(()) => {}
                // Not what was wrong, if somebody else paid one of them.
                Err(_) if batch.len() < before => {}
                Err(error) => match Fault::of(&error) {
                    Fault::Moment => {
                        let transactions = self.totals().transactions;
                        failures = if transactions > landed {
                            1
                        } else {
                            failures + 1
                        };
                        landed = transactions;
                        if failures > FAILURES {
                            return self.stop(Stop::Chain(error.to_string()));
                        }
                    }
                    Fault::All(_) | Fault::Breaker | Fault::Claim if batch.len() > 1 => {
                        for claim in batch.drain(..) {
                            self.settle(vec![claim]);
                        }
                    }
                    Fault::All(reason) => return self.stop(Stop::Chain(reason)),
                    Fault::Breaker => return self.wait(&batch),
                    Fault::Claim => return self.give_up(&batch, &error),
                },
            }
            self.tell();
        }
    }

    fn send(&self, batch: &[Claim]) -> Result<(), ClientError> {
        let Sponsor { chain, payer, .. } = *self.sponsor;
        let mut instructions = Vec::new();
        for claim in batch {
            instructions.extend(self.sponsor.instructions(self.grants, claim)?);
        }
        let done = transaction::send(chain, &instructions, payer, &[])?;
        let opened = batch.iter().filter(|claim| claim.open).count() as u64;
        let mut totals = self.totals();
        totals.transactions += 1;
        totals.fees += done.fee;
        totals.rent += opened * self.rent;
        Ok(())
    }

    /// Reads what the payees of a batch have got by now, counts it, and leaves those who are still owed something.
    fn book(&self, batch: &mut Vec<Claim>) -> Result<(), ClientError> {
        let keys: Vec<Pubkey> = batch.iter().map(|claim| claim.payee).collect();
        let states = chain::find_each::<Payee>(self.sponsor.chain, &keys)?;
        let mut totals = self.totals();
        for (claim, state) in batch.iter_mut().zip(states) {
            let claimed = state.map_or(claim.claimed, |state| state.claimed);
            totals.amount += claimed.saturating_sub(claim.claimed);
            claim.open &= claimed == claim.claimed;
            claim.claimed = claimed;
        }
        let before = batch.len();
        batch.retain(|claim| claim.claimed < claim.cumulative);
        totals.paid += before - batch.len();
        Ok(())
    }

    fn give_up(&self, batch: &[Claim], error: &ClientError) {
        let unpaid = batch.iter().map(|claim| Unpaid {
            payee: claim.owner.to_string(),
            reason: error.to_string(),
        });
        self.totals().unpaid.extend(unpaid);
    }

    /// Ends the run since the circuit breaker lets nothing of a batch pass now.
    fn wait(&self, batch: &[Claim]) {
        let Some(claim) = batch.first() else {
            return;
        };
        self.stop(match self.sponsor.emission() {
            Ok(emission) => Stop::Breaker(Wait::of(&emission.breaker, &claim.owner, claim.left())),
            Err(error) => Stop::Chain(error.to_string()),
        });
    }

    /// Ends the run: what is on its way is still waited for.
    fn stop(&self, why: Stop) {
        self.totals().stopped.get_or_insert(why);
    }

    fn has_stopped(&self) -> bool {
        self.totals().stopped.is_some()
    }

    fn tell(&self) {
        let totals = self.totals();
        (self.say)(&totals);
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
