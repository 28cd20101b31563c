//! A transaction's log, in which events stand that programs write there. Input: the lines.
#![no_main]

use ai_feed::events::AttestationPassed;
use anchor_lang::prelude::Pubkey;
use fieldproof_client::chain::Execution;
use fieldproof_client::event::logged;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let execution = Execution {
        signature: Default::default(),
        slot: 0,
        error: None,
        logs: text.lines().map(str::to_owned).collect(),
        outer: Vec::new(),
        inner: Vec::new(),
        compute_units: 0,
        fee: 0,
        return_data: Vec::new(),
    };
    let data = text.matches("Program data: ").count();
    let starts = text.matches(&format!("Program {} invoke [", ai_feed::ID)).count();
    let events: Vec<AttestationPassed> = logged(&execution, &ai_feed::ID);
    // As many as there are lines of data at most, and none where the program does not run.
    assert!(events.len() <= data);
    assert!(starts > 0 || events.is_empty());
    let others: Vec<AttestationPassed> = logged(&execution, &Pubkey::default());
    assert!(others.is_empty() || text.contains(&Pubkey::default().to_string()));
});
