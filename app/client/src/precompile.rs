//! Instructions of the chain's Ed25519 and secp256r1 precompiles, in the form that the programs read: everything lies
//! in the instruction itself.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use introspection::Precompile;

/// The most signatures that one secp256r1 instruction verifies.
pub const MAX_SECP256R1: usize = 8;

/// The most signatures that one Ed25519 instruction's count holds.
pub const MAX_ED25519: usize = u8::MAX as usize;

/// As an instruction's index: the precompile's own instruction.
const OWN: u16 = u16::MAX;

/// One signature to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// 32 bytes for Ed25519, 33 for secp256r1: `DeviceKey::as_bytes`.
    pub public_key: &'a [u8],
    /// What was signed.
    pub message: &'a [u8],
    /// The signature; low S for secp256r1.
    pub signature: &'a [u8; 64],
}

/// The Ed25519 precompile's instruction that verifies these signatures, in their order.
///
/// # Errors
/// No entries or more than [`MAX_ED25519`], a key that has not 32 bytes, or more data than offsets reach.
pub fn ed25519(entries: &[Entry]) -> Result<Instruction, PrecompileError> {
    instruction(Precompile::Ed25519, MAX_ED25519, entries)
}

/// The secp256r1 precompile's instruction that verifies these signatures, in their order.
///
/// # Errors
/// No entries or more than [`MAX_SECP256R1`], a key that has not 33 bytes, or more data than offsets reach.
pub fn secp256r1(entries: &[Entry]) -> Result<Instruction, PrecompileError> {
    instruction(Precompile::Secp256r1, MAX_SECP256R1, entries)
}

/// Data: count u8, a zero, for each signature its offsets (seven u16), then the signatures, and each key and message
/// once however many signatures share it.
fn instruction(
    precompile: Precompile,
    max: usize,
    entries: &[Entry],
) -> Result<Instruction, PrecompileError> {
    if entries.is_empty() {
        return Err(PrecompileError::Empty);
    }
    if entries.len() > max {
        return Err(PrecompileError::TooMany(max));
    }
    let key_len = precompile.key_len();
    let mut table = vec![entries.len() as u8, 0];
    let table_len = table.len() + 14 * entries.len();
    let mut parts = Vec::new();
    let mut known: Vec<(&[u8], u16)> = Vec::new();
    for entry in entries {
        if entry.public_key.len() != key_len {
            return Err(PrecompileError::KeyLength(key_len));
        }
        let signature =
            u16::try_from(table_len + parts.len()).map_err(|_| PrecompileError::TooLong)?;
        parts.extend_from_slice(entry.signature);
        let mut place = |part| {
            if let Some((_, start)) = known.iter().find(|(known, _)| *known == part) {
                return Ok(*start);
            }
            let start =
                u16::try_from(table_len + parts.len()).map_err(|_| PrecompileError::TooLong)?;
            parts.extend_from_slice(part);
            known.push((part, start));
            Ok(start)
        };
        let public_key = place(entry.public_key)?;
        let message = place(entry.message)?;
        let message_len =
            u16::try_from(entry.message.len()).map_err(|_| PrecompileError::TooLong)?;
        for field in [signature, OWN, public_key, OWN, message, message_len, OWN] {
            table.extend_from_slice(&field.to_le_bytes());
        }
    }
    Ok(Instruction {
        program_id: Pubkey::new_from_array(*precompile.id()),
        accounts: Vec::new(),
        data: [table, parts].concat(),
    })
}

/// The signature of a number in the data of a precompile's instruction, where all lies in the instruction itself, as the
/// programs want it; `None` if the data have not that many.
pub fn signature(data: &[u8], index: u8) -> Option<[u8; 64]> {
    data.first().filter(|count| index < **count)?;
    let offsets = data.get(2 + 14 * usize::from(index)..)?;
    let start = u16::from_le_bytes(*offsets.first_chunk()?);
    data.get(usize::from(start)..)?.first_chunk().copied()
}

/// Why signatures do not fit a precompile's instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrecompileError {
    /// There are no signatures.
    #[error("no signatures: leave the precompile's instruction out")]
    Empty,
    /// There are more signatures than the precompile takes.
    #[error("the precompile takes at most {0} signatures an instruction: split them")]
    TooMany(usize),
    /// A public key has another length.
    #[error("the precompile takes public keys of {0} bytes: use the other precompile, or compress the key")]
    KeyLength(usize),
    /// The data exceed what 16-bit offsets reach.
    #[error("the signatures and messages exceed 65,535 bytes: split them")]
    TooLong,
}
