use super::roster::{assert_refused, moment, pool, roster, COOLDOWN, EPOCH};
use anchor_lang::prelude::Pubkey;
use proptest::prelude::*;
use security_pool::error::PoolError as E;
use security_pool::state::{
    Pool, Report, Reported, Request, Roster, Slash, SourceKind, Split, MAX_BOUNTY_BPS, MAX_PAID_BPS,
};

const STAKE: u64 = 10_000_000;

/// A pool that allocates all its stake to a roster whose cap is a half.
fn seated() -> (Box<Roster>, Pool, Pubkey) {
    let (mut roster, mut pool, key) = (roster(), pool(STAKE, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, STAKE, moment(0)).unwrap();
    (roster, pool, key)
}

#[test]
fn a_slash_takes_its_part_of_what_is_at_stake() {
    let (mut roster, mut pool, key) = seated();
    for severity in [0, 10_001, u16::MAX] {
        assert_refused(
            roster.slash(&key, &mut pool, severity, moment(0)),
            E::InvalidSeverity,
        );
    }
    let slash = roster.slash(&key, &mut pool, 1, moment(0)).unwrap();
    assert_eq!((slash.amount, slash.excess), (1_000, 0));
    assert_eq!((pool.staked, pool.slashed_total), (STAKE - 1_000, 1_000));
    assert_refused(
        roster.slash(&Pubkey::new_unique(), &mut pool, 1, moment(0)),
        E::NotOnRoster,
    );
}

#[test]
fn the_smallest_slash_takes_something() {
    let (mut roster, mut pool, key) = (roster(), pool(STAKE, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, 1_001, moment(0)).unwrap();
    let slash = roster.slash(&key, &mut pool, 1, moment(0)).unwrap();
    assert_eq!(slash.amount, 1);
}

#[test]
fn beyond_the_cap_the_shares_lose_and_the_tokens_stay() {
    let (mut roster, mut pool, key) = seated();
    let slash = roster.slash(&key, &mut pool, 8_000, moment(10)).unwrap();
    assert_eq!((slash.amount, slash.excess), (8_000_000, 3_000_000));
    assert_eq!((pool.staked, pool.locked_excess), (2_000_000, 3_000_000));
    // The rest of the epoch takes nothing more, on whatever there is.
    let slash = roster.slash(&key, &mut pool, 1_000, moment(99)).unwrap();
    assert_eq!((slash.amount, slash.excess), (200_000, 200_000));
    assert_refused(
        roster.collect(&key, &mut pool, 3_000_000, moment(99)),
        E::CapReached,
    );
    // A second later it is the next epoch: half of what is there, of what is locked too.
    assert_eq!(
        roster
            .collect(&key, &mut pool, 3_000_000, moment(EPOCH))
            .unwrap(),
        2_500_000
    );
    assert_refused(
        roster.collect(&key, &mut pool, 500_000, moment(EPOCH)),
        E::CapReached,
    );
    assert_refused(
        roster.collect(&key, &mut pool, 0, moment(EPOCH)),
        E::NothingDue,
    );
    assert_eq!(pool.locked_excess, 700_000);
}

#[test]
fn what_is_locked_is_collected_to_the_last_unit() {
    let (mut roster, mut pool, key) = seated();
    let mut excess = roster
        .slash(&key, &mut pool, 10_000, moment(0))
        .unwrap()
        .excess;
    let mut epochs = 0;
    while excess > 0 {
        epochs += 1;
        excess -= roster
            .collect(&key, &mut pool, excess, moment(epochs * EPOCH))
            .unwrap();
        assert_eq!(pool.locked_excess, excess);
    }
    assert_eq!(epochs, 23);
}

#[test]
fn for_a_pool_that_has_left_nothing_caps_what_is_locked() {
    let (mut roster, mut pool, key) = seated();
    let excess = roster
        .slash(&key, &mut pool, 8_000, moment(0))
        .unwrap()
        .excess;
    roster.opt_out(&key, &mut pool, moment(0)).unwrap();
    let left = moment(EPOCH + COOLDOWN);
    roster.refresh(&key, &mut pool, left).unwrap();
    assert_eq!(
        roster.collect(&key, &mut pool, excess, left).unwrap(),
        excess
    );
    assert_eq!(pool.locked_excess, 0);
}

#[test]
fn who_leaves_is_slashed_until_his_release_and_not_after() {
    let (mut roster, mut pool, key) = seated();
    roster.opt_out(&key, &mut pool, moment(299)).unwrap();
    let release = 300 + COOLDOWN;
    roster
        .slash(&key, &mut pool, 1, moment(release - 1))
        .unwrap();
    // Whether anybody has refreshed or not
    assert_refused(
        roster.slash(&key, &mut pool, 1, moment(release)),
        E::NothingAtStake,
    );
    roster.refresh(&key, &mut pool, moment(release)).unwrap();
    assert_refused(
        roster.slash(&key, &mut pool, 1, moment(release)),
        E::NotOnRoster,
    );
}

#[test]
fn who_requested_his_stake_back_is_slashed_as_before() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    let owner = pool.operator;
    let shares = pool.delegate(&owner, 9_000_000).unwrap();
    roster.opt_in(key, &mut pool, STAKE, moment(0)).unwrap();
    let request = pool.request(&owner, shares, 250).unwrap();
    roster.refresh(&key, &mut pool, moment(250)).unwrap();
    let entry = roster.refresh(&key, &mut pool, moment(250)).unwrap();
    assert_eq!((entry.next, entry.counted), (1_000_000, STAKE));
    let slash = roster.slash(&key, &mut pool, 5_000, moment(260)).unwrap();
    assert_eq!(slash.amount, 5_000_000);
    assert_eq!((pool.staked, pool.cooling), (500_000, 4_500_000));
    assert_eq!(
        pool.pay(&owner, request.cooling_shares, request.generation)
            .unwrap(),
        4_500_000
    );
}

#[test]
fn the_largest_numbers_fit() {
    let (mut roster, mut pool, key) = (roster(), pool(u64::MAX, 10_000), Pubkey::new_unique());
    roster.opt_in(key, &mut pool, u64::MAX, moment(0)).unwrap();
    let slash = roster.slash(&key, &mut pool, 10_000, moment(0)).unwrap();
    assert_eq!(slash.amount, u64::MAX);
    assert_eq!(slash.excess, u64::MAX / 2);
    assert_eq!((pool.staked, pool.slashed_total), (0, u64::MAX));
    assert_refused(pool.lock(u64::MAX), E::Overflow);
    assert!(pool.insure(u64::MAX).is_ok());
    assert_refused(pool.insure(1), E::Overflow);
    assert_refused(pool.unlock(u64::MAX), E::Overflow);
    let split = Split::new(u64::MAX, 5_000, 4_000).unwrap();
    assert_eq!(split.bounty, u64::MAX / 2);
    assert_eq!(
        u128::from(split.bounty) + u128::from(split.insurance) + u128::from(split.burned),
        u128::from(u64::MAX)
    );
}

#[derive(Clone, Debug)]
enum Step {
    Delegate(usize, u64),
    Request(usize, u64),
    Withdraw(usize),
    Slash(u16),
    Collect(usize),
    PayInsurance(usize),
    Refresh,
    OptIn(u64),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sizes = prop_oneof![1..=10u64, 1..=3_000_000u64, 1..=1_000_000_000_000u64];
    let step = prop_oneof![
        (0..3usize, sizes.clone()).prop_map(|(holder, size)| Step::Delegate(holder, size)),
        (0..3usize, sizes.clone()).prop_map(|(holder, size)| Step::Request(holder, size)),
        (0..64usize).prop_map(Step::Withdraw),
        prop_oneof![1..=10_000u16, Just(10_000)].prop_map(Step::Slash),
        (0..64usize).prop_map(Step::Collect),
        (0..64usize).prop_map(Step::PayInsurance),
        Just(Step::Refresh),
        sizes.prop_map(Step::OptIn),
        (1..=2 * EPOCH).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..150)
}

fn report(slash: Slash, insurance: u64, now: i64) -> Report {
    let mut report: Report = bytemuck::Zeroable::zeroed();
    report.open(Reported {
        kind: SourceKind::Pool,
        network: Pubkey::default(),
        slasher: Pubkey::default(),
        offence: [0; 32],
        source: Pubkey::default(),
        destination: Pubkey::default(),
        payer: Pubkey::default(),
        amount: slash.amount,
        excess: slash.excess,
        bounty_bps: slash.bounty_bps,
        insurance,
        reported_at: now,
    });
    report
}

/// What the operator's shares are worth, base units.
fn owned(pool: &Pool) -> u128 {
    let worth = |shares: u64, worth: u64, all: u64| {
        (u128::from(shares) * u128::from(worth))
            .checked_div(all.into())
            .unwrap_or(0)
    };
    worth(pool.operator_shares, pool.staked, pool.shares)
        + worth(
            pool.operator_cooling_shares,
            pool.cooling,
            pool.cooling_shares,
        )
}

#[test]
fn a_reporter_gets_no_more_than_the_operator_loses() {
    let (mut roster, mut pool, key) = (roster(), pool(1_000_000, 10_000), Pubkey::new_unique());
    let (operator, delegator) = (pool.operator, Pubkey::new_unique());
    roster.opt_in(key, &mut pool, 1_000_000, moment(0)).unwrap();
    let bounty = |pool: &Pool| {
        let mut pool = *pool;
        let mut roster = roster.clone();
        roster
            .slash(&key, &mut pool, 1, moment(0))
            .unwrap()
            .bounty_bps
    };
    // The seed is nobody's, and so is what is lost of it.
    assert_eq!(bounty(&pool), 0);
    let shares = pool.delegate(&operator, 1_000_000).unwrap();
    assert_eq!(bounty(&pool), roster.bounty_bps.min(5_000));
    pool.delegate(&delegator, 8_000_000).unwrap();
    assert_eq!(bounty(&pool), 1_000);
    // What is on its way out is lost all the same.
    let request = pool.request(&operator, shares, 0).unwrap();
    assert_eq!(bounty(&pool), 1_000);
    pool.pay(&operator, request.cooling_shares, request.generation)
        .unwrap();
    assert_eq!(bounty(&pool), 0);

    pool.delegate(&delegator, 1_000_000).unwrap();
    pool.offer(delegator);
    pool.accept(delegator).unwrap();
    assert_eq!(bounty(&pool), 0);
    pool.delegate(&delegator, 10_000_000).unwrap();
    assert_eq!(bounty(&pool), roster.bounty_bps.min(5_000));
}

proptest! {
    /// Whatever happens in whatever order, the vault holds to the unit what the pool says it owes, nothing that was
    /// slashed comes back, no epoch takes more than its cap, and a request never fails for a slash that came before.
    #[test]
    fn every_unit_is_accounted_for(steps in steps()) {
        let (mut roster, mut pool, key) = (roster(), pool(STAKE, 10_000), Pubkey::new_unique());
        let mut vault = u128::from(STAKE);
        let mut shares = [0u64; 3];
        let mut requests: Vec<(Pubkey, Request)> = Vec::new();
        let owners = [pool.operator, Pubkey::new_unique(), Pubkey::new_unique()];
        let mut reports: Vec<Report> = Vec::new();
        let (mut lost, mut now) = (0u128, 0i64);
        let (mut taken_in_epoch, mut cap, mut epoch_seen) = (0u128, None, 0u64);
        for step in steps {
            let at = moment(now);
            if at.epoch != epoch_seen {
                (taken_in_epoch, cap, epoch_seen) = (0, None, at.epoch);
            }
            let there = pool.slashable() + u128::from(pool.locked_excess);
            // A refused instruction changes nothing.
            let (mut tried_roster, mut tried) = (roster.clone(), pool);
            let mut out = 0u128;
            let passed = match step {
                Step::Delegate(holder, size) => match tried.delegate(&owners[holder], size) {
                    Ok(minted) => {
                        shares[holder] += minted;
                        vault += u128::from(size);
                        true
                    }
                    Err(_) => false,
                },
                Step::Request(holder, size) => {
                    let part = size.min(shares[holder]);
                    let worth = u128::from(part) * u128::from(pool.staked) / u128::from(pool.shares);
                    match tried.request(&owners[holder], part, now) {
                        Ok(request) => {
                            shares[holder] -= part;
                            requests.push((owners[holder], request));
                            true
                        }
                        Err(error) => {
                            prop_assert!(worth == 0, "{worth} is refused: {error}");
                            false
                        }
                    }
                }
                Step::Withdraw(which) => {
                    if requests.is_empty() {
                        continue;
                    }
                    let (owner, request) = requests.swap_remove(which % requests.len());
                    out = tried.pay(&owner, request.cooling_shares, request.generation).unwrap().into();
                    // Others' rounding is worth less than a unit a step.
                    prop_assert!(out <= u128::from(request.amount) + 150);
                    true
                }
                Step::Slash(severity) => match tried_roster.slash(&key, &mut tried, severity, at) {
                    Ok(slash) => {
                        let taken = slash.amount - slash.excess;
                        let split = tried_roster.split(taken, slash.bounty_bps).unwrap();
                        tried.insure(split.insurance).unwrap();
                        prop_assert_eq!(split.bounty + split.insurance + split.burned, taken);
                        // Nobody gains by reporting himself: what is paid for all of it is no more than the operator lost.
                        let whole = tried_roster.split(slash.amount, slash.bounty_bps).unwrap();
                        let own_loss = owned(&pool) - owned(&tried);
                        prop_assert!(u128::from(whole.bounty) <= own_loss + 2, "{} {own_loss}", whole.bounty);
                        out = u128::from(split.bounty + split.burned);
                        taken_in_epoch += u128::from(taken);
                        cap.get_or_insert(there);
                        lost += u128::from(slash.amount);
                        reports.push(report(slash, split.insurance, now));
                        true
                    }
                    Err(_) => false,
                },
                Step::Collect(which) => {
                    if reports.is_empty() {
                        continue;
                    }
                    let which = which % reports.len();
                    let report = &mut reports[which];
                    match tried_roster.collect(&key, &mut tried, report.excess, at) {
                        Ok(taken) => {
                            let split = tried_roster.split(taken, report.bounty_bps).unwrap();
                            tried.insure(split.insurance).unwrap();
                            report.collected(taken, split.insurance).unwrap();
                            out = u128::from(split.bounty + split.burned);
                            if roster.entry(&key).is_some() {
                                taken_in_epoch += u128::from(taken);
                                cap.get_or_insert(there);
                            }
                            true
                        }
                        Err(_) => false,
                    }
                }
                Step::PayInsurance(which) => {
                    if reports.is_empty() {
                        continue;
                    }
                    let which = which % reports.len();
                    match reports[which].pay_insurance() {
                        Ok(amount) => {
                            tried.pay_insurance(amount).unwrap();
                            out = amount.into();
                            true
                        }
                        Err(_) => false,
                    }
                }
                Step::Refresh => tried_roster.refresh(&key, &mut tried, at).is_ok(),
                Step::OptIn(allocation) => {
                    let most = allocation.min(tried.staked);
                    tried_roster.opt_in(key, &mut tried, most, at).is_ok()
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    true
                }
            };
            if passed {
                (roster, pool) = (tried_roster, tried);
                vault -= out;
            }
            if roster.entry(&key).is_none() {
                // Who comes back is on the roster anew.
                (taken_in_epoch, cap) = (0, None);
            }
            let owed = [pool.staked, pool.cooling, pool.locked_excess, pool.insurance];
            prop_assert_eq!(vault, owed.into_iter().map(u128::from).sum::<u128>());
            prop_assert!(pool.invariant(u64::try_from(vault).unwrap()).is_ok());
            prop_assert_eq!(lost, u128::from(pool.slashed_total));
            prop_assert_eq!(
                reports.iter().map(|report| report.excess).sum::<u64>(),
                pool.locked_excess
            );
            prop_assert_eq!(
                reports.iter().map(|report| report.insurance).sum::<u64>(),
                pool.insurance
            );
            prop_assert_eq!(shares.iter().sum::<u64>() + STAKE, pool.shares);
            if let Some(there) = cap {
                prop_assert!(taken_in_epoch <= (there * 5_000).div_ceil(10_000));
            }
        }
    }

    /// Whoever slashes himself, with a friendly authority who pays him the insurance too, loses at least a tenth.
    #[test]
    fn slashing_oneself_never_profits(
        amount in any::<u64>(),
        bounty in 0..=MAX_BOUNTY_BPS,
        insurance in 0..=MAX_PAID_BPS - MAX_BOUNTY_BPS,
    ) {
        let split = Split::new(amount, bounty, insurance).unwrap();
        prop_assert!(split.burned >= amount / 10);
        prop_assert_eq!(
            u128::from(split.bounty) + u128::from(split.insurance) + u128::from(split.burned),
            u128::from(amount)
        );
    }

    /// A slash takes the same part of what is staked and what cools down, but for a unit.
    #[test]
    fn a_slash_is_in_proportion(staked in any::<u64>(), cooling in any::<u64>(), amount in any::<u64>()) {
        let mut pool = pool(STAKE, 10_000);
        (pool.staked, pool.cooling, pool.cooling_shares) = (staked, cooling, cooling);
        let there = u128::from(staked) + u128::from(cooling);
        let lost = pool.slash(amount).unwrap();
        prop_assert_eq!(u128::from(lost), there.min(amount.into()));
        prop_assert_eq!(pool.slashable(), there - u128::from(lost));
        let exact = (u128::from(lost) * u128::from(cooling)).checked_div(there);
        prop_assert_eq!(u128::from(cooling - pool.cooling), exact.unwrap_or(0));
        prop_assert_eq!(pool.cooling_generation, u64::from(pool.cooling == 0 && cooling > 0));
    }
}
