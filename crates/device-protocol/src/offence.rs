//! When two readings convict the device that signed them, decided from the readings alone.
//!
//! Everything here is pure and exact on every input. That the device's key signed the readings, or a session key that it
//! granted, is for the caller to verify, and so is whose device it was.

use core::fmt;

use crate::{digest, Hash, Reading, ReadingHeader, MAX_LATITUDE, MAX_LONGITUDE};

/// What somebody answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence<'a> {
    /// A device has two leaves: number 0.
    DuplicateKey {
        /// The device's id.
        device: &'a Hash,
        /// The tree of the leaf that is void.
        tree: u16,
        /// The index of the leaf that is void.
        index: u32,
    },
    /// A device's readings contradict each other, by [`check_equivocation`] or [`check_travel`]: number 1. An owner
    /// answers for it once a device, however many readings there are.
    Contradiction {
        /// The device's id.
        device: &'a Hash,
        /// The tree of the device's leaf.
        tree: u16,
        /// The index of the device's leaf.
        index: u32,
        /// The readings' leaf nonce, which tells owners apart.
        leaf_nonce: u32,
    },
    /// An operator committed to a reading and did not show it in time: number 2.
    Withheld {
        /// The stream's address.
        stream: &'a Hash,
        /// The commitment's number in the stream.
        sequence: u64,
        /// The batch's index in the commitment.
        batch: u32,
        /// The reading's index in the batch.
        reading: u16,
    },
    /// An operator submitted or signed an attestation that was proven false: number 3. It answers for it once, whatever was
    /// false in it.
    FalseAttestation {
        /// The attestation's address.
        attestation: &'a Hash,
        /// The operator's pool.
        pool: &'a Hash,
    },
    /// An operator proposed or voted for reward roots that were proven wrong: number 4. It answers for it once, whatever was
    /// wrong in them, and however many proposals take the same vote.
    WrongRoot {
        /// Digest of the vote for them, [`VoteMessage::digest`](crate::VoteMessage::digest).
        vote: &'a Hash,
        /// The operator's pool.
        pool: &'a Hash,
    },
    /// An operator voted for different reward roots in one ballot and on one base: number 5.
    DoubleVote {
        /// The operator's pool.
        pool: &'a Hash,
        /// The epoch that is rewarded.
        epoch: u64,
        /// The ballot.
        ballot: u32,
        /// Number of final roots that both votes add to.
        base: u64,
    },
}

impl Offence<'_> {
    /// The offence's id, the same whoever reports it, when, and by which evidence:
    /// `digest!("offence", number u8 | network | fields in their order)`.
    pub fn id(&self, network: &Hash) -> Hash {
        match self {
            Self::DuplicateKey {
                device,
                tree,
                index,
            } => digest!(
                "offence",
                &[0],
                network,
                *device,
                &tree.to_le_bytes(),
                &index.to_le_bytes()
            ),
            Self::Contradiction {
                device,
                tree,
                index,
                leaf_nonce,
            } => digest!(
                "offence",
                &[1],
                network,
                *device,
                &tree.to_le_bytes(),
                &index.to_le_bytes(),
                &leaf_nonce.to_le_bytes()
            ),
            Self::Withheld {
                stream,
                sequence,
                batch,
                reading,
            } => digest!(
                "offence",
                &[2],
                network,
                *stream,
                &sequence.to_le_bytes(),
                &batch.to_le_bytes(),
                &reading.to_le_bytes()
            ),
            Self::FalseAttestation { attestation, pool } => {
                digest!("offence", &[3], network, *attestation, *pool)
            }
            Self::WrongRoot { vote, pool } => {
                digest!("offence", &[4], network, *vote, *pool)
            }
            Self::DoubleVote {
                pool,
                epoch,
                ballot,
                base,
            } => digest!(
                "offence",
                &[5],
                network,
                *pool,
                &epoch.to_le_bytes(),
                &ballot.to_le_bytes(),
                &base.to_le_bytes()
            ),
        }
    }
}

/// Whether two readings are an equivocation: the same device, for the same owner, gave two different readings the same
/// session and sequence.
///
/// Session 0 has no grant that numbers it, so a device that loses its counter at a reboot counts from the start again;
/// there both readings must also have the same time of capture. In another session the caller verifies one grant for
/// both, since a device that reboots may also grant a number twice.
///
/// # Errors
/// Why they are not.
pub fn check_equivocation(first: &Reading, second: &Reading) -> Result<(), NoOffence> {
    check_equivocation_of(&first.header(), &second.header(), first == second)
}

/// As [`check_equivocation`], of two readings' headers, and whether they are the `same` reading.
///
/// # Errors
/// Why they are not.
pub fn check_equivocation_of(
    first: &ReadingHeader,
    second: &ReadingHeader,
    same: bool,
) -> Result<(), NoOffence> {
    check_pair(first, second, same)?;
    if first.session != second.session {
        return Err(NoOffence::OtherSession);
    }
    if first.sequence != second.sequence {
        return Err(NoOffence::OtherSequence);
    }
    if first.session == 0 && first.captured_at != second.captured_at {
        return Err(NoOffence::Reboot);
    }
    Ok(())
}

/// Whether two readings are an impossible travel: the same device, for the same owner, was in two places so far apart
/// that it moved faster than `max_speed` (m/s) between them, wherever it was within both accuracies:
///
/// `distance - accuracy₁ - accuracy₂ > max_speed × |captured_at₂ - captured_at₁|`, with [`distance_mm`].
///
/// # Errors
/// Why they are not.
pub fn check_travel(first: &Reading, second: &Reading, max_speed: u32) -> Result<(), NoOffence> {
    check_travel_of(
        &first.header(),
        &second.header(),
        first == second,
        max_speed,
    )
}

/// As [`check_travel`], of two readings' headers, and whether they are the `same` reading.
///
/// # Errors
/// Why they are not.
pub fn check_travel_of(
    first: &ReadingHeader,
    second: &ReadingHeader,
    same: bool,
    max_speed: u32,
) -> Result<(), NoOffence> {
    check_pair(first, second, same)?;
    let distance = distance_mm(
        (first.latitude, first.longitude),
        (second.latitude, second.longitude),
    );
    let accuracies = 1_000 * (u64::from(first.accuracy) + u64::from(second.accuracy));
    // Metres a second times milliseconds are millimetres.
    let way = u64::from(max_speed).checked_mul(first.captured_at.abs_diff(second.captured_at));
    // A sum beyond 64 bits is beyond every distance.
    match way.and_then(|way| way.checked_add(accuracies)) {
        Some(reach) if distance > reach => Ok(()),
        _ => Err(NoOffence::WithinReach),
    }
}

/// Whether one owner answers for both readings of one device, and they differ.
fn check_pair(first: &ReadingHeader, second: &ReadingHeader, same: bool) -> Result<(), NoOffence> {
    if first.network != second.network {
        return Err(NoOffence::OtherNetwork);
    }
    if first.device != second.device {
        return Err(NoOffence::OtherDevice);
    }
    if first.leaf_nonce != second.leaf_nonce {
        return Err(NoOffence::OtherNonce);
    }
    // Equal readings have equal bytes and so equal digests, and no others have.
    if same {
        return Err(NoOffence::SameReading);
    }
    Ok(())
}

/// Why two readings convict nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOffence {
    /// They are for two networks.
    OtherNetwork,
    /// They are of two devices.
    OtherDevice,
    /// They have two leaf nonces, so two owners may be behind them.
    OtherNonce,
    /// They are one reading, which a device may send as often as it likes.
    SameReading,
    /// Equivocation: they are of two sessions.
    OtherSession,
    /// Equivocation: they have two sequences.
    OtherSequence,
    /// Equivocation in session 0: they were captured at two times, as when a reboot loses the counter.
    Reboot,
    /// Travel: the device could have come from one to the other.
    WithinReach,
}

impl fmt::Display for NoOffence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherNetwork => "the readings are for two networks: compare readings of one",
            Self::OtherDevice => "the readings are of two devices: compare readings of one",
            Self::OtherNonce => "the readings have two leaf nonces: compare readings for one owner",
            Self::SameReading => "it is the same reading twice: a device may repeat itself",
            Self::OtherSession => "the readings are of two sessions: compare readings of one",
            Self::OtherSequence => {
                "the readings have two sequences: they don't contradict each other"
            }
            Self::Reboot => {
                "the hardware key signed them at two times: a reboot may have lost its counter"
            }
            Self::WithinReach => "the device could have travelled from one place to the other",
        })
    }
}

impl core::error::Error for NoOffence {}

/// The least radius of curvature of the WGS 84 ellipsoid, `a (1 - e²)`, rounded down to metres: along the meridian at
/// the equator. No way over the ellipsoid is shorter than the same angles on a sphere of this radius.
const RADIUS: u64 = 6_335_439;
/// One, in the fixed point of 31 bits after the point that angles and ratios have here.
const ONE: u64 = 1 << 31;
/// Half of 1e-7 degrees in radians, `π / 3.6e9`, rounded down, with 62 bits after the point.
const HALF_UNIT: u32 = 4_024_455_254;
/// 90 degrees in halves of 1e-7 degrees.
const RIGHT_ANGLE: u32 = 2 * MAX_LATITUDE as u32;
/// 360 degrees in 1e-7 degrees.
const CIRCLE: u32 = 2 * MAX_LONGITUDE as u32;

/// A lower bound of the distance between two places over the earth's surface, in millimetres. Places are latitude and
/// longitude in 1e-7 degrees of WGS 84; latitudes beyond a pole count as the pole, longitudes wrap around.
///
/// The bound is of both the ellipsoid's geodesic and the great circle on a sphere of the mean radius, so that no rounding
/// makes a way longer than it is. It is at most 0.7 % and 5 cm below the latter up to a quarter of the circumference, and
/// 16 % at the antipode.
///
/// `2 R asin √h` with `h = sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2)` (the haversine formula) in integers, where each step
/// rounds down.
pub fn distance_mm(from: (i32, i32), to: (i32, i32)) -> u64 {
    let clamp = |latitude: i32| latitude.clamp(-MAX_LATITUDE, MAX_LATITUDE);
    let (from_latitude, to_latitude) = (clamp(from.0), clamp(to.0));
    let around = from.1.abs_diff(to.1) % CIRCLE;
    let longitudes = around.min(CIRCLE - around);

    let north = sin(from_latitude.abs_diff(to_latitude));
    let east = sin(longitudes);
    let cosine = |latitude: i32| sin(RIGHT_ANGLE - 2 * latitude.unsigned_abs());
    // Squares and products of two have 62 bits after the point; all are at most 1, and so is their sum.
    let parallels = cosine(from_latitude) * cosine(to_latitude);
    let h = north * north + ((u128::from(parallels) * u128::from(east * east)) >> 62) as u64;
    let angle = asin(h.isqrt());
    // 2,000 is 125 × 2⁴. The angle has 32 bits, and the product 62.
    (angle * (125 * RADIUS)) >> 27
}

/// A lower bound of the sine of 0 to 90 degrees, given in halves of 1e-7 degrees; 31 bits after the point.
///
/// The Taylor series of `sin x / x` up to `x¹⁰`, a term that is subtracted, so what is left out would only add.
fn sin(angle: u32) -> u64 {
    // Short of x by less than 2 units: one of this rounding, and one of the constant's (angle < 2³¹).
    let x = (u64::from(angle) * u64::from(HALF_UNIT)) >> 31;
    // Above x², that is (x + 2)², at most 2.47 × 2³¹. The series falls as x² grows.
    let x = u64::from(x as u32); // at most π/2 × 2³¹
    let square = ((x * x + 4 * x + 4) >> 31) + 1;
    let mut series = ONE;
    for divisor in [110, 72, 42, 20, 6] {
        series = ONE - ((square * series) >> 31) / divisor;
    }
    // The roundings of the loop raise the series by less than 2 units: each by less than one, of which the next step
    // lets through less than half.
    (x * u64::from((series - 2) as u32)) >> 31 // at most ONE
}

/// A lower bound of the arc sine of 0 to 1, in radians; both with 31 bits after the point.
///
/// The Taylor series of `asin x / x` up to `x¹⁰`: all terms add.
fn asin(x: u64) -> u64 {
    let square = (x * x) >> 31;
    let mut series = ONE;
    for (numerator, divisor) in [(81, 110), (49, 72), (25, 42), (9, 20), (1, 6)] {
        series = ONE + ((square * series) >> 31) * numerator / divisor;
    }
    (x * series) >> 31
}
