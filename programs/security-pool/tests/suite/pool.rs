use super::roster::assert_refused;
use anchor_lang::prelude::Pubkey;
use bytemuck::Zeroable;
use proptest::prelude::*;
use security_pool::error::PoolError as E;
use security_pool::state::{quorum, Pool, PoolTerms, MAX_COOLDOWN, MIN_SEED};

const TERMS: PoolTerms = PoolTerms {
    signer: Pubkey::new_from_array([1; 32]),
    cooldown: 100,
    leverage_bps: 10_000,
    seed: MIN_SEED,
    takes_delegators: true,
};

/// Not the operator.
const OWNER: Pubkey = Pubkey::new_from_array([2; 32]);

fn open(terms: PoolTerms) -> anchor_lang::Result<Pool> {
    let mut pool = Pool::zeroed();
    pool.open(
        255,
        255,
        Pubkey::new_unique(),
        Pubkey::new_unique(),
        Pubkey::new_unique(),
        &terms,
    )?;
    Ok(pool)
}

#[test]
fn terms_have_bounds() {
    assert!(open(TERMS).is_ok());
    for cooldown in [i64::MIN, 0, MAX_COOLDOWN + 1, i64::MAX] {
        assert_refused(open(PoolTerms { cooldown, ..TERMS }), E::InvalidCooldown);
    }
    for leverage_bps in [0, 9_999] {
        let terms = PoolTerms {
            leverage_bps,
            ..TERMS
        };
        assert_refused(open(terms), E::InvalidLeverage);
    }
    let seed = MIN_SEED - 1;
    assert_refused(open(PoolTerms { seed, ..TERMS }), E::SeedTooSmall);
    let signer = Pubkey::default();
    assert_refused(open(PoolTerms { signer, ..TERMS }), E::InvalidSigner);
}

#[test]
fn backing_is_stake_times_leverage_rounded_down() {
    let mut pool = open(PoolTerms {
        leverage_bps: 15_000,
        seed: 1_000_001,
        ..TERMS
    })
    .unwrap();
    assert_eq!(pool.backing(), 1_500_001);
    pool.staked = u64::MAX;
    pool.leverage_bps = u32::MAX;
    assert_eq!(
        pool.backing(),
        u128::from(u64::MAX) * u128::from(u32::MAX) / 10_000
    );
}

#[test]
fn the_invariant_compares_all_that_is_owed_with_the_vault() {
    let mut pool = open(TERMS).unwrap();
    assert!(pool.invariant(MIN_SEED).is_ok());
    assert_refused(pool.invariant(MIN_SEED - 1), E::Insolvent);
    let owed: [fn(&mut Pool) -> &mut u64; 3] = [
        |pool| &mut pool.cooling,
        |pool| &mut pool.locked_excess,
        |pool| &mut pool.insurance,
    ];
    pool.cooling_shares = 1;
    for (owing, field) in (1..).zip(owed) {
        *field(&mut pool) = 1;
        assert!(pool.invariant(MIN_SEED + owing).is_ok());
        assert_refused(pool.invariant(MIN_SEED + owing - 1), E::Insolvent);
    }
    pool.staked = u64::MAX;
    assert_refused(pool.invariant(u64::MAX), E::Insolvent);
}

#[test]
fn slashed_cooling_shares_are_worth_what_is_left() {
    let mut pool = open(TERMS).unwrap();
    let shares = pool.delegate(&OWNER, 1_000_000).unwrap();
    let request = pool.request(&OWNER, shares, 0).unwrap();
    assert_eq!((request.amount, request.available_at), (1_000_000, 100));
    assert_eq!(pool.slash(1_200_000).unwrap(), 1_200_000);
    assert_eq!((pool.staked, pool.cooling), (400_000, 400_000));
    assert_eq!(
        pool.pay(&OWNER, request.cooling_shares, request.generation)
            .unwrap(),
        400_000
    );
    assert_eq!((pool.cooling, pool.cooling_shares), (0, 0));
}

#[test]
fn cooling_shares_of_an_earlier_generation_are_worth_nothing() {
    let mut pool = open(TERMS).unwrap();
    let shares = pool.delegate(&OWNER, 2_000_000).unwrap();
    let lost = pool.request(&OWNER, shares / 2, 0).unwrap();
    assert_eq!(pool.slash(u64::MAX).unwrap(), 3_000_000);
    assert_eq!((pool.staked, pool.cooling, pool.cooling_shares), (0, 0, 0));
    assert_refused(pool.request(&OWNER, shares / 2, 0), E::WorthNothing);
    // As nobody can leave it: a pool without stake takes none.
    pool.staked = pool.shares;
    let kept = pool.request(&OWNER, shares / 2, 0).unwrap();
    assert_eq!(
        pool.pay(&OWNER, lost.cooling_shares, lost.generation)
            .unwrap(),
        0
    );
    assert_eq!(
        pool.pay(&OWNER, kept.cooling_shares, kept.generation)
            .unwrap(),
        1_000_000
    );
}

proptest! {
    #[test]
    fn money_goes_in_and_out_in_any_order_without_loss_to_the_pool(
        steps in prop::collection::vec((0..4u8, 0..4usize, 1..=3_000_000_000u64), 1..80),
    ) {
        let mut pool = open(TERMS).unwrap();
        let mut vault = MIN_SEED;
        let mut shares = [0u64; 4];
        let mut requests = Vec::new();
        let operator = pool.operator;
        let owner = |holder| if holder == 0 { operator } else { OWNER };
        for (step, holder, size) in steps {
            match step {
                0 => if let Ok(minted) = pool.delegate(&owner(holder), size) {
                    shares[holder] += minted;
                    vault += size;
                },
                1 => {
                    let part = size.min(shares[holder]);
                    if let Ok(request) = pool.request(&owner(holder), part, 0) {
                        shares[holder] -= part;
                        requests.push((owner(holder), request));
                    }
                }
                2 => if !requests.is_empty() {
                    let (owner, request) = requests.swap_remove(holder % requests.len());
                    vault -= pool.pay(&owner, request.cooling_shares, request.generation).unwrap();
                },
                _ => vault -= pool.slash(size).unwrap(),
            }
            prop_assert!(pool.invariant(vault).is_ok());
            prop_assert_eq!(vault, pool.staked + pool.cooling);
            prop_assert_eq!(shares.iter().sum::<u64>() + MIN_SEED, pool.shares);
            prop_assert_eq!(
                requests
                    .iter()
                    .map(|(_, request)| request)
                    .filter(|request| request.generation == pool.cooling_generation)
                    .map(|request| request.cooling_shares)
                    .sum::<u64>(),
                pool.cooling_shares
            );
        }
        for (owner, request) in requests {
            vault -= pool.pay(&owner, request.cooling_shares, request.generation).unwrap();
        }
        prop_assert!(pool.invariant(vault).is_ok());
        prop_assert_eq!((pool.cooling, pool.cooling_shares), (0, 0));
    }

    #[test]
    fn no_input_panics(amount in any::<u64>(), staked in any::<u64>(), shares in any::<u64>(), now in any::<i64>()) {
        let mut pool = open(TERMS).unwrap();
        (pool.staked, pool.shares) = (staked, shares);
        let _ = pool.delegate(&OWNER, amount);
        let _ = pool.request(&OWNER, amount, now);
        let _ = pool.pay(&OWNER, amount, 0);
        let _ = pool.slash(amount);
        let _ = pool.lock(amount);
        let _ = pool.invariant(amount);
    }

    #[test]
    fn a_quorum_is_two_thirds(total in 1..=u64::MAX) {
        let needed = (2 * u128::from(total)).div_ceil(3) as u64;
        prop_assert!(quorum(needed, total));
        prop_assert!(!quorum(needed - 1, total));
    }
}

#[test]
fn nothing_is_no_quorum_of_nothing() {
    assert!(!quorum(0, 0));
    assert!(quorum(u64::MAX, u64::MAX));
    assert!(quorum(2, 3));
    assert!(!quorum(1, 2));
}
