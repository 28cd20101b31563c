use core::fmt;

use crate::{bytes::Writer, digest, Hash};

/// The most H3 cells that a feed covers.
pub const MAX_CELLS: usize = 8;

/// A network's id: `digest!("network", program | genesis hash | creator | nonce u64)`.
///
/// The cluster's genesis hash is in it, so nothing signed for a network is of use on another cluster.
pub fn network_id(program: &Hash, genesis_hash: &Hash, creator: &Hash, nonce: u64) -> Hash {
    digest!(
        "network",
        program,
        genesis_hash,
        creator,
        &nonce.to_le_bytes()
    )
}

/// Which readings a feed is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSpec<'a> {
    /// The schema that each reading has.
    pub schema: u16,
    /// The longest time between two consecutive readings of a window, in seconds.
    pub max_gap_s: u32,
    /// The H3 cells that the devices lie in, at most [`MAX_CELLS`]; none means anywhere.
    pub cells: &'a [u64],
}

/// A feed's id: `digest!("feed", network | creator | model | schema u16 | max gap u32 | aggregation u8 |
/// round length i64 | cell count u8 | cells u64…)`.
///
/// # Errors
/// [`TooManyCells`] if the input spec names more than [`MAX_CELLS`].
pub fn feed_id(
    network: &Hash,
    creator: &Hash,
    model: &Hash,
    input: &InputSpec,
    aggregation: u8,
    round_length: i64,
) -> Result<Hash, TooManyCells> {
    if input.cells.len() > MAX_CELLS {
        return Err(TooManyCells);
    }
    let mut buffer = [0; MAX_CELLS * 8];
    let mut cells = Writer::new(&mut buffer);
    for cell in input.cells {
        cells.put(&cell.to_le_bytes());
    }
    let len = cells.len();
    Ok(digest!(
        "feed",
        network,
        creator,
        model,
        &input.schema.to_le_bytes(),
        &input.max_gap_s.to_le_bytes(),
        &[aggregation],
        &round_length.to_le_bytes(),
        &[input.cells.len() as u8],
        &buffer[..len]
    ))
}

/// What a proof is bound to, so that it serves no other attestation: `digest!("attestation-context", feed | stream |
/// sequence u64 | batch index u32 | round u64 | attester)` with the top three bits of its first byte cleared, which
/// makes it an element of BN254's scalar field, big-endian.
///
/// `feed` is the feed's id, `stream` the stream's address, `sequence` and `batch_index` are where the batch lies in the
/// stream, and `attester` is the address of the attester's pool.
pub fn attestation_context(
    feed: &Hash,
    stream: &Hash,
    sequence: u64,
    batch_index: u32,
    round: u64,
    attester: &Hash,
) -> Hash {
    let mut context = digest!(
        "attestation-context",
        feed,
        stream,
        &sequence.to_le_bytes(),
        &batch_index.to_le_bytes(),
        &round.to_le_bytes(),
        attester
    );
    context[0] &= 0b0001_1111;
    context
}

/// A private model's id: `digest!("private-model", model hash | header)`, with the header's 25 canonical bytes.
///
/// The hash alone would not do: it covers a header too, but only whoever knows the weights can tell which.
pub fn private_model_id(hash: &Hash, header: &[u8; 25]) -> Hash {
    digest!("private-model", hash, header)
}

/// A feed was to cover more than [`MAX_CELLS`] cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCells;

impl fmt::Display for TooManyCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a feed covers at most {MAX_CELLS} H3 cells: name coarser ones"
        )
    }
}

impl core::error::Error for TooManyCells {}
