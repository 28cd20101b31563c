//! Zero-knowledge proofs that a model gives these outputs on a batch of windows.
//!
//! A [`Prover`] holds a key for up to so many windows and makes [`Proof`]s of [`Batch`]es: Groth16 over BN254, verified
//! on chain in one instruction. The circuit runs the integer network exactly as `inference` does; windows and weights
//! stay private, bound by the windows root of the batch leaf and by the model's hash. One key serves every model.
//!
//! Keys of [`Prover::development`] are **insecure**: what they were made of is public, so anyone can prove anything
//! with them. Keys of a ceremony come from snarkjs: [`export_r1cs`] gives it the circuit, [`ProvingKey::from_zkey`]
//! takes the key.

#![forbid(unsafe_code)]

mod circuit;
mod constraints;
mod development;
mod key;
mod points;
mod poseidon;
mod proof;
mod prover;
mod r1cs;
mod reduction;
mod system;
#[cfg(test)]
mod tests;
mod zkey;

use ark_bn254::Fr;
use ark_ff::PrimeField;
use inference::{ModelRef, FEATURES};

pub use key::{KeyError, ProvingKey, VerifyingKey};
pub use proof::Proof;
pub use prover::{ProveError, Prover};
pub use r1cs::{export_r1cs, ExportError};
pub use zkey::{ZkeyError, ZkeyReader};

/// A window, and where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The model's inputs.
    pub features: [u16; FEATURES],
    /// The device's tree in the registry.
    pub tree: u16,
    /// The device's index in it.
    pub index: u32,
    /// The nonce of the device's leaf.
    pub nonce: u32,
    /// When the newest reading was captured, unix milliseconds.
    pub last_capture: i64,
}

impl Window {
    /// Where the window comes from, as `inference::window_leaf` packs it.
    fn origin(&self) -> Fr {
        let mut bytes = [0; 18];
        bytes[..2].copy_from_slice(&self.tree.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.index.to_be_bytes());
        bytes[6..10].copy_from_slice(&self.nonce.to_be_bytes());
        bytes[10..].copy_from_slice(&self.last_capture.to_be_bytes());
        Fr::from_be_bytes_mod_order(&bytes)
    }
}

/// What is proven: a model's outputs on a batch's windows, for one attestation. It isn't `Debug`, since the model may be
/// private.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// The windows, in the order of the windows tree; at least one.
    pub windows: &'a [Window],
    /// The model.
    pub model: ModelRef<'a>,
    /// `device_protocol::attestation_context` of the attestation.
    pub context: [u8; 32],
}

/// For how many windows there are circuits: keys for fewer prove faster, those for 32 any batch.
pub const CAPACITIES: [usize; 6] = [1, 2, 4, 8, 16, 32];
