//! Attacks on stakes and rewards as whole flows on the compiled programs, after which everybody's tokens are counted: none
//! brings anything to whoever tries it, and what can be proven costs stake.

use super::roots::{World, BALLOT, BUDGET, CHALLENGE};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_spl::token::Mint;
use commitment::sum::{OPERATOR, OWNER};
use device_protocol::VoteMessage;
use fieldproof_client::chain;
use fieldproof_client::reward_emission::{self as client, ClaimAccounts};
use fieldproof_client::{security_pool as pools, token};
use reward_emission::error::EmissionError as E;
use reward_emission::state::{Emission, Payee, FINAL, OPEN, REJECTED};
use security_pool::error::PoolError;
use security_pool::state::{Committee, Delegation, Pool, Report};
use solana_signer::Signer;
use tests::assert_refused;
use tests::fixture::{COOLDOWN, EPOCH, TOKEN};

/// The operator that cheats: 20 of the 90 tokens of the committee.
const CHEAT: usize = 2;

/// The pool as it stands.
fn pool(world: &World, operator: usize) -> Pool {
    world.harness.read(&world.operators[operator].pool)
}

/// What an operator has, base units: all that is in its pool, where nobody else stakes, and what it holds. The shares of
/// the pool's seed, of one token in all, are nobody's.
fn wealth(world: &World, operator: usize) -> u64 {
    let key = &world.operators[operator].key.pubkey();
    let held = token::associated(key, &world.network.stake_mint);
    let pool = pool(world, operator);
    pool.staked + pool.cooling + world.harness.balance(&held)
}

/// Lets all shares of an operator cool down.
fn request_all(world: &World, operator: usize) {
    let at = &world.operators[operator];
    let owner = at.key.pubkey();
    let held: Delegation = world.harness.read(&pools::delegation(&at.pool, &owner));
    let request = pools::request_withdrawal(
        &world.harness.payer.pubkey(),
        &owner,
        &at.pool,
        &pool(world, operator).home,
        held.withdrawals,
        held.shares,
    );
    world.send(&[request], &[&at.key]).expect("request");
}

/// The instruction that pays an operator's first withdrawal.
fn withdrawal(world: &World, operator: usize) -> Instruction {
    let at = &world.operators[operator];
    pools::withdraw(&at.key.pubkey(), &at.pool, &world.network.stake_mint, 0)
}

/// The reports of an operator's slashes, in no order.
fn reports(world: &World, operator: usize) -> Vec<(Pubkey, Report)> {
    use anchor_lang::Discriminator;
    use fieldproof_client::chain::{Chain, Filter};
    let accounts = world
        .harness
        .chain
        .program_accounts(
            &security_pool::ID,
            &[Filter::of_type(Report::DISCRIMINATOR)],
        )
        .expect("accounts");
    let all = accounts.into_iter().map(|(key, account)| {
        let report: Report = bytemuck::pod_read_unaligned(&account.data[8..]);
        (key, report)
    });
    all.filter(|(_, report)| report.source == world.operators[operator].pool)
        .collect()
}

/// Two votes of the present epoch's committee in its ballot `ballot`.
fn votes(pair: [VoteMessage; 2], ballot: u32) -> [VoteMessage; 2] {
    pair.map(|vote| VoteMessage { ballot, ..vote })
}

/// Where a payee's claims are paid from and to.
fn claim_accounts(world: &World, payee: Pubkey) -> ClaimAccounts {
    let state: Payee = world.harness.read(&payee);
    ClaimAccounts {
        network: world.network.key,
        payee,
        reward_mint: world.network.reward_mint,
        destination: state.destination,
    }
}

fn supply(world: &World) -> u64 {
    let mint: Mint =
        chain::read_borsh(&world.harness.chain, &world.network.reward_mint).expect("mint");
    mint.supply
}

fn allocation(world: &World, operator: usize) -> u64 {
    let committee: Committee = world.harness.read(&world.committee());
    let member = committee.member(&world.operators[operator].pool);
    member.map_or(0, |member| committee.members()[member].allocation)
}

#[test]
fn to_unbond_before_the_slash_saves_nothing() {
    // What it costs to stay.
    let stays = World::new();
    let before = wealth(&stays, CHEAT);
    let report = stays.double_vote(CHEAT, stays.two_votes());
    stays.send(&report, &[]).expect("slashed");
    let lost = before - wealth(&stays, CHEAT);
    assert_eq!(lost, World::penalty(CHEAT));

    // It asks for all of its stake and leaves the roster before anybody has seen its votes.
    let world = World::new();
    let report = world.double_vote(CHEAT, world.two_votes());
    request_all(&world, CHEAT);
    let at = &world.operators[CHEAT];
    let leave = pools::opt_out(&world.network.key, &at.pool, &at.key.pubkey());
    world.send(&[leave], &[&at.key]).expect("opt out");
    let withdraw = withdrawal(&world, CHEAT);
    assert_refused(
        world.send(std::slice::from_ref(&withdraw), &[&at.key]),
        PoolError::StillCooling,
    );
    world.send(&report, &[]).expect("slashed");
    assert_eq!(before - wealth(&world, CHEAT), lost);

    world.harness.advance(COOLDOWN);
    world.send(&[withdraw], &[&at.key]).expect("withdrawal");
    assert_eq!(before - wealth(&world, CHEAT), lost);
    // Nobody but the seed has stake left there.
    assert!(pool(&world, CHEAT).staked <= TOKEN);
}

#[test]
fn a_friend_that_fills_the_cap_saves_nothing() {
    let world = World::new();
    let pair = world.two_votes();
    let at = &world.operators[CHEAT];
    // The friend is the cheat itself, who takes all bounties but the last.
    let before = wealth(&world, CHEAT);
    let mint = &world.network.stake_mint;
    let mine = token::associated(&at.key.pubkey(), mint);
    let mut ballot = pair[0].ballot;
    loop {
        let [one, two, report] = world.double_vote(CHEAT, votes(pair, ballot));
        let report = super::security_pool::swap(report, &world.bounty, &mine);
        world.send(&[one, two, report], &[]).expect("slashed");
        ballot += 1;
        if reports(&world, CHEAT).iter().any(|(_, of)| of.excess > 0) {
            break;
        }
    }
    // The cap is full: what somebody else reports now is locked whole, and lost to the shares at once.
    let (held, staked) = (world.harness.balance(&mine), pool(&world, CHEAT).staked);
    let real = world.double_vote(CHEAT, votes(pair, ballot));
    world.send(&real, &[]).expect("slashed");
    let found = reports(&world, CHEAT);
    let (key, last) = found
        .iter()
        .find(|(_, of)| of.destination == world.bounty)
        .expect("the report");
    assert_eq!(last.excess, last.amount);
    assert_eq!(pool(&world, CHEAT).staked, staked - last.amount);
    assert_eq!(world.harness.balance(&world.bounty), 0);
    let collect = |key: &Pubkey, bounty: &Pubkey| {
        let collect = pools::collect_excess(&world.network.key, &at.pool, mint, key, bounty);
        world.send(&[collect], &[])
    };
    assert_refused(collect(key, &world.bounty), PoolError::CapReached);

    // In the epochs after it is taken all the same.
    while world.harness.read::<Report>(key).excess > 0 {
        world.next_epoch();
        collect(key, &world.bounty).expect("collected");
    }
    let bounty = world.harness.balance(&world.bounty);
    assert_eq!(bounty, last.amount * u64::from(last.bounty_bps) / 10_000);
    // And the cheat has lost all that was reported, but for what it paid itself: less than a third.
    let found = reports(&world, CHEAT);
    let slashed: u64 = found.iter().map(|(_, of)| of.amount).sum();
    let paid = world.harness.balance(&mine);
    assert_eq!(paid, held);
    assert_eq!(before - wealth(&world, CHEAT), slashed - paid);
    assert!(paid * 3 < slashed);
}

#[test]
fn the_edge_of_an_epoch_makes_no_offence_cheaper() {
    // Both reported within an epoch.
    let within = World::new();
    let before = wealth(&within, CHEAT);
    let pair = within.two_votes();
    for ballot in 0..2 {
        let report = within.double_vote(CHEAT, votes(pair, ballot));
        within.send(&report, &[]).expect("slashed");
    }
    let lost = before - wealth(&within, CHEAT);

    // One in the last second, the other in the first of the next.
    let world = World::new();
    let pair = world.two_votes();
    let [first, second] = [0, 1].map(|ballot| world.double_vote(CHEAT, votes(pair, ballot)));
    let edge = world.harness.now() / EPOCH * EPOCH + EPOCH;
    world.harness.chain.set_time(edge - 1);
    world.send(&first, &[]).expect("slashed");
    world.harness.chain.set_time(edge);
    world.send(&second, &[]).expect("slashed");
    assert_eq!(before - wealth(&world, CHEAT), lost);
    for (_, report) in reports(&world, CHEAT) {
        assert_eq!(report.excess, 0);
    }
    // And once each.
    assert_refused(world.send(&first, &[]), E::AlreadySlashed);
    assert_eq!(before - wealth(&world, CHEAT), lost);
}

#[test]
fn to_vote_twice_passes_nothing() {
    let world = World::new();
    let before = wealth(&world, 0);
    // A third of the committee's allocation grants itself what the other operator earned.
    let wrong = world.wrong(|rows| {
        rows[2].2 += rows[3].2;
        rows[3].2 = 0;
    });
    let key = world.proposed(&wrong);
    world.vote(&key, 0).expect("vote");
    for _ in 0..2 {
        assert_refused(world.vote(&key, 0), E::AlreadyVoted);
    }
    // Nor in the next ballot of the epoch.
    world.harness.advance(BALLOT);
    assert_refused(world.vote(&key, 0), E::BallotOver);
    assert_eq!(world.proposal(&key).status, OPEN);
    world.harness.advance(CHALLENGE);
    assert_refused(world.finalize(&key), E::NotPassed);
    let mine = claim_accounts(&world, world.pools[0].payee);
    let path = wrong.grants.path(OPERATOR, 0).expect("path");
    let claim = client::claim(mine, wrong.rows[2].2, path);
    assert_refused(world.send(&[claim], &[]), E::NoFinalRoot);

    world
        .challenge(&key, &wrong, None, (OPERATOR, 0))
        .expect("challenge");
    assert_eq!(world.proposal(&key).status, REJECTED);
    assert_eq!(before - wealth(&world, 0), World::penalty(0));
    assert_eq!(supply(&world), 0);
}

#[test]
fn stake_that_dodges_the_draw_weighs_nothing_and_what_is_drawn_answers() {
    let world = World::new();
    let at = &world.operators[CHEAT];
    let (owner, mint) = (at.key.pubkey(), &world.network.stake_mint);
    let held = allocation(&world, CHEAT);
    let more = 200 * TOKEN;
    world.harness.fund(&owner, mint, more);
    let before = wealth(&world, CHEAT);
    // Stake that comes just before a draw is not drawn: it warms up for a full epoch.
    let payer = world.harness.payer.pubkey();
    let raise = [
        pools::delegate(&payer, &owner, &at.pool, mint, more, 1, u64::MAX),
        pools::opt_in(&world.network.key, &at.pool, &owner, held + more),
    ];
    world.send(&raise, &[&at.key]).expect("more stake");
    world.next_epoch();
    assert_eq!(allocation(&world, CHEAT), held);
    world.next_epoch();
    assert_eq!(allocation(&world, CHEAT), held + more);

    // It leaves as soon as it is drawn, signs two votes, and answers with all that it weighed.
    request_all(&world, CHEAT);
    let report = world.double_vote(CHEAT, world.two_votes());
    world.send(&report, &[]).expect("slashed");
    let lost = before - wealth(&world, CHEAT);
    assert_eq!(lost, (held + more) / 10);
    let withdraw = withdrawal(&world, CHEAT);
    assert_refused(world.send(&[withdraw], &[&at.key]), PoolError::StillCooling);
    // And what has left before a draw has no weight in it: the seed's own token at most.
    world.next_epoch();
    assert!(allocation(&world, CHEAT) <= TOKEN);
}

#[test]
fn a_root_with_a_wrong_sum_brings_nothing() {
    let world = World::new();
    // Two thirds grant an owner ten epochs' budgets.
    let loot = 10 * BUDGET;
    let wrong = world.wrong(|rows| rows[0].2 = loot);
    let mut args = world.args(&wrong);
    assert_refused(world.propose(args), E::MoreThanEmitted);
    // And say that it is less.
    let [owners, _] = World::parts();
    args.owners.sum = owners;
    world.propose(args).expect("proposal");
    let key = client::proposal(&world.network.key, &world.operators[0].stream, &args);
    for operator in 0..2 {
        world.vote(&key, operator).expect("vote");
    }
    world.harness.advance(CHALLENGE);
    world.finalize(&key).expect("final");
    assert_eq!(world.proposal(&key).status, FINAL);
    // No leaf sums to it: nobody can be paid what it grants, nor a part of it.
    let path = wrong.grants.path(OWNER, 0).expect("path");
    for amount in [loot, owners, 1] {
        let accounts = claim_accounts(&world, world.owners[0].payee);
        let claim = client::claim(accounts, amount, path.clone());
        assert_refused(world.send(&[claim], &[]), E::NotGranted);
    }
    assert_eq!(supply(&world), 0);
}

#[test]
fn to_claim_twice_brings_nothing() {
    let world = World::new();
    let trees = world.honest();
    world.decide(&trees);
    let mut paid = 0;
    for (row, payee) in [(0, world.owners[0]), (2, world.pools[0])] {
        let amount = trees.rows[row].2;
        let accounts = claim_accounts(&world, payee.payee);
        let path = trees.grants.path(payee.kind, payee.index).expect("path");
        let claim = client::claim(accounts, amount, path);
        // Twice in one transaction, at once, and in a later epoch.
        let twice = [claim.clone(), claim.clone()];
        assert_refused(world.send(&twice, &[]), E::NothingToClaim);
        world
            .send(std::slice::from_ref(&claim), &[])
            .expect("claim");
        paid += amount;
        assert_refused(
            world.send(std::slice::from_ref(&claim), &[]),
            E::NothingToClaim,
        );
        world.next_epoch();
        assert_refused(world.send(&[claim], &[]), E::NothingToClaim);
        assert_eq!(world.harness.balance(&accounts.destination), amount);
    }
    assert_eq!(supply(&world), paid);
    let emission = client::emission(&world.network.key);
    assert_eq!(world.harness.read::<Emission>(&emission).claimed, paid);
}

#[test]
fn to_claim_for_another_brings_nothing() {
    let world = World::new();
    let trees = world.honest();
    world.decide(&trees);
    // The thief is a payee too, without a grant.
    let thief = world.harness.key();
    let (network, mint) = (&world.network.key, &world.network.reward_mint);
    let purse = world.harness.fund(&thief.pubkey(), mint, 0);
    let payer = world.harness.payer.pubkey();
    let register = client::register_owner(&payer, network, &thief.pubkey(), &purse);
    world.send(&[register], &[&thief]).expect("payee");
    let own = client::payee(
        network,
        reward_emission::state::PayeeKind::Owner,
        &thief.pubkey(),
    );

    let victim = world.owners[0];
    let amount = trees.rows[0].2;
    let path = trees.grants.path(OWNER, victim.index).expect("path");
    // The victim's grant as its own, then to its own account.
    let accounts = claim_accounts(&world, own);
    let claim = client::claim(accounts, amount, path.clone());
    assert_refused(world.send(&[claim], &[]), E::NotGranted);
    let accounts = ClaimAccounts {
        destination: purse,
        ..claim_accounts(&world, victim.payee)
    };
    let claim = client::claim(accounts, amount, path.clone());
    assert_refused(world.send(&[claim], &[]), E::WrongDestination);
    // Nor may it name another for the victim.
    let mut set = client::set_destination(network, &thief.pubkey(), None, &purse);
    for meta in &mut set.accounts {
        if meta.pubkey == own {
            meta.pubkey = victim.payee;
        }
    }
    assert_refused(world.send(&[set], &[&thief]), E::NotPayee);
    // What it can do is pay the victim.
    let accounts = claim_accounts(&world, victim.payee);
    let claim = client::claim(accounts, amount, path);
    world.send(&[claim], &[]).expect("claim");
    assert_eq!(world.harness.balance(&accounts.destination), amount);
    assert_eq!(world.harness.balance(&purse), 0);
    assert_eq!(supply(&world), amount);
}
