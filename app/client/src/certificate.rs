//! Certificates of tier 2 in files, as openssl writes them, made ready for the secp256r1 precompile.

use crate::key::{normalise_low_s, KeyError};
use crate::precompile::Entry;
use certificate::{r_and_s, Certificate, CertificateError, SIGNATURE_LEN};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::der::Document;
use p256::pkcs8::{EncodePublicKey, LineEnding};

/// A certificate, and its issuer's signature with a low S.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFile {
    /// What the issuer signed: the TBS part, the precompile's message.
    pub signed: Vec<u8>,
    /// The issuer's signature.
    pub signature: [u8; SIGNATURE_LEN],
    /// The subject's key, compressed.
    pub key: [u8; 33],
    /// The serial number, if it is a voucher number.
    pub number: Option<u64>,
}

impl CertificateFile {
    /// Reads a file's content, PEM or DER.
    ///
    /// # Errors
    /// [`CertificateFileError`]: neither, or not a certificate of tier 2.
    pub fn read(content: &[u8]) -> Result<Self, CertificateFileError> {
        let document;
        let der = match std::str::from_utf8(content) {
            Ok(text) => {
                document = Document::from_pem(text).map_err(|_| CertificateFileError::NotPem)?;
                match document {
                    ("CERTIFICATE", ref document) => document.as_bytes(),
                    _ => return Err(CertificateFileError::NotPem),
                }
            }
            Err(_) => content,
        };
        let certificate = Certificate::parse(der)?;
        Ok(Self {
            signed: certificate.signed.to_vec(),
            signature: normalise_low_s(&certificate.signature)?,
            key: certificate.tbs.key,
            number: certificate.tbs.number().ok(),
        })
    }

    /// Whether this key signed the certificate.
    pub fn is_signed_by(&self, issuer: &[u8; 33]) -> bool {
        verifies(issuer, &self.signed, &self.signature)
    }

    /// The signature for the precompile; `issuer` is the key that signed.
    pub fn entry<'a>(&'a self, issuer: &'a [u8; 33]) -> Entry<'a> {
        Entry {
            public_key: issuer,
            message: &self.signed,
            signature: &self.signature,
        }
    }
}

/// The signature in a file that `openssl dgst -sha256 -sign` wrote, with a low S.
///
/// # Errors
/// [`CertificateFileError`] if it is none on P-256.
pub fn read_signature(content: &[u8]) -> Result<[u8; SIGNATURE_LEN], CertificateFileError> {
    Ok(normalise_low_s(&r_and_s(content)?)?)
}

/// Whether the precompile accepts this signature (low S) of a message by a compressed P-256 key.
pub fn verifies(key: &[u8; 33], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    match (
        VerifyingKey::from_sec1_bytes(key),
        Signature::from_slice(signature),
    ) {
        (Ok(key), Ok(signature)) => {
            signature.normalize_s().is_none() && key.verify(message, &signature).is_ok()
        }
        _ => false,
    }
}

/// A compressed P-256 key as PEM, which openssl takes with `-force_pubkey`.
///
/// # Errors
/// [`KeyError::Point`] if it is no point of the curve.
pub fn public_key_pem(key: &[u8; 33]) -> Result<String, KeyError> {
    VerifyingKey::from_sec1_bytes(key)
        .ok()
        .and_then(|key| key.to_public_key_pem(LineEnding::LF).ok())
        .ok_or(KeyError::Point)
}

/// Why a file is no certificate, or no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFileError {
    /// Text that is not one certificate in PEM.
    #[error("not one certificate in PEM: write it with openssl x509 -out FILE")]
    NotPem,
    /// The bytes are no certificate of tier 2.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The signature's numbers are out of range.
    #[error("{0}")]
    Signature(#[from] KeyError),
}
