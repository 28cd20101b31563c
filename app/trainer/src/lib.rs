//! Trains the demo's model, a forecast of the next hour's air temperature from the last 16 hours at one station, and
//! says how well it does on data that it has not seen.
//!
//! A float network of the model's shape is trained first, then fine-tuned in the integers that the engine computes
//! with. The same data and seed give the same model.

pub mod data;
pub mod network;
pub mod report;
pub mod train;
