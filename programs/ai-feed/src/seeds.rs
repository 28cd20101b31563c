//! Seeds of the program's addresses.

/// `["model", model id]`: of a public model, its hash.
pub const MODEL: &[u8] = b"model";
/// `["verifying-key", network address, hash of the key]`.
pub const VERIFYING_KEY: &[u8] = b"verifying-key";
/// `["feed", feed id]`.
pub const FEED: &[u8] = b"feed";
/// `["round", feed address, round u64]`.
pub const ROUND: &[u8] = b"round";
/// `["attestation", feed address, stream address, round u64, sequence u64, batch index u32]`.
pub const ATTESTATION: &[u8] = b"attestation";
/// `["bonds", network, pool]`.
pub const BONDS: &[u8] = b"bonds";
