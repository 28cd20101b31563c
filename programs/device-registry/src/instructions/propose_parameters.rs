use crate::error::RegistryError;
use crate::state::{Network, Parameters};
use anchor_lang::prelude::*;

/// Accounts of `propose_parameters`.
#[derive(Accounts)]
pub struct ProposeParameters<'info> {
    /// The network.
    #[account(mut, has_one = authority @ RegistryError::NotAuthority)]
    pub network: AccountLoader<'info, Network>,
    /// Its authority.
    pub authority: Signer<'info>,
}

/// Proposes parameters, which anyone may apply after the timelock; replaces an earlier proposal.
pub fn handle_propose_parameters(
    ctx: Context<ProposeParameters>,
    parameters: Parameters,
) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    ctx.accounts.network.load_mut()?.propose(parameters, now)
}
