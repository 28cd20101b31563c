//! The circuit in the binary format of iden3, version 1, which snarkjs reads.

use std::io::{self, Write};

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use thiserror::Error;

use crate::{
    key::KeyError,
    prover::constraints,
    system::{INSTANCE, PUBLIC},
};

/// Why a circuit wasn't written.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Capacity(#[from] KeyError),
    #[error("writing the circuit")]
    Io(#[from] io::Error),
}

/// Writes the circuit for up to `capacity` windows (1, 2, 4, 8, 16 or 32) as an .r1cs file, for a ceremony. The same
/// circuit gives the same bytes.
///
/// # Errors
/// [`ExportError::Capacity`] if there is no such circuit, [`ExportError::Io`] if writing fails.
pub fn export_r1cs(capacity: usize, mut file: impl Write) -> Result<(), ExportError> {
    let constraints = constraints(capacity)?;
    let variables = constraints.variables() as u32;

    let mut header = Vec::new();
    header.extend_from_slice(&32u32.to_le_bytes());
    header.extend_from_slice(&Fr::MODULUS.to_bytes_le());
    let outputs = 0u32;
    let public_inputs = (INSTANCE - PUBLIC) as u32;
    let private_inputs = 0u32;
    for count in [variables, outputs, public_inputs, private_inputs] {
        header.extend_from_slice(&count.to_le_bytes());
    }
    header.extend_from_slice(&u64::from(variables).to_le_bytes());
    header.extend_from_slice(&(constraints.len() as u32).to_le_bytes());

    let mut rows = Vec::new();
    for row in 0..constraints.len() {
        for matrix in constraints.matrices() {
            rows.extend_from_slice(&(matrix[row].len() as u32).to_le_bytes());
            for (factor, variable) in &matrix[row] {
                rows.extend_from_slice(&(*variable as u32).to_le_bytes());
                rows.extend_from_slice(&factor.into_bigint().to_bytes_le());
            }
        }
    }

    // Labels are names for debuggers: each variable is its own.
    let labels: Vec<u8> = (0..u64::from(variables))
        .flat_map(u64::to_le_bytes)
        .collect();

    file.write_all(b"r1cs")?;
    file.write_all(&1u32.to_le_bytes())?;
    file.write_all(&3u32.to_le_bytes())?;
    for (section, bytes) in [(1u32, header), (2, rows), (3, labels)] {
        file.write_all(&section.to_le_bytes())?;
        file.write_all(&(bytes.len() as u64).to_le_bytes())?;
        file.write_all(&bytes)?;
    }
    file.flush()?;
    Ok(())
}
