//! `cargo xtask demo`: builds the programs and runs app/demo on them.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build,
    workspace::{self, Workspace},
};

/// Passes `args` on.
pub fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let programs = build::run(workspace)?;
    let mut demo = workspace.binary("demo")?;
    demo.arg("--programs").arg(programs).args(args);
    workspace::hand_over(&mut demo)
}
