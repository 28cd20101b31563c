use crate::error::PoolError;
use crate::events::CommitteeDrawn;
use crate::seeds;
use crate::state::{Committee, Moment, Roster, VERSION};
use anchor_lang::prelude::*;
use device_registry::state::Network;

/// Accounts of `snapshot_committee`.
#[derive(Accounts)]
#[instruction(epoch: u64)]
pub struct SnapshotCommittee<'info> {
    /// Pays the rent when the account is new.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// Its roster.
    #[account(has_one = network @ PoolError::WrongRoster)]
    pub roster: AccountLoader<'info, Roster>,
    // May be there already: its address names network and epoch, it is never closed, each step goes on where the last
    // one ended, and none follows the last.
    /// The committee.
    #[account(
        init_if_needed,
        payer = payer,
        space = Committee::SPACE,
        seeds = [seeds::COMMITTEE, network.key().as_ref(), &epoch.to_le_bytes()],
        bump,
    )]
    pub committee: AccountLoader<'info, Committee>,
    /// Makes the committee.
    pub system_program: Program<'info, System>,
}

/// Draws the committee, or its next part.
pub fn handle_snapshot_committee<'info>(
    ctx: Context<'info, SnapshotCommittee<'info>>,
    epoch: u64,
) -> Result<()> {
    let moment = Moment::of(&*ctx.accounts.network.load()?)?;
    require!(epoch == moment.epoch, PoolError::WrongEpoch);
    // A new account has no discriminator yet, and only then it loads as new.
    let mut committee = ctx
        .accounts
        .committee
        .load_init()
        .or_else(|_| ctx.accounts.committee.load_mut())?;
    let network = ctx.accounts.network.key();
    if committee.version != VERSION {
        let payer = ctx.accounts.payer.key();
        committee.open(ctx.bumps.committee, network, epoch, payer);
    }
    if committee.is_complete() {
        return Ok(());
    }
    committee.draw(
        &*ctx.accounts.roster.load()?,
        moment,
        ctx.remaining_accounts,
    )?;
    if committee.is_complete() {
        emit!(CommitteeDrawn {
            network,
            epoch,
            count: committee.count,
            total: committee.total,
        });
    }
    Ok(())
}
