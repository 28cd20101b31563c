//! `fieldproof batch`: a maker registers devices by their public keys, many a transaction.

use crate::commands::register::newest_tree;
use crate::context::Context;
use crate::files::CurveName;
use crate::output;
use anyhow::{bail, Context as _, Result};
use credits::Purpose;
use device_protocol::{Curve, DeviceKey};
use device_registry::error::RegistryError;
use device_registry::state::Maker;
use device_registry::RegisterBatchArgs;
use fieldproof_client::credits::Till;
use fieldproof_client::{chain, device_registry as registry};
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
    /// Devices that were registered now.
    devices: usize,
    /// Batches that were left out, since others of their numbers have landed before.
    left_out: usize,
    /// Devices in them.
    devices_left_out: usize,
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
        devices: 0,
        left_out: 0,
        devices_left_out: 0,
        first,
        tree: tree.to_string(),
        signatures: Vec::new(),
    };
    let largest = if terms.charges() {
        registry::largest_paid_batch(curve)
    } else {
        registry::largest_batch(curve)
    };
    let till = Till {
        chain: &chain,
        network,
        payer: &maker,
    };
    let batches = (first..).zip(keys.chunks(largest));
    let (landed, left): (Vec<_>, Vec<_>) =
        batches.partition(|(batch, _)| has_landed(&account, *batch));
    registered.left_out = landed.len();
    registered.devices_left_out = landed.iter().map(|(_, keys)| keys.len()).sum();
    let own = maker.pubkey();
    // All of them are paid for, or none is begun.
    let devices: usize = left.iter().map(|(_, keys)| keys.len()).sum();
    let count =
        u32::try_from(devices).context("these are more devices than a number has room for")?;
    till.require(&own, till.cost(Purpose::Registration, count)?)?;
    for (batch, keys) in left {
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
        progress.say(format!("registering batch {batch}"));
        let register = registry::register_batch(&network, &own, &tree, args);
        // One transaction holds far fewer.
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        match till.send(Purpose::Registration, count, &[], &register) {
            Ok(done) => {
                registered.devices += keys.len();
                registered.signatures.push(done.signature.to_string());
            }
            Err(error) if error.code() == Some(RegistryError::BatchLanded.into()) => {
                registered.left_out += 1;
                registered.devices_left_out += keys.len();
            }
            Err(error) => {
                return Err(error).with_context(|| format!("go on with --first {first}"));
            }
        }
    }
    drop(progress);
    context.print(&registered, || {
        let mut rows = vec![("Devices", registered.devices.to_string())];
        if registered.left_out > 0 {
            rows.push((
                "Left out",
                format!(
                    "{} devices: {} batches of these numbers have landed before. If they were of other devices, run this \
                     again for the ones left out, without --first",
                    registered.devices_left_out, registered.left_out
                ),
            ));
        }
        rows.extend([
            ("Transactions", registered.signatures.len().to_string()),
            ("First batch", registered.first.to_string()),
            ("Tree", registered.tree.clone()),
        ]);
        output::rows(rows)
    })
}

/// Whether a maker's batch has landed. Of one too far back for its account to tell it has: this command sends them in their
/// order, and ends with the first that fails.
fn has_landed(maker: &Maker, batch: u64) -> bool {
    let Some(behind) = maker
        .batches
        .checked_sub(1)
        .and_then(|newest| newest.checked_sub(batch))
    else {
        return false;
    };
    let bits = u32::try_from(behind)
        .ok()
        .and_then(|behind| maker.landed.checked_shr(behind));
    bits.is_none_or(|bits| bits & 1 == 1)
}
