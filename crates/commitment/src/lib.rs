//! Commitments to readings: a batch's trees, a stream's Merkle mountain range, the Merkle-sum trees of scores and rewards.
//!
//! Three levels tie a reading to a stream, each a SHA-256 tree over leaves of its own domain:
//! - the reading, its signature and its grant's are a [`ReadingLeaf`] of its batch's readings tree (`READINGS_DEPTH`), whose
//!   root is in the [`BatchLeaf`];
//! - the batch leaf is a leaf of the commitment's tree, whose root is in the [`CommitmentLeaf`];
//! - the commitment leaf is a leaf of the stream's [`mmr`], whose peaks are the stream's account.
//!
//! Verifying takes no memory but the stack, so that programs do it as a library call. Feature `std` adds the builders.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod error;
mod leaf;
pub mod mmr;
mod proof;
pub mod sum;
mod tree;

pub use error::ProofError;
pub use leaf::{BatchLeaf, CommitmentLeaf, ReadingLeaf};
#[cfg(feature = "std")]
pub use mmr::MmrBuilder;
pub use proof::{verify_batch, verify_reading};
#[cfg(feature = "std")]
pub use sum::SumTree;
pub use sum::{reward_leaf, score_leaf, verify_sum, SumNode};
#[cfg(feature = "std")]
pub use tree::Tree;
pub use tree::{depth, node, root};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The leaf that fills a tree where nothing is.
pub const EMPTY: Hash = [0; 32];

/// Windows in a batch, at most.
pub const WINDOWS: usize = 32;

/// Readings in a window; window `w` holds the batch's readings `16 w .. 16 w + 16`.
pub const READINGS_PER_WINDOW: usize = 16;

/// Depth of every readings tree: its 512 leaves are the places of the readings of 32 windows.
pub const READINGS_DEPTH: u32 = 9;
