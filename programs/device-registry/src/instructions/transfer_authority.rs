use crate::error::RegistryError;
use crate::state::Network;
use anchor_lang::prelude::*;

/// Accounts of `transfer_authority`.
#[derive(Accounts)]
pub struct TransferAuthority<'info> {
    /// The network.
    #[account(mut, has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// Its authority.
    pub authority: Signer<'info>,
}

/// Offers the authority to a key, which must accept; the default key takes an offer back.
pub fn handle_transfer_authority(
    ctx: Context<TransferAuthority>,
    new_authority: Pubkey,
) -> Result<()> {
    ctx.accounts.network.load_mut()?.pending_authority = new_authority;
    Ok(())
}
