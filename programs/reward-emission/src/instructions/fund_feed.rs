use crate::error::EmissionError;
use crate::events::FeedFunded;
use crate::seeds;
use crate::state::{Credits, Demand, Epoch, VERSION};
use anchor_lang::prelude::*;
use device_registry::state::Network;
use feed_reader::{Feed, AI_FEED_ID};

/// Accounts of `fund_feed`.
#[derive(Accounts)]
pub struct FundFeed<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The present epoch.
    #[account(mut, has_one = network @ EmissionError::WrongNetwork)]
    pub epoch: AccountLoader<'info, Epoch>,
    /// What is spent from.
    #[account(
        mut,
        has_one = network @ EmissionError::WrongNetwork,
        has_one = owner @ EmissionError::NotCreditsOwner,
    )]
    pub credits: AccountLoader<'info, Credits>,
    /// Whose credits they are.
    pub owner: Signer<'info>,
    /// CHECK: one of the network's feeds; the handler reads it.
    pub feed: UncheckedAccount<'info>,
    /// What the feed was given in the epoch; made the first time.
    #[account(
        init_if_needed,
        payer = payer,
        space = Demand::SIZE,
        seeds = [
            seeds::DEMAND,
            network.key().as_ref(),
            &epoch.load()?.epoch.to_le_bytes(),
            feed.key().as_ref(),
        ],
        bump
    )]
    pub demand: AccountLoader<'info, Demand>,
    /// Pays rent, until the epoch is final.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

/// Spends `credits` on a feed: the tokens behind them go to those who serve it.
pub fn handle_fund_feed(ctx: Context<FundFeed>, credits: u64) -> Result<()> {
    let accounts = &ctx.accounts;
    require!(credits > 0, EmissionError::NoCredits);
    let network = accounts.network.key();
    check_feed(&accounts.feed, &network)?;

    let burned = accounts.credits.load_mut()?.spend(credits)?;
    let present = accounts
        .network
        .load()?
        .epoch(Clock::get()?.unix_timestamp)?;
    let overflow = || error!(EmissionError::Overflow);
    {
        let mut epoch = accounts.epoch.load_mut()?;
        epoch.book(present, credits, burned)?;
        epoch.given = epoch.given.checked_add(burned).ok_or_else(overflow)?;
    }

    // A new account has no discriminator yet, and only then it loads as new.
    let mut demand = accounts
        .demand
        .load_init()
        .or_else(|_| accounts.demand.load_mut())?;
    if demand.version != VERSION {
        demand.version = VERSION;
        demand.bump = ctx.bumps.demand;
        demand.network = network;
        demand.epoch = present;
        demand.feed = accounts.feed.key();
        demand.payer = accounts.payer.key();
    }
    demand.credits = demand.credits.checked_add(credits).ok_or_else(overflow)?;
    demand.burned = demand.burned.checked_add(burned).ok_or_else(overflow)?;
    emit!(FeedFunded {
        network,
        feed: demand.feed,
        epoch: present,
        credits,
        burned,
    });
    Ok(())
}

/// Refuses what is no feed of the network.
fn check_feed(feed: &AccountInfo<'_>, network: &Pubkey) -> Result<()> {
    let data = feed.try_borrow_data()?;
    require!(
        feed.owner.to_bytes() == AI_FEED_ID
            && Feed::parse(&data).is_ok_and(|feed| feed.network() == network.to_bytes()),
        EmissionError::WrongFeed
    );
    Ok(())
}
