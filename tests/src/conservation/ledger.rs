//! The books, from scratch after every instruction: sums over all accounts and token balances, against what the accounts
//! say of themselves.

use super::world::{World, BUDGET, INSURANCE_BPS};
use anchor_lang::prelude::Pubkey;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use data_commitment::state::{Challenge, Stream};
use fieldproof_client::chain::Chain;
use fieldproof_client::token::{associated, TOKEN_PROGRAM};
use fieldproof_client::{reward_emission as rewards, security_pool as pools};
use reward_emission::state::{Emission, Payee};
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

/// What slashes did so far, recomputed from the changes of their reports.
#[derive(Clone, Default)]
pub struct Ledger {
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
    /// Brings the ledger up to date, and checks all books.
    ///
    /// # Errors
    /// The first sum that is not what it must be.
    pub fn check(&mut self, world: &World) -> Result<(), String> {
        let accounts = Accounts::read(&world.harness.chain);
        self.follow(&accounts.reports)?;
        self.tokens(world, &accounts)?;
        Self::pools(&accounts)?;
        Self::bonds(&accounts)?;
        Self::challenges(world, &accounts)?;
        Self::rewards(&accounts)
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
    fn pools(accounts: &Accounts) -> Result<(), String> {
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
                shares + u128::from(MIN_SEED),
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

    /// What was minted is what was claimed, by each and all, and no more than granted, nor that than emitted.
    fn rewards(accounts: &Accounts) -> Result<(), String> {
        for (key, emission) in &accounts.emissions {
            let mint = &emission.reward_mint;
            let minted = accounts.supplies[mint].into();
            same("minted", key, minted, emission.claimed.into())?;
            let payees = || {
                let payees = accounts.payees.iter();
                payees.filter(|(_, payee)| payee.network == emission.network)
            };
            let claimed = sum(payees().map(|(_, payee)| payee.claimed));
            same("claimed", key, emission.claimed.into(), claimed)?;
            for (payee, state) in payees() {
                let got = accounts.balance(&state.destination);
                same("got", payee, got, state.claimed.into())?;
            }
            // The schedule of these networks emits the same in each epoch.
            let epochs = match emission.finals {
                0 => 0,
                _ => emission.final_epoch + 1,
            };
            let emitted = u128::from(BUDGET) * u128::from(epochs);
            let granted = u128::from(emission.roots.reward_sum);
            if minted > granted || granted > emitted {
                let network = rewards::emission(&emission.network);
                return Err(format!(
                    "{network}: minted {minted}, granted {granted}, emitted {emitted}"
                ));
            }
        }
        Ok(())
    }
}
