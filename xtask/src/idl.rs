//! `cargo xtask idl`: the programs' interfaces, as Anchor's clients read them.

use std::{env, fs};

use anchor_lang_idl::build::IdlBuilder;
use anyhow::{ensure, Context, Result};

use crate::workspace::Workspace;

/// Writes `<target>/idl/<program>.json` for every program, and checks that its address is that of
/// the program's keypair.
pub fn run(workspace: &Workspace) -> Result<()> {
    // The library passes a toolchain from the environment on wrongly: rust-toolchain.toml names it.
    env::remove_var("RUSTUP_TOOLCHAIN");
    // A program that others depend on is built with several sets of features: each under its name.
    env::set_var("__CARGO_DEFAULT_LIB_METADATA", "idl");
    let out = workspace.target.join("idl");
    fs::create_dir_all(&out)?;
    // Its own target directory, and quick to build, since nothing of it needs to be fast
    let unoptimised = r#"profile.dev.package."*".opt-level=0"#;
    let target = workspace.target.join("idl-build").display().to_string();
    let args = ["--lib", "--target-dir", &target, "--config", unoptimised];
    for program in &workspace.programs {
        let idl = IdlBuilder::new()
            .program_path(program.dir.clone())
            .cargo_args(args.map(String::from).into())
            .build()
            .with_context(|| format!("the interface of {}", program.package))?;
        let address = program.address()?;
        ensure!(
            idl.address == address,
            "{} declares the address {}, but {} is for {address}: set declare_id! to the latter",
            program.package,
            idl.address,
            program.keypair.display(),
        );
        let file = out.join(format!("{}.json", program.library));
        fs::write(&file, serde_json::to_string_pretty(&idl)? + "\n")?;
        println!("{}", file.display());
    }
    Ok(())
}
