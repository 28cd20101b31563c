//! A float network of the model's shape, in the units that make it turn into a model by rounding.
//!
//! An activation is the integer one over 256, a weight over 128, and a feature over 65,536 less a half, so that it is
//! centred. Then a neuron is `clamp(scale · Σ weight · input + bias, 0, 255 / 256)` with a scale of
//! 128 · 2^(input bits − 8 − shift): 1 in the first layer, 1/4 in the others.

use anyhow::{ensure, Result};
use inference::{Header, Model, BIASES, FEATURES, HIDDEN, SHIFTS, WEIGHTS};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Weights, then biases, each in the order of [`Model`].
pub const PARAMETERS: usize = WEIGHTS + BIASES;

/// One unit of an integer weight.
const WEIGHT_UNIT: f32 = 1.0 / 128.0;
/// One unit of an integer activation.
const ACTIVATION_UNIT: f32 = 1.0 / 256.0;
/// The largest activation.
const LARGEST: f32 = 1.0 - ACTIVATION_UNIT;
/// Neurons of the widest layer.
const WIDEST: usize = 16;

struct Layer {
    inputs: usize,
    neurons: usize,
    /// Where its weights begin.
    weights: usize,
    /// Where its biases begin.
    biases: usize,
    scale: f32,
}

const LAYERS: [Layer; 3] = [
    Layer {
        inputs: FEATURES,
        neurons: HIDDEN[0],
        weights: 0,
        biases: WEIGHTS,
        scale: 1.0,
    },
    Layer {
        inputs: HIDDEN[0],
        neurons: HIDDEN[1],
        weights: FEATURES * HIDDEN[0],
        biases: WEIGHTS + HIDDEN[0],
        scale: 0.25,
    },
    Layer {
        inputs: HIDDEN[1],
        neurons: 1,
        weights: FEATURES * HIDDEN[0] + HIDDEN[0] * HIDDEN[1],
        biases: WEIGHTS + HIDDEN[0] + HIDDEN[1],
        scale: 0.25,
    },
];

/// What a network computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Floats throughout.
    Float,
    /// Weights and activations rounded as the model has them.
    Integer,
}

impl Arithmetic {
    fn activation(self, sum: f32) -> f32 {
        match self {
            Self::Float => sum.clamp(0.0, LARGEST),
            Self::Integer => {
                ((sum / ACTIVATION_UNIT + 0.5).floor() * ACTIVATION_UNIT).clamp(0.0, LARGEST)
            }
        }
    }
}

/// The parameters of a network, in float units whatever it computes with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    parameters: Vec<f32>,
}

/// What each layer saw and made of one input, for the way back.
pub struct Trace {
    activations: [[f32; WIDEST]; LAYERS.len()],
    sums: [[f32; WIDEST]; LAYERS.len()],
}

impl Trace {
    /// The output before its clamp, so that a gradient passes there too.
    pub fn output(&self) -> f32 {
        self.sums[LAYERS.len() - 1][0]
    }
}

/// Features as the network takes them.
pub fn inputs(features: &[u16; FEATURES]) -> [f32; FEATURES] {
    features.map(|feature| f32::from(feature) / 65536.0 - 0.5)
}

impl Network {
    /// A network to start from: uniform weights, and biases that leave the hidden neurons inside their clamps.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut parameters = vec![0.0; PARAMETERS];
        for (layer, bias) in LAYERS.iter().zip([0.4, 0.2, 0.0]) {
            parameters[layer.weights..][..layer.inputs * layer.neurons]
                .fill_with(|| rng.gen_range(-0.8..0.8));
            parameters[layer.biases..][..layer.neurons].fill(bias);
        }
        Self { parameters }
    }

    /// Checks what was read from a file.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            self.parameters.len() == PARAMETERS,
            "a network has {PARAMETERS} parameters, not {}: train it again",
            self.parameters.len()
        );
        Ok(())
    }

    /// All weights and biases, to change them.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Keeps the weights in the range of an i8.
    pub fn clamp_weights(&mut self) {
        for weight in &mut self.parameters[..WEIGHTS] {
            *weight = weight.clamp(-1.0, 1.0 - WEIGHT_UNIT);
        }
    }

    /// The network whose weights are those that `arithmetic` computes with.
    pub fn rounded(&self, arithmetic: Arithmetic) -> Self {
        let mut network = self.clone();
        if arithmetic == Arithmetic::Integer {
            for weight in &mut network.parameters[..WEIGHTS] {
                *weight = f32::from(integer_weight(*weight)) * WEIGHT_UNIT;
            }
        }
        network
    }

    /// The output for features, clamped: 0 to 255 / 256.
    pub fn output(&self, features: &[u16; FEATURES]) -> f32 {
        let trace = self.forward(Arithmetic::Float, &inputs(features));
        Arithmetic::Float.activation(trace.output())
    }

    /// Runs the network on [`inputs`] and keeps what the way back needs.
    pub fn forward(&self, arithmetic: Arithmetic, inputs: &[f32; FEATURES]) -> Trace {
        let mut trace = Trace {
            activations: [[0.0; WIDEST]; LAYERS.len()],
            sums: [[0.0; WIDEST]; LAYERS.len()],
        };
        let mut activations = *inputs;
        for (depth, layer) in LAYERS.iter().enumerate() {
            trace.activations[depth] = activations;
            let weights = self.parameters[layer.weights..].chunks_exact(layer.inputs);
            let biases = &self.parameters[layer.biases..][..layer.neurons];
            let mut next = [0.0; WIDEST];
            for (neuron, (bias, weights)) in biases.iter().zip(weights).enumerate() {
                let products: f32 = weights.iter().zip(&activations).map(|(w, x)| w * x).sum();
                let sum = layer.scale * products + bias;
                trace.sums[depth][neuron] = sum;
                next[neuron] = arithmetic.activation(sum);
            }
            activations = next;
        }
        trace
    }

    /// Adds to `gradient` what the parameters did to a loss whose slope at the output is `slope`. Roundings pass it
    /// straight through; clamps stop it.
    pub fn backward(&self, trace: &Trace, slope: f32, gradient: &mut [f32; PARAMETERS]) {
        let mut slopes = [0.0; WIDEST];
        slopes[0] = slope;
        for (depth, layer) in LAYERS.iter().enumerate().rev() {
            let activations = &trace.activations[depth][..layer.inputs];
            let weights = self.parameters[layer.weights..].chunks_exact(layer.inputs);
            let mut earlier = [0.0; WIDEST];
            for (neuron, weights) in weights.take(layer.neurons).enumerate() {
                let slope = slopes[neuron];
                gradient[layer.biases + neuron] += slope;
                let slope = slope * layer.scale;
                let gradient = &mut gradient[layer.weights + neuron * layer.inputs..];
                for (gradient, activation) in gradient.iter_mut().zip(activations) {
                    *gradient += slope * activation;
                }
                for (earlier, weight) in earlier.iter_mut().zip(weights) {
                    *earlier += slope * weight;
                }
            }
            if depth > 0 {
                for (earlier, sum) in earlier.iter_mut().zip(&trace.sums[depth - 1]) {
                    if *sum <= 0.0 || *sum >= LARGEST {
                        *earlier = 0.0;
                    }
                }
            }
            slopes = earlier;
        }
    }

    /// The model that this network is when rounded.
    pub fn quantise(&self, header: Header) -> Model {
        let mut model = Model {
            header,
            weights: [0; WEIGHTS],
            biases: [0; BIASES],
        };
        for (integer, weight) in model.weights.iter_mut().zip(&self.parameters) {
            *integer = integer_weight(*weight);
        }
        for (depth, layer) in LAYERS.iter().enumerate() {
            let unit = f64::from(1 << (8 + SHIFTS[depth]));
            for neuron in 0..layer.neurons {
                let parameter = layer.biases + neuron;
                let mut bias = (f64::from(self.parameters[parameter]) * unit).round() as i32;
                if depth == 0 {
                    // The model's features aren't centred, so its biases take off the half.
                    let weights = &model.weights[neuron * FEATURES..][..FEATURES];
                    bias -= weights.iter().map(|w| i32::from(*w) << 15).sum::<i32>();
                }
                model.biases[parameter - WEIGHTS] = bias;
            }
        }
        model
    }
}

fn integer_weight(weight: f32) -> i8 {
    (weight / WEIGHT_UNIT).round() as i8
}
