use crate::error::RegistryError;
use crate::state::{Issuer, Maker, Network};
use anchor_lang::prelude::*;

/// Accounts of `revoke_issuer`.
#[derive(Accounts)]
pub struct RevokeIssuer<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// One of its makers.
    #[account(has_one = network @ RegistryError::WrongNetwork)]
    pub maker: AccountLoader<'info, Maker>,
    /// One of the maker's issuers.
    #[account(mut, has_one = maker @ RegistryError::WrongIssuer)]
    pub issuer: AccountLoader<'info, Issuer>,
    /// The maker's key or the network's authority.
    pub revoker: Signer<'info>,
}

/// Ends an issuer's right to issue, for good; devices that its certificates registered stay.
pub fn handle_revoke_issuer(ctx: Context<RevokeIssuer>) -> Result<()> {
    let revoker = ctx.accounts.revoker.key();
    require!(
        revoker == ctx.accounts.maker.load()?.key
            || revoker == ctx.accounts.network.load()?.authority,
        RegistryError::NotMakerOrAuthority
    );
    let mut issuer = ctx.accounts.issuer.load_mut()?;
    issuer.require_active()?;
    issuer.revoked = 1;
    Ok(())
}
