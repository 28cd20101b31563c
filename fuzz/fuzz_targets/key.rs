//! Verifying keys as they are registered, and proofs as they are brought. Input: a key of 576 bytes, a public input of 32, a
//! proof of 256.
#![no_main]

use ai_feed::state::{VerifyingKey, KEY_BYTES};
use bytemuck::Zeroable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((key, rest)) = bytes.split_first_chunk::<KEY_BYTES>() else {
        return;
    };
    let mut account = VerifyingKey::zeroed();
    if account.set_points(key).is_err() {
        return;
    }
    let points = [
        &account.alpha[..],
        &account.beta,
        &account.gamma,
        &account.delta,
        account.ic.as_flattened(),
    ];
    assert_eq!(points.concat(), key);
    let Some((input, proof)) = rest.split_first_chunk::<32>() else {
        return;
    };
    let Ok(proof) = proof.try_into() else {
        return;
    };
    if account.verify(proof, input).is_ok() {
        // It is one of this input alone, and has no second form.
        let mut other = *input;
        other[31] ^= 1;
        assert!(account.verify(proof, &other).is_err());
        let mut other = *proof;
        other[63] ^= 1;
        assert!(account.verify(&other, input).is_err());
    }
});
