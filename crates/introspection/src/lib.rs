//! Reads which signatures the runtime's precompiles verify in the current transaction.
//!
//! A program can't call a precompile; it looks, in the instructions sysvar, for the precompile's instruction beside
//! its own. If that instruction were wrong, the whole transaction would fail, so all that is left to establish is
//! *what* it verifies. That is where others were robbed: a precompile's offsets may point into other instructions, so
//! a reader that ignores where they point reads one message while the precompile verifies another. Here every offset
//! of every signature must point into the precompile's own instruction.
//!
//! The caller must have checked that the account is the instructions sysvar, by its [`ADDRESS`]. Bytes in, bytes out: nothing is copied.
#![no_std]
#![forbid(unsafe_code)]

mod error;
mod signatures;
mod sysvar;

pub use error::IntrospectionError;
pub use signatures::{signature, signatures, Precompile, Signature, Signatures, SIGNATURE_LEN};
pub use sysvar::{current_instruction, ADDRESS};
