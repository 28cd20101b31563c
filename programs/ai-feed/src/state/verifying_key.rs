//! A verifying key: with it, and with nothing else, the program tells a proof of a batch's computation from noise.

use anchor_lang::prelude::*;
use device_protocol::digest;
use groth16_solana::groth16::{Groth16Verifier, Groth16Verifyingkey};
use solana_bn254::prelude::{alt_bn128_pairing_be, ALT_BN128_PAIRING_ELEMENT_SIZE};

use crate::error::AiFeedError;

/// Bytes of a point of G1: x, y, big-endian.
pub const G1: usize = 64;
/// Bytes of a point of G2: x, y, each its second coefficient first, big-endian.
pub const G2: usize = 128;
/// Bytes of a key: alpha (G1), beta, gamma, delta (G2), ic 0 and 1 (G1).
pub const KEY_BYTES: usize = 3 * G1 + 3 * G2;
/// Bytes of a proof: A (G1, negated), B (G2), C (G1).
pub const PROOF_BYTES: usize = 2 * G1 + G2;
/// The reduction from constraints to polynomials that circom and snarkjs use. A key of another one verifies nothing that
/// is proven with this one.
pub const REDUCTION_CIRCOM: u8 = 1;
/// Flag: no ceremony made the key, so whoever made it may be able to prove anything.
pub const INSECURE: u8 = 1;

/// Alpha of every key that the prover's development set-up makes, whatever its circuit. Its secrets are public.
pub const DEVELOPMENT_ALPHA: [u8; G1] = [
    0x19, 0x83, 0x98, 0x23, 0x66, 0x8a, 0xee, 0x3b, 0x4a, 0x2d, 0xdc, 0x9d, 0x2a, 0x51, 0xe8, 0x36,
    0xaf, 0x8b, 0x65, 0x2d, 0x1f, 0x3b, 0xdb, 0xa4, 0xf2, 0x8f, 0xa0, 0xff, 0x71, 0x34, 0x33, 0x6d,
    0x21, 0x22, 0x23, 0x70, 0x83, 0xf8, 0xfe, 0x90, 0x5e, 0x2b, 0x18, 0x73, 0x13, 0xfd, 0x7b, 0x89,
    0x0a, 0x6d, 0xc5, 0x85, 0xe9, 0x85, 0x1d, 0x62, 0xa6, 0x23, 0x58, 0x07, 0x28, 0x79, 0xf2, 0x54,
];

/// The field that coordinates lie in has this modulus, big-endian.
const COORDINATE_MODULUS: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x97, 0x81, 0x6a, 0x91, 0x68, 0x71, 0xca, 0x8d, 0x3c, 0x20, 0x8c, 0x16, 0xd8, 0x7c, 0xfd, 0x47,
];

/// A verifying key of Groth16 over BN254, with one public input. PDA `["verifying-key", network, hash]`. Never closes, so
/// that what was revoked can't come back.
#[account(zero_copy)]
#[repr(C)]
pub struct VerifyingKey {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// [`INSECURE`].
    pub flags: u8,
    /// Shape of the models whose computation it verifies: `inference::Header::SHAPE`.
    pub shape: u8,
    /// Windows of a batch that its circuit holds; fewer are padded.
    pub windows: u8,
    /// [`REDUCTION_CIRCOM`].
    pub reduction: u8,
    /// Zero.
    pub _pad: [u8; 2],
    /// `digest!("verifying-key", the six points)`.
    pub hash: [u8; 32],
    /// Address of the network that takes its proofs.
    pub network: Pubkey,
    /// SHA-256 of the circuit's constraints as an `.r1cs` file, on the registrant's word.
    pub circuit: [u8; 32],
    /// SHA-256 of the ceremony's transcript, on the registrant's word; zero if there was none.
    pub transcript: [u8; 32],
    /// Who registered it: the network's authority at that time.
    pub registrant: Pubkey,
    /// Unix seconds.
    pub registered_at: i64,
    /// From when its proofs are taken, unix seconds.
    pub active_from: i64,
    /// From when they no longer are, unix seconds; 0 while it is not revoked.
    pub revoked_at: i64,
    /// Of G1.
    pub alpha: [u8; G1],
    /// Of G2.
    pub beta: [u8; G2],
    /// Of G2.
    pub gamma: [u8; G2],
    /// Of G2.
    pub delta: [u8; G2],
    /// Of G1: the constant, and the public input's.
    pub ic: [[u8; G1]; 2],
    /// Zero.
    pub reserved: [u8; 128],
}

impl VerifyingKey {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// What names a key.
    pub fn hash_of(bytes: &[u8; KEY_BYTES]) -> [u8; 32] {
        digest!("verifying-key", bytes)
    }

    /// Takes the six points of a key, if nothing is wrong with them that can be seen.
    ///
    /// A key whose secrets are known proves anything, and nothing here can tell; but a key from which no ceremony's last step
    /// was made has delta equal to gamma, and then anyone forges. The same goes for each pair of beta, gamma and delta
    /// that differs in its sign at most: with `B` equal to one of them, the other terms cancel.
    pub fn set_points(&mut self, bytes: &[u8; KEY_BYTES]) -> Result<()> {
        let mut rest = bytes.as_slice();
        for place in [
            self.alpha.as_mut_slice(),
            &mut self.beta,
            &mut self.gamma,
            &mut self.delta,
            self.ic.as_flattened_mut(),
        ] {
            let (point, next) = rest
                .split_at_checked(place.len())
                .ok_or_else(|| error!(AiFeedError::InvalidVerifyingKey))?;
            place.copy_from_slice(point);
            rest = next;
        }
        require!(are_in_field(bytes), AiFeedError::KeyCoordinate);
        let [constant, input] = &self.ic;
        let g1 = [&self.alpha, constant, input];
        let g2 = [&self.beta, &self.gamma, &self.delta];
        require!(
            g1.iter().all(|point| **point != [0; G1]) && g2.iter().all(|point| **point != [0; G2]),
            AiFeedError::KeyInfinity
        );
        let [beta, gamma, delta] = g2.map(|point| &point[..G2 / 2]);
        require!(
            beta != gamma && gamma != delta && delta != beta,
            AiFeedError::DegenerateKey
        );
        // A pairing takes points of the curves alone, and of G2's curve those of the subgroup; what it gives is no matter.
        let mut pairs = [0; 3 * ALT_BN128_PAIRING_ELEMENT_SIZE];
        let places = pairs.chunks_exact_mut(ALT_BN128_PAIRING_ELEMENT_SIZE);
        for (place, (one, other)) in places.zip(g1.into_iter().zip(g2)) {
            place[..G1].copy_from_slice(one);
            place[G1..].copy_from_slice(other);
        }
        alt_bn128_pairing_be(&pairs).map_err(|_| error!(AiFeedError::KeyOffCurve))?;
        Ok(())
    }

    /// Fails unless proofs are taken at `now` (unix seconds).
    pub fn require_active(&self, now: i64) -> Result<()> {
        require!(self.revoked_at == 0, AiFeedError::KeyRevoked);
        require!(now >= self.active_from, AiFeedError::KeyNotActive);
        Ok(())
    }

    /// Fails unless the proof is one of this public input, a field element in big-endian.
    #[inline(never)]
    pub fn verify(&self, proof: &[u8; PROOF_BYTES], public_input: &[u8; 32]) -> Result<()> {
        let invalid = || error!(AiFeedError::InvalidProof);
        require!(are_in_field(proof), AiFeedError::InvalidProof);
        let (a, rest) = proof.split_first_chunk::<G1>().ok_or_else(invalid)?;
        let (b, rest) = rest.split_first_chunk::<G2>().ok_or_else(invalid)?;
        let (c, _) = rest.split_first_chunk::<G1>().ok_or_else(invalid)?;
        let key = Groth16Verifyingkey {
            nr_pubinputs: 1,
            vk_alpha_g1: self.alpha,
            vk_beta_g2: self.beta,
            vk_gamma_g2: self.gamma,
            vk_delta_g2: self.delta,
            vk_ic: &self.ic,
            vk_commitment: None,
        };
        let inputs = [*public_input];
        Groth16Verifier::new(a, b, c, &inputs, &key)
            .and_then(|mut verifier| verifier.verify())
            .map_err(|_| invalid())
    }
}

/// Whether each coordinate is below the modulus. The syscalls read flags in the bits above a coordinate: with them a point
/// would have other bytes, or be infinity.
fn are_in_field(points: &[u8]) -> bool {
    let (coordinates, _) = points.as_chunks::<32>();
    coordinates
        .iter()
        .all(|coordinate| *coordinate < COORDINATE_MODULUS)
}
