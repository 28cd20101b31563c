//! `fieldproof voucher`: a maker vouches for a device with its own key, under a number of its own.

use crate::context::Context;
use crate::files::{self, VoucherFile};
use anchor_lang::prelude::Pubkey;
use anyhow::{Context as _, Result};
use device_protocol::Voucher;
use device_registry::state::VoucherPage;
use fieldproof_client::{chain, device_registry as registry, transaction};
use sha2::{Digest, Sha256};
use solana_signer::Signer;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// The device's id, in hex (`fieldproof keys show`)
    #[arg(long, value_name = "ID")]
    device: String,
    /// A number of yours that no voucher has yet
    #[arg(long, value_name = "NUMBER")]
    number: u64,
    /// What you vouch for: 1, a device of your make
    #[arg(long, default_value_t = 1)]
    tier: u8,
    /// The device's serial number; only its hash is signed
    #[arg(long, value_name = "TEXT")]
    serial: String,
    /// Where to write the voucher
    #[arg(short, long, value_name = "FILE")]
    outfile: PathBuf,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let maker = context.keypair()?;
    let (network_key, network) = context.network(&chain)?;
    let device = files::hash(&arguments.device)?;
    let serial_hash = Sha256::digest(arguments.serial.as_bytes()).into();
    let page = registry::page_of(arguments.number);
    let maker_key = registry::maker(&network_key, &maker.pubkey());
    let page_key: Pubkey = registry::voucher_page(&maker_key, page);
    if chain::find::<VoucherPage>(&chain, &page_key)?.is_none() {
        let _progress = context.progress(format!("opening voucher page {page}"));
        let open =
            registry::open_voucher_page(&maker.pubkey(), &network_key, &maker.pubkey(), page);
        transaction::send(&chain, &[open], &maker, &[])?;
    }
    let voucher = Voucher {
        network: network.id,
        maker: maker.pubkey().to_bytes(),
        number: arguments.number,
        device,
        tier: arguments.tier,
        serial_hash,
    };
    let file = VoucherFile {
        network: network_key.to_string(),
        maker: maker.pubkey().to_string(),
        number: arguments.number,
        device: arguments.device,
        tier: arguments.tier,
        serial_hash: hex::encode(serial_hash),
        signature: hex::encode(maker.sign_message(&voucher.digest())),
    };
    std::fs::write(&arguments.outfile, serde_json::to_string_pretty(&file)?)
        .with_context(|| arguments.outfile.display().to_string())?;
    context.print(&file, || {
        format!(
            "Voucher {} written to {}",
            file.number,
            arguments.outfile.display()
        )
    })
}
