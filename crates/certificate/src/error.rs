use core::fmt;

/// Why bytes are not a certificate of tier 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// An element announces more bytes than there are.
    Truncated,
    /// A length or a tag is not in DER's one form.
    NotDer,
    /// Another element was due at that place.
    Unexpected,
    /// Bytes follow where nothing may.
    Trailing,
    /// Not version 3.
    Version,
    /// The serial number is not positive, or not in DER's shortest form, or longer than 20 bytes.
    Serial,
    /// The serial number does not fit 64 bits, so it is no voucher number.
    SerialTooLarge,
    /// The signature's algorithm is not ecdsa-with-SHA256.
    Algorithm,
    /// Not an EC public key on P-256.
    Key,
    /// A time is not UTCTime until 2049 and GeneralizedTime after, in UTC with seconds.
    Time,
    /// An extension that is read here is malformed, or is there twice.
    Extension,
    /// A critical extension that is not understood.
    CriticalExtension,
    /// The signature is not two positive integers of at most 32 bytes.
    Signature,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the certificate is cut short",
            Self::NotDer => "the certificate is not DER: convert it with openssl x509 -outform DER",
            Self::Unexpected => "the certificate lacks a field, or has it at another place",
            Self::Trailing => "bytes follow the certificate: pass one certificate alone",
            Self::Version => {
                "the certificate is not of version 3: give it extensions (basicConstraints)"
            }
            Self::Serial => "the serial number is not a positive integer of at most 20 bytes",
            Self::SerialTooLarge => {
                "the serial number exceeds 64 bits: issue with the voucher number (-set_serial)"
            }
            Self::Algorithm => {
                "the signature's algorithm is not ecdsa-with-SHA256: sign with -sha256"
            }
            Self::Key => "the key is not an EC key on P-256 (prime256v1)",
            Self::Time => "a time of validity is malformed",
            Self::Extension => "basicConstraints or keyUsage is malformed, or there twice",
            Self::CriticalExtension => {
                "an extension is critical and not understood: leave it out, or make it non-critical"
            }
            Self::Signature => "the signature is no ECDSA signature on P-256",
        })
    }
}

impl core::error::Error for CertificateError {}
