use std::collections::BTreeSet;

use crate::vectors::usual;
use oracle::{
    Format, OracleError, Price, ON_DEMAND_DISCRIMINATOR, ON_DEMAND_ID, V2_DISCRIMINATOR, V2_ID,
};

const FORMATS: [Format; 2] = [Format::OnDemand, Format::V2];

#[test]
fn the_programs_are_switchboards() {
    for (id, address) in [
        (ON_DEMAND_ID, "SBondMDrcV3K4kxZR1HNVT7osZxAHVHgYXL5Ze1oMUv"),
        (V2_ID, "SW1TCH7qEPTdLsDHRgPuMQjbQxKdH2aBStViMFnt64f"),
    ] {
        assert_eq!(bs58::encode(id).into_string(), address);
    }
}

#[test]
fn the_right_bytes_of_a_foreign_owner_are_no_price() {
    for format in FORMATS {
        let price = usual(format);
        for byte in 0..32 {
            let mut forged = price.clone();
            forged.owner[byte] ^= 1;
            assert_eq!(forged.read(), Err(OracleError::Owner));
        }
        let mut system = price.clone();
        system.owner = [0; 32];
        assert_eq!(system.read(), Err(OracleError::Owner));
    }
}

#[test]
fn one_format_is_not_read_as_the_other() {
    let [mut on_demand, mut v2] = FORMATS.map(usual);
    // Where the other one's account is passed
    std::mem::swap(&mut on_demand.owner, &mut v2.owner);
    std::mem::swap(&mut on_demand.data, &mut v2.data);
    assert_eq!(on_demand.read(), Err(OracleError::Owner));
    assert_eq!(v2.read(), Err(OracleError::Owner));
    // and where its bytes are in an account of the right program
    std::mem::swap(&mut on_demand.owner, &mut v2.owner);
    assert_eq!(on_demand.read(), Err(OracleError::Length));
    assert_eq!(v2.read(), Err(OracleError::Length));
    // and as long as they should be.
    let (short, long) = (v2.data.len(), on_demand.data.len());
    on_demand.data.truncate(short);
    v2.data.resize(long, 0);
    assert_eq!(on_demand.read(), Err(OracleError::Discriminator));
    assert_eq!(v2.read(), Err(OracleError::Discriminator));
}

#[test]
fn another_discriminator_is_no_price() {
    for format in FORMATS {
        let price = usual(format);
        let discriminator = match format {
            Format::OnDemand => ON_DEMAND_DISCRIMINATOR,
            Format::V2 => V2_DISCRIMINATOR,
        };
        assert_eq!(price.data[..8], discriminator);
        for byte in 0..8 {
            let mut other = price.clone();
            other.data[byte] ^= 0x80;
            assert_eq!(other.read(), Err(OracleError::Discriminator));
        }
    }
}

#[test]
fn another_length_is_no_price() {
    for format in FORMATS {
        let price = usual(format);
        for length in 0..price.data.len() {
            let mut short = price.clone();
            short.data.truncate(length);
            assert_eq!(short.read(), Err(OracleError::Length));
        }
        let mut long = price;
        long.data.push(0);
        assert_eq!(long.read(), Err(OracleError::Length));
    }
}

#[test]
fn the_clocks_ends_are_met() {
    for format in FORMATS {
        for (slot, unix_time, error) in [
            (u64::MAX, i64::MAX, OracleError::Stale),
            (0, i64::MIN, OracleError::InFuture),
        ] {
            let mut price = usual(format);
            price.now.slot = slot;
            price.now.unix_time = unix_time;
            assert_eq!(price.read(), Err(error));
        }
        // Slots stand still while the chain does.
        let mut halted = usual(format);
        halted.now.unix_time += 3_600;
        assert_eq!(halted.read(), Err(OracleError::Stale));
    }
}

#[test]
fn the_conservative_side_is_the_lower_one() {
    let price = |value, deviation| Price {
        value,
        deviation,
        oracles: 3,
        slot: 1,
        at: 1,
    };
    assert_eq!(price(100, 0).conservative(), Ok(100));
    assert_eq!(price(100, 99).conservative(), Ok(1));
    assert_eq!(
        price(100, 100).conservative(),
        Err(OracleError::NothingLeft)
    );
    let below = price(100, u64::MAX).conservative();
    assert_eq!(below, Err(OracleError::NothingLeft));

    for format in FORMATS {
        let price = usual(format).read().unwrap();
        assert_eq!(price.conservative(), Ok(2_090_000_000_246));
    }
}

#[test]
fn a_format_is_a_stable_number() {
    for (number, format) in [(1, Format::OnDemand), (2, Format::V2)] {
        assert_eq!(Format::try_from(number), Ok(format));
        assert_eq!(format as u8, number);
    }
    for number in [0, 3, 255] {
        assert_eq!(Format::try_from(number), Err(OracleError::Requirements));
    }
}

#[test]
fn every_error_has_its_code_and_says_what_to_do() {
    use OracleError::*;
    let all = [
        Owner,
        Length,
        Discriminator,
        Queue,
        Jobs,
        AuthorityWrites,
        Sliding,
        Stale,
        InFuture,
        TooFewOracles,
        Scale,
        NotPositive,
        TooLarge,
        TooUncertain,
        NothingLeft,
        Requirements,
    ];
    let codes: BTreeSet<u32> = all.into_iter().map(u32::from).collect();
    assert_eq!(codes.len(), all.len());
    assert!(codes.iter().all(|code| (21_000..21_100).contains(code)));
    for error in all {
        assert!(error.to_string().contains(": "), "{error}");
    }
}
