//! What a sequence may do. Whatever it needs first and does not find (a challenge to answer, roots to vote on), it does
//! first; so most actions pass, and the rest shows what the programs refuse.

use super::world::{
    Committed, Draft, Site, Trees, World, BALLOT, BUDGET, CHALLENGE_WINDOW, OPERATORS_BPS,
};
use crate::fixture::{Operator, COOLDOWN, EPOCH, EVIDENCE_WINDOW, TOKEN};
use crate::START;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use commitment::sum::{OPERATOR, OWNER};
use commitment::{
    BatchLeaf, CommitmentLeaf, ReadingLeaf, Tree, READINGS_DEPTH, READINGS_PER_WINDOW,
};
use data_commitment::instructions::{CommitRootArgs, VerifyBatchArgs};
use data_commitment::state::Challenge;
use device_protocol::{Reading, SignedReading, Values, VoteMessage};
use fieldproof_client::chain::Chain;
use fieldproof_client::data_commitment::{self as streams, Answer, ReadingPlace, Settling};
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{
    report_contradiction, Contradiction, Evidence, ProvenLeaf, Reporter,
};
use fieldproof_client::reward_emission::{self as rewards, ClaimAccounts, VoteReference};
use fieldproof_client::token::associated;
use fieldproof_client::{precompile, security_pool as pools};
use rand::distributions::{Distribution, Standard};
use rand::Rng;
use reward_emission::instructions::{
    ChallengeRootArgs, Entry, ProposeRootArgs, ReportDoubleVoteArgs, SignedVote,
};
use reward_emission::state::{Proposal, FINAL, OPEN, PASSED, REJECTED};
use security_pool::state::{
    Bond, Committee, Delegation, Pool, Report, Roster, SourceKind, Withdrawal,
};
use solana_keypair::Keypair;
use solana_signer::Signer;

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
    /// Moves the clock.
    Wait,
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Self; 25] = [
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
        Self::Wait,
    ];

    /// How many in a hundred must pass, at least: about half of what does.
    pub const fn floor(self) -> u64 {
        match self {
            Self::Wait | Self::Refresh | Self::Snapshot | Self::Commit => 90,
            Self::Delegate
            | Self::RequestStake
            | Self::OptOut
            | Self::PostBond
            | Self::RequestBond
            | Self::Equivocation
            | Self::DoubleVote
            | Self::PayInsurance
            | Self::Propose => 40,
            Self::WithdrawStake
            | Self::OptIn
            | Self::WithdrawBond
            | Self::Challenge
            | Self::Answer
            | Self::Settle
            | Self::Vote
            | Self::ChallengeRoot
            | Self::Claim => 25,
            Self::CollectExcess | Self::SlashVoter | Self::Finalize => 18,
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
                let pool = &operator.pool;
                let delegate = pools::delegate(&payer, &by.pubkey(), pool, mint, amount, 1);
                self.send(&[delegate], &[by])
            }
            Kind::RequestStake => self.request_stake(action),
            Kind::WithdrawStake => self.withdraw_stake(action),
            Kind::OptIn => {
                let key = &operator.key;
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
                let key = &operator.key;
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
            Kind::DoubleVote => self.double_vote(site_number, number),
            Kind::CollectExcess | Kind::PayInsurance => self.after_slash(action),
            Kind::Propose => self.propose(site_number, number, action),
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
            for operator in &base.operators {
                let key = pools::delegation(&operator.pool, &by.pubkey());
                if self.harness.exists(&key) {
                    let delegation: Delegation = self.harness.read(&key);
                    if delegation.shares > 0 {
                        held.push((by, operator.pool, delegation));
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
        let accounts = chain.program_accounts(&security_pool::ID, T::DISCRIMINATOR);
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
        let base = self.base;
        let network = &base.sites[site].network;
        let device = action.who as usize % base.sites[site].devices.len();
        let signer = &base.sites[site].devices[device].1.signer;
        let now = self.harness.now();
        let readings: Vec<SignedReading> = (0..READINGS_PER_WINDOW as i64)
            .map(|index| {
                let reading = Reading {
                    network: network.id,
                    device: signer.device_key().id(),
                    leaf_nonce: 0,
                    session: 0,
                    sequence: index as u64,
                    captured_at: (now - 100 + index) * 1_000,
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
            windows_root: [1; 32],
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
        let tree = Tree::of_batches(&[committed.batch.hash()]).expect("tree");
        let proof = VerifyBatchArgs {
            commitment: committed.leaf.into(),
            mmr_path: stream.mmr.path(committed.leaf.sequence).expect("path"),
            batch_index: 0,
            batch: committed.batch.into(),
            batch_path: tree.path(0).expect("path"),
        };
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
            let accounts = chain.program_accounts(&data_commitment::ID, discriminator);
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

    fn leaf(&self, site: usize, device: usize) -> ProvenLeaf {
        let base = self.base;
        let tree = base.sites[site].network.tree;
        let index = base.sites[site].devices[device].1.registered.index;
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
                .1
                .signer
                .device_key(),
            leaf: self.leaf(site, committed.device),
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
        let base = self.base;
        let network = &base.sites[site].network;
        let device = action.who as usize % base.sites[site].devices.len();
        let signer = &base.sites[site].devices[device].1.signer;
        let evidence = [1, 2].map(|value| {
            let reading = Reading {
                network: network.id,
                device: signer.device_key().id(),
                leaf_nonce: 0,
                session: 0,
                sequence: action.amount,
                captured_at: self.harness.now() * 1_000,
                latitude: 520_000_000,
                longitude: 130_000_000,
                accuracy: 5,
                schema: 1,
                values: Values::new(&[value]).expect("value"),
            };
            Evidence {
                reading: signed(signer, reading),
                grant: None,
            }
        });
        let report = report_contradiction(
            &self.reporter(site),
            Contradiction::Equivocation,
            &signer.device_key(),
            &self.leaf(site, device),
            [&evidence[0], &evidence[1]],
            None,
            0,
        );
        self.send(&report.expect("signatures"), &[])
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
            let next = START + (self.epoch() as i64 + 1) * EPOCH;
            self.wait_until(action, next);
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

    fn propose(&mut self, site: usize, operator: usize, action: &Action) -> Outcome {
        let base = self.base;
        let at = &base.sites[site];
        let network = at.network.key;
        let emission: reward_emission::state::Emission =
            self.harness.read(&rewards::emission(&network));
        if emission.is_final(self.epoch() - 1) {
            self.wait_until(action, START + (self.epoch() as i64 + 1) * EPOCH);
        }
        if self.streams[site][operator].commitments.is_empty() {
            self.commit(site, operator, action)?;
        }
        let Some((committee, state)) = self.committee(&network)? else {
            return Ok(false);
        };
        let proposing = &base.operators[operator];
        let member = state.member(&proposing.pool).unwrap_or_default() as u8;

        let scores: Vec<u64> = (0..at.payees.len())
            .map(|place| (action.amount >> (8 * place)) % 10)
            .collect();
        let total = |kind: u8| -> u64 {
            let of = at.payees.iter().zip(&scores);
            of.filter(|(payee, _)| payee.kind == kind)
                .map(|(_, score)| *score)
                .sum()
        };
        let totals = [total(OWNER), total(OPERATOR)];
        let operators = BUDGET * u64::from(OPERATORS_BPS) / 10_000;
        let parts = [BUDGET - operators, operators];
        let before = self.finals[site].as_ref().map(|trees| trees.rows.clone());
        let mut rows: Vec<(u64, u64)> = at
            .payees
            .iter()
            .enumerate()
            .map(|(place, payee)| {
                let kind = usize::from(payee.kind);
                let earned = (parts[kind] * scores[place]).checked_div(totals[kind]);
                let had = before.as_ref().map_or(0, |rows| rows[place].1);
                (scores[place], had + earned.unwrap_or(0))
            })
            .collect();
        // Moves one unit from an owner to the other.
        let wrong = action.who.is_multiple_of(5) && rows[0].1 > 0;
        if wrong {
            rows[0].1 -= 1;
            rows[1].1 += 1;
        }
        let trees = Trees::new(&at.payees, rows);
        let (owners, operators) = rewards::halves(&trees.grants).expect("halves");
        let root = trees.scores.root();
        let args = ProposeRootArgs {
            epoch: self.epoch() - 1,
            ballot: self.ballot(),
            member,
            depth: trees.grants.depth() as u8,
            score_hash: root.hash,
            score_sum: root.sum,
            owners,
            operators,
            sequence: 0,
        };
        let stream = streams::stream(&network, &proposing.pool);
        let signer = &proposing.signer;
        let (payer, by) = (self.payer(), signer.pubkey());
        let propose = rewards::propose_root(&payer, &network, &committee, &stream, &by, args);
        let passed = self.send(&[propose], &[signer])?;
        if passed {
            self.drafts[site].push(Draft {
                key: rewards::proposal(&network, &stream, &args),
                trees,
                wrong: wrong.then_some(0),
            });
        }
        Ok(passed)
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
        let done = self.send(&[finalize], &[])?;
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
            destination: payee.destination,
        };
        let path = trees.grants.path(payee.kind, payee.index).expect("path");
        self.send(&[rewards::claim(accounts, cumulative, path)], &[])
    }
}

fn signed(signer: &fieldproof_client::key::DeviceSigner, reading: Reading) -> SignedReading {
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
    let message = vote.digest();
    precompile::ed25519(&[precompile::Entry {
        public_key: signer.pubkey().as_ref(),
        message: &message,
        signature: signer.sign_message(&message).as_array(),
    }])
    .expect("signature")
}
