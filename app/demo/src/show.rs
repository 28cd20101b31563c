//! What people see of the demo as it runs.

use crate::scenario::DECIMALS;
use fieldproof_client::chain::Execution;
use fieldproof_client::token;
use migrations::Step;
use solana_signature::Signature;

/// A stage's heading.
pub fn stage(title: &str) {
    println!("\n{title}\n{}", "─".repeat(title.chars().count()));
}

/// A name and what there is to say of it.
pub fn item(name: &str, value: &str) {
    println!("  {name:<22} {value}");
}

/// A line of its own.
pub fn line(text: &str) {
    println!("  {text}");
}

/// What a transaction did.
pub fn transaction(what: &str, done: &Execution) {
    println!(
        "  {what:<48} {}  {:>9} CU",
        short(&done.signature),
        thousands(done.compute_units)
    );
}

/// A step of the migration.
pub fn step(step: &Step) {
    let signature = step.signature.as_deref().unwrap_or_default();
    let short: String = signature.chars().take(8).collect();
    let name = match step.name.rsplit_once('/') {
        Some((_, file)) => format!("model {file}"),
        None => step.name.clone(),
    };
    println!("  {name:<58} {short}…");
}

/// A signature's first characters.
pub fn short(signature: &Signature) -> String {
    let text: String = signature.to_string().chars().take(8).collect();
    format!("{text}…")
}

/// An amount of base units, in tokens.
pub fn tokens(amount: u64) -> String {
    token::format_amount(amount, DECIMALS)
}

/// Hundredths of °C, in °C.
pub fn degrees(hundredths: i64) -> String {
    format!("{:+.2}", hundredths as f64 / 100.0)
}

/// A number with its thousands apart.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time of December 2013 (unix seconds), as `13 Dec 06:10`.
pub fn time(seconds: i64) -> String {
    /// 2013-12-01 00:00:00 UTC
    const DECEMBER: i64 = 1_385_856_000;
    let minutes = (seconds - DECEMBER).div_euclid(60);
    let (day, minute) = (minutes.div_euclid(1_440) + 1, minutes.rem_euclid(1_440));
    format!("{day} Dec {:02}:{:02}", minute / 60, minute % 60)
}
