//! Shows that a proposal's trees do not follow from the last final ones by the epoch's scores.
//!
//! What an index may be granted is decided by three leaves: what it was granted before, its score, and what it is granted
//! now. Cumulative grants rise by ⌊part × score ÷ scores of the kind⌋, and every leaf names the payee who registered the
//! index. Whether the scores are right is not decided here: that takes the archive, and is what members vote on.

use crate::error::EmissionError;
use crate::events::RootRejected;
use crate::penalty::*;
use crate::state::{Emission, Payee, Proposal};
use anchor_lang::prelude::*;
use commitment::{reward_leaf, score_leaf, SumNode};
use device_protocol::Offence;
use device_registry::state::Network;
use security_pool::state::Moment;

/// What a leaf of a score or reward tree holds.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The owner's key, or the pool.
    pub payee: Pubkey,
    /// A score, or a cumulative amount in base units.
    pub value: u64,
}

/// An index's leaves, each with its siblings from the leaf upward, 40 bytes each: hash | sum. `None` is the empty leaf.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct ChallengeRootArgs {
    /// Kind of payee: 0 an owner, 1 an operator.
    pub kind: u8,
    /// Index among its kind.
    pub index: u32,
    /// In the last final reward tree; `None` also where that tree has no such place, or nothing is final.
    pub before: Option<Entry>,
    /// Its path; empty where there is no place.
    pub before_path: Vec<u8>,
    /// In the proposal's score tree.
    pub score: Option<Entry>,
    /// Its path.
    pub score_path: Vec<u8>,
    /// In the proposal's reward tree.
    pub granted: Option<Entry>,
    /// Its path.
    pub granted_path: Vec<u8>,
}

/// Accounts of `challenge_root`.
#[derive(Accounts)]
pub struct ChallengeRoot<'info> {
    /// Pays the report's rent.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// The network that is rewarded.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The proposal.
    #[account(mut, has_one = network @ EmissionError::WrongNetwork)]
    pub proposal: AccountLoader<'info, Proposal>,
    /// The payee of this kind and index; none for an index that nobody has.
    pub payee: Option<AccountLoader<'info, Payee>>,
    /// Slashes the proposer.
    pub penalty: Penalty<'info>,
}

/// Rejects the proposal if the index's leaves contradict each other, and slashes its proposer, unless it has nothing at
/// stake any more or was slashed for the same roots before. No pause stops it.
pub fn handle_challenge_root(ctx: Context<ChallengeRoot>, args: ChallengeRootArgs) -> Result<()> {
    let accounts = ctx.accounts;
    let (network, moment) = {
        let network = accounts.network.load()?;
        (network.id, Moment::of(&network)?)
    };
    let (event, offence, severity) = {
        let emission = accounts.emission.load()?;
        let mut proposal = accounts.proposal.load_mut()?;
        require!(
            !accounts.holds(&emission, &proposal, &args)?,
            EmissionError::GrantHolds
        );
        proposal.reject()?;
        let at_stake =
            accounts
                .penalty
                .at_stake(&accounts.network.key(), &proposal.proposer, moment)?;
        let offence = wrong_root(&proposal, &proposal.proposer, &network);
        // The challenger must not choose: an account that only looks like the report would spare the proposer.
        require_keys_eq!(
            accounts.penalty.report.key(),
            slashing::report(&SLASHER.0, &offence),
            EmissionError::WrongReport
        );
        let event = RootRejected {
            network: proposal.network,
            proposal: accounts.proposal.key(),
            epoch: proposal.epoch,
            kind: args.kind,
            index: args.index,
            proposer: proposal.proposer,
            slashed: at_stake > 0 && *accounts.penalty.report.owner != slashing::SECURITY_POOL,
        };
        (event, offence, emission.root_slash_bps)
    };
    if event.slashed {
        accounts.penalty.slash(
            accounts.network.as_ref(),
            accounts.challenger.as_ref(),
            &offence,
            severity,
        )?;
    }
    emit!(event);
    Ok(())
}

impl ChallengeRoot<'_> {
    /// Whether the proposal grants the index what it should.
    fn holds(
        &self,
        emission: &Emission,
        proposal: &Proposal,
        args: &ChallengeRootArgs,
    ) -> Result<bool> {
        let ChallengeRootArgs {
            kind,
            index,
            before,
            before_path,
            score,
            score_path,
            granted,
            granted_path,
        } = args;
        require!(proposal.base == emission.finals, EmissionError::Superseded);
        let total =
            proposal
                .roots
                .check_score(*kind, *index, leaf(score, score_leaf), score_path)?;
        proposal
            .roots
            .check_reward(*kind, *index, leaf(granted, reward_leaf), granted_path)?;
        if emission.finals > 0 && emission.roots.has_place(*index) {
            emission
                .roots
                .check_reward(*kind, *index, leaf(before, reward_leaf), before_path)?;
        } else {
            require!(before.is_none(), EmissionError::NotGranted);
        }

        let Some(payee) = self.payee_of(emission, *kind, *index)? else {
            return Ok(score.is_none() && granted.is_none());
        };
        let named = [score, granted].into_iter().flatten();
        if named.into_iter().any(|entry| entry.payee != payee) {
            return Ok(false);
        }
        // What an older tree granted to somebody else at this index is not this payee's.
        let before = before.filter(|entry| entry.payee == payee);
        let value = |entry: &Option<Entry>| entry.map_or(0, |entry| entry.value);
        let part = proposal
            .parts
            .get(usize::from(*kind))
            .ok_or_else(|| error!(EmissionError::NotGranted))?;
        // A score is at most the total, so that what it earned fits 64 bits; nothing is earned where nobody scored.
        let earned = (u128::from(*part) * u128::from(value(score)))
            .checked_div(u128::from(total))
            .unwrap_or(0);
        Ok(u128::from(value(granted)) == u128::from(value(&before)) + earned)
    }

    /// Who registered the index; `None` if nobody did.
    fn payee_of(&self, emission: &Emission, kind: u8, index: u32) -> Result<Option<Pubkey>> {
        let Some(payee) = &self.payee else {
            let registered = emission.payees.get(usize::from(kind));
            require!(
                registered.is_some_and(|count| u64::from(index) >= *count),
                EmissionError::WrongPayee
            );
            return Ok(None);
        };
        let payee = payee.load()?;
        require!(
            payee.network == emission.network && payee.kind == kind && payee.index == index,
            EmissionError::WrongPayee
        );
        Ok(Some(payee.owner))
    }
}

fn leaf(entry: &Option<Entry>, hash: fn(&[u8; 32], u64) -> SumNode) -> SumNode {
    entry.map_or(SumNode::EMPTY, |entry| {
        hash(entry.payee.as_array(), entry.value)
    })
}

/// The id of the offence of a pool that proposed these roots or voted for them; `network` is the network's id. Proposals that
/// take the same vote have the same: anyone with a seat can propose roots again with another archive.
pub fn wrong_root(proposal: &Proposal, pool: &Pubkey, network: &[u8; 32]) -> [u8; 32] {
    Offence::WrongRoot {
        vote: &proposal.message(*network).digest(),
        pool: pool.as_array(),
    }
    .id(network)
}
