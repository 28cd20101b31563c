//! Proofs, keys and files, with the development keys.

use std::{fs, sync::LazyLock};

use groth16_solana::groth16::{Groth16Verifier, Groth16Verifyingkey};
use inference::{Header, Model, ModelRef, BIASES, FEATURES, SHIFTS, WEIGHTS};
use proptest::{collection::vec, prelude::*};
use prover::{
    export_r1cs, Batch, KeyError, Proof, ProveError, Prover, ProvingKey, VerifyingKey, Window,
    ZkeyReader,
};
use tempfile::tempdir;

#[path = "prover/snarkjs.rs"]
mod snarkjs;

static ONE: LazyLock<Prover> = LazyLock::new(|| Prover::development(1).unwrap());

fn model() -> [u8; Model::BYTES] {
    let mut weights = [0; WEIGHTS];
    for (weight, value) in weights.iter_mut().zip((-60..=60i8).cycle().step_by(7)) {
        *weight = value;
    }
    let header = Header {
        version: 1,
        shape: 1,
        shifts: SHIFTS,
        schema: 1,
        value_index: 0,
        level_offset: -2000,
        level_gain: 10,
        delta_gain: 40,
        output_offset: -2000,
        output_step: 25,
        exponent: -2,
    };
    let model = Model {
        header,
        weights,
        biases: [1 << 16; BIASES],
    };
    model.to_bytes()
}

fn windows(count: usize) -> Vec<Window> {
    let mut windows = vec![Window::default(); count];
    for (index, window) in (0..).zip(&mut windows) {
        window.features = [30_000 + 1_000 * index as u16; FEATURES];
        window.index = index;
    }
    windows
}

fn prove(prover: &Prover, windows: &[Window]) -> Result<Proof, ProveError> {
    prover.prove(&Batch {
        windows,
        model: ModelRef::parse(&model()).unwrap(),
        context: [1; 32],
    })
}

/// By the verifier that runs on chain.
fn verifies_on_chain(key: &VerifyingKey, proof: &[u8; Proof::BYTES], input: &[u8; 32]) -> bool {
    let key = key.to_bytes();
    let part = |from: usize, to: usize| &key[from..to];
    let ic = [448, 512].map(|at| part(at, at + 64).try_into().unwrap());
    let key = Groth16Verifyingkey {
        nr_pubinputs: 1,
        vk_alpha_g1: part(0, 64).try_into().unwrap(),
        vk_beta_g2: part(64, 192).try_into().unwrap(),
        vk_gamma_g2: part(192, 320).try_into().unwrap(),
        vk_delta_g2: part(320, 448).try_into().unwrap(),
        vk_ic: &ic,
        vk_commitment: None,
    };
    let a = proof[..64].try_into().unwrap();
    let b = proof[64..192].try_into().unwrap();
    let c = proof[192..].try_into().unwrap();
    let inputs = [*input];
    let mut verifier = Groth16Verifier::new(&a, &b, &c, &inputs, &key).unwrap();
    verifier.verify().is_ok()
}

#[test]
fn a_proof_verifies_on_chain_and_no_other_does() {
    let proof = prove(&ONE, &windows(1)).unwrap();
    let key = ONE.verifying_key();
    let both = |proof: &[u8; Proof::BYTES], input: &[u8; 32]| {
        let ours = key.verify(proof, input);
        assert_eq!(ours, verifies_on_chain(&key, proof, input));
        ours
    };
    assert!(both(&proof.bytes, &proof.public_input));
    for byte in [0, 63, 64, 100, 191, 192, 255] {
        let mut wrong = proof.bytes;
        wrong[byte] ^= 1;
        assert!(!both(&wrong, &proof.public_input), "{byte}");
    }
    let mut wrong = proof.public_input;
    wrong[31] ^= 1;
    assert!(!both(&proof.bytes, &wrong));
    assert!(!both(&[0; Proof::BYTES], &proof.public_input));
    // The same number, as an element isn't written.
    let modulus = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    let modulus: [u8; 32] = hex::decode(modulus).unwrap().try_into().unwrap();
    let mut carry = 0;
    let mut aliased = proof.public_input;
    for (byte, more) in aliased.iter_mut().zip(modulus).rev() {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(!both(&proof.bytes, &aliased));
    assert!(!both(&proof.bytes, &modulus));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Proofs come from anybody.
    #[test]
    fn no_bytes_verify_but_a_proof_of_the_input(
        bytes in vec(any::<u8>(), Proof::BYTES),
        input: [u8; 32],
        place in 0..Proof::BYTES,
        change in 1..=u8::MAX,
    ) {
        static PROOF: LazyLock<Proof> = LazyLock::new(|| prove(&ONE, &windows(1)).unwrap());
        let key = ONE.verifying_key();
        let bytes = bytes.try_into().unwrap();
        prop_assert!(!key.verify(&bytes, &input));
        prop_assert!(!key.verify(&bytes, &PROOF.public_input));
        prop_assert!(!key.verify(&PROOF.bytes, &input));
        let mut changed = PROOF.bytes;
        changed[place] ^= change;
        prop_assert!(!key.verify(&changed, &PROOF.public_input));
        prop_assert!(key.verify(&PROOF.bytes, &PROOF.public_input));
    }
}

#[test]
fn the_production_circuit_takes_any_batch() {
    let prover = Prover::development(32).unwrap();
    for count in [3, 32] {
        let proof = prove(&prover, &windows(count)).unwrap();
        let key = prover.verifying_key();
        assert!(verifies_on_chain(&key, &proof.bytes, &proof.public_input));
        let bytes = model();
        let model = ModelRef::parse(&bytes).unwrap();
        for (place, output) in proof.outputs.iter().enumerate() {
            let window = windows(count).get(place).copied();
            let expected = window.map_or(0, |window| inference::infer(&model, &window.features));
            assert_eq!(*output, expected);
        }
    }
}

#[test]
fn a_proof_hides_what_it_is_made_of() {
    let [first, second] = [(); 2].map(|()| prove(&ONE, &windows(1)).unwrap());
    assert_eq!(first.public_input, second.public_input);
    assert_ne!(first.bytes, second.bytes);
}

#[test]
fn what_cannot_be_proven_is_refused() {
    for count in [0, 2] {
        let refused = prove(&ONE, &windows(count));
        assert!(
            matches!(refused, Err(ProveError::Windows { windows, capacity: 1 }) if windows == count)
        );
    }
    let refused = ONE.prove(&Batch {
        windows: &windows(1),
        model: ModelRef::parse(&model()).unwrap(),
        context: [0xff; 32],
    });
    assert!(matches!(refused, Err(ProveError::Context)));
    assert!(matches!(
        Prover::development(3),
        Err(KeyError::NoDevelopment(3))
    ));
    assert!(matches!(
        export_r1cs(3, Vec::new()),
        Err(prover::ExportError::Capacity(KeyError::Capacity(3)))
    ));
}

#[test]
fn a_key_is_read_only_by_its_hash() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a").join("key");
    let key = ProvingKey::insecure(1).unwrap();
    let sha256 = key.write(&path).unwrap();
    let prover = Prover::load(&path, &sha256).unwrap();
    let proof = prove(&prover, &windows(1)).unwrap();
    assert!(ONE
        .verifying_key()
        .verify(&proof.bytes, &proof.public_input));

    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        Prover::load(&path, &sha256),
        Err(KeyError::Hash { .. })
    ));
    let path = dir.path().join("nothing");
    assert!(matches!(
        Prover::load(&path, &sha256),
        Err(KeyError::Io(..))
    ));
}

/// A .zkey file's start: ten sections, of which the first is right.
const ZKEY: &[u8] = b"zkey\x01\0\0\0\x0a\0\0\0\x01\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0";

static READER: LazyLock<ZkeyReader> = LazyLock::new(|| ZkeyReader::new(1).unwrap());

proptest! {
    #[test]
    fn what_is_no_zkey_is_refused(known in 0..=ZKEY.len(), rest in vec(any::<u8>(), 0..600)) {
        let bytes = [&ZKEY[..known], &rest].concat();
        prop_assert!(READER.read(&bytes).is_err());
    }
}
