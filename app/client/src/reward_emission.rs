//! Emissions, payees, roots and claims: addresses and instructions of the reward emission.

use crate::chain::{self, Chain, Cursor, Execution};
use crate::credits;
use crate::event;
use crate::precompile;
use crate::reports::Reporter;
use crate::security_pool as pools;
use crate::token::TOKEN_PROGRAM;
use crate::ClientError;
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::{InstructionData, ToAccountMetas};
use commitment::sum::{OPERATOR, OWNER};
use commitment::{ProofError, SumTree};
use device_protocol::Offence;
use reward_emission::instructions::{
    wrong_root, ChallengeRootArgs, CreateEmissionArgs, Half, ProposeRootArgs, ReportDoubleVoteArgs,
};
use reward_emission::penalty::SLASHER;
use reward_emission::state::{PayeeKind, Proposal};
use reward_emission::{accounts, instruction, seeds, EVENT_AUTHORITY_AND_BUMP, ID};
use solana_message::AddressLookupTableAccount;

/// The network's emission, which is the authority of its reward mint.
pub fn emission(network: &Pubkey) -> Pubkey {
    address(&[seeds::EMISSION, network.as_ref()])
}

/// The network's payee of a kind: `owner` is an owner's key or an operator's pool.
pub fn payee(network: &Pubkey, kind: PayeeKind, owner: &Pubkey) -> Pubkey {
    address(&[
        seeds::PAYEE,
        network.as_ref(),
        &[kind as u8],
        owner.as_ref(),
    ])
}

/// The proposal of these roots on this base, and of this archive in `stream`.
pub fn proposal(network: &Pubkey, stream: &Pubkey, args: &ProposeRootArgs) -> Pubkey {
    address(&[
        seeds::PROPOSAL,
        network.as_ref(),
        &args.epoch.to_le_bytes(),
        &args.ballot.to_le_bytes(),
        &args.digest(stream),
    ])
}

/// What a transaction proposed in a network, and the stream whose commitment archives it.
pub fn proposals(execution: &Execution, network: &Pubkey) -> Vec<(Pubkey, ProposeRootArgs)> {
    event::ran::<instruction::ProposeRoot>(execution, &ID)
        .filter_map(|(accounts, proposed)| match accounts {
            [of, _, _, stream, ..] if of == network => Some((*stream, proposed.args)),
            _ => None,
        })
        .collect()
}

/// The nodes below a reward tree's root, owners and operators, as [`ProposeRootArgs`] takes them.
///
/// # Errors
/// None for a tree that was built.
pub fn halves(tree: &SumTree) -> Result<(Half, Half), ProofError> {
    // The last sibling on a leaf's path is the other half.
    let other_half = |kind| {
        let path = tree.path(kind, 0)?;
        let (hash, sum) = path
            .last_chunk::<40>()
            .and_then(|sibling| sibling.split_last_chunk::<8>())
            .ok_or(ProofError::Length)?;
        Ok(Half {
            hash: hash.try_into().map_err(|_| ProofError::Length)?,
            sum: u64::from_le_bytes(*sum),
        })
    };
    Ok((other_half(OPERATOR)?, other_half(OWNER)?))
}

/// Starts a network's emission; `mint_authority` hands its reward mint over.
pub fn create_emission(
    payer: &Pubkey,
    network: &Pubkey,
    authority: &Pubkey,
    reward_mint: &Pubkey,
    mint_authority: &Pubkey,
    args: CreateEmissionArgs,
) -> Instruction {
    build(
        accounts::CreateEmission {
            network: *network,
            authority: *authority,
            emission: emission(network),
            pricing: credits::pricing(network),
            reward_mint: *reward_mint,
            mint_authority: *mint_authority,
            payer: *payer,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::CreateEmission { args },
    )
}

/// Registers an owner of devices, to be paid to `destination`.
pub fn register_owner(
    payer: &Pubkey,
    network: &Pubkey,
    owner: &Pubkey,
    destination: &Pubkey,
) -> Instruction {
    register_payee(payer, network, owner, None, destination)
}

/// Registers a pool of `operator`, to be paid to `destination`.
pub fn register_operator(
    payer: &Pubkey,
    network: &Pubkey,
    operator: &Pubkey,
    pool: &Pubkey,
    destination: &Pubkey,
) -> Instruction {
    register_payee(payer, network, operator, Some(*pool), destination)
}

fn register_payee(
    payer: &Pubkey,
    network: &Pubkey,
    authority: &Pubkey,
    pool: Option<Pubkey>,
    destination: &Pubkey,
) -> Instruction {
    build(
        accounts::RegisterPayee {
            network: *network,
            emission: emission(network),
            authority: *authority,
            pool,
            payee: payee_of(network, authority, pool),
            destination: *destination,
            payer: *payer,
            system_program: system_program::ID,
        },
        instruction::RegisterPayee {},
    )
}

/// Names another destination; `authority` is the owner, or with `pool` its operator.
pub fn set_destination(
    network: &Pubkey,
    authority: &Pubkey,
    pool: Option<Pubkey>,
    destination: &Pubkey,
) -> Instruction {
    build(
        accounts::SetDestination {
            emission: emission(network),
            authority: *authority,
            pool,
            payee: payee_of(network, authority, pool),
            destination: *destination,
        },
        instruction::SetDestination {},
    )
}

/// Proposes roots; `proposer` is the hot key of the committee's member `args.member`.
pub fn propose_root(
    payer: &Pubkey,
    network: &Pubkey,
    committee: &Pubkey,
    stream: &Pubkey,
    proposer: &Pubkey,
    args: ProposeRootArgs,
) -> Instruction {
    build(
        accounts::ProposeRoot {
            network: *network,
            emission: emission(network),
            committee: *committee,
            stream: *stream,
            epoch: credits::epoch(network, args.epoch),
            proposal: proposal(network, stream, &args),
            proposer: *proposer,
            payer: *payer,
            system_program: system_program::ID,
            event_authority: EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::ProposeRoot { args },
    )
}

/// Where a vote's signature lies, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteReference {
    /// Index of the Ed25519 instruction in the transaction.
    pub instruction: u16,
    /// Index of the signature in that instruction.
    pub index: u8,
    /// Index of the member in the committee.
    pub member: u8,
}

/// Counts a vote, whose message is `Proposal::message(network id).digest()`, signed by the member's hot key.
pub fn vote_root(
    network: &Pubkey,
    committee: &Pubkey,
    proposal: &Pubkey,
    vote: VoteReference,
) -> Instruction {
    let VoteReference {
        instruction,
        index,
        member,
    } = vote;
    build(
        accounts::VoteRoot {
            network: *network,
            emission: emission(network),
            committee: *committee,
            proposal: *proposal,
            instructions: Instructions::id(),
        },
        instruction::VoteRoot {
            instruction,
            index,
            member,
        },
    )
}

/// The signature of a member's vote for the proposal at `key`, from the transaction that brought it; `None` if the chain tells
/// of no such vote.
///
/// # Errors
/// The chain's.
pub fn vote_signature(
    chain: &dyn Chain,
    key: &Pubkey,
    member: u8,
) -> Result<Option<[u8; 64]>, ClientError> {
    let history = chain.history(key, &Cursor::START)?;
    for execution in chain::executions(chain, &history) {
        let Some(execution) = execution? else {
            continue;
        };
        // The transaction may have brought votes for other proposals too. In the order of `accounts::VoteRoot`.
        let vote = event::ran::<instruction::VoteRoot>(&execution, &ID)
            .find(|(accounts, vote)| accounts.get(3) == Some(key) && vote.member == member);
        if let Some((_, vote)) = vote {
            let verified = execution.outer.get(usize::from(vote.instruction));
            return Ok(verified.and_then(|call| precompile::signature(&call.data, vote.index)));
        }
    }
    Ok(None)
}

/// The report of the slash of `pool` for having proposed or voted for wrong roots.
pub fn wrong_root_report(network_id: &[u8; 32], proposal: &Proposal, pool: &Pubkey) -> Pubkey {
    pools::report(&SLASHER.0, &wrong_root(proposal, pool, network_id))
}

/// The report of the slash of `pool` for two votes in the ballot and on the base of a proposal.
pub fn double_vote_report(network_id: &[u8; 32], proposal: &Proposal, pool: &Pubkey) -> Pubkey {
    let Proposal {
        epoch,
        ballot,
        base,
        ..
    } = *proposal;
    let offence = double_vote(network_id, epoch, ballot, base, pool);
    pools::report(&SLASHER.0, &offence)
}

/// The offence of two votes of `pool` in a ballot of an epoch, on a base.
fn double_vote(
    network_id: &[u8; 32],
    epoch: u64,
    ballot: u32,
    base: u64,
    pool: &Pubkey,
) -> [u8; 32] {
    Offence::DoubleVote {
        pool: pool.as_array(),
        epoch,
        ballot,
        base,
    }
    .id(network_id)
}

/// By which `pool` is slashed for an offence.
fn penalty(reporter: &Reporter, pool: &Pubkey, offence: &[u8; 32]) -> accounts::Penalty {
    accounts::Penalty {
        slasher: SLASHER.0,
        roster: pools::roster(&reporter.network),
        pool: *pool,
        vault: pools::vault(pool),
        stake_mint: reporter.stake_mint,
        report: pools::report(&SLASHER.0, offence),
        bounty: reporter.bounty,
        token_program: TOKEN_PROGRAM,
        system_program: system_program::ID,
        security_pool: slashing::SECURITY_POOL,
    }
}

/// Shows that `proposal` grants an index another amount than its score earned, or to another payee than `payee`, who
/// registered the index; `None` if nobody did.
pub fn challenge_root(
    reporter: &Reporter,
    key: &Pubkey,
    proposal: &Proposal,
    payee: Option<Pubkey>,
    args: ChallengeRootArgs,
) -> Instruction {
    let offence = wrong_root(proposal, &proposal.proposer, &reporter.network_id);
    build(
        accounts::ChallengeRoot {
            challenger: reporter.payer,
            network: reporter.network,
            emission: emission(&reporter.network),
            proposal: *key,
            payee,
            penalty: penalty(reporter, &proposal.proposer, &offence),
        },
        instruction::ChallengeRoot { args },
    )
}

/// Has the committee's `member` with this pool slashed for its vote for a rejected proposal.
pub fn slash_voter(
    reporter: &Reporter,
    key: &Pubkey,
    proposal: &Proposal,
    member: u8,
    pool: &Pubkey,
) -> Instruction {
    let offence = wrong_root(proposal, pool, &reporter.network_id);
    build(
        accounts::SlashVoter {
            challenger: reporter.payer,
            network: reporter.network,
            emission: emission(&reporter.network),
            proposal: *key,
            committee: proposal.committee,
            penalty: penalty(reporter, pool, &offence),
        },
        instruction::SlashVoter { member },
    )
}

/// Shows two votes of a member of `committee` with this pool for different roots in one ballot, on one base.
pub fn report_double_vote(
    reporter: &Reporter,
    committee: &Pubkey,
    pool: &Pubkey,
    args: ReportDoubleVoteArgs,
) -> Instruction {
    let offence = double_vote(
        &reporter.network_id,
        args.epoch,
        args.ballot,
        args.base,
        pool,
    );
    build(
        accounts::ReportDoubleVote {
            reporter: reporter.payer,
            network: reporter.network,
            emission: emission(&reporter.network),
            committee: *committee,
            instructions: Instructions::id(),
            penalty: penalty(reporter, pool, &offence),
        },
        instruction::ReportDoubleVote { args },
    )
}

/// Closes a proposal that decides nothing any more; `payer` paid for it.
pub fn close_proposal(network: &Pubkey, proposal: &Pubkey, payer: &Pubkey) -> Instruction {
    build(
        accounts::CloseProposal {
            network: *network,
            emission: emission(network),
            proposal: *proposal,
            payer: *payer,
        },
        instruction::CloseProposal {},
    )
}

/// Makes a passed proposal final.
pub fn finalize_root(network: &Pubkey, proposal: &Pubkey) -> Instruction {
    build(
        accounts::FinalizeRoot {
            network: *network,
            emission: emission(network),
            proposal: *proposal,
            event_authority: EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::FinalizeRoot {},
    )
}

/// Where a claim is paid from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimAccounts {
    /// The network's account.
    pub network: Pubkey,
    /// The payee's account.
    pub payee: Pubkey,
    /// The network's reward mint.
    pub reward_mint: Pubkey,
    /// The payee's destination.
    pub destination: Pubkey,
}

/// Claims what the final root grants: `cumulative` ever, proven by the payee's `path` in the reward tree.
pub fn claim(place: ClaimAccounts, cumulative: u64, path: Vec<u8>) -> Instruction {
    build(
        accounts::Claim {
            emission: emission(&place.network),
            payee: place.payee,
            reward_mint: place.reward_mint,
            destination: place.destination,
            token_program: TOKEN_PROGRAM,
        },
        instruction::Claim { cumulative, path },
    )
}

/// A lookup table at `key` with what all of a network's claims name: with it, a claim at the largest depth fits a v0
/// transaction.
pub fn claim_table(
    key: &Pubkey,
    network: &Pubkey,
    reward_mint: &Pubkey,
) -> AddressLookupTableAccount {
    AddressLookupTableAccount {
        key: *key,
        addresses: vec![emission(network), *reward_mint, TOKEN_PROGRAM],
    }
}

fn payee_of(network: &Pubkey, authority: &Pubkey, pool: Option<Pubkey>) -> Pubkey {
    match pool {
        Some(pool) => payee(network, PayeeKind::Operator, &pool),
        None => payee(network, PayeeKind::Owner, authority),
    }
}

fn address(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
