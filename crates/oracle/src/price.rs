use crate::{on_demand, v2, Format, Now, OracleError, Requirements};

/// Decimals of a price: it is in 10^-12 dollars for a whole token. Amounts of tokens in base units (u64) times a price
/// fit into u128.
pub const DECIMALS: u32 = 12;

/// One in basis points.
pub(crate) const ONE_BPS: u128 = 10_000;

/// A price, and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// The median of the answers counted, the lower one of two, rounded down; above zero.
    pub value: u64,
    /// The greatest distance of an answer counted from the median, rounded up.
    pub deviation: u64,
    /// How many oracles' answers were counted.
    pub oracles: u8,
    /// The slot of the oldest answer counted.
    pub slot: u64,
    /// When the newest answer landed (On-Demand) or the round was opened (V2), in seconds of Unix time.
    pub at: i64,
}

impl Price {
    /// The price for whoever pays with tokens: the value less the deviation.
    ///
    /// # Errors
    /// [`OracleError::NothingLeft`] when that is not above zero.
    pub fn conservative(&self) -> Result<u64, OracleError> {
        match self.value.checked_sub(self.deviation) {
            None | Some(0) => Err(OracleError::NothingLeft),
            Some(low) => Ok(low),
        }
    }
}

/// The price in an account, from its owner and data, if it is as required.
#[inline(never)]
pub fn read_price(
    owner: &[u8; 32],
    data: &[u8],
    now: Now,
    requirements: &Requirements,
) -> Result<Price, OracleError> {
    requirements.validate()?;
    if owner != requirements.format.program() {
        return Err(OracleError::Owner);
    }
    match requirements.format {
        Format::OnDemand => on_demand::read(data, now, requirements),
        Format::V2 => v2::read(data, now, requirements),
    }
}
