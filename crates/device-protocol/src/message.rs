use crate::{digest, DeviceKey, Hash};

/// A device's word that it belongs to an owner: its key signs the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Possession {
    /// The network that the device joins.
    pub network: Hash,
    /// The owner's address.
    pub owner: Hash,
    /// The device's own key.
    pub key: DeviceKey,
    /// What makes this proof one of its kind: the voucher's number when the device is registered,
    /// [`Possession::nonce_of`] when it is proven later.
    pub nonce: u64,
}

impl Possession {
    /// The nonce that proves a device with a leaf: `2^63 | tree << 32 | index`, which no voucher's number reaches.
    pub const fn nonce_of(tree: u16, index: u32) -> u64 {
        1 << 63 | (tree as u64) << 32 | index as u64
    }

    /// What the device signs: `digest!("possession", network | owner | curve u8 | key bytes | nonce u64)`.
    pub fn digest(&self) -> Hash {
        digest!(
            "possession",
            &self.network,
            &self.owner,
            &[self.key.curve as u8],
            self.key.as_bytes(),
            &self.nonce.to_le_bytes()
        )
    }
}

/// A maker's word for one device, good for one registration: the maker's key signs the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Voucher {
    /// The network that the device may join.
    pub network: Hash,
    /// The maker's Ed25519 key.
    pub maker: Hash,
    /// The voucher's number, below the maker's quota; each is used once.
    pub number: u64,
    /// The device's id.
    pub device: Hash,
    /// The tier that the maker vouches for.
    pub tier: u8,
    /// A hash of the serial number, as the maker keeps it.
    pub serial_hash: Hash,
}

impl Voucher {
    /// What the maker signs: `digest!("voucher", network | maker | number u64 | device | tier u8 | serial hash)`.
    pub fn digest(&self) -> Hash {
        digest!(
            "voucher",
            &self.network,
            &self.maker,
            &self.number.to_le_bytes(),
            &self.device,
            &[self.tier],
            &self.serial_hash
        )
    }
}

/// The word of a root key of certificates that it is one maker's: the root key signs the digest. Certificates name no
/// network and no maker, so without it anyone could call another's root his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootGrant {
    /// The maker's network.
    pub network: Hash,
    /// The maker's Ed25519 key.
    pub maker: Hash,
    /// The root's own P-256 key, compressed.
    pub root: [u8; 33],
}

impl RootGrant {
    /// What the root key signs: `digest!("root-grant", network | maker | root)`.
    pub fn digest(&self) -> Hash {
        digest!("root-grant", &self.network, &self.maker, &self.root)
    }
}

/// A committee member's word that a batch's windows come from signed readings, of whose outputs it says nothing: its
/// signer signs the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourcesMessage {
    /// The network of feed and stream.
    pub network: Hash,
    /// The feed's id.
    pub feed: Hash,
    /// The stream's address.
    pub stream: Hash,
    /// The feed's round.
    pub round: u64,
    /// The commitment's sequence in the stream.
    pub sequence: u64,
    /// The batch's index in the commitment.
    pub batch_index: u32,
    /// The batch leaf's hash.
    pub batch_leaf: Hash,
    /// The epoch of the committee that signs.
    pub epoch: u64,
}

impl SourcesMessage {
    /// What a member signs: `digest!("sources", fields in their order)`.
    pub fn digest(&self) -> Hash {
        digest!(
            "sources",
            &self.network,
            &self.feed,
            &self.stream,
            &self.round.to_le_bytes(),
            &self.sequence.to_le_bytes(),
            &self.batch_index.to_le_bytes(),
            &self.batch_leaf,
            &self.epoch.to_le_bytes()
        )
    }
}

/// A committee member's word that a batch and its outputs are right: its signer signs the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttestationMessage {
    /// The network of feed and stream.
    pub network: Hash,
    /// The feed's id.
    pub feed: Hash,
    /// The stream's address.
    pub stream: Hash,
    /// The feed's round.
    pub round: u64,
    /// The commitment's sequence in the stream.
    pub sequence: u64,
    /// The batch's index in the commitment.
    pub batch_index: u32,
    /// The batch leaf's hash.
    pub batch_leaf: Hash,
    /// The model's hash.
    pub model: Hash,
    /// The model's output for each window; zero for windows that the batch lacks.
    pub outputs: [u8; 32],
    /// The epoch of the committee that signs.
    pub epoch: u64,
}

impl AttestationMessage {
    /// What a member signs: `digest!("attestation", fields in their order)`.
    pub fn digest(&self) -> Hash {
        digest!(
            "attestation",
            &self.network,
            &self.feed,
            &self.stream,
            &self.round.to_le_bytes(),
            &self.sequence.to_le_bytes(),
            &self.batch_index.to_le_bytes(),
            &self.batch_leaf,
            &self.model,
            &self.outputs,
            &self.epoch.to_le_bytes()
        )
    }
}

/// A committee member's vote for an epoch's roots: its signer signs the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VoteMessage {
    /// The network whose payees are paid.
    pub network: Hash,
    /// The epoch that is over.
    pub epoch: u64,
    /// The number of the ballot.
    pub ballot: u32,
    /// Number of the network's final roots: the grants add to the last of them, so that others are right on another base.
    pub base: u64,
    /// Depth of both trees.
    pub depth: u8,
    /// The score tree's root hash.
    pub score_hash: Hash,
    /// The score tree's root sum.
    pub score_sum: u64,
    /// The reward tree's root hash.
    pub reward_hash: Hash,
    /// The reward tree's root sum, in base units of the reward token.
    pub reward_sum: u64,
    /// The epoch of the committee that votes.
    pub committee_epoch: u64,
}

impl VoteMessage {
    /// What a member signs: `digest!("vote", fields in their order)`.
    pub fn digest(&self) -> Hash {
        digest!(
            "vote",
            &self.network,
            &self.epoch.to_le_bytes(),
            &self.ballot.to_le_bytes(),
            &self.base.to_le_bytes(),
            &[self.depth],
            &self.score_hash,
            &self.score_sum.to_le_bytes(),
            &self.reward_hash,
            &self.reward_sum.to_le_bytes(),
            &self.committee_epoch.to_le_bytes()
        )
    }
}
