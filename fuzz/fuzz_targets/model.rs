//! Models, and the windows that run through them. Input: a model's bytes, then 16 values i32 and 32 outputs.
#![no_main]

use inference::{aggregate, features, infer, pack_model, Model, ModelRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (model, window) = bytes.split_at(bytes.len().min(Model::BYTES));
    let Ok(parsed) = ModelRef::parse(model) else {
        return;
    };
    let owned = Model::from(parsed);
    assert_eq!(owned.to_bytes().as_slice(), model);
    assert_eq!(owned.validate(), Ok(()));
    for element in pack_model(&parsed) {
        // Below the modulus of the field, whatever the model.
        assert_eq!(element[0], 0);
    }
    let (words, _) = window.as_chunks::<4>();
    let mut values = [0; inference::READINGS];
    for (value, word) in values.iter_mut().zip(words) {
        *value = i32::from_le_bytes(*word);
    }
    let header = parsed.header();
    let output = infer(&parsed, &features(header, &values));
    assert_eq!(aggregate(header, &[output]), Some(header.value(output)));
    let outputs = window.get(4 * inference::READINGS..).unwrap_or_default();
    if let Some(value) = aggregate(header, outputs) {
        assert!((header.value(0)..=header.value(u8::MAX)).contains(&value));
    }
});
