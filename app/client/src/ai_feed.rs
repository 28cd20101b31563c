//! Addresses and instructions of ai-feed: models, verifying keys, feeds, attestations, rounds.

use crate::chain::Execution;
use ai_feed::instructions::{CreateFeedArgs, RegisterVerifyingKeyArgs, SubmitAttestationArgs};
use ai_feed::state::PROOF_BYTES;
use ai_feed::{accounts, instruction, seeds, ID};
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::{AnchorDeserialize, Discriminator, InstructionData, ToAccountMetas};
use device_protocol::private_model_id;
use inference::Header;

/// The account of the model of this id, which is a public model's hash.
pub fn model(id: &[u8; 32]) -> Pubkey {
    address(&[seeds::MODEL, id])
}

/// The account of the verifying key of this hash in the network at this address.
pub fn verifying_key(network: &Pubkey, hash: &[u8; 32]) -> Pubkey {
    address(&[seeds::VERIFYING_KEY, network.as_ref(), hash])
}

/// The account of the feed of this id.
pub fn feed(id: &[u8; 32]) -> Pubkey {
    address(&[seeds::FEED, id])
}

/// The account of a round of the feed at this address, while it is open.
pub fn round(feed: &Pubkey, round: u64) -> Pubkey {
    address(&[seeds::ROUND, feed.as_ref(), &round.to_le_bytes()])
}

/// The account of the attestation on one batch of a stream.
pub fn attestation(
    feed: &Pubkey,
    stream: &Pubkey,
    round: u64,
    sequence: u64,
    batch_index: u32,
) -> Pubkey {
    address(&[
        seeds::ATTESTATION,
        feed.as_ref(),
        stream.as_ref(),
        &round.to_le_bytes(),
        &sequence.to_le_bytes(),
        &batch_index.to_le_bytes(),
    ])
}

/// Publishes a model's canonical bytes under their hash.
pub fn register_model(publisher: &Pubkey, hash: [u8; 32], bytes: Vec<u8>) -> Instruction {
    build(
        accounts::RegisterModel {
            publisher: *publisher,
            model: model(&hash),
            system_program: system_program::ID,
        },
        instruction::RegisterModel { hash, bytes },
    )
}

/// Names a model by its hash and header, under the id that follows from them; its id.
pub fn register_private_model(
    publisher: &Pubkey,
    hash: [u8; 32],
    header: &Header,
) -> ([u8; 32], Instruction) {
    let header = header.to_bytes();
    let id = private_model_id(&hash, &header);
    let instruction = build(
        accounts::RegisterPrivateModel {
            publisher: *publisher,
            model: model(&id),
            system_program: system_program::ID,
        },
        instruction::RegisterPrivateModel { id, hash, header },
    );
    (id, instruction)
}

/// Has the network at `network` take proofs of a key from its timelock on.
pub fn register_verifying_key(
    payer: &Pubkey,
    authority: &Pubkey,
    network: &Pubkey,
    args: RegisterVerifyingKeyArgs,
) -> Instruction {
    build(
        accounts::RegisterVerifyingKey {
            payer: *payer,
            authority: *authority,
            network: *network,
            verifying_key: verifying_key(network, &args.hash),
            system_program: system_program::ID,
        },
        instruction::RegisterVerifyingKey { args },
    )
}

/// Has the network at `network` refuse proofs of the key of this hash, at once and for good.
pub fn revoke_verifying_key(authority: &Pubkey, network: &Pubkey, hash: &[u8; 32]) -> Instruction {
    build(
        accounts::RevokeVerifyingKey {
            authority: *authority,
            network: *network,
            verifying_key: verifying_key(network, hash),
        },
        instruction::RevokeVerifyingKey {},
    )
}

/// Opens the feed `args.id`. `model` is the model's id, `network` the network's address.
pub fn create_feed(
    payer: &Pubkey,
    creator: &Pubkey,
    network: &Pubkey,
    model: &[u8; 32],
    args: CreateFeedArgs,
) -> Instruction {
    build(
        accounts::CreateFeed {
            payer: *payer,
            creator: *creator,
            network: *network,
            model: self::model(model),
            feed: feed(&args.id),
            system_program: system_program::ID,
        },
        instruction::CreateFeed { args },
    )
}

/// Offers a feed's authority to `new_authority`; the default key takes the offer back.
pub fn transfer_authority(feed: &Pubkey, authority: &Pubkey, new_authority: Pubkey) -> Instruction {
    build(
        accounts::TransferAuthority {
            authority: *authority,
            feed: *feed,
        },
        instruction::TransferAuthority { new_authority },
    )
}

/// Takes a feed's authority over.
pub fn accept_authority(feed: &Pubkey, pending_authority: &Pubkey) -> Instruction {
    build(
        accounts::AcceptAuthority {
            pending_authority: *pending_authority,
            feed: *feed,
        },
        instruction::AcceptAuthority {},
    )
}

/// Stops a feed for good.
pub fn freeze_feed(feed: &Pubkey, authority: &Pubkey) -> Instruction {
    build(
        accounts::FreezeFeed {
            authority: *authority,
            feed: *feed,
        },
        instruction::FreezeFeed {},
    )
}

/// Whom and what an attestation is about, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attesting {
    /// Pays the rent of attestation and round.
    pub payer: Pubkey,
    /// The pool's signer.
    pub attester: Pubkey,
    /// The network.
    pub network: Pubkey,
    /// The feed.
    pub feed: Pubkey,
    /// The feed's model.
    pub model: Pubkey,
    /// The attester's stream.
    pub stream: Pubkey,
    /// The attester's pool.
    pub pool: Pubkey,
    /// The committee of the network's present epoch.
    pub committee: Pubkey,
}

/// Claims the model's outputs on a batch of the attester's stream.
pub fn submit_attestation(attesting: &Attesting, args: SubmitAttestationArgs) -> Instruction {
    let Attesting {
        payer,
        attester,
        network,
        feed,
        model,
        stream,
        pool,
        committee,
    } = *attesting;
    build(
        accounts::SubmitAttestation {
            payer,
            attester,
            network,
            feed,
            model,
            stream,
            pool,
            committee,
            round: round(&feed, args.round),
            attestation: attestation(
                &feed,
                &stream,
                args.round,
                args.commitment.sequence,
                args.batch_index,
            ),
            system_program: system_program::ID,
        },
        instruction::SubmitAttestation { args },
    )
}

/// What a transaction submitted, in no order.
pub fn submissions(execution: &Execution) -> Vec<SubmitAttestationArgs> {
    let ran = execution.outer.iter().chain(&execution.inner);
    ran.filter(|instruction| instruction.program == ID)
        .filter_map(|instruction| {
            let mut data = instruction
                .data
                .strip_prefix(instruction::SubmitAttestation::DISCRIMINATOR)?;
            SubmitAttestationArgs::deserialize(&mut data).ok()
        })
        .collect()
}

/// What signatures are for, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The network.
    pub network: Pubkey,
    /// The feed.
    pub feed: Pubkey,
    /// The attestation's committee.
    pub committee: Pubkey,
    /// The attestation's round.
    pub round: Pubkey,
    /// The attestation.
    pub attestation: Pubkey,
}

/// Brings the signatures of the transaction's Ed25519 instruction at index `ed25519`; `members` names the committee
/// member of each, in order.
pub fn attest_committee(attested: &Attested, ed25519: u16, members: Vec<u8>) -> Instruction {
    let Attested {
        network,
        feed,
        committee,
        round,
        attestation,
    } = *attested;
    build(
        accounts::AttestCommittee {
            network,
            feed,
            committee,
            round,
            attestation,
            instructions: Instructions::id(),
        },
        instruction::AttestCommittee {
            instruction: ed25519,
            members,
        },
    )
}

/// As [`attest_committee`], with signatures for the attestation's sources: of the digest of
/// `device_protocol::SourcesMessage`.
pub fn attest_sources(attested: &Attested, ed25519: u16, members: Vec<u8>) -> Instruction {
    let Attested {
        network,
        feed,
        committee,
        round,
        attestation,
    } = *attested;
    build(
        accounts::AttestSources {
            network,
            feed,
            committee,
            round,
            attestation,
            instructions: Instructions::id(),
        },
        instruction::AttestSources {
            instruction: ed25519,
            members,
        },
    )
}

/// What a proof is for, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The network.
    pub network: Pubkey,
    /// The feed.
    pub feed: Pubkey,
    /// The feed's model.
    pub model: Pubkey,
    /// The key that the proof is of.
    pub verifying_key: Pubkey,
    /// The attestation's round.
    pub round: Pubkey,
    /// The attestation.
    pub attestation: Pubkey,
}

/// Brings a proof of an attestation's outputs: A (negated), B and C, as the chain takes them.
pub fn attest_zk(proven: &Proven, proof: [u8; PROOF_BYTES]) -> Instruction {
    let Proven {
        network,
        feed,
        model,
        verifying_key,
        round,
        attestation,
    } = *proven;
    build(
        accounts::AttestZk {
            network,
            feed,
            model,
            verifying_key,
            round,
            attestation,
        },
        instruction::AttestZk { proof },
    )
}

/// Turns a round that has ended into the feed's newest value. `payer` paid the round's rent.
pub fn finalize_round(network: &Pubkey, feed: &Pubkey, round: u64, payer: &Pubkey) -> Instruction {
    build(
        accounts::FinalizeRound {
            network: *network,
            feed: *feed,
            round: self::round(feed, round),
            payer: *payer,
        },
        instruction::FinalizeRound {},
    )
}

/// Returns the rent of a round that was passed over. `payer` paid it.
pub fn close_round(feed: &Pubkey, round: u64, payer: &Pubkey) -> Instruction {
    build(
        accounts::CloseRound {
            feed: *feed,
            round: self::round(feed, round),
            payer: *payer,
        },
        instruction::CloseRound {},
    )
}

/// Returns the rent of an attestation that is over. `payer` paid it.
pub fn close_attestation(feed: &Pubkey, attestation: &Pubkey, payer: &Pubkey) -> Instruction {
    build(
        accounts::CloseAttestation {
            feed: *feed,
            attestation: *attestation,
            payer: *payer,
        },
        instruction::CloseAttestation {},
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
