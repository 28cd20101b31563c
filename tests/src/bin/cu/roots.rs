//! reward-emission: what is done against wrong roots, on a network with stakes of its own.

use crate::bench::Bench;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{Context, Result};
use commitment::sum::{score_leaf, MAX_DEPTH, OWNER};
use commitment::{reward_leaf, SumTree};
use data_commitment::instructions::CommitRootArgs;
use device_protocol::VoteMessage;
use fieldproof_client::data_commitment as streams;
use fieldproof_client::reports::Reporter;
use fieldproof_client::reward_emission::{self as client, VoteReference};
use reward_emission::instructions::{
    ChallengeRootArgs, CreateEmissionArgs, Entry, ProposeRootArgs, ReportDoubleVoteArgs, SignedVote,
};
use reward_emission::state::{Emission, PayeeKind, Proposal, Schedule};
use security_pool::state::Committee;
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::fixture::{Network, EPOCH, EVEN_SCORING, EVIDENCE_WINDOW};

/// Measures challenges of roots, slashes for votes, and the end of a proposal.
pub fn measure(bench: &Bench) -> Result<()> {
    let harness = &bench.harness;
    let network = Network::new(harness);
    let proposer = network.operator(harness, 10);
    let voter = network.operator(harness, 10);
    let (payer, key, mint) = (bench.payer(), network.key, network.reward_mint);
    let args = CreateEmissionArgs {
        operators_bps: 2_000,
        root_slash_bps: 1_000,
        floor_bps: 10_000,
        schedule: Schedule::new(1_000_000, 1_000_000, 0, 10_000)?,
        challenge_window: 600,
        ballot_length: 3_600,
        breaker_window: 1_000,
        breaker_limit: u64::MAX,
        scoring: EVEN_SCORING,
    };
    let create = client::create_emission(&payer, &key, &payer, &mint, &payer, args);
    bench.run(&[create], &[])?;
    let owner = bench.key();
    let destination = harness.fund(&owner.pubkey(), &mint, 0);
    let register = client::register_owner(&payer, &key, &owner.pubkey(), &destination);
    bench.run(&[register], &[&owner])?;
    let reporter = Reporter {
        payer,
        bounty: harness.fund(&payer, &network.stake_mint, 0),
        network: key,
        network_id: network.id,
        stake_mint: network.stake_mint,
    };
    harness.advance(2 * EPOCH);
    let committee = network.committee(harness, 2);
    let commit = CommitRootArgs {
        sequence: 0,
        root: [1; 32],
        batches: 1,
        payload_hash: [1; 32],
        payload_len: 1,
    };
    let signer = proposer.signer.pubkey();
    let commit = streams::commit_root(&signer, &key, &proposer.pool, commit);
    bench.run(&[commit], &[&proposer.signer])?;

    // The last final trees and the proposal's have the largest depth; the payee gets one unit too much.
    let payee = owner.pubkey();
    let tree = |leaf| SumTree::new(MAX_DEPTH, [(OWNER, 0, leaf)]);
    let before = tree(reward_leaf(payee.as_array(), 5))?;
    bench.edit::<Emission>(&client::emission(&key), |emission| {
        emission.finals = 1;
        emission.roots.depth = MAX_DEPTH as u8;
        emission.roots.reward_hash = before.root().hash;
        emission.roots.reward_sum = before.root().sum;
    })?;
    let granted = 5 + 800_000 + 1;
    let (scores, grants) = (
        tree(score_leaf(payee.as_array(), 7))?,
        tree(reward_leaf(payee.as_array(), granted))?,
    );
    let (owners, operators) = client::halves(&grants)?;
    let state: Committee = harness.read(&committee);
    let member = |pool: &Pubkey| {
        let member = state.member(pool).context("a seat")?;
        Ok::<_, anyhow::Error>(u8::try_from(member)?)
    };
    let args = ProposeRootArgs {
        epoch: 1,
        ballot: 0,
        base: 1,
        member: member(&proposer.pool)?,
        depth: MAX_DEPTH as u8,
        score_hash: scores.root().hash,
        score_sum: scores.root().sum,
        owners,
        operators,
        sequence: 0,
    };
    let propose = client::propose_root(&payer, &key, &committee, &proposer.stream, &signer, args);
    bench.run(&[propose], &[&proposer.signer])?;
    let proposal_key = client::proposal(&key, &proposer.stream, &args);
    let proposal: Proposal = harness.read(&proposal_key);
    let message = proposal.message(network.id);
    let seat = member(&voter.pool)?;
    let reference = VoteReference {
        instruction: 0,
        index: 0,
        member: seat,
    };
    let vote = client::vote_root(&key, &committee, &proposal_key, reference);
    bench.run(&[sign(&voter.signer, &message), vote], &[])?;

    let entry = |value| Some(Entry { payee, value });
    let args = ChallengeRootArgs {
        kind: OWNER,
        index: 0,
        before: entry(5),
        before_path: before.path(OWNER, 0)?,
        score: entry(7),
        score_path: scores.path(OWNER, 0)?,
        granted: entry(granted),
        granted_path: grants.path(OWNER, 0)?,
    };
    let account = client::payee(&key, PayeeKind::Owner, &payee);
    let challenge =
        client::challenge_root(&reporter, &proposal_key, &proposal, Some(account), args);
    bench.measure_without(
        "challenge_root",
        "without its slash; three trees of depth 21",
        &[challenge],
        &security_pool::ID,
    )?;
    let slash = client::slash_voter(&reporter, &proposal_key, &proposal, seat, &voter.pool);
    bench.measure_without(
        "slash_voter",
        "without its slash",
        &[slash],
        &security_pool::ID,
    )?;

    let other = VoteMessage {
        score_sum: message.score_sum + 1,
        ..message
    };
    let args = ReportDoubleVoteArgs {
        epoch: message.epoch,
        ballot: message.ballot,
        base: message.base,
        member: seat,
        first: SignedVote::of(&message, 0, 0),
        second: SignedVote::of(&other, 1, 0),
    };
    let report = client::report_double_vote(&reporter, &committee, &voter.pool, args);
    bench.measure_without(
        "report_double_vote",
        "without its slash",
        &[
            sign(&voter.signer, &message),
            sign(&voter.signer, &other),
            report,
        ],
        &security_pool::ID,
    )?;

    bench.edit::<Emission>(&client::emission(&key), |emission| emission.final_epoch = 2)?;
    harness.advance(2 * EPOCH + EVIDENCE_WINDOW);
    let close = client::close_proposal(&key, &proposal_key, &payer);
    bench.measure("close_proposal", "", &[close], &[])
}

fn sign(signer: &Keypair, message: &VoteMessage) -> Instruction {
    tests::signatures([signer], &message.digest())
}
