use crate::error::EmissionError;
use crate::seeds;
use crate::state::{Epoch, VERSION};
use anchor_lang::prelude::*;
use device_registry::state::Network;

/// Accounts of `open_epoch`.
#[derive(Accounts)]
#[instruction(epoch: u64)]
pub struct OpenEpoch<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The epoch's account, made if nobody has yet.
    #[account(
        init_if_needed,
        payer = payer,
        space = Epoch::SIZE,
        seeds = [seeds::EPOCH, network.key().as_ref(), &epoch.to_le_bytes()],
        bump
    )]
    pub epoch_account: AccountLoader<'info, Epoch>,
    /// Pays rent, until the epoch is final.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

/// Opens the present epoch, or the next one, for credits to be spent in it. Of one that is open nothing changes, so that who
/// opens it first makes nobody's registration fail that opens it too.
pub fn handle_open_epoch(ctx: Context<OpenEpoch>, epoch: u64) -> Result<()> {
    let accounts = &ctx.accounts;
    let present = accounts
        .network
        .load()?
        .epoch(Clock::get()?.unix_timestamp)?;
    require!(
        epoch == present || Some(epoch) == present.checked_add(1),
        EmissionError::WrongEpoch
    );
    let Ok(mut opened) = accounts.epoch_account.load_init() else {
        return Ok(());
    };
    opened.version = VERSION;
    opened.bump = ctx.bumps.epoch_account;
    opened.network = accounts.network.key();
    opened.epoch = epoch;
    opened.payer = accounts.payer.key();
    Ok(())
}
