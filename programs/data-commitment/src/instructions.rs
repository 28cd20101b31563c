//! One file an instruction: who may call, what is checked, what changes.

mod commit_root;
mod open_stream;
mod verify_batch;
mod verify_reading;

pub use commit_root::*;
pub use open_stream::*;
pub use verify_batch::*;
pub use verify_reading::*;
