//! Taking readings: parsed, verified, deduplicated and on the disk before anybody is told that they were taken.

use crate::registry::Registry;
use crate::store::{Store, StoreError};
use crate::{verify, Reject};
use device_protocol::{Hash, SignedReading};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

/// Most readings in one body.
pub const MAX_READINGS: usize = 4_096;

/// Takes bodies of signed readings.
pub struct Ingest {
    store: Arc<Store>,
    registry: Registry,
    network: Hash,
    /// The chain's time, in seconds.
    now: Arc<AtomicI64>,
}

impl Ingest {
    /// Takes readings for the network with id `network` at the time that `now` holds.
    pub fn new(store: Arc<Store>, registry: Registry, network: Hash, now: Arc<AtomicI64>) -> Self {
        Self {
            store,
            registry,
            network,
            now,
        }
    }

    /// Takes the signed readings that stand back to back in `body`, and says of each what became of it. After bytes
    /// that don't parse nothing more can be read: they end the body as one malformed reading.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the body was taken.
    pub fn accept(&self, body: &[u8]) -> Result<Vec<Result<(), Reject>>, StoreError> {
        let mut verified = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            match SignedReading::parse(rest) {
                Ok((signed, after)) if verified.len() < MAX_READINGS => {
                    rest = after;
                    verified.push(self.check(&signed).map(|()| signed));
                }
                _ => {
                    verified.push(Err(Reject::Malformed));
                    break;
                }
            }
        }
        self.store.take_readings(&verified)
    }

    fn check(&self, signed: &SignedReading) -> Result<(), Reject> {
        let reading = &signed.reading;
        let device = self
            .registry
            .device(&reading.device)
            .ok_or(Reject::UnknownDevice)?;
        verify::verify_time(reading.captured_at, self.now.load(Ordering::Relaxed))?;
        verify::verify(signed, &device, &self.network)
    }
}
