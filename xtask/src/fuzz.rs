//! `cargo xtask fuzz`: runs the fuzz targets, one after another, or only compiles them.

use std::{fs, process::Stdio};

use anyhow::{bail, ensure, Result};

use crate::workspace::{self, Workspace};

/// Fuzzes `target`, or every target, for `seconds` each. What is found stays in fuzz/artifacts/.
pub fn run(workspace: &Workspace, target: Option<&str>, seconds: u32) -> Result<()> {
    let dir = workspace.root.join("fuzz");
    let mut targets = Vec::new();
    for file in fs::read_dir(dir.join("fuzz_targets"))? {
        if let Some(name) = file?.path().file_stem() {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    if let Some(target) = target {
        targets.retain(|name| name == target);
        ensure!(
            !targets.is_empty(),
            "no {target}.rs in {}/fuzz_targets",
            dir.display()
        );
    }
    let installed = workspace
        .fuzz(&["--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        bail!("cargo-fuzz is not installed: cargo install cargo-fuzz");
    }
    lock(workspace)?;
    for target in &targets {
        // The fuzzer writes what it finds into the first directory.
        let [corpus, seeds] = ["corpus", "seeds"].map(|kind| dir.join(kind).join(target));
        fs::create_dir_all(&corpus)?;
        let mut fuzz = workspace.fuzz(&["run", "--features", "node"]);
        fuzz.arg("--fuzz-dir")
            .arg(&dir)
            .arg(target)
            .args([corpus, seeds])
            .arg("--")
            .arg(format!("-max_total_time={seconds}"));
        workspace::run(&mut fuzz)?;
    }
    Ok(())
}

/// Checks that every target compiles, which needs no fuzzer.
pub fn check(workspace: &Workspace) -> Result<()> {
    lock(workspace)?;
    let manifest = workspace.root.join("fuzz/Cargo.toml");
    let mut check = workspace::cargo();
    check
        .args(["check", "--features", "node", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&workspace.target);
    workspace::run(&mut check)
}

/// What is fuzzed is built of the same packages as the project.
fn lock(workspace: &Workspace) -> Result<()> {
    let own = workspace.root.join("fuzz/Cargo.lock");
    fs::copy(workspace.root.join("Cargo.lock"), own)?;
    Ok(())
}
