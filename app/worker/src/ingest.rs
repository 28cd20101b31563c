//! Taking readings: parsed, verified, deduplicated and on the disk before anybody is told that they were taken.

use crate::cache::Cache;
use crate::log::{Batch, Record, Session};
use crate::plausibility::{Plausibility, Rules};
use crate::registry::{Device, Registry};
use crate::store::{Store, StoreError, Taken};
use crate::time::{Time, UnknownTime};
use crate::{verify, Reject};
use axum::body::Bytes;
use device_protocol::{DeviceKey, Hash, SessionGrant, SignedGrant, SignedReading};
use fieldproof_client::key::PublicKey;
use std::ops::RangeInclusive;
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
    time: Arc<Time>,
    signers: [Mutex<Cache<SignerId, Arc<Signer>>>; SHARDS],
    plausibility: Plausibility,
}

/// Why nothing was taken, not even what can't be taken ever: it is to be sent again.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The disk or the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is from the future can't be told.
    #[error(transparent)]
    Time(#[from] UnknownTime),
}

/// The grants of one body: those that verify, and why others don't.
pub struct Grants(Vec<Result<SignedGrant, Reject>>);

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
    /// Takes readings for the network with id `network` at that `time`, if they are plausible by `rules`.
    pub fn new(
        store: Arc<Store>,
        registry: Registry,
        network: Hash,
        time: Arc<Time>,
        rules: Rules,
    ) -> Self {
        Self {
            store,
            registry,
            network,
            time,
            signers: std::array::from_fn(|_| Mutex::new(Cache::new(SHARD_LEN))),
            plausibility: Plausibility::new(rules),
        }
    }

    /// Parses and verifies the signed readings that stand back to back in `body`. After bytes that don't parse nothing
    /// more can be read: they end the body as one malformed reading.
    ///
    /// # Errors
    /// [`IngestError`].
    pub fn check(&self, body: Bytes) -> Result<Batch, IngestError> {
        let now = self.time.span()?;
        let mut items = Vec::new();
        let mut rest = body.as_ref();
        while !rest.is_empty() {
            let start = body.len() - rest.len();
            match SignedReading::parse(rest) {
                Ok((signed, after)) if items.len() < MAX_READINGS => {
                    rest = after;
                    let reading = &signed.reading;
                    items.push(self.check_reading(&signed, &now)?.map(|()| Record {
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
    /// [`IngestError`]; then nothing was taken.
    pub fn accept(&self, body: &[u8]) -> Result<Taken, IngestError> {
        let batch = self.check(Bytes::copy_from_slice(body))?;
        Ok(self.store.take_blocking(batch)?)
    }

    /// Parses and verifies the signed grants that stand back to back in `body`.
    ///
    /// # Errors
    /// [`UnknownTime`].
    pub fn check_grants(&self, body: &[u8]) -> Result<Grants, UnknownTime> {
        let now = self.time.span()?;
        let grants = body.chunks(SignedGrant::LEN);
        Ok(Grants(
            grants.map(|bytes| self.check_grant(bytes, &now)).collect(),
        ))
    }

    /// Takes what was checked, and says of each grant what became of it: what was accepted is on the disk. Waits for it.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was taken.
    pub fn take_grants(
        &self,
        Grants(grants): Grants,
    ) -> Result<Vec<Result<(), Reject>>, StoreError> {
        let good: Vec<_> = grants.iter().filter_map(|item| item.ok()).collect();
        let mut stored = self.store.put_grants(&good)?.into_iter();
        let results = grants.into_iter().map(|item| {
            let result = item.and_then(|_| stored.next().unwrap_or(Ok(())));
            result.inspect_err(|reject| self.store.figures().count(*reject))
        });
        Ok(results.collect())
    }

    fn check_reading(
        &self,
        signed: &SignedReading,
        now: &RangeInclusive<i64>,
    ) -> Result<Result<(), Reject>, StoreError> {
        let reading = &signed.reading;
        let Some(device) = self.registry.device(&reading.device) else {
            return Ok(Err(Reject::UnknownDevice));
        };
        let standing = verify::verify_time(reading.captured_at, now, self.plausibility.clock())
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

    fn check_grant(&self, bytes: &[u8], now: &RangeInclusive<i64>) -> Result<SignedGrant, Reject> {
        let signed = SignedGrant::parse(bytes).map_err(|_| Reject::Malformed)?;
        let device = self
            .registry
            .device(&signed.grant.device)
            .ok_or(Reject::UnknownDevice)?;
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
