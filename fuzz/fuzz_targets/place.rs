//! A device's leaf and its place in a tree, as the registry's instructions carry them: what parses has exactly one encoding,
//! and a place no more nodes than the deepest tree. Input: kind u8 (0 a leaf, 1 a place), the argument.
#![no_main]

use anchor_lang::{AnchorDeserialize, AnchorSerialize};
use device_registry::state::{tree::MAX_DEPTH, LeafArgs, LeafPlace};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match bytes {
    [0, bytes @ ..] => leaf(bytes),
    [1, bytes @ ..] => place(bytes),
    _ => {}
});

fn leaf(bytes: &[u8]) {
    let Ok(args) = LeafArgs::try_from_slice(bytes) else {
        return;
    };
    assert_eq!(written(&args), bytes);
    if let Ok(leaf) = args.leaf() {
        assert_eq!(LeafArgs::from(&leaf), args);
        leaf.hash();
    }
}

fn place(bytes: &[u8]) {
    let Ok(place) = LeafPlace::try_from_slice(bytes) else {
        return;
    };
    assert_eq!(written(&place), bytes);
    assert!(place.proof.len() <= usize::from(MAX_DEPTH));
}

fn written(value: &impl AnchorSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.serialize(&mut bytes).expect("memory");
    bytes
}
