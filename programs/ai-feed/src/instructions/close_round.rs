//! Returns the rent of a round that never became a value.

use anchor_lang::prelude::*;

use crate::{
    error::AiFeedError,
    state::{Feed, Round},
};

/// Accounts of `close_round`.
#[derive(Accounts)]
pub struct CloseRound<'info> {
    /// The round's feed.
    #[account(address = round.load()?.feed @ AiFeedError::WrongRoundAccount)]
    pub feed: AccountLoader<'info, Feed>,
    /// The round; closes.
    #[account(mut, close = payer)]
    pub round: AccountLoader<'info, Round>,
    /// CHECK: gets the rent back; whoever paid it.
    #[account(mut, address = round.load()?.payer @ AiFeedError::WrongPayer)]
    pub payer: UncheckedAccount<'info>,
}

/// Closes a round that a later one has passed over, or of a frozen feed: none of these can be submitted to or
/// finalised any more, so it never opens again.
pub fn handle_close_round(ctx: Context<CloseRound>) -> Result<()> {
    let round = ctx.accounts.round.load()?.round;
    require!(
        ctx.accounts.feed.load()?.is_over(round),
        AiFeedError::RoundOpen
    );
    Ok(())
}
