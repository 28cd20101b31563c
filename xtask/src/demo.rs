//! `cargo xtask demo`: builds the programs and runs app/demo on them.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build, test,
    workspace::{self, Workspace},
};

/// Passes `args` on.
pub fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let programs = build::run(workspace)?;
    if args.iter().any(|arg| arg == "--rpc") {
        test::install_node_packages(&workspace.root.join("tests/surfpool"))?;
        workspace.binary("fieldproof-worker")?;
    }
    let mut demo = workspace.binary("demo")?;
    demo.arg("--programs").arg(programs).args(args);
    workspace::hand_over(&mut demo)
}
