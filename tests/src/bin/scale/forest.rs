//! Ten million devices off the chain, for real: the program's own tree and the client's copy of it from events.

use crate::measure::{Kind, SHAPE};
use crate::DEVICES;
use anchor_lang::prelude::Pubkey;
use anyhow::{ensure, Context, Result};
use bytemuck::Zeroable;
use device_protocol::{Curve, DeviceKey, RegistryLeaf, Status};
use device_registry::events::{DeviceRegistered, DevicesRegistered};
use device_registry::state::tree::{self, Changed, Tree};
use fieldproof_client::device_registry::{largest_batch, RegistryEvent};
use fieldproof_client::registry_tree::RegistryTree;
use fieldproof_worker::registry::Registry;
use light_hasher::{Hasher, Sha256};
use serde::Serialize;
use std::fs;
use std::time::Instant;

/// How many leaves are proven against the program's tree.
const PROOFS: u64 = 1_000;
/// Leaves that the program's tree takes at a time where devices are registered one by one, to save hashing on the side
/// that is only there to compare with.
const CHUNK: u64 = 250;

/// The trees of one way in.
#[derive(Debug, Serialize)]
pub struct Forest {
    /// Which way.
    pub kind: Kind,
    /// How many devices.
    pub devices: u64,
    /// How many proofs the program's code accepted.
    pub proofs: u64,
    /// Seconds that the client took to take the events in and to compute every node.
    pub client_seconds: f64,
    /// Seconds of everything, the events and the program's tree included.
    pub seconds: f64,
    /// Memory of the process with the trees in it, in bytes.
    pub resident: u64,
    /// The most that it ever was up to then.
    pub peak: u64,
}

/// A worker's registry of one way in: every device by its id, with its leaf over time.
#[derive(Debug, Serialize)]
pub struct Following {
    /// Which way.
    pub kind: Kind,
    /// How many devices.
    pub devices: u64,
    /// Seconds that the worker took to take the events in, its disk left out.
    pub seconds: f64,
    /// Memory of the process with the registry in it, in bytes.
    pub resident: u64,
}

/// Builds and checks the trees of both ways in, one after the other.
pub fn run() -> Result<Vec<Forest>> {
    [Kind::Batch, Kind::Proven].into_iter().map(build).collect()
}

/// Has a worker take in the devices of both ways in, one after the other.
pub fn follow() -> Result<Vec<Following>> {
    [Kind::Batch, Kind::Proven]
        .into_iter()
        .map(follow_one)
        .collect()
}

fn follow_one(kind: Kind) -> Result<Following> {
    let mut chain = ChainTree::new()?;
    let registry = Registry::default();
    let (mut devices, mut seconds) = (0, 0.0);
    while devices < DEVICES {
        let events = chain.register(kind, devices)?;
        let taking = Instant::now();
        let records = registry.records(&events)?;
        devices += records.len() as u64;
        for record in records {
            registry.insert(record)?;
        }
        seconds += taking.elapsed().as_secs_f64();
    }
    Ok(Following {
        kind,
        devices,
        seconds,
        resident: memory("VmRSS:")?,
    })
}

fn build(kind: Kind) -> Result<Forest> {
    let start = Instant::now();
    let mut client = 0.0;
    let mut chain = ChainTree::new()?;
    let mut follower = RegistryTree::new(SHAPE.0, SHAPE.1);
    let mut devices = 0;
    while devices < DEVICES {
        let events = chain.register(kind, devices)?;
        let taking = Instant::now();
        for event in events {
            follower.apply(event)?;
        }
        client += taking.elapsed().as_secs_f64();
        devices = follower.leaves().len() as u64;
    }
    let computing = Instant::now();
    let root = follower.root()?;
    client += computing.elapsed().as_secs_f64();
    let standing = tree::standing(chain.data())?;
    ensure!(
        (standing.root, standing.leaves, standing.sequence) == (root, DEVICES, follower.sequence()),
        "the trees differ"
    );
    for number in 0..PROOFS {
        // Anywhere in the tree, and the same in every run.
        let draw = Sha256::hash(&number.to_le_bytes())?;
        let index = u64::from_le_bytes(*draw.first_chunk().context("hash")?) % DEVICES;
        let index = u32::try_from(index)?;
        let place = follower.place(index)?;
        let leaf = follower.leaves()[index as usize].hash();
        tree::verify(chain.data(), &place, &leaf)?;
        let another = follower.leaves()[(index as usize + 1) % DEVICES as usize].hash();
        ensure!(
            tree::verify(chain.data(), &place, &another).is_err(),
            "a wrong leaf was accepted"
        );
    }
    Ok(Forest {
        kind,
        devices,
        proofs: PROOFS,
        client_seconds: client,
        seconds: start.elapsed().as_secs_f64(),
        resident: memory("VmRSS:")?,
        peak: memory("VmHWM:")?,
    })
}

/// Bytes that the kernel says this process has in memory.
fn memory(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .with_context(|| format!("no {field} in /proc/self/status"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes << 10)
}

/// The bytes of a tree's account, which the program's own code changes, and the events that it would emit.
struct ChainTree {
    /// 8-aligned, as account data are.
    words: Vec<u64>,
}

impl ChainTree {
    fn new() -> Result<Self> {
        let words = vec![0; tree::size(SHAPE.0, SHAPE.1) / 8];
        let mut new = Self { words };
        let header = Tree {
            version: 1,
            depth: SHAPE.0,
            canopy: SHAPE.1,
            ..Tree::zeroed()
        };
        let data: &mut [u8] = bytemuck::cast_slice_mut(&mut new.words);
        data[8..tree::NODES].copy_from_slice(bytemuck::bytes_of(&header));
        tree::initialize(data)?;
        Ok(new)
    }

    fn data(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }

    fn append(&mut self, leaves: &[RegistryLeaf]) -> Result<Changed> {
        let hashes: Vec<_> = leaves.iter().map(RegistryLeaf::hash).collect();
        let hashes: Vec<_> = hashes.iter().collect();
        Ok(tree::append(
            bytemuck::cast_slice_mut(&mut self.words),
            &hashes,
        )?)
    }

    /// The next devices, and what the program would tell of them.
    fn register(&mut self, kind: Kind, first: u64) -> Result<Vec<RegistryEvent>> {
        let left = DEVICES - first;
        match kind {
            Kind::Batch => {
                let count = (largest_batch(Curve::P256) as u64).min(left);
                Ok(vec![self.register_batch(first, count)?])
            }
            Kind::Proven => self.register_each(first, CHUNK.min(left)),
        }
    }

    fn register_batch(&mut self, first: u64, count: u64) -> Result<RegistryEvent> {
        let maker = Pubkey::new_from_array([2; 32]);
        let mut event = DevicesRegistered {
            network: Pubkey::default(),
            tree: Pubkey::default(),
            tree_index: 0,
            index: 0,
            sequence: 0,
            maker,
            tier: 1,
            cell: 0,
            registered_slot: first,
            owner_changed_at: 0,
            batch: first,
            manifest_hash: [0; 32],
            root: [0; 32],
            curve: Curve::P256 as u8,
            keys: Vec::new(),
        };
        for number in first..first + count {
            event.keys.extend_from_slice(key(number)?.as_bytes());
        }
        let devices = event.devices()?;
        let leaves: Vec<_> = devices.into_iter().map(|(_, leaf)| leaf).collect();
        let changed = self.append(&leaves)?;
        event.index = changed.index;
        event.sequence = changed.sequence;
        event.root = changed.root;
        Ok(RegistryEvent::Batch(Box::new(event)))
    }

    fn register_each(&mut self, first: u64, count: u64) -> Result<Vec<RegistryEvent>> {
        let keys = (first..first + count)
            .map(key)
            .collect::<Result<Vec<_>>>()?;
        let leaves: Vec<_> = keys
            .iter()
            .map(|key| RegistryLeaf {
                device: key.id(),
                // Each its own owner, which compresses least.
                owner: key.id(),
                maker: [2; 32],
                tier: 1,
                status: Status::Proven,
                cell: 0,
                registered_slot: first,
                previous_owner: [0; 32],
                owner_changed_at: 0,
                nonce: 0,
            })
            .collect();
        let changed = self.append(&leaves)?;
        let events = (0..).zip(keys.iter().zip(&leaves));
        Ok(events
            .map(|(offset, (key, leaf))| {
                RegistryEvent::Registered(Box::new(DeviceRegistered {
                    network: Pubkey::default(),
                    tree: Pubkey::default(),
                    tree_index: 0,
                    index: changed.index + offset,
                    device: leaf.device,
                    owner: Pubkey::new_from_array(leaf.owner),
                    maker: Pubkey::new_from_array(leaf.maker),
                    tier: leaf.tier,
                    status: leaf.status as u8,
                    cell: leaf.cell,
                    registered_slot: leaf.registered_slot,
                    previous_owner: Pubkey::new_from_array(leaf.previous_owner),
                    owner_changed_at: leaf.owner_changed_at,
                    nonce: leaf.nonce,
                    curve: key.curve as u8,
                    key: key.bytes,
                    number: first + u64::from(offset),
                    serial_hash: [0; 32],
                    sequence: changed.sequence + u64::from(offset),
                    // Right for the last of them, and only the newest root is ever compared.
                    root: changed.root,
                }))
            })
            .collect())
    }
}

/// The key of a number: in form only, since no signature is verified here.
fn key(number: u64) -> Result<DeviceKey> {
    let mut bytes = [2; 33];
    bytes[1..].copy_from_slice(&Sha256::hash(&number.to_be_bytes())?);
    DeviceKey::p256(bytes).context("key")
}
