//! Slashing of pools and bonds by a program that the network named, and every attack on it. The program is the probe; it
//! calls through the crate `slashing`, as ours do.

use super::security_pool::{
    swap, terms, unsign, Operator, World, ALREADY_IN_USE, COOLDOWN, EPOCH, EVIDENCE, STAKE,
    TOKEN_OWNER_MISMATCH,
};
use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_spl::token::spl_token;
use fieldproof_client::chain::{self, Chain, Execution};
use fieldproof_client::security_pool as client;
use fieldproof_client::token::{self, TOKEN_PROGRAM};
use fieldproof_client::ClientError;
use security_pool::error::PoolError as E;
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{Bond, Report, Roster, SourceKind, MIN_SEED, NOTICE};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::cell::Cell;
use tests::{assert_refused, by_probe, PROBE, START};

/// A world, a program that may slash in it, and somebody who reports.
struct Court {
    world: World,
    bounty: Pubkey,
    offences: Cell<u8>,
}

impl std::ops::Deref for Court {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Court {
    fn new() -> Self {
        let world = World::new();
        world.harness.deploy_probe(&PROBE);
        let bounty = world
            .harness
            .fund(&Keypair::new().pubkey(), &world.stake_mint, 0);
        Self {
            world,
            bounty,
            offences: Cell::new(0),
        }
    }

    /// An operator with an allocation of its whole stake.
    fn seated(&self) -> Operator {
        let operator = self.operator();
        self.opt_in(&operator, MIN_SEED + STAKE).unwrap();
        operator
    }

    /// The next offence's id.
    fn offence(&self) -> [u8; 32] {
        [self.offences.replace(self.offences.get() + 1); 32]
    }

    fn bare_slash(
        &self,
        program: &Pubkey,
        pool: &Pubkey,
        offence: [u8; 32],
        severity_bps: u16,
    ) -> Instruction {
        let slasher = slashing::slasher(program).0;
        let keys = [
            &slasher,
            &self.network,
            &client::roster(&self.network),
            pool,
            &client::vault(pool),
            &self.stake_mint,
            &client::report(&slasher, &offence),
            &self.bounty,
            &self.payer(),
            &TOKEN_PROGRAM,
            &system_program::ID,
        ];
        slashing::slash_instruction(keys, &offence, severity_bps)
    }

    fn bare_slash_bond(&self, offence: [u8; 32], owner: &Pubkey, amount: u64) -> Instruction {
        let slasher = slashing::slasher(&PROBE).0;
        let keys = [
            &slasher,
            &self.network,
            &client::roster(&self.network),
            &client::bond(&self.network, owner),
            &client::bond_vault(&self.network),
            &self.stake_mint,
            &client::report(&slasher, &offence),
            &self.bounty,
            &self.payer(),
            &TOKEN_PROGRAM,
            &system_program::ID,
        ];
        slashing::slash_bond_instruction(keys, &offence, &owner.to_bytes(), amount)
    }

    fn try_slash(&self, pool: &Pubkey, severity_bps: u16) -> Result<Execution, ClientError> {
        let call = self.bare_slash(&PROBE, pool, self.offence(), severity_bps);
        self.send(by_probe(&PROBE, call), &[])
    }

    fn try_slash_bond(&self, owner: &Pubkey, amount: u64) -> Result<Execution, ClientError> {
        let call = self.bare_slash_bond(self.offence(), owner, amount);
        self.send(by_probe(&PROBE, call), &[])
    }

    /// Slashes all that another network counts of a pool.
    fn slash_in(&self, network: &Pubkey, pool: &Pubkey) -> Result<Execution, ClientError> {
        let call = self.bare_slash(&PROBE, pool, self.offence(), 10_000);
        let (roster, theirs) = (client::roster(&self.network), client::roster(network));
        let call = swap(swap(call, &self.network, network), &roster, &theirs);
        self.send(by_probe(&PROBE, call), &[])
    }

    /// Slashes by the probe, for an offence of its own; the report's address.
    fn slash(&self, pool: &Pubkey, severity_bps: u16) -> Pubkey {
        self.try_slash(pool, severity_bps).unwrap();
        self.last_report()
    }

    fn slash_bond(&self, owner: &Pubkey, amount: u64) -> Report {
        self.try_slash_bond(owner, amount).unwrap();
        self.report(&self.last_report())
    }

    /// As [`Court::slash`], with the bounty to `bounty`.
    fn slash_for(&self, pool: &Pubkey, severity_bps: u16, bounty: &Pubkey) -> Pubkey {
        let call = self.bare_slash(&PROBE, pool, self.offence(), severity_bps);
        self.send(swap(by_probe(&PROBE, call), &self.bounty, bounty), &[])
            .unwrap();
        self.last_report()
    }

    /// The report of the last offence.
    fn last_report(&self) -> Pubkey {
        let offence = [self.offences.get() - 1; 32];
        client::report(&slashing::slasher(&PROBE).0, &offence)
    }

    fn collect(&self, pool: &Pubkey, report: &Pubkey) -> Result<Execution, ClientError> {
        self.send(self.collect_instruction(pool, report), &[])
    }

    fn collect_instruction(&self, pool: &Pubkey, report: &Pubkey) -> Instruction {
        client::collect_excess(&self.network, pool, &self.stake_mint, report, &self.bounty)
    }

    fn report(&self, report: &Pubkey) -> Report {
        self.harness.read(report)
    }

    fn balance(&self, account: &Pubkey) -> u64 {
        self.harness.balance(account)
    }

    /// Tokens of the stake mint, wherever they are.
    fn supply(&self) -> u64 {
        let mint: anchor_spl::token::Mint =
            chain::read_borsh(&self.harness.chain, &self.stake_mint).unwrap();
        mint.supply
    }

    fn post(&self, owner: &Keypair, amount: u64) -> Result<Execution, ClientError> {
        self.send(
            client::post_bond(
                &self.payer(),
                &owner.pubkey(),
                &self.network,
                &self.stake_mint,
                amount,
            ),
            &[owner],
        )
    }

    fn request_bond(&self, owner: &Keypair, amount: u64) -> Result<Execution, ClientError> {
        let request = client::request_bond(&self.network, &owner.pubkey(), amount);
        self.send(request, &[owner])
    }

    fn withdraw_bond(&self, owner: &Keypair) -> Result<Execution, ClientError> {
        let withdraw = client::withdraw_bond(&self.network, &owner.pubkey(), &self.stake_mint);
        self.send(withdraw, &[owner])
    }

    fn bond(&self, owner: &Keypair) -> Bond {
        self.harness
            .read(&client::bond(&self.network, &owner.pubkey()))
    }
}

/// Puts a thief and his own report in the place of the probe's slasher and its report.
fn by_thief(call: Instruction, offence: &[u8; 32], thief: &Pubkey) -> Instruction {
    let slasher = slashing::slasher(&PROBE).0;
    let (theirs, his) = (
        client::report(&slasher, offence),
        client::report(thief, offence),
    );
    swap(swap(call, &slasher, thief), &theirs, &his)
}

// slash

#[test]
fn a_slash_pays_the_reporter_sets_insurance_aside_and_burns_the_rest() {
    let court = Court::new();
    let operator = court.operator();
    court.opt_in(&operator, STAKE).unwrap();
    let supply = court.supply();
    let key = court.slash(&operator.pool, 1_000);

    let pool = court.read_pool(&operator.pool);
    assert_eq!(pool.staked, MIN_SEED + STAKE - 1_000_000);
    assert_eq!((pool.locked_excess, pool.insurance), (0, 200_000));
    assert_eq!(pool.slashed_total, 1_000_000);
    assert_eq!(court.balance(&pool.vault), pool.staked + 200_000);
    assert_eq!(court.balance(&court.bounty), 300_000);
    assert_eq!(court.supply(), supply - 500_000);

    let report = court.report(&key);
    assert_eq!((report.version, report.kind), (1, SourceKind::Pool as u8));
    assert_eq!(report.network, court.network);
    assert_eq!(report.slasher, slashing::slasher(&PROBE).0);
    assert_eq!(report.offence, [0; 32]);
    assert_eq!(
        (report.source, report.destination, report.payer),
        (operator.pool, court.bounty, court.payer())
    );
    assert_eq!(
        (report.amount, report.excess, report.insurance),
        (1_000_000, 0, 200_000)
    );
    assert_eq!(report.reported_at, START);
}

#[test]
fn only_a_program_that_the_roster_names_slashes() {
    let court = Court::new();
    let operator = court.seated();
    let offence = court.offence();
    // The same program elsewhere is another program.
    let other = Pubkey::new_from_array([81; 32]);
    court.harness.deploy_probe(&other);
    let stranger = by_probe(&other, court.bare_slash(&other, &operator.pool, offence, 1));
    assert_refused(court.send(stranger, &[]), E::NotSlasher);

    // Its slasher's address, which does not sign
    let slasher = slashing::slasher(&PROBE).0;
    let bare = court.bare_slash(&PROBE, &operator.pool, offence, 1);
    assert_refused(
        court.send(unsign(bare.clone(), &slasher), &[]),
        ErrorCode::AccountNotSigner,
    );
    // A key that signs, in its place
    let thief = court.harness.key();
    let signed = by_thief(bare, &offence, &thief.pubkey());
    assert_refused(court.send(signed, &[&thief]), E::NotSlasher);
    // The default key fills the roster's free places, and is nobody.
    court.edit::<Roster>(&client::roster(&court.network), |roster| {
        roster.slashers = Default::default();
    });
    assert_refused(court.try_slash(&operator.pool, 1), E::NotSlasher);
}

#[test]
fn an_offence_is_slashed_once() {
    let court = Court::new();
    let operator = court.seated();
    let call = |pool, severity| by_probe(&PROBE, court.bare_slash(&PROBE, pool, [9; 32], severity));
    court.send(call(&operator.pool, 1), &[]).unwrap();
    court.harness.advance(EPOCH);
    assert_refused(court.send(call(&operator.pool, 2), &[]), ALREADY_IN_USE);
    // The bond of the same offence would be a second time too.
    let bond = court.bare_slash_bond([9; 32], &operator.operator.pubkey(), 1);
    assert_refused(court.send(by_probe(&PROBE, bond), &[]), ALREADY_IN_USE);
}

#[test]
fn lamports_at_its_address_do_not_stop_a_report() {
    let court = Court::new();
    let operator = court.seated();
    let report = client::report(&slashing::slasher(&PROBE).0, &[0; 32]);
    court.harness.chain.airdrop(&report, 1);
    assert_eq!(court.slash(&operator.pool, 1), report);
}

#[test]
fn a_severity_is_in_basis_points_and_not_zero() {
    let court = Court::new();
    let operator = court.seated();
    for severity in [0, 10_001, u16::MAX] {
        assert_refused(
            court.try_slash(&operator.pool, severity),
            E::InvalidSeverity,
        );
    }
    court.slash(&operator.pool, 10_000);
    assert_eq!(court.read_pool(&operator.pool).staked, 0);
}

#[test]
fn slash_refuses_swapped_accounts() {
    let court = Court::new();
    let (operator, other) = (court.seated(), court.seated());
    let bystander = court.operator();
    let foreign = court.other_network();
    let roster = client::roster(&court.network);
    let slasher = slashing::slasher(&PROBE).0;
    let vault = client::vault(&operator.pool);
    let good = || by_probe(&PROBE, court.bare_slash(&PROBE, &operator.pool, [0; 32], 1));
    let mint = court.harness.mint();
    let other_tokens = court.harness.fund(&court.payer(), &mint, 1);
    let swapped = |from: &Pubkey, to: &Pubkey| court.send(swap(good(), from, to), &[]);

    let foreign_roster = client::roster(&foreign);
    assert_refused(swapped(&roster, &foreign_roster), E::WrongRoster);
    assert_refused(swapped(&court.network, &foreign), E::WrongRoster);
    // A network on which the pool has nothing, whole
    let elsewhere = swap(
        swap(good(), &roster, &foreign_roster),
        &court.network,
        &foreign,
    );
    assert_refused(court.send(elsewhere, &[]), E::NotOnRoster);
    assert_refused(swapped(&vault, &client::vault(&other.pool)), E::WrongVault);
    assert_refused(swapped(&operator.pool, &other.pool), E::WrongVault);
    let idle = swap(
        swap(good(), &operator.pool, &bystander.pool),
        &vault,
        &client::vault(&bystander.pool),
    );
    assert_refused(court.send(idle, &[]), E::NotOnRoster);
    assert_refused(swapped(&court.stake_mint, &mint), E::WrongMint);
    assert_refused(swapped(&court.bounty, &other_tokens), E::WrongMint);
    // A bounty that stays in the vault would be counted twice.
    assert_refused(swapped(&court.bounty, &vault), E::BountyIsVault);
    let another_report = client::report(&slasher, &[1; 32]);
    let report = client::report(&slasher, &[0; 32]);
    assert_refused(swapped(&report, &another_report), E::MisplacedReport);
    assert_refused(
        swapped(&court.network, &operator.pool),
        ErrorCode::AccountOwnedByWrongProgram,
    );
    assert_refused(
        swapped(&roster, &other.pool),
        ErrorCode::AccountDiscriminatorMismatch,
    );
    assert_refused(
        swapped(&TOKEN_PROGRAM, &anchor_spl::token_2022::ID),
        ErrorCode::InvalidProgramId,
    );
    court.send(good(), &[]).unwrap();
}

#[test]
fn stake_that_was_requested_back_before_the_slash_is_slashed_with_it() {
    let court = Court::new();
    let operator = court.seated();
    court
        .request(&operator.operator, &operator.pool, 0, STAKE)
        .unwrap();
    // Whoever refreshes makes it no smaller.
    court.refresh(&operator.pool).unwrap();
    court.harness.advance(EPOCH);
    court.refresh(&operator.pool).unwrap();
    court.slash(&operator.pool, 1_000);
    let pool = court.read_pool(&operator.pool);
    assert_eq!((pool.staked, pool.cooling), (900_000, 9_000_000));
    court.harness.advance(COOLDOWN);
    court
        .withdraw(&operator.operator, &operator.pool, 0)
        .unwrap();
    assert_eq!(court.tokens(&operator.operator), 9_000_000);
}

#[test]
fn a_slash_of_everything_leaves_nothing_to_withdraw_and_harms_no_later_request() {
    let court = Court::new();
    let operator = court.seated();
    court
        .request(&operator.operator, &operator.pool, 0, STAKE / 2)
        .unwrap();
    court.slash(&operator.pool, 10_000);
    let pool = court.read_pool(&operator.pool);
    assert_eq!((pool.staked, pool.cooling, pool.cooling_shares), (0, 0, 0));
    assert_eq!(pool.cooling_generation, 1);
    assert_refused(
        court.request(&operator.operator, &operator.pool, 1, 1),
        E::WorthNothing,
    );
    let late = court.harness.key();
    assert_refused(court.delegate(&late, &operator.pool, STAKE), E::DeadPool);
    court.harness.advance(COOLDOWN);
    court
        .withdraw(&operator.operator, &operator.pool, 0)
        .unwrap();
    assert_eq!(court.tokens(&operator.operator), 0);
}

#[test]
fn a_friendly_slash_that_fills_the_cap_saves_nobody() {
    let court = Court::new();
    let operator = court.operator();
    court.opt_in(&operator, STAKE).unwrap();
    // A friend reports something first, so that the cap of 5,500,000 is used up.
    court.slash(&operator.pool, 5_500);
    let key = court.slash(&operator.pool, 8_000);
    let report = court.report(&key);
    assert_eq!(
        (report.amount, report.excess, report.insurance),
        (3_600_000, 3_600_000, 0)
    );
    let pool = court.read_pool(&operator.pool);
    assert_eq!((pool.staked, pool.locked_excess), (1_900_000, 3_600_000));
    assert_eq!(court.balance(&court.bounty), 1_650_000);

    // The shares have lost it: who leaves takes only his part of what is left.
    court
        .request(&operator.operator, &operator.pool, 0, STAKE)
        .unwrap();
    assert_eq!(court.read_pool(&operator.pool).cooling, 1_900_000 * 10 / 11);
    assert_refused(court.collect(&operator.pool, &key), E::CapReached);
    court.harness.chain.set_time(START + EPOCH - 1);
    assert_refused(court.collect(&operator.pool, &key), E::CapReached);

    // Half of the 5,500,000 that are there, and the rest in the epoch after.
    court.enter(1);
    court.collect(&operator.pool, &key).unwrap();
    let report = court.report(&key);
    assert_eq!((report.excess, report.insurance), (850_000, 550_000));
    assert_eq!(court.balance(&court.bounty), 1_650_000 + 825_000);
    assert_refused(court.collect(&operator.pool, &key), E::CapReached);
    court.enter(2);
    court.collect(&operator.pool, &key).unwrap();
    let report = court.report(&key);
    assert_eq!((report.excess, report.insurance), (0, 720_000));
    assert_eq!(court.balance(&court.bounty), 1_650_000 + 1_080_000);
    assert_refused(court.collect(&operator.pool, &key), E::NothingDue);

    let pool = court.read_pool(&operator.pool);
    assert_eq!((pool.locked_excess, pool.insurance), (0, 1_820_000));
    assert_eq!(
        court.balance(&pool.vault),
        pool.staked + pool.cooling + pool.insurance
    );
}

#[test]
fn each_epoch_has_its_own_cap() {
    let court = Court::new();
    let operator = court.seated();
    court.harness.chain.set_time(START + EPOCH - 1);
    let first = court.slash(&operator.pool, 6_000);
    assert_eq!(court.report(&first).excess, 1_100_000);
    court.enter(1);
    // 4,400,000 staked and 1,100,000 locked: the cap is 2,750,000, and a slash comes before what is locked.
    let second = court.slash(&operator.pool, 5_000);
    assert_eq!(court.report(&second).excess, 0);
    court.collect(&operator.pool, &first).unwrap();
    assert_eq!(court.report(&first).excess, 550_000);
}

#[test]
fn friendly_slashes_on_both_sides_of_an_epochs_edge_do_not_pay() {
    // What an operator and his friends have in the end: stake, bounties, and what is set aside, since the network's
    // authority is a friend too. They use up the caps of two epochs by slashes of `friendly`, just before the edge and just
    // after it. Then somebody else reports what it is all about, if it is about anything.
    let outcome = |friendly: [u16; 2], offence: Option<u16>| {
        let court = Court::new();
        let Operator { operator, pool, .. } = court.seated();
        let mine = token::associated(&operator.pubkey(), &court.stake_mint);
        let is_at_stake = || court.roster().entry(&pool).unwrap().counted > 0;
        let mut reports = Vec::new();
        for (severity, time) in friendly.into_iter().zip([START + EPOCH - 1, START + EPOCH]) {
            court.harness.chain.set_time(time);
            if severity > 0 && is_at_stake() {
                reports.push(court.slash_for(&pool, severity, &mine));
            }
        }
        if let Some(severity) = offence.filter(|_| is_at_stake()) {
            court.slash(&pool, severity);
        }
        if court.read_pool(&pool).staked > 0 {
            court.request(&operator, &pool, 0, STAKE).unwrap();
            court.harness.advance(COOLDOWN);
            court.withdraw(&operator, &pool, 0).unwrap();
        }
        for report in &reports {
            while court.report(report).excess > 0 {
                court.harness.advance(EPOCH);
                let (network, mint) = (&court.network, &court.stake_mint);
                let collect = client::collect_excess(network, &pool, mint, report, &mine);
                court.send(collect, &[]).unwrap();
            }
            if court.report(report).insurance > 0 {
                let pay = client::pay_insurance(
                    &court.network,
                    &court.authority.pubkey(),
                    &pool,
                    &court.stake_mint,
                    report,
                    &mine,
                );
                court.send(pay, &[&court.authority]).unwrap();
            }
        }
        court.tokens(&operator)
    };
    /// What the offence costs that the friends would cover up: 2,200,000, of which the seed bears an eleventh.
    const SEVERITY: Option<u16> = Some(2_000);
    let (honest, offender) = (outcome([0, 0], None), outcome([0, 0], SEVERITY));
    assert_eq!((honest, offender), (STAKE, STAKE - 2_000_000));
    for friendly in [
        // The caps exactly, beyond them, and far within.
        [5_000, 5_000],
        [6_000, 6_000],
        [10_000, 10_000],
        [2_000, 2_000],
        [1, 1],
        // One side alone.
        [5_000, 0],
        [0, 5_000],
    ] {
        assert!(outcome(friendly, None) < honest, "{friendly:?}");
        assert!(outcome(friendly, SEVERITY) < offender, "{friendly:?}");
    }
}

#[test]
fn who_opted_out_is_slashed_until_his_release_and_not_after() {
    let court = Court::new();
    let operator = court.seated();
    court.enter(2);
    court.opt_out(&operator).unwrap();
    let release_at = START + 3 * EPOCH + COOLDOWN;
    court.harness.chain.set_time(release_at - 1);
    court.slash(&operator.pool, 1);
    court.harness.chain.set_time(release_at);
    assert_refused(court.try_slash(&operator.pool, 1), E::NothingAtStake);
    court.refresh(&operator.pool).unwrap();
    assert_refused(court.try_slash(&operator.pool, 1), E::NotOnRoster);
}

#[test]
fn a_committee_weighs_what_a_slash_has_left() {
    let court = Court::new();
    let operator = court.seated();
    court.enter(2);
    court.snapshot(2, &[]).unwrap();
    court.slash(&operator.pool, 10_000 - 2_000);
    // What was drawn stands; the next is drawn from what is left, refreshed or not.
    assert_eq!(court.committee(2).total, MIN_SEED + STAKE);
    court.enter(3);
    court.snapshot(3, &[]).unwrap();
    assert_eq!(court.committee(3).total, 2_200_000);
    court.refresh(&operator.pool).unwrap();
    let roster = court.roster();
    let entry = roster.entry(&operator.pool).unwrap();
    assert_eq!((entry.next, entry.counted), (2_200_000, 2_200_000));
    court.enter(4);
    court.snapshot(4, &[]).unwrap();
    assert_eq!(court.committee(4).total, 2_200_000);
}

#[test]
fn slashing_oneself_costs() {
    let court = Court::new();
    let operator = court.seated();
    let key = &operator.operator;
    let worth = |staked: u64| staked as u128 * u128::from(STAKE) / u128::from(MIN_SEED + STAKE);
    let before = worth(MIN_SEED + STAKE);
    // He reports himself, and the network's authority is his friend.
    let mine = token::associated(&key.pubkey(), &court.stake_mint);
    let report = court.slash_for(&operator.pool, 5_000, &mine);
    let pay = client::pay_insurance(
        &court.network,
        &court.authority.pubkey(),
        &operator.pool,
        &court.stake_mint,
        &report,
        &mine,
    );
    court.send(pay, &[&court.authority]).unwrap();
    let after = worth(court.read_pool(&operator.pool).staked) + u128::from(court.tokens(key));
    assert!(after + 2_000_000 < before, "{after} of {before}");
}

#[test]
fn an_operator_gains_nothing_by_reporting_itself_at_its_delegators_cost() {
    let court = Court::new();
    let operator = court.seated();
    let key = &operator.operator;
    let delegator = court.staker(0);
    court
        .delegate(&delegator, &operator.pool, 9 * STAKE)
        .unwrap();
    let mine = token::associated(&key.pubkey(), &court.stake_mint);
    let report_itself = |severity| court.slash_for(&operator.pool, severity, &mine);
    let worth = || {
        let pool = court.read_pool(&operator.pool);
        u128::from(STAKE) * u128::from(pool.staked) / u128::from(pool.shares)
            + u128::from(court.tokens(key))
    };
    // A roster's bounty of 30 % would be three times what a tenth of the pool loses.
    let before = worth();
    let report = court.report(&report_itself(5_000));
    assert_eq!(report.bounty_bps, 990); // 10 of 101 million
    assert!(worth() <= before);

    // Beyond the cap likewise: more stake before the excess is collected does not raise its bounty.
    let staked = court.read_pool(&operator.pool).staked;
    court.opt_in(&operator, staked).unwrap();
    court.harness.advance(NOTICE + COOLDOWN);
    let key_of_excess = report_itself(9_000);
    assert!(court.report(&key_of_excess).excess > 0);
    court.delegate(key, &operator.pool, 90 * STAKE).unwrap();
    court.harness.advance(EPOCH);
    let before = court.tokens(key);
    let excess = court.report(&key_of_excess).excess;
    let collect = client::collect_excess(
        &court.network,
        &operator.pool,
        &court.stake_mint,
        &key_of_excess,
        &mine,
    );
    court.send(collect, &[]).unwrap();
    let collected = excess - court.report(&key_of_excess).excess;
    assert!(collected > 0);
    assert!(court.tokens(key) - before <= collected / 10);
}

#[test]
fn an_operator_can_not_rob_its_delegators_by_a_network_of_its_own() {
    let court = Court::new();
    let operator = court.operator();
    let delegator = court.staker(0);
    court.delegate(&delegator, &operator.pool, STAKE).unwrap();
    let own = court.other_network();
    court.opt_in_to(&own, &operator, STAKE).unwrap();
    let slash = || court.slash_in(&own, &operator.pool);
    assert_refused(slash(), E::NothingAtStake);

    // Who sees it within the notice leaves with everything.
    court.harness.advance(NOTICE);
    court.request(&delegator, &operator.pool, 0, STAKE).unwrap();
    court.harness.advance(COOLDOWN - 1);
    assert_refused(slash(), E::NothingAtStake);
    court.harness.advance(1);
    court.withdraw(&delegator, &operator.pool, 0).unwrap();
    assert_eq!(court.tokens(&delegator), STAKE);
    slash().unwrap();
}

#[test]
fn an_operator_can_not_forestall_who_delegates_first() {
    let court = Court::new();
    let operator = court.operator();
    court.opt_in(&operator, STAKE).unwrap();
    court.opt_out(&operator).unwrap();
    court.harness.advance(EPOCH + COOLDOWN);
    let delegator = court.staker(9 * STAKE);
    let seen = court.read_pool(&operator.pool);
    let delegate = |max_raises| {
        client::delegate(
            &court.payer(),
            &delegator.pubkey(),
            &operator.pool,
            &court.stake_mint,
            9 * STAKE,
            0,
            max_raises,
        )
    };
    // Alone in its pool, what the operator has a network of its own count is at stake at once. It does so before the
    // delegation lands, and has as much counted altogether as before.
    let own = court.other_network();
    court.refresh(&operator.pool).unwrap();
    court.opt_in_to(&own, &operator, STAKE).unwrap();
    let pool = court.read_pool(&operator.pool);
    assert_eq!(pool.allocated, seen.allocated);
    assert_refused(
        court.send(delegate(seen.raises), &[&delegator]),
        E::RaisedSince,
    );
    assert_eq!(court.tokens(&delegator), 9 * STAKE);
    court.send(delegate(pool.raises), &[&delegator]).unwrap();
}

#[test]
fn nobody_delays_the_networks_of_a_pool_that_takes_no_delegators() {
    let court = Court::new();
    let (operator, griefer) = (court.staker(MIN_SEED), court.staker(0));
    let args = CreatePoolArgs {
        takes_delegators: false,
        ..terms(&operator.pubkey())
    };
    court.create_pool(&operator, args).unwrap();
    let pool = client::pool(&court.stake_mint, &operator.pubkey());
    assert_refused(court.delegate(&griefer, &pool, 1), E::TakesNoDelegators);
    court.delegate(&operator, &pool, STAKE).unwrap();
    let opt_in = client::opt_in(&court.network, &pool, &operator.pubkey(), STAKE);
    court.send(opt_in, &[&operator]).unwrap();
    let roster = court.roster();
    assert_eq!(roster.entry(&pool).unwrap().begins_at, court.harness.now());
}

#[test]
fn an_operator_can_not_rob_who_delegates_after_it_joined_a_network_of_its_own() {
    let court = Court::new();
    let operator = court.operator();
    let own = court.other_network();
    // Alone in its pool, it begins at once.
    court.opt_in_to(&own, &operator, STAKE / 10).unwrap();
    let delegator = court.staker(0);
    court
        .delegate(&delegator, &operator.pool, 9 * STAKE)
        .unwrap();
    let before = court.read_pool(&operator.pool).staked;
    court.opt_in_to(&own, &operator, 9 * STAKE).unwrap();
    court.slash_in(&own, &operator.pool).unwrap();
    let lost = before - court.read_pool(&operator.pool).staked;
    assert_eq!(lost, STAKE / 10);
    // Nor by slashing it again and again.
    assert_refused(court.slash_in(&own, &operator.pool), E::NothingAtStake);

    // Who sees the raise leaves before it is at stake.
    court.harness.advance(NOTICE);
    court.request(&delegator, &operator.pool, 0, STAKE).unwrap();
    court.harness.advance(COOLDOWN);
    court.withdraw(&delegator, &operator.pool, 0).unwrap();
    assert!(court.tokens(&delegator) >= STAKE - STAKE / 100);
}

#[test]
fn what_an_operators_own_network_counts_is_no_way_out() {
    for own_comes_first in [false, true] {
        let court = Court::new();
        let operator = court.operator();
        let half = (MIN_SEED + STAKE) / 2;
        let own = court.other_network();
        court.opt_in(&operator, half).unwrap();
        court.opt_in_to(&own, &operator, half).unwrap();
        // What the operator could take out is out, the offence is done, and nobody has refreshed anything.
        court
            .request(&operator.operator, &operator.pool, 0, STAKE / 2)
            .unwrap();
        court.harness.advance(COOLDOWN);
        court
            .withdraw(&operator.operator, &operator.pool, 0)
            .unwrap();
        court.refresh(&operator.pool).unwrap();
        let left = court.read_pool(&operator.pool).staked;
        if own_comes_first {
            court.slash_in(&own, &operator.pool).unwrap();
        }
        let key = court.slash(&operator.pool, 10_000);
        assert_eq!(court.report(&key).amount, left / 2);
    }
}

#[test]
fn a_network_takes_no_pool_that_its_operator_could_have_slashed_elsewhere_first() {
    let court = Court::new();
    let operator = court.pool(20_001);
    court
        .delegate(&operator.operator, &operator.pool, STAKE)
        .unwrap();
    assert_refused(court.opt_in(&operator, STAKE), E::LeverageTooHigh);
}

#[test]
fn a_pause_stops_no_slash() {
    let court = Court::new();
    let (operator, newcomer) = (court.seated(), court.operator());
    let owner = court.staker(STAKE);
    court.post(&owner, STAKE).unwrap();
    court.edit::<device_registry::state::Network>(&court.network, |network| {
        for pause in &mut network.pauses {
            (pause.paused_at, pause.until) = (START - 1, START + EPOCH);
        }
    });
    assert_refused(court.opt_in(&newcomer, STAKE), E::Paused);
    let key = court.slash(&operator.pool, 10_000);
    court.slash_bond(&owner.pubkey(), 1);
    court.request_bond(&owner, 1).unwrap();
    court.edit::<device_registry::state::Network>(&court.network, |network| {
        for pause in &mut network.pauses {
            pause.until = i64::MAX;
        }
    });
    court.enter(1);
    court.collect(&operator.pool, &key).unwrap();
    court.harness.advance(EPOCH + EVIDENCE);
    court.withdraw_bond(&owner).unwrap();
}

// collect_excess, pay_insurance

#[test]
fn collect_excess_refuses_swapped_accounts() {
    let court = Court::new();
    let (operator, other) = (court.seated(), court.seated());
    let key = court.slash(&operator.pool, 10_000);
    let theirs = court.slash(&other.pool, 10_000);
    court.enter(1);
    let good = || court.collect_instruction(&operator.pool, &key);
    let swapped = |from: &Pubkey, to: &Pubkey| court.send(swap(good(), from, to), &[]);
    assert_refused(swapped(&key, &theirs), E::WrongReport);
    let foreign = court.other_network();
    let elsewhere = swap(
        swap(
            good(),
            &client::roster(&court.network),
            &client::roster(&foreign),
        ),
        &court.network,
        &foreign,
    );
    assert_refused(court.send(elsewhere, &[]), E::WrongReport);
    assert_refused(
        swapped(&client::roster(&court.network), &client::roster(&foreign)),
        E::WrongRoster,
    );
    let thief = court.staker(1);
    let purse = token::associated(&thief.pubkey(), &court.stake_mint);
    assert_refused(swapped(&court.bounty, &purse), E::WrongDestination);
    assert_refused(
        swapped(&client::vault(&operator.pool), &client::vault(&other.pool)),
        E::WrongVault,
    );
    let mint = court.harness.mint();
    assert_refused(swapped(&court.stake_mint, &mint), E::WrongMint);
    let owner = court.staker(STAKE);
    court.post(&owner, STAKE).unwrap();
    court.slash_bond(&owner.pubkey(), 1);
    let bonds = court.last_report();
    assert_refused(swapped(&key, &bonds), E::WrongReport);
    court.send(good(), &[]).unwrap();
}

#[test]
fn excess_is_collected_though_the_reporter_closed_its_account() {
    let court = Court::new();
    let operator = court.seated();
    let (owner, mint) = (&operator.operator, &court.stake_mint);
    let mine = token::associated(&owner.pubkey(), mint);
    // It reports itself for everything; half is locked. Then it empties the account, and closes it.
    let report = court.slash_for(&operator.pool, 10_000, &mine);
    assert_eq!(court.report(&report).excess, 5_500_000);
    let amount = court.balance(&mine);
    assert_eq!(amount, 1_650_000);
    let key = owner.pubkey();
    let empty =
        spl_token::instruction::transfer(&TOKEN_PROGRAM, &mine, &court.bounty, &key, &[], amount);
    let close = spl_token::instruction::close_account(&TOKEN_PROGRAM, &mine, &key, &key, &[]);
    court
        .harness
        .send(&[empty.unwrap(), close.unwrap()], &[owner])
        .unwrap();
    let collect = || {
        let before = (court.read_pool(&operator.pool).insurance, court.supply());
        let collect = client::collect_excess(&court.network, &operator.pool, mint, &report, &mine);
        court.send(collect, &[]).unwrap();
        let pool = court.read_pool(&operator.pool);
        assert_eq!(
            court.balance(&pool.vault),
            pool.locked_excess + pool.insurance
        );
        assert_eq!(pool.locked_excess, court.report(&report).excess);
        // What was set aside, and what was burned.
        (pool.insurance - before.0, before.1 - court.supply())
    };
    // Of 2,750,000 a fifth is set aside, and the bounty's three tenths are burned with the rest.
    court.enter(1);
    assert_eq!(collect(), (550_000, 2_200_000));
    // Something else at the address does not stop it either: tokens of another mint.
    let others = court.harness.fund(&key, &court.harness.mint(), 0);
    let chain = &court.harness.chain;
    chain.set_account(&mine, chain.account(&others).unwrap().unwrap());
    court.enter(2);
    assert_eq!(collect(), (275_000, 1_100_000));
    // Nor what another program has there.
    chain.set_account(&mine, chain.account(&operator.pool).unwrap().unwrap());
    court.enter(3);
    assert_eq!(collect(), (137_500, 550_000));
    // Nor an account that the mint's authority has frozen.
    let mut frozen = chain.account(&court.bounty).unwrap().unwrap();
    frozen.data[108] = spl_token::state::AccountState::Frozen as u8;
    chain.set_account(&mine, frozen);
    court.enter(4);
    assert_eq!(collect(), (68_750, 275_000));
    // An account that takes the bounty gets it.
    chain.set_account(&mine, chain.account(&court.bounty).unwrap().unwrap());
    court.enter(5);
    let before = court.balance(&mine);
    assert_eq!(collect(), (34_375, 85_938));
    assert_eq!(court.balance(&mine) - before, 51_562);
}

#[test]
fn insurance_is_paid_once_and_by_the_networks_authority() {
    let court = Court::new();
    let (operator, other) = (court.seated(), court.seated());
    let key = court.slash(&operator.pool, 10_000);
    let theirs = court.slash(&other.pool, 1);
    let harmed = court.staker(0);
    let purse = token::associated(&harmed.pubkey(), &court.stake_mint);
    let pay = |by: &Keypair, report: &Pubkey| {
        client::pay_insurance(
            &court.network,
            &by.pubkey(),
            &operator.pool,
            &court.stake_mint,
            report,
            &purse,
        )
    };
    let authority = &court.authority;
    let thief = court.harness.key();
    assert_refused(
        court.send(pay(&thief, &key), &[&thief]),
        E::NotNetworkAuthority,
    );
    assert_refused(
        court.send(unsign(pay(authority, &key), &authority.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );
    assert_refused(
        court.send(pay(authority, &theirs), &[authority]),
        E::WrongReport,
    );
    let foreign = court.other_network();
    assert_refused(
        court.send(
            swap(pay(authority, &key), &court.network, &foreign),
            &[authority],
        ),
        E::WrongReport,
    );
    let wrong_vault = swap(
        pay(authority, &key),
        &client::vault(&operator.pool),
        &client::vault(&other.pool),
    );
    assert_refused(court.send(wrong_vault, &[authority]), E::WrongVault);

    court.send(pay(authority, &key), &[authority]).unwrap();
    assert_eq!(court.balance(&purse), 1_100_000);
    assert_eq!(court.read_pool(&operator.pool).insurance, 0);
    assert_refused(
        court.send(pay(authority, &key), &[authority]),
        E::NothingDue,
    );
    // What is collected later is set aside, and paid, by itself.
    court.enter(1);
    court.collect(&operator.pool, &key).unwrap();
    court.send(pay(authority, &key), &[authority]).unwrap();
    assert_eq!(court.balance(&purse), 1_100_000 + 550_000);
}

// post_bond, request_bond, withdraw_bond, slash_bond

#[test]
fn a_bond_is_posted_cools_down_and_comes_back() {
    let court = Court::new();
    let owner = court.staker(STAKE);
    court.post(&owner, 6_000_000).unwrap();
    court.enter(3);
    court.post(&owner, 3_000_000).unwrap();
    let bond = court.bond(&owner);
    assert_eq!((bond.version, bond.network), (1, court.network));
    assert_eq!(bond.owner, owner.pubkey());
    assert_eq!((bond.amount, bond.cooling), (9_000_000, 0));
    assert_eq!(
        [0, 2, 3, 4].map(|epoch| bond.amount_at(epoch)),
        [6_000_000, 6_000_000, 9_000_000, 9_000_000]
    );
    let vault = client::bond_vault(&court.network);
    assert_eq!(court.balance(&vault), 9_000_000);
    assert_eq!(court.roster().bonded, 9_000_000);

    assert_refused(court.withdraw_bond(&owner), E::NothingRequested);
    court.request_bond(&owner, 4_000_000).unwrap();
    let bond = court.bond(&owner);
    assert_eq!((bond.amount, bond.cooling), (5_000_000, 4_000_000));
    let releases_at = START + 3 * EPOCH + EPOCH + EVIDENCE;
    assert_eq!(bond.releases_at, releases_at);
    court.harness.chain.set_time(releases_at - 1);
    assert_refused(court.withdraw_bond(&owner), E::BondCooling);
    court.harness.chain.set_time(releases_at);
    court.withdraw_bond(&owner).unwrap();
    assert_refused(court.withdraw_bond(&owner), E::NothingRequested);
    assert_eq!(court.tokens(&owner), 5_000_000);
    assert_eq!(court.balance(&vault), 5_000_000);
    assert_eq!(court.roster().bonded, 5_000_000);
}

#[test]
fn a_bond_can_be_posted_before_the_network_begins() {
    let court = Court::new();
    let owner = court.staker(STAKE);
    court.edit::<device_registry::state::Network>(&court.network, |network| {
        network.genesis += 10 * EPOCH;
    });
    court.post(&owner, STAKE).unwrap();
    assert_eq!(court.bond(&owner).amount_at(0), STAKE);
}

#[test]
fn bonds_refuse_amounts_that_are_not_there() {
    let court = Court::new();
    let owner = court.staker(STAKE);
    assert_refused(court.post(&owner, 0), E::ZeroAmount);
    /// What the token program says to a transfer of more than there is.
    const INSUFFICIENT_FUNDS: u32 = 1;
    assert_refused(court.post(&owner, u64::MAX), INSUFFICIENT_FUNDS);
    court.post(&owner, STAKE).unwrap();
    assert_refused(court.request_bond(&owner, 0), E::ZeroAmount);
    assert_refused(court.request_bond(&owner, STAKE + 1), E::BondTooSmall);
    assert_refused(court.request_bond(&owner, u64::MAX), E::BondTooSmall);
}

#[test]
fn a_slashed_bond_pays_the_reporter_and_burns_the_rest() {
    let court = Court::new();
    let (owner, other) = (court.staker(STAKE), court.staker(STAKE));
    court.post(&owner, STAKE).unwrap();
    court.post(&other, STAKE).unwrap();
    court.request_bond(&owner, 6_000_000).unwrap();
    let supply = court.supply();
    // 4,000,000 back devices, the rest comes from what cools down.
    let report = court.slash_bond(&owner.pubkey(), 5_000_000);
    assert_eq!(report.kind, SourceKind::Bond as u8);
    assert_eq!(
        (report.source, report.destination),
        (owner.pubkey(), court.bounty)
    );
    assert_eq!(
        (report.amount, report.excess, report.insurance),
        (5_000_000, 0, 0)
    );
    let bond = court.bond(&owner);
    assert_eq!((bond.amount, bond.cooling), (0, 5_000_000));
    assert_eq!(court.balance(&court.bounty), 1_500_000);
    assert_eq!(court.supply(), supply - 3_500_000);

    // No cap, and never more than there is, nor of anybody else's.
    let report = court.slash_bond(&owner.pubkey(), u64::MAX);
    assert_eq!(report.amount, 5_000_000);
    let report = court.slash_bond(&owner.pubkey(), u64::MAX);
    assert_eq!(report.amount, 0);
    assert_eq!(court.bond(&other).amount, STAKE);
    assert_eq!(court.roster().bonded, STAKE);
    let vault = client::bond_vault(&court.network);
    assert_eq!(court.balance(&vault), STAKE);
    court.harness.advance(EPOCH + EVIDENCE);
    assert_refused(court.withdraw_bond(&owner), E::NothingRequested);
}

#[test]
fn who_has_no_bond_is_reported_all_the_same() {
    let court = Court::new();
    let owner = Pubkey::new_unique();
    // Not even lamports at its address make it one.
    court
        .harness
        .chain
        .airdrop(&client::bond(&court.network, &owner), 1_000_000);
    let report = court.slash_bond(&owner, STAKE);
    assert_eq!((report.source, report.amount), (owner, 0));
    assert_eq!(court.balance(&court.bounty), 0);
}

#[test]
fn slash_bond_refuses_swapped_accounts() {
    let court = Court::new();
    let (owner, other) = (court.staker(STAKE), court.staker(STAKE));
    court.post(&owner, STAKE).unwrap();
    court.post(&other, STAKE).unwrap();
    let foreign = court.other_network();
    let roster = client::roster(&court.network);
    let vault = client::bond_vault(&court.network);
    let bond = client::bond(&court.network, &owner.pubkey());
    let good = || by_probe(&PROBE, court.bare_slash_bond([0; 32], &owner.pubkey(), 1));
    let swapped = |from: &Pubkey, to: &Pubkey| court.send(swap(good(), from, to), &[]);
    // The bond of another owner, of another network, or none at all
    for wrong in [
        client::bond(&court.network, &other.pubkey()),
        client::bond(&foreign, &owner.pubkey()),
        Pubkey::new_unique(),
    ] {
        assert_refused(swapped(&bond, &wrong), E::WrongBond);
    }
    // An account of this program that is no bond
    assert_refused(
        swapped(&bond, &client::roster(&foreign)),
        ErrorCode::AccountDiscriminatorMismatch,
    );
    assert_refused(swapped(&roster, &client::roster(&foreign)), E::WrongRoster);
    assert_refused(swapped(&court.network, &foreign), E::WrongRoster);
    assert_refused(
        swapped(&vault, &client::bond_vault(&foreign)),
        E::WrongBondVault,
    );
    let mint = court.harness.mint();
    assert_refused(swapped(&court.stake_mint, &mint), E::WrongMint);
    let other_tokens = court.harness.fund(&court.payer(), &mint, 1);
    assert_refused(swapped(&court.bounty, &other_tokens), E::WrongMint);
    assert_refused(swapped(&court.bounty, &vault), E::BountyIsVault);
    let slasher = slashing::slasher(&PROBE).0;
    let bare = court.bare_slash_bond([0; 32], &owner.pubkey(), 1);
    assert_refused(
        court.send(unsign(bare.clone(), &slasher), &[]),
        ErrorCode::AccountNotSigner,
    );
    let thief = court.harness.key();
    let signed = by_thief(bare, &[0; 32], &thief.pubkey());
    assert_refused(court.send(signed, &[&thief]), E::NotSlasher);
    court.send(good(), &[]).unwrap();
    assert_refused(court.send(good(), &[]), ALREADY_IN_USE);
}

#[test]
fn a_bond_is_its_owners() {
    let court = Court::new();
    let (owner, thief) = (court.staker(STAKE), court.staker(STAKE));
    court.post(&owner, STAKE).unwrap();
    court.post(&thief, STAKE).unwrap();
    let foreign = court.other_network();
    let (network, mint) = (&court.network, &court.stake_mint);
    let (theirs, mine) = (
        client::bond(network, &owner.pubkey()),
        client::bond(network, &thief.pubkey()),
    );

    let request = || client::request_bond(network, &thief.pubkey(), 1);
    assert_refused(
        court.send(swap(request(), &mine, &theirs), &[&thief]),
        E::NotOwner,
    );
    assert_refused(
        court.send(swap(request(), network, &foreign), &[&thief]),
        E::WrongBond,
    );
    assert_refused(
        court.send(unsign(request(), &thief.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );

    court.request_bond(&owner, STAKE).unwrap();
    court.request_bond(&thief, STAKE).unwrap();
    court.harness.advance(EPOCH + EVIDENCE);
    let withdraw = || client::withdraw_bond(network, &thief.pubkey(), mint);
    assert_refused(
        court.send(swap(withdraw(), &mine, &theirs), &[&thief]),
        E::NotOwner,
    );
    let (here, there) = (client::bond_vault(network), client::bond_vault(&foreign));
    assert_refused(
        court.send(swap(withdraw(), &here, &there), &[&thief]),
        E::WrongBondVault,
    );
    // The vault of a network to which the bond was never posted
    let elsewhere = swap(
        swap(withdraw(), &here, &there),
        &client::roster(network),
        &client::roster(&foreign),
    );
    assert_refused(court.send(elsewhere, &[&thief]), E::WrongBond);
    assert_refused(
        court.send(unsign(withdraw(), &thief.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );

    let post = client::post_bond(&court.payer(), &thief.pubkey(), network, mint, 1);
    let (purse, victim) = (
        token::associated(&thief.pubkey(), mint),
        token::associated(&owner.pubkey(), mint),
    );
    court.harness.fund(&owner.pubkey(), mint, 1);
    assert_refused(
        court.send(swap(post.clone(), &purse, &victim), &[&thief]),
        TOKEN_OWNER_MISMATCH,
    );
    assert_refused(
        court.send(swap(post.clone(), &mine, &theirs), &[&thief]),
        ErrorCode::ConstraintSeeds,
    );
    assert_refused(
        court.send(swap(post, &here, &there), &[&thief]),
        E::WrongBondVault,
    );
}

#[test]
fn bonds_that_are_not_covered_pay_nobody() {
    let court = Court::new();
    let owner = court.staker(STAKE);
    court.post(&owner, STAKE).unwrap();
    court.request_bond(&owner, 1).unwrap();
    court.edit::<Roster>(&client::roster(&court.network), |roster| {
        roster.bonded += 1;
    });
    court.harness.advance(EPOCH + EVIDENCE);
    assert_refused(court.withdraw_bond(&owner), E::Insolvent);
    assert_refused(court.try_slash_bond(&owner.pubkey(), 1), E::Insolvent);
}
