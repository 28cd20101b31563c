use crate::error::RegistryError;
use crate::state::{Maker, Network};
use anchor_lang::prelude::*;

/// Accounts of `revoke_maker`.
#[derive(Accounts)]
pub struct RevokeMaker<'info> {
    /// The network.
    #[account(has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// One of its makers.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub maker: AccountLoader<'info, Maker>,
    /// The network's authority.
    pub authority: Signer<'info>,
}

/// Ends a maker's right to vouch, for good; its registered devices stay.
pub fn handle_revoke_maker(ctx: Context<RevokeMaker>) -> Result<()> {
    let mut maker = ctx.accounts.maker.load_mut()?;
    maker.require_active()?;
    maker.revoked = 1;
    Ok(())
}
