//! Reads the X.509 certificates of tier 2: version 3, an EC key on P-256, signed with ecdsa-with-SHA256 (RFC 5280).
//!
//! A certificate is a statement, the TBS ("to be signed") bytes, and its issuer's signature over exactly those bytes.
//! A program meets the TBS bytes alone, as the message that the secp256r1 precompile verifies; [`Tbs::parse`] reads
//! them. Hosts split a whole certificate with [`Certificate::parse`]. Neither verifies a signature: the relation of a
//! certificate to its issuer is that the issuer's *key* signed it, and names are not looked at.
//!
//! Reading is strict: DER and nothing that is merely BER, no trailing bytes, no critical extension that isn't
//! understood. Nothing is allocated.
#![no_std]
#![forbid(unsafe_code)]

mod der;
mod error;
mod tbs;
mod time;
mod whole;

pub use error::CertificateError;
pub use tbs::Tbs;
pub use whole::{r_and_s, Certificate, SIGNATURE_LEN};
