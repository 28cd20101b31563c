use crate::error::EmissionError;
use crate::state::{Credits, Epoch, Pricing};
use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, ZeroCopy};
use credits::Purpose;
use device_registry::state::Network;
use std::cell::RefMut;

/// Accounts of `spend_credits`.
#[derive(Accounts)]
pub struct SpendCredits<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// Its pricing.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub pricing: AccountLoader<'info, Pricing>,
    /// CHECK: the present epoch, or nothing yet where nothing is to be paid; the handler reads it.
    #[account(mut)]
    pub epoch: UncheckedAccount<'info>,
    /// CHECK: what is spent from, or nothing yet where nothing is to be paid; the handler reads it.
    #[account(mut)]
    pub credits: UncheckedAccount<'info>,
    /// Whose credits they are.
    pub owner: Signer<'info>,
}

/// Takes what `count` things of a purpose cost. Called by the program that lets a network have them paid.
///
/// Where the terms that hold ask for nothing, nothing is taken: neither credits nor the epoch's account need to exist, so
/// that a network can begin before there are tokens to buy credits with.
pub fn handle_spend_credits(ctx: Context<SpendCredits>, purpose: u8, count: u32) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let purpose = Purpose::try_from(purpose).map_err(|()| EmissionError::UnknownPurpose)?;
    let cost = accounts
        .pricing
        .load()?
        .terms_at(now)
        .cost(purpose, count)?;
    if cost == 0 {
        return Ok(());
    }
    let network = accounts.network.key();
    let burned = {
        let mut credits =
            load_mut::<Credits>(&accounts.credits).ok_or(EmissionError::TooFewCredits)?;
        require!(credits.network == network, EmissionError::WrongNetwork);
        require!(
            credits.owner == accounts.owner.key(),
            EmissionError::NotCreditsOwner
        );
        credits.spend(cost)?
    };
    let present = accounts.network.load()?.epoch(now)?;
    let mut epoch = load_mut::<Epoch>(&accounts.epoch).ok_or(EmissionError::WrongEpoch)?;
    require!(epoch.network == network, EmissionError::WrongNetwork);
    epoch.book(present, cost, burned)
}

/// What an account of this program holds, to be changed; `None` where there is no account of this kind.
fn load_mut<'a, T: ZeroCopy + Discriminator>(
    account: &'a AccountInfo<'_>,
) -> Option<RefMut<'a, T>> {
    if *account.owner != crate::ID {
        return None;
    }
    let data = account.try_borrow_mut_data().ok()?;
    RefMut::filter_map(data, |data| {
        let (discriminator, body) = data.split_at_mut_checked(T::DISCRIMINATOR.len())?;
        if discriminator != T::DISCRIMINATOR {
            return None;
        }
        bytemuck::try_from_bytes_mut(body).ok()
    })
    .ok()
}
