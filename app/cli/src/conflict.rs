//! Evidence as a file: a device's key, and two of its signed readings that contradict each other.

use anyhow::{anyhow, ensure, Context as _, Result};
use device_protocol::{Curve, DeviceKey, SignedGrant, SignedReading};
use fieldproof_client::reports::Evidence;
use serde::Deserialize;

/// Two readings of one device.
#[derive(Deserialize)]
pub struct Conflict {
    /// `ed25519` or `p256`.
    pub curve: String,
    /// The device's public key, in hex.
    pub key: String,
    /// One of the readings.
    pub first: Signed,
    /// The other.
    pub second: Signed,
}

/// A reading as it was sent, and its session's grant.
#[derive(Deserialize)]
pub struct Signed {
    /// The signed reading, in hex.
    pub reading: String,
    /// The signed grant, in hex; null or left out in session 0.
    pub grant: Option<String>,
}

impl Conflict {
    /// The device's key and the readings. Whether they are signed, and an offence, is not looked at.
    pub fn parse(&self) -> Result<(DeviceKey, [Evidence; 2])> {
        let curve = match self.curve.as_str() {
            "ed25519" => Curve::Ed25519,
            "p256" => Curve::P256,
            other => return Err(anyhow!("unknown curve {other}: use ed25519 or p256")),
        };
        let key = DeviceKey::from_bytes(curve, &bytes(&self.key)?)
            .map_err(|error| anyhow!("the device's key: {error}"))?;
        Ok((key, [self.first.parse()?, self.second.parse()?]))
    }
}

impl Signed {
    fn parse(&self) -> Result<Evidence> {
        let reading = bytes(&self.reading)?;
        let (reading, rest) = SignedReading::parse(&reading)?;
        ensure!(
            rest.is_empty(),
            "there are bytes after a reading's signature"
        );
        let grant = match &self.grant {
            Some(grant) => Some(SignedGrant::parse(&bytes(grant)?)?),
            None => None,
        };
        Ok(Evidence { reading, grant })
    }
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    hex::decode(text).with_context(|| format!("{text} is not hexadecimal"))
}
