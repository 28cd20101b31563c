//! `cargo xtask build`: from programs/ to `<target>/deploy/*.so`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::workspace::{self, Workspace};

/// Compiles every program and puts its keypair beside it, where Anchor looks for it. Returns the
/// directory.
pub fn run(workspace: &Workspace) -> Result<PathBuf> {
    let deploy = workspace.deploy();
    compile(workspace, &workspace.root, &deploy).context("the programs did not compile")?;

    eprintln!("Programs in {}:", deploy.display());
    for program in &workspace.programs {
        let binary = deploy.join(format!("{}.so", program.library));
        let size = fs::metadata(&binary)
            .with_context(|| format!("{} is missing", binary.display()))?
            .len();
        let address = program.address()?;
        fs::copy(
            &program.keypair,
            deploy.join(format!("{}-keypair.json", program.library)),
        )?;
        eprintln!("  {:<21}{size:>8} bytes  {address}", program.package);
    }
    Ok(deploy)
}

/// Compiles every program of the cargo workspace in `dir`, and puts the binaries into `out`. What both this workspace
/// and another depend on is compiled once, where its version and features are the same.
pub fn compile(workspace: &Workspace, dir: &Path, out: &Path) -> Result<()> {
    let compiler = Compiler::find(workspace);
    let mut build = Command::new(compiler.path());
    build
        .args([
            "build-sbf",
            "--arch",
            "v3",
            "--workspace",
            "--manifest-path",
        ])
        .arg(dir.join("Cargo.toml"))
        .arg("--sbf-out-dir")
        .arg(out)
        .env("CARGO_TARGET_DIR", &workspace.target);
    workspace::run(&mut build)
}

/// What compiles to sBPF.
pub enum Compiler {
    /// Anza's `cargo-build-sbf`, found on PATH.
    Anza(PathBuf),
    /// The project's own, tools/sbpf.
    Own(PathBuf),
}

impl Compiler {
    /// Anza's where it is installed, else the project's.
    pub fn find(workspace: &Workspace) -> Self {
        const NAME: &str = "cargo-build-sbf";
        let own = workspace.root.join("tools/sbpf").join(NAME);
        let is_other = |path: &PathBuf| path.is_file() && !same(path, &own);
        let path = env::var_os("PATH").unwrap_or_default();
        match env::split_paths(&path)
            .map(|dir| dir.join(NAME))
            .find(is_other)
        {
            Some(anza) => Self::Anza(anza),
            None => Self::Own(own),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Anza(path) | Self::Own(path) => path,
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
