//! `cargo xtask conserve`: whether all books agree after each instruction of random sequences. The work is in the package
//! `tests`.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build,
    workspace::{self, Workspace},
};

/// Runs the sequences.
pub fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let programs = build::run(workspace)?;
    let mut conserve = workspace.binary("conserve")?;
    conserve.env("FIELDPROOF_PROGRAMS", programs).args(args);
    workspace::hand_over(&mut conserve)
}
