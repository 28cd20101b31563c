//! Taking readings: parsed, verified, deduplicated and on the disk before anybody is told that they were taken.

use crate::cache::Cache;
use crate::log::{Batch, Record, Session};
use crate::plausibility::{Plausibility, Rules};
use crate::registry::{Device, Registry};
use crate::store::{Store, StoreError, Taken};
use crate::{verify, Reject};
use axum::body::Bytes;
use device_protocol::{DeviceKey, Hash, SessionGrant, SignedGrant, SignedReading};
use fieldproof_client::key::PublicKey;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most readings in one body.
pub const MAX_READINGS: usize = 4_096;
/// Most grants in one body.
pub const MAX_GRANTS: usize = 1_024;

/// Parsed keys and sessions are remembered in this many parts, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// What each part remembers at least.
const SHARD_LEN: usize = 1 << 13;

/// Takes bodies of signed readings.
pub struct Ingest {
    store: Arc<Store>,
    registry: Registry,
    network: Hash,
    /// The chain's time, in seconds.
    now: Arc<AtomicI64>,
    signers: [Mutex<Cache<SignerId, Arc<Signer>>>; SHARDS],
    plausibility: Plausibility,
}

/// A device's key of a session; 0 is the hardware key's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SignerId {
    device: Hash,
    leaf_nonce: u32,
    session: u32,
}

/// A key that may sign readings, ready to verify with.
struct Signer {
    key: PublicKey,
    /// The grant that allows it; none for the hardware key.
    grant: Option<SessionGrant>,
}

impl Ingest {
    /// Takes readings for the network with id `network` at the time that `now` holds, if they are plausible by `rules`.
    pub fn new(
        store: Arc<Store>,
        registry: Registry,
        network: Hash,
        now: Arc<AtomicI64>,
        rules: Rules,
    ) -> Self {
        Self {
            store,
            registry,
            network,
            now,
            signers: std::array::from_fn(|_| Mutex::new(Cache::new(SHARD_LEN))),
            plausibility: Plausibility::new(rules),
        }
    }

    /// Parses and verifies the signed readings that stand back to back in `body`. After bytes that don't parse nothing
    /// more can be read: they end the body as one malformed reading.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn check(&self, body: Bytes) -> Result<Batch, StoreError> {
        let mut items = Vec::new();
        let mut rest = body.as_ref();
        while !rest.is_empty() {
            let start = body.len() - rest.len();
            match SignedReading::parse(rest) {
                Ok((signed, after)) if items.len() < MAX_READINGS => {
                    rest = after;
                    let reading = &signed.reading;
                    items.push(self.check_reading(&signed)?.map(|()| Record {
                        bytes: start..body.len() - after.len(),
                        device: reading.device,
                        session: Session::of(reading),
                        sequence: reading.sequence,
                        captured_at: reading.captured_at,
                    }));
                }
                _ => {
                    items.push(Err(Reject::Malformed));
                    break;
                }
            }
        }
        Ok(Batch { body, items })
    }

    /// Takes what was checked, and says of each reading what became of it: what was accepted is on the disk.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was taken.
    pub async fn take(&self, batch: Batch) -> Result<Taken, StoreError> {
        self.store.take(batch).await
    }

    /// Checks and takes a body, for threads that may wait for the disk.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was taken.
    pub fn accept(&self, body: &[u8]) -> Result<Taken, StoreError> {
        self.store
            .take_blocking(self.check(Bytes::copy_from_slice(body))?)
    }

    /// Takes the signed grants that stand back to back in `body`, and says of each what became of it. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the body was taken.
    pub fn accept_grants(&self, body: &[u8]) -> Result<Vec<Result<(), Reject>>, StoreError> {
        let mut good = Vec::new();
        let mut results = Vec::new();
        for bytes in body.chunks(SignedGrant::LEN) {
            results.push(self.check_grant(bytes).map(|grant| good.push(grant)));
        }
        let mut stored = self.store.put_grants(&good)?.into_iter();
        for result in &mut results {
            if result.is_ok() {
                *result = stored.next().unwrap_or(Ok(()));
            }
            if let Err(reject) = result {
                self.store.figures().count(*reject);
            }
        }
        Ok(results)
    }

    fn check_reading(&self, signed: &SignedReading) -> Result<Result<(), Reject>, StoreError> {
        let reading = &signed.reading;
        let Some(device) = self.registry.device(&reading.device) else {
            return Ok(Err(Reject::UnknownDevice));
        };
        let (now, clock) = (self.now.load(Ordering::Relaxed), self.plausibility.clock());
        let standing = verify::verify_time(reading.captured_at, now, clock)
            .and_then(|()| verify::verify_sender(reading, &device, &self.network));
        if standing.is_err() {
            return Ok(standing);
        }
        Ok(match self.signer(signed, &device)? {
            Err(reject) => Err(reject),
            Ok(signer) => signer
                .verify(signed)
                .and_then(|()| self.plausibility.judge(reading, device.leaf.cell)),
        })
    }

    /// The key that a reading must be signed with.
    fn signer(
        &self,
        signed: &SignedReading,
        device: &Device,
    ) -> Result<Result<Arc<Signer>, Reject>, StoreError> {
        let reading = &signed.reading;
        let id = SignerId {
            device: reading.device,
            leaf_nonce: reading.leaf_nonce,
            session: reading.session,
        };
        let shard = &self.signers[usize::from(id.device[0]) % SHARDS];
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signer) = lock().get(&id) {
            return Ok(Ok(signer.clone()));
        }
        let (key, grant) = if id.session == 0 {
            (device.key, None)
        } else {
            match self.store.grant(&id.device, id.leaf_nonce, id.session)? {
                None => return Ok(Err(Reject::UnknownSession)),
                Some(SignedGrant { grant, .. }) => {
                    (DeviceKey::ed25519(grant.session_key), Some(grant))
                }
            }
        };
        let Some(key) = PublicKey::new(&key) else {
            return Ok(Err(Reject::BadSignature));
        };
        let signer = Arc::new(Signer { key, grant });
        lock().insert(id, signer.clone());
        Ok(Ok(signer))
    }

    fn check_grant(&self, bytes: &[u8]) -> Result<SignedGrant, Reject> {
        let signed = SignedGrant::parse(bytes).map_err(|_| Reject::Malformed)?;
        let device = self
            .registry
            .device(&signed.grant.device)
            .ok_or(Reject::UnknownDevice)?;
        let now = self.now.load(Ordering::Relaxed);
        verify::verify_grant_time(&signed.grant, now, self.plausibility.clock())?;
        verify::verify_grant(&signed, &device, &self.network)?;
        Ok(signed)
    }
}

impl Signer {
    fn verify(&self, signed: &SignedReading) -> Result<(), Reject> {
        if let Some(grant) = &self.grant {
            verify::verify_session(signed, grant)?;
        }
        if self.key.verify(&signed.reading.digest(), &signed.signature) {
            Ok(())
        } else {
            Err(Reject::BadSignature)
        }
    }
}
