//! Which sequences of one session were taken: the highest, and each of those just below it.

/// How many sequences, up to the highest, are remembered one by one.
pub const WINDOW: u64 = u128::BITS as u64;

/// What is known of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was not taken before.
    New,
    /// It was.
    Taken,
    /// It is too far below the highest: only the log can tell.
    Below,
}

/// The sequences of one session of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    highest: u64,
    /// Bit n stands for the sequence n below the highest. No bit: nothing was taken yet.
    bits: u128,
}

impl Seen {
    /// What is known of `sequence`.
    pub fn look(&self, sequence: u64) -> Known {
        if self.bits == 0 || sequence > self.highest {
            return Known::New;
        }
        let below = self.highest - sequence;
        if below >= WINDOW {
            Known::Below
        } else if self.bits >> below & 1 == 1 {
            Known::Taken
        } else {
            Known::New
        }
    }

    /// Remembers that `sequence` was taken.
    pub fn take(&mut self, sequence: u64) {
        if self.bits == 0 {
            (self.highest, self.bits) = (sequence, 1);
        } else if sequence > self.highest {
            let above = sequence - self.highest;
            self.bits = if above < WINDOW {
                self.bits << above | 1
            } else {
                1
            };
            self.highest = sequence;
        } else if self.highest - sequence < WINDOW {
            self.bits |= 1 << (self.highest - sequence);
        }
    }
}
