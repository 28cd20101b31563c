//! The registered devices, as the chain's own events tell.

use crate::store::{Store, StoreError};
use device_protocol::{DeviceKey, Hash, RegistryLeaf, Status};
use device_registry::events::DeviceRegistered;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

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

/// The devices of one network, by id. Clones share one map.
#[derive(Clone, Default)]
pub struct Registry {
    devices: Arc<RwLock<HashMap<Hash, Arc<Device>>>>,
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

    /// The device with this id.
    pub fn device(&self, id: &Hash) -> Option<Arc<Device>> {
        self.devices
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Every device, in no order.
    pub fn all(&self) -> Vec<Arc<Device>> {
        self.devices
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The record of a registered device that is not known yet. A second leaf for one device is a case for a report; the
    /// first stands.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the event holds no valid key or status.
    pub fn unknown(&self, event: &DeviceRegistered) -> Result<Option<(Hash, Record)>, StoreError> {
        let record = Record::from(event);
        let id = Device::try_from(record.clone())?.leaf.device;
        Ok(self.device(&id).is_none().then_some((id, record)))
    }

    /// Adds a device that is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the record holds no valid key or status.
    pub fn insert(&self, record: Record) -> Result<(), StoreError> {
        let device = Device::try_from(record)?;
        self.devices
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(device.leaf.device, Arc::new(device));
        Ok(())
    }
}

/// A registration as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    curve: u8,
    key: Vec<u8>,
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
    tree_index: u16,
    index: u32,
}

impl From<&DeviceRegistered> for Record {
    fn from(event: &DeviceRegistered) -> Self {
        Self {
            curve: event.curve,
            key: event.key.to_vec(),
            device: event.device,
            owner: event.owner.to_bytes(),
            maker: event.maker.to_bytes(),
            tier: event.tier,
            status: event.status,
            cell: event.cell,
            registered_slot: event.registered_slot,
            previous_owner: event.previous_owner.to_bytes(),
            owner_changed_at: event.owner_changed_at,
            nonce: event.nonce,
            tree_index: event.tree_index,
            index: event.index,
        }
    }
}

impl TryFrom<Record> for Device {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        let damaged = StoreError::Damaged("device");
        let Ok(bytes) = <[u8; 33]>::try_from(record.key) else {
            return Err(damaged);
        };
        let Ok(key) = DeviceKey::from_parts(record.curve, bytes) else {
            return Err(damaged);
        };
        let Ok(status) = Status::try_from(record.status) else {
            return Err(damaged);
        };
        Ok(Self {
            key,
            leaf: RegistryLeaf {
                device: record.device,
                owner: record.owner,
                maker: record.maker,
                tier: record.tier,
                status,
                cell: record.cell,
                registered_slot: record.registered_slot,
                previous_owner: record.previous_owner,
                owner_changed_at: record.owner_changed_at,
                nonce: record.nonce,
            },
            tree_index: record.tree_index,
            index: record.index,
        })
    }
}
