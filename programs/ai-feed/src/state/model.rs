//! A registered model: its bytes, under the hash that names it.

use anchor_lang::prelude::*;
use inference::ModelRef;

use crate::error::AiFeedError;

/// Bytes of a model of version 1.
pub const MODEL_BYTES: usize = inference::Model::BYTES;

/// A model. PDA `["model", hash]`. Never changes and never closes.
#[account(zero_copy)]
#[repr(C)]
pub struct Model {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// None defined: 0.
    pub flags: u8,
    /// Zero.
    pub _pad: [u8; 5],
    /// `inference::model_hash` of the bytes.
    pub hash: [u8; 32],
    /// Who registered it first; gives no right.
    pub publisher: Pubkey,
    /// The canonical bytes, valid as `inference::ModelRef::parse` takes them.
    pub bytes: [u8; MODEL_BYTES],
    /// Zero.
    pub _pad2: [u8; 3],
    /// Zero.
    pub reserved: [u8; 128],
}

impl Model {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// The model to run; it was validated when it was registered.
    pub fn parse(&self) -> Result<ModelRef<'_>> {
        ModelRef::parse(&self.bytes).map_err(|_| error!(AiFeedError::InvalidModel))
    }
}
