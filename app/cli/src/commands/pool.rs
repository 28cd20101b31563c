//! `fieldproof pool`: stake, for those who delegate it and for the operator who has it stand behind a network.

use crate::commands::heir;
use crate::context::Context;
use crate::output;
use crate::tokens::Tokens;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{bail, ensure, Context as _, Result};
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, RpcChain};
use fieldproof_client::credits::present;
use fieldproof_client::{security_pool as pools, token, transaction};
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{
    Delegation, Pool, Pot, Roster, RosterEntry, Withdrawal, FULL_BPS, MAX_COOLDOWN, MIN_SEED,
};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show a pool, its place in the network, and what you have in it
    Show {
        #[command(flatten)]
        which: Which,
        /// Whose stake; your keypair's, if there is one, if not said
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Pubkey>,
    },
    /// Show the operators of the network
    List,
    #[command(flatten)]
    Act(Action),
}

/// What is sent.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Make a pool of the network's stake mint, as its operator
    Create(Create),
    /// Stake tokens in a pool
    Delegate {
        #[command(flatten)]
        which: Which,
        /// Tokens, as a decimal number
        #[arg(value_name = "TOKENS")]
        amount: String,
    },
    /// Ask for stake back; it can be slashed until it is paid
    Request {
        #[command(flatten)]
        which: Which,
        /// Tokens, as a decimal number, or `all`
        #[arg(value_name = "TOKENS")]
        amount: String,
    },
    /// Take all that has cooled down
    Withdraw {
        #[command(flatten)]
        which: Which,
    },
    /// Have stake stand behind the network, as the pool's operator: a seat comes after a full epoch
    OptIn {
        #[command(flatten)]
        which: Which,
        /// Tokens, as a decimal number: no more than the pool's stake, and what is allocated already included
        #[arg(value_name = "TOKENS")]
        allocation: String,
    },
    /// Leave the network with this epoch, as the pool's operator; the stake can be slashed for a cool-down more
    OptOut {
        #[command(flatten)]
        which: Which,
    },
    /// Bring the pool's place in the network up to date, once something has cooled down; anyone may
    Refresh {
        #[command(flatten)]
        which: Which,
    },
    /// Name the worker's key, as the pool's operator; it votes from the next epoch on
    SetSigner {
        #[command(flatten)]
        which: Which,
        /// The worker's key
        #[arg(value_name = "ADDRESS")]
        signer: Pubkey,
    },
    /// Offer the pool to another operator, who accepts
    Offer {
        #[command(flatten)]
        which: Which,
        /// Who may accept; yourself to take an offer back
        #[arg(value_name = "ADDRESS")]
        to: Pubkey,
    },
    /// Take over a pool that you were offered
    Accept {
        /// The pool's address
        #[arg(long, value_name = "ADDRESS", env = "FIELDPROOF_POOL")]
        pool: Pubkey,
    },
}

/// Which pool.
#[derive(clap::Args)]
pub struct Which {
    /// The pool's address; the one that your keypair created if not said
    #[arg(long, value_name = "ADDRESS", env = "FIELDPROOF_POOL")]
    pool: Option<Pubkey>,
}

impl Which {
    /// Its address, where `creator` is the keypair's key.
    pub fn address(&self, stake_mint: &Pubkey, creator: &Pubkey) -> Pubkey {
        self.pool
            .unwrap_or_else(|| pools::pool(stake_mint, creator))
    }

    /// As [`Which::address`], where the keypair is asked for only if need be.
    pub fn address_or(
        &self,
        stake_mint: &Pubkey,
        creator: impl FnOnce() -> Result<Pubkey>,
    ) -> Result<Pubkey> {
        match self.pool {
            Some(pool) => Ok(pool),
            None => Ok(pools::pool(stake_mint, &creator()?)),
        }
    }
}

#[derive(clap::Args)]
pub struct Create {
    /// The worker's key, which is online
    #[arg(long, value_name = "ADDRESS")]
    signer: Pubkey,
    /// Tokens of yours whose shares belong to nobody, ever; as few as may be if not said
    #[arg(long, value_name = "TOKENS")]
    seed: Option<String>,
    /// Seconds between asking for stake and getting it; twice what the network asks for if not said. It never changes
    #[arg(long, value_name = "SECONDS")]
    cooldown: Option<i64>,
    /// How often the stake may be allocated, to as many networks, in basis points: 10000 is once. It never changes
    #[arg(long, value_name = "BPS", default_value_t = FULL_BPS)]
    leverage_bps: u32,
    /// Let others than its operator delegate to it: then what more a network counts of it begins a week and the cool-down
    /// later. It never changes
    #[arg(long)]
    takes_delegators: bool,
}

/// A pool. Amounts are in tokens, times in seconds.
#[derive(Serialize)]
struct Shown {
    pool: String,
    operator: String,
    offered_to: Option<String>,
    signer: String,
    staked: String,
    cooling: String,
    insurance: String,
    slashed: String,
    allocated: String,
    leverage_bps: u32,
    takes_delegators: bool,
    cooldown: i64,
    seat: Option<Seat>,
    delegation: Option<Delegated>,
    signatures: Vec<String>,
}

/// A pool's place in the network.
#[derive(Serialize)]
struct Seat {
    pool: String,
    /// What it allocates in the present epoch.
    allocation: String,
    /// What it allocates from `next_epoch` on.
    next_allocation: String,
    next_epoch: u64,
    /// When what is not allocated any more can't be slashed any more, unix seconds.
    releases_at: Option<i64>,
}

/// Somebody's stake in a pool.
#[derive(Serialize)]
struct Delegated {
    owner: String,
    /// What the shares are worth now.
    worth: String,
    withdrawals: Vec<Cooling>,
}

/// Stake on its way out.
#[derive(Serialize)]
struct Cooling {
    number: u64,
    worth: String,
    /// From when it is paid, unix seconds.
    available_at: i64,
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
    match command {
        Command::List => place.list(context),
        Command::Show { which, owner } => {
            let own = || context.keypair().map(|keypair| keypair.pubkey());
            let pool = which.address_or(&place.terms.stake_mint, own)?;
            let owner = match owner {
                Some(owner) => Some(owner),
                None => context.keypair_if_any()?.map(|keypair| keypair.pubkey()),
            };
            place.show(context, &pool, owner, Vec::new())
        }
        Command::Act(action) => {
            let keypair = context.keypair()?;
            let done = place.act(context, &keypair, action)?;
            place.show(context, &done.pool, Some(keypair.pubkey()), done.signatures)
        }
    }
}

/// What was done to a pool.
struct Done {
    pool: Pubkey,
    signatures: Vec<String>,
}

/// Where pools are.
struct Place {
    chain: RpcChain,
    network: Pubkey,
    terms: Network,
    tokens: Tokens,
}

impl Place {
    fn act(&self, context: &Context, keypair: &Keypair, action: Action) -> Result<Done> {
        let own = keypair.pubkey();
        let stake_mint = self.terms.stake_mint;
        let network = &self.network;
        let address = |which: &Which| which.address(&stake_mint, &own);
        let (pool, instructions) = match action {
            Action::Create(create) => (pools::pool(&stake_mint, &own), self.create(&own, &create)?),
            Action::Delegate { which, amount } => {
                let pool = address(&which);
                let found = self.pool(&pool)?;
                ensure!(
                    found.takes_delegators == 1 || found.operator == own,
                    "{pool} takes stake of its operator alone"
                );
                let amount = self.tokens.parse(&amount)?;
                self.tokens.require(&self.chain, &own, amount)?;
                let shares = staked(&found).deposit(amount)?;
                // What others leave behind by rounding makes a share dearer meanwhile, though not by as much.
                let least = shares - shares / 1_000;
                let raises = found.raises;
                let delegate =
                    pools::delegate(&own, &own, &pool, &stake_mint, amount, least, raises);
                (pool, vec![delegate])
            }
            Action::Request { which, amount } => {
                let pool = address(&which);
                (pool, vec![self.request(&own, &pool, &amount)?])
            }
            Action::Withdraw { which } => return self.withdraw(context, keypair, &address(&which)),
            Action::OptIn { which, allocation } => {
                let pool = address(&which);
                let allocation = self.tokens.parse(&allocation)?;
                // Only a home elsewhere is named.
                let home = Some(self.pool(&pool)?.home).filter(|home| home != network);
                let home = home.unwrap_or_default();
                let opt_in = pools::opt_in_beside(&home, network, &pool, &own, allocation);
                (pool, vec![opt_in])
            }
            Action::OptOut { which } => {
                let pool = address(&which);
                (pool, vec![pools::opt_out(network, &pool, &own)])
            }
            Action::Refresh { which } => {
                let pool = address(&which);
                (pool, vec![pools::refresh(network, &pool)])
            }
            Action::SetSigner { which, signer } => {
                let pool = address(&which);
                let home = self.pool(&pool)?.home;
                (pool, vec![pools::set_signer(&pool, &own, &home, &signer)])
            }
            Action::Offer { which, to } => {
                let pool = address(&which);
                let to = heir(to, &own);
                (pool, vec![pools::transfer_operator(&pool, &own, &to)])
            }
            Action::Accept { pool } => (pool, vec![pools::accept_operator(&pool, &own)]),
        };
        let _progress = context.progress("sending");
        let done = transaction::send(&self.chain, &instructions, keypair, &[])?;
        Ok(Done {
            pool,
            signatures: vec![done.signature.to_string()],
        })
    }

    fn pool(&self, address: &Pubkey) -> Result<Pool> {
        let pool: Option<Pool> = chain::find(&self.chain, address)?;
        let pool = pool.with_context(|| {
            format!(
                "there is no pool at {address}: make one with `fieldproof pool create`, or name it with --pool"
            )
        })?;
        ensure!(
            pool.stake_mint == self.terms.stake_mint,
            "the pool's stake is of mint {}, and this network's of {}",
            pool.stake_mint,
            self.terms.stake_mint
        );
        Ok(pool)
    }

    fn create(&self, own: &Pubkey, create: &Create) -> Result<Vec<Instruction>> {
        let mint = &self.terms.stake_mint;
        let address = pools::pool(mint, own);
        ensure!(
            chain::find::<Pool>(&self.chain, &address)?.is_none(),
            "your pool is at {address} already: `fieldproof pool set-signer` names another worker, and a second pool takes another keypair"
        );
        let seed = match &create.seed {
            Some(seed) => self.tokens.parse(seed)?,
            None => MIN_SEED,
        };
        self.tokens.require(&self.chain, own, seed)?;
        let parameters = &self.terms.parameters;
        let asked = self
            .terms
            .epoch_length
            .saturating_add(parameters.evidence_window);
        let cooldown = create
            .cooldown
            .unwrap_or_else(|| asked.saturating_mul(2).min(MAX_COOLDOWN));
        ensure!(
            cooldown > asked,
            "this network asks for a cool-down of more than {asked} seconds, an epoch and the time in which evidence is taken"
        );
        let most = self.roster()?.max_leverage_bps;
        ensure!(
            create.leverage_bps <= most,
            "this network takes a leverage of at most {most} basis points"
        );
        let args = CreatePoolArgs {
            signer: create.signer,
            cooldown,
            leverage_bps: create.leverage_bps,
            seed,
            takes_delegators: create.takes_delegators,
        };
        Ok(vec![pools::create_pool(own, own, mint, args)])
    }

    fn request(&self, own: &Pubkey, address: &Pubkey, amount: &str) -> Result<Instruction> {
        let pool = self.pool(address)?;
        let delegation = self.delegation(address, own)?;
        let delegation = delegation.with_context(|| format!("{own} has no stake in {address}"))?;
        let shares = match amount {
            "all" => delegation.shares,
            amount => {
                let amount = self.tokens.parse(amount)?;
                let worth = worth(staked(&pool), delegation.shares);
                ensure!(
                    amount <= worth,
                    "your stake in the pool is worth {}: ask for no more, or for all",
                    self.tokens.format(worth)
                );
                let shares = (u128::from(amount) * u128::from(pool.shares))
                    .div_ceil(u128::from(pool.staked.max(1)));
                u64::try_from(shares)
                    .map_or(delegation.shares, |shares| shares.min(delegation.shares))
            }
        };
        let number = delegation.withdrawals;
        Ok(pools::request_withdrawal(
            own, own, address, &pool.home, number, shares,
        ))
    }

    /// Pays each withdrawal that has cooled down, in a transaction of its own.
    fn withdraw(&self, context: &Context, keypair: &Keypair, address: &Pubkey) -> Result<Done> {
        let own = keypair.pubkey();
        self.pool(address)?;
        let progress = context.progress("looking for what has cooled down");
        let now = self.chain.clock()?.unix_timestamp;
        let requested = self.withdrawals(address, &own)?;
        let mut signatures = Vec::new();
        let due = requested
            .iter()
            .filter(|withdrawal| withdrawal.available_at <= now);
        for withdrawal in due {
            let number = withdrawal.number;
            progress.say(format!("paying withdrawal {number}"));
            let mint = &self.terms.stake_mint;
            let instructions = [
                token::create_associated(&own, &own, mint),
                pools::withdraw(&own, address, mint, number),
            ];
            let done = transaction::send(&self.chain, &instructions, keypair, &[])
                .with_context(|| paid_before(&signatures))?;
            signatures.push(done.signature.to_string());
        }
        if signatures.is_empty() {
            match requested.iter().map(|found| found.available_at).min() {
                Some(at) => bail!("still cooling, for {} more", output::duration(at - now)),
                None => bail!("nothing to withdraw: ask for it with `fieldproof pool request`"),
            }
        }
        Ok(Done {
            pool: *address,
            signatures,
        })
    }

    fn roster(&self) -> Result<Roster> {
        self.roster_if_any()?
            .context("the network has no roster yet: its authority opens it with `migrate`")
    }

    fn roster_if_any(&self) -> Result<Option<Roster>> {
        Ok(chain::find(&self.chain, &pools::roster(&self.network))?)
    }

    fn delegation(&self, pool: &Pubkey, owner: &Pubkey) -> Result<Option<Delegation>> {
        Ok(chain::find(&self.chain, &pools::delegation(pool, owner))?)
    }

    /// What an owner has on its way out of a pool, first what was requested first.
    fn withdrawals(&self, pool: &Pubkey, owner: &Pubkey) -> Result<Vec<Withdrawal>> {
        let count = self
            .delegation(pool, owner)?
            .map_or(0, |found| found.withdrawals);
        let keys: Vec<_> = (0..count)
            .map(|number| pools::withdrawal(pool, owner, number))
            .collect();
        let found = chain::find_each(&self.chain, &keys)?;
        Ok(found.into_iter().flatten().collect())
    }

    fn seat(&self, entry: &RosterEntry, epoch: u64) -> Seat {
        Seat {
            pool: entry.pool.to_string(),
            allocation: self.tokens.format(entry.allocation_at(epoch)),
            next_allocation: self.tokens.format(entry.next),
            next_epoch: entry.effective_epoch.max(epoch),
            releases_at: (entry.release_at != 0).then_some(entry.release_at),
        }
    }

    fn list(&self, context: &Context) -> Result<()> {
        let epoch = present(&self.terms, self.chain.clock()?.unix_timestamp)?;
        let roster = self.roster()?;
        let entries = roster.entries.iter().filter(|entry| !entry.is_free());
        let seats: Vec<_> = entries.map(|entry| self.seat(entry, epoch)).collect();
        context.print(&seats, || {
            if seats.is_empty() {
                return "no operators".to_owned();
            }
            output::rows(seats.iter().map(|seat| (seat.pool.as_str(), seat.text())))
        })
    }

    fn show(
        &self,
        context: &Context,
        address: &Pubkey,
        owner: Option<Pubkey>,
        signatures: Vec<String>,
    ) -> Result<()> {
        let pool = self.pool(address)?;
        let now = self.chain.clock()?.unix_timestamp;
        // A pool is made and staked in before the network's first epoch too.
        let epoch = self.terms.epoch(now).ok();
        let seat = epoch
            .zip(self.roster_if_any()?)
            .and_then(|(epoch, roster)| {
                let entry = roster.entry(address)?;
                Some(self.seat(entry, epoch))
            });
        let delegation = match owner {
            Some(owner) => self.delegated(&pool, address, &owner)?,
            None => None,
        };
        let shown = Shown {
            pool: address.to_string(),
            operator: pool.operator.to_string(),
            offered_to: output::somebody(&pool.pending_operator),
            signer: pool.signer.to_string(),
            staked: self.tokens.format(pool.staked),
            cooling: self.tokens.format(pool.cooling),
            insurance: self.tokens.format(pool.insurance),
            slashed: self.tokens.format(pool.slashed_total),
            allocated: self.tokens.format(pool.allocated),
            leverage_bps: pool.leverage_bps,
            takes_delegators: pool.takes_delegators == 1,
            cooldown: pool.cooldown,
            seat,
            delegation,
            signatures,
        };
        context.print(&shown, || shown.text(now))
    }

    /// What an owner has in a pool.
    fn delegated(
        &self,
        pool: &Pool,
        address: &Pubkey,
        owner: &Pubkey,
    ) -> Result<Option<Delegated>> {
        let Some(found) = self.delegation(address, owner)? else {
            return Ok(None);
        };
        Ok(Some(Delegated {
            owner: owner.to_string(),
            worth: self.tokens.format(worth(staked(pool), found.shares)),
            withdrawals: self.cooling(pool, address, owner)?,
        }))
    }

    fn cooling(&self, pool: &Pool, address: &Pubkey, owner: &Pubkey) -> Result<Vec<Cooling>> {
        let withdrawals = self.withdrawals(address, owner)?;
        let found = withdrawals.iter().map(|found| Cooling {
            number: found.number,
            worth: self.tokens.format(
                // Shares of an earlier generation were slashed away.
                match found.generation == pool.cooling_generation {
                    true => worth(cooling(pool), found.cooling_shares),
                    false => 0,
                },
            ),
            available_at: found.available_at,
        });
        Ok(found.collect())
    }
}

impl Seat {
    fn text(&self) -> String {
        let mut text = format!("{} tokens", self.allocation);
        if self.next_allocation != self.allocation {
            text += &format!(
                ", {} from epoch {} on",
                self.next_allocation, self.next_epoch
            );
        }
        text
    }
}

impl Shown {
    fn text(&self, now: i64) -> String {
        let mut rows = vec![
            ("Pool", self.pool.clone()),
            ("Operator", self.operator.clone()),
        ];
        if let Some(to) = &self.offered_to {
            rows.push(("Offered to", to.clone()));
        }
        rows.extend([
            ("Worker's key", self.signer.clone()),
            ("Staked", format!("{} tokens", self.staked)),
            ("Cooling down", format!("{} tokens", self.cooling)),
            ("Slashed so far", format!("{} tokens", self.slashed)),
            (
                "Allocated",
                format!(
                    "{} tokens, to all networks, at most {} basis points of what is staked",
                    self.allocated, self.leverage_bps
                ),
            ),
            (
                "Delegators",
                match self.takes_delegators {
                    true => "welcome".to_owned(),
                    false => "none: its operator alone stakes in it".to_owned(),
                },
            ),
            ("Cool-down", output::duration(self.cooldown)),
            (
                "In this network",
                self.seat.as_ref().map_or_else(
                    || "none: join with `fieldproof pool opt-in`".to_owned(),
                    Seat::text,
                ),
            ),
        ]);
        if let Some(delegation) = &self.delegation {
            rows.push((
                "Yours",
                format!("{} tokens, of {}", delegation.worth, delegation.owner),
            ));
            for cooling in &delegation.withdrawals {
                let when = match cooling.available_at - now {
                    left @ 1.. => format!("paid in {}", output::duration(left)),
                    _ => "can be withdrawn".to_owned(),
                };
                rows.push((
                    "On its way out",
                    format!("{} tokens, {when}", cooling.worth),
                ));
            }
        }
        rows.extend(output::signatures(&self.signatures));
        output::rows(rows)
    }
}

/// What was done of withdrawals before one failed.
fn paid_before(signatures: &[String]) -> String {
    match signatures {
        [] => "none was paid".to_owned(),
        paid => format!("paid before: {}", paid.join(", ")),
    }
}

/// What is staked in a pool.
fn staked(pool: &Pool) -> Pot {
    Pot {
        worth: pool.staked,
        shares: pool.shares,
    }
}

/// What cools down in a pool.
fn cooling(pool: &Pool) -> Pot {
    Pot {
        worth: pool.cooling,
        shares: pool.cooling_shares,
    }
}

/// What shares of a pot are worth.
fn worth(mut pot: Pot, shares: u64) -> u64 {
    pot.withdraw(shares).unwrap_or(0)
}
