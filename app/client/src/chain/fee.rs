//! What is offered for priority.

use std::str::FromStr;

/// How a priority fee is chosen, in micro-lamports a compute unit.
///
/// Written as a number, or as `75%:50000`: a percentile of what was paid lately, and the most that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriorityFee {
    /// Always the same; 0 for none.
    Fixed(u64),
    /// A percentile of what transactions lately paid at least to write the same accounts, as the cluster tells.
    Recent {
        /// Of 100.
        percentile: u8,
        /// Never more than this.
        cap: u64,
    },
}

impl Default for PriorityFee {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl PriorityFee {
    /// The fee, given the least that was paid in each recent slot, in any order.
    pub fn choose(self, mut recent: Vec<u64>) -> u64 {
        match self {
            Self::Fixed(price) => price,
            Self::Recent { percentile, cap } => {
                recent.sort_unstable();
                let last = recent.len().saturating_sub(1);
                let place = (last * usize::from(percentile)).div_ceil(100);
                recent.get(place).copied().unwrap_or(0).min(cap)
            }
        }
    }
}

impl FromStr for PriorityFee {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text} is no priority fee: give micro-lamports a compute unit, as 1000, or a percentile of recent fees \
                 and the most to offer, as 75%:50000"
            )
        };
        let Some((percentile, cap)) = text.split_once("%:") else {
            return text.parse().map(Self::Fixed).map_err(|_| wrong());
        };
        match (percentile.parse(), cap.parse()) {
            (Ok(percentile @ 0..=100), Ok(cap)) => Ok(Self::Recent { percentile, cap }),
            _ => Err(wrong()),
        }
    }
}
