//! Accounts are read by other programs and by clients byte for byte: their layouts stay as they are.

use bytemuck::Zeroable;
use device_registry::state::{tree, Issuer, Maker, Network, Parameters, Pause, Tree, VoucherPage};
use light_concurrent_merkle_tree::ConcurrentMerkleTree;
use light_hasher::Sha256;
use std::mem::{offset_of, size_of, size_of_val};

/// Asserts a struct's size and each field's offset, and that there is no padding between the fields.
macro_rules! assert_layout {
    ($type:ty, $size:expr, { $($field:ident: $offset:expr),* $(,)? }) => {
        assert_eq!(size_of::<$type>(), $size, stringify!($type));
        let zeroed = Box::new(<$type>::zeroed());
        let mut sum = 0;
        $(
            assert_eq!(offset_of!($type, $field), $offset, stringify!($field));
            sum += size_of_val(&zeroed.$field);
        )*
        assert_eq!(sum, $size, "fields of {} that are not named, or padding", stringify!($type));
    };
}

#[test]
fn network() {
    assert_layout!(Parameters, 48, {
        device_bond: 0,
        evidence_window: 8,
        answer_window: 16,
        challenge_bond: 24,
        max_speed: 32,
        tier_discount_bps: 36,
        withheld_slash_bps: 44,
        _pad: 46,
    });
    assert_layout!(Pause, 16, { paused_at: 0, until: 8 });
    assert_layout!(Network, 744, {
        version: 0,
        bump: 1,
        flags: 2,
        _pad: 3,
        id: 8,
        genesis_hash: 40,
        creator: 72,
        nonce: 104,
        authority: 112,
        pending_authority: 144,
        reward_mint: 176,
        stake_mint: 208,
        genesis: 240,
        epoch_length: 248,
        timelock: 256,
        parameters: 264,
        pending: 312,
        pending_at: 360,
        pauses: 368,
        trees: 496,
        _pad2: 498,
        makers: 504,
        devices: 512,
        reserved: 520,
    });
    assert_eq!(Network::SIZE, 752);
}

#[test]
fn maker() {
    assert_layout!(Maker, 256, {
        version: 0,
        bump: 1,
        revoked: 2,
        max_tier: 3,
        _pad: 4,
        network: 8,
        key: 40,
        quota: 72,
        vouched: 80,
        root_set: 88,
        root_key: 89,
        _pad2: 122,
        batches: 128,
        landed: 136,
        reserved: 144,
    });
    assert_eq!(Maker::SIZE, 264);
}

#[test]
fn issuer() {
    assert_layout!(Issuer, 152, {
        version: 0,
        bump: 1,
        revoked: 2,
        key: 3,
        _pad: 36,
        maker: 40,
        not_before: 72,
        not_after: 80,
        reserved: 88,
    });
    assert_eq!(Issuer::SIZE, 160);
}

#[test]
fn voucher_page() {
    assert_layout!(VoucherPage, 1136, {
        version: 0,
        bump: 1,
        _pad: 2,
        page: 4,
        maker: 8,
        used: 40,
        _pad2: 44,
        bitmap: 48,
        reserved: 1072,
    });
    assert_eq!(VoucherPage::SIZE, 1144);
}

#[test]
fn tree_header() {
    assert_layout!(Tree, 112, {
        version: 0,
        depth: 1,
        canopy: 2,
        _pad: 3,
        network: 8,
        index: 40,
        _pad2: 42,
        reserved: 48,
    });
    assert_eq!(tree::NODES, 120);
    assert_eq!(tree::NODES % 8, 0);
}

#[test]
fn tree_size() {
    fn nodes<const HEIGHT: usize>(canopy: u8) -> usize {
        ConcurrentMerkleTree::<Sha256, HEIGHT>::size_in_account(
            HEIGHT,
            tree::CHANGELOG,
            tree::ROOTS,
            usize::from(canopy),
        )
    }
    for canopy in tree::MIN_CANOPY..=tree::MAX_CANOPY {
        assert_eq!(tree::size(20, canopy), tree::NODES + nodes::<20>(canopy));
        assert_eq!(tree::size(21, canopy), tree::NODES + nodes::<21>(canopy));
        assert_eq!(tree::size(22, canopy), tree::NODES + nodes::<22>(canopy));
        assert_eq!(tree::size(23, canopy), tree::NODES + nodes::<23>(canopy));
        assert_eq!(tree::size(24, canopy), tree::NODES + nodes::<24>(canopy));
    }
    assert!(
        tree::size(24, tree::MAX_CANOPY) <= 10 << 20,
        "largest account"
    );
}
