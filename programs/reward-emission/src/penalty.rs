//! What an operator loses for wrong roots, and for two votes in one ballot.

use anchor_lang::prelude::*;

use crate::error::EmissionError;

slashing::penalty!(
    crate::ID_CONST,
    EmissionError::WrongOffender,
    EmissionError::AlreadySlashed
);
