//! Circom's Poseidon over BN254, by syscall.

use solana_poseidon::{hashv, Endianness, Parameters, PoseidonSyscallError};

/// Inputs that one Poseidon takes, at most.
pub const INPUTS: usize = 12;

/// Hashes 1 to 12 big-endian elements; fails if one is not below the field's modulus.
pub fn poseidon(inputs: &[[u8; 32]]) -> Result<[u8; 32], PoseidonSyscallError> {
    let mut slices: [&[u8]; INPUTS] = [&[]; INPUTS];
    let slices = slices
        .get_mut(..inputs.len())
        .ok_or(PoseidonSyscallError::InvalidNumberOfInputs)?;
    for (slice, input) in slices.iter_mut().zip(inputs) {
        *slice = input;
    }
    hashv(Parameters::Bn254X5, Endianness::BigEndian, slices).map(|hash| hash.to_bytes())
}
