//! What makes a reading good, apart from being the first of its sequence.

use crate::registry::Device;
use crate::Reject;
use device_protocol::{Hash, Reading, SignedReading, Status};
use fieldproof_client::key;

/// A device's clock may be this far ahead, in milliseconds.
pub const MAX_AHEAD_MS: i64 = 30_000;
/// A reading may be this old when it arrives, in milliseconds.
pub const MAX_AGE_MS: i64 = 24 * 3_600_000;

/// Checks a reading of `device` for `network`: standing, nonce, session and signature.
///
/// # Errors
/// The first [`Reject`] that applies.
pub fn verify(signed: &SignedReading, device: &Device, network: &Hash) -> Result<(), Reject> {
    let reading = &signed.reading;
    if reading.network != *network {
        return Err(Reject::WrongNetwork);
    }
    if reading.device != device.leaf.device {
        return Err(Reject::UnknownDevice);
    }
    verify_standing(reading, device)?;
    if reading.session != 0 {
        return Err(Reject::UnknownSession);
    }
    if !key::verify(&device.key, &reading.digest(), &signed.signature) {
        return Err(Reject::BadSignature);
    }
    Ok(())
}

/// Checks that `device` counts, and that the reading is of its present owner's time.
///
/// # Errors
/// [`Reject::InactiveDevice`] or [`Reject::WrongNonce`].
pub fn verify_standing(reading: &Reading, device: &Device) -> Result<(), Reject> {
    if matches!(device.leaf.status, Status::Banned | Status::Void) {
        return Err(Reject::InactiveDevice);
    }
    if reading.leaf_nonce != device.leaf.nonce {
        return Err(Reject::WrongNonce);
    }
    Ok(())
}

/// Checks that a reading captured at `captured_at` (ms) may arrive at `now` (s).
///
/// # Errors
/// [`Reject::ClockInFuture`] or [`Reject::TooOld`].
pub fn verify_time(captured_at: i64, now: i64) -> Result<(), Reject> {
    let now = i128::from(now) * 1_000;
    let captured_at = i128::from(captured_at);
    if captured_at > now + i128::from(MAX_AHEAD_MS) {
        return Err(Reject::ClockInFuture);
    }
    if captured_at < now - i128::from(MAX_AGE_MS) {
        return Err(Reject::TooOld);
    }
    Ok(())
}
