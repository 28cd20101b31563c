use anchor_lang::prelude::*;
use device_protocol::Offence;

/// The layout that this version of the program writes.
const VERSION: u8 = 1;

/// The claim that an operator can't show a reading, at
/// `["challenge", stream, sequence u64, batch u32, reading u16]`. Holds its bond besides its rent, and closes when it is
/// answered or settled.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Challenge {
    /// Layout, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// The reading's index in the batch: window × 16 + its place in the window.
    pub reading: u16,
    /// The batch's index in the commitment.
    pub batch: u32,
    /// The commitment's number in the stream.
    pub sequence: u64,
    /// The stream that committed to the reading.
    pub stream: Pubkey,
    /// Who put up the bond.
    pub challenger: Pubkey,
    /// Root over the batch's readings.
    pub readings_root: [u8; 32],
    /// The last second in which it can be answered, unix seconds.
    pub answer_by: i64,
    /// What whoever answers gets besides the rent, in lamports.
    pub bond: u64,
    /// What the operator loses of its stake without an answer, basis points, as the network had it when it was challenged.
    pub slash_bps: u16,
    pub _pad: [u8; 6],
    pub reserved: [u8; 64],
}

/// What a challenge is made of.
pub struct Challenged {
    /// The stream that committed to the reading.
    pub stream: Pubkey,
    /// Who puts up the bond.
    pub challenger: Pubkey,
    /// The commitment's number in the stream.
    pub sequence: u64,
    /// The batch's index in the commitment.
    pub batch: u32,
    /// The reading's index in the batch.
    pub reading: u16,
    /// Root over the batch's readings.
    pub readings_root: [u8; 32],
    /// The last second in which it can be answered, unix seconds.
    pub answer_by: i64,
    /// What whoever answers gets, in lamports.
    pub bond: u64,
    /// What the operator loses of its stake without an answer, basis points.
    pub slash_bps: u16,
}

impl Challenge {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(&mut self, bump: u8, challenged: Challenged) {
        let Challenged {
            stream,
            challenger,
            sequence,
            batch,
            reading,
            readings_root,
            answer_by,
            bond,
            slash_bps,
        } = challenged;
        self.version = VERSION;
        self.bump = bump;
        self.reading = reading;
        self.batch = batch;
        self.sequence = sequence;
        self.stream = stream;
        self.challenger = challenger;
        self.readings_root = readings_root;
        self.answer_by = answer_by;
        self.bond = bond;
        self.slash_bps = slash_bps;
    }

    /// The id of the offence that it is not to be answered.
    pub fn offence(&self, network: &[u8; 32]) -> [u8; 32] {
        Offence::Withheld {
            stream: &self.stream.to_bytes(),
            sequence: self.sequence,
            batch: self.batch,
            reading: self.reading,
        }
        .id(network)
    }
}
