//! What happened to funds and policies.

use anchor_lang::prelude::*;

/// A fund was created.
#[event]
pub struct FundCreated {
    /// The fund.
    pub fund: Pubkey,
    /// Who writes its policies.
    pub underwriter: Pubkey,
    /// Id of the feed that they are about.
    pub feed_id: [u8; 32],
    /// Mint of premiums and payouts.
    pub mint: Pubkey,
}

/// A fund was given tokens.
#[event]
pub struct Deposited {
    /// The fund.
    pub fund: Pubkey,
    /// Base units.
    pub amount: u64,
}

/// The underwriter took tokens.
#[event]
pub struct Withdrawn {
    /// The fund.
    pub fund: Pubkey,
    /// Base units.
    pub amount: u64,
}

/// A policy was written.
#[event]
pub struct PolicyWritten {
    /// The fund.
    pub fund: Pubkey,
    /// The policy's number in the fund.
    pub number: u64,
    /// Who is insured.
    pub holder: Pubkey,
    /// What the feed's value must cross, in the feed's units.
    pub threshold: i64,
    /// 0: pays below the threshold, 1: above it.
    pub direction: u8,
    /// Verification that a round needs, bits of the feed's mask.
    pub min_mask: u16,
    /// Seconds from a round's capture in which it can be settled.
    pub max_age: u32,
    /// Base units that the policy pays.
    pub payout: u64,
    /// Base units that it cost.
    pub premium: u64,
    /// First second that it covers, Unix time.
    pub starts: i64,
    /// Last second that it covers, Unix time.
    pub ends: i64,
}

/// A policy was paid, and closed.
#[event]
pub struct PolicySettled {
    /// The fund.
    pub fund: Pubkey,
    /// The policy's number in the fund.
    pub number: u64,
    /// Who was insured.
    pub holder: Pubkey,
    /// Base units paid.
    pub payout: u64,
    /// The feed's round that met the terms.
    pub round: u64,
    /// Its value, in the feed's units.
    pub value: i64,
    /// What the value has passed, bits of the feed's mask.
    pub mask: u16,
}

/// A policy ended without payment, and was closed.
#[event]
pub struct PolicyExpired {
    /// The fund.
    pub fund: Pubkey,
    /// The policy's number in the fund.
    pub number: u64,
}
