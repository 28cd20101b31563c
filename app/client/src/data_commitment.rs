//! Streams, their commitments and proofs: addresses and instructions of the data commitment program.

use crate::chain::{self, Chain, Cursor, Execution};
use crate::precompile::PrecompileError;
use crate::reports::{Evidence, ProvenLeaf, Signatures};
use crate::{ai_feed as feeds, event, security_pool as pools, token, ClientError};
use ai_feed::instructions::SubmitAttestationArgs;
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::{InstructionData, ToAccountMetas};
use commitment::{verify_batch as batch_is_in, CommitmentLeaf, MmrBuilder};
use data_commitment::events::RootCommitted;
use data_commitment::instructions::{
    AnswerAvailabilityArgs, CommitRootArgs, VerifyBatchArgs, VerifyReadingArgs,
};
use data_commitment::penalty::SLASHER;
use data_commitment::state::Challenge;
use data_commitment::{accounts, instruction, seeds, ID};
use device_protocol::{DeviceKey, Hash, Offence};
use device_registry::state::LeafArgs;

/// A pool's stream in a network.
pub fn stream(network: &Pubkey, pool: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[seeds::STREAM, network.as_ref(), pool.as_ref()], &ID).0
}

/// Which reading a challenge asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingPlace {
    /// The stream.
    pub stream: Pubkey,
    /// The commitment's number in it.
    pub sequence: u64,
    /// The batch's index in the commitment.
    pub batch: u32,
    /// The reading's index in the batch: window × 16 + its place in the window.
    pub reading: u16,
}

impl ReadingPlace {
    /// Which reading `challenge` asks for.
    pub fn of(challenge: &Challenge) -> Self {
        Self {
            stream: challenge.stream,
            sequence: challenge.sequence,
            batch: challenge.batch,
            reading: challenge.reading,
        }
    }

    /// The challenge's address.
    pub fn challenge(&self) -> Pubkey {
        let (sequence, batch) = (self.sequence.to_le_bytes(), self.batch.to_le_bytes());
        let reading = self.reading.to_le_bytes();
        let stream = self.stream.as_ref();
        Pubkey::find_program_address(
            &[seeds::CHALLENGE, stream, &sequence, &batch, &reading],
            &ID,
        )
        .0
    }

    /// Where it is reported that nobody showed the reading; `network_id` is the network's id.
    pub fn report(&self, network_id: &Hash) -> Pubkey {
        let offence = Offence::Withheld {
            stream: &self.stream.to_bytes(),
            sequence: self.sequence,
            batch: self.batch,
            reading: self.reading,
        };
        pools::report(&SLASHER.0, &offence.id(network_id))
    }
}

/// Opens a pool's stream; `signer` is the pool's.
pub fn open_stream(
    payer: &Pubkey,
    signer: &Pubkey,
    network: &Pubkey,
    pool: &Pubkey,
) -> Instruction {
    build(
        accounts::OpenStream {
            signer: *signer,
            payer: *payer,
            network: *network,
            pool: *pool,
            stream: stream(network, pool),
            system_program: system_program::ID,
        },
        instruction::OpenStream {},
    )
}

/// Appends a commitment to a pool's stream; `signer` is the pool's.
pub fn commit_root(
    signer: &Pubkey,
    network: &Pubkey,
    pool: &Pubkey,
    args: CommitRootArgs,
) -> Instruction {
    build(
        accounts::CommitRoot {
            signer: *signer,
            network: *network,
            pool: *pool,
            stream: stream(network, pool),
            event_authority: data_commitment::EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::CommitRoot { args },
    )
}

/// The commitments that a transaction posted, in order.
pub fn commitments(execution: &Execution) -> Vec<RootCommitted> {
    event::events(execution, &ID)
}

/// The leaf in the stream's MMR that an event tells of.
pub fn leaf_of(event: &RootCommitted) -> CommitmentLeaf {
    CommitmentLeaf {
        sequence: event.sequence,
        posted_at: event.posted_at,
        root: event.root,
        batches: event.batches,
        payload_hash: event.payload_hash,
        payload_len: event.payload_len,
    }
}

/// A stream as its own transactions tell it.
#[derive(Debug, Clone, Default)]
pub struct StreamHistory {
    /// Its commitments, by their numbers.
    pub commitments: Vec<CommitmentLeaf>,
    mmr: MmrBuilder,
    submissions: Vec<SubmitAttestationArgs>,
}

impl StreamHistory {
    /// Reads all of it.
    ///
    /// # Errors
    /// The chain's.
    pub fn read(chain: &dyn Chain, stream: &Pubkey) -> Result<Self, ClientError> {
        let mut history = Self::default();
        let told = chain.history(stream, &Cursor::START)?;
        for execution in chain::executions(chain, &told) {
            // What has landed but can't be read yet is newer than anything that is asked for.
            let Some(execution) = execution? else {
                break;
            };
            for event in commitments(&execution) {
                if event.stream == *stream {
                    history.commitments.push(leaf_of(&event));
                }
            }
            let submitted = feeds::submissions(&execution).into_iter();
            let own = submitted.filter(|submitted| submitted.stream == *stream);
            history
                .submissions
                .extend(own.map(|submitted| submitted.args));
        }
        // A server may tell of one slot's in another order.
        history.commitments.sort_by_key(|leaf| leaf.sequence);
        for leaf in &history.commitments {
            let appended = history.mmr.append(leaf.hash());
            appended.map_err(|_| ClientError::Build("the stream is full".to_owned()))?;
        }
        Ok(history)
    }

    /// The siblings of a commitment, up to its peak as the stream stands.
    pub fn path(&self, sequence: u64) -> Option<Vec<u8>> {
        self.mmr.path(sequence).ok()
    }

    /// The proof of a batch as the stream stands, if the batch was attested: who attests shows its leaf to everybody.
    pub fn attested_batch(&self, sequence: u64, batch_index: u32) -> Option<VerifyBatchArgs> {
        let commitment = self.commitments.get(usize::try_from(sequence).ok()?)?;
        let mmr_path = self.path(sequence)?;
        let shown = self.submissions.iter().find(|shown| {
            shown.batch_index == batch_index
                && batch_is_in(
                    &self.mmr.peaks(),
                    self.mmr.count(),
                    commitment,
                    &mmr_path,
                    batch_index,
                    &shown.batch.into(),
                    &shown.batch_path,
                )
                .is_ok()
        })?;
        Some(VerifyBatchArgs {
            commitment: (*commitment).into(),
            mmr_path,
            batch_index,
            batch: shown.batch,
            batch_path: shown.batch_path.clone(),
        })
    }
}

/// Verifies a batch; the return data is a `VerifiedBatch`.
pub fn verify_batch(stream: &Pubkey, args: VerifyBatchArgs) -> Instruction {
    build(
        accounts::VerifyBatch { stream: *stream },
        instruction::VerifyBatch { args },
    )
}

/// Verifies a reading; the return data is a `VerifiedReading`.
pub fn verify_reading(network: &Pubkey, stream: &Pubkey, args: VerifyReadingArgs) -> Instruction {
    build(
        accounts::VerifyReading {
            network: *network,
            stream: *stream,
        },
        instruction::VerifyReading { args },
    )
}

/// Challenges the operator to show the reading at `reading_index` of the batch that `proof` proves.
pub fn challenge_availability(
    challenger: &Pubkey,
    network: &Pubkey,
    stream: &Pubkey,
    proof: VerifyBatchArgs,
    reading_index: u16,
) -> Instruction {
    let place = ReadingPlace {
        stream: *stream,
        sequence: proof.commitment.sequence,
        batch: proof.batch_index,
        reading: reading_index,
    };
    build(
        accounts::ChallengeAvailability {
            challenger: *challenger,
            network: *network,
            stream: *stream,
            challenge: place.challenge(),
            system_program: system_program::ID,
        },
        instruction::ChallengeAvailability {
            proof,
            reading_index,
        },
    )
}

/// A reading that answers a challenge, and what makes it one.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The reading, with its session's grant.
    pub evidence: Evidence,
    /// The device's key.
    pub key: DeviceKey,
    /// The device's leaf as it stands.
    pub leaf: ProvenLeaf,
    /// Siblings of 32 bytes, from the reading up to the batch's readings root.
    pub path: Vec<u8>,
}

/// Shows the reading that a challenge asks for: the precompiles' instructions, then the answer. `at` is the index in the
/// transaction that the first of them will have.
///
/// # Errors
/// More signatures than a precompile takes, which an answer never has.
pub fn answer_availability(
    answerer: &Pubkey,
    network: &Pubkey,
    challenge: &ReadingPlace,
    answer: &Answer,
    at: u16,
) -> Result<Vec<Instruction>, PrecompileError> {
    let mut signatures = Signatures::new(&answer.key, at);
    let evidence = signatures.evidence(&answer.evidence);
    let mut instructions = signatures.instructions()?;
    instructions.push(build(
        accounts::AnswerAvailability {
            answerer: *answerer,
            network: *network,
            stream: challenge.stream,
            challenge: challenge.challenge(),
            tree: answer.leaf.tree,
            instructions: Instructions::id(),
        },
        instruction::AnswerAvailability {
            args: AnswerAvailabilityArgs {
                leaf: LeafArgs::from(&answer.leaf.leaf),
                place: answer.leaf.place.clone(),
                curve: answer.key.curve as u8,
                leaf_nonce: answer.evidence.reading.reading.leaf_nonce,
                evidence,
                reading_path: answer.path.clone(),
            },
        },
    ));
    Ok(instructions)
}

/// The accounts of [`settle_challenge`] that don't follow from the challenge's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// Pays the report's rent.
    pub payer: Pubkey,
    /// Who challenged.
    pub challenger: Pubkey,
    /// A token account of the challenger, of the stake mint, for the bounty.
    pub bounty: Pubkey,
    /// The network.
    pub network: Pubkey,
    /// The network's id.
    pub network_id: Hash,
    /// The network's stake mint.
    pub stake_mint: Pubkey,
    /// The stream's pool.
    pub pool: Pubkey,
}

/// Slashes the operator of a challenge that nobody answered in time, and gives the challenger its bond back.
pub fn settle_challenge(settling: &Settling, challenge: &ReadingPlace) -> Instruction {
    let Settling {
        payer,
        challenger,
        bounty,
        network,
        network_id,
        stake_mint,
        pool,
    } = *settling;
    build(
        accounts::SettleChallenge {
            payer,
            challenger,
            network,
            stream: challenge.stream,
            challenge: challenge.challenge(),
            slasher: SLASHER.0,
            roster: pools::roster(&network),
            pool,
            vault: pools::vault(&pool),
            stake_mint,
            report: challenge.report(&network_id),
            bounty,
            token_program: token::TOKEN_PROGRAM,
            system_program: system_program::ID,
            security_pool: slashing::SECURITY_POOL,
        },
        instruction::SettleChallenge {},
    )
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
