use crate::error::EmissionError;
use crate::state::{Credits, Epoch, Pricing};
use anchor_lang::prelude::*;
use credits::Purpose;
use device_registry::state::Network;

/// Accounts of `spend_credits`.
#[derive(Accounts)]
pub struct SpendCredits<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// Its pricing.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub pricing: AccountLoader<'info, Pricing>,
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
}

/// Takes what `count` things of a purpose cost. Called by the program that lets a network have them paid.
pub fn handle_spend_credits(ctx: Context<SpendCredits>, purpose: u8, count: u32) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let each = {
        let pricing = accounts.pricing.load()?;
        let terms = pricing.terms_at(now);
        match Purpose::try_from(purpose) {
            Ok(Purpose::Registration) => terms.registration,
            Ok(Purpose::Feed) => terms.feed,
            Err(()) => return err!(EmissionError::UnknownPurpose),
        }
    };
    let cost = each
        .checked_mul(count.into())
        .ok_or_else(|| error!(EmissionError::Overflow))?;
    let burned = accounts.credits.load_mut()?.spend(cost)?;
    let present = accounts.network.load()?.epoch(now)?;
    accounts.epoch.load_mut()?.book(present, cost, burned)
}
