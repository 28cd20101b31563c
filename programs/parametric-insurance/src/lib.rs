//! An example of a program that relies on a feed: insurance that pays by itself when a feed crosses a threshold.
//!
//! It knows ai-feed by the feed-reader crate only. An underwriter funds policies on one feed; a policy names the
//! threshold, the time it covers and the verification that it takes for true. Whoever sees a round that meets them
//! settles the policy; nobody decides.
//!
//! What a holder looks at before signing, since the program can't: who may freeze the feed (a frozen feed pays for nothing that comes after),
//! who may freeze accounts of the fund's mint, and whether `max_age` gives enough time to finalise and settle a round
//! before the feed has forgotten it.

use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod instructions;
pub mod seeds;
pub mod state;
mod vault;

use instructions::*;
use state::PolicyTerms;

declare_id!("3pD2pqqD2j6nAsTTpLoQMDtWGXeZuVDPSvCys4mVm5SE");

/// Instructions of the insurance.
#[program]
pub mod parametric_insurance {
    use super::*;

    /// Anyone becomes the underwriter of a fund for policies on one feed.
    pub fn create_fund(ctx: Context<CreateFund>, feed_id: [u8; 32]) -> Result<()> {
        handle_create_fund(ctx, feed_id)
    }

    /// Anyone adds tokens to a fund.
    pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
        handle_deposit(ctx, amount)
    }

    /// The underwriter takes tokens that no policy may need.
    pub fn withdraw_fund(ctx: Context<WithdrawFund>, amount: u64) -> Result<()> {
        handle_withdraw_fund(ctx, amount)
    }

    /// The underwriter and the holder agree on a policy: the premium is paid, and the payout set aside.
    pub fn write_policy(ctx: Context<WritePolicy>, terms: PolicyTerms) -> Result<()> {
        handle_write_policy(ctx, terms)
    }

    /// Anyone has a policy paid to its holder, when a round of the feed meets its terms.
    pub fn settle_policy(ctx: Context<SettlePolicy>) -> Result<()> {
        handle_settle_policy(ctx)
    }

    /// Anyone closes a policy that no round can meet any more, which frees its payout.
    pub fn expire_policy(ctx: Context<ExpirePolicy>) -> Result<()> {
        handle_expire_policy(ctx)
    }
}
