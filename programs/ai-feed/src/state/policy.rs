//! How a feed's attestations must be verified, and what stands behind them: what its authority may change.

use anchor_lang::prelude::*;
use device_registry::state::{Network, Parameters};
use feed_reader::Mask;
use security_pool::state::MAX_OPERATORS;

use crate::{
    error::AiFeedError,
    state::{Feed, MAX_DURATION, RING, STREAMS},
};

/// Hundred per cent, in basis points.
pub const FULL_BPS: u16 = 10_000;
/// How long a proposed policy can be applied once its timelock has passed, in seconds.
pub const APPLY_WITHIN: i64 = 7 * 86_400;

/// For how long after its commitment a batch's windows may be shown with a bond, seconds; less than 0 if never. A reading that is
/// demanded at the end of the challenge window (seconds) must still be answered within the network's evidence window, and a
/// whole challenge window must follow: that long a demand stops an attestation's clock. Where the network slashes nobody for
/// readings that are not shown, none can be demanded.
pub fn demandable_for(parameters: &Parameters, challenge_window: i64) -> i64 {
    let Parameters {
        evidence_window,
        answer_window,
        withheld_slash_bps,
        ..
    } = parameters;
    if *withheld_slash_bps == 0 {
        return i64::MIN;
    }
    evidence_window
        .saturating_sub(*answer_window)
        .saturating_sub(challenge_window.saturating_mul(2))
}

/// A feed's policy. A round keeps the one under which its first attestation opened it.
#[derive(Debug, Default, PartialEq, Eq)]
#[zero_copy]
pub struct Policy {
    /// Verifications that every attestation must pass.
    pub required_mask: u16,
    /// Committee members that must sign an attestation, at least.
    pub min_signers: u8,
    /// Streams that a round needs, at least.
    pub min_streams: u8,
    /// What a false attestation costs whoever submitted or signed it, in basis points of its stake in the network.
    pub slash_bps: u16,
    /// Zero.
    pub _pad: u16,
    /// Seconds after a round's end from which it is finalised over whatever streams have passed.
    pub grace: i64,
    /// Seconds for which an attestation takes signatures, and can be challenged.
    pub challenge_window: i64,
    /// Stake that an attestation reserves, base units; a false one costs its attester at least that.
    pub bond: u64,
}

impl Policy {
    /// Bounds that hold for every policy of a feed in this network.
    pub fn validate(&self, feed: &Feed, network: &Network) -> Result<()> {
        let Self {
            required_mask,
            min_signers,
            min_streams,
            slash_bps,
            _pad: _,
            grace,
            challenge_window,
            bond,
        } = *self;
        Feed::require_policy(required_mask, feed.private_model != 0)?;
        require!(
            (1..=MAX_OPERATORS).contains(&usize::from(min_signers)),
            AiFeedError::InvalidMinSigners
        );
        require!(
            (1..=STREAMS).contains(&usize::from(min_streams)),
            AiFeedError::InvalidMinStreams
        );
        require!(
            (0..=MAX_DURATION).contains(&grace),
            AiFeedError::InvalidGrace
        );
        // Whoever challenges a value must still find it in the ring. Within its bounds the product is far from 2^63.
        require!(
            (1..=MAX_DURATION).contains(&challenge_window)
                && challenge_window < feed.round_length * RING as i64,
            AiFeedError::InvalidChallengeWindow
        );
        require!(
            (1..=FULL_BPS).contains(&slash_bps),
            AiFeedError::InvalidSlash
        );
        if required_mask & Mask::OPTIMISTIC != 0 {
            require!(bond > 0, AiFeedError::BondRequired);
            // A window that starts with the round's last attestation ends before the round may go on without it.
            require!(grace >= challenge_window, AiFeedError::GraceTooShort);
        }
        // Stake that is asked back while it stands behind an attestation stays for the network's evidence window.
        require!(
            bond == 0 || challenge_window <= network.parameters.evidence_window,
            AiFeedError::WindowOutlastsStake
        );
        require!(
            bond == 0 || demandable_for(&network.parameters, challenge_window) >= challenge_window,
            AiFeedError::NoTimeToDemand
        );
        Ok(())
    }
}
