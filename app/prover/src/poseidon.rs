//! Circom's Poseidon over BN254, as a gadget and as a hash of bytes.

use std::sync::OnceLock;

use ark_bn254::Fr;
use ark_ff::Zero;
use light_poseidon::{
    parameters::bn254_x5::get_poseidon_parameters, Poseidon, PoseidonBytesHasher, PoseidonError,
    PoseidonParameters,
};

use crate::system::{Gadget, Number, System};

/// Inputs that one hash takes, at most.
const INPUTS: usize = 12;

/// The hash of 1 to 12 numbers, in the circuit.
pub fn hash<S: System>(system: &mut S, inputs: &[S::Number]) -> S::Number {
    let width = inputs.len() + 1;
    let parameters = parameters(width);
    let rounds = parameters.full_rounds + parameters.partial_rounds;
    let partial =
        parameters.full_rounds / 2..parameters.full_rounds / 2 + parameters.partial_rounds;

    // The first element is a constant until it has been mixed with the others, and costs no constraints.
    let mut state = vec![S::Number::constant(Fr::zero())];
    state.extend_from_slice(inputs);
    for round in 0..rounds {
        for (i, element) in state.iter_mut().enumerate() {
            let shifted = element.add_constant(parameters.ark[round * width + i]);
            *element = if round == 0 && i == 0 {
                let value = shifted.value();
                S::Number::constant(value * value * value * value * value)
            } else if i == 0 || !partial.contains(&round) {
                fifth_power(system, &shifted)
            } else {
                shifted
            };
        }
        // Only the first element of the last state is looked at.
        let rows = if round + 1 == rounds { 1 } else { width };
        state = parameters.mds[..rows]
            .iter()
            .map(|row| {
                let zero = S::Number::constant(Fr::zero());
                let terms = row.iter().zip(&state);
                terms.fold(zero, |sum, (factor, element)| {
                    sum.add_scaled(*factor, element)
                })
            })
            .collect();
    }
    state.swap_remove(0)
}

/// The hash of 1 to 12 elements, each 32 bytes, big-endian.
///
/// # Errors
/// If there are none or more, or one isn't smaller than the modulus.
pub fn hash_bytes(inputs: &[[u8; 32]]) -> Result<[u8; 32], PoseidonError> {
    let inputs: Vec<&[u8]> = inputs.iter().map(|input| input.as_slice()).collect();
    Poseidon::<Fr>::new_circom(inputs.len())?.hash_bytes_be(&inputs)
}

fn fifth_power<S: System>(system: &mut S, number: &S::Number) -> S::Number {
    let square = system.product(Gadget::SBox, number, number);
    let fourth = system.product(Gadget::SBox, &square, &square);
    system.product(Gadget::SBox, &fourth, number)
}

fn parameters(width: usize) -> &'static PoseidonParameters<Fr> {
    static PARAMETERS: [OnceLock<PoseidonParameters<Fr>>; INPUTS + 2] =
        [const { OnceLock::new() }; INPUTS + 2];
    PARAMETERS[width].get_or_init(|| {
        get_poseidon_parameters(width as u8).expect("there are parameters for 1 to 12 inputs")
    })
}
