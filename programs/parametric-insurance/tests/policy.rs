//! When a policy pays, and what a fund keeps, without a chain.

use anchor_lang::prelude::*;
use bytemuck::Zeroable;
use feed_reader::{Mask, Value};
use parametric_insurance::error::InsuranceError;
use parametric_insurance::state::policy::PolicyAddresses;
use parametric_insurance::state::{Fund, Policy, PolicyTerms};
use proptest::prelude::*;

const NOW: i64 = 1_790_000_000;

const TERMS: PolicyTerms = PolicyTerms {
    threshold: -500,
    direction: 0,
    min_mask: Mask::COMMITTEE,
    max_age: 600,
    payout: 1_000,
    premium: 10,
    starts: NOW,
    ends: NOW + 3_600,
};

fn write(terms: PolicyTerms) -> Result<Policy> {
    let addresses = PolicyAddresses {
        fund: Pubkey::default(),
        holder: Pubkey::default(),
        holder_account: Pubkey::default(),
        payer: Pubkey::default(),
    };
    let mut policy = Policy::zeroed();
    policy.open(255, 0, addresses, terms, NOW)?;
    Ok(policy)
}

fn value(value: i64, oldest_capture: i64, newest_capture: i64) -> Value {
    Value {
        value,
        confidence: 0,
        ema: value,
        exponent: -2,
        round: 1,
        posted_at: NOW,
        oldest_capture,
        newest_capture,
        data_root: [0; 32],
        mask: Mask::COMMITTEE,
        attesters: 1,
        streams: 1,
        disputed: false,
    }
}

fn is<T>(result: Result<T>, error: InsuranceError) -> bool {
    result.err() == Some(error.into())
}

#[test]
fn terms_that_make_no_sense_are_refused() {
    use InsuranceError::*;
    assert!(write(TERMS).is_ok());
    let refused = [
        (
            PolicyTerms {
                direction: 2,
                ..TERMS
            },
            InvalidDirection,
        ),
        (
            PolicyTerms {
                min_mask: 0,
                ..TERMS
            },
            InvalidMask,
        ),
        (
            PolicyTerms {
                min_mask: Mask::ALL + 1,
                ..TERMS
            },
            InvalidMask,
        ),
        (
            PolicyTerms {
                max_age: 0,
                ..TERMS
            },
            InvalidMaxAge,
        ),
        (PolicyTerms { payout: 0, ..TERMS }, ZeroAmount),
        (
            PolicyTerms {
                premium: 0,
                ..TERMS
            },
            ZeroAmount,
        ),
        (
            PolicyTerms {
                starts: NOW - 1,
                ..TERMS
            },
            StartsInPast,
        ),
        (PolicyTerms { ends: NOW, ..TERMS }, InvalidPeriod),
        (
            PolicyTerms {
                ends: NOW - 1,
                ..TERMS
            },
            InvalidPeriod,
        ),
        (
            PolicyTerms {
                ends: i64::MAX,
                ..TERMS
            },
            InvalidPeriod,
        ),
        (
            PolicyTerms {
                ends: i64::MAX / 1_000 + 1,
                ..TERMS
            },
            InvalidPeriod,
        ),
    ];
    for (terms, error) in refused {
        assert!(is(write(terms), error), "{terms:?}");
    }
    assert!(write(PolicyTerms {
        ends: i64::MAX / 1_000,
        max_age: u32::MAX,
        ..TERMS
    })
    .is_ok());
}

proptest! {
    #[test]
    fn pays_when_crossed_within_its_time(
        direction in 0u8..2,
        threshold in -5i64..5,
        answer in -6i64..6,
        from in -2_000i64..4_000_000,
        length in 0i64..4_000_000,
    ) {
        let policy = write(PolicyTerms { direction, threshold, ..TERMS }).unwrap();
        let oldest = TERMS.starts * 1_000 + from;
        let value = value(answer, oldest, oldest + length);
        let crossed = if direction == 0 { answer < threshold } else { answer > threshold };
        let within = from >= 0 && from + length <= 3_600_000;
        prop_assert_eq!(policy.pays(&value), Ok(crossed && within));
    }

    /// A policy can be expired only when no round that it covers is young enough to settle it.
    #[test]
    fn never_both_due_and_expired(
        max_age in 1u32..10_000,
        length in 1i64..10_000,
        captured in 0i64..10_000_000,
        late in 0i64..30_000,
    ) {
        let policy = write(PolicyTerms { max_age, ends: NOW + length, ..TERMS }).unwrap();
        let captured = NOW * 1_000 + captured;
        let now = NOW + late;
        let due = policy.pays(&value(-501, captured, captured)).unwrap()
            && (0..=i64::from(max_age)).contains(&(now - captured / 1_000));
        let expired = now > policy.last_settlement().unwrap();
        prop_assert!(!(due && expired));
    }
}

#[test]
fn the_last_settlement_is_the_oldest_age_of_the_last_capture() {
    let policy = write(TERMS).unwrap();
    assert_eq!(policy.last_settlement(), Ok(TERMS.ends + 600));
}

#[test]
fn a_fund_keeps_what_its_policies_may_need() {
    let mut fund = Fund::zeroed();
    assert_eq!(fund.reserve(600), Ok(0));
    assert_eq!(fund.reserve(300), Ok(1));
    assert!(is(fund.invariant(899), InsuranceError::Insolvent));
    assert!(fund.invariant(900).is_ok());
    assert!(fund.check_withdrawal(100, 1_000).is_ok());
    assert!(is(
        fund.check_withdrawal(101, 1_000),
        InsuranceError::NotEnoughFree
    ));
    assert!(is(fund.check_withdrawal(1, 899), InsuranceError::Insolvent));
    fund.release(600).unwrap();
    assert_eq!((fund.reserved_payouts, fund.policies), (300, 2));
    assert!(is(fund.release(301), InsuranceError::Overflow));
    assert!(is(fund.reserve(u64::MAX), InsuranceError::Overflow));
}
