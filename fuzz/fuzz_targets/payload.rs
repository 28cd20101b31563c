//! Archived payloads, as other operators serve them: what decodes is what its encoding decodes to.
#![no_main]

use fieldproof_worker::payload::Payload;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(payload) = Payload::decode(bytes) {
        assert_eq!(Payload::decode(&payload.encode().expect("what was read can be written")), Ok(payload));
    }
});
