use core::fmt;

/// Why a proof was refused, or a tree not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// The path does not have as many siblings as the tree is deep, or no tree is that deep.
    Length,
    /// The tree has no leaf at this index.
    Index,
    /// The path does not lead from this leaf to the committed root.
    Mismatch,
    /// A sum, or a count of leaves, exceeds what the tree can hold.
    Overflow,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the path's length is not the tree's depth: build the path at the count that the account has now",
            Self::Index => "the tree has no such leaf: check the index, and that it was committed",
            Self::Mismatch => "the path does not lead to the committed root: check the leaf's fields, and build the path at the count that the account has now",
            Self::Overflow => "the sum or count is more than the tree can hold: check the leaves' sums",
        })
    }
}

impl core::error::Error for ProofError {}
