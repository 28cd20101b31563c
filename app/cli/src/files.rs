//! Device keys and vouchers as files.

use anyhow::{anyhow, bail, Context as _, Result};
use clap::ValueEnum;
use device_protocol::{Curve, Hash};
use fieldproof_client::certificate::CertificateFile;
use fieldproof_client::key::DeviceSigner;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// A device's key as a file. It holds the secret: only its owner may read it.
#[derive(Serialize, Deserialize)]
pub struct DeviceKeyFile {
    /// `ed25519` or `p256`.
    pub curve: String,
    /// The secret, in hex.
    pub secret: String,
}

/// A maker's voucher for one device.
#[derive(Clone, Serialize, Deserialize)]
pub struct VoucherFile {
    /// The network's address.
    pub network: String,
    /// The maker's key.
    pub maker: String,
    /// The voucher's number.
    pub number: u64,
    /// The device's id, in hex.
    pub device: String,
    /// What the maker vouches for.
    pub tier: u8,
    /// SHA-256 of the serial number, in hex.
    pub serial_hash: String,
    /// The maker's signature, in hex.
    pub signature: String,
}

/// A curve as an option.
#[derive(Clone, Copy, ValueEnum)]
pub enum CurveName {
    Ed25519,
    P256,
}

impl From<CurveName> for Curve {
    fn from(name: CurveName) -> Self {
        match name {
            CurveName::Ed25519 => Self::Ed25519,
            CurveName::P256 => Self::P256,
        }
    }
}

/// The name of a curve in files.
pub fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::Ed25519 => "ed25519",
        Curve::P256 => "p256",
    }
}

/// Writes a new device key.
pub fn write_device_key(
    file: &Path,
    curve: Curve,
    signer: &DeviceSigner,
    force: bool,
) -> Result<()> {
    let content = DeviceKeyFile {
        curve: curve_name(curve).to_owned(),
        secret: hex::encode(signer.to_seed()),
    };
    write_secret(file, &serde_json::to_string(&content)?, force)
}

/// Writes a file that only its owner may read, and over another only if `force` says so.
pub fn write_secret(file: &Path, content: &str, force: bool) -> Result<()> {
    let name = || file.display().to_string();
    let dir = match file.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    // A new file takes the place of an old one: who may read that says nothing of who may read this.
    let mut output = NamedTempFile::new_in(dir).with_context(name)?;
    writeln!(output, "{content}").with_context(name)?;
    output.as_file().sync_all().with_context(name)?;
    let written = if force {
        output.persist(file)
    } else {
        output.persist_noclobber(file)
    };
    match written {
        Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => {
            bail!("{}: refusing to overwrite, unless with --force", name())
        }
        written => written.map(drop).with_context(name),
    }
}

/// Reads a device key.
pub fn read_device_key(file: &Path) -> Result<DeviceSigner> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let content: DeviceKeyFile = serde_json::from_str(&text).with_context(|| {
        format!(
            "{}: not a device key: make one with `fieldproof keys new`",
            file.display()
        )
    })?;
    let curve = match content.curve.as_str() {
        "ed25519" => Curve::Ed25519,
        "p256" => Curve::P256,
        other => return Err(anyhow!("{}: unknown curve {other}", file.display())),
    };
    DeviceSigner::from_seed(curve, &hash(&content.secret)?)
        .map_err(|error| anyhow!("{}: {error}", file.display()))
}

/// Reads a certificate, PEM or DER.
pub fn read_certificate(file: &Path) -> Result<CertificateFile> {
    let content = std::fs::read(file).with_context(|| file.display().to_string())?;
    CertificateFile::read(&content).with_context(|| file.display().to_string())
}

/// 32 bytes in hex.
pub fn hash(text: &str) -> Result<Hash> {
    let bytes = hex::decode(text).with_context(|| format!("{text} is not hexadecimal"))?;
    bytes
        .try_into()
        .map_err(|_| anyhow!("{text} is not 32 bytes"))
}
