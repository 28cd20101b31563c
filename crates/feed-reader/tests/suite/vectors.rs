//! The golden vectors: accounts, what is asked of them, and what has to come of it, said here by hand.

use crate::account::{Account, Entry, ATTESTERS, SECOND, STREAMS};
use feed_reader::{FeedError, Mask, AI_FEED_ID, HISTORY};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// vectors.json.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Vectors {
    pub about: String,
    pub reads: Vec<Read>,
}

/// One reader's request.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Read {
    pub name: String,
    /// File of the account's data.
    pub account: String,
    /// Owner of the account, in hex.
    pub owner: String,
    /// Id of the feed that the reader expects, in hex.
    pub id: String,
    pub now: String,
    pub max_age: u32,
    pub min_mask: u16,
    /// What the reader gets, or else the error's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Expected>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u32>,
    /// Every round that would have done, the newest first; none when asking for them fails with the same error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<Vec<String>>,
    /// Round and dispute of the newest entry, whatever stands behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<(String, bool)>,
}

/// A value; what has 64 bits is text.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Expected {
    pub round: String,
    pub value: String,
    pub exponent: i8,
    pub confidence: String,
    pub ema: String,
    pub posted_at: String,
    pub oldest_capture: String,
    pub newest_capture: String,
    pub data_root: String,
    pub mask: u16,
    pub attesters: u16,
    pub streams: u16,
}

impl From<&Entry> for Expected {
    fn from(entry: &Entry) -> Self {
        Self {
            round: entry.round.to_string(),
            value: entry.value.to_string(),
            exponent: -2,
            confidence: entry.confidence().to_string(),
            ema: entry.ema().to_string(),
            posted_at: entry.posted_at().to_string(),
            oldest_capture: entry.oldest_capture().to_string(),
            newest_capture: entry.newest_capture.to_string(),
            data_root: hex::encode(entry.data_root()),
            mask: entry.mask,
            attesters: ATTESTERS,
            streams: STREAMS,
        }
    }
}

const ABOUT: &str = "Accounts of feeds, and what reading them gives. Numbers of 64 bits are text. A read names the \
    account's file and owner, the id expected, the clock (unix seconds), the greatest age in seconds, and the mask. It \
    gives value, or fails with error; rounds are all that would have done, the newest first; newest is the round of \
    the newest entry whatever stands behind it, and whether it is disputed. Written by `cargo run -p feed-reader \
    --example vectors`.";
const NOW: i64 = 1_790_000_000;
const SIGNED: u16 = Mask::COMMITTEE | Mask::SOURCED;

/// The directory of the vectors.
pub fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))
}

/// Every file's name and content.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut set = Set::default();
    usual(&mut set);
    disputed(&mut set);
    rings(&mut set);
    frozen(&mut set);
    extremes(&mut set);
    damaged(&mut set);
    let vectors = Vectors {
        about: ABOUT.into(),
        reads: set.reads,
    };
    let mut json = serde_json::to_vec_pretty(&vectors).expect("JSON");
    json.push(b'\n');
    set.files.push(("vectors.json".into(), json));
    set.files
}

#[derive(Default)]
struct Set {
    files: Vec<(String, Vec<u8>)>,
    reads: Vec<Read>,
    newest: Option<(String, bool)>,
}

/// What a read has to give.
enum Outcome<'a> {
    /// This entry, and these rounds.
    Is(&'a Entry, &'a [u64]),
    /// An error, and yet these rounds.
    Fails(FeedError, &'a [u64]),
    /// An error, whatever is asked for.
    Refused(FeedError),
}
use Outcome::{Fails, Is, Refused};

impl Set {
    fn account(&mut self, name: &str, account: &Account) {
        let newest = account.ring[account.head as usize];
        self.bytes(name, account.bytes());
        self.newest = (account.entries > 0).then(|| (newest.round.to_string(), newest.flags == 1));
    }

    fn bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.push((format!("{name}.bin"), bytes));
        self.newest = None;
    }

    /// A read of the account added last.
    fn read(&mut self, name: &str, now: i64, max_age: u32, min_mask: u16, outcome: Outcome) {
        let (value, error, rounds) = match outcome {
            Is(entry, rounds) => (Some(Expected::from(entry)), None, Some(rounds)),
            Fails(error, rounds) => (None, Some(error), Some(rounds)),
            Refused(error) => (None, Some(error), None),
        };
        let (account, _) = self.files.last().expect("an account");
        self.reads.push(Read {
            name: name.into(),
            account: account.clone(),
            owner: hex::encode(AI_FEED_ID),
            id: hex::encode([1; 32]),
            now: now.to_string(),
            max_age,
            min_mask,
            value,
            error: error.map(FeedError::code),
            rounds: rounds.map(|rounds| rounds.iter().map(u64::to_string).collect()),
            newest: self.newest.clone(),
        });
    }
}

fn entry(round: u64, age: i64, mask: u16) -> Entry {
    Entry {
        round,
        value: 2_000 - 1_500 * (round as i64 % 3),
        newest_capture: (NOW - age) * SECOND + 999,
        mask,
        flags: 0,
    }
}

fn usual(set: &mut Set) {
    let entries = [
        entry(100, 240, SIGNED | Mask::ZK),
        entry(101, 180, SIGNED),
        entry(102, 120, SIGNED | Mask::OPTIMISTIC),
        entry(103, 60, SIGNED),
        entry(104, 1, Mask::COMMITTEE),
    ];
    let [e100, _, e102, e103, e104] = &entries;
    set.account("usual", &Account::with(entries));
    let all = [104, 103, 102, 101, 100];
    set.read("the newest entry", NOW, 240, 1, Is(e104, &all));
    let signed = [103, 102, 101];
    set.read(
        "an older one has the mask",
        NOW,
        180,
        SIGNED,
        Is(e103, &signed),
    );
    set.read("just young enough", NOW, 60, SIGNED, Is(e103, &[103]));
    set.read(
        "a second too old",
        NOW,
        59,
        SIGNED,
        Fails(FeedError::TooOld, &[]),
    );
    set.read("OPTIMISTIC", NOW, 120, Mask::OPTIMISTIC, Is(e102, &[102]));
    let zk = Mask::ZK | Mask::SOURCED;
    set.read("ZK and SOURCED", NOW, 240, zk, Is(e100, &[100]));
    let none = || Fails(FeedError::NotVerified, &[]);
    set.read("no entry has the bit", NOW, 240, Mask::ORACLE, none());
    set.read("no entry has all bits", NOW, 240, Mask::ALL, none());
    set.read("a bit that means nothing", NOW, 240, 0x8000, none());
    set.read("no mask", NOW, 240, 0, Refused(FeedError::NoMask));
    let before = NOW - 1;
    set.read(
        "captured within this second",
        before,
        0,
        1,
        Is(e104, &[104]),
    );
    let before = NOW - 2;
    let older = Fails(FeedError::InFuture, &[103]);
    set.read("captured in the future", before, 60, 1, older);
    set.read(
        "an older one than that",
        before,
        58,
        SIGNED,
        Is(e103, &[103]),
    );
    let oldest = u32::MAX;
    set.read(
        "the end of time",
        i64::MAX,
        oldest,
        1,
        Fails(FeedError::TooOld, &[]),
    );
    set.read(
        "its beginning",
        i64::MIN,
        oldest,
        1,
        Fails(FeedError::InFuture, &[]),
    );
    set.read("another owner", NOW, 240, 1, Refused(FeedError::Owner));
    let read = set.reads.last_mut().expect("a read");
    read.owner = hex::encode([0x2b; 32]);
    set.read("another id", NOW, 240, 1, Refused(FeedError::Id));
    let read = set.reads.last_mut().expect("a read");
    read.id = hex::encode([2; 32]);
}

fn disputed(set: &mut Set) {
    let disputed = Entry {
        flags: 1,
        ..entry(201, 0, Mask::ALL)
    };
    let before = entry(200, 60, SIGNED);
    set.account("disputed", &Account::with([before, disputed]));
    set.read("the one before", NOW, 60, SIGNED, Is(&before, &[200]));
    set.read(
        "which is too old",
        NOW,
        59,
        SIGNED,
        Fails(FeedError::TooOld, &[]),
    );
    set.account("all-disputed", &Account::with([disputed]));
    let none = Fails(FeedError::NotVerified, &[]);
    set.read("nothing undisputed", NOW, 60, 1, none);
}

fn rings(set: &mut Set) {
    set.account("empty", &Account::new());
    set.read(
        "no round yet",
        NOW,
        u32::MAX,
        1,
        Fails(FeedError::NoEntry, &[]),
    );

    let last = HISTORY as u64;
    let rounds = |rounds: std::ops::RangeInclusive<u64>| -> Vec<Entry> {
        let newest = *rounds.end();
        let mask = |round| match round {
            36 => Mask::ZK,
            37 => Mask::OPTIMISTIC,
            _ => Mask::COMMITTEE,
        };
        rounds
            .map(|round| entry(round, 60 * (newest - round) as i64, mask(round)))
            .collect()
    };
    let full = rounds(1..=last);
    set.account("full", &Account::with(full.clone()));
    set.read(
        "the place of the first",
        NOW,
        60 * 63,
        Mask::ZK,
        Is(&full[35], &[36]),
    );
    let wrapped = rounds(1..=100);
    set.account("wrapped", &Account::with(wrapped.clone()));
    let kept: Vec<u64> = (38..=100).rev().collect();
    set.read("around the end", NOW, u32::MAX, 1, Is(&wrapped[99], &kept));
    let oldest = Is(&wrapped[36], &[37]);
    set.read("the oldest kept", NOW, u32::MAX, Mask::OPTIMISTIC, oldest);
    let gone = Fails(FeedError::NotVerified, &[]);
    set.read("the newest gone", NOW, u32::MAX, Mask::ZK, gone);
}

fn frozen(set: &mut Set) {
    let entries = [
        entry(300, 60, SIGNED),
        entry(301, 30, SIGNED),
        entry(302, 0, SIGNED),
    ];
    // Each is posted 20 seconds after its capture.
    let account = Account {
        state: 1,
        frozen_at: NOW - 10,
        ..Account::with(entries)
    };
    set.account("frozen", &account);
    let posted = Fails(FeedError::Frozen, &[301, 300]);
    set.read("what it had posted", NOW, 60, SIGNED, posted);
    let young = Fails(FeedError::Frozen, &[301]);
    set.read("and is young enough", NOW, 30, SIGNED, young);
}

fn extremes(set: &mut Set) {
    let early = Entry {
        newest_capture: -1,
        ..entry(1, 0, 1)
    };
    set.account("before-1970", &Account::with([early]));
    set.read("in the second before 1970", -1, 0, 1, Is(&early, &[1]));
    set.read("a second later", 0, 0, 1, Fails(FeedError::TooOld, &[]));
    set.read(
        "a second earlier",
        -2,
        0,
        1,
        Fails(FeedError::InFuture, &[]),
    );
    let least = Entry {
        round: u64::MAX,
        value: i64::MIN,
        newest_capture: i64::MAX,
        mask: u16::MAX,
        flags: 0,
    };
    set.account("extreme", &Account::with([least]));
    let captured = i64::MAX / SECOND;
    set.read(
        "the ends of every number",
        captured,
        0,
        u16::MAX,
        Is(&least, &[u64::MAX]),
    );
}

fn damaged(set: &mut Set) {
    let whole = Account::with([entry(1, 0, 1)]);
    let bytes = whole.bytes();
    let mut refused = |name: &str, bytes: &[u8], error| {
        set.bytes(name, bytes.to_vec());
        set.read(name, NOW, 60, 1, Refused(error));
    };
    refused("no-bytes", &[], FeedError::Length);
    refused("short", &bytes[..bytes.len() - 1], FeedError::Length);
    refused(
        "long",
        &[&bytes, [0].as_slice()].concat(),
        FeedError::Length,
    );
    let with = |change: &dyn Fn(&mut Account)| {
        let mut account = whole.clone();
        change(&mut account);
        account.bytes()
    };
    let later = with(&|account| account.version = 2);
    refused("later-version", &later, FeedError::Version);
    let more = with(&|account| account.entries = HISTORY as u32 + 1);
    refused("more-entries", &more, FeedError::Corrupt);
    let mut beyond = bytes.clone();
    beyond[324] = HISTORY as u8;
    refused("head-beyond", &beyond, FeedError::Corrupt);
    let mut other = bytes;
    other[0] ^= 1;
    refused("no-feed", &other, FeedError::Discriminator);
}
