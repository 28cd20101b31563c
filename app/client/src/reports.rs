//! Reports against devices and makers: evidence, and the instructions that take it to the registry.
//!
//! Who reports gets the bounty of the roster's terms, in the transaction that convicts. The instructions fit a v0
//! transaction or don't, depending on the tree's canopy, on lookup tables and on the evidence: [`transaction::prepare`]
//! falls back to v1.
//!
//! [`transaction::prepare`]: crate::transaction::prepare

mod conflict;

pub use conflict::{Conflict, ConflictError, SignedText};

use crate::precompile::{self, Entry, PrecompileError};
use crate::token;
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::{InstructionData, ToAccountMetas};
use commitment::{BatchLeaf, CommitmentLeaf};
use device_protocol::{
    Curve, DeviceKey, Hash, Offence, ReadingHeader, RegistryLeaf, SignedGrant, SignedReading,
    SIGNATURE_LEN,
};
use device_registry::evidence::{CommittedArgs, EvidenceArgs, GrantArgs, SignatureRef};
use device_registry::penalty::SLASHER;
use device_registry::state::{LeafArgs, LeafPlace};
use device_registry::{
    accounts, instruction, ReportDuplicateArgs, ReportReadingsArgs, EVENT_AUTHORITY_AND_BUMP, ID,
};
use solana_message::AddressLookupTableAccount;

/// A signed reading, with its session's grant unless the hardware key signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The reading.
    pub reading: SignedReading,
    /// The grant of its session; none in session 0.
    pub grant: Option<SignedGrant>,
}

/// Who reports, where, and who gets the bounty.
#[derive(Debug, Clone, Copy)]
pub struct Reporter {
    /// The network's account.
    pub network: Pubkey,
    /// The network's id.
    pub network_id: Hash,
    /// The network's stake mint.
    pub stake_mint: Pubkey,
    /// Pays the report's rent.
    pub payer: Pubkey,
    /// Token account of the stake mint for the bounty.
    pub bounty: Pubkey,
}

/// A leaf, and its proof in its tree.
#[derive(Debug, Clone)]
pub struct ProvenLeaf {
    /// The tree's account.
    pub tree: Pubkey,
    /// Which of the network's trees that is.
    pub tree_index: u16,
    /// The leaf.
    pub leaf: RegistryLeaf,
    /// Where it stands.
    pub place: LeafPlace,
}

/// What two readings of one device show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// They share session and sequence.
    Equivocation,
    /// They are too far apart.
    Travel,
}

/// That a stream committed to a reading.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The stream.
    pub stream: Pubkey,
    /// The proof, at the stream's present count.
    pub proof: CommittedArgs,
}

impl Committed {
    /// The proof that `stream` committed to a reading: the commitment and its siblings up to the stream's peak; the batch's
    /// index in it, the batch and its siblings; the reading's index in the batch and its siblings.
    pub fn new(
        stream: Pubkey,
        commitment: &CommitmentLeaf,
        mmr_path: Vec<u8>,
        (batch_index, batch, batch_path): (u32, &BatchLeaf, Vec<u8>),
        (reading_index, reading_path): (u16, Vec<u8>),
    ) -> Self {
        Self {
            stream,
            proof: CommittedArgs {
                sequence: commitment.sequence,
                posted_at: commitment.posted_at,
                root: commitment.root,
                batches: commitment.batches,
                payload_hash: commitment.payload_hash,
                payload_len: commitment.payload_len,
                mmr_path,
                batch_index,
                readings_root: batch.readings_root,
                windows_root: batch.windows_root,
                windows: batch.windows,
                readings: batch.readings,
                first_capture: batch.first_capture,
                last_capture: batch.last_capture,
                batch_path,
                reading_index,
                reading_path,
            },
        }
    }
}

/// A lookup table for a report, the last of [`report_contradiction`]'s instructions: all its accounts but the payer. With
/// it a report of readings that the hardware key signed fits a v0 transaction, in trees of the largest canopies.
pub fn report_table(key: &Pubkey, report: &Instruction) -> AddressLookupTableAccount {
    let mut addresses: Vec<Pubkey> = report
        .accounts
        .iter()
        .filter(|meta| !meta.is_signer && meta.pubkey != report.program_id)
        .map(|meta| meta.pubkey)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    AddressLookupTableAccount {
        key: *key,
        addresses,
    }
}

/// Reports two readings that contradict each other: the precompiles' instructions, then the report. `at` is the index in
/// the transaction that the first of them will have. Against the leaf's previous owner, whose leaf nonce the readings then
/// have, `committed` proves that both were committed in time.
///
/// # Errors
/// More signatures than a precompile takes, which two readings never have.
pub fn report_contradiction(
    reporter: &Reporter,
    contradiction: Contradiction,
    key: &DeviceKey,
    accused: &ProvenLeaf,
    evidence: [&Evidence; 2],
    committed: Option<[Committed; 2]>,
    at: u16,
) -> Result<Vec<Instruction>, PrecompileError> {
    let mut signatures = Signatures::new(key, at);
    let [first, second] = evidence.map(|evidence| signatures.evidence(evidence));
    let leaf_nonce = evidence[0].reading.reading.leaf_nonce;
    let offence = Offence::Contradiction {
        device: &accused.leaf.device,
        tree: accused.tree_index,
        index: accused.place.index,
        leaf_nonce,
    };
    let owner = if leaf_nonce == accused.leaf.nonce {
        accused.leaf.owner
    } else {
        accused.leaf.previous_owner
    };
    let [first_stream, second_stream] = match &committed {
        Some(committed) => committed.each_ref().map(|committed| Some(committed.stream)),
        None => [None, None],
    };
    let accounts = accounts::ReportReadings {
        network: reporter.network,
        tree: accused.tree,
        instructions: Instructions::id(),
        first_stream,
        second_stream,
        penalty: reporter.penalty(&offence, &owner),
        event_authority: EVENT_AUTHORITY_AND_BUMP.0,
        program: ID,
    };
    let args = ReportReadingsArgs {
        leaf: LeafArgs::from(&accused.leaf),
        place: accused.place.clone(),
        curve: key.curve as u8,
        leaf_nonce,
        first,
        second,
        committed: committed
            .into_iter()
            .flatten()
            .map(|committed| committed.proof)
            .collect(),
    };
    let mut instructions = signatures.instructions()?;
    instructions.push(match contradiction {
        Contradiction::Equivocation => build(accounts, instruction::ReportEquivocation { args }),
        Contradiction::Travel => build(accounts, instruction::ReportTravel { args }),
    });
    Ok(instructions)
}

/// Reports that a device has two leaves, of which `duplicate` becomes void.
pub fn report_duplicate(
    reporter: &Reporter,
    kept: &ProvenLeaf,
    duplicate: &ProvenLeaf,
) -> Instruction {
    let offence = Offence::DuplicateKey {
        device: &duplicate.leaf.device,
        tree: duplicate.tree_index,
        index: duplicate.place.index,
    };
    build(
        accounts::ReportDuplicate {
            network: reporter.network,
            kept_tree: kept.tree,
            duplicate_tree: duplicate.tree,
            penalty: reporter.penalty(&offence, &duplicate.leaf.maker),
            event_authority: EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::ReportDuplicate {
            args: ReportDuplicateArgs {
                kept: LeafArgs::from(&kept.leaf),
                kept_place: kept.place.clone(),
                duplicate: LeafArgs::from(&duplicate.leaf),
                duplicate_place: duplicate.place.clone(),
            },
        },
    )
}

impl Reporter {
    fn penalty(&self, offence: &Offence, owner: &Hash) -> accounts::Penalty {
        let owner = Pubkey::new_from_array(*owner);
        let roster = slashing::roster(&self.network).0;
        accounts::Penalty {
            slasher: SLASHER.0,
            roster,
            bond: slashing::bond(&self.network, &owner).0,
            bond_vault: slashing::bond_vault(&roster).0,
            stake_mint: self.stake_mint,
            report: slashing::report(&SLASHER.0, &offence.id(&self.network_id)),
            bounty: self.bounty,
            payer: self.payer,
            token_program: token::TOKEN_PROGRAM,
            system_program: system_program::ID,
            security_pool: slashing::SECURITY_POOL,
        }
    }
}

/// One signature, and whose.
#[derive(PartialEq, Eq)]
struct Signed {
    key: DeviceKey,
    message: Hash,
    signature: [u8; SIGNATURE_LEN],
}

/// All signatures of a transaction, each once: those of P-256 keys in one instruction, those of Ed25519 keys in the next.
pub(crate) struct Signatures<'a> {
    device: &'a DeviceKey,
    at: u16,
    p256: Vec<Signed>,
    ed25519: Vec<Signed>,
}

impl<'a> Signatures<'a> {
    /// None yet; `at` is the index in the transaction that the first instruction will have.
    pub(crate) fn new(device: &'a DeviceKey, at: u16) -> Self {
        Self {
            device,
            at,
            p256: Vec::new(),
            ed25519: Vec::new(),
        }
    }

    /// Adds the signatures of a reading and its grant; the evidence that names them.
    pub(crate) fn evidence(&mut self, evidence: &Evidence) -> EvidenceArgs {
        let SignedReading { reading, signature } = &evidence.reading;
        let key = match &evidence.grant {
            Some(signed) => DeviceKey::ed25519(signed.grant.session_key),
            None => *self.device,
        };
        EvidenceArgs {
            reading: reading.to_bytes().split_off(ReadingHeader::OWNED),
            signature: self.place(key, reading.digest(), *signature),
            grant: evidence.grant.map(|signed| GrantArgs {
                not_before: signed.grant.not_before,
                expires: signed.grant.expires,
                signature: self.place(*self.device, signed.grant.digest(), signed.signature),
            }),
        }
    }

    fn place(
        &mut self,
        key: DeviceKey,
        message: Hash,
        signature: [u8; SIGNATURE_LEN],
    ) -> SignatureRef {
        let (instruction, list) = match key.curve {
            Curve::P256 => (self.at, &mut self.p256),
            // A P-256 device signs its grants or its readings, so the instruction before is there.
            Curve::Ed25519 => (
                self.at + u16::from(self.device.curve == Curve::P256),
                &mut self.ed25519,
            ),
        };
        let signed = Signed {
            key,
            message,
            signature,
        };
        let index = list.iter().position(|known| *known == signed);
        if index.is_none() {
            list.push(signed);
        }
        SignatureRef {
            instruction,
            // At most two readings and two grants.
            index: index.unwrap_or(list.len() - 1) as u8,
        }
    }

    /// The precompiles' instructions.
    pub(crate) fn instructions(&self) -> Result<Vec<Instruction>, PrecompileError> {
        let mut instructions = Vec::new();
        if !self.p256.is_empty() {
            instructions.push(precompile::secp256r1(&entries(&self.p256))?);
        }
        if !self.ed25519.is_empty() {
            instructions.push(precompile::ed25519(&entries(&self.ed25519))?);
        }
        Ok(instructions)
    }
}

fn entries(list: &[Signed]) -> Vec<Entry<'_>> {
    list.iter()
        .map(|signed| Entry {
            public_key: signed.key.as_bytes(),
            message: &signed.message,
            signature: &signed.signature,
        })
        .collect()
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
