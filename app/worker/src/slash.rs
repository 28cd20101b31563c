//! What all share that have others slashed: where the bounty goes, and who of a committee still pays.

use crate::worker::{Operator, WorkerError};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use fieldproof_client::{chain, security_pool as pools, token};
use security_pool::state::{Committee, CommitteeEntry, Moment, Report, Roster};

/// The signer's token account of the stake mint, where bounties go, and what makes it unless it is there.
pub fn bounty(operator: &Operator, stake_mint: &Pubkey) -> (Pubkey, Instruction) {
    let signer = operator.signer_key();
    (
        token::associated(&signer, stake_mint),
        token::create_associated(&signer, &signer, stake_mint),
    )
}

/// The members of a committee that are `accused`, by their numbers, have not paid yet by the `report` of their pool, and
/// have something at stake that `slasher` may take. Nobody reports himself.
///
/// # Errors
/// The chain's.
pub fn unpaid(
    operator: &Operator,
    committee: &Pubkey,
    slasher: &Pubkey,
    accused: impl Fn(u8) -> bool,
    report: impl Fn(&Pubkey) -> Pubkey,
) -> Result<Vec<(u8, CommitteeEntry)>, WorkerError> {
    let chain = operator.chain.as_ref();
    let committee: Committee = chain::read(chain, committee)?;
    let roster: Roster = chain::read(chain, &pools::roster(&operator.network))?;
    let moment = Moment::at(&operator.network()?, operator.now())?;
    let mut unpaid = Vec::new();
    for (member, entry) in (0u8..).zip(committee.members()) {
        if accused(member)
            && entry.pool != operator.pool
            && roster.can_slash(slasher, &entry.pool, moment)
            && chain::find::<Report>(chain, &report(&entry.pool))?.is_none()
        {
            unpaid.push((member, *entry));
        }
    }
    Ok(unpaid)
}
