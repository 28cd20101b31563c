//! `fieldproof maker`: a maker's root and issuers, whose certificates register devices at tier 2 (docs/makers.md).

use crate::context::Context;
use crate::{files, output};
use anchor_lang::prelude::Pubkey;
use anyhow::{bail, Context as _, Result};
use device_protocol::RootGrant;
use device_registry::state::{Maker, Network};
use fieldproof_client::certificate::{read_signature, verifies};
use fieldproof_client::chain::{self, Execution};
use fieldproof_client::device_registry::{self as registry, SignatureAt};
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::transaction;
use serde::Serialize;
use solana_signer::Signer;
use std::path::PathBuf;

/// The precompile's instruction comes first and has one signature.
const FIRST: SignatureAt = SignatureAt {
    instruction: 0,
    index: 0,
};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Write what the root's key must sign before `set-root`
    RootMessage {
        /// The root's certificate
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// Where to write the 32 bytes
        #[arg(short, long, value_name = "FILE")]
        outfile: PathBuf,
    },
    /// Make a key the root of your certificates, for good
    SetRoot {
        /// The root's certificate
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// The root's signature of the root message
        #[arg(long, value_name = "FILE")]
        signature: PathBuf,
    },
    /// Make place for marking used certificate numbers, as `fieldproof voucher` does for vouchers
    OpenPage {
        /// One of the numbers
        #[arg(long, value_name = "NUMBER")]
        number: u64,
    },
    /// Let a CA under your root issue device certificates
    AddIssuer {
        /// The CA's certificate
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
    },
    /// End a CA's right to issue device certificates, for good
    RevokeIssuer {
        /// The CA's certificate
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// The maker's key, where the network's authority revokes
        #[arg(long, value_name = "ADDRESS")]
        maker: Option<Pubkey>,
    },
}

#[derive(Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let keypair = context.keypair()?;
    let own = keypair.pubkey();
    let (network_key, network) = context.network(&chain)?;
    let (key, instructions) = match command {
        Command::RootMessage {
            certificate,
            outfile,
        } => {
            let root = files::read_certificate(&certificate)?.key;
            std::fs::write(&outfile, root_grant(&network, &own, root).digest())
                .with_context(|| outfile.display().to_string())?;
            return print(context, Some(&root), None);
        }
        Command::SetRoot {
            certificate,
            signature,
        } => {
            let root = files::read_certificate(&certificate)?.key;
            let message = root_grant(&network, &own, root).digest();
            let content =
                std::fs::read(&signature).with_context(|| signature.display().to_string())?;
            let signed =
                read_signature(&content).with_context(|| signature.display().to_string())?;
            if !verifies(&root, &message, &signed) {
                bail!(
                    "{}: not the root's signature of what `fieldproof maker root-message` writes",
                    signature.display()
                );
            }
            let grant = precompile::secp256r1(&[Entry {
                public_key: &root,
                message: &message,
                signature: &signed,
            }])?;
            let set = registry::set_maker_root(&network_key, &own, FIRST);
            (Some(root), vec![grant, set])
        }
        Command::OpenPage { number } => {
            let page = registry::page_of(number);
            let open = registry::open_voucher_page(&own, &network_key, &own, page);
            (None, vec![open])
        }
        Command::AddIssuer { certificate } => {
            let maker: Maker = chain::read(&chain, &registry::maker(&network_key, &own))?;
            let file = files::read_certificate(&certificate)?;
            if !file.is_signed_by(&maker.root_key) {
                bail!(
                    "{}: not signed by the maker's root: issue it with the root's key, after `fieldproof maker set-root`",
                    certificate.display()
                );
            }
            let signed = precompile::secp256r1(&[file.entry(&maker.root_key)])?;
            let add = registry::add_issuer(&own, &network_key, &own, &file.key, FIRST);
            (Some(file.key), vec![signed, add])
        }
        Command::RevokeIssuer { certificate, maker } => {
            let key = files::read_certificate(&certificate)?.key;
            let maker = maker.unwrap_or(own);
            (
                Some(key),
                vec![registry::revoke_issuer(&network_key, &maker, &key, &own)],
            )
        }
    };
    let done = transaction::send(&chain, &instructions, &keypair, &[])?;
    print(context, key.as_ref(), Some(&done))
}

fn root_grant(network: &Network, maker: &Pubkey, root: [u8; 33]) -> RootGrant {
    RootGrant {
        network: network.id,
        maker: maker.to_bytes(),
        root,
    }
}

fn print(context: &Context, key: Option<&[u8; 33]>, done: Option<&Execution>) -> Result<()> {
    let done = Done {
        key: key.map(hex::encode),
        signature: done.map(|done| done.signature.to_string()),
    };
    context.print(&done, || {
        let rows = [("Key", &done.key), ("Signature", &done.signature)];
        output::rows(
            rows.into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?))),
        )
    })
}
