use anchor_lang::prelude::Pubkey;
use bytemuck::Zeroable;
use proptest::prelude::*;
use security_pool::error::PoolError;
use security_pool::state::{
    Moment, Pool, PoolTerms, Request, Roster, RosterEntry, RosterTerms, MAX_OPERATORS, NOTICE,
};
use std::collections::HashMap;

pub const EPOCH: i64 = 100;
pub const COOLDOWN: i64 = 250;
const MINIMUM: u64 = 1_000;
const SLASHER: Pubkey = slashing::slasher(&security_pool::ID).0;

pub fn moment(now: i64) -> Moment {
    let epoch = now / EPOCH;
    Moment {
        now,
        epoch: epoch as u64,
        next_epoch_start: (epoch + 1) * EPOCH,
        epoch_length: EPOCH,
        exposed: COOLDOWN - 1,
    }
}

pub fn pool(stake: u64, leverage_bps: u32) -> Pool {
    let mut pool = Pool::zeroed();
    pool.open(
        255,
        255,
        Pubkey::new_unique(),
        Pubkey::new_unique(),
        Pubkey::new_unique(),
        &PoolTerms {
            signer: Pubkey::new_unique(),
            cooldown: COOLDOWN,
            leverage_bps,
            seed: stake,
            takes_delegators: true,
        },
    )
    .unwrap();
    pool
}

pub fn roster() -> Box<Roster> {
    let mut roster = Box::new(Roster::zeroed());
    roster
        .open(
            255,
            Pubkey::new_unique(),
            Pubkey::new_unique(),
            RosterTerms {
                slashers: [
                    SLASHER,
                    Pubkey::default(),
                    Pubkey::default(),
                    Pubkey::default(),
                ],
                slash_cap_bps: 5_000,
                minimum_allocation: MINIMUM,
                max_leverage_bps: 20_000,
                bounty_bps: 3_000,
                insurance_bps: 2_000,
            },
        )
        .unwrap();
    roster
}

#[track_caller]
pub fn assert_refused<T>(result: anchor_lang::Result<T>, error: PoolError) {
    match result {
        Err(anchor_lang::error::Error::AnchorError(refusal)) => {
            assert_eq!(refusal.error_code_number, u32::from(error));
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn an_allocation_counts_after_a_full_epoch() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    let entry = roster.opt_in(key, &mut pool, 600_000, moment(250)).unwrap();
    assert_eq!(
        [2, 3, 4, 5].map(|epoch| entry.allocation_at(epoch)),
        [0, 0, 600_000, 600_000]
    );
    assert_eq!(pool.allocated, 600_000);
}

#[test]
fn a_lowered_allocation_counts_until_its_release() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, 600_000, moment(0)).unwrap();
    let entry = roster.opt_in(key, &mut pool, 200_000, moment(250)).unwrap();
    assert_eq!(
        [2, 3].map(|epoch| entry.allocation_at(epoch)),
        [600_000, 200_000]
    );
    assert_eq!(entry.release_at, 300 + COOLDOWN);
    roster
        .refresh(&key, &mut pool, moment(300 + COOLDOWN - 1))
        .unwrap();
    assert_eq!(pool.allocated, 600_000);
    roster
        .refresh(&key, &mut pool, moment(300 + COOLDOWN))
        .unwrap();
    assert_eq!(pool.allocated, 200_000);
    assert_eq!(roster.count, 1);
}

#[test]
fn who_leaves_stays_slashable_for_a_cooldown_after_his_last_epoch() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, 600_000, moment(0)).unwrap();
    roster.opt_out(&key, &mut pool, moment(299)).unwrap();
    assert_refused(
        roster.opt_out(&key, &mut pool, moment(299)),
        PoolError::AlreadyLeaving,
    );
    roster
        .refresh(&key, &mut pool, moment(300 + COOLDOWN - 1))
        .unwrap();
    assert!(roster.entry(&key).is_some());
    roster
        .refresh(&key, &mut pool, moment(300 + COOLDOWN))
        .unwrap();
    assert!(roster.entry(&key).is_none());
    assert_eq!((pool.allocated, roster.count), (0, 0));
    assert_refused(
        roster.refresh(&key, &mut pool, moment(600)),
        PoolError::NotOnRoster,
    );
}

#[test]
fn who_comes_back_after_leaving_keeps_his_slot_until_a_cooldown_after_his_last_weight() {
    let (mut first, mut second) = (roster(), roster());
    let (mut pool, key) = (pool(1_570_988, 15_000), Pubkey::new_unique());
    first.opt_in(key, &mut pool, 1_000_905, moment(22)).unwrap();
    first.unsettle(&key, &mut pool);
    second.opt_in(key, &mut pool, MINIMUM, moment(29)).unwrap();
    // It has weight in epoch 2, leaves, and comes back for a later epoch.
    second.opt_out(&key, &mut pool, moment(243)).unwrap();
    second.opt_in(key, &mut pool, MINIMUM, moment(300)).unwrap();
    // So much of the stake leaves that the second is left with less than the minimum.
    pool.staked = MINIMUM - 1;
    second.refresh(&key, &mut pool, moment(300)).unwrap();
    assert!(second.entry(&key).is_some());
    second
        .refresh(&key, &mut pool, moment(300 + COOLDOWN))
        .unwrap();
    assert!(second.entry(&key).is_none());
}

#[test]
fn leverage_spreads_stake_over_networks_and_weighs_no_more_in_one() {
    let (mut first, mut second) = (roster(), roster());
    let (mut pool, key) = (pool(1_000_000, 15_000), Pubkey::new_unique());
    assert_refused(
        first.opt_in(key, &mut pool, 1_000_001, moment(0)),
        PoolError::AllocationAboveStake,
    );
    first = roster();
    pool.allocated = 0;
    first.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    assert_refused(
        second.opt_in(key, &mut pool, 500_000, moment(0)),
        PoolError::WrongHome,
    );
    first.unsettle(&key, &mut pool);
    second.opt_in(key, &mut pool, 500_000, moment(0)).unwrap();
    assert_refused(
        second.opt_in(key, &mut pool, 500_001, moment(0)),
        PoolError::AllocationAboveLeverage,
    );
}

#[test]
fn what_is_being_left_cannot_be_allocated_elsewhere() {
    let (mut first, mut second) = (roster(), roster());
    let (mut pool, key) = (pool(1_000_000, 10_000), Pubkey::new_unique());
    first.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    first.opt_out(&key, &mut pool, moment(250)).unwrap();
    first.unsettle(&key, &mut pool);
    let mut tried = pool;
    assert_refused(
        second.opt_in(key, &mut tried, MINIMUM, moment(400)),
        PoolError::AllocationAboveLeverage,
    );
}

#[test]
fn lost_stake_is_taken_back_from_the_next_epoch_on() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    pool.staked = 300_000;
    let entry = roster.refresh(&key, &mut pool, moment(250)).unwrap();
    assert_eq!(
        [2, 3].map(|epoch| entry.allocation_at(epoch)),
        [1_000_000, 300_000]
    );
    let again = roster.refresh(&key, &mut pool, moment(260)).unwrap();
    assert_eq!(again, entry);
    // Nobody else counts it: what is gone needs no count.
    assert_eq!(pool.allocated, 300_000);
    let mut tried = pool;
    assert_refused(
        roster.opt_in(key, &mut tried, 300_001, moment(260)),
        PoolError::AllocationAboveStake,
    );
}

#[test]
fn what_one_network_counts_no_refresh_takes_back_for_what_another_counts() {
    let (mut first, mut second) = (roster(), roster());
    let (mut pool, key) = (pool(2_000_000, 10_000), Pubkey::new_unique());
    first.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    first.unsettle(&key, &mut pool);
    second.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    // Half of the stake leaves.
    pool.staked = 1_000_000;
    let entry = first.refresh(&key, &mut pool, moment(250)).unwrap();
    assert_eq!(entry.at_stake(moment(250)), 1_000_000);
    // The allocation follows, and what is counted after a cool-down.
    assert_eq!(entry.allocation_at(3), 500_000);
    let entry = first
        .refresh(&key, &mut pool, moment(300 + COOLDOWN))
        .unwrap();
    assert_eq!(entry.counted, 500_000);
}

#[test]
fn however_often_a_network_slashes_it_takes_no_more_than_it_counts() {
    let (mut first, mut second) = (roster(), roster());
    let (mut pool, key) = (pool(2_000_000, 10_000), Pubkey::new_unique());
    first.opt_in(key, &mut pool, 1_900_000, moment(0)).unwrap();
    first.unsettle(&key, &mut pool);
    second.opt_in(key, &mut pool, 100_000, moment(0)).unwrap();
    second.slash(&key, &mut pool, 10_000, moment(250)).unwrap();
    assert_refused(
        second.slash(&key, &mut pool, 10_000, moment(250)),
        PoolError::NothingAtStake,
    );
    assert_eq!((pool.staked, pool.allocated), (1_900_000, 1_900_000));
    // Nor does it count it again for nothing.
    assert_refused(
        second.opt_in(key, &mut pool, 100_000, moment(250)),
        PoolError::AllocationAboveLeverage,
    );
}

#[test]
fn where_networks_count_more_than_there_is_each_takes_its_part_in_any_order() {
    for first_comes_first in [true, false] {
        let (mut first, mut second) = (roster(), roster());
        let (mut pool, key) = (pool(1_000_000, 10_000), Pubkey::new_unique());
        first.opt_in(key, &mut pool, 600_000, moment(0)).unwrap();
        first.unsettle(&key, &mut pool);
        second.opt_in(key, &mut pool, 400_000, moment(0)).unwrap();
        pool.staked = 500_000;
        let mut taken = [0; 2];
        let mut order = [(0, &mut first), (1, &mut second)];
        if !first_comes_first {
            order.reverse();
        }
        for (number, roster) in order {
            let slash = roster.slash(&key, &mut pool, 10_000, moment(250));
            taken[number] = slash.unwrap().amount;
        }
        assert_eq!(taken, [300_000, 200_000]);
    }
}

#[test]
fn who_lost_all_that_is_counted_weighs_nothing_whatever_it_announces() {
    let (mut roster, mut pool, key) = (roster(), pool(3_000_000, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    pool.delegate(&Pubkey::new_unique(), 1).unwrap();
    roster.slash(&key, &mut pool, 10_000, moment(250)).unwrap();
    for more in 0..3 {
        let now = 250 + more * NOTICE;
        let entry = roster
            .opt_in(key, &mut pool, 1_000_000 + more as u64, moment(now))
            .unwrap();
        assert!(entry.allocation_at(moment(now).epoch) > 0);
        assert!(entry.is_home());
        assert_eq!(entry.at_stake(moment(now)), 0);
        assert_eq!(entry.weight(moment(now)), 0);
        assert_eq!(pool.weight(&entry, moment(now)).unwrap(), 0);
    }
    // What it announced last has weight when it is at stake.
    let entry = roster.entry(&key).unwrap();
    let begun = moment(entry.effective_epoch as i64 * EPOCH);
    assert_eq!(entry.weight(begun), 1_000_002);
    assert_eq!(entry.at_stake(begun), 1_000_002);
}

#[test]
fn what_is_announced_and_gone_makes_no_slash_smaller() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    let delegator = Pubkey::new_unique();
    roster.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    let shares = pool.delegate(&delegator, 9_000_000).unwrap();
    roster
        .opt_in(key, &mut pool, 10_000_000, moment(300))
        .unwrap();
    let request = pool.request(&delegator, shares, 310).unwrap();
    let later = moment(request.available_at);
    pool.pay(&delegator, request.cooling_shares, request.generation)
        .unwrap();
    roster.settle(&key, &mut pool);
    assert_eq!(roster.entry(&key).unwrap().weight(later), 1_000_000);
    assert_eq!(
        roster.at_stake(&SLASHER, &key, &pool, later).unwrap(),
        1_000_000
    );
    let slash = roster.slash(&key, &mut pool, 6_000, later).unwrap();
    assert_eq!(slash.amount, 600_000);
}

#[test]
fn what_is_soon_released_backs_no_weight() {
    let (mut first, mut second) = (roster(), roster());
    let (mut pool, key) = (pool(2_000_000, 10_000), Pubkey::new_unique());
    first.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    first.unsettle(&key, &mut pool);
    second.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    let lowered = second.opt_in(key, &mut pool, 100_000, moment(250)).unwrap();
    // A tenth of the stake stays. From the release on, 1,100,000 are counted, of which the second network counts a eleventh.
    pool.staked = 200_000;
    let weight = pool.weight(&lowered, moment(300)).unwrap();
    assert_eq!(weight, 200_000 / 11);
    let released = moment(lowered.release_at);
    let at_stake = second.at_stake(&SLASHER, &key, &pool, released).unwrap();
    assert_eq!(at_stake, weight + 1);
}

#[test]
fn what_is_at_stake_is_what_a_slash_takes_before_anybody_refreshed() {
    let (mut roster, mut pool, key) = (roster(), pool(10_000_000, 10_000), Pubkey::new_unique());
    roster
        .opt_in(key, &mut pool, 10_000_000, moment(0))
        .unwrap();
    let lowered = roster
        .opt_in(key, &mut pool, 1_000_000, moment(250))
        .unwrap();
    pool.staked = 1_000_000;
    let released = moment(lowered.release_at);
    let at_stake = roster.at_stake(&SLASHER, &key, &pool, released).unwrap();
    assert_eq!(at_stake, 1_000_000);
    let slash = roster.slash(&key, &mut pool, 6_000, released).unwrap();
    assert_eq!(slash.amount, 600_000);
    assert_eq!(
        roster
            .at_stake(&Pubkey::default(), &key, &pool, released)
            .unwrap(),
        0
    );
}

#[test]
fn a_pool_of_more_leverage_than_a_network_takes_stays_out() {
    let mut roster = roster();
    let key = Pubkey::new_unique();
    assert_refused(
        roster.opt_in(key, &mut pool(1_000_000, 20_001), MINIMUM, moment(0)),
        PoolError::LeverageTooHigh,
    );
    roster
        .opt_in(key, &mut pool(1_000_000, 20_000), MINIMUM, moment(0))
        .unwrap();
}

#[test]
fn an_allocation_cut_below_the_minimum_ends() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    pool.staked = MINIMUM - 1;
    assert_eq!(
        roster.refresh(&key, &mut pool, moment(250)).unwrap().next,
        0
    );
    roster
        .refresh(&key, &mut pool, moment(300 + COOLDOWN))
        .unwrap();
    assert_eq!((roster.count, pool.allocated), (0, 0));
}

#[test]
fn a_full_roster_takes_one_more_only_after_one_has_left() {
    let mut roster = roster();
    let mut pools: Vec<_> = (0..MAX_OPERATORS)
        .map(|_| (Pubkey::new_unique(), pool(1_000_000, 10_000)))
        .collect();
    for (key, pool) in &mut pools {
        roster.opt_in(*key, pool, MINIMUM, moment(0)).unwrap();
    }
    let (late, mut late_pool) = (Pubkey::new_unique(), pool(1_000_000, 10_000));
    assert_refused(
        roster.opt_in(late, &mut late_pool, MINIMUM, moment(0)),
        PoolError::RosterFull,
    );
    let (key, pool) = &mut pools[7];
    roster.opt_out(key, pool, moment(0)).unwrap();
    roster.refresh(key, pool, moment(EPOCH + COOLDOWN)).unwrap();
    roster
        .opt_in(late, &mut late_pool, MINIMUM, moment(EPOCH + COOLDOWN))
        .unwrap();
    assert_eq!(roster.entries[7].pool, late);
    assert_eq!(roster.count as usize, MAX_OPERATORS);
}

#[test]
fn the_default_key_is_on_no_roster() {
    assert!(roster().entry(&Pubkey::default()).is_none());
}

#[test]
fn delegators_can_leave_before_a_new_network_begins() {
    let (mut roster, mut shared, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    let delegator = Pubkey::new_unique();
    let shares = shared.delegate(&delegator, 9_000_000).unwrap();
    let entry = roster
        .opt_in(key, &mut shared, 5_000_000, moment(10))
        .unwrap();
    let begins = 10 + NOTICE + COOLDOWN;
    assert_eq!(entry.begins_at, begins);
    // Weight comes with the first epoch after. To want less brings it no earlier; to want more takes a notice of its own.
    let first = (begins / EPOCH + 1) as u64;
    assert_eq!(entry.effective_epoch, first);
    let less = roster
        .opt_in(key, &mut shared, 4_000_000, moment(20))
        .unwrap();
    assert_eq!((less.begins_at, less.effective_epoch), (begins, first));
    assert_eq!(less.allocation_at(first - 1), 0);
    assert_eq!(shared.allocated, 4_000_000);
    let (mut other, mut tried) = (roster.clone(), shared);
    let more = other
        .opt_in(key, &mut tried, 4_000_001, moment(20))
        .unwrap();
    assert_eq!(more.begins_at, begins + 10);
    // Who sees it in the last moment of the notice is out in time.
    let request = shared.request(&delegator, shares, 10 + NOTICE).unwrap();
    assert_eq!(request.available_at, begins);
    assert_refused(
        roster.slash(&key, &mut shared, 10_000, moment(begins - 1)),
        PoolError::NothingAtStake,
    );
    let paid = shared.pay(&delegator, request.cooling_shares, request.generation);
    assert_eq!(paid.unwrap(), 9_000_000);
    assert!(roster.slash(&key, &mut shared, 1, moment(begins)).is_ok());

    // What the operator and others brought in since is at stake after a notice of its own.
    let mut grown = pool(1_000_000, 10_000);
    roster = self::roster();
    roster.opt_in(key, &mut grown, MINIMUM, moment(10)).unwrap();
    grown.delegate(&delegator, 9_000_000).unwrap();
    let entry = roster
        .opt_in(key, &mut grown, 9_000_000, moment(300))
        .unwrap();
    let begins = 300 + NOTICE + COOLDOWN;
    assert_eq!(entry.begins_at, begins);
    let at_stake = |now| entry.at_stake(moment(now));
    assert_eq!(at_stake(300), MINIMUM);
    assert_eq!(at_stake(begins - 1), MINIMUM);
    assert_eq!(at_stake(begins), 9_000_000);
    // Nor does it come earlier by a detour over less, or over leaving.
    for detour in [MINIMUM, 0] {
        let (mut roster, mut pool) = (roster.clone(), grown);
        let entry = match detour {
            0 => roster.opt_out(&key, &mut pool, moment(310)),
            _ => roster.opt_in(key, &mut pool, detour, moment(310)),
        };
        assert_eq!(entry.unwrap().at_stake(moment(310)), MINIMUM);
        assert_eq!(pool.allocated, MINIMUM);
        let again = roster.opt_in(key, &mut pool, 9_000_000, moment(320));
        match detour {
            0 => assert_refused(again, PoolError::StillReleasing),
            _ => assert_eq!(again.unwrap().at_stake(moment(320)), MINIMUM),
        }
    }

    // A change of the operator leaves stake of the former one's behind.
    let (mut handed, heir) = (pool(1_000_000, 10_000), Pubkey::new_unique());
    handed.offer(heir);
    handed.accept(heir).unwrap();
    let entry = roster
        .opt_in(heir, &mut handed, 1_000_000, moment(10))
        .unwrap();
    assert_eq!(entry.begins_at, 10 + NOTICE + COOLDOWN);
}

#[derive(Clone, Debug)]
enum Step {
    OptIn(u64),
    OptOut,
    Refresh,
    Delegate(u64),
    Request(u64),
    Withdraw,
    Slash(u16),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, Step)>> {
    let step = prop_oneof![
        3 => (1..=3_000_000u64).prop_map(Step::OptIn),
        2 => Just(Step::OptOut),
        3 => Just(Step::Refresh),
        1 => (1..=2_000_000u64).prop_map(Step::Delegate),
        1 => (1..=2_000_000u64).prop_map(Step::Request),
        1 => Just(Step::Withdraw),
        1 => (1..=10_000u16).prop_map(Step::Slash),
        3 => (1..=2 * EPOCH).prop_map(Step::Wait),
    ];
    prop::collection::vec((0..2usize, 0..4usize, step), 1..120)
}

/// What a pool weighed in a committee, without what was slashed since, and until when evidence is taken of what was done
/// with it.
struct Drawn {
    roster: usize,
    pool: usize,
    weight: u64,
    until: i64,
}

/// What a network's epoch promised about a pool when it was first looked at.
#[derive(Clone, Copy)]
struct Promise {
    epoch: u64,
    now: u64,
    next: u64,
}

proptest! {
    /// Whatever three operators do on two rosters: an epoch's weights stand still, weight rises only after a full epoch
    /// of warm-up, what the rosters count adds up, nobody leaves before a cool-down after his last weight, what a roster
    /// has at hand of a pool is never more than the pool has, nothing but time and slashes takes away what is at stake,
    /// nothing but announced time brings more of a shared pool there, and without leverage no network loses by what another
    /// does, and what had weight is at stake as long as evidence is taken.
    #[test]
    fn rosters_keep_their_promises(steps in steps()) {
        let mut rosters = [roster(), roster()];
        let leverages = [10_000, 15_000, 20_000, 10_000];
        let mut pools = leverages.map(|leverage| (Pubkey::new_unique(), pool(1_000_000, leverage)));
        // Of the last two, somebody else has a share.
        for (_, shared) in &mut pools[2..] {
            shared.delegate(&Pubkey::new_unique(), 1).unwrap();
        }
        let mut shares = [0u64; 4];
        let mut requests: [Vec<Request>; 4] = Default::default();
        let mut drawn: Vec<Drawn> = Vec::new();
        let mut now = 0i64;
        let mut promises: HashMap<(usize, usize), Promise> = HashMap::new();
        let mut last_weight: HashMap<(usize, usize), u64> = HashMap::new();
        for (r, p, step) in steps {
            let at = moment(now);
            let (key, pool) = &mut pools[p];
            // A refused instruction changes nothing.
            let (mut tried_roster, mut tried_pool) = (rosters[r].clone(), *pool);
            let mut tried_other = rosters[1 - r].clone();
            let passed = match step {
                Step::OptIn(allocation) => {
                    if tried_pool.home == tried_other.network {
                        tried_other.unsettle(key, &mut tried_pool);
                    }
                    tried_roster.opt_in(*key, &mut tried_pool, allocation, at).is_ok()
                }
                Step::OptOut => tried_roster.opt_out(key, &mut tried_pool, at).is_ok(),
                Step::Refresh => tried_roster.refresh(key, &mut tried_pool, at).is_ok(),
                Step::Delegate(amount) => tried_pool
                    .delegate(&tried_pool.operator.clone(), amount)
                    .map(|minted| shares[p] += minted)
                    .is_ok(),
                Step::Request(size) => {
                    let part = size.min(shares[p]);
                    let requested = tried_pool.request(&tried_pool.operator.clone(), part, now);
                    for roster in [&mut tried_roster, &mut tried_other] {
                        if tried_pool.home == roster.network {
                            roster.settle(key, &mut tried_pool);
                        }
                    }
                    requested
                        .map(|request| {
                            shares[p] -= part;
                            requests[p].push(request);
                        })
                        .is_ok()
                }
                Step::Withdraw => {
                    let due = requests[p].iter().position(|request| request.available_at <= now);
                    due.is_some_and(|due| {
                        let request = requests[p].swap_remove(due);
                        let (shares, generation) = (request.cooling_shares, request.generation);
                        tried_pool.pay(&tried_pool.operator.clone(), shares, generation).is_ok()
                    })
                }
                Step::Slash(severity) => {
                    let at_stake = tried_roster.at_stake(&SLASHER, key, &tried_pool, at).unwrap();
                    let there = u64::try_from(tried_pool.slashable()).unwrap().min(at_stake);
                    let slash = tried_roster.slash(key, &mut tried_pool, severity, at);
                    if let Ok(slash) = &slash {
                        prop_assert!(slash.amount <= there);
                        let least = u128::from(there) * u128::from(severity) / 10_000;
                        prop_assert!(u128::from(slash.amount) >= least);
                    }
                    slash.is_ok()
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    true
                }
            };
            let at_stake = |roster: &Roster| roster.entry(key).map_or(0, |entry| entry.at_stake(at));
            if passed && !matches!(step, Step::Wait(_)) {
                let (was, is) = (at_stake(&rosters[r]), at_stake(&tried_roster));
                match step {
                    // It takes what it takes once.
                    Step::Slash(severity) => {
                        let wanted = (u128::from(was) * u128::from(severity)).div_ceil(10_000);
                        prop_assert_eq!(u128::from(was - is), wanted);
                    }
                    _ => {
                        let there = u64::try_from(tried_pool.slashable()).unwrap();
                        prop_assert!(is >= was.min(there), "{is} of {was} are left");
                    }
                }
                prop_assert!(tried_pool.shared == 0 || is <= was, "{is} instead of {was}");
                if pool.leverage_bps == 10_000 && !matches!(step, Step::Withdraw) {
                    let was = pool.part_of_countable(at_stake(&rosters[1 - r]));
                    let is = tried_pool.part_of_countable(at_stake(&tried_other));
                    prop_assert!(is + 1 >= was, "another network has {is} of {was} left");
                }
            }
            if passed {
                let before = rosters[r].entry(key).copied();
                (rosters[r], *pool) = (tried_roster, tried_pool);
                rosters[1 - r] = tried_other;
                let after = rosters[r].entry(key).copied();
                match step {
                    Step::OptIn(allocation) => {
                        prop_assert!(allocation >= MINIMUM);
                        let raised = before
                            .is_none_or(|before| allocation > before.next.min(before.counted));
                        prop_assert!(!raised || u128::from(pool.allocated) <= pool.backing());
                        prop_assert!(!raised || allocation <= pool.staked);
                    }
                    Step::Slash(severity) => {
                        for of in drawn.iter_mut().filter(|of| (of.roster, of.pool) == (r, p)) {
                            of.weight -= (of.weight * u64::from(severity)).div_ceil(10_000);
                        }
                    }
                    Step::Refresh => {
                        let entry = after.unwrap_or_default();
                        prop_assert!(entry.next <= pool.staked);
                        prop_assert!(entry.next <= entry.counted);
                    }
                    _ => {}
                }
                if before.is_some() && after.is_none() {
                    if let Some(epoch) = last_weight.get(&(r, p)) {
                        prop_assert!(now >= (*epoch as i64 + 1) * EPOCH + COOLDOWN);
                    }
                }
            }

            let epoch = moment(now).epoch;
            for (r, roster) in rosters.iter().enumerate() {
                prop_assert_eq!(
                    roster.count as usize,
                    roster.entries.iter().filter(|entry| !entry.is_free()).count()
                );
                for (p, (key, _)) in pools.iter().enumerate() {
                    let entry = roster.entry(key).copied().unwrap_or_default();
                    let seen = Promise {
                        epoch,
                        now: entry.allocation_at(epoch),
                        next: entry.allocation_at(epoch + 1),
                    };
                    let promise = promises.entry((r, p)).or_insert(seen);
                    if promise.epoch < epoch {
                        // Nothing was done since the clock moved on, so this is what earlier epochs decided.
                        *promise = seen;
                    }
                    prop_assert_eq!(seen.now, promise.now);
                    prop_assert!(seen.next <= promise.now.max(promise.next));
                    if seen.now > 0 {
                        last_weight.insert((r, p), epoch);
                    }
                }
            }
            // Each step rounds by less than two units.
            let at = moment(now);
            drawn.retain(|of| now < of.until);
            for of in &drawn {
                let (key, pool) = &pools[of.pool];
                let left = rosters[of.roster].at_stake(&SLASHER, key, pool, at).unwrap();
                prop_assert!(left + 240 >= of.weight, "{left} of {} are left", of.weight);
            }
            for (roster, state) in rosters.iter().enumerate() {
                for (place, (key, pool)) in pools.iter().enumerate() {
                    let Some(entry) = state.entry(key) else { continue };
                    let weight = if entry.is_home() { entry.weight(at) } else { pool.weight(entry, at).unwrap() };
                    // Another network's slash takes what leverage promised twice.
                    if weight > 0 && pool.leverage_bps == 10_000 {
                        let until = epoch as i64 * EPOCH + at.exposed;
                        drawn.push(Drawn { roster, pool: place, weight, until });
                    }
                }
            }
            for (key, pool) in &pools {
                let counted: u64 = rosters
                    .iter()
                    .filter_map(|roster| roster.entry(key))
                    .map(|entry: &RosterEntry| entry.counted)
                    .sum();
                prop_assert_eq!(counted, pool.allocated);
                // A home counts all that is counted, and weighs no more of the pool than is there.
                for roster in &rosters {
                    let entry = roster.entry(key).copied().unwrap_or_default();
                    prop_assert_eq!(entry.is_home(), pool.home == roster.network);
                    if entry.is_home() {
                        prop_assert_eq!(entry.counted, pool.allocated);
                        prop_assert_eq!((entry.signer, entry.cooldown), (pool.signer, pool.cooldown));
                        prop_assert!(entry.staked <= pool.staked);
                        let weight = pool.weight(&entry, moment(now)).unwrap();
                        let at_home = entry.weight(moment(now));
                        // What is announced leaves a pool that others count too a smaller part of what it backs.
                        prop_assert!(at_home <= weight || now < entry.begins_at);
                        if entry.staked == pool.staked {
                            prop_assert!(at_home >= weight);
                        }
                    }
                }
            }
        }
    }
}
