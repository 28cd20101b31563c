//! `migrate`: deploys the programs and initialises a network from a configuration file.

use clap::Parser;
use fieldproof_client::chain::RpcChain;
use migrations::{deploy, Config, Step};
use std::error::Error;
use std::path::PathBuf;

/// Deploys the programs and initialises a network. A second run changes nothing.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The cluster's RPC address
    #[arg(
        short,
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8899"
    )]
    url: String,
    /// Keypair that pays and becomes the authority
    #[arg(short, long, value_name = "KEYPAIR")]
    keypair: PathBuf,
    /// Directory of compiled programs and their keypairs; without it programs are taken as deployed
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let config = Config::read(&arguments.config)?;
    let authority = solana_keypair::read_keypair_file(&arguments.keypair)?;
    let chain = RpcChain::new(&arguments.url);
    let mut report = |step: &Step| match &step.signature {
        Some(signature) => eprintln!("{:>12}  {}  {signature}", "done", step.name),
        None => eprintln!("{:>12}  {}", "unchanged", step.name),
    };
    if let Some(directory) = &arguments.programs {
        for name in migrations::PROGRAMS {
            let code = std::fs::read(directory.join(format!("{name}.so")))?;
            let keypair = directory.join(format!("{name}-keypair.json"));
            let program = solana_keypair::read_keypair_file(keypair)?;
            deploy::deploy(&chain, &authority, &program, name, &code, &mut report)?;
        }
    }
    let deployment = migrations::run(&chain, &authority, &config, &mut report)?;
    println!("{}", serde_json::to_string_pretty(&deployment)?);
    Ok(())
}
