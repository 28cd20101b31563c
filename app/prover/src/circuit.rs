//! The circuit: that a model, known by its hash, gives these outputs on the windows of a batch, known by their root.
//!
//! Windows and weights are private. What a proof is for lies in its one public input, `inference::public_input`.

use std::{array, mem, sync::LazyLock};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, One, PrimeField, Zero};
use inference::{Header, Model, BIAS_LIMIT, FEATURES, HIDDEN, SHIFTS, WEIGHTS, WINDOWS};

use crate::{
    poseidon::{self, hash},
    system::{Gadget, Number, System},
    Window,
};

/// Bits of a layer's accumulators, sign included: those of the first layer, whose inputs are u16, and of the others,
/// whose inputs are u8.
const ACCUMULATOR_BITS: [usize; 3] = [29, 28, 28];
/// Inputs of each layer.
const INPUTS: [usize; 3] = [FEATURES, HIDDEN[0], HIDDEN[1]];
/// Neurons of each layer.
const NEURONS: [usize; 3] = [HIDDEN[0], HIDDEN[1], 1];
/// Bits of what a layer puts out.
const OUTPUT_BITS: usize = 8;
/// Bits of a bias to which 2^26 was added.
const BIAS_BITS: usize = 27;
/// Header bytes that are constants of the circuit: version, shape and shifts.
const SHAPE_BYTES: usize = 5;

// The largest sum of either sign, half of what is shifted out included, is smaller than half of what the bits hold.
const _: () = {
    let largest_input = [u16::MAX as i64, u8::MAX as i64, u8::MAX as i64];
    let mut layer = 0;
    while layer < NEURONS.len() {
        let products = INPUTS[layer] as i64 * largest_input[layer] * 128;
        let half = 1 << (SHIFTS[layer] - 1);
        assert!(products + BIAS_LIMIT as i64 + half < 1 << (ACCUMULATOR_BITS[layer] - 1));
        assert!(INPUTS[layer].is_multiple_of(2));
        layer += 1;
    }
    assert!(BIAS_LIMIT == 1 << (BIAS_BITS - 1));
};

/// Takes down the circuit for up to `capacity` windows, a power of two up to 32, on the windows and the model of one
/// proof. The windows that are missing have neither features nor an output, and 0 for their leaf.
pub fn synthesize<S: System>(
    system: &mut S,
    capacity: usize,
    windows: &[Window],
    model: &Model,
    context: Fr,
) {
    let (network, model_hash) = Network::new(system, model);

    let mut flags: Vec<S::Number> = Vec::with_capacity(capacity);
    let mut leaves = Vec::with_capacity(capacity);
    let mut outputs = Vec::with_capacity(capacity);
    for place in 0..capacity {
        let window = windows.get(place);
        let flag = system.witness(Gadget::WindowFlag, Fr::from(window.is_some()));
        enforce_bit(system, Gadget::WindowFlag, &flag);
        if let Some(previous) = flags.last() {
            let is_missing = S::Number::constant(Fr::one()).sub(previous);
            system.enforce(Gadget::WindowOrder, &flag, &is_missing, &zero::<S>());
        }
        let (leaf, output) = window_of(system, &network, window);
        leaves.push(system.product(Gadget::WindowLeaf, &flag, &leaf));
        outputs.push(system.product(Gadget::WindowOutput, &flag, &output));
        flags.push(flag);
    }

    let windows_root = root(system, leaves);
    outputs.resize_with(WINDOWS, zero::<S>);
    let (low, high) = outputs.split_at(WINDOWS / 2);
    let count = flags.iter().fold(zero::<S>(), |sum, flag| sum.add(flag));
    let low = pack::<S>(low, OUTPUT_BITS);
    let high = pack::<S>(high, OUTPUT_BITS).add_scaled(power(8 * WINDOWS / 2), &count);
    let context = system.witness(Gadget::PublicInput, context);
    let statement = hash(system, &[windows_root, model_hash, low, high, context]);
    let public = system.instance(Gadget::PublicInput, statement.value());
    let one = S::Number::constant(Fr::one());
    system.enforce(Gadget::PublicInput, &statement, &one, &public);
}

/// The leaf and the output of a window; of a missing one, those of a window of zeros.
fn window_of<S: System>(
    system: &mut S,
    network: &Network<S::Number>,
    window: Option<&Window>,
) -> (S::Number, S::Number) {
    let blank = Window::default();
    let window = window.unwrap_or(&blank);
    let features = window.features.map(|feature| {
        let feature = system.witness(Gadget::FeatureRange, Fr::from(feature));
        range(system, Gadget::FeatureRange, &feature, 16);
        feature
    });
    let (first, second) = features.split_at(FEATURES / 2);
    // Nothing is computed from where a window comes from: it only has to be what the leaf was made of.
    let origin = system.witness(Gadget::WindowLeaf, window.origin());
    let inputs = [pack::<S>(first, 16), pack::<S>(second, 16), origin];
    let leaf = hash(system, &inputs);
    (leaf, network.infer(system, features.to_vec()))
}

/// The root of the tree over 32 leaves, of which those beyond the given ones are 0.
fn root<S: System>(system: &mut S, leaves: Vec<S::Number>) -> S::Number {
    let mut nodes = leaves;
    let mut width = WINDOWS;
    // The root of a tree without windows, as high as the nodes are.
    let mut empty = [0; 32];
    while width > 1 {
        let sibling = S::Number::constant(Fr::from_be_bytes_mod_order(&empty));
        nodes = nodes
            .chunks(2)
            .map(|pair| {
                hash(
                    system,
                    &[pair[0].clone(), pair.get(1).unwrap_or(&sibling).clone()],
                )
            })
            .collect();
        empty = poseidon::hash_bytes(&[empty, empty]).expect("a hash is an element");
        width /= 2;
    }
    nodes.swap_remove(0)
}

/// The model's weights, layer by layer.
struct Network<N>([Layer<N>; 3]);

/// A layer's neurons.
struct Layer<N> {
    neurons: Vec<Neuron<N>>,
    shift: usize,
    accumulator_bits: usize,
}

struct Neuron<N> {
    weights: Vec<N>,
    /// Bias minus the sum of products of neighbours among the weights.
    offset: N,
}

impl<N: Number> Network<N> {
    /// Takes a model's weights and biases as witness; the network, and the model's hash.
    fn new<S: System<Number = N>>(system: &mut S, model: &Model) -> (Self, N) {
        let bytes = model.header.to_bytes();
        let rest = Fr::from_be_bytes_mod_order(&bytes[SHAPE_BYTES..]);
        let rest = system.witness(Gadget::ModelHeader, rest);
        let rest_bits = 8 * (Header::BYTES - SHAPE_BYTES);
        range(system, Gadget::ModelHeader, &rest, rest_bits);
        let [first, second, third] = SHIFTS;
        let shape = [Header::VERSION, Header::SHAPE, first, second, third];
        let shape = Fr::from_be_bytes_mod_order(&shape) * power(rest_bits);

        let weights: [N; WEIGHTS] = array::from_fn(|i| {
            let weight = system.witness(Gadget::WeightRange, Fr::from(model.weights[i]));
            let unsigned = weight.add_constant(power(7));
            range(system, Gadget::WeightRange, &unsigned, 8);
            weight
        });
        let biases = model.biases.map(|bias| {
            let bias = system.witness(Gadget::BiasRange, Fr::from(bias));
            let unsigned = bias.add_constant(Fr::from(BIAS_LIMIT));
            range(system, Gadget::BiasRange, &unsigned, BIAS_BITS);
            let inverse = unsigned.value().inverse().unwrap_or_default();
            let inverse = system.witness(Gadget::BiasLimit, inverse);
            let one = N::constant(Fr::one());
            system.enforce(Gadget::BiasLimit, &unsigned, &inverse, &one);
            bias
        });

        let mut elements = vec![rest.add_constant(shape)];
        // The last elements have fewer, and zeros in the other places.
        for chunk in weights.chunks(31) {
            let mut words: Vec<_> = chunk.iter().map(|w| w.add_constant(power(7))).collect();
            words.resize_with(31, zero::<S>);
            elements.push(pack::<S>(&words, 8));
        }
        for chunk in biases.chunks(7) {
            let mut words: Vec<_> = chunk.iter().map(|b| b.add_constant(power(31))).collect();
            words.resize_with(7, zero::<S>);
            elements.push(pack::<S>(&words, 32));
        }
        let (head, tail) = elements.split_at(12);
        let head = hash(system, head);
        let model_hash = hash(system, &[&[head], tail].concat());

        let (mut weights, mut biases) = (weights.as_slice(), biases.as_slice());
        let network = Self(array::from_fn(|layer| {
            let neurons = (0..NEURONS[layer]).map(|_| {
                let row;
                (row, weights) = weights.split_at(INPUTS[layer]);
                let bias;
                (bias, biases) = biases.split_at(1);
                Neuron {
                    weights: row.to_vec(),
                    offset: bias[0].sub(&pairs(system, Gadget::WeightPair, row)),
                }
            });
            Layer {
                neurons: neurons.collect(),
                shift: SHIFTS[layer].into(),
                accumulator_bits: ACCUMULATOR_BITS[layer],
            }
        }));
        (network, model_hash)
    }

    /// Runs the network, as `inference::infer` does.
    fn infer<S: System<Number = N>>(&self, system: &mut S, features: Vec<N>) -> N {
        let mut values = features;
        for layer in &self.0 {
            let pairs = pairs(system, Gadget::InputPair, &values);
            let neurons = layer.neurons.iter().map(|neuron| {
                let products = products(system, &neuron.weights, &values);
                let accumulator = neuron.offset.add(&products).sub(&pairs);
                activate(system, &accumulator, layer.accumulator_bits, layer.shift)
            });
            values = neurons.collect();
        }
        values.swap_remove(0)
    }
}

/// The sum of products of neighbours, of which the inner products are relieved. By Winograd's formula, an inner product
/// of n weights and inputs takes n / 2 multiplications, as
///
/// ```text
/// w₀ x₀ + w₁ x₁ = (x₀ + w₁) (x₁ + w₀) − x₀ x₁ − w₀ w₁
/// ```
///
/// and both last products serve many inner products.
fn pairs<S: System>(system: &mut S, gadget: Gadget, numbers: &[S::Number]) -> S::Number {
    let pairs = numbers.chunks_exact(2);
    pairs.fold(zero::<S>(), |sum, pair| {
        sum.add(&system.product(gadget, &pair[0], &pair[1]))
    })
}

/// The inner product, and the sums of products of neighbours among the weights and among the inputs with it.
fn products<S: System>(system: &mut S, weights: &[S::Number], inputs: &[S::Number]) -> S::Number {
    let pairs = weights.chunks_exact(2).zip(inputs.chunks_exact(2));
    pairs.fold(zero::<S>(), |sum, (w, x)| {
        let [left, right] = [x[0].add(&w[1]), x[1].add(&w[0])];
        sum.add(&system.product(Gadget::Product, &left, &right))
    })
}

/// Adds half of 2^shift, shifts right and clamps to 0..=255.
fn activate<S: System>(
    system: &mut S,
    accumulator: &S::Number,
    bits: usize,
    shift: usize,
) -> S::Number {
    let sign = power(bits - 1);
    let unsigned = accumulator.add_constant(sign + power(shift - 1));
    let (low, signed) = range(system, Gadget::AccumulatorRange, &unsigned, bits);
    let (kept, excess) = low[shift..].split_at(OUTPUT_BITS);
    let kept = (0..)
        .zip(kept)
        .fold(zero::<S>(), |sum, (i, bit)| sum.add_scaled(power(i), bit));
    let excess = excess.iter().fold(zero::<S>(), |sum, bit| sum.add(bit));

    // An inverse makes has_exceeded 1, and only with an excess of 0 is there none.
    let inverse = excess.value().inverse().unwrap_or_default();
    let inverse = system.witness(Gadget::Excess, inverse);
    let has_exceeded = system.product(Gadget::Excess, &excess, &inverse);
    let has_not = S::Number::constant(Fr::one()).sub(&has_exceeded);
    system.enforce(Gadget::NoExcess, &excess, &has_not, &zero::<S>());

    let largest = S::Number::constant(Fr::from(u8::MAX));
    let missing = largest.sub(&kept);
    let added = system.product(Gadget::UpperClamp, &has_exceeded, &missing);
    let clamped = kept.add(&added);
    // The highest bit, as what it stands for: 2^(bits - 1), unless the accumulator is negative.
    let output = if signed.value().is_zero() {
        Fr::zero()
    } else {
        clamped.value()
    };
    let output = system.witness(Gadget::LowerClamp, output);
    system.enforce(Gadget::LowerClamp, &signed, &clamped, &output.scale(sign));
    output
}

/// Demands that a number is one of `bits` bits: the lower ones, and the highest as what it stands for, which is
/// 2^(bits - 1) or 0.
fn range<S: System>(
    system: &mut S,
    gadget: Gadget,
    number: &S::Number,
    bits: usize,
) -> (Vec<S::Number>, S::Number) {
    let integer = number.value().into_bigint();
    let mut highest = number.clone();
    let mut low = Vec::with_capacity(bits - 1);
    for i in 0..bits - 1 {
        let bit = system.witness(gadget, Fr::from(integer.get_bit(i)));
        enforce_bit(system, gadget, &bit);
        highest = highest.add_scaled(-power(i), &bit);
        low.push(bit);
    }
    let is_set = highest.add_constant(-power(bits - 1));
    system.enforce(gadget, &highest, &is_set, &zero::<S>());
    (low, highest)
}

/// Demands that a number is 0 or 1.
fn enforce_bit<S: System>(system: &mut S, gadget: Gadget, bit: &S::Number) {
    let less = bit.add_constant(-Fr::one());
    system.enforce(gadget, bit, &less, &zero::<S>());
}

/// Packs words of so many bits, the first one most significant.
fn pack<S: System>(words: &[S::Number], bits: usize) -> S::Number {
    let places = (0..words.len()).rev();
    places.zip(words).fold(zero::<S>(), |sum, (place, word)| {
        sum.add_scaled(power(bits * place), word)
    })
}

fn zero<S: System>() -> S::Number {
    S::Number::constant(Fr::zero())
}

/// 2^exponent.
fn power(exponent: usize) -> Fr {
    // Asked for in the innermost loops.
    static POWERS: LazyLock<[Fr; 256]> = LazyLock::new(|| {
        let mut power = Fr::one();
        array::from_fn(|_| {
            let double = power.double();
            mem::replace(&mut power, double)
        })
    });
    POWERS[exponent]
}
