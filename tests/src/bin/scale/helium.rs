//! What the accounts of Helium's IoT network would cost for as many devices, by their sizes in its open programs
//! (helium-program-library, August 2026) and the compute units that its own table names.

/// Bytes of the accounts that each device has: `KeyToAssetV0`, `IotHotspotInfoV0` and `RecipientV0`.
const ACCOUNTS: [u64; 3] = [138, 132, 220];
/// Bytes of a tree of compressed NFTs (depth 14, buffer 64, canopy 11), and the devices that it is for.
const TREE: (u64, u64) = (162_808, 1 << 14);
/// Median compute units of `issue_entity_v0`, `onboard_iot_hotspot_v0` and `initialize_compression_recipient_v0`.
const COMPUTE_UNITS: [u64; 3] = [226_033, 109_809, 63_152];

/// Bytes and accounts of so many devices.
pub fn accounts(devices: u64) -> (u64, u64) {
    let trees = devices.div_ceil(TREE.1);
    (
        ACCOUNTS.iter().sum::<u64>() * devices + TREE.0 * trees,
        ACCOUNTS.len() as u64 * devices + trees,
    )
}

/// Compute units of a device.
pub fn compute_units() -> u64 {
    COMPUTE_UNITS.iter().sum()
}
