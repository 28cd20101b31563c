//! What makes a reading good, apart from being the first of its sequence, and what makes a grant good.

use crate::plausibility::Clock;
use crate::registry::Device;
use crate::Reject;
use device_protocol::{DeviceKey, Hash, Reading, SessionGrant, SignedGrant, SignedReading, Status};
use fieldproof_client::key;
use std::ops::RangeInclusive;

/// Checks a reading that `device` signed with its hardware key (session 0) for `network`: standing, nonce, session and
/// signature.
///
/// # Errors
/// The first [`Reject`] that applies.
pub fn verify(signed: &SignedReading, device: &Device, network: &Hash) -> Result<(), Reject> {
    verify_sender(&signed.reading, device, network)?;
    if signed.reading.session != 0 {
        return Err(Reject::UnknownSession);
    }
    verify_signature(&device.key, signed)
}

/// Checks a reading that `device` signed with a session's key for `network`. The `grant` was checked by
/// [`verify_grant`].
///
/// # Errors
/// The first [`Reject`] that applies.
pub fn verify_in_session(
    signed: &SignedReading,
    device: &Device,
    network: &Hash,
    grant: &SessionGrant,
) -> Result<(), Reject> {
    verify_sender(&signed.reading, device, network)?;
    verify_session(signed, grant)?;
    verify_signature(&DeviceKey::ed25519(grant.session_key), signed)
}

/// Checks all of a reading but its session and signature: that it is of `device`, which counts, and for `network`.
///
/// # Errors
/// The first [`Reject`] that applies.
pub fn verify_sender(reading: &Reading, device: &Device, network: &Hash) -> Result<(), Reject> {
    if reading.network != *network {
        return Err(Reject::WrongNetwork);
    }
    if reading.device != device.leaf.device {
        return Err(Reject::UnknownDevice);
    }
    verify_standing(reading, device)
}

/// Checks that `device` counts, and that the reading is of its present owner's time.
///
/// # Errors
/// [`Reject::InactiveDevice`] or [`Reject::WrongNonce`].
pub fn verify_standing(reading: &Reading, device: &Device) -> Result<(), Reject> {
    standing(reading.leaf_nonce, device)
}

/// Checks that a reading is of the session that `grant` grants, and was captured in its time.
///
/// # Errors
/// [`Reject::UnknownSession`] or [`Reject::OutsideSession`].
pub fn verify_session(signed: &SignedReading, grant: &SessionGrant) -> Result<(), Reject> {
    if !grant.covers(signed.reading.captured_at) {
        return Err(Reject::OutsideSession);
    }
    if !grant.permits(&signed.reading.header()) {
        return Err(Reject::UnknownSession);
    }
    Ok(())
}

/// Checks a grant of `device` for `network`: standing, nonce and the hardware key's signature.
///
/// # Errors
/// The first [`Reject`] that applies.
pub fn verify_grant(signed: &SignedGrant, device: &Device, network: &Hash) -> Result<(), Reject> {
    let grant = &signed.grant;
    if grant.network != *network {
        return Err(Reject::WrongNetwork);
    }
    if grant.device != device.leaf.device {
        return Err(Reject::UnknownDevice);
    }
    standing(grant.leaf_nonce, device)?;
    if !key::verify(&device.key, &grant.digest(), &signed.signature) {
        return Err(Reject::BadSignature);
    }
    Ok(())
}

/// Checks that a reading captured at `captured_at` (ms) may arrive at some time of `now` (s).
///
/// # Errors
/// [`Reject::ClockInFuture`] or [`Reject::TooOld`].
pub fn verify_time(
    captured_at: i64,
    now: &RangeInclusive<i64>,
    clock: Clock,
) -> Result<(), Reject> {
    let captured_at = i128::from(captured_at);
    if captured_at > (i128::from(*now.end()) + i128::from(clock.ahead)) * 1_000 {
        return Err(Reject::ClockInFuture);
    }
    if captured_at < (i128::from(*now.start()) - i128::from(clock.age)) * 1_000 {
        return Err(Reject::TooOld);
    }
    Ok(())
}

/// Checks that a reading of a session may still arrive at some time of `now` (s), and that the session starts within a day.
///
/// # Errors
/// [`Reject::ClockInFuture`] or [`Reject::TooOld`].
pub fn verify_grant_time(
    grant: &SessionGrant,
    now: &RangeInclusive<i64>,
    clock: Clock,
) -> Result<(), Reject> {
    let (earliest, latest) = (i128::from(*now.start()), i128::from(*now.end()));
    if i128::from(grant.not_before) > latest + i128::from(SessionGrant::MAX_SECONDS) {
        return Err(Reject::ClockInFuture);
    }
    if i128::from(grant.expires) <= earliest - i128::from(clock.age) {
        return Err(Reject::TooOld);
    }
    Ok(())
}

fn standing(leaf_nonce: u32, device: &Device) -> Result<(), Reject> {
    if matches!(device.leaf.status, Status::Banned | Status::Void) {
        return Err(Reject::InactiveDevice);
    }
    if leaf_nonce != device.leaf.nonce {
        return Err(Reject::WrongNonce);
    }
    Ok(())
}

fn verify_signature(key: &DeviceKey, signed: &SignedReading) -> Result<(), Reject> {
    if key::verify(key, &signed.reading.digest(), &signed.signature) {
        Ok(())
    } else {
        Err(Reject::BadSignature)
    }
}
