//! Readings as evidence: rebuilt from their parts, found signed in the same transaction, and held against an owner.

use crate::error::RegistryError;
use crate::instructions::register_device::{bad_reference, key_refusal, precompile_of};
use crate::state::stream;
use anchor_lang::prelude::*;
use commitment::{BatchLeaf, CommitmentLeaf, ReadingLeaf};
use device_protocol::{
    digest, Curve, DeviceKey, GrantError, NoOffence, ReadingHeader, RegistryLeaf, SessionGrant,
    SIGNATURE_LEN,
};
use introspection::{Precompile, Signature, Signatures};
use std::cell::Cell;

/// One signature that a precompile verifies in the transaction.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureRef {
    /// Index in the transaction of the precompile's instruction.
    pub instruction: u16,
    /// Which of that instruction's signatures it is.
    pub index: u8,
}

/// The grant of a reading's session without what follows from the reading and its signature: network, device, leaf
/// nonce, counter and session key.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantArgs {
    /// The first second of the session, unix seconds.
    pub not_before: i64,
    /// The first second after the session, unix seconds.
    pub expires: i64,
    /// The hardware key's signature.
    pub signature: SignatureRef,
}

/// A signed reading.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct EvidenceArgs {
    /// The reading's bytes after network, device and leaf nonce, which follow from the accounts.
    pub reading: Vec<u8>,
    /// By the session key, always Ed25519, or in session 0 by the hardware key.
    pub signature: SignatureRef,
    /// The session's grant; none in session 0.
    pub grant: Option<GrantArgs>,
}

/// The proof that a stream committed to a reading. Paths are siblings of 32 bytes each, from the leaf upward.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct CommittedArgs {
    /// Commitment: its number in the stream.
    pub sequence: u64,
    /// Commitment: when it was posted, unix seconds.
    pub posted_at: i64,
    /// Commitment: its root.
    pub root: [u8; 32],
    /// Commitment: its number of batches.
    pub batches: u32,
    /// Commitment: the payload's hash.
    pub payload_hash: [u8; 32],
    /// Commitment: the payload's length in bytes.
    pub payload_len: u64,
    /// From the commitment to its peak, at the stream's present count.
    pub mmr_path: Vec<u8>,
    /// The batch's index in the commitment.
    pub batch_index: u32,
    /// Batch: root over the readings.
    pub readings_root: [u8; 32],
    /// Batch: root over the windows.
    pub windows_root: [u8; 32],
    /// Batch: number of windows.
    pub windows: u32,
    /// Batch: number of readings.
    pub readings: u32,
    /// Batch: when the earliest reading was captured, unix milliseconds.
    pub first_capture: i64,
    /// Batch: when the latest was, unix milliseconds.
    pub last_capture: i64,
    /// From the batch to the commitment's root.
    pub batch_path: Vec<u8>,
    /// The reading's place in the batch: window × 16 + its place in the window.
    pub reading_index: u16,
    /// From the reading to the batch's readings root.
    pub reading_path: Vec<u8>,
}

/// A reading that the device has signed, by itself or by a session key that it granted.
pub struct Evidence<'a> {
    /// The reading without its values.
    pub reading: ReadingHeader,
    /// The reading's digest, in which they are.
    pub digest: [u8; 32],
    /// The signature that was found.
    pub signature: &'a [u8; SIGNATURE_LEN],
    /// The grant of its session; none in session 0.
    pub grant: Option<Granted<'a>>,
}

impl Evidence<'_> {
    /// The leaf of the reading with the very signatures that were found.
    pub fn leaf(&self) -> ReadingLeaf<'_> {
        ReadingLeaf {
            digest: self.digest,
            signature: self.signature,
            grant: self.grant.as_ref().map(|granted| granted.signature),
        }
    }
}

/// A grant that the device has signed.
#[derive(Clone, Copy)]
pub struct Granted<'a> {
    /// The grant.
    pub grant: SessionGrant,
    /// Where its signature was found.
    pub place: SignatureRef,
    /// The signature.
    pub signature: &'a [u8; SIGNATURE_LEN],
}

/// Whose device it is, and where its signatures stand.
pub struct Accusation<'a> {
    network: [u8; 32],
    device: [u8; 32],
    leaf_nonce: u32,
    curve: Curve,
    instructions: &'a [u8],
    /// What was established for one reading is not established again for the other: the device's key, and the last
    /// instruction of each precompile, Ed25519's first.
    key: Cell<Option<&'a [u8]>>,
    known: [Cell<Option<(u16, Signatures<'a>)>>; 2],
}

impl<'a> Accusation<'a> {
    /// Of the network's and the device's ids, the readings' leaf nonce, the curve of the device's key, and the data of the
    /// instructions sysvar.
    pub fn new(
        network: [u8; 32],
        device: [u8; 32],
        leaf_nonce: u32,
        curve: Curve,
        instructions: &'a [u8],
    ) -> Self {
        Self {
            network,
            device,
            leaf_nonce,
            curve,
            instructions,
            key: Cell::new(None),
            known: [Cell::new(None), Cell::new(None)],
        }
    }

    /// The reading, once its signature is found, and in a session the grant's. A grant that is `known` from the other
    /// reading, by the same signature, is not looked at again.
    ///
    /// # Errors
    /// No reading or grant, a grant that does not permit it, or a signature that is another's or of something else.
    #[inline(never)]
    pub fn evidence(
        &self,
        args: &EvidenceArgs,
        known: Option<&Granted<'a>>,
    ) -> Result<Box<Evidence<'a>>> {
        let (reading, digest) = self.reading(&args.reading)?;
        let Some(granted) = args.grant else {
            require!(reading.session == 0, RegistryError::GrantMissing);
            let signature = self
                .device_signed(args.signature, &digest)?
                .ok_or_else(|| error!(RegistryError::WrongReading))?;
            return Ok(Box::new(Evidence {
                reading,
                digest,
                signature,
                grant: None,
            }));
        };
        let signed = self.signature(Precompile::Ed25519, args.signature)?;
        require!(signed.message == digest, RegistryError::WrongReading);
        let grant = SessionGrant {
            network: self.network,
            device: self.device,
            leaf_nonce: self.leaf_nonce,
            session_key: signed
                .public_key
                .try_into()
                .map_err(|_| error!(RegistryError::WrongReading))?,
            counter: reading.session,
            not_before: granted.not_before,
            expires: granted.expires,
        };
        let granted = match known {
            Some(known) if known.grant == grant && known.place == granted.signature => *known,
            _ => {
                grant.check().map_err(grant_refusal)?;
                let signature = self
                    .device_signed(granted.signature, &grant.digest())?
                    .ok_or_else(|| error!(RegistryError::WrongGrant))?;
                Granted {
                    grant,
                    place: granted.signature,
                    signature,
                }
            }
        };
        require!(grant.permits(&reading), RegistryError::OutsideSession);
        Ok(Box::new(Evidence {
            reading,
            digest,
            signature: signed.bytes,
            grant: Some(granted),
        }))
    }

    fn reading(&self, rest: &[u8]) -> Result<(ReadingHeader, [u8; 32])> {
        let nonce = self.leaf_nonce.to_le_bytes();
        let reading = ReadingHeader::parse_rest(self.network, self.device, self.leaf_nonce, rest)
            .map_err(|_| error!(RegistryError::MalformedReading))?;
        let digest = digest!("reading", &self.network, &self.device, &nonce, rest);
        Ok((reading, digest))
    }

    /// The device's own signature of this digest, if it is there.
    fn device_signed(
        &self,
        place: SignatureRef,
        digest: &[u8; 32],
    ) -> Result<Option<&'a [u8; SIGNATURE_LEN]>> {
        let signed = self.signature(precompile_of(self.curve), place)?;
        if self.key.get() != Some(signed.public_key) {
            let key = DeviceKey::from_bytes(self.curve, signed.public_key).map_err(key_refusal)?;
            if key.id() != self.device {
                return Ok(None);
            }
            self.key.set(Some(signed.public_key));
        }
        Ok((signed.message == digest).then_some(signed.bytes))
    }

    fn signature(&self, precompile: Precompile, place: SignatureRef) -> Result<Signature<'a>> {
        let known = &self.known[usize::from(precompile == Precompile::Secp256r1)];
        let signatures = match known.get() {
            Some((instruction, signatures)) if instruction == place.instruction => signatures,
            _ => {
                let signatures =
                    introspection::signatures(self.instructions, precompile, place.instruction)
                        .map_err(bad_reference)?;
                known.set(Some((place.instruction, signatures)));
                signatures
            }
        };
        signatures.get(place.index).map_err(bad_reference)
    }
}

/// Fails for a reading that was captured more than `window` (seconds) before `now` (unix seconds), or after it: what is
/// yet to come has misled nobody.
pub fn require_timely(reading: &ReadingHeader, now: i64, window: i64) -> Result<()> {
    let captured_at = reading.captured_at.div_euclid(1_000);
    require!(captured_at <= now, RegistryError::EvidenceFromFuture);
    require!(
        now.checked_sub(captured_at)
            .is_some_and(|age| age <= window),
        RegistryError::EvidenceTooOld
    );
    Ok(())
}

/// Fails for a reading that was captured before the leaf's owner had the device: that owner could not know of it.
pub fn require_owned(reading: &ReadingHeader, leaf: &RegistryLeaf) -> Result<()> {
    require!(
        reading.captured_at.div_euclid(1_000) >= leaf.owner_changed_at,
        RegistryError::CapturedBeforeOwner
    );
    Ok(())
}

/// Fails unless a stream of the network committed to the reading, with the very signatures that were found, before the
/// leaf's owner had the device: who has the device now could sign for its previous owner, but not in the past.
#[inline(never)]
pub fn require_committed_before(
    evidence: &Evidence,
    args: &CommittedArgs,
    stream: &AccountInfo,
    network: &Pubkey,
    leaf: &RegistryLeaf,
) -> Result<()> {
    require!(
        args.posted_at < leaf.owner_changed_at,
        RegistryError::CommittedTooLate
    );
    let data = stream::read(stream, network)?;
    let (count, peaks) = stream::parts(&data)?;
    let commitment = CommitmentLeaf {
        sequence: args.sequence,
        posted_at: args.posted_at,
        root: args.root,
        batches: args.batches,
        payload_hash: args.payload_hash,
        payload_len: args.payload_len,
    };
    let batch = BatchLeaf {
        readings_root: args.readings_root,
        windows_root: args.windows_root,
        windows: args.windows,
        readings: args.readings,
        first_capture: args.first_capture,
        last_capture: args.last_capture,
    };
    commitment::verify_reading(
        peaks,
        count,
        &commitment,
        &args.mmr_path,
        args.batch_index,
        &batch,
        &args.batch_path,
        args.reading_index,
        &evidence.leaf(),
        &args.reading_path,
    )
    .map_err(|error| {
        msg!("{}", error);
        error!(RegistryError::NotCommitted)
    })
}

fn grant_refusal(error: GrantError) -> Error {
    msg!("{}", error);
    error!(RegistryError::InvalidGrant)
}

/// The registry's word for readings that convict nobody.
pub fn innocence(reason: NoOffence) -> Error {
    match reason {
        // The same by construction here: network, device and nonce are not parts of the evidence.
        NoOffence::OtherNetwork | NoOffence::OtherDevice | NoOffence::OtherNonce => {
            error!(RegistryError::WrongReading)
        }
        NoOffence::SameReading => error!(RegistryError::SameReading),
        NoOffence::OtherSession => error!(RegistryError::OtherSession),
        NoOffence::OtherSequence => error!(RegistryError::OtherSequence),
        NoOffence::Reboot => error!(RegistryError::Reboot),
        NoOffence::WithinReach => error!(RegistryError::WithinReach),
    }
}
