//! `cargo xtask economics`: whether it pays to attack a network. The work is in the package `tests`.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build,
    workspace::{self, Workspace},
};

/// Plays all attacks; the table goes into docs/threat-model.md, or is compared with it.
pub fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let programs = build::run(workspace)?;
    let mut economics = workspace.binary("economics")?;
    economics.env("FIELDPROOF_PROGRAMS", programs);
    economics
        .arg("--docs")
        .arg(workspace.root.join("docs/threat-model.md"));
    economics
        .arg("--report")
        .arg(workspace.target.join("economics.html"));
    economics.args(args);
    workspace::hand_over(&mut economics)
}
