//! Claims the model's outputs on one batch of the attester's stream, and proves that the stream committed to it.

use anchor_lang::prelude::*;
use commitment::{verify_batch, BatchLeaf, READINGS_PER_WINDOW, WINDOWS};
use data_commitment::instructions::{BatchArgs, CommitmentArgs};
use data_commitment::state::Stream;
use device_protocol::AttestationMessage;
use device_registry::state::{Network, Operation};
use security_pool::state::{Committee, Pool};

use crate::{
    error::AiFeedError,
    seeds,
    state::{
        demandable_for, Attestation, AttesterBonds, BatchRecord, Feed, Model, Policy, Round,
        Submission,
    },
};

/// By how much a device's clock may be ahead of the chain's when its reading is committed, in milliseconds.
pub const CAPTURE_DRIFT: i64 = 30_000;

/// Arguments of `submit_attestation`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct SubmitAttestationArgs {
    /// The round in which the batch's last capture lies.
    pub round: u64,
    /// The model's output for each window; beyond them, 0.
    pub outputs: [u8; 32],
    /// The commitment that holds the batch.
    pub commitment: CommitmentArgs,
    /// Proves the commitment in the stream at its present count: siblings of 32 bytes, from the leaf upward.
    pub mmr_path: Vec<u8>,
    /// The batch's number in the commitment.
    pub batch_index: u32,
    /// The batch.
    pub batch: BatchArgs,
    /// Proves the batch in the commitment: siblings of 32 bytes, from the leaf upward.
    pub batch_path: Vec<u8>,
}

/// Accounts of `submit_attestation`.
#[derive(Accounts)]
#[instruction(args: SubmitAttestationArgs)]
pub struct SubmitAttestation<'info> {
    /// Pays the rent of attestation and round, and gets it back when they close.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The signer of the attester's pool.
    #[account(address = pool.load()?.signer @ AiFeedError::NotAttester)]
    pub attester: Signer<'info>,
    /// The feed's network.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The feed.
    pub feed: AccountLoader<'info, Feed>,
    /// The feed's model.
    pub model: AccountLoader<'info, Model>,
    /// The attester's stream in the network.
    pub stream: AccountLoader<'info, Stream>,
    /// The attester's pool.
    #[account(address = stream.load()?.pool @ AiFeedError::WrongPool)]
    pub pool: AccountLoader<'info, Pool>,
    /// The network's committee of the present epoch.
    pub committee: AccountLoader<'info, Committee>,
    /// The round. Its first attestation opens it; `init_if_needed` can't revive a round that was closed, because
    /// rounds close only when they are over, and nothing is submitted to a round that is over.
    #[account(
        init_if_needed,
        payer = payer,
        space = Round::SIZE,
        seeds = [seeds::ROUND, feed.key().as_ref(), &args.round.to_le_bytes()],
        bump
    )]
    pub round: AccountLoader<'info, Round>,
    /// The attestation.
    #[account(
        init,
        payer = payer,
        space = Attestation::SIZE,
        seeds = [
            seeds::ATTESTATION,
            feed.key().as_ref(),
            stream.key().as_ref(),
            &args.round.to_le_bytes(),
            &args.commitment.sequence.to_le_bytes(),
            &args.batch_index.to_le_bytes(),
        ],
        bump
    )]
    pub attestation: AccountLoader<'info, Attestation>,
    /// To create the accounts.
    pub system_program: Program<'info, System>,
    /// The attester's bonds in the network, if the round's policy asks for one.
    #[account(
        mut,
        has_one = network @ AiFeedError::WrongBonds,
        has_one = pool @ AiFeedError::WrongBonds,
    )]
    pub bonds: Option<AccountLoader<'info, AttesterBonds>>,
}

/// Takes an attestation of a committee member with an allocation, on a batch that its stream committed to and whose
/// last capture lies in the round, and reserves the bond that the round's policy asks for. Nothing counts before it has
/// passed what the feed requires.
pub fn handle_submit_attestation(
    ctx: Context<SubmitAttestation>,
    args: SubmitAttestationArgs,
) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let network = accounts.network.load()?;
    let feed = accounts.feed.load()?;
    let weight = accounts.weight(&network, now)?;
    feed.require_active()?;
    require!(
        !network.is_paused(Operation::Attest, now),
        AiFeedError::Paused
    );
    require!(!feed.is_over(args.round), AiFeedError::RoundOver);

    let (batch_leaf, windows) = accounts.verify(&feed, &args, now)?;
    let (counted, beyond) = args.outputs.split_at(windows.into());
    require!(
        beyond.iter().all(|output| *output == 0),
        AiFeedError::OutputsBeyondWindows
    );
    let model = accounts.model.load()?;
    require!(model.id == feed.model, AiFeedError::WrongModel);
    let value = inference::aggregate(&model.header()?, counted)
        .ok_or_else(|| error!(AiFeedError::InvalidWindows))?;

    let submission = Submission {
        value,
        windows,
        oldest: args.batch.first_capture,
        newest: args.batch.last_capture,
        data_root: args.commitment.root,
        batch_leaf,
    };
    let (slot, policy) = accounts.enter(
        &feed,
        args.round,
        &weight,
        &submission,
        now,
        ctx.bumps.round,
    )?;
    accounts.reserve(policy.bond, &weight)?;

    let stream = accounts.stream.key();
    let BatchArgs {
        readings_root,
        windows_root,
        windows: _, // in its own field
        readings,
        first_capture,
        last_capture,
    } = args.batch;
    let mut attestation = accounts.attestation.load_init()?;
    attestation.version = 1;
    attestation.bump = ctx.bumps.attestation;
    attestation.windows = windows;
    attestation.batch_index = args.batch_index;
    attestation.feed = accounts.feed.key();
    attestation.stream = stream;
    attestation.pool = accounts.pool.key();
    attestation.round = args.round;
    attestation.sequence = args.commitment.sequence;
    attestation.batch = BatchRecord {
        readings_root,
        windows_root,
        readings,
        _pad: 0,
        first_capture,
        last_capture,
    };
    attestation.batch_leaf = batch_leaf;
    attestation.outputs = args.outputs;
    attestation.value = value;
    attestation.slot = slot;
    attestation.slash_bps = policy.slash_bps;
    attestation.bond = policy.bond;
    attestation.committed_at = args.commitment.posted_at;
    attestation.committee = accounts.committee.key();
    attestation.committee_epoch = weight.epoch;
    attestation.posted_at = now;
    let demandable = demandable_for(&network.parameters, policy.challenge_window);
    attestation.show_by = args.commitment.posted_at.saturating_add(demandable);
    attestation.challenge_window = policy.challenge_window;
    attestation.restart(now)?;
    attestation.payer = accounts.payer.key();
    attestation.message = AttestationMessage {
        network: network.id,
        feed: feed.id,
        stream: stream.to_bytes(),
        round: args.round,
        sequence: args.commitment.sequence,
        batch_index: args.batch_index,
        batch_leaf,
        model: model.id,
        outputs: args.outputs,
        epoch: weight.epoch,
    }
    .digest();
    Ok(())
}

/// What the attester weighs in its committee.
struct Weight {
    /// The attester's allocation.
    allocation: u64,
    /// The whole committee's.
    total: u64,
    /// The committee's epoch.
    epoch: u64,
}

impl SubmitAttestation<'_> {
    /// The attester's allocation in the committee of the present epoch, and the committee's.
    fn weight(&self, network: &Network, now: i64) -> Result<Weight> {
        let committee = self.committee.load()?;
        let epoch = network.epoch(now)?;
        require!(
            committee.network == self.network.key(),
            AiFeedError::WrongNetwork
        );
        require!(committee.epoch == epoch, AiFeedError::WrongEpoch);
        let allocation = committee
            .member(&self.pool.key())
            .and_then(|member| committee.members().get(member))
            .map_or(0, |member| member.allocation);
        require!(allocation > 0, AiFeedError::NotMember);
        Ok(Weight {
            allocation,
            total: committee.total,
            epoch,
        })
    }

    /// Checks that the batch belongs into the round, that no reading is older than its windows can be, and that the stream
    /// committed to it after its last capture; its leaf's hash and windows.
    fn verify(
        &self,
        feed: &Feed,
        args: &SubmitAttestationArgs,
        now: i64,
    ) -> Result<([u8; 32], u8)> {
        let batch = BatchLeaf::from(args.batch);
        let in_order = 0 <= batch.first_capture && batch.first_capture <= batch.last_capture;
        require!(
            in_order && batch.last_capture / 1_000 <= now,
            AiFeedError::InvalidCaptures
        );
        let posted_at = args.commitment.posted_at.saturating_mul(1_000);
        require!(
            batch.last_capture <= posted_at.saturating_add(CAPTURE_DRIFT),
            AiFeedError::CommittedBeforeCapture
        );
        require!(
            feed.round_of(batch.last_capture) == Some(args.round),
            AiFeedError::WrongRound
        );
        // The newest reading of every window lies in the round, and the 15 before it are so far apart at most.
        let span = i64::from(feed.max_gap) * (READINGS_PER_WINDOW as i64 - 1);
        let earliest = feed.round_start(args.round)?.saturating_sub(span);
        require!(
            batch.first_capture >= earliest.saturating_mul(1_000),
            AiFeedError::InvalidCaptures
        );
        let windows = u8::try_from(batch.windows)
            .ok()
            .filter(|windows| (1..=WINDOWS).contains(&usize::from(*windows)))
            .ok_or_else(|| error!(AiFeedError::InvalidWindows))?;
        let stream = self.stream.load()?;
        require!(stream.network == feed.network, AiFeedError::WrongNetwork);
        verify_batch(
            &stream.peaks,
            stream.count,
            &args.commitment.into(),
            &args.mmr_path,
            args.batch_index,
            &batch,
            &args.batch_path,
        )
        .map_err(|_| error!(AiFeedError::BatchNotCommitted))?;
        Ok((batch.hash(), windows))
    }

    /// Adds the attestation to its round, which it opens under the feed's policy if it is the first; its stream's slot and
    /// the round's policy. Once the round has ended, a stream of which everything passed takes no more, so that it can't become pending again.
    fn enter(
        &self,
        feed: &Feed,
        number: u64,
        weight: &Weight,
        submission: &Submission,
        now: i64,
        bump: u8,
    ) -> Result<(u32, Policy)> {
        let is_new = self.round.as_ref().try_borrow_data()?.starts_with(&[0; 8]);
        let mut round = if is_new {
            let mut round = self.round.load_init()?;
            round.version = 1;
            round.bump = bump;
            round.feed = self.feed.key();
            round.round = number;
            round.payer = self.payer.key();
            round.total = weight.total;
            round.policy = feed.policy();
            round
        } else {
            self.round.load_mut()?
        };
        let slot = round.admit(self.stream.key(), weight.allocation)?;
        let has_ended = now >= feed.round_end(number)?;
        let has_passed = round
            .streams()
            .get(slot as usize)
            .is_some_and(|slot| slot.has_passed(round.policy.required_mask));
        require!(!(has_ended && has_passed), AiFeedError::StreamPassed);
        round.submit(slot, submission)?;
        Ok((slot, round.policy))
    }

    /// Reserves a bond (base units) of what the attester weighs in its committee, as far as its stake is still there.
    fn reserve(&self, bond: u64, weight: &Weight) -> Result<()> {
        if bond == 0 {
            return Ok(());
        }
        let stake = self.pool.load()?.slashable();
        let backing =
            u64::try_from(stake).map_or(weight.allocation, |stake| stake.min(weight.allocation));
        self.bonds
            .as_ref()
            .ok_or_else(|| error!(AiFeedError::BondsMissing))?
            .load_mut()?
            .reserve(bond, backing)
    }
}
