use crate::error::RegistryError;
use crate::state::Network;
use anchor_lang::prelude::*;

/// Accounts of `accept_authority`.
#[derive(Accounts)]
pub struct AcceptAuthority<'info> {
    /// The network.
    #[account(mut, has_one = pending_authority @ RegistryError::NotPendingAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// Who was offered the authority.
    pub pending_authority: Signer<'info>,
}

/// Takes the authority over.
pub fn handle_accept_authority(ctx: Context<AcceptAuthority>) -> Result<()> {
    ctx.accounts.network.load_mut()?.hand_over();
    Ok(())
}
