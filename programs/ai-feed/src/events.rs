//! What people follow.

use anchor_lang::prelude::*;
use device_registry::events::emit_by_call;

use crate::instructions::PolicyArgs;

/// An attestation passed verifications. The program calls itself with it: tracing a value after its attestations were closed
/// depends on it, and whoever brings signatures could have a log cut off.
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

/// An attestation was proven false.
#[event]
pub struct AttestationRefuted {
    /// Address of the feed.
    pub feed: Pubkey,
    /// Address of the attestation.
    pub attestation: Pubkey,
    /// Number of the round.
    pub round: u64,
    /// The attester's pool.
    pub pool: Pubkey,
    /// What was wrong: 2 an output, 4 a window.
    pub flag: u8,
    /// The window by which it was shown.
    pub window: u8,
    /// Whether a value in the feed's history is disputed by it.
    pub disputed: bool,
    /// Whether the attester had something at stake, and was slashed.
    pub slashed: bool,
}

/// A committee member was slashed for what it had signed.
#[event]
pub struct SignerSlashed {
    /// Address of the attestation.
    pub attestation: Pubkey,
    /// The member's pool.
    pub pool: Pubkey,
}

/// Another policy was proposed for a feed.
#[event]
pub struct PolicyProposed {
    /// Address of the feed.
    pub feed: Pubkey,
    /// The policy.
    pub policy: PolicyArgs,
    /// From when it may be applied, unix seconds.
    pub applies_from: i64,
}

/// A proposed policy is in force.
#[event]
pub struct PolicyApplied {
    /// Address of the feed.
    pub feed: Pubkey,
    /// The policy.
    pub policy: PolicyArgs,
    /// The round in which it came into force.
    pub round: u64,
}

/// Emits an event by calling this program; `event_authority` is the account that `#[event_cpi]` adds.
pub fn emit_to_self<E: AnchorSerialize + Discriminator>(
    event: &E,
    event_authority: &AccountInfo,
) -> Result<()> {
    let speaker = (&crate::ID, &crate::EVENT_AUTHORITY_AND_BUMP);
    emit_by_call(speaker, event, 128, event_authority)
}
