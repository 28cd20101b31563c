//! By what operators score an epoch's readings. The program only keeps these terms, so that everybody scores alike; how
//! they are used is in docs/protocol.md, and the worker's `score` computes it.

use crate::error::EmissionError;
use crate::state::FULL_BPS;
use anchor_lang::prelude::*;

/// Tiers that devices may have.
pub const TIERS: usize = 4;
/// The finest resolution of H3 cells.
pub const FINEST_RESOLUTION: u8 = 15;
/// Owners that a cell's full reward may ask for, at most.
pub const MAX_FULL_OWNERS: u8 = 16;

/// Terms of scores. Basis points are of a factor: 10,000 leave a score as it is.
#[derive(Debug, Default, PartialEq, Eq)]
#[zero_copy]
pub struct Scoring {
    /// What a device counts by its tier, in basis points; no lower for a higher tier.
    pub tiers_bps: [u16; TIERS],
    /// Devices of a cell that are paid in full; more share what those get.
    pub cell_capacity: u16,
    /// Devices from which on a cell is not under-served, at most the capacity.
    pub cell_target: u16,
    /// What an almost empty cell adds to a factor of 1, in basis points; it falls in proportion up to the target.
    pub scarcity_bps: u16,
    /// The resolution of the cells in which devices are counted, 0 to 15.
    pub cell_resolution: u8,
    /// Owners of devices of as many makers that a cell's full reward asks for, 1 to 16.
    pub full_owners: u8,
    /// The least reputation, with which everybody begins, in basis points.
    pub reputation_floor_bps: u16,
    /// What an honest epoch adds to a reputation, in basis points.
    pub reputation_step_bps: u16,
    /// The most that a feed's demand makes of a score, in basis points; at least 10,000.
    pub max_demand_bps: u16,
    /// Zero.
    pub _pad: [u8; 2],
}

impl Scoring {
    /// Refuses terms by which more devices, a higher tier or more demand could earn less, or nobody anything.
    pub fn validate(&self) -> Result<()> {
        let Self {
            tiers_bps,
            cell_capacity,
            cell_target,
            scarcity_bps,
            cell_resolution,
            full_owners,
            reputation_floor_bps,
            reputation_step_bps,
            max_demand_bps,
            _pad: _,
        } = *self;
        require!(
            tiers_bps.is_sorted() && (1..=FULL_BPS).contains(&tiers_bps[TIERS - 1]),
            EmissionError::InvalidTiers
        );
        // With a bonus over 1, a cell would earn less by its next device.
        require!(
            cell_capacity > 0
                && cell_target <= cell_capacity
                && scarcity_bps <= FULL_BPS
                && cell_resolution <= FINEST_RESOLUTION
                && (1..=MAX_FULL_OWNERS).contains(&full_owners),
            EmissionError::InvalidCoverage
        );
        require!(
            (1..=FULL_BPS).contains(&reputation_floor_bps)
                && reputation_step_bps <= FULL_BPS
                && (reputation_step_bps > 0 || reputation_floor_bps == FULL_BPS),
            EmissionError::InvalidReputation
        );
        require!(max_demand_bps >= FULL_BPS, EmissionError::InvalidDemand);
        Ok(())
    }
}
