//! What most tests start from: a network with operators that have a seat, and devices.
//!
//! Everything is made by the programs' own instructions. Epochs are [`EPOCH`] long; operators get their seats in epoch 2,
//! after a full epoch of warm-up.

use crate::{Harness, START};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use device_protocol::{network_id, Curve, Hash, Possession, Voucher};
use device_registry::events::DeviceRegistered;
use device_registry::state::network::{CREDITS, DEVELOPMENT_KEYS};
use device_registry::state::{tree, Parameters};
use device_registry::{CreateNetworkArgs, RegisterDeviceArgs};
use fieldproof_client::chain::Chain;
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::{data_commitment as streams, device_registry as registry};
use fieldproof_client::{security_pool as pools, ClientError};
use reward_emission::instructions::ScoringArgs;
use reward_emission::state::TIERS;
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{Roster, RosterTerms};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Seconds of an epoch.
pub const EPOCH: i64 = 86_400;
/// Seconds in which evidence is taken.
pub const EVIDENCE_WINDOW: i64 = 3 * 86_400;
/// Seconds that stake cools down, longer than [`EVIDENCE_WINDOW`].
pub const COOLDOWN: i64 = 7 * 86_400;
/// Base units of a token with six decimals.
pub const TOKEN: u64 = 1_000_000;

/// Terms of scores by which each full device counts the same, wherever and whose it is.
pub const EVEN_SCORING: ScoringArgs = ScoringArgs {
    tiers_bps: [10_000; TIERS],
    cell_resolution: 7,
    cell_capacity: u16::MAX,
    cell_target: 0,
    scarcity_bps: 0,
    full_owners: 1,
    reputation_floor_bps: 10_000,
    reputation_step_bps: 0,
    max_demand_bps: 10_000,
};

/// A network of the harness's payer, with a roster and one registry tree.
pub struct Network {
    /// Its id.
    pub id: Hash,
    /// Its address.
    pub key: Pubkey,
    /// Mint of rewards.
    pub reward_mint: Pubkey,
    /// Mint of stake.
    pub stake_mint: Pubkey,
    /// Its registry tree, of depth 24 and canopy 10.
    pub tree: Pubkey,
}

/// An operator with its pool and stream.
pub struct Operator {
    /// Owns the pool.
    pub key: Keypair,
    /// The pool's signer.
    pub signer: Keypair,
    /// The pool.
    pub pool: Pubkey,
    /// Its stream in the network.
    pub stream: Pubkey,
}

/// A maker with its first voucher page.
pub struct Maker {
    /// Its key.
    pub key: Keypair,
    /// The next number that it gives.
    pub next: std::cell::Cell<u64>,
}

/// A registered device.
pub struct Device {
    /// Its key.
    pub signer: DeviceSigner,
    /// What the registry said of it.
    pub registered: DeviceRegistered,
}

impl Network {
    /// A network with epoch 0 starting now.
    pub fn new(harness: &Harness) -> Self {
        Self::with_nonce(harness, 0)
    }

    /// As [`Network::new`]; `nonce` tells networks of one chain apart.
    pub fn with_nonce(harness: &Harness, nonce: u64) -> Self {
        let reward_mint = harness.mint();
        Self::of_mints(harness, nonce, [reward_mint, harness.mint()], 5_000)
    }

    /// As [`Network::with_nonce`], which charges credits for registrations and feeds.
    pub fn that_charges(harness: &Harness, nonce: u64) -> Self {
        let mints = [harness.mint(), harness.mint()];
        Self::of_flags(harness, nonce, mints, 5_000, DEVELOPMENT_KEYS | CREDITS)
    }

    /// As [`Network::with_nonce`], of mints of rewards and stake that are there already, and with a cap of an epoch's slashes
    /// in basis points.
    pub fn of_mints(harness: &Harness, nonce: u64, mints: [Pubkey; 2], slash_cap_bps: u32) -> Self {
        Self::of_flags(harness, nonce, mints, slash_cap_bps, DEVELOPMENT_KEYS)
    }

    pub(crate) fn of_flags(
        harness: &Harness,
        nonce: u64,
        [reward_mint, stake_mint]: [Pubkey; 2],
        slash_cap_bps: u32,
        flags: u8,
    ) -> Self {
        let payer = harness.payer.pubkey();
        let genesis_hash = harness.chain.genesis_hash().expect("genesis").to_bytes();
        let id = network_id(
            &device_registry::ID.to_bytes(),
            &genesis_hash,
            &payer.to_bytes(),
            nonce,
        );
        let args = CreateNetworkArgs {
            id,
            nonce,
            genesis_hash,
            genesis: START,
            epoch_length: EPOCH,
            timelock: 3_600,
            flags,
            parameters: Parameters {
                device_bond: 10 * TOKEN,
                evidence_window: EVIDENCE_WINDOW,
                answer_window: EVIDENCE_WINDOW / 3,
                challenge_bond: 10_000_000,
                max_speed: 340,
                tier_discount_bps: [0, 5_000, 9_000, 9_500],
                withheld_slash_bps: 1_000,
                _pad: 0,
            },
        };
        let create = registry::create_network(&payer, &payer, &reward_mint, &stake_mint, args);
        harness.send(&[create], &[]).expect("network");
        let key = registry::network(&id);
        let terms = RosterTerms {
            slashers: pools::slashers(),
            slash_cap_bps,
            minimum_allocation: TOKEN,
            max_leverage_bps: 10_000,
            bounty_bps: 3_000,
            insurance_bps: 3_000,
        };
        let roster = pools::create_roster(&payer, &payer, &key, &stake_mint, terms);
        harness.send(&[roster], &[]).expect("roster");
        let tree = Self::add_tree(harness, &key, 24, 10);
        Self {
            id,
            key,
            reward_mint,
            stake_mint,
            tree,
        }
    }

    /// Adds a registry tree to the network at `key`.
    pub fn add_tree(harness: &Harness, key: &Pubkey, depth: u8, canopy: u8) -> Pubkey {
        let payer = harness.payer.pubkey();
        let account = Keypair::new();
        let rent = harness.chain.rent(tree::size(depth, canopy)).expect("rent");
        let create = registry::create_tree_account(&payer, &account.pubkey(), depth, canopy, rent);
        let add = registry::add_tree(key, &payer, &account.pubkey(), depth, canopy);
        harness.send(&[create, add], &[&account]).expect("tree");
        account.pubkey()
    }

    /// An operator that opted in with `tokens`, and opened its stream. It has its seat from epoch 2 on.
    pub fn operator(&self, harness: &Harness, tokens: u64) -> Operator {
        let (key, signer) = (harness.key(), harness.key());
        harness.fund(&key.pubkey(), &self.stake_mint, (tokens + 1) * TOKEN);
        let args = CreatePoolArgs {
            signer: signer.pubkey(),
            cooldown: COOLDOWN,
            leverage_bps: 10_000,
            seed: TOKEN,
            takes_delegators: true,
        };
        let pool = pools::pool(&self.stake_mint, &key.pubkey());
        let payer = harness.payer.pubkey();
        let owner = key.pubkey();
        harness
            .send(
                &[
                    pools::create_pool(&payer, &owner, &self.stake_mint, args),
                    pools::delegate(
                        &payer,
                        &owner,
                        &pool,
                        &self.stake_mint,
                        tokens * TOKEN,
                        1,
                        u64::MAX,
                    ),
                    pools::opt_in(&self.key, &pool, &owner, tokens * TOKEN),
                    streams::open_stream(&payer, &signer.pubkey(), &self.key, &pool),
                ],
                &[&key, &signer],
            )
            .expect("operator");
        let stream = streams::stream(&self.key, &pool);
        Operator {
            key,
            signer,
            pool,
            stream,
        }
    }

    /// Draws the committee of `epoch`, the present one, and returns its address.
    pub fn committee(&self, harness: &Harness, epoch: u64) -> Pubkey {
        let roster: Roster = harness.read(&pools::roster(&self.key));
        let members = pools::committee_pools(&roster, None, epoch);
        let draw = pools::snapshot_committee(&harness.payer.pubkey(), &self.key, epoch, &members);
        harness.send(&[draw], &[]).expect("committee");
        pools::committee(&self.key, epoch)
    }

    /// A maker with a quota of 1,000 and tier 1.
    pub fn maker(&self, harness: &Harness) -> Maker {
        let key = harness.key();
        let payer = harness.payer.pubkey();
        let grant = registry::MakerGrant {
            key: key.pubkey(),
            quota: 1_000,
            max_tier: 1,
        };
        harness
            .send(
                &[
                    registry::approve_maker(&payer, &self.key, &payer, grant),
                    registry::open_voucher_page(&payer, &self.key, &key.pubkey(), 0),
                ],
                &[&key],
            )
            .expect("maker");
        Maker {
            key,
            next: 0.into(),
        }
    }

    /// A new device of `maker`, registered by `owner` in `cell`.
    pub fn device(
        &self,
        harness: &Harness,
        maker: &Maker,
        owner: &Keypair,
        curve: Curve,
        cell: u64,
    ) -> Device {
        self.register(harness, maker, owner, DeviceSigner::generate(curve), cell)
            .expect("device")
    }

    /// As [`Network::device`], with the device's key, which may be registered already.
    pub fn register(
        &self,
        harness: &Harness,
        maker: &Maker,
        owner: &Keypair,
        signer: DeviceSigner,
        cell: u64,
    ) -> Result<Device, ClientError> {
        let registration = self.registration(maker, &owner.pubkey(), &signer, cell);
        let done = harness.send(&registration, &[owner])?;
        let registered = registry::registrations(&done).pop().expect("event");
        Ok(Device { signer, registered })
    }

    /// The device's signature, the maker's, and the registration by `owner`, with the maker's next number.
    pub fn registration(
        &self,
        maker: &Maker,
        owner: &Pubkey,
        signer: &DeviceSigner,
        cell: u64,
    ) -> [Instruction; 3] {
        let key = signer.device_key();
        let number = maker.next.replace(maker.next.get() + 1);
        let serial_hash = [7; 32];
        let possession = Possession {
            network: self.id,
            owner: owner.to_bytes(),
            key,
            nonce: number,
        }
        .digest();
        let voucher = Voucher {
            network: self.id,
            maker: maker.key.pubkey().to_bytes(),
            number,
            device: key.id(),
            tier: 1,
            serial_hash,
        }
        .digest();
        let possession_signature = signer.sign(&possession);
        let voucher_signature = maker.key.sign_message(&voucher);
        let proof = [Entry {
            public_key: key.as_bytes(),
            message: &possession,
            signature: &possession_signature,
        }];
        let proof = match key.curve {
            Curve::Ed25519 => precompile::ed25519(&proof),
            Curve::P256 => precompile::secp256r1(&proof),
        }
        .expect("proof of possession");
        let maker_key = maker.key.pubkey();
        let vouched = precompile::ed25519(&[Entry {
            public_key: maker_key.as_ref(),
            message: &voucher,
            signature: voucher_signature.as_array(),
        }])
        .expect("voucher");
        let place = registry::Registration {
            network: self.key,
            maker: maker_key,
            tree: self.tree,
            owner: *owner,
        };
        let args = RegisterDeviceArgs {
            curve: key.curve as u8,
            key: key.bytes,
            number,
            tier: 1,
            serial_hash,
            cell,
            possession_instruction: 0,
            possession_index: 0,
            voucher_instruction: 1,
            voucher_index: 0,
        };
        [proof, vouched, registry::register_device(place, args)]
    }
}
