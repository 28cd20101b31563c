//! A registered model: its bytes, under the hash that names it.

use anchor_lang::prelude::*;
use inference::{Header, ModelRef};

use crate::error::AiFeedError;

/// Bytes of a model of version 1.
pub const MODEL_BYTES: usize = inference::Model::BYTES;
/// Flag: the account has the model's header alone. Who knows the rest proves by ZK what the model says.
pub const PRIVATE: u8 = 1;

/// A model. PDA `["model", id]`. Never changes and never closes.
#[account(zero_copy)]
#[repr(C)]
pub struct Model {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// [`PRIVATE`].
    pub flags: u8,
    /// Zero.
    pub _pad: [u8; 5],
    /// `inference::model_hash` of the bytes. A private model's is its publisher's word, which proofs have to fit.
    pub hash: [u8; 32],
    /// Who registered it first; gives no right.
    pub publisher: Pubkey,
    /// The canonical bytes, valid as `inference::ModelRef::parse` takes them; of a private model its header, then zeros.
    pub bytes: [u8; MODEL_BYTES],
    /// Zero.
    pub _pad2: [u8; 3],
    /// What feeds name it by: a public model's hash; `device_protocol::private_model_id` of a private one's hash and header,
    /// since its hash says nothing that can be checked of the header.
    pub id: [u8; 32],
    /// Zero.
    pub reserved: [u8; 96],
}

impl Model {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Whether its weights are nobody's but its publisher's.
    pub fn is_private(&self) -> bool {
        self.flags & PRIVATE != 0
    }

    /// How readings become features and what outputs mean; validated when the model was registered.
    pub fn header(&self) -> Result<Header> {
        let (header, _) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| error!(AiFeedError::Invariant))?;
        Ok(Header::from_bytes(header))
    }

    /// The model to run; it was validated when it was registered. Fails if it is private.
    pub fn parse(&self) -> Result<ModelRef<'_>> {
        require!(!self.is_private(), AiFeedError::PrivateModel);
        ModelRef::parse(&self.bytes).map_err(|_| error!(AiFeedError::InvalidModel))
    }
}
