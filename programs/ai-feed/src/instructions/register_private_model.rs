//! Names a model by its hash, so that feeds can use it and nobody else can run it.

use anchor_lang::prelude::*;
use device_protocol::private_model_id;
use inference::Header;

use crate::{
    error::AiFeedError,
    poseidon::poseidon,
    seeds,
    state::{Model, PRIVATE},
};

/// Accounts of `register_private_model`.
#[derive(Accounts)]
#[instruction(id: [u8; 32])]
pub struct RegisterPrivateModel<'info> {
    /// Pays the model's rent.
    #[account(mut)]
    pub publisher: Signer<'info>,
    /// The model.
    #[account(init, payer = publisher, space = Model::SIZE, seeds = [seeds::MODEL, &id], bump)]
    pub model: AccountLoader<'info, Model>,
    /// To create the account.
    pub system_program: Program<'info, System>,
}

/// Takes a hash and the header that its feeds go by: operators make windows of readings with it, and values of outputs.
/// The id binds both, so nobody can register the hash with another header in the publisher's place.
pub fn handle_register_private_model(
    ctx: Context<RegisterPrivateModel>,
    id: [u8; 32],
    hash: [u8; 32],
    header: [u8; Header::BYTES],
) -> Result<()> {
    Header::from_bytes(&header)
        .validate()
        .map_err(|_| error!(AiFeedError::InvalidModel))?;
    // No proof has a public input made of anything else.
    poseidon(&[hash]).map_err(|_| error!(AiFeedError::NotAFieldElement))?;
    require!(
        private_model_id(&hash, &header) == id,
        AiFeedError::ModelHashMismatch
    );

    let mut account = ctx.accounts.model.load_init()?;
    account.version = 1;
    account.bump = ctx.bumps.model;
    account.flags = PRIVATE;
    account.hash = hash;
    account.id = id;
    account.publisher = ctx.accounts.publisher.key();
    for (place, byte) in account.bytes.iter_mut().zip(header) {
        *place = byte;
    }
    Ok(())
}
