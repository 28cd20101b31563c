//! The integer model engine and the feature windows: the one implementation that the worker, the program and the
//! circuit's witness generator share, so that the same readings give the same output everywhere.
//!
//! A model of version 1 is an int8 multi-layer perceptron, 16 → 16 → 8 → 1. Its way from readings to a value:
//!
//! ```text
//! 16 readings --features--> [u16; 16] --infer--> u8 --Header::value--> i64, in units of 10^exponent
//! ```
//!
//! Everything is fixed-size, without floats, allocation or dependencies; bytes from outside never panic.
//! Hashes are Poseidon over BN254; the caller brings the permutation, as a syscall, a library or a gadget.

#![no_std]
#![forbid(unsafe_code)]

mod engine;
mod features;
mod hash;
mod model;
mod value;

pub use engine::infer;
pub use features::features;
pub use hash::{
    model_hash, pack_features, pack_model, pack_outputs, public_input, window_leaf, windows_root,
    MODEL_ELEMENTS,
};
pub use model::{Header, Model, ModelError, ModelRef};
pub use value::aggregate;

/// Readings in a window, consecutive and of one device.
pub const READINGS: usize = 16;
/// Features of a window, the model's inputs.
pub const FEATURES: usize = 16;
/// Neurons of the first and second hidden layer.
pub const HIDDEN: [usize; 2] = [16, 8];
/// Windows in a batch, at most.
pub const WINDOWS: usize = 32;

/// Weights of all layers: 16 × 16, 8 × 16 and 1 × 8.
pub const WEIGHTS: usize = FEATURES * HIDDEN[0] + HIDDEN[0] * HIDDEN[1] + HIDDEN[1];
/// Biases of all layers: one a neuron.
pub const BIASES: usize = HIDDEN[0] + HIDDEN[1] + 1;
/// How far each layer shifts its accumulators right. Part of the shape, and constants of the circuit.
pub const SHIFTS: [u8; 3] = [15, 9, 9];
/// A bias is smaller than this, either sign: 27 bits signed.
pub const BIAS_LIMIT: i32 = 1 << 26;
/// Bits that hold any accumulator of a valid model, sign included.
pub const ACCUMULATOR_BITS: u32 = 29;

// The bound on biases alone keeps every accumulator of every layer within its bits, at any partial sum: there are no
// weights left to reject.
const _: () = {
    let inputs = [FEATURES, HIDDEN[0], HIDDEN[1]];
    let largest_input = [u16::MAX as i64, u8::MAX as i64, u8::MAX as i64];
    let mut layer = 0;
    while layer < SHIFTS.len() {
        let products = inputs[layer] as i64 * largest_input[layer] * 128;
        let half = 1 << (SHIFTS[layer] - 1);
        assert!(products + BIAS_LIMIT as i64 + half < 1 << (ACCUMULATOR_BITS - 1));
        layer += 1;
    }
    assert!(ACCUMULATOR_BITS <= i32::BITS);
};
