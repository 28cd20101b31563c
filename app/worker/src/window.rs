//! Windows and batches: what a model sees, and what a commitment says of it.
//!
//! The operator that aggregates and those that check it run the same code here, so that they can only agree.

use crate::registry::{Device, RegistryAt};
use crate::{verify, Reject};
use ai_feed::instructions::WindowArgs;
use ai_feed::state::Feed;
use commitment::{BatchLeaf, ReadingLeaf, Tree, READINGS_DEPTH, READINGS_PER_WINDOW, WINDOWS};
use device_protocol::{Hash, SignedGrant, SignedReading};
use fieldproof_client::poseidon::poseidon;
use inference::{Header, ModelRef};
use std::collections::{BTreeSet, HashSet};

/// 16 consecutive readings of one device, oldest first, and where the device stands in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The registry tree's number in the network.
    pub tree: u16,
    /// The device's leaf in that tree.
    pub index: u32,
    /// The readings.
    pub readings: Box<[SignedReading; READINGS_PER_WINDOW]>,
    /// The grants of the readings' sessions, by counter; none for session 0.
    pub grants: Vec<SignedGrant>,
}

impl Window {
    /// The newest reading.
    pub fn newest(&self) -> &SignedReading {
        let [.., newest] = self.readings.as_ref();
        newest
    }

    /// The grant of a session.
    pub fn grant(&self, session: u32) -> Option<&SignedGrant> {
        self.grants
            .iter()
            .find(|signed| signed.grant.counter == session)
    }

    /// Of each reading the value that a model looks at; `None` where a reading has too few.
    pub fn values(&self, header: &Header) -> Option<[i32; READINGS_PER_WINDOW]> {
        let mut values = [0; READINGS_PER_WINDOW];
        for (signed, value) in self.readings.iter().zip(&mut values) {
            *value = *signed.reading.values.get(usize::from(header.value_index))?;
        }
        Some(values)
    }

    /// The sessions of its readings that need a grant, in order.
    pub fn sessions(&self) -> BTreeSet<u32> {
        let sessions = self.readings.iter().map(|signed| signed.reading.session);
        sessions.filter(|session| *session != 0).collect()
    }
}

/// Up to 32 windows of one feed and round: the unit of proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The feed's id.
    pub feed: Hash,
    /// The id of the feed's model.
    pub model: Hash,
    /// The round.
    pub round: u64,
    /// The windows.
    pub windows: Vec<Window>,
}

/// What follows from a batch and what its feed's model says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The batch's leaf in its commitment.
    pub leaf: BatchLeaf,
    /// What its window leaves are made of.
    pub windows: Vec<WindowArgs>,
}

/// What follows from a batch and its feed's model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    /// The batch's leaf in its commitment.
    pub leaf: BatchLeaf,
    /// What its window leaves are made of.
    pub windows: Vec<WindowArgs>,
    /// The model's output for each window, zero beyond the last.
    pub outputs: [u8; WINDOWS],
    /// The outputs' aggregate, in the model's units.
    pub value: i64,
}

/// What is wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// It has no windows, or more than 32.
    #[error("a batch has 1 to 32 windows")]
    Count,
    /// It is of another feed or model, or for another round.
    #[error("the batch is for another feed, model or round")]
    Foreign,
    /// A window's readings are not all of the registered device it names.
    #[error("a window's readings are not all of the device it names")]
    Device,
    /// A device has two windows in the batch.
    #[error("a device has two windows in one batch")]
    Twice,
    /// The device is not in one of the feed's cells.
    #[error("a device is outside the feed's cells")]
    Cell,
    /// A reading has another schema, or too few values for the model.
    #[error("a reading does not have the feed's schema")]
    Schema,
    /// Readings are out of order or too far apart.
    #[error("a window's readings are not consecutive")]
    Gap,
    /// The newest reading was not captured in the round.
    #[error("a window does not end in the round")]
    Round,
    /// A reading is not good.
    #[error("a reading is not good: {0}")]
    Reading(#[from] crate::Reject),
    /// The model can't be run.
    #[error("the model's bytes are not valid")]
    Model,
}

/// The windows that `device` can give for `round` of `feed`: the 16 readings up to the newest one in the round, if they
/// are consecutive. `readings` are the device's up to the round's end, by capture time: of them the last 16 decide. Its grants
/// are for the caller to add.
pub fn window_of(
    device: &Device,
    readings: &[SignedReading],
    feed: &Feed,
    round: u64,
) -> Option<Window> {
    let newest = readings
        .iter()
        .rposition(|signed| round_of(signed.reading.captured_at, feed) == Some(round))?;
    let first = (newest + 1).checked_sub(READINGS_PER_WINDOW)?;
    let readings: Vec<SignedReading> = readings.get(first..=newest)?.to_vec();
    let readings: [SignedReading; READINGS_PER_WINDOW] = readings.try_into().ok()?;
    let window = Window {
        tree: device.tree_index,
        index: device.index,
        readings: Box::new(readings),
        grants: Vec::new(),
    };
    check_window(&window, device, feed, round).ok()?;
    Some(window)
}

/// Checks a batch against its feed: every rule, and every reading's signature. `registry` is of the time when the batch
/// was committed.
///
/// # Errors
/// The first rule that is broken.
pub fn check_batch(
    batch: &Batch,
    feed: &Feed,
    round: u64,
    network: &Hash,
    registry: RegistryAt<'_>,
) -> Result<(), BatchError> {
    if batch.feed != feed.id || batch.model != feed.model || batch.round != round {
        return Err(BatchError::Foreign);
    }
    if batch.windows.is_empty() || batch.windows.len() > WINDOWS {
        return Err(BatchError::Count);
    }
    let mut seen = HashSet::new();
    for window in &batch.windows {
        let id = window.newest().reading.device;
        let device = registry.device(&id).ok_or(BatchError::Device)?;
        if !seen.insert(id) {
            return Err(BatchError::Twice);
        }
        check_window(window, &device, feed, round)?;
        let granted = window.grants.iter().map(|signed| signed.grant.counter);
        if !granted.eq(window.sessions()) {
            return Err(Reject::UnknownSession.into());
        }
        for signed in &window.grants {
            verify::verify_grant(signed, &device, network)?;
        }
        for signed in window.readings.iter() {
            match window.grant(signed.reading.session) {
                None => verify::verify(signed, &device, network)?,
                Some(SignedGrant { grant, .. }) => {
                    verify::verify_in_session(signed, &device, network, grant)?;
                }
            }
        }
    }
    Ok(())
}

/// Computes a batch's leaf and the model's outputs.
///
/// # Errors
/// [`BatchError::Count`], [`BatchError::Schema`] or [`BatchError::Model`].
pub fn compute(batch: &Batch, model: &ModelRef<'_>) -> Result<Computed, BatchError> {
    let Sources { leaf, windows } = sources(batch, model.header())?;
    let mut outputs = [0; WINDOWS];
    for (window, output) in windows.iter().zip(&mut outputs) {
        *output = inference::infer(model, &window.features);
    }
    let used = outputs.get(..windows.len()).ok_or(BatchError::Count)?;
    let value = inference::aggregate(model.header(), used).ok_or(BatchError::Count)?;
    Ok(Computed {
        leaf,
        windows,
        outputs,
        value,
    })
}

/// Computes a batch's leaf, for which a model's weights don't matter.
///
/// # Errors
/// [`BatchError::Count`], [`BatchError::Schema`] or [`BatchError::Model`].
pub fn sources(batch: &Batch, header: &Header) -> Result<Sources, BatchError> {
    if batch.windows.is_empty() || batch.windows.len() > WINDOWS {
        return Err(BatchError::Count);
    }
    let mut windows = Vec::with_capacity(batch.windows.len());
    let mut window_leaves = Vec::with_capacity(batch.windows.len());
    let (mut first_capture, mut last_capture) = (i64::MAX, i64::MIN);
    for window in &batch.windows {
        let values = window.values(header).ok_or(BatchError::Schema)?;
        for SignedReading { reading, .. } in window.readings.iter() {
            first_capture = first_capture.min(reading.captured_at);
            last_capture = last_capture.max(reading.captured_at);
        }
        let features = inference::features(header, &values);
        let newest = &window.newest().reading;
        let args = WindowArgs {
            features,
            tree: window.tree,
            index: window.index,
            nonce: newest.leaf_nonce,
            last_capture: newest.captured_at,
        };
        window_leaves.push(args.leaf().map_err(|_| BatchError::Model)?);
        windows.push(args);
    }
    let windows_root =
        inference::windows_root(&window_leaves, poseidon).map_err(|_| BatchError::Model)?;
    let leaf = BatchLeaf {
        readings_root: readings_tree(batch)?.root(),
        windows_root,
        windows: batch.windows.len() as u32,
        readings: (batch.windows.len() * READINGS_PER_WINDOW) as u32,
        first_capture,
        last_capture,
    };
    Ok(Sources { leaf, windows })
}

/// The tree over a batch's readings, each with the signatures behind it.
///
/// # Errors
/// [`BatchError::Count`].
pub fn readings_tree(batch: &Batch) -> Result<Tree, BatchError> {
    let leaves: Vec<Hash> = batch
        .windows
        .iter()
        .flat_map(|window| window.readings.iter().map(move |signed| (window, signed)))
        .map(|(window, signed)| {
            ReadingLeaf::of(signed, window.grant(signed.reading.session)).hash()
        })
        .collect();
    Tree::new(&leaves, READINGS_DEPTH).map_err(|_| BatchError::Count)
}

/// The round of `feed` in which something captured at `captured_at` (ms) lies.
pub fn round_of(captured_at: i64, feed: &Feed) -> Option<u64> {
    captured_at
        .div_euclid(1_000)
        .checked_div(feed.round_length)?
        .try_into()
        .ok()
}

fn check_window(
    window: &Window,
    device: &Device,
    feed: &Feed,
    round: u64,
) -> Result<(), BatchError> {
    let cells = feed
        .cells
        .get(..usize::from(feed.cell_count))
        .unwrap_or_default();
    if !cells.is_empty() && !cells.contains(&device.leaf.cell) {
        return Err(BatchError::Cell);
    }
    if (window.tree, window.index) != (device.tree_index, device.index) {
        return Err(BatchError::Device);
    }
    for signed in window.readings.iter() {
        if signed.reading.device != device.leaf.device {
            return Err(BatchError::Device);
        }
        verify::verify_standing(&signed.reading, device)?;
        if signed.reading.schema != feed.schema {
            return Err(BatchError::Schema);
        }
    }
    let max_gap = i64::from(feed.max_gap) * 1_000;
    for pair in window.readings.windows(2) {
        if let [older, newer] = pair {
            // They say what they like: no signature was checked yet.
            let (older, newer) = (older.reading.captured_at, newer.reading.captured_at);
            let gap = newer.saturating_sub(older);
            if gap <= 0 || gap > max_gap {
                return Err(BatchError::Gap);
            }
        }
    }
    if round_of(window.newest().reading.captured_at, feed) != Some(round) {
        return Err(BatchError::Round);
    }
    Ok(())
}
