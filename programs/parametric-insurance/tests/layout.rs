//! The accounts' layouts: other programs and languages read them by offset.

use parametric_insurance::state::{Fund, Policy};
use std::mem::{align_of, offset_of, size_of};

/// Asserts each field's offset and size, and that together they leave no gap.
macro_rules! layout {
    ($account:ty, $($field:ident: $size:expr,)+) => {{
        let mut end = 0;
        $(
            assert_eq!(offset_of!($account, $field), end, stringify!($field));
            end += $size;
        )+
        assert_eq!(size_of::<$account>(), end);
        assert_eq!(<$account>::SPACE, 8 + end);
        assert!(align_of::<$account>() <= 8);
        end
    }};
}

#[test]
fn fund() {
    let size = layout!(
        Fund,
        version: 1,
        bump: 1,
        _pad: 6,
        underwriter: 32,
        feed: 32,
        feed_id: 32,
        mint: 32,
        vault: 32,
        reserved_payouts: 8,
        policies: 8,
        reserved: 128,
    );
    assert_eq!(size, 312);
}

#[test]
fn policy() {
    let size = layout!(
        Policy,
        version: 1,
        bump: 1,
        direction: 1,
        _pad: 1,
        min_mask: 2,
        _pad2: 2,
        max_age: 4,
        _pad3: 4,
        fund: 32,
        number: 8,
        holder: 32,
        holder_account: 32,
        payer: 32,
        threshold: 8,
        payout: 8,
        premium: 8,
        starts: 8,
        ends: 8,
        reserved: 64,
    );
    assert_eq!(size, 256);
}
