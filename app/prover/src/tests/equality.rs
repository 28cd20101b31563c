//! The circuit against the engine, and the gadget against other implementations of Poseidon.

use ark_bn254::Fr;
use ark_ff::UniformRand;
use inference::{Model, BIASES, BIAS_LIMIT, FEATURES, WEIGHTS};
use proptest::{array::uniform16, collection::vec, prelude::*};
use rand::{rngs::StdRng, SeedableRng};

use super::{outputs, poseidon, statement, Liar, HEADER};
use crate::{
    constraints::Constraints,
    points::scalar_to_bytes,
    poseidon::{hash, hash_bytes},
    prover::constraints,
    system::{Gadget, System},
    Window,
};

#[test]
fn the_gadget_is_poseidon() {
    let mut rng = StdRng::seed_from_u64(0);
    // Partial rounds for 1 to 12 inputs, by the paper.
    let partial = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65];
    for (inputs, partial) in (1..=12).zip(partial) {
        let numbers: Vec<Fr> = (0..inputs).map(|_| Fr::rand(&mut rng)).collect();
        let bytes: Vec<_> = numbers.iter().map(scalar_to_bytes).collect();
        let mut liar = Liar::default();
        let digest = scalar_to_bytes(&hash(&mut liar, &numbers));
        assert!(liar.violated.is_empty());
        assert_eq!(digest, hash_bytes(&bytes).unwrap());
        assert_eq!(digest, poseidon(&bytes).unwrap());

        let mut constraints = Constraints::new();
        let numbers: Vec<_> = numbers
            .iter()
            .map(|number| constraints.witness(Gadget::SBox, *number))
            .collect();
        hash(&mut constraints, &numbers);
        assert_eq!(constraints.len(), 3 * (8 * (inputs + 1) + partial) - 3);
    }
}

/// Small changes of the circuit are seen here, and large ones too: the domain doubles beyond 65,534 constraints.
#[test]
fn the_circuits_have_their_sizes() {
    let sizes = [1, 2, 4, 8, 16, 32].map(|capacity| constraints(capacity).unwrap().len());
    assert_eq!(sizes, [8_151, 9_704, 13_050, 19_982, 34_086, 62_534]);
}

/// A number of a range, often at its ends.
fn often_extreme<T: Clone + std::fmt::Debug + 'static>(
    ends: [T; 3],
    any: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    prop_oneof![1 => proptest::sample::select(ends.to_vec()), 2 => any].boxed()
}

fn model() -> impl Strategy<Value = Model> {
    // Small weights and biases leave outputs between the clamps, large ones don't.
    let weight = (0..=7u32, any::<i8>()).prop_map(|(shift, weight)| weight >> shift);
    let weight = often_extreme([i8::MIN, 0, i8::MAX], weight);
    let bias = (0..=26u32, -BIAS_LIMIT + 1..BIAS_LIMIT).prop_map(|(shift, bias)| bias >> shift);
    let bias = often_extreme([1 - BIAS_LIMIT, 0, BIAS_LIMIT - 1], bias);
    (vec(weight, WEIGHTS), vec(bias, BIASES)).prop_map(|(weights, biases)| Model {
        header: HEADER,
        weights: weights.try_into().unwrap(),
        biases: biases.try_into().unwrap(),
    })
}

fn window() -> impl Strategy<Value = Window> {
    let feature = often_extreme([0, 1 << 15, u16::MAX], any::<u16>());
    let features = uniform16(feature);
    (features, any::<(u16, u32, u32, i64)>()).prop_map(
        |(features, (tree, index, nonce, last_capture))| Window {
            features,
            tree,
            index,
            nonce,
            last_capture,
        },
    )
}

fn check(capacity: usize, windows: &[Window], model: &Model) {
    let mut liar = Liar::default();
    let public_input = liar.run(capacity, windows, model);
    assert!(liar.violated.is_empty(), "{:?}", liar.violated);
    let outputs = outputs(windows, model);
    assert_eq!(public_input, statement(windows, model, &outputs));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_circuit_is_the_engine(model in model(), windows in vec(window(), 1..=4)) {
        check(4, &windows, &model);
    }
}

#[test]
fn the_circuit_is_the_engine_at_the_extremes() {
    let extremes = [0, u16::MAX].map(|feature| Window {
        features: [feature; FEATURES],
        tree: u16::MAX,
        index: u32::MAX,
        nonce: u32::MAX,
        last_capture: i64::MIN,
    });
    for weight in [i8::MIN, -1, 1, i8::MAX] {
        for bias in [1 - BIAS_LIMIT, 0, BIAS_LIMIT - 1] {
            let model = Model {
                header: HEADER,
                weights: [weight; WEIGHTS],
                biases: [bias; BIASES],
            };
            check(2, &extremes, &model);
        }
    }
}

#[test]
fn a_batch_may_be_full_or_not() {
    for (capacity, count) in [(1, 1), (8, 7), (16, 9), (32, 1), (32, 31), (32, 32)] {
        let mut windows = vec![super::window(); count];
        for (index, window) in (0..).zip(&mut windows) {
            window.index = index;
            window.features[1] = 2_000 * index as u16;
        }
        check(capacity, &windows, &super::relay());
    }
}
