//! Events that programs emit by calling themselves (`emit_cpi!`), which no log limit truncates, those that they log, and
//! the instructions that they ran.

use crate::chain::{Execution, Invocation};
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::Pubkey;
use anchor_lang::{AnchorDeserialize, Discriminator};
use base64::prelude::{Engine, BASE64_STANDARD};

/// The events of type `E` that its program emitted in `execution`, in order.
pub fn events<E>(execution: &Execution, program: &Pubkey) -> Vec<E>
where
    E: AnchorDeserialize + Discriminator,
{
    let inner = execution.inner.iter();
    inner.filter_map(|inner| parse(inner, program)).collect()
}

/// The instructions of one kind that `program` ran in `execution`, each with its accounts, those that programs called after
/// the transaction's own.
pub fn ran<'a, I>(
    execution: &'a Execution,
    program: &'a Pubkey,
) -> impl Iterator<Item = (&'a [Pubkey], I)> + use<'a, I>
where
    I: AnchorDeserialize + Discriminator,
{
    let ran = execution.outer.iter().chain(&execution.inner);
    ran.filter(move |instruction| instruction.program == *program)
        .filter_map(|instruction| {
            let mut data = instruction.data.strip_prefix(I::DISCRIMINATOR)?;
            let parsed = I::deserialize(&mut data).ok()?;
            Some((instruction.accounts.as_slice(), parsed))
        })
}

/// The events of type `E` that `program` logged in `execution` (`emit!`), in order, up to where the log was cut off.
pub fn logged<E>(execution: &Execution, program: &Pubkey) -> Vec<E>
where
    E: AnchorDeserialize + Discriminator,
{
    let program = program.to_string();
    let mut running: Vec<&str> = Vec::new();
    let mut events = Vec::new();
    for line in &execution.logs {
        if let Some(data) = line.strip_prefix("Program data: ") {
            let data = BASE64_STANDARD.decode(data).unwrap_or_default();
            if let (true, Some(mut data)) = (
                running.last() == Some(&program.as_str()),
                data.strip_prefix(E::DISCRIMINATOR),
            ) {
                events.extend(E::deserialize(&mut data));
            }
            continue;
        }
        // What a program says itself has "log:" for its name.
        let Some((name, rest)) = line
            .strip_prefix("Program ")
            .and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        if name.ends_with(':') {
            continue;
        }
        if rest.starts_with("invoke [") {
            running.push(name);
        } else if rest == "success" || rest.starts_with("failed") {
            running.pop();
        }
    }
    events
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
