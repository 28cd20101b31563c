//! One file an instruction: who may call, what is checked, what changes.

mod answer_availability;
mod challenge_availability;
mod commit_root;
mod open_stream;
mod settle_challenge;
mod verify_batch;
mod verify_reading;

pub use answer_availability::*;
pub use challenge_availability::*;
pub use commit_root::*;
pub use open_stream::*;
pub use settle_challenge::*;
pub use verify_batch::*;
pub use verify_reading::*;
