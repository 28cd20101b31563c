//! The readings on the disk: a log that is only appended to, in files, each with an index once it is full.
//!
//! One [`Appender`] writes; whoever holds the [`Log`] reads, and sees what is on the disk and nothing else. What is held
//! in memory does not grow with the log: the entries of the file that is written to, and what lately sending devices
//! sent last.

pub mod seen;
mod segment;

use crate::cache::Cache;
use crate::Reject;
use axum::body::Bytes;
use device_protocol::{Hash, Reading, SignedReading};
use seen::{Known, Seen, WINDOW};
pub use segment::Session;
use segment::{Active, Entry, Key, Sealed, BLOCK_HEADER};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Length of files, in bytes.
pub const FILE_LEN: u32 = 64 << 20;
/// Sessions whose sequences are remembered in memory; those of others are looked up.
pub const SESSIONS: usize = 1 << 19;

/// What is wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no room.
    #[error("the disk is full: make room, then send again")]
    Full,
    /// The disk.
    #[error("the disk failed: {0}")]
    Disk(io::Error),
    /// A file is not what was written.
    #[error("{0} is damaged at byte {1}: restore it from a copy")]
    Damaged(PathBuf, u64),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) {
            Self::Full
        } else {
            Self::Disk(error)
        }
    }
}

/// Whether there was no room on the disk.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// A verified reading in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its bytes in the body, signature included.
    pub bytes: Range<usize>,
    /// The device's id.
    pub device: Hash,
    /// The session.
    pub session: Session,
    /// The sequence in the session.
    pub sequence: u64,
    /// When it was captured, ms.
    pub captured_at: i64,
}

/// One body's readings: those that verify, and why others don't.
#[derive(Debug)]
pub struct Batch {
    /// What was sent.
    pub body: Bytes,
    /// Its readings in their order.
    pub items: Vec<Result<Record, Reject>>,
}

/// The log, to read from.
pub struct Log {
    dir: PathBuf,
    state: RwLock<State>,
}

struct State {
    sealed: Vec<Sealed>,
    active: Active,
}

impl Log {
    /// Opens the log in `dir`, made if needed, with new files of at most `file_len` bytes, or one write. A torn last
    /// write, which was not acknowledged, is cut off.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(dir: &Path, file_len: u32) -> Result<(Arc<Self>, Appender), LogError> {
        fs::create_dir_all(dir)?;
        if let Some(parent) = dir.parent() {
            segment::sync_dir(parent)?;
        }
        let mut numbers: Vec<u32> = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let number = name
                .strip_suffix(".log")
                .and_then(|number| number.parse::<u32>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        let (mut sealed, mut active) = (Vec::new(), None);
        for number in &numbers {
            match Sealed::open(dir, *number)? {
                Some(file) => sealed.push(file),
                None if Some(number) == numbers.last() => {
                    active = Some(Active::recover(dir, *number)?);
                }
                // An index is on the disk before the next file is made.
                None => return Err(LogError::Damaged(segment::log_path(dir, *number), 0)),
            }
        }
        let active = match active {
            Some(active) => active,
            None => Active::create(dir, numbers.last().map_or(0, |last| last + 1))?,
        };
        let log = Arc::new(Self {
            dir: dir.to_owned(),
            state: RwLock::new(State { sealed, active }),
        });
        let appender = Appender {
            log: log.clone(),
            seen: Cache::new(SESSIONS),
            buffer: Vec::new(),
            file_len: u64::from(file_len),
            renew: false,
        };
        Ok((log, appender))
    }

    /// Number of readings.
    pub fn count(&self) -> u64 {
        let state = self.read();
        let sealed: u64 = state.sealed.iter().map(|file| file.entries as u64).sum();
        sealed + state.active.count
    }

    /// The newest readings of `device` captured in `from..=to` (ms), at most `most`, oldest first. However many there are, no
    /// more than these are held in memory or read.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn readings(
        &self,
        device: &Hash,
        from: i64,
        to: i64,
        most: usize,
    ) -> Result<Vec<SignedReading>, LogError> {
        let mut newest = BTreeMap::new();
        let mut add = |number: u32, entry: Entry| {
            if (from..=to).contains(&entry.captured_at) {
                let age = (entry.captured_at, entry.session, entry.sequence);
                newest.insert(age, (number, entry.offset));
                if newest.len() > most {
                    newest.pop_first();
                }
            }
        };
        let (sealed, number, file) = {
            let state = self.read();
            let active = &state.active;
            for entry in active.entries(device) {
                if u64::from(entry.offset) < active.durable {
                    add(active.number, *entry);
                }
            }
            let sealed: Vec<Sealed> = state
                .sealed
                .iter()
                .filter(|file| file.first_capture <= to && from <= file.last_capture)
                .cloned()
                .collect();
            (sealed, active.number, active.file.try_clone()?)
        };
        for file in &sealed {
            let Some(group) = file.entries(&self.dir, device)? else {
                continue;
            };
            for page in group.pages() {
                for entry in page? {
                    add(file.number, entry);
                }
            }
        }
        let mut open = (number, file);
        let mut readings = Vec::with_capacity(newest.len());
        for (number, offset) in newest.into_values() {
            let path = segment::log_path(&self.dir, number);
            if open.0 != number {
                open = (number, fs::File::open(&path)?);
            }
            readings.push(segment::read(&open.1, offset, &path)?);
        }
        Ok(readings)
    }

    /// The reading that was taken under the session and sequence of `reading`.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn taken(&self, reading: &Reading) -> Result<Option<SignedReading>, LogError> {
        let keys = BTreeSet::from([segment::key_of(reading)]);
        let taken = self.taken_of(&self.read(), &reading.device, &keys)?;
        Ok(taken.into_iter().next())
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of the readings that are about to be written may have been taken, by device and key, and what is on the disk of it.
type Doubtful = HashMap<(Hash, Key), Option<SignedReading>>;

/// What writes the log.
pub struct Appender {
    log: Arc<Log>,
    seen: Cache<(Hash, Session), Seen>,
    buffer: Vec<u8>,
    file_len: u64,
    /// Whether the file must be left for a new one before anything is written.
    renew: bool,
}

impl Appender {
    /// Takes the batches' readings: each is put on the disk, or a replay, or an equivocation, and its item says which.
    /// All of them, fewer than [`SESSIONS`], are one write. Returns the signed readings that equivocate, in bytes.
    ///
    /// # Errors
    /// [`LogError`]; then nothing of the batches was taken.
    pub fn append(&mut self, batches: &mut [Batch]) -> Result<Vec<Bytes>, LogError> {
        let written = self.append_all(batches);
        if written.is_err() {
            self.log.write().active.undo();
            self.seen.clear();
        }
        written
    }

    fn append_all(&mut self, batches: &mut [Batch]) -> Result<Vec<Bytes>, LogError> {
        let log = self.log.clone();
        let most: usize = batches.iter().map(|batch| batch.body.len()).sum();
        let durable = log.read().active.durable;
        let full = durable > 0 && durable + (BLOCK_HEADER + most) as u64 > self.file_len;
        if full || self.renew {
            self.next_file()?;
        }
        self.buffer.clear();
        self.buffer.resize(BLOCK_HEADER, 0);
        let doubtful = self.doubtful(&log.read(), batches)?;
        let mut equivocations = Vec::new();
        let mut count = 0;
        let mut state = log.write();
        for batch in batches {
            for item in &mut batch.items {
                let Ok(record) = item else { continue };
                let bytes = &batch.body[record.bytes.clone()];
                match self.take(&mut state, &doubtful, record, bytes)? {
                    Ok(()) => count += 1,
                    Err(reject) => {
                        if reject == Reject::Equivocation {
                            equivocations.push(batch.body.slice(record.bytes.clone()));
                        }
                        *item = Err(reject);
                    }
                }
            }
        }
        drop(state);
        if count > 0 {
            self.write_block(count)?;
        }
        Ok(equivocations)
    }

    /// What of the batches' readings may have been taken, before or twice among them. The disk is asked for all of it at once: a
    /// device that counts down from the highest sequence would have every file searched for each of its readings.
    ///
    /// From here on the sequences count as taken. One write holds fewer than [`SESSIONS`], so none is forgotten before the last.
    fn doubtful(&mut self, state: &State, batches: &[Batch]) -> Result<Doubtful, LogError> {
        let mut keys: BTreeMap<Hash, BTreeSet<Key>> = BTreeMap::new();
        for record in batches
            .iter()
            .flat_map(|batch| batch.items.iter().flatten())
        {
            let (device, session) = (record.device, record.session);
            let seen = self.seen.get_or_try_insert_with((device, session), || {
                self.log.seen(state, &device, session)
            })?;
            if seen.look(record.sequence) != Known::New {
                let keys = keys.entry(device).or_default();
                keys.insert((session, record.sequence));
            }
            seen.take(record.sequence);
        }
        let mut doubtful = HashMap::new();
        for (device, keys) in keys {
            doubtful.extend(keys.iter().map(|key| ((device, *key), None)));
            for signed in self.log.taken_of(state, &device, &keys)? {
                doubtful.insert((device, segment::key_of(&signed.reading)), Some(signed));
            }
        }
        Ok(doubtful)
    }

    /// Puts a record into the block that is about to be written, if its sequence was not taken.
    fn take(
        &mut self,
        state: &mut State,
        doubtful: &Doubtful,
        record: &Record,
        bytes: &[u8],
    ) -> Result<Result<(), Reject>, LogError> {
        let key = (record.session, record.sequence);
        let before = match doubtful.get(&(record.device, key)) {
            None => None,
            Some(Some(signed)) => Some(*signed),
            Some(None) => self.in_block(&state.active, &record.device, key)?,
        };
        if let Some(before) = before {
            // A P-256 signature can be made anew over the same reading, so the reading counts.
            let same = SignedReading::parse(bytes)
                .is_ok_and(|(signed, _)| signed.reading == before.reading);
            return Ok(Err(if same {
                Reject::Replay
            } else {
                Reject::Equivocation
            }));
        }
        let entry = Entry {
            session: record.session,
            sequence: record.sequence,
            offset: (state.active.durable + self.buffer.len() as u64) as u32,
            captured_at: record.captured_at,
        };
        state.active.insert(&record.device, entry);
        self.buffer.extend_from_slice(bytes);
        Ok(Ok(()))
    }

    /// The reading with this key in the block that is about to be written.
    fn in_block(
        &self,
        active: &Active,
        device: &Hash,
        key: Key,
    ) -> Result<Option<SignedReading>, LogError> {
        let Some(entry) = active.find(device, key) else {
            return Ok(None);
        };
        let offset = u64::from(entry.offset);
        let place = offset.checked_sub(active.durable);
        place
            .and_then(|place| self.buffer.get(place as usize..))
            .and_then(|bytes| SignedReading::parse(bytes).ok())
            .map(|(signed, _)| Some(signed))
            .ok_or_else(|| {
                LogError::Damaged(segment::log_path(&self.log.dir, active.number), offset)
            })
    }

    fn write_block(&mut self, count: u32) -> Result<(), LogError> {
        let (header, readings) = self.buffer.split_at_mut(BLOCK_HEADER);
        header.copy_from_slice(&segment::block_header(count, readings));
        {
            let state = self.log.read();
            let active = &state.active;
            if let Err(error) = active.file.write_all_at(&self.buffer, active.durable) {
                // The next block overwrites it, or the next file comes.
                self.renew = active.cut().is_err();
                return Err(error.into());
            }
            if let Err(error) = active.file.sync_data() {
                // What the system holds of this file can't be trusted any more.
                self.renew = true;
                // Tried for the room; the index says how far the file counts.
                let _ = active.cut();
                return Err(error.into());
            }
        }
        let mut state = self.log.write();
        state.active.durable += self.buffer.len() as u64;
        state.active.count += u64::from(count);
        Ok(())
    }

    /// Seals the file and begins the next. Once begun it must end before anything is written.
    fn next_file(&mut self) -> Result<(), LogError> {
        self.renew = true;
        let dir = &self.log.dir;
        let (sealed, number) = {
            let state = self.log.read();
            (state.active.seal(dir)?, state.active.number)
        };
        let active = Active::create(dir, number + 1)?;
        let mut state = self.log.write();
        state.sealed.push(sealed);
        state.active = active;
        self.renew = false;
        Ok(())
    }
}

impl Log {
    /// What the log knows of a session's sequences.
    fn seen(&self, state: &State, device: &Hash, session: Session) -> Result<Seen, LogError> {
        let most = WINDOW as usize;
        let mut sequences = state.active.highest(device, session, most);
        for file in &state.sealed {
            if let Some(group) = file.entries(&self.dir, device)? {
                sequences.extend(group.highest(session, most)?);
            }
        }
        let mut seen = Seen::default();
        for sequence in sequences {
            seen.take(sequence);
        }
        Ok(seen)
    }

    /// The readings of a device that were taken under these keys.
    fn taken_of(
        &self,
        state: &State,
        device: &Hash,
        keys: &BTreeSet<Key>,
    ) -> Result<Vec<SignedReading>, LogError> {
        let active = &state.active;
        let path = segment::log_path(&self.dir, active.number);
        let mut taken = Vec::new();
        for entry in keys.iter().filter_map(|key| active.find(device, *key)) {
            // What is not on the disk yet is not taken.
            if u64::from(entry.offset) < active.durable {
                taken.push(segment::read(&active.file, entry.offset, &path)?);
            }
        }
        for file in state.sealed.iter().rev() {
            // A key is in one file at most.
            if taken.len() == keys.len() {
                break;
            }
            let Some(group) = file.entries(&self.dir, device)? else {
                continue;
            };
            let path = segment::log_path(&self.dir, file.number);
            for entry in group.find(keys)? {
                taken.push(segment::read(&fs::File::open(&path)?, entry.offset, &path)?);
            }
        }
        Ok(taken)
    }
}
