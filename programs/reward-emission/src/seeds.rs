//! Seeds of the program's addresses.

/// `["emission", network]`
pub const EMISSION: &[u8] = b"emission";
/// `["payee", network, kind u8, owner's key or pool]`
pub const PAYEE: &[u8] = b"payee";
/// `["proposal", network, epoch u64, ballot u32, digest of roots and archive]`
pub const PROPOSAL: &[u8] = b"proposal";
