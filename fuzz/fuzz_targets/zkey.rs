//! Proving keys of a ceremony. Input: a .zkey file. Without its millions of bytes of points there is none for the circuit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prover::ProvingKey;

fuzz_target!(|bytes: &[u8]| {
    assert!(ProvingKey::from_zkey(bytes, 1).is_err());
});
