//! Events that programs emit by calling themselves (`emit_cpi!`), which no log limit truncates.

use crate::chain::{Execution, Invocation};
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::Pubkey;
use anchor_lang::{AnchorDeserialize, Discriminator};

/// The events of type `E` that its program emitted in `execution`, in order.
pub fn events<E>(execution: &Execution, program: &Pubkey) -> Vec<E>
where
    E: AnchorDeserialize + Discriminator,
{
    let inner = execution.inner.iter();
    inner.filter_map(|inner| parse(inner, program)).collect()
}

/// The event of type `E` that a call is, if it is one of its program's.
///
/// Only calls of the program's own id count, so nobody else can speak for it.
pub fn parse<E>(inner: &Invocation, program: &Pubkey) -> Option<E>
where
    E: AnchorDeserialize + Discriminator,
{
    if inner.program != *program {
        return None;
    }
    let data = inner.data.strip_prefix(EVENT_IX_TAG_LE)?;
    let mut data = data.strip_prefix(E::DISCRIMINATOR)?;
    E::deserialize(&mut data).ok()
}
