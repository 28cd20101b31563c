//! Streams, their commitments and proofs: addresses and instructions of the data commitment program.

use crate::chain::Execution;
use crate::event;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::{InstructionData, ToAccountMetas};
use data_commitment::events::RootCommitted;
use data_commitment::instructions::{CommitRootArgs, VerifyBatchArgs, VerifyReadingArgs};
use data_commitment::{accounts, instruction, seeds, ID};

/// A pool's stream in a network.
pub fn stream(network: &Pubkey, pool: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[seeds::STREAM, network.as_ref(), pool.as_ref()], &ID).0
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

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
