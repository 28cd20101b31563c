//! What the program reports.

use anchor_lang::prelude::*;
use device_registry::events::emit_by_call;

/// A payee has its place in the reward trees.
#[event]
pub struct PayeeRegistered {
    /// The network's address.
    pub network: Pubkey,
    /// 0 an owner, 1 an operator.
    pub kind: u8,
    /// Its place among its kind.
    pub index: u32,
    /// The owner's key, or the pool.
    pub owner: Pubkey,
    /// Token account that is paid.
    pub destination: Pubkey,
}

/// Roots are up for a vote. The program calls itself with it: recomputing epochs depends on it, and whoever proposes could
/// have a log cut off.
#[event]
pub struct RootProposed {
    /// The network's address.
    pub network: Pubkey,
    /// The proposal.
    pub proposal: Pubkey,
    /// The epoch that is over.
    pub epoch: u64,
    /// The ballot in which votes count.
    pub ballot: u32,
    /// Base units emitted for this epoch.
    pub budget: u64,
    /// Of which operators' at most.
    pub operators_share: u64,
    /// Base units that the reward root grants, cumulative.
    pub reward_sum: u64,
}

/// Two thirds of the committee's allocation voted for a proposal.
#[event]
pub struct RootPassed {
    /// The network's address.
    pub network: Pubkey,
    /// The proposal.
    pub proposal: Pubkey,
    /// The epoch that is over.
    pub epoch: u64,
    /// From when it may be finalised, unix seconds.
    pub finalizable_at: i64,
}

/// Claims are proven against this root from now on. The program calls itself with this too.
#[event]
pub struct RootFinalized {
    /// The network's address.
    pub network: Pubkey,
    /// The proposal.
    pub proposal: Pubkey,
    /// The epoch that is over.
    pub epoch: u64,
    /// Hash of the reward tree's root.
    pub reward_hash: [u8; 32],
    /// Its sum, base units.
    pub reward_sum: u64,
    /// Stream whose commitment archives both trees.
    pub stream: Pubkey,
    /// Number of that commitment.
    pub sequence: u64,
}

/// A proposal was proven wrong.
#[event]
pub struct RootRejected {
    /// The network's address.
    pub network: Pubkey,
    /// The proposal.
    pub proposal: Pubkey,
    /// The epoch.
    pub epoch: u64,
    /// Kind of the payee whose leaf is wrong.
    pub kind: u8,
    /// Its index.
    pub index: u32,
    /// Pool of the proposer.
    pub proposer: Pubkey,
    /// Whether the proposer had anything at stake.
    pub slashed: bool,
}

/// A pool was slashed for a vote.
#[event]
pub struct VoterSlashed {
    /// The network's address.
    pub network: Pubkey,
    /// The member's pool.
    pub pool: Pubkey,
    /// The epoch that it voted on.
    pub epoch: u64,
    /// The ballot.
    pub ballot: u32,
}

/// A payee was paid.
#[event]
pub struct Claimed {
    /// The network's address.
    pub network: Pubkey,
    /// The owner's key, or the pool.
    pub owner: Pubkey,
    /// Base units paid now.
    pub amount: u64,
    /// Base units paid ever.
    pub total: u64,
}

/// Whose price counts and what costs credits was set.
#[event]
pub struct PricingSet {
    /// The network's address.
    pub network: Pubkey,
    /// From when it holds, unix seconds.
    pub from: i64,
}

/// Tokens were burned for credits.
#[event]
pub struct CreditsBought {
    /// The network's address.
    pub network: Pubkey,
    /// Whose credits they are.
    pub owner: Pubkey,
    /// Base units burned.
    pub tokens: u64,
    /// Credits for them.
    pub credits: u64,
}

/// Credits were spent on a feed.
#[event]
pub struct FeedFunded {
    /// The network's address.
    pub network: Pubkey,
    /// The feed's address.
    pub feed: Pubkey,
    /// The epoch.
    pub epoch: u64,
    /// Credits spent.
    pub credits: u64,
    /// Base units that had been burned for them.
    pub burned: u64,
}

/// Emits an event by calling this program; `event_authority` is the account that `#[event_cpi]` adds.
pub fn emit_to_self<E: AnchorSerialize + Discriminator>(
    event: &E,
    event_authority: &AccountInfo,
) -> Result<()> {
    let speaker = (&crate::ID, &crate::EVENT_AUTHORITY_AND_BUMP);
    emit_by_call(speaker, event, 256, event_authority)
}
