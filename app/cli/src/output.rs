//! Tables and times for people.

use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, Result};
use comfy_table::presets::NOTHING;
use comfy_table::Table;
use fieldproof_client::token;

/// Decimals of SOL in lamports.
const SOL_DECIMALS: u8 = 9;

/// A table of names and values, without lines.
pub fn fields<const N: usize>(rows: [(&str, String); N]) -> String {
    self::rows(rows)
}

/// As [`fields`], of any number.
pub fn rows<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    table.trim_fmt()
}

/// Rows of the transactions that were sent.
pub fn signatures<'a>(done: impl IntoIterator<Item = &'a String>) -> Vec<(&'static str, String)> {
    let rows = done.into_iter().map(|done| ("Signature", done.clone()));
    rows.collect()
}

/// A key, of which the default one is nobody's.
pub fn somebody(key: &Pubkey) -> Option<String> {
    (*key != Pubkey::default()).then(|| key.to_string())
}

/// Seconds as the largest units that say them well.
pub fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Whether what was proposed can be put in force by `command`: it can `within` seconds after `from`, unix seconds as `now`.
pub fn proposal(from: i64, within: i64, now: i64, command: &str) -> String {
    match now.saturating_sub(from) {
        ahead @ ..0 => format!("can be applied in {}", duration(ahead.saturating_neg())),
        late if late > within => "expired: propose it again".to_owned(),
        late => format!(
            "can be applied with `{command}`, for {} more",
            duration(within - late)
        ),
    }
}

/// SOL as a decimal number, in lamports.
pub fn parse_sol(text: &str) -> Result<u64> {
    token::parse_amount(text, SOL_DECIMALS)
        .ok_or_else(|| anyhow!("{text} is no number of SOL with at most {SOL_DECIMALS} decimals"))
}

/// Lamports as a decimal number of SOL.
pub fn in_sol(lamports: u64) -> String {
    token::format_amount(lamports, SOL_DECIMALS)
}

/// As [`in_sol`], with the unit.
pub fn sol(lamports: u64) -> String {
    format!("{} SOL", in_sol(lamports))
}

/// `value` × 10^`exponent` as a decimal number.
pub fn decimal(value: i64, exponent: i8) -> String {
    if exponent >= 0 {
        return format!(
            "{value}{}",
            "0".repeat(usize::from(exponent.unsigned_abs()))
        );
    }
    let places = usize::from(exponent.unsigned_abs());
    let digits = format!("{:0width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}
