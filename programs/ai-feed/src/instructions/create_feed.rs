//! Opens a feed: its id fixes what it computes, its policy how that must be verified.

use ::credits::Purpose;
use anchor_lang::prelude::*;
use device_protocol::{feed_id, InputSpec};
use device_registry::state::{cell::is_cell, Network};

use crate::{
    error::AiFeedError,
    fees::*,
    seeds,
    state::{Feed, Model, Policy, ACTIVE, AGGREGATION_MEDIAN, CELLS, MAX_DURATION},
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
    /// Seconds for which an attestation takes signatures, and can be challenged.
    pub challenge_window: i64,
    /// Stake that an attestation reserves, base units; 0 if none is to pass by time.
    pub bond: u64,
    /// What a false attestation costs whoever submitted or signed it, in basis points of its stake in the network.
    pub slash_bps: u16,
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
    /// What it costs, from the creator's credits.
    pub fees: Fees<'info>,
}

impl CreateFeedArgs {
    /// Checks what the feed computes, each field on its own, exhaustively.
    fn validate(&self) -> Result<()> {
        let Self {
            id: _,     // compared with what follows from the rest
            schema: _, // compared with the model's
            max_gap,
            cells,
            aggregation,
            round_length,
            required_mask: _, // from here on the policy's
            min_signers: _,
            min_streams: _,
            grace: _,
            challenge_window: _,
            bond: _,
            slash_bps: _,
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
        Ok(())
    }

    fn policy(&self) -> Policy {
        Policy {
            required_mask: self.required_mask,
            min_signers: self.min_signers,
            min_streams: self.min_streams,
            slash_bps: self.slash_bps,
            _pad: 0,
            grace: self.grace,
            challenge_window: self.challenge_window,
            bond: self.bond,
        }
    }
}

/// Takes a feed whose id follows from its fields, in a mask that can be passed.
pub fn handle_create_feed(ctx: Context<CreateFeed>, args: CreateFeedArgs) -> Result<()> {
    let creator = ctx.accounts.creator.key();
    let accounts = &ctx.accounts;
    if accounts.network.load()?.charges() {
        let (network, creator) = (accounts.network.as_ref(), accounts.creator.as_ref());
        accounts.fees.charge(network, creator, Purpose::Feed, 1)?;
    }
    let network = ctx.accounts.network.load()?;
    let model = ctx.accounts.model.load()?;
    args.validate()?;
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
    feed.private_model = u8::from(model.is_private());
    let policy = args.policy();
    policy.validate(&feed, &network)?;
    feed.set_policy(policy);
    for (place, cell) in feed.cells.iter_mut().zip(&args.cells) {
        *place = *cell;
    }
    feed.invariant()
}
