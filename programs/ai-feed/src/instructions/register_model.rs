//! Publishes a model, so that feeds can name it and anyone can run it.

use anchor_lang::prelude::*;
use inference::{pack_model, ModelRef, MODEL_ELEMENTS};
use solana_poseidon::{hashv, Endianness, Parameters, PoseidonSyscallError};

use crate::{
    error::AiFeedError,
    seeds,
    state::{Model, MODEL_BYTES},
};

/// Inputs that one Poseidon takes, at most.
const POSEIDON_INPUTS: usize = 12;

/// Accounts of `register_model`.
#[derive(Accounts)]
#[instruction(hash: [u8; 32])]
pub struct RegisterModel<'info> {
    /// Pays the model's rent.
    #[account(mut)]
    pub publisher: Signer<'info>,
    /// The model.
    #[account(init, payer = publisher, space = Model::SIZE, seeds = [seeds::MODEL, &hash], bump)]
    pub model: AccountLoader<'info, Model>,
    /// To create the account.
    pub system_program: Program<'info, System>,
}

/// Takes the canonical bytes of a valid model, whose hash must be `hash`.
pub fn handle_register_model(
    ctx: Context<RegisterModel>,
    hash: [u8; 32],
    bytes: Vec<u8>,
) -> Result<()> {
    let bytes: &[u8; MODEL_BYTES] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| error!(AiFeedError::InvalidModel))?;
    let model = ModelRef::parse(bytes).map_err(|_| error!(AiFeedError::InvalidModel))?;
    require!(hash_of(&model)? == hash, AiFeedError::ModelHashMismatch);

    let mut account = ctx.accounts.model.load_init()?;
    account.version = 1;
    account.bump = ctx.bumps.model;
    account.hash = hash;
    account.publisher = ctx.accounts.publisher.key();
    account.bytes = *bytes;
    Ok(())
}

/// `inference::model_hash`: Poseidon of 7 over Poseidon of 12 over the first 12 packed elements, and the other 6.
/// Packing has a stack frame of its own, because one frame does not hold both.
#[inline(never)]
fn hash_of(model: &ModelRef<'_>) -> Result<[u8; 32]> {
    let invalid = |_| error!(AiFeedError::InvalidModel);
    let elements = packed(model);
    let (head, tail) = elements.split_at(POSEIDON_INPUTS);
    let mut inputs = [[0; 32]; 1 + MODEL_ELEMENTS - POSEIDON_INPUTS];
    let (first, rest) = inputs.split_at_mut(1);
    first.copy_from_slice(&[poseidon(head).map_err(invalid)?]);
    rest.copy_from_slice(tail);
    poseidon(&inputs).map_err(invalid)
}

#[inline(never)]
fn packed(model: &ModelRef<'_>) -> [[u8; 32]; MODEL_ELEMENTS] {
    pack_model(model)
}

/// Circom's Poseidon over BN254, of big-endian elements; on chain by syscall.
fn poseidon(inputs: &[[u8; 32]]) -> std::result::Result<[u8; 32], PoseidonSyscallError> {
    let mut slices: [&[u8]; POSEIDON_INPUTS] = [&[]; POSEIDON_INPUTS];
    let slices = slices
        .get_mut(..inputs.len())
        .ok_or(PoseidonSyscallError::InvalidNumberOfInputs)?;
    for (slice, input) in slices.iter_mut().zip(inputs) {
        *slice = input;
    }
    hashv(Parameters::Bn254X5, Endianness::BigEndian, slices).map(|hash| hash.to_bytes())
}
