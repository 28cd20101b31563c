use crate::error::feed_error;
use crate::events::FundCreated;
use crate::seeds;
use crate::state::fund::FundAddresses;
use crate::state::Fund;
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use feed_reader::Feed;

/// Accounts of `create_fund`.
#[derive(Accounts)]
#[instruction(feed_id: [u8; 32])]
pub struct CreateFund<'info> {
    /// Becomes the underwriter.
    pub underwriter: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The feed that the policies will be about.
    /// CHECK: feed-reader checks owner, kind and id
    pub feed: UncheckedAccount<'info>,
    /// Mint of premiums and payouts.
    pub mint: Account<'info, Mint>,
    /// The new fund.
    #[account(
        init,
        payer = payer,
        space = Fund::SPACE,
        seeds = [seeds::FUND, underwriter.key().as_ref(), &feed_id],
        bump,
    )]
    pub fund: AccountLoader<'info, Fund>,
    /// Its tokens.
    #[account(
        init,
        payer = payer,
        seeds = [seeds::VAULT, fund.key().as_ref()],
        bump,
        token::mint = mint,
        token::authority = fund,
    )]
    pub vault: Account<'info, TokenAccount>,
    /// Makes the vault.
    pub token_program: Program<'info, Token>,
    /// Makes the accounts.
    pub system_program: Program<'info, System>,
}

/// Opens a fund for the feed of this id.
pub fn handle_create_fund(ctx: Context<CreateFund>, feed_id: [u8; 32]) -> Result<()> {
    let accounts = ctx.accounts;
    let owner = accounts.feed.owner.to_bytes();
    Feed::from_account(&owner, &accounts.feed.try_borrow_data()?, &feed_id).map_err(feed_error)?;

    let underwriter = accounts.underwriter.key();
    let mint = accounts.mint.key();
    let mut fund = accounts.fund.load_init()?;
    fund.open(
        ctx.bumps.fund,
        FundAddresses {
            underwriter,
            feed: accounts.feed.key(),
            feed_id,
            mint,
            vault: accounts.vault.key(),
        },
    );
    emit!(FundCreated {
        fund: accounts.fund.key(),
        underwriter,
        feed_id,
        mint,
    });
    fund.invariant(accounts.vault.amount)
}
