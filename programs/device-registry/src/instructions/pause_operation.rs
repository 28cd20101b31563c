use crate::error::RegistryError;
use crate::state::{Network, Operation};
use anchor_lang::prelude::*;

/// Accounts of `pause_operation`.
#[derive(Accounts)]
pub struct PauseOperation<'info> {
    /// The network.
    #[account(mut, has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// Its authority.
    pub authority: Signer<'info>,
}

/// Pauses one operation for some seconds.
pub fn handle_pause_operation(
    ctx: Context<PauseOperation>,
    operation: u8,
    seconds: i64,
) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    ctx.accounts
        .network
        .load_mut()?
        .pause(Operation::try_from(operation)?, seconds, now)
}
