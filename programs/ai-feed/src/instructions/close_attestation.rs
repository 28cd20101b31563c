//! Returns the rent of an attestation that nothing can depend on any more.

use anchor_lang::prelude::*;

use crate::{
    error::AiFeedError,
    state::{Attestation, Feed},
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
}

/// Closes an attestation after its challenge window, once its round is over. While the round is open, closing would
/// let the same batch be submitted again and count twice.
pub fn handle_close_attestation(ctx: Context<CloseAttestation>) -> Result<()> {
    let attestation = ctx.accounts.attestation.load()?;
    require!(
        Clock::get()?.unix_timestamp >= attestation.deadline,
        AiFeedError::StillChallengeable
    );
    require!(
        ctx.accounts.feed.load()?.is_over(attestation.round),
        AiFeedError::RoundOpen
    );
    Ok(())
}
