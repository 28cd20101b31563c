//! Seeds of the program's derived addresses.

/// `["network", id]`
pub const NETWORK: &[u8] = b"network";
/// `["maker", network, key]`
pub const MAKER: &[u8] = b"maker";
/// `["vouchers", maker, page u32 little-endian]`
pub const VOUCHERS: &[u8] = b"vouchers";
/// `["issuer", maker, sha256(key)]`
pub const ISSUER: &[u8] = b"issuer";
/// `["nft", tree, index of the leaf u32 little-endian]`
pub const NFT: &[u8] = b"nft";
