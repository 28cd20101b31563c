//! The software of an operator: takes readings, verifies and archives them, commits to them, runs the model, attests,
//! checks the attestations of others, scores, and votes on rewards.
//!
//! A [`Worker`] is driven by [`Worker::step`], which does whatever can be done now and returns. What is acknowledged is
//! durable, every stage is recorded before the next begins, and every on-chain action is refused by its program when it
//! comes a second time: a worker may be killed anywhere and goes on where it was. Time is the chain's time.

pub mod audit;
pub mod availability;
pub mod cache;
pub mod challenge;
pub mod claims;
mod columns;
pub mod committee;
pub mod config;
pub mod follow;
pub mod ingest;
pub mod load;
pub mod log;
pub mod mqtt;
pub mod patience;
pub mod payload;
pub mod plausibility;
pub mod processors;
pub mod prove;
pub mod registry;
pub mod reject;
pub mod reward;
pub mod round;
pub mod score;
pub mod server;
pub mod slash;
pub mod store;
pub mod time;
pub mod trace;
pub mod verify;
pub mod window;
pub mod worker;

pub use config::Config;
pub use reject::Reject;
pub use worker::{Event, Part, Worker, WorkerError};
