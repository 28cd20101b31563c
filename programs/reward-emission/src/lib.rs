//! Rewards of a network: what an epoch emits, who decides how it is shared, and claims.
//!
//! The program holds the mint authority of the reward mint. A closed-form schedule says what an epoch emits at most; what
//! it does emit is what was burned for the credits spent in it, and no less than a floor. Once it is over, the committee
//! votes for a reward tree whose root carries its sum; a root that adds more than the epoch's budget to the last final one,
//! or more than their share for operators, can't even be proposed. After a challenge
//! window, in which whoever proves a leaf wrong has its authors slashed, the root is final, and each payee claims the
//! difference between what it was ever granted and what it has got.

use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod instructions;
pub mod penalty;
pub mod seeds;
pub mod state;

use instructions::*;

declare_id!("2sYmFPNcmLhXcNnYg9kFNxGEk5xFa9oFsPuxhgMP9cHh");

/// The instructions.
#[program]
pub mod reward_emission {
    use super::*;

    /// The network's authority starts the emission and hands over the reward mint, of which nothing exists yet, nor
    /// credits that were bought with it.
    pub fn create_emission(ctx: Context<CreateEmission>, args: CreateEmissionArgs) -> Result<()> {
        handle_create_emission(ctx, args)
    }

    /// An owner, or with its pool an operator, takes the next index of its kind and names where rewards go.
    pub fn register_payee(ctx: Context<RegisterPayee>) -> Result<()> {
        handle_register_payee(ctx)
    }

    /// A payee's owner, or its pool's operator, names another token account for its rewards.
    pub fn set_destination(ctx: Context<SetDestination>) -> Result<()> {
        handle_set_destination(ctx)
    }

    /// A committee member proposes the roots of an epoch that is over.
    pub fn propose_root(ctx: Context<ProposeRoot>, args: ProposeRootArgs) -> Result<()> {
        handle_propose_root(ctx, args)
    }

    /// Anyone brings a committee member's signed vote, in the proposal's ballot; two thirds of the allocation pass it.
    pub fn vote_root(
        ctx: Context<VoteRoot>,
        instruction: u16,
        index: u8,
        member: u8,
    ) -> Result<()> {
        handle_vote_root(ctx, instruction, index, member)
    }

    /// Anyone shows that a proposal grants an index another amount than its score earned, or to another payee: it is
    /// rejected and its proposer slashed, with the bounty for whoever shows it.
    pub fn challenge_root(ctx: Context<ChallengeRoot>, args: ChallengeRootArgs) -> Result<()> {
        handle_challenge_root(ctx, args)
    }

    /// Anyone has a member slashed that voted for a proposal which was rejected.
    pub fn slash_voter(ctx: Context<SlashVoter>, member: u8) -> Result<()> {
        handle_slash_voter(ctx, member)
    }

    /// Anyone shows two votes of a member for different roots in one ballot, on one base: the member is slashed.
    pub fn report_double_vote(
        ctx: Context<ReportDoubleVote>,
        args: ReportDoubleVoteArgs,
    ) -> Result<()> {
        handle_report_double_vote(ctx, args)
    }

    /// Anyone closes a proposal that decides nothing any more; its rent goes back to who paid it.
    pub fn close_proposal(ctx: Context<CloseProposal>) -> Result<()> {
        handle_close_proposal(ctx)
    }

    /// Anyone makes a passed proposal final after its challenge window: claims are proven against it from then on.
    pub fn finalize_root(ctx: Context<FinalizeRoot>) -> Result<()> {
        handle_finalize_root(ctx)
    }

    /// Anyone has a payee paid, to the payee's destination, what the final root grants it and it has not got.
    pub fn claim(ctx: Context<Claim>, cumulative: u64, path: Vec<u8>) -> Result<()> {
        handle_claim(ctx, cumulative, path)
    }

    /// The network's authority says whose price of the reward token counts and what costs how many credits: at once the
    /// first time, then after the network's timelock.
    pub fn set_pricing(ctx: Context<SetPricing>, args: TermsArgs) -> Result<()> {
        handle_set_pricing(ctx, args)
    }

    /// Anyone opens the present epoch, or the next one, for credits to be spent in it.
    pub fn open_epoch(ctx: Context<OpenEpoch>, epoch: u64) -> Result<()> {
        handle_open_epoch(ctx, epoch)
    }

    /// Anyone burns reward tokens for an owner's credits, at the low side of the oracle's price.
    pub fn buy_credits(ctx: Context<BuyCredits>, tokens: u64, min_credits: u64) -> Result<()> {
        handle_buy_credits(ctx, tokens, min_credits)
    }

    /// An owner spends what registrations or feeds cost; the programs that take them call it.
    pub fn spend_credits(ctx: Context<SpendCredits>, purpose: u8, count: u32) -> Result<()> {
        handle_spend_credits(ctx, purpose, count)
    }

    /// An owner spends credits on a feed.
    pub fn fund_feed(ctx: Context<FundFeed>, credits: u64) -> Result<()> {
        handle_fund_feed(ctx, credits)
    }

    /// Anyone closes an epoch whose rewards are decided; its rent goes back to who paid it.
    pub fn close_epoch(ctx: Context<CloseEpoch>) -> Result<()> {
        handle_close_epoch(ctx)
    }

    /// Anyone closes a feed's demand in an epoch whose rewards are decided; its rent goes back to who paid it.
    pub fn close_demand(ctx: Context<CloseDemand>) -> Result<()> {
        handle_close_demand(ctx)
    }
}
