//! What a worker remembers, in its data directory: the readings in a [log](crate::log), all else in an embedded database.
//!
//! Every write is on the disk when it returns. Keys of the database are big-endian, so that ranges are in order.

use crate::ingest::MAX_READINGS;
use crate::log::{Appender, Batch, Log, LogError, Record, FILE_LEN, SESSIONS};
use crate::reject::Reject;
use axum::body::Bytes;
use commitment::CommitmentLeaf;
use device_protocol::{
    check_equivocation, Hash, Reading, SessionGrant, SignedGrant, SignedReading, SIGNATURE_LEN,
};
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError, Table,
    TableDefinition, TransactionError, WriteTransaction,
};
use serde::{de::DeserializeOwned, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Grants of sessions by device, leaf nonce and counter.
const GRANTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("grants");
/// Second readings of one sequence, by device and digest: evidence.
const EQUIVOCATIONS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("equivocations");
/// Archived payloads by their hash.
const PAYLOADS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("payloads");
/// This operator's commitments by sequence, from the moment they are decided on.
const COMMITMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("commitments");
/// Commitments of all streams, as the chain tells them, by stream and sequence.
const SEEN_COMMITMENTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("seen_commitments");
/// When anything was committed to, in any stream, unix seconds.
const POSTED: TableDefinition<i64, ()> = TableDefinition::new("posted");
/// Jobs by feed and round.
const JOBS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("jobs");
/// Epochs of rewards by number.
const EPOCHS: TableDefinition<u64, &[u8]> = TableDefinition::new("epochs");
/// Digests of the votes that were signed, by epoch, ballot and base: one of each, as two are an offence.
const VOTES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("votes");
/// Leaves of devices by tree and sequence number.
const DEVICES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("devices");
/// Transactions that may land, by signature: from before they are sent until it is known what became of them.
const SENT: TableDefinition<&[u8], &[u8]> = TableDefinition::new("sent");
/// How far a source has been followed.
const CURSORS: TableDefinition<&str, &[u8]> = TableDefinition::new("cursors");
/// The cursor of the chain in [`CURSORS`].
const CHAIN: &str = "chain";
/// The counter of accepted readings.
pub const ACCEPTED: &str = "accepted";
/// Bodies that wait for the disk at most.
const QUEUE: usize = 256;
/// Bytes of bodies from which on no more join one write.
const GROUP_LEN: usize = 4 << 20;
/// Bytes of a signed reading at least.
const SHORTEST_READING: usize = Reading::HEADER + 4 + SIGNATURE_LEN;
/// The log remembers every session of one write until it is made.
const _: () = assert!(GROUP_LEN / SHORTEST_READING + MAX_READINGS < SESSIONS);
/// Least time from one write of readings to the next. A write costs the processors what verifying several readings does,
/// however little it holds, so under load bodies share it; one that comes alone does not wait.
const WRITE_INTERVAL: Duration = Duration::from_millis(5);

/// How often it is looked whether the database still takes writes.
const LOOK: Duration = Duration::from_secs(1);

/// A fault of the disk or the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] redb::Error),
    /// The log of readings.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The write that this one shared failed.
    #[error(transparent)]
    Write(Arc<StoreError>),
    /// The thread that writes readings has ended, or a write to the database failed.
    #[error("nothing can be written any more: see that the disk works and has room, then start the worker again")]
    Ended,
    /// A record does not have the form it was written in.
    #[error("a record of the database is damaged: {0}")]
    Damaged(&'static str),
    /// The data directory can't be made.
    #[error("the data directory can't be used: {0}")]
    Directory(#[from] std::io::Error),
}

impl StoreError {
    /// Whether there was no room on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Log(LogError::Full) => true,
            Self::Write(error) => error.is_full(),
            Self::Database(redb::Error::Io(error)) => crate::log::is_full(error),
            _ => false,
        }
    }
}

/// A key and its value.
type Row = (Vec<u8>, Vec<u8>);

/// What became of each reading of a body.
pub type Taken = Vec<Result<Record, Reject>>;

/// A body on its way to the disk, and who waits for it.
struct Waiting {
    batch: Batch,
    reply: oneshot::Sender<Result<Taken, StoreError>>,
}

/// What the store counts since it was opened.
#[derive(Debug, Default)]
pub struct Figures {
    rejected: [AtomicU64; Reject::ALL.len()],
    writes: AtomicU64,
    write_nanoseconds: AtomicU64,
    failing: AtomicBool,
}

impl Figures {
    /// Counts a reject that did not come through [`Store::take`].
    pub fn count(&self, reject: Reject) {
        // `Reject::ALL` is in the order of the variants.
        if let Some(counter) = self.rejected.get(reject as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were rejected for each reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Reject, u64)> + '_ {
        let counts = self
            .rejected
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Reject::ALL.into_iter().zip(counts)
    }

    /// Durable writes of readings, and the seconds that they took.
    pub fn writes(&self) -> (u64, f64) {
        let nanoseconds = self.write_nanoseconds.load(Ordering::Relaxed);
        (
            self.writes.load(Ordering::Relaxed),
            nanoseconds as f64 / 1e9,
        )
    }

    /// Whether the last write failed.
    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

/// Readings and database.
pub struct Store {
    database: Arc<Database>,
    log: Arc<Log>,
    figures: Arc<Figures>,
    // Taken when the store is dropped, which ends the writer.
    queue: Option<mpsc::Sender<Waiting>>,
    writer: Option<JoinHandle<()>>,
}

/// Turns each of redb's error types into the one that holds them all.
macro_rules! db {
    ($result:expr) => {
        $result.map_err(redb::Error::from)?
    };
}

impl Store {
    /// Opens database and readings in `dir`, made if needed.
    ///
    /// # Errors
    /// [`StoreError`] when the directory can't be made or something in it is damaged or in use.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir)?;
        // The database's lock keeps a second process off the readings too.
        let database = db!(Database::create(dir.join("worker.redb")));
        let transaction = db!(database.begin_write());
        for table in [
            GRANTS,
            EQUIVOCATIONS,
            PAYLOADS,
            SEEN_COMMITMENTS,
            JOBS,
            VOTES,
            DEVICES,
            SENT,
        ] {
            db!(transaction.open_table(table));
        }
        for table in [COMMITMENTS, EPOCHS] {
            db!(transaction.open_table(table));
        }
        db!(transaction.open_table(CURSORS));
        add_devices(&transaction)?;
        add_times(&transaction)?;
        db!(transaction.commit());
        let database = Arc::new(database);
        let (log, appender) = Log::open(&dir.join("readings"), FILE_LEN)?;
        let figures: Arc<Figures> = Arc::default();
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = {
            let (database, log, figures) = (database.clone(), log.clone(), figures.clone());
            std::thread::Builder::new()
                .name("readings".to_owned())
                .spawn(move || write_readings(appender, &database, &log, &figures, waiting))?
        };
        Ok(Self {
            database,
            log,
            figures,
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    /// Takes the verified readings of a body: each is put on the disk, or is a replay, or an equivocation. Bodies that
    /// come while the disk is at work, or a few ms after it was, share the next write. Rejects of other reasons are counted with them.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was taken.
    pub async fn take(&self, batch: Batch) -> Result<Taken, StoreError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Ended)?;
        queue
            .send(Waiting { batch, reply })
            .await
            .map_err(|_| StoreError::Ended)?;
        answer.await.map_err(|_| StoreError::Ended)?
    }

    /// As [`take`](Self::take), for threads that may wait.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_blocking(&self, batch: Batch) -> Result<Taken, StoreError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Ended)?;
        queue
            .blocking_send(Waiting { batch, reply })
            .map_err(|_| StoreError::Ended)?;
        answer.blocking_recv().map_err(|_| StoreError::Ended)?
    }

    /// Waits until readings can't be written any more, or nothing to the database.
    pub async fn ended(&self) {
        let Some(queue) = &self.queue else { return };
        let lost = async {
            while !self.is_lost() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = queue.closed() => (),
            () = lost => (),
        }
    }

    /// Whether a write to the database failed: it lets nobody in any more until it is opened anew.
    fn is_lost(&self) -> bool {
        matches!(
            self.database.try_begin_write(),
            Err(TransactionError::Storage(StorageError::PreviousIo))
        )
    }

    /// The newest readings of `device` captured in `from..=to` (ms), at most `most`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn readings(
        &self,
        device: &Hash,
        from: i64,
        to: i64,
        most: usize,
    ) -> Result<Vec<SignedReading>, StoreError> {
        Ok(self.log.readings(device, from, to, most)?)
    }

    /// Number of readings held.
    pub fn reading_count(&self) -> u64 {
        self.log.count()
    }

    /// Readings accepted, and those rejected since the start by reason, if there were any.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let rejected = self.figures.rejected();
        std::iter::once((ACCEPTED, self.log.count()))
            .chain(rejected.map(|(reject, count)| (reject.name(), count)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// What was counted since the start.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Pairs of readings that are an equivocation: what was taken, and what came after it. At most `most` of those of
    /// `device`, or of any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn equivocations(
        &self,
        device: Option<&Hash>,
        most: usize,
    ) -> Result<Vec<[SignedReading; 2]>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let table = db!(transaction.open_table(EQUIVOCATIONS));
        let mut pairs = Vec::new();
        let (first, last) = match device {
            Some(device) => (*device, *device),
            None => ([0; 32], [0xff; 32]),
        };
        let (first, last) = (
            equivocation_key(&first, &[0; 32]),
            equivocation_key(&last, &[0xff; 32]),
        );
        for entry in db!(table.range(first.as_slice()..=last.as_slice())) {
            let (_, bytes) = db!(entry);
            // Versions before kept what is no offence, too.
            pairs.extend(equivocation(&self.log, &parse_second(bytes.value())?)?);
            if pairs.len() == most {
                break;
            }
        }
        Ok(pairs)
    }

    /// Remembers verified grants, in whatever order they come: anybody may send a later one first. For each,
    /// [`Reject::Replay`] when it is known, [`Reject::StaleGrant`] when another one of the device and leaf nonce has its
    /// counter.
    ///
    /// # Errors
    /// [`StoreError`]; then none is remembered.
    pub fn put_grants(
        &self,
        grants: &[SignedGrant],
    ) -> Result<Vec<Result<(), Reject>>, StoreError> {
        if grants.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = db!(self.database.begin_write());
        let mut results = Vec::with_capacity(grants.len());
        {
            let mut table = db!(transaction.open_table(GRANTS));
            for signed in grants {
                let grant = &signed.grant;
                let key = grant_key(&grant.device, grant.leaf_nonce, grant.counter);
                // A P-256 signature can be made anew, so the grant counts.
                let known = db!(table.get(key.as_slice()))
                    .map(|known| known.value().get(..SessionGrant::LEN) == Some(&grant.to_array()));
                results.push(match known {
                    Some(true) => Err(Reject::Replay),
                    Some(false) => Err(Reject::StaleGrant),
                    None => {
                        db!(table.insert(key.as_slice(), signed.to_array().as_slice()));
                        Ok(())
                    }
                });
            }
        }
        if results.iter().any(Result::is_ok) {
            db!(transaction.commit());
        } else {
            // Anybody can send what is known: it must not cost a write.
            db!(transaction.abort());
        }
        Ok(results)
    }

    /// The grant of a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn grant(
        &self,
        device: &Hash,
        leaf_nonce: u32,
        counter: u32,
    ) -> Result<Option<SignedGrant>, StoreError> {
        let bytes = self.get(GRANTS, &grant_key(device, leaf_nonce, counter))?;
        let parse =
            |bytes: Vec<u8>| SignedGrant::parse(&bytes).map_err(|_| StoreError::Damaged("grant"));
        bytes.map(parse).transpose()
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

    /// This operator's commitment `sequence`, if it was decided on here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commitment<C: DeserializeOwned>(&self, sequence: u64) -> Result<Option<C>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let commitments = db!(transaction.open_table(COMMITMENTS));
        let bytes = db!(commitments.get(sequence));
        bytes.map(|bytes| from_json(bytes.value())).transpose()
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

    /// Remembers what transactions of the chain told, and that they were read, in one transaction of the database.
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
            let mut posted = db!(transaction.open_table(POSTED));
            for (stream, leaf) in commitments {
                let key = seen_key(stream, leaf.sequence);
                db!(table.insert(key.as_slice(), json(leaf).as_slice()));
                db!(posted.insert(leaf.posted_at, ()));
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
        let bytes = self.get(SEEN_COMMITMENTS, &seen_key(stream, sequence))?;
        bytes.map(|bytes| from_json(&bytes)).transpose()
    }

    /// The commitments of `stream` that were seen, by sequence. Those of others are not looked at: there may be any number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn seen_commitments(&self, stream: &Hash) -> Result<Vec<CommitmentLeaf>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let table = db!(transaction.open_table(SEEN_COMMITMENTS));
        let (first, last) = (seen_key(stream, 0), seen_key(stream, u64::MAX));
        let mut found = Vec::new();
        for entry in db!(table.range(first.as_slice()..=last.as_slice())) {
            found.push(from_json(db!(entry).1.value())?);
        }
        Ok(found)
    }

    /// When anything was committed to first from `time` on, in any stream, unix seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn posted_from(&self, time: i64) -> Result<Option<i64>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let table = db!(transaction.open_table(POSTED));
        let first = db!(table.range(time..)).next();
        Ok(match first {
            Some(entry) => Some(db!(entry).0.value()),
            None => None,
        })
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

    /// The digest of the vote of an epoch's ballot on `base` (number of final roots): `digest`, written down now, unless one
    /// was written before. Whatever it returns is all that may be signed in this ballot on this base.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing may be signed.
    pub fn decide_vote(
        &self,
        epoch: u64,
        ballot: u32,
        base: u64,
        digest: &Hash,
    ) -> Result<Hash, StoreError> {
        let mut key = [0; 20];
        key[..8].copy_from_slice(&epoch.to_be_bytes());
        key[8..12].copy_from_slice(&ballot.to_be_bytes());
        key[12..].copy_from_slice(&base.to_be_bytes());
        let transaction = db!(self.database.begin_write());
        let decided = {
            let mut votes = db!(transaction.open_table(VOTES));
            let known = db!(votes.get(key.as_slice())).map(|known| known.value().to_vec());
            if known.is_none() {
                db!(votes.insert(key.as_slice(), digest.as_slice()));
            }
            known.unwrap_or_else(|| digest.to_vec())
        };
        db!(transaction.commit());
        decided
            .try_into()
            .map_err(|_| StoreError::Damaged("a vote"))
    }

    /// What is known of devices, each tree's changes in order. They are read one by one: there may be any number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn devices<D: DeserializeOwned>(
        &self,
    ) -> Result<impl Iterator<Item = Result<D, StoreError>>, StoreError> {
        let transaction = db!(self.database.begin_read());
        let table = db!(transaction.open_table(DEVICES));
        let rows = db!(table.range::<&[u8]>(..));
        Ok(rows.map(|row| from_json::<D>(db!(row).1.value())))
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

    /// Writes down a transaction that is about to be sent.
    ///
    /// # Errors
    /// [`StoreError`]; then it must not be sent.
    pub fn put_sent(&self, signature: &[u8], transaction: &[u8]) -> Result<(), StoreError> {
        self.put(SENT, signature, transaction)
    }

    /// The transactions written down.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sent(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let all = self.all(SENT)?.into_iter();
        Ok(all.map(|(_, transaction)| transaction).collect())
    }

    /// Strikes out a transaction that has landed, or can't land any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_sent(&self, signature: &[u8]) -> Result<(), StoreError> {
        let transaction = db!(self.database.begin_write());
        db!(db!(transaction.open_table(SENT)).remove(signature));
        db!(transaction.commit());
        Ok(())
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

    fn all(&self, table: TableDefinition<&[u8], &[u8]>) -> Result<Vec<Row>, StoreError> {
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

impl Drop for Store {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was told already.
            let _ = writer.join();
        }
    }
}

/// Adds what a database lacks that is of before there were times in it.
fn add_times(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut posted = db!(transaction.open_table(POSTED));
    if !db!(posted.is_empty()) {
        return Ok(());
    }
    for entry in db!(db!(transaction.open_table(SEEN_COMMITMENTS)).iter()) {
        let leaf: CommitmentLeaf = from_json(db!(entry).1.value())?;
        db!(posted.insert(leaf.posted_at, ()));
    }
    Ok(())
}

/// Writes what comes, as much as there is at a time, and tells who waits once it is on the disk.
fn write_readings(
    mut appender: Appender,
    database: &Database,
    log: &Log,
    figures: &Figures,
    mut queue: mpsc::Receiver<Waiting>,
) {
    let mut next = Instant::now();
    while let Some(first) = queue.blocking_recv() {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let mut len = first.batch.body.len();
        let (mut batches, mut replies) = (vec![first.batch], vec![first.reply]);
        while len < GROUP_LEN {
            let Ok(more) = queue.try_recv() else { break };
            len += more.batch.body.len();
            batches.push(more.batch);
            replies.push(more.reply);
        }
        let start = Instant::now();
        let written = appender
            .append(&mut batches)
            .map_err(StoreError::from)
            .and_then(|equivocations| put_equivocations(database, log, &equivocations));
        let mut items = batches.iter().flat_map(|batch| &batch.items);
        // Bodies of which nothing is new need no write.
        if written.is_err() || items.any(Result::is_ok) {
            next = start + WRITE_INTERVAL;
            let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            figures.writes.fetch_add(1, Ordering::Relaxed);
            figures.write_nanoseconds.fetch_add(took, Ordering::Relaxed);
            figures.failing.store(written.is_err(), Ordering::Relaxed);
        }
        match written {
            Ok(()) => {
                for (batch, reply) in batches.into_iter().zip(replies) {
                    for reject in batch.items.iter().filter_map(|item| item.as_ref().err()) {
                        figures.count(*reject);
                    }
                    // Who does not wait any more asks again.
                    let _ = reply.send(Ok(batch.items));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "readings were not taken");
                let error = Arc::new(error);
                for reply in replies {
                    let _ = reply.send(Err(StoreError::Write(error.clone())));
                }
            }
        }
    }
}

/// Keeps those of second readings of a sequence that are evidence.
fn put_equivocations(database: &Database, log: &Log, readings: &[Bytes]) -> Result<(), StoreError> {
    let mut evidence = Vec::new();
    for bytes in readings {
        evidence.extend(equivocation(log, &parse_second(bytes)?)?);
    }
    if evidence.is_empty() {
        return Ok(());
    }
    let transaction = db!(database.begin_write());
    {
        let mut table = db!(transaction.open_table(EQUIVOCATIONS));
        for [_, second] in &evidence {
            insert_second(&mut table, second)?;
        }
    }
    db!(transaction.commit());
    Ok(())
}

/// Gives equivocations that were written down by their digest alone the key that they have now.
fn add_devices(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut table = db!(transaction.open_table(EQUIVOCATIONS));
    let old = db!(table.extract_if(|key, _| key.len() == size_of::<Hash>()))
        .map(|entry| Ok(db!(entry).1.value().to_vec()))
        .collect::<Result<Vec<_>, StoreError>>()?;
    for bytes in old {
        insert_second(&mut table, &parse_second(&bytes)?)?;
    }
    Ok(())
}

/// The equivocation of `second` and what was taken before it, if it is one: a device that lost its counter at a reboot
/// says other things under the same sequences, and that is no offence.
fn equivocation(
    log: &Log,
    second: &SignedReading,
) -> Result<Option<[SignedReading; 2]>, StoreError> {
    let first = log.taken(&second.reading)?;
    Ok(first
        .filter(|first| check_equivocation(&first.reading, &second.reading).is_ok())
        .map(|first| [first, *second]))
}

fn parse_second(bytes: &[u8]) -> Result<SignedReading, StoreError> {
    SignedReading::parse(bytes)
        .map(|(second, _)| second)
        .map_err(|_| StoreError::Damaged("equivocation"))
}

fn insert_second(
    table: &mut Table<&[u8], &[u8]>,
    second: &SignedReading,
) -> Result<(), StoreError> {
    let key = equivocation_key(&second.reading.device, &second.reading.digest());
    db!(table.insert(key.as_slice(), second.to_bytes().as_slice()));
    Ok(())
}

fn equivocation_key(device: &Hash, digest: &Hash) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(device);
    key[32..].copy_from_slice(digest);
    key
}

fn grant_key(device: &Hash, leaf_nonce: u32, counter: u32) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(device);
    key[32..36].copy_from_slice(&leaf_nonce.to_be_bytes());
    key[36..].copy_from_slice(&counter.to_be_bytes());
    key
}

fn seen_key(stream: &Hash, sequence: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(stream);
    key[32..].copy_from_slice(&sequence.to_be_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As after a panic of the writer.
    #[tokio::test]
    async fn says_when_its_writer_has_ended() {
        let data = tempfile::TempDir::new().expect("directory");
        let mut store = Store::open(data.path()).expect("store");
        let moment = Duration::from_millis(10);
        let waited = tokio::time::timeout(moment, store.ended()).await;
        assert!(waited.is_err());
        let (queue, _) = mpsc::channel(1);
        store.queue = Some(queue);
        store.ended().await;
        let batch = Batch {
            body: Bytes::new(),
            items: Vec::new(),
        };
        assert!(matches!(store.take(batch).await, Err(StoreError::Ended)));
    }
}
