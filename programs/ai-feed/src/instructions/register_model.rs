//! Publishes a model, so that feeds can name it and anyone can run it.

use anchor_lang::prelude::*;
use inference::{pack_model, ModelRef, MODEL_ELEMENTS};

use crate::{
    error::AiFeedError,
    poseidon::{poseidon, INPUTS},
    seeds,
    state::{Model, MODEL_BYTES},
};

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
    account.id = hash;
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
    let (head, tail) = elements.split_at(INPUTS);
    let mut inputs = [[0; 32]; 1 + MODEL_ELEMENTS - INPUTS];
    let (first, rest) = inputs.split_at_mut(1);
    first.copy_from_slice(&[poseidon(head).map_err(invalid)?]);
    rest.copy_from_slice(tail);
    poseidon(&inputs).map_err(invalid)
}

#[inline(never)]
fn packed(model: &ModelRef<'_>) -> [[u8; 32]; MODEL_ELEMENTS] {
    pack_model(model)
}
