use crate::error::PoolError;
use crate::events::BondChanged;
use crate::state::{Bond, Moment};
use anchor_lang::prelude::*;
use device_registry::state::Network;

/// Accounts of `request_bond`.
#[derive(Accounts)]
pub struct RequestBond<'info> {
    /// Whose bond it is.
    pub owner: Signer<'info>,
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The owner's bond.
    #[account(
        mut,
        has_one = network @ PoolError::WrongBond,
        has_one = owner @ PoolError::NotOwner,
    )]
    pub bond: AccountLoader<'info, Bond>,
}

/// Lets `amount` of the bond cool down until evidence of this epoch can't come in any more.
pub fn handle_request_bond(ctx: Context<RequestBond>, amount: u64) -> Result<()> {
    let moment = Moment::of(&*ctx.accounts.network.load()?)?;
    let releases_at = moment
        .now
        .checked_add(moment.exposed)
        .ok_or_else(|| error!(PoolError::Overflow))?;
    let mut bond = ctx.accounts.bond.load_mut()?;
    bond.request(amount, moment.epoch, releases_at)?;
    emit!(BondChanged::new(&bond));
    Ok(())
}
