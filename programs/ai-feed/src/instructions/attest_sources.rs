//! Brings committee members' signatures that an attestation's windows come from signed readings, whatever its outputs.

use anchor_lang::prelude::*;
use feed_reader::Mask;

use crate::{instructions::AttestCommittee, signatures::Tally};

/// As `attest_committee`, for a batch whose model the members can't run: what they sign names the batch leaf and no output,
/// and lets SOURCED pass alone. Members have fetched the payload, verified every signature, and recomputed every window.
pub fn handle_attest_sources(
    ctx: Context<AttestCommittee>,
    instruction: u16,
    members: Vec<u8>,
) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let network = accounts.network.load()?;
    let feed = accounts.feed.load()?;
    let committee = accounts.committee.load()?;
    let mut round = accounts.round.load_mut()?;
    let mut attestation = accounts.attestation.load_mut()?;
    accounts.require_open(&attestation, &round, now)?;

    let message = attestation.sources_message(&network.id, &feed.id);
    let tally = Tally {
        signers: attestation.source_signers,
        signed: attestation.source_signed,
    }
    .take(
        &accounts.instructions,
        instruction,
        &members,
        &committee,
        &message,
    )?;
    attestation.source_signers = tally.signers;
    attestation.source_signed = tally.signed;
    if attestation.mask & Mask::SOURCED == 0
        && tally.is_enough(&committee, round.policy.min_signers)
    {
        accounts.pass(
            &mut attestation,
            &mut round,
            Mask::SOURCED,
            tally.signers,
            now,
        )?;
    }
    Ok(())
}
