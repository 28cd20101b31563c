//! `cargo xtask scale`: what devices cost by the million. The measuring is in the package `tests`.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    build,
    workspace::{self, Workspace},
};

/// Prints the figures; `json` gets them too.
pub fn run(workspace: &Workspace, json: Option<PathBuf>) -> Result<()> {
    let programs = build::run(workspace)?;
    let mut scale = workspace.binary("scale")?;
    scale.env("FIELDPROOF_PROGRAMS", programs);
    if let Some(json) = json {
        scale.arg("--json").arg(json);
    }
    workspace::hand_over(&mut scale)
}
