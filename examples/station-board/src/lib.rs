//! A board that shows a feed's newest value, for programs and people that want to look at nothing else.
//!
//! All it knows of ai-feed is the published interface, ../idls/ai_feed.json, from which Anchor makes accounts, types and
//! calls. It reads the feed by a call, so that ai-feed itself decides which entry counts.

use anchor_lang::prelude::*;

declare_id!("BeeFobpsPqPS8vuX2mZ8QBzkWdyTdr5hoQ2q3n5mvJTw");
declare_program!(ai_feed);

use ai_feed::accounts::Feed;

/// Two thirds of the committee, and from signed readings.
const COMMITTEE_AND_SOURCED: u16 = 1 | 4;

/// Seconds that a value may be old.
const MAX_AGE: u32 = 600;

/// Instructions of the board.
#[program]
pub mod station_board {
    use super::*;

    /// Anyone: puts up the board of a feed.
    pub fn put_up(ctx: Context<PutUp>) -> Result<()> {
        let feed = ctx.accounts.feed.load()?;
        ctx.accounts.board.set_inner(Board {
            feed_id: feed.id,
            network: feed.network,
            exponent: feed.exponent,
            round: 0,
            value: 0,
        });
        Ok(())
    }

    /// Anyone: shows the feed's newest value.
    pub fn show(ctx: Context<Show>) -> Result<()> {
        let board = &mut ctx.accounts.board;
        let accounts = ai_feed::cpi::accounts::ReadFeed {
            feed: ctx.accounts.feed.to_account_info(),
        };
        let call = CpiContext::new(ctx.accounts.ai_feed.key(), accounts);
        let value =
            ai_feed::cpi::read_feed(call, board.feed_id, MAX_AGE, COMMITTEE_AND_SOURCED)?.get();
        require!(value.round > board.round, BoardError::NothingNew);
        board.round = value.round;
        board.value = value.value;
        Ok(())
    }
}

/// Accounts of `put_up`.
#[derive(Accounts)]
pub struct PutUp<'info> {
    /// Pays.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The feed.
    pub feed: AccountLoader<'info, Feed>,
    /// Its board.
    #[account(
        init,
        payer = payer,
        space = 8 + Board::INIT_SPACE,
        seeds = [b"board", feed.key().as_ref()],
        bump,
    )]
    pub board: Account<'info, Board>,
    /// Makes the account.
    pub system_program: Program<'info, System>,
}

/// Accounts of `show`.
#[derive(Accounts)]
pub struct Show<'info> {
    /// The feed.
    pub feed: AccountLoader<'info, Feed>,
    /// Its board.
    #[account(mut, seeds = [b"board", feed.key().as_ref()], bump)]
    pub board: Account<'info, Board>,
    /// Reads the feed.
    pub ai_feed: Program<'info, ai_feed::program::AiFeed>,
}

/// What a board shows.
#[account]
#[derive(InitSpace)]
pub struct Board {
    /// Id of the feed.
    pub feed_id: [u8; 32],
    /// Address of the network whose devices stand behind it.
    pub network: Pubkey,
    /// The value is in units of ten to this power.
    pub exponent: i8,
    /// The round shown, 0 for none.
    pub round: u64,
    /// Its value.
    pub value: i64,
}

/// Why a board did not change.
#[error_code]
pub enum BoardError {
    /// The round is shown already.
    #[msg("the board shows this round already: wait for the next")]
    NothingNew,
}
