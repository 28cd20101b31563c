//! security-pool: pools, and a network whose roster is full.

use crate::bench::{Bench, Cost};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::system_program;
use anyhow::Result;
use bytemuck::Zeroable;
use device_registry::state::{Network, Parameters};
use fieldproof_client::security_pool::{self as client, POOLS_PER_SNAPSHOT};
use fieldproof_client::token::TOKEN_PROGRAM;
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{Roster, RosterTerms, MAX_OPERATORS, MIN_SEED};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::{by_probe, PROBE, START};

/// Seconds of an epoch.
const EPOCH: i64 = 1_000;
/// The shortest cool-down that the network accepts.
const COOLDOWN: i64 = 2 * EPOCH + 1;
/// What an operator stakes beside its seed.
const STAKE: u64 = 10_000_000;
/// The epoch in which who opts in first has a seat.
const SEATED: u64 = 2;

/// Measures every instruction; the operator in the last slot costs most.
pub fn measure(bench: &Bench) -> Result<()> {
    let authority = bench.key();
    let (network, stake_mint) = (bench.address(), bench.mint()?);
    bench.put(
        &network,
        &Network {
            version: 1,
            authority: authority.pubkey(),
            stake_mint,
            genesis: START,
            epoch_length: EPOCH,
            parameters: Parameters {
                evidence_window: EPOCH,
                ..Parameters::zeroed()
            },
            ..Network::zeroed()
        },
    )?;
    let mut slashers = client::slashers();
    slashers[3] = slashing::slasher(&PROBE).0;
    let terms = RosterTerms {
        slashers,
        slash_cap_bps: 4_000,
        minimum_allocation: STAKE / 10,
        max_leverage_bps: 10_000,
        bounty_bps: 3_000,
        insurance_bps: 3_000,
    };
    let key = authority.pubkey();
    let open = client::create_roster(&bench.payer(), &key, &network, &stake_mint, terms);
    bench.measure("create_roster", "", &[open], &[&authority])?;

    let market = Market {
        bench,
        network,
        stake_mint,
        authority: &authority,
    };
    for _ in 1..MAX_OPERATORS {
        let operator = market.operator()?;
        market.create(&operator)?;
        market.stake(&operator)?;
        market.opt_in(&operator, STAKE / 2)?;
    }
    let last = market.operator()?;
    bench.record("create_pool", "", market.create(&last)?);
    bench.record("delegate", "the owner's first", market.stake(&last)?);
    bench.record("delegate", "", market.stake(&last)?);
    let opted = market.opt_in(&last, STAKE / 2)?;
    bench.record("opt_in", "the last of 64 slots", opted);
    let raised = market.opt_in(&last, STAKE)?;
    bench.record("opt_in", "raised, in the last of 64 slots", raised);
    market.change_hands(&last)?;

    market.enter(SEATED);
    let roster: Roster = bench.harness.read(&client::roster(&network));
    market.snapshot()?;
    let refresh = || client::refresh(&network, &last.pool);
    bench.measure("refresh", "the last of 64 slots", &[refresh()], &[])?;
    market.judge(&last)?;

    let owner = last.key.pubkey();
    let request =
        client::request_withdrawal(&bench.payer(), &owner, &last.pool, &network, 0, STAKE);
    bench.measure("request_withdrawal", "", &[request], &[&last.key])?;
    let leave = client::opt_out(&network, &last.pool, &owner);
    bench.measure("opt_out", "the last of 64 slots", &[leave], &[&last.key])?;
    bench.harness.advance(EPOCH + COOLDOWN);
    let withdraw = client::withdraw(&owner, &last.pool, &stake_mint, 0);
    bench.measure("withdraw", "", &[withdraw], &[&last.key])?;
    let freed = "the last of 64 slots becomes free";
    bench.measure("refresh", freed, &[refresh()], &[])?;
    market.snapshot_spread(&roster)
}

/// An operator, whose pool is at its address.
struct Operator {
    key: Keypair,
    pool: Pubkey,
}

/// A network, and the mint of its operators' stake.
struct Market<'a> {
    bench: &'a Bench,
    network: Pubkey,
    stake_mint: Pubkey,
    authority: &'a Keypair,
}

impl Market<'_> {
    /// A key with enough stake tokens.
    fn operator(&self) -> Result<Operator> {
        let key = self.bench.key();
        let harness = &self.bench.harness;
        harness.fund(&key.pubkey(), &self.stake_mint, MIN_SEED + 3 * STAKE);
        Ok(Operator {
            pool: client::pool(&self.stake_mint, &key.pubkey()),
            key,
        })
    }

    fn create(&self, operator: &Operator) -> Result<Cost> {
        let args = CreatePoolArgs {
            signer: operator.key.pubkey(),
            cooldown: COOLDOWN,
            leverage_bps: 10_000,
            seed: MIN_SEED,
            takes_delegators: true,
        };
        let (payer, owner) = (self.bench.payer(), operator.key.pubkey());
        let create = client::create_pool(&payer, &owner, &self.stake_mint, args);
        self.bench.run(&[create], &[&operator.key])
    }

    fn stake(&self, operator: &Operator) -> Result<Cost> {
        let (payer, owner) = (self.bench.payer(), operator.key.pubkey());
        let delegate = client::delegate(
            &payer,
            &owner,
            &operator.pool,
            &self.stake_mint,
            STAKE,
            1,
            u64::MAX,
        );
        self.bench.run(&[delegate], &[&operator.key])
    }

    fn opt_in(&self, operator: &Operator, allocation: u64) -> Result<Cost> {
        let owner = operator.key.pubkey();
        let opt_in = client::opt_in(&self.network, &operator.pool, &owner, allocation);
        self.bench.run(&[opt_in], &[&operator.key])
    }

    /// Another signer; another operator, who gives the pool back.
    fn change_hands(&self, operator: &Operator) -> Result<()> {
        let Self { bench, .. } = self;
        let (key, pool, heir) = (&operator.key, &operator.pool, bench.key());
        let signer = client::set_signer(pool, &key.pubkey(), &self.network, &bench.address());
        bench.measure("set_signer", "", &[signer], &[key])?;
        let offer = client::transfer_operator(pool, &key.pubkey(), &heir.pubkey());
        bench.measure("transfer_operator", "", &[offer], &[key])?;
        let accept = client::accept_operator(pool, &heir.pubkey());
        bench.measure("accept_operator", "", &[accept], &[&heir])?;
        let back = [
            client::transfer_operator(pool, &heir.pubkey(), &key.pubkey()),
            client::accept_operator(pool, &key.pubkey()),
        ];
        bench.run(&back, &[&heir, key]).map(drop)
    }

    fn enter(&self, epoch: u64) {
        let chain = &self.bench.harness.chain;
        chain.set_time(START + epoch as i64 * EPOCH);
    }

    /// Slashes an operator and a bond as programs do, by CPI, and does what follows.
    fn judge(&self, operator: &Operator) -> Result<()> {
        let Self {
            bench,
            network,
            stake_mint,
            authority,
        } = self;
        let (owner, payer) = (bench.key(), bench.payer());
        let harness = &bench.harness;
        harness.fund(&owner.pubkey(), stake_mint, 2 * STAKE);
        let bounty = harness.fund(&payer, stake_mint, 0);
        let post = || client::post_bond(&payer, &owner.pubkey(), network, stake_mint, STAKE);
        bench.measure("post_bond", "the owner's first", &[post()], &[&owner])?;
        bench.measure("post_bond", "", &[post()], &[&owner])?;
        let request = client::request_bond(network, &owner.pubkey(), STAKE / 2);
        bench.measure("request_bond", "", &[request], &[&owner])?;

        let slasher = slashing::slasher(&PROBE).0;
        let roster = client::roster(network);
        let call = |offence: [u8; 32], severity_bps, bond: bool| {
            let report = client::report(&slasher, &offence);
            let (source, vault) = if bond {
                (
                    client::bond(network, &owner.pubkey()),
                    client::bond_vault(network),
                )
            } else {
                (operator.pool, client::vault(&operator.pool))
            };
            let keys = [
                &slasher,
                network,
                &roster,
                &source,
                &vault,
                stake_mint,
                &report,
                &bounty,
                &payer,
                &TOKEN_PROGRAM,
                &system_program::ID,
            ];
            let call = if bond {
                slashing::slash_bond_instruction(keys, &offence, &owner.pubkey().to_bytes(), STAKE)
            } else {
                slashing::slash_instruction(keys, &offence, severity_bps)
            };
            by_probe(&PROBE, call)
        };
        let case = "by CPI; the last of 64 slots";
        bench.measure_probe("slash", case, call([0; 32], 5_000, false))?;
        let case = "by CPI; the last of 64 slots, a part beyond the cap";
        bench.measure_probe("slash", case, call([1; 32], 10_000, false))?;
        bench.measure_probe("slash_bond", "by CPI", call([2; 32], 0, true))?;
        let report = client::report(&slasher, &[1; 32]);
        let (key, pool) = (authority.pubkey(), &operator.pool);
        let pay = client::pay_insurance(network, &key, pool, stake_mint, &report, &bounty);
        bench.measure("pay_insurance", "", &[pay], &[authority])?;
        harness.advance(2 * EPOCH);
        let withdraw = client::withdraw_bond(network, &owner.pubkey(), stake_mint);
        bench.measure("withdraw_bond", "", &[withdraw], &[&owner])?;
        let collect = client::collect_excess(network, pool, stake_mint, &report, &bounty);
        bench.measure("collect_excess", "", &[collect], &[])
    }

    /// Draws the committee of 64, all of whom are at home here.
    fn snapshot(&self) -> Result<()> {
        let draw = client::snapshot_committee(&self.bench.payer(), &self.network, SEATED, &[]);
        let case = "64 operators, new committee";
        self.bench.measure("snapshot_committee", case, &[draw], &[])
    }

    /// Draws the committee of another network with this roster, all of whose pools must be read: as many as one transaction
    /// can name, and the rest.
    fn snapshot_spread(&self, roster: &Roster) -> Result<()> {
        let Self { bench, network, .. } = self;
        let second = bench.address();
        let mut state: Network = bench.harness.read(network);
        state.genesis = bench.harness.now() - SEATED as i64 * EPOCH;
        bench.put(&second, &state)?;
        let mut roster = *roster;
        roster.network = second;
        for entry in &mut roster.entries {
            entry.signer = Pubkey::default();
        }
        bench.put(&client::roster(&second), &roster)?;
        let pools = client::committee_pools(&roster, None, SEATED);
        let (first, last) = pools.split_at(POOLS_PER_SNAPSHOT);
        let cases = [
            "64 operators of several networks, the first step: 56 pools, new committee",
            "64 operators of several networks, the last step: 8 pools",
        ];
        for (case, pools) in cases.into_iter().zip([first, last]) {
            let draw = client::snapshot_committee(&bench.payer(), &second, SEATED, pools);
            bench.measure("snapshot_committee", case, &[draw], &[])?;
        }
        Ok(())
    }
}
