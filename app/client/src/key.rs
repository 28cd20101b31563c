//! Device keys that sign, and the check of their signatures that accepts exactly what the chain's precompiles accept:
//! what earns can then also be evidence.

use device_protocol::{Curve, DeviceKey, SIGNATURE_LEN};
use ed25519_dalek::{Signature as Ed25519Signature, Signer, VerifyingKey as Ed25519Key};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key};
use rand::rngs::OsRng;
use rand::RngCore;

/// A device's private key.
#[derive(Clone, Debug)]
pub enum DeviceSigner {
    /// RFC 8032.
    Ed25519(ed25519_dalek::SigningKey),
    /// ECDSA over SHA-256 on P-256.
    P256(p256::ecdsa::SigningKey),
}

impl DeviceSigner {
    /// A new key from the operating system's randomness.
    pub fn generate(curve: Curve) -> Self {
        match curve {
            Curve::Ed25519 => {
                let mut seed = [0; 32];
                OsRng.fill_bytes(&mut seed);
                Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            Curve::P256 => Self::P256(p256::ecdsa::SigningKey::random(&mut OsRng)),
        }
    }

    /// The key of 32 secret bytes: RFC 8032's seed, or P-256's scalar, big-endian.
    ///
    /// # Errors
    /// [`KeyError::Seed`] if P-256 bytes are zero or not below the curve's order.
    pub fn from_seed(curve: Curve, seed: &[u8; 32]) -> Result<Self, KeyError> {
        match curve {
            Curve::Ed25519 => Ok(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed))),
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(seed)
                .map(Self::P256)
                .map_err(|_| KeyError::Seed),
        }
    }

    /// The 32 secret bytes, for [`from_seed`](Self::from_seed).
    pub fn to_seed(&self) -> [u8; 32] {
        match self {
            Self::Ed25519(key) => key.to_bytes(),
            Self::P256(key) => key.to_bytes().into(),
        }
    }

    /// The public key as the registry knows it.
    pub fn device_key(&self) -> DeviceKey {
        match self {
            Self::Ed25519(key) => DeviceKey::ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => {
                let mut bytes = [0; 33];
                bytes.copy_from_slice(key.verifying_key().to_encoded_point(true).as_bytes());
                DeviceKey {
                    curve: Curve::P256,
                    bytes,
                }
            }
        }
    }

    /// Signs a digest: Ed25519 the 32 bytes themselves, P-256 their SHA-256, with a low S.
    pub fn sign(&self, message: &[u8; 32]) -> [u8; SIGNATURE_LEN] {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes(),
            Self::P256(key) => {
                let signature: P256Signature = key.sign(message);
                low_s(signature).to_bytes().into()
            }
        }
    }
}

/// A public key made ready to verify many signatures.
#[derive(Clone, Debug)]
pub enum PublicKey {
    /// RFC 8032.
    Ed25519(Ed25519Key),
    /// ECDSA over SHA-256 on P-256.
    P256(P256Key),
}

impl PublicKey {
    /// The key of these bytes, or nothing if they are no point of their curve.
    pub fn new(key: &DeviceKey) -> Option<Self> {
        match key {
            DeviceKey {
                curve: Curve::Ed25519,
                bytes: [public_key @ .., 0],
            } => Ed25519Key::from_bytes(public_key).ok().map(Self::Ed25519),
            // Of what SEC 1 knows, the precompile takes the compressed form alone; p256 also takes the compact form,
            // which is as long.
            DeviceKey {
                curve: Curve::P256,
                bytes: bytes @ [2 | 3, ..],
            } => P256Key::from_sec1_bytes(bytes).ok().map(Self::P256),
            _ => None,
        }
    }

    /// Whether the chain's precompile accepts this signature of a digest: strictly for Ed25519, low S only for P-256.
    ///
    /// Ed25519 differs from the precompile in theory alone: this refuses a signature whose R is not the canonical
    /// encoding of its point, which nobody can make without solving a discrete logarithm.
    pub fn verify(&self, message: &[u8; 32], signature: &[u8; SIGNATURE_LEN]) -> bool {
        match self {
            Self::Ed25519(key) => key
                .verify_strict(message, &Ed25519Signature::from_bytes(signature))
                .is_ok(),
            Self::P256(key) => P256Signature::from_slice(signature).is_ok_and(|signature| {
                signature.normalize_s().is_none() && key.verify(message, &signature).is_ok()
            }),
        }
    }
}

/// [`PublicKey::verify`] for a key that is used once.
pub fn verify(key: &DeviceKey, message: &[u8; 32], signature: &[u8; SIGNATURE_LEN]) -> bool {
    PublicKey::new(key).is_some_and(|key| key.verify(message, signature))
}

/// A P-256 signature with its S in the lower half of the order, as the precompile wants it.
///
/// Half of what hardware signs has a high S; order − S is as good a signature of the same message.
///
/// # Errors
/// [`KeyError::Signature`] if R or S is zero or not below the curve's order.
pub fn normalise_low_s(signature: &[u8; SIGNATURE_LEN]) -> Result<[u8; SIGNATURE_LEN], KeyError> {
    P256Signature::from_slice(signature)
        .map(|signature| low_s(signature).to_bytes().into())
        .map_err(|_| KeyError::Signature)
}

fn low_s(signature: P256Signature) -> P256Signature {
    signature.normalize_s().unwrap_or(signature)
}

/// Why bytes are no key, or no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The seed is no P-256 private key.
    #[error("these 32 bytes are no P-256 private key: draw new ones")]
    Seed,
    /// The signature's numbers are out of the curve's range.
    #[error("these 64 bytes are no P-256 signature: send R and S, 32 bytes each, big-endian")]
    Signature,
    /// The bytes are no public key.
    #[error("these 33 bytes are no compressed P-256 public key")]
    Point,
}
