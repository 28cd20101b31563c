//! First seeds of the program's addresses.

/// A fund: `["fund", underwriter, feed id]`.
pub const FUND: &[u8] = b"fund";
/// A fund's tokens: `["vault", fund]`.
pub const VAULT: &[u8] = b"vault";
/// A policy: `["policy", fund, number u64]`.
pub const POLICY: &[u8] = b"policy";
