use crate::{ModelRef, FEATURES, HIDDEN, SHIFTS};

/// Runs a model on a window. Each neuron adds its bias to the products of weights and inputs, adds half of 2^shift,
/// shifts right (rounding halves up) and clamps to 0..=255; the last neuron is the output.
pub fn infer(model: &ModelRef<'_>, features: &[u16; FEATURES]) -> u8 {
    let (first, rest) = model.weights().split_at(FEATURES * HIDDEN[0]);
    let (second, third) = rest.split_at(HIDDEN[0] * HIDDEN[1]);
    let (first_biases, rest) = model.biases().split_at(HIDDEN[0]);
    let (second_biases, third_biases) = rest.split_at(HIDDEN[1]);

    let features = features.map(i32::from);
    let hidden: [i32; HIDDEN[0]] = layer(first, first_biases, SHIFTS[0], &features);
    let hidden: [i32; HIDDEN[1]] = layer(second, second_biases, SHIFTS[1], &hidden);
    let [output] = layer(third, third_biases, SHIFTS[2], &hidden);
    output as u8
}

/// One layer: `weights` are its neurons' rows of `INPUTS` each. The outputs are 0..=255.
fn layer<const INPUTS: usize, const NEURONS: usize>(
    weights: &[u8],
    biases: &[[u8; 4]],
    shift: u8,
    inputs: &[i32; INPUTS],
) -> [i32; NEURONS] {
    let (rows, _) = weights.as_chunks::<INPUTS>();
    let half = 1 << (shift - 1);
    let mut outputs = [0; NEURONS];
    for ((output, row), bias) in outputs.iter_mut().zip(rows).zip(biases) {
        // Exact, since no accumulator of a valid model reaches ACCUMULATOR_BITS; checks would double the cost on chain.
        let mut accumulator = i32::from_le_bytes(*bias);
        for (weight, input) in row.iter().zip(inputs) {
            accumulator = accumulator.wrapping_add(i32::from(*weight as i8).wrapping_mul(*input));
        }
        *output = (accumulator.wrapping_add(half) >> shift).clamp(0, i32::from(u8::MAX));
    }
    outputs
}
