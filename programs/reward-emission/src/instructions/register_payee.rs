use crate::error::EmissionError;
use crate::events::PayeeRegistered;
use crate::seeds;
use crate::state::{Emission, Payee, PayeeKind, VERSION};
use anchor_lang::prelude::*;
use anchor_spl::token::TokenAccount;
use device_registry::state::Network;
use security_pool::state::Pool;

/// Accounts of `register_payee`.
#[derive(Accounts)]
pub struct RegisterPayee<'info> {
    /// The network that rewards.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(mut, has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The owner, or with `pool` the pool's operator.
    pub authority: Signer<'info>,
    /// The pool that is the payee, for an operator; none for an owner.
    pub pool: Option<AccountLoader<'info, Pool>>,
    /// The new payee.
    #[account(
        init,
        payer = payer,
        space = Payee::SIZE,
        seeds = [
            seeds::PAYEE,
            network.key().as_ref(),
            &[identity(&authority, &pool).0 as u8],
            identity(&authority, &pool).1.as_ref(),
        ],
        bump
    )]
    pub payee: AccountLoader<'info, Payee>,
    /// Token account that will be paid.
    #[account(
        constraint = destination.mint == emission.load()?.reward_mint
            @ EmissionError::WrongDestinationMint
    )]
    pub destination: Account<'info, TokenAccount>,
    /// Pays rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

/// Gives the payee the next index of its kind.
pub fn handle_register_payee(ctx: Context<RegisterPayee>) -> Result<()> {
    let accounts = &ctx.accounts;
    if let Some(pool) = &accounts.pool {
        require_keys_eq!(
            pool.load()?.stake_mint,
            accounts.network.load()?.stake_mint,
            EmissionError::WrongPool
        );
    }
    check_control(&accounts.authority, &accounts.pool)?;
    let (kind, owner) = identity(&accounts.authority, &accounts.pool);

    let mut emission = accounts.emission.load_mut()?;
    let mut payee = accounts.payee.load_init()?;
    payee.version = VERSION;
    payee.bump = ctx.bumps.payee;
    payee.kind = kind as u8;
    payee.registered_at = Clock::get()?.unix_timestamp;
    payee.index = emission.next_index(kind)?;
    payee.network = emission.network;
    payee.owner = owner;
    payee.destination = accounts.destination.key();

    emit!(PayeeRegistered {
        network: payee.network,
        kind: payee.kind,
        index: payee.index,
        owner,
        destination: payee.destination,
    });
    Ok(())
}

/// As whom a signer acts: as the pool that it names, else as itself.
pub(super) fn identity<'info>(
    authority: &Signer<'info>,
    pool: &Option<AccountLoader<'info, Pool>>,
) -> (PayeeKind, Pubkey) {
    match pool {
        Some(pool) => (PayeeKind::Operator, pool.key()),
        None => (PayeeKind::Owner, authority.key()),
    }
}

/// Refuses to act as a pool that somebody else operates.
pub(super) fn check_control<'info>(
    authority: &Signer<'info>,
    pool: &Option<AccountLoader<'info, Pool>>,
) -> Result<()> {
    if let Some(pool) = pool {
        require_keys_eq!(
            pool.load()?.operator,
            authority.key(),
            EmissionError::NotOperator
        );
    }
    Ok(())
}
