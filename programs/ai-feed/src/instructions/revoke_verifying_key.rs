//! Takes a verifying key out of use.

use anchor_lang::prelude::*;
use device_registry::state::Network;

use crate::{error::AiFeedError, events::VerifyingKeyRevoked, state::VerifyingKey};

/// Accounts of `revoke_verifying_key`.
#[derive(Accounts)]
pub struct RevokeVerifyingKey<'info> {
    /// The network's authority.
    #[account(address = network.load()?.authority @ AiFeedError::NotNetworkAuthority)]
    pub authority: Signer<'info>,
    /// The key's network.
    #[account(address = verifying_key.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The key.
    #[account(mut)]
    pub verifying_key: AccountLoader<'info, VerifyingKey>,
}

/// Refuses the key's proofs from now on, for good. What has passed with it has passed.
pub fn handle_revoke_verifying_key(ctx: Context<RevokeVerifyingKey>) -> Result<()> {
    let mut key = ctx.accounts.verifying_key.load_mut()?;
    require!(key.revoked_at == 0, AiFeedError::KeyRevoked);
    key.revoked_at = Clock::get()?.unix_timestamp;
    emit!(VerifyingKeyRevoked {
        network: key.network,
        hash: key.hash,
    });
    Ok(())
}
