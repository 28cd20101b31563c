//! Claims: a proof from any worker, checked against the chain's final root, and one transaction a payee.

use crate::run::Course;
use crate::show;
use anchor_lang::prelude::Pubkey;
use anyhow::{ensure, Context, Result};
use fieldproof_client::{chain, reward_emission as emissions, transaction};
use fieldproof_worker::reward::ClaimProof;
use reward_emission::state::{Emission, Payee, PayeeKind};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Has every owner and every operator claim what `epoch` made final.
pub fn claim_all(course: &Course<'_>, epoch: u64) -> Result<()> {
    for (number, owner) in course.owners.iter().enumerate() {
        // Any worker serves any proof.
        let worker = number % course.operators.len();
        let key = owner.key.pubkey();
        claim(
            course,
            worker,
            epoch,
            PayeeKind::Owner,
            &key,
            &owner.key,
            owner.name,
        )?;
    }
    for (number, operator) in course.operators.iter().enumerate() {
        let (kind, key) = (PayeeKind::Operator, &operator.key);
        claim(
            course,
            number,
            epoch,
            kind,
            &operator.pool,
            key,
            operator.name,
        )?;
    }
    Ok(())
}

fn claim(
    course: &Course<'_>,
    worker: usize,
    epoch: u64,
    kind: PayeeKind,
    key: &Pubkey,
    payer: &Keypair,
    name: &str,
) -> Result<()> {
    let network = course.network;
    let chain = network.chain.as_ref();
    let proof: ClaimProof = course
        .get(worker, &format!("/v1/rewards/{key}"))
        .context(format!("{name}'s proof"))?;
    ensure!(
        proof.epoch == epoch,
        "{name}'s proof is of epoch {}",
        proof.epoch
    );
    let path = hex::decode(&proof.path)?;
    let emission: Emission = chain::read(chain, &emissions::emission(&network.key()))?;
    let payee_key = emissions::payee(&network.key(), kind, key);
    let payee: Payee = chain::read(chain, &payee_key)?;
    emission
        .check_grant(&payee, proof.cumulative, &path)
        .map_err(|error| anyhow::anyhow!("{name}'s proof is wrong: {error}"))?;
    let place = emissions::ClaimAccounts {
        network: network.key(),
        payee: payee_key,
        reward_mint: emission.reward_mint,
        destination: payee.destination,
    };
    let before = network.balance(&payee.destination)?;
    let claim = emissions::claim(place, proof.cumulative, path);
    let done = transaction::send(chain, &[claim], payer, &[])
        .with_context(|| format!("{name}'s claim"))?;
    let paid = network.balance(&payee.destination)?.saturating_sub(before);
    let what = format!("    {name:<6} claims {:>11} tokens", show::tokens(paid));
    show::transaction(&what, &done);
    Ok(())
}
