use core::fmt;

use crate::{digest, Hash};

/// The curve of a device's hardware key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Curve {
    /// RFC 8032; a public key has 32 bytes.
    Ed25519 = 0,
    /// NIST P-256 (secp256r1) with ECDSA over SHA-256; a public key has 33 bytes, compressed by SEC 1.
    P256 = 1,
}

impl TryFrom<u8> for Curve {
    type Error = KeyError;

    fn try_from(curve: u8) -> Result<Self, KeyError> {
        match curve {
            0 => Ok(Self::Ed25519),
            1 => Ok(Self::P256),
            _ => Err(KeyError::UnknownCurve),
        }
    }
}

impl Curve {
    /// Bytes of a public key of this curve.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::P256 => 33,
        }
    }
}

/// A device's public key as the registry knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceKey {
    /// The curve that `bytes` is a point of.
    pub curve: Curve,
    /// Ed25519: 32 bytes, then a zero. P-256: 33 bytes, compressed.
    pub bytes: [u8; 33],
}

impl DeviceKey {
    /// The key of 32 Ed25519 bytes.
    pub fn ed25519(public_key: [u8; 32]) -> Self {
        let mut bytes = [0; 33];
        bytes[..32].copy_from_slice(&public_key);
        Self {
            curve: Curve::Ed25519,
            bytes,
        }
    }

    /// The key of 33 compressed P-256 bytes.
    ///
    /// # Errors
    /// [`KeyError::NotCompressed`] unless the first byte is 2 or 3. That the point lies on the curve is for whoever
    /// verifies a signature to find out.
    pub fn p256(public_key: [u8; 33]) -> Result<Self, KeyError> {
        match public_key[0] {
            2 | 3 => Ok(Self {
                curve: Curve::P256,
                bytes: public_key,
            }),
            _ => Err(KeyError::NotCompressed),
        }
    }

    /// The key of a curve's number and 33 bytes, as instructions and events carry it.
    ///
    /// # Errors
    /// A curve that does not exist, an Ed25519 key whose last byte is not zero, a P-256 key that is not compressed.
    pub fn from_parts(curve: u8, bytes: [u8; 33]) -> Result<Self, KeyError> {
        match (Curve::try_from(curve)?, bytes) {
            (Curve::P256, bytes) => Self::p256(bytes),
            (Curve::Ed25519, [public_key @ .., 0]) => Ok(Self::ed25519(public_key)),
            (Curve::Ed25519, _) => Err(KeyError::NotPadded),
        }
    }

    /// The key of a public key's bytes in its curve's own length ([`Curve::key_len`]).
    ///
    /// # Errors
    /// Another length, or a P-256 key that is not compressed.
    pub fn from_bytes(curve: Curve, bytes: &[u8]) -> Result<Self, KeyError> {
        match curve {
            Curve::Ed25519 => Ok(Self::ed25519(
                bytes.try_into().map_err(|_| KeyError::WrongLength)?,
            )),
            Curve::P256 => Self::p256(bytes.try_into().map_err(|_| KeyError::WrongLength)?),
        }
    }

    /// The public key in its curve's own length: 32 bytes (Ed25519) or 33 (P-256).
    pub fn as_bytes(&self) -> &[u8] {
        match self.curve {
            Curve::Ed25519 => &self.bytes[..32],
            Curve::P256 => &self.bytes,
        }
    }

    /// The device's id: `digest!("device", curve u8 | key bytes)`.
    pub fn id(&self) -> Hash {
        digest!("device", &[self.curve as u8], self.as_bytes())
    }
}

/// Why bytes are not a device key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The curve's number is neither 0 nor 1.
    UnknownCurve,
    /// A public key is not as long as its curve's are.
    WrongLength,
    /// An Ed25519 key's 33rd byte is not zero.
    NotPadded,
    /// A P-256 key does not start with 2 or 3.
    NotCompressed,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownCurve => "unknown curve: use 0 for Ed25519 or 1 for P-256",
            Self::WrongLength => "give 32 bytes for Ed25519, 33 for P-256",
            Self::NotPadded => "an Ed25519 key has 32 bytes: set the 33rd to zero",
            Self::NotCompressed => "give the P-256 key compressed: 33 bytes that start with 2 or 3",
        })
    }
}

impl core::error::Error for KeyError {}
