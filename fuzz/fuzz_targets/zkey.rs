//! Proving keys of a ceremony. Input: a .zkey file. Without its millions of bytes of points there is none for the circuit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prover::ZkeyReader;
use std::sync::LazyLock;

/// Made once: the circuit's constraints take longer to make than a file to refuse.
static READER: LazyLock<ZkeyReader> =
    LazyLock::new(|| ZkeyReader::new(1).expect("a circuit for one window"));

fuzz_target!(|bytes: &[u8]| {
    assert!(READER.read(bytes).is_err());
});
