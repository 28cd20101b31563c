use crate::error::EmissionError;
use crate::state::{Demand, Emission};
use anchor_lang::prelude::*;

/// Accounts of `close_demand`.
#[derive(Accounts)]
pub struct CloseDemand<'info> {
    /// The network's emission.
    pub emission: AccountLoader<'info, Emission>,
    /// The feed's demand.
    #[account(
        mut,
        close = payer,
        has_one = payer @ EmissionError::WrongPayer,
        constraint = demand.load()?.network == emission.load()?.network @ EmissionError::WrongNetwork,
    )]
    pub demand: AccountLoader<'info, Demand>,
    /// CHECK: who paid for the account, by its address; gets the rent.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

/// Closes a feed's demand in an epoch whose rewards are decided.
pub fn handle_close_demand(ctx: Context<CloseDemand>) -> Result<()> {
    let accounts = &ctx.accounts;
    let epoch = accounts.demand.load()?.epoch;
    require!(
        accounts.emission.load()?.is_final(epoch),
        EmissionError::StillNeeded
    );
    Ok(())
}
