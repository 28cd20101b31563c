use core::fmt;

use crate::{
    bytes::{Reader, Writer},
    digest, Hash, ReadingHeader, SIGNATURE_LEN,
};

/// A hardware key's permission for a session key to sign readings: the hardware key signs the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionGrant {
    /// The network that the readings are for.
    pub network: Hash,
    /// The device's id.
    pub device: Hash,
    /// The nonce of the device's registry leaf: a change of owner ends the session.
    pub leaf_nonce: u32,
    /// The Ed25519 key that signs the session's readings.
    pub session_key: Hash,
    /// The session's number, from 1 and rising; session 0 is the hardware key itself.
    pub counter: u32,
    /// The first second of the session, in unix seconds.
    pub not_before: i64,
    /// The first second after the session, in unix seconds.
    pub expires: i64,
}

impl SessionGrant {
    /// The length of a grant in bytes.
    pub const LEN: usize = 120;
    /// The longest session, in seconds.
    pub const MAX_SECONDS: i64 = 24 * 60 * 60;

    /// The grant in bytes: its fields in their order.
    pub fn to_array(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut writer = Writer::new(&mut bytes);
        writer.put(&self.network);
        writer.put(&self.device);
        writer.put(&self.leaf_nonce.to_le_bytes());
        writer.put(&self.session_key);
        writer.put(&self.counter.to_le_bytes());
        writer.put(&self.not_before.to_le_bytes());
        writer.put(&self.expires.to_le_bytes());
        bytes
    }

    /// The grant in exactly these bytes.
    ///
    /// # Errors
    /// Another length, or a grant that fails [`check`](Self::check).
    pub fn parse(bytes: &[u8]) -> Result<Self, GrantError> {
        let mut reader = Reader(bytes);
        let grant = Self::read(&mut reader).ok_or(GrantError::Length)?;
        if !reader.0.is_empty() {
            return Err(GrantError::Length);
        }
        grant.check()?;
        Ok(grant)
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some(Self {
            network: reader.take()?,
            device: reader.take()?,
            leaf_nonce: u32::from_le_bytes(reader.take()?),
            session_key: reader.take()?,
            counter: u32::from_le_bytes(reader.take()?),
            not_before: i64::from_le_bytes(reader.take()?),
            expires: i64::from_le_bytes(reader.take()?),
        })
    }

    /// Whether the grant may stand: counter from 1, a start that is not before 1970, and an end after the start by at
    /// most [`MAX_SECONDS`](Self::MAX_SECONDS).
    ///
    /// # Errors
    /// Which of them fails.
    pub fn check(&self) -> Result<(), GrantError> {
        if self.counter == 0 {
            return Err(GrantError::Counter);
        }
        if self.not_before < 0 || self.expires <= self.not_before {
            return Err(GrantError::Times);
        }
        // Both are positive here, so the difference fits.
        if self.expires - self.not_before > Self::MAX_SECONDS {
            return Err(GrantError::TooLong);
        }
        Ok(())
    }

    /// Whether a reading captured at this time, in unix milliseconds, falls into the session.
    pub fn covers(&self, captured_at: i64) -> bool {
        (self.not_before..self.expires).contains(&captured_at.div_euclid(1000))
    }

    /// Whether the grant lets its session key sign this reading: for the same network, device and leaf nonce, in the
    /// session of this number, and captured within it.
    pub fn permits(&self, reading: &ReadingHeader) -> bool {
        (self.network, self.device) == (reading.network, reading.device)
            && (self.leaf_nonce, self.counter) == (reading.leaf_nonce, reading.session)
            && self.covers(reading.captured_at)
    }

    /// What the hardware key signs: `digest!("grant", bytes)`.
    pub fn digest(&self) -> Hash {
        digest!("grant", &self.to_array())
    }
}

/// A grant as a device sends it: its bytes, then the hardware key's signature of its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedGrant {
    /// What is granted.
    pub grant: SessionGrant,
    /// By the device's hardware key.
    pub signature: [u8; SIGNATURE_LEN],
}

impl SignedGrant {
    /// The length of a signed grant in bytes.
    pub const LEN: usize = SessionGrant::LEN + SIGNATURE_LEN;

    /// The signed grant in bytes.
    pub fn to_array(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut writer = Writer::new(&mut bytes);
        writer.put(&self.grant.to_array());
        writer.put(&self.signature);
        bytes
    }

    /// The signed grant in exactly these bytes.
    ///
    /// # Errors
    /// As [`SessionGrant::parse`]. Whether the signature is right is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, GrantError> {
        let (grant, signature) = bytes.split_last_chunk().ok_or(GrantError::Length)?;
        Ok(Self {
            grant: SessionGrant::parse(grant)?,
            signature: *signature,
        })
    }
}

/// Why bytes are no session grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantError {
    /// Not [`SessionGrant::LEN`] bytes, or [`SignedGrant::LEN`] with the signature.
    Length,
    /// The counter is zero.
    Counter,
    /// It starts before 1970, or ends no later than it starts.
    Times,
    /// It lasts longer than [`SessionGrant::MAX_SECONDS`].
    TooLong,
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a session grant has 120 bytes, 184 with its signature: send it whole and nothing after it",
            Self::Counter => "session 0 is the hardware key itself: count grants from 1",
            Self::Times => "a session must start after 1970 and end after its start",
            Self::TooLong => "a session lasts at most 24 hours: grant a new one each day",
        })
    }
}

impl core::error::Error for GrantError {}
