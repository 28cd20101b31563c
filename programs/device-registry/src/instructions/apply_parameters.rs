use crate::state::Network;
use anchor_lang::prelude::*;

/// Accounts of `apply_parameters`.
#[derive(Accounts)]
pub struct ApplyParameters<'info> {
    /// The network.
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
}

/// Puts the proposed parameters in force once the timelock has passed.
pub fn handle_apply_parameters(ctx: Context<ApplyParameters>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    ctx.accounts.network.load_mut()?.apply(now)
}
