//! `fieldproof keys`: device keys in files, for devices without a secure element and for tests.

use crate::context::Context;
use crate::{files, output};
use anyhow::Result;
use clap::ValueEnum;
use device_protocol::Curve;
use fieldproof_client::key::DeviceSigner;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a device key
    New {
        /// Where to write it
        #[arg(short, long, value_name = "FILE")]
        outfile: PathBuf,
        /// Its curve
        #[arg(long, value_enum, default_value_t = CurveName::Ed25519)]
        curve: CurveName,
        /// Overwrite the file
        #[arg(short, long)]
        force: bool,
    },
    /// Show a device key's public part
    Show {
        /// The device's key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum CurveName {
    Ed25519,
    P256,
}

#[derive(Serialize)]
struct Shown {
    device: String,
    curve: &'static str,
    public_key: String,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::New {
            outfile,
            curve,
            force,
        } => {
            let curve = match curve {
                CurveName::Ed25519 => Curve::Ed25519,
                CurveName::P256 => Curve::P256,
            };
            files::write_device_key(&outfile, curve, &DeviceSigner::generate(curve), force)?;
            show(context, &outfile)
        }
        Command::Show { file } => show(context, &file),
    }
}

fn show(context: &Context, file: &Path) -> Result<()> {
    let key = files::read_device_key(file)?.device_key();
    let shown = Shown {
        device: hex::encode(key.id()),
        curve: files::curve_name(key.curve),
        public_key: hex::encode(key.as_bytes()),
    };
    context.print(&shown, || {
        output::fields([
            ("Device", shown.device.clone()),
            ("Curve", shown.curve.to_owned()),
            ("Public key", shown.public_key.clone()),
        ])
    })
}
