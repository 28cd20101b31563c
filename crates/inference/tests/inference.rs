//! The engine against golden vectors, against a naive reference, and against bytes that are not a model.
//!
//! `golden.json` was computed by an implementation of its own, in JavaScript with big integers and the Poseidon of
//! circomlibjs 0.1.7. Hashes are big-endian hex; `leaves` says how many of all leaves in a row, then the first eight
//! again, lie in a tree. The public input is of the first model, the last root and the outputs there.

use inference::{
    aggregate, features, infer, model_hash, pack_features, pack_model, pack_outputs, public_input,
    window_leaf, windows_root, Header, Model, ModelError, ModelRef, ACCUMULATOR_BITS, BIASES,
    BIAS_LIMIT, FEATURES, HIDDEN, SHIFTS, WEIGHTS, WINDOWS,
};
use proptest::prelude::*;
use rand::{rngs::StdRng, Rng, SeedableRng};
use serde_json::Value;
use solana_poseidon::{hashv, Endianness, Parameters, PoseidonSyscallError};

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

fn golden() -> Value {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn element(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

/// What the syscall computes, on the host.
fn poseidon(inputs: &[[u8; 32]]) -> Result<[u8; 32], PoseidonSyscallError> {
    let inputs: Vec<&[u8]> = inputs.iter().map(|input| input.as_slice()).collect();
    Ok(hashv(Parameters::Bn254X5, Endianness::BigEndian, &inputs)?.to_bytes())
}

fn golden_leaves(golden: &Value) -> Vec<[u8; 32]> {
    let windows = list(&golden["models"])
        .iter()
        .flat_map(|model| list(&model["windows"]));
    windows.map(|window| element(&window["leaf"])).collect()
}

#[test]
fn golden_models_and_windows() {
    for case in list(&golden()["models"]) {
        let bytes = bytes(&case["bytes"]);
        let model = ModelRef::parse(&bytes).unwrap();
        assert_eq!(Model::from(model).to_bytes().as_slice(), bytes);
        assert_eq!(
            model_hash(&model, poseidon).unwrap(),
            element(&case["hash"])
        );

        for window in list(&case["windows"]) {
            let at = |field: &str, i: usize| number(&list(&window[field])[i]);
            let values = std::array::from_fn(|i| at("values", i) as i32);
            let expected = std::array::from_fn(|i| at("features", i) as u16);
            let features = features(model.header(), &values);
            assert_eq!(features, expected);

            let output = infer(&model, &features);
            assert_eq!(i64::from(output), number(&window["output"]));
            let value = window["value"].as_str().unwrap();
            assert_eq!(model.header().value(output).to_string(), value);

            let origin = |field: &str| u32::try_from(number(&window[field])).unwrap();
            let leaf = window_leaf(
                &features,
                origin("tree") as u16,
                origin("index"),
                origin("nonce"),
                number(&window["last_capture"]),
                poseidon,
            );
            assert_eq!(leaf.unwrap(), element(&window["leaf"]));
        }
    }
}

#[test]
fn golden_roots() {
    let golden = golden();
    let leaves = golden_leaves(&golden);
    let leaves = [leaves.as_slice(), &leaves[..8]].concat();
    assert_eq!(leaves.len(), WINDOWS);
    for case in list(&golden["roots"]) {
        let leaves = &leaves[..number(&case["leaves"]) as usize];
        assert_eq!(
            windows_root(leaves, poseidon).unwrap(),
            element(&case["root"])
        );
    }
}

#[test]
fn golden_outputs() {
    let golden = golden();
    let case = &golden["outputs"];
    let outputs: [u8; WINDOWS] = bytes(&case["outputs"]).try_into().unwrap();
    let windows = number(&case["windows"]) as u8;
    let [first, second] = pack_outputs(&outputs, windows);
    let expected = list(&case["elements"]);
    assert_eq!(
        [first, second],
        [element(&expected[0]), element(&expected[1])]
    );

    let case = &golden["public_input"];
    let public_input = public_input(
        &element(&list(&golden["roots"]).last().unwrap()["root"]),
        &element(&golden["models"][0]["hash"]),
        &outputs,
        windows,
        &element(&case["context"]),
        poseidon,
    );
    assert_eq!(public_input.unwrap(), element(&case["hash"]));
}

#[test]
fn errors_of_the_hash_come_back() {
    let bytes = model(&mut StdRng::seed_from_u64(0)).to_bytes();
    let model = ModelRef::parse(&bytes).unwrap();
    let refuse = |_: &[[u8; 32]]| Err("no hash");
    assert_eq!(model_hash(&model, refuse), Err("no hash"));
    assert_eq!(windows_root(&[], refuse), Err("no hash"));
    let zero = [0; 32];
    assert_eq!(
        public_input(&zero, &zero, &zero, 1, &zero, refuse),
        Err("no hash")
    );
    assert_eq!(
        window_leaf(&[0; FEATURES], 0, 0, 0, 0, refuse),
        Err("no hash")
    );
}

/// A random model: its weights fill the range that a random bound allows, and its biases centre most neurons.
fn model(rng: &mut StdRng) -> Model {
    let mut model = Model {
        header: HEADER,
        weights: [0; WEIGHTS],
        biases: [0; BIASES],
    };
    let bound: i16 = rng.gen_range(1..=128);
    model
        .weights
        .fill_with(|| rng.gen_range(-bound..bound) as i8);
    for (neuron, layer, row) in neurons() {
        let middle = if layer == 0 { 1 << 15 } else { 1 << 7 };
        let sum: i32 = model.weights[row].iter().map(|w| i32::from(*w)).sum();
        let span = 256 << SHIFTS[layer];
        model.biases[neuron] = span / 2 - sum * middle + rng.gen_range(-span / 2..span / 2);
        let limit = BIAS_LIMIT - 1;
        model.biases[neuron] = match rng.gen_range(0..50) {
            0 => limit,
            1 => -limit,
            _ => model.biases[neuron].clamp(-limit, limit),
        };
    }
    model
}

/// Each neuron with its layer and where its weights are.
fn neurons() -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let sizes = [FEATURES, HIDDEN[0], HIDDEN[1], 1];
    let mut weights = 0;
    (0..3)
        .flat_map(move |layer| (0..sizes[layer + 1]).map(move |_| (layer, sizes[layer])))
        .enumerate()
        .map(move |(neuron, (layer, inputs))| {
            weights += inputs;
            (neuron, layer, weights - inputs..weights)
        })
}

/// The definition, in integers too wide to overflow. Also the extremes of all accumulators.
fn naive(model: &Model, features: &[u16; FEATURES], extremes: &mut [i128; 2]) -> u8 {
    let mut inputs: Vec<i128> = features.iter().map(|x| i128::from(*x)).collect();
    let mut outputs = Vec::new();
    let mut current = 0;
    for (neuron, layer, row) in neurons() {
        if layer != current {
            inputs = std::mem::take(&mut outputs);
            current = layer;
        }
        let mut accumulator = i128::from(model.biases[neuron]);
        for (weight, input) in model.weights[row].iter().zip(&inputs) {
            accumulator += i128::from(*weight) * input;
            extremes[0] = extremes[0].min(accumulator);
        }
        let divisor = 1 << SHIFTS[layer];
        accumulator += divisor / 2;
        extremes[1] = extremes[1].max(accumulator);
        outputs.push(accumulator.div_euclid(divisor).clamp(0, 255));
    }
    outputs[0] as u8
}

#[test]
fn the_engine_is_the_naive_reference_on_a_million_windows() {
    let mut rng = StdRng::seed_from_u64(161_681);
    let mut outputs = [0u32; 256];
    for _ in 0..1_000 {
        let model = model(&mut rng);
        model.validate().unwrap();
        let bytes = model.to_bytes();
        let parsed = ModelRef::parse(&bytes).unwrap();
        for _ in 0..1_000 {
            let spread: u16 = rng.gen();
            let features = std::array::from_fn(|_| match rng.gen_range(0..64) {
                0 => 0,
                1 => u16::MAX,
                _ => (i32::from(spread) * rng.gen_range(-128..128) / 256 + (1 << 15)) as u16,
            });
            let output = infer(&parsed, &features);
            assert_eq!(output, naive(&model, &features, &mut [0; 2]));
            outputs[usize::from(output)] += 1;
        }
    }
    let rarest = outputs.iter().min().unwrap();
    assert!(
        *rarest > 100,
        "the inputs leave outputs untried: {outputs:?}"
    );
}

#[test]
fn no_accumulator_of_a_valid_model_leaves_its_bits() {
    let limit = 1i128 << (ACCUMULATOR_BITS - 1);
    let mut extremes = [0; 2];
    for (weight, bias) in [(i8::MIN, 1 - BIAS_LIMIT), (i8::MAX, BIAS_LIMIT - 1)] {
        let model = Model {
            header: HEADER,
            weights: [weight; WEIGHTS],
            biases: [bias; BIASES],
        };
        model.validate().unwrap();
        let bytes = model.to_bytes();
        let parsed = ModelRef::parse(&bytes).unwrap();
        let features = [u16::MAX; FEATURES];
        let output = naive(&model, &features, &mut extremes);
        assert_eq!(infer(&parsed, &features), output);
    }
    assert!(-limit <= extremes[0] && extremes[1] < limit, "{extremes:?}");
    // The bits are no more than needed, so the bound is the one that the circuit may rely on.
    assert!(-extremes[0] > limit / 2 && extremes[1] > limit / 2);
}

#[test]
fn a_bias_at_the_limit_is_refused() {
    for neuron in 0..BIASES {
        for bias in [BIAS_LIMIT, -BIAS_LIMIT, i32::MIN, i32::MAX] {
            let mut model = model(&mut StdRng::seed_from_u64(1));
            model.biases[neuron] = bias;
            let error = Err(ModelError::Bias { neuron, bias });
            assert_eq!(model.validate(), error);
            assert_eq!(ModelRef::parse(&model.to_bytes()).map(|_| ()), error);
        }
    }
}

#[test]
fn a_header_out_of_range_is_refused() {
    type Change = fn(&mut Header);
    let cases: [(Change, ModelError); 11] = [
        (|h| h.version = 0, ModelError::Version(0)),
        (|h| h.version = 2, ModelError::Version(2)),
        (|h| h.shape = 2, ModelError::Shape(2)),
        (|h| h.shifts = [15, 9, 8], ModelError::Shifts([15, 9, 8])),
        (|h| h.value_index = 32, ModelError::ValueIndex(32)),
        (|h| h.level_gain = 0, ModelError::LevelGain),
        (|h| h.delta_gain = 0, ModelError::DeltaGain),
        (|h| h.output_step = 0, ModelError::OutputStep(0)),
        (|h| h.output_step = -1, ModelError::OutputStep(-1)),
        (|h| h.exponent = 19, ModelError::Exponent(19)),
        (|h| h.exponent = i8::MIN, ModelError::Exponent(i8::MIN)),
    ];
    for (change, error) in cases {
        let mut model = model(&mut StdRng::seed_from_u64(2));
        assert_eq!(model.validate(), Ok(()));
        change(&mut model.header);
        assert_eq!(model.validate(), Err(error));
        assert_eq!(ModelRef::parse(&model.to_bytes()).map(|_| ()), Err(error));
    }
}

#[test]
fn only_the_exact_length_is_a_model() {
    let bytes = model(&mut StdRng::seed_from_u64(3)).to_bytes();
    let longer = [bytes.as_slice(), &[0; 5]].concat();
    for length in (0..longer.len()).filter(|length| *length != Model::BYTES) {
        let parsed = ModelRef::parse(&longer[..length]).map(|_| ());
        assert_eq!(parsed, Err(ModelError::Length(length)));
    }
    assert!(ModelRef::parse(&bytes).is_ok());
}

#[test]
fn aggregate_never_takes_the_upper_median() {
    assert_eq!(aggregate(&HEADER, &[]), None);
    assert_eq!(aggregate(&HEADER, &[0; WINDOWS + 1]), None);
    assert_eq!(aggregate(&HEADER, &[7]), Some(-1825));
    // -2000 and -1975: the mean is -1987.5, and its floor -1988.
    assert_eq!(aggregate(&HEADER, &[1, 0]), Some(-1988));
    assert_eq!(aggregate(&HEADER, &[255, 0, 3]), Some(-1925));
}

/// An i32, near the ends of its range as often as not.
fn any_value() -> impl Strategy<Value = i32> {
    prop_oneof![
        any::<i32>(),
        i32::MIN..i32::MIN + 9,
        i32::MAX - 9..i32::MAX,
        -3000..5000
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn features_are_the_clamped_formula(
        values in prop::array::uniform16(any_value()),
        level_offset in any_value(),
        level_gain in 1u16..,
        delta_gain in 1u16..,
    ) {
        let header = Header { level_offset, level_gain, delta_gain, ..HEADER };
        let actual = features(&header, &values);
        let newest = i128::from(values[15]);
        for i in 0..15 {
            let difference = i128::from(values[i]) - newest;
            let expected = 32_768 + difference * i128::from(delta_gain);
            prop_assert_eq!(i128::from(actual[i]), expected.clamp(0, 65_535));
        }
        let expected = (newest - i128::from(level_offset)) * i128::from(level_gain);
        prop_assert_eq!(i128::from(actual[15]), expected.clamp(0, 65_535));
    }

    #[test]
    fn aggregate_is_the_median_of_sorted_values(
        outputs in prop::collection::vec(any::<u8>(), 1..=WINDOWS),
        output_offset in any_value(),
        output_step in 1i32..,
    ) {
        let header = Header { output_offset, output_step, ..HEADER };
        let mut values: Vec<i64> = outputs.iter().map(|output| header.value(*output)).collect();
        values.sort();
        let middle = values.len() / 2;
        let expected = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]).div_euclid(2)
        };
        prop_assert_eq!(aggregate(&header, &outputs), Some(expected));
    }

    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(model) = ModelRef::parse(&bytes) {
            prop_assert_eq!(Model::from(model).to_bytes().to_vec(), bytes);
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_another_model(
        seed in any::<u64>(),
        place in 0..Model::BYTES,
        change in 1u8..,
    ) {
        let mut bytes = model(&mut StdRng::seed_from_u64(seed)).to_bytes();
        let before = pack_model(&ModelRef::parse(&bytes).unwrap());
        bytes[place] ^= change;
        if let Ok(model) = ModelRef::parse(&bytes) {
            prop_assert_eq!(Model::from(model).to_bytes(), bytes);
            prop_assert_eq!(Model::from(model).validate(), Ok(()));
            prop_assert_ne!(pack_model(&model), before);
        } else {
            // Any weight will do, so what was refused is the header or a bias.
            let weights = Header::BYTES..Header::BYTES + WEIGHTS;
            prop_assert!(!weights.contains(&place));
        }
    }

    #[test]
    fn packed_features_hold_each_feature(features in prop::array::uniform16(any::<u16>())) {
        let [first, second] = pack_features(&features);
        let bytes = [&first[16..], &second[16..]].concat();
        let unpacked: Vec<u16> = bytes.chunks(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect();
        prop_assert_eq!(unpacked, features.to_vec());
        prop_assert_eq!([&first[..16], &second[..16]].concat(), vec![0; 32]);
    }
}
