//! What can go wrong, and what the caller should do about it.

use anchor_lang::prelude::*;
use commitment::ProofError;

/// Errors of the streams, by group: roles and accounts 0, commitments 100, proofs 200, challenges 300.
#[error_code]
pub enum StreamError {
    #[msg("Only the pool's signer may do this: sign with pool.signer")]
    NotSigner = 0,
    #[msg("The pool's stake mint is not the network's: open the stream with a pool of the network's stake mint")]
    WrongStakeMint = 1,
    #[msg("The stream is of another network: pass the stream's network")]
    WrongNetwork = 2,
    #[msg("The stream is of another pool: pass the stream's pool")]
    WrongPool = 3,
    #[msg("Commitments are paused on this network: wait until the pause ends")]
    Paused = 4,
    #[msg("The network has not begun: commit from its genesis on")]
    BeforeGenesis = 5,

    #[msg("This is not the stream's next sequence: read stream.count again and commit with it")]
    WrongSequence = 100,
    #[msg("A commitment has at least one batch: set batches to how many leaves the root is over")]
    NoBatches = 101,
    #[msg("The archived payload can't be empty: set payload_len to its length in bytes")]
    EmptyPayload = 102,
    #[msg("The clock is behind the last commitment: send again")]
    ClockBehind = 103,
    #[msg("The stream is full: open one with another pool")]
    StreamFull = 104,
    #[msg("The payload is longer than any that is archived: commit to several of at most 64 MiB")]
    PayloadTooLong = 105,

    #[msg(
        "A path's length is not its tree's depth: build the proof at the stream's current count"
    )]
    ProofLength = 200,
    #[msg("No such commitment, batch or reading: check the sequence and the indices")]
    ProofIndex = 201,
    #[msg("The proof does not lead to the stream: check the leaves, and build the proof at the stream's current count")]
    ProofMismatch = 202,
    #[msg("The bytes are not a reading: pass one encoded reading and its signature, and nothing after")]
    MalformedReading = 203,
    #[msg("The reading is of another network: prove it in a stream of its own network")]
    ForeignReading = 204,

    #[msg("Too little time is left to answer: challenge while the answer window ends within the evidence window")]
    ChallengeTooLate = 300,
    #[msg("The network slashes nobody for readings that are not shown: challenge where withheld_slash_bps is above 0")]
    NeverSlashed = 301,
    #[msg("The challenge is of another stream: pass the challenge's stream")]
    WrongStream = 302,
    #[msg("Bond and rent go back to who challenged: pass the challenge's challenger")]
    WrongChallenger = 303,
    #[msg("The time to answer has passed: the challenge can only be settled")]
    AnswerTooLate = 304,
    #[msg("The operator may still answer: settle after the challenge's answer_by")]
    StillOpen = 305,
    #[msg("The reading is not the challenged one: show the one at the challenge's place with its path, and the signatures committed to")]
    WrongAnswer = 306,
    #[msg("The reading's signature or grant does not hold, as the log says: verify both before this instruction")]
    UnsignedAnswer = 307,
    #[msg("The reading's device has no such leaf, as the log says: pass its leaf with a fresh proof from the registry")]
    UnregisteredAnswer = 308,
    #[msg("The reading's leaf nonce is newer than the leaf: pass the leaf as it is now")]
    NonceAhead = 309,
    #[msg("The bounty goes to who challenged: pass a token account that the challenger owns")]
    WrongBounty = 310,
    #[msg("The roster is of another network: pass the network's roster")]
    WrongRoster = 311,
    #[msg("The tree is of another network: pass one of the network's trees")]
    WrongTree = 312,
    #[msg("A sum is out of range: the network's windows or bond are too large")]
    Overflow = 313,
    #[msg("The report is not the offence's: pass the report of the challenged reading")]
    WrongReport = 314,
}

impl From<ProofError> for StreamError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Length => Self::ProofLength,
            ProofError::Index => Self::ProofIndex,
            ProofError::Mismatch => Self::ProofMismatch,
            ProofError::Overflow => Self::StreamFull,
        }
    }
}
