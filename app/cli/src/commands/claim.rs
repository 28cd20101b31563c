//! `fieldproof claim`: pays an owner what the last final rewards grant, in one transaction.

use crate::context::Context;
use crate::output;
use anyhow::{anyhow, bail, Context as _, Result};
use fieldproof_client::{chain, reward_emission as emissions, token, transaction};
use fieldproof_worker::reward::ClaimProof;
use reward_emission::state::{Emission, Payee, PayeeKind};
use serde::Serialize;
use solana_signer::Signer;

#[derive(clap::Args)]
pub struct Arguments {
    /// The address of any worker of the network: it serves the proof, which is checked here
    #[arg(long, value_name = "URL", env = "FIELDPROOF_WORKER")]
    worker: String,
    /// Only make sure that the payee is registered, so that the next epoch counts for it
    #[arg(long)]
    register_only: bool,
}

#[derive(Serialize)]
struct Claimed {
    payee: String,
    destination: String,
    amount: String,
    epoch: Option<u64>,
    signature: Option<String>,
    compute_units: Option<u64>,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let owner = context.keypair()?;
    let (network, _) = context.network(&chain)?;
    let emission_key = emissions::emission(&network);
    let emission: Emission =
        chain::read(&chain, &emission_key).context("the network has no emission of rewards")?;
    let payee_key = emissions::payee(&network, PayeeKind::Owner, &owner.pubkey());
    let destination = token::associated(&owner.pubkey(), &emission.reward_mint);
    if chain::find::<Payee>(&chain, &payee_key)?.is_none() {
        let _progress = context.progress("registering the payee");
        let instructions = [
            token::create_associated(&owner.pubkey(), &owner.pubkey(), &emission.reward_mint),
            emissions::register_owner(&owner.pubkey(), &network, &owner.pubkey(), &destination),
        ];
        transaction::send(&chain, &instructions, &owner, &[])?;
    }
    let payee: Payee = chain::read(&chain, &payee_key)?;
    let mint: anchor_spl::token::Mint = chain::read_borsh(&chain, &emission.reward_mint)?;
    let mut claimed = Claimed {
        payee: owner.pubkey().to_string(),
        destination: payee.destination.to_string(),
        amount: "0".to_owned(),
        epoch: None,
        signature: None,
        compute_units: None,
    };
    if arguments.register_only {
        return context.print(&claimed, || {
            "Registered: rewards count from this epoch on".to_owned()
        });
    }
    let proof = fetch(&arguments.worker, &owner.pubkey().to_string())?;
    let path = hex::decode(&proof.path).context("the worker's proof is not hexadecimal")?;
    emission
        .check_grant(&payee, proof.cumulative, &path)
        .map_err(|_| {
            anyhow!(
                "the worker's proof does not lead to the chain's final root: ask another worker"
            )
        })?;
    let due = proof.cumulative.saturating_sub(payee.claimed);
    if due == 0 {
        bail!(
            "nothing to claim: {} was paid already",
            token::format_amount(payee.claimed, mint.decimals)
        );
    }
    let progress = context.progress("claiming");
    let place = emissions::ClaimAccounts {
        network,
        payee: payee_key,
        reward_mint: emission.reward_mint,
        destination: payee.destination,
    };
    let claim = emissions::claim(place, proof.cumulative, path);
    let done = transaction::send(&chain, &[claim], &owner, &[])?;
    drop(progress);
    // An amount over the breaker's limit is paid in parts.
    let paid = chain::read::<Payee>(&chain, &payee_key)?.claimed - payee.claimed;
    claimed.amount = token::format_amount(paid, mint.decimals);
    claimed.epoch = Some(proof.epoch);
    claimed.signature = Some(done.signature.to_string());
    claimed.compute_units = Some(done.compute_units);
    context.print(&claimed, || {
        output::fields([
            ("Claimed", claimed.amount.clone()),
            ("To", claimed.destination.clone()),
            ("Up to epoch", proof.epoch.to_string()),
            ("Signature", done.signature.to_string()),
        ])
    })
}

fn fetch(worker: &str, payee: &str) -> Result<ClaimProof> {
    let url = format!("{}/v1/rewards/{payee}", worker.trim_end_matches('/'));
    let response = reqwest::blocking::get(url)?;
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        bail!("nothing to claim in the last final epoch");
    }
    Ok(response.error_for_status()?.json()?)
}
