//! What the circuit is written in: numbers, witnesses and constraints, each of which belongs to a named gadget.

use ark_bn254::Fr;
use ark_ff::{One, Zero};

/// A part of the circuit that forbids one kind of lie. Each constraint belongs to one, and so does each witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(enum_iterator::Sequence))]
pub enum Gadget {
    /// Header bytes beyond version, shape and shifts, which are constants, are 20 bytes.
    ModelHeader,
    /// A weight is an i8.
    WeightRange,
    /// A bias, 2^26 added, is a number of 27 bits.
    BiasRange,
    /// A bias isn't -2^26.
    BiasLimit,
    /// A window is there or it isn't.
    WindowFlag,
    /// No window is missing before one that is there.
    WindowOrder,
    /// A window's leaf is its hash, and a missing window's is 0.
    WindowLeaf,
    /// A window's output is the network's, and a missing window's is 0.
    WindowOutput,
    /// A feature is a u16.
    FeatureRange,
    /// The product of two neighbours among a neuron's weights.
    WeightPair,
    /// The product of two neighbours among a layer's inputs.
    InputPair,
    /// One product of an inner product.
    Product,
    /// An accumulator is the number of its bits.
    AccumulatorRange,
    /// What hasn't exceeded 255 isn't taken for what has.
    Excess,
    /// What has exceeded 255 isn't taken for what hasn't.
    NoExcess,
    /// What has exceeded 255 becomes 255.
    UpperClamp,
    /// What is negative becomes 0.
    LowerClamp,
    /// A square or product in Poseidon's S-box.
    SBox,
    /// The public input is the hash of what the circuit has computed.
    PublicInput,
}

/// A linear combination of variables, or just its value: what a [`System`] makes of it.
pub trait Number: Clone {
    /// A number that is the same in every proof.
    fn constant(value: Fr) -> Self;
    /// Its value in the present assignment.
    fn value(&self) -> Fr;
    /// `self + factor × other`.
    fn add_scaled(&self, factor: Fr, other: &Self) -> Self;

    /// `self + other`.
    fn add(&self, other: &Self) -> Self {
        self.add_scaled(Fr::one(), other)
    }

    /// `self − other`.
    fn sub(&self, other: &Self) -> Self {
        self.add_scaled(-Fr::one(), other)
    }

    /// `self + value`.
    fn add_constant(&self, value: Fr) -> Self {
        self.add(&Self::constant(value))
    }

    /// `factor × self`.
    fn scale(&self, factor: Fr) -> Self {
        Self::constant(Fr::zero()).add_scaled(factor, self)
    }
}

/// Takes down a circuit: as an assignment of its variables, or as its constraints.
pub trait System {
    /// What the system makes of numbers.
    type Number: Number;

    /// A new private variable.
    fn witness(&mut self, gadget: Gadget, value: Fr) -> Self::Number;
    /// The public variable; a circuit asks for it once.
    fn instance(&mut self, gadget: Gadget, value: Fr) -> Self::Number;
    /// Demands that a × b = c.
    fn enforce(&mut self, gadget: Gadget, a: &Self::Number, b: &Self::Number, c: &Self::Number);

    /// A new private variable that is a × b.
    fn product(&mut self, gadget: Gadget, a: &Self::Number, b: &Self::Number) -> Self::Number {
        let product = self.witness(gadget, a.value() * b.value());
        self.enforce(gadget, a, b, &product);
        product
    }
}

impl Number for Fr {
    fn constant(value: Fr) -> Self {
        value
    }

    fn value(&self) -> Fr {
        *self
    }

    fn add_scaled(&self, factor: Fr, other: &Self) -> Self {
        *self + factor * other
    }

    fn add(&self, other: &Self) -> Self {
        *self + other
    }

    fn sub(&self, other: &Self) -> Self {
        *self - other
    }

    fn scale(&self, factor: Fr) -> Self {
        factor * self
    }
}

/// The values of a circuit's variables, and nothing else: one, the public one, the private ones.
pub struct Assignment(Vec<Fr>);

impl Assignment {
    /// Makes room for `variables` of them.
    pub fn with_capacity(variables: usize) -> Self {
        let mut values = Vec::with_capacity(variables);
        values.extend([Fr::one(), Fr::zero()]);
        Self(values)
    }

    /// The values, in the order of the variables.
    pub fn into_values(self) -> Vec<Fr> {
        self.0
    }
}

impl System for Assignment {
    type Number = Fr;

    fn witness(&mut self, _: Gadget, value: Fr) -> Fr {
        self.0.push(value);
        value
    }

    fn instance(&mut self, _: Gadget, value: Fr) -> Fr {
        self.0[PUBLIC] = value;
        value
    }

    fn enforce(&mut self, _: Gadget, _: &Fr, _: &Fr, _: &Fr) {}
}

/// Index of the variable that is 1.
pub const ONE: usize = 0;
/// Index of the public variable.
pub const PUBLIC: usize = 1;
/// Variables that a verifier knows: the one that is 1 and the public one.
pub const INSTANCE: usize = 2;
