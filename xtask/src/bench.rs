//! `cargo xtask bench`: measures what happens off the chain.

use std::{ffi::OsString, fs};

use anyhow::Result;

use crate::{
    build,
    workspace::{self, Workspace},
};

/// Measures a worker's ingestion. Passes `args` on.
pub fn ingest(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let programs = build::run(workspace)?;
    // On the disk that the workspace is on: a directory for temporary files may be memory.
    let data = workspace.target.join("bench");
    fs::create_dir_all(&data)?;
    let mut ingest = workspace.binary("ingest")?;
    ingest
        .env("FIELDPROOF_PROGRAMS", programs)
        .arg("--data")
        .arg(data)
        .args(args);
    workspace::hand_over(&mut ingest)
}

/// Measures proofs, with a prover as it is released. Passes `args` on.
pub fn prove(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let mut prover = workspace.released("prover")?;
    prover.arg("bench").args(args);
    workspace::hand_over(&mut prover)
}
