//! `cargo xtask idl`: the programs' interfaces, as Anchor's clients read them.

use std::{env, fs, path::PathBuf};

use anchor_lang_idl::build::IdlBuilder;
use anyhow::{ensure, Context, Result};

use crate::workspace::{Program, Workspace};

/// Names a toolchain to rustup.
const TOOLCHAIN: &str = "RUSTUP_TOOLCHAIN";
/// Tells libraries of one name apart.
const METADATA: &str = "__CARGO_DEFAULT_LIB_METADATA";

/// Writes `<target>/idl/<program>.json` for every program, and the copies that examples are made from. Checks that each
/// address is that of the program's keypair.
pub fn run(workspace: &Workspace) -> Result<()> {
    for program in &workspace.programs {
        let (file, interface) = write(workspace, program)?;
        println!("{}", file.display());
        let example = example(workspace, program);
        if example.exists() {
            fs::write(&example, interface)?;
            println!("{}", example.display());
        }
    }
    Ok(())
}

/// Fails unless the interfaces that examples are made from are those of the programs.
pub fn check_examples(workspace: &Workspace) -> Result<()> {
    for program in &workspace.programs {
        let example = example(workspace, program);
        if example.exists() {
            let (_, interface) = write(workspace, program)?;
            ensure!(
                fs::read_to_string(&example)? == interface,
                "{} is not the interface of {} any more: run `cargo xtask idl` and commit what it writes",
                example.display(),
                program.package,
            );
        }
    }
    Ok(())
}

/// Where the examples keep a program's interface, if they use it.
fn example(workspace: &Workspace, program: &Program) -> PathBuf {
    let file = format!("{}.json", program.library);
    workspace.root.join("examples/idls").join(file)
}

/// Writes a program's interface to the target directory; the file and what is in it.
fn write(workspace: &Workspace, program: &Program) -> Result<(PathBuf, String)> {
    // The library takes these from the environment alone. Whatever is built after it must not see them.
    let toolchain = env::var_os(TOOLCHAIN);
    // It passes a toolchain on wrongly: rust-toolchain.toml names it.
    env::remove_var(TOOLCHAIN);
    // A program that others depend on is built with several sets of features: each under its name.
    env::set_var(METADATA, "idl");
    let out = workspace.target.join("idl");
    fs::create_dir_all(&out)?;
    // Its own target directory, and quick to build, since nothing of it needs to be fast
    let unoptimised = r#"profile.dev.package."*".opt-level=0"#;
    let target = workspace.target.join("idl-build").display().to_string();
    let args = ["--lib", "--target-dir", &target, "--config", unoptimised];
    let idl = IdlBuilder::new()
        .program_path(program.dir.clone())
        .cargo_args(args.map(String::from).into())
        .build();
    env::remove_var(METADATA);
    if let Some(toolchain) = toolchain {
        env::set_var(TOOLCHAIN, toolchain);
    }
    let idl = idl.with_context(|| format!("the interface of {}", program.package))?;
    let address = program.address()?;
    ensure!(
        idl.address == address,
        "{} declares the address {}, but {} is for {address}: set declare_id! to the latter",
        program.package,
        idl.address,
        program.keypair.display(),
    );
    let file = out.join(format!("{}.json", program.library));
    let interface = serde_json::to_string_pretty(&idl)? + "\n";
    fs::write(&file, &interface)?;
    Ok((file, interface))
}
