//! The books, from scratch after every instruction: sums over all accounts and token balances, against what the accounts
//! say of themselves, and against what they must say after what was done.

use super::book::{Book, Paid, Spent};
use super::world::{World, INSURANCE_BPS};
use ai_feed::state::{Attestation, AttesterBonds};
use anchor_lang::prelude::Pubkey;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use data_commitment::state::{Challenge, Stream};
use fieldproof_client::chain::{Chain, Filter};
use fieldproof_client::security_pool as pools;
use fieldproof_client::token::{associated, TOKEN_PROGRAM};
use reward_emission::state::{Credits, Demand, Emission, Epoch, Payee, Pricing, Proposal};
use security_pool::state::{
    Bond, Delegation, Pool, Report, Roster, SourceKind, Withdrawal, FULL_BPS, MIN_SEED,
};
use solana_account::Account;
use solana_signer::Signer;
use std::collections::HashMap;

/// Bytes of a mint and of a token account, and where they say what is looked for.
const MINT_BYTES: usize = 82;
const TOKEN_ACCOUNT_BYTES: usize = 165;
const SUPPLY: usize = 36;
const AMOUNT: usize = 64;

/// What slashes did so far, recomputed from the changes of their reports; and what credits, budgets and claims did, by site.
#[derive(Clone, Default)]
pub struct Ledger {
    pub books: Vec<Book>,
    /// By pool: its seed, whose shares belong to nobody, if it is more than the least.
    pub seeds: HashMap<Pubkey, u64>,
    /// By report: how much of it was divided.
    divided: HashMap<Pubkey, u64>,
    bounties: u64,
    insured: u64,
    burned: u64,
    /// Base units of stake that are there when nothing was slashed.
    minted: Option<u64>,
}

/// Everything on the chain that counts.
struct Accounts {
    tokens: HashMap<Pubkey, (Pubkey, u64)>,
    supplies: HashMap<Pubkey, u64>,
    pools: Vec<(Pubkey, Pool)>,
    delegations: Vec<(Pubkey, Delegation)>,
    withdrawals: Vec<(Pubkey, Withdrawal)>,
    reports: Vec<(Pubkey, Report)>,
    bonds: Vec<(Pubkey, Bond)>,
    rosters: Vec<(Pubkey, Roster)>,
    streams: Vec<(Pubkey, Stream)>,
    challenges: Vec<(Pubkey, Challenge, u64)>,
    emissions: Vec<(Pubkey, Emission)>,
    payees: Vec<(Pubkey, Payee)>,
    proposals: Vec<(Pubkey, Proposal)>,
    pricings: Vec<(Pubkey, Pricing)>,
    credits: Vec<(Pubkey, Credits)>,
    epochs: Vec<(Pubkey, Epoch)>,
    demands: Vec<(Pubkey, Demand)>,
    attestations: Vec<(Pubkey, Attestation)>,
    attester_bonds: Vec<(Pubkey, AttesterBonds)>,
}

/// The accounts of type `T` among those of its program.
fn of<T: ZeroCopy + Discriminator + Owner>(accounts: &[(Pubkey, Account)]) -> Vec<(Pubkey, T)> {
    accounts
        .iter()
        .filter(|(_, account)| account.data.starts_with(T::DISCRIMINATOR))
        .map(|(key, account)| {
            let bytes = &account.data[8..8 + std::mem::size_of::<T>()];
            (*key, bytemuck::pod_read_unaligned(bytes))
        })
        .collect()
}

fn number(data: &[u8], at: usize) -> u64 {
    let bytes = data[at..at + 8].try_into().expect("eight bytes");
    u64::from_le_bytes(bytes)
}

impl Accounts {
    fn read(chain: &dyn Chain) -> Self {
        let all = |program: &Pubkey| chain.program_accounts(program, &[]).expect("accounts");
        let mut tokens = HashMap::new();
        let mut supplies = HashMap::new();
        for (key, account) in all(&TOKEN_PROGRAM) {
            let data = &account.data;
            if data.len() == MINT_BYTES {
                supplies.insert(key, number(data, SUPPLY));
            } else if data.len() == TOKEN_ACCOUNT_BYTES {
                let mint = Pubkey::try_from(&data[..32]).expect("mint");
                tokens.insert(key, (mint, number(data, AMOUNT)));
            }
        }
        let security = all(&security_pool::ID);
        let commitments = all(&data_commitment::ID);
        let emissions = all(&reward_emission::ID);
        // Feeds and rounds are large.
        let some = |kind| {
            chain
                .program_accounts(&ai_feed::ID, &[Filter::of_type(kind)])
                .expect("accounts")
        };
        let lamports: HashMap<Pubkey, u64> = commitments
            .iter()
            .map(|(key, account)| (*key, account.lamports))
            .collect();
        Self {
            tokens,
            supplies,
            pools: of(&security),
            delegations: of(&security),
            withdrawals: of(&security),
            reports: of(&security),
            bonds: of(&security),
            rosters: of(&security),
            streams: of(&commitments),
            challenges: of(&commitments)
                .into_iter()
                .map(|(key, challenge)| (key, challenge, lamports[&key]))
                .collect(),
            emissions: of(&emissions),
            payees: of(&emissions),
            proposals: of(&emissions),
            pricings: of(&emissions),
            credits: of(&emissions),
            epochs: of(&emissions),
            demands: of(&emissions),
            attestations: of(&some(Attestation::DISCRIMINATOR)),
            attester_bonds: of(&some(AttesterBonds::DISCRIMINATOR)),
        }
    }

    fn balance(&self, account: &Pubkey) -> u128 {
        self.tokens
            .get(account)
            .map_or(0, |(_, amount)| (*amount).into())
    }
}

/// The sum of some numbers, which never overflows.
fn sum(numbers: impl Iterator<Item = u64>) -> u128 {
    numbers.map(u128::from).sum()
}

/// Compares two sums that must be the same.
fn same(what: &str, of: &Pubkey, is: u128, should: u128) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("{what} of {of}: {is}, but the books say {should}"))
}

impl Ledger {
    /// One of sites with these books.
    pub fn new(books: Vec<Book>) -> Self {
        Self {
            books,
            ..Self::default()
        }
    }

    /// Brings the ledger up to date, and checks all books.
    ///
    /// # Errors
    /// The first sum that is not what it must be.
    pub fn check(&mut self, world: &World) -> Result<(), String> {
        let accounts = Accounts::read(&world.harness.chain);
        self.follow(&accounts.reports)?;
        self.tokens(world, &accounts)?;
        self.pools(&accounts)?;
        Self::bonds(&accounts)?;
        Self::attester_bonds(world, &accounts)?;
        Self::challenges(world, &accounts)?;
        for (site, book) in world.base.sites.iter().zip(&mut self.books) {
            let network = &site.network.key;
            rewards(book, network, &accounts)?;
            credits(book, network, &accounts)?;
        }
        Ok(())
    }

    /// Divides what was newly taken by a report, as the terms say.
    fn follow(&mut self, reports: &[(Pubkey, Report)]) -> Result<(), String> {
        for (key, report) in reports {
            let divided = report
                .amount
                .checked_sub(report.excess)
                .ok_or_else(|| format!("report {key} locks more than it took"))?;
            let before = self.divided.insert(*key, divided).unwrap_or(0);
            let new = divided
                .checked_sub(before)
                .ok_or_else(|| format!("report {key} locks again what it divided"))?;
            let part = |bps: u64| (u128::from(new) * u128::from(bps) / u128::from(FULL_BPS)) as u64;
            let bounty = part(report.bounty_bps.into());
            let insured = match report.kind == SourceKind::Pool as u8 {
                true => part(INSURANCE_BPS.into()),
                false => 0,
            };
            self.bounties += bounty;
            self.insured += insured;
            self.burned += new - bounty - insured;
        }
        Ok(())
    }

    /// Of each mint, the token accounts hold what there is; of stake, there is what was minted but for what was burned.
    fn tokens(&mut self, world: &World, accounts: &Accounts) -> Result<(), String> {
        for (mint, supply) in &accounts.supplies {
            let held = sum(accounts
                .tokens
                .values()
                .filter(|(of, _)| of == mint)
                .map(|(_, amount)| *amount));
            same("supply", mint, (*supply).into(), held)?;
        }
        let stake = &world.base.stake_mint;
        let supply = accounts.supplies[stake];
        let minted = *self.minted.get_or_insert(supply);
        same(
            "burned",
            stake,
            (minted - supply).into(),
            self.burned.into(),
        )?;
        let bounty = associated(&world.base.challenger.pubkey(), stake);
        same(
            "bounties",
            &bounty,
            accounts.balance(&bounty),
            self.bounties.into(),
        )?;
        let harmed = associated(&world.base.harmed, stake);
        let unpaid = sum(accounts.reports.iter().map(|(_, report)| report.insurance));
        let paid = u128::from(self.insured).checked_sub(unpaid);
        let paid = paid.ok_or("more insurance is set aside than was taken")?;
        same("insurance paid", &harmed, accounts.balance(&harmed), paid)
    }

    /// A pool's vault holds the shares' worth, what cools down, the locked excess and the insurance; shares and reports
    /// sum to what the pool says.
    fn pools(&self, accounts: &Accounts) -> Result<(), String> {
        for (key, pool) in &accounts.pools {
            let parts = [
                pool.staked,
                pool.cooling,
                pool.locked_excess,
                pool.insurance,
            ];
            let vault = accounts.balance(&pools::vault(key));
            same("vault", key, vault, sum(parts.into_iter()))?;
            let shares = accounts
                .delegations
                .iter()
                .filter(|(_, of)| of.pool == *key);
            let shares = sum(shares.map(|(_, delegation)| delegation.shares));
            same(
                "shares",
                key,
                pool.shares.into(),
                shares + u128::from(*self.seeds.get(key).unwrap_or(&MIN_SEED)),
            )?;
            let cooling = accounts.withdrawals.iter().filter(|(_, withdrawal)| {
                withdrawal.pool == *key && withdrawal.generation == pool.cooling_generation
            });
            let cooling = sum(cooling.map(|(_, withdrawal)| withdrawal.cooling_shares));
            same("cooling shares", key, pool.cooling_shares.into(), cooling)?;
            let reports = || {
                let reports = accounts.reports.iter().map(|(_, report)| report);
                reports
                    .filter(|report| report.kind == SourceKind::Pool as u8 && report.source == *key)
            };
            let excess = sum(reports().map(|report| report.excess));
            same("locked excess", key, pool.locked_excess.into(), excess)?;
            let insurance = sum(reports().map(|report| report.insurance));
            same("insurance", key, pool.insurance.into(), insurance)?;
            let slashed = sum(reports().map(|report| report.amount));
            same("slashed", key, pool.slashed_total.into(), slashed)?;
            let counted = accounts
                .rosters
                .iter()
                .flat_map(|(_, roster)| &roster.entries);
            let counted = sum(counted
                .filter(|entry| entry.pool == *key)
                .map(|entry| entry.counted));
            same("allocated", key, pool.allocated.into(), counted)?;
        }
        Ok(())
    }

    /// A network's vault of bonds holds what the bonds say.
    fn bonds(accounts: &Accounts) -> Result<(), String> {
        for (key, roster) in &accounts.rosters {
            let bonds = || {
                let bonds = accounts.bonds.iter().map(|(_, bond)| bond);
                bonds.filter(|bond| bond.network == roster.network)
            };
            let worth = sum(bonds().flat_map(|bond| [bond.amount, bond.cooling]));
            let vault = accounts.balance(&pools::bond_vault(&roster.network));
            same("bond vault", key, vault, worth)?;
            same("bonded", key, roster.bonded.into(), worth)?;
            for bond in bonds() {
                let reports = accounts.reports.iter().map(|(_, report)| report);
                let slashed = reports.filter(|report| {
                    report.kind == SourceKind::Bond as u8
                        && report.network == bond.network
                        && report.source == bond.owner
                });
                let slashed = sum(slashed.map(|report| report.amount));
                same("slashed", &bond.owner, bond.slashed_total.into(), slashed)?;
            }
        }
        Ok(())
    }

    /// A challenge holds its bond over its rent, and each stream knows how many ask.
    fn challenges(world: &World, accounts: &Accounts) -> Result<(), String> {
        for (key, challenge, lamports) in &accounts.challenges {
            let should = u128::from(world.base.challenge_rent) + u128::from(challenge.bond);
            same("lamports", key, (*lamports).into(), should)?;
        }
        for (key, stream) in &accounts.streams {
            let open = accounts.challenges.iter();
            let open = open
                .filter(|(_, challenge, _)| challenge.stream == *key)
                .count();
            same(
                "challenges",
                key,
                stream.open_challenges.into(),
                open as u128,
            )?;
        }
        Ok(())
    }

    /// What attesters have reserved is the bonds of their attestations, each once.
    fn attester_bonds(world: &World, accounts: &Accounts) -> Result<(), String> {
        for (key, bonds) in &accounts.attester_bonds {
            let feeds = world.base.sites.iter();
            let feeds: Vec<Pubkey> = feeds
                .filter(|site| site.network.key == bonds.network)
                .map(|site| site.feed)
                .collect();
            let behind = || {
                let attestations = accounts.attestations.iter().map(|(_, of)| of);
                attestations
                    .filter(|of| of.pool == bonds.pool && feeds.contains(&of.feed) && of.bond > 0)
            };
            let bonded = sum(behind().map(|attestation| attestation.bond));
            same("reserved", key, bonds.bonded.into(), bonded)?;
            let open = behind().count() as u128;
            same("attestations", key, bonds.open.into(), open)?;
        }
        Ok(())
    }
}

/// What was minted is what was claimed, by each and all, and paid where it was to be; no more than granted, nor that than the
/// epochs emitted that became final. An epoch emits what was burned in it, within bounds.
fn rewards(book: &mut Book, network: &Pubkey, accounts: &Accounts) -> Result<(), String> {
    let emission = accounts
        .emissions
        .iter()
        .find(|(_, of)| of.network == *network);
    let (key, emission) = emission.ok_or("a network without an emission")?;
    let supply = u128::from(accounts.supplies[&emission.reward_mint]);
    let minted = supply + u128::from(book.bought.burned);
    let claimed = u128::from(emission.claimed);
    same("minted", key, minted, claimed + u128::from(book.endowed))?;
    let payees = || {
        let payees = accounts.payees.iter();
        payees.filter(|(_, payee)| payee.network == *network)
    };
    let parts = sum(payees().map(|(_, payee)| payee.claimed));
    same("claimed", key, claimed, parts)?;
    for (payee, state) in payees() {
        let before = book.claimed.insert(*payee, state.claimed).unwrap_or(0);
        let paid = state.claimed.checked_sub(before);
        let paid = paid.ok_or_else(|| format!("{payee} claimed less than before"))?;
        *book.purses.entry(state.destination).or_default() += paid;
    }
    for (purse, should) in &book.purses {
        same("got", purse, accounts.balance(purse), (*should).into())?;
    }
    let granted = emission.roots.reward_sum;
    let emitted = book.emitted[0] + book.emitted[1];
    if claimed > granted.into() || granted > emitted {
        return Err(format!(
            "{key}: claimed {claimed}, granted {granted}, emitted {emitted}"
        ));
    }
    if emission.operators_sum > book.emitted[1] {
        let (sum, share) = (emission.operators_sum, book.emitted[1]);
        return Err(format!(
            "{key}: operators were granted {sum} of their {share}"
        ));
    }
    let proposals = accounts.proposals.iter();
    for (key, proposal) in proposals.filter(|(_, of)| of.network == *network) {
        let should = book.budget(proposal.epoch);
        if proposal.parts != should {
            let (parts, epoch) = (proposal.parts, proposal.epoch);
            return Err(format!(
                "{key}: epoch {epoch} grants {parts:?}, but the books say {should:?}"
            ));
        }
    }
    Ok(())
}

/// Credits that were bought are held or spent, and with them the tokens that were burned; epochs and feeds say of what was
/// spent what the books say.
fn credits(book: &Book, network: &Pubkey, accounts: &Accounts) -> Result<(), String> {
    let pricing = accounts.pricings.iter();
    let pricing = pricing.filter(|(_, of)| of.network == *network);
    let burned = sum(pricing.map(|(_, pricing)| pricing.burned));
    same(
        "burned for credits",
        network,
        burned,
        book.bought.burned.into(),
    )?;

    let mut held = Paid::default();
    for (key, credits) in &accounts.credits {
        if credits.network != *network {
            continue;
        }
        let should = book.held.get(&credits.owner).copied().unwrap_or_default();
        same(
            "credits",
            key,
            credits.balance.into(),
            should.credits.into(),
        )?;
        same("tokens", key, credits.burned.into(), should.burned.into())?;
        held.credits += credits.balance;
        held.burned += credits.burned;
    }
    let spent = |of: fn(&Spent) -> u64| sum(book.epochs.values().map(of));
    let all = u128::from(held.credits) + spent(|epoch| epoch.paid.credits);
    same("credits", network, all, book.bought.credits.into())?;
    let all = u128::from(held.burned) + spent(|epoch| epoch.paid.burned);
    same("tokens behind credits", network, all, burned)?;

    let mut open = 0;
    for (key, epoch) in &accounts.epochs {
        if epoch.network != *network {
            continue;
        }
        let should = book.epochs.get(&epoch.epoch).copied().unwrap_or_default();
        let is = Spent {
            paid: Paid {
                credits: epoch.credits,
                burned: epoch.burned,
            },
            given: epoch.given,
            open: true,
        };
        if is != should {
            return Err(format!("epoch {key}: {is:?}, but the books say {should:?}"));
        }
        let demands = accounts.demands.iter().map(|(_, demand)| demand);
        let given = demands.filter(|of| (of.network, of.epoch) == (*network, epoch.epoch));
        let given = sum(given.map(|demand| demand.burned));
        // A demand may close before its epoch does.
        let closed = book.demands.iter();
        let closed = closed.filter(|((of, _), demand)| *of == epoch.epoch && !demand.open);
        let closed = sum(closed.map(|(_, demand)| demand.paid.burned));
        same("given", key, epoch.given.into(), given + closed)?;
        open += 1;
    }
    let should = book.epochs.values().filter(|epoch| epoch.open).count();
    same("open epochs", network, open, should as u128)?;

    let mut open = 0;
    for (key, demand) in &accounts.demands {
        if demand.network != *network {
            continue;
        }
        let should = book.demands.get(&(demand.epoch, demand.feed));
        let should = should.map(|demand| demand.paid).unwrap_or_default();
        same("demand", key, demand.credits.into(), should.credits.into())?;
        same("given", key, demand.burned.into(), should.burned.into())?;
        open += 1;
    }
    let should = book.demands.values().filter(|demand| demand.open).count();
    same("open demands", network, open, should as u128)
}
