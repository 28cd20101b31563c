use crate::{sysvar, IntrospectionError};

/// A program of the runtime that verifies signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precompile {
    /// Ed25519, strictly; keys of 32 bytes.
    Ed25519,
    /// ECDSA over SHA-256 on P-256, low S only; compressed keys of 33 bytes; at most 8 signatures an instruction.
    Secp256r1,
}

impl Precompile {
    /// The precompile's address.
    pub const fn id(self) -> &'static [u8; 32] {
        match self {
            // Ed25519SigVerify111111111111111111111111111
            Self::Ed25519 => &[
                3, 125, 70, 214, 124, 147, 251, 190, 18, 249, 66, 143, 131, 141, 64, 255, 5, 112,
                116, 73, 39, 244, 138, 100, 252, 202, 112, 68, 128, 0, 0, 0,
            ],
            // Secp256r1SigVerify1111111111111111111111111
            Self::Secp256r1 => &[
                6, 146, 13, 236, 47, 234, 113, 181, 183, 35, 129, 77, 116, 45, 169, 3, 28, 131,
                231, 95, 219, 121, 93, 86, 142, 117, 71, 128, 32, 0, 0, 0,
            ],
        }
    }

    /// The length of a public key, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::Secp256r1 => 33,
        }
    }
}

/// The length of a signature, in bytes.
pub const SIGNATURE_LEN: usize = 64;
/// The precompile's data start with the count of signatures and an unused byte.
const TABLE_START: usize = 2;
/// One signature's offsets: seven u16.
const OFFSETS_LEN: usize = 14;
/// As an instruction's index: the precompile's own instruction.
const OWN: u16 = u16::MAX;

/// What a precompile verifies: that the key signed the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// 32 bytes (Ed25519) or 33 (secp256r1).
    pub public_key: &'a [u8],
    /// As long as whoever built the transaction liked: compare it whole.
    pub message: &'a [u8],
    /// The signature itself, R | S. One message may have several by one key, so it tells nothing that the message does not.
    pub bytes: &'a [u8; SIGNATURE_LEN],
}

/// All that one instruction of a precompile verifies, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signatures<'a> {
    precompile: Precompile,
    table: &'a [[u8; OFFSETS_LEN]],
    data: &'a [u8],
}

impl<'a> Signatures<'a> {
    /// How many there are: at least 1.
    #[allow(clippy::len_without_is_empty)] // Never empty.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The key, the message and the bytes of one of them.
    ///
    /// # Errors
    /// [`IntrospectionError::NoSignature`] if there are not that many.
    pub fn get(&self, index: u8) -> Result<Signature<'a>, IntrospectionError> {
        let entry = self
            .table
            .get(usize::from(index))
            .ok_or(IntrospectionError::NoSignature)?;
        let offsets = Offsets::read(entry);
        Ok(Signature {
            public_key: slice(self.data, offsets.public_key, self.precompile.key_len())?,
            message: slice(self.data, offsets.message, usize::from(offsets.message_len))?,
            bytes: self
                .data
                .get(usize::from(offsets.signature)..)
                .and_then(|rest| rest.first_chunk())
                .ok_or(IntrospectionError::OutOfBounds)?,
        })
    }
}

/// Everything that the precompile verifies in the instruction at this index.
///
/// # Errors
/// Unless the instruction is the precompile's, has no accounts, verifies at least one signature, and every signature,
/// key and message lies within that instruction's own data.
pub fn signatures(
    sysvar: &[u8],
    precompile: Precompile,
    instruction: u16,
) -> Result<Signatures<'_>, IntrospectionError> {
    let sysvar::Instruction {
        accounts,
        program,
        data,
    } = sysvar::instruction(sysvar, instruction)?;
    if program != precompile.id() {
        return Err(IntrospectionError::WrongProgram);
    }
    if accounts != 0 {
        return Err(IntrospectionError::HasAccounts);
    }
    let (&[count, _unused], rest) = data
        .split_first_chunk::<TABLE_START>()
        .ok_or(IntrospectionError::DataTooShort)?;
    if count == 0 {
        return Err(IntrospectionError::NoSignatures);
    }
    let table = rest
        .as_chunks()
        .0
        .get(..usize::from(count))
        .ok_or(IntrospectionError::DataTooShort)?;
    for entry in table {
        let offsets = Offsets::read(entry);
        for place in offsets.instructions {
            if place != OWN && place != instruction {
                return Err(IntrospectionError::OtherInstruction);
            }
        }
        slice(data, offsets.signature, SIGNATURE_LEN)?;
        slice(data, offsets.public_key, precompile.key_len())?;
        slice(data, offsets.message, usize::from(offsets.message_len))?;
    }
    Ok(Signatures {
        precompile,
        table,
        data,
    })
}

/// The key, the message and the bytes of one signature of an instruction, all of whose signatures are checked as by [`signatures`].
///
/// # Errors
/// As [`signatures`], or [`IntrospectionError::NoSignature`] if the instruction has not that many.
pub fn signature(
    sysvar: &[u8],
    precompile: Precompile,
    instruction: u16,
    index: u8,
) -> Result<Signature<'_>, IntrospectionError> {
    signatures(sysvar, precompile, instruction)?.get(index)
}

/// Where one signature, its key and its message lie.
struct Offsets {
    signature: u16,
    public_key: u16,
    message: u16,
    message_len: u16,
    /// The instructions that the three lie in.
    instructions: [u16; 3],
}

impl Offsets {
    fn read(entry: &[u8; OFFSETS_LEN]) -> Self {
        let field = |at: usize| u16::from_le_bytes([entry[2 * at], entry[2 * at + 1]]);
        Self {
            signature: field(0),
            public_key: field(2),
            message: field(4),
            message_len: field(5),
            instructions: [field(1), field(3), field(6)],
        }
    }
}

fn slice(data: &[u8], start: u16, len: usize) -> Result<&[u8], IntrospectionError> {
    let start = usize::from(start);
    data.get(start..start + len)
        .ok_or(IntrospectionError::OutOfBounds)
}
