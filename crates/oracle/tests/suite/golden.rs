use std::collections::BTreeSet;
use std::fs;

use crate::vectors::{directory, vectors};
use oracle::{OracleError, DECIMALS};

#[test]
fn accounts_that_switchboards_crates_wrote_are_read_as_told() {
    let vectors = vectors();
    let (prices, refused) = vectors
        .iter()
        .partition::<Vec<_>, _>(|vector| vector.price.is_some());
    assert!(prices.len() > 15 && refused.len() > 40);
    for vector in &vectors {
        let name = format!("{}: {}", vector.account, vector.name);
        let read = vector.input().read();
        assert_eq!(read.ok(), vector.price(), "{name}: {read:?}");
        assert_eq!(read.err().map(OracleError::code), vector.error, "{name}");
    }
}

#[test]
fn every_account_is_read_by_a_vector() {
    let named: BTreeSet<_> = vectors()
        .into_iter()
        .map(|vector| vector.account)
        .chain(["vectors.json".into()])
        .collect();
    let committed: BTreeSet<_> = fs::read_dir(directory())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(named, committed);
}

/// The middle one is Switchboard's own, cut at our decimals. Of two, Switchboard takes the higher one.
#[test]
fn a_price_is_never_above_switchboards_own() {
    let mut same = 0;
    for vector in vectors() {
        let (Some(price), Some(theirs)) = (vector.price(), &vector.switchboard) else {
            continue;
        };
        let theirs = fixed(theirs);
        assert!(price.value <= theirs, "{}", vector.account);
        if price.oracles % 2 == 1 {
            assert_eq!(price.value, theirs, "{}", vector.account);
            same += 1;
        }
    }
    assert!(same > 8);
}

/// What reading of one's own adds: Switchboard's own readers give a price of each of these.
#[test]
fn what_switchboards_readers_accept_is_refused_all_the_same() {
    let vectors = vectors();
    for account in [
        "on-demand-authority.bin",
        "on-demand-count.bin",
        "on-demand-duplicate.bin",
        "on-demand-minimum.bin",
        "on-demand-split.bin",
        "on-demand-tiny.bin",
        "v2-duplicate.bin",
        "v2-negative.bin",
        "v2-sliding.bin",
        "v2-split.bin",
        "v2-unfulfilled.bin",
        "v2-zero.bin",
    ] {
        let vector = vectors
            .iter()
            .find(|vector| vector.account == account)
            .unwrap();
        assert!(vector.switchboard.is_some(), "{account}");
        assert!(vector.error.is_some(), "{account}");
    }
}

/// A decimal number, cut at a price's decimals.
fn fixed(decimal: &str) -> u64 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let decimals = DECIMALS as usize;
    let fraction: String = fraction.chars().take(decimals).collect();
    format!("{whole}{fraction:0<decimals$}").parse().unwrap()
}
