//! Seeds of the program's addresses.

/// `["stream", network, pool]`
pub const STREAM: &[u8] = b"stream";
/// `["challenge", stream, sequence u64, batch u32, reading u16]`, numbers little-endian
pub const CHALLENGE: &[u8] = b"challenge";
