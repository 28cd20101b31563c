//! How models, windows and outputs become field elements, and the Poseidon hashes over them.
//!
//! An element is 32 bytes, big-endian, and smaller than the modulus of BN254 by its leading zeros. The circuit packs
//! the same way. A hash is `poseidon(inputs)`: circom's Poseidon over BN254, of as many elements as it is given, with
//! whatever error the caller's implementation has.

use crate::{Header, ModelRef, BIASES, FEATURES, WEIGHTS, WINDOWS};

const WEIGHTS_PER_ELEMENT: usize = 31;
const BIASES_PER_ELEMENT: usize = 7;
const WEIGHT_ELEMENTS: usize = WEIGHTS.div_ceil(WEIGHTS_PER_ELEMENT);
const BIAS_ELEMENTS: usize = BIASES.div_ceil(BIASES_PER_ELEMENT);

/// Elements of a packed model: one of the header, 13 of weights, 4 of biases.
pub const MODEL_ELEMENTS: usize = 1 + WEIGHT_ELEMENTS + BIAS_ELEMENTS;

/// Elements that one Poseidon takes, at most.
const POSEIDON_INPUTS: usize = 12;

/// Packs 8 features an element, 16 bits each, the first one most significant.
pub fn pack_features(features: &[u16; FEATURES]) -> [[u8; 32]; 2] {
    let mut bytes = [0; 2 * FEATURES];
    for (bytes, feature) in bytes.chunks_exact_mut(2).zip(features) {
        bytes.copy_from_slice(&feature.to_be_bytes());
    }
    pack_halves(&bytes)
}

/// Packs 16 outputs an element, 8 bits each, the first one most significant; in the second element, the number of
/// windows goes before them. Outputs beyond the windows are 0.
///
/// With the number in it, a proof for fewer windows than a batch leaf claims doesn't pass the missing ones off as zeros.
pub fn pack_outputs(outputs: &[u8; WINDOWS], windows: u8) -> [[u8; 32]; 2] {
    let mut elements = pack_halves(outputs);
    elements[1][15] = windows;
    elements
}

/// The one public input of a proof: Poseidon of 5 over the windows root, the model's hash, both elements of
/// [`pack_outputs`], and the context of the attestation that the proof is for.
pub fn public_input<E>(
    windows_root: &[u8; 32],
    model_hash: &[u8; 32],
    outputs: &[u8; WINDOWS],
    windows: u8,
    context: &[u8; 32],
    poseidon: impl Fn(&[[u8; 32]]) -> Result<[u8; 32], E>,
) -> Result<[u8; 32], E> {
    let [low, high] = pack_outputs(outputs, windows);
    poseidon(&[*windows_root, *model_hash, low, high, *context])
}

/// Packs a model: the 25 header bytes; then the weights + 128, 31 bytes an element; then the biases + 2^31, 7 words of
/// 32 bits an element. The first one is most significant. Places of the last elements without a weight or bias hold 0.
pub fn pack_model(model: &ModelRef<'_>) -> [[u8; 32]; MODEL_ELEMENTS] {
    let mut elements = [[0; 32]; MODEL_ELEMENTS];
    let [header, rest @ ..] = &mut elements;
    let (weights, biases) = rest.split_at_mut(WEIGHT_ELEMENTS);

    header[32 - Header::BYTES..].copy_from_slice(&model.header().to_bytes());
    let chunks = model.weights().chunks(WEIGHTS_PER_ELEMENT);
    for (element, chunk) in weights.iter_mut().zip(chunks) {
        for (byte, weight) in element[32 - WEIGHTS_PER_ELEMENT..].iter_mut().zip(chunk) {
            *byte = *weight ^ (1 << 7);
        }
    }
    let chunks = model.biases().chunks(BIASES_PER_ELEMENT);
    for (element, chunk) in biases.iter_mut().zip(chunks) {
        let words = element[32 - 4 * BIASES_PER_ELEMENT..].chunks_exact_mut(4);
        for (word, bias) in words.zip(chunk) {
            let bias = u32::from_le_bytes(*bias) ^ (1 << 31);
            word.copy_from_slice(&bias.to_be_bytes());
        }
    }
    elements
}

/// The hash that names a model: Poseidon of 7 over (Poseidon of 12 over the first 12 packed elements, the other 6).
pub fn model_hash<E>(
    model: &ModelRef<'_>,
    poseidon: impl Fn(&[[u8; 32]]) -> Result<[u8; 32], E>,
) -> Result<[u8; 32], E> {
    let elements = pack_model(model);
    let (head, tail) = elements.split_at(POSEIDON_INPUTS);
    let mut inputs = [[0; 32]; 1 + MODEL_ELEMENTS - POSEIDON_INPUTS];
    inputs[0] = poseidon(head)?;
    inputs[1..].copy_from_slice(tail);
    poseidon(&inputs)
}

/// The leaf of a window: Poseidon of 3 over the packed features and where they come from, which is the device's tree,
/// index and leaf nonce in the registry and the newest reading's capture time in ms, big-endian, together 18 bytes.
pub fn window_leaf<E>(
    features: &[u16; FEATURES],
    tree: u16,
    index: u32,
    nonce: u32,
    last_capture: i64,
    poseidon: impl Fn(&[[u8; 32]]) -> Result<[u8; 32], E>,
) -> Result<[u8; 32], E> {
    let [first, second] = pack_features(features);
    let mut origin = [0; 32];
    origin[14..16].copy_from_slice(&tree.to_be_bytes());
    origin[16..20].copy_from_slice(&index.to_be_bytes());
    origin[20..24].copy_from_slice(&nonce.to_be_bytes());
    origin[24..].copy_from_slice(&last_capture.to_be_bytes());
    poseidon(&[first, second, origin])
}

/// The root of a batch's windows: a binary tree of Poseidons of 2 over exactly 32 leaves, the missing ones zero.
///
/// # Panics
///
/// If there are more than 32 leaves, which a batch can't hold.
pub fn windows_root<E>(
    leaves: &[[u8; 32]],
    poseidon: impl Fn(&[[u8; 32]]) -> Result<[u8; 32], E>,
) -> Result<[u8; 32], E> {
    let mut nodes = [[0; 32]; WINDOWS];
    nodes[..leaves.len()].copy_from_slice(leaves);
    let mut width = WINDOWS;
    while width > 1 {
        width /= 2;
        for parent in 0..width {
            nodes[parent] = poseidon(&nodes[2 * parent..][..2])?;
        }
    }
    Ok(nodes[0])
}

/// Two elements of 16 bytes each.
fn pack_halves(bytes: &[u8; 32]) -> [[u8; 32]; 2] {
    let mut elements = [[0; 32]; 2];
    for (element, half) in elements.iter_mut().zip(bytes.chunks_exact(16)) {
        element[16..].copy_from_slice(half);
    }
    elements
}
