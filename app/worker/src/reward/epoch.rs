//! An epoch's rewards, from what was committed up to its end and what is on the chain: whoever has the same gets the same.

use crate::committee::Refusal;
use crate::log::Session;
use crate::payload::{Payload, Rewards};
use crate::registry::Registry;
use crate::round::LOOKBACK;
use crate::score::{self, Committed, Demand, Granted, Payee, Said, Terms};
use crate::store::{Store, StoreError};
use crate::window::{self, Window};
use crate::worker::WorkerError;
use ai_feed::state::{Feed, Model};
use anchor_lang::prelude::Pubkey;
use commitment::{CommitmentLeaf, Tree};
use device_protocol::{Hash, Offence, SignedReading};
use device_registry::penalty::SLASHER;
use device_registry::state::Network;
use fieldproof_client::chain::Chain;
use fieldproof_client::{
    ai_feed as feeds, chain, credits, data_commitment as streams, security_pool as pools,
};
use inference::Header;
use reward_emission::state::{self, Budget, Emission, Epoch};
use security_pool::state::{Bond, Committee, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

/// What was burned for the credits that each feed was given in an epoch, by the feed's id, base units.
fn demand(
    chain: &dyn Chain,
    network: &Pubkey,
    epoch: u64,
) -> Result<BTreeMap<Hash, u64>, WorkerError> {
    chain::read_all_of::<state::Demand>(chain, offset_of!(state::Demand, network), network)?
        .into_iter()
        .filter(|(_, demand)| demand.epoch == epoch)
        .map(|(_, demand)| {
            let feed: Feed = chain::read(chain, &demand.feed)?;
            Ok((feed.id, demand.burned))
        })
        .collect()
}

/// Where the payload of a commitment of a pool comes from.
pub type Payloads<'a> = &'a dyn Fn(&Pubkey, &CommitmentLeaf) -> Result<Vec<u8>, Refusal>;

/// The commitments of a network. Anybody makes any number of them, so that only those are asked for which may count.
pub trait Commitments {
    /// When anything was committed to first from `time` on, in any stream, unix seconds.
    ///
    /// # Errors
    /// The database's.
    fn posted_from(&self, time: i64) -> Result<Option<i64>, StoreError>;

    /// What was committed to in a stream, in order.
    ///
    /// # Errors
    /// The database's.
    fn of(&self, stream: &Hash) -> Result<Vec<CommitmentLeaf>, StoreError>;
}

impl Commitments for Store {
    fn posted_from(&self, time: i64) -> Result<Option<i64>, StoreError> {
        Store::posted_from(self, time)
    }

    fn of(&self, stream: &Hash) -> Result<Vec<CommitmentLeaf>, StoreError> {
        self.seen_commitments(stream)
    }
}

/// What an epoch's rewards are computed from. With the same, everybody computes the same.
pub struct Sources<'a> {
    /// The chain, for what is on it now.
    pub chain: &'a dyn Chain,
    /// The network's address.
    pub network: Pubkey,
    /// The registered devices over time.
    pub registry: &'a Registry,
    /// The commitments of the network.
    pub commitments: &'a dyn Commitments,
    /// What was committed to.
    pub payload: Payloads<'a>,
}

/// A payload that could not be had, so that what it holds does not count.
pub struct Missing {
    /// The stream.
    pub stream: Pubkey,
    /// Number of the commitment.
    pub sequence: u64,
    /// Why.
    pub refusal: Refusal,
}

/// An epoch's rewards, as computed.
pub struct Computed {
    /// The leaves.
    pub rewards: Rewards,
    /// What the epoch grants at most, by what the chain says was burned in it.
    pub budget: Budget,
    /// What did not count.
    pub missing: Vec<Missing>,
    /// Owners of devices whose bond does not remember what it held when the epoch ended: taken as nothing.
    pub forgotten: Vec<Pubkey>,
}

/// Computes the rewards of `epoch` by the emission's terms, from what was committed up to its end and what is on the chain. `previous` are the amounts
/// that the epoch's adds to.
///
/// # Errors
/// [`WorkerError::Closed`], the chain's and the database's.
pub fn rewards(
    sources: Sources<'_>,
    emission: &Emission,
    epoch: u64,
    previous: &Granted,
) -> Result<Computed, WorkerError> {
    let Sources { chain, network, .. } = sources;
    let spent = chain::find::<Epoch>(chain, &credits::epoch(&network, epoch))?;
    let (burned, given) = spent.map_or((0, 0), |spent| (spent.burned, spent.given));
    let budget = emission.budget(epoch, burned)?;
    let feeds = demand(chain, &network, epoch)?;
    if given != feeds.values().sum::<u64>() {
        return Err(WorkerError::Closed);
    }
    let state: Network = chain::read(chain, &network)?;
    let end = state.epoch_start(epoch + 1);
    let History {
        windows,
        expected,
        missing,
    } = history(sources, &state, end)?;
    let bonds: Vec<(Pubkey, Bond)> =
        chain::read_all_of(chain, offset_of!(Bond, network), &network)?;
    let bonds: Vec<Bond> = bonds.into_iter().map(|(_, bond)| bond).collect();
    let owners: BTreeSet<Hash> = windows
        .iter()
        .filter(|window| window.epoch == epoch)
        .map(|window| window.owner)
        .collect();
    let forgotten = bonds
        .iter()
        .filter(|bond| !bond.remembers(epoch) && owners.contains(bond.owner.as_array()))
        .map(|bond| bond.owner)
        .collect();
    let bonds = bonds
        .iter()
        .map(|bond| (bond.owner.to_bytes(), bond.amount_at(epoch)))
        .collect();
    let terms = Terms {
        epoch,
        scoring: emission.scoring,
        expected,
        bonds,
        slashed: slashed(chain, &network, &state, &windows, end)?,
        demand: Demand {
            budget: budget.total()?,
            floor: emission.budget(epoch, 0)?.total()?,
            burned,
            feeds,
        },
    };
    let payees: Vec<(Pubkey, state::Payee)> =
        chain::read_all_of(chain, offset_of!(state::Payee, network), &network)?;
    let payees: Vec<Payee> = payees
        .into_iter()
        .filter(|(_, payee)| payee.registered_at < end)
        .map(|(_, payee)| Payee {
            kind: payee.kind,
            index: payee.index,
            key: payee.owner.to_bytes(),
        })
        .collect();
    let scores =
        score::scores(&windows, &terms, &payees).ok_or(WorkerError::State("scores do not fit"))?;
    let rewards = score::rewards(
        epoch,
        &scores,
        &payees,
        previous,
        budget.owners,
        budget.operators,
    )
    .ok_or(WorkerError::State("rewards do not fit"))?;
    Ok(Computed {
        rewards,
        budget,
        missing,
        forgotten,
    })
}

/// What the streams committed, as scores see it.
struct History {
    /// Every window.
    windows: Vec<Committed>,
    /// Readings that each feed expects of a device in an epoch.
    expected: BTreeMap<Hash, u64>,
    /// Payloads that could not be had.
    missing: Vec<Missing>,
}

/// The windows of all batches that were committed before `end` (unix seconds) and hold what the committee would sign:
/// by members of the committee of their epoch, with the committed root, for the round then or one of the three before, one batch a
/// stream, feed and round, of devices that were registered by then. Every operator that has the payloads gets the same.
fn history(sources: Sources<'_>, network: &Network, end: i64) -> Result<History, WorkerError> {
    let Sources {
        chain,
        network: key,
        registry,
        commitments,
        payload,
    } = sources;
    // Frozen ones too: what was committed for them before counts at whatever time it is scored.
    let mut feeds_by_id: BTreeMap<Hash, (Feed, Header)> = BTreeMap::new();
    for (_, feed) in chain::read_all_of::<Feed>(chain, offset_of!(Feed, network), &key)? {
        if [network.creator, network.authority].contains(&feed.creator) {
            let model: Model = chain::read(chain, &feeds::model(&feed.model))?;
            feeds_by_id.insert(feed.id, (feed, model.header()?));
        }
    }
    let mut batches_seen = BTreeSet::new();
    let expected = feeds_by_id
        .iter()
        .map(|(id, (feed, _))| (*id, score::expected(feed, network.epoch_length)))
        .collect();
    let mut history = History {
        windows: Vec::new(),
        expected,
        missing: Vec::new(),
    };
    let seated = seated(chain, &key, network, commitments, end)?;
    for (commitment, seated) in (0..).zip(seated) {
        let Seated {
            leaf,
            stream,
            pool,
            epoch,
        } = seated;
        let bytes = match payload(&pool, &leaf) {
            Ok(bytes) => bytes,
            Err(Refusal::Store(error)) => return Err(error.into()),
            Err(refusal) => {
                history.missing.push(Missing {
                    stream: stream.into(),
                    sequence: leaf.sequence,
                    refusal,
                });
                continue;
            }
        };
        let batches = match Payload::decode(&bytes) {
            Ok(Payload::Readings {
                network: of,
                stream: author,
                batches,
            }) if of == network.id && author == stream => batches,
            _ => continue,
        };
        // What was committed before a device changed hands earns for who had it then.
        let registry = registry.at(leaf.posted_at);
        let mut leaves = Vec::with_capacity(batches.len());
        let mut counted = Vec::new();
        for batch in &batches {
            let Some((feed, header)) = feeds_by_id.get(&batch.feed) else {
                break;
            };
            let Ok(sources) = window::sources(batch, header) else {
                break;
            };
            leaves.push(sources.leaf.hash());
            let current = window::round_of(leaf.posted_at.saturating_mul(1_000), feed);
            let timely = current.is_some_and(|current| {
                (current.saturating_sub(LOOKBACK)..=current).contains(&batch.round)
            });
            let good = window::check_batch(batch, feed, batch.round, &network.id, registry).is_ok();
            if timely && good && batches_seen.insert((stream, batch.feed, batch.round)) {
                counted.push(batch);
            }
        }
        // A payload that is not all of what was committed counts for nothing.
        let whole = leaves.len() == batches.len()
            && Tree::of_batches(&leaves).is_ok_and(|tree| tree.root() == leaf.root);
        if !whole {
            continue;
        }
        for batch in counted {
            for window in &batch.windows {
                let Some(device) = registry.device(&window.newest().reading.device) else {
                    continue;
                };
                history.windows.push(Committed {
                    commitment,
                    feed: batch.feed,
                    device: device.leaf.device,
                    readings: said(window),
                    epoch,
                    pool: pool.to_bytes(),
                    owner: device.leaf.owner,
                    maker: device.leaf.maker,
                    tier: device.leaf.tier,
                    cell: device.leaf.cell,
                    place: (device.tree_index, device.index),
                    bond: network.parameters.bond_of(device.leaf.tier)?,
                });
            }
        }
    }
    Ok(history)
}

/// A commitment of a member of the committee of its epoch.
struct Seated {
    leaf: CommitmentLeaf,
    stream: Hash,
    pool: Pubkey,
    epoch: u64,
}

/// The commitments before `end` (unix seconds) of those who had a seat in the epoch in which they were posted, in the order in
/// which they count. Of anybody else's, from whatever time, nothing is read.
fn seated(
    chain: &dyn Chain,
    key: &Pubkey,
    network: &Network,
    commitments: &dyn Commitments,
    end: i64,
) -> Result<Vec<Seated>, WorkerError> {
    let mut epochs = Vec::new();
    let mut from = network.genesis;
    while let Some(time) = commitments.posted_from(from)?.filter(|time| *time < end) {
        let epoch = network.epoch(time)?;
        epochs.push(epoch);
        from = network.epoch_start(epoch + 1);
    }
    let keys: Vec<Pubkey> = epochs
        .iter()
        .map(|epoch| pools::committee(key, *epoch))
        .collect();
    let committees = chain::find_each::<Committee>(chain, &keys)?.into_iter();
    let mut seats: BTreeMap<Pubkey, BTreeSet<u64>> = BTreeMap::new();
    for (epoch, committee) in epochs.into_iter().zip(committees) {
        for member in committee.iter().flat_map(Committee::members) {
            seats.entry(member.pool).or_default().insert(epoch);
        }
    }
    let mut seated = Vec::new();
    for (pool, epochs) in seats {
        let stream = streams::stream(key, &pool).to_bytes();
        for leaf in commitments.of(&stream)? {
            let epoch = network.epoch(leaf.posted_at).ok();
            let epoch = epoch.filter(|epoch| leaf.posted_at < end && epochs.contains(epoch));
            if let Some(epoch) = epoch {
                seated.push(Seated {
                    leaf,
                    stream,
                    pool,
                    epoch,
                });
            }
        }
    }
    seated.sort_by_key(|Seated { leaf, stream, .. }| (leaf.posted_at, *stream, leaf.sequence));
    Ok(seated)
}

/// A window's readings, as scores see them.
fn said(window: &Window) -> Vec<Said> {
    let grants: BTreeMap<u32, Hash> = window
        .grants
        .iter()
        .map(|signed| (signed.grant.counter, signed.grant.digest()))
        .collect();
    window
        .readings
        .iter()
        .map(|SignedReading { reading, .. }| Said {
            session: Session::of(reading),
            sequence: reading.sequence,
            captured_at: reading.captured_at,
            digest: reading.digest(),
            grant: grants.get(&reading.session).copied().unwrap_or_default(),
        })
        .collect()
}

/// The pools that were slashed in the network before `end` (unix seconds), and those devices of `windows` for whose
/// contradiction a bond was, by epoch: what the security-pool's reports say, which are never closed.
fn slashed(
    chain: &dyn Chain,
    key: &Pubkey,
    network: &Network,
    windows: &[Committed],
    end: i64,
) -> Result<BTreeMap<Hash, BTreeSet<u64>>, WorkerError> {
    let mut slashed: BTreeMap<Hash, BTreeSet<u64>> = BTreeMap::new();
    let mut offences: BTreeMap<Hash, u64> = BTreeMap::new();
    for (_, report) in chain::read_all_of::<Report>(chain, offset_of!(Report, network), key)? {
        if report.reported_at >= end {
            continue;
        }
        let epoch = network.epoch(report.reported_at)?;
        if report.is_of_pool(key, &report.source) {
            slashed
                .entry(report.source.to_bytes())
                .or_default()
                .insert(epoch);
        } else if report.slasher == SLASHER.0 {
            offences.insert(report.offence, epoch);
        }
    }
    let owned: BTreeSet<_> = windows
        .iter()
        .flat_map(|window| {
            let nonces = window.readings.iter().map(|said| said.session.leaf_nonce);
            nonces.map(|nonce| (&window.device, window.place, nonce))
        })
        .collect();
    for (device, (tree, index), leaf_nonce) in owned {
        let offence = Offence::Contradiction {
            device,
            tree,
            index,
            leaf_nonce,
        };
        if let Some(epoch) = offences.get(&offence.id(&network.id)) {
            slashed.entry(*device).or_default().insert(*epoch);
        }
    }
    Ok(slashed)
}
