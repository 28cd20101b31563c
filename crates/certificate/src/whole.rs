use crate::der::{self, Reader, BIT_STRING, INTEGER, SEQUENCE};
use crate::tbs::ECDSA_WITH_SHA256;
use crate::{CertificateError as E, Tbs};

/// The length of a signature, R and S, in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// A whole certificate: what its issuer signed, and the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The signed bytes: what the precompile gets as the message.
    pub signed: &'a [u8],
    /// The signed bytes, read.
    pub tbs: Tbs<'a>,
    /// R and S, 32 bytes each, big-endian. S may be high: the precompile takes it only normalised.
    pub signature: [u8; SIGNATURE_LEN],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER (RFC 5280, 4.1).
    ///
    /// # Errors
    /// [`E`]: whatever is not a certificate of tier 2, or has bytes behind it.
    pub fn parse(der: &'a [u8]) -> Result<Self, E> {
        let mut parts = Reader::only(der, SEQUENCE)?;
        let signed = parts.element()?.whole;
        let tbs = Tbs::parse(signed)?;
        if parts.expect(SEQUENCE)? != ECDSA_WITH_SHA256 {
            return Err(E::Algorithm);
        }
        // No unused bits.
        let [0, signature @ ..] = parts.expect(BIT_STRING)? else {
            return Err(E::Signature);
        };
        parts.end()?;
        Ok(Self {
            signed,
            tbs,
            signature: r_and_s(signature)?,
        })
    }
}

/// ECDSA-Sig-Value (RFC 3279, 2.2.3), also what `openssl dgst -sign` writes: R and S, 32 bytes each, big-endian.
///
/// # Errors
/// [`E`] unless they are two positive integers of at most 32 bytes, in DER.
pub fn r_and_s(der: &[u8]) -> Result<[u8; SIGNATURE_LEN], E> {
    let mut integers = Reader::only(der, SEQUENCE)?;
    let mut signature = [0; SIGNATURE_LEN];
    for half in signature.chunks_exact_mut(SIGNATURE_LEN / 2) {
        let integer = der::positive(integers.expect(INTEGER)?).ok_or(E::Signature)?;
        let start = half.len().checked_sub(integer.len()).ok_or(E::Signature)?;
        half[start..].copy_from_slice(integer);
    }
    integers.end()?;
    Ok(signature)
}
