use crate::error::EmissionError;
use crate::events::{emit_to_self, RootProposed};
use crate::seeds;
use crate::state::{Emission, Epoch, Proposal, Roots, OPEN, VERSION};
use anchor_lang::prelude::*;
use commitment::{sum, SumNode};
use data_commitment::state::Stream;
use device_protocol::digest;
use device_registry::state::{Network, Operation};
use security_pool::state::Committee;

/// One half of the reward tree: the node below its root.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// The node's hash.
    pub hash: [u8; 32],
    /// Its sum, base units.
    pub sum: u64,
}

impl From<Half> for SumNode {
    fn from(Half { hash, sum }: Half) -> Self {
        Self { hash, sum }
    }
}

/// What is proposed. The reward root itself is computed from its halves, since operators' grants are bounded apart.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposeRootArgs {
    /// An epoch that is over.
    pub epoch: u64,
    /// The ballot that is open: (now - end of the epoch) ÷ ballot length.
    pub ballot: u32,
    /// Number of final roots, to the last of which the grants add: a proposal that comes too late must not be one on
    /// another base, where it is wrong.
    pub base: u64,
    /// Index of the proposer in the committee.
    pub member: u8,
    /// Depth of both trees, 1 to [`sum::MAX_DEPTH`].
    pub depth: u8,
    /// Hash of the score tree's root.
    pub score_hash: [u8; 32],
    /// Its sum.
    pub score_sum: u64,
    /// The reward tree's left half: owners.
    pub owners: Half,
    /// The reward tree's right half: operators.
    pub operators: Half,
    /// Number of the commitment that archives both trees.
    pub sequence: u64,
}

impl ProposeRootArgs {
    /// Digest of base, roots and archive, part of the proposal's address.
    pub fn digest(&self, stream: &Pubkey) -> [u8; 32] {
        let Self {
            epoch: _, // parts of the address by themselves
            ballot: _,
            base,
            member: _, // who proposes makes no difference
            depth,
            score_hash,
            score_sum,
            owners,
            operators,
            sequence,
        } = self;
        digest!(
            "roots",
            &base.to_le_bytes(),
            &[*depth],
            score_hash,
            &score_sum.to_le_bytes(),
            &owners.hash,
            &owners.sum.to_le_bytes(),
            &operators.hash,
            &operators.sum.to_le_bytes(),
            stream.as_array(),
            &sequence.to_le_bytes()
        )
    }

    /// The roots that are voted on.
    ///
    /// # Errors
    /// [`EmissionError::InvalidDepth`], and [`EmissionError::MoreThanEmitted`] if the halves sum to more than 64 bits hold.
    pub fn roots(&self) -> Result<Roots> {
        require!(
            (1..=sum::MAX_DEPTH).contains(&u32::from(self.depth)),
            EmissionError::InvalidDepth
        );
        let reward = sum::parent(&self.owners.into(), &self.operators.into())
            .map_err(|_| error!(EmissionError::MoreThanEmitted))?;
        Ok(Roots {
            score_hash: self.score_hash,
            score_sum: self.score_sum,
            reward_hash: reward.hash,
            reward_sum: reward.sum,
            depth: self.depth,
            _pad: [0; 7],
        })
    }
}

/// Accounts of `propose_root`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(args: ProposeRootArgs)]
pub struct ProposeRoot<'info> {
    /// The network that is rewarded.
    pub network: AccountLoader<'info, Network>,
    /// Its emission.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub emission: AccountLoader<'info, Emission>,
    /// The current epoch's committee.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub committee: AccountLoader<'info, Committee>,
    /// A stream of the network, whose commitment archives both trees.
    #[account(has_one = network @ EmissionError::WrongNetwork)]
    pub stream: AccountLoader<'info, Stream>,
    /// CHECK: what was spent in the epoch, by its address: there is no account if nothing was.
    #[account(
        seeds = [seeds::EPOCH, network.key().as_ref(), &args.epoch.to_le_bytes()],
        bump
    )]
    pub epoch: UncheckedAccount<'info>,
    /// The new proposal.
    #[account(
        init,
        payer = payer,
        space = Proposal::SIZE,
        seeds = [
            seeds::PROPOSAL,
            network.key().as_ref(),
            &args.epoch.to_le_bytes(),
            &args.ballot.to_le_bytes(),
            &args.digest(&stream.key()),
        ],
        bump
    )]
    pub proposal: AccountLoader<'info, Proposal>,
    /// Hot key of a member of the committee.
    pub proposer: Signer<'info>,
    /// Pays rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

/// Puts roots up for a vote in the ballot that is open.
pub fn handle_propose_root(ctx: Context<ProposeRoot>, args: ProposeRootArgs) -> Result<()> {
    let accounts = &ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let network = accounts.network.load()?;
    require!(
        !network.is_paused(Operation::Root, now),
        EmissionError::RootsPaused
    );

    let emission = accounts.emission.load()?;
    require!(
        args.ballot == emission.ballot(&network, args.epoch, now)?,
        EmissionError::WrongBallot
    );
    let roots = args.roots()?;
    emission.check_successor(args.epoch, args.base, &roots)?;
    let budget = emission.budget(args.epoch, Epoch::burned_in(&accounts.epoch)?)?;
    emission.check_grants(budget, roots.reward_sum, args.operators.sum)?;

    let committee = accounts.committee.load()?;
    require!(
        committee.epoch == network.epoch(now)?,
        EmissionError::WrongCommittee
    );
    let member = committee
        .members()
        .get(usize::from(args.member))
        .filter(|entry| entry.signer == accounts.proposer.key())
        .ok_or_else(|| error!(EmissionError::NotMember))?;

    require!(
        args.sequence < accounts.stream.load()?.count,
        EmissionError::NoArchive
    );

    let mut proposal = accounts.proposal.load_init()?;
    proposal.version = VERSION;
    proposal.bump = ctx.bumps.proposal;
    proposal.status = OPEN;
    proposal.ballot = args.ballot;
    proposal.network = accounts.network.key();
    proposal.epoch = args.epoch;
    proposal.roots = roots;
    proposal.stream = accounts.stream.key();
    proposal.sequence = args.sequence;
    proposal.committee = accounts.committee.key();
    proposal.committee_epoch = committee.epoch;
    proposal.proposed_at = now;
    proposal.proposer = member.pool;
    proposal.payer = accounts.payer.key();
    proposal.base = args.base;
    proposal.parts = [budget.owners, budget.operators];
    proposal.operators_sum = args.operators.sum;

    let event = RootProposed {
        network: proposal.network,
        proposal: accounts.proposal.key(),
        epoch: args.epoch,
        ballot: args.ballot,
        budget: budget.total()?,
        operators_share: budget.operators,
        reward_sum: roots.reward_sum,
    };
    emit_to_self(&event, accounts.event_authority.as_ref())
}
