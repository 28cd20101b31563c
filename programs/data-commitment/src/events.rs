//! What rebuilds a stream goes out by CPI, since logs are truncated; the rest goes to the logs.

use anchor_lang::prelude::*;
use device_registry::events::emit_by_call;

/// A stream was opened.
#[event]
pub struct StreamOpened {
    /// The network's address.
    pub network: Pubkey,
    /// The stream's address.
    pub stream: Pubkey,
    /// The operator's pool.
    pub pool: Pubkey,
}

/// A commitment was appended; its leaf in the stream is made of these fields.
#[event]
pub struct RootCommitted {
    /// The network's address.
    pub network: Pubkey,
    /// The stream's address.
    pub stream: Pubkey,
    /// The commitment's number in the stream, from 0.
    pub sequence: u64,
    /// When the program took it, unix seconds.
    pub posted_at: i64,
    /// Root over the batch leaves.
    pub root: [u8; 32],
    /// Number of batches.
    pub batches: u32,
    /// SHA-256 of the archived payload.
    pub payload_hash: [u8; 32],
    /// Its length in bytes.
    pub payload_len: u64,
}

/// A reading was challenged; the challenge's account says the rest.
#[event]
pub struct AvailabilityChallenged {
    /// The stream's address.
    pub stream: Pubkey,
    /// The challenge's address.
    pub challenge: Pubkey,
    /// Until when it can be answered, unix seconds.
    pub answer_by: i64,
}

/// A challenged reading was shown.
#[event]
pub struct AvailabilityAnswered {
    /// The stream's address.
    pub stream: Pubkey,
    /// The challenge's address, closed.
    pub challenge: Pubkey,
    /// Who showed it.
    pub answerer: Pubkey,
    /// What it got, in lamports.
    pub bond: u64,
}

/// A challenged reading was not shown in time.
#[event]
pub struct ChallengeSettled {
    /// The stream's address.
    pub stream: Pubkey,
    /// The challenge's address, closed.
    pub challenge: Pubkey,
    /// The operator's pool.
    pub pool: Pubkey,
    /// Whether the pool was slashed by this; not if it had nothing at stake any more, or was slashed for the reading before.
    pub slashed: bool,
}

impl RootCommitted {
    /// Bytes of the event, with the tag and the discriminator before it.
    const DATA: usize = 8 + 8 + 32 + 32 + 8 + 8 + 32 + 4 + 32 + 8;

    /// Emits it by calling this program; `event_authority` is the account that `#[event_cpi]` adds.
    pub fn emit(&self, event_authority: &AccountInfo) -> Result<()> {
        let speaker = (&crate::ID, &crate::EVENT_AUTHORITY_AND_BUMP);
        emit_by_call(speaker, self, Self::DATA, event_authority)
    }
}
