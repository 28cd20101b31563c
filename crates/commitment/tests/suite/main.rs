//! Every tree against a naive reference that hashes whole trees again, with SHA-256 from another library.

mod batch;
mod golden;
mod mmr;
mod naive;
mod reading;
mod sum;
