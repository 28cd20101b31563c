use crate::error::PoolError;
use crate::events::AllocationChanged;
use crate::home::home_of;
use crate::state::{Moment, Pool, Roster};
use anchor_lang::prelude::*;
use device_registry::state::{Network, Operation};

/// Accounts of `opt_in`.
#[derive(Accounts)]
pub struct OptIn<'info> {
    /// The pool's operator.
    pub operator: Signer<'info>,
    /// The network to secure.
    pub network: AccountLoader<'info, Network>,
    /// Its roster.
    #[account(mut, has_one = network @ PoolError::WrongRoster)]
    pub roster: AccountLoader<'info, Roster>,
    /// The pool.
    #[account(mut, has_one = operator @ PoolError::NotOperator)]
    pub pool: AccountLoader<'info, Pool>,
    /// The pool's home, if that is another roster: it ceases to be that.
    #[account(mut)]
    pub home: Option<AccountLoader<'info, Roster>>,
}

/// Sets what the pool allocates to the network.
pub fn handle_opt_in(ctx: Context<OptIn>, allocation: u64) -> Result<()> {
    let network = ctx.accounts.network.load()?;
    let mut pool = ctx.accounts.pool.load_mut()?;
    let moment = Moment::of(&network)?;
    require!(
        !network.is_paused(Operation::Stake, moment.now),
        PoolError::Paused
    );
    require!(
        pool.stake_mint == network.stake_mint,
        PoolError::WrongStakeMint
    );
    require!(pool.cooldown > moment.exposed, PoolError::CooldownTooShort);
    if pool.home != ctx.accounts.network.key() {
        if let Some(mut home) = home_of(&pool, ctx.accounts.home.as_ref())? {
            home.unsettle(&ctx.accounts.pool.key(), &mut pool);
        }
    }
    let entry = ctx.accounts.roster.load_mut()?.opt_in(
        ctx.accounts.pool.key(),
        &mut pool,
        allocation,
        moment,
    )?;
    emit!(AllocationChanged::new(ctx.accounts.network.key(), &entry));
    Ok(())
}
