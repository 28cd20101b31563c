//! Events that programs emit by calling themselves (`emit_cpi!`), which no log limit truncates.

use crate::chain::Execution;
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::{AnchorDeserialize, Discriminator};

/// The events of type `E` that its program emitted in `execution`, in order.
///
/// Only calls of the program's own id count, so nobody else can speak for it.
pub fn events<E>(execution: &Execution, program: &anchor_lang::prelude::Pubkey) -> Vec<E>
where
    E: AnchorDeserialize + Discriminator,
{
    execution
        .inner
        .iter()
        .filter(|inner| inner.program == *program)
        .filter_map(|inner| {
            let data = inner.data.strip_prefix(EVENT_IX_TAG_LE)?;
            let mut data = data.strip_prefix(E::DISCRIMINATOR)?;
            E::deserialize(&mut data).ok()
        })
        .collect()
}
