//! `fieldproof register`: a device becomes a leaf of its network's registry, owned by the keypair.

use crate::context::Context;
use crate::files::{self, VoucherFile};
use crate::output;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{anyhow, bail, Context as _, Result};
use credits::Purpose;
use device_protocol::{Curve, Hash, Possession};
use device_registry::state::maker::TIER_CERTIFICATE;
use device_registry::state::{Issuer, Maker, Tree};
use device_registry::RegisterDeviceArgs;
use fieldproof_client::certificate::CertificateFile;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::credits::Till;
use fieldproof_client::device_registry::{self as registry, Registration};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use serde::Serialize;
use solana_signer::Signer;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// The device's key
    #[arg(long, value_name = "FILE")]
    device: PathBuf,
    /// The maker's voucher for it
    #[arg(long, value_name = "FILE", required_unless_present = "certificate")]
    voucher: Option<PathBuf>,
    /// Or the certificate that one of the maker's issuers signed for its key
    #[arg(long, value_name = "FILE", conflicts_with = "voucher")]
    certificate: Option<PathBuf>,
    /// H3 cell where the device is, in hex
    #[arg(long, value_name = "CELL")]
    cell: Option<String>,
}

#[derive(Serialize)]
struct Registered {
    device: String,
    tree: String,
    index: u32,
    signature: String,
    compute_units: u64,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let owner = context.keypair()?;
    let (network_key, network) = context.network(&chain)?;
    let signer = files::read_device_key(&arguments.device)?;
    let cell = match &arguments.cell {
        Some(cell) => {
            u64::from_str_radix(cell, 16).with_context(|| format!("{cell} is no H3 cell"))?
        }
        None => 0,
    };
    let applicant = Applicant {
        network: network.id,
        network_key,
        tree: newest_tree(&chain, &network_key)?,
        owner: owner.pubkey(),
        signer,
        cell,
    };
    let (signatures, register) = match (&arguments.voucher, &arguments.certificate) {
        (Some(voucher), None) => with_voucher(&applicant, voucher)?,
        (None, Some(certificate)) => with_certificate(&chain, &applicant, certificate)?,
        _ => bail!("name the maker's voucher or certificate: --voucher or --certificate"),
    };
    let till = Till {
        chain: &chain,
        network: network_key,
        payer: &owner,
    };
    let progress = context.progress("registering the device");
    let done = till.send(Purpose::Registration, 1, &signatures, &register)?;
    drop(progress);
    let event = registry::registrations(&done)
        .pop()
        .ok_or_else(|| anyhow!("the registry did not say where the device is"))?;
    let registered = Registered {
        device: hex::encode(event.device),
        tree: event.tree.to_string(),
        index: event.index,
        signature: done.signature.to_string(),
        compute_units: done.compute_units,
    };
    context.print(&registered, || {
        output::fields([
            ("Device", registered.device.clone()),
            ("Tree", registered.tree.clone()),
            ("Leaf", registered.index.to_string()),
            ("Compute units", registered.compute_units.to_string()),
            ("Signature", registered.signature.clone()),
        ])
    })
}

/// A device to register, and where.
struct Applicant {
    network: Hash,
    network_key: Pubkey,
    tree: Pubkey,
    owner: Pubkey,
    signer: DeviceSigner,
    cell: u64,
}

impl Applicant {
    fn place(&self, maker: Pubkey) -> Registration {
        Registration {
            network: self.network_key,
            maker,
            tree: self.tree,
            owner: self.owner,
        }
    }

    /// What the device signs under a voucher's number.
    fn possession(&self, number: u64) -> Hash {
        Possession {
            network: self.network,
            owner: self.owner.to_bytes(),
            key: self.signer.device_key(),
            nonce: number,
        }
        .digest()
    }
}

/// The device's signature and the maker's, and the registration.
fn with_voucher(applicant: &Applicant, file: &Path) -> Result<(Vec<Instruction>, Instruction)> {
    let key = applicant.signer.device_key();
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let voucher: VoucherFile = serde_json::from_str(&text)
        .with_context(|| format!("{}: not a voucher", file.display()))?;
    if voucher.network != applicant.network_key.to_string() {
        bail!("the voucher is for network {}", voucher.network);
    }
    if files::hash(&voucher.device)? != key.id() {
        bail!("the voucher is for device {}", voucher.device);
    }
    let maker: Pubkey = voucher
        .maker
        .parse()
        .context("the voucher's maker is no address")?;
    let serial_hash = files::hash(&voucher.serial_hash)?;
    let possession = applicant.possession(voucher.number);
    let message = device_protocol::Voucher {
        network: applicant.network,
        maker: maker.to_bytes(),
        number: voucher.number,
        device: key.id(),
        tier: voucher.tier,
        serial_hash,
    }
    .digest();
    let signature: [u8; 64] = hex::decode(&voucher.signature)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| anyhow!("the voucher's signature is not 64 bytes in hex"))?;
    let proof = [Entry {
        public_key: key.as_bytes(),
        message: &possession,
        signature: &applicant.signer.sign(&possession),
    }];
    let proof = match key.curve {
        Curve::Ed25519 => precompile::ed25519(&proof)?,
        Curve::P256 => precompile::secp256r1(&proof)?,
    };
    let vouched = precompile::ed25519(&[Entry {
        public_key: maker.as_ref(),
        message: &message,
        signature: &signature,
    }])?;
    let register = registry::register_device(
        applicant.place(maker),
        RegisterDeviceArgs {
            curve: key.curve as u8,
            key: key.bytes,
            number: voucher.number,
            tier: voucher.tier,
            serial_hash,
            cell: applicant.cell,
            possession_instruction: 0,
            possession_index: 0,
            voucher_instruction: 1,
            voucher_index: 0,
        },
    );
    Ok((vec![proof, vouched], register))
}

/// The device's and the issuer's signatures in one instruction, and the registration.
fn with_certificate(
    chain: &dyn Chain,
    applicant: &Applicant,
    file: &Path,
) -> Result<(Vec<Instruction>, Instruction)> {
    let key = applicant.signer.device_key();
    let certificate = files::read_certificate(file)?;
    if key.curve != Curve::P256 || certificate.key != key.bytes {
        bail!("{}: the certificate is for another key", file.display());
    }
    let number = certificate.number.ok_or_else(|| {
        anyhow!(
            "{}: the serial number exceeds 64 bits, so it is no voucher number",
            file.display()
        )
    })?;
    let (issuer_key, issuer, maker) = issuer_of(chain, &applicant.network_key, &certificate)?
        .ok_or_else(|| {
            anyhow!(
                "{}: no issuer of this network's makers signed the certificate",
                file.display()
            )
        })?;
    let possession = applicant.possession(number);
    let signatures = precompile::secp256r1(&[
        Entry {
            public_key: key.as_bytes(),
            message: &possession,
            signature: &applicant.signer.sign(&possession),
        },
        certificate.entry(&issuer.key),
    ])?;
    let register = registry::register_certified_device(
        applicant.place(maker.key),
        &issuer_key,
        RegisterDeviceArgs {
            curve: key.curve as u8,
            key: key.bytes,
            number,
            tier: TIER_CERTIFICATE,
            serial_hash: [0; 32],
            cell: applicant.cell,
            possession_instruction: 0,
            possession_index: 0,
            voucher_instruction: 0,
            voucher_index: 1,
        },
    );
    Ok((vec![signatures], register))
}

/// The issuer that signed a certificate, and its maker.
fn issuer_of(
    chain: &dyn Chain,
    network: &Pubkey,
    certificate: &CertificateFile,
) -> Result<Option<(Pubkey, Issuer, Maker)>> {
    for (issuer_key, issuer) in chain::read_all::<Issuer>(chain)? {
        if certificate.is_signed_by(&issuer.key) {
            let maker: Maker = chain::read(chain, &issuer.maker)?;
            if maker.network == *network {
                return Ok(Some((issuer_key, issuer, maker)));
            }
        }
    }
    Ok(None)
}

/// The tree that the network added last.
pub fn newest_tree(chain: &dyn Chain, network: &Pubkey) -> Result<Pubkey> {
    chain::read_all_of::<Tree>(chain, offset_of!(Tree, network), network)?
        .into_iter()
        .max_by_key(|(_, tree)| tree.index)
        .map(|(key, _)| key)
        .ok_or_else(|| anyhow!("the network has no registry tree: its authority must add one"))
}
