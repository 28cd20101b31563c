use crate::Hash;
use device_protocol::{digest, SignedGrant, SignedReading, SIGNATURE_LEN};

/// A reading and every signature behind it, in its batch's readings tree.
///
/// Both signatures are in it, so that nobody can commit to a reading first and have it signed later: neither by a device
/// that he gets hold of, nor by a session key of his own that the device then grants. Whether they hold is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingLeaf<'a> {
    /// The reading's digest.
    pub digest: Hash,
    /// The reading's signature.
    pub signature: &'a [u8; SIGNATURE_LEN],
    /// The hardware key's signature of the session's grant; none in session 0.
    pub grant: Option<&'a [u8; SIGNATURE_LEN]>,
}

impl<'a> ReadingLeaf<'a> {
    /// The leaf of a reading and its session's grant.
    pub fn of(signed: &'a SignedReading, grant: Option<&'a SignedGrant>) -> Self {
        Self {
            digest: signed.reading.digest(),
            signature: &signed.signature,
            grant: grant.map(|signed| &signed.signature),
        }
    }

    /// The leaf in the readings tree.
    pub fn hash(&self) -> Hash {
        let grant = self.grant.map_or(&[][..], |signature| signature);
        digest!("reading-leaf", &self.digest, self.signature, grant)
    }
}

/// What a commitment says of one batch: up to 32 windows and their readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchLeaf {
    /// Root of the SHA-256 tree, `READINGS_DEPTH` deep, over [`ReadingLeaf::hash`]es; places without a reading are [`crate::EMPTY`].
    pub readings_root: Hash,
    /// Root of the Poseidon tree over the window leaves.
    pub windows_root: Hash,
    /// Number of windows, 1 to 32.
    pub windows: u32,
    /// Number of readings.
    pub readings: u32,
    /// When the earliest reading was captured, in milliseconds of Unix time.
    pub first_capture: i64,
    /// When the latest reading was captured, in milliseconds of Unix time.
    pub last_capture: i64,
}

impl BatchLeaf {
    /// The leaf in the commitment's tree.
    pub fn hash(&self) -> Hash {
        digest!(
            "batch-leaf",
            &self.readings_root,
            &self.windows_root,
            // Small pieces cost a program more than their bytes.
            [self.windows.to_le_bytes(), self.readings.to_le_bytes()].as_flattened(),
            [
                self.first_capture.to_le_bytes(),
                self.last_capture.to_le_bytes()
            ]
            .as_flattened()
        )
    }
}

/// One commitment of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CommitmentLeaf {
    /// The commitment's number in its stream, from 0: its index in the stream's MMR.
    pub sequence: u64,
    /// When the program took it, in seconds of Unix time.
    pub posted_at: i64,
    /// Root of the SHA-256 tree over the batches' [`BatchLeaf::hash`], [`crate::depth`] of `batches` deep.
    pub root: Hash,
    /// Number of batches, at least 1.
    pub batches: u32,
    /// SHA-256 of the archived payload.
    pub payload_hash: Hash,
    /// Length of the archived payload in bytes.
    pub payload_len: u64,
}

impl CommitmentLeaf {
    /// The leaf in the stream's MMR.
    pub fn hash(&self) -> Hash {
        digest!(
            "commitment",
            [self.sequence.to_le_bytes(), self.posted_at.to_le_bytes()].as_flattened(),
            &self.root,
            &self.batches.to_le_bytes(),
            &self.payload_hash,
            &self.payload_len.to_le_bytes()
        )
    }
}
