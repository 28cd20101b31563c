//! `fieldproof keys`: device keys in files, for devices without a secure element and for tests.

use crate::context::Context;
use crate::files::{self, CurveName};
use crate::output;
use anyhow::{bail, Context as _, Result};
use device_protocol::Curve;
use fieldproof_client::certificate::public_key_pem;
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
        /// Write the public key there too, in PEM, for a maker's certificate (P-256 only)
        #[arg(long, value_name = "FILE")]
        pem: Option<PathBuf>,
    },
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
            let curve = Curve::from(curve);
            files::write_device_key(&outfile, curve, &DeviceSigner::generate(curve), force)?;
            show(context, &outfile)
        }
        Command::Show { file, pem } => {
            if let Some(pem) = pem {
                write_pem(&file, &pem)?;
            }
            show(context, &file)
        }
    }
}

fn write_pem(file: &Path, pem: &Path) -> Result<()> {
    let key = files::read_device_key(file)?.device_key();
    if key.curve != Curve::P256 {
        bail!("certificates are for P-256 keys: make one with `fieldproof keys new --curve p256`");
    }
    std::fs::write(pem, public_key_pem(&key.bytes)?).with_context(|| pem.display().to_string())
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
