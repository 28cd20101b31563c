use solana_sha256_hasher::hashv;

/// 32 bytes: a SHA-256 digest, an id, or an address.
pub type Hash = [u8; 32];

/// The most fields that one [`digest`] takes.
pub const MAX_FIELDS: usize = 16;

const PROJECT: &[u8] = b"fieldproof:";
const VERSION: &[u8] = b":v1";

/// `sha256("fieldproof:" | name | ":v1" | fields…)`; on chain by syscall, without allocating.
///
/// The fields are concatenated as they are: each domain must fix their lengths or write their counts.
///
/// # Panics
/// With more than [`MAX_FIELDS`] fields.
pub fn digest(name: &str, fields: &[&[u8]]) -> Hash {
    let mut parts: [&[u8]; MAX_FIELDS + 3] = [&[]; MAX_FIELDS + 3];
    parts[0] = PROJECT;
    parts[1] = name.as_bytes();
    parts[2] = VERSION;
    let end = 3 + fields.len();
    parts[3..end].copy_from_slice(fields);
    hashv(&parts[..end]).to_bytes()
}
