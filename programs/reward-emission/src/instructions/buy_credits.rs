use crate::error::EmissionError;
use crate::events::CreditsBought;
use crate::seeds;
use crate::state::{Credits, Pricing, VERSION};
use anchor_lang::prelude::*;
use anchor_spl::token::{self, Burn, Mint, Token, TokenAccount};
use device_registry::state::Network;
use oracle::Now;

/// Accounts of `buy_credits`.
#[derive(Accounts)]
pub struct BuyCredits<'info> {
    /// The network.
    #[account(has_one = reward_mint @ EmissionError::WrongMint)]
    pub network: AccountLoader<'info, Network>,
    /// Its pricing.
    #[account(mut, has_one = network @ EmissionError::WrongNetwork)]
    pub pricing: AccountLoader<'info, Pricing>,
    /// CHECK: the oracle's account that the pricing names; the handler reads it.
    pub oracle: UncheckedAccount<'info>,
    /// CHECK: whose credits they will be.
    pub owner: UncheckedAccount<'info>,
    /// The owner's credits; made the first time.
    #[account(
        init_if_needed,
        payer = payer,
        space = Credits::SIZE,
        seeds = [seeds::CREDITS, network.key().as_ref(), owner.key().as_ref()],
        bump
    )]
    pub credits: AccountLoader<'info, Credits>,
    /// The network's reward mint.
    #[account(mut)]
    pub reward_mint: Account<'info, Mint>,
    /// What is burned from.
    #[account(mut)]
    pub source: Account<'info, TokenAccount>,
    /// Who may burn from it.
    pub buyer: Signer<'info>,
    /// Pays rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The token program.
    pub token_program: Program<'info, Token>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

/// Burns `tokens` base units of the reward mint for as many credits as they are worth at the low side of the oracle's
/// price: no less than `min_credits`.
pub fn handle_buy_credits(ctx: Context<BuyCredits>, tokens: u64, min_credits: u64) -> Result<()> {
    let accounts = &ctx.accounts;
    let clock = Clock::get()?;
    let now = Now {
        slot: clock.slot,
        unix_time: clock.unix_timestamp,
    };
    let bought = {
        let mut pricing = accounts.pricing.load_mut()?;
        pricing.burned = pricing
            .burned
            .checked_add(tokens)
            .ok_or_else(|| error!(EmissionError::Overflow))?;
        pricing.credits_for(tokens, &accounts.oracle, now)?
    };
    require!(bought > 0, EmissionError::NoCredits);
    require!(bought >= min_credits, EmissionError::PriceMoved);

    {
        // A new account has no discriminator yet, and only then it loads as new.
        let mut credits = accounts
            .credits
            .load_init()
            .or_else(|_| accounts.credits.load_mut())?;
        if credits.version != VERSION {
            credits.version = VERSION;
            credits.bump = ctx.bumps.credits;
            credits.network = accounts.network.key();
            credits.owner = accounts.owner.key();
        }
        credits.add(bought, tokens)?;
    }
    emit!(CreditsBought {
        network: accounts.network.key(),
        owner: accounts.owner.key(),
        tokens,
        credits: bought,
    });
    token::burn(
        CpiContext::new(
            accounts.token_program.key(),
            Burn {
                mint: accounts.reward_mint.to_account_info(),
                from: accounts.source.to_account_info(),
                authority: accounts.buyer.to_account_info(),
            },
        ),
        tokens,
    )
}
