//! Pools of one stake mint that secure many networks: delegation, withdrawal after a cool-down, allocation to networks,
//! and the committee of each epoch. The bonds of devices' owners. Slashing of both, by the programs that a network named.

use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod home;
pub mod instructions;
pub mod receipt;
pub mod seeds;
pub mod state;
pub mod vault;

use instructions::*;
use state::RosterTerms;

declare_id!("7jcchPRfmANtrpAE4jwAC8ZmpYHfiXTtHx3VGGLWA1pM");

/// Instructions of the pools.
#[program]
pub mod security_pool {
    use super::*;

    /// Anyone becomes the operator of a new pool, and gives it a seed whose shares belong to nobody.
    pub fn create_pool(ctx: Context<CreatePool>, args: CreatePoolArgs) -> Result<()> {
        handle_create_pool(ctx, args)
    }

    /// The operator names the worker's key.
    pub fn set_signer(ctx: Context<SetSigner>, signer: Pubkey) -> Result<()> {
        handle_set_signer(ctx, signer)
    }

    /// The operator offers the pool to another key; the default key takes the offer back.
    pub fn transfer_operator(ctx: Context<TransferOperator>, operator: Pubkey) -> Result<()> {
        handle_transfer_operator(ctx, operator)
    }

    /// The key that was offered the pool becomes its operator.
    pub fn accept_operator(ctx: Context<AcceptOperator>) -> Result<()> {
        handle_accept_operator(ctx)
    }

    /// Anyone stakes in a pool, for shares of it.
    pub fn delegate(
        ctx: Context<Delegate>,
        amount: u64,
        min_shares: u64,
        max_raises: u64,
    ) -> Result<()> {
        handle_delegate(ctx, amount, min_shares, max_raises)
    }

    /// The owner of a delegation lets shares cool down; their worth can be slashed until it is withdrawn.
    pub fn request_withdrawal(ctx: Context<RequestWithdrawal>, shares: u64) -> Result<()> {
        handle_request_withdrawal(ctx, shares)
    }

    /// The owner takes what has cooled down.
    pub fn withdraw(ctx: Context<Withdraw>) -> Result<()> {
        handle_withdraw(ctx)
    }

    /// The network's authority opens the roster and the vault of bonds, and says who may slash, how much an epoch, how it
    /// is divided, and what a seat costs.
    pub fn create_roster(ctx: Context<CreateRoster>, terms: RosterTerms) -> Result<()> {
        handle_create_roster(ctx, terms)
    }

    /// The operator sets what its pool allocates to a network, and accepts its slashers.
    pub fn opt_in(ctx: Context<OptIn>, allocation: u64) -> Result<()> {
        handle_opt_in(ctx, allocation)
    }

    /// The operator ends its pool's allocation to a network with the current epoch.
    pub fn opt_out(ctx: Context<OptOut>) -> Result<()> {
        handle_opt_out(ctx)
    }

    /// Anyone brings a pool's entry on a roster up to date with its stake and the time.
    pub fn refresh(ctx: Context<Refresh>) -> Result<()> {
        handle_refresh(ctx)
    }

    /// Anyone copies the roster of the current epoch into its committee; once it is complete, this does nothing. Remaining
    /// accounts: the pools with an allocation in this epoch that several rosters count, in the order of the roster's slots.
    /// If there are more than a transaction can name, the next goes on from the first that was not drawn.
    pub fn snapshot_committee<'info>(
        ctx: Context<'info, SnapshotCommittee<'info>>,
        epoch: u64,
    ) -> Result<()> {
        handle_snapshot_committee(ctx, epoch)
    }

    /// A program that the roster names takes `severity_bps` of what a pool has at stake in the network, once an offence.
    /// What exceeds the epoch's cap leaves the shares' worth at once and stays locked. By CPI, through the crate
    /// `slashing`.
    pub fn slash(ctx: Context<Slash>, offence: [u8; 32], severity_bps: u16) -> Result<()> {
        handle_slash(ctx, offence, severity_bps)
    }

    /// Anyone takes what a slash locked, in a later epoch and under its cap, divided as the report says.
    pub fn collect_excess(ctx: Context<CollectExcess>) -> Result<()> {
        handle_collect_excess(ctx)
    }

    /// The network's authority pays what a slash set aside to who was harmed, once.
    pub fn pay_insurance(ctx: Context<PayInsurance>) -> Result<()> {
        handle_pay_insurance(ctx)
    }

    /// An owner puts up stake tokens for its devices in a network, a maker for those that it vouched for.
    pub fn post_bond(ctx: Context<PostBond>, amount: u64) -> Result<()> {
        handle_post_bond(ctx, amount)
    }

    /// The owner lets a part of its bond cool down, for an epoch and the evidence window; it can be slashed until then.
    pub fn request_bond(ctx: Context<RequestBond>, amount: u64) -> Result<()> {
        handle_request_bond(ctx, amount)
    }

    /// The owner takes what has cooled down of its bond.
    pub fn withdraw_bond(ctx: Context<WithdrawBond>) -> Result<()> {
        handle_withdraw_bond(ctx)
    }

    /// A program that the roster names takes up to `amount` of an owner's bond, once an offence. By CPI, through the crate
    /// `slashing`.
    pub fn slash_bond(
        ctx: Context<SlashBond>,
        offence: [u8; 32],
        owner: Pubkey,
        amount: u64,
    ) -> Result<()> {
        handle_slash_bond(ctx, offence, owner, amount)
    }
}
