//! `fieldproof device`: a registered device's leaf, as the chain's own events tell it, and what its owner does with it.

use crate::context::Context;
use crate::{files, output};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{anyhow, bail, Context as _, Result};
use device_protocol::{Curve, Hash, Possession, RegistryLeaf, Status};
use device_registry::state::{LeafPlace, Tree};
use device_registry::ProveDeviceArgs;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::registry_tree::{precedence, Follower};
use fieldproof_client::{device_registry as registry, transaction};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show what the registry knows of a device
    Show {
        /// The device's id, in hex (`fieldproof keys show`)
        id: String,
    },
    /// Make a device yours that its maker has only vouched for
    Prove {
        /// The device's key
        #[arg(long, value_name = "FILE")]
        device: PathBuf,
    },
    /// Pass a device of yours on
    Transfer {
        /// The device's id, in hex
        id: String,
        /// The new owner's keypair: both of you sign
        #[arg(long, value_name = "KEYPAIR")]
        to: PathBuf,
    },
    /// Say where a device of yours stands
    Locate {
        /// The device's id, in hex
        id: String,
        /// Its H3 cell, in hex; 0 takes your word back
        #[arg(long, value_name = "CELL")]
        cell: String,
    },
}

#[derive(Serialize)]
struct Shown {
    device: String,
    owner: String,
    previous_owner: Option<String>,
    owner_changed_at: i64,
    maker: String,
    tier: u8,
    status: &'static str,
    cell: String,
    nonce: u32,
    registered_slot: u64,
    tree: String,
    index: u32,
}

#[derive(Serialize)]
struct Done {
    device: String,
    signature: String,
    compute_units: u64,
}

/// A device's leaf, and where it stands.
struct Found {
    tree: Pubkey,
    tree_index: u16,
    leaf: RegistryLeaf,
    place: LeafPlace,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (network, account) = context.network(&chain)?;
    match command {
        Command::Show { id } => {
            let found = find(context, &chain, &network, &files::hash(&id)?)?;
            show(context, &found)
        }
        Command::Prove { device } => {
            let signer = files::read_device_key(&device)?;
            let key = signer.device_key();
            let found = find(context, &chain, &network, &key.id())?;
            let owner = context.keypair()?;
            let message = Possession {
                network: account.id,
                owner: owner.pubkey().to_bytes(),
                key,
                nonce: Possession::nonce_of(found.tree_index, found.place.index),
            }
            .digest();
            let signed = [Entry {
                public_key: key.as_bytes(),
                message: &message,
                signature: &signer.sign(&message),
            }];
            let signed = match key.curve {
                Curve::Ed25519 => precompile::ed25519(&signed)?,
                Curve::P256 => precompile::secp256r1(&signed)?,
            };
            let args = ProveDeviceArgs {
                leaf: (&found.leaf).into(),
                place: found.place,
                curve: key.curve as u8,
                possession_instruction: 0,
                possession_index: 0,
            };
            let prove = registry::prove_device(&network, &found.tree, &owner.pubkey(), args);
            send(context, &chain, &found.leaf, &[signed, prove], &[&owner])
        }
        Command::Transfer { id, to } => {
            let found = find(context, &chain, &network, &files::hash(&id)?)?;
            let owner = owner_of(context, &found.leaf)?;
            let heir = solana_keypair::read_keypair_file(&to)
                .map_err(|error| anyhow!("{}: {error}", to.display()))?;
            let Found {
                tree, leaf, place, ..
            } = found;
            let transfer = registry::transfer_device(&network, &tree, &heir.pubkey(), &leaf, place);
            send(context, &chain, &leaf, &[transfer], &[&owner, &heir])
        }
        Command::Locate { id, cell } => {
            let cell =
                u64::from_str_radix(&cell, 16).with_context(|| format!("{cell} is no H3 cell"))?;
            let found = find(context, &chain, &network, &files::hash(&id)?)?;
            let owner = owner_of(context, &found.leaf)?;
            let Found {
                tree, leaf, place, ..
            } = found;
            let locate = registry::assert_location(&network, &tree, &leaf, place, cell);
            send(context, &chain, &leaf, &[locate], &[&owner])
        }
    }
}

/// The leaf of a device that counts, from the events of every tree of the network.
fn find(context: &Context, chain: &dyn Chain, network: &Pubkey, device: &Hash) -> Result<Found> {
    let _progress = context.progress("reading the registry's history");
    let mut found: Option<Found> = None;
    for (tree, header) in chain::read_all::<Tree>(chain)? {
        if header.network != *network {
            continue;
        }
        let mut follower = Follower::new(chain, tree)?;
        let leaves = follower.catch_up(chain)?;
        let rank = |leaf: &RegistryLeaf, index| precedence(leaf, header.index, index);
        let best = (0..)
            .zip(leaves.leaves())
            .filter(|(_, leaf)| leaf.device == *device)
            .map(|(index, leaf)| (index, *leaf))
            .min_by_key(|(index, leaf)| rank(leaf, *index));
        let Some((index, leaf)) = best else {
            continue;
        };
        let earlier = found.as_ref().is_some_and(|other| {
            precedence(&other.leaf, other.tree_index, other.place.index) < rank(&leaf, index)
        });
        if !earlier {
            found = Some(Found {
                tree,
                tree_index: header.index,
                leaf,
                place: leaves.place(index)?,
            });
        }
    }
    found.ok_or_else(|| anyhow!("the network has no device {}", hex::encode(device)))
}

/// The keypair, which must be the device's owner.
fn owner_of(context: &Context, leaf: &RegistryLeaf) -> Result<Keypair> {
    let keypair = context.keypair()?;
    if keypair.pubkey().to_bytes() != leaf.owner {
        bail!(
            "the device is {}'s: name its owner's keypair with --keypair",
            Pubkey::new_from_array(leaf.owner)
        );
    }
    Ok(keypair)
}

fn show(context: &Context, found: &Found) -> Result<()> {
    let Found { leaf, .. } = found;
    let address = |key: Hash| Pubkey::new_from_array(key).to_string();
    let shown = Shown {
        device: hex::encode(leaf.device),
        owner: address(leaf.owner),
        previous_owner: (leaf.previous_owner != Hash::default())
            .then(|| address(leaf.previous_owner)),
        owner_changed_at: leaf.owner_changed_at,
        maker: address(leaf.maker),
        tier: leaf.tier,
        status: match leaf.status {
            Status::Vouched => "vouched",
            Status::Proven => "proven",
            Status::Nft => "nft",
            Status::Banned => "banned",
            Status::Void => "void",
        },
        cell: format!("{:x}", leaf.cell),
        nonce: leaf.nonce,
        registered_slot: leaf.registered_slot,
        tree: found.tree.to_string(),
        index: found.place.index,
    };
    context.print(&shown, || {
        output::fields([
            ("Device", shown.device.clone()),
            ("Status", shown.status.to_owned()),
            ("Owner", shown.owner.clone()),
            (
                "Previous owner",
                shown.previous_owner.clone().unwrap_or("none".to_owned()),
            ),
            ("Changes of owner", shown.nonce.to_string()),
            ("Maker", shown.maker.clone()),
            ("Tier", shown.tier.to_string()),
            ("Cell", shown.cell.clone()),
            ("Tree", shown.tree.clone()),
            ("Leaf", shown.index.to_string()),
        ])
    })
}

fn send(
    context: &Context,
    chain: &dyn Chain,
    leaf: &RegistryLeaf,
    instructions: &[Instruction],
    signers: &[&Keypair],
) -> Result<()> {
    let progress = context.progress("changing the device's leaf");
    let [payer, ..] = signers else {
        return Err(anyhow!("nobody signs"));
    };
    let done = transaction::send(chain, instructions, payer, signers)?;
    drop(progress);
    let done = Done {
        device: hex::encode(leaf.device),
        signature: done.signature.to_string(),
        compute_units: done.compute_units,
    };
    context.print(&done, || {
        output::fields([
            ("Device", done.device.clone()),
            ("Compute units", done.compute_units.to_string()),
            ("Signature", done.signature.clone()),
        ])
    })
}
