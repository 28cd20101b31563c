//! Seeds of the program's addresses.

/// `["emission", network]`
pub const EMISSION: &[u8] = b"emission";
/// `["payee", network, kind u8, owner's key or pool]`
pub const PAYEE: &[u8] = b"payee";
/// `["proposal", network, epoch u64, ballot u32, digest of base, roots and archive]`
pub const PROPOSAL: &[u8] = b"proposal";
/// `["epoch", network, epoch u64]`
pub const EPOCH: &[u8] = b"epoch";
/// `["pricing", network]`
pub const PRICING: &[u8] = b"pricing";
/// `["credits", network, owner]`
pub const CREDITS: &[u8] = b"credits";
/// `["demand", network, epoch u64, feed]`
pub const DEMAND: &[u8] = b"demand";
