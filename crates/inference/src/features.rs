use crate::{Header, FEATURES, READINGS};

/// The feature that a difference of 0 gives: the middle of the range.
const NO_CHANGE: i64 = 1 << 15;

/// The features of a window: `values` are those that 16 consecutive readings of one device have at
/// `header.value_index`, oldest first, in the schema's fixed point.
///
/// Feature 15 is the level: the newest value over `level_offset`, times `level_gain`. Features 0 to 14 are the
/// differences of each earlier value from the newest one, times `delta_gain`, around 32,768. All are clamped to a u16,
/// and exact for any values.
pub fn features(header: &Header, values: &[i32; READINGS]) -> [u16; FEATURES] {
    let [earlier @ .., newest] = values;
    let newest = i64::from(*newest);
    let delta_gain = i64::from(header.delta_gain);

    let mut features = [0; FEATURES];
    let [differences @ .., level] = &mut features;
    for (difference, value) in differences.iter_mut().zip(earlier) {
        *difference = clamp(NO_CHANGE + (i64::from(*value) - newest) * delta_gain);
    }
    *level = clamp((newest - i64::from(header.level_offset)) * i64::from(header.level_gain));
    features
}

fn clamp(feature: i64) -> u16 {
    feature.clamp(0, i64::from(u16::MAX)) as u16
}
