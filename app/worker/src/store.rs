//! What a worker remembers: one embedded database in its data directory.
//!
//! Every write is one transaction that is on the disk when it returns. Keys are big-endian, so that ranges are in order.

use crate::reject::Reject;
use commitment::CommitmentLeaf;
use device_protocol::{Hash, SignedReading};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{de::DeserializeOwned, Serialize};
use std::path::Path;

/// Readings by device, session and sequence.
const READINGS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("readings");
/// Keys of [`READINGS`] by device and capture time.
const BY_TIME: TableDefinition<&[u8], &[u8]> = TableDefinition::new("readings_by_time");
/// Second readings of one sequence, by both digests: evidence.
const EQUIVOCATIONS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("equivocations");
/// Archived payloads by their hash.
const PAYLOADS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("payloads");
/// This operator's commitments by sequence, from the moment they are decided on.
const COMMITMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("commitments");
/// Commitments of all streams, as the chain tells them, by stream and sequence.
const SEEN_COMMITMENTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("seen_commitments");
/// Jobs by feed and round.
const JOBS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("jobs");
/// Epochs of rewards by number.
const EPOCHS: TableDefinition<u64, &[u8]> = TableDefinition::new("epochs");
/// Leaves of devices by tree and sequence number.
const DEVICES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("devices");
/// How far a source has been followed.
const CURSORS: TableDefinition<&str, &[u8]> = TableDefinition::new("cursors");
/// The cursor of the chain in [`CURSORS`].
const CHAIN: &str = "chain";
/// Counters by name.
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");

/// The counter of accepted readings.
pub const ACCEPTED: &str = "accepted";

/// A fault of the disk or the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] redb::Error),
    /// A record does not have the form it was written in.
    #[error("a record of the database is damaged: {0}")]
    Damaged(&'static str),
    /// The data directory can't be made.
    #[error("the data directory can't be used: {0}")]
    Directory(#[from] std::io::Error),
}

/// A key and its value.
type Record = (Vec<u8>, Vec<u8>);

/// The database.
pub struct Store {
    database: Database,
}

/// Turns each of redb's error types into the one that holds them all.
macro_rules! db {
    ($result:expr) => {
        $result.map_err(redb::Error::from)?
    };
}

impl Store {
    /// Opens the database in `dir`, made if needed.
    ///
    /// # Errors
    /// [`StoreError`] when the directory can't be made or the database is damaged or in use.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir)?;
        let database = db!(Database::create(dir.join("worker.redb")));
        let transaction = db!(database.begin_write());
        for table in [
            READINGS,
            BY_TIME,
            EQUIVOCATIONS,
            PAYLOADS,
            SEEN_COMMITMENTS,
            JOBS,
            DEVICES,
        ] {
            db!(transaction.open_table(table));
        }
        for table in [COMMITMENTS, EPOCHS] {
            db!(transaction.open_table(table));
        }
        db!(transaction.open_table(CURSORS));
        db!(transaction.open_table(COUNTERS));
        db!(transaction.commit());
        Ok(Self { database })
    }

    /// Takes verified readings, in one transaction: each is stored, or a replay, or an equivocation. Rejects of other
    /// reasons are counted with them. Returns what became of each of `verified`.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was stored.
    pub fn take_readings(
        &self,
        verified: &[Result<SignedReading, Reject>],
    ) -> Result<Vec<Result<(), Reject>>, StoreError> {
        let transaction = db!(self.database.begin_write());
        let mut results = Vec::with_capacity(verified.len());
        {
            let mut readings = db!(transaction.open_table(READINGS));
            let mut by_time = db!(transaction.open_table(BY_TIME));
            let mut equivocations = db!(transaction.open_table(EQUIVOCATIONS));
            let mut counters = db!(transaction.open_table(COUNTERS));
            for signed in verified {
                let result = match signed {
                    Err(reject) => Err(*reject),
                    Ok(signed) => {
                        let key = reading_key(signed);
                        let bytes = signed.to_bytes();
                        let known = db!(readings.get(key.as_slice())).map(|known| {
                            SignedReading::parse(known.value()).map(|(known, _)| known)
                        });
                        match known {
                            None => {
                                db!(readings.insert(key.as_slice(), bytes.as_slice()));
                                db!(by_time.insert(time_key(signed).as_slice(), key.as_slice()));
                                Ok(())
                            }
                            // A P-256 signature can be made anew over the same reading, so the reading counts.
                            Some(Ok(known)) if known.reading == signed.reading => {
                                Err(Reject::Replay)
                            }
                            Some(_) => {
                                let evidence = signed.reading.digest();
                                db!(equivocations.insert(evidence.as_slice(), bytes.as_slice()));
                                Err(Reject::Equivocation)
                            }
                        }
                    }
                };
                let counter = result.map_or_else(Reject::name, |()| ACCEPTED);
                let count = db!(counters.get(counter)).map_or(0, |count| count.value());
                db!(counters.insert(counter, count + 1));
                results.push(result);
            }
        }
        db!(transaction.commit());
        Ok(results)
    }

    /// Readings of `device` captured in `from..=to` (ms), oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn readings(
        &self,
        device: &Hash,
        from: i64,
        to: i64,
    ) -> Result<Vec<SignedReading>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let readings = db!(transaction.open_table(READINGS));
        let by_time = db!(transaction.open_table(BY_TIME));
        let start = [device.as_slice(), &from.max(0).to_be_bytes()].concat();
        let end = [device.as_slice(), &to.max(0).to_be_bytes(), &[u8::MAX; 12]].concat();
        let mut found = Vec::new();
        for entry in db!(by_time.range(start.as_slice()..=end.as_slice())) {
            let (_, key) = db!(entry);
            let bytes =
                db!(readings.get(key.value())).ok_or(StoreError::Damaged("reading by time"))?;
            let (signed, _) =
                SignedReading::parse(bytes.value()).map_err(|_| StoreError::Damaged("reading"))?;
            found.push(signed);
        }
        Ok(found)
    }

    /// Number of readings held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reading_count(&self) -> Result<u64, StoreError> {
        let transaction = db!(self.database.begin_read());
        Ok(db!(db!(transaction.open_table(READINGS)).len()))
    }

    /// All counters, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn counters(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let counters = db!(transaction.open_table(COUNTERS));
        let mut found = Vec::new();
        for entry in db!(counters.iter()) {
            let (name, count) = db!(entry);
            found.push((name.value().to_owned(), count.value()));
        }
        Ok(found)
    }

    /// Archives a payload under its hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_payload(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
        let hash = crate::payload::hash(bytes);
        self.put(PAYLOADS, &hash, bytes)?;
        Ok(hash)
    }

    /// The payload with this hash, if it is archived here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payload(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(PAYLOADS, hash)
    }

    /// Decides on this operator's commitment `record` number `sequence`, together with its payload and, for readings,
    /// its jobs: after this, nothing else can be committed under that number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn decide_commitment<C: Serialize, J: Serialize>(
        &self,
        sequence: u64,
        record: &C,
        payload: &[u8],
        jobs: &[(Hash, u64, J)],
    ) -> Result<(), StoreError> {
        let transaction = db!(self.database.begin_write());
        {
            let mut commitments = db!(transaction.open_table(COMMITMENTS));
            if db!(commitments.get(sequence)).is_some() {
                return Err(StoreError::Damaged("a commitment was decided twice"));
            }
            db!(commitments.insert(sequence, json(record).as_slice()));
            let mut payloads = db!(transaction.open_table(PAYLOADS));
            db!(payloads.insert(crate::payload::hash(payload).as_slice(), payload));
            let mut table = db!(transaction.open_table(JOBS));
            for (feed, round, job) in jobs {
                db!(table.insert(job_key(feed, *round).as_slice(), json(job).as_slice()));
            }
        }
        db!(transaction.commit());
        Ok(())
    }

    /// Writes this operator's commitment `sequence` anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_commitment<C: Serialize>(
        &self,
        sequence: u64,
        record: &C,
    ) -> Result<(), StoreError> {
        let transaction = db!(self.database.begin_write());
        db!(db!(transaction.open_table(COMMITMENTS)).insert(sequence, json(record).as_slice()));
        db!(transaction.commit());
        Ok(())
    }

    /// This operator's commitments, by sequence.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commitments<C: DeserializeOwned>(&self) -> Result<Vec<C>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let commitments = db!(transaction.open_table(COMMITMENTS));
        let mut found = Vec::new();
        for entry in db!(commitments.iter()) {
            found.push(from_json(db!(entry).1.value())?);
        }
        Ok(found)
    }

    /// Remembers what one transaction of the chain told, and that it was read, in one transaction of the database.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn follow<D: Serialize>(
        &self,
        leaves: &[([u8; 10], D)],
        commitments: &[(Hash, CommitmentLeaf)],
        cursor: &[u8],
    ) -> Result<(), StoreError> {
        let transaction = db!(self.database.begin_write());
        {
            let mut table = db!(transaction.open_table(DEVICES));
            for (id, leaf) in leaves {
                db!(table.insert(id.as_slice(), json(leaf).as_slice()));
            }
            let mut table = db!(transaction.open_table(SEEN_COMMITMENTS));
            for (stream, leaf) in commitments {
                let key = [stream.as_slice(), &leaf.sequence.to_be_bytes()].concat();
                db!(table.insert(key.as_slice(), json(leaf).as_slice()));
            }
            db!(db!(transaction.open_table(CURSORS)).insert(CHAIN, cursor));
        }
        db!(transaction.commit());
        Ok(())
    }

    /// Commitment `sequence` of `stream`, if it was seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn seen_commitment(
        &self,
        stream: &Hash,
        sequence: u64,
    ) -> Result<Option<CommitmentLeaf>, StoreError> {
        let key = [stream.as_slice(), &sequence.to_be_bytes()].concat();
        let bytes = self.get(SEEN_COMMITMENTS, &key)?;
        bytes.map(|bytes| from_json(&bytes)).transpose()
    }

    /// All commitments seen, by stream and sequence.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn seen_commitments(&self) -> Result<Vec<(Hash, CommitmentLeaf)>, StoreError> {
        self.all(SEEN_COMMITMENTS)?
            .into_iter()
            .map(|(key, bytes)| {
                let stream = *key
                    .first_chunk()
                    .ok_or(StoreError::Damaged("commitment key"))?;
                Ok((stream, from_json(&bytes)?))
            })
            .collect()
    }

    /// Writes a job.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_job<J: Serialize>(
        &self,
        feed: &Hash,
        round: u64,
        job: &J,
    ) -> Result<(), StoreError> {
        self.put(JOBS, &job_key(feed, round), &json(job))
    }

    /// All jobs, by feed and round.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn jobs<J: DeserializeOwned>(&self) -> Result<Vec<J>, StoreError> {
        self.all(JOBS)?
            .into_iter()
            .map(|(_, bytes)| from_json(&bytes))
            .collect()
    }

    /// The job of `feed` and `round`, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn job<J: DeserializeOwned>(
        &self,
        feed: &Hash,
        round: u64,
    ) -> Result<Option<J>, StoreError> {
        let bytes = self.get(JOBS, &job_key(feed, round))?;
        bytes.map(|bytes| from_json(&bytes)).transpose()
    }

    /// Writes an epoch's record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_epoch<E: Serialize>(&self, epoch: u64, record: &E) -> Result<(), StoreError> {
        let transaction = db!(self.database.begin_write());
        db!(db!(transaction.open_table(EPOCHS)).insert(epoch, json(record).as_slice()));
        db!(transaction.commit());
        Ok(())
    }

    /// An epoch's record, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn epoch<E: DeserializeOwned>(&self, epoch: u64) -> Result<Option<E>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let epochs = db!(transaction.open_table(EPOCHS));
        let bytes = db!(epochs.get(epoch));
        bytes.map(|bytes| from_json(bytes.value())).transpose()
    }

    /// What is known of devices, each tree's changes in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn devices<D: DeserializeOwned>(&self) -> Result<Vec<D>, StoreError> {
        self.all(DEVICES)?
            .into_iter()
            .map(|(_, bytes)| from_json(&bytes))
            .collect()
    }

    /// How far the chain was followed, as [`Store::follow`] was last told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cursor(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let cursors = db!(transaction.open_table(CURSORS));
        let cursor = db!(cursors.get(CHAIN));
        Ok(cursor.map(|cursor| cursor.value().to_vec()))
    }

    fn put(
        &self,
        table: TableDefinition<&[u8], &[u8]>,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StoreError> {
        let transaction = db!(self.database.begin_write());
        db!(db!(transaction.open_table(table)).insert(key, value));
        db!(transaction.commit());
        Ok(())
    }

    fn get(
        &self,
        table: TableDefinition<&[u8], &[u8]>,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let table = db!(transaction.open_table(table));
        let value = db!(table.get(key));
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn all(&self, table: TableDefinition<&[u8], &[u8]>) -> Result<Vec<Record>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let table = db!(transaction.open_table(table));
        let mut found = Vec::new();
        for entry in db!(table.iter()) {
            let (key, value) = db!(entry);
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }
}

fn reading_key(signed: &SignedReading) -> [u8; 44] {
    let mut key = [0; 44];
    key[..32].copy_from_slice(&signed.reading.device);
    key[32..36].copy_from_slice(&signed.reading.session.to_be_bytes());
    key[36..].copy_from_slice(&signed.reading.sequence.to_be_bytes());
    key
}

fn time_key(signed: &SignedReading) -> [u8; 52] {
    let mut key = [0; 52];
    key[..32].copy_from_slice(&signed.reading.device);
    key[32..40].copy_from_slice(&signed.reading.captured_at.to_be_bytes());
    key[40..44].copy_from_slice(&signed.reading.session.to_be_bytes());
    key[44..].copy_from_slice(&signed.reading.sequence.to_be_bytes());
    key
}

fn job_key(feed: &Hash, round: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(feed);
    key[32..].copy_from_slice(&round.to_be_bytes());
    key
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // Records are plain structs of numbers, arrays and strings, which always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| StoreError::Damaged("record"))
}
