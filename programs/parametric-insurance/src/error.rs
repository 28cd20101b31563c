//! What can go wrong, and what the caller should do about it.

use anchor_lang::prelude::*;
use feed_reader::FeedError;

/// Errors of the insurance, by group: accounts 0, amounts 100, terms 200, time 300. What is wrong with the feed comes
/// with the codes of [`FeedError`].
#[error_code]
pub enum InsuranceError {
    #[msg("Only the fund's underwriter may do this: sign with its key")]
    NotUnderwriter = 0,
    #[msg("The mint is not the fund's: pass fund.mint")]
    WrongMint = 1,
    #[msg("The vault is not the fund's: pass fund.vault")]
    WrongVault = 2,
    #[msg("The feed is not the fund's: pass fund.feed")]
    WrongFeed = 3,
    #[msg("The policy is of another fund: pass policy.fund")]
    WrongFund = 4,
    #[msg("The token account must be of the fund's mint and belong to the holder: pass policy.holder_account")]
    WrongHolderAccount = 5,
    #[msg("The policy's rent goes back to whoever paid it: pass policy.payer")]
    WrongPayer = 6,

    #[msg("The amount is zero: raise it")]
    ZeroAmount = 100,
    #[msg("The fund has not that much beyond its policies' payouts: deposit more, or lower the amount")]
    NotEnoughFree = 101,
    #[msg("The amounts are too large to compute with: lower them")]
    Overflow = 102,
    #[msg("The vault would hold less than the policies' payouts: nothing was done")]
    Insolvent = 103,

    #[msg("The direction is 0 (pays below the threshold) or 1 (pays above it): choose one")]
    InvalidDirection = 200,
    #[msg("The policy must name the verification that it takes for true: set known bits of the feed's mask")]
    InvalidMask = 201,
    #[msg("The largest age must be at least a second: give the time that a round takes to be finalised and settled")]
    InvalidMaxAge = 202,
    #[msg("The policy can't begin before now, when its outcome may be known: begin later")]
    StartsInPast = 203,
    #[msg("The policy must end after it starts, within the range of time: correct its dates")]
    InvalidPeriod = 204,

    #[msg("No round within the policy's time has crossed its threshold: settle when one has")]
    NotDue = 300,
    #[msg("A round could still meet the policy: expire it max_age seconds after its end")]
    NotExpired = 301,
}

/// The feed reader's error, with its own code.
pub fn feed_error(error: FeedError) -> Error {
    msg!("{}", error);
    ProgramError::Custom(error.code()).into()
}
