//! Opens a feed: its id fixes what it computes, its policy how that must be verified.

use anchor_lang::prelude::*;
use device_protocol::{feed_id, InputSpec};
use device_registry::state::{cell::is_cell, Network};
use security_pool::state::MAX_OPERATORS;

use crate::{
    error::AiFeedError,
    seeds,
    state::{Feed, Model, ACTIVE, AGGREGATION_MEDIAN, CELLS, MAX_DURATION, RING, STREAMS},
};

/// Arguments of `create_feed`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct CreateFeedArgs {
    /// `device_protocol::feed_id` of the network's id, the creator, the model's id and the fields below.
    pub id: [u8; 32],
    /// Schema of the readings, the model's.
    pub schema: u16,
    /// Largest gap between consecutive readings of a window, in seconds.
    pub max_gap: u32,
    /// H3 cells that devices must be in, rising; none means anywhere.
    pub cells: Vec<u64>,
    /// How a batch's outputs make its value: 0, their median.
    pub aggregation: u8,
    /// Seconds of a round.
    pub round_length: i64,
    /// Verifications that every attestation must pass.
    pub required_mask: u16,
    /// Committee members that must sign an attestation, at least.
    pub min_signers: u8,
    /// Streams that a round needs, at least.
    pub min_streams: u8,
    /// Seconds after a round's end from which it is finalised over whatever streams have passed.
    pub grace: i64,
    /// Seconds for which an attestation takes signatures, and can be challenged once it has passed.
    pub challenge_window: i64,
}

/// Accounts of `create_feed`.
#[derive(Accounts)]
#[instruction(args: CreateFeedArgs)]
pub struct CreateFeed<'info> {
    /// Pays the feed's rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Whose feed it is; the first authority.
    pub creator: Signer<'info>,
    /// The network whose streams and committees serve the feed.
    pub network: AccountLoader<'info, Network>,
    /// The model.
    pub model: AccountLoader<'info, Model>,
    /// The feed.
    #[account(init, payer = payer, space = Feed::SIZE, seeds = [seeds::FEED, &args.id], bump)]
    pub feed: AccountLoader<'info, Feed>,
    /// To create the account.
    pub system_program: Program<'info, System>,
}

impl CreateFeedArgs {
    /// Checks every field on its own, exhaustively.
    fn validate(&self, private_model: bool) -> Result<()> {
        let Self {
            id: _,     // compared with what follows from the rest
            schema: _, // compared with the model's
            max_gap,
            cells,
            aggregation,
            round_length,
            required_mask,
            min_signers,
            min_streams,
            grace,
            challenge_window,
        } = self;
        require!(*max_gap >= 1, AiFeedError::InvalidGap);
        require!(
            cells.len() <= CELLS
                && cells.iter().all(|cell| is_cell(*cell))
                && cells.is_sorted_by(|one, next| one < next),
            AiFeedError::InvalidCells
        );
        require!(
            *aggregation == AGGREGATION_MEDIAN,
            AiFeedError::UnknownAggregation
        );
        require!(
            (1..=MAX_DURATION).contains(round_length),
            AiFeedError::InvalidRoundLength
        );
        Feed::require_policy(*required_mask, private_model)?;
        require!(
            (1..=MAX_OPERATORS).contains(&usize::from(*min_signers)),
            AiFeedError::InvalidMinSigners
        );
        require!(
            (1..=STREAMS).contains(&usize::from(*min_streams)),
            AiFeedError::InvalidMinStreams
        );
        require!(
            (0..=MAX_DURATION).contains(grace),
            AiFeedError::InvalidGrace
        );
        // Whoever challenges a value must still find it in the ring. Within its bounds the product is far from 2^63.
        require!(
            (1..=MAX_DURATION).contains(challenge_window)
                && *challenge_window < round_length * RING as i64,
            AiFeedError::InvalidChallengeWindow
        );
        Ok(())
    }
}

/// Takes a feed whose id follows from its fields, in a mask that can be passed.
pub fn handle_create_feed(ctx: Context<CreateFeed>, args: CreateFeedArgs) -> Result<()> {
    let creator = ctx.accounts.creator.key();
    let network = ctx.accounts.network.load()?;
    let model = ctx.accounts.model.load()?;
    args.validate(model.is_private())?;
    let header = model.header()?;
    require!(args.schema == header.schema, AiFeedError::SchemaMismatch);
    let input = InputSpec {
        schema: args.schema,
        max_gap_s: args.max_gap,
        cells: &args.cells,
    };
    let id = feed_id(
        &network.id,
        &creator.to_bytes(),
        &model.id,
        &input,
        args.aggregation,
        args.round_length,
    )
    .map_err(|_| error!(AiFeedError::InvalidCells))?;
    require!(args.id == id, AiFeedError::WrongFeedId);

    let mut feed = ctx.accounts.feed.load_init()?;
    feed.version = 1;
    feed.state = ACTIVE;
    feed.exponent = header.exponent;
    feed.aggregation = args.aggregation;
    feed.bump = ctx.bumps.feed;
    feed.cell_count = args.cells.len() as u8;
    feed.schema = args.schema;
    feed.id = id;
    feed.network = ctx.accounts.network.key();
    feed.model = model.id;
    feed.creator = creator;
    feed.authority = creator;
    feed.round_length = args.round_length;
    feed.created_at = Clock::get()?.unix_timestamp;
    feed.max_gap = args.max_gap;
    feed.min_signers = args.min_signers;
    feed.min_streams = args.min_streams;
    feed.required_mask = args.required_mask;
    feed.grace = args.grace;
    feed.challenge_window = args.challenge_window;
    feed.private_model = u8::from(model.is_private());
    for (place, cell) in feed.cells.iter_mut().zip(&args.cells) {
        *place = *cell;
    }
    feed.invariant()
}
