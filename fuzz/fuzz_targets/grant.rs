//! Session grants, with and without their signature: what parses has exactly one encoding, lasts a day at most, and covers
//! no time outside of it.
#![no_main]

use device_protocol::{SessionGrant, SignedGrant};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = SignedGrant::parse(bytes) {
        assert_eq!(signed.to_array().as_slice(), bytes);
        let (grant, signature) = bytes.split_at(SessionGrant::LEN);
        assert_eq!(SessionGrant::parse(grant), Ok(signed.grant));
        assert_eq!(signed.signature.as_slice(), signature);
        assert_eq!(SessionGrant::parse(bytes).ok(), None);
    }
    let Ok(grant) = SessionGrant::parse(bytes) else {
        return;
    };
    assert_eq!(grant.to_array().as_slice(), bytes);
    assert!((1..=SessionGrant::MAX_SECONDS).contains(&(grant.expires - grant.not_before)));
    for captured_at in [i64::MIN, -1, 0, i64::MAX] {
        let second = captured_at.div_euclid(1_000);
        let inside = grant.not_before <= second && second < grant.expires;
        assert_eq!(grant.covers(captured_at), inside);
    }
    grant.digest();
});
