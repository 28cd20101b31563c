//! Seeds of the program's addresses.

/// `["stream", network, pool]`
pub const STREAM: &[u8] = b"stream";
