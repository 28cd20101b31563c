//! Slashes a committee member that voted for different roots in one ballot and on one base.

use crate::error::EmissionError;
use crate::events::VoterSlashed;
use crate::penalty::*;
use crate::state::{exposed_until, Emission};
use anchor_lang::prelude::*;
use device_protocol::{Offence, VoteMessage};
use device_registry::state::Network;
use introspection::Precompile;
use security_pool::state::Committee;

/// What a vote names besides the network, the epoch, the ballot, the base and the committee, and where its signature is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedVote {
    /// Depth of both trees.
    pub depth: u8,
    /// Hash of the score tree's root.
    pub score_hash: [u8; 32],
    /// Its sum.
    pub score_sum: u64,
    /// Hash of the reward tree's root.
    pub reward_hash: [u8; 32],
    /// Its sum, base units.
    pub reward_sum: u64,
    /// Index of the Ed25519 instruction in the transaction.
    pub instruction: u16,
    /// Index of the signature in that instruction.
    pub signature: u8,
}

impl SignedVote {
    /// What a vote names, with its signature at this place of the transaction.
    pub fn of(vote: &VoteMessage, instruction: u16, signature: u8) -> Self {
        Self {
            depth: vote.depth,
            score_hash: vote.score_hash,
            score_sum: vote.score_sum,
            reward_hash: vote.reward_hash,
            reward_sum: vote.reward_sum,
            instruction,
            signature,
        }
    }
}

/// Two votes of one member in one ballot and on one base. Votes on two bases are no offence: once other roots are final, an
/// honest member votes anew.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportDoubleVoteArgs {
    /// The epoch that both votes are on.
    pub epoch: u64,
    /// The ballot of both.
    pub ballot: u32,
    /// The number of final roots that both add to.
    pub base: u64,
    /// Index of the member in the committee.
    pub member: u8,
    /// One vote.
    pub first: SignedVote,
    /// The other.
    pub second: SignedVote,
}

/// Accounts of `report_double_vote`.
#[derive(Accounts)]
pub struct ReportDoubleVote<'info> {
    /// Pays the report's rent.
    #[account(mut)]
    pub reporter: Signer<'info>,
    /// The network that is rewarded.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The committee that both votes name.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub committee: AccountLoader<'info, Committee>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
    /// Slashes the member's pool.
    pub penalty: Penalty<'info>,
}

/// Slashes the member, once a ballot and base. The proposals need not exist: what it signed is enough.
pub fn handle_report_double_vote(
    ctx: Context<ReportDoubleVote>,
    args: ReportDoubleVoteArgs,
) -> Result<()> {
    let accounts = ctx.accounts;
    let (network, event) = {
        let account = accounts.network.load()?;
        let committee = accounts.committee.load()?;
        require!(
            Clock::get()?.unix_timestamp <= exposed_until(&account, committee.epoch),
            EmissionError::EvidenceTooOld
        );
        let network = account.id;
        let entry = committee
            .members()
            .get(usize::from(args.member))
            .ok_or_else(|| error!(EmissionError::NotMember))?;
        let sysvar = accounts.instructions.try_borrow_data()?;
        let message = |vote: &SignedVote| -> Result<VoteMessage> {
            let signature = introspection::signature(
                &sysvar,
                Precompile::Ed25519,
                vote.instruction,
                vote.signature,
            )
            .map_err(|_| error!(EmissionError::BadSignatureReference))?;
            require!(
                signature.public_key == entry.signer.as_ref(),
                EmissionError::WrongSigner
            );
            let message = VoteMessage {
                network,
                epoch: args.epoch,
                ballot: args.ballot,
                base: args.base,
                depth: vote.depth,
                score_hash: vote.score_hash,
                score_sum: vote.score_sum,
                reward_hash: vote.reward_hash,
                reward_sum: vote.reward_sum,
                committee_epoch: committee.epoch,
            };
            require!(
                signature.message == message.digest(),
                EmissionError::WrongVote
            );
            Ok(message)
        };
        require!(
            message(&args.first)? != message(&args.second)?,
            EmissionError::SameVote
        );
        let event = VoterSlashed {
            network: accounts.network.key(),
            pool: entry.pool,
            epoch: args.epoch,
            ballot: args.ballot,
        };
        (network, event)
    };
    let severity = accounts.emission.load()?.root_slash_bps;
    let offence = Offence::DoubleVote {
        pool: event.pool.as_array(),
        epoch: event.epoch,
        ballot: event.ballot,
        base: args.base,
    };
    accounts.penalty.slash_new(
        accounts.network.as_ref(),
        accounts.reporter.as_ref(),
        &event.pool,
        &offence.id(&network),
        severity,
    )?;
    emit!(event);
    Ok(())
}
