//! What every task needs to know of the workspace, and how it starts other processes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{exit, Command},
};

use anyhow::{ensure, Context, Result};
use cargo_metadata::{CrateType, MetadataCommand};

/// The workspace that the current directory is in.
pub struct Workspace {
    /// Its directory.
    pub root: PathBuf,
    /// Where cargo puts what it builds, which the user may have chosen.
    pub target: PathBuf,
    /// The packages in programs/, by name.
    pub programs: Vec<Program>,
}

/// A program that runs on chain.
pub struct Program {
    /// Its package's name, with dashes.
    pub package: String,
    /// Its library's name, with underscores, as in the names of its binary and its interface.
    pub library: String,
    /// Its package's directory.
    pub dir: PathBuf,
    /// The file with the keypair of its address on a local network.
    pub keypair: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub fn find() -> Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec()?;
        let root = metadata.workspace_root.into_std_path_buf();
        let mut programs = Vec::new();
        for package in metadata.packages {
            let dir = package
                .manifest_path
                .parent()
                .context("a manifest has a directory")?;
            let library = package
                .targets
                .iter()
                .find(|target| target.crate_types.contains(&CrateType::CDyLib));
            let Some(library) = library.filter(|_| dir.starts_with(root.join("programs"))) else {
                continue;
            };
            programs.push(Program {
                library: library.name.clone(),
                dir: dir.into(),
                keypair: root.join("keys").join(format!("{}.json", package.name)),
                package: package.name.to_string(),
            });
        }
        programs.sort_by(|a, b| a.package.cmp(&b.package));
        ensure!(
            !programs.is_empty(),
            "no program in {}/programs",
            root.display()
        );
        Ok(Self {
            target: metadata.target_directory.into(),
            root,
            programs,
        })
    }

    /// Where the programs' binaries are.
    pub fn deploy(&self) -> PathBuf {
        self.target.join("deploy")
    }

    /// `cargo SUBCOMMAND...` on this workspace, in the caller's directory.
    pub fn cargo(&self, subcommand: &[&str]) -> Command {
        let mut cargo = cargo();
        cargo
            .args(subcommand)
            .arg("--manifest-path")
            .arg(self.root.join("Cargo.toml"));
        cargo
    }

    /// `cargo fuzz SUBCOMMAND...`. The fuzzer needs what a stable compiler only has when it is told to.
    pub fn fuzz(&self, subcommand: &[&str]) -> Command {
        let mut cargo = cargo();
        cargo
            .arg("fuzz")
            .args(subcommand)
            .env("RUSTC_BOOTSTRAP", "1");
        cargo
    }

    /// The binary of this name, just built. It shares its dependencies with the tests: their features are those of
    /// the whole workspace.
    pub fn binary(&self, name: &str) -> Result<Command> {
        run(self.cargo(&["build"]).args(["--workspace", "--bin", name]))?;
        Ok(Command::new(self.target.join("debug").join(name)))
    }

    /// The binary of this name and of the package of this name, just built as it is released.
    pub fn released(&self, name: &str) -> Result<Command> {
        run(self
            .cargo(&["build", "--release"])
            .args(["--package", name, "--bin", name]))?;
        Ok(Command::new(self.target.join("release").join(name)))
    }
}

impl Program {
    /// Its address on a local network, in base58.
    pub fn address(&self) -> Result<String> {
        let read = || {
            let keypair: Vec<u8> = serde_json::from_slice(&fs::read(&self.keypair)?)?;
            ensure!(
                keypair.len() == 64,
                "it has {} bytes, not 64",
                keypair.len()
            );
            Ok(bs58::encode(&keypair[32..]).into_string())
        };
        read().with_context(|| format!("{} is not a keypair", self.keypair.display()))
    }
}

/// Cargo, as if it was not run by this program. What cargo tells a program of its package would have dependencies that look at
/// it, and all that depends on them, built anew: ring does.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Result<()> {
    let status = start(command)?;
    ensure!(
        status.success(),
        "{} failed: {status}",
        name(command).display()
    );
    Ok(())
}

/// Runs the command that a task ends with: when it fails, so does this process, without a word
/// after the command's own.
pub fn hand_over(command: &mut Command) -> Result<()> {
    match start(command)? {
        status if status.success() => Ok(()),
        status => exit(status.code().unwrap_or(1)),
    }
}

fn start(command: &mut Command) -> Result<std::process::ExitStatus> {
    command
        .status()
        .with_context(|| format!("cannot start {}", name(command).display()))
}

fn name(command: &Command) -> &Path {
    Path::new(command.get_program())
}
