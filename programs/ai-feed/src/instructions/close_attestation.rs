//! Returns the rent of an attestation that nothing can depend on any more, and the bond behind it.

use anchor_lang::prelude::*;

use crate::{
    error::AiFeedError,
    state::{Attestation, AttesterBonds, Feed},
};

/// Accounts of `close_attestation`.
#[derive(Accounts)]
pub struct CloseAttestation<'info> {
    /// The attestation's feed.
    #[account(address = attestation.load()?.feed @ AiFeedError::WrongFeed)]
    pub feed: AccountLoader<'info, Feed>,
    /// The attestation; closes.
    #[account(mut, close = payer)]
    pub attestation: AccountLoader<'info, Attestation>,
    /// CHECK: gets the rent back; whoever paid it.
    #[account(mut, address = attestation.load()?.payer @ AiFeedError::WrongPayer)]
    pub payer: UncheckedAccount<'info>,
    /// The attester's bonds in the network, if the attestation stands on one.
    #[account(
        mut,
        constraint = bonds.load()?.network == feed.load()?.network @ AiFeedError::WrongBonds,
        constraint = bonds.load()?.pool == attestation.load()?.pool @ AiFeedError::WrongBonds,
    )]
    pub bonds: Option<AccountLoader<'info, AttesterBonds>>,
}

/// Closes an attestation after its challenge window, once its round is over. While the round is open, closing would
/// let the same batch be submitted again and count twice. What it had reserved is free again: here and nowhere else, and
/// it closes only once.
pub fn handle_close_attestation(ctx: Context<CloseAttestation>) -> Result<()> {
    let attestation = ctx.accounts.attestation.load()?;
    require!(
        !attestation.is_open(Clock::get()?.unix_timestamp),
        AiFeedError::StillChallengeable
    );
    require!(
        ctx.accounts.feed.load()?.is_over(attestation.round),
        AiFeedError::RoundOpen
    );
    if attestation.bond > 0 {
        let bonds = ctx.accounts.bonds.as_ref();
        bonds
            .ok_or_else(|| error!(AiFeedError::BondsMissing))?
            .load_mut()?
            .release(attestation.bond)?;
    }
    Ok(())
}
