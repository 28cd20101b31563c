//! `fieldproof batch`: a maker registers devices by their public keys, many a transaction.

use crate::commands::register::newest_tree;
use crate::context::Context;
use crate::files::CurveName;
use crate::output;
use anyhow::{bail, Context as _, Result};
use credits::Purpose;
use device_protocol::{Curve, DeviceKey};
use device_registry::error::RegistryError;
use device_registry::state::network::CREDITS;
use device_registry::state::Maker;
use device_registry::RegisterBatchArgs;
use fieldproof_client::credits::Till;
use fieldproof_client::{chain, device_registry as registry, transaction};
use serde::Serialize;
use sha2::{Digest, Sha256};
use solana_signer::Signer;
use std::collections::HashSet;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// The devices' public keys in hex, one a line, P-256 compressed
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// The curve of all of them
    #[arg(long, value_enum)]
    curve: CurveName,
    /// What you vouch for: 1, devices of your make
    #[arg(long, default_value_t = 1)]
    tier: u8,
    /// Your list of serial numbers; only its hash is registered
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// Number of your first batch, to go on with a run that was interrupted: what has landed of it is left out
    #[arg(long, value_name = "NUMBER")]
    first: Option<u64>,
}

#[derive(Serialize)]
struct Registered {
    devices: usize,
    first: u64,
    tree: String,
    signatures: Vec<String>,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let maker = context.keypair()?;
    let (network, terms) = context.network(&chain)?;
    let curve = Curve::from(arguments.curve);
    let file = arguments.keys.display();
    let text = std::fs::read_to_string(&arguments.keys).with_context(|| file.to_string())?;
    let mut keys = Vec::new();
    let mut known = HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let key = hex::decode(line.trim())
            .ok()
            .and_then(|bytes| DeviceKey::from_bytes(curve, &bytes).ok())
            .with_context(|| format!("{file}, line {number}: no public key of this curve"))?;
        if !known.insert(key) {
            bail!("{file}, line {number}: this key has been there before");
        }
        keys.push(key);
    }
    let manifest = std::fs::read(&arguments.manifest)
        .with_context(|| arguments.manifest.display().to_string())?;
    let tree = newest_tree(&chain, &network)?;
    let account: Maker = chain::read(&chain, &registry::maker(&network, &maker.pubkey()))?;
    let progress = context.progress(format!("registering {} devices", keys.len()));
    let first = arguments.first.unwrap_or(account.batches);
    let mut registered = Registered {
        devices: keys.len(),
        first,
        tree: tree.to_string(),
        signatures: Vec::new(),
    };
    let charges = terms.flags & CREDITS != 0;
    let largest = if charges {
        registry::largest_paid_batch(curve)
    } else {
        registry::largest_batch(curve)
    };
    let till = Till {
        chain: &chain,
        network,
        payer: &maker,
    };
    let batches = keys.chunks(largest);
    for (batch, keys) in (first..).zip(batches) {
        let args = RegisterBatchArgs {
            batch,
            curve: curve as u8,
            tier: arguments.tier,
            cell: 0,
            manifest_hash: Sha256::digest(&manifest).into(),
            keys: keys
                .iter()
                .flat_map(|key| key.as_bytes().to_vec())
                .collect(),
        };
        let own = maker.pubkey();
        let register = registry::register_batch(&network, &own, &tree, args);
        // One transaction holds far fewer.
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let sent = till
            .charge(&own, Purpose::Registration, count, register)
            .and_then(|register| transaction::send(&chain, &[register], &maker, &[]));
        match sent {
            Ok(done) => registered.signatures.push(done.signature.to_string()),
            Err(error) if error.code() == Some(RegistryError::BatchLanded.into()) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("go on with --first {first}"));
            }
        }
    }
    drop(progress);
    context.print(&registered, || {
        output::fields([
            ("Devices", registered.devices.to_string()),
            ("Transactions", registered.signatures.len().to_string()),
            ("First batch", registered.first.to_string()),
            ("Tree", registered.tree.clone()),
        ])
    })
}
