use ark_bn254::Bn254;

use crate::points::{self, G1, G2};

/// A proof, as it goes on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// A, negated (64 bytes) | B (128) | C (64): what the program passes on to the pairing.
    pub bytes: [u8; Self::BYTES],
    /// The statement: `inference::public_input`, which the program computes by itself.
    pub public_input: [u8; 32],
    /// The model's output for each window; beyond them, 0.
    pub outputs: [u8; inference::WINDOWS],
}

impl Proof {
    /// Bytes of a proof without its statement.
    pub const BYTES: usize = G1 + G2 + G1;
}

/// The bytes of a proof.
pub fn to_bytes(proof: &ark_groth16::Proof<Bn254>) -> [u8; Proof::BYTES] {
    let mut bytes = [0; Proof::BYTES];
    bytes[..G1].copy_from_slice(&points::g1_to_bytes(&-proof.a));
    bytes[G1..G1 + G2].copy_from_slice(&points::g2_to_bytes(&proof.b));
    bytes[G1 + G2..].copy_from_slice(&points::g1_to_bytes(&proof.c));
    bytes
}

/// None unless the bytes are three points of their groups other than infinity.
pub fn from_bytes(bytes: &[u8; Proof::BYTES]) -> Option<ark_groth16::Proof<Bn254>> {
    let (a, rest) = bytes.split_first_chunk()?;
    let (b, rest) = rest.split_first_chunk()?;
    let (c, _) = rest.split_first_chunk()?;
    Some(ark_groth16::Proof {
        a: -points::g1_from_bytes(a)?,
        b: points::g2_from_bytes(b)?,
        c: points::g1_from_bytes(c)?,
    })
}
