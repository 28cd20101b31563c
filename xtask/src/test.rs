//! `cargo xtask test`: builds the programs and runs every test on them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{bail, Context, Result};

use crate::{
    build::{self, Compiler},
    idl,
    workspace::{self, Workspace},
};

/// Runs the tests with cargo-nextest where it is installed, else with cargo. The output ends with
/// the runner's own last line.
pub fn run(workspace: &Workspace) -> Result<()> {
    let programs = build::run(workspace)?;
    idl::check_examples(workspace)?;
    // Beside the programs, since the tests run them on the same chain.
    build::compile(workspace, &workspace.root.join("examples"), &programs)
        .context("the examples did not compile")?;
    // Tests of one package start the binaries of others.
    workspace::run(&mut workspace.cargo(&["build", "--workspace", "--bins"]))?;
    for packages in [
        "tests/surfpool",
        "tests/duckdb",
        "examples/typescript",
        "app/prover/snarkjs",
    ] {
        install_node_packages(&workspace.root.join(packages))?;
    }
    let nextest = workspace
        .cargo(&["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut tests = workspace.cargo(if nextest {
        &["nextest", "run"]
    } else {
        &["test"]
    });
    tests
        .arg("--workspace")
        .env("FIELDPROOF_PROGRAMS", programs);
    if let Compiler::Anza(path) = Compiler::find(workspace) {
        eprintln!(
            "Without the tests of tools/sbpf: {} built the programs",
            path.display()
        );
        tests.args(["--", "--skip", "toolchain_"]);
    }
    workspace::hand_over(&mut tests)
}

/// Installs what is needed from npm in `dir`, unless it is there and current.
pub fn install_node_packages(dir: &Path) -> Result<()> {
    let modified = |file: &str| fs::metadata(dir.join(file)).and_then(|file| file.modified());
    let Ok(wanted) = modified("package-lock.json") else {
        return Ok(());
    };
    // npm writes this file last.
    if modified("node_modules/.package-lock.json").is_ok_and(|installed| installed >= wanted) {
        return Ok(());
    }
    for tool in ["node", "npm"] {
        let version = Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if !version.is_ok_and(|status| status.success()) {
            bail!(
                "the tests on a real RPC server, with DuckDB, with snarkjs and in TypeScript need {tool}, which is not installed \
                 (on Debian: apt-get install nodejs npm)"
            );
        }
    }
    workspace::run(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(dir),
    )
    .with_context(|| format!("installing the packages of {}", dir.display()))
}
