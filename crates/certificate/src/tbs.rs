use crate::der::{
    self, Reader, BIT_STRING, BOOLEAN, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
};
use crate::{time, CertificateError as E};

/// `[0]` and `[3]`, the tags of version and extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// The content of INTEGER 2, which says version 3.
const V3: &[u8] = &[2];
/// AlgorithmIdentifier's content: ecdsa-with-SHA256 (1.2.840.10045.4.3.2), no parameters.
pub(crate) const ECDSA_WITH_SHA256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// AlgorithmIdentifier's content: id-ecPublicKey (1.2.840.10045.2.1) on prime256v1 (1.2.840.10045.3.1.7).
const EC_P256: &[u8] = &[
    6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
];
/// Object identifiers of the extensions read here: 2.5.29.15 and 2.5.29.19.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
/// Longest serial number (RFC 5280, 4.1.2.2), its leading zero not counted.
const MAX_SERIAL: usize = 20;
/// BOOLEAN TRUE in DER.
const TRUE: &[u8] = &[0xff];

/// What a certificate's issuer has signed, as far as tier 2 reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tbs<'a> {
    /// The serial number, big-endian, without leading zeros.
    pub serial: &'a [u8],
    /// First second at which it is valid, unix.
    pub not_before: i64,
    /// Last second at which it is valid, unix.
    pub not_after: i64,
    /// The subject's public key on P-256, compressed by SEC 1. Whether it is a point of the curve is for whoever
    /// verifies a signature to find out; an uncompressed point counts by its X and its Y's parity.
    pub key: [u8; 33],
    /// Whether basicConstraints says that it is a CA's.
    pub ca: bool,
    /// First byte of keyUsage, if there is one: bit 7 digitalSignature, bit 2 keyCertSign.
    usage: Option<u8>,
}

impl<'a> Tbs<'a> {
    /// Reads a TBSCertificate (RFC 5280, 4.1), its tag and length included.
    ///
    /// # Errors
    /// [`E`]: whatever is not a certificate of tier 2.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, E> {
        let mut fields = Reader::only(bytes, SEQUENCE)?;
        // A certificate of version 1 starts with its serial number.
        if fields.peek() != Some(VERSION) {
            return Err(E::Version);
        }
        let version = Reader::new(fields.expect(VERSION)?);
        if only_integer(version)? != V3 {
            return Err(E::Version);
        }
        let serial = der::positive(fields.expect(INTEGER)?)
            .filter(|serial| serial.len() <= MAX_SERIAL)
            .ok_or(E::Serial)?;
        if fields.expect(SEQUENCE)? != ECDSA_WITH_SHA256 {
            return Err(E::Algorithm);
        }
        let _issuer = fields.expect(SEQUENCE)?;
        let mut validity = Reader::new(fields.expect(SEQUENCE)?);
        let not_before = time::unix(validity.element()?)?;
        let not_after = time::unix(validity.element()?)?;
        validity.end()?;
        let _subject = fields.expect(SEQUENCE)?;
        let key = public_key(Reader::new(fields.expect(SEQUENCE)?))?;
        let mut tbs = Self {
            serial,
            not_before,
            not_after,
            key,
            ca: false,
            usage: None,
        };
        // Unique identifiers, which may stand before the extensions, are of version 2's time, and refused.
        if !fields.is_empty() {
            tbs.read_extensions(Reader::only(fields.expect(EXTENSIONS)?, SEQUENCE)?)?;
            fields.end()?;
        }
        Ok(tbs)
    }

    /// The serial number as a voucher's number.
    ///
    /// # Errors
    /// [`E::SerialTooLarge`] beyond 64 bits.
    pub fn number(&self) -> Result<u64, E> {
        let mut number = [0; 8];
        let start = number
            .len()
            .checked_sub(self.serial.len())
            .ok_or(E::SerialTooLarge)?;
        number[start..].copy_from_slice(self.serial);
        Ok(u64::from_be_bytes(number))
    }

    /// Whether it is valid at `now` (unix seconds), both ends included.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether its key may sign certificates: a CA's, whose keyUsage, if there is one, has keyCertSign.
    pub fn may_issue(&self) -> bool {
        self.ca && self.usage.is_none_or(|usage| usage & 0x04 != 0)
    }

    /// Whether its key may sign messages: no CA's, whose keyUsage, if there is one, has digitalSignature.
    pub fn may_sign(&self) -> bool {
        !self.ca && self.usage.is_none_or(|usage| usage & 0x80 != 0)
    }

    fn read_extensions(&mut self, mut extensions: Reader<'a>) -> Result<(), E> {
        let mut constrained = false;
        while !extensions.is_empty() {
            let mut extension = Reader::new(extensions.expect(SEQUENCE)?);
            let id = extension.expect(OBJECT_IDENTIFIER)?;
            let critical = if extension.peek() == Some(BOOLEAN) {
                // FALSE is the default, which DER leaves out.
                if extension.expect(BOOLEAN)? != TRUE {
                    return Err(E::NotDer);
                }
                true
            } else {
                false
            };
            let value = extension.expect(OCTET_STRING)?;
            extension.end()?;
            match id {
                BASIC_CONSTRAINTS if !constrained => {
                    constrained = true;
                    self.ca = basic_constraints(value)?;
                }
                KEY_USAGE if self.usage.is_none() => self.usage = Some(key_usage(value)?),
                BASIC_CONSTRAINTS | KEY_USAGE => return Err(E::Extension),
                _ if critical => return Err(E::CriticalExtension),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The content of the one INTEGER that is left.
fn only_integer(mut reader: Reader<'_>) -> Result<&[u8], E> {
    let content = reader.expect(INTEGER)?;
    reader.end()?;
    Ok(content)
}

/// SubjectPublicKeyInfo (RFC 5480): the algorithm, and the point by SEC 1, compressed or not.
fn public_key(mut info: Reader<'_>) -> Result<[u8; 33], E> {
    if info.expect(SEQUENCE)? != EC_P256 {
        return Err(E::Key);
    }
    let bits = info.expect(BIT_STRING)?;
    info.end()?;
    let mut key = [0; 33];
    match bits {
        // No unused bits; then 4, X and Y, or 2 or 3 by Y's parity, and X.
        [0, 4, point @ ..] if point.len() == 64 => {
            key[0] = 2 | (point[63] & 1);
            key[1..].copy_from_slice(&point[..32]);
        }
        [0, point @ ..] if point.len() == 33 && matches!(point[0], 2 | 3) => {
            key.copy_from_slice(point);
        }
        _ => return Err(E::Key),
    }
    Ok(key)
}

/// BasicConstraints: cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL. Chains here have one length, so the
/// latter says nothing new.
fn basic_constraints(value: &[u8]) -> Result<bool, E> {
    let mut fields = Reader::only(value, SEQUENCE)?;
    let ca = fields.peek() == Some(BOOLEAN);
    if ca && fields.expect(BOOLEAN)? != TRUE {
        return Err(E::Extension);
    }
    if !fields.is_empty() && !matches!(fields.expect(INTEGER)?, [0..=0x7f]) {
        return Err(E::Extension);
    }
    fields.end()?;
    Ok(ca)
}

/// KeyUsage: a BIT STRING without trailing zero bits; returns its first byte.
fn key_usage(value: &[u8]) -> Result<u8, E> {
    let mut reader = Reader::new(value);
    let bits = reader.expect(BIT_STRING)?;
    reader.end()?;
    match bits {
        [unused @ 0..=7, bits @ ..] if (1..=2).contains(&bits.len()) => {
            let last = bits[bits.len() - 1];
            if last.trailing_zeros() != u32::from(*unused) {
                return Err(E::Extension);
            }
            Ok(bits[0])
        }
        _ => Err(E::Extension),
    }
}
