//! The data-commitment's streams, read by their bytes: that program depends on this one.

use crate::error::RegistryError;
use anchor_lang::prelude::*;
use commitment::mmr;
use std::cell::Ref;

/// The data-commitment program.
pub const DATA_COMMITMENT: Pubkey = pubkey!("HqadugMpRqUBPCFCqKjgGzDB2dkH72byyEjSmDU9oUn6");
/// `sha256("account:Stream")`, the first 8 bytes.
pub const DISCRIMINATOR: [u8; 8] = [166, 224, 59, 4, 202, 10, 186, 83];
/// Where the network's address starts.
pub const NETWORK: usize = 16;
/// Where the number of commitments starts, a u64.
pub const COUNT: usize = 80;
/// Where the peaks start.
pub const PEAKS: usize = 104;

/// The data of a stream of the network.
///
/// # Errors
/// Another program's account, another account of that program, or another network's stream.
pub fn read<'a>(stream: &'a AccountInfo, network: &Pubkey) -> Result<Ref<'a, &'a mut [u8]>> {
    require!(*stream.owner == DATA_COMMITMENT, RegistryError::WrongStream);
    let data = stream.try_borrow_data()?;
    require!(
        data.get(..8) == Some(&DISCRIMINATOR)
            && data.get(NETWORK..NETWORK + 32) == Some(network.as_ref()),
        RegistryError::WrongStream
    );
    Ok(data)
}

/// The number of commitments, and the peaks, of a stream's data.
///
/// # Errors
/// Data that are too short.
pub fn parts(data: &[u8]) -> Result<(u64, &mmr::Peaks)> {
    let count = data.get(COUNT..).and_then(|rest| rest.first_chunk());
    let peaks = data
        .get(PEAKS..)
        .and_then(|rest| rest.as_chunks().0.first_chunk());
    match (count, peaks) {
        (Some(count), Some(peaks)) => Ok((u64::from_le_bytes(*count), peaks)),
        _ => err!(RegistryError::WrongStream),
    }
}
