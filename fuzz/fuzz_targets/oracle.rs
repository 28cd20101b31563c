//! An oracle's account, as a program reads a price of it. Input: format u8, slot u64, unix_time i64, max_age_slots u32,
//! max_age_seconds u32, min_oracles u8, max_deviation_bps u16, the account's data. Its queue and jobs are those required.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::{read_price, Format, Now, OracleError, Requirements};

fuzz_target!(|bytes: &[u8]| {
    let Some((head, data)) = bytes.split_first_chunk::<28>() else {
        return;
    };
    let Ok(format) = Format::try_from(head[0]) else {
        return;
    };
    let (queue, jobs) = match format {
        Format::OnDemand => (2_088, 2_120),
        Format::V2 => (200, 3_563),
    };
    let key = |at: usize| -> [u8; 32] {
        let key = data.get(at..at + 32).and_then(|key| key.try_into().ok());
        key.unwrap_or_default()
    };
    let now = Now {
        slot: u64::from_le_bytes(head[1..9].try_into().unwrap()),
        unix_time: i64::from_le_bytes(head[9..17].try_into().unwrap()),
    };
    let requirements = Requirements {
        format,
        queue: key(queue),
        jobs: key(jobs),
        max_age_slots: u32::from_le_bytes(head[17..21].try_into().unwrap()),
        max_age_seconds: u32::from_le_bytes(head[21..25].try_into().unwrap()),
        min_oracles: head[25],
        max_deviation_bps: u16::from_le_bytes([head[26], head[27]]),
    };

    let Ok(price) = read_price(format.program(), data, now, &requirements) else {
        return;
    };
    assert_eq!(
        read_price(&[0; 32], data, now, &requirements),
        Err(OracleError::Owner)
    );
    assert!(price.value > 0 && price.deviation < price.value);
    assert_eq!(price.conservative(), Ok(price.value - price.deviation));
    assert!(requirements.min_oracles <= price.oracles);
    assert!(usize::from(price.oracles) <= format.capacity());
    assert!(now.slot - price.slot <= u64::from(requirements.max_age_slots));
    assert!(now.unix_time.abs_diff(price.at) <= u64::from(requirements.max_age_seconds));
    let most = u128::from(price.value) * u128::from(requirements.max_deviation_bps);
    assert!(u128::from(price.deviation) * 10_000 <= most);
});
