use crate::error::StreamError;
use crate::events::ChallengeSettled;
use crate::penalty::{is_at_stake, SLASHER};
use crate::state::{Challenge, Stream};
use anchor_lang::prelude::*;
use device_registry::state::Network;
use security_pool::state::{Moment, Roster};
use slashing::SlashAccounts;

/// Accounts of `settle_challenge`; anyone settles.
#[derive(Accounts)]
pub struct SettleChallenge<'info> {
    /// Pays the report's rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// CHECK: gets the bond and the rent back; the challenge names it.
    #[account(mut)]
    pub challenger: UncheckedAccount<'info>,
    /// The stream's network.
    pub network: AccountLoader<'info, Network>,
    /// The stream.
    #[account(
        mut,
        has_one = network @ StreamError::WrongNetwork,
        has_one = pool @ StreamError::WrongPool,
    )]
    pub stream: AccountLoader<'info, Stream>,
    /// The challenge.
    #[account(
        mut,
        close = challenger,
        has_one = stream @ StreamError::WrongStream,
        has_one = challenger @ StreamError::WrongChallenger,
    )]
    pub challenge: AccountLoader<'info, Challenge>,
    /// CHECK: the program's slasher, by its address.
    #[account(address = SLASHER.0)]
    pub slasher: UncheckedAccount<'info>,
    /// The network's roster.
    #[account(mut, has_one = network @ StreamError::WrongRoster)]
    pub roster: AccountLoader<'info, Roster>,
    /// CHECK: the stream's pool, by its address.
    #[account(mut)]
    pub pool: UncheckedAccount<'info>,
    /// CHECK: the pool's vault; the security-pool checks it.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the network's stake mint; the security-pool checks it.
    #[account(mut)]
    pub stake_mint: UncheckedAccount<'info>,
    /// CHECK: the offence's report, not yet there; the security-pool makes it.
    #[account(mut)]
    pub report: UncheckedAccount<'info>,
    /// CHECK: the challenger's token account of the stake mint; its owner is checked here, the rest by the security-pool.
    #[account(mut)]
    pub bounty: UncheckedAccount<'info>,
    /// CHECK: the stake mint's token program; the security-pool checks it.
    pub token_program: UncheckedAccount<'info>,
    /// Makes the report.
    pub system_program: Program<'info, System>,
    /// CHECK: the security-pool, by its address.
    #[account(address = slashing::SECURITY_POOL)]
    pub security_pool: UncheckedAccount<'info>,
}

/// Settles the challenge. Nothing is slashed if the pool has nothing at stake any more, or was slashed for this reading
/// before; the challenger was right all the same, and gets its bond back.
pub fn handle_settle_challenge(ctx: Context<SettleChallenge>) -> Result<()> {
    let accounts = ctx.accounts;
    let challenge = *accounts.challenge.load()?;
    let (moment, offence) = {
        let network = accounts.network.load()?;
        (Moment::of(&network)?, challenge.offence(&network.id))
    };
    require!(moment.now > challenge.answer_by, StreamError::StillOpen);
    // Whoever settles must not choose: an account that only looks like the report would spare the operator.
    require_keys_eq!(
        accounts.report.key(),
        slashing::report(&SLASHER.0, &offence),
        StreamError::WrongReport
    );
    let slashed = *accounts.report.owner != slashing::SECURITY_POOL
        && is_at_stake(&*accounts.roster.load()?, accounts.pool.key, moment);
    if slashed {
        accounts.require_challengers_bounty()?;
        SlashAccounts {
            slasher: &accounts.slasher,
            network: accounts.network.as_ref(),
            roster: accounts.roster.as_ref(),
            pool: &accounts.pool,
            vault: &accounts.vault,
            stake_mint: &accounts.stake_mint,
            report: &accounts.report,
            bounty: &accounts.bounty,
            payer: &accounts.payer,
            token_program: &accounts.token_program,
            system_program: &accounts.system_program,
            security_pool: &accounts.security_pool,
        }
        .slash(&offence, challenge.slash_bps, SLASHER.1)?;
    }
    accounts.stream.load_mut()?.withhold(moment.now)?;
    emit!(ChallengeSettled {
        stream: accounts.stream.key(),
        challenge: accounts.challenge.key(),
        pool: accounts.pool.key(),
        slashed,
    });
    Ok(())
}

impl SettleChallenge<'_> {
    /// Whoever settles can't take the bounty: the token account's owner, its bytes 32 to 64, is the challenger.
    fn require_challengers_bounty(&self) -> Result<()> {
        let data = self.bounty.try_borrow_data()?;
        require!(
            data.get(32..64) == Some(self.challenger.key.as_ref()),
            StreamError::WrongBounty
        );
        Ok(())
    }
}
