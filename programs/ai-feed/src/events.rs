//! What people follow.

use anchor_lang::prelude::*;

/// An attestation passed verifications.
#[event]
pub struct AttestationPassed {
    /// Address of the feed.
    pub feed: Pubkey,
    /// Address of the attestation.
    pub attestation: Pubkey,
    /// Number of the round.
    pub round: u64,
    /// Verifications it has passed now.
    pub mask: u16,
    /// Committee members that signed, a bit each.
    pub signers: u64,
}

/// A network takes proofs of one more key.
#[event]
pub struct VerifyingKeyRegistered {
    /// Address of the network.
    pub network: Pubkey,
    /// Hash of the key.
    pub hash: [u8; 32],
    /// SHA-256 of the ceremony's transcript; zero of a development key.
    pub transcript: [u8; 32],
    /// From when its proofs are taken, unix seconds.
    pub active_from: i64,
}

/// A network takes no more proofs of a key.
#[event]
pub struct VerifyingKeyRevoked {
    /// Address of the network.
    pub network: Pubkey,
    /// Hash of the key.
    pub hash: [u8; 32],
}

/// A feed has a new value.
#[event]
pub struct RoundFinalized {
    /// Address of the feed.
    pub feed: Pubkey,
    /// Number of the round.
    pub round: u64,
    /// In units of 10^exponent.
    pub value: i64,
    /// Power of ten of the unit.
    pub exponent: i8,
    /// Spread of the streams' values, same unit.
    pub confidence: u64,
    /// Exponential moving average, same unit.
    pub ema: i64,
    /// Verifications passed.
    pub mask: u16,
    /// Streams that count.
    pub streams: u16,
    /// Distinct operators that attested.
    pub attesters: u16,
    /// Latest capture, unix milliseconds.
    pub newest_capture: i64,
    /// Root of the newest commitment of the stream that weighs most.
    pub data_root: [u8; 32],
}
