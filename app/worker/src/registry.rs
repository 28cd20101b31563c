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

impl Version {
    /// Its place among the versions of a device.
    fn order(&self) -> (u16, u64) {
        (self.device.tree_index, self.sequence)
    }
}

/// The devices of one network, by id. Clones share one map.
#[derive(Clone, Default)]
pub struct Registry {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    /// All versions of all leaves of a device, each leaf's from old to new.
    devices: HashMap<Hash, Vec<Version>>,
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
            registry.insert(record)?;
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
        let versions = known.devices.get(id).map(Vec::as_slice);
        let versions = versions.unwrap_or_default();
        let mut leaves: Vec<_> = at(versions, i64::MAX).into_iter().cloned().collect();
        leaves.sort_by_key(|device| device.precedence());
        leaves
    }

    /// The leaves of a tree at the indices of `range`, by index, and the number of the tree's last change, as they stand now.
    /// Looks at every device.
    pub fn range(&self, tree_index: u16, range: &Range<u32>) -> (BTreeMap<u32, RegistryLeaf>, u64) {
        let known = self.known();
        // A leaf's versions are in order, so the last one stays.
        let leaves = known
            .devices
            .values()
            .flatten()
            .map(|version| &version.device)
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
            .filter_map(|versions| standing(versions, i64::MAX).cloned())
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
        let versions = devices
            .entry(device.leaf.device)
            .or_insert_with(|| Vec::with_capacity(1));
        let version = Version {
            since,
            sequence,
            device,
        };
        if let Err(place) = versions.binary_search_by_key(&version.order(), Version::order) {
            versions.insert(place, version);
        }
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one of a device's leaves that counts at `time`, as it stood then.
fn standing(versions: &[Version], time: i64) -> Option<&Arc<Device>> {
    // Most devices have one leaf that never changed, and every reading asks.
    if let [only] = versions {
        return (only.since <= time).then_some(&only.device);
    }
    at(versions, time)
        .into_iter()
        .min_by_key(|device| device.precedence())
}

/// Each of a device's leaves as it stood at `time`.
fn at(versions: &[Version], time: i64) -> Vec<&Arc<Device>> {
    let mut leaves: Vec<&Arc<Device>> = Vec::with_capacity(1);
    for version in versions.iter().filter(|version| version.since <= time) {
        let device = &version.device;
        match leaves
            .iter_mut()
            .find(|leaf| leaf.place() == device.place())
        {
            Some(leaf) => *leaf = device,
            None => leaves.push(device),
        }
    }
    leaves
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
