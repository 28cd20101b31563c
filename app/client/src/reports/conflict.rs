//! Evidence as JSON, from a worker that met it or in a file.

use super::Evidence;
use device_protocol::{
    Curve, DeviceKey, GrantError, KeyError, ReadingError, SignedGrant, SignedReading,
};
use serde::{Deserialize, Serialize};

/// A device's key, and two of its readings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// `ed25519` or `p256`.
    pub curve: String,
    /// The device's public key, in hex.
    pub key: String,
    /// One of the readings.
    pub first: SignedText,
    /// The other.
    pub second: SignedText,
}

/// A reading as it was sent, and its session's grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedText {
    /// The signed reading, in hex.
    pub reading: String,
    /// The signed grant, in hex; null or left out in session 0.
    pub grant: Option<String>,
}

/// Why JSON is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum ConflictError {
    /// The curve has another name.
    #[error("unknown curve {0}: use ed25519 or p256")]
    Curve(String),
    /// Something is not hexadecimal.
    #[error("not hexadecimal: {0}")]
    Hex(#[from] hex::FromHexError),
    /// The key is none of the curve.
    #[error("the device's key: {0}")]
    Key(#[from] KeyError),
    /// No signed reading.
    #[error("{0}")]
    Reading(#[from] ReadingError),
    /// Something follows a reading.
    #[error("there are bytes after a reading's signature")]
    Trailing,
    /// No signed grant.
    #[error("{0}")]
    Grant(#[from] GrantError),
}

impl Conflict {
    /// Two readings of the device with this key.
    pub fn new(key: &DeviceKey, [first, second]: [&Evidence; 2]) -> Self {
        let curve = match key.curve {
            Curve::Ed25519 => "ed25519",
            Curve::P256 => "p256",
        };
        Self {
            curve: curve.to_owned(),
            key: hex::encode(key.as_bytes()),
            first: first.into(),
            second: second.into(),
        }
    }

    /// The device's key and the readings. Whether they are signed, and an offence, is not looked at.
    ///
    /// # Errors
    /// [`ConflictError`].
    pub fn parse(&self) -> Result<(DeviceKey, [Evidence; 2]), ConflictError> {
        let curve = match self.curve.as_str() {
            "ed25519" => Curve::Ed25519,
            "p256" => Curve::P256,
            other => return Err(ConflictError::Curve(other.to_owned())),
        };
        let key = DeviceKey::from_bytes(curve, &hex::decode(&self.key)?)?;
        Ok((key, [self.first.parse()?, self.second.parse()?]))
    }
}

impl SignedText {
    fn parse(&self) -> Result<Evidence, ConflictError> {
        let bytes = hex::decode(&self.reading)?;
        let (reading, rest) = SignedReading::parse(&bytes)?;
        if !rest.is_empty() {
            return Err(ConflictError::Trailing);
        }
        let grant = match &self.grant {
            Some(grant) => Some(SignedGrant::parse(&hex::decode(grant)?)?),
            None => None,
        };
        Ok(Evidence { reading, grant })
    }
}

impl From<&Evidence> for SignedText {
    fn from(evidence: &Evidence) -> Self {
        Self {
            reading: hex::encode(evidence.reading.to_bytes()),
            grant: evidence.grant.map(|grant| hex::encode(grant.to_array())),
        }
    }
}
