//! Keys of a ceremony, as snarkjs writes them: a .zkey file for Groth16 over BN254.
//!
//! A file has numbered sections. Integers are little-endian; a coordinate is 32 bytes in Montgomery form, little-endian,
//! x before y and the real part before the imaginary one. The file says how much of everything it has, and each count
//! must be the circuit's, so that no more is read than a key for the circuit takes.

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, BigInteger, One, PrimeField};
use rayon::prelude::*;
use thiserror::Error;

use crate::{
    constraints::Constraints,
    key::{KeyError, ProvingKey},
    points::{checked_g1, checked_g2},
    prover::{constraints, domain_size},
    system::{INSTANCE, PUBLIC},
};

const GROTH16: u32 = 1;
const SECTIONS: usize = 10;
/// Bytes of a term of a constraint: matrix, row, variable, factor.
const TERM: usize = 44;

/// Why a file gives no key.
#[derive(Debug, Error)]
pub enum ZkeyError {
    #[error("the file is not a .zkey file of version 1")]
    Magic,
    #[error("the .zkey file is cut off or has bytes too many in section {0}")]
    Length(u32),
    #[error("the .zkey file has section {0} twice, or none")]
    Section(u32),
    #[error("the .zkey file is not for Groth16 over BN254")]
    Protocol,
    #[error("the key is for another circuit: it has {found} {what}, not {expected}")]
    Count {
        what: &'static str,
        found: u32,
        expected: usize,
    },
    #[error("the key is for another circuit: its constraints differ")]
    Constraints,
    #[error("section {0} has a point that isn't in its group")]
    Point(u32),
    #[error("section {0} has the point at infinity where proofs could be forged with it")]
    Infinity(u32),
    #[error(
        "nobody has contributed to the key, so anyone can forge its proofs: run snarkjs zkey contribute first"
    )]
    NoContribution,
    #[error(transparent)]
    Capacity(#[from] KeyError),
}

/// Takes keys for one circuit from .zkey files.
pub struct ZkeyReader {
    capacity: usize,
    constraints: Constraints,
}

impl ZkeyReader {
    /// For keys of the circuit for up to `capacity` windows. The circuit's constraints are made here, once for all files.
    ///
    /// # Errors
    /// [`KeyError`] if there is no circuit for so many.
    pub fn new(capacity: usize) -> Result<Self, KeyError> {
        Ok(Self {
            capacity,
            constraints: constraints(capacity)?,
        })
    }

    /// Takes a ceremony's key from the bytes of a .zkey file. Each point is checked, which takes seconds. That the ceremony
    /// was honest is for its transcript to show: `snarkjs zkey verify`.
    ///
    /// # Errors
    /// [`ZkeyError`].
    pub fn read(&self, bytes: &[u8]) -> Result<ProvingKey, ZkeyError> {
        let sections = Sections::new(bytes)?;
        let mut protocol = sections.reader(1)?;
        if protocol.u32()? != GROTH16 {
            return Err(ZkeyError::Protocol);
        }
        protocol.end()?;

        let mut header = sections.reader(2)?;
        let base: &[u8; 32] = &Fq::MODULUS.to_bytes_le().try_into().expect("254 bits");
        let scalars: &[u8; 32] = &Fr::MODULUS.to_bytes_le().try_into().expect("254 bits");
        for modulus in [base, scalars] {
            if header.u32()? != 32 || header.array::<32>()? != modulus {
                return Err(ZkeyError::Protocol);
            }
        }
        let variables = self.constraints.variables();
        let domain = domain_size(&self.constraints);
        for (what, expected) in [
            ("variables", variables),
            ("public inputs", INSTANCE - PUBLIC),
            ("points of its domain", domain),
        ] {
            let found = header.u32()?;
            if found as usize != expected {
                return Err(ZkeyError::Count {
                    what,
                    found,
                    expected,
                });
            }
        }
        let alpha_g1 = header.finite_g1()?;
        let beta_g1 = header.finite_g1()?;
        let beta_g2 = header.finite_g2()?;
        let gamma_g2 = header.finite_g2()?;
        let delta_g1 = header.finite_g1()?;
        let delta_g2 = header.finite_g2()?;
        header.end()?;
        if delta_g2 == gamma_g2 {
            return Err(ZkeyError::NoContribution);
        }

        check_constraints(sections.reader(4)?, &self.constraints)?;
        let gamma_abc_g1 = sections.g1(3, INSTANCE)?;
        if gamma_abc_g1.iter().any(AffineRepr::is_zero) {
            return Err(ZkeyError::Infinity(3));
        }
        let points = ark_groth16::ProvingKey::<Bn254> {
            vk: ark_groth16::VerifyingKey {
                alpha_g1,
                beta_g2,
                gamma_g2,
                delta_g2,
                gamma_abc_g1,
            },
            beta_g1,
            delta_g1,
            a_query: sections.g1(5, variables)?,
            b_g1_query: sections.g1(6, variables)?,
            b_g2_query: sections.g2(7, variables)?,
            l_query: sections.g1(8, variables - INSTANCE)?,
            h_query: sections.g1(9, domain)?,
        };
        Ok(ProvingKey {
            capacity: self.capacity,
            points,
        })
    }
}

impl ProvingKey {
    /// Takes a ceremony's key for the circuit for up to `capacity` windows from the bytes of a .zkey file, as
    /// [`ZkeyReader::read`] does.
    ///
    /// # Errors
    /// [`ZkeyError`].
    pub fn from_zkey(bytes: &[u8], capacity: usize) -> Result<Self, ZkeyError> {
        ZkeyReader::new(capacity)?.read(bytes)
    }
}

/// Checks that the key is for these constraints. It has A and B, with a row that keeps each public input apart; C isn't
/// in the file, and is in the points alone.
fn check_constraints(mut section: Reader<'_>, constraints: &Constraints) -> Result<(), ZkeyError> {
    let [a, b, _] = constraints.matrices();
    // Factors are in Montgomery form twice.
    let twice = Fr::from_bigint(Fr::R).unwrap_or_else(|| Fr::from(BigInt::<4>::from(0u64)));
    let mut expected = Vec::new();
    for (matrix, rows) in (0u32..).zip([a, b]) {
        for (row, terms) in (0u32..).zip(rows) {
            for (factor, variable) in terms {
                expected.push((matrix, row, *variable as u32, *factor * twice));
            }
        }
    }
    for public in 0..INSTANCE as u32 {
        expected.push((
            0,
            constraints.len() as u32 + public,
            public,
            Fr::one() * twice,
        ));
    }

    let count = section.u32()?;
    if count as usize != expected.len() || section.bytes.len() != TERM * expected.len() {
        return Err(ZkeyError::Count {
            what: "terms",
            found: count,
            expected: expected.len(),
        });
    }
    let mut found = Vec::with_capacity(expected.len());
    for _ in 0..count {
        let place = (section.u32()?, section.u32()?, section.u32()?);
        let factor = montgomery(section.array()?).ok_or(ZkeyError::Constraints)?;
        found.push((place.0, place.1, place.2, factor));
    }
    section.end()?;
    expected.sort_unstable();
    found.sort_unstable();
    if found != expected {
        return Err(ZkeyError::Constraints);
    }
    Ok(())
}

/// The bytes of each section.
struct Sections<'a>([Option<&'a [u8]>; SECTIONS + 1]);

impl<'a> Sections<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, ZkeyError> {
        let mut file = Reader { section: 0, bytes };
        let is_zkey = file.array()? == b"zkey" && file.u32()? == 1;
        if !is_zkey {
            return Err(ZkeyError::Magic);
        }
        let count = file.u32()?;
        let mut sections = [None; SECTIONS + 1];
        for _ in 0..count {
            let id = file.u32()?;
            let length = u64::from_le_bytes(*file.array()?);
            let length = usize::try_from(length).map_err(|_| ZkeyError::Length(id))?;
            let bytes = file.take(length).map_err(|_| ZkeyError::Length(id))?;
            let section = sections
                .get_mut(id as usize)
                .ok_or(ZkeyError::Section(id))?;
            if section.replace(bytes).is_some() {
                return Err(ZkeyError::Section(id));
            }
        }
        file.end()?;
        Ok(Self(sections))
    }

    fn reader(&self, section: u32) -> Result<Reader<'a>, ZkeyError> {
        let bytes = self.0[section as usize].ok_or(ZkeyError::Section(section))?;
        Ok(Reader { section, bytes })
    }

    fn g1(&self, section: u32, count: usize) -> Result<Vec<G1Affine>, ZkeyError> {
        self.points(section, count, g1)
    }

    fn g2(&self, section: u32, count: usize) -> Result<Vec<G2Affine>, ZkeyError> {
        self.points(section, count, g2)
    }

    /// So many points, and nothing else.
    fn points<P: Send, const N: usize>(
        &self,
        section: u32,
        count: usize,
        point: impl Fn(&[u8; N]) -> Option<P> + Send + Sync,
    ) -> Result<Vec<P>, ZkeyError> {
        let (points, rest) = self.reader(section)?.bytes.as_chunks();
        if points.len() != count || !rest.is_empty() {
            return Err(ZkeyError::Length(section));
        }
        let points: Option<Vec<P>> = points.par_iter().map(point).collect();
        points.ok_or(ZkeyError::Point(section))
    }
}

/// What is left of a section.
struct Reader<'a> {
    section: u32,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ZkeyError> {
        let split = self.bytes.split_at_checked(length);
        let (taken, rest) = split.ok_or(ZkeyError::Length(self.section))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], ZkeyError> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| ZkeyError::Length(self.section))
    }

    fn u32(&mut self) -> Result<u32, ZkeyError> {
        Ok(u32::from_le_bytes(*self.array()?))
    }

    fn finite_g1(&mut self) -> Result<G1Affine, ZkeyError> {
        let point = g1(self.array()?).ok_or(ZkeyError::Point(self.section))?;
        let point = Some(point).filter(|point| !point.is_zero());
        point.ok_or(ZkeyError::Infinity(self.section))
    }

    fn finite_g2(&mut self) -> Result<G2Affine, ZkeyError> {
        let point = g2(self.array()?).ok_or(ZkeyError::Point(self.section))?;
        let point = Some(point).filter(|point| !point.is_zero());
        point.ok_or(ZkeyError::Infinity(self.section))
    }

    fn end(self) -> Result<(), ZkeyError> {
        if !self.bytes.is_empty() {
            return Err(ZkeyError::Length(self.section));
        }
        Ok(())
    }
}

/// A point of the first group, of which all zeros is infinity.
fn g1(bytes: &[u8; 64]) -> Option<G1Affine> {
    let [x, y] = coordinates(bytes)?;
    if x == Fq::ZERO && y == Fq::ZERO {
        return Some(G1Affine::identity());
    }
    checked_g1(G1Affine::new_unchecked(x, y))
}

/// A point of the second group, of which all zeros is infinity.
fn g2(bytes: &[u8; 128]) -> Option<G2Affine> {
    let [x0, x1, y0, y1] = coordinates(bytes)?;
    let (x, y) = (Fq2::new(x0, x1), Fq2::new(y0, y1));
    if x == Fq2::ZERO && y == Fq2::ZERO {
        return Some(G2Affine::identity());
    }
    checked_g2(G2Affine::new_unchecked(x, y))
}

fn coordinates<const N: usize>(bytes: &[u8]) -> Option<[Fq; N]> {
    let mut coordinates = [Fq::default(); N];
    for (coordinate, bytes) in coordinates.iter_mut().zip(bytes.as_chunks().0) {
        *coordinate = montgomery(bytes)?;
    }
    Some(coordinates)
}

/// An element from its Montgomery form.
fn montgomery<F: Montgomery>(bytes: &[u8; 32]) -> Option<F> {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    let form = BigInt(limbs);
    (form < F::MODULUS).then(|| F::from_form(form))
}

trait Montgomery: PrimeField<BigInt = BigInt<4>> {
    fn from_form(form: BigInt<4>) -> Self;
}

impl Montgomery for Fq {
    fn from_form(form: BigInt<4>) -> Self {
        Fq::new_unchecked(form)
    }
}

impl Montgomery for Fr {
    fn from_form(form: BigInt<4>) -> Self {
        Fr::new_unchecked(form)
    }
}
