use core::{fmt, ops::Deref};

use crate::{
    bytes::{Reader, Writer},
    digest, Hash,
};

/// The northernmost latitude, in 1e-7 degrees.
pub const MAX_LATITUDE: i32 = 900_000_000;
/// The easternmost longitude, in 1e-7 degrees.
pub const MAX_LONGITUDE: i32 = 1_800_000_000;
/// The length of a signature of either curve, in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// The 1 to 32 values of a reading, in the fixed point of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Values {
    // Zero from `len` on, so that equal values are equal structs.
    values: [i32; Self::MAX],
    len: u8,
}

impl Values {
    /// The most values of a reading.
    pub const MAX: usize = 32;

    /// A copy of the values.
    ///
    /// # Errors
    /// [`ReadingError::Count`] unless there are 1 to [`MAX`](Self::MAX).
    pub fn new(values: &[i32]) -> Result<Self, ReadingError> {
        if values.is_empty() {
            return Err(ReadingError::Count);
        }
        let mut copy = [0; Self::MAX];
        copy.get_mut(..values.len())
            .ok_or(ReadingError::Count)?
            .copy_from_slice(values);
        Ok(Self {
            values: copy,
            len: values.len() as u8,
        })
    }
}

impl Deref for Values {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        &self.values[..usize::from(self.len)]
    }
}

/// One signed envelope from a device: where, when and what it measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// The network's id.
    pub network: Hash,
    /// The device's id.
    pub device: Hash,
    /// The nonce of the device's registry leaf.
    pub leaf_nonce: u32,
    /// The session's counter; 0 when the hardware key signs.
    pub session: u32,
    /// The reading's number within the session.
    pub sequence: u64,
    /// When it was captured, in unix milliseconds.
    pub captured_at: i64,
    /// Degrees north, in 1e-7.
    pub latitude: i32,
    /// Degrees east, in 1e-7.
    pub longitude: i32,
    /// The radius around the position in which the device is, in metres.
    pub accuracy: u16,
    /// The schema that says what the values are.
    pub schema: u16,
    /// What was measured.
    pub values: Values,
}

impl Reading {
    /// The length of all before the values, in bytes.
    pub const HEADER: usize = 101;
    /// The length of a reading with all values, in bytes.
    pub const MAX_LEN: usize = Self::HEADER + 4 * Values::MAX;

    /// The length of this reading, in bytes.
    pub fn encoded_len(&self) -> usize {
        Self::HEADER + 4 * self.values.len()
    }

    /// Writes the reading to the front of the buffer, and returns its length in bytes.
    pub fn write(&self, buffer: &mut [u8; Self::MAX_LEN]) -> usize {
        let mut writer = Writer::new(buffer);
        writer.put(&self.network);
        writer.put(&self.device);
        writer.put(&self.leaf_nonce.to_le_bytes());
        writer.put(&self.session.to_le_bytes());
        writer.put(&self.sequence.to_le_bytes());
        writer.put(&self.captured_at.to_le_bytes());
        writer.put(&self.latitude.to_le_bytes());
        writer.put(&self.longitude.to_le_bytes());
        writer.put(&self.accuracy.to_le_bytes());
        writer.put(&self.schema.to_le_bytes());
        writer.put(&[self.values.len]);
        for value in self.values.iter() {
            writer.put(&value.to_le_bytes());
        }
        writer.len()
    }

    /// The reading in bytes.
    #[cfg(feature = "alloc")]
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        let mut buffer = [0; Self::MAX_LEN];
        let len = self.write(&mut buffer);
        buffer[..len].to_vec()
    }

    /// The reading in exactly these bytes.
    ///
    /// # Errors
    /// Too few or too many bytes, or a reading that fails [`check`](Self::check).
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadingError> {
        match Self::parse_front(bytes)? {
            (reading, []) => Ok(reading),
            _ => Err(ReadingError::Length),
        }
    }

    /// The reading at the front of these bytes, and the bytes after it.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), but for bytes after the reading.
    pub fn parse_front(bytes: &[u8]) -> Result<(Self, &[u8]), ReadingError> {
        let mut reader = Reader(bytes);
        let header = ReadingHeader::read(&mut reader)?;
        Self::read_values(header, reader)
    }

    /// The reading that starts with this network, device and leaf nonce and has these bytes after
    /// [`ReadingHeader::OWNED`], and the bytes after it: readings of one device are passed without repeating whose they are.
    ///
    /// # Errors
    /// As [`parse_front`](Self::parse_front).
    pub fn parse_rest(
        network: Hash,
        device: Hash,
        leaf_nonce: u32,
        rest: &[u8],
    ) -> Result<(Self, &[u8]), ReadingError> {
        let mut reader = Reader(rest);
        let header = ReadingHeader::read_rest(network, device, leaf_nonce, &mut reader)
            .ok_or(ReadingError::Length)?
            .counted()?;
        Self::read_values(header, reader)
    }

    fn read_values(
        header: ReadingHeader,
        mut reader: Reader<'_>,
    ) -> Result<(Self, &[u8]), ReadingError> {
        let mut values = Values {
            values: [0; Values::MAX],
            len: header.values,
        };
        for value in values.values.iter_mut().take(usize::from(header.values)) {
            *value = i32::from_le_bytes(reader.take().ok_or(ReadingError::Length)?);
        }
        header.check()?;
        let reading = Self {
            network: header.network,
            device: header.device,
            leaf_nonce: header.leaf_nonce,
            session: header.session,
            sequence: header.sequence,
            captured_at: header.captured_at,
            latitude: header.latitude,
            longitude: header.longitude,
            accuracy: header.accuracy,
            schema: header.schema,
            values,
        };
        Ok((reading, reader.0))
    }

    /// Whether position and time are possible.
    ///
    /// # Errors
    /// A latitude beyond ±90°, a longitude beyond ±180°, a time before 1970.
    pub fn check(&self) -> Result<(), ReadingError> {
        check(self.latitude, self.longitude, self.captured_at)
    }

    /// All of it but the values.
    pub fn header(&self) -> ReadingHeader {
        ReadingHeader {
            network: self.network,
            device: self.device,
            leaf_nonce: self.leaf_nonce,
            session: self.session,
            sequence: self.sequence,
            captured_at: self.captured_at,
            latitude: self.latitude,
            longitude: self.longitude,
            accuracy: self.accuracy,
            schema: self.schema,
            values: self.values.len,
        }
    }

    /// What the device signs: `digest!("reading", bytes)`.
    ///
    /// An Ed25519 key signs these 32 bytes; so does a P-256 key, whose ECDSA hashes them once more with SHA-256.
    pub fn digest(&self) -> Hash {
        let mut buffer = [0; Self::MAX_LEN];
        let len = self.write(&mut buffer);
        Self::digest_of(&buffer[..len])
    }

    /// The digest of the reading in these bytes, which its caller has parsed.
    pub fn digest_of(bytes: &[u8]) -> Hash {
        digest!("reading", bytes)
    }
}

fn check(latitude: i32, longitude: i32, captured_at: i64) -> Result<(), ReadingError> {
    if !(-MAX_LATITUDE..=MAX_LATITUDE).contains(&latitude) {
        return Err(ReadingError::Latitude);
    }
    if !(-MAX_LONGITUDE..=MAX_LONGITUDE).contains(&longitude) {
        return Err(ReadingError::Longitude);
    }
    if captured_at < 0 {
        return Err(ReadingError::Time);
    }
    Ok(())
}

/// All of a reading but the values themselves: whose it is, and when and where it was captured. For a program that needs no
/// more it costs half as much as a [`Reading`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadingHeader {
    /// The network's id.
    pub network: Hash,
    /// The device's id.
    pub device: Hash,
    /// The nonce of the device's registry leaf.
    pub leaf_nonce: u32,
    /// The session's counter; 0 when the hardware key signs.
    pub session: u32,
    /// The reading's number within the session.
    pub sequence: u64,
    /// When it was captured, in unix milliseconds.
    pub captured_at: i64,
    /// Degrees north, in 1e-7.
    pub latitude: i32,
    /// Degrees east, in 1e-7.
    pub longitude: i32,
    /// The radius around the position in which the device is, in metres.
    pub accuracy: u16,
    /// The schema that says what the values are.
    pub schema: u16,
    /// How many values there are.
    pub values: u8,
}

impl ReadingHeader {
    /// The length of network, device and leaf nonce, with which a reading starts, in bytes.
    pub const OWNED: usize = 68;

    /// The header of the reading in exactly these bytes.
    ///
    /// # Errors
    /// Whenever [`Reading::parse`] fails, and only then.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadingError> {
        let mut reader = Reader(bytes);
        Self::read(&mut reader)?.whole(reader)
    }

    /// The header of the reading that has these bytes after [`Self::OWNED`].
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_rest(
        network: Hash,
        device: Hash,
        leaf_nonce: u32,
        rest: &[u8],
    ) -> Result<Self, ReadingError> {
        let mut reader = Reader(rest);
        Self::read_rest(network, device, leaf_nonce, &mut reader)
            .ok_or(ReadingError::Length)?
            .counted()?
            .whole(reader)
    }

    fn read(reader: &mut Reader) -> Result<Self, ReadingError> {
        Self::read_fields(reader)
            .ok_or(ReadingError::Length)?
            .counted()
    }

    fn counted(self) -> Result<Self, ReadingError> {
        if !(1..=Values::MAX).contains(&usize::from(self.values)) {
            return Err(ReadingError::Count);
        }
        Ok(self)
    }

    /// The header, if the values are all that is left to read.
    fn whole(self, reader: Reader) -> Result<Self, ReadingError> {
        if reader.0.len() != 4 * usize::from(self.values) {
            return Err(ReadingError::Length);
        }
        self.check()?;
        Ok(self)
    }

    fn read_fields(reader: &mut Reader) -> Option<Self> {
        let network = reader.take()?;
        let device = reader.take()?;
        let leaf_nonce = u32::from_le_bytes(reader.take()?);
        Self::read_rest(network, device, leaf_nonce, reader)
    }

    fn read_rest(
        network: Hash,
        device: Hash,
        leaf_nonce: u32,
        reader: &mut Reader,
    ) -> Option<Self> {
        Some(Self {
            network,
            device,
            leaf_nonce,
            session: u32::from_le_bytes(reader.take()?),
            sequence: u64::from_le_bytes(reader.take()?),
            captured_at: i64::from_le_bytes(reader.take()?),
            latitude: i32::from_le_bytes(reader.take()?),
            longitude: i32::from_le_bytes(reader.take()?),
            accuracy: u16::from_le_bytes(reader.take()?),
            schema: u16::from_le_bytes(reader.take()?),
            values: u8::from_le_bytes(reader.take()?),
        })
    }

    fn check(&self) -> Result<(), ReadingError> {
        check(self.latitude, self.longitude, self.captured_at)
    }
}

/// A reading as a device sends it: its bytes, then the signature of its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedReading {
    /// What was measured.
    pub reading: Reading,
    /// By the session key, or by the hardware key in session 0.
    pub signature: [u8; SIGNATURE_LEN],
}

impl SignedReading {
    /// The signed reading at the front of these bytes, and the bytes after it.
    ///
    /// # Errors
    /// As [`Reading::parse_front`], or a signature cut short. Whether the signature is right is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), ReadingError> {
        let (reading, rest) = Reading::parse_front(bytes)?;
        let mut reader = Reader(rest);
        let signature = reader.take().ok_or(ReadingError::Length)?;
        Ok((Self { reading, signature }, reader.0))
    }

    /// The signed reading in bytes.
    #[cfg(feature = "alloc")]
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        let mut bytes = self.reading.to_bytes();
        bytes.extend_from_slice(&self.signature);
        bytes
    }
}

/// Why bytes are no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingError {
    /// Bytes are missing, or left over.
    Length,
    /// No values, or more than [`Values::MAX`].
    Count,
    /// A latitude beyond ±90°.
    Latitude,
    /// A longitude beyond ±180°.
    Longitude,
    /// Captured before 1970.
    Time,
}

impl fmt::Display for ReadingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the reading's length does not fit its count of values: send it whole and nothing after it",
            Self::Count => "a reading has 1 to 32 values: split it",
            Self::Latitude => "give the latitude in 1e-7 degrees, within ±90 degrees",
            Self::Longitude => "give the longitude in 1e-7 degrees, within ±180 degrees",
            Self::Time => "captured before 1970: set the device's clock",
        })
    }
}

impl core::error::Error for ReadingError {}
