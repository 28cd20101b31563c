//! Shows that a window is not made of its readings as the feed wants it.

use anchor_lang::prelude::*;
use commitment::{node, root, ReadingLeaf, READINGS_DEPTH, READINGS_PER_WINDOW};
use device_protocol::{Reading, SIGNATURE_LEN};
use inference::{features, Header};

use crate::{
    error::AiFeedError,
    instructions::{prove_window, ChallengeAttestation, WindowArgs, WINDOWS_DEPTH},
    state::{Feed, FALSE_WINDOW},
};

/// Levels of a window's own subtree of the readings tree.
const SUBTREE_DEPTH: u32 = READINGS_PER_WINDOW.trailing_zeros();
/// In the place of a grant: the hardware key signed the reading.
pub const NO_GRANT: u8 = u8::MAX;

/// Whose a reading is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerArgs {
    /// The device's id.
    pub device: [u8; 32],
    /// The reading's leaf nonce.
    pub leaf_nonce: u32,
}

/// A window, its 16 readings, and where both are.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct ChallengeWindowArgs {
    /// The window's number in the batch.
    pub number: u8,
    /// What its leaf is made of.
    pub window: WindowArgs,
    /// From the leaf to the windows root: 5 siblings of 32 bytes, from the leaf upward.
    pub path: [[u8; 32]; WINDOWS_DEPTH],
    /// Whose the readings are: one, if they are all of one device and owner.
    pub owners: Vec<OwnerArgs>,
    /// Signatures of the grants of the readings' sessions.
    pub grants: Vec<[u8; SIGNATURE_LEN]>,
    /// The 16 readings in order. Each: its place in `owners` u8, its place in `grants` u8 or [`NO_GRANT`], the reading's
    /// bytes after its leaf nonce, its signature.
    pub readings: Vec<u8>,
    /// From the window's subtree to the readings root: 5 siblings of 32 bytes, from below upward.
    pub readings_path: Vec<u8>,
}

/// Recomputes one window from its readings, which are one aligned subtree of the readings tree, and refutes the
/// attestation if the window is not theirs, they are not what the feed takes, or one is older than the batch says of all. No
/// pause stops it.
pub fn handle_challenge_window(
    ctx: Context<ChallengeAttestation>,
    args: ChallengeWindowArgs,
) -> Result<()> {
    let accounts = ctx.accounts;
    {
        // An output that is false too spares nobody who signed for the windows.
        let attestation = accounts.challengeable(FALSE_WINDOW)?;
        prove_window(&attestation, args.number, &args.window, &args.path)?;
        let network = accounts.network.load()?.id;
        let header = accounts.model.load()?.header()?;
        let feed = accounts.feed.load()?;
        let (round, first) = (attestation.round, attestation.batch.first_capture);
        let recomputed = args.recompute(&network, &feed, round, first, &header)?;
        let readings_root = root(
            &recomputed.subtree,
            args.number.into(),
            &args.readings_path,
            READINGS_DEPTH - SUBTREE_DEPTH,
        )
        .map_err(|_| error!(AiFeedError::ReadingsNotProven))?;
        require!(
            readings_root == attestation.batch.readings_root,
            AiFeedError::ReadingsNotProven
        );
        require!(!recomputed.holds, AiFeedError::WindowHolds);
    }
    accounts.refute(FALSE_WINDOW, args.number)
}

/// What the passed readings say of their window.
pub struct Recomputed {
    /// Root of the readings' own subtree.
    pub subtree: [u8; 32],
    /// Whether they are what the feed takes, make the window, and are as new as the batch says of all.
    pub holds: bool,
}

impl ChallengeWindowArgs {
    /// Recomputes the window from the readings alone: neither path is looked at. `first_capture` (unix milliseconds) is the
    /// batch's.
    ///
    /// # Errors
    /// [`AiFeedError::MalformedReadings`].
    pub fn recompute(
        &self,
        network: &[u8; 32],
        feed: &Feed,
        round: u64,
        first_capture: i64,
        header: &Header,
    ) -> Result<Recomputed> {
        let mut facts = Facts::default();
        Ok(Recomputed {
            subtree: facts.subtree(self, network, header.value_index.into())?,
            holds: facts.make(feed, round, header, &self.window)
                && facts.captures.iter().all(|at| *at >= first_capture),
        })
    }
}

/// What a window depends on of its readings.
#[derive(Default)]
struct Facts {
    /// Whether some are of different devices or owners.
    mixed: bool,
    /// Leaf nonce of the newest.
    nonce: u32,
    captures: [i64; READINGS_PER_WINDOW],
    schemas: [u16; READINGS_PER_WINDOW],
    /// The values at the model's index; none if a reading has too few.
    values: [Option<i32>; READINGS_PER_WINDOW],
}

impl Facts {
    /// Gathers what the passed readings say, and the root of their leaves.
    #[inline(never)]
    fn subtree(
        &mut self,
        args: &ChallengeWindowArgs,
        network: &[u8; 32],
        value_index: usize,
    ) -> Result<[u8; 32]> {
        let mut nodes = [[0; 32]; READINGS_PER_WINDOW];
        let mut bytes = args.readings.as_slice();
        let mut first_owner = None;
        for (place, leaf) in nodes.iter_mut().enumerate() {
            let (owner, hash, rest) = self
                .take(args, network, value_index, place, bytes)
                .ok_or_else(|| error!(AiFeedError::MalformedReadings))?;
            self.mixed |= *first_owner.get_or_insert(owner) != owner;
            self.nonce = owner.leaf_nonce;
            *leaf = hash;
            bytes = rest;
        }
        require!(bytes.is_empty(), AiFeedError::MalformedReadings);
        let mut width = READINGS_PER_WINDOW;
        while width > 1 {
            width /= 2;
            for parent in 0..width {
                nodes[parent] = node(&nodes[2 * parent], &nodes[2 * parent + 1]);
            }
        }
        Ok(nodes[0])
    }

    /// Takes the reading at the front of the bytes: whose it is, its leaf, and the bytes after it.
    #[inline(never)]
    fn take<'a>(
        &mut self,
        args: &ChallengeWindowArgs,
        network: &[u8; 32],
        value_index: usize,
        place: usize,
        bytes: &'a [u8],
    ) -> Option<(OwnerArgs, [u8; 32], &'a [u8])> {
        let ([owner, grant], bytes) = bytes.split_first_chunk()?;
        let owner = *args.owners.get(usize::from(*owner))?;
        let grant = match *grant {
            NO_GRANT => None,
            place => Some(args.grants.get(usize::from(place))?),
        };
        let (reading, bytes) =
            Reading::parse_rest(*network, owner.device, owner.leaf_nonce, bytes).ok()?;
        let (signature, bytes) = bytes.split_first_chunk()?;
        *self.captures.get_mut(place)? = reading.captured_at;
        *self.schemas.get_mut(place)? = reading.schema;
        *self.values.get_mut(place)? = reading.values.get(value_index).copied();
        let leaf = ReadingLeaf {
            digest: reading.digest(),
            signature,
            grant,
        };
        Some((owner, leaf.hash(), bytes))
    }

    /// Whether the readings are what the feed takes, and make the window: of one device and owner, of the feed's schema
    /// with the model's value, rising in time by at most the largest gap, the newest in the round; and the window's
    /// features, nonce and last capture are theirs.
    fn make(&self, feed: &Feed, round: u64, header: &Header, window: &WindowArgs) -> bool {
        let max_gap = i64::from(feed.max_gap) * 1_000;
        let consecutive = self
            .captures
            .iter()
            .zip(self.captures.iter().skip(1))
            // No overflow: no reading is from before 1970.
            .all(|(older, newer)| (1..=max_gap).contains(&(newer - older)));
        let [.., newest] = self.captures;
        let mut values = [0; READINGS_PER_WINDOW];
        for (value, passed) in values.iter_mut().zip(&self.values) {
            let Some(passed) = passed else {
                return false;
            };
            *value = *passed;
        }
        !self.mixed
            && self.schemas.iter().all(|schema| *schema == feed.schema)
            && consecutive
            && feed.round_of(newest) == Some(round)
            && window.last_capture == newest
            && window.nonce == self.nonce
            && window.features == features(header, &values)
    }
}
