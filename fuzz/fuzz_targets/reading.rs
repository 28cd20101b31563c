//! Readings, alone and back to back as bodies carry them: what parses has exactly one encoding.
#![no_main]

use device_protocol::{Reading, SignedReading};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reading) = Reading::parse(bytes) {
        assert_eq!(reading.to_bytes(), bytes);
        reading.digest();
    }
    let mut rest = bytes;
    while let Ok((signed, after)) = SignedReading::parse(rest) {
        let (own, _) = rest.split_at(rest.len() - after.len());
        assert_eq!(signed.to_bytes(), own);
        assert!(signed.reading.check().is_ok());
        rest = after;
    }
});
