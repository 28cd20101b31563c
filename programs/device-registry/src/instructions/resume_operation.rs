use crate::error::RegistryError;
use crate::state::{Network, Operation};
use anchor_lang::prelude::*;

/// Accounts of `resume_operation`.
#[derive(Accounts)]
pub struct ResumeOperation<'info> {
    /// The network.
    #[account(mut, has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// Its authority.
    pub authority: Signer<'info>,
}

/// Ends the pause of one operation.
pub fn handle_resume_operation(ctx: Context<ResumeOperation>, operation: u8) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    ctx.accounts
        .network
        .load_mut()?
        .resume(Operation::try_from(operation)?, now)
}
