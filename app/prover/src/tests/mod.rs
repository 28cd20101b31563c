//! The circuit itself: that it computes what the engine computes, and that it lets nothing else pass.

mod equality;
mod soundness;

use std::collections::{HashMap, HashSet};

use ark_bn254::Fr;
use inference::{Header, Model, ModelRef, BIASES, FEATURES, HIDDEN, SHIFTS, WEIGHTS, WINDOWS};
use solana_poseidon::{hashv, Endianness, Parameters, PoseidonSyscallError};

use crate::{
    circuit::synthesize,
    points::{scalar_from_bytes, scalar_to_bytes},
    system::{Gadget, System},
    Window,
};

const HEADER: Header = Header {
    version: 1,
    shape: 1,
    shifts: SHIFTS,
    schema: 1,
    value_index: 0,
    level_offset: -2000,
    level_gain: 10,
    delta_gain: 40,
    output_offset: -2000,
    output_step: 25,
    exponent: -2,
};

const CONTEXT: [u8; 32] = [7; 32];

/// Checks each constraint as it comes, and can lie: give witnesses other values, and leave out what forbids them.
/// Whatever comes after a lie is computed from it.
#[derive(Default)]
struct Liar<'a> {
    /// What a witness is said to be, given its gadget, its number among that gadget's and what it should be.
    lie: Option<&'a dyn Fn(Gadget, usize, Fr) -> Fr>,
    /// The gadget whose constraints aren't checked.
    without: Option<Gadget>,
    counts: HashMap<Gadget, usize>,
    constrained: HashSet<Gadget>,
    violated: HashSet<Gadget>,
    public: Fr,
}

impl System for Liar<'_> {
    type Number = Fr;

    fn witness(&mut self, gadget: Gadget, value: Fr) -> Fr {
        let number = self.counts.entry(gadget).or_default();
        *number += 1;
        self.lie
            .map_or(value, |lie| lie(gadget, *number - 1, value))
    }

    fn instance(&mut self, gadget: Gadget, value: Fr) -> Fr {
        self.public = self.witness(gadget, value);
        self.public
    }

    fn enforce(&mut self, gadget: Gadget, a: &Fr, b: &Fr, c: &Fr) {
        self.constrained.insert(gadget);
        if self.without != Some(gadget) && *a * b != *c {
            self.violated.insert(gadget);
        }
    }
}

impl Liar<'_> {
    /// Runs the circuit; its public input.
    fn run(&mut self, capacity: usize, windows: &[Window], model: &Model) -> [u8; 32] {
        let context = scalar_from_bytes(&CONTEXT).unwrap();
        synthesize(self, capacity, windows, model, context);
        scalar_to_bytes(&self.public)
    }
}

/// What the syscall computes, on the host.
fn poseidon(inputs: &[[u8; 32]]) -> Result<[u8; 32], PoseidonSyscallError> {
    let inputs: Vec<&[u8]> = inputs.iter().map(|input| input.as_slice()).collect();
    Ok(hashv(Parameters::Bn254X5, Endianness::BigEndian, &inputs)?.to_bytes())
}

/// The leaf of a window.
fn leaf(window: &Window) -> [u8; 32] {
    let Window {
        features,
        tree,
        index,
        nonce,
        last_capture,
    } = window;
    inference::window_leaf(features, *tree, *index, *nonce, *last_capture, poseidon).unwrap()
}

/// The public input for these windows, this model and these outputs, by the engine's own functions.
fn statement(windows: &[Window], model: &Model, outputs: &[u8; WINDOWS]) -> [u8; 32] {
    let leaves: Vec<_> = windows.iter().map(leaf).collect();
    let bytes = model.to_bytes();
    let model = ModelRef::parse(&bytes).unwrap();
    inference::public_input(
        &inference::windows_root(&leaves, poseidon).unwrap(),
        &inference::model_hash(&model, poseidon).unwrap(),
        outputs,
        windows.len() as u8,
        &CONTEXT,
        poseidon,
    )
    .unwrap()
}

/// The outputs of these windows, by the engine.
fn outputs(windows: &[Window], model: &Model) -> [u8; WINDOWS] {
    let bytes = model.to_bytes();
    let model = ModelRef::parse(&bytes).unwrap();
    let mut outputs = [0; WINDOWS];
    for (window, output) in windows.iter().zip(&mut outputs) {
        *output = inference::infer(&model, &window.features);
    }
    outputs
}

/// A model whose output is its second feature over 512, by every neuron.
fn relay() -> Model {
    let mut weights = [0; WEIGHTS];
    let (first, rest) = weights.split_at_mut(FEATURES * HIDDEN[0]);
    let (second, third) = rest.split_at_mut(HIDDEN[0] * HIDDEN[1]);
    for row in first.chunks_exact_mut(FEATURES) {
        row[1] = 64;
    }
    second.fill(32);
    third.fill(64);
    Model {
        header: HEADER,
        weights,
        biases: [0; BIASES],
    }
}

/// A window of which [`relay`] makes 64.
fn window() -> Window {
    let mut features = [0; FEATURES];
    features[1] = 1 << 15;
    Window {
        features,
        tree: 1,
        index: 2,
        nonce: 3,
        last_capture: 4,
    }
}
