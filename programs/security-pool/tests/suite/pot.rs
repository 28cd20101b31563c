use super::roster::assert_refused;
use proptest::prelude::*;
use security_pool::error::PoolError as E;
use security_pool::state::Pot;

/// Any pot that can exist: shares without worth (slashed away) included, worth without shares not.
fn pots() -> impl Strategy<Value = Pot> {
    let numbers = prop_oneof![0..=1_000u64, 1_000_000..=10_000_000u64, any::<u64>()];
    (numbers.clone(), numbers).prop_map(|(worth, shares)| Pot {
        worth: if shares == 0 { 0 } else { worth },
        shares,
    })
}

fn amounts() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        0..=10_000_000u64,
        any::<u64>()
    ]
}

/// Whether a share is worth at least as much as before; the shares of an emptied pot have no worth to lose.
fn keeps_price(before: Pot, after: Pot) -> bool {
    after.shares == 0
        || u128::from(after.worth) * u128::from(before.shares)
            >= u128::from(before.worth) * u128::from(after.shares)
}

proptest! {
    #[test]
    fn deposit_then_withdraw_never_gains(pot in pots(), amount in amounts()) {
        let mut after = pot;
        if let Ok(shares) = after.deposit(amount) {
            prop_assert!(shares > 0);
            prop_assert_eq!(after.worth, pot.worth + amount);
            prop_assert_eq!(after.shares, pot.shares + shares);
            prop_assert!(keeps_price(pot, after));
            prop_assert!(after.withdraw(shares).unwrap() <= amount);
            prop_assert!(keeps_price(pot, after));
            prop_assert_eq!(after.shares, pot.shares);
            prop_assert!(after.worth >= pot.worth);
        } else {
            prop_assert_eq!(after, pot);
        }
    }

    #[test]
    fn withdrawing_takes_no_more_than_the_part(pot in pots(), shares in amounts()) {
        let mut after = pot;
        match after.withdraw(shares) {
            Ok(paid) => {
                prop_assert!(shares <= pot.shares);
                prop_assert!(
                    u128::from(paid) * u128::from(pot.shares) <= u128::from(pot.worth) * u128::from(shares)
                );
                prop_assert_eq!((after.worth, after.shares), (pot.worth - paid, pot.shares - shares));
                prop_assert!(keeps_price(pot, after));
            }
            Err(_) => {
                prop_assert!(shares == 0 || shares > pot.shares);
                prop_assert_eq!(after, pot);
            }
        }
    }

    #[test]
    fn parts_are_worth_no_more_than_the_whole(
        pot in pots(),
        parts in prop::collection::vec(1..=1_000u64, 1..20),
    ) {
        let (mut whole, mut split) = (pot, pot);
        if let Ok(at_once) = whole.withdraw(parts.iter().sum()) {
            let in_parts: u64 = parts.iter().map(|part| split.withdraw(*part).unwrap()).sum();
            // What a part loses by rounding stays for those that follow, whose last unit it can complete, never more.
            prop_assert!(in_parts <= at_once);
            prop_assert!(split.worth >= whole.worth);
        }
    }

    #[test]
    fn nobody_gains_by_any_order(
        seed in 1_000_000..=2_000_000u64,
        steps in prop::collection::vec((0..3usize, any::<bool>(), 1..=1_000_000_000u64), 1..64),
    ) {
        let mut pot = Pot::default();
        pot.deposit(seed).unwrap();
        let mut shares = [0u64; 3];
        let mut invested = [0i128; 3];
        for (holder, deposits, size) in steps {
            if deposits {
                if let Ok(minted) = pot.deposit(size) {
                    shares[holder] += minted;
                    invested[holder] += i128::from(size);
                }
            } else {
                let part = size.min(shares[holder]);
                if let Ok(paid) = pot.withdraw(part) {
                    shares[holder] -= part;
                    invested[holder] -= i128::from(paid);
                }
            }
            // Without a slash, all rounding of the others together is worth less than a unit a step to a holder.
            for (shares, invested) in shares.iter().zip(invested) {
                let worth = u128::from(*shares) * u128::from(pot.worth) / u128::from(pot.shares);
                prop_assert!(worth as i128 - invested <= 64);
            }
        }
        let out: u64 = shares
            .iter()
            .filter(|shares| **shares > 0)
            .map(|shares| pot.withdraw(*shares).unwrap())
            .sum();
        let put_in: i128 = invested.iter().sum();
        prop_assert!(i128::from(out) <= put_in);
        prop_assert!(pot.worth >= seed);
    }

    #[test]
    fn the_first_delegator_is_protected_by_the_seed(
        attack in prop::collection::vec((any::<bool>(), 1..=1_000_000_000_000u64), 0..64),
        amount in 2..=1_000_000_000_000u64,
    ) {
        let mut pot = Pot::default();
        pot.deposit(1_000_000).unwrap();
        let mut attacker = 0u64;
        for (deposits, size) in attack {
            if deposits {
                attacker += pot.deposit(size).unwrap_or(0);
            } else if pot.withdraw(size.min(attacker)).is_ok() {
                attacker -= size.min(attacker);
            }
        }
        let shares = pot.deposit(amount).unwrap();
        prop_assert!(pot.withdraw(shares).unwrap() >= amount - 2);
    }
}

#[test]
fn an_empty_pot_gives_a_share_a_unit() {
    let mut pot = Pot::default();
    assert_eq!(pot.deposit(u64::MAX).unwrap(), u64::MAX);
    assert_eq!(pot.withdraw(u64::MAX).unwrap(), u64::MAX);
    assert_eq!(pot, Pot::default());
}

#[test]
fn a_lost_pot_takes_nothing_in() {
    let mut pot = Pot {
        worth: 0,
        shares: 1_000_000,
    };
    assert_refused(pot.deposit(1_000_000_000), E::DeadPool);
    assert_eq!(pot.withdraw(1).unwrap(), 0);
}

#[test]
fn an_amount_that_is_worth_no_share_is_refused() {
    let mut pot = Pot {
        worth: 1_000_001,
        shares: 1_000_000,
    };
    assert_refused(pot.deposit(1), E::ZeroShares);
    assert_eq!(pot.deposit(2).unwrap(), 1);
}
