//! What registrations cost in networks that charge.

use anchor_lang::prelude::*;

use crate::error::RegistryError;

credits::fees!(RegistryError::CreditsMissing);
