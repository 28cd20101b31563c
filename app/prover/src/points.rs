//! Points of BN254 as the chain's precompiles take them: coordinates of 32 bytes, big-endian, x before y, and in the
//! second group the imaginary part before the real one.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, PrimeField};

/// Bytes of a point of the first group.
pub const G1: usize = 64;
/// Bytes of a point of the second group.
pub const G2: usize = 128;

pub fn g1_to_bytes(point: &G1Affine) -> [u8; G1] {
    let mut bytes = [0; G1];
    // The point at infinity is all zeros.
    if let Some((x, y)) = point.xy() {
        bytes[..32].copy_from_slice(&to_bytes(&x));
        bytes[32..].copy_from_slice(&to_bytes(&y));
    }
    bytes
}

pub fn g2_to_bytes(point: &G2Affine) -> [u8; G2] {
    let mut bytes = [0; G2];
    if let Some((x, y)) = point.xy() {
        let coordinates = [x.c1, x.c0, y.c1, y.c0];
        for (bytes, coordinate) in bytes.chunks_exact_mut(32).zip(coordinates) {
            bytes.copy_from_slice(&to_bytes(&coordinate));
        }
    }
    bytes
}

/// None unless the bytes are a point of the group other than infinity.
pub fn g1_from_bytes(bytes: &[u8; G1]) -> Option<G1Affine> {
    let [x, y] = coordinates(bytes)?;
    checked_g1(G1Affine::new_unchecked(x, y))
}

/// None unless the bytes are a point of the group other than infinity.
pub fn g2_from_bytes(bytes: &[u8; G2]) -> Option<G2Affine> {
    let [x1, x0, y1, y0] = coordinates(bytes)?;
    checked_g2(G2Affine::new_unchecked(Fq2::new(x0, x1), Fq2::new(y0, y1)))
}

/// None unless the point is on the curve, which in the first group is all.
pub fn checked_g1(point: G1Affine) -> Option<G1Affine> {
    point.is_on_curve().then_some(point)
}

/// None unless the point is on the curve and in the group.
pub fn checked_g2(point: G2Affine) -> Option<G2Affine> {
    let is_valid = point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    is_valid.then_some(point)
}

pub fn scalar_to_bytes(scalar: &Fr) -> [u8; 32] {
    to_bytes(scalar)
}

/// None unless the bytes are smaller than the modulus.
pub fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Fr> {
    from_bytes(bytes)
}

fn coordinates<const N: usize>(bytes: &[u8]) -> Option<[Fq; N]> {
    let mut coordinates = [Fq::default(); N];
    for (coordinate, bytes) in coordinates.iter_mut().zip(bytes.as_chunks().0) {
        *coordinate = from_bytes(bytes)?;
    }
    Some(coordinates)
}

fn to_bytes<F: PrimeField<BigInt = BigInt<4>>>(element: &F) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&element.into_bigint().to_bytes_be());
    bytes
}

fn from_bytes<F: PrimeField<BigInt = BigInt<4>>>(bytes: &[u8; 32]) -> Option<F> {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().rev().zip(bytes.as_chunks().0) {
        *limb = u64::from_be_bytes(*bytes);
    }
    F::from_bigint(BigInt(limbs))
}
