use crate::error::EmissionError;
use crate::events::PricingSet;
use crate::seeds;
use crate::state::{Pricing, Terms, MAX_DECIMALS, VERSION};
use anchor_lang::prelude::*;
use anchor_spl::token::Mint;
use device_registry::state::Network;

/// Whose price counts, and what is paid for.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermsArgs {
    /// Format of the oracle's account: 1 Switchboard On-Demand, 2 Switchboard V2.
    pub format: u8,
    /// That account, which tells the token's price. Its authority is trusted: it can have other jobs answered, and name
    /// `jobs` again while the answers are fresh.
    pub oracle: Pubkey,
    /// The queue whose oracles may answer.
    pub queue: Pubkey,
    /// Hash of what they are asked: an On-Demand feed's `feed_hash`, a V2 aggregator's `jobs_checksum`.
    pub jobs: [u8; 32],
    /// How old an answer may be, slots.
    pub max_age_slots: u32,
    /// How old the newest answer may be, seconds.
    pub max_age_seconds: u32,
    /// Distinct oracles that must have answered.
    pub min_oracles: u8,
    /// How far an answer may be from their median, basis points; below 10,000.
    pub max_deviation_bps: u16,
    /// Credits for registering a device.
    pub registration: u64,
    /// Credits for opening a feed.
    pub feed: u64,
}

impl From<TermsArgs> for Terms {
    fn from(args: TermsArgs) -> Self {
        Self {
            queue: args.queue.to_bytes(),
            jobs: args.jobs,
            registration: args.registration,
            feed: args.feed,
            max_age_slots: args.max_age_slots,
            max_age_seconds: args.max_age_seconds,
            max_deviation_bps: args.max_deviation_bps,
            min_oracles: args.min_oracles,
            format: args.format,
            _pad: [0; 4],
        }
    }
}

/// Accounts of `set_pricing`.
#[derive(Accounts)]
pub struct SetPricing<'info> {
    /// The network.
    #[account(
        has_one = authority @ EmissionError::NotAuthority,
        has_one = reward_mint @ EmissionError::WrongMint,
    )]
    pub network: AccountLoader<'info, Network>,
    /// Its authority.
    pub authority: Signer<'info>,
    /// Its reward mint.
    pub reward_mint: Account<'info, Mint>,
    /// Its pricing; made the first time.
    #[account(
        init_if_needed,
        payer = payer,
        space = Pricing::SIZE,
        seeds = [seeds::PRICING, network.key().as_ref()],
        bump
    )]
    pub pricing: AccountLoader<'info, Pricing>,
    /// Pays rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

/// Sets the terms: at once the first time, then after the network's timelock. Terms that do not hold yet are replaced.
pub fn handle_set_pricing(ctx: Context<SetPricing>, args: TermsArgs) -> Result<()> {
    let accounts = &ctx.accounts;
    let terms = Terms::from(args);
    terms.requirements()?;
    require_keys_neq!(
        args.oracle,
        Pubkey::default(),
        EmissionError::InvalidPricing
    );
    require!(
        accounts.reward_mint.decimals <= MAX_DECIMALS,
        EmissionError::InvalidPricing
    );
    let now = Clock::get()?.unix_timestamp;
    let later = now
        .checked_add(accounts.network.load()?.timelock)
        .ok_or_else(|| error!(EmissionError::Overflow))?;
    let from = {
        // A new account has no discriminator yet, and only then it loads as new.
        let mut pricing = accounts
            .pricing
            .load_init()
            .or_else(|_| accounts.pricing.load_mut())?;
        let is_new = pricing.version != VERSION;
        if is_new {
            pricing.version = VERSION;
            pricing.bump = ctx.bumps.pricing;
            pricing.decimals = accounts.reward_mint.decimals;
            pricing.network = accounts.network.key();
        }
        let from = if is_new { now } else { later };
        pricing.set(terms, args.oracle, from, now);
        from
    };
    emit!(PricingSet {
        network: accounts.network.key(),
        from,
    });
    Ok(())
}
