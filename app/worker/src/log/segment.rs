//! One file of the log, and its index.
//!
//! A file is blocks: `"FPB1" | count u32 | len u32 | crc u32 | readings`, little-endian; the readings are signed readings
//! back to back, `len` bytes of them, and the checksum is the CRC-32 of count, len and readings. A block is one write,
//! and on the disk before the next is made, so only the last can be torn.
//!
//! A full file gets an index beside it, which is not changed any more:
//! `"FPX1" | devices u32 | entries u32 | log length u32 | first capture i64 | last capture i64 | crc u32 of all that |
//! devices | entries`. A device is `id 32 | first entry u32 | entries u32`, by id; an entry is `leaf nonce u32 | session
//! u32 | sequence u64 | offset u32 | captured at i64`, by device, leaf nonce, session and sequence.

use super::LogError;
use device_protocol::{Hash, Reading, SignedReading, SIGNATURE_LEN};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Bound::{Excluded, Unbounded};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes before a block's readings.
pub const BLOCK_HEADER: usize = 16;
/// Bytes of a signed reading at most.
const MAX_READING: usize = Reading::MAX_LEN + SIGNATURE_LEN;
const BLOCK: &[u8; 4] = b"FPB1";
const INDEX: &[u8; 4] = b"FPX1";
const INDEX_HEADER: usize = 36;
const DEVICE_LEN: usize = 40;
const ENTRY_LEN: usize = 28;
/// Entries that are read at once.
const PAGE: usize = 256;

/// A session of a device under one owner, within which no sequence comes twice: who buys a device may count anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// Nonce of the device's leaf.
    pub leaf_nonce: u32,
    /// The session's counter; 0 for the hardware key.
    pub counter: u32,
}

impl Session {
    /// The session of a reading.
    pub fn of(reading: &Reading) -> Self {
        Self {
            leaf_nonce: reading.leaf_nonce,
            counter: reading.session,
        }
    }
}

/// What tells a device's readings apart: session and sequence.
pub type Key = (Session, u64);

/// The key of a reading.
pub fn key_of(reading: &Reading) -> Key {
    (Session::of(reading), reading.sequence)
}

/// Where one reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The reading's session.
    pub session: Session,
    /// Its sequence.
    pub sequence: u64,
    /// Its first byte in the file.
    pub offset: u32,
    /// When it was captured, ms.
    pub captured_at: i64,
}

impl Entry {
    fn key(&self) -> Key {
        (self.session, self.sequence)
    }

    fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..4].copy_from_slice(&self.session.leaf_nonce.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.session.counter.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.offset.to_le_bytes());
        bytes[20..].copy_from_slice(&self.captured_at.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; ENTRY_LEN]) -> Self {
        Self {
            session: Session {
                leaf_nonce: u32_at(&bytes, 0),
                counter: u32_at(&bytes, 4),
            },
            sequence: u64_at(&bytes, 8),
            offset: u32_at(&bytes, 16),
            captured_at: u64_at(&bytes, 20) as i64,
        }
    }
}

/// The file that is written to, and what it holds.
pub struct Active {
    /// Its number.
    pub number: u32,
    /// It.
    pub file: File,
    /// Its length on the disk: what begins beyond is not taken yet.
    pub durable: u64,
    /// Readings on the disk.
    pub count: u64,
    /// By device, in the order of keys: a device that counts up adds to their end, and one that counts down to their front.
    entries: HashMap<Hash, VecDeque<Entry>>,
}

impl Active {
    /// A new file, on the disk with its name. What an attempt before left of it was never written to.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(dir: &Path, number: u32) -> Result<Self, LogError> {
        let path = log_path(dir, number);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        sync_dir(dir)?;
        Ok(Self {
            number,
            file,
            durable: 0,
            count: 0,
            entries: HashMap::new(),
        })
    }

    /// Opens a file and reads it through. A last block that is torn was never acknowledged, and is cut off.
    ///
    /// # Errors
    /// The disk's; [`LogError::Damaged`] when whole blocks follow one that is not.
    pub fn recover(dir: &Path, number: u32) -> Result<Self, LogError> {
        let path = log_path(dir, number);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut active = Self {
            number,
            file,
            durable: 0,
            count: 0,
            entries: HashMap::new(),
        };
        let mut bytes = Vec::new();
        active.file.read_to_end(&mut bytes)?;
        let mut rest = bytes.as_slice();
        while let Some((readings, after)) = block(rest) {
            let start = bytes.len() - rest.len() + BLOCK_HEADER;
            active.index_block(readings, start, &path)?;
            active.durable = (bytes.len() - after.len()) as u64;
            rest = after;
        }
        if !rest.is_empty() {
            // A sound block further on was acknowledged, and so was what lay before it.
            if is_followed(rest) {
                return Err(LogError::Damaged(path, active.durable));
            }
            tracing::warn!(file = %path.display(), bytes = rest.len(), "cut off a torn write");
            active.cut()?;
        }
        Ok(active)
    }

    fn index_block(&mut self, readings: &[u8], start: usize, path: &Path) -> Result<(), LogError> {
        let mut rest = readings;
        while !rest.is_empty() {
            let offset = start + readings.len() - rest.len();
            let (signed, after) = SignedReading::parse(rest)
                .map_err(|_| LogError::Damaged(path.to_owned(), offset as u64))?;
            let entry = Entry {
                session: Session::of(&signed.reading),
                sequence: signed.reading.sequence,
                offset: u32::try_from(offset)
                    .map_err(|_| LogError::Damaged(path.to_owned(), offset as u64))?,
                captured_at: signed.reading.captured_at,
            };
            self.insert(&signed.reading.device, entry);
            self.count += 1;
            rest = after;
        }
        Ok(())
    }

    /// The device's entries by key, those that are not on the disk yet among them.
    pub fn entries(&self, device: &Hash) -> impl Iterator<Item = &Entry> {
        self.entries.get(device).into_iter().flatten()
    }

    /// The entry of a device with this key.
    pub fn find(&self, device: &Hash, key: Key) -> Option<&Entry> {
        let entries = self.entries.get(device)?;
        let place = entries.partition_point(|entry| entry.key() < key);
        entries.get(place).filter(|entry| entry.key() == key)
    }

    /// The highest sequences of a session, at most `most`.
    pub fn highest(&self, device: &Hash, session: Session, most: usize) -> Vec<u64> {
        let Some(entries) = self.entries.get(device) else {
            return Vec::new();
        };
        let end = entries.partition_point(|entry| entry.key() <= (session, u64::MAX));
        let of_session = entries.range(..end).rev();
        of_session
            .take_while(|entry| entry.session == session)
            .take(most)
            .map(|entry| entry.sequence)
            .collect()
    }

    /// Adds an entry.
    pub fn insert(&mut self, device: &Hash, entry: Entry) {
        let entries = match self.entries.get_mut(device) {
            Some(entries) => entries,
            None => self.entries.entry(*device).or_default(),
        };
        let place = match entries.back() {
            Some(last) if last.key() > entry.key() => {
                entries.partition_point(|other| other.key() < entry.key())
            }
            _ => entries.len(),
        };
        entries.insert(place, entry);
    }

    /// Forgets what is not on the disk.
    pub fn undo(&mut self) {
        let durable = self.durable;
        self.entries.retain(|_, entries| {
            entries.retain(|entry| u64::from(entry.offset) < durable);
            !entries.is_empty()
        });
    }

    /// Cuts off the file what is not known to be on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.durable)?;
        self.file.sync_data()
    }

    /// Writes the index, on the disk when this returns.
    ///
    /// # Errors
    /// The disk's.
    pub fn seal(&self, dir: &Path) -> Result<Sealed, LogError> {
        let mut devices: Vec<(&Hash, &VecDeque<Entry>)> = self.entries.iter().collect();
        devices.sort_unstable_by_key(|(device, _)| **device);
        let all = || devices.iter().flat_map(|(_, entries)| entries.iter());
        let captures = || all().map(|entry| entry.captured_at);
        let sealed = Sealed {
            number: self.number,
            devices: devices.len(),
            entries: all().count(),
            log_len: self.durable,
            first_capture: captures().min().unwrap_or(0),
            last_capture: captures().max().unwrap_or(0),
        };
        let temporary = dir.join("index.tmp");
        let mut file = BufWriter::new(File::create(&temporary)?);
        file.write_all(&sealed.header())?;
        let mut first: u32 = 0;
        for (device, entries) in &devices {
            let count = entries.len() as u32;
            file.write_all(*device)?;
            file.write_all(&first.to_le_bytes())?;
            file.write_all(&count.to_le_bytes())?;
            first += count;
        }
        for entry in all() {
            file.write_all(&entry.to_bytes())?;
        }
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(&temporary, index_path(dir, self.number))?;
        sync_dir(dir)?;
        Ok(sealed)
    }
}

/// A full file with its index.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Its number.
    pub number: u32,
    /// Readings in it.
    pub entries: usize,
    /// Earliest capture in it, ms.
    pub first_capture: i64,
    /// Latest capture in it, ms.
    pub last_capture: i64,
    devices: usize,
    log_len: u64,
}

impl Sealed {
    /// Opens a file's index; `None` when it has none.
    ///
    /// # Errors
    /// The disk's; [`LogError::Damaged`] when index and file don't fit together.
    pub fn open(dir: &Path, number: u32) -> Result<Option<Self>, LogError> {
        let path = index_path(dir, number);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let damaged = || LogError::Damaged(path.clone(), 0);
        let mut header = [0; INDEX_HEADER];
        file.read_exact(&mut header).map_err(|_| damaged())?;
        let sealed = Self {
            number,
            devices: u32_at(&header, 4) as usize,
            entries: u32_at(&header, 8) as usize,
            log_len: u64::from(u32_at(&header, 12)),
            first_capture: u64_at(&header, 16) as i64,
            last_capture: u64_at(&header, 24) as i64,
        };
        let len = INDEX_HEADER + sealed.devices * DEVICE_LEN + sealed.entries * ENTRY_LEN;
        let log_len = fs::metadata(log_path(dir, number))?.len();
        if header != sealed.header()
            || file.metadata()?.len() != len as u64
            || log_len < sealed.log_len
        {
            return Err(damaged());
        }
        Ok(Some(sealed))
    }

    fn header(&self) -> [u8; INDEX_HEADER] {
        let mut header = [0; INDEX_HEADER];
        header[..4].copy_from_slice(INDEX);
        header[4..8].copy_from_slice(&(self.devices as u32).to_le_bytes());
        header[8..12].copy_from_slice(&(self.entries as u32).to_le_bytes());
        header[12..16].copy_from_slice(&(self.log_len as u32).to_le_bytes());
        header[16..24].copy_from_slice(&self.first_capture.to_le_bytes());
        header[24..32].copy_from_slice(&self.last_capture.to_le_bytes());
        let crc = crc32fast::hash(&header[..32]);
        header[32..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// The device's entries, if there are any.
    ///
    /// # Errors
    /// The disk's.
    pub fn entries(&self, dir: &Path, device: &Hash) -> io::Result<Option<Group>> {
        let file = File::open(index_path(dir, self.number))?;
        let (mut low, mut high) = (0, self.devices);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut found = [0; DEVICE_LEN];
            file.read_exact_at(&mut found, (INDEX_HEADER + middle * DEVICE_LEN) as u64)?;
            match found[..32].cmp(device) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let first = u32_at(&found, 32) as usize;
                    return Ok(Some(Group {
                        file,
                        start: INDEX_HEADER + self.devices * DEVICE_LEN + first * ENTRY_LEN,
                        count: u32_at(&found, 36) as usize,
                    }));
                }
            }
        }
        Ok(None)
    }
}

/// A device's entries in an index.
pub struct Group {
    file: File,
    start: usize,
    count: usize,
}

impl Group {
    /// All entries in their order, some of them at a time.
    pub fn pages(&self) -> impl Iterator<Item = io::Result<Vec<Entry>>> + '_ {
        (0..self.count)
            .step_by(PAGE)
            .map(move |first| self.page(first))
    }

    /// The entries that have one of these keys.
    ///
    /// # Errors
    /// The disk's.
    pub fn find(&self, keys: &BTreeSet<Key>) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        let mut next = keys.first();
        while let Some(key) = next {
            // Many keys lie in one page.
            let page = self.page(self.place(*key)?)?;
            let Some(last) = page.last().map(Entry::key) else {
                break;
            };
            found.extend(page.into_iter().filter(|entry| keys.contains(&entry.key())));
            next = keys.range((Excluded(last), Unbounded)).next();
        }
        Ok(found)
    }

    /// The highest sequences of a session, at most `most`.
    ///
    /// # Errors
    /// The disk's.
    pub fn highest(&self, session: Session, most: usize) -> io::Result<Vec<u64>> {
        let last = (session, u64::MAX);
        let place = self.place(last)?;
        let taken = place < self.count && self.entry(place)?.key() == last;
        let end = place + usize::from(taken);
        let mut found = Vec::new();
        for number in (end.saturating_sub(most)..end).rev() {
            let entry = self.entry(number)?;
            if entry.session != session {
                break;
            }
            found.push(entry.sequence);
        }
        Ok(found)
    }

    /// The number of the first entry that is not before `key`.
    fn place(&self, key: Key) -> io::Result<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.key() < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn entry(&self, number: usize) -> io::Result<Entry> {
        let mut bytes = [0; ENTRY_LEN];
        let at = self.start + number * ENTRY_LEN;
        self.file.read_exact_at(&mut bytes, at as u64)?;
        Ok(Entry::from_bytes(bytes))
    }

    /// The entries from one on, as many as are read at once.
    fn page(&self, first: usize) -> io::Result<Vec<Entry>> {
        let mut page = vec![[0; ENTRY_LEN]; PAGE.min(self.count - first)];
        let at = self.start + first * ENTRY_LEN;
        self.file
            .read_exact_at(page.as_flattened_mut(), at as u64)?;
        Ok(page.into_iter().map(Entry::from_bytes).collect())
    }
}

/// A block's header.
pub fn block_header(count: u32, readings: &[u8]) -> [u8; BLOCK_HEADER] {
    let mut header = [0; BLOCK_HEADER];
    header[..4].copy_from_slice(BLOCK);
    header[4..8].copy_from_slice(&count.to_le_bytes());
    header[8..12].copy_from_slice(&(readings.len() as u32).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header[4..12]);
    crc.update(readings);
    header[12..].copy_from_slice(&crc.finalize().to_le_bytes());
    header
}

/// The readings of the block at the front of these bytes, and the bytes after it.
fn block(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<BLOCK_HEADER>()?;
    if &header[..4] != BLOCK {
        return None;
    }
    let (readings, after) = rest.split_at_checked(u32_at(header, 8) as usize)?;
    (block_header(u32_at(header, 4), readings) == *header).then_some((readings, after))
}

/// Whether a sound block follows the one at the front of these bytes, which is not sound.
fn is_followed(bytes: &[u8]) -> bool {
    let Some((header, mut readings)) = bytes.split_first_chunk::<BLOCK_HEADER>() else {
        return false;
    };
    let torn = header.starts_with(BLOCK) && readings.len() <= u32_at(header, 8) as usize;
    if !torn {
        return (1..bytes.len()).any(|at| bytes.get(at..).and_then(block).is_some());
    }
    // By its own word it reaches to the end of the file, unless that word is damaged: then the next one follows a reading.
    // Inside of readings a device can hide a block: an empty one in a reading's values, a whole one in those of two.
    while let Ok((_, after)) = SignedReading::parse(readings) {
        if block(after).is_some() {
            return true;
        }
        readings = after;
    }
    false
}

/// The signed reading at this place of a file.
///
/// # Errors
/// The disk's; [`LogError::Damaged`] when there is none.
pub fn read(file: &File, offset: u32, path: &Path) -> Result<SignedReading, LogError> {
    let mut bytes = [0; MAX_READING];
    let mut len = 0;
    while len < bytes.len() {
        match file.read_at(&mut bytes[len..], u64::from(offset) + len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (signed, _) = SignedReading::parse(&bytes[..len])
        .map_err(|_| LogError::Damaged(path.to_owned(), u64::from(offset)))?;
    Ok(signed)
}

/// The file with this number.
pub fn log_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.log"))
}

fn index_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.index"))
}

/// Sees that a directory's names are on the disk.
///
/// # Errors
/// The disk's.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
