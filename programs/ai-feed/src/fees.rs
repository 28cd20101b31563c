//! What feeds cost in networks that charge.

use anchor_lang::prelude::*;

use crate::error::AiFeedError;

credits::fees!(AiFeedError::CreditsMissing);
