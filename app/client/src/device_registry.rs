//! Networks, makers and devices: addresses and instructions of the device registry.

use crate::chain::{self, Chain, Execution};
use crate::token::{associated_2022, TOKEN_2022_PROGRAM};
use crate::{event, ClientError};
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::solana_program::{system_instruction, system_program};
use anchor_lang::{InstructionData, ToAccountMetas};
use device_protocol::{Curve, DeviceKey, Hash, RegistryLeaf};
use device_registry::events::{DeviceRegistered, DevicesRegistered, LeafChanged};
use device_registry::state::voucher_page::VOUCHERS_PER_PAGE;
use device_registry::state::{tree, Issuer, LeafPlace, Network, Operation, Parameters};
use device_registry::{accounts, instruction, seeds, ID};
use device_registry::{CreateNetworkArgs, ProveDeviceArgs, RegisterBatchArgs, RegisterDeviceArgs};

/// The network with this id.
pub fn network(id: &[u8; 32]) -> Pubkey {
    address(&[seeds::NETWORK, id])
}

/// The network at `key`, if it is of the chain's own cluster: programs can't see which that is.
///
/// # Errors
/// As [`chain::read`]; [`ClientError::OtherCluster`].
pub fn read_network(chain: &dyn Chain, key: &Pubkey) -> Result<Network, ClientError> {
    let network: Network = chain::read(chain, key)?;
    let cluster = chain.genesis_hash()?;
    if network.genesis_hash == cluster.to_bytes() {
        return Ok(network);
    }
    Err(ClientError::OtherCluster {
        network: network.genesis_hash.into(),
        cluster,
    })
}

/// The network's maker with this key.
pub fn maker(network: &Pubkey, key: &Pubkey) -> Pubkey {
    address(&[seeds::MAKER, network.as_ref(), key.as_ref()])
}

/// The maker's issuer of certificates with this compressed P-256 key.
pub fn issuer(maker: &Pubkey, key: &[u8; 33]) -> Pubkey {
    address(&[seeds::ISSUER, maker.as_ref(), &Issuer::seed(key)])
}

/// The mint of the NFT of the device at an index of a tree.
pub fn nft(tree: &Pubkey, index: u32) -> Pubkey {
    address(&[seeds::NFT, tree.as_ref(), &index.to_le_bytes()])
}

/// A page of a maker's used voucher numbers.
pub fn voucher_page(maker: &Pubkey, page: u32) -> Pubkey {
    address(&[seeds::VOUCHERS, maker.as_ref(), &page.to_le_bytes()])
}

/// The page that a voucher number is on.
pub fn page_of(number: u64) -> u32 {
    // Beyond the last page there is none; the program then refuses whatever page it gets.
    u32::try_from(number / VOUCHERS_PER_PAGE).unwrap_or(u32::MAX)
}

/// Creates a network; `creator` becomes its authority.
pub fn create_network(
    payer: &Pubkey,
    creator: &Pubkey,
    reward_mint: &Pubkey,
    stake_mint: &Pubkey,
    args: CreateNetworkArgs,
) -> Instruction {
    build(
        accounts::CreateNetwork {
            network: network(&args.id),
            creator: *creator,
            reward_mint: *reward_mint,
            stake_mint: *stake_mint,
            payer: *payer,
            system_program: system_program::ID,
        },
        instruction::CreateNetwork { args },
    )
}

/// Offers a network's authority to another key.
pub fn transfer_authority(
    network: &Pubkey,
    authority: &Pubkey,
    new_authority: &Pubkey,
) -> Instruction {
    build(
        accounts::TransferAuthority {
            network: *network,
            authority: *authority,
        },
        instruction::TransferAuthority {
            new_authority: *new_authority,
        },
    )
}

/// Takes a network's authority over.
pub fn accept_authority(network: &Pubkey, pending_authority: &Pubkey) -> Instruction {
    build(
        accounts::AcceptAuthority {
            network: *network,
            pending_authority: *pending_authority,
        },
        instruction::AcceptAuthority {},
    )
}

/// Proposes parameters for a network.
pub fn propose_parameters(
    network: &Pubkey,
    authority: &Pubkey,
    parameters: Parameters,
) -> Instruction {
    build(
        accounts::ProposeParameters {
            network: *network,
            authority: *authority,
        },
        instruction::ProposeParameters { parameters },
    )
}

/// Puts a network's proposed parameters in force.
pub fn apply_parameters(network: &Pubkey) -> Instruction {
    build(
        accounts::ApplyParameters { network: *network },
        instruction::ApplyParameters {},
    )
}

/// Pauses an operation of a network for some seconds.
pub fn pause_operation(
    network: &Pubkey,
    authority: &Pubkey,
    operation: Operation,
    seconds: i64,
) -> Instruction {
    build(
        accounts::PauseOperation {
            network: *network,
            authority: *authority,
        },
        instruction::PauseOperation {
            operation: operation as u8,
            seconds,
        },
    )
}

/// Ends an operation's pause.
pub fn resume_operation(network: &Pubkey, authority: &Pubkey, operation: Operation) -> Instruction {
    build(
        accounts::ResumeOperation {
            network: *network,
            authority: *authority,
        },
        instruction::ResumeOperation {
            operation: operation as u8,
        },
    )
}

/// What a new maker may do.
#[derive(Debug, Clone, Copy)]
pub struct MakerGrant {
    /// Its Ed25519 key.
    pub key: Pubkey,
    /// Voucher numbers below this count.
    pub quota: u64,
    /// Highest tier that its vouchers may give.
    pub max_tier: u8,
}

/// Lets a key vouch for a network's devices.
pub fn approve_maker(
    payer: &Pubkey,
    network: &Pubkey,
    authority: &Pubkey,
    grant: MakerGrant,
) -> Instruction {
    build(
        accounts::ApproveMaker {
            network: *network,
            maker: maker(network, &grant.key),
            authority: *authority,
            payer: *payer,
            system_program: system_program::ID,
        },
        instruction::ApproveMaker {
            key: grant.key,
            quota: grant.quota,
            max_tier: grant.max_tier,
        },
    )
}

/// Sets up to which number a maker's vouchers count; `key` is the maker's.
pub fn set_maker_quota(
    network: &Pubkey,
    authority: &Pubkey,
    key: &Pubkey,
    quota: u64,
) -> Instruction {
    build(
        accounts::SetMakerQuota {
            network: *network,
            maker: maker(network, key),
            authority: *authority,
        },
        instruction::SetMakerQuota { quota },
    )
}

/// Ends a maker's right to vouch; `key` is the maker's.
pub fn revoke_maker(network: &Pubkey, authority: &Pubkey, key: &Pubkey) -> Instruction {
    build(
        accounts::RevokeMaker {
            network: *network,
            maker: maker(network, key),
            authority: *authority,
        },
        instruction::RevokeMaker {},
    )
}

/// Opens a page for marking used voucher numbers; `key` is the maker's.
pub fn open_voucher_page(payer: &Pubkey, network: &Pubkey, key: &Pubkey, page: u32) -> Instruction {
    let maker = maker(network, key);
    build(
        accounts::OpenVoucherPage {
            maker,
            voucher_page: voucher_page(&maker, page),
            key: *key,
            payer: *payer,
            system_program: system_program::ID,
        },
        instruction::OpenVoucherPage { page },
    )
}

/// Where in a transaction a signature stands that a precompile verifies.
#[derive(Debug, Clone, Copy)]
pub struct SignatureAt {
    /// Index of the precompile's instruction.
    pub instruction: u16,
    /// Which of that instruction's signatures it is.
    pub index: u8,
}

/// Sets the root of a maker's certificate chains: the key that signed `RootGrant` at `grant`; `key` is the maker's.
pub fn set_maker_root(network: &Pubkey, key: &Pubkey, grant: SignatureAt) -> Instruction {
    build(
        accounts::SetMakerRoot {
            network: *network,
            maker: maker(network, key),
            key: *key,
            instructions: Instructions::id(),
        },
        instruction::SetMakerRoot {
            grant_instruction: grant.instruction,
            grant_index: grant.index,
        },
    )
}

/// Lets a CA's key issue device certificates, by its certificate that the root signed at `certificate`; `key` is the
/// maker's.
pub fn add_issuer(
    payer: &Pubkey,
    network: &Pubkey,
    key: &Pubkey,
    issuer_key: &[u8; 33],
    certificate: SignatureAt,
) -> Instruction {
    let maker = maker(network, key);
    build(
        accounts::AddIssuer {
            maker,
            issuer: issuer(&maker, issuer_key),
            key: *key,
            payer: *payer,
            instructions: Instructions::id(),
            system_program: system_program::ID,
        },
        instruction::AddIssuer {
            issuer_key: *issuer_key,
            certificate_instruction: certificate.instruction,
            certificate_index: certificate.index,
        },
    )
}

/// Ends an issuer's right to issue; `key` is the maker's, `revoker` that or the network's authority.
pub fn revoke_issuer(
    network: &Pubkey,
    key: &Pubkey,
    issuer_key: &[u8; 33],
    revoker: &Pubkey,
) -> Instruction {
    let maker = maker(network, key);
    build(
        accounts::RevokeIssuer {
            network: *network,
            maker,
            issuer: issuer(&maker, issuer_key),
            revoker: *revoker,
        },
        instruction::RevokeIssuer {},
    )
}

/// Creates the zeroed account that [`add_tree`] makes a tree; `rent` lamports must make
/// [`tree::size`] bytes rent-exempt. Both belong in one transaction, which the tree's key signs.
pub fn create_tree_account(
    payer: &Pubkey,
    tree: &Pubkey,
    depth: u8,
    canopy: u8,
    rent: u64,
) -> Instruction {
    let bytes = tree::size(depth, canopy) as u64;
    system_instruction::create_account(payer, tree, rent, bytes, &ID)
}

/// Makes a zeroed account a registry tree of a network.
pub fn add_tree(
    network: &Pubkey,
    authority: &Pubkey,
    tree: &Pubkey,
    depth: u8,
    canopy: u8,
) -> Instruction {
    build(
        accounts::AddTree {
            network: *network,
            tree: *tree,
            authority: *authority,
        },
        instruction::AddTree { depth, canopy },
    )
}

/// Where a device is registered.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// The network's account.
    pub network: Pubkey,
    /// The maker's key.
    pub maker: Pubkey,
    /// One of the network's trees.
    pub tree: Pubkey,
    /// The device's owner.
    pub owner: Pubkey,
}

/// Registers a device as proven, with the signatures that `args` points to in the same transaction.
pub fn register_device(place: Registration, args: RegisterDeviceArgs) -> Instruction {
    register(place, None, args)
}

/// Registers a device at tier 2, with the signatures of device and issuer that `args` points to in the same transaction;
/// `issuer` is the account of the maker's issuer.
pub fn register_certified_device(
    place: Registration,
    issuer: &Pubkey,
    args: RegisterDeviceArgs,
) -> Instruction {
    register(place, Some(*issuer), args)
}

fn register(place: Registration, issuer: Option<Pubkey>, args: RegisterDeviceArgs) -> Instruction {
    let maker = maker(&place.network, &place.maker);
    build(
        accounts::RegisterDevice {
            network: place.network,
            maker,
            voucher_page: voucher_page(&maker, page_of(args.number)),
            tree: place.tree,
            owner: place.owner,
            instructions: Instructions::id(),
            issuer,
            fees: no_fees(),
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::RegisterDevice { args },
    )
}

/// Most devices of one batch in a v1 transaction that the maker pays and nobody else signs, by curve.
pub const fn largest_batch(curve: Curve) -> usize {
    match curve {
        Curve::Ed25519 => 116,
        Curve::P256 => 112,
    }
}

/// As [`largest_batch`], in a network that charges: the accounts by which it is paid take the room of four keys.
pub const fn largest_paid_batch(curve: Curve) -> usize {
    largest_batch(curve) - 4
}

/// Most devices of one batch in a v0 transaction that the maker pays and nobody else signs, by curve.
pub const fn largest_batch_v0(curve: Curve) -> usize {
    match curve {
        Curve::Ed25519 => 25,
        Curve::P256 => 24,
    }
}

/// Registers a maker's devices on its word; `key` is the maker's. At most [`largest_batch`] fit.
pub fn register_batch(
    network: &Pubkey,
    key: &Pubkey,
    tree: &Pubkey,
    args: RegisterBatchArgs,
) -> Instruction {
    build(
        accounts::RegisterBatch {
            network: *network,
            maker: maker(network, key),
            tree: *tree,
            key: *key,
            fees: no_fees(),
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::RegisterBatch { args },
    )
}

/// Those of a network that charges nothing; [`crate::credits::charge`] puts others there.
fn no_fees() -> accounts::Fees {
    accounts::Fees {
        pricing: None,
        epoch: None,
        credits: None,
        reward_emission: None,
    }
}

/// Makes a vouched device proven and `owner`'s, with the device's signature that `args` points to.
pub fn prove_device(
    network: &Pubkey,
    tree: &Pubkey,
    owner: &Pubkey,
    args: ProveDeviceArgs,
) -> Instruction {
    build(
        accounts::ProveDevice {
            network: *network,
            tree: *tree,
            owner: *owner,
            instructions: Instructions::id(),
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::ProveDevice { args },
    )
}

/// Passes a proven device on to `new_owner`, who signs as its owner does.
pub fn transfer_device(
    network: &Pubkey,
    tree: &Pubkey,
    new_owner: &Pubkey,
    leaf: &RegistryLeaf,
    place: LeafPlace,
) -> Instruction {
    build(
        accounts::TransferDevice {
            network: *network,
            tree: *tree,
            owner: Pubkey::new_from_array(leaf.owner),
            new_owner: *new_owner,
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::TransferDevice {
            leaf: leaf.into(),
            place,
        },
    )
}

/// Says in which H3 cell a device stands; its owner signs, and `payer` pays for the change.
pub fn assert_location(
    payer: &Pubkey,
    network: &Pubkey,
    tree: &Pubkey,
    leaf: &RegistryLeaf,
    place: LeafPlace,
    cell: u64,
) -> Instruction {
    build(
        accounts::AssertLocation {
            network: *network,
            tree: *tree,
            owner: Pubkey::new_from_array(leaf.owner),
            payer: *payer,
            system_program: system_program::ID,
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::AssertLocation {
            leaf: leaf.into(),
            place,
            cell,
        },
    )
}

/// The devices that a transaction registered one by one, in order.
pub fn registrations(execution: &Execution) -> Vec<DeviceRegistered> {
    event::events(execution, &ID)
}

/// What the registry tells of its trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A proven device has a leaf.
    Registered(Box<DeviceRegistered>),
    /// Vouched devices have leaves.
    Batch(Box<DevicesRegistered>),
    /// A leaf has been exchanged.
    Changed(Box<LeafChanged>),
}

impl RegistryEvent {
    /// The network's account.
    pub fn network(&self) -> Pubkey {
        match self {
            Self::Registered(event) => event.network,
            Self::Batch(event) => event.network,
            Self::Changed(event) => event.network,
        }
    }

    /// The tree's account.
    pub fn tree(&self) -> Pubkey {
        match self {
            Self::Registered(event) => event.tree,
            Self::Batch(event) => event.tree,
            Self::Changed(event) => event.tree,
        }
    }

    /// Which of the network's trees that is.
    pub fn tree_index(&self) -> u16 {
        match self {
            Self::Registered(event) => event.tree_index,
            Self::Batch(event) => event.tree_index,
            Self::Changed(event) => event.tree_index,
        }
    }

    /// Index of the first leaf that it is about.
    pub fn index(&self) -> u32 {
        match self {
            Self::Registered(event) => event.index,
            Self::Batch(event) => event.index,
            Self::Changed(event) => event.index,
        }
    }

    /// The tree's sequence number with that leaf; each further leaf is one more.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Registered(event) => event.sequence,
            Self::Batch(event) => event.sequence,
            Self::Changed(event) => event.sequence,
        }
    }

    /// The tree's root after all of it.
    pub fn root(&self) -> [u8; 32] {
        match self {
            Self::Registered(event) => event.root,
            Self::Batch(event) => event.root,
            Self::Changed(event) => event.root,
        }
    }

    /// The leaves as they stand after it, in order; `None` for one that no version of the program emits.
    pub fn leaves(&self) -> Option<Vec<RegistryLeaf>> {
        match self {
            Self::Registered(event) => Some(vec![event.leaf().ok()?]),
            Self::Batch(event) => {
                let devices = event.devices().ok()?;
                Some(devices.into_iter().map(|(_, leaf)| leaf).collect())
            }
            Self::Changed(event) => Some(vec![event.leaf.leaf().ok()?]),
        }
    }

    /// The key of a device that it registered.
    pub fn key(&self, device: &Hash) -> Option<DeviceKey> {
        let keys = match self {
            Self::Registered(event) => vec![DeviceKey::from_parts(event.curve, event.key).ok()?],
            Self::Batch(event) => {
                let devices = event.devices().ok()?;
                devices.into_iter().map(|(key, _)| key).collect()
            }
            Self::Changed(_) => Vec::new(),
        };
        keys.into_iter().find(|key| key.id() == *device)
    }
}

/// What a transaction changed in registry trees, in order.
pub fn registry_events(execution: &Execution) -> Vec<RegistryEvent> {
    let inner = execution.inner.iter();
    inner
        .filter_map(|inner| {
            event::parse(inner, &ID)
                .map(|event| RegistryEvent::Registered(Box::new(event)))
                .or_else(|| event::parse(inner, &ID).map(|e| RegistryEvent::Batch(Box::new(e))))
                .or_else(|| event::parse(inner, &ID).map(|e| RegistryEvent::Changed(Box::new(e))))
        })
        .collect()
}

/// Makes a proven device an NFT; its owner signs, and gets it. The metadata's URI has at most
/// [`nft::MAX_URI`](device_registry::nft::MAX_URI) bytes.
pub fn promote_device(
    payer: &Pubkey,
    network: &Pubkey,
    tree: &Pubkey,
    leaf: &RegistryLeaf,
    place: LeafPlace,
    uri: String,
) -> Instruction {
    let owner = Pubkey::new_from_array(leaf.owner);
    let mint = nft(tree, place.index);
    build(
        accounts::PromoteDevice {
            network: *network,
            tree: *tree,
            owner,
            mint,
            token_account: associated_2022(&owner, &mint),
            payer: *payer,
            token_program: TOKEN_2022_PROGRAM,
            associated_token_program: anchor_spl::associated_token::ID,
            system_program: system_program::ID,
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::PromoteDevice {
            leaf: leaf.into(),
            place,
            uri,
        },
    )
}

/// Makes the holder of a device's NFT the device's owner; the holder signs, whose token account has the NFT.
pub fn bind_device(
    network: &Pubkey,
    tree: &Pubkey,
    holder: &Pubkey,
    token_account: &Pubkey,
    leaf: &RegistryLeaf,
    place: LeafPlace,
) -> Instruction {
    build(
        accounts::BindDevice {
            network: *network,
            tree: *tree,
            holder: *holder,
            mint: nft(tree, place.index),
            token_account: *token_account,
            token_program: TOKEN_2022_PROGRAM,
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::BindDevice {
            leaf: leaf.into(),
            place,
        },
    )
}

/// Burns a device's NFT; the holder signs. `token_account` has the NFT; `None` if it was burned before.
pub fn demote_device(
    network: &Pubkey,
    tree: &Pubkey,
    holder: &Pubkey,
    token_account: Option<&Pubkey>,
    leaf: &RegistryLeaf,
    place: LeafPlace,
) -> Instruction {
    build(
        accounts::DemoteDevice {
            network: *network,
            tree: *tree,
            holder: *holder,
            mint: nft(tree, place.index),
            token_account: token_account.copied(),
            token_program: TOKEN_2022_PROGRAM,
            event_authority: device_registry::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::DemoteDevice {
            leaf: leaf.into(),
            place,
        },
    )
}

fn address(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
