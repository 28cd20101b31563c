//! What operators say to each other and to owners. Input: kind u8 (0 a signature, 1 a refusal, 2 a request for a signature,
//! 3 a claim's proof), its JSON. What parses is written and read as the same.
#![no_main]

use anchor_lang::prelude::Pubkey;
use fieldproof_worker::committee::{read_answer, SignRequest};
use fieldproof_worker::reward::ClaimProof;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match bytes {
    [0, body @ ..] => {
        if let Ok(signed) = read_answer(true, body) {
            let written = serde_json::to_vec(&signed).expect("JSON");
            let read = read_answer(true, &written).expect("what was written");
            assert_eq!((read.member, read.signature), (signed.member, signed.signature));
        }
    }
    [1, body @ ..] => {
        assert!(read_answer(false, body).is_err());
    }
    [2, body @ ..] => {
        if let Ok(request) = serde_json::from_slice::<SignRequest>(body) {
            if let Ok(key) = request.attestation.parse::<Pubkey>() {
                assert_eq!(key.to_string().parse(), Ok(key));
            }
        }
    }
    [3, body @ ..] => {
        if let Ok(proof) = serde_json::from_slice::<ClaimProof>(body) {
            let written = serde_json::to_vec(&proof).expect("JSON");
            let read: ClaimProof = serde_json::from_slice(&written).expect("what was written");
            assert_eq!(format!("{read:?}"), format!("{proof:?}"));
        }
    }
    _ => {}
});
