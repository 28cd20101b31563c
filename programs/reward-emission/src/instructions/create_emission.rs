use crate::error::EmissionError;
use crate::seeds;
use crate::state::{
    Breaker, Emission, Pricing, Schedule, Scoring, FULL_BPS, MAX_DURATION, TIERS, VERSION,
};
use anchor_lang::prelude::*;
use anchor_spl::token::spl_token::instruction::AuthorityType;
use anchor_spl::token::{self, Mint, SetAuthority, Token};
use device_registry::state::Network;

/// What a new emission is made of; none of it changes later.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateEmissionArgs {
    /// Operators' share of each epoch's budget, in basis points.
    pub operators_bps: u16,
    /// What an operator loses of its stake in the network for wrong roots that it proposed or voted for, and for two votes
    /// in one ballot, in basis points: 1 to 10,000.
    pub root_slash_bps: u16,
    /// What an epoch emits however little was burned for credits in it, in basis points of its scheduled budget; 10,000
    /// where use is not to matter.
    pub floor_bps: u16,
    /// When how much is emitted; [`Schedule::new`] finds the crossover. Epochs count from the network's genesis.
    pub schedule: Schedule,
    /// Seconds from passing a vote to being final, at least; no longer than the network's evidence window, so that the
    /// stake of those who voted is still there.
    pub challenge_window: i64,
    /// Seconds of a ballot; divides the network's epoch.
    pub ballot_length: i64,
    /// Seconds in which the breaker's full level drains.
    pub breaker_window: i64,
    /// Base units that may be claimed at once, and again each breaker window.
    pub breaker_limit: u64,
    /// By what readings are scored.
    pub scoring: ScoringArgs,
}

/// [`Scoring`], as the instruction carries it.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoringArgs {
    /// What a device counts by its tier, in basis points; no lower for a higher tier.
    pub tiers_bps: [u16; TIERS],
    /// The resolution of the H3 cells in which devices are counted, 0 to 15.
    pub cell_resolution: u8,
    /// Devices of a cell that are paid in full; more share what those get.
    pub cell_capacity: u16,
    /// Devices from which on a cell is not under-served, at most the capacity.
    pub cell_target: u16,
    /// What an almost empty cell adds to a factor of 1, in basis points; it falls in proportion up to the target.
    pub scarcity_bps: u16,
    /// Owners of devices of as many makers that a cell's full reward asks for, 1 to 16.
    pub full_owners: u8,
    /// The least reputation, with which everybody begins, in basis points.
    pub reputation_floor_bps: u16,
    /// What an honest epoch adds to a reputation, in basis points; at least 1 if the floor is less than 10,000.
    pub reputation_step_bps: u16,
    /// The most that a feed's demand makes of a score, in basis points; at least 10,000.
    pub max_demand_bps: u16,
}

impl From<ScoringArgs> for Scoring {
    fn from(args: ScoringArgs) -> Self {
        let ScoringArgs {
            tiers_bps,
            cell_resolution,
            cell_capacity,
            cell_target,
            scarcity_bps,
            full_owners,
            reputation_floor_bps,
            reputation_step_bps,
            max_demand_bps,
        } = args;
        Self {
            tiers_bps,
            cell_capacity,
            cell_target,
            scarcity_bps,
            cell_resolution,
            full_owners,
            reputation_floor_bps,
            reputation_step_bps,
            max_demand_bps,
            _pad: [0; 2],
        }
    }
}

impl CreateEmissionArgs {
    fn validate(&self, network: &Network) -> Result<()> {
        let Self {
            operators_bps,
            root_slash_bps,
            floor_bps,
            schedule,
            challenge_window,
            ballot_length,
            breaker_window,
            breaker_limit,
            scoring,
        } = *self;
        require!(
            operators_bps <= FULL_BPS,
            EmissionError::OperatorsShareTooLarge
        );
        require!(
            (1..=FULL_BPS).contains(&root_slash_bps),
            EmissionError::InvalidRootSlash
        );
        require!(floor_bps <= FULL_BPS, EmissionError::FloorTooLarge);
        schedule.validate()?;
        for duration in [challenge_window, ballot_length, breaker_window] {
            require!(
                (1..=MAX_DURATION).contains(&duration),
                EmissionError::InvalidDuration
            );
        }
        require!(
            challenge_window <= network.parameters.evidence_window,
            EmissionError::ChallengeWindowTooLong
        );
        require!(
            network.epoch_length.checked_rem(ballot_length) == Some(0),
            EmissionError::BallotAcrossEpochs
        );
        require!(breaker_limit > 0, EmissionError::InvalidBreakerLimit);
        Scoring::from(scoring).validate()
    }
}

/// Accounts of `create_emission`.
#[derive(Accounts)]
pub struct CreateEmission<'info> {
    /// The network that is rewarded.
    #[account(
        has_one = authority @ EmissionError::NotAuthority,
        has_one = reward_mint @ EmissionError::WrongMint,
    )]
    pub network: AccountLoader<'info, Network>,
    /// The network's authority.
    pub authority: Signer<'info>,
    /// The new emission.
    #[account(
        init,
        payer = payer,
        space = Emission::SIZE,
        seeds = [seeds::EMISSION, network.key().as_ref()],
        bump
    )]
    pub emission: AccountLoader<'info, Emission>,
    /// CHECK: the network's pricing, or nothing yet; the handler reads it.
    #[account(seeds = [seeds::PRICING, network.key().as_ref()], bump)]
    pub pricing: UncheckedAccount<'info>,
    /// The network's reward mint: no supply, no freeze authority.
    #[account(mut)]
    pub reward_mint: Account<'info, Mint>,
    /// The mint's authority until now.
    pub mint_authority: Signer<'info>,
    /// Pays rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The token program.
    pub token_program: Program<'info, Token>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

/// Checks the mint, the terms, and that nobody has credits yet, starts the emission and takes the mint's authority.
pub fn handle_create_emission(
    ctx: Context<CreateEmission>,
    args: CreateEmissionArgs,
) -> Result<()> {
    let accounts = &ctx.accounts;
    args.validate(&*accounts.network.load()?)?;

    let mint = &accounts.reward_mint;
    require!(mint.supply == 0, EmissionError::MintNotEmpty);
    // What was minted for nothing and burned for credits is no supply any more, but would be emitted again.
    require!(
        Pricing::burned_by(&accounts.pricing)? == 0,
        EmissionError::CreditsBeforeEmission
    );
    require!(
        mint.freeze_authority.is_none(),
        EmissionError::MintCanFreeze
    );
    require!(
        mint.mint_authority == Some(accounts.mint_authority.key()).into(),
        EmissionError::WrongMintAuthority
    );

    {
        let mut emission = accounts.emission.load_init()?;
        emission.version = VERSION;
        emission.bump = ctx.bumps.emission;
        emission.operators_bps = args.operators_bps;
        emission.root_slash_bps = args.root_slash_bps;
        emission.floor_bps = args.floor_bps;
        emission.network = accounts.network.key();
        emission.reward_mint = mint.key();
        emission.authority = accounts.authority.key();
        emission.schedule = args.schedule;
        emission.challenge_window = args.challenge_window;
        emission.ballot_length = args.ballot_length;
        emission.scoring = args.scoring.into();
        emission.breaker = Breaker::new(
            args.breaker_window,
            args.breaker_limit,
            Clock::get()?.unix_timestamp,
        );
        emission.invariant()?;
    }

    token::set_authority(
        CpiContext::new(
            accounts.token_program.key(),
            SetAuthority {
                current_authority: accounts.mint_authority.to_account_info(),
                account_or_mint: mint.to_account_info(),
            },
        ),
        AuthorityType::MintTokens,
        Some(accounts.emission.key()),
    )
}
