//! `fieldproof register`: a device becomes a leaf of its network's registry, owned by the keypair.

use crate::context::Context;
use crate::files::{self, VoucherFile};
use crate::output;
use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, bail, Context as _, Result};
use device_protocol::{Curve, Possession};
use device_registry::state::Tree;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::{chain, device_registry as registry, transaction};
use serde::Serialize;
use solana_signer::Signer;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// The device's key
    #[arg(long, value_name = "FILE")]
    device: PathBuf,
    /// The maker's voucher for it
    #[arg(long, value_name = "FILE")]
    voucher: PathBuf,
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
    let key = signer.device_key();
    let text = std::fs::read_to_string(&arguments.voucher)
        .with_context(|| arguments.voucher.display().to_string())?;
    let voucher: VoucherFile = serde_json::from_str(&text)
        .with_context(|| format!("{}: not a voucher", arguments.voucher.display()))?;
    if voucher.network != network_key.to_string() {
        bail!("the voucher is for network {}", voucher.network);
    }
    if files::hash(&voucher.device)? != key.id() {
        bail!("the voucher is for device {}", voucher.device);
    }
    let maker: Pubkey = voucher
        .maker
        .parse()
        .context("the voucher's maker is no address")?;
    let cell = match &arguments.cell {
        Some(cell) => {
            u64::from_str_radix(cell, 16).with_context(|| format!("{cell} is no H3 cell"))?
        }
        None => 0,
    };

    let possession = Possession {
        network: network.id,
        owner: owner.pubkey().to_bytes(),
        key,
        nonce: voucher.number,
    }
    .digest();
    let voucher_message = device_protocol::Voucher {
        network: network.id,
        maker: maker.to_bytes(),
        number: voucher.number,
        device: key.id(),
        tier: voucher.tier,
        serial_hash: files::hash(&voucher.serial_hash)?,
    }
    .digest();
    let possession_signature = signer.sign(&possession);
    let voucher_signature: [u8; 64] = hex::decode(&voucher.signature)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| anyhow!("the voucher's signature is not 64 bytes in hex"))?;
    let proof = [Entry {
        public_key: key.as_bytes(),
        message: &possession,
        signature: &possession_signature,
    }];
    let proof = match key.curve {
        Curve::Ed25519 => precompile::ed25519(&proof)?,
        Curve::P256 => precompile::secp256r1(&proof)?,
    };
    let vouched = precompile::ed25519(&[Entry {
        public_key: maker.as_ref(),
        message: &voucher_message,
        signature: &voucher_signature,
    }])?;

    let tree = newest_tree(&chain, &network_key)?;
    let register = registry::register_device(
        registry::Registration {
            network: network_key,
            maker,
            tree,
            owner: owner.pubkey(),
        },
        device_registry::RegisterDeviceArgs {
            curve: key.curve as u8,
            key: key.bytes,
            number: voucher.number,
            tier: voucher.tier,
            serial_hash: files::hash(&voucher.serial_hash)?,
            cell,
            possession_instruction: 0,
            possession_index: 0,
            voucher_instruction: 1,
            voucher_index: 0,
        },
    );
    let progress = context.progress("registering the device");
    let done = transaction::send(&chain, &[proof, vouched, register], &owner, &[])?;
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

/// The tree that the network added last.
pub fn newest_tree(chain: &dyn chain::Chain, network: &Pubkey) -> Result<Pubkey> {
    chain::read_all::<Tree>(chain)?
        .into_iter()
        .filter(|(_, tree)| tree.network == *network)
        .max_by_key(|(_, tree)| tree.index)
        .map(|(key, _)| key)
        .ok_or_else(|| anyhow!("the network has no registry tree: its authority must add one"))
}
