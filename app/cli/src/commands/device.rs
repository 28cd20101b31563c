//! `fieldproof device`: a registered device's leaf, as the chain's own events tell it, and what its owner does with it.

use crate::context::Context;
use crate::{files, leaves, output};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_spl::token_interface;
use anyhow::{anyhow, bail, Context as _, Result};
use device_protocol::{Curve, Hash, Possession, RegistryLeaf, Status};
use device_registry::nft::MAX_URI;
use device_registry::ProveDeviceArgs;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::reports::ProvenLeaf;
use fieldproof_client::{device_registry as registry, token, transaction};
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
    /// Say where a device of yours stands; each change costs 0.0001 SOL
    Locate {
        /// The device's id, in hex
        id: String,
        /// Its H3 cell, in hex; 0 takes your word back
        #[arg(long, value_name = "CELL")]
        cell: String,
    },
    /// Make a proven device of yours an NFT, which says whose it is from then on; costs 0.0001 SOL and its rent
    Promote {
        /// The device's id, in hex
        id: String,
        /// Where wallets find more about it: the metadata's URI
        #[arg(long, default_value = "")]
        uri: String,
    },
    /// Make a device yours whose NFT you hold
    Bind {
        /// The device's id, in hex
        id: String,
    },
    /// Burn the NFT of a device of yours; the device stays yours
    Demote {
        /// The device's id, in hex
        id: String,
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
    /// There while the device has one.
    nft: Option<Nft>,
}

#[derive(Serialize)]
struct Nft {
    mint: String,
    /// Whether the device's owner holds it, in the associated token account; otherwise whoever does may bind the device.
    with_owner: bool,
}

#[derive(Serialize)]
struct Done {
    device: String,
    /// Mint of the NFT that was made, bound to or burned.
    nft: Option<String>,
    signature: String,
    compute_units: u64,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (network, account) = context.network(&chain)?;
    match command {
        Command::Show { id } => {
            let found = find(context, &chain, &network, &files::hash(&id)?)?;
            show(context, &chain, &found)
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
            let ProvenLeaf {
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
            let ProvenLeaf {
                tree, leaf, place, ..
            } = found;
            let locate =
                registry::assert_location(&owner.pubkey(), &network, &tree, &leaf, place, cell);
            send(context, &chain, &leaf, &[locate], &[&owner])
        }
        Command::Promote { id, uri } => {
            if uri.len() > MAX_URI {
                bail!("the URI has {} bytes, and at most {MAX_URI} fit", uri.len());
            }
            let found = find(context, &chain, &network, &files::hash(&id)?)?;
            let owner = owner_of(context, &found.leaf)?;
            let ProvenLeaf {
                tree, leaf, place, ..
            } = found;
            let nft = registry::nft(&tree, place.index);
            let promote =
                registry::promote_device(&owner.pubkey(), &network, &tree, &leaf, place, uri);
            send_with(context, &chain, &leaf, &[promote], &[&owner], Some(nft))
        }
        Command::Bind { id } => {
            let found = find(context, &chain, &network, &files::hash(&id)?)?;
            let holder = context.keypair()?;
            let nft = held(&chain, &found, &holder.pubkey())?;
            let ProvenLeaf {
                tree, leaf, place, ..
            } = found;
            let account = token::associated_2022(&holder.pubkey(), &nft);
            let bind =
                registry::bind_device(&network, &tree, &holder.pubkey(), &account, &leaf, place);
            send_with(context, &chain, &leaf, &[bind], &[&holder], Some(nft))
        }
        Command::Demote { id } => {
            let found = find(context, &chain, &network, &files::hash(&id)?)?;
            let holder = context.keypair()?;
            let mint = minted(&found)?;
            // Burned already, there is only the mint to close.
            let account = match supply(&chain, &mint)? {
                0 => None,
                _ => {
                    held(&chain, &found, &holder.pubkey())?;
                    Some(token::associated_2022(&holder.pubkey(), &mint))
                }
            };
            let ProvenLeaf {
                tree, leaf, place, ..
            } = found;
            let demote = registry::demote_device(
                &network,
                &tree,
                &holder.pubkey(),
                account.as_ref(),
                &leaf,
                place,
            );
            send_with(context, &chain, &leaf, &[demote], &[&holder], Some(mint))
        }
    }
}

/// The mint of a device's NFT, which the device must have or have had.
fn minted(found: &ProvenLeaf) -> Result<Pubkey> {
    match found.leaf.status {
        // What was banned or void may have been an NFT.
        Status::Nft | Status::Banned | Status::Void => {
            Ok(registry::nft(&found.tree, found.place.index))
        }
        Status::Vouched | Status::Proven => {
            bail!("the device has no NFT: make one with `fieldproof device promote`")
        }
    }
}

/// The mint of a device's NFT, which `holder` must have in the associated token account.
fn held(chain: &dyn Chain, found: &ProvenLeaf, holder: &Pubkey) -> Result<Pubkey> {
    let mint = minted(found)?;
    if !holds(chain, &mint, holder)? {
        bail!(
            "{holder} does not hold the device's NFT {mint} in its associated token account {}: send it there first",
            token::associated_2022(holder, &mint)
        );
    }
    Ok(mint)
}

fn holds(chain: &dyn Chain, mint: &Pubkey, holder: &Pubkey) -> Result<bool> {
    let account = token::associated_2022(holder, mint);
    if chain.account(&account)?.is_none() {
        return Ok(false);
    }
    let account: token_interface::TokenAccount = chain::read_borsh(chain, &account)?;
    Ok(account.amount == 1)
}

fn supply(chain: &dyn Chain, mint: &Pubkey) -> Result<u64> {
    if chain.account(mint)?.is_none() {
        bail!("the device has no NFT any more");
    }
    let mint: token_interface::Mint = chain::read_borsh(chain, mint)?;
    Ok(mint.supply)
}

/// The leaf of a device that counts, from the events of every tree of the network.
fn find(
    context: &Context,
    chain: &dyn Chain,
    network: &Pubkey,
    device: &Hash,
) -> Result<ProvenLeaf> {
    let leaves = leaves::read(context, chain, network, device)?.leaves;
    let first = leaves.into_iter().next();
    first.ok_or_else(|| anyhow!("the network has no device {}", hex::encode(device)))
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

fn show(context: &Context, chain: &dyn Chain, found: &ProvenLeaf) -> Result<()> {
    let ProvenLeaf { leaf, .. } = found;
    let nft = match leaf.status {
        Status::Nft => {
            let mint = registry::nft(&found.tree, found.place.index);
            let owner = Pubkey::new_from_array(leaf.owner);
            Some(Nft {
                with_owner: holds(chain, &mint, &owner)?,
                mint: mint.to_string(),
            })
        }
        _ => None,
    };
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
        nft,
    };
    context.print(&shown, || {
        let nft = shown.nft.as_ref().map(|nft| match nft.with_owner {
            true => format!("{}, held by the owner", nft.mint),
            false => format!(
                "{}, not held by the owner: who holds it binds the device",
                nft.mint
            ),
        });
        let rows = [
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
        ];
        output::rows(rows.into_iter().chain(nft.map(|nft| ("NFT", nft))))
    })
}

fn send(
    context: &Context,
    chain: &dyn Chain,
    leaf: &RegistryLeaf,
    instructions: &[Instruction],
    signers: &[&Keypair],
) -> Result<()> {
    send_with(context, chain, leaf, instructions, signers, None)
}

fn send_with(
    context: &Context,
    chain: &dyn Chain,
    leaf: &RegistryLeaf,
    instructions: &[Instruction],
    signers: &[&Keypair],
    nft: Option<Pubkey>,
) -> Result<()> {
    let progress = context.progress("changing the device's leaf");
    let [payer, ..] = signers else {
        return Err(anyhow!("nobody signs"));
    };
    let done = transaction::send(chain, instructions, payer, signers)?;
    drop(progress);
    let done = Done {
        device: hex::encode(leaf.device),
        nft: nft.map(|nft| nft.to_string()),
        signature: done.signature.to_string(),
        compute_units: done.compute_units,
    };
    context.print(&done, || {
        let nft = done.nft.iter().map(|nft| ("NFT", nft.clone()));
        output::rows(
            [("Device", done.device.clone())]
                .into_iter()
                .chain(nft)
                .chain([
                    ("Compute units", done.compute_units.to_string()),
                    ("Signature", done.signature.clone()),
                ]),
        )
    })
}
