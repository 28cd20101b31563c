use solana_sha256_hasher::hashv;

/// 32 bytes: a SHA-256 digest, an id, or an address.
pub type Hash = [u8; 32];

/// `digest!("name", field, …)`: `sha256("fieldproof:name:v1" | fields…)`; on chain by syscall, without copying.
///
/// The fields are concatenated as they are: each domain must fix their lengths or write their counts. The name is a
/// literal, so that the domain is one piece: each piece costs a program compute units.
#[macro_export]
macro_rules! digest {
    ($name:literal $(, $field:expr)* $(,)?) => {
        $crate::sha256(&[concat!("fieldproof:", $name, ":v1").as_bytes() $(, $field)*])
    };
}

/// The SHA-256 of these pieces, one after another. What is signed or committed to has a domain: see [`digest!`].
#[inline(always)]
pub fn sha256(pieces: &[&[u8]]) -> Hash {
    hashv(pieces).to_bytes()
}
