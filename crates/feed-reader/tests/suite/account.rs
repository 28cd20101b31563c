//! Writes feed accounts as ai-feed does, field after field.

use feed_reader::{FEED_DISCRIMINATOR, HISTORY};

/// Milliseconds in a second.
pub const SECOND: i64 = 1_000;

/// Operators behind every entry.
pub const ATTESTERS: u16 = 4;

/// Streams behind every entry.
pub const STREAMS: u16 = 2;

#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    pub round: u64,
    pub value: i64,
    pub newest_capture: i64,
    pub mask: u16,
    pub flags: u16,
}

/// What an entry holds besides: each different, and from one entry to another where it can be.
impl Entry {
    pub fn confidence(&self) -> u64 {
        self.round
    }

    pub fn ema(&self) -> i64 {
        self.value.wrapping_add(1)
    }

    pub fn posted_at(&self) -> i64 {
        self.newest_capture / SECOND + 20
    }

    pub fn oldest_capture(&self) -> i64 {
        self.newest_capture.wrapping_sub(30 * SECOND)
    }

    pub fn data_root(&self) -> [u8; 32] {
        [(self.round as u8).wrapping_add(2); 32]
    }
}

#[derive(Clone, Debug)]
pub struct Account {
    pub version: u8,
    pub state: u8,
    pub cell_count: u8,
    pub id: [u8; 32],
    pub entries: u32,
    pub head: u32,
    pub frozen_at: i64,
    pub ring: [Entry; HISTORY],
}

impl Account {
    pub fn new() -> Self {
        Self {
            version: 1,
            state: 0,
            cell_count: 2,
            id: [1; 32],
            entries: 0,
            head: 0,
            frozen_at: 0,
            ring: [Entry::default(); HISTORY],
        }
    }

    /// As ai-feed finalises a round.
    pub fn push(&mut self, entry: Entry) {
        if self.entries > 0 {
            self.head = (self.head + 1) % HISTORY as u32;
        }
        self.entries = (self.entries + 1).min(HISTORY as u32);
        self.ring[self.head as usize] = entry;
    }

    pub fn with(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut account = Self::new();
        entries.into_iter().for_each(|entry| account.push(entry));
        account
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = FEED_DISCRIMINATOR.to_vec();
        let exponent = -2i8;
        bytes.extend([
            self.version,
            self.state,
            exponent as u8,
            0,
            255,
            self.cell_count,
        ]);
        bytes.extend(3u16.to_le_bytes()); // schema
        bytes.extend(self.id);
        for key in 2..7 {
            bytes.extend([key; 32]); // network, model, creator, authority, pending authority
        }
        bytes.extend(60i64.to_le_bytes()); // round length
        bytes.extend(1_700_000_000i64.to_le_bytes()); // created at
        bytes.extend(120u32.to_le_bytes()); // largest gap
        bytes.extend([3, 1]); // signers and streams, at least
        bytes.extend(5u16.to_le_bytes()); // required mask
        bytes.extend(30i64.to_le_bytes()); // grace
        bytes.extend(3_600i64.to_le_bytes()); // challenge window
        for cell in 0..8u64 {
            bytes.extend((0x088f_0000_0000_0000 | cell).to_le_bytes());
        }
        let newest = self.ring[self.head as usize];
        bytes.extend(newest.round.to_le_bytes());
        bytes.extend(self.entries.to_le_bytes());
        bytes.extend(self.head.to_le_bytes());
        bytes.extend(newest.ema().to_le_bytes());
        bytes.extend(self.frozen_at.to_le_bytes());
        bytes.extend([0; 240]);
        for entry in &self.ring {
            bytes.extend(entry.round.to_le_bytes());
            bytes.extend(entry.value.to_le_bytes());
            bytes.extend(entry.confidence().to_le_bytes());
            bytes.extend(entry.ema().to_le_bytes());
            bytes.extend(entry.posted_at().to_le_bytes());
            bytes.extend(entry.oldest_capture().to_le_bytes());
            bytes.extend(entry.newest_capture.to_le_bytes());
            bytes.extend(entry.data_root());
            bytes.extend(entry.mask.to_le_bytes());
            bytes.extend(ATTESTERS.to_le_bytes());
            bytes.extend(STREAMS.to_le_bytes());
            bytes.extend(entry.flags.to_le_bytes());
        }
        bytes
    }
}
