//! Groth16 keys whose secrets are known. With them, a proof of any public input is made without a circuit or a witness: it
//! is what the program has to take from whoever did compute, and nobody else can make it.

use ai_feed::state::{G1, G2, KEY_BYTES, PROOF_BYTES};
use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, Field, PrimeField};

/// What a ceremony forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// Of the first phase.
    pub alpha: Fr,
    /// Of the first phase.
    pub beta: Fr,
    /// Of the second phase.
    pub gamma: Fr,
    /// Of the second phase.
    pub delta: Fr,
    /// Of the constant and the public input, in the place of what a circuit gives.
    pub ic: [Fr; 2],
}

impl Secrets {
    /// Secrets that follow from a number.
    pub fn new(number: u64) -> Self {
        let [alpha, beta, gamma, delta, constant, input] =
            [2, 3, 5, 7, 11, 13].map(|prime: u64| Fr::from(prime).pow([number + 2]));
        Self {
            alpha,
            beta,
            gamma,
            delta,
            ic: [constant, input],
        }
    }

    /// The key: alpha, beta, gamma, delta, ic 0, ic 1.
    pub fn key(&self) -> [u8; KEY_BYTES] {
        let [constant, input] = self.ic;
        concat(&[
            &g1(self.alpha),
            &g2(self.beta),
            &g2(self.gamma),
            &g2(self.delta),
            &g1(constant),
            &g1(input),
        ])
    }

    /// A proof of a public input, big-endian.
    pub fn prove(&self, public_input: &[u8; 32]) -> [u8; PROOF_BYTES] {
        let [constant, input] = self.ic;
        let inputs = constant + input * Fr::from_be_bytes_mod_order(public_input);
        let (a, b) = (Fr::from(17), Fr::from(19));
        let c = (a * b - self.alpha * self.beta - inputs * self.gamma) / self.delta;
        concat(&[&g1(-a), &g2(b), &g1(c)])
    }
}

/// The bytes of a scalar times G1's generator.
pub fn g1(scalar: Fr) -> [u8; G1] {
    let point = (G1Affine::generator() * scalar).into_affine();
    concat(&[&bytes(point.x), &bytes(point.y)])
}

/// The bytes of a scalar times G2's generator.
pub fn g2(scalar: Fr) -> [u8; G2] {
    of_g2((G2Affine::generator() * scalar).into_affine())
}

/// The bytes of a point that lies on G2's curve and not in G2.
pub fn outside_g2() -> [u8; G2] {
    let point = (1..)
        .filter_map(|x: u64| G2Affine::get_point_from_x_unchecked(Fq2::from(x), false))
        .find(|point| point.is_on_curve() && !point.is_in_correct_subgroup_assuming_on_curve());
    of_g2(point.expect("almost every point"))
}

fn of_g2(point: G2Affine) -> [u8; G2] {
    concat(&[
        &bytes(point.x.c1),
        &bytes(point.x.c0),
        &bytes(point.y.c1),
        &bytes(point.y.c0),
    ])
}

fn bytes(coordinate: Fq) -> [u8; 32] {
    let bytes = coordinate.into_bigint().to_bytes_be();
    bytes.try_into().expect("32 bytes")
}

fn concat<const LENGTH: usize>(parts: &[&[u8]]) -> [u8; LENGTH] {
    parts.concat().try_into().expect("length")
}
