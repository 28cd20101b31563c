//! What a sequence may do. Whatever it needs first and does not find (a challenge to answer, roots to vote on), it does
//! first; so most actions pass, and the rest shows what the programs refuse.

use super::book::Paid;
use super::world::{
    price, Attested, Committed, Device, Draft, Site, Trees, World, ATTESTATION_WINDOW, BALLOT,
    CHALLENGE_WINDOW, MODEL, ROUND,
};
use crate::fixture::{Operator, COOLDOWN, EPOCH, EVIDENCE_WINDOW, TOKEN};
use crate::oracle::{put_price, terms};
use crate::{signatures, START};
use ai_feed::instructions::{SubmitAttestationArgs, WindowArgs};
use ai_feed::state::Attestation;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::sum::{OPERATOR, OWNER};
use commitment::{
    BatchLeaf, CommitmentLeaf, ReadingLeaf, Tree, READINGS_DEPTH, READINGS_PER_WINDOW,
};
use data_commitment::instructions::CommitRootArgs;
use data_commitment::state::Challenge;
use device_protocol::{Curve, Reading, SignedReading, Values, VoteMessage};
use fieldproof_client::ai_feed::{self as feeds, Attesting, Challenging};
use fieldproof_client::chain::{Chain, Filter};
use fieldproof_client::credits::{self, Purchase};
use fieldproof_client::data_commitment::{self as streams, Answer, ReadingPlace, Settling};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{
    report_contradiction, report_duplicate, Contradiction, Evidence, ProvenLeaf, Reporter,
};
use fieldproof_client::reward_emission::{self as rewards, ClaimAccounts, VoteReference};
use fieldproof_client::security_pool as pools;
use fieldproof_client::token::associated;
use inference::ModelRef;
use rand::distributions::{Distribution, Standard};
use rand::Rng;
use reward_emission::error::EmissionError;
use reward_emission::instructions::{
    ChallengeRootArgs, Entry, ProposeRootArgs, ReportDoubleVoteArgs, SignedVote,
};
use reward_emission::state::{Emission, Payee, Proposal, FINAL, OPEN, PASSED, REJECTED};
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{
    Bond, Committee, Delegation, Pool, Report, Roster, SourceKind, Withdrawal, MIN_SEED,
};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Seconds of the timelock of the fixture's networks.
const TIMELOCK: i64 = 3_600;
/// Seconds in which a challenge is answered, in the fixture's networks.
const ANSWER_WINDOW: i64 = EVIDENCE_WINDOW / 3;
/// How far the clock jumps.
const JUMPS: [i64; 6] = [1, BALLOT, EPOCH / 2, EPOCH, EVIDENCE_WINDOW, COOLDOWN];

/// A kind of action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Stakes in a pool.
    Delegate,
    /// Lets shares cool down.
    RequestStake,
    /// Takes out what cooled down.
    WithdrawStake,
    /// Allocates a pool's stake to a network.
    OptIn,
    /// Ends an allocation.
    OptOut,
    /// Brings a roster up to date.
    Refresh,
    /// Draws a committee.
    Snapshot,
    /// Adds to an owner's bond.
    PostBond,
    /// Lets some of it cool down.
    RequestBond,
    /// Takes it out.
    WithdrawBond,
    /// Commits to a batch.
    Commit,
    /// Challenges an operator to show a reading.
    Challenge,
    /// Shows it.
    Answer,
    /// Slashes for what was not shown.
    Settle,
    /// Slashes an owner for two readings that contradict each other.
    Equivocation,
    /// Slashes an operator for two votes in one ballot.
    DoubleVote,
    /// Takes what a slash locked.
    CollectExcess,
    /// Pays what a slash set aside.
    PayInsurance,
    /// Proposes an epoch's roots, sometimes wrong ones.
    Propose,
    /// Votes for them.
    Vote,
    /// Has wrong ones rejected, and their proposer slashed.
    ChallengeRoot,
    /// Slashes somebody who voted for them.
    SlashVoter,
    /// Makes roots final.
    Finalize,
    /// Claims a reward.
    Claim,
    /// Proposes roots that grant more than the epoch's budget, which is to be refused.
    OverBudget,
    /// Closes a proposal that decides nothing any more.
    CloseProposal,
    /// Has a payee paid elsewhere.
    SetDestination,
    /// Sets what devices cost.
    SetPricing,
    /// Opens an epoch for credits to be spent in it.
    OpenEpoch,
    /// Burns tokens for credits.
    BuyCredits,
    /// Spends credits on a feed.
    FundFeed,
    /// Closes an epoch whose rewards are decided.
    CloseEpoch,
    /// Closes a feed's demand in such an epoch.
    CloseDemand,
    /// Registers a device, for credits where that costs some.
    Register,
    /// Slashes a maker for two leaves of one device.
    Duplicate,
    /// Slashes an owner for two readings too far apart.
    Travel,
    /// Creates a pool, stakes in it and allocates it.
    CreatePool,
    /// Passes a pool on to another operator.
    TransferOperator,
    /// Attests an output, sometimes a wrong one.
    Attest,
    /// Slashes an attester for a wrong one.
    FalseOutput,
    /// Slashes somebody who signed it.
    SlashSigner,
    /// Brings a round to its end, and frees an attestation's bond.
    CloseAttestation,
    /// Moves the clock.
    Wait,
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Self; 43] = [
        Self::Delegate,
        Self::RequestStake,
        Self::WithdrawStake,
        Self::OptIn,
        Self::OptOut,
        Self::Refresh,
        Self::Snapshot,
        Self::PostBond,
        Self::RequestBond,
        Self::WithdrawBond,
        Self::Commit,
        Self::Challenge,
        Self::Answer,
        Self::Settle,
        Self::Equivocation,
        Self::DoubleVote,
        Self::CollectExcess,
        Self::PayInsurance,
        Self::Propose,
        Self::Vote,
        Self::ChallengeRoot,
        Self::SlashVoter,
        Self::Finalize,
        Self::Claim,
        Self::OverBudget,
        Self::CloseProposal,
        Self::SetDestination,
        Self::SetPricing,
        Self::OpenEpoch,
        Self::BuyCredits,
        Self::FundFeed,
        Self::CloseEpoch,
        Self::CloseDemand,
        Self::Register,
        Self::Duplicate,
        Self::Travel,
        Self::CreatePool,
        Self::TransferOperator,
        Self::Attest,
        Self::FalseOutput,
        Self::SlashSigner,
        Self::CloseAttestation,
        Self::Wait,
    ];

    /// How many in a hundred must pass, at least: about half of what does.
    pub const fn floor(self) -> u64 {
        match self {
            Self::Wait
            | Self::Refresh
            | Self::Snapshot
            | Self::Commit
            | Self::SetDestination
            | Self::SetPricing
            | Self::OpenEpoch => 90,
            Self::Delegate
            | Self::RequestStake
            | Self::OptOut
            | Self::PostBond
            | Self::RequestBond
            | Self::Equivocation
            | Self::DoubleVote
            | Self::PayInsurance
            | Self::OverBudget
            | Self::Register
            | Self::Travel
            | Self::Attest
            | Self::Propose => 40,
            Self::WithdrawStake
            | Self::OptIn
            | Self::WithdrawBond
            | Self::Challenge
            | Self::Answer
            | Self::Settle
            | Self::Vote
            | Self::ChallengeRoot
            | Self::Claim
            | Self::CloseProposal
            | Self::BuyCredits
            | Self::FundFeed
            | Self::CloseEpoch
            | Self::Duplicate
            | Self::CreatePool
            | Self::TransferOperator
            | Self::FalseOutput => 25,
            Self::CollectExcess
            | Self::SlashSigner
            | Self::SlashVoter
            | Self::Finalize
            | Self::CloseDemand
            | Self::CloseAttestation => 18,
        }
    }
}

/// One step of a sequence. What its numbers mean depends on its kind and on what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    pub kind: Kind,
    /// Chooses who acts, or which of what is there.
    pub who: u32,
    /// Chooses network and pool.
    pub what: u32,
    /// Chooses how much.
    pub amount: u64,
}

impl Distribution<Action> for Standard {
    fn sample<R: Rng + ?Sized>(&self, random: &mut R) -> Action {
        Action {
            kind: Kind::ALL[random.gen_range(0..Kind::ALL.len())],
            who: random.gen(),
            what: random.gen(),
            amount: random.gen(),
        }
    }
}

impl Action {
    /// Base units: mostly up to `most`, now and then what somebody hostile would try.
    fn units(&self, most: u64) -> u64 {
        match self.amount % 24 {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => u64::MAX / 2 + 1,
            _ => (self.amount >> 5) % most.max(1) + 1,
        }
    }

    /// Whether it waits for what needs time, rather than trying too early.
    fn patient(&self) -> bool {
        !self.amount.is_multiple_of(4)
    }

    fn as_kind(&self, kind: Kind) -> Self {
        Self { kind, ..*self }
    }

    fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        let place = (self.who as usize).checked_rem(of.len())?;
        of.get(place)
    }
}

/// Whether it passed; an error is what is wrong with the books.
type Outcome = Result<bool, String>;

impl World<'_> {
    /// Does what the action says.
    ///
    /// # Errors
    /// What is wrong with the books.
    pub fn act(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let site_number = action.what as usize % base.sites.len();
        let site = &base.sites[site_number];
        let network = site.network.key;
        let number = action.what as usize / base.sites.len() % base.operators.len();
        let operator = &base.operators[number];
        let owner = &base.owners[action.who as usize % base.owners.len()];
        let mint = &base.stake_mint;
        let payer = self.payer();
        match action.kind {
            Kind::Delegate => {
                let by = &base.delegators[action.who as usize % base.delegators.len()];
                let amount = action.units(60 * TOKEN);
                let place = action.what as usize / base.sites.len() % self.pools.len();
                let pool = self.pools[place];
                let delegate =
                    pools::delegate(&payer, &by.pubkey(), &pool, mint, amount, 1, u64::MAX);
                self.send(&[delegate], &[by])
            }
            Kind::RequestStake => self.request_stake(action),
            Kind::WithdrawStake => self.withdraw_stake(action),
            Kind::OptIn => {
                let key = &self.keys[number].insecure_clone();
                let amount = action.units(45 * TOKEN);
                let pool: Pool = self.harness.read(&operator.pool);
                let home = if pool.home == network {
                    Pubkey::default()
                } else {
                    pool.home
                };
                let opt_in =
                    pools::opt_in_beside(&home, &network, &operator.pool, &key.pubkey(), amount);
                self.send(&[opt_in], &[key])
            }
            Kind::OptOut => {
                let key = &self.keys[number].insecure_clone();
                let opt_out = pools::opt_out(&network, &operator.pool, &key.pubkey());
                self.send(&[opt_out], &[key])
            }
            Kind::Refresh => self.send(&[pools::refresh(&network, &operator.pool)], &[]),
            Kind::Snapshot => self.snapshot(&network),
            Kind::PostBond => {
                let amount = action.units(30 * TOKEN);
                let post = pools::post_bond(&payer, &owner.pubkey(), &network, mint, amount);
                self.send(&[post], &[owner])
            }
            Kind::RequestBond => {
                let bond: Bond = self.harness.read(&pools::bond(&network, &owner.pubkey()));
                let amount = action.units(bond.amount);
                let request = pools::request_bond(&network, &owner.pubkey(), amount);
                self.send(&[request], &[owner])
            }
            Kind::WithdrawBond => {
                let key = pools::bond(&network, &owner.pubkey());
                let bond: Bond = self.harness.read(&key);
                if bond.cooling == 0 && action.patient() {
                    self.act(&action.as_kind(Kind::RequestBond))?;
                }
                let bond: Bond = self.harness.read(&key);
                self.wait_until(action, bond.releases_at);
                let withdraw = pools::withdraw_bond(&network, &owner.pubkey(), mint);
                self.send(&[withdraw], &[owner])
            }
            Kind::Commit => self.commit(site_number, number, action),
            Kind::Challenge => self.challenge(site_number, number, action),
            Kind::Answer => self.answer(action),
            Kind::Settle => self.settle(action),
            Kind::Equivocation => self.equivocation(site_number, action),
            Kind::Travel => self.travel(site_number, action),
            Kind::Duplicate => self.duplicate(site_number, action),
            Kind::Register => Ok(self.new_device(site_number, action)?.is_some()),
            Kind::CreatePool => self.create_pool(site_number, action),
            Kind::TransferOperator => self.transfer_operator(number, action),
            Kind::Attest => self.attest(site_number, number, action),
            Kind::FalseOutput => self.false_output(action),
            Kind::SlashSigner => self.slash_signer(action),
            Kind::CloseAttestation => self.close_attestation(action),
            Kind::DoubleVote => self.double_vote(site_number, number),
            Kind::CollectExcess | Kind::PayInsurance => self.after_slash(action),
            Kind::Propose => self.propose(site_number, number, action),
            Kind::OverBudget => self.over_budget(site_number, number, action),
            Kind::CloseProposal => self.close_proposal(site_number, action),
            Kind::SetDestination => self.set_destination(site_number, action),
            Kind::SetPricing => self.set_pricing(site_number, action),
            Kind::OpenEpoch => self.open_epoch(site_number, action),
            Kind::BuyCredits => self.buy_credits(site_number, action),
            Kind::FundFeed => self.fund_feed(site_number, action),
            Kind::CloseEpoch => self.close_epoch(site_number, action),
            Kind::CloseDemand => self.close_demand(site_number, action),
            Kind::Vote => self.vote(site_number, action),
            Kind::ChallengeRoot => self.challenge_root(site_number, action),
            Kind::SlashVoter => self.slash_voter(site_number, action),
            Kind::Finalize => self.finalize(site_number, action),
            Kind::Claim => self.claim(site_number, action),
            Kind::Wait => {
                self.harness
                    .advance(JUMPS[action.who as usize % JUMPS.len()]);
                Ok(true)
            }
        }
    }

    /// Moves the clock to `time` (unix seconds), if that is to come and the action is patient.
    fn wait_until(&self, action: &Action, time: i64) {
        if action.patient() && time > self.harness.now() {
            self.harness.chain.set_time(time);
        }
    }

    fn request_stake(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let mut held = Vec::new();
        for by in &base.delegators {
            for pool in &self.pools {
                let key = pools::delegation(pool, &by.pubkey());
                if self.harness.exists(&key) {
                    let delegation: Delegation = self.harness.read(&key);
                    if delegation.shares > 0 {
                        held.push((by, *pool, delegation));
                    }
                }
            }
        }
        let Some((by, pool, delegation)) = action.pick(&held) else {
            return Ok(false);
        };
        let shares = action.units(delegation.shares);
        let (payer, owner) = (self.payer(), by.pubkey());
        let number = delegation.withdrawals;
        let home = self.harness.read::<Pool>(pool).home;
        let request = pools::request_withdrawal(&payer, &owner, pool, &home, number, shares);
        self.send(&[request], &[by])
    }

    /// All accounts of this type of the security-pool.
    fn security<T: anchor_lang::ZeroCopy + anchor_lang::Discriminator>(&self) -> Vec<(Pubkey, T)> {
        let chain = &self.harness.chain;
        let filters = [Filter::of_type(T::DISCRIMINATOR)];
        let accounts = chain.program_accounts(&security_pool::ID, &filters);
        accounts
            .expect("accounts")
            .into_iter()
            .map(|(key, account)| (key, bytemuck::pod_read_unaligned(&account.data[8..])))
            .collect()
    }

    fn withdraw_stake(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let mut open: Vec<(Pubkey, Withdrawal)> = self.security();
        if open.is_empty() {
            self.act(&action.as_kind(Kind::RequestStake))?;
            open = self.security();
        }
        // In an order that does not depend on addresses.
        open.sort_by_key(|(_, withdrawal)| {
            let by = |key: &Keypair| key.pubkey() == withdrawal.owner;
            let owner = base.delegators.iter().position(by);
            (owner, withdrawal.available_at, withdrawal.number)
        });
        let Some((_, withdrawal)) = action.pick(&open) else {
            return Ok(false);
        };
        self.wait_until(action, withdrawal.available_at);
        let Withdrawal {
            pool,
            owner,
            number,
            ..
        } = withdrawal;
        let by = base.delegators.iter().find(|key| key.pubkey() == *owner);
        let by = by.expect("a delegator");
        let withdraw = pools::withdraw(owner, pool, &base.stake_mint, *number);
        self.send(&[withdraw], &[by])
    }

    fn snapshot(&mut self, network: &Pubkey) -> Outcome {
        let epoch = self.epoch();
        let roster: Roster = self.harness.read(&pools::roster(network));
        let members = pools::committee_pools(&roster, None, epoch);
        let payer = self.payer();
        let draw = pools::snapshot_committee(&payer, network, epoch, &members);
        self.send(&[draw], &[])
    }

    /// The committee of the present epoch, drawn if it was not.
    fn committee(&mut self, network: &Pubkey) -> Result<Option<(Pubkey, Committee)>, String> {
        let key = pools::committee(network, self.epoch());
        if !self.harness.exists(&key) {
            self.snapshot(network)?;
        }
        Ok(self
            .harness
            .exists(&key)
            .then(|| (key, self.harness.read(&key))))
    }

    // Availability

    fn commit(&mut self, site: usize, operator: usize, action: &Action) -> Outcome {
        self.commit_windows(site, operator, action, [1; 32])
    }

    /// Commits to a batch of 16 readings of one of the base's devices.
    fn commit_windows(
        &mut self,
        site: usize,
        operator: usize,
        action: &Action,
        windows_root: [u8; 32],
    ) -> Outcome {
        let base = self.base;
        let network = &base.sites[site].network;
        let device = action.who as usize % base.sites[site].devices.len();
        let signer = &base.sites[site].devices[device].signer;
        let now = self.harness.now();
        let readings: Vec<SignedReading> = (0..READINGS_PER_WINDOW as i64)
            .map(|index| {
                let reading = Reading {
                    network: network.id,
                    device: signer.device_key().id(),
                    leaf_nonce: 0,
                    session: 0,
                    sequence: index as u64,
                    captured_at: captured_at(now, index),
                    latitude: 520_000_000,
                    longitude: 130_000_000,
                    accuracy: 5,
                    schema: 1,
                    values: Values::new(&[index as i32]).expect("value"),
                };
                signed(signer, reading)
            })
            .collect();
        let batch = BatchLeaf {
            readings_root: readings_tree(&readings).root(),
            windows_root,
            windows: 1,
            readings: readings.len() as u32,
            first_capture: readings[0].reading.captured_at,
            last_capture: readings[READINGS_PER_WINDOW - 1].reading.captured_at,
        };
        let leaf = CommitmentLeaf {
            sequence: self.streams[site][operator].mmr.count(),
            posted_at: now,
            root: Tree::of_batches(&[batch.hash()]).expect("tree").root(),
            batches: 1,
            payload_hash: [4; 32],
            payload_len: 5,
        };
        let committing = &base.operators[operator];
        let args = CommitRootArgs {
            sequence: leaf.sequence,
            root: leaf.root,
            batches: leaf.batches,
            payload_hash: leaf.payload_hash,
            payload_len: leaf.payload_len,
        };
        let key = committing.signer.pubkey();
        let commit = streams::commit_root(&key, &network.key, &committing.pool, args);
        let passed = self.send(&[commit], &[&committing.signer])?;
        if passed {
            let stream = &mut self.streams[site][operator];
            stream.mmr.append(leaf.hash()).expect("append");
            stream.commitments.push(Committed {
                leaf,
                batch,
                readings,
                device,
            });
        }
        Ok(passed)
    }

    fn challenge(&mut self, site: usize, operator: usize, action: &Action) -> Outcome {
        let base = self.base;
        let still = self.harness.now() + ANSWER_WINDOW - EVIDENCE_WINDOW;
        let newest = self.streams[site][operator].commitments.last();
        let fresh = newest.is_some_and(|committed| committed.leaf.posted_at >= still);
        if !fresh && action.patient() {
            self.commit(site, operator, action)?;
        }
        let stream = &self.streams[site][operator];
        let Some(committed) = stream.commitments.last() else {
            return Ok(false);
        };
        let proof = stream.proof(committed);
        let network = base.sites[site].network.key;
        let key = streams::stream(&network, &base.operators[operator].pool);
        let reading = (action.amount % (READINGS_PER_WINDOW as u64 + 1)) as u16;
        let by = base.challenger.pubkey();
        let challenge = streams::challenge_availability(&by, &network, &key, proof, reading);
        self.send(&[challenge], &[&base.challenger])
    }

    /// An open challenge with its site and operator.
    fn open_challenge(
        &mut self,
        action: &Action,
    ) -> Result<Option<(Challenge, usize, usize)>, String> {
        let base = self.base;
        let list = |world: &Self| {
            let mut open = Vec::new();
            for (site, at) in base.sites.iter().enumerate() {
                for (operator, of) in base.operators.iter().enumerate() {
                    let stream = streams::stream(&at.network.key, &of.pool);
                    for committed in &world.streams[site][operator].commitments {
                        for reading in 0..READINGS_PER_WINDOW as u16 {
                            let place = ReadingPlace {
                                stream,
                                sequence: committed.leaf.sequence,
                                batch: 0,
                                reading,
                            };
                            open.push((place, site, operator));
                        }
                    }
                }
            }
            let chain = &world.harness.chain;
            let discriminator = <Challenge as anchor_lang::Discriminator>::DISCRIMINATOR;
            let filters = [Filter::of_type(discriminator)];
            let accounts = chain.program_accounts(&data_commitment::ID, &filters);
            let there: Vec<Challenge> = accounts
                .expect("accounts")
                .into_iter()
                .map(|(_, account)| bytemuck::pod_read_unaligned(&account.data[8..]))
                .collect();
            let open = open.into_iter().filter_map(|(place, site, operator)| {
                let challenge = there.iter().find(|of| ReadingPlace::of(of) == place)?;
                Some((*challenge, site, operator))
            });
            open.collect::<Vec<_>>()
        };
        let mut open = list(self);
        if open.is_empty() {
            self.act(&action.as_kind(Kind::Challenge))?;
            open = list(self);
        }
        Ok(action.pick(&open).copied())
    }

    fn leaf(&self, site: usize, index: u32) -> ProvenLeaf {
        let tree = self.base.sites[site].network.tree;
        let mut follower = Follower::new(&self.harness.chain, tree).expect("tree");
        let registry = follower.catch_up(&self.harness.chain).expect("events");
        ProvenLeaf {
            tree,
            tree_index: 0,
            leaf: registry.leaves()[index as usize],
            place: registry.place(index).expect("proof"),
        }
    }

    fn answer(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let Some((challenge, site, operator)) = self.open_challenge(action)? else {
            return Ok(false);
        };
        let stream = &self.streams[site][operator];
        let committed = &stream.commitments[challenge.sequence as usize];
        let index = usize::from(challenge.reading);
        let answer = Answer {
            evidence: Evidence {
                reading: committed.readings[index],
                grant: None,
            },
            key: base.sites[site].devices[committed.device]
                .signer
                .device_key(),
            leaf: self.leaf(site, base.sites[site].devices[committed.device].index),
            path: readings_tree(&committed.readings)
                .path(index as u64)
                .expect("path"),
        };
        let place = ReadingPlace::of(&challenge);
        let network = &base.sites[site].network.key;
        let by = &base.operators[operator].key;
        let answer = streams::answer_availability(&by.pubkey(), network, &place, &answer, 0);
        self.send(&answer.expect("signatures"), &[by])
    }

    fn settle(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let Some((challenge, site, operator)) = self.open_challenge(action)? else {
            return Ok(false);
        };
        self.wait_until(action, challenge.answer_by + 1);
        let network = &base.sites[site].network;
        let settling = Settling {
            payer: self.payer(),
            challenger: base.challenger.pubkey(),
            bounty: self.bounty(),
            network: network.key,
            network_id: network.id,
            stake_mint: base.stake_mint,
            pool: base.operators[operator].pool,
        };
        let settle = streams::settle_challenge(&settling, &ReadingPlace::of(&challenge));
        self.send(&[settle], &[])
    }

    // Other offences

    fn bounty(&self) -> Pubkey {
        associated(&self.base.challenger.pubkey(), &self.base.stake_mint)
    }

    fn equivocation(&mut self, site: usize, action: &Action) -> Outcome {
        let device = self.device(site, action);
        let sequences = [action.amount; 2];
        self.contradiction(site, &device, Contradiction::Equivocation, sequences)
    }

    /// Two places at once.
    fn travel(&mut self, site: usize, action: &Action) -> Outcome {
        // Most that are there already have been convicted of something.
        if action.patient() && self.new_device(site, action)?.is_none() {
            return Ok(false);
        }
        let device = match action.patient() {
            true => self.devices[site].last().cloned().expect("a device"),
            false => self.device(site, action),
        };
        let sequences = [action.amount / 2, action.amount / 2 + 1];
        self.contradiction(site, &device, Contradiction::Travel, sequences)
    }

    fn device(&self, site: usize, action: &Action) -> Device {
        action
            .pick(&self.devices[site])
            .expect("the base has devices")
            .clone()
    }

    /// Reports two readings of these sequences: of one place with two values, or of two places.
    fn contradiction(
        &mut self,
        site: usize,
        device: &Device,
        contradiction: Contradiction,
        sequences: [u64; 2],
    ) -> Outcome {
        let base = self.base;
        let network = &base.sites[site].network;
        let signer = &device.signer;
        let apart = match contradiction {
            Contradiction::Equivocation => 0,
            Contradiction::Travel => 10_000_000,
        };
        let evidence = [0, 1].map(|place: usize| {
            let reading = Reading {
                network: network.id,
                device: signer.device_key().id(),
                leaf_nonce: 0,
                session: 0,
                sequence: sequences[place],
                captured_at: self.harness.now() * 1_000,
                latitude: 520_000_000 + apart * place as i32,
                longitude: 130_000_000,
                accuracy: 5,
                schema: 1,
                values: Values::new(&[place as i32]).expect("value"),
            };
            Evidence {
                reading: signed(signer, reading),
                grant: None,
            }
        });
        let report = report_contradiction(
            &self.reporter(site),
            contradiction,
            &signer.device_key(),
            &self.leaf(site, device.index),
            [&evidence[0], &evidence[1]],
            None,
            0,
        );
        self.send(&report.expect("signatures"), &[])
    }

    /// A new device; its leaf, if it could be registered.
    fn new_device(&mut self, site: usize, action: &Action) -> Result<Option<u32>, String> {
        let signer = DeviceSigner::generate(Curve::Ed25519);
        self.register_device(site, action, action.who as usize % 2, &signer)
    }

    fn register_device(
        &mut self,
        site: usize,
        action: &Action,
        owner: usize,
        signer: &DeviceSigner,
    ) -> Result<Option<u32>, String> {
        if self.base.sites[site].charges {
            self.present_epoch(site, action)?;
        }
        self.register(site, owner, signer)
    }

    /// Registers a device again, and has the second leaf made void.
    fn duplicate(&mut self, site: usize, action: &Action) -> Outcome {
        let device = self.device(site, action);
        let again = self.register_device(site, action, device.owner, &device.signer)?;
        let Some(again) = again else {
            return Ok(false);
        };
        let mut leaves = [self.leaf(site, device.index), self.leaf(site, again)];
        if !action.patient() {
            leaves.reverse();
        }
        let report = report_duplicate(&self.reporter(site), &leaves[0], &leaves[1]);
        self.send(&[report], &[])
    }

    // Pools

    fn create_pool(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        let mint = &base.stake_mint;
        // Who operates a pool of the base has one already.
        let fresh = base.delegators.iter().filter(|key| {
            let is = |operator: &Operator| operator.key.pubkey() == key.pubkey();
            !base.operators.iter().any(is)
        });
        let fresh: Vec<&Keypair> = fresh.collect();
        let by = *action.pick(&fresh).expect("delegators");
        let (payer, operator) = (self.payer(), by.pubkey());
        let pool = pools::pool(mint, &operator);
        let seed = match action.amount % 12 {
            0 => MIN_SEED - 1,
            _ => MIN_SEED + (action.amount >> 5) % TOKEN,
        };
        let args = CreatePoolArgs {
            signer: Keypair::new().pubkey(),
            cooldown: COOLDOWN,
            leverage_bps: 10_000,
            seed,
            takes_delegators: true,
        };
        let create = pools::create_pool(&payer, &operator, mint, args);
        let created = self.book(&[create], &[by], |ledger| {
            ledger.seeds.insert(pool, seed);
        })?;
        if created {
            self.pools.push(pool);
            let stake = action.units(3 * TOKEN);
            let delegate = pools::delegate(&payer, &operator, &pool, mint, stake, 1, u64::MAX);
            self.send(&[delegate], &[by])?;
            // Seldom, as it does not vote, and two of the base's operators have but two thirds.
            if !action.patient() {
                let network = &base.sites[site].network.key;
                self.send(&[pools::opt_in(network, &pool, &operator, TOKEN)], &[by])?;
            }
        }
        Ok(created)
    }

    fn transfer_operator(&mut self, number: usize, action: &Action) -> Outcome {
        let pool = &self.base.operators[number].pool;
        let (old, new) = (self.keys[number].insecure_clone(), self.harness.key());
        let offer = pools::transfer_operator(pool, &old.pubkey(), &new.pubkey());
        self.send(&[offer], &[&old])?;
        // Sometimes somebody else tries to take it.
        let by = match action.patient() {
            true => new,
            false => self.harness.key(),
        };
        let accept = pools::accept_operator(pool, &by.pubkey());
        let passed = self.send(&[accept], &[&by])?;
        if passed {
            self.keys[number] = by;
        }
        Ok(passed)
    }

    // Attestations

    fn attest(&mut self, site: usize, operator: usize, action: &Action) -> Outcome {
        let base = self.base;
        let at = &base.sites[site];
        let network = &at.network.key;
        let Some((committee, _)) = self.committee(network)? else {
            return Ok(false);
        };
        let device = action.who as usize % at.devices.len();
        let last = READINGS_PER_WINDOW as i64 - 1;
        let window = WindowArgs {
            features: std::array::from_fn(|place| (action.amount >> place) as u16),
            tree: 0,
            index: at.devices[device].index,
            nonce: 0,
            last_capture: captured_at(self.harness.now(), last),
        };
        let leaf = window.leaf().expect("leaf");
        let root = inference::windows_root(&[leaf], poseidon).expect("root");
        if !self.commit_windows(site, operator, action, root)? {
            return Ok(false);
        }
        let by = &base.operators[operator];
        let stream = &self.streams[site][operator];
        let committed = stream.commitments.last().expect("a commitment");
        let proof = stream.proof(committed);
        let model = ModelRef::parse(MODEL).expect("model");
        let wrong = action.who.is_multiple_of(3);
        let mut outputs = [0; 32];
        outputs[0] = inference::infer(&model, &window.features) ^ u8::from(wrong);
        let round = (window.last_capture / 1_000 / ROUND) as u64;
        let address = streams::stream(network, &by.pool);
        let attesting = Attesting {
            payer: self.payer(),
            attester: by.signer.pubkey(),
            network: *network,
            feed: at.feed,
            model: base.model,
            stream: address,
            pool: by.pool,
            committee,
            bonds: Some(feeds::bonds(network, &by.pool)),
        };
        let sequence = proof.commitment.sequence;
        let args = SubmitAttestationArgs {
            round,
            outputs,
            commitment: proof.commitment,
            mmr_path: proof.mmr_path,
            batch_index: 0,
            batch: proof.batch,
            batch_path: proof.batch_path,
        };
        let submit = feeds::submit_attestation(&attesting, args);
        let passed = self.send(&[submit], &[&by.signer])?;
        if passed {
            self.attested.push(Attested {
                site,
                operator,
                key: feeds::attestation(&at.feed, &address, round, sequence, 0),
                round,
                window,
                wrong,
                refuted: false,
            });
        }
        Ok(passed)
    }

    /// The newest attestation that is right, or wrong and not yet shown to be; made if there is none.
    fn attested(&mut self, action: &Action, wrong: bool) -> Result<Option<usize>, String> {
        let find = |world: &Self| {
            let fits = |of: &Attested| of.wrong == wrong && !of.refuted;
            world.attested.iter().rposition(fits)
        };
        if find(self).is_none() && action.patient() {
            // A multiple of three attests what is wrong.
            let who = action.who / 6 * 3 + u32::from(!wrong);
            let kind = Kind::Attest;
            self.act(&Action {
                who,
                kind,
                ..*action
            })?;
        }
        Ok(find(self))
    }

    fn false_output(&mut self, action: &Action) -> Outcome {
        let Some(place) = self.attested(action, true)? else {
            return Ok(false);
        };
        let attested = self.attested[place].clone();
        let args = feeds::output_challenge(&[attested.window], 0).expect("window");
        let challenge = feeds::challenge_output(&self.challenging(&attested), args);
        let passed = self.send(&[challenge], &[])?;
        // What could not be refuted now can't be later.
        self.attested[place].refuted = true;
        Ok(passed)
    }

    fn challenging(&self, attested: &Attested) -> Challenging {
        let base = self.base;
        let at = &base.sites[attested.site];
        let round = feeds::round(&at.feed, attested.round);
        Challenging {
            challenger: self.payer(),
            bounty: self.bounty(),
            network: at.network.key,
            network_id: at.network.id,
            stake_mint: base.stake_mint,
            feed: at.feed,
            model: base.model,
            attestation: attested.key,
            pool: base.operators[attested.operator].pool,
            round: self.harness.exists(&round).then_some(round),
        }
    }

    /// The whole committee signs a wrong output, which is then shown to be wrong.
    fn slash_signer(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let Some(place) = self.attested(action, true)? else {
            return Ok(false);
        };
        let attested = self.attested[place].clone();
        if !self.harness.exists(&attested.key) {
            return Ok(false);
        }
        let state: Attestation = self.harness.read(&attested.key);
        let committee: Committee = self.harness.read(&state.committee);
        let signers: Vec<(u8, Pubkey, &Keypair)> = (0u8..)
            .zip(committee.members())
            .filter_map(|(number, member)| {
                let of = |operator: &&Operator| {
                    operator.pool == member.pool && operator.signer.pubkey() == member.signer
                };
                let operator = base.operators.iter().find(of)?;
                Some((number, member.pool, &operator.signer))
            })
            .collect();
        let Some((member, pool, _)) = action.pick(&signers) else {
            return Ok(false);
        };
        let at = &base.sites[attested.site];
        let of = feeds::Attested {
            network: at.network.key,
            feed: at.feed,
            committee: state.committee,
            round: feeds::round(&at.feed, attested.round),
            attestation: attested.key,
        };
        let members = signers.iter().map(|(number, ..)| *number).collect();
        let keys = signers.iter().map(|(_, _, signer)| *signer);
        let sign = [
            signatures(keys, &state.message),
            feeds::attest_committee(&of, 0, members),
        ];
        self.send(&sign, &[])?;
        self.act(&action.as_kind(Kind::FalseOutput))?;
        let challenging = self.challenging(&attested);
        let slash = feeds::slash_signer(&challenging, &state.committee, *member, pool);
        self.send(&[slash], &[])
    }

    fn close_attestation(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let Some(place) = self.attested(action, false)? else {
            return Ok(false);
        };
        let Attested {
            site,
            operator,
            key,
            round,
            window,
            ..
        } = self.attested[place].clone();
        let at = &base.sites[site];
        let (network, pool) = (&at.network.key, &base.operators[operator].pool);
        let (payer, open) = (self.payer(), feeds::round(&at.feed, round));
        if self.harness.exists(&open) {
            self.send(&[feeds::show_windows(&open, &key, vec![window])], &[])?;
            let deadline = self.harness.now() + ATTESTATION_WINDOW;
            self.wait_until(action, deadline);
            let stream = streams::stream(network, pool);
            let pass = feeds::pass_attestation(network, &at.feed, &stream, &open, &key);
            self.send(&[pass], &[])?;
            let finalize = feeds::finalize_round(network, &at.feed, round, &payer);
            self.send(&[finalize], &[])?;
        }
        let bonds = Some(feeds::bonds(network, pool));
        let mut passed = false;
        // With its round others are over, the false ones too.
        for of in self.attested.clone() {
            if (of.site, of.operator) != (site, operator) {
                continue;
            }
            let close = feeds::close_attestation(&at.feed, &of.key, &payer, bonds);
            if self.send(&[close], &[])? {
                self.attested.retain(|other| other.key != of.key);
                passed |= of.key == key;
            }
        }
        Ok(passed)
    }

    fn reporter(&self, site: usize) -> Reporter {
        let network = &self.base.sites[site].network;
        Reporter {
            payer: self.payer(),
            bounty: self.bounty(),
            network: network.key,
            network_id: network.id,
            stake_mint: self.base.stake_mint,
        }
    }

    /// Seconds since the epoch began, in ballots.
    fn ballot(&self) -> u32 {
        ((self.harness.now() - START) % EPOCH / BALLOT) as u32
    }

    fn double_vote(&mut self, site: usize, operator: usize) -> Outcome {
        let base = self.base;
        let network = &base.sites[site].network;
        let Some((committee, state)) = self.committee(&network.key)? else {
            return Ok(false);
        };
        let operator = &base.operators[operator];
        let Some(member) = state.member(&operator.pool) else {
            return Ok(false);
        };
        let votes = [1, 2].map(|number| VoteMessage {
            network: network.id,
            epoch: self.epoch() - 1,
            ballot: self.ballot(),
            base: 0,
            depth: 4,
            score_hash: [number; 32],
            score_sum: 1,
            reward_hash: [number; 32],
            reward_sum: 1,
            committee_epoch: state.epoch,
        });
        let args = ReportDoubleVoteArgs {
            epoch: votes[0].epoch,
            ballot: votes[0].ballot,
            base: votes[0].base,
            member: member as u8,
            first: SignedVote::of(&votes[0], 0, 0),
            second: SignedVote::of(&votes[1], 1, 0),
        };
        let reporter = self.reporter(site);
        let report = [
            signature(&operator.signer, &votes[0]),
            signature(&operator.signer, &votes[1]),
            rewards::report_double_vote(&reporter, &committee, &operator.pool, args),
        ];
        self.send(&report, &[])
    }

    /// Collects what a slash locked, or pays what it set aside.
    fn after_slash(&mut self, action: &Action) -> Outcome {
        let base = self.base;
        let collects = action.kind == Kind::CollectExcess;
        let list = |world: &Self| {
            let mut reports: Vec<(Pubkey, Report)> = world.security();
            reports.retain(|(_, report)| {
                let left = if collects {
                    report.excess
                } else {
                    report.insurance
                };
                report.kind == SourceKind::Pool as u8 && left > 0
            });
            // In an order that does not depend on addresses.
            reports.sort_by_key(|(_, report)| {
                let site = |site: &Site| site.network.key == report.network;
                let pool = |operator: &Operator| operator.pool == report.source;
                (
                    report.reported_at,
                    base.sites.iter().position(site),
                    base.operators.iter().position(pool),
                    report.amount,
                )
            });
            reports
        };
        let mut reports = list(self);
        if reports.is_empty() && action.patient() {
            self.act(&action.as_kind(Kind::DoubleVote))?;
            reports = list(self);
        }
        let Some((key, report)) = action.pick(&reports) else {
            return Ok(false);
        };
        let (network, pool, mint) = (&report.network, &report.source, &base.stake_mint);
        if collects {
            self.wait_until(action, self.next_epoch());
            let bounty = &report.destination;
            let collect = pools::collect_excess(network, pool, mint, key, bounty);
            return self.send(&[collect], &[]);
        }
        let destination = associated(&base.harmed, mint);
        let by = self.payer();
        let pay = pools::pay_insurance(network, &by, pool, mint, key, &destination);
        self.send(&[pay], &[])
    }

    // Roots

    /// Whoever proposes, if the epoch that is over can be decided now, and has something to name as archive.
    fn proposing(
        &mut self,
        site: usize,
        operator: usize,
        action: &Action,
    ) -> Result<Option<(Pubkey, u8)>, String> {
        let network = self.base.sites[site].network.key;
        let emission: Emission = self.harness.read(&rewards::emission(&network));
        if emission.is_final(self.epoch() - 1) {
            self.wait_until(action, self.next_epoch());
        }
        if self.streams[site][operator].commitments.is_empty() {
            self.commit(site, operator, action)?;
        }
        let Some((committee, state)) = self.committee(&network)? else {
            return Ok(None);
        };
        let member = state.member(&self.base.operators[operator].pool);
        Ok(Some((committee, member.unwrap_or_default() as u8)))
    }

    /// When the next epoch begins.
    fn next_epoch(&self) -> i64 {
        START + (self.epoch() as i64 + 1) * EPOCH
    }

    /// What everybody had, and has by the scores that the action draws, with the budget of the epoch that is over.
    fn grants(&self, site: usize, action: &Action) -> (Vec<u64>, Vec<(u64, u64)>) {
        let payees = &self.base.sites[site].payees;
        let scores: Vec<u64> = (0..payees.len())
            .map(|place| (action.amount >> (8 * place)) % 10)
            .collect();
        let total = |kind: u8| -> u64 {
            let of = payees.iter().zip(&scores);
            of.filter(|(payee, _)| payee.kind == kind)
                .map(|(_, score)| *score)
                .sum()
        };
        let totals = [total(OWNER), total(OPERATOR)];
        let parts = self.ledger.books[site].budget(self.epoch() - 1);
        let before: Vec<u64> = match &self.finals[site] {
            Some(trees) => trees.rows.iter().map(|(_, amount)| *amount).collect(),
            None => vec![0; payees.len()],
        };
        let rows = payees.iter().zip(&scores).zip(&before);
        let rows = rows.map(|((payee, score), had)| {
            let kind = usize::from(payee.kind);
            let earned = (parts[kind] * score).checked_div(totals[kind]);
            (*score, had + earned.unwrap_or(0))
        });
        let rows = rows.collect();
        (before, rows)
    }

    /// The proposal of these trees for the epoch that is over, and its address.
    fn proposal_of(
        &self,
        site: usize,
        operator: usize,
        trees: &Trees,
        (committee, member): (Pubkey, u8),
    ) -> (Instruction, Pubkey) {
        let base = self.base;
        let network = base.sites[site].network.key;
        let proposing = &base.operators[operator];
        let emission: Emission = self.harness.read(&rewards::emission(&network));
        let (owners, operators) = rewards::halves(&trees.grants).expect("halves");
        let root = trees.scores.root();
        let args = ProposeRootArgs {
            epoch: self.epoch() - 1,
            ballot: self.ballot(),
            base: emission.finals,
            member,
            depth: trees.grants.depth() as u8,
            score_hash: root.hash,
            score_sum: root.sum,
            owners,
            operators,
            sequence: 0,
        };
        let stream = streams::stream(&network, &proposing.pool);
        let (payer, by) = (self.payer(), proposing.signer.pubkey());
        let propose = rewards::propose_root(&payer, &network, &committee, &stream, &by, args);
        (propose, rewards::proposal(&network, &stream, &args))
    }

    fn propose(&mut self, site: usize, operator: usize, action: &Action) -> Outcome {
        let base = self.base;
        let Some(proposing) = self.proposing(site, operator, action)? else {
            return Ok(false);
        };
        let (_, mut rows) = self.grants(site, action);
        // Moves one unit from an owner to the other.
        let wrong = action.who.is_multiple_of(5) && rows[0].1 > 0;
        if wrong {
            rows[0].1 -= 1;
            rows[1].1 += 1;
        }
        let trees = Trees::new(&base.sites[site].payees, rows);
        let (propose, key) = self.proposal_of(site, operator, &trees, proposing);
        let passed = self.send(&[propose], &[&base.operators[operator].signer])?;
        if passed {
            self.drafts[site].push(Draft {
                key,
                trees,
                wrong: wrong.then_some(0),
            });
        }
        Ok(passed)
    }

    /// One unit more than the epoch's budget, to an owner or to operators.
    fn over_budget(&mut self, site: usize, operator: usize, action: &Action) -> Outcome {
        let base = self.base;
        let payees = &base.sites[site].payees;
        let Some(proposing) = self.proposing(site, operator, action)? else {
            return Ok(false);
        };
        let (before, mut rows) = self.grants(site, action);
        let budget = self.ledger.books[site].budget(self.epoch() - 1);
        let to = [OWNER, OPERATOR][action.who as usize % 2];
        let granted = |kinds: &[u8]| -> u64 {
            let of = payees.iter().zip(&rows).zip(&before);
            of.filter(|((payee, _), _)| kinds.contains(&payee.kind))
                .map(|((_, (_, amount)), had)| amount - had)
                .sum()
        };
        let (most, granted, expected) = match to {
            OWNER => {
                let all = granted(&[OWNER, OPERATOR]);
                (budget[0] + budget[1], all, EmissionError::MoreThanEmitted)
            }
            _ => {
                let error = EmissionError::MoreThanOperatorsShare;
                (budget[1], granted(&[OPERATOR]), error)
            }
        };
        let place = payees.iter().position(|payee| payee.kind == to);
        let place = place.expect("a payee of each kind");
        // Owners are granted nothing where operators are to have too much, so that it is not too much of all.
        if to == OPERATOR {
            for (payee, (row, had)) in payees.iter().zip(rows.iter_mut().zip(&before)) {
                if payee.kind == OWNER {
                    row.1 = *had;
                }
            }
        }
        rows[place].1 += most - granted + 1;
        let trees = Trees::new(payees, rows);
        let (propose, key) = self.proposal_of(site, operator, &trees, proposing);
        let by = &base.operators[operator].signer;
        match self.answer_to(&[propose], &[by], |_| ())? {
            Ok(_) => Err(format!("{key} grants more than the epoch's budget")),
            Err(code) => Ok(code == u32::from(expected)),
        }
    }

    fn close_proposal(&mut self, site: usize, action: &Action) -> Outcome {
        let network = self.base.sites[site].network.key;
        let old = |world: &Self| {
            let emission: Emission = world.harness.read(&rewards::emission(&network));
            let drafts = world.drafts[site].iter();
            let mut drafts =
                drafts.map(|draft| (draft.key, world.harness.read::<Proposal>(&draft.key)));
            drafts
                .find(|(_, proposal)| emission.finals > 0 && proposal.epoch < emission.final_epoch)
        };
        let mut found = old(self);
        for _ in 0..2 {
            if found.is_none() && action.patient() {
                self.act(&action.as_kind(Kind::Finalize))?;
                found = old(self);
            }
        }
        let Some((key, proposal)) = found else {
            return Ok(false);
        };
        let ends = START + (proposal.committee_epoch as i64 + 1) * EPOCH;
        self.wait_until(action, ends + EVIDENCE_WINDOW + 1);
        let close = rewards::close_proposal(&network, &key, &self.payer());
        let closed = self.send(&[close], &[])?;
        if closed {
            self.drafts[site].retain(|draft| draft.key != key);
        }
        Ok(closed)
    }

    /// Has a payee paid to its other account.
    fn set_destination(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        let at = &base.sites[site];
        let place = action.who as usize % at.payees.len();
        let payee: Payee = self.harness.read(&at.payees[place].account);
        let purses = at.purses[place].iter();
        let mut others = purses.filter(|purse| purse.account != payee.destination);
        let other = &others.next().expect("another account").account;
        let (key, pool) = match place.checked_sub(base.owners.len()) {
            None => (base.owners[place].insecure_clone(), None),
            Some(operator) => {
                let pool = base.operators[operator].pool;
                (self.keys[operator].insecure_clone(), Some(pool))
            }
        };
        let set = rewards::set_destination(&at.network.key, &key.pubkey(), pool, other);
        self.send(&[set], &[&key])
    }

    // Credits

    fn set_pricing(&mut self, site: usize, action: &Action) -> Outcome {
        let at = &self.base.sites[site].network;
        let (payer, now) = (self.payer(), self.harness.now());
        let fee = (action.amount >> 5) % 50_000;
        let args = terms(&self.base.sites[site].oracle, fee, action.who.into());
        let set = credits::set_pricing(&payer, &payer, &at.key, &at.reward_mint, args);
        self.book(&[set], &[], |ledger| {
            ledger.books[site].set_fee(fee, now + TIMELOCK, now);
        })
    }

    /// Opens the epoch `number`.
    fn open(&mut self, site: usize, number: u64) -> Outcome {
        let network = &self.base.sites[site].network.key;
        let open = credits::open_epoch(&self.payer(), network, number);
        self.book(&[open], &[], |ledger| ledger.books[site].open(number))
    }

    /// Opens the present epoch, if nobody did.
    fn present_epoch(&mut self, site: usize, action: &Action) -> Result<(), String> {
        let number = self.epoch();
        if !self.is_open(site, number) && action.patient() {
            self.open(site, number)?;
        }
        Ok(())
    }

    fn is_open(&self, site: usize, number: u64) -> bool {
        let epoch = self.ledger.books[site].epochs.get(&number);
        epoch.is_some_and(|epoch| epoch.open)
    }

    /// The next epoch that is not open, which may be too far off.
    fn open_epoch(&mut self, site: usize, action: &Action) -> Outcome {
        let present = self.epoch();
        let mut epochs = present..;
        let number = epochs.find(|number| !self.is_open(site, *number));
        let number = number.expect("an epoch");
        if number > present {
            self.wait_until(action, START + (number as i64 - 1) * EPOCH);
        }
        self.open(site, number)
    }

    fn buy_credits(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        let at = &base.sites[site];
        let full = |world: &Self| {
            let purses = at.purses.iter().flatten();
            let purses = purses.filter(|purse| world.harness.balance(&purse.account) > 0);
            purses.collect::<Vec<_>>()
        };
        let mut purses = full(self);
        if purses.is_empty() && action.patient() {
            self.act(&action.as_kind(Kind::Claim))?;
            purses = full(self);
        }
        let Some(purse) = action.pick(&purses) else {
            return Ok(false);
        };
        let owner = base.owners[action.what as usize / 2 % base.owners.len()].pubkey();
        let tokens = action.units(self.harness.balance(&purse.account));
        let cents = 50 + u64::from(action.who % 400);
        put_price(&self.harness, &at.oracle, price(cents));
        let purchase = Purchase {
            payer: self.payer(),
            network: at.network.key,
            reward_mint: at.network.reward_mint,
            oracle: at.oracle,
            owner,
            source: purse.account,
            buyer: purse.key.pubkey(),
        };
        let buy = credits::buy_credits(&purchase, tokens, 1);
        self.book(&[buy], &[&purse.key], |ledger| {
            let book = &mut ledger.books[site];
            book.buy(owner, tokens, cents);
            let left = book.purses.get_mut(&purse.account).expect("a purse");
            *left -= tokens;
        })
    }

    fn fund_feed(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        let at = &base.sites[site];
        self.present_epoch(site, action)?;
        let by = &base.owners[action.who as usize % base.owners.len()];
        let (owner, epoch) = (by.pubkey(), self.epoch());
        let held: Paid = self.ledger.books[site].held[&owner];
        let amount = action.units(held.credits / 4);
        let network = &at.network.key;
        let fund = credits::fund_feed(&self.payer(), &owner, network, epoch, &at.feed, amount);
        self.book(&[fund], &[by], |ledger| {
            ledger.books[site].give(&owner, epoch, at.feed, amount);
        })
    }

    /// Has credits spent on the feed and the rewards of that epoch decided, if `found` finds nothing to close.
    fn decided(
        &mut self,
        site: usize,
        action: &Action,
        found: impl Fn(&Self) -> Option<u64>,
    ) -> Result<Option<u64>, String> {
        if found(self).is_none() && action.patient() {
            self.act(&action.as_kind(Kind::FundFeed))?;
            self.wait_until(action, self.next_epoch());
            self.act(&action.as_kind(Kind::Finalize))?;
        }
        // What is not decided is refused.
        let epochs = self.ledger.books[site].epochs.keys();
        let newest = epochs.max().copied();
        Ok(found(self).or(newest))
    }

    fn close_epoch(&mut self, site: usize, action: &Action) -> Outcome {
        let network = self.base.sites[site].network.key;
        let found = |world: &Self| {
            let emission: Emission = world.harness.read(&rewards::emission(&network));
            let epochs = world.ledger.books[site].epochs.iter();
            let open = epochs.filter(|(number, epoch)| epoch.open && emission.is_final(**number));
            open.map(|(number, _)| *number).min()
        };
        let Some(number) = self.decided(site, action, found)? else {
            return Ok(false);
        };
        let close = credits::close_epoch(&network, number, &self.payer());
        if !self.is_open(site, number) {
            return Ok(false);
        }
        self.book(&[close], &[], |ledger| {
            let epoch = ledger.books[site].epochs.get_mut(&number);
            epoch.expect("an epoch").open = false;
        })
    }

    fn close_demand(&mut self, site: usize, action: &Action) -> Outcome {
        let at = &self.base.sites[site];
        let network = at.network.key;
        let found = |world: &Self| {
            let emission: Emission = world.harness.read(&rewards::emission(&network));
            let demands = world.ledger.books[site].demands.iter();
            let open =
                demands.filter(|((number, _), demand)| demand.open && emission.is_final(*number));
            open.map(|((number, _), _)| *number).min()
        };
        let Some(number) = self.decided(site, action, found)? else {
            return Ok(false);
        };
        let demand = self.ledger.books[site].demands.get(&(number, at.feed));
        if !demand.is_some_and(|demand| demand.open) {
            return Ok(false);
        }
        let close = credits::close_demand(&network, number, &at.feed, &self.payer());
        self.book(&[close], &[], |ledger| {
            let demand = ledger.books[site].demands.get_mut(&(number, at.feed));
            demand.expect("a demand").open = false;
        })
    }

    /// The newest proposal of a site that `fits`.
    fn draft(&self, site: usize, fits: impl Fn(&Draft, &Proposal) -> bool) -> Option<Draft> {
        let drafts = self.drafts[site].iter().rev();
        let mut drafts = drafts.map(|draft| (draft, self.harness.read::<Proposal>(&draft.key)));
        let (draft, _) = drafts.find(|(draft, proposal)| fits(draft, proposal))?;
        Some(draft.clone())
    }

    /// Everybody in the committee votes, but for one that the action may leave out.
    fn vote(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        let network = &base.sites[site].network;
        let now = (self.epoch(), self.ballot());
        let open = |world: &Self| {
            world.draft(site, |_, proposal| {
                proposal.status == OPEN && (proposal.committee_epoch, proposal.ballot) == now
            })
        };
        let mut draft = open(self);
        if draft.is_none() && action.patient() {
            self.act(&action.as_kind(Kind::Propose))?;
            draft = self.draft(site, |_, proposal| proposal.status == OPEN);
        }
        let Some(draft) = draft else {
            return Ok(false);
        };
        let mut passed = false;
        for (number, operator) in base.operators.iter().enumerate() {
            let proposal: Proposal = self.harness.read(&draft.key);
            let committee: Committee = self.harness.read(&proposal.committee);
            let Some(member) = committee.member(&operator.pool) else {
                continue;
            };
            if action.who as usize % 5 == number {
                continue;
            }
            let reference = VoteReference {
                instruction: 0,
                index: 0,
                member: member as u8,
            };
            let message = proposal.message(network.id);
            let key = &draft.key;
            let vote = rewards::vote_root(&network.key, &proposal.committee, key, reference);
            passed |= self.send(&[signature(&operator.signer, &message), vote], &[])?;
        }
        Ok(passed)
    }

    fn challenge_root(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        let wrong = |world: &Self| {
            world.draft(site, |draft, proposal| {
                draft.wrong.is_some() && [OPEN, PASSED].contains(&proposal.status)
            })
        };
        let mut draft = wrong(self);
        if draft.is_none() && action.patient() {
            let kind = [Kind::Propose, Kind::Vote][action.who as usize / 5 % 2];
            let who = action.who - action.who % 5;
            self.act(&Action {
                who,
                kind,
                ..*action
            })?;
            draft = wrong(self);
        }
        let Some(draft) = draft else {
            return Ok(false);
        };
        let proposal: Proposal = self.harness.read(&draft.key);
        let place = draft.wrong.unwrap_or_default();
        let payee = &base.sites[site].payees[place];
        let (kind, index) = (payee.kind, payee.index);
        let entry = |value| Entry {
            payee: payee.key,
            value,
        };
        let before = self.finals[site].as_ref();
        let path = |tree: &commitment::SumTree| tree.path(kind, index).expect("path");
        let args = ChallengeRootArgs {
            kind,
            index,
            before: before.map(|trees| entry(trees.rows[place].1)),
            before_path: before.map(|trees| path(&trees.grants)).unwrap_or_default(),
            score: Some(entry(draft.trees.rows[place].0)),
            score_path: path(&draft.trees.scores),
            granted: Some(entry(draft.trees.rows[place].1)),
            granted_path: path(&draft.trees.grants),
        };
        let reporter = self.reporter(site);
        let payee = Some(payee.account);
        let challenge = rewards::challenge_root(&reporter, &draft.key, &proposal, payee, args);
        self.send(&[challenge], &[])
    }

    fn slash_voter(&mut self, site: usize, action: &Action) -> Outcome {
        let rejected = |world: &Self| {
            world.draft(site, |_, proposal| {
                proposal.status == REJECTED && proposal.voted != 0
            })
        };
        let mut draft = rejected(self);
        if draft.is_none() && action.patient() {
            // Votes for wrong roots come before their challenge.
            let who = action.who - action.who % 5;
            let of = |kind| Action {
                who,
                kind,
                ..*action
            };
            self.act(&of(Kind::Vote))?;
            self.act(&of(Kind::ChallengeRoot))?;
            draft = rejected(self);
        }
        let Some(draft) = draft else {
            return Ok(false);
        };
        let proposal: Proposal = self.harness.read(&draft.key);
        let committee: Committee = self.harness.read(&proposal.committee);
        let count = committee.members().len() as u8;
        let voters: Vec<u8> = (0..count)
            .filter(|member| proposal.has_voted(*member))
            .collect();
        let Some(member) = action.pick(&voters) else {
            return Ok(false);
        };
        let pool = committee.members()[usize::from(*member)].pool;
        let reporter = self.reporter(site);
        let slash = rewards::slash_voter(&reporter, &draft.key, &proposal, *member, &pool);
        self.send(&[slash], &[])
    }

    fn finalize(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        let passed = |world: &Self| world.draft(site, |_, proposal| proposal.status == PASSED);
        let mut draft = passed(self);
        if draft.is_none() && action.patient() {
            self.act(&action.as_kind(Kind::Vote))?;
            draft = passed(self);
        }
        let Some(draft) = draft else {
            return Ok(false);
        };
        let proposal: Proposal = self.harness.read(&draft.key);
        self.wait_until(action, proposal.passed_at + CHALLENGE_WINDOW);
        let finalize = rewards::finalize_root(&base.sites[site].network.key, &draft.key);
        let done = self.book(&[finalize], &[], |ledger| {
            ledger.books[site].finalize(proposal.epoch);
        })?;
        if done {
            let proposal: Proposal = self.harness.read(&draft.key);
            if proposal.status != FINAL {
                return Err(format!("{} is final, and does not say so", draft.key));
            }
            self.finals[site] = Some(draft.trees);
        }
        Ok(done)
    }

    fn claim(&mut self, site: usize, action: &Action) -> Outcome {
        let base = self.base;
        if self.finals[site].is_none() {
            self.act(&action.as_kind(Kind::Finalize))?;
        }
        let at = &base.sites[site];
        let Some(trees) = &self.finals[site] else {
            return Ok(false);
        };
        let place = action.who as usize % at.payees.len();
        let payee = &at.payees[place];
        let granted = trees.rows[place].1;
        let cumulative = match action.amount % 16 {
            0 => action.units(granted),
            _ => granted,
        };
        let accounts = ClaimAccounts {
            network: at.network.key,
            payee: payee.account,
            reward_mint: at.network.reward_mint,
            destination: self.harness.read::<Payee>(&payee.account).destination,
        };
        let path = trees.grants.path(payee.kind, payee.index).expect("path");
        self.send(&[rewards::claim(accounts, cumulative, path)], &[])
    }
}

/// When the reading of a batch at `index` was captured that is committed to at `now` (unix seconds): unix milliseconds.
fn captured_at(now: i64, index: i64) -> i64 {
    (now - 100 + index) * 1_000
}

fn signed(signer: &DeviceSigner, reading: Reading) -> SignedReading {
    SignedReading {
        signature: signer.sign(&reading.digest()),
        reading,
    }
}

fn readings_tree(readings: &[SignedReading]) -> Tree {
    let leaves: Vec<_> = readings
        .iter()
        .map(|signed| ReadingLeaf::of(signed, None).hash())
        .collect();
    Tree::new(&leaves, READINGS_DEPTH).expect("tree")
}

fn signature(signer: &Keypair, vote: &VoteMessage) -> Instruction {
    signatures([signer], &vote.digest())
}
