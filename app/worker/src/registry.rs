//! The registered devices over time, as the chain's own events tell.

use crate::store::{Store, StoreError};
use device_protocol::{DeviceKey, Hash, RegistryLeaf, Status};
use fieldproof_client::device_registry::RegistryEvent;
use fieldproof_client::registry_tree::precedence;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// A registered device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its hardware key.
    pub key: DeviceKey,
    /// Its leaf.
    pub leaf: RegistryLeaf,
    /// The number of its registry tree in the network.
    pub tree_index: u16,
    /// Its leaf's index in that tree.
    pub index: u32,
}

impl Device {
    fn place(&self) -> (u16, u32) {
        (self.tree_index, self.index)
    }

    fn precedence(&self) -> (u8, u64, u16, u32) {
        precedence(&self.leaf, self.tree_index, self.index)
    }
}

/// A device from some time on.
struct Version {
    /// Unix seconds.
    since: i64,
    /// The number of the change in its tree.
    sequence: u64,
    device: Arc<Device>,
}

/// A leaf of a device over time.
struct History {
    /// The leaf's tree and index.
    place: (u16, u32),
    /// From old to new: times and numbers both rise.
    versions: Vec<Version>,
}

impl History {
    fn new(place: (u16, u32)) -> Self {
        Self {
            place,
            versions: Vec::with_capacity(1),
        }
    }

    /// Adds a version in its place. Of one second's only the last ever counts, so it takes the place of those before: an
    /// owner can change a leaf any number of times in it.
    fn add(&mut self, version: Version) {
        let known = &self.versions;
        let later = known.partition_point(|known| known.since <= version.since);
        if known[..later]
            .last()
            .is_some_and(|known| known.sequence >= version.sequence)
        {
            return;
        }
        let start = known.partition_point(|known| known.since < version.since);
        let end = known.partition_point(|known| known.sequence < version.sequence);
        self.versions.splice(start..end, [version]);
    }

    /// The leaf as it stood at `time`.
    fn at(&self, time: i64) -> Option<&Arc<Device>> {
        let later = self
            .versions
            .partition_point(|version| version.since <= time);
        self.versions[..later].last().map(|version| &version.device)
    }
}

/// The devices of one network, by id. Clones share one map.
#[derive(Clone, Default)]
pub struct Registry {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    /// All leaves of a device.
    devices: HashMap<Hash, Vec<History>>,
    /// The number of the last change of each tree that is in them.
    sequences: BTreeMap<u16, u64>,
}

/// The devices as they were at some time.
#[derive(Clone, Copy)]
pub struct RegistryAt<'a> {
    registry: &'a Registry,
    time: i64,
}

impl RegistryAt<'_> {
    /// The device with this id.
    pub fn device(&self, id: &Hash) -> Option<Arc<Device>> {
        self.registry.device_at(id, self.time)
    }
}

impl Registry {
    /// The devices that `store` remembers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        let registry = Self::default();
        for record in store.devices::<Record>()? {
            registry.insert(record?)?;
        }
        Ok(registry)
    }

    /// The device with this id, as it stands now.
    pub fn device(&self, id: &Hash) -> Option<Arc<Device>> {
        self.device_at(id, i64::MAX)
    }

    /// Every leaf of a device as it stands now, that which counts first; void ones too.
    pub fn leaves(&self, id: &Hash) -> Vec<Arc<Device>> {
        let known = self.known();
        let histories = known.devices.get(id).into_iter().flatten();
        let leaves = histories.filter_map(|history| history.at(i64::MAX));
        let mut leaves: Vec<_> = leaves.cloned().collect();
        leaves.sort_by_key(|device| device.precedence());
        leaves
    }

    /// The leaves of a tree at the indices of `range`, by index, and the number of the tree's last change, as they stand now.
    /// Looks at every device.
    pub fn range(&self, tree_index: u16, range: &Range<u32>) -> (BTreeMap<u32, RegistryLeaf>, u64) {
        let known = self.known();
        let leaves = known
            .devices
            .values()
            .flatten()
            .filter_map(|history| history.at(i64::MAX))
            .filter(|device| device.tree_index == tree_index && range.contains(&device.index))
            .map(|device| (device.index, device.leaf))
            .collect();
        let sequence = known.sequences.get(&tree_index).copied();
        (leaves, sequence.unwrap_or_default())
    }

    /// How many devices there are.
    pub fn count(&self) -> usize {
        self.known().devices.len()
    }

    /// The device with this id, as it stood at `time` (unix seconds).
    pub fn device_at(&self, id: &Hash, time: i64) -> Option<Arc<Device>> {
        standing(self.known().devices.get(id)?, time).cloned()
    }

    /// The devices as they stood at `time` (unix seconds).
    pub fn at(&self, time: i64) -> RegistryAt<'_> {
        RegistryAt {
            registry: self,
            time,
        }
    }

    /// Every device as it stands now, in no order.
    pub fn all(&self) -> Vec<Arc<Device>> {
        self.known()
            .devices
            .values()
            .filter_map(|histories| standing(histories, i64::MAX).cloned())
            .collect()
    }

    /// What a transaction's events of this network say, as records to store and then to insert.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when an event holds no valid key, status or place, or changes a leaf that no event made.
    pub fn records(&self, events: &[RegistryEvent]) -> Result<Vec<Record>, StoreError> {
        let damaged = || StoreError::Damaged("device");
        let mut records: Vec<Record> = Vec::new();
        for event in events {
            let leaves = event.leaves().ok_or_else(damaged)?;
            let (keys, since): (Vec<DeviceKey>, i64) = match event {
                RegistryEvent::Registered(event) => {
                    let key = DeviceKey::from_parts(event.curve, event.key);
                    (vec![key.map_err(|_| damaged())?], event.owner_changed_at)
                }
                RegistryEvent::Batch(event) => {
                    let devices = event.devices().map_err(|_| damaged())?;
                    let keys = devices.into_iter().map(|(key, _)| key).collect();
                    (keys, event.owner_changed_at)
                }
                RegistryEvent::Changed(event) => {
                    // Its key may stand in an event just before.
                    let made = records
                        .iter()
                        .find(|record| record.leaf.device == event.leaf.device)
                        .map(Record::key)
                        .transpose()?;
                    let known = || self.device(&event.leaf.device).map(|device| device.key);
                    (
                        vec![made.or_else(known).ok_or_else(damaged)?],
                        event.changed_at,
                    )
                }
            };
            for (offset, (key, leaf)) in (0..).zip(keys.into_iter().zip(leaves)) {
                records.push(Record {
                    curve: key.curve as u8,
                    key: key.bytes.to_vec(),
                    leaf: leaf.into(),
                    since,
                    sequence: event
                        .sequence()
                        .checked_add(offset.into())
                        .ok_or_else(damaged)?,
                    tree_index: event.tree_index(),
                    index: event.index().checked_add(offset).ok_or_else(damaged)?,
                });
            }
        }
        Ok(records)
    }

    /// Adds a version of a device that is on the disk, in its place: told once more, an old one does not pass for the newest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the record holds no valid key or status.
    pub fn insert(&self, record: Record) -> Result<(), StoreError> {
        let (since, sequence) = (record.since, record.sequence);
        let device = Arc::new(Device::try_from(record)?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { devices, sequences } = &mut *known;
        let last = sequences.entry(device.tree_index).or_default();
        *last = sequence.max(*last);
        let histories = devices
            .entry(device.leaf.device)
            .or_insert_with(|| Vec::with_capacity(1));
        let place = device.place();
        let version = Version {
            since,
            sequence,
            device,
        };
        match histories.iter_mut().find(|history| history.place == place) {
            Some(history) => history.add(version),
            None => {
                let mut history = History::new(place);
                history.add(version);
                histories.push(history);
            }
        }
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one of a device's leaves that counts at `time`, as it stood then.
fn standing(histories: &[History], time: i64) -> Option<&Arc<Device>> {
    let leaves = histories.iter().filter_map(|history| history.at(time));
    leaves.min_by_key(|device| device.precedence())
}

/// A leaf after one of its changes, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    curve: u8,
    key: Vec<u8>,
    #[serde(flatten)]
    leaf: Leaf,
    since: i64,
    sequence: u64,
    tree_index: u16,
    index: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Leaf {
    device: Hash,
    owner: Hash,
    maker: Hash,
    tier: u8,
    status: u8,
    cell: u64,
    registered_slot: u64,
    previous_owner: Hash,
    owner_changed_at: i64,
    nonce: u32,
}

impl Record {
    /// What it is stored by: the tree and its sequence number, so that each change is there once and in order.
    pub fn id(&self) -> [u8; 10] {
        let mut id = [0; 10];
        id[..2].copy_from_slice(&self.tree_index.to_be_bytes());
        id[2..].copy_from_slice(&self.sequence.to_be_bytes());
        id
    }

    fn key(&self) -> Result<DeviceKey, StoreError> {
        <[u8; 33]>::try_from(self.key.as_slice())
            .ok()
            .and_then(|bytes| DeviceKey::from_parts(self.curve, bytes).ok())
            .ok_or(StoreError::Damaged("device"))
    }
}

impl From<RegistryLeaf> for Leaf {
    fn from(leaf: RegistryLeaf) -> Self {
        Self {
            device: leaf.device,
            owner: leaf.owner,
            maker: leaf.maker,
            tier: leaf.tier,
            status: leaf.status as u8,
            cell: leaf.cell,
            registered_slot: leaf.registered_slot,
            previous_owner: leaf.previous_owner,
            owner_changed_at: leaf.owner_changed_at,
            nonce: leaf.nonce,
        }
    }
}

impl TryFrom<Record> for Device {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        let key = record.key()?;
        let leaf = record.leaf;
        Ok(Self {
            key,
            leaf: RegistryLeaf {
                device: leaf.device,
                owner: leaf.owner,
                maker: leaf.maker,
                tier: leaf.tier,
                status: Status::try_from(leaf.status).map_err(|_| StoreError::Damaged("device"))?,
                cell: leaf.cell,
                registered_slot: leaf.registered_slot,
                previous_owner: leaf.previous_owner,
                owner_changed_at: leaf.owner_changed_at,
                nonce: leaf.nonce,
            },
            tree_index: record.tree_index,
            index: record.index,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use device_protocol::Curve;
    use fieldproof_client::key::DeviceSigner;
    use proptest::prelude::*;

    /// Change `sequence` of one leaf, which has that nonce from then on.
    fn change(sequence: u64, since: i64) -> Record {
        let signer = DeviceSigner::from_seed(Curve::Ed25519, &[7; 32]).expect("key");
        let key = signer.device_key();
        Record {
            curve: key.curve as u8,
            key: key.bytes.to_vec(),
            leaf: Leaf {
                device: key.id(),
                owner: [1; 32],
                maker: [2; 32],
                tier: 0,
                status: Status::Proven as u8,
                cell: 0,
                registered_slot: 0,
                previous_owner: [0; 32],
                owner_changed_at: 0,
                nonce: sequence as u32,
            },
            since,
            sequence,
            tree_index: 0,
            index: 0,
        }
    }

    /// An owner can change a leaf some thirty times in a transaction, for what each change costs.
    #[test]
    fn holds_one_version_of_a_leaf_a_second_however_often_it_changes() {
        let registry = Registry::default();
        let id = change(0, 0).leaf.device;
        for sequence in 0..9_000 {
            let since = (sequence / 3_000) as i64;
            registry.insert(change(sequence, since)).expect("record");
        }
        let nonce = |time| {
            registry
                .device_at(&id, time)
                .map(|device| device.leaf.nonce)
        };
        let nonces = [-1, 0, 1, 2, i64::MAX].map(nonce);
        assert_eq!(
            nonces,
            [None, Some(2_999), Some(5_999), Some(8_999), Some(8_999)]
        );
        let held = registry.known().devices[&id][0].versions.len();
        assert_eq!(held, 3);
        assert_eq!(registry.range(0, &(0..1)).1, 8_999);
    }

    proptest! {
        /// At each time the last change by then counts, in whatever order changes are told, and however often.
        #[test]
        fn has_the_last_change_by_each_time(
            mut changes in prop::collection::vec(0..9i64, 1..12)
                .prop_map(|times| (0..).zip(times).collect::<Vec<(u64, i64)>>())
                .prop_shuffle(),
            again in any::<prop::sample::Index>(),
        ) {
            changes.push(changes[again.index(changes.len())]);
            let registry = Registry::default();
            for (sequence, since) in &changes {
                registry.insert(change(*sequence, *since)).expect("record");
            }
            let id = change(0, 0).leaf.device;
            for time in -1..10 {
                let by_then = changes.iter().filter(|(_, since)| *since <= time);
                let last = by_then.map(|(sequence, _)| *sequence as u32).max();
                let device = registry.device_at(&id, time);
                prop_assert_eq!(device.map(|device| device.leaf.nonce), last);
            }
        }
    }
}
