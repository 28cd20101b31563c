use crate::{Header, WINDOWS};

impl Header {
    /// What an output means: `output_offset` + `output_step` × output, in units of 10^`exponent`.
    pub fn value(&self, output: u8) -> i64 {
        i64::from(self.output_offset) + i64::from(self.output_step) * i64::from(output)
    }
}

/// The median of the outputs' values, in units of 10^`exponent`; of an even count, the mean of the middle two, rounded
/// down. None unless there are 1 to 32 outputs.
pub fn aggregate(header: &Header, outputs: &[u8]) -> Option<i64> {
    if outputs.is_empty() || outputs.len() > WINDOWS {
        return None;
    }
    let mut counts = [0u8; 256];
    for output in outputs {
        counts[usize::from(*output)] += 1;
    }
    // Values rise with outputs, so the rank of an output is the rank of its value. Ranks are asked for in order.
    let mut counted = (0..=u8::MAX).zip(counts);
    let mut output = 0;
    let mut up_to_output = 0;
    let mut at_rank = |rank: usize| {
        while up_to_output <= rank {
            let (next, count) = counted.next()?;
            output = next;
            up_to_output += usize::from(count);
        }
        Some(output)
    };
    let low = header.value(at_rank((outputs.len() - 1) / 2)?);
    let high = header.value(at_rank(outputs.len() / 2)?);
    Some((low + high) >> 1)
}
