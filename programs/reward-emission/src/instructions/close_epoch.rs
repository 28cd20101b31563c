use crate::error::EmissionError;
use crate::state::{Emission, Epoch};
use anchor_lang::prelude::*;

/// Accounts of `close_epoch`.
#[derive(Accounts)]
pub struct CloseEpoch<'info> {
    /// The network's emission.
    pub emission: AccountLoader<'info, Emission>,
    /// The epoch's account.
    #[account(
        mut,
        close = payer,
        has_one = payer @ EmissionError::WrongPayer,
        constraint = epoch.load()?.network == emission.load()?.network @ EmissionError::WrongNetwork,
    )]
    pub epoch: AccountLoader<'info, Epoch>,
    /// CHECK: who paid for the account, by its address; gets the rent.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

/// Closes an epoch's account once its rewards are decided: nothing depends on it any more.
pub fn handle_close_epoch(ctx: Context<CloseEpoch>) -> Result<()> {
    let accounts = &ctx.accounts;
    let epoch = accounts.epoch.load()?.epoch;
    require!(
        accounts.emission.load()?.is_final(epoch),
        EmissionError::StillNeeded
    );
    Ok(())
}
