use crate::error::StreamError;
use crate::events::StreamOpened;
use crate::seeds;
use crate::state::Stream;
use anchor_lang::prelude::*;
use device_registry::state::Network;
use security_pool::state::Pool;

/// Accounts of `open_stream`.
#[derive(Accounts)]
pub struct OpenStream<'info> {
    /// The pool's signer.
    pub signer: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The operator's pool.
    #[account(has_one = signer @ StreamError::NotSigner)]
    pub pool: AccountLoader<'info, Pool>,
    /// The new stream, one a network and pool.
    #[account(
        init,
        payer = payer,
        space = Stream::SPACE,
        seeds = [seeds::STREAM, network.key().as_ref(), pool.key().as_ref()],
        bump,
    )]
    pub stream: AccountLoader<'info, Stream>,
    /// Makes the stream.
    pub system_program: Program<'info, System>,
}

/// Opens the stream, empty.
pub fn handle_open_stream(ctx: Context<OpenStream>) -> Result<()> {
    let accounts = ctx.accounts;
    require!(
        accounts.pool.load()?.stake_mint == accounts.network.load()?.stake_mint,
        StreamError::WrongStakeMint
    );
    let network = accounts.network.key();
    let pool = accounts.pool.key();
    accounts
        .stream
        .load_init()?
        .open(ctx.bumps.stream, network, pool);
    emit!(StreamOpened {
        network,
        stream: accounts.stream.key(),
        pool,
    });
    Ok(())
}
