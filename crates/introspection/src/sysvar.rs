//! The instructions sysvar: count u16, an offset u16 an instruction, the instructions, the current one's index u16.
//! An instruction: account count u16, accounts of 33 bytes, program id, data length u16, data.

use crate::IntrospectionError;

/// The sysvar's address, Sysvar1nstructions1111111111111111111111111. Elsewhere it is decoded from text at run time, for
/// 1,800 compute units.
pub const ADDRESS: [u8; 32] = [
    6, 167, 213, 23, 24, 123, 209, 102, 53, 218, 212, 4, 85, 253, 194, 192, 193, 36, 198, 143, 33,
    86, 117, 165, 219, 186, 203, 95, 8, 0, 0, 0,
];

const ACCOUNT_LEN: usize = 33;

/// A top-level instruction, as the sysvar shows it.
pub struct Instruction<'a> {
    pub accounts: u16,
    pub program: &'a [u8; 32],
    pub data: &'a [u8],
}

/// The index of the top-level instruction that is running.
///
/// # Errors
/// [`IntrospectionError::Truncated`] if the bytes are too few to be the sysvar.
pub fn current_instruction(sysvar: &[u8]) -> Result<u16, IntrospectionError> {
    let (_, current) = sysvar
        .split_last_chunk()
        .ok_or(IntrospectionError::Truncated)?;
    Ok(u16::from_le_bytes(*current))
}

/// The top-level instruction at an index.
pub fn instruction(sysvar: &[u8], index: u16) -> Result<Instruction<'_>, IntrospectionError> {
    // The runtime writes each instruction's place as a u16. Were the sysvar longer, an older runtime would let the
    // place wrap around, into bytes that whoever built the transaction has chosen.
    if sysvar.len() > usize::from(u16::MAX) {
        return Err(IntrospectionError::TooLong);
    }
    let (instructions, _current) = sysvar
        .split_last_chunk::<2>()
        .ok_or(IntrospectionError::Truncated)?;
    if index >= read_u16(instructions, 0)? {
        return Err(IntrospectionError::NoInstruction);
    }
    let start = usize::from(read_u16(instructions, 2 + 2 * usize::from(index))?);
    let accounts = read_u16(instructions, start)?;
    let program_start = start + 2 + ACCOUNT_LEN * usize::from(accounts);
    let (program, rest) = instructions
        .get(program_start..)
        .and_then(|rest| rest.split_first_chunk())
        .ok_or(IntrospectionError::Truncated)?;
    let (len, rest) = rest
        .split_first_chunk()
        .ok_or(IntrospectionError::Truncated)?;
    let data = rest
        .get(..usize::from(u16::from_le_bytes(*len)))
        .ok_or(IntrospectionError::Truncated)?;
    Ok(Instruction {
        accounts,
        program,
        data,
    })
}

fn read_u16(bytes: &[u8], at: usize) -> Result<u16, IntrospectionError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|field| u16::from_le_bytes(*field))
        .ok_or(IntrospectionError::Truncated)
}
