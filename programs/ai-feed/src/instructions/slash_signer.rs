//! Slashes a committee member that signed what was proven false.

use anchor_lang::prelude::*;
use device_registry::state::Network;
use security_pool::state::Committee;

use crate::{
    error::AiFeedError,
    events::SignerSlashed,
    instructions::offence,
    penalty::*,
    state::{Attestation, Feed},
};

/// Accounts of `slash_signer`.
#[derive(Accounts)]
pub struct SlashSigner<'info> {
    /// Pays the report's rent.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// The feed's network.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The attestation's feed.
    #[account(address = attestation.load()?.feed @ AiFeedError::WrongFeed)]
    pub feed: AccountLoader<'info, Feed>,
    /// The attestation, proven false.
    pub attestation: AccountLoader<'info, Attestation>,
    /// The attestation's committee.
    #[account(address = attestation.load()?.committee @ AiFeedError::WrongCommittee)]
    pub committee: AccountLoader<'info, Committee>,
    /// Slashes the member's pool.
    pub penalty: Penalty<'info>,
}

/// Slashes a member as the attestation's policy has it, once an attestation; as long as its account is there, which is a
/// challenge window from when it was proven false. The attester, who is a member too, was slashed with that proof.
pub fn handle_slash_signer(ctx: Context<SlashSigner>, member: u8) -> Result<()> {
    let accounts = ctx.accounts;
    let network = accounts.network.load()?.id;
    let (pool, severity) = {
        let attestation = accounts.attestation.load()?;
        require!(attestation.is_false(), AiFeedError::NotFalse);
        let signed = attestation
            .accomplices()
            .checked_shr(member.into())
            .is_some_and(|rest| rest & 1 == 1);
        require!(signed, AiFeedError::NotAccomplice);
        let committee = accounts.committee.load()?;
        let entry = committee.members().get(usize::from(member));
        let pool = entry.ok_or_else(|| error!(AiFeedError::NotMember))?.pool;
        (pool, attestation.slash_bps)
    };
    let attestation = accounts.attestation.key();
    accounts.penalty.slash_new(
        accounts.network.as_ref(),
        accounts.challenger.as_ref(),
        &pool,
        &offence(&attestation, &pool, &network),
        severity,
    )?;
    emit!(SignerSlashed { attestation, pool });
    Ok(())
}
