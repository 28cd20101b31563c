//! A registry tree as the chain's own events tell it: every leaf, and a proof of each.

use crate::chain::{self, Chain, Cursor};
use crate::device_registry::{registry_events, RegistryEvent};
use crate::ClientError;
use anchor_lang::prelude::Pubkey;
use device_protocol::{Hash, RegistryLeaf, Status};
use device_registry::state::{LeafPlace, Tree};
use solana_sha256_hasher::hashv;
use std::collections::BTreeMap;

/// Every leaf of a tree with all nodes over them: about 230 bytes a leaf.
///
/// Events may come in any order and more than once. What comes too early waits for what is missing, so the tree is always
/// one that the chain had.
pub struct RegistryTree {
    levels: usize,
    sequence: u64,
    leaves: Vec<RegistryLeaf>,
    /// By height; the leaves' hashes first, the root last. Only nodes over leaves that are there.
    nodes: Vec<Vec<Hash>>,
    /// By height, the node over absent leaves.
    absent: Vec<Hash>,
    /// Leaves that changed since the nodes over them were last computed.
    stale: Vec<u32>,
    /// Events to come after some that are missing, by their first sequence number.
    waiting: BTreeMap<u64, RegistryEvent>,
    /// The root as the last applied event tells it.
    told: Option<Hash>,
}

/// Why events make no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// An event is none of this tree at this point.
    #[error("the event with sequence number {0} does not follow from the ones before: start again from the tree's first transaction")]
    Contradiction(u64),
    /// The leaves don't give the root that the last event tells.
    #[error("the leaves up to sequence number {0} don't give the root of its event: start again from the tree's first transaction")]
    WrongRoot(u64),
    /// No leaf stands at this index.
    #[error("the tree has no leaf {0}")]
    NoLeaf(u32),
}

impl RegistryTree {
    /// An empty tree of this shape, in levels; only the levels below the canopy are part of proofs.
    pub fn new(depth: u8, canopy: u8) -> Self {
        let mut absent = vec![[0; 32]];
        for height in 0..usize::from(depth) {
            let below: Hash = absent[height];
            absent.push(hashv(&[&below, &below]).to_bytes());
        }
        Self {
            levels: usize::from(depth.saturating_sub(canopy)),
            sequence: 0,
            leaves: Vec::new(),
            nodes: vec![Vec::new(); usize::from(depth) + 1],
            absent,
            stale: Vec::new(),
            waiting: BTreeMap::new(),
            told: None,
        }
    }

    /// Takes an event of this tree in.
    ///
    /// # Errors
    /// [`TreeError::Contradiction`]; the tree then stands before the event that contradicts.
    pub fn apply(&mut self, event: RegistryEvent) -> Result<(), TreeError> {
        if event.sequence() <= self.sequence {
            return Ok(());
        }
        self.waiting.insert(event.sequence(), event);
        while let Some(event) = self.waiting.remove(&(self.sequence + 1)) {
            self.apply_next(&event)?;
        }
        Ok(())
    }

    fn apply_next(&mut self, event: &RegistryEvent) -> Result<(), TreeError> {
        let contradiction = TreeError::Contradiction(event.sequence());
        let leaves = event.leaves().ok_or(contradiction)?;
        let (first, end) = (event.index() as usize, self.leaves.len());
        match event {
            RegistryEvent::Changed(_) if first < end => {}
            RegistryEvent::Registered(_) | RegistryEvent::Batch(_)
                if first == end && end + leaves.len() <= self.capacity() => {}
            _ => return Err(contradiction),
        }
        self.sequence += leaves.len() as u64;
        for (index, leaf) in (event.index()..).zip(leaves) {
            self.stale.push(index);
            let hash = leaf.hash();
            let hashes = &mut self.nodes[0];
            match self.leaves.get_mut(index as usize) {
                Some(place) => {
                    *place = leaf;
                    hashes[index as usize] = hash;
                }
                None => {
                    self.leaves.push(leaf);
                    hashes.push(hash);
                }
            }
        }
        self.told = Some(event.root());
        Ok(())
    }

    /// How many leaves the tree holds at most.
    fn capacity(&self) -> usize {
        1 << (self.nodes.len() - 1)
    }

    /// Changes of leaves so far, each appended leaf counted.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether an event is missing that others came after.
    pub fn has_gap(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Every leaf, by its index.
    pub fn leaves(&self) -> &[RegistryLeaf] {
        &self.leaves
    }

    /// The root.
    ///
    /// # Errors
    /// [`TreeError::WrongRoot`].
    pub fn root(&mut self) -> Result<Hash, TreeError> {
        self.renew();
        let root = self.node(self.nodes.len() - 1, 0);
        match self.told {
            Some(told) if told != root => Err(TreeError::WrongRoot(self.sequence)),
            _ => Ok(root),
        }
    }

    /// Where a leaf stands, with its proof as of now.
    ///
    /// # Errors
    /// [`TreeError::NoLeaf`] or [`TreeError::WrongRoot`].
    pub fn place(&mut self, index: u32) -> Result<LeafPlace, TreeError> {
        if index as usize >= self.leaves.len() {
            return Err(TreeError::NoLeaf(index));
        }
        self.root()?;
        let proof = (0..self.levels)
            .map(|height| self.node(height, (index as usize >> height) ^ 1))
            .collect();
        Ok(LeafPlace {
            index,
            sequence: self.sequence,
            proof,
        })
    }

    /// Computes the nodes over the leaves that changed, each once.
    fn renew(&mut self) {
        let mut changed = std::mem::take(&mut self.stale);
        changed.sort_unstable();
        for height in 1..self.nodes.len() {
            changed.iter_mut().for_each(|index| *index >>= 1);
            changed.dedup();
            for index in changed.iter().map(|index| *index as usize) {
                let (left, right) = (2 * index, 2 * index + 1);
                let left = self.node(height - 1, left);
                let right = self.node(height - 1, right);
                let node = hashv(&[&left, &right]).to_bytes();
                let level = &mut self.nodes[height];
                // Sorted indices fill a level from the left, so a new node is always the next.
                match level.get_mut(index) {
                    Some(place) => *place = node,
                    None => level.push(node),
                }
            }
        }
    }

    fn node(&self, height: usize, index: usize) -> Hash {
        self.nodes[height]
            .get(index)
            .copied()
            .unwrap_or(self.absent[height])
    }
}

/// The proof of the leaf at `index` in a tree of `levels` levels below the canopy, from the leaves' hashes of its subtree
/// there: those from index `index >> levels << levels` on, as far as there are any and at most 2^`levels`.
pub fn proof_below_canopy(subtree: &[Hash], index: u32, levels: u8) -> Vec<Hash> {
    let mut nodes = subtree.to_vec();
    let mut absent = [0; 32];
    (0..levels)
        .map(|height| {
            let node = |index: usize| nodes.get(index).copied().unwrap_or(absent);
            let place = (index & ((1 << levels) - 1)) as usize >> height;
            let sibling = node(place ^ 1);
            nodes = (0..nodes.len().div_ceil(2))
                .map(|parent| hashv(&[&node(2 * parent), &node(2 * parent + 1)]).to_bytes())
                .collect();
            absent = hashv(&[&absent, &absent]).to_bytes();
            sibling
        })
        .collect()
}

/// Of several leaves of one device the one with the least precedence counts: whoever has shown the device's key comes
/// before whoever only names it, then who was first. A void leaf comes last. `tree` is the tree's number in the network.
pub fn precedence(leaf: &RegistryLeaf, tree: u16, index: u32) -> (u8, u64, u16, u32) {
    let standing = match leaf.status {
        Status::Proven | Status::Nft | Status::Banned => 0,
        Status::Vouched => 1,
        Status::Void => 2,
    };
    (standing, leaf.registered_slot, tree, index)
}

/// A tree on a chain, and how far its history has been read.
pub struct Follower {
    key: Pubkey,
    tree: RegistryTree,
    after: Cursor,
}

impl Follower {
    /// The tree at `key`, of which nothing has been read yet.
    ///
    /// # Errors
    /// The chain's, or that there is no such tree.
    pub fn new(chain: &dyn Chain, key: Pubkey) -> Result<Self, ClientError> {
        let header: Tree = chain::read(chain, &key)?;
        Ok(Self {
            key,
            tree: RegistryTree::new(header.depth, header.canopy),
            after: Cursor::START,
        })
    }

    /// Reads on, and returns the tree as it then stands.
    ///
    /// # Errors
    /// The chain's, or [`TreeError`].
    pub fn catch_up(&mut self, chain: &dyn Chain) -> Result<&mut RegistryTree, ClientError> {
        self.catch_up_with(chain, |_| ())
    }

    /// As [`catch_up`](Self::catch_up); `told` sees every event.
    ///
    /// # Errors
    /// The chain's, or [`TreeError`].
    pub fn catch_up_with(
        &mut self,
        chain: &dyn Chain,
        mut told: impl FnMut(&RegistryEvent),
    ) -> Result<&mut RegistryTree, ClientError> {
        let history = chain.history(&self.key, &self.after)?;
        for execution in chain::executions(chain, &history) {
            // What has landed but can't be read yet comes with the next call.
            let Some(execution) = execution? else {
                break;
            };
            for event in registry_events(&execution) {
                if event.tree() == self.key {
                    told(&event);
                    self.tree.apply(event)?;
                }
            }
            self.after.pass(&execution);
        }
        Ok(&mut self.tree)
    }
}
