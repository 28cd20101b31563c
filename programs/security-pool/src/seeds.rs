//! Seeds of the program's addresses.

/// `["pool", stake mint, creator]`
pub const POOL: &[u8] = b"pool";
/// `["vault", pool]`
pub const VAULT: &[u8] = b"vault";
/// `["delegation", pool, owner]`
pub const DELEGATION: &[u8] = b"delegation";
/// `["withdrawal", pool, owner, number u64]`
pub const WITHDRAWAL: &[u8] = b"withdrawal";
/// `["roster", network]`
pub const ROSTER: &[u8] = b"roster";
/// `["bond-vault", roster]`
pub const BOND_VAULT: &[u8] = b"bond-vault";
/// `["bond", network, owner]`
pub const BOND: &[u8] = b"bond";
/// `["committee", network, epoch u64]`
pub const COMMITTEE: &[u8] = b"committee";
