use crate::error::RegistryError;
use crate::state::{Maker, Network};
use anchor_lang::prelude::*;

/// Accounts of `set_maker_quota`.
#[derive(Accounts)]
pub struct SetMakerQuota<'info> {
    /// The network.
    #[account(has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// One of its makers.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub maker: AccountLoader<'info, Maker>,
    /// The network's authority.
    pub authority: Signer<'info>,
}

/// Sets up to which number a maker's vouchers count.
pub fn handle_set_maker_quota(ctx: Context<SetMakerQuota>, quota: u64) -> Result<()> {
    let mut maker = ctx.accounts.maker.load_mut()?;
    maker.require_active()?;
    maker.quota = quota;
    Ok(())
}
