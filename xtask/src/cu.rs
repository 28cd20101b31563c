//! `cargo xtask cu`: measures what the programs cost. The cases are in the package `tests`.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    build,
    workspace::{self, Workspace},
};

/// Writes docs/benchmarks.md, or compares with it when `check` is set; `json` gets the figures too.
pub fn run(workspace: &Workspace, check: bool, json: Option<PathBuf>) -> Result<()> {
    let programs = build::run(workspace)?;
    let mut cu = workspace.binary("cu")?;
    cu.arg("--programs").arg(programs);
    cu.arg("--out")
        .arg(workspace.root.join("docs/benchmarks.md"));
    if check {
        cu.arg("--check");
    }
    if let Some(json) = json {
        cu.arg("--json").arg(json);
    }
    workspace::hand_over(&mut cu)
}
