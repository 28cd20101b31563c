//! Poseidon over BN254 with circom's parameters, as the chain's syscall computes it.

use solana_poseidon::{hashv, Endianness, Parameters, PoseidonSyscallError};

/// Hashes 1 to 12 big-endian field elements.
///
/// # Errors
/// When there are none or too many, or one is not below the field's modulus.
pub fn poseidon(elements: &[[u8; 32]]) -> Result<[u8; 32], PoseidonSyscallError> {
    let mut slices: [&[u8]; 12] = [&[]; 12];
    let inputs = slices
        .get_mut(..elements.len())
        .ok_or(PoseidonSyscallError::InvalidNumberOfInputs)?;
    for (slice, element) in inputs.iter_mut().zip(elements) {
        *slice = element;
    }
    Ok(hashv(Parameters::Bn254X5, Endianness::BigEndian, inputs)?.to_bytes())
}
